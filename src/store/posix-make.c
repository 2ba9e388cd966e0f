/* Names: making, linking, removing, renaming. What is made is made by the caller's identity, so
 * that owner, group, umask, default ACLs and set-group-id directories come out as the kernel has
 * them for the caller itself. */
#include "store/posix-internal.h"
#include "util/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* How often a name may appear and vanish between the two tries to make it and to open it. */
#define CREATE_TRIES 64

#define PERMISSIONS (S_ISUID | S_ISGID | S_ISVTX | S_IRWXU | S_IRWXG | S_IRWXO)

static int assume(const struct store_caller *caller) {
  return privilege_assume(caller->uid, caller->gid, caller->umask);
}

/* A new file's S_ISGID was weighed against the caller's groups before the request came; here only
 * one of these is known, and the kernel would drop the bit for want of the others. */
static bool raise_setid(mode_t mode) {
  return (mode & S_ISGID) && privilege_keep_setid(true) == 0;
}

static int make_at(int dirfd, const char *name, const struct store_new *new) {
  int r;
  switch (new->mode &S_IFMT) {
  case S_IFDIR:
    r = mkdirat(dirfd, name, new->mode &PERMISSIONS);
    break;
  case S_IFLNK:
    r = symlinkat(new->target, dirfd, name);
    break;
  case S_IFREG:
  case S_IFIFO:
  case S_IFSOCK:
  case S_IFCHR:
  case S_IFBLK:
    r = mknodat(dirfd, name, new->mode, new->device);
    break;
  default:
    return -EINVAL;
  }
  return r < 0 ? -errno : 0;
}

int posix_make(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
               struct store_entry *ret) {
  struct posix_store *store = posix_of(base);
  auto_fd int opened = -1;
  int dirfd = posix_parent_of(store, parent, name, &opened);
  if (dirfd < 0)
    return dirfd;
  int r = assume(&new->caller);
  if (r < 0)
    return r;
  bool raised = raise_setid(new->mode);
  r = make_at(dirfd, name, new);
  if (raised)
    privilege_keep_setid(false);
  return r < 0 ? r : posix_entry_at(store, parent, dirfd, name, ret);
}

/* openat() for something new: flags with O_CREAT | O_EXCL or O_TMPFILE, and the access mode. */
static int open_new(int dirfd, const char *name, int flags, mode_t mode, int *ret_fd) {
  bool raised = raise_setid(mode);
  int fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode & PERMISSIONS);
  int failure = errno;
  if (raised)
    privilege_keep_setid(false);
  if (fd < 0)
    return -failure;
  *ret_fd = fd;
  return 0;
}

/* May the caller open the file for reading and writing, without knowing more of him than this? */
static bool is_own(const struct stat *attributes, const struct store_caller *caller) {
  const mode_t both = S_IRUSR | S_IWUSR;
  return S_ISREG(attributes->st_mode) && attributes->st_uid == caller->uid &&
         (attributes->st_mode & both) == both;
}

/* The kernel took the name for free, so it has checked no permission on what is there now. The
 * caller's own file is opened. For all else the answer is -ESTALE: the kernel then walks the path
 * again, finds the name, and asks for an ordinary open, with the ordinary checks. */
static int open_existing(struct posix_store *store, int dirfd, const char *name,
                         const struct store_caller *caller, int flags, int *ret_fd) {
  auto_fd int path_fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (path_fd < 0)
    return -errno;
  struct store_entry entry;
  int r = posix_entry_of_fd(store, STORE_ROOT, NULL, path_fd, &entry);
  if (r < 0)
    return r;
  if (!is_own(&entry.attributes, caller))
    return -ESTALE;
  int access = flags & O_TRUNC ? O_RDWR | O_TRUNC : flags & O_ACCMODE;
  return posix_node_open(store, entry.node, access, ret_fd);
}

/* Never O_CREAT without O_EXCL: fs.protected_regular would refuse it even to root. */
static int create_or_open(struct posix_store *store, int dirfd, const char *name,
                          const struct store_new *new, int flags, int *ret_fd) {
  for (int tries = 0; tries < CREATE_TRIES; tries++) {
    int r = open_new(dirfd, name, O_CREAT | O_EXCL | (flags & O_ACCMODE), new->mode, ret_fd);
    if (r != -EEXIST || (flags & O_EXCL))
      return r;
    r = open_existing(store, dirfd, name, &new->caller, flags, ret_fd);
    if (r != -ENOENT)
      return r;
  }
  return -ESTALE;
}

