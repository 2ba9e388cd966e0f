/* The posix store: a directory of a tmpfs, and nodes that are its inodes' own handles.
 *
 * Whatever acts on a node goes through a descriptor that was opened by its handle, so it can be no
 * other inode. A remembered name is used only to read attributes, which say whose they are by the
 * inode number: tmpfs counts them up and gives none a second time (for 4 billion creations when
 * mounted with inode32). Symbolic links are never followed, FIFOs and devices only opened O_PATH. */
#include "store/posix-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/mapped.h"

/* A mount of the same directory that nobody else sees, and that updates no access times. */
static int open_noatime(int fd, int *ret_fd) {
  auto_fd int tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (tree < 0)
    return -errno;
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME};
  if (mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
    return -errno;
  int opened = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0)
    return -errno;
  *ret_fd = opened;
  return 0;
}

int posix_directory_open(const char *path, bool noatime, int *ret_fd) {
  auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  struct statfs fs;
  if (fstatfs(fd, &fs) < 0)
    return -errno;
  if (fs.f_type != TMPFS_MAGIC)
    return -EOPNOTSUPP;
  if (noatime)
    return open_noatime(fd, ret_fd);
  *ret_fd = fd_steal(&fd);
  return 0;
}

int posix_check_name(const char *name) {
  if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
    return -EINVAL;
  return 0;
}

void posix_proc_path(int fd, char ret_path[POSIX_PROC_PATH]) {
  snprintf(ret_path, POSIX_PROC_PATH, "/proc/self/fd/%d", fd);
}

/* Without the capability: the node's descriptor is found by name, and opened again for more. */
static int open_by_scan(struct posix_store *store, uint64_t node, int flags, int *ret_fd) {
  auto_fd int path_fd = -1;
  int r = posix_scan(store, node, &path_fd);
  if (r < 0)
    return r;
  if ((flags & O_PATH) && !(flags & O_DIRECTORY)) {
    *ret_fd = fd_steal(&path_fd);
    return 0;
  }
  char path[POSIX_PROC_PATH];
  posix_proc_path(path_fd, path);
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  *ret_fd = fd;
  return 0;
}

int posix_node_open(struct posix_store *store, uint64_t node, int flags, int *ret_fd) {
  if (node == STORE_ROOT) {
    int fd = openat(store->root_fd, ".", flags | O_CLOEXEC);
    if (fd < 0)
      return -errno;
    *ret_fd = fd;
    return 0;
  }
  if (!store->by_handle)
    return open_by_scan(store, node, flags, ret_fd);
  return handle_open(store->handles, node, flags, ret_fd);
}

int posix_parent(struct posix_store *store, uint64_t parent, int *opened) {
  if (parent == STORE_ROOT)
    return store->root_fd;
  int r = posix_node_open(store, parent, O_PATH | O_DIRECTORY, opened);
  return r < 0 ? r : *opened;
}

int posix_parent_of(struct posix_store *store, uint64_t parent, const char *name, int *opened) {
  int r = posix_check_name(name);
  return r < 0 ? r : posix_parent(store, parent, opened);
}

void posix_remember(struct posix_store *store, uint64_t parent, const char *name, uint64_t node) {
  if (parent == STORE_ROOT && name)
    names_put(store->names, node, name);
}

