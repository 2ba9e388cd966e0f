/* What the tests of a view other than posix share: a mount of it for the whole program. The runner gives
 * the program an IPC namespace of its own. */
#pragma once

#include "harness.h"

static char *mount_point;
static const char *view;

/* The path of a name in the mount; valid for the whole process. */
static inline const char *path_of(const char *name) {
  g_autofree char *path = g_build_filename(mount_point, name, NULL);
  return g_intern_string(path);
}

/* In the daemon's process, in place of harness.h's own start. */
static inline void run_view(void) {
  const char *options = g_getenv("SHMFS_OPTIONS");
  bool some = options && *options;
  execlp(g_getenv("SHMFS"), "shmfs", view, mount_point, some ? "-o" : NULL, options, NULL);
}

/* Runs the tests that were added, on a mount of that view; what main() returns. */
static inline int run_on_mount(const char *of_view) {
  const char *directory = g_getenv("TEST_DIR");
  if (!directory || !g_getenv("SHMFS")) {
    g_printerr("SHMFS and TEST_DIR are not set: run this through scripts/test\n");
    return 1;
  }
  view = of_view;
  mount_point = g_build_filename(directory, "mnt", NULL);
  g_autofree char *output = NULL;
  if (daemon_start(mount_point, NULL, run_view, &output) != 0) {
    g_printerr("shmfs %s does not mount: %s\n", view, output);
    return 1;
  }
  int status = g_test_run();
  return daemon_stop(mount_point) ? status : 1;
}
