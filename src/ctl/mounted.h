/* The mounts of shmfs in this mount namespace. */
#pragma once

#include <glib.h>

#include "ctl/mount-status.h"

struct mounted {
  char *point;
  char *view; /* as it says itself; or the source, which may be another's word (-o fsname=) */
  struct mount_status status;
};

/* All that can be reached (not those that another one lies over), each asked for its status: struct
 * mounted, freed with the array, which is the caller's. NULL with errno set when there is no list
 * of mounts. */
GPtrArray *mounted_list(void);
