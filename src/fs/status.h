/* What the mount says about itself: extended attributes of its root that are not stored anywhere and
 * not listed (so that copying the tree does not copy them).
 *
 *   user.shmfs.supervisor, .worker   process ids, in the supervisor's PID namespace
 *   user.shmfs.workers, .upgrades    how many were started, how many upgrades there were
 *   user.shmfs.started               seconds since 1970
 *   user.shmfs.requests              a line for each kind of request served: name and count */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "fs/state.h"

/* Is it one of the names above? */
bool is_status(const char *name);

/* As getxattr(2): the length, without a terminating 0; -ERANGE. */
ssize_t status_get(const struct state *state, const char *name, char *value, size_t size);
