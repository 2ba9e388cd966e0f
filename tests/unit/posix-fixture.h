/* A posix store over a fresh directory of /dev/shm, and what its tests keep saying. The fixture
 * also fails a test that leaves a descriptor open. */
#pragma once

#include "descriptors.h"
#include "store/posix.h"
#include "util/fd.h"
#include "util/privilege.h"

#include <fcntl.h>
#include <glib.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SOMEBODY 65534

struct fixture {
  char *path;
  int fd;
  struct store *store;
  const struct store_ops *ops;
  unsigned descriptors;
};

static inline void set_up(struct fixture *f, gconstpointer data) {
  (void)data;
  f->descriptors = count_descriptors();
  f->path = g_mkdtemp(g_strdup("/dev/shm/shmfs-posix-XXXXXX"));
  g_assert_nonnull(f->path);
  g_assert_cmpint(chmod(f->path, 01777), ==, 0);
  g_assert_cmpint(posix_directory_open(f->path, false, &f->fd), ==, 0);
  g_assert_cmpint(posix_store_new(f->fd, &f->store), ==, 0);
  f->ops = f->store->ops;
}

static inline void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  f->ops->free(f->store);
  fd_close(f->fd);
  g_assert_cmpuint(count_descriptors(), ==, f->descriptors);
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'", f->path);
  g_assert_cmpint(system(remove), ==, 0);
  g_free(f->path);
}

/* Skips a test of nodes that have no name. */
static inline bool cannot_open_by_handle(void) {
  if (privilege_has(CAP_DAC_READ_SEARCH))
    return false;
  g_test_skip("needs CAP_DAC_READ_SEARCH");
  return true;
}

static inline struct store_new new_file(mode_t mode) {
  return (struct store_new){.mode = mode, .caller = {.uid = getuid(), .gid = getgid()}};
}

static inline uint64_t make(struct fixture *f, uint64_t parent, const char *name, mode_t mode) {
  struct store_new new = new_file(mode);
  struct store_entry entry;
  new.target = "target";
  g_assert_cmpint(f->ops->make(f->store, parent, name, &new, &entry), ==, 0);
  g_assert_cmpuint(entry.attributes.st_mode & S_IFMT, ==, mode & S_IFMT);
  return entry.node;
}

static inline uint64_t make_regular(struct fixture *f, const char *name) {
  return make(f, STORE_ROOT, name, S_IFREG | 0600);
}

static inline uint64_t lookup(struct fixture *f, uint64_t parent, const char *name) {
  struct store_entry entry;
  uint64_t found;
  struct stat attributes;
  g_assert_cmpint(f->ops->lookup(f->store, parent, name, &entry), ==, 0);
  g_assert_cmpint(f->ops->find(f->store, parent, name, &found), ==, 0);
  g_assert_cmpint(f->ops->get_attributes(f->store, entry.node, &attributes), ==, 0);
  g_assert_cmpuint(found, ==, entry.node);
  g_assert_cmpuint(attributes.st_ino, ==, entry.attributes.st_ino);
  return entry.node;
}

static inline struct stat attributes_of(struct fixture *f, uint64_t node) {
  struct stat attributes;
  g_assert_cmpint(f->ops->get_attributes(f->store, node, &attributes), ==, 0);
  return attributes;
}
