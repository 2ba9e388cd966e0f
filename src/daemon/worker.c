/* A worker takes over whatever it finds: the state page of a mount that nobody has served yet (the
 * kernel's INIT message is then the first one to read), or of one that another worker left in the
 * middle of anything. After that both are the same. */
#include "daemon/worker.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/background.h"
#include "daemon/descriptors.h"
#include "daemon/filter.h"
#include "daemon/loop.h"
#include "daemon/mount.h"
#include "daemon/view.h"
#include "daemon/watcher.h"
#include "fs/fs.h"
#include "util/confine.h"
#include "util/log.h"
#include "util/privilege.h"

/* Ends the thread that waits for signals; used for nothing else. */
#define SIGNAL_END SIGUSR2

struct worker {
  struct shared *shared;
  struct store *store;
  struct fs *fs;
  struct watch *watch; /* NULL: none */
  struct loop *loop;
  pthread_t signals;
  bool signals_started;
  enum worker_end end; /* why the loop was stopped; by `signals`, read after that ended */
};

static int make_file_system(struct worker *worker) {
  struct shared *shared = worker->shared;
  struct fs_options options = shared->options->fs;
  options.watched = shared->watch >= 0;
  options.checks_opens = geteuid() != 0;
  options.limits = shared->settings.limits;
  options.limits.later = shared->options->config;
  options.shown = view_shown(shared);
  int r = privilege_init();
  if (r < 0) {
    log_error("privileges cannot be set: %s", strerror(-r));
    return r;
  }
  r = view_find(shared->options->source)->make_store(shared, &worker->store);
  if (r < 0) {
    log_error("%s: cannot be served: %s", shared->options->directory, strerror(-r));
    return r;
  }
  state_recover(shared->state);
  r = fs_new(worker->store, &options, shared->state, shared->device, &worker->fs);
  if (r < 0)
    log_error("the FUSE session cannot be made: %s", strerror(-r));
  return r;
}

/* 1 when a message was served, 0 when the mount is gone, or -errno. */
static int serve_one(struct worker *worker, struct fuse_buf *message) {
  struct pollfd device = {.fd = worker->shared->device, .events = POLLIN};
  if (poll(&device, 1, -1) < 0)
    return errno == EINTR ? 1 : -errno;
  int r = fuse_session_receive_buf(fs_session(worker->fs), message);
  if (r == -EINTR || r == -EAGAIN)
    return 1;
  if (r <= 0)
    return r == -ENODEV ? 0 : r;
  fs_process(worker->fs, message);
  return 1;
}

/* The kernel's first message, with which everything becomes known that start-up has to say. */
static int serve_init(struct worker *worker) {
  struct fuse_buf message = {0};
  int r = 1;
  while (r == 1 && worker->shared->state->page->init_size == 0)
    r = serve_one(worker, &message);
  free(message.mem);
  return r == 1 ? 0 : r < 0 ? r : -ENODEV;
}

static void say_features(const struct worker *worker) {
  const struct fs_features *features = fs_features(worker->fs);
  const struct options *options = worker->shared->options;
  if (!features->passthrough && options->fs.passthrough)
    log_warning("%s: no passthrough, so data goes through the daemon: %s", options->mount_point,
                features->passthrough_missing);
  if (!features->resend && options->fs.resend && options->supervise)
    log_warning("%s: this kernel cannot send requests again (Linux 6.9 can): should the serving "
                "process die, what it had in hand fails",
                options->mount_point);
  log_debug("%s: FUSE protocol %u.%u", options->mount_point, features->protocol_major,
            features->protocol_minor);
}

/* 0, or -ENODEV when the mount is gone already, or another error. */
static int take_over(struct worker *worker) {
  int r = fs_take_over(worker->fs);
  if (r != 1)
    return r;
  r = serve_init(worker);
  if (r == 0)
    say_features(worker);
  return r;
}

/* With a supervisor a process of its own does it (watcher.h). */
static void start_watch(struct worker *worker) {
  struct shared *shared = worker->shared;
  if (shared->watch < 0 || shared->options->supervise)
    return;
  struct watch_target target = watcher_target(shared);
  int r = watch_start(&target, &worker->watch);
  if (r < 0)
    log_warning("%s: native renames will show late, the watch does not start: %s",
                shared->options->directory, strerror(-r));
}

/* The process that was started may end now, and so may its terminal. */
static void tell_ready(struct shared *shared) {
  if (shared->ready < 0) {
    background_ready(shared);
    return;
  }
  eventfd_write(shared->ready, 1);
  background_log(shared->options);
}

/* Without a supervisor somebody has to take the mount away while it is still being served. */
static void stop(struct worker *worker) {
  const struct shared *shared = worker->shared;
  worker->end = WORKER_STOPPED;
  if (!shared->options->supervise)
    mount_detach(shared->options, shared->device_number);
  loop_stop(worker->loop);
}

