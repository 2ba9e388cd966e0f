/* One loop that sleeps until something happens: a signal (among them a worker's end), a worker's
 * word that the mount answers, or the moment at which patience ends.
 *
 *   worker ends    unmounted: the program ends.  Otherwise: sweep what it left open, start another,
 *                  at once, or after a pause when it died young.
 *   SIGTERM        detach the mount.  Where nobody uses it the kernel ends the connection and with it
 *                  the worker; where it is busy the worker is told to end after STOP_GRACE_MS.
 *   SIGHUP         ask the program on disk; tell the worker to hand over; become the new program. With
 *                  a configuration file the worker is replaced although the program is refused.
 *
 * This process must have one thread only: a raw clone(2) copies nothing else. */
#include "daemon/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/background.h"
#include "daemon/config.h"
#include "daemon/descriptors.h"
#include "daemon/filter.h"
#include "daemon/handover.h"
#include "daemon/mount.h"
#include "daemon/watcher.h"
#include "daemon/worker.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/notify.h"
#include "util/slices.h"

#define YOUNG_MS 1000      /* a worker that ends sooner and … */
#define YOUNG_REQUESTS 100 /* … has served fewer than this has died young */
/* SIGKILL is somebody's will and no fault of the worker, so it counts only where a worker has no time
 * to begin. */
#define KILLED_MS 10
#define KILLED_REQUESTS 1
#define PAUSE_FIRST_MS 10 /* before the third start; doubled for each more */
#define PAUSE_MAX_MS 500
#define STOP_GRACE_MS 1000    /* for the last users of an unmounted file system */
#define STOP_KILL_MS 3000     /* for a worker that was told to end */
#define WATCHER_END_MS 1000   /* for a watcher whose mount is gone */
#define HANDOVER_KILL_MS 5000 /* the next program recovers what a killed worker had in hand */
#define NEVER INT64_MAX

enum phase {
  SERVING,
  STOPPING,     /* after SIGTERM: no other worker is started */
  HANDING_OVER, /* the worker was told to leave; the new program or other settings follow */
  ENDED,
};

struct supervisor {
  struct shared *shared;
  GArray *base; /* descriptors that are no worker's; descriptors.h */
  int signals;  /* signalfd */
  enum phase phase;
  bool ready;         /* a worker of this program has said that the mount answers … */
  bool look;          /* … and the watcher is to look first */
  bool upgrade_asked; /* before that */
  bool upgrade;       /* HANDING_OVER: the program on disk may take over */
  int status;         /* exit status, once ENDED */

  pid_t watcher;        /* 0: none runs */
  int64_t watched;      /* since when; times as below */
  int64_t watch_at;     /* when the next one is to be started */
  pid_t worker;         /* 0: none runs */
  int64_t started;      /* when it did; all times are ms of CLOCK_MONOTONIC */
  uint64_t served;      /* by those before it */
  int young;            /* deaths in a row */
  int64_t start_at;     /* when the next worker is to be started */
  int64_t terminate_at; /* when the worker is sent SIGTERM */
  int64_t kill_at;      /* … and SIGKILL */
};

static int64_t now_ms(void) {
  return g_get_monotonic_time() / 1000;
}

static const char *place(const struct supervisor *supervisor) {
  return supervisor->shared->options->mount_point;
}

static uint64_t requests_served(const struct supervisor *supervisor) {
  uint64_t sum = 0;
  for (size_t i = 0; i < WIRE_OPCODES; i++)
    sum += supervisor->shared->state->page->served[i];
  return sum;
}

static void end(struct supervisor *supervisor, int status) {
  supervisor->phase = ENDED;
  supervisor->status = status;
}

/* Takes the mount away, so that its users get errors and not a dead mount. */
static void give_up(struct supervisor *supervisor) {
  int r = mount_detach(supervisor->shared->options, supervisor->shared->device_number);
  if (r < 0 && r != -ENOENT)
    log_error("%s: cannot be unmounted: %s", place(supervisor), strerror(-r));
  end(supervisor, EXIT_FAILURE);
}

/* Worker: its start. */

