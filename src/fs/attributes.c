/* Attributes: read afresh for every request, because a program on the native side may change them
 * at any time.
 *
 * An inode that lost its last name, and that nobody has open through the mount, is answered with
 * ESTALE although the store may still know it: the path that led here is out of date, and on ESTALE
 * the kernel walks it again. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>

#include "fs/internal.h"
#include "fs/limits.h"
#include "store/text.h"
#include "util/fd.h"
#include "util/privilege.h"

/* Seconds, while the directory is watched and nobody has it open (directory.c). */
#define ROOT_ATTR_TIMEOUT 3600.0

double fs_attr_timeout(const struct fs *fs, uint64_t node) {
  bool long_lived = node == STORE_ROOT && fs->options.watched && atomic_load(&fs->listers) == 0;
  return long_lived ? ROOT_ATTR_TIMEOUT : fs->options.attr_timeout;
}

static int attributes_of_kept(struct fs *fs, uint64_t node, struct stat *ret) {
  auto_fd int fd = opens_dup_fd(fs->opens, node);
  struct store *store = fs->store;
  if (fd < 0)
    return -ESTALE;
  if (store->ops->get_kept_attributes)
    return store->ops->get_kept_attributes(store, node, fd, ret);
  return fstat(fd, ret) < 0 ? -errno : 0;
}

int fs_live_attributes(struct fs *fs, uint64_t node, struct stat *ret) {
  struct stat attributes;
  int code = fs->store->ops->get_attributes(fs->store, node, &attributes);
  if (code == -ESTALE)
    code = attributes_of_kept(fs, node, &attributes);
  if (code == 0 && attributes.st_nlink == 0 && !opens_is_open(fs->opens, node))
    code = -ESTALE;
  if (code == -ESTALE && removed_find(fs->removed, node, &attributes))
    code = 0;
  if (code < 0)
    return code;
  *ret = attributes;
  return 0;
}

#define NO_INCARNATION 1 /* gone */

uint64_t fs_incarnation(struct fs *fs, uint64_t node) {
  uint64_t incarnation;
  if (!fs->store->ops->get_incarnation)
    return 0;
  int code = fs->store->ops->get_incarnation(fs->store, node, &incarnation);
  return code < 0 ? NO_INCARNATION : incarnation;
}

static void reply_attributes(fuse_req_t request, int code, uint64_t node,
                             const struct stat *attributes) {
  if (code < 0)
    fs_reply(request, code);
  else
    fuse_reply_attr(request, attributes, fs_attr_timeout(fs_of(request), node));
}

int fs_attributes_for(fuse_req_t request, uint64_t node, enum retry_use use, struct stat *ret) {
  struct fs *fs = fs_of(request);
  bool granted = retry_grants(fs->retry, request, node, use);
  int code = fs_live_attributes(fs, node, ret);
  if (code == -ESTALE && granted)
    code = retry_result(fs->store->ops->get_attributes(fs->store, node, ret));
  return code;
}

void fs_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  (void)file;
  struct stat attributes;
  int code = fs_attributes_for(request, node, RETRY_ATTRIBUTES, &attributes);
  reply_attributes(request, code, node, &attributes);
}

/* The kernel's flag for one of the two times: set to a value, set to now, or left alone. */
static struct timespec time_change(int mask, int set, int now, struct timespec value) {
  if (mask & now)
    return (struct timespec){.tv_nsec = UTIME_NOW};
  if (mask & set)
    return value;
  return (struct timespec){.tv_nsec = UTIME_OMIT};
}

#define TIMES                                                                                      \
  (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW)
#define NOW (FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW)
#define OWNED (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | TIMES)
#define KILL (FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID)

static unsigned change_mask(int mask) {
  static const struct {
    int from;
    unsigned to;
  } bits[] = {
      {FUSE_SET_ATTR_MODE, STORE_CHANGE_MODE},
      {FUSE_SET_ATTR_UID, STORE_CHANGE_UID},
      {FUSE_SET_ATTR_GID, STORE_CHANGE_GID},
      {FUSE_SET_ATTR_SIZE, STORE_CHANGE_SIZE},
      {TIMES, STORE_CHANGE_TIMES},
      {KILL, STORE_CHANGE_KILL_SETID},
  };
  unsigned changes = 0;
  for (size_t i = 0; i < G_N_ELEMENTS(bits); i++)
    if (mask & bits[i].from)
      changes |= bits[i].to;
  return changes;
}

static struct store_change change_of(int mask, const struct stat *to) {
  return (struct store_change){
      .mask = change_mask(mask),
      .mode = to->st_mode,
      .uid = to->st_uid,
      .gid = to->st_gid,
      .size = to->st_size,
      .times = {time_change(mask, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, to->st_atim),
                time_change(mask, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, to->st_mtim)},
  };
}

/* With the descriptor that serves the inode, where there is one. */
static int change(struct fs *fs, uint64_t node, const struct store_change *change,
                  struct stat *ret) {
  struct opened opened = {.fd = -1};
  auto_growth struct growth growth = {0};
  int code =
      change->mask & STORE_CHANGE_SIZE ? limits_resize(fs, node, -1, change->size, &growth) : 0;
  if (code < 0)
    return code;
  bool found = opens_find(fs->opens, node, &opened);
  if ((change->mask & (STORE_CHANGE_SIZE | STORE_CHANGE_OPENED)) == STORE_CHANGE_SIZE)
    code = opened.fd < 0 ? 0 : fs_check_protected(fs, node);
  if (code == 0)
    code = fs->store->ops->change(fs->store, node, opened.fd, change, ret);
  if (found)
    opens_let_go(fs->opens, &opened);
  return code;
}

