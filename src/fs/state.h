/* What a worker leaves to the next one: a memory file that the supervisor and each worker map.
 *
 * There is one worker at a time, so nothing in here is locked between processes: a worker takes
 * its own lock (state.lock lives in its private memory) and the next worker repairs what a kill left
 * half done, state_recover(). Every update is either one store that commits it (a slot's `used`, a record's
 * `phase`), or written to the redo record first.
 *
 * The layout is part of an upgrade: a program takes the page of another one over only if version
 * and sizes are its own (state_check). */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fs/wire.h"

#define STATE_MAGIC UINT64_C(0x53464d48534d4853)
#define STATE_VERSION 1
#define STATE_RECORDS 256      /* requests that may be in hand at once; more than threads */
#define STATE_SLOTS (1u << 20) /* inodes that may be open at once */
#define STATE_REMOVED 256      /* what was removed and is still held: removed.h */
#define STATE_INIT_MAX 256     /* bytes of the kernel's INIT message (104 in 7.45) */

enum state_phase {
  STATE_FREE,    /* also: answered, the kernel took the reply */
  STATE_STARTED, /* may or may not have been carried out */
  STATE_DONE,    /* carried out; `reply` holds what the kernel is to be told */
};

/* One request that must not be carried out twice. */
struct state_record {
  uint64_t unique; /* as read, with WIRE_UNIQUE_RESEND */
  union {
    uint64_t before; /* what the request found before it did anything; see once.h */
    pid_t agent;     /* of a command, the process that carries it out; 0: none yet; see command.h */
  };
  uint32_t phase;      /* enum state_phase; commits the others */
  uint16_t reply_size; /* bytes */
  uint16_t again;      /* replacements of the worker that it has waited through while started */
  unsigned char reply[WIRE_REPLY_KEPT];
};

/* One inode that is open through the mount, or was a moment ago (count 0: idle). */
struct state_slot {
  uint64_t node;
  uint32_t count;     /* opens that the kernel knows of */
  int32_t backing_id; /* 0: none */
  int32_t fd;         /* in the descriptor table that supervisor and workers share; -1: none */
  uint16_t used;      /* commits the others: written last, cleared first */
  uint16_t flags;     /* enum state_slot_flag */
};

enum state_slot_flag {
  STATE_SLOT_NAMELESS = 1, /* its last name is gone or it never had one: close with the last open */
  STATE_SLOT_FIXED = 2,    /* fixed size: the daemon serves the writes */
  STATE_SLOT_ORPHAN = 8,   /* not open: an inode without a name that may be mapped (opens.h) */
  STATE_SLOT_INDIRECT = 4, /* data by the store's read and write, and closes are told to it; the
                            * descriptor, if any, only keeps the inode */
};

/* A slot's and a record's change that belong together; applied again when found valid. */
struct state_redo {
  uint32_t valid;
  uint32_t slot;
  uint32_t record;
  uint32_t count; /* the slot's new count */
};

/* What removed.h remembers. */
struct state_removed {
  uint64_t node[STATE_REMOVED]; /* 0: free; written last, cleared first */
  struct stat attributes[STATE_REMOVED];
};

struct state_page {
  uint64_t magic;
  uint32_t version;
  uint32_t page_size, record_size, slot_size;
  uint32_t records, slots;

  uint32_t init_size; /* 0: no INIT seen yet; written last */
  unsigned char init[STATE_INIT_MAX];

  uint32_t last_backing_id; /* highest written down */
  uint32_t slots_high;      /* slots from here on were never used */
  uint64_t unique_high;     /* highest unique id read, without WIRE_UNIQUE_RESEND */

  /* For people: `shmfsctl mounts` and the log. */
  int32_t supervisor; /* process id, in its own PID namespace */
  int32_t worker;
  int64_t started;  /* CLOCK_REALTIME seconds of the mount */
  uint32_t workers; /* started so far */
  uint32_t upgrades;
  uint64_t served[WIRE_OPCODES];

  struct state_redo redo;
  struct state_removed removed;
  struct state_record record[STATE_RECORDS];
  struct state_slot slot[];
};

struct state {
  struct state_page *page;
  int fd;               /* the memory file; close-on-exec */
  pthread_mutex_t lock; /* this process's threads: records, slots, redo */
};

/* A new, empty page. 0 or -errno; the caller frees with state_free(). */
int state_new(struct state **ret_state);

/* Maps the page that fd (taken over on success) holds: -EPROTO when its layout is another one's. */
int state_adopt(int fd, struct state **ret_state);

void state_free(struct state *state);

/* Does a page with these values have this program's layout? `shmfs --check-state` asks. */
bool state_check(uint32_t version, uint32_t page_size, uint32_t record_size, uint32_t slot_size,
                 uint32_t records, uint32_t slots);

/* Repairs what a kill left half done. Once, before anything else, in each worker. */
void state_recover(struct state *state);

/* Keeps the kernel's INIT message for the workers to come; size <= STATE_INIT_MAX. */
void state_keep_init(struct state *state, const void *message, size_t size);
