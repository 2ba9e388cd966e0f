/* statfs: how much room there is, as the memory's own file system tells it. */
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "harness.h"

static struct statvfs room_at(const char *path) {
  struct statvfs fs;
  g_assert_no_errno(statvfs(path, &fs));
  return fs;
}

static void expect_same(const struct place *place, const char *name) {
  struct statvfs here = room_at(at(place, name)), native = room_at(native_at(place, name));
  g_assert_cmpuint(here.f_bsize, ==, native.f_bsize);
  g_assert_cmpuint(here.f_frsize, ==, native.f_frsize);
  g_assert_cmpuint(here.f_blocks, ==, native.f_blocks);
  g_assert_cmpuint(here.f_bfree, ==, native.f_bfree);
  g_assert_cmpuint(here.f_bavail, ==, native.f_bavail);
  g_assert_cmpuint(here.f_files, ==, native.f_files);
  g_assert_cmpuint(here.f_ffree, ==, native.f_ffree);
  g_assert_cmpuint(here.f_namemax, ==, 255);
}

static void agrees(const struct place *place) {
  put_file(at(place, "a"), "x");
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  expect_same(place, "");
  expect_same(place, "a");
  expect_same(place, "d");
  remove_file(at(place, "a"));
  remove_folder(at(place, "d"));
}

static void counts_at_once(const struct place *place) {
  int fd = new_file(at(place, "a"), "");
  guint64 before = room_at(place->directory).f_bfree;
  for (int i = 1; i <= 50; i++) {
    g_assert_no_errno(fallocate(fd, 0, 0, i * 40960));
    g_assert_cmpuint(room_at(place->directory).f_bfree, ==, before - (guint64)i * 10);
  }
  close_file(fd);
  remove_file(at(place, "a"));
}

static void by_descriptor(const struct place *place) {
  struct statfs by_fd, by_path;
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(fstatfs(fd, &by_fd));
  g_assert_no_errno(statfs(place->directory, &by_path));
  g_assert_cmpuint(by_fd.f_blocks, ==, by_path.f_blocks);
  g_assert_cmpuint((guint64)by_fd.f_type, ==, (guint64)by_path.f_type);
  remove_file(at(place, "a"));
  g_assert_no_errno(fstatfs(fd, &by_fd));
  close_file(fd);
}

static const struct check checks[] = {
    {"agrees with the native side", agrees, 0},
    {"counts at once", counts_at_once, 0},
    {"by descriptor", by_descriptor, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
