/* The loop, between a device and a file system that are both played by the test: "requests" come
 * over a socket, and what is served is recorded. */
#include "daemon/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/wire.h"
#include "util/fd.h"

enum { QUICK = 1000, SLOW = 1001 }; /* opcodes of the test's own */

#define PATIENCE_MS 5000

struct fs {
  struct fuse_session *session;
  int device, kernel; /* the two ends */
  struct loop *loop;
  pthread_t thread;
  int result;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  /* Under lock: */
  GArray *served; /* uint64_t unique ids, in the order in which they were done */
  bool slow_may_end;
  unsigned inside, inside_most; /* requests that are being served */
  unsigned idle_calls;
};

/* --- in place of the file system -------------------------------------------------------------- */

struct fuse_session *fs_session(struct fs *fs) {
  return fs->session;
}

size_t fs_message_expected(const struct fs *fs) {
  (void)fs;
  return FS_MESSAGE_MAX;
}

bool fs_idle(struct fs *fs, int64_t age_us) {
  pthread_mutex_lock(&fs->lock);
  fs->idle_calls += age_us == 0;
  pthread_cond_broadcast(&fs->changed);
  pthread_mutex_unlock(&fs->lock);
  return false;
}

void fs_process(struct fs *fs, const struct fuse_buf *message) {
  const struct wire_in_header *header = message->mem;
  pthread_mutex_lock(&fs->lock);
  fs->inside++;
  fs->inside_most = MAX(fs->inside_most, fs->inside);
  while (header->opcode == SLOW && !fs->slow_may_end)
    pthread_cond_wait(&fs->changed, &fs->lock);
  fs->inside--;
  g_array_append_val(fs->served, header->unique);
  pthread_cond_broadcast(&fs->changed);
  pthread_mutex_unlock(&fs->lock);
}

/* --- in place of the device ------------------------------------------------------------------- */

static void send_request(struct fs *fs, uint32_t opcode, uint64_t unique) {
  struct wire_in_header header = {.len = sizeof(header), .opcode = opcode, .unique = unique};
  g_assert_cmpint(send(fs->kernel, &header, sizeof(header), 0), ==, sizeof(header));
}

/* --- the fixture ------------------------------------------------------------------------------- */

static void *run(void *data) {
  struct fs *fs = data;
  fs->result = loop_run(fs->loop);
  return NULL;
}

static void make_session(struct fs *fs) {
  char name[] = "test", *argv[] = {name, NULL};
  struct fuse_args args = FUSE_ARGS_INIT(1, argv);
  struct fuse_lowlevel_ops operations = {0};
  fs->session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
  fuse_opt_free_args(&args);
  g_assert_nonnull(fs->session);
  /* A descriptor instead of a mount point: the session takes it over. */
  g_autofree char *path = g_strdup_printf("/dev/fd/%d", fs->device);
  g_assert_cmpint(fuse_session_mount(fs->session, path), ==, 0);
}

static void set_up(struct fs *fs, gconstpointer threads) {
  int ends[2];
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), ==, 0);
  fs->device = ends[0];
  fs->kernel = ends[1];
  pthread_mutex_init(&fs->lock, NULL);
  pthread_cond_init(&fs->changed, NULL);
  fs->served = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  make_session(fs);
  struct loop_options options = {.threads = GPOINTER_TO_UINT(threads), .poll_us = 50};
  g_assert_cmpint(loop_new(fs, fs->device, &options, &fs->loop), ==, 0);
  int code = pthread_create(&fs->thread, NULL, run, fs);
  g_assert_cmpint(code, ==, 0);
}

static void tear_down(struct fs *fs, gconstpointer threads) {
  (void)threads;
  loop_free(fs->loop);
  fuse_session_destroy(fs->session);
  fd_close(fs->kernel);
  g_array_free(fs->served, TRUE);
}

static int wait_for_end(struct fs *fs) {
  g_assert_cmpint(pthread_join(fs->thread, NULL), ==, 0);
  return fs->result;
}

static void stop(struct fs *fs) {
  loop_stop(fs->loop);
  g_assert_cmpint(wait_for_end(fs), ==, 1);
}

/* Waits until *value, which the lock protects, is at least `least`. */
static void wait_until(struct fs *fs, const unsigned *value, unsigned least) {
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += PATIENCE_MS / 1000;
  pthread_mutex_lock(&fs->lock);
  int code = 0;
  while (*value < least && code == 0)
    code = pthread_cond_timedwait(&fs->changed, &fs->lock, &limit);
  g_assert_cmpuint(*value, >=, least);
  pthread_mutex_unlock(&fs->lock);
}

static void let_slow_end(struct fs *fs) {
  pthread_mutex_lock(&fs->lock);
  fs->slow_may_end = true;
  pthread_cond_broadcast(&fs->changed);
  pthread_mutex_unlock(&fs->lock);
}

static uint64_t served_at(const struct fs *fs, unsigned i) {
  return g_array_index(fs->served, uint64_t, i);
}

/* --- the promises ------------------------------------------------------------------------------ */

