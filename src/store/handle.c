/* Handles and nodes. A node is its handle for all but very few inodes, so the common paths take no
 * lock and touch no memory but their own. The side table keeps the few: id -> handle, where the id
 * is a hash of the handle and the next free one when that is taken. */
#include "store/handle.h"

#include "store/store.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#define TMPFS_HANDLE_TYPE 1 /* fs/shmem.c, shmem_encode_fh: FILEID_INO32_GEN's value */
#define TMPFS_HANDLE_WORDS 3
#define TMPFS_HANDLE_BYTES (TMPFS_HANDLE_WORDS * sizeof(uint32_t))

#define SIDE_ID_FIRST UINT32_C(0x80000000)
#define SIDE_EVICT_TRIES 8 /* entries looked at for a dead one before a living one has to go */

struct handle_table {
  int root_fd; /* borrowed */
  int mount_id;
  dev_t device;
  struct handle root;
  bool can_open;

  GMutex lock;      /* protects what follows; also held across open_by_handle_at() of an eviction,
                       which on tmpfs waits for nothing */
  GHashTable *side; /* id -> struct handle, owned */
  GQueue order;     /* ids, the oldest at the head */
};

union kernel_handle {
  struct file_handle head;
  char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int read_handle(int dirfd, const char *name, struct handle *ret, int *ret_mount_id) {
  union kernel_handle buffer = {.head.handle_bytes = MAX_HANDLE_SZ};
  int mount_id;
  if (name_to_handle_at(dirfd, name, &buffer.head, &mount_id, *name ? 0 : AT_EMPTY_PATH) < 0)
    return -errno;
  *ret_mount_id = mount_id;
  uint32_t words[TMPFS_HANDLE_WORDS] = {0};
  if (buffer.head.handle_bytes == TMPFS_HANDLE_BYTES)
    memcpy(words, buffer.head.f_handle, sizeof(words));
  /* Another file system's handle is told apart by the caller, by its mount. */
  ret->generation = words[0];
  ret->ino = (uint64_t)words[2] << 32 | words[1];
  return 0;
}

bool handle_is_same(int a, int b) {
  struct handle first = {0}, second = {0};
  int mount_id;
  return read_handle(a, "", &first, &mount_id) == 0 &&
         read_handle(b, "", &second, &mount_id) == 0 && first.ino == second.ino &&
         first.generation == second.generation;
}

static int open_handle(const struct handle_table *table, const struct handle *handle, int flags,
                       int *ret_fd) {
  union kernel_handle buffer = {.head.handle_bytes = TMPFS_HANDLE_BYTES,
                                .head.handle_type = TMPFS_HANDLE_TYPE};
  const uint32_t words[] = {handle->generation, (uint32_t)handle->ino,
                            (uint32_t)(handle->ino >> 32)};
  memcpy(buffer.head.f_handle, words, sizeof(words));
  int fd = open_by_handle_at(table->root_fd, &buffer.head, flags | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  *ret_fd = fd;
  return 0;
}

static int learn_root(struct handle_table *table) {
  struct stat attributes;
  if (fstat(table->root_fd, &attributes) < 0)
    return -errno;
  table->device = attributes.st_dev;
  int r = read_handle(table->root_fd, "", &table->root, &table->mount_id);
  if (r < 0)
    return r;
  if (table->root.ino != attributes.st_ino)
    return -EOPNOTSUPP;
  auto_fd int fd = -1;
  table->can_open = open_handle(table, &table->root, O_PATH, &fd) == 0;
  return 0;
}

int handle_table_new(int root_fd, struct handle_table **ret_table) {
  struct handle_table *table = g_new0(struct handle_table, 1);
  table->root_fd = root_fd;
  g_mutex_init(&table->lock);
  g_queue_init(&table->order);
  table->side = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  int r = learn_root(table);
  if (r < 0) {
    handle_table_free(table);
    return r;
  }
  *ret_table = table;
  return 0;
}

void handle_table_free(struct handle_table *table) {
  if (!table)
    return;
  g_queue_clear(&table->order);
  g_hash_table_unref(table->side);
  g_mutex_clear(&table->lock);
  g_free(table);
}

bool handle_table_can_open(const struct handle_table *table) {
  return table->can_open;
}

static bool same_handle(const struct handle *a, const struct handle *b) {
  return a->generation == b->generation && a->ino == b->ino;
}

/* Mixes all bits of the handle into the 31 of an id (the finalizer of splitmix64). */
static uint32_t side_hash(const struct handle *handle) {
  uint64_t x = handle->ino + ((uint64_t)handle->generation << 32);
  x ^= (uint64_t)handle->generation * UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (uint32_t)((x ^ (x >> 31)) & (SIDE_ID_FIRST - 1));
}

/* The id that has the handle, or the free one that it is to have. Call with the lock held. */
static uint32_t side_find(struct handle_table *table, const struct handle *handle) {
  uint32_t position = side_hash(handle);
  for (;; position = (position + 1) & (SIDE_ID_FIRST - 1)) {
    uint32_t id = SIDE_ID_FIRST | position;
    const struct handle *other = g_hash_table_lookup(table->side, GUINT_TO_POINTER(id));
    if (!other || same_handle(other, handle))
      return id;
  }
}

static bool is_gone(struct handle_table *table, gpointer id) {
  const struct handle *handle = g_hash_table_lookup(table->side, id);
  auto_fd int fd = -1;
  return table->can_open && open_handle(table, handle, O_PATH, &fd) < 0;
}

/* Makes room: an old entry whose inode is gone, or else some old one, the others get older again.
 * Call with the lock held. */
static void side_evict(struct handle_table *table) {
  gpointer id = g_queue_pop_head(&table->order);
  for (int tries = 1; tries < SIDE_EVICT_TRIES && !is_gone(table, id); tries++) {
    g_queue_push_tail(&table->order, id);
    id = g_queue_pop_head(&table->order);
  }
  g_hash_table_remove(table->side, id);
}

static uint64_t side_node(struct handle_table *table, const struct handle *handle) {
  g_mutex_lock(&table->lock);
  uint32_t id = side_find(table, handle);
  if (!g_hash_table_contains(table->side, GUINT_TO_POINTER(id))) {
    if (g_hash_table_size(table->side) >= HANDLE_SIDE_MAX)
      side_evict(table);
    g_hash_table_insert(table->side, GUINT_TO_POINTER(id), g_memdup2(handle, sizeof(*handle)));
    g_queue_push_tail(&table->order, GUINT_TO_POINTER(id));
  }
  g_mutex_unlock(&table->lock);
  return id;
}

static int side_handle(struct handle_table *table, uint64_t node, struct handle *ret) {
  g_mutex_lock(&table->lock);
  const struct handle *found = g_hash_table_lookup(table->side, GUINT_TO_POINTER((guint)node));
  if (found)
    *ret = *found;
  g_mutex_unlock(&table->lock);
  return found ? 0 : -ESTALE;
}

uint64_t handle_to_node(struct handle_table *table, const struct handle *handle) {
  if (same_handle(handle, &table->root))
    return STORE_ROOT;
  if (handle->generation != 0 && handle->ino <= UINT32_MAX)
    return (uint64_t)handle->generation << 32 | handle->ino;
  return side_node(table, handle);
}

int handle_from_node(struct handle_table *table, uint64_t node, struct handle *ret_handle) {
  if (node == STORE_ROOT) {
    *ret_handle = table->root;
    return 0;
  }
  uint32_t generation = (uint32_t)(node >> 32);
  if (generation == 0)
    return side_handle(table, node, ret_handle);
  *ret_handle = (struct handle){.generation = generation, .ino = (uint32_t)node};
  return 0;
}

/* Is fd on our file system, although reached through another mount of it? */
static bool same_device(const struct handle_table *table, int fd) {
  struct stat attributes;
  return fstat(fd, &attributes) == 0 && attributes.st_dev == table->device;
}

int handle_node_at(struct handle_table *table, int dirfd, const char *name, uint64_t *ret_node) {
  struct handle handle = {0};
  int mount_id = -1;
  int r = read_handle(dirfd, name, &handle, &mount_id);
  if (r == -EOPNOTSUPP) /* not for anything on a tmpfs */
    return -EXDEV;
  if (r < 0)
    return r;
  if (mount_id != table->mount_id && (*name || !same_device(table, dirfd)))
    return -EXDEV;
  *ret_node = handle_to_node(table, &handle);
  return 0;
}

int handle_open(struct handle_table *table, uint64_t node, int flags, int *ret_fd) {
  struct handle handle;
  int r = handle_from_node(table, node, &handle);
  if (r < 0)
    return r;
  return open_handle(table, &handle, flags, ret_fd);
}

uint64_t handle_ino(struct handle_table *table, uint64_t node) {
  struct handle handle;
  return handle_from_node(table, node, &handle) == 0 ? handle.ino : 0;
}
