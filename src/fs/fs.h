/* The file system: FUSE requests on one side, a store on the other.
 *
 * Holds no state about files but the tables of those that are open (opens.h) and of those that were
 * removed while they were (removed.h). Coherence does not rest on events: what is cached in the
 * kernel is found stale where it matters, by -ESTALE. */
#pragma once

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/state.h"
#include "store/store.h"

enum fs_mmap {
  FS_MMAP_COHERENT, /* without passthrough a shared mapping is refused with ENODEV */
  FS_MMAP_CACHED,   /* … is made of the kernel's page cache: a different memory; opt-in */
};

/* What the view may hold; 0: no limit. */
struct limits_options {
  uint64_t size;        /* bytes: the sum of the objects' sizes */
  uint64_t objects;     /* names */
  uint64_t object_size; /* bytes of one object */
  bool later;           /* others may follow, and are to hold for what is open by then */
};

/* What a view shows, for people and for `shmfsctl` (status.h); borrowed. */
struct fs_shown {
  const char *view;
  const char *prefix;     /* NULL: none */
  dev_t device;           /* of the shared memory directory behind; 0: none of it is shown */
  uint64_t ipc_namespace; /* inode number of the IPC namespace; 0: nothing of one is shown */
};

struct fs_options {
  double entry_timeout; /* seconds; names of files at the top; < 0: the default, an hour */
  double attr_timeout;  /* seconds; attributes of files; default 0 */
  bool passthrough;     /* false: -o no_passthrough */
  bool resend;          /* false: -o no_resend, behave as on kernels before 6.9 */
  bool default_permissions;
  bool checks_opens; /* what is opened is opened by the daemon first, for the same access: the
                        daemon is the one user of the mount, and nobody else checks */
  bool watched;      /* the directory is watched, so its own attributes may be cached */
  enum fs_mmap mmap;
  struct limits_options limits;
  struct fs_shown shown;
  bool debug; /* libfuse prints each request */
};

/* What the kernel and our privileges allow, found when INIT is answered. */
struct fs_features {
  bool passthrough;
  char passthrough_missing[240]; /* why not, and the remedy; "" when it is there */
  bool resend;                   /* FUSE_NOTIFY_RESEND: Linux 6.9 */
  unsigned protocol_major, protocol_minor;
};

struct fs;

/* store and state are used, not owned. device: /dev/fuse of the mount, not taken over. */
int fs_new(struct store *store, const struct fs_options *options, struct state *state, int device,
           struct fs **ret_fs);
void fs_free(struct fs *fs);

const struct fs_features *fs_features(const struct fs *fs);

/* Bytes of one write: 256 pages, what the kernel grants without a sysctl; and of the longest message, with
 * the page that libfuse leaves for what is before the data. */
#define FS_WRITE_MAX (1u << 20)
#define FS_MESSAGE_MAX (FS_WRITE_MAX + 4096)

/* Bytes of the longest message that is to be expected: FS_MESSAGE_MAX where writes come to the daemon,
 * else what an extended attribute takes. After INIT. */
size_t fs_message_expected(const struct fs *fs);

/* The libfuse session on the device; owned by fs. */
struct fuse_session *fs_session(struct fs *fs);

/* Serves one message that was read from the device. */
void fs_process(struct fs *fs, const struct fuse_buf *message);

/* Nothing to do right now: gives back what was kept for a moment. age_us 0: all that can be; else what
 * has been idle for longer. Returns whether something is left that wants another call some 50 ms later,
 * though nothing comes until then. */
bool fs_idle(struct fs *fs, int64_t age_us);

/* Takes the mount over from a worker that is gone: INIT from the state page, counts and backing ids
 * put right, replies that were not delivered, everything that was in hand sent again. Returns 0, or
 * 1 when there is nothing to take over (no INIT yet), or -errno. Before the first fs_process(). */
int fs_take_over(struct fs *fs);
