#include "daemon/watcher.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/descriptors.h"
#include "fs/invalidate.h"
#include "store/store.h"
#include "util/confine.h"
#include "util/log.h"

struct watch_target watcher_target(const struct shared *shared) {
  return (struct watch_target){
      .kind = shared->watch_kind,
      .fd = shared->watch,
      .device = shared->device,
      .directory = shared->directory,
      .node = STORE_ROOT,
      .prefix = shared->options->prefix,
      .worker = &shared->state->page->worker,
  };
}

/* The kernel takes no attributes from an answer that an invalidation overtakes, and before it has any of
 * the root it knows no permissions: the first access would be refused. So one look at it comes before all
 * invalidations, and before anybody is told that the mount answers. */
static void look_at_root(const struct shared *shared) {
  struct stat attributes;
  (void)!stat(shared->options->mount_point, &attributes); /* whoever looks next will be told why */
  eventfd_write(shared->ready, 1);
}

static _Noreturn void run(const struct shared *shared, bool missed, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "shmfs-watcher"); /* for ps(1) */
  if (getppid() != parent)
    _exit(EXIT_FAILURE); /* it died before the line above */
  if (!missed)
    look_at_root(shared);
  int r = confine_enter(CONFINE_WATCHER);
  if (r < 0)
    log_warning("the watcher keeps capabilities that it does not need: %s", strerror(-r));
  struct watch_target target = watcher_target(shared);
  if (missed)
    invalidate_everything(target.device, target.node, target.directory, target.prefix);
  watch_run(&target, -1);
  _exit(EXIT_SUCCESS);
}

pid_t watcher_start(struct shared *shared, bool missed) {
  pid_t parent = getpid();
  pid_t pid = clone_sharing_descriptors();
  if (pid == 0)
    run(shared, missed, parent);
  return pid;
}
