/* A clock that is moved on by those who look at it alone, by a millisecond with every so many looks:
 *
 *   LD_PRELOAD=libticking.so LOOKS=3 PROGRAM
 *
 * What is right only if two looks see the same time, or only if they do not, goes wrong at once with one of the
 * first few numbers, and not once in ten thousand times. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 1000000L
#define SECOND_NS 1000000000L
#define START_SECONDS 1000

static long looks_for_a_tick(void) {
  const char *given = getenv("LOOKS");
  long looks = given ? strtol(given, NULL, 10) : 0;
  return looks > 0 ? looks : 1;
}

int clock_gettime(clockid_t id, struct timespec *ret) {
  static atomic_long looks;
  if (id != CLOCK_MONOTONIC)
    return (int)syscall(SYS_clock_gettime, id, ret);
  long ticks = atomic_fetch_add(&looks, 1) / looks_for_a_tick();
  ret->tv_sec = START_SECONDS + ticks / (SECOND_NS / TICK_NS);
  ret->tv_nsec = ticks % (SECOND_NS / TICK_NS) * TICK_NS;
  return 0;
}
