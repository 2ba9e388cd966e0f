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
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

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

static void ask_attributes(const char *point, struct mount_status *status) {
  status->supervisor = (pid_t)ask_number(point, PREFIX "supervisor");
  status->worker = (pid_t)ask_number(point, PREFIX "worker");
  status->workers = ask_number(point, PREFIX "workers");
  status->upgrades = ask_number(point, PREFIX "upgrades");
  status->started = (int64_t)ask_number(point, PREFIX "started");
  ssize_t length =
      getxattr(point, PREFIX "requests", status->requests, sizeof(status->requests) - 1);
  status->requests[MAX(length, 0)] = '\0';
}

/* The view of everything has the objects in a directory of its own, which was made when the native
 * one was. */
static void ask_born(const char *point, struct mount_status *status) {
  g_autofree char *branch = g_strconcat(point, "/posix", NULL);
  const char *const places[] = {branch, point};
  for (size_t i = 0; i < G_N_ELEMENTS(places) && !status->is_posix; i++) {
    struct statx attributes;
    status->is_posix = statx(AT_FDCWD, places[i], AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_BTIME,
                             &attributes) == 0 &&
                       S_ISDIR(attributes.stx_mode) && (attributes.stx_mask & STATX_BTIME);
    if (status->is_posix)
      status->born = attributes.stx_btime;
  }
}

static int ask(const char *point, struct mount_status *status) {
  struct statvfs fs;
  if (statvfs(point, &fs) < 0)
    return -errno;
  status->size = (uint64_t)fs.f_blocks * fs.f_frsize;
  status->used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
  status->files = fs.f_files - fs.f_ffree;
  ask_attributes(point, status);
  ask_born(point, status);
  return 0;
}

static void answer(const char *point, int pipe_end) {
  struct mount_status status = {0};
  status.error = ask(point, &status);
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

void mount_status_read(const char *point, struct mount_status *ret) {
  int ends[2];
  *ret = (struct mount_status){0};
  if (pipe2(ends, O_CLOEXEC) < 0) {
    ret->error = -errno;
    return;
  }
  pid_t child = fork();
  if (child == 0)
    answer(point, ends[1]);
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
