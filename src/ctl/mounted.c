#include "ctl/mounted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/mountinfo.h"

static void mounted_free(void *data) {
  struct mounted *mount = data;
  g_free(mount->point);
  g_free(mount->view);
  g_free(mount);
}

static void add(GPtrArray *mounts, const struct mountinfo *info) {
  struct mounted *mount = g_new0(struct mounted, 1);
  mount->point = g_strdup(info->mount_point);
  mount->view = g_strdup(info->source);
  mount_status_read(mount->point, &mount->status);
  g_ptr_array_add(mounts, mount);
}

GPtrArray *mounted_list(void) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (!file)
    return NULL;
  GPtrArray *mounts = g_ptr_array_new_with_free_func(mounted_free);
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, file) >= 0) {
    struct mountinfo *info;
    if (!strstr(line, "fuse.shmfs") || mountinfo_parse(line, &info) < 0)
      continue;
    if (strcmp(info->type, "fuse.shmfs") == 0)
      add(mounts, info);
    mountinfo_free(info);
  }
  free(line);
  fclose(file);
  return mounts;
}
