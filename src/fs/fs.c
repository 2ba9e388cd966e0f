/* The file system as a whole: making it, what is agreed with the kernel at INIT, and which request
 * is served by whom.
 *
 * What is not in the table is answered with ENOSYS by libfuse, once: the kernel does not ask again.
 * That is the wish for FSYNC and FSYNCDIR, for memory has nothing to write back; for ACCESS,
 * which default_permissions decides; and for locks, which then hold between all users of the mount
 * without a request. */
#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <sys/mman.h>

#include "fs/backing.h"
#include "fs/internal.h"
#include "fs/limits.h"
#include "fs/wire.h"
#include "util/fd.h"

#define RESEND_MINOR 40 /* protocol 7.40, Linux 6.9, brought FUSE_NOTIFY_RESEND */

/* What libfuse asks for by itself or may come to, and must not here. O_TRUNC arrives as a SETATTR,
 * which knows about set-id bits. The writeback cache switches passthrough off. A splice cannot be
 * kept in the journal. A shared mapping of what is served without passthrough would be another
 * memory. */
static const uint64_t unwanted[] = {
    FUSE_CAP_ATOMIC_O_TRUNC,   FUSE_CAP_WRITEBACK_CACHE,      FUSE_CAP_SPLICE_READ,
    FUSE_CAP_SPLICE_WRITE,     FUSE_CAP_SPLICE_MOVE,          FUSE_CAP_READDIRPLUS,
    FUSE_CAP_READDIRPLUS_AUTO, FUSE_CAP_DIRECT_IO_ALLOW_MMAP, FUSE_CAP_CACHE_SYMLINKS,
#ifdef FUSE_CAP_OVER_IO_URING
    FUSE_CAP_OVER_IO_URING,
#endif
};

/* AUTO_INVAL_DATA: what pages and listings are cached is checked against the modification time. */
static const uint64_t wanted[] = {
    FUSE_CAP_HANDLE_KILLPRIV_V2,
    FUSE_CAP_DONT_MASK,
    FUSE_CAP_PARALLEL_DIROPS,
    FUSE_CAP_AUTO_INVAL_DATA,
};

static const struct fuse_lowlevel_ops operations = {
    .init = fs_init,
    .statfs = fs_statfs,
    .lookup = fs_lookup,
    .forget = fs_forget,
    .mknod = fs_mknod,
    .mkdir = fs_mkdir,
    .symlink = fs_symlink,
    .link = fs_link,
    .unlink = fs_unlink,
    .rmdir = fs_rmdir,
    .rename = fs_rename,
    .readlink = fs_readlink,
    .getattr = fs_getattr,
    .setattr = fs_setattr,
    .open = fs_open,
    .create = fs_create,
    .tmpfile = fs_tmpfile,
    .flush = fs_flush,
    .release = fs_release,
    .read = fs_read,
    .write = fs_write,
    .fallocate = fs_fallocate,
    .lseek = fs_lseek,
    .copy_file_range = fs_copy_file_range,
    .opendir = fs_opendir,
    .readdir = fs_readdir,
    .releasedir = fs_releasedir,
    .getxattr = fs_getxattr,
    .listxattr = fs_listxattr,
    .setxattr = fs_setxattr,
    .removexattr = fs_removexattr,
    .ioctl = fs_ioctl,
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
    .statx = fs_statx,
#endif
};

const struct fuse_lowlevel_ops *fs_operations(void) {
  return &operations;
}

/* Who grows something waits for those alone that were there before: else many who write without
 * growing would keep him out. */
static int make_limits_lock(pthread_rwlock_t *lock) {
  pthread_rwlockattr_t attributes;
  int r = pthread_rwlockattr_init(&attributes);
  if (r)
    return -r;
  pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  r = pthread_rwlock_init(lock, &attributes);
  pthread_rwlockattr_destroy(&attributes);
  return -r;
}

