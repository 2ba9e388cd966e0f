/* What the tests of the view sysv share: a mount for the whole program, and segments on the other side.
 * The runner gives the program an IPC namespace of its own. */
#pragma once

#include "harness.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define KEY 0x4d2
#define NAME "0x000004d2"

static char *mount_point;

static inline const char *path_of(const char *name) {
  g_autofree char *path = g_build_filename(mount_point, name, NULL);
  return g_intern_string(path);
}

static inline int make_segment(size_t size, int mode) {
  int id = shmget(KEY, size, IPC_CREAT | IPC_EXCL | mode);
  g_assert_cmpint(id, >=, 0);
  return id;
}

static inline char *attach(int id) {
  char *memory = shmat(id, NULL, 0);
  g_assert_true(memory != (char *)-1);
  return memory;
}

static inline struct shmid_ds status_of_segment(int id) {
  struct shmid_ds segment;
  g_assert_cmpint(shmctl(id, IPC_STAT, &segment), ==, 0);
  return segment;
}

static inline void remove_segment(int id) {
  g_assert_cmpint(shmctl(id, IPC_RMID, NULL), ==, 0);
}

static inline bool maps(void) {
  return g_strcmp0(g_getenv("SHMFS_VARIANT"), "no-passthrough") != 0;
}

static inline char *map_shared(int fd, size_t size) {
  char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  int failure = errno;
  g_assert_true((mapped != MAP_FAILED) == maps());
  if (mapped != MAP_FAILED)
    return mapped;
  g_assert_cmpint(failure, ==, ENODEV);
  return NULL;
}

static inline void run_sysv(void) {
  const char *options = g_getenv("SHMFS_OPTIONS");
  bool some = options && *options;
  execlp(g_getenv("SHMFS"), "shmfs", "sysv", mount_point, some ? "-o" : NULL, options, NULL);
}

/* Runs the tests that were added; what main() returns. */
static inline int run_on_mount(void) {
  const char *directory = g_getenv("TEST_DIR");
  if (!directory || !g_getenv("SHMFS")) {
    g_printerr("SHMFS and TEST_DIR are not set: run this through scripts/test\n");
    return 1;
  }
  mount_point = g_build_filename(directory, "mnt", NULL);
  g_autofree char *output = NULL;
  if (daemon_start(mount_point, NULL, run_sysv, &output) != 0) {
    g_printerr("shmfs sysv does not mount: %s\n", output);
    return 1;
  }
  int status = g_test_run();
  return daemon_stop(mount_point) ? status : 1;
}
