/* Runs checks: one daemon for a whole program, one process for each check.
 *
 * This process is the one that orphans are handed to (PR_SET_CHILD_SUBREAPER), so a daemon that has
 * put itself into the background is still its child: its end and its exit status can be waited for.
 * Nothing here may touch the mount itself, where a broken daemon would hang it; the processes that
 * do are given a time and then killed. */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#define CHECK_SECONDS 60  /* for one check; several times what the slowest takes under ASan */
#define DAEMON_SECONDS 20 /* for a daemon to start, or to end after its unmounting */

struct run {
  const struct check *check;
  struct place place;
  char *folder; /* to be made before and removed after, natively; NULL: the place is a top */
};

static struct {
  const char *shm;
  char *test_dir;
  char *mount_point; /* NULL: no daemon */
  bool maps;
  struct room room; /* before anything was done */
} harness;

/* Waits for a SIGCHLD, which is blocked, so that none is missed. */
static bool wait_for_child_signal(gint64 deadline) {
  gint64 left = deadline - g_get_monotonic_time();
  if (left <= 0)
    return false;
  struct timespec timeout = {.tv_sec = left / G_USEC_PER_SEC,
                             .tv_nsec = left % G_USEC_PER_SEC * 1000};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigtimedwait(&set, NULL, &timeout);
  return true;
}

/* The exit status of a child as wait(2) gives it, or -1 when it had to be killed. */
static int wait_for(pid_t pid, int seconds) {
  gint64 deadline = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
  int status;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (wait_for_child_signal(deadline))
      continue;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
  }
  return status;
}

