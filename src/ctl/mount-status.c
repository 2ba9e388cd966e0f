/* A process that asks a FUSE daemon which never answers waits in the kernel. So a process of its own
 * asks, and is given up after a while. What it found comes through a pipe, as the struct itself. */
#include "ctl/mount-status.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ctl/inventory.h"
#include "util/fd.h"

#define PATIENCE 2000 /* milliseconds */
#define PREFIX "user.shmfs."

G_STATIC_ASSERT(sizeof(struct mount_status) <= 4096); /* PIPE_BUF: written at once */

/* A number among the attributes; 0 where there is none. */
static uint64_t ask_number(const char *point, const char *name) {
  char text[32] = "";
  ssize_t length = getxattr(point, name, text, sizeof(text) - 1);
  return length > 0 ? strtoull(text, NULL, 10) : 0;
}

/* A text among the attributes; "" where there is none. */
static void ask_text(const char *point, const char *name, char *ret, size_t size) {
  ssize_t length = getxattr(point, name, ret, size - 1);
  ret[MAX(length, 0)] = '\0';
}

static dev_t parse_device(const char *text) {
  unsigned major_number = 0, minor_number = 0;
  return sscanf(text, "%u:%u", &major_number, &minor_number) == 2
             ? makedev(major_number, minor_number)
             : 0;
}

static dev_t ask_device(const char *point) {
  char text[32];
  ask_text(point, PREFIX "device", text, sizeof(text));
  return parse_device(text);
}

dev_t mount_status_device(int root) {
  char text[32] = "";
  ssize_t length = fgetxattr(root, PREFIX "device", text, sizeof(text) - 1);
  return length > 0 ? parse_device(text) : 0;
}

static void ask_shown(const char *point, struct mount_status *status) {
  ask_text(point, PREFIX "view", status->view, sizeof(status->view));
  ask_text(point, PREFIX "prefix", status->prefix, sizeof(status->prefix));
  status->device = ask_device(point);
  status->ipc_namespace = ask_number(point, PREFIX "ipc");
}

/* What a part without a limit of its own uses is not what statfs(2) says, which is about all. */
static void ask_limits(const char *point, struct mount_status *status) {
  char limits[128], use[128] = "";
  ask_text(point, PREFIX "limits", limits, sizeof(limits));
  status->max_size = mount_status_line(limits, "size");
  status->max_files = mount_status_line(limits, "nr_objects");
  status->max_file_size = mount_status_line(limits, "max_object");
  if (*status->prefix || *limits)
    ask_text(point, PREFIX "use", use, sizeof(use));
  if (mount_status_line(use, "size") != UNKNOWN) {
    status->used = mount_status_line(use, "size");
    status->files = mount_status_line(use, "objects");
  }
}

static void ask_service(const char *point, struct mount_status *status) {
  status->supervisor = (pid_t)ask_number(point, PREFIX "supervisor");
  status->worker = (pid_t)ask_number(point, PREFIX "worker");
  status->workers = ask_number(point, PREFIX "workers");
  status->upgrades = ask_number(point, PREFIX "upgrades");
  status->started = (int64_t)ask_number(point, PREFIX "started");
  ask_text(point, PREFIX "requests", status->requests, sizeof(status->requests));
}

static int ask(const char *point, enum mount_questions questions, struct mount_status *status) {
  struct statvfs fs;
  struct stat attributes;
  if (stat(point, &attributes) < 0)
    return -errno;
  ask_shown(point, status);
  if (questions == MOUNT_ASK_SHOWN)
    return 0;
  if (statvfs(point, &fs) < 0)
    return -errno;
  status->size = (uint64_t)fs.f_blocks * fs.f_frsize;
  status->used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
  status->files = fs.f_files - fs.f_ffree;
  ask_limits(point, status);
  ask_service(point, status);
  return 0;
}

static void answer(const char *point, enum mount_questions questions, int pipe_end) {
  struct mount_status status = {0};
  status.error = ask(point, questions, &status);
  ssize_t written = write(pipe_end, &status, sizeof(status));
  _exit(written == sizeof(status) ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* A wait for a daemon ends with SIGKILL, but not always at once. */
static void give_up(pid_t child) {
  kill(child, SIGKILL);
  for (int i = 0; i < 100 && waitpid(child, NULL, WNOHANG) == 0; i++)
    g_usleep(1000);
}

static int receive(int pipe_end, struct mount_status *ret) {
  struct pollfd ready = {.fd = pipe_end, .events = POLLIN};
  int r;
  while ((r = poll(&ready, 1, PATIENCE)) < 0 && errno == EINTR)
    ;
  if (r == 0)
    return -ETIMEDOUT;
  return read(pipe_end, ret, sizeof(*ret)) == sizeof(*ret) ? 0 : -EIO;
}

void mount_status_read(const char *point, enum mount_questions questions,
                       struct mount_status *ret) {
  int ends[2];
  *ret = (struct mount_status){0};
  if (pipe2(ends, O_CLOEXEC) < 0) {
    ret->error = -errno;
    return;
  }
  pid_t child = fork();
  if (child == 0)
    answer(point, questions, ends[1]);
  close(ends[1]);
  int r = child < 0 ? -errno : receive(ends[0], ret);
  close(ends[0]);
  if (r == -ETIMEDOUT)
    give_up(child);
  else if (child > 0)
    waitpid(child, NULL, 0);
  if (r < 0)
    ret->error = r;
}

uint64_t mount_status_requests(const struct mount_status *status) {
  g_auto(GStrv) lines = g_strsplit(status->requests, "\n", -1);
  uint64_t sum = 0;
  for (unsigned i = 0; lines[i]; i++) {
    const char *count = strchr(lines[i], ' ');
    sum += count ? g_ascii_strtoull(count + 1, NULL, 10) : 0;
  }
  return sum;
}

uint64_t mount_status_line(const char *lines, const char *name) {
  size_t length = strlen(name);
  for (const char *line = lines; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, name, length) == 0 && line[length] == ' ')
      return g_ascii_strtoull(line + length, NULL, 10);
  }
  return UNKNOWN;
}
