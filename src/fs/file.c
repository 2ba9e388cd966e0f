/* Opening: what serves an inode's data while it is open.
 *
 * With passthrough the kernel serves it from a registered backing file, and the daemon hears of
 * OPEN and RELEASE alone. Without, or where the kernel refuses to register an inode, the table of
 * opens keeps a descriptor and the daemon serves reads and writes. The kernel wants the same for
 * all opens of one inode: the slot decides. All that is remembered per open is which inode it was, where
 * a later one may have the same node (fh: fs_incarnation). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/internal.h"
#include "fs/limits.h"
#include "store/handle.h"
#include "util/fd.h"
#include "util/log.h"

/* How an open file reads and writes. Direct I/O sends each request to the daemon: what is served
 * from a descriptor must not be cached, and of a fixed size, or in a view with limits, every write is
 * checked. */
static void answer_with(const struct fs *fs, const struct opened *opened,
                        struct fuse_file_info *file) {
  bool writes = (file->flags & O_ACCMODE) != O_RDONLY;
  file->noflush = !opened->indirect;
  if (opened->backing_id > 0) {
    file->backing_id = opened->backing_id;
    file->direct_io = (opened->fixed || limits_data(fs)) && writes;
  } else {
    file->direct_io = opened->fixed || opened->indirect || fs->options.mmap == FS_MMAP_COHERENT;
  }
  file->parallel_direct_writes = file->direct_io;
}

/* A descriptor to serve reads and writes from. An unprivileged daemon may read what it may not
 * write; writers are then turned away when they come. */
static int open_for_data(struct fs *fs, uint64_t node, int flags, struct store_file *ret) {
  int code = fs->store->ops->open(fs->store, node, O_RDWR, ret);
  if ((code == -EACCES || code == -EPERM || code == -EROFS || code == -ETXTBSY) &&
      (flags & O_ACCMODE) == O_RDONLY)
    code = fs->store->ops->open(fs->store, node, O_RDONLY, ret);
  return code;
}

static bool is_path_only(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_PATH);
}

/* To register an inode its path is enough, and better: a descriptor open for writing would make
 * the native side's execve() fail with ETXTBSY. */
static int open_backing(struct fs *fs, uint64_t node, int flags, struct store_file *ret) {
  if (!fs->features.passthrough)
    return open_for_data(fs, node, flags, ret);
  struct store_file file;
  int code = fs->store->ops->open(fs->store, node, O_PATH, &file);
  if (code < 0)
    return code;
  if (file.fixed_size && file.fd >= 0 && is_path_only(file.fd)) {
    fd_close(file.fd);
    return open_for_data(fs, node, flags, ret);
  }
  *ret = file;
  return 0;
}

static void warn_not_registered(struct fs *fs, int code) {
  if (atomic_exchange(&fs->warned, true))
    return;
  log_warning(
      "a file could not be registered for passthrough (%s): it is served by the daemon, and "
      "cannot be mapped shared; further ones are not reported",
      g_strerror(-code));
}

/* Takes a slot for an inode that is not open yet. */
static int serve(struct fs *fs, uint64_t node, int flags, bool nameless, struct store_file *file,
                 struct opened *ret) {
  bool indirect = file->staged || file->fd < 0;
  bool passthrough = fs->features.passthrough && !indirect;
  struct opens_new_slot slot = {
      .node = node,
      .fd = &file->fd,
      .passthrough = passthrough,
      .keep_fd = !passthrough || file->fixed_size,
      .fixed = file->fixed_size,
      .indirect = indirect,
      .nameless = nameless,
  };
  int code = opens_add(fs->opens, &slot, ret);
  if (code == 0 || code == -ENFILE || !passthrough)
    return code;

  warn_not_registered(fs, code);
  file->fd = fd_close(file->fd);
  code = open_for_data(fs, node, flags, file);
  slot.passthrough = false;
  slot.keep_fd = true;
  return code < 0 ? code : opens_add(fs->opens, &slot, ret);
}

/* chattr(1) +i and +a, of which the kernel knows nothing here: opening a path alone, which is all that
 * passthrough needs, asks nothing. */
static int check_protected(const struct statx *file, int flags) {
  if ((flags & O_ACCMODE) == O_RDONLY)
    return 0;
  bool appends = flags & O_APPEND;
  bool protected = (file->stx_attributes & STATX_ATTR_IMMUTABLE) ||
                   (!appends && (file->stx_attributes & STATX_ATTR_APPEND));
  return protected ? -EPERM : 0;
}

/* What cannot be asked any more is open, and without a name. */
int fs_check_protected(struct fs *fs, uint64_t node) {
  struct statx now;
  int code = fs->store->ops->get_statx(fs->store, node, STATX_TYPE, &now);
  return code < 0 ? 0 : check_protected(&now, O_WRONLY);
}

