/* Extended attributes, POSIX ACLs among them: handed on to the store, with the sizes and errors of
 * the system calls. A path that is out of date is found out first (fs_live_attributes). */
#include <errno.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/internal.h"
#include "fs/status.h"
#include "util/privilege.h"

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

static int prepare(fuse_req_t request, uint64_t node, enum retry_use use, size_t size,
                   char **ret_value) {
  struct stat attributes;
  int code = fs_attributes_for(request, node, use, &attributes);
  return code < 0 ? code : make_room(size, ret_value);
}

/* What is remembered of a removed inode has no attributes: the kernel asks for its ACL when it is opened
 * once more by its descriptor. */
static ssize_t unless_removed(fuse_req_t request, uint64_t node, ssize_t length, ssize_t none) {
  return length == -ESTALE && removed_find(fs_of(request)->removed, node, NULL) ? none : length;
}

/* What the kernel asks of itself, before it does what was asked of it. */
static enum retry_use use_of(const char *name) {
  if (strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) == 0)
    return RETRY_LIST;
  return strcmp(name, XATTR_NAME_CAPS) == 0 ? RETRY_CAPABILITY : RETRY_ACTION;
}

void fs_getxattr(fuse_req_t request, fuse_ino_t node, const char *name, size_t size) {
  struct store *store = store_of(request);
  g_autofree char *value = NULL;
  ssize_t length = prepare(request, node, use_of(name), size, &value);
  if (length == 0)
    length = node == STORE_ROOT && is_status(name)
                 ? status_get(fs_of(request), name, value, size)
                 : store->ops->get_xattr(store, node, name, value, size);
  reply_value(request, unless_removed(request, node, length, -ENODATA), value, size);
}

#define TRUSTED "trusted."

/* tmpfs shows the names of trusted attributes to the privileged alone, and by the time a list is with
 * the kernel nobody filters it any more. Returns the length of what is left. */
static size_t without_trusted(char *list, size_t length) {
  size_t kept = 0;
  for (size_t at = 0, next; at < length; at = next) {
    next = at + strlen(list + at) + 1;
    if (strncmp(list + at, TRUSTED, strlen(TRUSTED)) == 0)
      continue;
    memmove(list + kept, list + at, next - at);
    kept += next - at;
  }
  return kept;
}

/* The whole list first: how long it is without some names is not known before. */
static ssize_t list_shown(fuse_req_t request, fuse_ino_t node, char *list, size_t size) {
  struct store *store = store_of(request);
  g_autofree char *whole = g_try_malloc(XATTR_LIST_MAX);
  if (!whole)
    return -ENOMEM;
  ssize_t length = store->ops->list_xattr(store, node, whole, XATTR_LIST_MAX);
  if (length < 0)
    return length;
  size_t shown = without_trusted(whole, (size_t)length);
  if (size > 0 && shown > size)
    return -ERANGE;
  if (size > 0)
    memcpy(list, whole, shown);
  return (ssize_t)shown;
}

void fs_listxattr(fuse_req_t request, fuse_ino_t node, size_t size) {
  struct store *store = store_of(request);
  g_autofree char *list = NULL;
  ssize_t length = prepare(request, node, RETRY_ACTION, size, &list);
  if (length == 0)
    length = fuse_req_ctx(request)->uid == 0 ? store->ops->list_xattr(store, node, list, size)
                                             : list_shown(request, node, list, size);
  reply_value(request, unless_removed(request, node, length, 0), list, size);
  /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): g_autofree frees it */
}

/* Begins what depends on whether the attribute is there, with the answer to that in the journal:
 * *ret_before. *ret_again: a worker that died had begun it. */
static int begin(struct fs *fs, uint64_t node, const char *name, bool *ret_again,
                 uint64_t *ret_before) {
  *ret_again = journal_again(ret_before);
  if (!*ret_again)
    *ret_before = fs->store->ops->get_xattr(fs->store, node, name, NULL, 0) >= 0;
  return journal_start(fs->state, *ret_before);
}

static bool has_value(struct store *store, uint64_t node, const char *name, const char *value,
                      size_t size) {
  g_autofree char *there = g_try_malloc(size + 1);
  if (!there)
    return false;
  ssize_t length = store->ops->get_xattr(store, node, name, there, size + 1);
  return length >= 0 && (size_t)length == size && memcmp(there, value, size) == 0;
}

static bool is_acl(const char *name) {
  return strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) == 0 ||
         strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT) == 0;
}

/* An ACL is the owner's affair; to other attributes the kernel applies what it has just asked about. */
static int check_setter(fuse_req_t request, const char *name, const struct stat *now) {
  return is_acl(name) ? fs_check_owner(request, now, CAP_FOWNER) : 0;
}

/* A new ACL, and the end of one, take the set-group-ID bit from those who are not in the group, as
 * chmod(2) does. Returns whether the capability that keeps it was put in effect. */
static bool begin_acl(fuse_req_t request, const char *name, const struct stat *now) {
  const struct fuse_ctx *caller = fuse_req_ctx(request);
  if (!is_acl(name) || !(now->st_mode & S_ISGID))
    return false;
  /* Without privilege the daemon is the user, and the kernel judges by that. */
  privilege_assume(caller->uid, caller->gid, caller->umask);
  return fs_keeps_setgid(request, now) && privilege_keep_setid(true) == 0;
}

static int set_xattr(fuse_req_t request, uint64_t node, const char *name, const char *value,
                     size_t size, int flags, const struct stat *now) {
  struct store *store = store_of(request);
  bool keeps = begin_acl(request, name, now);
  int code = store->ops->set_xattr(store, node, name, value, size, flags);
  if (keeps)
    privilege_keep_setid(false);
  return code;
}

static int remove_xattr(fuse_req_t request, uint64_t node, const char *name,
                        const struct stat *now) {
  struct store *store = store_of(request);
  bool keeps = begin_acl(request, name, now);
  int code = store->ops->remove_xattr(store, node, name);
  if (keeps)
    privilege_keep_setid(false);
  return code;
}

/* Only XATTR_CREATE can fail because it was done before. */
void fs_setxattr(fuse_req_t request, fuse_ino_t node, const char *name, const char *value,
                 size_t size, int flags) {
  struct fs *fs = fs_of(request);
  struct stat attributes;
  uint64_t before = 0;
  bool again = false;
  int code = node == STORE_ROOT && is_status(name)
                 ? -EPERM
                 : fs_attributes_for(request, node, RETRY_ACTION, &attributes);
  if (code == 0)
    code = check_setter(request, name, &attributes);
  if (code == 0 && (flags & XATTR_CREATE))
    code = begin(fs, node, name, &again, &before);
  if (code == 0)
    code = set_xattr(request, node, name, value, size, flags, &attributes);
  if (code == -EEXIST && again && !before && has_value(fs->store, node, name, value, size))
    code = 0;
  fs_reply(request, code);
}

void fs_removexattr(fuse_req_t request, fuse_ino_t node, const char *name) {
  struct fs *fs = fs_of(request);
  struct stat attributes;
  uint64_t before = 0;
  bool again = false;
  int code = fs_attributes_for(request, node, RETRY_ACTION, &attributes);
  if (code == 0)
    code = check_setter(request, name, &attributes);
  if (code == 0)
    code = begin(fs, node, name, &again, &before);
  if (code == 0)
    code = remove_xattr(request, node, name, &attributes);
  if (code == -ENODATA && again && before)
    code = 0;
  fs_reply(request, code);
}
