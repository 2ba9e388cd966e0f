#include "ctl/sample.h"

#include <string.h>

static uint64_t memory_of(const struct object *object) {
  uint64_t resident = object->resident == UNKNOWN ? 0 : object->resident;
  return resident + (object->swapped == UNKNOWN ? 0 : object->swapped);
}

static int64_t growth_of(const struct sample *before, const struct object *object, double seconds) {
  const struct object *then =
      inventory_find(before->inventory, object->kind == OBJECT_SYSV, object->inode);
  double grown = (double)memory_of(object) - (then ? (double)memory_of(then) : 0);
  return seconds > 0 ? (int64_t)(grown / seconds) : 0;
}

static void add_rows(struct sample *sample, const struct sample *before) {
  double seconds = before ? (double)(sample->taken - before->taken) / G_USEC_PER_SEC : 0;
  for (unsigned i = 0; i < sample->inventory->objects->len; i++) {
    struct sample_row row = {.object = sample->inventory->objects->pdata[i]};
    row.growth = before ? growth_of(before, row.object, seconds) : 0;
    g_array_append_val(sample->rows, row);
  }
}

int sample_take(const char *directory, const struct sample *before, struct sample **ret_sample) {
  struct inventory *inventory;
  int r = inventory_take(directory, INVENTORY_HOLDS | INVENTORY_MEMORY, &inventory);
  if (r < 0)
    return r;
  struct sample *sample = g_new0(struct sample, 1);
  sample->inventory = inventory;
  sample->taken = g_get_monotonic_time();
  sample->rows = g_array_new(FALSE, FALSE, sizeof(struct sample_row));
  add_rows(sample, before);
  *ret_sample = sample;
  return 0;
}

void sample_free(struct sample *sample) {
  if (!sample)
    return;
  g_array_unref(sample->rows);
  inventory_free(sample->inventory);
  g_free(sample);
}

/* What is unknown comes last. */
static int compare_numbers(uint64_t a, uint64_t b) {
  a = a == UNKNOWN ? 0 : a + 1;
  b = b == UNKNOWN ? 0 : b + 1;
  return a == b ? 0 : a > b ? -1 : 1;
}

static int compare(const struct sample_row *a, const struct sample_row *b,
                   enum sample_order order) {
  switch (order) {
  case ORDER_RESIDENT:
    return compare_numbers(a->object->resident, b->object->resident);
  case ORDER_SIZE:
    return compare_numbers(a->object->size, b->object->size);
  case ORDER_GROWTH:
    return a->growth == b->growth ? 0 : a->growth > b->growth ? -1 : 1;
  case ORDER_HOLDERS:
    return compare_numbers(object_holders(a->object), object_holders(b->object));
  case ORDER_AGE:
    return a->object->born == b->object->born ? 0 : a->object->born < b->object->born ? -1 : 1;
  case ORDER_NAME:
    break;
  }
  return strcmp(a->object->name, b->object->name);
}

struct order {
  enum sample_order by;
  bool reverse;
};

/* Names decide between equals, so that rows do not jump. */
static int compare_rows(const void *left, const void *right, void *data) {
  const struct order *order = data;
  int r = compare(left, right, order->by);
  if (r == 0)
    r = compare(left, right, ORDER_NAME);
  return order->reverse ? -r : r;
}

void sample_sort(struct sample *sample, enum sample_order order, bool reverse) {
  struct order data = {order, reverse};
  g_array_sort_with_data(sample->rows, compare_rows, &data);
}
