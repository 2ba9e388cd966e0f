/* Linear probing; removal moves later entries back instead of leaving tombstones. */
#include "fs/index.h"

#include <errno.h>
#include <stdlib.h>

#define INDEX_FIRST 256 /* places at the beginning; always a power of two */

struct place {
  uint64_t node; /* 0: free; no node is 0 */
  uint32_t slot;
};

struct index_table {
  struct place *place;
  uint32_t size, used;
};

struct index_table *index_new(void) {
  struct index_table *table = calloc(1, sizeof *table);
  if (!table)
    return NULL;
  table->size = INDEX_FIRST;
  table->place = calloc(table->size, sizeof *table->place);
  if (!table->place) {
    free(table);
    return NULL;
  }
  return table;
}

void index_free(struct index_table *table) {
  if (!table)
    return;
  free(table->place);
  free(table);
}

/* Fibonacci hashing: inode numbers are consecutive. */
static uint32_t home(const struct index_table *table, uint64_t node) {
  return (uint32_t)((node * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (table->size - 1);
}

static uint32_t seek(const struct index_table *table, uint64_t node) {
  uint32_t i = home(table, node);
  while (table->place[i].node && table->place[i].node != node)
    i = (i + 1) & (table->size - 1);
  return i;
}

static int grow(struct index_table *table) {
  struct index_table larger = {.size = table->size * 2, .used = table->used};
  larger.place = calloc(larger.size, sizeof *larger.place);
  if (!larger.place)
    return -ENOMEM;
  for (uint32_t i = 0; i < table->size; i++)
    if (table->place[i].node)
      larger.place[seek(&larger, table->place[i].node)] = table->place[i];
  free(table->place);
  *table = larger;
  return 0;
}

int index_put(struct index_table *table, uint64_t node, uint32_t slot) {
  if (table->used * 2 >= table->size) {
    int code = grow(table);
    if (code < 0)
      return code;
  }
  table->place[seek(table, node)] = (struct place){.node = node, .slot = slot};
  table->used++;
  return 0;
}

bool index_get(const struct index_table *table, uint64_t node, uint32_t *ret_slot) {
  const struct place *place = &table->place[seek(table, node)];
  if (!place->node)
    return false;
  *ret_slot = place->slot;
  return true;
}

void index_remove(struct index_table *table, uint64_t node) {
  uint32_t mask = table->size - 1;
  uint32_t hole = seek(table, node);
  if (!table->place[hole].node)
    return;
  for (uint32_t i = (hole + 1) & mask; table->place[i].node; i = (i + 1) & mask) {
    uint32_t wanted = home(table, table->place[i].node);
    if (((i - wanted) & mask) >= ((i - hole) & mask)) {
      table->place[hole] = table->place[i];
      hole = i;
    }
  }
  table->place[hole].node = 0;
  table->used--;
}
