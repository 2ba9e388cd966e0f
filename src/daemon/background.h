/* From the process that a person started to the one that stays. */
#pragma once

#include "daemon/shared.h"

/* Forks. The child returns 0, in a session of its own, with shared->parent set. The parent never
 * returns: it exits with 0 when the child says that the mount answers (background_ready), or with
 * the child's status when it ends before. In the parent and on failure: -errno. */
int background_enter(struct shared *shared);

/* The mount answers: lets the waiting process end, tells the service manager, and (unless in the
 * foreground) leaves the terminal: messages go to syslog from now on. May be called again. */
void background_ready(struct shared *shared);

/* Only the second half, in a process that shares the descriptors of one that did all of it. */
void background_log(const struct options *options);