static void start_worker(struct supervisor *supervisor) {
  struct shared *shared = supervisor->shared;
  /* A connection to syslog that two processes used would be closed by one behind the other's back,
   * and its number might be a client's file by then. Each opens its own when it has to say something. */
  closelog();
  shared->state->page->workers++;
  supervisor->start_at = NEVER;
  supervisor->served = requests_served(supervisor);
  supervisor->started = now_ms();
  pid_t pid = worker_start(shared);
  if (pid > 0) {
    supervisor->worker = pid;
    shared->state->page->worker = pid;
    return;
  }
  log_error("%s: no worker can be started: %s", place(supervisor), strerror(-pid));
  supervisor->start_at = now_ms() + PAUSE_MAX_MS;
  if (++supervisor->young >= SUPERVISOR_YOUNG_DEATHS)
    give_up(supervisor);
}

/* Watcher: started again at once, or after a pause when it died young. */

static void start_watcher(struct supervisor *supervisor) {
  bool first = supervisor->look && !supervisor->ready;
  pid_t pid = watcher_start(supervisor->shared, !first);
  supervisor->watcher = MAX(pid, 0);
  supervisor->watch_at = pid < 0 ? now_ms() + PAUSE_MAX_MS : NEVER;
  supervisor->watched = now_ms();
  if (pid < 0)
    log_warning("%s: native renames will show late, the watch does not start: %s",
                place(supervisor), strerror(-pid));
}

static void watcher_ended(struct supervisor *supervisor) {
  bool young = now_ms() - supervisor->watched < YOUNG_MS;
  supervisor->watcher = 0;
  supervisor->watch_at = now_ms() + (young ? PAUSE_MAX_MS : 0);
  log_warning("%s: the watcher ended; another takes over", place(supervisor));
}

/* It may be waiting in the kernel for a request that only the next worker answers: only at the end
 * of all it is waited for, and then not for long. */
static void stop_watcher(struct supervisor *supervisor, int patience_ms) {
  if (supervisor->watcher == 0)
    return;
  kill(supervisor->watcher, SIGKILL);
  auto_fd int process = pidfd_open(supervisor->watcher, 0);
  struct pollfd ended = {.fd = process, .events = POLLIN};
  if (patience_ms > 0 && process >= 0 && poll(&ended, 1, patience_ms) > 0)
    waitpid(supervisor->watcher, NULL, 0);
  supervisor->watcher = 0;
}

/* Worker: its end. */

static bool died_young(const struct supervisor *supervisor, int status) {
  int64_t age = now_ms() - supervisor->started;
  uint64_t served = requests_served(supervisor) - supervisor->served;
  bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  return killed ? age < KILLED_MS && served < KILLED_REQUESTS
                : age < YOUNG_MS && served < YOUNG_REQUESTS;
}

static void describe_end(const struct supervisor *supervisor, int status) {
  double age = (double)(now_ms() - supervisor->started) / 1000;
  if (WIFSIGNALED(status))
    log_warning("%s: the worker was ended by signal %d (%s) after %.3f s; another takes over",
                place(supervisor), WTERMSIG(status), strsignal(WTERMSIG(status)), age);
  else
    log_warning("%s: the worker ended with status %d after %.3f s; another takes over",
                place(supervisor), WEXITSTATUS(status), age);
}

/* 0, 10, 20, 40, … 500 ms. */
static int pause_ms(int young) {
  if (young < 2)
    return 0;
  int pause = PAUSE_FIRST_MS << (young - 2);
  return MIN(pause, PAUSE_MAX_MS);
}

static void replace_worker(struct supervisor *supervisor, int status) {
  supervisor->young = died_young(supervisor, status) ? supervisor->young + 1 : 0;
  describe_end(supervisor, status);
  if (supervisor->young >= SUPERVISOR_YOUNG_DEATHS) {
    log_error("%s: %d workers in a row died as soon as they were started; unmounting",
              place(supervisor), supervisor->young);
    give_up(supervisor);
    return;
  }
  supervisor->start_at = now_ms() + pause_ms(supervisor->young);
}

