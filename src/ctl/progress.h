/* A bar on a terminal for what takes longer than a second; nothing anywhere else. */
#pragma once

#include <glib.h>
#include <stdint.h>

struct progress {
  uint64_t total;      /* bytes; 0: not known */
  gint64 began, shown; /* microseconds, monotonic; shown 0: not yet */
};

void progress_begin(struct progress *progress, uint64_t total);
void progress_show(struct progress *progress, uint64_t done);
void progress_end(struct progress *progress);
