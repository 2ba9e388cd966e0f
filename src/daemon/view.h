/* The views: what SOURCE on the command line may be, and the store that each one shows. */
#pragma once

#include <stdbool.h>

#include "daemon/shared.h"
#include "store/store.h"

struct view {
  const char *name;
  bool watched;       /* what it shows is the shared memory directory, whose changes can be told */
  bool objects;       /* shows the shared memory directory, or has it within */
  bool confined;      /* can show a part of itself, with limits: -o prefix=, size=, … */
  bool ipc_namespace; /* shows what an IPC namespace has, so -o ipcns= has a meaning */
  /* 0 or -errno; the caller frees the store. */
  int (*make_store)(const struct shared *shared, struct store **ret_store);
};

/* The view of that name, or of one of posix's other names: what mount(8) has where a source is of no
 * importance ("", none, shmfs, shmfs#...). NULL for an unknown one. */
const struct view *view_find(const char *source);

/* The names, for an error message; static. */
const char *view_names(void);

/* Do the options suit the view? 0, or -EINVAL after one clear line. */
int view_check(const struct options *options);

/* Enters the IPC namespace of -o ipcns=, where there is one, with the whole process: those that come
 * after it, and the next program of an upgrade, are in it by themselves. Before there are threads.
 * 0 or -errno, after one clear line. */
int view_enter(const struct options *options);

/* What the view shows with these options, for user.shmfs.* (fs/status.h). Borrows from the options. */
struct fs_shown view_shown(const struct shared *shared);
