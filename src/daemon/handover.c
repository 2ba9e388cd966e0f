/* What the next program gets is what it cannot make itself: the device, the directory that the mount
 * may cover, the watch with its unread events, the state page, and the descriptors that the page
 * says are kept. They pass the execve(2) by number; everything else closes there. */
#include "daemon/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/descriptors.h"
#include "daemon/mount.h"
#include "daemon/mounted.h"
#include "util/confine.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/mountinfo.h"

#define CHECK_PATIENCE_MS 5000 /* for a program that has to compare six numbers */
#define SUPERVISOR_XATTR "user.shmfs.supervisor"

/* --check-state's numbers: what the layout of the page depends on. */
enum {
  CHECK_VERSION,
  CHECK_PAGE,
  CHECK_RECORD,
  CHECK_SLOT,
  CHECK_RECORDS,
  CHECK_SLOTS,
  CHECK_COUNT
};

/* --resume-state's numbers. */
enum {
  RESUME_DEVICE,
  RESUME_DIRECTORY,
  RESUME_WATCH,
  RESUME_WATCH_KIND,
  RESUME_STATE,
  RESUME_DEVICE_NUMBER,
  RESUME_COUNT
};

/* Asking the program on disk. */

/* The command line as it was given, and what the running program adds to it: a pair, and the settings where
 * there is a configuration file. NULL-terminated; freed with g_strfreev(). The program on disk is asked with
 * the very words with which it would be started. */
static char **arguments_with(const struct shared *shared, const char *option, const char *value) {
  g_autoptr(GStrvBuilder) arguments = g_strv_builder_new();
  g_strv_builder_addv(arguments, (const char **)shared->options->arguments);
  g_strv_builder_add_many(arguments, option, value, NULL);
  if (shared->options->config) {
    g_autofree char *words = settings_words(&shared->settings);
    g_strv_builder_add_many(arguments, "--resume-settings", words, NULL);
  }
  return g_strv_builder_end(arguments);
}

