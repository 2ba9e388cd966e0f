/* The helper gets one end of a socket pair, named in its environment, and sends the device's
 * descriptor over it. What it complains about is caught and becomes part of our one line. */
#include "daemon/fusermount.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/confine.h"
#include "util/fd.h"
#include "util/log.h"

#define HELPER "fusermount3"
/* Where the distributions put it. A program with capabilities of its own does not search the user's PATH:
 * who hands over a device of theirs could open, through it, what the user may not. */
static const char *const trusted_helpers[] = {"/usr/bin/fusermount3", "/bin/fusermount3",
                                              "/usr/local/bin/fusermount3"};
#define HELPER_SOCKET "_FUSE_COMMFD" /* the variable that names its end of the socket pair */
#define MESSAGE_MAX 512              /* bytes of the helper's complaint that are kept */

/* Without close-on-exec in the child only: nobody else inherits them. */
struct inherited {
  int socket; /* -1: none */
  int errors; /* its stderr */
};

static int actions_fill(posix_spawn_file_actions_t *actions, const struct inherited *inherited) {
  int r = posix_spawn_file_actions_adddup2(actions, inherited->errors, STDERR_FILENO);
  /* Onto itself: glibc then clears close-on-exec. */
  if (r == 0 && inherited->socket >= 0)
    r = posix_spawn_file_actions_adddup2(actions, inherited->socket, inherited->socket);
  return -r;
}

/* The supervisor blocks signals that the helper must not have blocked. */
static int attributes_fill(posix_spawnattr_t *attributes) {
  sigset_t none;
  sigemptyset(&none);
  int r = posix_spawnattr_setsigmask(attributes, &none);
  return -(r ? r : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK));
}

/* Root's own, and set-user-id: what it sends comes from the kernel. */
static const char *trusted_helper(void) {
  struct stat attributes;
  for (size_t i = 0; i < G_N_ELEMENTS(trusted_helpers); i++)
    if (stat(trusted_helpers[i], &attributes) == 0 && S_ISREG(attributes.st_mode) &&
        attributes.st_uid == 0 && (attributes.st_mode & S_ISUID) &&
        !(attributes.st_mode & (S_IWGRP | S_IWOTH)))
      return trusted_helpers[i];
  return NULL;
}

/* posix_spawnp() takes strings that it does not write as char *, for the sake of old callers. */
static int helper_spawn(const char *const *arguments, const struct inherited *inherited,
                        pid_t *ret_pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  g_autofree char *number = g_strdup_printf("%d", inherited->socket);
  g_auto(GStrv) environment = g_environ_setenv(g_get_environ(), HELPER_SOCKET, number, TRUE);
  const char *helper = confine_elevated() ? trusted_helper() : HELPER;
  if (!helper)
    return -ENOENT;
  if (posix_spawn_file_actions_init(&actions) || posix_spawnattr_init(&attributes))
    return -ENOMEM;
  int r = actions_fill(&actions, inherited);
  if (r == 0)
    r = attributes_fill(&attributes);
  if (r == 0)
    r = -posix_spawnp(ret_pid, helper, &actions, &attributes, (char *const *)arguments,
                      environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return r;
}

/* All that the helper says, as one line. */
static void read_message(int fd, char *message) {
  size_t length = 0;
  ssize_t n;
  while (length < MESSAGE_MAX - 1 &&
         (n = read(fd, message + length, MESSAGE_MAX - 1 - length)) != 0) {
    if (n < 0 && errno != EINTR)
      break;
    length += n > 0 ? (size_t)n : 0;
  }
  message[length] = '\0';
  g_strdelimit(g_strchomp(message), "\n", ';');
}

/* Runs the helper; 0, -EPERM when it ends with another status than 0, or why it cannot be run. */
static int helper_run(const char *const *arguments, int socket, char *ret_message) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    return -errno;
  auto_fd int read_end = ends[0];
  auto_fd int write_end = ends[1];
  pid_t pid = 0;
  int status;
  int r = helper_spawn(arguments, &(struct inherited){socket, write_end}, &pid);
  if (r < 0)
    return r;
  fd_close(fd_steal(&write_end)); /* else its end would not be seen */
  read_message(read_end, ret_message);
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return -errno;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int receive_descriptor(int socket, int *ret_fd) {
  char byte;
  union {
    struct cmsghdr header;
    unsigned char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof(control)};
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
    return -EPROTO;
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS)
    return -EPROTO;
  memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
  return 0;
}

int fusermount_mount(const char *path, const char *options, int *ret_device) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
    return -errno;
  auto_fd int mine = ends[0];
  auto_fd int helpers = ends[1];
  char message[MESSAGE_MAX] = "";
  const char *const arguments[] = {HELPER, "-o", options, "--", path, NULL};
  int r = helper_run(arguments, helpers, message);
  if (r == 0)
    r = receive_descriptor(mine, ret_device);
  if (r == -ENOENT)
    log_error("%s: mounting without root needs %s (package fuse3), which is not there", path,
              HELPER);
  else if (r < 0)
    log_error("%s: not mounted: %s", path, *message ? message : strerror(-r));
  return r;
}

int fusermount_detach(const char *path) {
  char message[MESSAGE_MAX];
  const char *const arguments[] = {HELPER, "-u", "-z", "-q", "--", path, NULL};
  return helper_run(arguments, -1, message);
}