static void test_every_request_is_served_once(struct fs *fs, gconstpointer threads) {
  (void)threads;
  const unsigned count = 20000;
  for (unsigned i = 1; i <= count; i++)
    send_request(fs, i % 3 ? QUICK : WIRE_RELEASE, i);
  wait_until(fs, &fs->served->len, count);
  stop(fs);
  g_assert_cmpuint(fs->served->len, ==, count);
  uint64_t sum = 0;
  for (unsigned i = 0; i < count; i++)
    sum += served_at(fs, i);
  g_assert_cmpuint(sum, ==, (uint64_t)count * (count + 1) / 2);
}

static void test_a_slow_request_holds_up_no_other(struct fs *fs, gconstpointer threads) {
  (void)threads;
  send_request(fs, SLOW, 1);
  send_request(fs, QUICK, 2);
  wait_until(fs, &fs->served->len, 1);
  g_assert_cmpuint(served_at(fs, 0), ==, 2);
  let_slow_end(fs);
  wait_until(fs, &fs->served->len, 2);
  stop(fs);
}

static void test_slow_requests_take_all_threads_but_one(struct fs *fs, gconstpointer threads) {
  unsigned slow = GPOINTER_TO_UINT(threads) - 1;
  for (unsigned i = 1; i <= slow; i++)
    send_request(fs, SLOW, i);
  wait_until(fs, &fs->inside, slow);
  send_request(fs, QUICK, 100);
  wait_until(fs, &fs->served->len, 1);
  g_assert_cmpuint(served_at(fs, 0), ==, 100);
  let_slow_end(fs);
  wait_until(fs, &fs->served->len, slow + 1);
  stop(fs);
}

static void test_no_more_threads_than_allowed(struct fs *fs, gconstpointer threads) {
  unsigned most = GPOINTER_TO_UINT(threads);
  for (unsigned i = 1; i <= most + 3; i++)
    send_request(fs, SLOW, i);
  wait_until(fs, &fs->inside, most);
  g_usleep(20000);
  g_assert_cmpuint(fs->inside_most, ==, most);
  let_slow_end(fs);
  wait_until(fs, &fs->served->len, most + 3);
  stop(fs);
}

static void test_one_thread_serves_in_order(struct fs *fs, gconstpointer threads) {
  (void)threads;
  for (unsigned i = 1; i <= 1000; i++)
    send_request(fs, QUICK, i);
  wait_until(fs, &fs->served->len, 1000);
  stop(fs);
  for (unsigned i = 0; i < 1000; i++)
    g_assert_cmpuint(served_at(fs, i), ==, i + 1);
}

static void test_stopping_finishes_what_is_in_hand(struct fs *fs, gconstpointer threads) {
  (void)threads;
  send_request(fs, SLOW, 1);
  wait_until(fs, &fs->inside, 1);
  loop_stop(fs->loop);
  g_usleep(20000);
  let_slow_end(fs);
  g_assert_cmpint(wait_for_end(fs), ==, 1);
  g_assert_cmpuint(fs->served->len, ==, 1);
}

static void test_a_device_that_fails_ends_it(struct fs *fs, gconstpointer threads) {
  (void)threads;
  send_request(fs, QUICK, 1);
  wait_until(fs, &fs->served->len, 1);
  fs->kernel = fd_close(fs->kernel);
  g_assert_cmpint(wait_for_end(fs), ==, -EIO);
}

static void test_what_is_kept_is_given_back_before_sleep(struct fs *fs, gconstpointer threads) {
  (void)threads;
  unsigned before = fs->idle_calls;
  send_request(fs, QUICK, 1);
  wait_until(fs, &fs->idle_calls, before + 1);
  stop(fs);
}

static void test_quiet_takes_no_processor_time(struct fs *fs, gconstpointer threads) {
  (void)threads;
  send_request(fs, QUICK, 1);
  wait_until(fs, &fs->served->len, 1);
  g_usleep(50000);
  struct timespec before, after;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  g_usleep(200000);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  int64_t us = (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
  /* The two clock calls and this thread's own wake-up; a loop that looks would take thousands. */
  g_assert_cmpint(us, <, 1000);
  stop(fs);
}

static void add(const char *name, unsigned threads,
                void (*test)(struct fs *fs, gconstpointer threads)) {
  g_autofree char *path = g_strdup_printf("/loop/%u/%s", threads, name);
  g_test_add(path, struct fs, GUINT_TO_POINTER(threads), set_up, test, tear_down);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  const unsigned counts[] = {1, 2, 5};
  for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
    unsigned n = counts[i];
    add("every-request-is-served-once", n, test_every_request_is_served_once);
    add("no-more-threads-than-allowed", n, test_no_more_threads_than_allowed);
    add("stopping-finishes-what-is-in-hand", n, test_stopping_finishes_what_is_in_hand);
    add("a-device-that-fails-ends-it", n, test_a_device_that_fails_ends_it);
    add("what-is-kept-is-given-back", n, test_what_is_kept_is_given_back_before_sleep);
    add("quiet-takes-no-processor-time", n, test_quiet_takes_no_processor_time);
  }
  add("one-thread-serves-in-order", 1, test_one_thread_serves_in_order);
  add("a-slow-request-holds-up-no-other", 2, test_a_slow_request_holds_up_no_other);
  add("slow-requests-leave-one-thread", 5, test_slow_requests_take_all_threads_but_one);
  return g_test_run();
}
