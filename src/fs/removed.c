/* The last few directories that were removed: see removed.h for the model. */
#include "fs/removed.h"

#include <glib.h>

#define REMEMBERED 64 /* directories; 10 KiB */

struct removed {
  GMutex lock; /* covers the rest */
  unsigned next;
  uint64_t node[REMEMBERED]; /* 0: none */
  struct stat attributes[REMEMBERED];
};

struct removed *removed_new(void) {
  struct removed *removed = g_new0(struct removed, 1);
  g_mutex_init(&removed->lock);
  return removed;
}

void removed_free(struct removed *removed) {
  if (!removed)
    return;
  g_mutex_clear(&removed->lock);
  g_free(removed);
}

void removed_add(struct removed *removed, uint64_t node, const struct stat *attributes) {
  g_mutex_lock(&removed->lock);
  unsigned i = removed->next++ % REMEMBERED;
  removed->node[i] = node;
  removed->attributes[i] = *attributes;
  removed->attributes[i].st_nlink = 0;
  g_mutex_unlock(&removed->lock);
}

bool removed_find(struct removed *removed, uint64_t node, struct stat *ret) {
  bool found = false;
  g_mutex_lock(&removed->lock);
  for (unsigned i = 0; i < REMEMBERED && !found; i++) {
    found = removed->node[i] == node;
    if (found && ret)
      *ret = removed->attributes[i];
  }
  g_mutex_unlock(&removed->lock);
  return found;
}
