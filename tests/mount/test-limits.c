/* What the mount cannot do as tmpfs does: the limits that the documentation admits, shown to be no
 * worse than it says. Where one of these fails because the mount does better, the limit is gone,
 * and the documentation has good news to tell. */
#include <sys/file.h>

#include "harness.h"

/* Nothing holds the inode but the name did: an O_PATH descriptor is nothing that the daemon is told
 * of. */
static void path_descriptor_of_unlinked(const struct place *place) {
  struct stat status;
  put_file(at(place, "a"), "x");
  int fd = open_file(at(place, "a"), O_PATH, 0);
  g_assert_no_errno(fstat(fd, &status));
  remove_file(at(place, "a"));
  assert_errno(fstat(fd, &status), ESTALE);
  close_file(fd);
}

/* The same for a directory that the native side has removed. */
static void natively_removed_directory(const struct place *place) {
  struct stat status;
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  int fd = open_file(at(place, "d"), O_RDONLY | O_DIRECTORY, 0);
  remove_folder(native_at(place, "d"));
  assert_errno(fstat(fd, &status), ESTALE);
  assert_errno(openat(fd, "x", O_RDWR | O_CREAT, 0600), ESTALE);
  close_file(fd);
}

/* Passed through, a write goes by the flags of the opening; served by the daemon, by those of now.
 * */
static void append_cannot_be_cleared(const struct place *place) {
  put_file(at(place, "a"), "0123");
  int fd = open_file(at(place, "a"), O_RDWR | O_APPEND, 0);
  g_assert_no_errno(fcntl(fd, F_SETFL, 0));
  g_assert_cmpint(pwrite(fd, "X", 1, 0), ==, 1);
  expect_content(at(place, "a"), place->maps ? "0123X" : "X123");
  close_file(fd);
  remove_file(at(place, "a"));
}

static void append_can_be_set(const struct place *place) {
  put_file(at(place, "a"), "0123");
  int fd = open_file(at(place, "a"), O_RDWR, 0);
  g_assert_no_errno(fcntl(fd, F_SETFL, O_APPEND));
  g_assert_no_errno(truncate(native_at(place, "a"), 2));
  g_assert_cmpint(write(fd, "X", 1), ==, 1);
  expect_content(at(place, "a"), "01X");
  close_file(fd);
  remove_file(at(place, "a"));
}

/* Where tmpfs lets root's own writes keep the bits, the mount takes them away: the safe side. */
static void set_id_bits_after_roots_write(const struct place *place) {
  int fd = new_file(at(place, "a"), "0123");
  g_assert_no_errno(fchmod(fd, 06777));
  put_all(fd, "x", 1, 0);
  g_assert_cmpuint(status_of(fd).st_mode & 07777, ==, place->mounted ? 0777 : 06777);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void locks_are_the_mounts_own(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  int native = open_file(native_at(place, "a"), O_RDWR, 0);
  g_assert_no_errno(flock(fd, LOCK_EX));
  g_assert_no_errno(flock(native, LOCK_EX | LOCK_NB));
  close_file(native);
  close_file(fd);
  remove_file(at(place, "a"));
}

/* The data lands at the end that there is; only the position told afterwards may be that of before.
 * */
static void position_after_append(const struct place *place) {
  put_file(at(place, "a"), "01");
  int fd = open_file(at(place, "a"), O_WRONLY | O_APPEND, 0);
  g_assert_no_errno(truncate(native_at(place, "a"), 4));
  int native = open_file(native_at(place, "a"), O_RDWR, 0);
  put_all(native, "23", 2, 2);
  g_assert_cmpint(write(fd, "45", 2), ==, 2);
  expect_content(at(place, "a"), "012345");
  off_t position = lseek(fd, 0, SEEK_CUR);
  g_assert_true(position == 4 || position == 6);
  close_file(native);
  close_file(fd);
  remove_file(at(place, "a"));
}

static const struct check checks[] = {
    {"O_PATH descriptors of unlinked files", path_descriptor_of_unlinked, CHECK_MOUNTED},
    {"natively removed directories that are held", natively_removed_directory, CHECK_MOUNTED},
    {"O_APPEND cannot be cleared", append_cannot_be_cleared, CHECK_MOUNTED},
    {"O_APPEND can be set", append_can_be_set, 0},
    {"root's writes clear set-id bits", set_id_bits_after_roots_write, 0},
    {"locks are between users of the mount", locks_are_the_mounts_own, CHECK_MOUNTED},
    {"position after an append without passthrough", position_after_append,
     CHECK_MOUNTED | CHECK_NO_MAPS},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
