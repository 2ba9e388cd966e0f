/* Attributes. The kernel decided before the request came whether the caller may change them, and
 * what of it goes with the set-id bits; so the bits are kept here (CAP_FSETID) unless the request
 * says otherwise, or the kernel clears them of itself, as for every change of owner. */
#include "store/posix-internal.h"
#include "util/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* Linux 6.6, include/uapi/asm-generic/unistd.h */
#endif

#define OWNERS (STORE_CHANGE_UID | STORE_CHANGE_GID | STORE_CHANGE_NO_OWNER)

static int change_owners(int fd, const struct store_change *change) {
  if (!(change->mask & OWNERS))
    return 0;
  uid_t uid = change->mask & STORE_CHANGE_UID ? change->uid : (uid_t)-1;
  gid_t gid = change->mask & STORE_CHANGE_GID ? change->gid : (gid_t)-1;
  return fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int set_mode(int fd, mode_t mode) {
  mode &= (mode_t)~S_IFMT;
  if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0)
    return 0;
  if (errno != ENOSYS)
    return -errno;
  char path[POSIX_PROC_PATH];
  posix_proc_path(fd, path);
  return chmod(path, mode) < 0 ? -errno : 0;
}

static int change_mode(int fd, const struct store_change *change) {
  return change->mask & STORE_CHANGE_MODE ? set_mode(fd, change->mode) : 0;
}

static bool is_writable(int fd) {
  int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
  return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
}

/* With KILL_SETID the kernel clears the bits in the same step, as it does for a write. */
static int change_size(int fd, const struct store_change *change) {
  if (!(change->mask & STORE_CHANGE_SIZE))
    return 0;
  if (change->mask & STORE_CHANGE_KILL_SETID)
    privilege_keep_setid(false);
  return ftruncate(fd, change->size) < 0 ? -errno : 0;
}

static int change_times(int fd, const struct store_change *change) {
  if (!(change->mask & STORE_CHANGE_TIMES))
    return 0;
  if (utimensat(fd, "", change->times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
    return 0;
  if (errno != EINVAL)
    return -errno;
  char path[POSIX_PROC_PATH]; /* before Linux 5.8 */
  posix_proc_path(fd, path);
  return utimensat(AT_FDCWD, path, change->times, 0) < 0 ? -errno : 0;
}

static mode_t without_setid(mode_t mode) {
  mode_t cleared = S_ISUID;
  if (mode & S_IXGRP)
    cleared |= S_ISGID;
  return mode & ~cleared;
}

/* Asked for alone: what a write or a change of owner would have done. */
static int kill_setid(int fd, const struct store_change *change) {
  if (!(change->mask & STORE_CHANGE_KILL_SETID) || (change->mask & (OWNERS | STORE_CHANGE_SIZE)))
    return 0;
  struct stat now;
  if (fstatat(fd, "", &now, AT_EMPTY_PATH) < 0)
    return -errno;
  if (!S_ISREG(now.st_mode))
    return 0;
  char path[POSIX_PROC_PATH];
  posix_proc_path(fd, path);
  if (removexattr(path, "security.capability") < 0 && errno != ENODATA && errno != EOPNOTSUPP)
    return -errno;
  mode_t mode = without_setid(now.st_mode);
  return mode == now.st_mode ? 0 : set_mode(fd, mode);
}

static int change_all(int fd, const struct store_change *change) {
  int r = change_owners(fd, change);
  if (r == 0)
    r = kill_setid(fd, change);
  if (r == 0)
    r = change_mode(fd, change);
  if (r == 0)
    r = change_size(fd, change);
  return r < 0 ? r : change_times(fd, change);
}

/* Would the kernel take bits away that the request wants kept? Asked because a file that is only
 * resized, which is the common case, need not pay for two changes of capabilities. */
static bool needs_setid(int fd, const struct store_change *change) {
  if (change->mask & (OWNERS | STORE_CHANGE_MODE))
    return true;
  if (!(change->mask & STORE_CHANGE_SIZE) || (change->mask & STORE_CHANGE_KILL_SETID))
    return false;
  struct stat now;
  return fstatat(fd, "", &now, AT_EMPTY_PATH) == 0 && (now.st_mode & (S_ISUID | S_ISGID));
}

/* A descriptor that allows the changes: the one at hand, or else one to be closed afterwards. */
static int change_fd(struct posix_store *store, uint64_t node, int fd, unsigned mask, int *opened) {
  struct store_file file = {.fd = -1};
  int r = 0;
  if ((mask & STORE_CHANGE_SIZE) && !is_writable(fd))
    r = posix_open(&store->base, node, O_RDWR, &file);
  else if (fd < 0)
    r = posix_node_open(store, node, O_PATH, &file.fd);
  if (r < 0)
    return r;
  *opened = file.fd;
  return file.fd < 0 ? fd : file.fd;
}

int posix_change(struct store *base, uint64_t node, int fd, const struct store_change *change,
                 struct stat *ret) {
  auto_fd int opened = -1;
  fd = change_fd(posix_of(base), node, fd, change->mask, &opened);
  if (fd < 0)
    return fd;
  /* Fails without the capability; the kernel then treats the daemon as the user that it is. */
  bool raised = needs_setid(fd, change) && privilege_keep_setid(true) == 0;
  int r = change_all(fd, change);
  if (raised)
    privilege_keep_setid(false);
  if (r < 0)
    return r;
  return fstatat(fd, "", ret, AT_EMPTY_PATH) < 0 ? -errno : 0;
}
