/* A table in the state page: see removed.h for the model. Where a FORGET is lost with the worker that
 * read it, an entry stays until its place is needed. */
#include "fs/removed.h"

#include <fcntl.h>
#include <glib.h>
#include <time.h>

#include "fs/state.h"
#include "store/store.h"

struct removed {
  GMutex lock; /* covers the rest */
  struct state_removed *table;
  unsigned used; /* entries; none is the common case */
  unsigned oldest;
};

struct removed *removed_new(struct state_removed *state) {
  struct removed *removed = g_new0(struct removed, 1);
  g_mutex_init(&removed->lock);
  removed->table = state;
  for (unsigned i = 0; i < STATE_REMOVED; i++)
    removed->used += state->node[i] != 0;
  return removed;
}

void removed_free(struct removed *removed) {
  if (!removed)
    return;
  g_mutex_clear(&removed->lock);
  g_free(removed);
}

bool removed_wants(const struct stat *attributes) {
  mode_t type = attributes->st_mode & S_IFMT;
  return type == S_IFDIR || type == S_IFIFO || type == S_IFCHR || type == S_IFBLK;
}

/* STATE_REMOVED where it is not there. Node 0 finds a free place. */
static unsigned place_of(const struct removed *removed, uint64_t node) {
  unsigned i = 0;
  while (i < STATE_REMOVED && removed->table->node[i] != node)
    i++;
  return i;
}

static void set_node(struct removed *removed, unsigned i, uint64_t node) {
  removed->used += node != 0;
  removed->used -= removed->table->node[i] != 0;
  __atomic_store_n(&removed->table->node[i], node, __ATOMIC_RELEASE);
}

void removed_add(struct removed *removed, uint64_t node, const struct stat *attributes) {
  g_mutex_lock(&removed->lock);
  unsigned i = place_of(removed, node);
  if (i == STATE_REMOVED)
    i = place_of(removed, 0);
  if (i == STATE_REMOVED)
    i = removed->oldest++ % STATE_REMOVED;
  set_node(removed, i, 0);
  removed->table->attributes[i] = *attributes;
  removed->table->attributes[i].st_nlink = 0;
  set_node(removed, i, node);
  g_mutex_unlock(&removed->lock);
}

void removed_drop(struct removed *removed, uint64_t node) {
  g_mutex_lock(&removed->lock);
  unsigned i = removed->used > 0 ? place_of(removed, node) : STATE_REMOVED;
  if (i < STATE_REMOVED)
    set_node(removed, i, 0);
  g_mutex_unlock(&removed->lock);
}

bool removed_any(struct removed *removed) {
  g_mutex_lock(&removed->lock);
  bool any = removed->used > 0;
  g_mutex_unlock(&removed->lock);
  return any;
}

bool removed_find(struct removed *removed, uint64_t node, struct stat *ret) {
  g_mutex_lock(&removed->lock);
  unsigned i = removed->used > 0 ? place_of(removed, node) : STATE_REMOVED;
  bool found = i < STATE_REMOVED;
  if (found && ret)
    *ret = removed->table->attributes[i];
  g_mutex_unlock(&removed->lock);
  return found;
}

static void set_time(struct timespec *time, struct timespec value, const struct timespec *now) {
  if (value.tv_nsec == UTIME_NOW)
    *time = *now;
  else if (value.tv_nsec != UTIME_OMIT)
    *time = value;
}

static void apply(const struct store_change *change, struct stat *to) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (change->mask & STORE_CHANGE_MODE)
    to->st_mode = (to->st_mode & S_IFMT) | (change->mode & ~(mode_t)S_IFMT);
  if (change->mask & STORE_CHANGE_UID)
    to->st_uid = change->uid;
  if (change->mask & STORE_CHANGE_GID)
    to->st_gid = change->gid;
  if (change->mask & STORE_CHANGE_TIMES) {
    set_time(&to->st_atim, change->times[0], &now);
    set_time(&to->st_mtim, change->times[1], &now);
  }
  to->st_ctim = now;
}

bool removed_change(struct removed *removed, uint64_t node, const struct store_change *change,
                    struct stat *ret) {
  g_mutex_lock(&removed->lock);
  unsigned i = removed->used > 0 ? place_of(removed, node) : STATE_REMOVED;
  bool found = i < STATE_REMOVED;
  if (found) {
    apply(change, &removed->table->attributes[i]);
    *ret = removed->table->attributes[i];
  }
  g_mutex_unlock(&removed->lock);
  return found;
}
