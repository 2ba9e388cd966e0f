/* Random changes to one file, each followed by a comparison with a model in memory:
 *
 *   fsx FILE [--seconds N] [--seed N] [--no-mmap]
 *
 * Writes, stores to mappings, truncations, holes, allocations and copies within the file follow
 * each other at random offsets, across page boundaries and past the end; reads, mapped reads and
 * the size must show what the model has. The file is made, opened again now and then, and removed
 * at the end. The first difference ends the program with status 1 and the last operations. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1 << 20)
#define CHUNK_MAX (1 << 16)
#define REMEMBERED 32

static const char *path;
static int fd = -1;
static GRand *numbers;
static size_t size;
static unsigned char model[FILE_MAX]; /* zero from `size` on */
static unsigned char buffer[FILE_MAX];
static guint64 done;
static struct {
  const char *name;
  size_t offset, length;
} last[REMEMBERED];

static int seconds = 10;
static int seed = 0;
static gboolean no_mmap = FALSE;

static const GOptionEntry entries[] = {
    {"seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "how long", "N"},
    {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "of the random numbers", "N"},
    {"no-mmap", 0, 0, G_OPTION_ARG_NONE, &no_mmap, "do not map", NULL},
    {0},
};

static _Noreturn void fail(const char *what, long expected, long got) {
  printf("error: %s: expected %ld, got %ld (%s); the last operations, name, offset, length:\n",
         what, expected, got, strerror(errno));
  for (guint64 i = done > REMEMBERED ? done - REMEMBERED : 0; i <= done; i++)
    printf("  %" G_GUINT64_FORMAT " %s %zu %zu\n", i, last[i % REMEMBERED].name,
           last[i % REMEMBERED].offset, last[i % REMEMBERED].length);
  exit(1);
}

static void expect(const char *what, long expected, long got) {
  if (expected != got)
    fail(what, expected, got);
}

static size_t pick(size_t below) {
  return (size_t)g_rand_int_range(numbers, 0, (gint32)below);
}

/* A range within the first `end` bytes; empty when there are none. */
static void pick_range(size_t end, size_t *ret_offset, size_t *ret_length) {
  size_t offset = end ? pick(end) : 0, length = 1 + pick(CHUNK_MAX);
  *ret_offset = offset;
  *ret_length = length > end - offset ? end - offset : length;
}

static void note(const char *name, size_t offset, size_t length) {
  last[done % REMEMBERED].name = name;
  last[done % REMEMBERED].offset = offset;
  last[done % REMEMBERED].length = length;
}

static void compare(const char *what, const unsigned char *got, size_t offset, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (got[i] != model[offset + i]) {
      printf("at byte %zu:\n", offset + i);
      fail(what, model[offset + i], got[i]);
    }
}

static void fill(size_t offset, size_t length) {
  unsigned char first = (unsigned char)g_rand_int(numbers);
  for (size_t i = 0; i < length; i++)
    buffer[i] = (unsigned char)(first + (offset + i) * 7 + (offset + i) / 251);
}

static void grow(size_t end) {
  size = end > size ? end : size;
}

static void check_size(void) {
  struct stat status;
  expect("fstat", 0, fstat(fd, &status));
  expect("size", (long)size, status.st_size);
}

static void do_write(size_t offset, size_t length) {
  fill(offset, length);
  memcpy(model + offset, buffer, length);
  expect("write", (long)length, pwrite(fd, buffer, length, (off_t)offset));
  grow(offset + length);
}

static void do_read(size_t offset, size_t length) {
  long wanted = offset >= size ? 0 : (long)(offset + length > size ? size - offset : length);
  expect("read", wanted, pread(fd, buffer, length, (off_t)offset));
  compare("content", buffer, offset, (size_t)wanted);
}

static unsigned char *map_all(void) {
  void *map = mmap(NULL, FILE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  expect("mmap", 0, map == MAP_FAILED);
  check_size(); /* beyond it a load or a store would be a SIGBUS */
  return map;
}

static void do_map_read(size_t offset, size_t length) {
  unsigned char *map = map_all();
  compare("what is mapped", map + offset, offset, length);
  munmap(map, FILE_MAX);
}

static void do_map_write(size_t offset, size_t length) {
  unsigned char *map = map_all();
  fill(offset, length);
  memcpy(model + offset, buffer, length);
  memcpy(map + offset, buffer, length);
  munmap(map, FILE_MAX);
}

static void do_truncate(size_t offset, size_t length) {
  (void)length;
  expect("ftruncate", 0, ftruncate(fd, (off_t)offset));
  if (offset < size)
    memset(model + offset, 0, size - offset);
  size = offset;
}

static void do_punch(size_t offset, size_t length) {
  expect("punch a hole", 0,
         fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length));
  memset(model + offset, 0, length);
}

static void do_allocate(size_t offset, size_t length) {
  expect("fallocate", 0, fallocate(fd, 0, (off_t)offset, (off_t)length));
  grow(offset + length);
}

/* To the place that the range is away from the end of the space: never onto itself. */
static void do_copy(size_t offset, size_t length) {
  size_t to = (offset + FILE_MAX / 2) % FILE_MAX;
  if (to + length > FILE_MAX)
    length = FILE_MAX - to;
  off_t from = (off_t)offset, at = (off_t)to;
  memcpy(model + to, model + offset, length);
  grow(to + length);
  while (length > 0) {
    ssize_t got = copy_file_range(fd, &from, fd, &at, length, 0);
    if (got <= 0 || (size_t)got > length)
      fail("copy_file_range", (long)length, got);
    length -= (size_t)got;
  }
}

static void do_reopen(size_t offset, size_t length) {
  expect("close", 0, close(fd));
  fd = open(path, O_RDWR | O_CLOEXEC);
  expect("open again", true, fd >= 0);
  do_read(offset, length);
}

static const struct operation {
  const char *name;
  void (*run)(size_t offset, size_t length);
  bool inside; /* only what the file has */
  bool maps;
} operations[] = {
    {"write", do_write, false, false},       {"read", do_read, false, false},
    {"map read", do_map_read, true, true},   {"map write", do_map_write, true, true},
    {"write", do_write, false, false},       {"map write", do_map_write, true, true},
    {"punch", do_punch, false, false},       {"allocate", do_allocate, false, false},
    {"copy", do_copy, true, false},          {"open again", do_reopen, false, false},
    {"truncate", do_truncate, false, false},
};

static void step(void) {
  const struct operation *operation = &operations[pick(G_N_ELEMENTS(operations))];
  size_t offset, length;
  pick_range(operation->inside ? size : FILE_MAX, &offset, &length);
  if (length == 0 || (operation->maps && no_mmap))
    return;
  note(operation->name, offset, length);
  operation->run(offset, length);
  if (pick(4) == 0)
    check_size();
  if (pick(64) == 0)
    do_read(0, FILE_MAX);
  done++;
}

static void run(void) {
  gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
  fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  expect("create", true, fd >= 0);
  while (g_get_monotonic_time() < end)
    step();
  do_read(0, FILE_MAX);
  expect("close", 0, close(fd));
  expect("unlink", 0, unlink(path));
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GOptionContext) context = g_option_context_new("FILE");
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 2) {
    fprintf(stderr, "fsx: %s\n", error ? error->message : "one file is needed");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  path = argv[1];
  guint32 used_seed = seed ? (guint32)seed : g_random_int();
  numbers = g_rand_new_with_seed(used_seed);
  printf("seed %u\n", used_seed);
  run();
  printf("%" G_GUINT64_FORMAT " operations, 0 errors\n", done);
  g_rand_free(numbers);
  return 0;
}
