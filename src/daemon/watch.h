/* The watch on the shared memory directory, for the little that ESTALE does not find: a native
 * rename, a native unlink of what the mount holds open, a change of the directory itself.
 *
 * fanotify tells whose event it was, so that what the daemon itself did is skipped; where it is not
 * permitted, inotify serves without that. The descriptor is opened once, by the supervisor, so
 * that no event is lost while a worker is replaced. */
#pragma once

#include "fs/fs.h"

enum watch_kind { WATCH_FANOTIFY, WATCH_INOTIFY };

/* Watches the directory behind a descriptor of it (O_PATH is enough), with the best kind that is to
 * be had. 0 with a descriptor (non-blocking, close-on-exec) that the caller owns, or -errno. */
int watch_open(int directory_fd, enum watch_kind *ret_kind, int *ret_fd);

/* The same with one kind. */
int watch_open_kind(int directory_fd, enum watch_kind kind, int *ret_fd);

struct watch;

/* Starts a thread that reads events and tells fs. fd is not taken over. 0 or -errno. */
int watch_start(struct fs *fs, enum watch_kind kind, int fd, struct watch **ret_watch);
/* Ends the thread and waits for it: while requests are still served, because what it tells the kernel
 * may have to wait for one. NULL is fine. */
void watch_stop(struct watch *watch);