static void block_child_signal(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

/* --- the daemon --- */

static const char *log_path(const char *mount_point) {
  g_autofree char *path = g_strconcat(mount_point, ".log", NULL);
  return g_intern_string(path);
}

/* The variant's options after the check's own; NULL when there are none. */
static char *all_options(const char *own) {
  const char *variant = g_getenv("SHMFS_OPTIONS");
  if (!own || !*own)
    return variant && *variant ? g_strdup(variant) : NULL;
  return variant && *variant ? g_strjoin(",", own, variant, NULL) : g_strdup(own);
}

static void run_daemon(const char *mount_point, const char *options, void (*prepare)(void)) {
  char *all = all_options(options);
  int null = open("/dev/null", O_RDONLY);
  int log = open(log_path(mount_point), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_range(3, ~0U, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (prepare)
    prepare();
  execlp(g_getenv("SHMFS"), "shmfs", mount_point, all ? "-o" : NULL, all, NULL);
  _exit(127);
}

int daemon_start(const char *mount_point, const char *options, void (*prepare)(void),
                 char **ret_output) {
  block_child_signal();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  g_mkdir_with_parents(mount_point, 0755);
  pid_t pid = fork();
  if (pid == 0)
    run_daemon(mount_point, options, prepare);
  int status = wait_for(pid, DAEMON_SECONDS);
  if (ret_output && !g_file_get_contents(log_path(mount_point), ret_output, NULL, NULL))
    *ret_output = g_strdup("");
  return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static bool unmount(const char *mount_point) {
  pid_t pid = fork();
  if (pid == 0)
    _exit(umount2(mount_point, 0) == 0 ? 0 : errno);
  int status = wait_for(pid, DAEMON_SECONDS);
  if (status == 0)
    return true;
  g_printerr("umount %s: %s\n", mount_point,
             status < 0 ? "no answer" : g_strerror(WEXITSTATUS(status)));
  umount2(mount_point, MNT_DETACH);
  return false;
}

/* A supervisor kills its helper when it ends itself, and does not wait for it: it is left to us. */
static bool ended_well(int status) {
  return status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Every process that is left to this one is the daemon's. */
static bool wait_for_daemon(void) {
  gint64 deadline = g_get_monotonic_time() + DAEMON_SECONDS * G_USEC_PER_SEC;
  bool clean = true;
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0)
      return clean;
    if (pid > 0 && !ended_well(status)) {
      g_printerr("the daemon (process %d) ended with wait status %#x\n", pid, (unsigned)status);
      clean = false;
    }
    if (pid == 0 && !wait_for_child_signal(deadline)) {
      g_printerr("the daemon did not end within %d s of its unmounting\n", DAEMON_SECONDS);
      return false;
    }
  }
}

bool daemon_stop(const char *mount_point) {
  bool clean = unmount(mount_point);
  clean = wait_for_daemon() && clean;
  g_autofree char *output = NULL;
  if (!clean && g_file_get_contents(log_path(mount_point), &output, NULL, NULL))
    g_printerr("%s", output);
  unlink(log_path(mount_point));
  return rmdir(mount_point) == 0 && clean;
}

/* --- room --- */

struct room room_now(void) {
  struct statvfs fs = {0};
  statvfs(harness.shm, &fs);
  return (struct room){.blocks = fs.f_bfree, .inodes = fs.f_ffree};
}

bool room_comes_back(const struct room *before) {
  gint64 deadline = g_get_monotonic_time() + G_USEC_PER_SEC;
  for (;;) {
    struct room now = room_now();
    if (now.blocks >= before->blocks && now.inodes >= before->inodes)
      return true;
    if (g_get_monotonic_time() > deadline)
      return false;
    g_usleep(1000); /* the kernel gives no event for memory that was freed */
  }
}

/* --- places --- */

const char *at(const struct place *place, const char *name) {
  g_autofree char *path = g_build_filename(place->directory, name, NULL);
  return g_intern_string(path);
}

const char *native_at(const struct place *place, const char *name) {
  g_autofree char *path = g_build_filename(place->native, name, NULL);
  return g_intern_string(path);
}

const char *scratch(void) {
  return harness.test_dir;
}

static void remove_tree(const char *path) {
  g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
  const char *name;
  while (directory && (name = g_dir_read_name(directory))) {
    g_autofree char *child = g_build_filename(path, name, NULL);
    if (unlink(child) == 0 || errno != EISDIR)
      continue;
    remove_tree(child);
    rmdir(child);
  }
}

/* Is the directory empty? What it has is told, and removed. */
static bool left_empty(const char *path) {
  g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
  const char *name = directory ? g_dir_read_name(directory) : "(the directory is gone)";
  if (!name)
    return true;
  g_printerr("left behind in %s: %s\n", path, name);
  remove_tree(path);
  return false;
}

/* --- checks --- */

static void run_in_child(const struct run *run) {
  struct rlimit no_core = {0};
  setrlimit(RLIMIT_CORE, &no_core);
  setpgid(0, 0);
  signal(SIGPIPE, SIG_DFL);
  umask(022);
  /* GLib's words about a failed assertion belong beside the results, not among them. */
  dup2(STDERR_FILENO, STDOUT_FILENO);
  run->check->run(&run->place);
  fflush(NULL);
  _exit(0);
}

static void make_folder(const struct run *run) {
  if (!run->folder)
    return;
  g_assert_no_errno(mkdir(run->folder, 0700));
  g_assert_no_errno(chmod(run->folder, 01777));
}

/* Has all memory come back? The next check may count on it. */
static bool gave_back(void) {
  if (room_comes_back(&harness.room))
    return true;
  struct room now = room_now();
  g_printerr("not given back: %" G_GINT64_FORMAT " blocks, %" G_GINT64_FORMAT " inodes\n",
             (gint64)(harness.room.blocks - now.blocks),
             (gint64)(harness.room.inodes - now.inodes));
  return false;
}

static void run_check(gconstpointer data) {
  const struct run *run = data;
  make_folder(run);
  pid_t pid = fork();
  g_assert_no_errno(pid);
  if (pid == 0)
    run_in_child(run);
  setpgid(pid, pid);
  int status = wait_for(pid, CHECK_SECONDS);
  kill(-pid, SIGKILL);
  while (waitpid(-pid, NULL, 0) > 0)
    continue;
  if (status < 0)
    g_printerr("no end within %d s\n", CHECK_SECONDS);
  else if (status != 0)
    g_printerr("ended with wait status %#x\n", (unsigned)status);
  bool clean = left_empty(run->place.native);
  if (run->folder)
    clean = rmdir(run->folder) == 0 && clean;
  clean = gave_back() && clean;
  if (status != 0 || !clean)
    g_test_fail();
}

static void free_run(struct run *run) {
  g_free(run->folder);
  g_free(run);
}

static void add_run(const struct check *check, const struct place *place) {
  if (check->where & CHECK_MAPS && !place->maps)
    return;
  if (check->where & CHECK_NO_MAPS && place->maps)
    return;
  struct run *run = g_new0(struct run, 1);
  run->check = check;
  run->place = *place;
  if (!place->top)
    run->folder = g_strdup(place->native);
  g_autofree char *name = g_strdup_printf("/%s/%s", place->label, check->name);
  g_test_add_data_func_full(name, run, run_check, (GDestroyNotify)free_run);
  /* cppcheck-suppress memleak */
}

static void add_check(const struct check *check) {
  struct place raw = {.label = "raw", .maps = true, .top = true};
  raw.directory = raw.native = harness.shm;
  if (!(check->where & CHECK_MOUNTED))
    add_run(check, &raw);
  if (!harness.mount_point)
    return;
  struct place mount = {.label = "mount", .mounted = true, .maps = harness.maps, .top = true};
  mount.directory = harness.mount_point;
  mount.native = harness.shm;
  add_run(check, &mount);
  if (check->where & CHECK_TOP)
    return;
  struct place folder = {.label = "folder", .mounted = true, .maps = harness.maps};
  folder.directory = at(&mount, "folder");
  folder.native = at(&raw, "folder");
  add_run(check, &folder);
}

static void find_surroundings(void) {
  const char *shm = g_getenv("SHM"), *test_dir = g_getenv("TEST_DIR");
  const char *options = g_getenv("SHMFS_OPTIONS");
  harness.shm = shm ? shm : "/dev/shm";
  harness.test_dir = test_dir ? g_strdup(test_dir) : g_dir_make_tmp("shmfs-XXXXXX", NULL);
  harness.maps = !(options && strstr(options, "no_passthrough"));
  if (g_getenv("SHMFS"))
    harness.mount_point = g_build_filename(harness.test_dir, "mnt", NULL);
  g_autoptr(GDir) directory = g_dir_open(harness.shm, 0, NULL);
  if (!directory || g_dir_read_name(directory))
    g_error("%s: not an empty folder; these tests want a tmpfs of their own there", harness.shm);
}

static void start_daemon(void) {
  g_autofree char *output = NULL;
  if (!harness.mount_point)
    return;
  int status = daemon_start(harness.mount_point, NULL, NULL, &output);
  if (status == 0)
    return;
  g_printerr("shmfs does not mount (status %d): %s\n", status, output);
  umount2(harness.mount_point, MNT_DETACH);
  exit(1);
}

/* With --keep-going: a check that failed is no reason not to run the next. */
static void init_tests(int argc, char **argv) {
  static char keep_going[] = "--keep-going";
  g_autofree char **arguments = g_new0(char *, (size_t)argc + 2);
  arguments[0] = argv[0];
  arguments[1] = keep_going;
  for (int i = 1; i < argc; i++)
    arguments[i + 1] = argv[i];
  char **all = arguments;
  argc++;
  g_test_init(&argc, &all, NULL);
}

int harness_main(int argc, char **argv, const struct check *checks) {
  init_tests(argc, argv);
  block_child_signal();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  find_surroundings();
  harness.room = room_now();
  start_daemon();
  for (; checks->name; checks++)
    add_check(checks);
  int status = g_test_run();
  if (harness.mount_point && !daemon_stop(harness.mount_point))
    status = 1;
  if (!gave_back())
    status = 1;
  if (!g_getenv("TEST_DIR"))
    rmdir(harness.test_dir);
  g_free(harness.mount_point);
  g_free(harness.test_dir);
  return status;
}
