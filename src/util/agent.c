/* Something that is finished although this process is killed: see agent.h. */
#include "util/agent.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fd.h"

/* Bytes; some calls deep, and a signal's frame (11 KiB with all of today's registers). */
#define STACK_SIZE 65536

struct task {
  void (*fn)(void *data);
  void *data;
};

static int run(void *data) {
  const struct task *task = data;
  task->fn(task->data);
  return 0;
}

/* A handler would run in memory that it takes for its own process's. Faults have nowhere else to go. */
static sigset_t all_but_faults(void) {
  static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
  sigset_t set;
  sigfillset(&set);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
    sigdelset(&set, faults[i]);
  return set;
}

/* __WALL: an agent's end sends no signal. */
static int collect(pid_t agent) {
  int status;
  pid_t ended;
  do
    ended = waitpid(agent, &status, __WALL);
  while (ended < 0 && errno == EINTR);
  return ended == agent && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECANCELED;
}

int agent_run(void (*fn)(void *data), void *data, pid_t *place) {
  _Alignas(16) char stack[STACK_SIZE];
  struct task task = {.fn = fn, .data = data};
  sigset_t blocked = all_but_faults(), before;
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pid_t agent =
      clone(run, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID, &task, place);
  int code = agent < 0 ? -ENOMEM : collect(agent);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return code;
}

void agent_wait(pid_t agent, int milliseconds) {
  auto_fd int fd = (int)syscall(SYS_pidfd_open, agent, 0);
  struct pollfd ended = {.fd = fd, .events = POLLIN};
  if (fd >= 0)
    poll(&ended, 1, milliseconds);
}
