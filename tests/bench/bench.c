/* How fast a directory of shared memory is: the same measures for the raw directory, for the mount
 * and for other file systems over it, so that scripts/bench can compare them.
 *
 *   bench DIRECTORY SECONDS [MEASURE...]   each measure (all by default), for SECONDS
 *   bench DIRECTORY =COUNT MEASURE         the measure's step COUNT times, for counting requests
 *   bench DIRECTORY fill COUNT             makes COUNT small objects
 *   bench DIRECTORY visit                  lists the directory, opens and stats each object in it
 *
 * Prints lines "measure TAB value TAB unit". A measure repeats one thing until the time is over; what
 * it needs is made before the clock starts. The directory must be writable, and empty but for this. */
#include "measure.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024 * 1024)
#define DATA_BYTES (64 * MIB)  /* more than the processor's caches hold */
#define TABLE_BYTES (16 * MIB) /* for what is done to a mapping */
#define BLOCK 4096
#define PAGE 4096
#define LINE 64    /* bytes between two stores: a cache line each */
#define NAMES 5000 /* of the listing */
#define BATCH 16   /* repetitions between two looks at the clock */

struct bench {
  const char *directory;
  char *data_path, *object, *new; /* names are given in full, as shm_open() does */
  int data;                       /* of DATA_BYTES */
  char *mapping;
  char *buffer; /* 1 MiB */
  uint64_t random;
  uint64_t found; /* keeps the compiler from dropping what is only read */
};

struct measure {
  const char *name, *unit;
  double amount; /* units in one repetition */
  step_fn *prepare, *step, *finish;
};

/* xorshift64: the same places in every run. */
static off_t random_block(struct bench *bench) {
  bench->random ^= bench->random << 13;
  bench->random ^= bench->random >> 7;
  bench->random ^= bench->random << 17;
  return (off_t)(bench->random % (DATA_BYTES / BLOCK)) * BLOCK;
}

/* The path of a name in the directory; number NULL: without one. The caller frees it. */
static char *path_of(const struct bench *bench, const char *name, const unsigned *number) {
  char *path = NULL;
  int size = number ? asprintf(&path, "%s/%s%u", bench->directory, name, *number)
                    : asprintf(&path, "%s/%s", bench->directory, name);
  if (size < 0)
    die("asprintf");
  return path;
}

static int open_path(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC, 0600);
  if (fd < 0)
    die(path);
  return fd;
}

static void make_names(struct bench *bench, const char *prefix, unsigned count, off_t size) {
  for (unsigned i = 0; i < count; i++) {
    char *path = path_of(bench, prefix, &i);
    int fd = open_path(path, O_CREAT | O_RDWR);
    if (size > 0 && ftruncate(fd, size) < 0)
      die("ftruncate");
    close(fd);
    free(path);
  }
}

static void remove_names(struct bench *bench, const char *prefix, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    char *path = path_of(bench, prefix, &i);
    unlink(path);
    free(path);
  }
}

/* --- data ---------------------------------------------------------------------------------- */

static void open_data(struct bench *bench) {
  bench->data = open_path(bench->data_path, O_CREAT | O_RDWR);
  for (off_t at = 0; at < DATA_BYTES; at += MIB)
    if (pwrite(bench->data, bench->buffer, MIB, at) != MIB)
      die("filling bench-data");
}

static void close_data(struct bench *bench) {
  close(bench->data);
  unlink(bench->data_path);
}

static void read_all(struct bench *bench) {
  for (off_t at = 0; at < DATA_BYTES; at += MIB)
    if (pread(bench->data, bench->buffer, MIB, at) != MIB)
      die("read");
}

static void write_all(struct bench *bench) {
  for (off_t at = 0; at < DATA_BYTES; at += MIB)
    if (pwrite(bench->data, bench->buffer, MIB, at) != MIB)
      die("write");
}

static void read_block(struct bench *bench) {
  if (pread(bench->data, bench->buffer, BLOCK, random_block(bench)) != BLOCK)
    die("read");
}

static void write_block(struct bench *bench) {
  if (pwrite(bench->data, bench->buffer, BLOCK, random_block(bench)) != BLOCK)
    die("write");
}

