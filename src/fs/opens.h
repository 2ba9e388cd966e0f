/* The inodes that are open through the mount: how many opens, and what serves them.
 *
 * The kernel wants one backing id per inode while it is open, and a registered id pins memory. So
 * there is one slot per open inode, shared by all its opens, and it ends with the last. Slots live
 * in the state page (a killed worker leaves them to the next); the index by node is private and
 * built anew.
 *
 * A slot whose last open was released stays for a moment as idle: the next open of the inode then
 * needs no registration. Idle slots are few (OPENS_IDLE_MAX), are closed as soon as the daemon has
 * nothing to do, and never kept for an inode known to have lost its last name, nor with a
 * descriptor.
 *
 * Without passthrough a slot has a descriptor instead of a backing id, so that an unlinked file
 * lives on while it is open. Workers share the supervisor's descriptor table, so it outlives them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fs/state.h"

#define OPENS_IDLE_MAX 64

struct opens;

/* What serves an inode. */
struct opened {
  uint32_t slot;
  int backing_id; /* > 0: passthrough */
  int fd;         /* >= 0: stays open while the inode is; not the caller's to close */
  bool fixed;     /* STATE_SLOT_FIXED */
  bool indirect;  /* STATE_SLOT_INDIRECT */
};

/* device: the descriptor of /dev/fuse, for registering; not taken over; -1: nothing is registered. */
int opens_new(struct state *state, int device, struct opens **ret_opens);
void opens_free(struct opens *opens);

/* After a kill: closes the backing ids and idle slots that nobody will release. */
void opens_recover(struct opens *opens);

/* If the inode is open (or idle), gives what serves it and keeps it from being closed until
 * opens_let_go(). Returns false otherwise. */
bool opens_find(struct opens *opens, uint64_t node, struct opened *ret_opened);

struct opens_new_slot {
  uint64_t node;
  int *fd;          /* of the inode; stolen when it is kept */
  bool passthrough; /* register it with the kernel */
  bool keep_fd;     /* keep *fd in the slot */
  bool fixed, indirect, nameless;
};

/* As opens_find(), for an inode that may not be open yet: registers *fd. Another thread may have
 * been first: its slot is then the answer. 0; -ENFILE when all slots are taken, or as many descriptors
 * are kept as RLIMIT_NOFILE allows with some to spare; or the error of the
 * registration (-EPERM, -ENOTTY, -ELOOP, …). */
int opens_add(struct opens *opens, const struct opens_new_slot *new, struct opened *ret_opened);

/* Could one more inode be opened (with a descriptor to keep)? Asked before something is made only to be
 * opened. */
bool opens_has_room(struct opens *opens, bool keep_fd);

/* The request in hand opens (by +1) or releases (by -1) the inode: counted when its answer is
 * committed (journal_commit). Between opens_find() or opens_add() and opens_let_go(). */
void opens_count(const struct opened *opened, int by);

/* The answer to an open never reached the kernel (-ENOENT from libfuse's reply function: the client
 * is gone), so there will be no RELEASE: counts one open less. Before opens_let_go(). */
void opens_undo(struct opens *opens, const struct opened *opened);

/* Ends what opens_find() and opens_add() began, after the reply (RELEASE's too). */
void opens_let_go(struct opens *opens, const struct opened *opened);

/* Is it open through the mount (idle does not count)? */
bool opens_is_open(struct opens *opens, uint64_t node);

/* Orphans: inodes that have lost a name and are not open through the mount. With passthrough a mapping
 * outlives the last RELEASE without a sign, so where memory is limited each is kept in mind, in a
 * slot of its own that serves nothing, until it is seen to be gone. From now on: */
void opens_keep_orphans(struct opens *opens);

/* The inode has lost a name. Returns how many orphans there are. */
uint32_t opens_add_orphan(struct opens *opens, uint64_t node);

uint32_t opens_orphans(struct opens *opens);

/* An inode that is open through the mount (idle does not count), or an orphan. */
struct held {
  uint64_t node;
  uint32_t slot;
  bool orphan;
};

/* The orphan is gone, or has a name. */
void opens_end_orphan(struct opens *opens, const struct held *orphan);

/* All of them, in an array for free(). 0 or -ENOMEM. */
int opens_held(struct opens *opens, struct held **ret_held, size_t *ret_count);

/* A duplicate of the kept descriptor, for the caller to close; -1 when there is none. */
int opens_dup_fd(struct opens *opens, uint64_t node);

/* The inode may just have lost its last name: an idle slot of it is closed, an open one will be. */
void opens_forget(struct opens *opens, uint64_t node);

/* Closes idle slots: all of them, or those that have been idle for over `age_us` microseconds. */
void opens_close_idle(struct opens *opens, int64_t age_us);
