/* The mounts of shmfs in this mount namespace. */
#pragma once

#include <glib.h>

#include "ctl/mount-status.h"

struct mounted {
  char *point;
  char *view; /* the source: posix, sysv, …, unless -o fsname= hides it */
  struct mount_status status;
};

/* All of them, each asked for its status: struct mounted, freed with the array, which is the caller's.
 * NULL with errno set when there is no list of mounts. */
GPtrArray *mounted_list(void);
