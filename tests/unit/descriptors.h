/* How many descriptors this process has, for tests that leave none open. */
#pragma once

#include <glib.h>

static inline unsigned count_descriptors(void) {
  GDir *directory = g_dir_open("/proc/self/fd", 0, NULL);
  unsigned count = 0;
  while (g_dir_read_name(directory))
    count++;
  g_dir_close(directory);
  return count;
}
