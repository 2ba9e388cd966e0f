/* Model: a pool of threads and one turn to read.
 *
 *   the thread that has the turn   reads a request and serves it at once, keeping the turn, for as
 *                                  long as requests are short and come one by one
 *   the others                     wait for the turn, or serve something longer
 *   the thread that called         watches over the one that has the turn: if it is held up, the
 *                                  turn is taken from it and goes to another thread
 *
 * The turn is passed on *before* serving what may take long, and while requests pile up. Threads are
 * started when the turn is passed on and nobody waits for it.
 *
 * A request that is served with the turn kept is announced in `serving`. Whoever changes that back
 * to 0 decides about the turn: the thread itself when it is done, and so keeps it, or the overseer,
 * who gives it to another one; the thread then goes to wait again, and nothing has to be undone.
 *
 * How a thread waits for a request says loop-read.c. */
#include "daemon/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/loop-internal.h"
#include "fs/wire.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/privilege.h"
#include "util/slices.h"

/* A request that is served for longer than this holds others up: long beside the
 * waking of a thread, so little is lost where that was not worth while. */
#define HELD_UP_NS 2000000
/* So many requests found waiting one after another are a queue, not a single busy client. */
#define QUEUE_LENGTH 32
/* Reads, writes and other ranges up to this size are served at once. */
#define SHORT_BYTES (64 * 1024)
/* How often, and from which age on, what is kept for a moment is given back while requests come. */
#define KEPT_US 10000

void loop_stop(struct loop *loop) {
  int saved = errno;
  uint64_t one = 1;
  atomic_store(&loop->stopping, true);
  ssize_t written = write(loop->stopped, &one, sizeof(one));
  (void)written;
  errno = saved;
}

static void loop_end(struct loop *loop, int result) {
  pthread_mutex_lock(&loop->lock);
  if (!loop->ended)
    loop->result = result;
  loop->ended = true;
  pthread_cond_broadcast(&loop->turn_free);
  pthread_mutex_unlock(&loop->lock);
  loop_stop(loop);
}

/* --- the turn ------------------------------------------------------------------------------ */

static void *reader_run(void *data);

/* Under lock. A thread that cannot be started is not missed for long: the turn is free, and whoever
 * is done next takes it. */
static int start_thread(struct loop *loop) {
  sigset_t all, before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = pthread_create(&thread, NULL, reader_run, loop);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (code == 0)
    g_array_append_val(loop->threads, thread);
  return -code;
}

static void free_turn(struct loop *loop) {
  pthread_mutex_lock(&loop->lock);
  loop->free = true;
  if (loop->waiting > 0)
    pthread_cond_signal(&loop->turn_free);
  else if (!loop->ended && loop->threads->len < loop->options.threads)
    start_thread(loop);
  pthread_mutex_unlock(&loop->lock);
}

/* Waits for the turn; false when the loop has ended. */
static bool take_turn(struct loop *loop) {
  pthread_mutex_lock(&loop->lock);
  loop->waiting++;
  while (!loop->free && !loop->ended)
    pthread_cond_wait(&loop->turn_free, &loop->lock);
  loop->waiting--;
  loop->free = false;
  bool taken = !loop->ended;
  pthread_mutex_unlock(&loop->lock);
  return taken;
}

/* --- the overseer -------------------------------------------------------------------------- */

static void start_timer(struct loop *loop, int64_t ns) {
  struct itimerspec in = {.it_value = {.tv_nsec = ns}};
  timerfd_settime(loop->timer, 0, &in, NULL);
}

/* The timer is not stopped when the thread sleeps again; the overseer finds that out by itself, once. */
void loop_begin_watching(struct loop *loop) {
  atomic_store(&loop->asleep, false);
  if (loop->options.threads > 1 && !atomic_exchange(&loop->timing, true))
    start_timer(loop, HELD_UP_NS);
}

/* Every HELD_UP_NS while requests come. *seen: what was being served the last time. */
static void look_after(struct loop *loop, uint64_t *seen) {
  uint64_t serving = atomic_load(&loop->serving);
  if (serving != 0 && serving == *seen &&
      atomic_compare_exchange_strong(&loop->serving, &serving, 0))
    free_turn(loop);
  *seen = serving;
  if (!atomic_load(&loop->asleep)) {
    start_timer(loop, HELD_UP_NS);
    return;
  }
  atomic_store(&loop->timing, false);
  /* It may have woken up between the two lines above, and seen a timer that runs. */
  if (!atomic_load(&loop->asleep) && !atomic_exchange(&loop->timing, true))
    start_timer(loop, HELD_UP_NS);
}

static void oversee(struct loop *loop) {
  struct pollfd wait[2] = {{loop->timer, POLLIN, 0}, {loop->stopped, POLLIN, 0}};
  uint64_t seen = 0;
  while (wait[1].revents == 0) {
    if (poll(wait, G_N_ELEMENTS(wait), -1) < 0)
      continue;
    uint64_t expired;
    if (wait[0].revents && read(loop->timer, &expired, sizeof(expired)) > 0)
      look_after(loop, &seen);
  }
  /* Where it was loop_stop(): from now on no thread is started. */
  loop_end(loop, 1);
}

/* --- serving ------------------------------------------------------------------------------- */

