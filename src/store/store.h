/* A store is what a view must provide: names, attributes, and descriptors of shared memory.
 *
 * Nothing above knows where the memory comes from; nothing here knows FUSE. Every function returns
 * 0 (or a count where it says so) or -errno, and is safe to call from several threads at once.
 *
 * A node is a 64-bit name of an inode that stays valid while the inode lives, through renames and
 * after its last unlink while anybody holds it, in any process: STORE_ROOT, or what lookup, create,
 * make and link returned. A node whose inode is gone answers -ESTALE, never another inode; but where
 * the kernel gives System V ids out again, see get_incarnation. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <time.h>

#define STORE_ROOT UINT64_C(1) /* FUSE_ROOT_ID */

/* What open() is asked for that is only to keep an inode from going: of any kind that can be. */
#define STORE_HOLD (O_PATH | O_NOFOLLOW)

struct statx;

struct store {
  const struct store_ops *ops;
};

/* Who asks; what is created belongs to them. */
struct store_caller {
  uid_t uid;
  gid_t gid;
  mode_t umask;
};

struct store_entry {
  uint64_t node;
  struct stat attributes;
};

/* What make() makes, by the type bits of mode. */
struct store_new {
  mode_t mode;        /* type and permissions, before the umask (ACL defaults replace it) */
  dev_t device;       /* S_IFCHR, S_IFBLK */
  const char *target; /* S_IFLNK */
  struct store_caller caller;
};

enum store_change_mask {
  STORE_CHANGE_MODE = 1 << 0,
  STORE_CHANGE_UID = 1 << 1,
  STORE_CHANGE_GID = 1 << 2,
  STORE_CHANGE_SIZE = 1 << 3,
  STORE_CHANGE_TIMES = 1 << 4,      /* times[], with UTIME_NOW and UTIME_OMIT */
  STORE_CHANGE_KILL_SETID = 1 << 5, /* clear set-id bits (and file capabilities) as a write would */
  STORE_CHANGE_OPENED = 1 << 6,     /* through an open file: ftruncate(), not open(O_TRUNC) */
  STORE_CHANGE_NO_OWNER = 1 << 7, /* as chown(2) to nobody: ctime moves, set-id bits are cleared */
};

struct store_change {
  unsigned mask;
  mode_t mode;
  uid_t uid;
  gid_t gid;
  off_t size;
  struct timespec times[2]; /* access, modification */
};

/* Part of an incarnation: mixes a number in. Begin with STORE_INCARNATION. */
#define STORE_INCARNATION UINT64_C(0xcbf29ce484222325) /* FNV-1a, 64 bits */

static inline uint64_t store_mix(uint64_t incarnation, uint64_t number) {
  for (int i = 0; i < 8; i++, number >>= 8)
    incarnation = (incarnation ^ (number & 0xff)) * UINT64_C(0x100000001b3);
  return incarnation ? incarnation : 1;
}

/* How an opened file's data is reached. */
struct store_file {
  int fd;          /* owned by the caller; -1: data only through ops->read and ops->write, or, when
                    * the size is not fixed, ops->command */
  bool fixed_size; /* writes must be bounded by the size: the daemon serves them, maps go direct */
  bool staged;     /* not yet the memory that its name will stand for (a segment whose size is not
                    * known): no passthrough, no shared map, and close() is told to ops->flush */
};

/* How a write that is a command is to be carried out: an act outside of this process (a message is
 * sent), which must not be done twice though this process may be killed. When all is prepared the store
 * has perform() call fn(data), which does the act and nothing else: it neither takes locks nor memory.
 * What fn returned, or -EIO when nobody can know. */
struct store_act {
  int (*perform)(struct store_act *act, int (*fn)(void *data), void *data);
};

/* One name of a listing. Return 0 to go on, 1 to stop *before* this one (it did not fit).
 * next is the cookie of the position after this name. */
typedef int store_list_fn(void *data, const char *name, uint64_t ino, unsigned char type,
                          uint64_t next);

/* One name of a view: its type and inode number, and of a regular file all attributes. 0, or -errno to
 * end the visit with it. */
typedef int store_visit_fn(void *data, const struct stat *attributes);

struct store_ops {
  /* The root's modification time does not tell whether its names have changed: nobody may keep a listing
   * as long as it stays the same. */
  bool undated;

  void (*free)(struct store *store);

  /* -ENOENT, -ENOTDIR, -ENAMETOOLONG. Symbolic links are never followed, by any function here. */
  int (*lookup)(struct store *store, uint64_t parent, const char *name, struct store_entry *ret);

  /* The node that a name leads to, as cheaply as can be; -ENOENT. */
  int (*find)(struct store *store, uint64_t parent, const char *name, uint64_t *ret_node);

  int (*get_attributes)(struct store *store, uint64_t node, struct stat *ret);
  int (*get_statx)(struct store *store, uint64_t node, unsigned mask, struct statx *ret);

