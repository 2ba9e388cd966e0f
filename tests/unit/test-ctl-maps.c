/* Lines of /proc/PID/maps are read as they are written, and what is no whole line is left. */
#include "ctl/maps.h"

#include <glib.h>
#include <string.h>
#include <sys/sysmacros.h>

static const char *next(const char *text, struct maps_line *ret) {
  return maps_next(text, text + strlen(text), ret);
}

static void test_reads_a_mapping(void) {
  static const char text[] =
      "7f0e287ab000-7f0e288ab000 rw-s 00001000 fe:1a 70000                     /dev/shm/a b\n";
  struct maps_line line = {0};
  g_assert_true(next(text, &line) == text + strlen(text));
  g_assert_cmphex(line.from, ==, 0x7f0e287ab000);
  g_assert_cmphex(line.to, ==, 0x7f0e288ab000);
  g_assert_cmphex(line.offset, ==, 0x1000);
  g_assert_true(line.device == makedev(0xfe, 0x1a));
  g_assert_cmpuint(line.inode, ==, 70000);
  g_assert_true(line.readable && line.writable && !line.private);
  bool deleted;
  g_autofree char *path = maps_path(&line, &deleted);
  g_assert_cmpstr(path, ==, "/dev/shm/a b");
  g_assert_false(deleted);
}

static void test_reads_a_private_one_that_is_read_only(void) {
  struct maps_line line = {0};
  g_assert_nonnull(next("1000-2000 r--p 00000000 00:15 3 /x\n", &line));
  g_assert_true(line.readable && !line.writable && line.private);
}

static void test_has_no_device_for_anonymous_memory(void) {
  struct maps_line line = {0};
  g_assert_nonnull(
      next("7ffd1000-7ffd2000 rw-p 00000000 00:00 0                 [stack]\n", &line));
  g_assert_true(line.device == 0);
  g_assert_nonnull(next("7ffd1000-7ffd2000 rw-p 00000000 00:00 0 \n", &line));
  g_assert_cmpuint(line.path_length, ==, 0);
}

static void test_tells_removed_files_and_their_names(void) {
  struct maps_line line = {0};
  bool deleted;
  g_assert_nonnull(next("1000-2000 rw-s 0 00:15 3 /dev/shm/a\\012b (deleted)\n", &line));
  g_autofree char *path = maps_path(&line, &deleted);
  g_assert_cmpstr(path, ==, "/dev/shm/a\nb");
  g_assert_true(deleted);
}

static void test_leaves_what_is_no_whole_line(void) {
  struct maps_line line = {0};
  g_assert_null(next("", &line));
  g_assert_null(next("7f0e287ab000-7f0e288ab000 rw-s 00001000 fe:", &line));
}

static void test_survives_nonsense(void) {
  static const char *const texts[] = {"\n", " \n", "x\n", "1-\n", "1-2 r\n", "1-2 rw-s 0 0:0\n"};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    struct maps_line line = {0};
    g_assert_true(next(texts[i], &line) == texts[i] + strlen(texts[i]));
    g_assert_cmpuint(line.path_length, ==, 0);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ctl-maps/reads a mapping", test_reads_a_mapping);
  g_test_add_func("/ctl-maps/reads a private one that is read-only",
                  test_reads_a_private_one_that_is_read_only);
  g_test_add_func("/ctl-maps/has no device for anonymous memory",
                  test_has_no_device_for_anonymous_memory);
  g_test_add_func("/ctl-maps/tells removed files and their names",
                  test_tells_removed_files_and_their_names);
  g_test_add_func("/ctl-maps/leaves what is no whole line", test_leaves_what_is_no_whole_line);
  g_test_add_func("/ctl-maps/survives nonsense", test_survives_nonsense);
  return g_test_run();
}
