/* Names: finding, making, removing, renaming.
 *
 * A name at the top may stay in the kernel's cache for long, because what it leads to is found
 * stale when it is used (fs_live_attributes). An absent name is not cached at all: a program that
 * made an object natively may look for it here at once.
 *
 * Every change goes through the journal (once.h), so that it happens once. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "fs/internal.h"
#include "fs/limits.h"

#define ENTRY_TIMEOUT 3600.0 /* seconds, of names at the top while the directory is watched */
#define LOOKUPS_MAX 100      /* of one name that is replaced natively all the time */
#define GENERATION 1         /* a node is never used again, so one generation is enough */

struct store_caller fs_caller(fuse_req_t request) {
  const struct fuse_ctx *context = fuse_req_ctx(request);
  return (struct store_caller){
      .uid = context->uid,
      .gid = context->gid,
      .umask = context->umask,
  };
}

/* Only names of regular files are kept: with them each use comes here and is found stale, while the
 * kernel opens a FIFO, or answers EISDIR for a directory, by what it remembers. One of several names
 * is not kept either, as its node lives on when it is removed natively. A directory below the top
 * may be moved natively without any event that would tell, so names in it are not kept. */
static double entry_timeout(const struct fs *fs, uint64_t parent, const struct stat *attributes) {
  if (fs->options.entry_timeout >= 0)
    return fs->options.entry_timeout;
  bool kept = parent == STORE_ROOT && S_ISREG(attributes->st_mode) && attributes->st_nlink <= 1;
  return kept && fs->options.watched ? ENTRY_TIMEOUT : 0;
}

void fs_fill_entry(const struct fs *fs, uint64_t parent, const struct store_entry *entry,
                   struct fuse_entry_param *ret) {
  *ret = (struct fuse_entry_param){
      .ino = entry->node,
      .generation = GENERATION,
      .attr = entry->attributes,
      .attr_timeout = fs_attr_timeout(fs, entry->node),
      .entry_timeout = entry_timeout(fs, parent, &entry->attributes),
  };
}

/* Answers with a new or found entry, or with code when that is not 0. */
static void reply_entry(fuse_req_t request, int code, uint64_t parent,
                        const struct store_entry *entry) {
  if (code < 0) {
    fs_reply(request, code);
    return;
  }
  struct fuse_entry_param param;
  fs_fill_entry(fs_of(request), parent, entry, &param);
  fs_reply_param(request, &param);
}

int fs_missing(struct fs *fs, uint64_t parent, int code) {
  struct stat attributes;
  if (code == -ESTALE && removed_find(fs->removed, parent, NULL))
    return -ENOENT;
  if (code != -ENOENT || parent == STORE_ROOT)
    return code;
  return fs_live_attributes(fs, parent, &attributes) == -ESTALE ? -ESTALE : code;
}

void fs_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
  struct store *store = store_of(request);
  struct store_entry entry = {0};
  int code, tries = 0;
  do
    code = store->ops->lookup(store, parent, name, &entry);
  while (code == 0 && !retry_found(fs_of(request)->retry, request, entry.node) &&
         ++tries < LOOKUPS_MAX);
  if (code < 0)
    retry_missed(fs_of(request)->retry, request);
  reply_entry(request, fs_missing(fs_of(request), parent, code), parent, &entry);
}

/* Nodes are not counted (store/handle.h): only what is remembered of removed ones ends here. */
void fs_forget(fuse_req_t request, fuse_ino_t node, uint64_t lookups) {
  (void)lookups;
  removed_drop(fs_of(request)->removed, node);
  fuse_reply_none(request);
}

static void make(fuse_req_t request, uint64_t parent, const char *name,
                 const struct store_new *new) {
  struct fs *fs = fs_of(request);
  struct store *store = fs->store;
  struct store_entry entry = {0};
  struct once once;
  auto_growth struct growth growth = {0};
  int code = once_begin(fs->state, store, parent, name, &once);
  if (code == 0 && !once_made(&once))
    code = limits_make(fs, &growth);
  if (code == 0) {
    code = store->ops->make(store, parent, name, new, &entry);
    if (code == -EEXIST && once_made(&once))
      code = store->ops->lookup(store, parent, name, &entry);
  }
  reply_entry(request, fs_missing(fs, parent, code), parent, &entry);
}

void fs_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device) {
  struct store_new new = {.mode = mode, .device = device, .caller = fs_caller(request)};
  if (S_ISLNK(mode) || S_ISDIR(mode)) /* made by requests of their own, which say more */
    fs_reply(request, -EINVAL);
  else
    make(request, parent, name, &new);
}

void fs_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
  struct store_new new = {
      .mode = (mode & (mode_t)~S_IFMT) | S_IFDIR,
      .caller = fs_caller(request),
  };
  make(request, parent, name, &new);
}

