/* Data that the daemon has a hand in: reads and writes without passthrough and writes to what has a
 * fixed size; and for all files what passthrough does not cover: fallocate(2), copy_file_range(2),
 * SEEK_HOLE and SEEK_DATA.
 *
 * Everything is a system call on a descriptor of the shared memory itself. It is never mapped here:
 * others may truncate it at any time, and a mapping would end the daemon with SIGBUS. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/command.h"
#include "fs/internal.h"
#include "fs/limits.h"
#include "util/fd.h"
#include "util/privilege.h"

/* Bytes that one COPY_FILE_RANGE may take, so that no request keeps a thread for seconds; callers
 * go on after a short copy. */
#define COPY_MAX (64u << 20)

#define COMPARE_SIZE 4096 /* bytes at a time, on the stack */

/* A node's data for the length of one request. */
struct lent {
  struct fs *fs;
  uint64_t node;
  struct opened opened;
  bool found;
  int own; /* opened for this request; -1 */
  int fd;  /* own, or the slot's; -1: through the store's read and write */
};

/* A slot may keep a descriptor that allows reading or appending alone, from when its inode allowed no
 * more. */
static bool suits(int fd, int access) {
  return access == O_RDONLY || (fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND)) == O_RDWR;
}

/* By the node, which may be another inode's by now than the one that was opened. */
static int reach(struct lent *lent, int access, uint64_t incarnation) {
  struct store *store = lent->fs->store;
  struct store_file file;
  if (incarnation != 0 && incarnation != fs_incarnation(lent->fs, lent->node))
    return -ESTALE;
  if (lent->found && lent->opened.indirect)
    return 0;
  int code = store->ops->open(store, lent->node, access, &file);
  if (code < 0)
    return code;
  lent->own = file.fd;
  lent->fd = file.staged ? -1 : file.fd;
  lent->opened.fixed = file.fixed_size;
  return 0;
}

static int lend(struct fs *fs, uint64_t node, int access, const struct fuse_file_info *file,
                struct lent *ret) {
  struct lent lent = {.fs = fs, .node = node, .opened.fd = -1, .own = -1, .fd = -1};
  int code = 0;
  lent.found = opens_find(fs->opens, node, &lent.opened);
  if (lent.found && lent.opened.fd >= 0 && !lent.opened.indirect && suits(lent.opened.fd, access))
    lent.fd = lent.opened.fd;
  else
    code = reach(&lent, access, file->fh);
  if (code < 0 && lent.found)
    opens_let_go(fs->opens, &lent.opened);
  if (code == 0)
    *ret = lent;
  return code;
}

static void give_back(struct lent *lent) {
  if (!lent->fs)
    return;
  fd_close(lent->own);
  if (lent->found)
    opens_let_go(lent->fs->opens, &lent->opened);
}

#define auto_lent __attribute__((cleanup(give_back)))

static int size_of(const struct lent *lent, off_t *ret_size) {
  struct stat attributes;
  int code = lent->fd < 0 ? fs_live_attributes(lent->fs, lent->node, &attributes)
             : fstat(lent->fd, &attributes) < 0 ? -errno
                                                : 0;
  if (code == 0)
    *ret_size = attributes.st_size;
  return code;
}

static ssize_t read_at(const struct lent *lent, void *buffer, size_t size, off_t offset) {
  if (lent->fd < 0)
    return lent->fs->store->ops->read(lent->fs->store, lent->node, buffer, size, offset);
  ssize_t length = pread(lent->fd, buffer, size, offset);
  return length < 0 ? -errno : length;
}

static void read_and_reply(fuse_req_t request, const struct lent *lent, size_t size, off_t offset) {
  g_autofree char *buffer = g_try_malloc(MAX(size, 1));
  ssize_t length = buffer ? read_at(lent, buffer, size, offset) : -ENOMEM;
  if (length < 0)
    fs_reply(request, (int)length);
  else
    fuse_reply_buf(request, buffer, (size_t)length);
}

void fs_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
             struct fuse_file_info *file) {
  auto_lent struct lent lent = {0};
  int code = lend(fs_of(request), node, O_RDONLY, file, &lent);
  if (code < 0)
    fs_reply(request, code);
  else
    read_and_reply(request, &lent, size, offset);
}

/* Of a fixed size: nothing past the end, and what reaches across it is cut short. */
static int bound(const struct lent *lent, size_t *size, off_t offset) {
  off_t end = 0;
  if (!lent->opened.fixed)
    return 0;
  int code = size_of(lent, &end);
  if (code < 0)
    return code;
  if (offset >= end)
    return *size > 0 ? -ENOSPC : 0;
  *size = MIN(*size, (size_t)(end - offset));
  return 0;
}

