#include "util/mapped.h"

#include <inttypes.h>
#include <stdio.h>

/* Lines "first, first in the parent namespace, how many"; the initial namespace has one with all. */
static bool mapped(const char *map, uint32_t id) {
  FILE *file = fopen(map, "re");
  if (!file)
    return true;
  uint32_t first, parent, count;
  bool found = false;
  while (!found && fscanf(file, "%" SCNu32 "%" SCNu32 "%" SCNu32, &first, &parent, &count) == 3)
    found = id >= first && id - first < count;
  fclose(file);
  return found;
}

bool mapped_user(uid_t uid) {
  return mapped("/proc/self/uid_map", uid);
}

bool mapped_group(gid_t gid) {
  return mapped("/proc/self/gid_map", gid);
}