/* --- mappings ------------------------------------------------------------------------------ */

static void map_data(struct bench *bench) {
  open_data(bench);
  bench->mapping = map(bench->data, TABLE_BYTES);
  touch(bench->mapping, TABLE_BYTES, PAGE);
}

static void unmap_data(struct bench *bench) {
  munmap(bench->mapping, TABLE_BYTES);
  close_data(bench);
}

static void store(struct bench *bench) {
  touch(bench->mapping, TABLE_BYTES, LINE);
}

static void map_and_fault(struct bench *bench) {
  char *mapping = map(bench->data, TABLE_BYTES);
  touch(mapping, TABLE_BYTES, PAGE);
  munmap(mapping, TABLE_BYTES);
}

/* --- names --------------------------------------------------------------------------------- */

static void make_object(struct bench *bench) {
  make_names(bench, "bench-object-", 1, PAGE);
}

static void remove_object(struct bench *bench) {
  remove_names(bench, "bench-object-", 1);
}

static void stat_object(struct bench *bench) {
  struct stat attributes;
  if (stat(bench->object, &attributes) < 0)
    die("stat");
}

static void open_object(struct bench *bench) {
  close(open_path(bench->object, O_RDWR));
}

static void open_map_object(struct bench *bench) {
  int fd = open_path(bench->object, O_RDWR);
  char *mapping = map(fd, PAGE);
  touch(mapping, PAGE, PAGE);
  munmap(mapping, PAGE);
  close(fd);
}

static void create_and_unlink(struct bench *bench) {
  close(open_path(bench->new, O_CREAT | O_EXCL | O_RDWR));
  if (unlink(bench->new) < 0)
    die("unlink");
}

/* What a program does with an object of its own, in the order of shm_overview(7). */
static void live(struct bench *bench) {
  int fd = open_path(bench->new, O_CREAT | O_EXCL | O_RDWR);
  if (ftruncate(fd, PAGE) < 0)
    die("ftruncate");
  char *mapping = map(fd, PAGE);
  touch(mapping, PAGE, PAGE);
  munmap(mapping, PAGE);
  close(fd);
  if (unlink(bench->new) < 0)
    die("unlink");
}

/* --- listing ------------------------------------------------------------------------------- */

static DIR *open_listing(struct bench *bench) {
  DIR *listing = opendir(bench->directory);
  if (!listing)
    die("opendir");
  return listing;
}

static void list(struct bench *bench) {
  DIR *listing = open_listing(bench);
  unsigned count = 0;
  // cppcheck-suppress readdirCalled
  while (readdir(listing))
    count++;
  closedir(listing);
  if (count < NAMES)
    die("the listing is incomplete");
  bench->found += count;
}

static void make_listing(struct bench *bench) {
  make_names(bench, "bench-name-", NAMES, 0);
}

static void remove_listing(struct bench *bench) {
  remove_names(bench, "bench-name-", NAMES);
}

/* A name more and one less before each listing; that part is a hundredth of the time. */
static void list_changed(struct bench *bench) {
  create_and_unlink(bench);
  list(bench);
}

/* --- measuring ----------------------------------------------------------------------------- */

static const struct measure measures[] = {
    {"read_1m", "MB/s", DATA_BYTES / 1e6, open_data, read_all, close_data},
    {"write_1m", "MB/s", DATA_BYTES / 1e6, open_data, write_all, close_data},
    {"read_4k", "ops/s", 1, open_data, read_block, close_data},
    {"write_4k", "ops/s", 1, open_data, write_block, close_data},
    {"store", "stores/s", (double)TABLE_BYTES / LINE, map_data, store, unmap_data},
    {"map_fault", "pages/s", (double)TABLE_BYTES / PAGE, open_data, map_and_fault, close_data},
    {"stat", "ops/s", 1, make_object, stat_object, remove_object},
    {"open_close", "ops/s", 1, make_object, open_object, remove_object},
    {"open_map", "ops/s", 1, make_object, open_map_object, remove_object},
    {"create_unlink", "ops/s", 1, NULL, create_and_unlink, NULL},
    {"life", "ops/s", 1, NULL, live, NULL},
    {"list", "names/s", NAMES, make_listing, list, remove_listing},
    {"list_changed", "names/s", NAMES, make_listing, list_changed, remove_listing},
};

