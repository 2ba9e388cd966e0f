/* The watch on the shared memory directory, for the little that ESTALE does not find: a native
 * rename, a native unlink of what the mount holds open, a change of the directory itself, and one of
 * an owner, by which the kernel judges who may change a file's mode or remove its name.
 *
 * fanotify tells whose event it was, so that what the daemon itself did is skipped; where it is not
 * permitted, inotify serves without that. The descriptor is opened once, by the supervisor, so
 * that no event is lost while a worker is replaced. */
#pragma once

#include <stdint.h>

enum watch_kind { WATCH_FANOTIFY, WATCH_INOTIFY };

/* Watches the directory behind a descriptor of it (O_PATH is enough), with the best kind that is to
 * be had. 0 with a descriptor (non-blocking, close-on-exec) that the caller owns, or -errno. */
int watch_open(int directory_fd, enum watch_kind *ret_kind, int *ret_fd);

/* The same with one kind. */
int watch_open_kind(int directory_fd, enum watch_kind kind, int *ret_fd);

/* What is watched, and who is told. Nothing in it is taken over. */
struct watch_target {
  enum watch_kind kind;
  int fd;                /* of watch_open() */
  int device;            /* /dev/fuse of the mount */
  int directory;         /* the directory that is watched … */
  uint64_t node;         /* … and its node in the mount */
  const char *prefix;    /* NULL, or that of the names which the mount shows (store/prefix.h) */
  const int32_t *worker; /* whose events are the mount's own: a process id that may change */
};

/* Reads events and tells the kernel, until the descriptor `stop` can be read (-1: forever). */
void watch_run(const struct watch_target *target, int stop);

struct watch;

/* Starts a thread that does. 0 or -errno. */
int watch_start(const struct watch_target *target, struct watch **ret_watch);
/* Ends the thread and waits for it: while requests are still served, because what it tells the kernel
 * may have to wait for one. NULL is fine. */
void watch_stop(struct watch *watch);
