/* The process that runs the watch, beside the worker.
 *
 * Telling the kernel to drop a name may have to wait, in the kernel, for a request that the worker is
 * to answer. A thread that is killed there stays until then, and a process ends with its last
 * thread: a worker that did this itself could be killed and not be gone, and nobody would replace it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/shared.h"

/* Starts the process, sharing our descriptors. missed: events may have been lost, so it begins by
 * dropping everything. Otherwise it begins by looking at the root of the mount, which a worker must
 * be there to answer, and then says so by shared->ready. It ends with its parent. Returns the
 * process id or -errno. Only in a process with one thread. */
pid_t watcher_start(struct shared *shared, bool missed);

/* What there is to watch. */
struct watch_target watcher_target(const struct shared *shared);