#define MEASURES (sizeof(measures) / sizeof(measures[0]))

static void run(struct bench *bench, const struct measure *measure, double seconds) {
  if (measure->prepare)
    measure->prepare(bench);
  measure->step(bench); /* what only the first time costs is not what is measured */
  unsigned batch = measure->amount > 1 ? 1 : BATCH;
  double rate = repeat(bench, measure->step, batch, measure->amount, seconds);
  if (measure->finish)
    measure->finish(bench);
  printf("%s\t%.1f\t%s\n", measure->name, rate, measure->unit);
  fflush(stdout);
}

static void run_exactly(struct bench *bench, const struct measure *measure, unsigned long count) {
  if (measure->prepare)
    measure->prepare(bench);
  for (unsigned long i = 0; i < count; i++)
    measure->step(bench);
  if (measure->finish)
    measure->finish(bench);
}

static void check_names(char **names, int count) {
  for (int i = 0; i < count; i++) {
    size_t known = 0;
    while (known < MEASURES && strcmp(names[i], measures[known].name) != 0)
      known++;
    if (known == MEASURES) {
      errno = EINVAL;
      die(names[i]);
    }
  }
}

/* --- many objects -------------------------------------------------------------------------- */

static void visit_object(struct bench *bench, const char *name) {
  char *path = path_of(bench, name, NULL);
  struct stat attributes;
  if (lstat(path, &attributes) < 0)
    die(path);
  if (S_ISREG(attributes.st_mode))
    close(open_path(path, O_RDONLY));
  free(path);
}

static void visit(struct bench *bench) {
  DIR *listing = open_listing(bench);
  unsigned count = 0;
  double began = now();
  // cppcheck-suppress readdirCalled
  while (readdir(listing))
    count++;
  printf("list_all\t%.1f\tnames/s\n", count / (now() - began));
  rewinddir(listing);
  unsigned visited = 0;
  began = now();
  // cppcheck-suppress readdirCalled
  for (struct dirent *entry; (entry = readdir(listing)); visited++)
    visit_object(bench, entry->d_name);
  printf("visit_all\t%.1f\tobjects/s\n", visited / (now() - began));
  printf("listed\t%u\tnames\nvisited\t%u\tobjects\n", count, visited);
  closedir(listing);
}

/* how: seconds, or =COUNT. */
static void run_wanted(struct bench *bench, const char *how, char **names, int count) {
  check_names(names, count);
  for (size_t i = 0; i < MEASURES; i++) {
    if (!is_wanted(measures[i].name, names, count))
      continue;
    if (how[0] == '=')
      run_exactly(bench, &measures[i], strtoul(how + 1, NULL, 10));
    else
      run(bench, &measures[i], strtod(how, NULL));
  }
}

int main(int argc, char **argv) {
  static char buffer[MIB];
  if (argc < 3) {
    fprintf(stderr, "usage: bench DIRECTORY SECONDS|=COUNT [MEASURE...] | fill COUNT | visit\n");
    return 2;
  }
  struct bench bench = {.buffer = buffer, .random = UINT64_C(0x9e3779b97f4a7c15)};
  const unsigned first = 0;
  bench.directory = argv[1];
  bench.data_path = path_of(&bench, "bench-data", NULL);
  bench.object = path_of(&bench, "bench-object-", &first);
  bench.new = path_of(&bench, "bench-new", NULL);
  memset(buffer, 'x', sizeof(buffer));
  if (strcmp(argv[2], "visit") == 0)
    visit(&bench);
  else if (strcmp(argv[2], "fill") == 0 && argc == 4)
    make_names(&bench, "object-", (unsigned)strtoul(argv[3], NULL, 10), 1);
  else
    run_wanted(&bench, argv[2], argv + 3, argc - 3);
  free(bench.data_path);
  free(bench.object);
  free(bench.new);
  return 0;
}
