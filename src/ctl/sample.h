/* What top shows: an inventory, and how it differs from the one before. */
#pragma once

#include "ctl/inventory.h"

enum sample_order {
  ORDER_RESIDENT,
  ORDER_SIZE,
  ORDER_GROWTH,
  ORDER_HOLDERS,
  ORDER_AGE,
  ORDER_NAME,
};

struct sample_row {
  const struct object *object; /* of the sample's inventory */
  int64_t growth;              /* bytes a second in RAM and swap; 0 in the first sample */
};

struct sample {
  struct inventory *inventory;
  gint64 taken; /* microseconds, monotonic */
  GArray *rows; /* struct sample_row */
};

/* Takes one. before: the one of last time, or NULL; it can be freed afterwards. 0 or -errno. */
int sample_take(const char *directory, const struct sample *before, struct sample **ret_sample);
void sample_free(struct sample *sample);

/* Sorts its rows: the largest, the oldest, names by the alphabet; or the other way round. */
void sample_sort(struct sample *sample, enum sample_order order, bool reverse);
