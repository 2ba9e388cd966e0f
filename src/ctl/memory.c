/* tmpfs's count of blocks has the swapped pages in it. cachestat(2) tells how many are in RAM. */
#include "ctl/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "ctl/open.h"
#include "util/fd.h"

/* cachestat(2), whose number and types are younger than the headers of Debian 12. The number is the
 * same on all architectures but Alpha, which shmfs is not for (asm-generic/unistd.h). */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

struct range {
  __u64 offset, length; /* length 0: to the end */
};

struct pages {
  __u64 cached, dirty, writeback, evicted, recently_evicted;
};

int memory_resident(int fd, uint64_t *ret_bytes) {
  struct range all = {0, 0};
  struct pages pages = {0};
  if (syscall(SYS_cachestat, fd, &all, &pages, 0) < 0)
    return -errno;
  *ret_bytes = pages.cached * (uint64_t)sysconf(_SC_PAGESIZE);
  return 0;
}

static bool swap_is_used(void) {
  struct sysinfo info;
  return sysinfo(&info) < 0 || info.freeswap < info.totalswap;
}

static void measure(const struct inventory *inventory, struct object *object) {
  uint64_t allocated = object->resident, resident = 0;
  auto_fd int fd = -1;
  if (object_open(inventory, object, O_RDONLY, &fd) < 0 || memory_resident(fd, &resident) < 0)
    return;
  object->resident = MIN(resident, allocated);
  object->swapped = allocated - object->resident;
}

void memory_measure(struct inventory *inventory) {
  bool swap = swap_is_used();
  if (swap && inventory->covered)
    return; /* the pages are not those of the files that can be asked */
  for (unsigned i = 0; i < inventory->objects->len; i++) {
    struct object *object = inventory->objects->pdata[i];
    if (object->kind == OBJECT_SYSV || object->resident == UNKNOWN)
      continue;
    if (!swap)
      object->swapped = 0;
    else if (!object->deleted)
      measure(inventory, object);
  }
}
