/* shmfsctl doctor: what this machine and this user can do with shmfs; each line is ok, or says what to
 * do. What can be probed is probed; a kernel's version is only asked where a probe would need a mount. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/memory.h"
#include "ctl/process.h"
#include "ctl/text.h"
#include "fs/wire.h"
#include "util/fd.h"
#include "util/privilege.h"

#define FILES_WANTED 4096 /* descriptors: without passthrough each open file takes one */
#define FULL_PERCENT 90   /* of the directory: worth a warning */

struct examination {
  const char *directory;
  unsigned findings;
};

static void say(struct examination *exam, bool ok, const char *subject, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static void say(struct examination *exam, bool ok, const char *subject, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  printf("%-4s  %-16s %s\n", ok ? "ok" : "FIX", subject, text);
  exam->findings += !ok;
}

/* Linux major.minor or newer? */
static bool kernel_is(const struct utsname *kernel, unsigned major, unsigned minor) {
  unsigned own_major = 0, own_minor = 0;
  (void)sscanf(kernel->release, "%u.%u", &own_major, &own_minor);
  return own_major > major || (own_major == major && own_minor >= minor);
}

static void check_kernel(struct examination *exam) {
  struct utsname kernel = {0};
  uname(&kernel);
  bool young = kernel_is(&kernel, 6, 9);
  say(exam, young, "kernel", "%s %s%s", kernel.sysname, kernel.release,
      young ? "" : ": 6.9 or newer has passthrough and can send requests again");
  say(exam, young, "resend", "%s",
      young ? "a killed worker's requests are sent again to the next one"
            : "a killed worker's requests fail; Linux 6.9 sends them again");
}

static void check_passthrough(struct examination *exam, int device) {
  struct wire_backing_map map = {.fd = -1};
  int error = ioctl(device, WIRE_BACKING_OPEN, &map) < 0 ? errno : 0;
  bool there = error == 0 || error == EPERM || error == EINVAL || error == EBADF;
  say(exam, there, "passthrough", "%s",
      there                 ? "in this kernel: data moves without the daemon when root mounts"
      : error == EOPNOTSUPP ? "left out of this kernel: build it with CONFIG_FUSE_PASSTHROUGH=y"
                            : "not in this kernel: data goes through the daemon; Linux 6.9 has it");
}

static void check_device(struct examination *exam) {
  auto_fd int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) {
    say(exam, false, "/dev/fuse", "cannot be opened (%s): %s", g_strerror(errno),
        errno == EPERM || errno == EACCES
            ? "allow this user, or give the container the device"
            : "load the module (modprobe fuse), or give the container the device");
    return;
  }
  say(exam, true, "/dev/fuse", "can be opened");
  check_passthrough(exam, device);
}

static void check_privileges(struct examination *exam) {
  bool admin = privilege_has(CAP_SYS_ADMIN);
  say(exam, admin, "CAP_SYS_ADMIN", "%s",
      admin ? "there: mounts with passthrough, for all users"
            : "not there: mounts are this user's alone, by fusermount3, without passthrough; "
              "be root for more");
  bool handles = privilege_has(CAP_DAC_READ_SEARCH);
  say(exam, handles, "file handles", "%s",
      handles
          ? "CAP_DAC_READ_SEARCH is there: objects are opened without searching for their names"
          : "CAP_DAC_READ_SEARCH is missing: objects are found by their names, which is slower");
  bool leases = privilege_has(CAP_LEASE);
  say(exam, leases, "leases", "%s",
      leases ? "CAP_LEASE is there: gc can ask the kernel about everybody's objects"
             : "CAP_LEASE is missing: gc removes nobody's objects but this user's");
}

static void check_processes(struct examination *exam) {
  bool trace = privilege_has(CAP_SYS_PTRACE), hidden = process_some_hidden();
  say(exam, trace, "CAP_SYS_PTRACE", "%s",
      trace ? "there: holders of all users are seen"
            : "not there: only this user's processes can be looked into; be root for all");
  say(exam, !hidden, "processes", "%s",
      hidden ? "not all can be seen from here (a PID namespace, or hidepid=): ask on the host"
             : "all can be seen from here");
}