static bool takes_long(const struct fuse_buf *message) {
  const struct wire_range_in *in = message->mem;
  if (message->size < sizeof(*in))
    return false;
  switch (in->header.opcode) {
  case WIRE_READ:
  case WIRE_WRITE:
    return in->size > SHORT_BYTES;
  case WIRE_FALLOCATE:
    return in->length > SHORT_BYTES;
  case WIRE_COPY_FILE_RANGE:
  case WIRE_COPY_FILE_RANGE_64:
    return true;
  default:
    return false;
  }
}

/* A RELEASE is done before anything that was sent after it is read: the next open of the inode is to
 * find it closed. */
static bool keeps_order(const struct fuse_buf *message) {
  const struct wire_in_header *header = message->mem;
  return header->opcode == WIRE_RELEASE;
}

/* Returns whether the thread still has the turn. */
static bool serve(struct reader *reader) {
  struct loop *loop = reader->loop;
  const struct fuse_buf *message = &reader->message;
  if (!keeps_order(message) && (reader->queued >= QUEUE_LENGTH || takes_long(message))) {
    free_turn(loop);
    fs_process(loop->fs, message);
    return false;
  }
  uint64_t number = ++loop->number;
  atomic_store(&loop->serving, number);
  fs_process(loop->fs, message);
  return atomic_compare_exchange_strong(&loop->serving, &number, 0);
}

static void give_back_kept(struct reader *reader) {
  reader->last = now_ns();
  if (reader->last - reader->gave_back < KEPT_US * INT64_C(1000))
    return;
  reader->gave_back = reader->last;
  fs_idle(reader->loop->fs, KEPT_US);
}

/* Serves with the turn until it is passed on or the loop ends. */
static void serve_turn(struct reader *reader) {
  struct loop *loop = reader->loop;
  bool has_turn = true;
  reader->last = now_ns();
  while (has_turn) {
    int code = loop_read(reader);
    if (code == -ECANCELED)
      loop_end(loop, 1);
    else if (code <= 0)
      loop_end(loop, code);
    if (code <= 0)
      return;
    has_turn = serve(reader);
    give_back_kept(reader);
  }
}

/* The kernel copies a request into this memory. Were it not there yet, and were the worker killed at that
 * moment, the page fault would be refused, and the kernel would tell the client EIO instead of sending
 * the request to the next worker. So as much as is going to be used is there before the first read (and is not
 * filled with 0, because the compiler would leave that to the kernel again). Without memory libfuse tries
 * again. */
static void make_buffer(const struct fs *fs, struct fuse_buf *message) {
  message->mem = malloc(FS_MESSAGE_MAX);
  if (message->mem)
    memset(message->mem, 0xff, fs_message_expected(fs));
}

static void *reader_run(void *data) {
  struct reader reader = {.loop = data};
  make_buffer(reader.loop->fs, &reader.message);
  slices_shorten();
  int code = privilege_thread_init();
  if (code < 0) {
    log_error("cannot give a thread a umask of its own: %s", g_strerror(-code));
    loop_end(reader.loop, code);
  }
  while (take_turn(reader.loop))
    serve_turn(&reader);
  free(reader.message.mem);
  return NULL;
}

/* --- the loop ------------------------------------------------------------------------------ */

int loop_new(struct fs *fs, int device, const struct loop_options *options,
             struct loop **ret_loop) {
  auto_fd int stopped = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  auto_fd int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (stopped < 0 || timer < 0)
    return -errno;
  /* Looking at the device would take two system calls on a blocking one, which costs a fourth of the
   * speed, and the last client's interrupted request could leave a reader asleep in the second. */
  int flags = fcntl(device, F_GETFL);
  if (flags < 0 || fcntl(device, F_SETFL, flags | O_NONBLOCK) < 0)
    return -errno;
  struct loop *loop = g_new0(struct loop, 1);
  loop->fs = fs;
  loop->device = device;
  loop->options = *options;
  /* With one processor the client cannot go on while this side polls. */
  if (get_nprocs() < 2)
    loop->options.poll_us = 0;
  loop->awake = awake_new(options->awake_us);
  loop->stopped = fd_steal(&stopped);
  loop->timer = fd_steal(&timer);
  pthread_mutex_init(&loop->lock, NULL);
  pthread_cond_init(&loop->turn_free, NULL);
  loop->threads = g_array_new(FALSE, FALSE, sizeof(pthread_t));
  *ret_loop = loop;
  return 0;
}

void loop_free(struct loop *loop) {
  if (!loop)
    return;
  g_array_free(loop->threads, TRUE);
  pthread_cond_destroy(&loop->turn_free);
  pthread_mutex_destroy(&loop->lock);
  awake_free(loop->awake);
  fd_close(loop->timer);
  fd_close(loop->stopped);
  g_free(loop);
}

/* No thread is started after the end, so the list does not grow under this. */
static void join_threads(struct loop *loop) {
  for (guint i = 0; i < loop->threads->len; i++)
    pthread_join(g_array_index(loop->threads, pthread_t, i), NULL);
}

int loop_run(struct loop *loop) {
  pthread_mutex_lock(&loop->lock);
  loop->free = true;
  loop_begin_watching(loop);
  int code = start_thread(loop);
  pthread_mutex_unlock(&loop->lock);
  if (code < 0)
    return code;
  oversee(loop);
  join_threads(loop);
  return loop->result;
}
