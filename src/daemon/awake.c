/* Model: one request to the kernel's PM QoS that lives as long as its descriptor. Writing a number
 * of microseconds to it changes the request; the default number takes its effect away again, so the
 * descriptor stays open and a spell of work costs two short writes. */
#include "daemon/awake.h"

#include <fcntl.h>
#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/fd.h"

#define LATENCY_NONE 0       /* us: no processor may sleep so deeply that waking takes time */
#define LATENCY_DEFAULT (-1) /* PM_QOS_DEFAULT_VALUE of linux/pm_qos.h: asks for nothing */

struct awake {
  int fd;
  atomic_bool held;
};

struct awake *awake_new(unsigned quiet_us) {
  if (quiet_us == 0)
    return NULL;
  int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  struct awake *awake = g_new0(struct awake, 1);
  awake->fd = fd;
  return awake;
}

void awake_free(struct awake *awake) {
  if (!awake)
    return;
  fd_close(awake->fd);
  g_free(awake);
}

static void ask(struct awake *awake, int32_t latency_us) {
  /* A request that cannot be changed costs speed, never correctness. */
  ssize_t written = write(awake->fd, &latency_us, sizeof(latency_us));
  (void)written;
}

void awake_hold(struct awake *awake) {
  if (awake && !atomic_load_explicit(&awake->held, memory_order_relaxed) &&
      !atomic_exchange(&awake->held, true))
    ask(awake, LATENCY_NONE);
}

void awake_release(struct awake *awake) {
  if (awake && atomic_exchange(&awake->held, false))
    ask(awake, LATENCY_DEFAULT);
}