static ssize_t write_at(const struct lent *lent, const char *data, size_t size, off_t offset) {
  auto_growth struct growth growth = {0};
  int code = offset < 0 ? -EINVAL : bound(lent, &size, offset);
  if (code == 0)
    code = limits_write(lent->fs, lent->node, lent->fd, offset, &size, &growth);
  if (code < 0)
    return code;
  if (lent->fd < 0)
    return lent->fs->store->ops->write(lent->fs->store, lent->node, data, size, offset);
  ssize_t length = pwrite(lent->fd, data, size, offset);
  return length < 0 ? -errno : length;
}

/* How many of the bytes are there, from the first on. */
static size_t count_there(const struct lent *lent, const char *data, size_t size, off_t offset) {
  char there[COMPARE_SIZE];
  size_t same = 0;
  while (same < size) {
    ssize_t length = read_at(lent, there, MIN(size - same, sizeof there), offset + (off_t)same);
    ssize_t i = 0;
    while (i < length && there[i] == data[same])
      i++, same++;
    if (length <= 0 || i < length)
      break;
  }
  return same;
}

/* What the first run wrote of it before it ended: all; or as much as a limit let it; or, killed in the
 * midst of writing, whole pages of the file. */
static size_t written_before(const struct lent *lent, const char *data, size_t size, off_t end) {
  uint64_t before;
  if (!journal_again(&before))
    return 0;
  size_t there = count_there(lent, data, size, (off_t)before);
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  bool limited = limits_data(lent->fs) && before + there == (uint64_t)end;
  return there == size || limited || (before + there) % page == 0 ? there : 0;
}

static ssize_t append_end(const struct lent *lent, const char *data, size_t size) {
  struct iovec part = {.iov_base = (void *)data};
  auto_growth struct growth growth = {0};
  int code = limits_append(lent->fs, lent->node, lent->fd, &size, &growth);
  if (code < 0)
    return code;
  part.iov_len = size;
  ssize_t length = pwritev2(lent->fd, &part, 1, 0, RWF_APPEND);
  return length < 0 ? -errno : length;
}

static ssize_t append_rest(const struct lent *lent, const char *data, size_t size, off_t end) {
  if (lent->opened.fixed || lent->fd < 0)
    return write_at(lent, data, size, end);
  return append_end(lent, data, size);
}

/* The end is where the file ends now, whatever the kernel believes: the native side may have
 * written. Not to be done twice: what the first run wrote begins where the file ended before. */
static ssize_t append(const struct lent *lent, const char *data, size_t size) {
  off_t end = 0;
  int code = size_of(lent, &end);
  if (code < 0)
    return code;
  size_t there = written_before(lent, data, size, end);
  if (there > 0 && there == size)
    return (ssize_t)size;
  code = journal_start(lent->fs->state, (uint64_t)end);
  if (code < 0)
    return code;
  ssize_t length = append_rest(lent, data + there, size - there, end);
  return length < 0 && there == 0 ? length : (ssize_t)there + MAX(length, 0);
}

/* Neither a descriptor, as staged files have one too, nor a fixed size. */
static bool takes_commands(const struct lent *lent) {
  return lent->own < 0 && lent->opened.fd < 0 && !lent->opened.fixed;
}

static ssize_t write_lent(const struct lent *lent, const char *data, size_t size, off_t offset,
                          int flags) {
  struct fs *fs = lent->fs;
  if (takes_commands(lent)) {
    int code = command_run(fs->state, fs->store, lent->node, data, size);
    return code < 0 ? code : (ssize_t)size;
  }
  return flags & O_APPEND ? append(lent, data, size) : write_at(lent, data, size, offset);
}

void fs_write(fuse_req_t request, fuse_ino_t node, const char *data, size_t size, off_t offset,
              struct fuse_file_info *file) {
  auto_lent struct lent lent = {0};
  ssize_t length = lend(fs_of(request), node, O_RDWR, file, &lent);
  if (length == 0)
    length = write_lent(&lent, data, size, offset, file->flags);
  if (length < 0)
    fs_reply(request, (int)length);
  else
    fs_reply_written(request, (size_t)length);
}

/* Where there is no descriptor only the size can be seen to. */
static int allocate_indirect(const struct lent *lent, int mode, off_t end) {
  struct stat now;
  struct store_change wish = {.mask = STORE_CHANGE_SIZE | STORE_CHANGE_OPENED, .size = end};
  int code = mode != 0 ? -EOPNOTSUPP : fs_live_attributes(lent->fs, lent->node, &now);
  if (code < 0 || end <= now.st_size)
    return code;
  code = lent->fs->store->ops->change(lent->fs->store, lent->node, -1, &wish, &now);
  return code == -EPERM ? -ENOSPC : code; /* what was staged has become a segment */
}

