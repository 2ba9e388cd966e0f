/* shmfsctl dump: an object's bytes to a stream. What is a hole stays one where the stream is a file,
 * and is zeros elsewhere; reading it makes no memory in either case. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/content.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/target.h"
#include "util/fd.h"

#define CHUNK (1 << 20) /* bytes at a time */

struct dump {
  struct content content;
  int output;
  bool sparse; /* the output is a file that begins here: skip instead of writing zeros */
  off_t begin;
  char *buffer;
  struct progress progress;
};

static int write_all(int fd, const char *buffer, size_t size) {
  while (size > 0) {
    ssize_t count = write(fd, buffer, size);
    if (count < 0 && errno != EINTR)
      return -errno;
    if (count > 0) {
      buffer += count;
      size -= (size_t)count;
    }
  }
  return 0;
}

static int write_hole(struct dump *dump, uint64_t from, uint64_t to) {
  if (dump->sparse)
    return lseek(dump->output, dump->begin + (off_t)to, SEEK_SET) < 0 ? -errno : 0;
  memset(dump->buffer, 0, MIN(CHUNK, to - from));
  for (int r = 0; from < to;) {
    size_t size = MIN(CHUNK, to - from);
    r = write_all(dump->output, dump->buffer, size);
    if (r < 0)
      return r;
    from += size;
    progress_show(&dump->progress, from);
  }
  return 0;
}

/* What is truncated meanwhile is zeros, so that the stream has the length that it began with. */
static int write_data(struct dump *dump, uint64_t from, uint64_t to) {
  while (from < to) {
    ssize_t count = content_read(&dump->content, dump->buffer, MIN(CHUNK, to - from), from);
    if (count < 0)
      return (int)count;
    if (count == 0)
      return write_hole(dump, from, to);
    int r = write_all(dump->output, dump->buffer, (size_t)count);
    if (r < 0)
      return r;
    from += (uint64_t)count;
    progress_show(&dump->progress, from);
  }
  return 0;
}

static int write_ranges(struct dump *dump) {
  uint64_t at = 0, from, to;
  int r = 0;
  while (r == 0 && at < dump->content.size) {
    r = content_next_data(&dump->content, at, &from, &to);
    if (r == 0)
      r = write_hole(dump, at, from);
    if (r == 0)
      r = write_data(dump, from, to);
    at = to;
  }
  if (r == 0 && dump->sparse &&
      ftruncate(dump->output, dump->begin + (off_t)dump->content.size) < 0)
    r = -errno;
  return r;
}

/* Only at the end of a file, and not where every write goes to the end, is there nothing to skip. */
static void find_sparse(struct dump *dump) {
  struct stat attributes;
  dump->begin = lseek(dump->output, 0, SEEK_CUR);
  dump->sparse = fstat(dump->output, &attributes) == 0 && S_ISREG(attributes.st_mode) &&
                 dump->begin == attributes.st_size && !(fcntl(dump->output, F_GETFL) & O_APPEND);
}

static int dump_content(struct dump *dump) {
  find_sparse(dump);
  dump->buffer = g_malloc(CHUNK);
  progress_begin(&dump->progress, dump->content.size);
  int r = write_ranges(dump);
  progress_end(&dump->progress);
  g_free(dump->buffer);
  return r;
}

static int dump_object(const struct inventory *inventory, const char *word, int output) {
  struct object *object;
  int status = target_find_one(inventory, word, &object);
  if (status != 0)
    return status;
  struct dump dump = {.output = output};
  int r = content_open(inventory, object, false, &dump.content);
  if (r < 0) {
    complain("%s: cannot be opened: %s", word, g_strerror(-r));
    return status_of(r);
  }
  r = dump_content(&dump);
  content_close(&dump.content);
  if (r < 0)
    complain("%s: cannot be dumped: %s", word, g_strerror(-r));
  return r < 0 ? STATUS_NOTHING : STATUS_FOUND;
}

static int open_output(const char *path, int *ret_fd) {
  if (!path && isatty(STDOUT_FILENO)) {
    complain("dump: the terminal is no place for it; redirect, or use -o FILE");
    return STATUS_USAGE;
  }
  int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) {
    complain("%s: cannot be written: %s", path ? path : "standard output", g_strerror(errno));
    return status_of(-errno);
  }
  *ret_fd = fd;
  return 0;
}

/* The name is looked up before the file is touched. */
static int dump_to(const struct common *common, const char *word, const char *path) {
  struct inventory *inventory;
  auto_fd int output = -1;
  int r = take_inventory(common, INVENTORY_HOLDS, &inventory);
  if (r != 0)
    return r;
  struct object *object;
  r = target_find_one(inventory, word, &object);
  if (r == 0)
    r = open_output(path, &output);
  if (r == 0)
    r = dump_object(inventory, word, output);
  inventory_free(inventory);
  return r;
}

int dump_run(int argc, char **argv) {
  struct common common = {0};
  g_autofree char *output = NULL;
  GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "write to this file", "FILE"},
      {"dir", 0, 0, G_OPTION_ARG_FILENAME, &common.directory, "where the POSIX objects are",
       "PATH"},
      {0},
  };
  int r = arguments_parse("NAME|PATH|KEY|SHMID",
                          "Writes an object's bytes to standard output, or to a file.", entries,
                          &argc, &argv);
  if (r == 0 && argc != 2) {
    complain("dump: name one object");
    r = STATUS_USAGE;
  }
  if (r == 0)
    r = dump_to(&common, argv[1], output);
  common_clear(&common);
  return r;
}
