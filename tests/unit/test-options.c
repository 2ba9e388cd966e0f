/* The command line: what is understood, and that every mistake is an error which names it. */
#include "daemon/options.h"

#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "util/fd.h"

/* Parses the words of a line that are separated by single spaces. */
static int parse(const char *line, struct options **ret) {
  g_auto(GStrv) words = g_strsplit(line, " ", -1);
  int count = (int)g_strv_length(words);
  /* getopt reorders the vector, so the words are freed through another one. */
  g_autofree char **shuffled = g_memdup2(words, (gsize)(count + 1) * sizeof(char *));
  return options_parse(count, shuffled, ret);
}

static struct options *accepted(const char *line) {
  struct options *options = NULL;
  g_assert_cmpint(parse(line, &options), ==, 0);
  g_assert_nonnull(options);
  return options;
}

/* The line is refused with one line on stderr in which `fragment` occurs. */
static void refused(const char *line, const char *fragment) {
  struct options *options = NULL;
  char message[1024] = "";
  auto_fd int caught = memfd_create("stderr", MFD_CLOEXEC);
  auto_fd int saved = dup(STDERR_FILENO);
  g_assert_cmpint(dup2(caught, STDERR_FILENO), >=, 0);
  int status = parse(line, &options);
  g_assert_cmpint(dup2(saved, STDERR_FILENO), >=, 0);
  g_assert_cmpint(pread(caught, message, sizeof(message) - 1, 0), >, 0);
  g_assert_cmpint(status, ==, OPTIONS_USAGE);
  g_assert_null(options);
  g_assert_nonnull(strstr(message, fragment));
  g_assert_true(strchr(message, '\n') == message + strlen(message) - 1);
}

static void test_a_mount_point_is_enough(void) {
  struct options *options = accepted("shmfs /tmp");
  bool root = geteuid() == 0;
  g_assert_cmpint(options->action, ==, ACTION_MOUNT);
  g_assert_cmpstr(options->source, ==, "posix");
  g_assert_cmpstr(options->shown, ==, "posix");
  g_assert_cmpstr(options->mount_point, ==, "/tmp");
  g_assert_cmpstr(options->directory, ==, "/dev/shm");
  g_assert_cmpstr(options->fuse_options, ==, "");
  g_assert_cmpuint(options->mount_flags, ==, MS_NOSUID | MS_NODEV);
  g_assert_true(options->supervise && options->fs.passthrough && options->fs.resend);
  g_assert_false(options->foreground || options->debug || options->replace || options->noatime);
  g_assert_true(options->allow_other == root && options->fs.default_permissions == root);
  g_assert_cmpint(options->fs.mmap, ==, FS_MMAP_COHERENT);
  options_free(options);
}

static void test_sources_that_mean_posix(void) {
  static const char *const lines[] = {"shmfs posix /tmp", "shmfs none /tmp", "shmfs shmfs /tmp",
                                      "shmfs shmfs#posix /tmp"};
  for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
    struct options *options = accepted(lines[i]);
    g_assert_cmpstr(options->source, ==, "posix");
    g_assert_cmpstr(options->mount_point, ==, "/tmp");
    options_free(options);
  }
}

static void test_call_of_mount_helper(void) {
  struct options *options = accepted(
      "shmfs posix /tmp -n -s -v -t fuse.shmfs -o rw,dev,suid,noexec,_netdev,x-a=b,user=me");
  g_assert_cmpuint(options->mount_flags, ==, MS_NOEXEC);
  options_free(options);
}

static void test_option_lists_add_up(void) {
  struct options *options = accepted("shmfs -o ro,noatime -ono_supervise -f -- none /tmp");
  g_assert_cmpuint(options->mount_flags, ==, MS_NOSUID | MS_NODEV | MS_RDONLY | MS_NOATIME);
  g_assert_true(options->noatime && options->foreground && !options->supervise);
  options_free(options);
}

static void test_the_last_word_wins(void) {
  struct options *options =
      accepted("shmfs /tmp -o ro,rw,poll=1,poll=2,allow_other,no_allow_other");
  g_assert_false(options->mount_flags & MS_RDONLY);
  g_assert_cmpuint(options->poll_us, ==, 2);
  g_assert_false(options->allow_other || options->fs.default_permissions);
  options_free(options);
}

static void test_values(void) {
  struct options *options = accepted(
      "shmfs /tmp -o max_threads=3,poll=0,awake=10000000,entry_timeout=0.5,"
      "attr_timeout=2,mmap=cached,no_passthrough,no_resend,replace,shm_dir=/dev,fsname=me");
  g_assert_cmpuint(options->max_threads, ==, 3);
  g_assert_cmpuint(options->poll_us, ==, 0);
  g_assert_cmpuint(options->awake_us, ==, 10000000);
  g_assert_cmpfloat(options->fs.entry_timeout, ==, 0.5);
  g_assert_cmpfloat(options->fs.attr_timeout, ==, 2);
  g_assert_cmpint(options->fs.mmap, ==, FS_MMAP_CACHED);
  g_assert_true(!options->fs.passthrough && !options->fs.resend && options->replace);
  g_assert_cmpstr(options->directory, ==, "/dev");
  g_assert_cmpstr(options->shown, ==, "me");
  options_free(options);
}

