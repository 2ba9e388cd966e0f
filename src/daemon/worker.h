/* The process (or, unsupervised, the part of it) that serves requests. */
#pragma once

#include <sys/types.h>

#include "daemon/shared.h"

enum worker_end {
  WORKER_UNMOUNTED = 0,    /* the mount is gone */
  WORKER_FAILED = 1,       /* an error that is in the log */
  WORKER_HANDED_OVER = 75, /* finished what it had in hand after SIGHUP; another is to take over */
  WORKER_STOPPED = 76,     /* finished what it had in hand after SIGTERM */
};

/* Starts the process that serves (worker_run()), sharing our descriptors; its exit status is an enum
 * worker_end. It ends with its parent. Returns the process id or -errno. Only in a process with one
 * thread. */
pid_t worker_start(struct shared *shared);

/* Makes store, file system and loop (unsupervised the watch, too), takes over what a worker before
 * left, and serves. SIGTERM and SIGINT stop it, SIGHUP hands over (unsupervised they unmount; and
 * SIGHUP does nothing). When the mount answers, the supervisor is told (shared->ready), or, unsupervised, everybody else
 * (background_ready()). Returns how it ended. */
enum worker_end worker_run(struct shared *shared);
