/* What is inside a node: data, names, a link's target, extended attributes. */
#include "store/posix-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

static int check_regular(mode_t mode) {
  if (S_ISREG(mode))
    return 0;
  return S_ISDIR(mode) ? -EISDIR : -EINVAL;
}

/* The type of an inode never changes, so it can be looked at first and the node opened second: what
 * the handle opens is what was looked at. */
int posix_open(struct store *base, uint64_t node, int access, struct store_file *ret_file) {
  struct posix_store *store = posix_of(base);
  struct stat attributes;
  auto_fd int fd = -1;
  int r = 0;
  if (access == O_PATH || access == STORE_HOLD) {
    r = posix_node_open(store, node, O_PATH, &fd);
    if (r == 0 && fstatat(fd, "", &attributes, AT_EMPTY_PATH) < 0)
      r = -errno;
  } else {
    r = posix_node_stat(store, node, &attributes);
  }
  if (r == 0 && access != STORE_HOLD)
    r = check_regular(attributes.st_mode);
  if (r == 0 && fd < 0)
    r = posix_node_open(store, node, access, &fd);
  if (r == -EPERM && access != O_RDONLY) /* chattr +a */
    r = posix_node_open(store, node, access | O_APPEND, &fd);
  if (r < 0)
    return r;
  *ret_file = (struct store_file){.fd = fd_steal(&fd)};
  return 0;
}

int posix_open_directory(struct store *base, uint64_t node, int *ret_fd) {
  return posix_node_open(posix_of(base), node, O_RDONLY | O_DIRECTORY, ret_fd);
}

int posix_read_directory(int fd, posix_dirent_fn *fn, void *data) {
  g_autofree char *buffer = g_try_malloc(POSIX_LIST_BUFFER);
  if (!buffer)
    return -ENOMEM;
  long length = 0;
  for (long at = 0;; at += ((const struct posix_dirent *)(buffer + at))->d_reclen) {
    if (at == length) {
      at = 0;
      length = syscall(SYS_getdents64, fd, buffer, POSIX_LIST_BUFFER);
    }
    /* The analyzer does not know that g_autofree frees. NOLINTBEGIN(clang-analyzer-unix.Malloc) */
    if (length <= 0)
      return length < 0 ? -errno : 0;
    if (fn(data, (const struct posix_dirent *)(buffer + at)))
      return 1;
    /* NOLINTEND(clang-analyzer-unix.Malloc) */
  }
}

struct listing {
  struct posix_store *store;
  bool is_root;
  store_list_fn *fn;
  void *data;
};

/* Nothing above the root is anybody's business: its ".." is itself. */
static int list_one(void *data, const struct posix_dirent *entry) {
  const struct listing *listing = data;
  uint64_t ino = entry->d_ino;
  if (listing->is_root && strcmp(entry->d_name, "..") == 0)
    ino = listing->store->root_ino;
  return listing->fn(listing->data, entry->d_name, ino, entry->d_type, (uint64_t)entry->d_off);
}

int posix_list(struct store *base, uint64_t node, uint64_t offset, store_list_fn *fn, void *data) {
  struct listing listing = {
      .store = posix_of(base), .is_root = node == STORE_ROOT, .fn = fn, .data = data};
  auto_fd int fd = -1;
  int r = posix_open_directory(base, node, &fd);
  if (r < 0)
    return r;
  if (offset != 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0)
    return -errno;
  r = posix_read_directory(fd, list_one, &listing);
  return r < 0 ? r : 0;
}

int posix_get_statvfs(struct store *base, struct statvfs *ret) {
  return fstatvfs(posix_of(base)->root_fd, ret) < 0 ? -errno : 0;
}

ssize_t posix_read_link(struct store *base, uint64_t node, char *buffer, size_t size) {
  auto_fd int fd = -1;
  int r = posix_node_open(posix_of(base), node, O_PATH, &fd);
  if (r < 0)
    return r;
  ssize_t length = readlinkat(fd, "", buffer, size);
  if (length >= 0)
    return length;
  return errno == ENOENT ? -EINVAL : -errno; /* ENOENT: the descriptor is no link's */
}

/* Extended attributes by the path of an O_PATH descriptor: it leads to the inode itself, a symbolic
 * link too, and opens nothing. */
static int xattr_path(struct store *base, uint64_t node, int *ret_fd, char path[POSIX_PROC_PATH]) {
  int r = posix_node_open(posix_of(base), node, O_PATH, ret_fd);
  if (r == 0)
    posix_proc_path(*ret_fd, path);
  return r;
}

ssize_t posix_get_xattr(struct store *base, uint64_t node, const char *name, void *value,
                        size_t size) {
  char path[POSIX_PROC_PATH];
  auto_fd int fd = -1;
  int r = xattr_path(base, node, &fd, path);
  if (r < 0)
    return r;
  ssize_t length = getxattr(path, name, value, size);
  return length < 0 ? -errno : length;
}

ssize_t posix_list_xattr(struct store *base, uint64_t node, char *list, size_t size) {
  char path[POSIX_PROC_PATH];
  auto_fd int fd = -1;
  int r = xattr_path(base, node, &fd, path);
  if (r < 0)
    return r;
  ssize_t length = listxattr(path, list, size);
  return length < 0 ? -errno : length;
}

int posix_set_xattr(struct store *base, uint64_t node, const char *name, const void *value,
                    size_t size, int flags) {
  char path[POSIX_PROC_PATH];
  auto_fd int fd = -1;
  int r = xattr_path(base, node, &fd, path);
  if (r < 0)
    return r;
  return setxattr(path, name, value, size, flags) < 0 ? -errno : 0;
}

int posix_remove_xattr(struct store *base, uint64_t node, const char *name) {
  char path[POSIX_PROC_PATH];
  auto_fd int fd = -1;
  int r = xattr_path(base, node, &fd, path);
  if (r < 0)
    return r;
  return removexattr(path, name) < 0 ? -errno : 0;
}

int posix_flags(struct store *base, uint64_t node, int fd, unsigned command, void *data) {
  struct posix_store *store = posix_of(base);
  auto_fd int opened = -1;
  struct stat attributes;
  if (fd < 0) {
    int r = posix_node_stat(store, node, &attributes);
    if (r == 0 && !S_ISREG(attributes.st_mode) && !S_ISDIR(attributes.st_mode))
      r = -ENOTTY;
    if (r == 0)
      r = posix_node_open(store, node, O_RDONLY | O_NONBLOCK, &opened);
    if (r < 0)
      return r;
    fd = opened;
  }
  return ioctl(fd, command, data) < 0 ? -errno : 0;
}