int fs_new(struct store *store, const struct fs_options *options, struct state *state, int device,
           struct fs **ret_fs) {
  struct fs *fs = g_new0(struct fs, 1);
  fs->store = store;
  fs->options = *options;
  fs->state = state;
  fs->device = device;
  fs->removed = removed_new(&state->page->removed);
  fs->retry = retry_new(store);
  int code = make_limits_lock(&fs->limits_lock);
  if (code == 0)
    code = fs->retry ? opens_new(state, device, &fs->opens) : -ENOMEM;
  if (code == 0 && limits_orphans(fs))
    opens_keep_orphans(fs->opens);
  if (code == 0)
    code = fs_session_new(fs);
  if (code < 0) {
    fs_free(fs);
    return code;
  }
  *ret_fs = fs;
  return 0;
}

void fs_free(struct fs *fs) {
  if (!fs)
    return;
  if (fs->session)
    fuse_session_destroy(fs->session);
  retry_free(fs->retry);
  opens_free(fs->opens);
  removed_free(fs->removed);
  pthread_rwlock_destroy(&fs->limits_lock);
  g_free(fs);
}

const struct fs_features *fs_features(const struct fs *fs) {
  return &fs->features;
}

size_t fs_message_expected(const struct fs *fs) {
  bool writes = !fs->features.passthrough || limits_data(fs) || fs->store->ops->write;
  return writes ? FS_MESSAGE_MAX : XATTR_SIZE_MAX + 4096;
}

static void miss_passthrough(struct fs *fs, const char *why) {
  fs->features.passthrough = false;
  snprintf(fs->features.passthrough_missing, sizeof fs->features.passthrough_missing, "%s", why);
}

/* The backing files are on tmpfs, which is not stacked on anything: a stacking depth of 0 leaves
 * room for an overlay on top of the mount. */
static void ask_passthrough(struct fs *fs, struct fuse_conn_info *connection) {
  if (!fs->options.passthrough) {
    miss_passthrough(fs, "switched off by -o no_passthrough");
  } else if (!fuse_set_feature_flag(connection, FUSE_CAP_PASSTHROUGH)) {
    miss_passthrough(fs, "this kernel does not offer it: needs Linux 6.9 or newer, built with "
                         "CONFIG_FUSE_PASSTHROUGH");
  } else {
    connection->max_backing_stack_depth = 0;
    fs->features.passthrough = true;
    fs->features.passthrough_missing[0] = '\0';
  }
}

/* May come again, replayed to a new worker: answers the same. */
void fs_init(void *userdata, struct fuse_conn_info *connection) {
  struct fs *fs = userdata;
  for (size_t i = 0; i < G_N_ELEMENTS(unwanted); i++)
    fuse_unset_feature_flag(connection, unwanted[i]);
  for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
    fuse_set_feature_flag(connection, wanted[i]);
  if (fs->options.default_permissions)
    fuse_set_feature_flag(connection, FUSE_CAP_POSIX_ACL);
  ask_passthrough(fs, connection);
  connection->max_write = FS_WRITE_MAX;
  connection->time_gran = 1;

  fs->features.protocol_major = connection->proto_major;
  fs->features.protocol_minor = connection->proto_minor;
  fs->features.resend = fs->options.resend && connection->proto_minor >= RESEND_MINOR;
}

static const char *why_not_registered(int failure) {
  switch (failure) {
  case EPERM:
    return "registering files needs CAP_SYS_ADMIN on the host: run shmfs as root, outside of "
           "user namespaces, or give the program the capability (docs/security.md)";
  case ENOTTY:
  case EINVAL:
    return "this kernel cannot register files: needs Linux 6.9 or newer";
  default:
    return g_strerror(failure);
  }
}

void fs_probe(struct fs *fs) {
  if (!fs->features.passthrough)
    return;
  auto_fd int fd = memfd_create("shmfs-probe", MFD_CLOEXEC); /* on a tmpfs, as all that we serve */
  int id = fd < 0 ? -errno : backing_open(fs->device, fd);
  if (id < 0)
    miss_passthrough(fs, why_not_registered(-id));
  else
    backing_close(fs->device, id);
}

void fs_statfs(fuse_req_t request, fuse_ino_t node) {
  (void)node;
  struct statvfs answer;
  int code = store_of(request)->ops->get_statvfs(store_of(request), &answer);
  if (code == 0)
    code = limits_statvfs(fs_of(request), &answer);
  if (code < 0)
    fs_reply(request, code);
  else
    fuse_reply_statfs(request, &answer);
}