static void test_what_a_confined_view_is(void) {
  struct options *options =
      accepted("shmfs /tmp -o prefix=a-,prefix=c1-,prealloc,umask=027,mode=1777,uid=5,gid=6");
  const struct confined_options *confined = &options->settings.confined;
  g_assert_cmpstr(confined->prefix, ==, "c1-");
  g_assert_true(confined->prealloc && confined->has_mode && confined->has_uid && confined->has_gid);
  g_assert_cmpuint(confined->umask, ==, 027);
  g_assert_cmpuint(confined->mode, ==, 01777);
  g_assert_cmpuint(confined->uid, ==, 5);
  g_assert_cmpuint(confined->gid, ==, 6);
  options_free(options);
  options = accepted("shmfs /tmp");
  g_assert_false(confined_options_any(&options->settings.confined));
  options_free(options);
}

static void test_limits_have_the_spellings_of_tmpfs(void) {
  struct options *options = accepted("shmfs /tmp -o size=16m,nr_objects=2k,max_object=4G");
  g_assert_cmpuint(options->settings.limits.size, ==, 16 << 20);
  g_assert_cmpuint(options->settings.limits.objects, ==, 2048);
  g_assert_cmpuint(options->settings.limits.object_size, ==, UINT64_C(4) << 30);
  options_free(options);
  options = accepted("shmfs /tmp -o size=50%,max_object=100K");
  guint64 memory = (guint64)sysconf(_SC_PHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE);
  g_assert_cmpuint(options->settings.limits.size, ==, memory / 100 * 50);
  g_assert_cmpuint(options->settings.limits.object_size, ==, 102400);
  options_free(options);
  options = accepted("shmfs sysv /tmp -o size=0,nr_objects=0");
  g_assert_cmpuint(options->settings.limits.size, ==, 0);
  options_free(options);
}

static void test_debugging_stays_in_the_foreground(void) {
  struct options *options = accepted("shmfs -d /tmp");
  g_assert_true(options->debug && options->foreground && options->fs.debug);
  options_free(options);
}

static void test_allow_other_checks_permissions(void) {
  struct options *options = accepted("shmfs /tmp -o allow_other");
  g_assert_true(options->allow_other && options->fs.default_permissions);
  options_free(options);
}

static void test_commas_in_quotes_are_part_of_a_value(void) {
  struct options *options = accepted("shmfs /tmp -o context=\"u:r:t:s0:c1,c2\",ro,max_read=8192");
  g_assert_cmpstr(options->fuse_options, ==, "context=\"u:r:t:s0:c1,c2\",max_read=8192,");
  g_assert_true(options->mount_flags & MS_RDONLY);
  options_free(options);
  options = accepted("shmfs /tmp -o fsname=a\\,b,ro");
  g_assert_cmpstr(options->shown, ==, "a,b");
  options_free(options);
}

static void test_upgrade_uses_a_line_that_means_the_same(void) {
  struct options *first = accepted("shmfs -f none . -o ro,fsname=a\\ -o poll=7");
  g_autofree char *line = g_strjoinv(" ", first->arguments);
  g_autofree char *resumed = g_strconcat(line, " --resume-state 1,2,-1", NULL);
  struct options *second = accepted(resumed);
  g_assert_cmpint(second->action, ==, ACTION_RESUME);
  g_assert_true(g_path_is_absolute(second->mount_point));
  g_assert_cmpstr(second->mount_point, ==, first->mount_point);
  g_assert_cmpuint(second->mount_flags, ==, first->mount_flags);
  g_assert_cmpuint(second->poll_us, ==, 7);
  g_assert_cmpstr(second->shown, ==, "a\\"); /* its backslash does not reach the next -o */
  g_assert_true(second->foreground);
  g_assert_cmpint(second->numbers_count, ==, 3);
  g_assert_cmpint(second->numbers[2], ==, -1);
  options_free(first);
  options_free(second);
}

static void test_mount_point_is_the_one_the_kernel_lists(void) {
  g_autofree char *folder = g_dir_make_tmp(NULL, NULL);
  g_autofree char *resolved = g_strdup(folder);
  g_autofree char *link = g_strconcat(folder, "-link", NULL);
  g_assert_cmpint(symlink(folder, link), ==, 0);
  g_autofree char *line = g_strdup_printf("shmfs %s/.", link);
  struct options *options = accepted(line);
  g_assert_cmpstr(options->mount_point, ==, resolved);
  options_free(options);
  g_assert_cmpint(unlink(link), ==, 0);
  g_assert_cmpint(rmdir(folder), ==, 0);
}

static void test_other_actions(void) {
  struct options *options = accepted("shmfs --reload /tmp");
  g_assert_cmpint(options->action, ==, ACTION_RELOAD);
  g_assert_cmpstr(options->mount_point, ==, "/tmp");
  options_free(options);
  options = accepted("shmfs --check-state 1,2,3,4,5,6");
  g_assert_cmpint(options->action, ==, ACTION_CHECK_STATE);
  g_assert_cmpint(options->numbers_count, ==, 6);
  options_free(options);
}

