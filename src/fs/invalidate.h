/* Telling the kernel to drop what it has cached of names and directories.
 *
 * These are messages to the device that belong to no request, so any process that holds the device
 * may write them. Dropping a name waits, in the kernel, for a lock of its directory that a request may hold:
 * who calls that must not be needed for answering one. In particular a process that is killed in such a
 * call is not gone before the request is answered, which is why a worker never makes one
 * (daemon/watcher.h). Dropping attributes takes no such lock. */
#pragma once

#include <stdint.h>

/* The name in the directory `parent` (a node) leads elsewhere now, or nowhere. 0 or -errno; -ENOENT
 * when the kernel had not cached it. */
int invalidate_name(int device, uint64_t parent, const char *name);

/* What the name leads to has another owner or mode now: it is looked up when it is used next. Before Linux
 * 6.2 the same as invalidate_name(). */
int expire_name(int device, uint64_t parent, const char *name);

/* The attributes of the node have changed. */
int invalidate_attributes(int device, uint64_t node);

/* Any name may have changed: all at once from Linux 6.16 on, before that each name that is in the
 * directory now (a descriptor of it; the others are found stale by -ESTALE). prefix: NULL, or that of
 * the names which the mount shows (store/prefix.h). */
int invalidate_everything(int device, uint64_t node, int directory, const char *prefix);
