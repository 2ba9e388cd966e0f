/* The POSIX named semaphores, as text files (text.h). The C library keeps one as a sem_t in the file
 * sem.NAME among the shared memory objects; here its name is NAME. Files of another size are no
 * semaphores that this process could read, and are not shown.
 *
 * Read: the value, "VALUE\n". Written (one final newline is ignored): "post", or "+N" to post N
 * times (N up to SEM_POST_MAX), -EOVERFLOW when the value would get too high, or "-1" to take one,
 * without waiting: -EAGAIN when the value is 0. Anything else is -EINVAL. Changes of mode, owner and
 * times are those of the file, removing is sem_unlink(3). */
#pragma once

#include "store/store.h"

/* What SEM_VALUE_MAX is at least (POSIX); every one is a call, so there must be some limit. */
#define SEM_POST_MAX 32767

/* objects: the posix store, borrowed; to be freed after this one. Makes the process survive the
 * SIGBUS of a semaphore that is truncated while it is posted: whoever sets another handler for that
 * signal does so before. 0 or -errno. */
int sem_store_new(struct store *objects, struct store **ret_store);