/* A request that names nothing to change is chown(2) with neither owner nor group, or the kernel is about
 * to let somebody write, who may not be the owner: then the write itself clears the set-id bits, and
 * here nobody else's request may. */
static bool may_clear_setid(fuse_req_t request, const struct stat *now) {
  uid_t uid = fuse_req_ctx(request)->uid;
  return uid == 0 || uid == now->st_uid || !(now->st_mode & (S_ISUID | S_ISGID));
}

int fs_check_owner(fuse_req_t request, const struct stat *now, int capability) {
  const struct fuse_ctx *caller = fuse_req_ctx(request);
  if (caller->uid == 0 || caller->uid == now->st_uid)
    return 0;
  return privilege_of_thread(caller->pid, capability) ? 0 : -EPERM;
}

static bool is_in_group(const struct fuse_ctx *caller, gid_t gid) {
  return caller->gid == gid || privilege_thread_in_group(caller->pid, gid);
}

bool fs_keeps_setgid(fuse_req_t request, const struct stat *now) {
  const struct fuse_ctx *caller = fuse_req_ctx(request);
  return caller->uid == 0 || is_in_group(caller, now->st_gid) ||
         privilege_of_thread(caller->pid, CAP_FSETID);
}

/* To a group that he is in. */
static int check_group(fuse_req_t request, gid_t gid, const struct stat *now) {
  const struct fuse_ctx *caller = fuse_req_ctx(request);
  if (caller->uid == 0 || gid == now->st_gid || is_in_group(caller, gid))
    return 0;
  return privilege_of_thread(caller->pid, CAP_CHOWN) ? 0 : -EPERM;
}

/* What the owner alone may change: everything but the size, and the times where they are not just
 * "now". */
static int check_change(fuse_req_t request, int mask, const struct stat *to,
                        const struct stat *now) {
  int code = 0;
  if (mask & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
    code = fs_check_owner(request, now, CAP_CHOWN);
  if (code == 0 && (mask & FUSE_SET_ATTR_GID))
    code = check_group(request, to->st_gid, now);
  bool times = (mask & TIMES) && (mask & NOW) != NOW && !(mask & FUSE_SET_ATTR_SIZE);
  if (code == 0 && ((mask & FUSE_SET_ATTR_MODE) || times))
    code = fs_check_owner(request, now, CAP_FOWNER);
  return code;
}

/* To what the attributes are now, and not to what the kernel remembers of them. */
static int adapt(fuse_req_t request, int mask, const struct stat *now, const struct stat *to,
                 struct store_change *wish) {
  if (mask == 0 && may_clear_setid(request, now))
    wish->mask |= STORE_CHANGE_NO_OWNER;
  int code = check_change(request, mask, to, now);
  if (code == 0 && (mask & FUSE_SET_ATTR_MODE) && (to->st_mode & S_ISGID) &&
      !fs_keeps_setgid(request, now))
    wish->mode &= ~(mode_t)S_ISGID;
  return code;
}

/* Without a file the kernel came by a path, which may be out of date; O_TRUNC comes that way
 * too. */
void fs_setattr(fuse_req_t request, fuse_ino_t node, struct stat *attributes, int mask,
                struct fuse_file_info *file) {
  struct fs *fs = fs_of(request);
  struct store_change wish = change_of(mask, attributes);
  bool asks = mask == 0 || (mask & OWNED);
  struct stat now;
  int code = 0;
  if (file)
    wish.mask |= STORE_CHANGE_OPENED;
  else
    code = fs_attributes_for(request, node, RETRY_ACTION, &now);
  if (file && asks)
    code = fs_live_attributes(fs, node, &now);
  if (code == 0 && asks)
    code = adapt(request, mask, &now, attributes, &wish);
  if (code == 0)
    code = change(fs, node, &wish, &now);
  if (code == -ESTALE && removed_change(fs->removed, node, &wish, &now))
    code = 0;
  reply_attributes(request, code, node, &now);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
/* Of what is open and gone for the store there is no more than attributes. */
static int kept_statx(struct fs *fs, uint64_t node, unsigned mask, struct statx *ret) {
  struct stat attributes;
  int code = fs_live_attributes(fs, node, &attributes);
  if (code == 0)
    text_to_statx(&attributes, mask, ret);
  return code;
}

/* Asked only for what attributes do not have: the time of birth. */
void fs_statx(fuse_req_t request, fuse_ino_t node, int flags, int mask,
              struct fuse_file_info *file) {
  (void)flags, (void)file;
  struct fs *fs = fs_of(request);
  struct statx answer;
  unsigned asked = (unsigned)mask | STATX_BASIC_STATS;
  int code = fs->store->ops->get_statx(fs->store, node, asked, &answer);
  if (code == -ESTALE)
    code = kept_statx(fs, node, asked, &answer);
  if (code == 0 && answer.stx_nlink == 0 && !opens_is_open(fs->opens, node) &&
      !removed_find(fs->removed, node, NULL))
    code = -ESTALE;
  if (code < 0)
    fs_reply(request, code);
  else
    fuse_reply_statx(request, 0, &answer, fs_attr_timeout(fs, node));
}
#endif
