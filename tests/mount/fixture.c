/* What checks do over and over: files with a content, a second process, another user. */
#include "harness.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* --- other processes --- */

static void expect_success(pid_t pid) {
  int status;
  g_assert_cmpint(TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)), ==, pid);
  g_assert_cmphex(status, ==, 0);
}

struct peer peer_start(peer_fn *run, const void *data) {
  int pair[2];
  g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  pid_t pid = fork();
  g_assert_no_errno(pid);
  if (pid == 0) {
    close(pair[0]);
    run(pair[1], data);
    _exit(0);
  }
  close(pair[1]);
  return (struct peer){.pid = pid, .socket = pair[0]};
}

void peer_wait(struct peer *peer) {
  expect_success(peer->pid);
  close_file(peer->socket);
}

void talk_tell(int socket, char byte) {
  g_assert_cmpint(send(socket, &byte, 1, MSG_NOSIGNAL), ==, 1);
}

char talk_hear(int socket) {
  char byte = 0;
  g_assert_cmpint(TEMP_FAILURE_RETRY(recv(socket, &byte, 1, 0)), ==, 1);
  return byte;
}

void as_user(uid_t uid, gid_t gid, void (*run)(const struct place *place),
             const struct place *place) {
  pid_t pid = fork();
  g_assert_no_errno(pid);
  if (pid == 0) {
    g_assert_no_errno(setgroups(0, NULL));
    g_assert_no_errno(setresgid(gid, gid, gid));
    g_assert_no_errno(setresuid(uid, uid, uid));
    run(place);
    _exit(0);
  }
  expect_success(pid);
}

/* --- files --- */

int open_file(const char *path, int flags, mode_t mode) {
  int fd = open(path, flags | O_CLOEXEC, mode);
  if (fd < 0)
    g_error("open %s, flags %#x: %s", path, (unsigned)flags, g_strerror(errno));
  return fd;
}

void put_all(int fd, const void *data, size_t size, off_t offset) {
  const char *from = data;
  while (size > 0) {
    ssize_t written = pwrite(fd, from, size, offset);
    if (written <= 0)
      g_error("write: %s", g_strerror(errno));
    from += written;
    offset += written;
    size -= (size_t)written;
  }
}

int new_file(const char *path, const char *content) {
  int fd = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0644);
  put_all(fd, content, strlen(content), 0);
  return fd;
}

void put_file(const char *path, const char *content) {
  close_file(new_file(path, content));
}

void expect_content_at(int fd, const char *content) {
  size_t size = strlen(content);
  g_autofree char *buffer = g_malloc0(size + 2);
  ssize_t got = pread(fd, buffer, size + 1, 0);
  g_assert_no_errno((int)got);
  g_assert_cmpmem(buffer, (size_t)got, content, size);
}

void expect_content(const char *path, const char *content) {
  int fd = open_file(path, O_RDONLY, 0);
  expect_content_at(fd, content);
  close_file(fd);
}

void remove_file(const char *path) {
  if (unlink(path) < 0)
    g_error("unlink %s: %s", path, g_strerror(errno));
}

void remove_folder(const char *path) {
  if (rmdir(path) < 0)
    g_error("rmdir %s: %s", path, g_strerror(errno));
}

void close_file(int fd) {
  g_assert_no_errno(close(fd));
}

struct stat status_at(const char *path) {
  struct stat status;
  if (lstat(path, &status) < 0)
    g_error("lstat %s: %s", path, g_strerror(errno));
  return status;
}

struct stat status_of(int fd) {
  struct stat status;
  g_assert_no_errno(fstat(fd, &status));
  return status;
}

bool exists(const char *path) {
  struct stat status;
  if (lstat(path, &status) == 0)
    return true;
  g_assert_cmpint(errno, ==, ENOENT);
  return false;
}

gint64 microseconds(void) {
  return g_get_monotonic_time();
}

const struct dirent *next_entry(DIR *directory) {
  errno = 0;
  /* One thread uses a listing. */
  /* cppcheck-suppress readdirCalled */
  const struct dirent *entry = readdir(directory);
  g_assert_cmpint(errno, ==, 0);
  return entry;
}

void expect_failure(long result, int expected, const char *file, int line, const char *call) {
  int got = errno;
  if (result >= 0)
    g_error("%s:%d: %s succeeds, not %s", file, line, call, g_strerror(expected));
  if (got != expected)
    g_error("%s:%d: %s: %s, not %s", file, line, call, g_strerror(got), g_strerror(expected));
}
