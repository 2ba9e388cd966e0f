/* shmfsctl load: a stream into an object. A new object appears when it is complete, with its holes
 * where the stream has only zeros. An existing one is filled in place, so that those who have mapped it
 * see the new bytes; that has to be asked for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/content.h"
#include "ctl/ctl.h"
#include "ctl/progress.h"
#include "ctl/target.h"
#include "util/fd.h"

#define CHUNK (1 << 20) /* bytes read at a time */
#define PAGE 4096       /* zeros of this size become holes */

struct load {
  char *directory;
  char *mode_text;
  gboolean force;
  const char *name;
  mode_t mode;
  int input;
  uint64_t total; /* of the input, 0 when it does not say */
};

static bool is_zero(const char *bytes, size_t size) {
  return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Where it is all new, zeros are there already. */
static int store(const struct content *content, const char *bytes, size_t size, uint64_t offset,
                 bool fresh) {
  for (size_t at = 0; at < size; at += PAGE) {
    size_t length = MIN(PAGE, size - at);
    if (fresh && is_zero(bytes + at, length))
      continue;
    int r = content_write(content, bytes + at, length, offset + at);
    if (r < 0)
      return r;
  }
  return 0;
}

/* As much as there is, up to the size. */
static ssize_t read_full(int fd, char *buffer, size_t size) {
  size_t filled = 0;
  while (filled < size) {
    ssize_t count = read(fd, buffer + filled, size - filled);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return -errno;
    if (count == 0)
      break;
    filled += (size_t)count;
  }
  return (ssize_t)filled;
}

static int copy_in(const struct load *load, const struct content *content, bool fresh,
                   uint64_t *ret_size) {
  g_autofree char *buffer = g_malloc(CHUNK);
  struct progress progress;
  uint64_t offset = 0;
  ssize_t count = 0;
  int r = 0;
  progress_begin(&progress, load->total);
  while (r == 0 && (count = read_full(load->input, buffer, CHUNK)) > 0) {
    r = store(content, buffer, (size_t)count, offset, fresh);
    offset += (uint64_t)count;
    progress_show(&progress, offset);
  }
  progress_end(&progress);
  *ret_size = offset;
  return r < 0 ? r : (int)MIN(count, 0);
}

static int copy_and_size(const struct load *load, const struct content *content, bool fresh) {
  uint64_t size;
  int r = copy_in(load, content, fresh, &size);
  if (r == 0 && ftruncate(content->fd, (off_t)size) < 0)
    r = -errno;
  return r;
}

/* The permissions asked for, whatever the umask. */
static int load_new_file(const struct load *load, int directory) {
  auto_fd int fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    return -errno;
  struct content content = {.fd = fd};
  int r = copy_and_size(load, &content, true);
  if (r == 0 && fchmod(fd, load->mode) < 0)
    r = -errno;
  char path[32];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  if (r == 0 && linkat(AT_FDCWD, path, directory, load->name, AT_SYMLINK_FOLLOW) < 0)
    r = -errno;
  return r;
}

static int load_old_file(const struct load *load, int directory) {
  auto_fd int fd = openat(directory, load->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat attributes;
  if (fd < 0 || fstat(fd, &attributes) < 0)
    return -errno;
  if (!S_ISREG(attributes.st_mode))
    /* cppcheck-suppress resourceLeak ; auto_fd closes it */
    return -EINVAL;
  struct content content = {.fd = fd};
  return copy_and_size(load, &content, false);
}

static int load_file(const struct load *load) {
  auto_fd int directory = open(load->directory ? load->directory : DIRECTORY_DEFAULT,
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0)
    return -errno;
  bool there = faccessat(directory, load->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  if (there && !load->force)
    /* cppcheck-suppress resourceLeak ; auto_fd closes it */
    return -EEXIST;
  return there ? load_old_file(load, directory) : load_new_file(load, directory);
}

/* A segment's size comes first, so a stream that does not say its own is kept until it ends. */
static int spool(struct load *load) {
  struct stat attributes;
  if (fstat(load->input, &attributes) == 0 && S_ISREG(attributes.st_mode) &&
      lseek(load->input, 0, SEEK_CUR) == 0)
    return 0;
  auto_fd int fd = memfd_create("shmfsctl", MFD_CLOEXEC);
  if (fd < 0)
    return -errno;
  struct content content = {.fd = fd};
  int r = copy_and_size(load, &content, true);
  if (r < 0)
    return r;
  fd_close(load->input);
  load->input = fd_steal(&fd);
  return lseek(load->input, 0, SEEK_SET) < 0 ? -errno : 0;
}

static int fill_segment(const struct load *load, int shmid, bool fresh) {
  struct content content;
  uint64_t size;
  int r = content_attach(shmid, true, &content);
  if (r < 0)
    return r;
  r = copy_in(load, &content, fresh, &size);
  if (r == 0 && !fresh)
    memset((char *)content.memory + size, 0, content.size - size);
  content_close(&content);
  return r;
}

/* *ret_fresh: it was made now. */
static int get_segment(const struct load *load, key_t key, size_t size, bool *ret_fresh) {
  int id = shmget(key, size, IPC_CREAT | IPC_EXCL | (int)load->mode);
  *ret_fresh = id >= 0;
  if (id < 0 && errno == EEXIST && load->force) {
    id = shmget(key, 0, 0);
    struct shmid_ds segment;
    if (id >= 0 && shmctl(id, IPC_STAT, &segment) == 0 && segment.shm_segsz < size)
      return -EFBIG;
  }
  return id < 0 ? -errno : id;
}

static int load_segment(struct load *load, key_t key) {
  struct stat attributes = {0};
  bool fresh = false;
  int r = spool(load);
  if (r == 0 && fstat(load->input, &attributes) < 0)
    r = -errno;
  if (r < 0)
    return r;
  int id = get_segment(load, key, (size_t)attributes.st_size, &fresh);
  if (id < 0)
    return id;
  r = fill_segment(load, id, fresh);
  if (r < 0 && fresh)
    shmctl(id, IPC_RMID, NULL);
  return r;
}

/* 0x and eight digits at most, and not 0, which is no key. */
static bool parse_key(const char *name, key_t *ret_key) {
  char *rest;
  if (!g_str_has_prefix(name, "0x"))
    return false;
  guint64 key = g_ascii_strtoull(name + 2, &rest, 16);
  if (!g_ascii_isxdigit(name[2]) || *rest || key == 0 || key > G_MAXUINT32)
    return false;
  *ret_key = (key_t)key;
  return true;
}

static const char *reason(int r) {
  if (r == -EEXIST)
    return "it exists; --force fills it all the same";
  return r == -EFBIG ? "the stream is longer than the segment" : g_strerror(-r);
}

static int open_input(struct load *load, const char *path) {
  struct stat attributes;
  load->input = path ? open(path, O_RDONLY | O_CLOEXEC) : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (load->input < 0) {
    complain("%s: cannot be read: %s", path ? path : "standard input", g_strerror(errno));
    return status_of(-errno);
  }
  if (fstat(load->input, &attributes) == 0 && S_ISREG(attributes.st_mode))
    load->total = (uint64_t)attributes.st_size;
  return 0;
}

static int resolve(struct load *load, int argc, char **argv) {
  if (argc < 2 || argc > 3) {
    complain("load: name the object, and perhaps a file");
    return STATUS_USAGE;
  }
  char *rest = NULL;
  guint64 mode = load->mode_text ? g_ascii_strtoull(load->mode_text, &rest, 8) : 0600;
  if ((rest && (*rest || rest == load->mode_text)) || mode > 0777) {
    complain("'%s' is no mode; one is 0600, 0644, …", load->mode_text);
    return STATUS_USAGE;
  }
  load->mode = (mode_t)mode;
  load->name = argv[1] + (*argv[1] == '/');
  bool dots = strcmp(load->name, ".") == 0 || strcmp(load->name, "..") == 0;
  if (!*load->name || dots || strchr(load->name, '/')) {
    complain("%s: is no name of an object; one is /name, or a segment's key (0x…)", argv[1]);
    return STATUS_USAGE;
  }
  return 0;
}

static int fill(struct load *load, const char *path) {
  key_t key;
  int status = open_input(load, path);
  if (status != 0)
    return status;
  int r = parse_key(load->name, &key) ? load_segment(load, key) : load_file(load);
  if (r < 0)
    complain("%s: cannot be loaded: %s", load->name, reason(r));
  return r < 0 ? status_of(r) : STATUS_FOUND;
}

int load_run(int argc, char **argv) {
  struct load load = {.input = -1};
  GOptionEntry entries[] = {
      {"mode", 'm', 0, G_OPTION_ARG_STRING, &load.mode_text,
       "permissions of a new object (default 0600)", "MODE"},
      {"force", 'f', 0, G_OPTION_ARG_NONE, &load.force, "fill an object that exists, in place",
       NULL},
      {"dir", 0, 0, G_OPTION_ARG_FILENAME, &load.directory, "where the POSIX objects are", "PATH"},
      {0},
  };
  int r = arguments_parse("NAME|KEY [FILE]",
                          "Makes an object, or a segment, of standard input or of a file.", entries,
                          &argc, &argv);
  if (r == 0)
    r = resolve(&load, argc, argv);
  if (r == 0)
    r = fill(&load, argv[2]);
  fd_close(load.input);
  g_free(load.directory);
  g_free(load.mode_text);
  return r;
}