/* Memory past the end would be memory that no size tells of. */
static int limit_allocation(const struct lent *lent, int mode, off_t end, struct growth *growth) {
  off_t now = 0;
  if (!limits_growth(lent->fs) || (mode & FALLOC_FL_PUNCH_HOLE))
    return 0;
  int code = limits_resize(lent->fs, lent->node, lent->fd, end, growth);
  if (code == 0 && (mode & FALLOC_FL_KEEP_SIZE))
    code = size_of(lent, &now);
  return code == 0 && (mode & FALLOC_FL_KEEP_SIZE) && end > now ? -EOPNOTSUPP : code;
}

static int allocate(const struct lent *lent, int mode, off_t offset, off_t length) {
  off_t end, now = 0;
  if (offset < 0 || length <= 0)
    return -EINVAL;
  if (__builtin_add_overflow(offset, length, &end))
    return -EFBIG;
  if (lent->opened.fixed && !(mode & FALLOC_FL_PUNCH_HOLE)) {
    int code = size_of(lent, &now);
    if (code < 0)
      return code;
    if (end > now)
      return -ENOSPC;
  }
  auto_growth struct growth growth = {0};
  int code = limit_allocation(lent, mode, end, &growth);
  if (code < 0)
    return code;
  if (lent->fd < 0)
    return allocate_indirect(lent, mode, end);
  return fallocate(lent->fd, mode, offset, length) < 0 ? -errno : 0;
}

/* What root allocates keeps its set-id bits. The capability is asked for only of a file that has them. */
static bool keeps_setid(fuse_req_t request, const struct lent *lent) {
  struct stat now;
  return lent->fd >= 0 && fstat(lent->fd, &now) == 0 && (now.st_mode & (S_ISUID | S_ISGID)) &&
         privilege_of_thread(fuse_req_ctx(request)->pid, CAP_FSETID);
}

void fs_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
                  struct fuse_file_info *file) {
  auto_lent struct lent lent = {0};
  int code = lend(fs_of(request), node, O_RDWR, file, &lent);
  bool keeps = code == 0 && keeps_setid(request, &lent) && privilege_keep_setid(true) == 0;
  if (code == 0)
    code = allocate(&lent, mode, offset, length);
  if (keeps)
    privilege_keep_setid(false);
  fs_reply(request, code);
}

/* The slot's descriptor has a position that nothing else uses. */
void fs_lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence,
              struct fuse_file_info *file) {
  auto_lent struct lent lent = {0};
  off_t found = lend(fs_of(request), node, O_RDONLY, file, &lent);
  if (found == 0 && lent.fd < 0)
    found = -EINVAL;
  if (found == 0) {
    found = lseek(lent.fd, offset, whence);
    found = found < 0 ? -errno : found;
  }
  if (found < 0)
    fs_reply(request, (int)found);
  else
    fuse_reply_lseek(request, found);
}

static ssize_t copy(const struct lent *from, off_t from_offset, const struct lent *to,
                    off_t to_offset, size_t size) {
  if (from->fd < 0 || to->fd < 0)
    return -EXDEV; /* the caller copies by reading and writing */
  if (from_offset < 0 || to_offset < 0)
    return -EINVAL;
  off_t end = 0;
  size = MIN(size, COPY_MAX);
  int code = bound(to, &size, to_offset);
  if (code == 0)
    code = size_of(from, &end);
  if (code < 0)
    return code;
  auto_growth struct growth growth = {0};
  size = MIN(size, (size_t)MAX(end - from_offset, 0)); /* only what there is has to fit */
  code = limits_write(to->fs, to->node, to->fd, to_offset, &size, &growth);
  if (code < 0)
    return code;
  ssize_t copied = copy_file_range(from->fd, &from_offset, to->fd, &to_offset, size, 0);
  return copied < 0 ? -errno : copied;
}

/* To be repeated without harm, so libfuse's reply will do; it knows both forms that there are. */
void fs_copy_file_range(fuse_req_t request, fuse_ino_t node_in, off_t offset_in,
                        struct fuse_file_info *file_in, fuse_ino_t node_out, off_t offset_out,
                        struct fuse_file_info *file_out, size_t size, int flags) {
  auto_lent struct lent from = {0};
  auto_lent struct lent to = {0};
  ssize_t copied = flags != 0 ? -EINVAL : lend(fs_of(request), node_in, O_RDONLY, file_in, &from);
  if (copied == 0)
    copied = lend(fs_of(request), node_out, O_RDWR, file_out, &to);
  if (copied == 0)
    copied = copy(&from, offset_in, &to, offset_out, size);
  if (copied < 0)
    fs_reply(request, (int)copied);
  else
    fuse_reply_write(request, (size_t)copied);
}
