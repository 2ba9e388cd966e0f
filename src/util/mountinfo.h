/* Reading /proc/self/mountinfo (proc(5)). */
#pragma once

#include <glib.h>
#include <sys/types.h>

struct mountinfo {
  int id;
  dev_t device;
  char *mount_point; /* octal escapes decoded */
  char *type;        /* e.g. "fuse.shmfs" */
  char *source;      /* e.g. "posix" */
  char *options;     /* per-mount options */
  char *super_options;
};

void mountinfo_free(struct mountinfo *info);

/* Finds the topmost mount at exactly `path` (absolute, without symbolic links).
 * Returns 0 and gives *ret_info to the caller, or -ENOENT, or another -errno from reading. Does not
 * touch the mounted file system, so it is safe on a dead mount. */
int mountinfo_find(const char *path, struct mountinfo **ret_info);

/* Parses one line; 0 or -EINVAL. Exposed for tests. */
int mountinfo_parse(const char *line, struct mountinfo **ret_info);