/* No worker runs. Another watcher begins with dropping what the kernel has cached of the mount's root, whose
 * mode and owner may be others from now on. */
static void reload(struct supervisor *supervisor) {
  struct shared *shared = supervisor->shared;
  stop_watcher(supervisor, 0);
  if (supervisor->upgrade)
    handover_exec(shared); /* returns only when it failed: the old program goes on */
  config_again(shared->options, &shared->settings);
  supervisor->watch_at = shared->watch >= 0 ? now_ms() : NEVER;
  supervisor->phase = SERVING;
  supervisor->start_at = now_ms();
  notify_state("READY=1\nSTATUS=The old program goes on; the log says why");
}

static void worker_ended(struct supervisor *supervisor, int status) {
  bool left = WIFEXITED(status);
  int code = left ? WEXITSTATUS(status) : -1;
  supervisor->worker = 0;
  supervisor->kill_at = supervisor->terminate_at = NEVER;
  if (code == WORKER_UNMOUNTED || supervisor->phase == STOPPING)
    end(supervisor, EXIT_SUCCESS);
  else if (code == WORKER_FAILED && supervisor->shared->state->page->init_size == 0)
    give_up(supervisor); /* it has said why, and will not do better the next time */
  if (supervisor->phase == ENDED)
    return;
  descriptors_sweep(supervisor->shared->state, supervisor->base);
  if (supervisor->phase == HANDING_OVER)
    reload(supervisor);
  else if (code == WORKER_HANDED_OVER || code == WORKER_STOPPED)
    supervisor->start_at = now_ms(); /* somebody signalled the worker itself */
  else
    replace_worker(supervisor, status);
}

static void reap(struct supervisor *supervisor) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
    if (pid == supervisor->worker)
      worker_ended(supervisor, status);
    else if (pid == supervisor->watcher && supervisor->phase != ENDED)
      watcher_ended(supervisor);
}

/* Signals. */

static void stop(struct supervisor *supervisor) {
  bool again = supervisor->phase == STOPPING;
  supervisor->phase = STOPPING;
  notify_state("STOPPING=1");
  int r = again ? 0 : mount_detach(supervisor->shared->options, supervisor->shared->device_number);
  if (r < 0 && r != -ENOENT)
    log_error("%s: cannot be unmounted: %s", place(supervisor), strerror(-r));
  if (supervisor->worker == 0) {
    end(supervisor, EXIT_SUCCESS);
    return;
  }
  supervisor->terminate_at = now_ms() + (again || r < 0 ? 0 : STOP_GRACE_MS);
  supervisor->kill_at = supervisor->terminate_at + STOP_KILL_MS;
}

static void upgrade(struct supervisor *supervisor) {
  supervisor->upgrade_asked = !supervisor->ready;
  if (supervisor->phase != SERVING || !supervisor->ready)
    return;
  notify_reloading();
  supervisor->upgrade = handover_possible(supervisor->shared);
  if (!supervisor->upgrade && !supervisor->shared->options->config) {
    notify_state("READY=1\nSTATUS=The upgrade was refused; the old program goes on");
    return;
  }
  supervisor->phase = HANDING_OVER;
  if (supervisor->worker == 0) {
    reload(supervisor);
    return;
  }
  kill(supervisor->worker, SIGHUP);
  supervisor->kill_at = now_ms() + HANDOVER_KILL_MS;
}

