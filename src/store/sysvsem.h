/* The System V semaphore sets of this process's IPC namespace, as text files (text.h): 0x%08x, or
 * semid.N for a private one.
 *
 * Read: one line for each semaphore, its value, how many wait for zero, how many wait for it to be
 * increased, and who changed it last (process id), in columns of fixed width, so that a long set
 * read in pieces keeps its lines. Not written (-EPERM). Removing is IPC_RMID, a change of mode or
 * owner IPC_SET, a change of times -EPERM. Times: the last semop(2), the last change. */
#pragma once

#include "store/store.h"

/* born: what the directory says for its times, of which the kernel keeps none. */
int sysvsem_store_new(const struct timespec *born, struct store **ret_store);
