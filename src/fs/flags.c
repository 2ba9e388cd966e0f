/* The flags of chattr(1): of all ioctl(2) commands, the four that get and set them, which files of a
 * tmpfs have (Linux 6.0). The kernel makes the same requests for file_getattr(2) and
 * file_setattr(2).
 *
 * The kernel has a request of its own for each: it has then checked the caller (the owner, and
 * CAP_LINUX_IMMUTABLE for what only that may change), and comes with the values and no address. When
 * that fails with ENOTTY, the caller's own call follows as it stands, unchecked and with his address;
 * it is not heard. Setting the same again changes nothing, so nothing is kept in the journal. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <string.h>

#include "fs/internal.h"

/* Bytes that a command has, in and out; 0 for those that nobody here knows. */
static size_t size_of(unsigned command) {
  switch (command) {
  case FS_IOC_GETFLAGS:
  case FS_IOC_SETFLAGS:
    return sizeof(int); /* although the command's number says long */
  case FS_IOC_FSGETXATTR:
  case FS_IOC_FSSETXATTR:
    return sizeof(struct fsxattr);
  default:
    return 0;
  }
}

static bool sets(unsigned command) {
  return command == FS_IOC_SETFLAGS || command == FS_IOC_FSSETXATTR;
}

static int check_setter(fuse_req_t request, uint64_t node) {
  struct stat now;
  int code = fs_live_attributes(fs_of(request), node, &now);
  return code < 0 ? code : fs_check_owner(request, &now, CAP_FOWNER);
}

static int perform(struct fs *fs, uint64_t node, unsigned command, void *data) {
  struct opened opened = {.fd = -1};
  if (!fs->store->ops->flags)
    return -ENOTTY;
  bool found = opens_find(fs->opens, node, &opened);
  int code = fs->store->ops->flags(fs->store, node, opened.fd, command, data);
  if (found)
    opens_let_go(fs->opens, &opened);
  return code;
}

void fs_ioctl(fuse_req_t request, fuse_ino_t node, unsigned command, void *address,
              struct fuse_file_info *file, unsigned flags, const void *in, size_t in_size,
              size_t out_size) {
  (void)file, (void)flags;
  union {
    int flags;
    struct fsxattr attributes;
  } data = {0};
  size_t size = size_of(command);
  bool set = sets(command);
  if (size == 0 || address || (set ? in_size : out_size) != size) {
    fs_reply(request, -ENOTTY);
    return;
  }
  if (set)
    memcpy(&data, in, size);
  int code = set ? check_setter(request, node) : 0;
  if (code == 0)
    code = perform(fs_of(request), node, command, &data);
  if (code < 0)
    fs_reply(request, code);
  else
    fuse_reply_ioctl(request, 0, &data, set ? 0 : size);
}
