/* Removes objects that others open at the same time, and counts what they notice.
 *
 *   gc-race DIRECTORY TRIES
 *
 * Some processes open random objects over and over, hold each for a moment, and make it anew when
 * there is none; they never remove any. The parent removes those that nobody holds, as gc does, until
 * it has tried that often. For an opener an object that it has open must keep its name: "lost" are
 * those that had one at the open and none later, "late" those that had none just after the open.
 * Prints one line of names and numbers. Status 1 when anything was lost or late. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/removal.h"

#define OPENERS 3
#define OBJECTS 64
#define BATCH 8       /* as gc puts several aside at a time */
#define HOLD_MOST 400 /* microseconds */

struct counts {
  atomic_ulong opens, makes, lost, late;
  atomic_bool ended;
};

static unsigned links_of(int fd) {
  struct stat attributes;
  return fstat(fd, &attributes) == 0 ? (unsigned)attributes.st_nlink : 0;
}

static void make(const char *path, struct counts *counts) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  atomic_fetch_add(&counts->makes, 1);
  close(fd);
}

static void hold(int fd, struct counts *counts) {
  atomic_fetch_add(&counts->opens, 1);
  if (links_of(fd) == 0) {
    atomic_fetch_add(&counts->late, 1);
    return;
  }
  g_usleep((gulong)g_random_int_range(0, HOLD_MOST));
  if (links_of(fd) == 0)
    atomic_fetch_add(&counts->lost, 1);
}

static void open_over_and_over(const char *directory, struct counts *counts) {
  while (!atomic_load(&counts->ended)) {
    g_autofree char *path =
        g_strdup_printf("%s/race-%d", directory, g_random_int_range(0, OBJECTS));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      make(path, counts);
      continue;
    }
    hold(fd, counts);
    close(fd);
  }
  _exit(0);
}

struct outcome {
  unsigned long tries, removed, came;
};

static void try_batch(struct inventory *inventory, unsigned first, unsigned count,
                      struct outcome *outcome) {
  struct removal removals[BATCH];
  for (unsigned i = 0; i < count; i++)
    removal_begin(&removals[i], inventory, inventory->objects->pdata[first + i]);
  removal_wait();
  for (unsigned i = 0; i < count; i++) {
    bool begun = removals[i].fd >= 0;
    int r = removal_finish(&removals[i]);
    outcome->tries++;
    outcome->removed += r == 0;
    outcome->came += begun && r < 0;
  }
}

static int try_all(const char *directory, struct outcome *outcome) {
  struct inventory *inventory;
  int r = inventory_take(directory, 0, &inventory);
  if (r < 0)
    return r;
  unsigned all = inventory->objects->len;
  for (unsigned i = 0; i < all; i += BATCH)
    try_batch(inventory, i, MIN(BATCH, all - i), outcome);
  inventory_free(inventory);
  return 0;
}

static void start_openers(const char *directory, struct counts *counts) {
  for (int i = 0; i < OPENERS; i++)
    if (fork() == 0)
      open_over_and_over(directory, counts);
}

static int run(const char *directory, unsigned long tries, struct counts *counts) {
  struct outcome outcome = {0};
  int r = 0;
  start_openers(directory, counts);
  while (r == 0 && outcome.tries < tries)
    r = try_all(directory, &outcome);
  atomic_store(&counts->ended, true);
  while (wait(NULL) > 0)
    ;
  printf("tries %lu removed %lu came %lu opens %lu makes %lu late %lu lost %lu\n", outcome.tries,
         outcome.removed, outcome.came, counts->opens, counts->makes, counts->late, counts->lost);
  return r < 0 || counts->late > 0 || counts->lost > 0;
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  struct counts *counts =
      /* cppcheck-suppress invalidFunctionArg ; anonymous memory has no descriptor */
      mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (counts == MAP_FAILED)
    return 1;
  removal_prepare();
  return run(argv[1], strtoul(argv[2], NULL, 10), counts);
}
