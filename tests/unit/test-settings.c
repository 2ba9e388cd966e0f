/* Settings and their file: everything or nothing of it, and every mistake is named in one line. */
#include "daemon/settings.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"

static const struct settings base = {
    .limits = {.size = 1000, .objects = 5},
    .confined = {.prefix = "c1-", .prealloc = true, .umask = 027, .has_uid = true, .uid = 7},
};

static struct settings parsed(const char *text) {
  struct settings settings = {0};
  g_autofree char *reason = NULL;
  g_assert_cmpint(settings_parse(text, strlen(text), &base, &settings, &reason), ==, 0);
  g_assert_null(reason);
  return settings;
}

static void assert_same(const struct settings *a, const struct settings *b) {
  g_autofree char *first = settings_words(a);
  g_autofree char *second = settings_words(b);
  g_assert_cmpstr(first, ==, second);
  g_assert_cmpstr(a->confined.prefix, ==, b->confined.prefix);
}

static void test_a_file_may_name_them_all(void) {
  struct settings settings =
      parsed("# a comment\n[shmfs]\nsize = 16m\nnr_objects=2k\nmax_object=4G\nprealloc=false\n"
             "umask=077\nmode=1777\nuid=0\ngid=6 \n");
  g_assert_cmpuint(settings.limits.size, ==, 16 << 20);
  g_assert_cmpuint(settings.limits.objects, ==, 2048);
  g_assert_cmpuint(settings.limits.object_size, ==, UINT64_C(4) << 30);
  g_assert_false(settings.confined.prealloc);
  g_assert_cmpuint(settings.confined.umask, ==, 077);
  g_assert_cmpuint(settings.confined.mode, ==, 01777);
  g_assert_cmpuint(settings.confined.uid, ==, 0);
  g_assert_cmpuint(settings.confined.gid, ==, 6);
  g_assert_true(settings.confined.has_mode && settings.confined.has_gid);
  g_assert_cmpstr(settings.confined.prefix, ==, "c1-");
}

static void test_what_is_not_named_is_as_before(void) {
  struct settings settings = parsed("[shmfs]\n");
  assert_same(&settings, &base);
  settings = parsed("[shmfs]\nsize=2000\n");
  g_assert_cmpuint(settings.limits.size, ==, 2000);
  settings.limits.size = base.limits.size;
  assert_same(&settings, &base);
}

static void test_the_last_of_two_holds(void) {
  struct settings settings = parsed("[shmfs]\nsize=1\nsize=2\n");
  g_assert_cmpuint(settings.limits.size, ==, 2);
}

static void test_mistakes_change_nothing(void) {
  static const char *const files[][2] = {
      {"", "[shmfs] is missing"},
      {"# nothing\n", "[shmfs] is missing"},
      {"size=1\n", "group"},
      {"[shm]\nsize=1\n", "unknown group [shm]"},
      {"[shmfs]\nsize=1\n[other]\n", "unknown group [other]"},
      {"[shmfs]\nsize=1\nfrobnicate\n", "frobnicate"},
      {"[shmfs]\nsize=1\nfrobnicate=2\n", "frobnicate: "},
      {"[shmfs]\nsize[de]=1\n", "size[de]: "},
      {"[shmfs]\nsize=1\nprefix=x\n", "prefix: "},
      {"[shmfs]\nro=true\n", "can be: size, nr_objects"},
      {"[shmfs]\nsize=\n", "size=: not a valid value"},
      {"[shmfs]\nsize=-1\n", "size=-1"},
      {"[shmfs]\nnr_objects=5%\n", "nr_objects=5%"},
      {"[shmfs]\nsize=1\nmode=888\n", "octal"},
      {"[shmfs]\nuid=root\n", "a user id"},
      {"[shmfs]\nprealloc=maybe\n", "true or false"},
      {"[shmfs]\nprealloc=\n", "true or false"},
      {"[shmfs]\nsize=\xff\n", "size="},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
    struct settings settings = base;
    g_autofree char *reason = NULL;
    g_assert_cmpint(settings_parse(files[i][0], strlen(files[i][0]), &settings, &settings, &reason),
                    ==, -EINVAL);
    g_assert_nonnull(strstr(reason, files[i][1]));
    g_assert_null(strchr(reason, '\n'));
    assert_same(&settings, &base);
  }
}

/* GLib looks at a length and not at a text's end. */
static void test_bytes_of_any_value_are_no_danger(void) {
  static const char text[] = "[shmfs]\nsi\0ze=1\n\0[\xfe]\n=\n";
  for (size_t length = 0; length <= sizeof(text); length++) {
    struct settings settings = base;
    g_autofree char *reason = NULL;
    if (settings_parse(text, length, &base, &settings, &reason) == 0)
      g_assert_null(reason);
    else
      g_assert_nonnull(reason);
  }
}

