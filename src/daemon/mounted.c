/* The list of mounts tells what is there; whether it lives only it can tell. That question is asked
 * by a child, because a mount whose daemon hangs would hang the one who asks. */
#include "daemon/mounted.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/mount.h"
#include "util/fd.h"
#include "util/mountinfo.h"

enum { ANSWERS, IS_DEAD };

/* The kernel answers for a mount whose connection has ended, at once. */
static int ask(const char *path) {
  struct statfs unused;
  if (statfs(path, &unused) == 0)
    return ANSWERS;
  return errno == ENOTCONN || errno == ECONNABORTED ? IS_DEAD : ANSWERS;
}

static bool is_dead(const char *path) {
  pid_t child = fork();
  if (child < 0)
    return false;
  if (child == 0)
    _exit(ask(path));
  auto_fd int process = pidfd_open(child, 0);
  struct pollfd end = {.fd = process, .events = POLLIN};
  int status;
  if (process >= 0 && poll(&end, 1, MOUNTED_PATIENCE_MS) == 0) {
    kill(child, SIGKILL); /* may have to wait for an answer all the same: not waited for */
    return false;
  }
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == IS_DEAD;
}

enum mounted mounted_look(const char *path) {
  struct mountinfo *info;
  if (mountinfo_find(path, &info) < 0)
    return MOUNTED_NONE;
  bool ours = strcmp(info->type, MOUNTED_TYPE) == 0;
  mountinfo_free(info);
  if (!ours)
    return MOUNTED_NONE;
  return is_dead(path) ? MOUNTED_DEAD : MOUNTED_SERVED;
}

unsigned mount_device_number(const struct options *options) {
  struct mountinfo *info;
  if (mountinfo_find(options->mount_point, &info) < 0)
    return 0;
  unsigned number = strcmp(info->type, MOUNTED_TYPE) == 0 ? (unsigned)info->device : 0;
  mountinfo_free(info);
  return number;
}
