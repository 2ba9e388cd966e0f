/* The file is read by a child, for which the supervisor waits a limited time: its path may lead to
 * what does not answer, such as a network's file system, or the mount itself, which is not served while one
 * worker follows another. The child copies the file into a pipe and knows nothing of its meaning. */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"

#define FILE_MAX (64 * 1024) /* bytes; what is longer is no list of a few settings */
#define PATIENCE_US (3 * G_USEC_PER_SEC)

/* 0 or the error's number. */
static int copy(int from, int to) {
  char text[FILE_MAX + 1];
  struct stat attributes;
  size_t size = 0;
  ssize_t n = 0;
  if (fstat(from, &attributes) < 0)
    return errno;
  if (!S_ISREG(attributes.st_mode))
    return EISDIR;
  while (size < sizeof(text) && (n = read(from, text + size, sizeof(text) - size)) > 0)
    size += (size_t)n;
  if (n < 0)
    return errno;
  if (size > FILE_MAX)
    return EFBIG;
  for (size_t done = 0; done < size; done += (size_t)n)
    if ((n = write(to, text + done, size - done)) < 0)
      return errno;
  return 0;
}

/* In the child, whose exit status this is. */
static int copy_file(const char *path, int to) {
  auto_fd int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  return from < 0 ? errno : copy(from, to);
}

/* Until the child closes its end: 0, or -ETIMEDOUT. */
static int receive(int from, GString *text) {
  const gint64 deadline = g_get_monotonic_time() + PATIENCE_US;
  struct pollfd ready = {.fd = from, .events = POLLIN};
  char part[4096];
  for (;;) {
    gint64 left = deadline - g_get_monotonic_time();
    int n = poll(&ready, 1, (int)MAX(left / 1000, 0));
    if (n < 0 && errno != EINTR)
      return -errno;
    if (n == 0)
      return -ETIMEDOUT;
    ssize_t size = n > 0 ? read(from, part, sizeof(part)) : -1;
    if (size == 0)
      return 0;
    if (size > 0)
      g_string_append_len(text, part, size);
  }
}

static int end_child(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return -errno;
  return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* The whole text of a file that may be anything. 0 or -errno; -EISDIR: it is no regular file. */
static int read_file(const char *path, GString *text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    return -errno;
  auto_fd int from = ends[0];
  auto_fd int to = ends[1];
  pid_t child = fork();
  if (child < 0)
    return -errno;
  if (child == 0)
    _exit(copy_file(path, to));
  fd_close(fd_steal(&to)); /* so that the child's end is the last */
  int r = receive(from, text);
  if (r < 0)
    kill(child, SIGKILL);
  int end = end_child(child);
  return r < 0 ? r : end;
}

static char *describe(int error) {
  switch (error) {
  case -EISDIR:
    return g_strdup("it is no regular file");
  case -ETIMEDOUT:
    return g_strdup("it cannot be read in time");
  default:
    return g_strdup(g_strerror(-error));
  }
}

/* 0 with *ret, or -errno with *ret_reason, which the caller frees. */
static int settings_read(const struct options *options, struct settings *ret, char **ret_reason) {
  g_autoptr(GString) text = g_string_new(NULL);
  int r = read_file(options->config, text);
  if (r < 0) {
    *ret_reason = describe(r);
    return r;
  }
  return settings_parse(text->str, text->len, &options->settings, ret, ret_reason);
}

/* Under the mount the file would be asked for from whom it is to tell how to serve. */
static bool in_mount(const struct options *options) {
  char *resolved = realpath(options->config, NULL);
  size_t length = strlen(options->mount_point);
  bool inside = resolved && strncmp(resolved, options->mount_point, length) == 0 &&
                (resolved[length] == '/' || length == 1);
  free(resolved);
  return inside;
}

int config_begin(const struct options *options, struct settings *ret_settings) {
  g_autofree char *reason = NULL;
  if (!options->config) {
    *ret_settings = options->settings;
    return 0;
  }
  if (in_mount(options)) {
    log_error("%s: cannot be read once %s is mounted; keep the file elsewhere", options->config,
              options->mount_point);
    return -EBUSY;
  }
  int r = settings_read(options, ret_settings, &reason);
  if (r < 0)
    log_error("%s: %s", options->config, reason);
  return r;
}

void config_again(const struct options *options, struct settings *settings) {
  g_autofree char *reason = NULL;
  if (!options->config)
    return;
  if (settings_read(options, settings, &reason) < 0) {
    log_warning("%s: not taken over, the old settings stay in force: %s", options->config, reason);
    return;
  }
  g_autofree char *words = settings_words(settings);
  log_info("%s: in force: %s", options->config, words);
}
