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

/* Of several at one place the last one is on top. */
static void remove_below(GPtrArray *mounts, const char *point) {
  for (unsigned i = 0; i < mounts->len; i++) {
    const struct mounted *mount = mounts->pdata[i];
    if (strcmp(mount->point, point) == 0)
      g_ptr_array_remove_index(mounts, i--);
  }
}

static void add(GPtrArray *mounts, const struct mountinfo *info) {
  struct mounted *mount = g_new0(struct mounted, 1);
  remove_below(mounts, info->mount_point);
  mount->point = g_strdup(info->mount_point);
  mount->view = g_strdup(info->source);
  g_ptr_array_add(mounts, mount);
}

/* Not before the list has been read: who asks makes a process of its own for it. */
static void ask_all(const GPtrArray *mounts) {
  for (unsigned i = 0; i < mounts->len; i++) {
    struct mounted *mount = mounts->pdata[i];
    mount_status_read(mount->point, MOUNT_ASK_ALL, &mount->status);
    if (*mount->status.view) {
      g_free(mount->view);
      mount->view = g_strdup(mount->status.view);
    }
  }
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
  ask_all(mounts);
  return mounts;
}
