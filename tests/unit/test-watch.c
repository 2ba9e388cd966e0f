/* The watch on a directory, with both kinds of event queue. What the file system would be told is
 * recorded here instead; what happens natively happens in a child process. */
#include "daemon/watch.h"

#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/invalidate.h"
#include "store/store.h"
#include "util/fd.h"

#define PATIENCE_MS 2000 /* for what must come */
#define SILENCE_MS 100   /* for what must not */

static struct {
  pthread_mutex_t lock;
  GHashTable *names, *expired;
  unsigned name_calls, directory_calls;
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* These take the place of the messages to the kernel. */
int invalidate_name(int device, uint64_t parent, const char *name) {
  g_assert_cmpint(device, ==, -1);
  g_assert_cmpuint(parent, ==, STORE_ROOT);
  pthread_mutex_lock(&told.lock);
  g_hash_table_add(told.names, g_strdup(name));
  told.name_calls++;
  pthread_mutex_unlock(&told.lock);
  return 0;
}

int expire_name(int device, uint64_t parent, const char *name) {
  g_assert_cmpint(device, ==, -1);
  g_assert_cmpuint(parent, ==, STORE_ROOT);
  pthread_mutex_lock(&told.lock);
  g_hash_table_add(told.expired, g_strdup(name));
  pthread_mutex_unlock(&told.lock);
  return 0;
}

int invalidate_attributes(int device, uint64_t node) {
  g_assert_cmpint(device, ==, -1);
  g_assert_cmpuint(node, ==, STORE_ROOT);
  pthread_mutex_lock(&told.lock);
  told.directory_calls++;
  pthread_mutex_unlock(&told.lock);
  return 0;
}

int invalidate_everything(int device, uint64_t node, int directory, const char *prefix) {
  (void)device, (void)node, (void)directory, (void)prefix;
  g_assert_not_reached();
}

struct fixture {
  const char *prefix;
  char *path;
  int directory;
  enum watch_kind kind;
  int fd;
  int32_t worker; /* whose events are skipped: ours */
  struct watch *watch;
};

static void make_file(const struct fixture *f, const char *name) {
  int fd = openat(f->directory, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  g_assert_cmpint(fd, >=, 0);
  fd_close(fd);
}

static void set_up(struct fixture *f, gconstpointer kind) {
  f->path = g_strdup("/dev/shm/shmfs-test-XXXXXX");
  g_assert_nonnull(g_mkdtemp(f->path));
  f->directory = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint(f->directory, >=, 0);
  make_file(f, "there");
  make_file(f, "other");
  told.names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  told.expired = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  told.name_calls = told.directory_calls = 0;
  g_assert_cmpint(watch_open_kind(f->directory, GPOINTER_TO_INT(kind), &f->fd), ==, 0);
  f->kind = GPOINTER_TO_INT(kind);
  f->worker = getpid();
  struct watch_target target = {.kind = f->kind,
                                .fd = f->fd,
                                .device = -1,
                                .directory = f->directory,
                                .node = STORE_ROOT,
                                .prefix = f->prefix,
                                .worker = &f->worker};
  g_assert_cmpint(watch_start(&target, &f->watch), ==, 0);
}

static void set_up_prefix(struct fixture *f, gconstpointer kind) {
  f->prefix = "the";
  set_up(f, kind);
}

static void tear_down(struct fixture *f, gconstpointer kind) {
  (void)kind;
  watch_stop(f->watch);
  fd_close(f->fd);
  const char *names[] = {"there", "other", "new", "moved"};
  for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
    unlinkat(f->directory, names[i], 0);
  fd_close(f->directory);
  g_assert_cmpint(rmdir(f->path), ==, 0);
  g_free(f->path);
  g_hash_table_unref(told.names);
  g_hash_table_unref(told.expired);
}

static bool is_expired_within(const char *name, unsigned ms) {
  for (unsigned tenths = 0; tenths < 10 * ms; tenths++) {
    pthread_mutex_lock(&told.lock);
    bool found = g_hash_table_contains(told.expired, name);
    pthread_mutex_unlock(&told.lock);
    if (found)
      return true;
    g_usleep(100);
  }
  return false;
}

static bool was_told(const char *name) {
  pthread_mutex_lock(&told.lock);
  bool found = name ? g_hash_table_contains(told.names, name) : told.directory_calls > 0;
  pthread_mutex_unlock(&told.lock);
  return found;
}

/* name NULL: the directory. */
static bool is_told_within(const char *name, unsigned ms) {
  for (unsigned tenths = 0; tenths < 10 * ms && !was_told(name); tenths++)
    g_usleep(100);
  return was_told(name);
}

/* Runs work in a child process: a stranger to the watch. */
static void natively(struct fixture *f, void (*work)(struct fixture *f)) {
  pid_t pid = fork();
  if (pid == 0) {
    work(f);
    _exit(0);
  }
  int status = -1;
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmpint(status, ==, 0);
}

static void remove_there(struct fixture *f) {
  g_assert_cmpint(unlinkat(f->directory, "there", 0), ==, 0);
}

static void rename_there(struct fixture *f) {
  g_assert_cmpint(renameat(f->directory, "there", f->directory, "moved"), ==, 0);
}

static void replace_other(struct fixture *f) {
  g_assert_cmpint(renameat(f->directory, "there", f->directory, "other"), ==, 0);
}

static void make_new(struct fixture *f) {
  make_file(f, "new");
}

static void change_mode(struct fixture *f) {
  g_assert_cmpint(fchmod(f->directory, 0711), ==, 0);
}

static void change_mode_of_other(struct fixture *f) {
  g_assert_cmpint(fchmodat(f->directory, "other", 0640, 0), ==, 0);
}

static void make_and_remove_often(struct fixture *f) {
  for (int i = 0; i < 1000; i++) {
    make_file(f, "new");
    g_assert_cmpint(unlinkat(f->directory, "new", 0), ==, 0);
  }
}

static void test_native_unlink_is_told(struct fixture *f, gconstpointer kind) {
  (void)kind;
  natively(f, remove_there);
  g_assert_true(is_told_within("there", PATIENCE_MS));
  g_assert_true(is_told_within(NULL, PATIENCE_MS));
  g_assert_false(was_told("other"));
}

static void test_native_rename_is_told_for_both_names(struct fixture *f, gconstpointer kind) {
  (void)kind;
  natively(f, rename_there);
  g_assert_true(is_told_within("there", PATIENCE_MS));
  g_assert_true(is_told_within("moved", PATIENCE_MS));
}

static void test_replaced_name_is_told(struct fixture *f, gconstpointer kind) {
  (void)kind;
  natively(f, replace_other);
  g_assert_true(is_told_within("other", PATIENCE_MS));
}

static void test_new_name_changes_the_directory_alone(struct fixture *f, gconstpointer kind) {
  (void)kind;
  natively(f, make_new);
  g_assert_true(is_told_within(NULL, PATIENCE_MS));
  g_assert_false(was_told("new"));
}

static void test_directory_mode_is_told(struct fixture *f, gconstpointer kind) {
  (void)kind;
  natively(f, change_mode);
  g_assert_true(is_told_within(NULL, PATIENCE_MS));
  g_assert_cmpuint(told.name_calls, ==, 0);
}

/* The name leads where it did, and the directory is as it was. */
static void test_changed_file_is_looked_up_again(struct fixture *f, gconstpointer kind) {
  (void)kind;
  natively(f, change_mode_of_other);
  g_assert_true(is_expired_within("other", PATIENCE_MS));
  g_assert_false(was_told("other"));
  g_assert_false(was_told(NULL));
}

static void test_events_in_a_batch_are_told_once(struct fixture *f, gconstpointer kind) {
  (void)kind;
  natively(f, make_and_remove_often);
  natively(f, remove_there);
  g_assert_true(is_told_within("there", PATIENCE_MS));
  g_assert_true(was_told("new"));
  g_test_message("2,001 events: %u names told", told.name_calls);
  g_assert_cmpuint(told.name_calls, <=, 1001);
}

static void test_own_changes_are_not_told(struct fixture *f, gconstpointer kind) {
  (void)kind;
  remove_there(f);
  make_new(f);
  g_assert_false(is_told_within(NULL, SILENCE_MS));
  g_assert_cmpuint(told.name_calls, ==, 0);
}

static void test_names_are_told_as_they_are_inside(struct fixture *f, gconstpointer kind) {
  (void)kind;
  natively(f, rename_there);
  g_assert_true(is_told_within("re", PATIENCE_MS));
  g_assert_false(is_told_within("moved", SILENCE_MS));
  g_assert_cmpuint(told.name_calls, ==, 1);
}

struct promise {
  const char *name;
  void (*test)(struct fixture *f, gconstpointer kind);
};

static void add(const char *queue, enum watch_kind kind, const struct promise *promise) {
  g_autofree char *path = g_strdup_printf("/watch/%s/%s", queue, promise->name);
  g_test_add(path, struct fixture, GINT_TO_POINTER(kind), set_up, promise->test, tear_down);
}

int main(int argc, char **argv) {
  const struct promise promises[] = {
      {"native-unlink-is-told", test_native_unlink_is_told},
      {"native-rename-is-told-for-both-names", test_native_rename_is_told_for_both_names},
      {"replaced-name-is-told", test_replaced_name_is_told},
      {"new-name-changes-the-directory-alone", test_new_name_changes_the_directory_alone},
      {"directory-mode-is-told", test_directory_mode_is_told},
      {"changed-file-is-looked-up-again", test_changed_file_is_looked_up_again},
      {"events-in-a-batch-are-told-once", test_events_in_a_batch_are_told_once},
  };
  const struct promise own = {"own-changes-are-not-told", test_own_changes_are_not_told};
  g_test_init(&argc, &argv, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS(promises); i++) {
    add("fanotify", WATCH_FANOTIFY, &promises[i]);
    add("inotify", WATCH_INOTIFY, &promises[i]);
  }
  add("fanotify", WATCH_FANOTIFY, &own);
  g_test_add("/watch/names-are-told-as-they-are-inside", struct fixture,
             GINT_TO_POINTER(WATCH_INOTIFY), set_up_prefix, test_names_are_told_as_they_are_inside,
             tear_down);
  return g_test_run();
}