static int check_spawn(const struct shared *shared, pid_t *ret_pid) {
  const struct state_page *page = shared->state->page;
  g_autofree char *numbers =
      g_strdup_printf("%u,%u,%u,%u,%u,%u", page->version, page->page_size, page->record_size,
                      page->slot_size, page->records, page->slots);
  g_auto(GStrv) arguments = arguments_with(shared, "--check-state", numbers);
  posix_spawnattr_t attributes;
  sigset_t none;
  sigemptyset(&none);
  int r = posix_spawnattr_init(&attributes);
  if (r)
    return -r;
  r = posix_spawnattr_setsigmask(&attributes, &none);
  if (r == 0)
    r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (r == 0)
    r = posix_spawn(ret_pid, shared->program, NULL, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  return -r;
}

/* The child's wait status, or -ETIMEDOUT after ending it. */
static int wait_for(pid_t child, int *ret_status) {
  auto_fd int process = pidfd_open(child, 0);
  struct pollfd end = {.fd = process, .events = POLLIN};
  int n = process < 0 ? 0 : poll(&end, 1, CHECK_PATIENCE_MS);
  if (n <= 0)
    kill(child, SIGKILL);
  while (waitpid(child, ret_status, 0) < 0)
    if (errno != EINTR)
      return -errno;
  return n <= 0 ? -ETIMEDOUT : 0;
}

bool handover_possible(const struct shared *shared) {
  const char *place = shared->options->mount_point;
  pid_t child = 0;
  int status = 0;
  if (confine_elevated()) {
    log_warning(
        "%s: not upgraded: a program with capabilities of its own does not take over what a "
        "user's process hands it; mount anew",
        place);
    return false;
  }
  if (!shared->program) {
    log_warning("%s: not upgraded: the path of the program file is not known", place);
    return false;
  }
  int r = check_spawn(shared, &child);
  if (r == 0)
    r = wait_for(child, &status);
  if (r < 0)
    log_warning("%s: not upgraded: %s cannot be asked: %s", place, shared->program, strerror(-r));
  else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    log_warning("%s: not upgraded: %s does not understand the state of this one; mount anew to "
                "change to it",
                place, shared->program);
  else
    return true;
  return false;
}

int handover_check_state(const struct options *options) {
  const int *number = options->numbers;
  bool known = options->numbers_count == CHECK_COUNT &&
               state_check((uint32_t)number[CHECK_VERSION], (uint32_t)number[CHECK_PAGE],
                           (uint32_t)number[CHECK_RECORD], (uint32_t)number[CHECK_SLOT],
                           (uint32_t)number[CHECK_RECORDS], (uint32_t)number[CHECK_SLOTS]);
  return known ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Becoming it. */

static void pass(const struct shared *shared, bool keep) {
  descriptor_pass(shared->device, keep);
  descriptor_pass(shared->directory, keep);
  descriptor_pass(shared->watch, keep);
  descriptor_pass(shared->state->fd, keep);
  descriptors_pass_kept(shared->state, keep);
}

int handover_exec(struct shared *shared) {
  g_autofree char *numbers =
      g_strdup_printf("%d,%d,%d,%d,%d,%d", shared->device, shared->directory, shared->watch,
                      (int)shared->watch_kind, shared->state->fd, (int)shared->device_number);
  g_auto(GStrv) arguments = arguments_with(shared, "--resume-state", numbers);
  pass(shared, true);
  execv(shared->program, arguments);
  int r = -errno;
  pass(shared, false);
  log_error("%s: not upgraded: %s: %s", shared->options->mount_point, shared->program,
            strerror(-r));
  return r;
}

static bool is_open(int fd) {
  return fd >= 0 && fcntl(fd, F_GETFD) >= 0;
}

static int adopt(const int *number, struct shared *shared) {
  if (!is_open(number[RESUME_DEVICE]) || !is_open(number[RESUME_DIRECTORY]) ||
      !is_open(number[RESUME_STATE]))
    return -EBADF;
  int r = state_adopt(number[RESUME_STATE], &shared->state);
  if (r < 0)
    return r;
  shared->device = number[RESUME_DEVICE];
  shared->directory = number[RESUME_DIRECTORY];
  shared->watch = is_open(number[RESUME_WATCH]) ? number[RESUME_WATCH] : -1;
  shared->watch_kind = number[RESUME_WATCH_KIND] == WATCH_FANOTIFY ? WATCH_FANOTIFY : WATCH_INOTIFY;
  pass(shared, false);
  return 0;
}

/* The file may say something else by now, or nothing that can be used. */
static void adopt_settings(const struct options *options, struct settings *ret) {
  *ret = options->settings;
  if (options->resumed && settings_from_words(options->resumed, options->prefix, ret) < 0)
    log_warning("%s: the settings of the program before are not understood, those of -o hold: %s",
                options->mount_point, options->resumed);
  config_again(options, ret);
}

int handover_resume(const struct options *options, struct shared *ret_shared) {
  const int *number = options->numbers;
  int r = options->numbers_count == RESUME_COUNT ? 0 : -EINVAL;
  /* The numbers may be anybody's: a device of theirs would get what they may not open. */
  if (r == 0)
    r = confine_renounce();
  if (r == 0) {
    ret_shared->device_number = (unsigned)number[RESUME_DEVICE_NUMBER];
    r = adopt(number, ret_shared);
  }
  if (r < 0) {
    log_error("%s: cannot be taken over (only a running shmfs uses --resume-state): %s",
              options->mount_point, strerror(-r));
    mount_detach(options, ret_shared->device_number);
    return r;
  }
  adopt_settings(options, &ret_shared->settings);
  ret_shared->state->page->upgrades++;
  log_info("%s: upgraded to version %s", options->mount_point, SHMFS_VERSION);
  return 0;
}

/* Asking for it. */

static int reload_failed(const char *path, const char *reason) {
  log_error("%s: not reloaded: %s", path, reason);
  return EXIT_FAILURE;
}

/* The process id that the mount itself gives; 0: none. */
static pid_t supervisor_of(const char *path) {
  char value[32] = "";
  ssize_t n = getxattr(path, SUPERVISOR_XATTR, value, sizeof(value) - 1);
  gint64 pid = 0;
  if (n > 0 && g_ascii_string_to_signed(value, 10, 1, INT_MAX, &pid, NULL))
    return (pid_t)pid;
  return 0;
}

/* The number is one of the supervisor's own PID namespace and may be another process's here: only
 * one that has the FUSE device open is signalled. 0 or -errno; -ESRCH: it has not. */
static int has_device_open(pid_t pid) {
  g_autofree char *folder = g_strdup_printf("/proc/%d/fd", (int)pid);
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) names = g_dir_open(folder, 0, &error);
  if (!names)
    return g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES) ? -EACCES : -ESRCH;
  const char *name;
  while ((name = g_dir_read_name(names))) {
    g_autofree char *link = g_build_filename(folder, name, NULL);
    g_autofree char *target = g_file_read_link(link, NULL);
    if (g_strcmp0(target, "/dev/fuse") == 0)
      return 0;
  }
  return -ESRCH;
}

/* Through a descriptor of the process, so that no other can get its number in between. */
static int signal_supervisor(pid_t pid) {
  auto_fd int process = pidfd_open(pid, 0);
  if (process < 0)
    return -errno;
  int r = has_device_open(pid);
  if (r < 0)
    return r;
  return pidfd_send_signal(process, SIGHUP, NULL, 0) < 0 ? -errno : 0;
}

int handover_reload(const struct options *options) {
  const char *path = options->mount_point;
  switch (mounted_look(path)) {
  case MOUNTED_NONE:
    return reload_failed(path, "it is no mount of shmfs");
  case MOUNTED_DEAD:
    return reload_failed(path, "it is dead; mount with -o replace");
  case MOUNTED_SERVED:
    break;
  }
  pid_t pid = supervisor_of(path);
  if (pid == 0)
    return reload_failed(path, "it does not tell its supervisor (run by another version, with "
                               "no_supervise, or not readable for you)");
  int r = signal_supervisor(pid);
  if (r == -ESRCH)
    return reload_failed(path, "its supervisor is not to be found here; it may be in another PID "
                               "namespace");
  if (r < 0)
    return reload_failed(path, r == -EPERM || r == -EACCES
                                   ? "only its owner or root may; run as root"
                                   : strerror(-r));
  return EXIT_SUCCESS;
}
