/* What the files of this layer share. */
#pragma once

#include <fuse_lowlevel.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fs/fs.h"
#include "fs/journal.h"
#include "fs/once.h"
#include "fs/opens.h"
#include "fs/removed.h"
#include "fs/retry.h"
#include "fs/state.h"
#include "store/store.h"

struct fs {
  struct store *store; /* not owned */
  struct state *state; /* not owned */
  struct opens *opens;
  struct retry *retry;
  struct fs_options options;
  struct fs_features features; /* written by INIT, before other requests */
  struct fuse_session *session;
  int device; /* not owned */

  struct removed *removed;
  pthread_rwlock_t limits_lock; /* limits.h */
  uint32_t sweep_at;            /* orphans; under limits_lock, alone */

  atomic_int listers; /* directory streams of the root that are open; directory.c */
  /* The root's modification time (ns) for which the kernel may have a listing; directory.c. */
  atomic_int_least64_t listed;
  atomic_bool warned; /* that an inode could not be registered; file.c */
};

static inline struct fs *fs_of(fuse_req_t request) {
  return fuse_req_userdata(request);
}

static inline struct store *store_of(fuse_req_t request) {
  return fs_of(request)->store;
}

/* reply.c. Replies of what changes something are committed to the journal and written by ourselves, so
 * that a worker that takes over can give the very same answer: use these instead of libfuse's
 * fuse_reply_err, _entry, _create, _open, _write. (What only reads answers with libfuse's.)
 * Each returns 0, or -ENOENT when the kernel no longer wants the answer (the client is gone). */

/* The one place where -errno becomes a reply: code is 0 or -errno. */
int fs_reply(fuse_req_t request, int code);
int fs_reply_open(fuse_req_t request, const struct fuse_file_info *file);
int fs_reply_create(fuse_req_t request, const struct fuse_entry_param *entry,
                    const struct fuse_file_info *file);
int fs_reply_written(fuse_req_t request, size_t size);
int fs_reply_param(fuse_req_t request, const struct fuse_entry_param *entry);
/* Writes a reply kept by the journal again; header first. */
int fs_send(const struct fs *fs, const void *reply, size_t size);

/* Who sent the request, for the store. */
struct store_caller fs_caller(fuse_req_t request);

/* Fills libfuse's form of an entry, with the timeouts that hold for it. */
void fs_fill_entry(const struct fs *fs, uint64_t parent, const struct store_entry *entry,
                   struct fuse_entry_param *ret);

/* Seconds for which the kernel may keep a node's attributes. */
double fs_attr_timeout(const struct fs *fs, uint64_t node);

/* The attributes of an inode that has a name or is open through the mount; -ESTALE otherwise, on
 * which the kernel walks the path again. */
int fs_live_attributes(struct fs *fs, uint64_t node, struct stat *ret);

/* The file handle (fh) of opens of the node: 0 where it is one inode's forever, else one that a later
 * inode with the same node does not get (store_ops.get_incarnation). */
uint64_t fs_incarnation(struct fs *fs, uint64_t node);

/* The same for a request that a path walk made: one that lost a race has a second chance (retry.h). */
int fs_attributes_for(fuse_req_t request, uint64_t node, enum retry_use use, struct stat *ret);

/* The kernel has judged who asks by the owner that it knew, which may be out of date: the caller must be
 * root, the owner now, or have the capability. 0 or -EPERM. */
int fs_check_owner(fuse_req_t request, const struct stat *now, int capability);

/* May who asks give the file, as its owner, the set-group-ID bit? */
bool fs_keeps_setgid(fuse_req_t request, const struct stat *now);

/* The result of something in the directory `parent`: -ENOENT becomes -ESTALE when the directory
 * itself is gone, and the other way round when it was removed through the mount (removed.h). */
int fs_missing(struct fs *fs, uint64_t parent, int code);

/* file.c: -EPERM where chattr(1) forbids truncate(2). Asked where a descriptor that is open already would
 * do it. */
int fs_check_protected(struct fs *fs, uint64_t node);

/* session.c: the session on the device, with replies going through the journal. */
int fs_session_new(struct fs *fs);

/* fs.c */
const struct fuse_lowlevel_ops *fs_operations(void);

/* The operations, by file. */
void fs_init(void *userdata, struct fuse_conn_info *connection); /* fs.c */
void fs_statfs(fuse_req_t request, fuse_ino_t node);

/* Tries whether the kernel lets us register backing files, and fills features.passthrough and
 * _missing. After INIT has been answered: before that the kernel refuses everybody. */
void fs_probe(struct fs *fs);

/* names.c */
void fs_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void fs_forget(fuse_req_t request, fuse_ino_t node, uint64_t lookups);
void fs_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void fs_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void fs_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name);
void fs_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char *name);
void fs_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void fs_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);
void fs_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
               const char *new_name, unsigned flags);
void fs_readlink(fuse_req_t request, fuse_ino_t node);

/* attributes.c */
void fs_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void fs_setattr(fuse_req_t request, fuse_ino_t node, struct stat *attributes, int mask,
                struct fuse_file_info *file);
void fs_statx(fuse_req_t request, fuse_ino_t node, int flags, int mask,
              struct fuse_file_info *file);

/* file.c: OPEN, CREATE, TMPFILE, FLUSH, RELEASE */
void fs_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void fs_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *file);
void fs_tmpfile(fuse_req_t request, fuse_ino_t parent, mode_t mode, struct fuse_file_info *file);
void fs_flush(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void fs_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);

/* data.c */
void fs_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
             struct fuse_file_info *file);
void fs_write(fuse_req_t request, fuse_ino_t node, const char *data, size_t size, off_t offset,
              struct fuse_file_info *file);
void fs_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
                  struct fuse_file_info *file);
void fs_lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence,
              struct fuse_file_info *file);
void fs_copy_file_range(fuse_req_t request, fuse_ino_t node_in, off_t offset_in,
                        struct fuse_file_info *file_in, fuse_ino_t node_out, off_t offset_out,
                        struct fuse_file_info *file_out, size_t size, int flags);

/* directory.c */
void fs_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void fs_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                struct fuse_file_info *file);
void fs_releasedir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);

/* xattr.c */
void fs_getxattr(fuse_req_t request, fuse_ino_t node, const char *name, size_t size);
void fs_listxattr(fuse_req_t request, fuse_ino_t node, size_t size);
void fs_setxattr(fuse_req_t request, fuse_ino_t node, const char *name, const char *value,
                 size_t size, int flags);
void fs_removexattr(fuse_req_t request, fuse_ino_t node, const char *name);

/* flags.c: the ioctl commands of chattr(1) */
void fs_ioctl(fuse_req_t request, fuse_ino_t node, unsigned command, void *address,
              struct fuse_file_info *file, unsigned flags, const void *in, size_t in_size,
              size_t out_size);