static void test_words_make_the_same_again(void) {
  struct settings again = {0}, none = {0};
  g_autofree char *words = settings_words(&base);
  g_assert_cmpstr(words, ==, "size=1000,nr_objects=5,max_object=0,prealloc,umask=27,uid=7");
  g_assert_cmpint(settings_from_words(words, "c1-", &again), ==, 0);
  assert_same(&again, &base);
  g_autofree char *few = settings_words(&none);
  g_assert_cmpint(settings_from_words(few, NULL, &again), ==, 0);
  assert_same(&again, &none);
  g_assert_cmpint(settings_from_words("size=1,later=2", NULL, &again), ==, -EINVAL);
  g_assert_cmpint(settings_from_words("size", NULL, &again), ==, -EINVAL);
  assert_same(&again, &none);
}

/* The file: */

struct fixture {
  char *folder;
  char *path; /* in it; absent */
  struct options options;
  struct settings settings; /* those of the options */
};

static char mount_point[] = "/nonexistent-mount-point";

static void set_up(struct fixture *f, gconstpointer data) {
  (void)data;
  f->folder = g_dir_make_tmp(NULL, NULL);
  f->path = g_build_filename(f->folder, "file", NULL);
  f->options = (struct options){.mount_point = mount_point, .settings = base, .config = f->path};
  f->settings = base;
}

static void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  g_remove(f->path);
  g_assert_cmpint(g_rmdir(f->folder), ==, 0);
  g_free(f->path);
  g_free(f->folder);
}

static void put(struct fixture *f, const char *text, gssize length) {
  g_assert_true(g_file_set_contents(f->path, text, length, NULL));
}

/* It cannot be begun with, and when it comes later it changes nothing. */
static void assert_refused(struct fixture *f) {
  struct settings settings = base;
  g_assert_cmpint(config_begin(&f->options, &settings), <, 0);
  settings.limits.size = 4;
  config_again(&f->options, &settings);
  g_assert_cmpuint(settings.limits.size, ==, 4);
  settings.limits.size = base.limits.size;
  assert_same(&settings, &base);
}

static void test_a_file_replaces_what_it_names(struct fixture *f, gconstpointer data) {
  (void)data;
  struct settings settings = {0};
  put(f, "[shmfs]\nsize=2k\n", -1);
  g_assert_cmpint(config_begin(&f->options, &settings), ==, 0);
  g_assert_cmpuint(settings.limits.size, ==, 2048);
  g_assert_cmpuint(settings.limits.objects, ==, 5);
  put(f, "[shmfs]\nnr_objects=6\n", -1);
  config_again(&f->options, &settings);
  g_assert_cmpuint(settings.limits.size, ==, 1000);
  g_assert_cmpuint(settings.limits.objects, ==, 6);
}

static void test_without_a_file_the_options_hold(struct fixture *f, gconstpointer data) {
  (void)data;
  struct settings settings = {0};
  f->options.config = NULL;
  g_assert_cmpint(config_begin(&f->options, &settings), ==, 0);
  config_again(&f->options, &settings);
  assert_same(&settings, &base);
}

static void test_what_is_no_file_is_refused(struct fixture *f, gconstpointer data) {
  (void)data;
  assert_refused(f); /* absent */
  f->options.config = f->folder;
  assert_refused(f);
  f->options.config = f->path;
  g_assert_cmpint(mkfifo(f->path, 0600), ==, 0);
  assert_refused(f);
}

static void test_a_long_file_is_read_and_one_too_long_refused(struct fixture *f,
                                                              gconstpointer data) {
  (void)data;
  const gsize most = 64 * 1024;
  struct settings settings = {0};
  g_autoptr(GString) text = g_string_new("[shmfs]\nsize=3\n");
  while (text->len <= most)
    g_string_append_c(text, '#');
  put(f, text->str, (gssize)most);
  g_assert_cmpint(config_begin(&f->options, &settings), ==, 0);
  g_assert_cmpuint(settings.limits.size, ==, 3);
  put(f, text->str, (gssize)most + 1);
  assert_refused(f);
}

static void test_a_file_in_the_mount_is_refused(struct fixture *f, gconstpointer data) {
  (void)data;
  struct settings settings = {0};
  put(f, "[shmfs]\n", -1);
  g_assert_cmpint(config_begin(&f->options, &settings), ==, 0);
  f->options.mount_point = f->folder;
  g_assert_cmpint(config_begin(&f->options, &settings), ==, -EBUSY);
}

#define ADD(path, function)                                                                        \
  g_test_add("/config/" path, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/settings/a-file-may-name-them-all", test_a_file_may_name_them_all);
  g_test_add_func("/settings/what-is-not-named", test_what_is_not_named_is_as_before);
  g_test_add_func("/settings/the-last-of-two-holds", test_the_last_of_two_holds);
  g_test_add_func("/settings/mistakes-change-nothing", test_mistakes_change_nothing);
  g_test_add_func("/settings/bytes-of-any-value", test_bytes_of_any_value_are_no_danger);
  g_test_add_func("/settings/words-make-the-same-again", test_words_make_the_same_again);
  ADD("a-file-replaces-what-it-names", test_a_file_replaces_what_it_names);
  ADD("without-a-file-the-options-hold", test_without_a_file_the_options_hold);
  ADD("what-is-no-file-is-refused", test_what_is_no_file_is_refused);
  ADD("long-files", test_a_long_file_is_read_and_one_too_long_refused);
  ADD("a-file-in-the-mount-is-refused", test_a_file_in_the_mount_is_refused);
  return g_test_run();
}