/* An idle slot outlives the last close by a moment, in which the native side may have removed the
 * last name. */
static int check_alive(struct fs *fs, uint64_t node, bool granted) {
  struct stat attributes;
  if (opens_is_open(fs->opens, node))
    return 0;
  int code = fs_live_attributes(fs, node, &attributes);
  if (code == 0)
    return 0;
  opens_forget(fs->opens, node);
  return code == -ESTALE && granted ? 0 : code;
}

/* One look for both, if that suffices. */
static int check_found(struct fs *fs, uint64_t node, int flags, bool granted,
                       const struct opened *opened) {
  struct statx now = {0};
  bool writes = (flags & O_ACCMODE) != O_RDONLY;
  bool seen = writes && fs->store->ops->get_statx(fs->store, node, STATX_NLINK, &now) == 0;
  int code = seen && now.stx_nlink > 0 ? 0 : check_alive(fs, node, granted);
  if (code == 0 && seen)
    code = check_protected(&now, flags);
  if (code < 0)
    opens_let_go(fs->opens, opened);
  return code;
}

/* Has the inode a name, and may it be opened so? Only asked when it is not open through the mount. The
 * descriptor knows of an ordinary file; of others, whose memory has no name of its own, the store. */
static int check_named(struct fs *fs, uint64_t node, int flags, const struct store_file *file) {
  struct stat attributes;
  struct statx more;
  if (file->fd < 0 || file->fixed_size || file->staged)
    return fs_live_attributes(fs, node, &attributes);
  if (statx(file->fd, "", AT_EMPTY_PATH, STATX_NLINK, &more) < 0)
    return -errno;
  return more.stx_nlink == 0 ? -ESTALE : check_protected(&more, flags);
}

/* A slot serves every open of its inode, and the kernel opens a backing file without a check. */
static int check_access(struct fs *fs, uint64_t node, int flags) {
  struct store_file file = {.fd = -1};
  int code = fs->store->ops->open(fs->store, node, flags & O_ACCMODE, &file);
  if (code == 0)
    fd_close(file.fd);
  return code;
}

/* A segment that is open stays when it is removed, and a later one may be given its id. The kernel has
 * but one inode for the two, and wants the same memory for all who have it open: no answer is better
 * than the old memory. */
static int check_same(struct fs *fs, uint64_t node, int flags, const struct opened *opened) {
  struct store_file file = {.fd = -1};
  if (!opened->fixed || opened->fd < 0 ||
      fs->store->ops->open(fs->store, node, flags & O_ACCMODE, &file) < 0)
    return 0;
  bool same = handle_is_same(file.fd, opened->fd);
  fd_close(file.fd);
  return same ? 0 : -EBUSY;
}

static int find_or_serve(struct fs *fs, uint64_t node, int flags, bool granted,
                         struct opened *ret) {
  int code = fs->options.checks_opens ? check_access(fs, node, flags) : 0;
  if (code < 0)
    return code;
  if (opens_find(fs->opens, node, ret)) {
    code = check_same(fs, node, flags, ret);
    if (code == 0)
      return check_found(fs, node, flags, granted, ret);
    opens_let_go(fs->opens, ret);
    return code;
  }
  struct store_file file = {.fd = -1};
  code = open_backing(fs, node, flags, &file);
  if (code < 0)
    return code;
  code = check_named(fs, node, flags, &file);
  bool nameless = code == -ESTALE && granted;
  if (code == 0 || nameless)
    code = serve(fs, node, flags, nameless, &file, ret);
  fd_close(file.fd);
  return code;
}

void fs_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  struct fs *fs = fs_of(request);
  struct opened opened;
  bool granted = retry_grants(fs->retry, request, node, RETRY_ACTION);
  int code = find_or_serve(fs, node, file->flags, granted, &opened);
  if (code < 0) {
    fs_reply(request, granted ? retry_result(code) : code);
    return;
  }
  code = journal_start(fs->state, 0);
  if (code < 0) {
    fs_reply(request, code);
  } else {
    opens_count(&opened, 1);
    answer_with(fs, &opened, file);
    file->fh = fs_incarnation(fs, node);
    if (fs_reply_open(request, file) == -ENOENT)
      opens_undo(fs->opens, &opened);
  }
  opens_let_go(fs->opens, &opened);
}

