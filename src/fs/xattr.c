/* Extended attributes, POSIX ACLs among them: handed on to the store, with the sizes and errors of
 * the system calls. A path that is out of date is found out first (fs_live_attributes). */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/internal.h"

/* The answer to a request for a value or a list: its length when no room was offered. */
static void reply_value(fuse_req_t request, ssize_t length, const char *value, size_t size) {
  if (length < 0)
    fs_reply(request, (int)length);
  else if (size == 0)
    fuse_reply_xattr(request, (size_t)length);
  else
    fuse_reply_buf(request, value, (size_t)length);
}

/* No room, or as much as was asked for; the kernel asks for 64 KiB at most. */
static int make_room(size_t size, char **ret_value) {
  *ret_value = size > 0 ? g_try_malloc(size) : NULL;
  return size > 0 && !*ret_value ? -ENOMEM : 0;
}

static int prepare(struct fs *fs, uint64_t node, size_t size, char **ret_value) {
  struct stat attributes;
  int code = fs_live_attributes(fs, node, &attributes);
  return code < 0 ? code : make_room(size, ret_value);
}

void fs_getxattr(fuse_req_t request, fuse_ino_t node, const char *name, size_t size) {
  struct store *store = store_of(request);
  g_autofree char *value = NULL;
  ssize_t length = prepare(fs_of(request), node, size, &value);
  if (length == 0)
    length = store->ops->get_xattr(store, node, name, value, size);
  reply_value(request, length, value, size);
}

void fs_listxattr(fuse_req_t request, fuse_ino_t node, size_t size) {
  struct store *store = store_of(request);
  g_autofree char *list = NULL;
  ssize_t length = prepare(fs_of(request), node, size, &list);
  if (length == 0)
    length = store->ops->list_xattr(store, node, list, size);
  reply_value(request, length, list, size);
}

static bool has_value(struct store *store, uint64_t node, const char *name, const char *value,
                      size_t size) {
  g_autofree char *there = g_try_malloc(size + 1);
  if (!there)
    return false;
  ssize_t length = store->ops->get_xattr(store, node, name, there, size + 1);
  return length >= 0 && (size_t)length == size && memcmp(there, value, size) == 0;
}

/* Only XATTR_CREATE can fail because it was done before. */
void fs_setxattr(fuse_req_t request, fuse_ino_t node, const char *name, const char *value,
                 size_t size, int flags) {
  struct fs *fs = fs_of(request);
  struct stat attributes;
  uint64_t before;
  bool again = journal_again(&before);
  int code = fs_live_attributes(fs, node, &attributes);
  if (code == 0 && (flags & XATTR_CREATE))
    code = journal_start(fs->state, 0);
  if (code == 0)
    code = fs->store->ops->set_xattr(fs->store, node, name, value, size, flags);
  if (code == -EEXIST && again && has_value(fs->store, node, name, value, size))
    code = 0;
  fs_reply(request, code);
}

void fs_removexattr(fuse_req_t request, fuse_ino_t node, const char *name) {
  struct fs *fs = fs_of(request);
  struct stat attributes;
  uint64_t before;
  bool again = journal_again(&before);
  int code = fs_live_attributes(fs, node, &attributes);
  if (code == 0)
    code = journal_start(fs->state, 0);
  if (code == 0)
    code = fs->store->ops->remove_xattr(fs->store, node, name);
  if (code == -ENODATA && again)
    code = 0;
  fs_reply(request, code);
}
