/* The process that owns the mount, so that the one that serves it may die.
 *
 * It holds the device, the watch, the directory and the state page, and does nothing but wait: for
 * a worker's end (another takes over at once), for SIGTERM (unmount, end), for SIGHUP (upgrade,
 * handover.h). Workers are processes of their own that share its descriptor table (clone(2) with
 * CLONE_FILES): a descriptor that a worker keeps for an open file survives the worker, and the
 * table of opens in the state page says which ones are kept; the next worker closes all others.
 *
 * A worker that dies young again and again is not started forever: each start waits a little
 * longer, and after SUPERVISOR_YOUNG_DEATHS in a row the mount is taken away, rather than left
 * dead. */
#pragma once

#include "daemon/shared.h"

#define SUPERVISOR_YOUNG_DEATHS 10

/* Serves until the mount ends. Returns the exit status of the program. */
int supervisor_run(struct shared *shared);
