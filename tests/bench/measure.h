/* What the benchmarks share: a step is repeated until its time is over, and gives a rate.
 *
 * Each program has a struct bench of its own, which its steps work on. What fails ends the program. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct bench;

/* One repetition of a measure. */
typedef void step_fn(struct bench *bench);

/* Ends the program with what failed, and errno's reason. */
static inline void die(const char *what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(1);
}

/* Seconds, of a clock that nobody sets. */
static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* A shared mapping of a file's first bytes. The caller unmaps it. */
static inline char *map(int fd, size_t size) {
  char *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED)
    die("mmap");
  return mapping;
}

/* A store at every step-th byte. */
static inline void touch(char *memory, size_t size, size_t step) {
  for (size_t at = 0; at < size; at += step)
    *(volatile uint64_t *)(memory + at) = at;
}

/* Units a second: a step does `amount` of them, and after each batch of steps the clock is looked at,
 * until these seconds are over. */
static inline double repeat(struct bench *bench, step_fn *step, unsigned batch, double amount,
                            double seconds) {
  unsigned long count = 0;
  double began = now(), spent;
  do {
    for (unsigned i = 0; i < batch; i++)
      step(bench);
    count += batch;
    spent = now() - began;
  } while (spent < seconds);
  return (double)count * amount / spent;
}

/* Is the measure among those named? Where none is named all are. */
static inline bool is_wanted(const char *measure, char **names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], measure) == 0)
      return true;
  return count == 0;
}
