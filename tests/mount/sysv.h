/* What the tests of the view sysv add to view.h: segments on the other side. */
#pragma once

#include "view.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define KEY 0x4d2
#define NAME "0x000004d2"

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