static int stat_fd(int fd, struct stat *ret) {
  return fstatat(fd, "", ret, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int statx_fd(int fd, unsigned mask, struct statx *ret) {
  return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, mask, ret) < 0 ? -errno : 0;
}

/* The root may belong to somebody without a number in our user namespace. Nobody may write to such a file
 * (-EACCES, inode_permission() in fs/namei.c), but that check is for the mount's own namespace: natively
 * everybody may make names there who has the permission. So it is shown as our own, and what happens in it
 * is still decided natively, for us. */
static int stat_root(const struct posix_store *store, struct stat *ret) {
  int r = stat_fd(store->root_fd, ret);
  if (r == 0 && store->own_uid)
    ret->st_uid = geteuid();
  if (r == 0 && store->own_gid)
    ret->st_gid = getegid();
  return r;
}

static int statx_root(const struct posix_store *store, unsigned mask, struct statx *ret) {
  int r = statx_fd(store->root_fd, mask, ret);
  if (r == 0 && store->own_uid)
    ret->stx_uid = geteuid();
  if (r == 0 && store->own_gid)
    ret->stx_gid = getegid();
  return r;
}

int posix_node_stat(struct posix_store *store, uint64_t node, struct stat *ret) {
  if (node == STORE_ROOT)
    return stat_root(store, ret);
  char name[NAMES_LENGTH_MAX];
  if (names_get(store->names, node, name)) {
    struct stat found;
    if (fstatat(store->root_fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        found.st_dev == store->device && found.st_ino == handle_ino(store->handles, node)) {
      *ret = found;
      return 0;
    }
    names_forget(store->names, node);
  }
  auto_fd int fd = -1;
  int r = posix_node_open(store, node, O_PATH, &fd);
  return r < 0 ? r : stat_fd(fd, ret);
}

static int posix_get_attributes(struct store *base, uint64_t node, struct stat *ret) {
  return posix_node_stat(posix_of(base), node, ret);
}

static bool is_node(struct posix_store *store, uint64_t node, const struct statx *found) {
  return makedev(found->stx_dev_major, found->stx_dev_minor) == store->device &&
         found->stx_ino == handle_ino(store->handles, node);
}

static int posix_get_statx(struct store *base, uint64_t node, unsigned mask, struct statx *ret) {
  struct posix_store *store = posix_of(base);
  char name[NAMES_LENGTH_MAX];
  struct statx found;
  if (node == STORE_ROOT)
    return statx_root(store, mask, ret);
  if (names_get(store->names, node, name)) {
    if (statx(store->root_fd, name, AT_SYMLINK_NOFOLLOW, mask | STATX_INO, &found) == 0 &&
        is_node(store, node, &found)) {
      *ret = found;
      return 0;
    }
    names_forget(store->names, node);
  }
  auto_fd int fd = -1;
  int r = posix_node_open(store, node, O_PATH, &fd);
  return r < 0 ? r : statx_fd(fd, mask, ret);
}

int posix_entry_of_fd(struct posix_store *store, uint64_t parent, const char *name, int fd,
                      struct store_entry *ret) {
  struct store_entry entry;
  int r = handle_node_at(store->handles, fd, "", &entry.node);
  if (r == 0)
    r = stat_fd(fd, &entry.attributes);
  if (r < 0)
    return r;
  posix_remember(store, parent, name, entry.node);
  *ret = entry;
  return 0;
}

/* Handle and attributes are read by name, one after the other. When the name came to mean another
 * file in between, both are read again from one descriptor. */
int posix_entry_at(struct posix_store *store, uint64_t parent, int dirfd, const char *name,
                   struct store_entry *ret) {
  struct store_entry entry;
  int r = handle_node_at(store->handles, dirfd, name, &entry.node);
  if (r < 0)
    return r;
  if (fstatat(dirfd, name, &entry.attributes, AT_SYMLINK_NOFOLLOW) == 0 &&
      entry.attributes.st_ino == handle_ino(store->handles, entry.node)) {
    posix_remember(store, parent, name, entry.node);
    *ret = entry;
    return 0;
  }
  auto_fd int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  return posix_entry_of_fd(store, parent, name, fd, ret);
}

static int posix_lookup(struct store *base, uint64_t parent, const char *name,
                        struct store_entry *ret) {
  struct posix_store *store = posix_of(base);
  auto_fd int opened = -1;
  int dirfd = posix_parent_of(store, parent, name, &opened);
  return dirfd < 0 ? dirfd : posix_entry_at(store, parent, dirfd, name, ret);
}

static int posix_find(struct store *base, uint64_t parent, const char *name, uint64_t *ret_node) {
  struct posix_store *store = posix_of(base);
  auto_fd int opened = -1;
  int dirfd = posix_parent_of(store, parent, name, &opened);
  return dirfd < 0 ? dirfd : handle_node_at(store->handles, dirfd, name, ret_node);
}

static void posix_free(struct store *base) {
  if (!base)
    return;
  struct posix_store *store = posix_of(base);
  handle_table_free(store->handles);
  names_free(store->names);
  fd_close(store->root_fd);
  g_free(store);
}

static const struct store_ops posix_ops = {
    .free = posix_free,
    .lookup = posix_lookup,
    .find = posix_find,
    .get_attributes = posix_get_attributes,
    .get_statx = posix_get_statx,
    .change = posix_change,
    .read_link = posix_read_link,
    .make = posix_make,
    .create = posix_create,
    .create_unnamed = posix_create_unnamed,
    .link = posix_link,
    .unlink = posix_unlink,
    .remove_directory = posix_remove_directory,
    .rename = posix_rename,
    .open = posix_open,
    .open_directory = posix_open_directory,
    .list = posix_list,
    .visit = posix_visit,
    .get_statvfs = posix_get_statvfs,
    .get_xattr = posix_get_xattr,
    .list_xattr = posix_list_xattr,
    .set_xattr = posix_set_xattr,
    .remove_xattr = posix_remove_xattr,
    .flags = posix_flags,
};

static int posix_store_init(struct posix_store *store, int fd) {
  store->root_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (store->root_fd < 0)
    return -errno;
  struct stat root;
  int r = stat_fd(store->root_fd, &root);
  if (r == 0)
    r = handle_table_new(store->root_fd, &store->handles);
  if (r < 0)
    return r;
  store->device = root.st_dev;
  store->root_ino = root.st_ino;
  store->own_uid = !mapped_user(root.st_uid);
  store->own_gid = !mapped_group(root.st_gid);
  store->by_handle = handle_table_can_open(store->handles);
  store->names = names_new();
  return store->names ? 0 : -ENOMEM;
}

int posix_store_new(int fd, struct store **ret_store) {
  struct posix_store *store = g_new0(struct posix_store, 1);
  store->base.ops = &posix_ops;
  int r = posix_store_init(store, fd);
  if (r < 0) {
    posix_free(&store->base);
    return r;
  }
  *ret_store = &store->base;
  return 0;
}