static void handle_signals(struct supervisor *supervisor) {
  struct signalfd_siginfo info;
  while (supervisor->phase != ENDED &&
         read(supervisor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
    if (info.ssi_signo == SIGCHLD)
      reap(supervisor);
    else if (info.ssi_signo == SIGHUP)
      upgrade(supervisor);
    else
      stop(supervisor);
  }
}

/* The number is free, and may be a worker's from now on. */
static void leave_base(GArray *base, int fd) {
  for (guint i = 0; base && i < base->len; i++)
    if (g_array_index(base, int, i) == fd) {
      g_array_remove_index_fast(base, i);
      return;
    }
}

static void handle_ready(struct supervisor *supervisor) {
  eventfd_t count;
  if (eventfd_read(supervisor->shared->ready, &count) < 0 || supervisor->ready)
    return;
  if (supervisor->look && supervisor->watcher == 0 && supervisor->watch_at == NEVER) {
    start_watcher(supervisor);
    return;
  }
  supervisor->ready = true;
  int parent = supervisor->shared->parent;
  background_ready(supervisor->shared);
  leave_base(supervisor->base, parent);
  if (supervisor->upgrade_asked)
    upgrade(supervisor);
}

/* Time. */

static void handle_time(struct supervisor *supervisor) {
  int64_t now = now_ms();
  if (supervisor->worker == 0 && now >= supervisor->start_at && supervisor->phase == SERVING)
    start_worker(supervisor);
  if (now >= supervisor->watch_at)
    start_watcher(supervisor);
  if (supervisor->worker > 0 && now >= supervisor->terminate_at) {
    supervisor->terminate_at = NEVER;
    kill(supervisor->worker, SIGTERM);
  }
  if (supervisor->worker > 0 && now >= supervisor->kill_at) {
    supervisor->kill_at = NEVER;
    kill(supervisor->worker, SIGKILL);
  }
}

/* For poll(2). The clock is looked at once: CLAMP() takes its argument more than once, and what was not yet due
 * in its first look may be overdue in the second. A timeout below 0 would be for ever. */
static int timeout_ms(const struct supervisor *supervisor) {
  int64_t first = MIN(MIN(supervisor->start_at, supervisor->watch_at),
                      MIN(supervisor->terminate_at, supervisor->kill_at));
  int64_t left = first - now_ms();
  return first == NEVER ? -1 : (int)CLAMP(left, 0, INT_MAX);
}

/* The worker's word is heard before its end. */
static void step(struct supervisor *supervisor) {
  struct pollfd events[] = {{.fd = supervisor->signals, .events = POLLIN},
                            {.fd = supervisor->shared->ready, .events = POLLIN}};
  int n = poll(events, G_N_ELEMENTS(events), timeout_ms(supervisor));
  if (n > 0 && events[1].revents)
    handle_ready(supervisor);
  if (n > 0 && events[0].revents)
    handle_signals(supervisor);
  if (supervisor->phase != ENDED)
    handle_time(supervisor);
}

static int open_signals(int *ret_fd) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
    return -errno;
  int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0)
    return -errno;
  *ret_fd = fd;
  return 0;
}

static int prepare(struct supervisor *supervisor) {
  struct shared *shared = supervisor->shared;
  int r = open_signals(&supervisor->signals);
  if (r < 0)
    return r;
  shared->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (shared->ready < 0)
    return -errno;
  /* Whatever is done between a worker's death and the first answer of the next one, clients wait for. */
  slices_shorten();
  int filter = shared->options->filter ? filter_prepare() : 0;
  if (filter < 0 && filter != -ENOSYS)
    log_warning("the list of system calls cannot be made: %s", strerror(-filter));
  supervisor->base = descriptors_base(shared->state);
  return supervisor->base ? 0 : -EIO;
}

int supervisor_run(struct shared *shared) {
  struct supervisor supervisor = {.shared = shared,
                                  .signals = -1,
                                  .start_at = now_ms(),
                                  .watch_at = NEVER,
                                  .terminate_at = NEVER,
                                  .kill_at = NEVER};
  int r = prepare(&supervisor);
  if (r < 0) {
    log_error("%s: cannot be supervised: %s", place(&supervisor), strerror(-r));
    give_up(&supervisor);
  }
  supervisor.look = shared->watch >= 0 && shared->state->page->init_size == 0;
  if (r == 0 && shared->watch >= 0 && !supervisor.look)
    start_watcher(&supervisor);
  while (supervisor.phase != ENDED)
    step(&supervisor);
  stop_watcher(&supervisor, WATCHER_END_MS);
  fd_close(supervisor.signals);
  shared->ready = fd_close(shared->ready);
  g_clear_pointer(&supervisor.base, g_array_unref);
  return supervisor.status;
}
