/* A sysv store in an IPC namespace of the program's own, and what its tests share. */
#pragma once

#include "store/sysv.h"
#include "util/fd.h"
#include "util/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <string.h>
#include <sys/shm.h>

#define KEY 0x4d2
#define NAME "0x000004d2"
#define OTHER_USER 65534

struct fixture {
  struct store *store;
  int directory;
};

static inline void set_up(struct fixture *f, gconstpointer data) {
  (void)data;
  f->directory = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint(f->directory, >=, 0);
  struct sysv_options options = {.directory = f->directory};
  g_assert_cmpint(sysv_store_new(&options, &f->store), ==, 0);
}

static inline void remove_all(void) {
  struct shm_info info;
  int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);
  for (int index = 0; index <= highest; index++) {
    struct shmid_ds segment;
    int id = shmctl(index, SHM_STAT_ANY, &segment);
    if (id >= 0)
      shmctl(id, IPC_RMID, NULL);
  }
}

static inline void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  remove_all();
  f->store->ops->free(f->store);
  fd_close(f->directory);
}

static inline int make_segment(key_t key, size_t size) {
  int id = shmget(key, size, IPC_CREAT | IPC_EXCL | 0640);
  g_assert_cmpint(id, >=, 0);
  return id;
}

static inline char *attach(int id) {
  char *memory = shmat(id, NULL, 0);
  g_assert_true(memory != (char *)-1);
  return memory;
}

static inline long nattch(int id) {
  struct shmid_ds segment;
  g_assert_cmpint(shmctl(id, IPC_STAT, &segment), ==, 0);
  return (long)segment.shm_nattch;
}

static inline uint64_t node_of(struct fixture *f, const char *name) {
  struct store_entry entry = {0};
  g_assert_cmpint(f->store->ops->lookup(f->store, STORE_ROOT, name, &entry), ==, 0);
  return entry.node;
}

static inline int lookup(struct fixture *f, const char *name) {
  struct store_entry entry;
  return f->store->ops->lookup(f->store, STORE_ROOT, name, &entry);
}

static inline struct stat attributes_of(struct fixture *f, uint64_t node) {
  struct stat attributes = {0};
  g_assert_cmpint(f->store->ops->get_attributes(f->store, node, &attributes), ==, 0);
  return attributes;
}

static inline int change(struct fixture *f, uint64_t node, struct store_change wish) {
  struct stat after;
  return f->store->ops->change(f->store, node, -1, &wish, &after);
}

static inline int set_size(struct fixture *f, uint64_t node, off_t size, bool opened) {
  unsigned mask = STORE_CHANGE_SIZE | (opened ? STORE_CHANGE_OPENED : 0);
  return change(f, node, (struct store_change){.mask = mask, .size = size});
}

static inline int create_by(struct fixture *f, const char *name, int flags, uid_t uid,
                            uint64_t *ret_node, int *ret_fd) {
  struct store_new new = {.mode = S_IFREG | 0666, .caller = {.uid = uid, .gid = uid, .umask = 027}};
  struct store_entry entry;
  struct store_file file;
  int r = f->store->ops->create(f->store, STORE_ROOT, name, &new, flags, &entry, &file);
  if (r < 0)
    return r;
  g_assert_true(file.staged);
  g_assert_false(file.fixed_size);
  *ret_node = entry.node;
  *ret_fd = file.fd;
  return 0;
}

static inline int create(struct fixture *f, const char *name, uint64_t *ret_node, int *ret_fd) {
  return create_by(f, name, O_EXCL, 0, ret_node, ret_fd);
}

static inline void add(const char *name, void (*run)(struct fixture *, gconstpointer)) {
  g_autofree char *path = g_strconcat("/sysv/", name, NULL);
  g_test_add(path, struct fixture, NULL, set_up, run, tear_down);
}

#define ADD(name) add(#name, test_##name)

/* So that nothing that is made outlives the program. */
static inline void start(int *argc, char ***argv) {
  g_test_init(argc, argv, NULL);
  if (unshare(CLONE_NEWIPC) < 0)
    g_error("a System V namespace is needed (unshare: %s); run as root", g_strerror(errno));
  g_assert_cmpint(privilege_init(), ==, 0);
}
