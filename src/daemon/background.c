/* The process that was started waits at a pipe until the mount answers, so that a script's next
 * line may use it; all that goes wrong before that is said on the caller's stderr, by whichever
 * process found it. */
#include "daemon/background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/mount.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/notify.h"

/* How the child ended that did not get ready: its status, having said why; or a signal, which it
 * could say nothing about, nor take its mount away. */
static int child_status(const struct shared *shared, pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return EXIT_FAILURE;
  if (WIFEXITED(status))
    return WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
  log_error("%s: the daemon was ended by signal %d (%s) before the mount answered",
            shared->options->mount_point, WTERMSIG(status), strsignal(WTERMSIG(status)));
  mount_detach(shared->options, shared->device_number);
  return EXIT_FAILURE;
}

static _Noreturn void wait_until_ready(const struct shared *shared, pid_t child, int pipe) {
  char byte;
  ssize_t n;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  close(shared->device); /* else the mount would outlive a daemon that dies now */
  do
    n = read(pipe, &byte, 1);
  while (n < 0 && errno == EINTR);
  _exit(n == 1 ? EXIT_SUCCESS : child_status(shared, child));
}

int background_enter(struct shared *shared) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    return -errno;
  auto_fd int read_end = ends[0];
  auto_fd int write_end = ends[1];
  pid_t child = fork();
  if (child < 0)
    return -errno;
  if (child > 0) {
    fd_close(fd_steal(&write_end));
    wait_until_ready(shared, child, read_end);
  }
  setsid();
  shared->parent = fd_steal(&write_end);
  return 0;
}

static void leave_terminal(void) {
  auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0)
    return;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    dup2(null, fd);
}

void background_log(const struct options *options) {
  if (!options->foreground)
    log_to_syslog();
}

void background_ready(struct shared *shared) {
  background_log(shared->options);
  if (!shared->options->foreground)
    leave_terminal();
  if (shared->parent >= 0)
    (void)!write(shared->parent, "", 1); /* the one who waited may have been ended: no matter */
  shared->parent = fd_close(shared->parent);
  g_autofree char *state =
      g_strdup_printf("READY=1\nMAINPID=%d\nSTATUS=Serving %s at %s", (int)getpid(),
                      shared->options->source, shared->options->mount_point);
  notify_state(state);
}
