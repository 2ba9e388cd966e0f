#include "util/slices.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000 /* the shortest that the kernel grants (0.1 ms, kernel/sched/syscalls.c) */

/* The first version of the kernel's struct sched_attr (linux/sched/types.h), whose header cannot be
 * included together with sched.h. */
struct scheduling {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t slice_ns, deadline, period;
};

void slices_shorten(void) {
  struct scheduling scheduling = {.size = sizeof(scheduling)};
  if (syscall(SYS_sched_getattr, 0, &scheduling, sizeof(scheduling), 0) < 0 ||
      scheduling.policy != SCHED_OTHER)
    return;
  scheduling.slice_ns = SLICE_NS;
  syscall(SYS_sched_setattr, 0, &scheduling, 0);
}
