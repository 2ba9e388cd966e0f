/* The little of the kernel's FUSE protocol (include/uapi/linux/fuse.h, protocol 7.45) that libfuse
 * does not hand on: the message headers, which the journal needs to know a request again, and the
 * calls that registering a backing file takes. The layout is the kernel's ABI and does not change. */
#pragma once

#include <stdint.h>
#include <sys/ioctl.h>

struct wire_in_header {
  uint32_t len;
  uint32_t opcode;
  uint64_t unique;
  uint64_t nodeid;
  uint32_t uid;
  uint32_t gid;
  uint32_t pid;
  uint16_t total_extlen; /* in units of 8 bytes */
  uint16_t padding;
};

struct wire_out_header {
  uint32_t len;
  int32_t error; /* 0 or -errno; of a notification: its code */
  uint64_t unique;
};

/* The start of the messages that carry a size: fuse_read_in, fuse_write_in, fuse_fallocate_in. */
struct wire_range_in {
  struct wire_in_header header;
  uint64_t handle;
  uint64_t offset;
  union {
    uint32_t size;   /* READ, WRITE */
    uint64_t length; /* FALLOCATE */
  };
};

struct wire_attr {
  uint64_t ino, size, blocks;
  uint64_t atime, mtime, ctime;
  uint32_t atimensec, mtimensec, ctimensec;
  uint32_t mode, nlink, uid, gid, rdev, blksize, flags;
};

struct wire_entry_out {
  uint64_t nodeid, generation;
  uint64_t entry_valid, attr_valid;
  uint32_t entry_valid_nsec, attr_valid_nsec;
  struct wire_attr attr;
};

struct wire_open_out {
  uint64_t fh;
  uint32_t open_flags; /* enum wire_open_flag */
  int32_t backing_id;
};

enum wire_open_flag {
  WIRE_OPEN_DIRECT_IO = 1 << 0,
  WIRE_OPEN_KEEP_CACHE = 1 << 1,
  WIRE_OPEN_NOFLUSH = 1 << 5,
  WIRE_OPEN_PARALLEL_DIRECT_WRITES = 1 << 6,
  WIRE_OPEN_PASSTHROUGH = 1 << 7, /* Linux 6.9 */
};

struct wire_write_out {
  uint32_t size;
  uint32_t padding;
};

enum wire_opcode {
  WIRE_LOOKUP = 1,
  WIRE_FORGET = 2,
  WIRE_GETATTR = 3,
  WIRE_READLINK = 5,
  WIRE_OPEN = 14,
  WIRE_READ = 15,
  WIRE_WRITE = 16,
  WIRE_RELEASE = 18,
  WIRE_GETXATTR = 22,
  WIRE_INIT = 26,
  WIRE_DESTROY = 38,
  WIRE_BATCH_FORGET = 42,
  WIRE_FALLOCATE = 43,
  WIRE_COPY_FILE_RANGE = 47,
  WIRE_COPY_FILE_RANGE_64 = 53,
  WIRE_OPCODES = 64, /* one more than the highest known, for counters */
};

#define WIRE_UNIQUE_RESEND (UINT64_C(1) << 63) /* Linux 6.9: this request was sent before */
#define WIRE_UNIQUE_STEP 2                     /* bit 0 tells an interrupt from its request */
#define WIRE_NOTIFY_INVAL_INODE 2
#define WIRE_NOTIFY_INVAL_ENTRY 3
#define WIRE_NOTIFY_RESEND 7    /* Linux 6.9 */
#define WIRE_NOTIFY_INC_EPOCH 8 /* Linux 6.16 */

struct wire_inval_inode_out {
  uint64_t ino;
  int64_t off; /* < 0: attributes only */
  int64_t len;
};

struct wire_inval_entry_out {
  uint64_t parent;
  uint32_t namelen; /* the name follows, with a terminating 0 */
  uint32_t flags;
};

#define WIRE_INVAL_ENTRY_EXPIRE 1 /* Linux 6.2: the entry is looked up again, and not dropped */

/* The largest reply that must be kept: that of CREATE, header + entry + open. */
#define WIRE_REPLY_KEPT 160

struct wire_backing_map {
  int32_t fd;
  uint32_t flags;
  uint64_t padding;
};

/* Linux 6.9; CAP_SYS_ADMIN. The first returns the id (> 0). */
#define WIRE_BACKING_OPEN _IOW(229, 1, struct wire_backing_map)
#define WIRE_BACKING_CLOSE _IOW(229, 2, uint32_t)
