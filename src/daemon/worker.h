/* The process (or, unsupervised, the part of it) that serves requests. */
#pragma once

#include "daemon/shared.h"

enum worker_end {
  WORKER_UNMOUNTED = 0,    /* the mount is gone */
  WORKER_FAILED = 1,       /* an error that is in the log */
  WORKER_HANDED_OVER = 75, /* finished what it had in hand after SIGHUP; another is to take over */
  WORKER_STOPPED = 76,     /* finished what it had in hand after SIGTERM */
};

/* Makes store, file system, watch and loop, takes over what a worker before left, and serves.
 * SIGTERM and SIGINT stop it, SIGHUP hands over (unsupervised they unmount; and SIGHUP does nothing).
 * When the mount answers, the supervisor is told (shared->ready), or, unsupervised, everybody else
 * (background_ready()). Returns how it ended. */
enum worker_end worker_run(struct shared *shared);
