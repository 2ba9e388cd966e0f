/* What a process may still do behind the filter of a worker. Each test runs in a child, for the filter
 * stays. */
#include "daemon/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define NO_SUCH_CALL 599 /* far beyond the youngest */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* Linux 6.6, include/uapi/asm-generic/unistd.h */
#endif

/* Exit status of a child behind the filter: which check failed, 0 for none. */
static int behind_filter(int (*check)(void)) {
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0)
    _exit(filter_enter() < 0 ? 99 : check());
  int status;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static bool built_in(void) {
  if (!filter_is_built_in()) {
    g_assert_cmpint(filter_enter(), ==, -ENOSYS);
    g_test_message("built without the filter");
  }
  return filter_is_built_in();
}

static bool refused(long result) {
  return result < 0 && errno == EPERM;
}

static int try_forbidden(void) {
  static char *const none[] = {NULL};
  if (!refused(execve("/bin/true", none, none)))
    return 1;
  if (!refused(syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 0)))
    return 2;
  if (!refused(mount("none", "/", "tmpfs", 0, NULL)) || !refused(umount2("/absent", MNT_DETACH)))
    return 3;
  if (!refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)))
    return 4;
  if (!refused(syscall(SYS_setns, -1, 0)) || !refused(chroot("/")))
    return 5;
  if (!refused(syscall(SYS_bpf, 0, NULL, 0)) || !refused(syscall(SYS_finit_module, -1, "", 0)))
    return 6;
  if (!refused(syscall(SYS_keyctl, 0, 0, 0, 0)) || !refused(syscall(SYS_perf_event_open, NULL, 0)))
    return 7;
  return 0;
}

static void programs_mounts_and_tracing_are_refused(void) {
  if (built_in())
    g_assert_cmpint(behind_filter(try_forbidden), ==, 0);
}

static void *run(void *data) {
  return data;
}

static int try_allowed(void) {
  pthread_t thread;
  struct stat attributes;
  if (pthread_create(&thread, NULL, run, NULL) || pthread_join(thread, NULL))
    return 1;
  int fd = (int)syscall(SYS_memfd_create, "test", 0);
  if (fd < 0 || ftruncate(fd, 4096) < 0 || fstat(fd, &attributes) < 0)
    return 2;
  if (syscall(SYS_fchmodat2, fd, "", 0600, AT_EMPTY_PATH) < 0 && errno != ENOSYS)
    return 3;
  openlog("shmfs-test", LOG_NDELAY, LOG_DAEMON);
  closelog();
  return 0;
}

static void what_serving_takes_is_allowed(void) {
  if (built_in())
    g_assert_cmpint(behind_filter(try_allowed), ==, 0);
}

static int try_unknown(void) {
  return syscall(NO_SUCH_CALL) < 0 && errno == ENOSYS ? 0 : 1;
}

static void calls_younger_than_the_list_are_answered_as_by_an_older_kernel(void) {
  if (built_in())
    g_assert_cmpint(behind_filter(try_unknown), ==, 0);
}

static void children_get_what_was_prepared(void) {
  if (!built_in())
    return;
  g_assert_cmpint(filter_prepare(), ==, 0);
  g_assert_cmpint(filter_prepare(), ==, 0);
  g_assert_cmpint(behind_filter(try_forbidden), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/filter/programs, mounts and tracing are refused",
                  programs_mounts_and_tracing_are_refused);
  g_test_add_func("/filter/what serving takes is allowed", what_serving_takes_is_allowed);
  g_test_add_func("/filter/calls younger than the list are answered as by an older kernel",
                  calls_younger_than_the_list_are_answered_as_by_an_older_kernel);
  g_test_add_func("/filter/children get what was prepared", children_get_what_was_prepared);
  return g_test_run();
}
