/* The descriptor table that supervisor and workers share. */
#pragma once

#include <glib.h>

#include "fs/state.h"

/* The descriptors (ints) that are open now and not kept for an inode that is open through the mount
 * (a used slot of the state page): what belongs to the process itself before its first worker. For
 * g_array_unref(); NULL when they cannot be listed. */
GArray *descriptors_base(const struct state *state);

/* Closes what a worker that is gone left open: every descriptor that is neither in `base` nor kept
 * for an open inode. While no other process uses the table. */
void descriptors_sweep(const struct state *state, const GArray *base);

/* Lets the kept ones pass an execve(2), or (pass false) no longer. */
void descriptors_pass_kept(const struct state *state, bool pass);

/* The same for one descriptor; nothing for -1. */
void descriptor_pass(int fd, bool pass);

/* fork(2), but the child shares the descriptor table. Only in a process with one thread. Returns 0 in
 * the child, its process id in the parent, or -errno. */
pid_t clone_sharing_descriptors(void);
