/* The texts of -h and -V.
 *
 * What the kernel can do is asked of it, not inferred from its version: a kernel with passthrough
 * knows the ioctl that registers a backing file, and refuses it (EPERM) on a descriptor that
 * belongs to no mount; an older one does not know the ioctl at all (ENOTTY). */
#include "daemon/about.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include "daemon/filter.h"
#include "fs/wire.h"
#include "util/fd.h"

static const char usage[] =
    "usage: shmfs [SOURCE] MOUNTPOINT [-o OPTION,...] [-f] [-d]\n"
    "       shmfs --reload MOUNTPOINT\n"
    "\n"
    "Shows POSIX shared memory as files: echo hello > MOUNTPOINT/greeting makes the object that\n"
    "shm_open(\"/greeting\") opens. SOURCE is posix (the default); sysv: the System V segments,\n"
    "each under its key as ipcs(1) prints it; or all: both, with semaphores and message queues.\n"
    "\n"
    "  -f          stay in the foreground\n"
    "  -d          as -f, and print each request\n"
    "  --reload    read config= again; let the program file as it now is on disk take over\n"
    "  -V, -h      version and what the kernel offers; this text\n"
    "\n"
    "Options (-o), besides mount(8)'s ro, noexec, nosuid, nodev, noatime, ...:\n"
    "  allow_other, no_allow_other   other users may use the mount (default for root)\n"
    "  default_permissions           the kernel checks permissions (always with allow_other)\n"
    "  replace                       take the place of a dead mount of shmfs\n"
    "  shm_dir=PATH                  where the objects are (default /dev/shm)\n"
    "  ipcns=PID|PATH                sysv, all: whose IPC namespace (default: one's own)\n"
    "  prefix=STR                    posix: only objects whose names begin so, without it\n"
    "  size=N[k|m|g|%]               posix: the sum of the objects' sizes, at most\n"
    "  nr_objects=N[k|m|g]           their number, at most\n"
    "  max_object=N[k|m|g|%]         the size of each, at most\n"
    "  prealloc                      growing by truncate allocates the pages, or is ENOSPC\n"
    "  umask=OCTAL                   bits taken from what is made through the mount\n"
    "  mode=OCTAL, uid=N, gid=N      of the mount's root, as shown\n"
    "  config=FILE                   size= to gid= in a file that --reload reads again\n"
    "  mmap=coherent|cached          shared mappings without passthrough: refused, or cached\n"
    "  entry_timeout=S               seconds the kernel keeps names (default 3600)\n"
    "  attr_timeout=S                seconds it keeps attributes of files (default 0)\n"
    "  max_threads=N                 threads that serve, at most (default 10)\n"
    "  poll=USEC                     poll so long before sleeping (default 50, 0: never)\n"
    "  awake=USEC                    keep processors from deep sleep so long (default 2000)\n"
    "  no_passthrough                data goes through the daemon\n"
    "  no_resend                     behave as on a kernel before 6.9\n"
    "  no_supervise                  one process, for debuggers: a crash ends the mount\n"
    "  no_seccomp                    no filter of system calls in the process that serves\n"
    "  fsname=NAME                   the source shown in the list of mounts\n"
    "  max_read=BYTES                largest read request\n"
    "  context=, fscontext=, defcontext=, rootcontext=   SELinux labels, for the kernel\n"
    "\n"
    "shmfs(8) has the details.\n";

void about_usage(void) {
  fputs(usage, stdout);
  fflush(stdout);
}

/* What an unmounted descriptor of the device says to a registration. */
static const char *describe_passthrough(int device) {
  struct wire_backing_map map = {.fd = -1};
  if (ioctl(device, WIRE_BACKING_OPEN, &map) >= 0 || errno == EPERM || errno == EINVAL ||
      errno == EBADF)
    return "known to this kernel: data moves without the daemon when mounted as root";
  if (errno == EOPNOTSUPP)
    return "left out of this kernel (CONFIG_FUSE_PASSTHROUGH): data goes through the daemon";
  return "not in this kernel (Linux 6.9 has it): data goes through the daemon";
}

void about_version(void) {
  struct utsname kernel = {0};
  uname(&kernel);
  printf("shmfs %s\nlibfuse %s\n%s %s\n", SHMFS_VERSION, fuse_pkgversion(), kernel.sysname,
         kernel.release);
  printf("system call filter: %s\n",
         filter_is_built_in() ? "built in" : "left out of this build (libseccomp, no sanitizer)");
  int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0)
    printf("/dev/fuse: cannot be opened (%s)\n", strerror(errno));
  else
    printf("passthrough: %s\n", describe_passthrough(device));
  fd_close(device);
  fflush(stdout);
}
