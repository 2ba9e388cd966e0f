/* A list of names and not of numbers, so that one that this architecture or this libseccomp does not
 * know is passed over. No call's arguments are looked at: the kernel then decides by a bitmap,
 * without running the filter.
 *
 * Calls that are younger than libseccomp are answered with ENOSYS, as by an older kernel: the C library
 * tries new ones first, and then does the same with old ones. */
#include "daemon/filter.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>

#ifdef SHMFS_SECCOMP
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fd.h"

/* By descriptor and by name. */
static const char files[] =
    "access chdir chmod chown close close_range copy_file_range dup dup2 dup3 faccessat "
    "faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl "
    "fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 "
    "fstatfs fstatfs64 fsync ftruncate ftruncate64 getcwd getdents64 getxattr ioctl lchown "
    "lgetxattr link linkat listxattr llistxattr _llseek lremovexattr lseek lsetxattr lstat "
    "memfd_create mkdirat mknodat name_to_handle_at newfstatat open open_by_handle_at openat "
    "openat2 pipe pipe2 poll ppoll ppoll_time64 pread64 preadv preadv2 pselect6 pwrite64 pwritev "
    "pwritev2 read readlink readlinkat readv removexattr renameat renameat2 select setxattr "
    "splice stat statfs statfs64 statx symlinkat truncate umask unlink unlinkat utimensat "
    "utimensat_time64 write writev";

static const char memory[] = "brk madvise mincore mmap mmap2 mprotect mremap munmap";

/* System V objects and message queues, whose file system is mounted where nobody sees it. */
static const char objects[] =
    "fsconfig fsmount fsopen ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend "
    "mq_unlink msgctl msgget msgrcv msgsnd process_vm_readv process_vm_writev semctl semget semop "
    "semtimedop semtimedop_time64 shmat shmctl shmdt shmget";

/* Acting as the caller. */
static const char identity[] =
    "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getuid getuid32 setfsgid "
    "setfsgid32 setfsuid setfsuid32 setresgid setresgid32 setresuid setresuid32 unshare";

static const char threads[] =
    "clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
    "clock_nanosleep_time64 clone clone3 eventfd2 exit exit_group futex futex_time64 "
    "get_robust_list getcpu getpid getppid getrandom getrlimit gettid gettimeofday kill "
    "membarrier nanosleep pidfd_open prctl prlimit64 restart_syscall rseq rt_sigaction "
    "rt_sigpending "
    "rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
    "sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_setattr sched_yield "
    "set_robust_list sigaltstack sysinfo tgkill time timerfd_create timerfd_settime "
    "timerfd_settime64 ugetrlimit uname wait4 waitpid";

/* To the system's log. */
static const char messages[] = "connect getsockopt sendmsg sendto socket socketcall";

static const char *const allowed[] = {files, memory, objects, identity, threads, messages};

/* Since Linux 5.0 new calls have one number on all architectures (but alpha), from 424 on. */
#define COMMON_FIRST 424
#define COMMON_LAST 600 /* well beyond what there is */
#define FCHMODAT2 452   /* Linux 6.6; libseccomp 2.5.4 does not know it, and the store uses it */

bool filter_is_built_in(void) {
  return true;
}

static int allow_number(scmp_filter_ctx filter, int number) {
  return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
}

static int allow_names(scmp_filter_ctx filter, const char *list) {
  g_auto(GStrv) names = g_strsplit(list, " ", -1);
  int r = 0;
  for (char **name = names; r == 0 && *name; name++) {
    int number = seccomp_syscall_resolve_name(*name);
    if (number != __NR_SCMP_ERROR)
      r = allow_number(filter, number);
  }
  return r;
}

static bool is_known(int number) {
  char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
  free(name);
  return name;
}

static int deny_unknown(scmp_filter_ctx filter) {
  int r = 0;
  for (int number = COMMON_FIRST; r == 0 && number <= COMMON_LAST; number++)
    if (!is_known(number))
      r = number == FCHMODAT2 ? allow_number(filter, number)
                              : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
  return r;
}

static int fill(scmp_filter_ctx filter) {
  int r = deny_unknown(filter);
  for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(allowed); i++)
    r = allow_names(filter, allowed[i]);
  return r;
}

/* Refused calls are logged, and there is no mitigation that is meant for programs that run others' code,
 * which kernels before 5.16 tie to a filter. */
#define FLAGS (SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW)

static struct sock_fprog prepared;

/* libseccomp writes what it makes to a descriptor only (before 2.6). */
static int take_over(scmp_filter_ctx filter) {
  auto_fd int fd = memfd_create("filter", MFD_CLOEXEC);
  if (fd < 0)
    return -errno;
  int r = seccomp_export_bpf(filter, fd);
  if (r < 0)
    return r;
  off_t size = lseek(fd, 0, SEEK_END);
  if (size <= 0)
    return -EIO;
  g_autofree struct sock_filter *steps = g_malloc((size_t)size);
  if (pread(fd, steps, (size_t)size, 0) != size)
    return -EIO;
  prepared.len = (unsigned short)((size_t)size / sizeof *steps);
  prepared.filter = g_steal_pointer(&steps);
  return 0;
}

int filter_prepare(void) {
  if (prepared.len > 0)
    return 0;
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (!filter)
    return -ENOMEM;
  int r = fill(filter);
  if (r == 0) {
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, no chain of comparisons */
    r = take_over(filter);
  }
  seccomp_release(filter);
  return r;
}

int filter_enter(void) {
  int r = filter_prepare();
  if (r == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                 syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, FLAGS, &prepared) < 0))
    r = -errno;
  return r;
}

#else

bool filter_is_built_in(void) {
  return false;
}

int filter_prepare(void) {
  return -ENOSYS;
}

int filter_enter(void) {
  return -ENOSYS;
}

#endif
