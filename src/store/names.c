/* A direct-mapped cache: a node has one slot, by its low bits, which are the inode number and so
 * count up from one creation to the next. Each slot has its own lock, held for a copy only. */
#include "store/names.h"

#include <glib.h>
#include <string.h>

#define SLOTS 8192 /* a power of two; 80 bytes each, 640 KiB once all are in use */

struct slot {
  GMutex lock; /* protects the rest */
  uint64_t node;
  char name[NAMES_LENGTH_MAX];
};

struct names {
  struct slot slots[SLOTS];
};

struct names *names_new(void) {
  struct names *names = g_try_new0(struct names, 1);
  for (size_t i = 0; names && i < SLOTS; i++)
    g_mutex_init(&names->slots[i].lock);
  return names;
}

void names_free(struct names *names) {
  for (size_t i = 0; names && i < SLOTS; i++)
    g_mutex_clear(&names->slots[i].lock);
  g_free(names);
}

static struct slot *slot_of(struct names *names, uint64_t node) {
  return &names->slots[node % SLOTS];
}

void names_put(struct names *names, uint64_t node, const char *name) {
  size_t size = strlen(name) + 1;
  if (size > NAMES_LENGTH_MAX)
    return;
  struct slot *slot = slot_of(names, node);
  g_mutex_lock(&slot->lock);
  slot->node = node;
  memcpy(slot->name, name, size);
  g_mutex_unlock(&slot->lock);
}

bool names_get(struct names *names, uint64_t node, char ret_name[NAMES_LENGTH_MAX]) {
  struct slot *slot = slot_of(names, node);
  g_mutex_lock(&slot->lock);
  bool found = node != 0 && slot->node == node;
  if (found)
    memcpy(ret_name, slot->name, NAMES_LENGTH_MAX);
  g_mutex_unlock(&slot->lock);
  return found;
}

void names_forget(struct names *names, uint64_t node) {
  struct slot *slot = slot_of(names, node);
  g_mutex_lock(&slot->lock);
  if (slot->node == node)
    slot->node = 0;
  g_mutex_unlock(&slot->lock);
}