static int return_file(struct posix_store *store, uint64_t parent, const char *name, int *fd,
                       struct store_entry *ret, struct store_file *ret_file) {
  int r = posix_entry_of_fd(store, parent, name, *fd, ret);
  if (r < 0)
    return r;
  *ret_file = (struct store_file){.fd = fd_steal(fd)};
  return 0;
}

int posix_create(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
                 int flags, struct store_entry *ret, struct store_file *ret_file) {
  struct posix_store *store = posix_of(base);
  auto_fd int opened = -1, fd = -1;
  int dirfd = posix_parent_of(store, parent, name, &opened);
  if (dirfd < 0)
    return dirfd;
  int r = assume(&new->caller);
  if (r == 0)
    r = create_or_open(store, dirfd, name, new, flags, &fd);
  return r < 0 ? r : return_file(store, parent, name, &fd, ret, ret_file);
}

int posix_create_unnamed(struct store *base, uint64_t parent, const struct store_new *new,
                         int flags, struct store_entry *ret, struct store_file *ret_file) {
  struct posix_store *store = posix_of(base);
  auto_fd int opened = -1, fd = -1;
  int dirfd = posix_parent(store, parent, &opened);
  if (dirfd < 0)
    return dirfd;
  int r = assume(&new->caller);
  if (r == 0)
    r = open_new(dirfd, ".", O_TMPFILE | O_RDWR | (flags & O_EXCL), new->mode, &fd);
  return r < 0 ? r : return_file(store, parent, NULL, &fd, ret, ret_file);
}

/* AT_EMPTY_PATH asks for the capability that opens by handle; the other way asks for /proc. */
static int link_fd(struct posix_store *store, int fd, int dirfd, const char *name) {
  char path[POSIX_PROC_PATH];
  posix_proc_path(fd, path);
  int r = store->by_handle ? linkat(fd, "", dirfd, name, AT_EMPTY_PATH)
                           : linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW);
  return r < 0 ? -errno : 0;
}

int posix_link(struct store *base, uint64_t node, uint64_t parent, const char *name,
               struct store_entry *ret) {
  struct posix_store *store = posix_of(base);
  auto_fd int opened = -1, fd = -1;
  int dirfd = posix_parent_of(store, parent, name, &opened);
  if (dirfd < 0)
    return dirfd;
  int r = posix_node_open(store, node, O_PATH, &fd);
  if (r == 0)
    r = link_fd(store, fd, dirfd, name);
  return r < 0 ? r : posix_entry_of_fd(store, parent, name, fd, ret);
}

static int unlink_at(struct store *base, uint64_t parent, const char *name, int flags) {
  auto_fd int opened = -1;
  int dirfd = posix_parent_of(posix_of(base), parent, name, &opened);
  if (dirfd < 0)
    return dirfd;
  return unlinkat(dirfd, name, flags) < 0 ? -errno : 0;
}

int posix_unlink(struct store *base, uint64_t parent, const char *name) {
  return unlink_at(base, parent, name, 0);
}

int posix_remove_directory(struct store *base, uint64_t parent, const char *name) {
  return unlink_at(base, parent, name, AT_REMOVEDIR);
}

/* The kernel keeps its entry across a rename and asks for no lookup, which would tell the name. */
static void remember_renamed(struct posix_store *store, uint64_t parent, int dirfd,
                             const char *name) {
  uint64_t node;
  if (parent == STORE_ROOT && handle_node_at(store->handles, dirfd, name, &node) == 0)
    posix_remember(store, parent, name, node);
}

int posix_rename(struct store *base, uint64_t parent, const char *name, uint64_t new_parent,
                 const char *new_name, unsigned flags) {
  struct posix_store *store = posix_of(base);
  auto_fd int opened = -1, new_opened = -1;
  int dirfd = posix_parent_of(store, parent, name, &opened);
  if (dirfd < 0)
    return dirfd;
  int new_dirfd = posix_parent_of(store, new_parent, new_name, &new_opened);
  if (new_dirfd < 0)
    return new_dirfd;
  if (renameat2(dirfd, name, new_dirfd, new_name, flags) < 0)
    return -errno;
  remember_renamed(store, new_parent, new_dirfd, new_name);
  if (flags & RENAME_EXCHANGE)
    remember_renamed(store, parent, dirfd, name);
  return 0;
}
