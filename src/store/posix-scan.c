/* Finding a node without CAP_DAC_READ_SEARCH: its last known name, or else every name of the root,
 * and then of the directories below. Inode numbers, which a listing gives away, sort out the
 * candidates; the handle of an open descriptor decides. */
#include "store/posix-internal.h"

#include <errno.h>
#include <fcntl.h>

/* Levels of directories that are searched; each takes a descriptor and a buffer meanwhile. */
#define SCAN_DEPTH 16

/* A name that is moved meanwhile can be missed; where that was noticed, how often to look again. */
#define SCAN_TRIES 8

struct scan {
  struct posix_store *store;
  uint64_t node;
  uint64_t ino;
  bool moved; /* a name was listed with the number, and then led elsewhere */
};

/* 0 and a descriptor when the name leads to the node. */
static int scan_name(const struct scan *scan, int dirfd, const char *name, int *ret_fd) {
  auto_fd int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  uint64_t node;
  int r = handle_node_at(scan->store->handles, fd, "", &node);
  if (r < 0)
    return r;
  if (node != scan->node)
    return -ESTALE;
  *ret_fd = fd_steal(&fd);
  return 0;
}

/* One pass over a directory: for the names that have the number, or for the directories. */
struct pass {
  struct scan *scan;
  int dirfd;
  unsigned depth;
  int found_fd;
};

static int scan_directory(struct scan *scan, int dirfd, unsigned depth, int *ret_fd);

static int match_name(void *data, const struct posix_dirent *entry) {
  struct pass *pass = data;
  if (entry->d_ino != pass->scan->ino)
    return 0;
  if (scan_name(pass->scan, pass->dirfd, entry->d_name, &pass->found_fd) == 0)
    return 1;
  pass->scan->moved = true;
  return 0;
}

static int match_below(void *data, const struct posix_dirent *entry) {
  struct pass *pass = data;
  if (entry->d_type != DT_DIR || posix_check_name(entry->d_name) != 0) /* "." and ".." */
    return 0;
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  auto_fd int fd = openat(pass->dirfd, entry->d_name, flags);
  return fd >= 0 && scan_directory(pass->scan, fd, pass->depth + 1, &pass->found_fd) == 0;
}

static int scan_directory(struct scan *scan, int dirfd, unsigned depth, int *ret_fd) {
  struct pass pass = {.scan = scan, .dirfd = dirfd, .depth = depth, .found_fd = -1};
  int r = posix_read_directory(dirfd, match_name, &pass);
  if (r == 0 && depth < SCAN_DEPTH)
    r = lseek(dirfd, 0, SEEK_SET) < 0 ? -errno : posix_read_directory(dirfd, match_below, &pass);
  if (r < 0)
    return r;
  if (pass.found_fd < 0)
    return -ESTALE;
  *ret_fd = pass.found_fd;
  return 0;
}

int posix_scan(struct posix_store *store, uint64_t node, int *ret_fd) {
  struct scan scan = {.store = store, .node = node, .ino = handle_ino(store->handles, node)};
  char name[NAMES_LENGTH_MAX];
  if (names_get(store->names, node, name)) {
    if (scan_name(&scan, store->root_fd, name, ret_fd) == 0)
      return 0;
    names_forget(store->names, node);
  }
  int r = -ESTALE;
  for (int tries = 0; tries < SCAN_TRIES && r == -ESTALE && (tries == 0 || scan.moved); tries++) {
    auto_fd int root = openat(store->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
      return -errno;
    scan.moved = false;
    r = scan_directory(&scan, root, 0, ret_fd);
  }
  return r;
}