/* The daemon knows with which one it was built. */
static void check_libfuse(struct examination *exam) {
  g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
  g_autofree char *folder = g_path_get_dirname(self ? self : ".");
  g_autofree char *beside = g_build_filename(folder, "shmfs", NULL);
  const char *program = access(beside, X_OK) == 0 ? beside : "shmfs";
  char *arguments[] = {(char *)program, (char *)"--version", NULL};
  g_autofree char *output = NULL;
  if (!g_spawn_sync(NULL, arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, NULL,
                    NULL)) {
    say(exam, false, "shmfs", "the daemon is not installed: put shmfs into the PATH");
    return;
  }
  const char *line = output ? strstr(output, "libfuse ") : NULL;
  say(exam, line != NULL, "libfuse", "%.*s", line ? (int)strcspn(line, "\n") : 7,
      line ? line : "unknown");
}

static void check_limits(struct examination *exam) {
  struct rlimit files = {0};
  getrlimit(RLIMIT_NOFILE, &files);
  bool enough = files.rlim_max >= FILES_WANTED;
  say(exam, enough, "open files", "up to %llu%s", (unsigned long long)files.rlim_max,
      enough ? "" : " without passthrough: raise the hard limit (ulimit -H -n)");
}

static void check_directory(struct examination *exam) {
  struct statvfs space;
  struct statfs fs;
  if (statfs(exam->directory, &fs) < 0 || statvfs(exam->directory, &space) < 0) {
    say(exam, false, exam->directory, "cannot be used (%s): mount a tmpfs there",
        g_strerror(errno));
    return;
  }
  char view[16] = "";
  bool mount = getxattr(exam->directory, "user.shmfs.view", view, sizeof(view) - 1) > 0;
  if (fs.f_type != TMPFS_MAGIC && !mount) {
    say(exam, false, exam->directory,
        "is no tmpfs, nor a mount of shmfs: mount one there, or give --dir");
    return;
  }
  uint64_t size = (uint64_t)space.f_blocks * space.f_frsize;
  uint64_t used = (uint64_t)(space.f_blocks - space.f_bfree) * space.f_frsize;
  bool roomy = size == 0 || used < size / 100 * FULL_PERCENT;
  GString *text = g_string_new(NULL);
  text_append_size(text, used);
  g_string_append(text, " used of ");
  text_append_size(text, size);
  if (mount)
    g_string_append_printf(text, ", a mount of shmfs (view %s)", view);
  say(exam, roomy, exam->directory, "%s%s", text->str,
      roomy ? "" : ": nearly full; shmfsctl ls and shmfsctl gc say what may go");
  g_string_free(text, TRUE);
}

/* Counts of System V segments, and of their pages. */
static void check_segments(struct examination *exam) {
  struct shminfo limits;
  struct shm_info used;
  if (shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&limits) < 0 ||
      shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&used) < 0) {
    say(exam, true, "segments", "this kernel has no System V segments");
    return;
  }
  bool numbers = (unsigned long)used.used_ids < limits.shmmni / 100.0 * FULL_PERCENT;
  bool pages = used.shm_tot < limits.shmall / 100.0 * FULL_PERCENT;
  say(exam, numbers && pages, "segments", "%d of at most %lu%s", used.used_ids, limits.shmmni,
      !numbers ? ": raise kernel.shmmni, or see shmfsctl gc"
      : !pages ? ", which have nearly all pages that they may: raise kernel.shmall, or see "
                 "shmfsctl gc"
               : "");
}

/* Asked of a file that is memory as objects are. */
static void check_cachestat(struct examination *exam) {
  uint64_t resident;
  auto_fd int fd = memfd_create("shmfsctl", MFD_CLOEXEC);
  int r = fd < 0 ? -errno : memory_resident(fd, &resident);
  say(exam, r == 0, "cachestat", "%s",
      r == 0 ? "there: RESIDENT and SWAPPED are told apart"
             : "cannot be had: what is swapped counts as resident; Linux 6.5 has it");
}

int doctor_run(int argc, char **argv) {
  g_autofree char *directory = NULL;
  GOptionEntry entries[] = {
      {"dir", 0, 0, G_OPTION_ARG_FILENAME, &directory, "where the POSIX objects are", "PATH"},
      {0},
  };
  int r = arguments_parse("", "Checks what this machine offers. Status 1: something can be better.",
                          entries, &argc, &argv);
  if (r == 0 && argc > 1) {
    complain("doctor: takes no arguments");
    r = STATUS_USAGE;
  }
  if (r != 0)
    return r;
  struct examination exam = {.directory = directory ? directory : DIRECTORY_DEFAULT};
  check_kernel(&exam);
  check_device(&exam);
  check_libfuse(&exam);
  check_privileges(&exam);
  check_processes(&exam);
  check_limits(&exam);
  check_directory(&exam);
  check_segments(&exam);
  check_cachestat(&exam);
  return exam.findings > 0 ? STATUS_NOTHING : STATUS_FOUND;
}