static void hand_over(struct worker *worker) {
  if (!worker->shared->options->supervise) {
    log_warning("%s: no upgrade without a supervisor (-o no_supervise)",
                worker->shared->options->mount_point);
    return;
  }
  worker->end = WORKER_HANDED_OVER;
  loop_stop(worker->loop);
}

static void signals_fill(sigset_t *ret) {
  sigemptyset(ret);
  sigaddset(ret, SIGTERM);
  sigaddset(ret, SIGINT);
  sigaddset(ret, SIGHUP);
  sigaddset(ret, SIGNAL_END);
}

static void *wait_for_signals(void *data) {
  struct worker *worker = data;
  sigset_t signals;
  signals_fill(&signals);
  for (;;) {
    int number = sigwaitinfo(&signals, NULL);
    if (number == SIGNAL_END)
      return NULL;
    if (number == SIGHUP)
      hand_over(worker);
    else if (number > 0)
      stop(worker);
  }
}

static int start_signals(struct worker *worker) {
  int r = -pthread_create(&worker->signals, NULL, wait_for_signals, worker);
  worker->signals_started = r == 0;
  return r;
}

static int make_loop(struct worker *worker) {
  const struct options *options = worker->shared->options;
  struct loop_options loop = {
      .threads = options->max_threads, .poll_us = options->poll_us, .awake_us = options->awake_us};
  int r = loop_new(worker->fs, worker->shared->device, &loop, &worker->loop);
  return r < 0 ? r : start_signals(worker);
}

static enum worker_end serve(struct worker *worker) {
  int r = take_over(worker);
  if (r == 0)
    r = make_loop(worker);
  if (r == 0) {
    start_watch(worker);
    tell_ready(worker->shared);
    r = loop_run(worker->loop);
    if (r == 0)
      return WORKER_UNMOUNTED;
  }
  if (r == -ENODEV)
    return WORKER_UNMOUNTED;
  if (r < 0)
    log_error("%s: serving failed: %s", worker->shared->options->mount_point, strerror(-r));
  return r < 0 ? WORKER_FAILED : WORKER_STOPPED;
}

static void worker_clear(struct worker *worker) {
  if (worker->signals_started) {
    pthread_kill(worker->signals, SIGNAL_END);
    pthread_join(worker->signals, NULL);
  }
  if (worker->watch)
    watch_stop(worker->watch);
  if (worker->loop)
    loop_free(worker->loop);
  if (worker->fs)
    fs_free(worker->fs);
  if (worker->store)
    worker->store->ops->free(worker->store);
}

enum worker_end worker_run(struct shared *shared) {
  struct worker worker = {.shared = shared, .end = WORKER_STOPPED};
  sigset_t signals;
  signals_fill(&signals);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  enum worker_end end = make_file_system(&worker) < 0 ? WORKER_FAILED : serve(&worker);
  worker_clear(&worker);
  return end == WORKER_STOPPED ? worker.end : end;
}

static void *run_in_thread(void *data) {
  struct shared *shared = data;
  return GINT_TO_POINTER((int)worker_run(shared));
}

/* What the worker may do is less from here on; it serves all the same where that cannot be. */
static void confine(const struct shared *shared) {
  int confined = confine_enter(CONFINE_WORKER);
  if (confined < 0)
    log_warning("the worker keeps capabilities that it does not need: %s", strerror(-confined));
  int filtered = shared->options->filter && filter_is_built_in() ? filter_enter() : 0;
  if (filtered < 0)
    log_warning("the worker runs without a filter of system calls: %s", strerror(-filtered));
}

/* glibc keeps a thread's id in memory, and a raw clone(2) leaves the supervisor's there, on which
 * recursive mutexes and pthread_kill() would stumble. A thread that pthread_create() makes has its
 * own, so it does all the work, and the first thread only waits. */
static _Noreturn void run_process(struct shared *shared, pid_t supervisor) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "shmfs-worker"); /* for ps(1) */
  if (getppid() != supervisor)
    _exit(WORKER_FAILED); /* it died before the line above */
  confine(shared);
  pthread_t thread;
  void *result = GINT_TO_POINTER(WORKER_FAILED);
  int r = pthread_create(&thread, NULL, run_in_thread, shared);
  if (r)
    log_error("no thread can be made: %s", strerror(r));
  else
    pthread_join(thread, &result);
  _exit(GPOINTER_TO_INT(result));
}

pid_t worker_start(struct shared *shared) {
  pid_t supervisor = getpid();
  pid_t pid = clone_sharing_descriptors();
  if (pid == 0)
    run_process(shared, supervisor);
  return pid;
}
