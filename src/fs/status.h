/* What the mount says about itself: extended attributes of its root that are not stored anywhere and
 * not listed (so that copying the tree does not copy them).
 *
 *   user.shmfs.supervisor, .worker   process ids, in the supervisor's PID namespace
 *   user.shmfs.workers, .upgrades    how many were started, how many upgrades there were
 *   user.shmfs.started               seconds since 1970
 *   user.shmfs.requests              a line for each kind of request served: name and count
 *   user.shmfs.view                  what is shown: posix, sysv, all
 *   user.shmfs.device                major:minor of the shared memory directory behind
 *   user.shmfs.ipc                   inode number of the IPC namespace, as in /proc/PID/ns/ipc
 *   user.shmfs.prefix                of the names outside
 *   user.shmfs.limits                lines size, nr_objects, max_object, each with its number
 *   user.shmfs.use                   lines size and objects: what the view holds now, counted for this
 *
 * What a view does not have is absent (ENODATA). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct fs;

/* Is it one of the names above? */
bool is_status(const char *name);

/* As getxattr(2): the length, without a terminating 0; -ENODATA, -ERANGE. */
ssize_t status_get(struct fs *fs, const char *name, char *value, size_t size);