static void test_mistakes_are_named(void) {
  static const char *const lines[][2] = {
      {"shmfs", "no mount point"},
      {"shmfs a b c", "too many arguments"},
      {"shmfs --reload /tmp /var", "too many arguments"},
      {"shmfs sysvv /tmp", "unknown source: sysvv (known: posix"},
      {"shmfs -Z /tmp", "-Z"},
      {"shmfs --frobnicate /tmp", "--frobnicate"},
      {"shmfs /tmp -o", "-o needs a value"},
      {"shmfs /tmp -o frobnicate", "unknown option: -o frobnicate"},
      {"shmfs /tmp -o ro,frobnicate=1", "unknown option: -o frobnicate"},
      {"shmfs /tmp -o ro=1", "ro takes no value"},
      {"shmfs /tmp -o poll", "poll needs a value"},
      {"shmfs /tmp -o poll=", "poll="},
      {"shmfs /tmp -o poll=-1", "poll=-1"},
      {"shmfs /tmp -o poll=5x", "poll=5x"},
      {"shmfs /tmp -o poll=99999999999999999999", "microseconds"},
      {"shmfs /tmp -o max_threads=0", "max_threads=0"},
      {"shmfs /tmp -o max_threads=129", "from 1 to 128"},
      {"shmfs /tmp -o max_read=1", "max_read=1"},
      {"shmfs /tmp -o entry_timeout=-1", "entry_timeout=-1"},
      {"shmfs /tmp -o attr_timeout=nan", "attr_timeout=nan"},
      {"shmfs /tmp -o attr_timeout=1e99", "attr_timeout=1e99"},
      {"shmfs /tmp -o mmap=maybe", "coherent or cached"},
      {"shmfs /tmp -o shm_dir=", "shm_dir="},
      {"shmfs /tmp -o allow_root", "allow_root is not supported"},
      {"shmfs /tmp -o prefix=", "prefix=: "},
      {"shmfs /tmp -o prefix", "prefix needs a value"},
      {"shmfs /tmp -o prefix=a/b", "prefix=a/b: "},
      {"shmfs /tmp -o prefix=sem.a", "semaphores"},
      {"shmfs sysv /tmp -o prefix=a", "sysv is always shown as a whole"},
      {"shmfs all /tmp -o prealloc", "all is always shown as a whole"},
      {"shmfs all /tmp -o size=1m", "all is always shown as a whole"},
      {"shmfs all /tmp -o config=/etc/x", "all is always shown as a whole"},
      {"shmfs /tmp -o config=x", "a path that begins with /"},
      {"shmfs /tmp -o config", "config needs a value"},
      {"shmfs /tmp -o prealloc=true", "prealloc takes no value"},
      {"shmfs /tmp -o size=", "size="},
      {"shmfs /tmp -o size=-1", "size=-1"},
      {"shmfs /tmp -o size=m", "size=m"},
      {"shmfs /tmp -o size=1mm", "size=1mm"},
      {"shmfs /tmp -o size=1.5g", "size=1.5g"},
      {"shmfs /tmp -o size=16777216t", "size=16777216t"},
      {"shmfs /tmp -o nr_objects=5%", "nr_objects=5%"},
      {"shmfs /tmp -o umask=888", "octal"},
      {"shmfs /tmp -o umask=1000", "octal"},
      {"shmfs /tmp -o mode=10000", "octal"},
      {"shmfs /tmp -o uid=root", "a user id"},
      {"shmfs /tmp -o gid=4294967295", "a group id"},
      {"shmfs --check-state 1,b", "1,b"},
      {"shmfs --check-state 1,2,3,4,5,6,7,8,9", "at most"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
    refused(lines[i][0], lines[i][1]);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/options/a-mount-point-is-enough", test_a_mount_point_is_enough);
  g_test_add_func("/options/sources-that-mean-posix", test_sources_that_mean_posix);
  g_test_add_func("/options/call-of-mount-helper", test_call_of_mount_helper);
  g_test_add_func("/options/lists-add-up", test_option_lists_add_up);
  g_test_add_func("/options/the-last-word-wins", test_the_last_word_wins);
  g_test_add_func("/options/values", test_values);
  g_test_add_func("/options/confined-view", test_what_a_confined_view_is);
  g_test_add_func("/options/limits", test_limits_have_the_spellings_of_tmpfs);
  g_test_add_func("/options/debugging-stays-in-the-foreground",
                  test_debugging_stays_in_the_foreground);
  g_test_add_func("/options/allow-other-checks-permissions", test_allow_other_checks_permissions);
  g_test_add_func("/options/commas-in-quotes", test_commas_in_quotes_are_part_of_a_value);
  g_test_add_func("/options/line-for-an-upgrade", test_upgrade_uses_a_line_that_means_the_same);
  g_test_add_func("/options/mount-point-as-the-kernel-lists-it",
                  test_mount_point_is_the_one_the_kernel_lists);
  g_test_add_func("/options/other-actions", test_other_actions);
  g_test_add_func("/options/mistakes-are-named", test_mistakes_are_named);
  return g_test_run();
}
