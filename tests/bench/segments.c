/* How fast a System V segment is through the mount, beside the same segment attached natively.
 *
 *   segments MOUNT SECONDS [MEASURE...]   each measure (all by default) natively and through the mount
 *
 * MOUNT shows the segments of this IPC namespace. Prints lines "raw TAB measure TAB value TAB unit", and
 * the same with "shmfs" for the mount. What is measured is one memory, so both sides take turns. */
#include "measure.h"

#include <fcntl.h>
#include <sys/shm.h>
#include <unistd.h>

#define MIB ((size_t)1024 * 1024)
#define SEGMENT_BYTES (64 * MIB) /* more than the processor's caches hold */
#define TABLE_BYTES (16 * MIB)   /* for what is done to a mapping */
#define PAGE ((size_t)4096)
#define LINE ((size_t)64) /* bytes between two stores: a cache line each */
#define TURNS 10          /* of each side, in the time for it */
#define KEY 0x5e600001

struct bench {
  char path[4096];
  int id;
  int reading, writing;    /* descriptors of the mount's */
  int file;                /* of the kernel's own file under the segment */
  char *attached, *mapped; /* the two sides of one memory */
  char *buffer;            /* 1 MiB */
};

struct measure {
  const char *name, *unit;
  double amount; /* units in one repetition */
  step_fn *native, *mounted;
};

static char *attach(const struct bench *bench) {
  char *memory = shmat(bench->id, NULL, 0);
  if (memory == (char *)-1)
    die("shmat");
  return memory;
}

static int open_mounted(const struct bench *bench, int flags) {
  int fd = open(bench->path, flags | O_CLOEXEC);
  if (fd < 0)
    die(bench->path);
  return fd;
}

/* proc(5): only for root. */
static int open_own_file(const char *attached) {
  char path[64];
  uintptr_t start = (uintptr_t)attached;
  snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start, start + SEGMENT_BYTES);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0)
    die(path);
  return fd;
}

/* --- the measures: what a program does that has the segment attached, and with the file ------------ */

static void copy_out(const char *memory, char *buffer) {
  for (size_t at = 0; at < SEGMENT_BYTES; at += MIB) {
    memcpy(buffer, memory + at, MIB);
    __asm__ volatile("" ::: "memory"); /* each copy is wanted */
  }
}

static void copy_attached(struct bench *bench) {
  copy_out(bench->attached, bench->buffer);
}

static void copy_mapped(struct bench *bench) {
  copy_out(bench->mapped, bench->buffer);
}

static void read_all(int fd, char *buffer) {
  for (size_t at = 0; at < SEGMENT_BYTES; at += MIB)
    if (pread(fd, buffer, MIB, (off_t)at) != (ssize_t)MIB)
      die("read");
}

static void read_file(struct bench *bench) {
  read_all(bench->file, bench->buffer);
}

static void read_mounted(struct bench *bench) {
  read_all(bench->reading, bench->buffer);
}

/* Once, as a tool does that has not attached it for something else. */
static void attach_and_copy(struct bench *bench) {
  char *memory = attach(bench);
  copy_out(memory, bench->buffer);
  shmdt(memory);
}

static void open_and_read(struct bench *bench) {
  int fd = open_mounted(bench, O_RDONLY);
  read_all(fd, bench->buffer);
  close(fd);
}

static void copy_in(struct bench *bench) {
  for (size_t at = 0; at < SEGMENT_BYTES; at += MIB)
    memcpy(bench->attached + at, bench->buffer, MIB);
}

static void write_all(struct bench *bench) {
  for (size_t at = 0; at < SEGMENT_BYTES; at += MIB)
    if (pwrite(bench->writing, bench->buffer, MIB, (off_t)at) != (ssize_t)MIB)
      die("write");
}

static void store_attached(struct bench *bench) {
  touch(bench->attached, TABLE_BYTES, LINE);
}

static void store_mapped(struct bench *bench) {
  touch(bench->mapped, TABLE_BYTES, LINE);
}

static void attach_and_fault(struct bench *bench) {
  char *memory = attach(bench);
  touch(memory, TABLE_BYTES, PAGE);
  shmdt(memory);
}

static void map_and_fault(struct bench *bench) {
  char *memory = map(bench->writing, TABLE_BYTES);
  touch(memory, TABLE_BYTES, PAGE);
  munmap(memory, TABLE_BYTES);
}

static const struct measure measures[] = {
    {"segment_copy", "MB/s", (double)SEGMENT_BYTES / 1e6, copy_attached, copy_mapped},
    {"segment_read", "MB/s", (double)SEGMENT_BYTES / 1e6, copy_attached, read_mounted},
    {"segment_read_file", "MB/s", (double)SEGMENT_BYTES / 1e6, read_file, read_mounted},
    {"segment_once", "MB/s", (double)SEGMENT_BYTES / 1e6, attach_and_copy, open_and_read},
    {"segment_write", "MB/s", (double)SEGMENT_BYTES / 1e6, copy_in, write_all},
    {"segment_store", "stores/s", (double)TABLE_BYTES / LINE, store_attached, store_mapped},
    {"segment_fault", "pages/s", (double)TABLE_BYTES / PAGE, attach_and_fault, map_and_fault},
};

#define MEASURES (sizeof(measures) / sizeof(measures[0]))

/* --- measuring ----------------------------------------------------------------------------- */

/* The rate of one more turn, or that of before where it was better. */
static double best_of(double before, struct bench *bench, step_fn *step, double amount,
                      double seconds) {
  double rate = repeat(bench, step, 1, amount, seconds);
  return rate > before ? rate : before;
}

/* The best turn of each side; the first ones make both warm. */
static void run(struct bench *bench, const struct measure *measure, double seconds) {
  double native = 0, mounted = 0;
  measure->native(bench);
  measure->mounted(bench);
  for (int turn = 0; turn < TURNS; turn++) {
    native = best_of(native, bench, measure->native, measure->amount, seconds / TURNS);
    mounted = best_of(mounted, bench, measure->mounted, measure->amount, seconds / TURNS);
  }
  printf("raw\t%s\t%.1f\t%s\n", measure->name, native, measure->unit);
  printf("shmfs\t%s\t%.1f\t%s\n", measure->name, mounted, measure->unit);
  fflush(stdout);
}

static void begin(struct bench *bench, const char *mount) {
  snprintf(bench->path, sizeof(bench->path), "%s/0x%08x", mount, KEY);
  bench->id = shmget(KEY, SEGMENT_BYTES, IPC_CREAT | IPC_EXCL | 0600);
  if (bench->id < 0)
    die("shmget");
  bench->attached = attach(bench);
  memset(bench->attached, 'x', SEGMENT_BYTES);
  bench->reading = open_mounted(bench, O_RDONLY);
  bench->writing = open_mounted(bench, O_RDWR);
  bench->mapped = map(bench->writing, SEGMENT_BYTES);
  bench->file = open_own_file(bench->attached);
}

int main(int argc, char **argv) {
  static _Alignas(4096) char buffer[MIB];
  if (argc < 3) {
    fprintf(stderr, "usage: segments MOUNT SECONDS [MEASURE...]\n");
    return 2;
  }
  struct bench bench = {.buffer = buffer};
  memset(buffer, 'x', sizeof(buffer));
  begin(&bench, argv[1]);
  for (size_t i = 0; i < MEASURES; i++)
    if (is_wanted(measures[i].name, argv + 3, argc - 3))
      run(&bench, &measures[i], strtod(argv[2], NULL));
  shmctl(bench.id, IPC_RMID, NULL);
  return 0;
}
