/* What is at the mount point now, found without waiting for whoever serves it. */
#pragma once

#include <stdbool.h>

#define MOUNTED_TYPE "fuse.shmfs"

enum mounted {
  MOUNTED_NONE,   /* nothing, or something that is no shmfs */
  MOUNTED_SERVED, /* an shmfs that answers, or may yet */
  MOUNTED_DEAD,   /* an shmfs whose daemon is gone */
};

/* The topmost mount at `path` (absolute, without symbolic links). Takes up to
 * MOUNTED_PATIENCE_MS when it does not answer. */
enum mounted mounted_look(const char *path);

#define MOUNTED_PATIENCE_MS 2000 /* longer than a worker's replacement by far */
