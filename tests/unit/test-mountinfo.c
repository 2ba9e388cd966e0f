/* Lines of mountinfo as the kernel writes them. */
#include "util/mountinfo.h"

#include <errno.h>
#include <glib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

typedef struct mountinfo mountinfo_t;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mountinfo_t, mountinfo_free)

static void test_all_fields_are_read(void) {
  g_autoptr(mountinfo_t) info = NULL;
  const char *line = "97 30 0:52 / /mnt/shm rw,nosuid shared:7 master:2 - fuse.shmfs posix "
                     "rw,user_id=0,allow_other\n";
  g_assert_cmpint(mountinfo_parse(line, &info), ==, 0);
  g_assert_cmpint(info->id, ==, 97);
  g_assert_cmpuint(info->device, ==, makedev(0, 52));
  g_assert_cmpstr(info->mount_point, ==, "/mnt/shm");
  g_assert_cmpstr(info->options, ==, "rw,nosuid");
  g_assert_cmpstr(info->type, ==, "fuse.shmfs");
  g_assert_cmpstr(info->source, ==, "posix");
  g_assert_cmpstr(info->super_options, ==, "rw,user_id=0,allow_other");
}

static void test_no_tags_and_an_empty_source(void) {
  g_autoptr(mountinfo_t) info = NULL;
  g_assert_cmpint(mountinfo_parse("1 2 8:1 /a /b ro - ext4  rw", &info), ==, 0);
  g_assert_cmpstr(info->mount_point, ==, "/b");
  g_assert_cmpstr(info->source, ==, "");
  g_assert_cmpstr(info->super_options, ==, "rw");
}

static void test_escapes_are_decoded(void) {
  g_autoptr(mountinfo_t) info = NULL;
  const char *line = "1 2 0:1 / /with\\040space\\134and\\011tab\\012\\9 rw - tmpfs a\\040b rw";
  g_assert_cmpint(mountinfo_parse(line, &info), ==, 0);
  g_assert_cmpstr(info->mount_point, ==, "/with space\\and\ttab\n\\9");
  g_assert_cmpstr(info->source, ==, "a b");
}

static void test_broken_lines_are_refused(void) {
  static const char *const lines[] = {"",
                                      "\n",
                                      "1 2 0:1 / /mnt rw",
                                      "1 2 0:1 / /mnt rw - tmpfs none",
                                      "x 2 0:1 / /mnt rw - tmpfs none rw",
                                      "1 2 01 / /mnt rw - tmpfs none rw",
                                      "1 2 0:1 / - rw tmpfs none rw"};
  for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
    struct mountinfo *info = NULL;
    g_assert_cmpint(mountinfo_parse(lines[i], &info), ==, -EINVAL);
    g_assert_null(info);
  }
}

static void test_a_real_mount_is_found(void) {
  g_autoptr(mountinfo_t) info = NULL;
  struct stat attributes;
  g_assert_cmpint(mountinfo_find("/proc", &info), ==, 0);
  g_assert_cmpint(stat("/proc", &attributes), ==, 0);
  g_assert_cmpstr(info->type, ==, "proc");
  g_assert_cmpuint(info->device, ==, attributes.st_dev);
}

static void test_what_is_no_mount_is_not_found(void) {
  struct mountinfo *info = NULL;
  g_assert_cmpint(mountinfo_find("/proc/self", &info), ==, -ENOENT);
  g_assert_null(info);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/mountinfo/all-fields-are-read", test_all_fields_are_read);
  g_test_add_func("/mountinfo/no-tags-and-an-empty-source", test_no_tags_and_an_empty_source);
  g_test_add_func("/mountinfo/escapes-are-decoded", test_escapes_are_decoded);
  g_test_add_func("/mountinfo/broken-lines-are-refused", test_broken_lines_are_refused);
  g_test_add_func("/mountinfo/a-real-mount-is-found", test_a_real_mount_is_found);
  g_test_add_func("/mountinfo/what-is-no-mount-is-not-found", test_what_is_no_mount_is_not_found);
  return g_test_run();
}