void fs_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name) {
  struct store_new new = {
      .mode = S_IFLNK | ACCESSPERMS,
      .target = target,
      .caller = fs_caller(request),
  };
  make(request, parent, name, &new);
}

static int link_once(struct fs *fs, uint64_t node, uint64_t parent, const char *name,
                     struct store_entry *ret) {
  struct stat attributes;
  struct once once;
  auto_growth struct growth growth = {0};
  int code = once_begin(fs->state, fs->store, parent, name, &once);
  if (code == 0 && once_made(&once) && once.now == node)
    return fs->store->ops->lookup(fs->store, parent, name, ret);
  if (code == 0)
    code = fs_live_attributes(fs, node, &attributes);
  if (code == 0)
    code = limits_make(fs, &growth);
  if (code == 0)
    code = fs->store->ops->link(fs->store, node, parent, name, ret);
  return code;
}

void fs_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char *name) {
  struct fs *fs = fs_of(request);
  struct store_entry entry = {0};
  bool granted = retry_grants(fs->retry, request, node, RETRY_ACTION);
  int code = link_once(fs, node, parent, name, &entry);
  if (granted)
    code = retry_result(code); /* a file without a name gets no other one natively either */
  reply_entry(request, fs_missing(fs, parent, code), parent, &entry);
}

/* By whatever run the name was removed: what it led to may have lost its last name. */
static void forget(struct fs *fs, uint64_t node) {
  if (node == 0)
    return;
  opens_forget(fs->opens, node);
  limits_removed(fs, node);
}

typedef int remove_fn(struct store *store, uint64_t parent, const char *name);

/* What a name leads to (0: nothing) is remembered before the name goes: in between a worker may be
 * killed. Returns its node, or 0 where it is of no kind that is remembered. */
static uint64_t remember(struct fs *fs, uint64_t node, const struct stat *attributes) {
  if (node == 0 || !removed_wants(attributes))
    return 0;
  removed_add(fs->removed, node, attributes);
  return node;
}

/* code: of the removal. */
static void keep_if_removed(struct fs *fs, uint64_t node, int code) {
  if (node && code < 0)
    removed_drop(fs->removed, node);
}

static void remove_once(fuse_req_t request, uint64_t parent, const char *name, remove_fn *remove) {
  struct fs *fs = fs_of(request);
  struct once once;
  struct stat attributes;
  auto_growth struct growth growth = {0};
  limits_move(fs, &growth);
  int code = once_begin_removal(fs->state, fs->store, parent, name, &once, &attributes);
  if (code == 0 && !once_removed(&once)) {
    uint64_t remembered = remember(fs, once.now, &attributes);
    code = remove(fs->store, parent, name);
    keep_if_removed(fs, remembered, code);
  }
  if (code == 0)
    forget(fs, once.before);
  fs_reply(request, fs_missing(fs, parent, code));
}

void fs_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
  remove_once(request, parent, name, store_of(request)->ops->unlink);
}

void fs_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
  remove_once(request, parent, name, store_of(request)->ops->remove_directory);
}

/* What a rename takes the name from; node 0: nothing. `moved` is the node that gets the name. */
static struct store_entry replaced_by_rename(struct store *store, uint64_t parent, const char *name,
                                             unsigned flags, uint64_t moved) {
  struct store_entry replaced = {0};
  bool replaces = !(flags & (RENAME_NOREPLACE | RENAME_EXCHANGE));
  if (replaces && store->ops->lookup(store, parent, name, &replaced) == 0 && replaced.node == moved)
    replaced.node = 0;
  return replaced;
}

static int rename_over(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
                       const char *new_name, unsigned flags, uint64_t moved) {
  struct store *store = fs->store;
  struct store_entry replaced = replaced_by_rename(store, new_parent, new_name, flags, moved);
  uint64_t remembered = remember(fs, replaced.node, &replaced.attributes);
  int code = store->ops->rename(store, parent, name, new_parent, new_name, flags);
  keep_if_removed(fs, remembered, code);
  if (code == 0)
    forget(fs, replaced.node);
  return code;
}

void fs_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags) {
  struct fs *fs = fs_of(request);
  struct once once;
  int code = once_begin(fs->state, fs->store, parent, name, &once);
  if (code == 0 && !once_removed(&once)) {
    auto_growth struct growth growth = {0};
    limits_move(fs, &growth);
    code = rename_over(fs, parent, name, new_parent, new_name, flags, once.now);
  }
  code = fs_missing(fs, parent, code);
  fs_reply(request, fs_missing(fs, new_parent, code));
}

void fs_readlink(fuse_req_t request, fuse_ino_t node) {
  struct store *store = store_of(request);
  char target[PATH_MAX];
  ssize_t length = store->ops->read_link(store, node, target, sizeof target);
  if (length < 0)
    fs_reply(request, (int)length);
  else
    fuse_reply_buf(request, target, (size_t)length);
}
