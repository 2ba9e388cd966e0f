/* What the mount cannot do as tmpfs does: the limits that the documentation admits, shown to be no
 * worse than it says. When one of these fails because a limit is gone, the documentation has good news
 * to tell. */
#include <string.h>
#include <sys/file.h>
#include <sys/statfs.h>

#include "harness.h"

static void path_descriptor_of_unlinked(const struct place *place) {
  struct stat status;
  put_file(at(place, "a"), "x");
  int fd = open_file(at(place, "a"), O_PATH, 0);
  remove_file(at(place, "a"));
  int r = fstat(fd, &status);
  g_printerr("O_PATH unlinked fstat: %d %s nlink %d\n", r, r ? strerror(errno) : "", r ? -1 : (int)status.st_nlink);
  close_file(fd);
}
static void removed_directory(const struct place *place) {
  struct stat status;
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  int fd = open_file(at(place, "d"), O_RDONLY | O_DIRECTORY, 0);
  remove_folder(at(place, "d"));
  int r = fstat(fd, &status);
  g_printerr("dir fstat: %d %s nlink %d\n", r, r ? strerror(errno) : "", r ? -1 : (int)status.st_nlink);
  r = openat(fd, "x", O_CREAT|O_RDWR, 0600); g_printerr("openat creat %d %s\n", r, strerror(errno));
  r = openat(fd, "x", O_RDWR, 0600); g_printerr("openat %d %s\n", r, strerror(errno));
  r = fchmod(fd, 0700); g_printerr("fchmod %d %s\n", r, strerror(errno));
  r = fsync(fd); g_printerr("fsync %d %s\n", r, strerror(errno));
  r = openat(fd, ".", O_RDONLY); g_printerr("openat . %d %s\n", r, strerror(errno));
  r = openat(fd, "..", O_RDONLY); g_printerr("openat .. %d %s\n", r, strerror(errno));
  r = fchdir(fd); g_printerr("fchdir %d %s\n", r, strerror(errno));
  close(fd);
}
static void append_flag(const struct place *place) {
  put_file(at(place, "a"), "0123");
  int fd = open_file(at(place, "a"), O_RDWR | O_APPEND, 0);
  g_assert_no_errno(fcntl(fd, F_SETFL, 0));
  g_assert_cmpint(pwrite(fd, "X", 1, 0), ==, 1);
  g_printerr("append cleared: size %d\n", (int)status_of(fd).st_size);
  close_file(fd);
  g_assert_no_errno(truncate(at(place, "a"), 4));
  fd = open_file(at(place, "a"), O_RDWR, 0);
  g_assert_no_errno(fcntl(fd, F_SETFL, O_APPEND));
  g_assert_cmpint(write(fd, "X", 1), ==, 1);
  g_printerr("append set: size %d\n", (int)status_of(fd).st_size);
  g_assert_no_errno(truncate(native_at(place, "a"), 10));
  g_assert_cmpint(write(fd, "X", 1), ==, 1);
  g_printerr("append set, native grown: size %d\n", (int)status_of(fd).st_size);
  close_file(fd);
  remove_file(at(place, "a"));
}
static void root_setid(const struct place *place) {
  int fd = new_file(at(place, "a"), "0123");
  g_assert_no_errno(fchmod(fd, 06777));
  put_all(fd, "x", 1, 0);
  g_printerr("root write: mode %o\n", status_of(fd).st_mode);
  g_assert_no_errno(fchmod(fd, 06777));
  g_assert_no_errno(ftruncate(fd, 2));
  g_printerr("root truncate: mode %o\n", status_of(fd).st_mode);
  g_assert_no_errno(fchmod(fd, 06777));
  g_assert_no_errno(fallocate(fd, 0,0, 10));
  g_printerr("root fallocate: mode %o\n", status_of(fd).st_mode);
  close_file(fd);
  remove_file(at(place, "a"));
}
static void locks(const struct place *place) {
  int fd = new_file(at(place, "a"), "0123");
  int n = open_file(native_at(place, "a"), O_RDWR, 0);
  g_assert_no_errno(flock(fd, LOCK_EX));
  g_printerr("native flock: %d\n", flock(n, LOCK_EX|LOCK_NB));
  close_file(fd);close_file(n);
  remove_file(at(place, "a"));
}
static const struct check checks[] = {
    {"O_PATH", path_descriptor_of_unlinked, 0},
    {"removed", removed_directory, 0},
    {"append", append_flag, 0},
    {"setid", root_setid, 0},
    {"locks", locks, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