  /* The attributes of an inode that is gone (-ESTALE) but for fd, which open() gave for it. NULL: those
   * that fstat(2) tells. */
  int (*get_kept_attributes)(struct store *store, uint64_t node, int fd, struct stat *ret);

  /* Applies the changes and returns the attributes after them. fd: an open descriptor of the node
   * that the caller has at hand, or -1. */
  int (*change)(struct store *store, uint64_t node, int fd, const struct store_change *change,
                struct stat *ret);

  /* Tells an inode from an earlier one that had the same node, by what never changes while it lives (who
   * made it, its size): whoever had that one open has no right to this one. Never 0. NULL: in this
   * store a node is one inode's forever. */
  int (*get_incarnation)(struct store *store, uint64_t node, uint64_t *ret);

  /* Bytes written to buffer, without a terminating 0. */
  ssize_t (*read_link)(struct store *store, uint64_t node, char *buffer, size_t size);

  /* mkdir, mknod, symlink; -EEXIST. */
  int (*make)(struct store *store, uint64_t parent, const char *name, const struct store_new *new,
              struct store_entry *ret);

  /* Makes a regular file and opens it. flags: the access that the descriptor must allow, as in
   * open(); O_EXCL (without it an existing regular file is opened), O_TRUNC. ret_file as in open(). */
  int (*create)(struct store *store, uint64_t parent, const char *name, const struct store_new *new,
                int flags, struct store_entry *ret, struct store_file *ret_file);

  /* O_TMPFILE: a regular file without a name; flags may have O_EXCL (never to be linked). */
  int (*create_unnamed)(struct store *store, uint64_t parent, const struct store_new *new,
                        int flags, struct store_entry *ret, struct store_file *ret_file);

  int (*link)(struct store *store, uint64_t node, uint64_t parent, const char *name,
              struct store_entry *ret);
  int (*unlink)(struct store *store, uint64_t parent, const char *name);
  int (*remove_directory)(struct store *store, uint64_t parent, const char *name);
  int (*rename)(struct store *store, uint64_t parent, const char *name, uint64_t new_parent,
                const char *new_name, unsigned flags); /* renameat2(2)'s flags */

  /* Opens a regular file. access: O_RDONLY, O_WRONLY or O_RDWR (what the descriptor must allow), or
   * O_PATH (enough for a passthrough registration, as O_RDONLY is; a descriptor open for writing
   * would make the native side's execve() fail with ETXTBSY). What may only be appended to (chattr +a)
   * is opened for writing with O_APPEND. STORE_HOLD: what is no regular file may be opened as well. */
  int (*open)(struct store *store, uint64_t node, int access, struct store_file *ret_file);

  /* A descriptor of a directory, O_RDONLY, for fsync and the like. */
  int (*open_directory)(struct store *store, uint64_t node, int *ret_fd);

  /* Calls fn for the names from position `offset` on (0: the beginning). Positions stay valid
   * across calls, processes and changes of the directory, as seekdir(3)'s do. "." and ".." are
   * included. */
  int (*list)(struct store *store, uint64_t node, uint64_t offset, store_list_fn *fn, void *data);

  /* Calls fn for every name that the view shows, those in directories included. NULL in stores whose
   * contents are not limited. */
  int (*visit)(struct store *store, store_visit_fn *fn, void *data);

  int (*get_statvfs)(struct store *store, struct statvfs *ret);

  /* xattr(7): sizes and errors as the system calls'; size 0 asks for the length. flags:
   * XATTR_CREATE, XATTR_REPLACE. */
  ssize_t (*get_xattr)(struct store *store, uint64_t node, const char *name, void *value,
                       size_t size);
  ssize_t (*list_xattr)(struct store *store, uint64_t node, char *list, size_t size);
  int (*set_xattr)(struct store *store, uint64_t node, const char *name, const void *value,
                   size_t size, int flags);
  int (*remove_xattr)(struct store *store, uint64_t node, const char *name);

  /* The flags of chattr(1), of a regular file or a directory. command: of linux/fs.h, FS_IOC_GETFLAGS or
   * FS_IOC_SETFLAGS (data: an int), FS_IOC_FSGETXATTR or FS_IOC_FSSETXATTR (data: a struct fsxattr).
   * fd: as for change(). -ENOTTY; NULL in stores without such. */
  int (*flags)(struct store *store, uint64_t node, int fd, unsigned command, void *data);

  /* A close(2) of a staged file: what its error is, is close()'s. NULL where nothing is staged. */
  int (*flush)(struct store *store, uint64_t node);

  /* Data of files that have no descriptor (store_file.fd -1); NULL in stores without such. Writing the
   * same again changes nothing. */
  ssize_t (*read)(struct store *store, uint64_t node, void *buffer, size_t size, off_t offset);
  ssize_t (*write)(struct store *store, uint64_t node, const void *buffer, size_t size,
                   off_t offset);

  /* A write to a file that has neither a descriptor nor a fixed size; NULL in stores without such. */
  int (*command)(struct store *store, uint64_t node, const void *data, size_t size,
                 struct store_act *act);
};