/* What was made may be open for writing; what is registered should not be (open_backing). */
static void lower_to_path(struct fs *fs, uint64_t node, struct store_file *file) {
  struct store_file path;
  if (file->fd >= 0 && (fcntl(file->fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
    return;
  if (!fs->features.passthrough || file->fixed_size || file->staged || file->fd < 0 ||
      fs->store->ops->open(fs->store, node, O_PATH, &path) < 0)
    return;
  fd_close(file->fd);
  *file = path;
}

/* Answers CREATE and TMPFILE, whose journal has been started. Takes the descriptor over. */
static void reply_created(fuse_req_t request, uint64_t parent, const struct store_entry *entry,
                          bool nameless, struct store_file *made, struct fuse_file_info *file) {
  struct fs *fs = fs_of(request);
  struct opened opened;
  lower_to_path(fs, entry->node, made);
  int code = serve(fs, entry->node, file->flags, nameless, made, &opened);
  fd_close(made->fd);
  if (code < 0) {
    fs_reply(request, code);
    return;
  }
  struct fuse_entry_param param;
  fs_fill_entry(fs, parent, entry, &param);
  answer_with(fs, &opened, file);
  file->fh = 0; /* what is made here has a node of its own */
  opens_count(&opened, 1);
  if (fs_reply_create(request, &param, file) == -ENOENT)
    opens_undo(fs->opens, &opened);
  opens_let_go(fs->opens, &opened);
}

/* A name that the first run made is opened. */
static int open_made(struct store *store, uint64_t parent, const char *name,
                     struct store_entry *ret, struct store_file *ret_file) {
  int code = store->ops->lookup(store, parent, name, ret);
  return code < 0 ? code : store->ops->open(store, ret->node, O_RDWR, ret_file);
}

/* The kernel asks to create what it just found absent. When the name has come into being since, the
 * store opens it only if that needs no permission that the kernel would have checked, and says
 * ESTALE otherwise: the kernel looks again and opens it the ordinary way. */
static int create_once(struct fs *fs, uint64_t parent, const char *name,
                       const struct store_new *new, int flags, struct store_entry *ret,
                       struct store_file *ret_file) {
  struct store *store = fs->store;
  struct once once;
  int code = once_begin(fs->state, store, parent, name, &once);
  if (code == 0 && !opens_has_room(fs->opens, !fs->features.passthrough))
    code = -ENFILE;
  if (code < 0)
    return code;
  if (once_made(&once))
    return open_made(store, parent, name, ret, ret_file);
  auto_growth struct growth growth = {0};
  code = limits_make(fs, &growth);
  if (code < 0)
    return code;
  /* An existing file that is opened instead may be one that may not be written. */
  int access = fs->features.passthrough && !fs->options.checks_opens ? O_RDONLY : O_RDWR;
  return store->ops->create(store, parent, name, new, access | (flags & (O_EXCL | O_TRUNC)), ret,
                            ret_file);
}

void fs_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *file) {
  struct fs *fs = fs_of(request);
  struct store_new new = {
      .mode = (mode & (mode_t)~S_IFMT) | S_IFREG,
      .caller = fs_caller(request),
  };
  struct store_entry entry = {0};
  struct store_file made = {.fd = -1};
  int code = create_once(fs, parent, name, &new, file->flags, &entry, &made);
  if (code < 0)
    fs_reply(request, fs_missing(fs, parent, code));
  else
    reply_created(request, parent, &entry, false, &made, file);
}

/* A second run makes another one; nothing is left of the first, which never had a name. */
void fs_tmpfile(fuse_req_t request, fuse_ino_t parent, mode_t mode, struct fuse_file_info *file) {
  struct fs *fs = fs_of(request);
  struct store_new new = {
      .mode = (mode & (mode_t)~S_IFMT) | S_IFREG,
      .caller = fs_caller(request),
  };
  struct store_entry entry = {0};
  struct store_file made = {.fd = -1};
  auto_growth struct growth growth = {0}; /* to the end: without a name it counts once it is open */
  int code = journal_start(fs->state, 0);
  if (code == 0)
    code = limits_make(fs, &growth);
  if (code == 0)
    code = fs->store->ops->create_unnamed(fs->store, parent, &new, file->flags & O_EXCL, &entry,
                                          &made);
  if (code < 0)
    fs_reply(request, fs_missing(fs, parent, code));
  else
    reply_created(request, parent, &entry, true, &made, file);
}

/* Asked for by answer_with() alone. A second run is the store's affair: what it does at a close, it
 * does once. */
void fs_flush(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  (void)file;
  struct store *store = store_of(request);
  fs_reply(request, store->ops->flush ? store->ops->flush(store, node) : 0);
}

/* Nobody waits for the answer, and there is no second RELEASE: it may not fail. */
void fs_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  (void)file;
  struct fs *fs = fs_of(request);
  struct opened opened;
  if (!opens_find(fs->opens, node, &opened)) {
    fs_reply(request, 0);
    return;
  }
  if (journal_start(fs->state, 0) == 0)
    opens_count(&opened, -1);
  else
    opens_undo(fs->opens, &opened);
  fs_reply(request, 0);
  opens_let_go(fs->opens, &opened);
}
