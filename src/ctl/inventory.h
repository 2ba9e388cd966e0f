/* What shared memory there is, and who holds it: the picture that every command looks at.
 *
 * An object is a regular file of the shared memory directory, or a System V segment. A hold is one
 * mapping or one descriptor of it in one process. Objects without a name that somebody holds are
 * found by their holds alone. Everything belongs to the inventory and goes with it. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define UNKNOWN UINT64_MAX /* a number that the kernel did not tell, or not to us */

enum object_kind {
  OBJECT_POSIX,     /* what shm_open(3) has a name for */
  OBJECT_SEMAPHORE, /* of sem_open(3): a file sem.NAME */
  OBJECT_FILE,      /* in a directory below, which shm_open(3) has no name for */
  OBJECT_SYSV,
  OBJECT_KINDS,
};

struct process {
  pid_t pid;
  uid_t uid; /* effective */
  char *command;
};

enum hold_kind { HOLD_MAP, HOLD_DESCRIPTOR };

struct hold {
  struct process *process;
  enum hold_kind kind;
  bool writable;
  bool private;        /* a mapping whose changes are its own */
  uint64_t from, to;   /* addresses of a mapping */
  uint64_t offset;     /* in the object, of a mapping */
  int descriptor;      /* -1: a mapping */
  const char *through; /* where the shmfs is mounted through which it is held; NULL: natively */
};

struct object {
  enum object_kind kind;
  char *name;     /* as in the directory; 0x<key> or shmid.N for a segment. Any bytes but 0 and / */
  uint64_t inode; /* a segment's is its shmid */
  uint32_t key;   /* segments */
  uint64_t size, resident, swapped; /* bytes */
  uid_t uid;
  gid_t gid;
  mode_t mode;
  int64_t born; /* seconds since 1970; a segment's: made or last changed by IPC_SET */
  unsigned links;
  bool deleted;        /* without a name: removed, or marked for destruction */
  uint64_t attached;   /* segments: how often shmat(2) holds it, in all namespaces */
  pid_t creator, last; /* segments: process ids, 0 when they cannot be seen from here */
  GPtrArray *holds;    /* struct hold; shared by the names of one inode */
};

struct devices;

struct inventory {
  char *directory;
  struct devices *devices; /* scan.c fills it; NULL before */
  int directory_fd;        /* -1: there is no such directory */
  dev_t device;            /* of the directory */
  bool covered;            /* the directory is no tmpfs itself: a mount of shmfs lies over it */
  GPtrArray *objects;      /* struct object */
  GPtrArray *processes;    /* struct process: those that hold something */
  GHashTable *files;       /* inode -> struct object, of one of its names */
  GHashTable *segments;    /* shmid -> struct object */
  unsigned inspected;      /* processes looked into */
  unsigned refused;        /* processes that we may not look into */
  bool hidden;             /* there may be processes that /proc does not even show */
};

enum inventory_parts {
  INVENTORY_HOLDS = 1 << 0,  /* look into processes, too */
  INVENTORY_MEMORY = 1 << 1, /* tell resident from swapped, which may open each object */
};

/* Looks at everything. 0 or -errno of opening the directory (-ENOENT when there is none is no
 * error: there are segments all the same). Free with inventory_free(), which takes NULL. */
int inventory_take(const char *directory, unsigned parts, struct inventory **ret_inventory);
void inventory_free(struct inventory *inventory);

/* The word for a kind, as in the column KIND: "posix", "sem", "file", "sysv". */
const char *object_kind_name(enum object_kind kind);

/* How many holds of that kind, and how many processes have any. */
unsigned object_count(const struct object *object, enum hold_kind kind);
unsigned object_holders(const struct object *object);

/* Is it held by anybody that was seen, or (segments) attached by somebody that was not? */
bool object_is_held(const struct object *object);

/* For the files that fill an inventory: a new object with those values, or an existing one. */
struct object *inventory_add(struct inventory *inventory, enum object_kind kind, const char *name,
                             uint64_t inode);
struct object *inventory_find(struct inventory *inventory, bool segment, uint64_t inode);

/* collect.c: the directory's files, and the segments of this IPC namespace. 0 or -errno. */
int collect_files(struct inventory *inventory);
int collect_segments(struct inventory *inventory);

struct statx;
/* What a stat of the object says of it. */
void object_describe(struct object *object, const struct statx *attributes);
