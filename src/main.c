/* The order in which a mount comes to be. The directory of the objects is opened before anything is
 * mounted, because the mount may cover it; the mount is made by the process that a person started,
 * so that what goes wrong is said there; the rest is done by one that stays (background.h). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/background.h"
#include "daemon/config.h"
#include "daemon/handover.h"
#include "daemon/mount.h"
#include "daemon/options.h"
#include "daemon/supervisor.h"
#include "daemon/view.h"
#include "daemon/worker.h"
#include "store/posix.h"
#include "util/confine.h"
#include "util/fd.h"
#include "util/log.h"

/* What every later process inherits. */
static void prepare_process(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a client's file that grows too large is an error, not our end */
  if (chdir("/") < 0)
    log_warning("/: %s", strerror(errno));
}

/* From the moment of the mount on, whoever serves it takes these, so that none leaves it behind. */
static void block_signals(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int open_directory(const struct options *options, int *ret_fd) {
  int r = posix_directory_open(options->directory, options->noatime, ret_fd);
  if (r == -EOPNOTSUPP)
    log_error("%s: is not a tmpfs, so no shared memory can be served from it (is another mount in "
              "front of it?)",
              options->directory);
  else if (r < 0)
    log_error("%s: the shared memory directory cannot be opened: %s", options->directory,
              strerror(-r));
  return r;
}

static void open_watch(struct shared *shared) {
  if (!view_find(shared->options->source)->watched)
    return;
  int r = watch_open(shared->directory, &shared->watch_kind, &shared->watch);
  if (r < 0)
    log_warning("%s: cannot be watched (%s): native renames show late, and its own attributes are "
                "not cached",
                shared->options->directory, strerror(-r));
}

static char *program_path(void) {
  char *path = g_file_read_link("/proc/self/exe", NULL);
  if (path && g_str_has_suffix(path, " (deleted)"))
    path[strlen(path) - strlen(" (deleted)")] = '\0';
  return path;
}

static void shared_clear(struct shared *shared) {
  shared->device = fd_close(shared->device);
  shared->directory = fd_close(shared->directory);
  shared->watch = fd_close(shared->watch);
  shared->parent = fd_close(shared->parent);
  state_free(shared->state);
  g_free(shared->program);
}

static int make_shared(const struct options *options, struct shared *shared) {
  if (config_begin(options, &shared->settings) < 0 || mount_prepare(options) < 0 ||
      view_enter(options) < 0 || open_directory(options, &shared->directory) < 0)
    return -1;
  int r = state_new(&shared->state);
  if (r < 0) {
    log_error("no memory for the state page: %s", strerror(-r));
    return -1;
  }
  open_watch(shared);
  block_signals();
  if (mount_attach(options, &shared->device) < 0)
    return -1;
  shared->device_number = mount_device_number(options);
  return 0;
}

/* The worker says why when it fails; the mount must not stay when nobody serves it. */
static int run_unsupervised(struct shared *shared) {
  shared->state->page->workers = 1;
  enum worker_end end = worker_run(shared);
  if (end == WORKER_FAILED)
    mount_detach(shared->options, shared->device_number);
  return end == WORKER_FAILED ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(struct shared *shared) {
  int r = confine_enter(shared->options->supervise ? CONFINE_SUPERVISOR : CONFINE_ALONE);
  if (r < 0)
    log_warning("%s: the daemon keeps capabilities that it does not need: %s",
                shared->options->mount_point, strerror(-r));
  shared->state->page->supervisor = getpid();
  return shared->options->supervise ? supervisor_run(shared) : run_unsupervised(shared);
}

static int start(const struct options *options) {
  struct shared shared = SHARED_NONE;
  shared.options = options;
  shared.program = program_path();
  int status = EXIT_FAILURE;
  if (make_shared(options, &shared) == 0) {
    int r = options->foreground ? 0 : background_enter(&shared);
    if (r == 0) {
      status = run(&shared);
    } else {
      log_error("cannot go to the background: %s", strerror(-r));
      mount_detach(options, shared.device_number);
    }
  }
  shared_clear(&shared);
  return status;
}

static int resume(const struct options *options) {
  struct shared shared = SHARED_NONE;
  shared.options = options;
  shared.program = program_path();
  int status = handover_resume(options, &shared) == 0 ? run(&shared) : EXIT_FAILURE;
  shared_clear(&shared);
  return status;
}

static int act(const struct options *options) {
  if (options->debug)
    log_set_level(LOG_LEVEL_DEBUG);
  switch (options->action) {
  case ACTION_MOUNT:
    prepare_process();
    return start(options);
  case ACTION_RESUME:
    prepare_process();
    return resume(options);
  case ACTION_RELOAD:
    return handover_reload(options);
  case ACTION_CHECK_STATE:
    return handover_check_state(options);
  case ACTION_EXIT:
    return EXIT_SUCCESS;
  }
  return EXIT_FAILURE;
}

static int start_confined(void) {
  int r = confine_start();
  if (r == -EPERM)
    log_error("the program is installed set-user-id, for which it is not made: anybody could do as "
              "root what shmfs does; docs/security.md has the way for ordinary users");
  else if (r < 0)
    log_error("capabilities cannot be set: %s", strerror(-r));
  return r;
}

int main(int argc, char **argv) {
  if (start_confined() < 0)
    return EXIT_FAILURE;
  struct options *options;
  int status = options_parse(argc, argv, &options);
  if (status)
    return status;
  status = act(options);
  options_free(options);
  return status;
}
