/* Attributes: mode, owner, times, sizes, as stat and statx tell them on both sides. */
#include <string.h>
#include <sys/sysmacros.h>

#include "harness.h"

static struct statx extended(const char *path, unsigned mask) {
  struct statx status;
  memset(&status, 0, sizeof status);
  g_assert_no_errno(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, mask, &status));
  return status;
}

static void expect_same_time(struct timespec one, struct timespec two) {
  g_assert_cmpint(one.tv_sec, ==, two.tv_sec);
  g_assert_cmpint(one.tv_nsec, ==, two.tv_nsec);
}

/* Everything but the device is the same on both sides. */
static void expect_same(const struct place *place, const char *name) {
  struct stat here = status_at(at(place, name)), native = status_at(native_at(place, name));
  g_assert_cmpuint(here.st_ino, ==, native.st_ino);
  g_assert_cmpuint(here.st_mode, ==, native.st_mode);
  g_assert_cmpuint(here.st_nlink, ==, native.st_nlink);
  g_assert_cmpuint(here.st_uid, ==, native.st_uid);
  g_assert_cmpuint(here.st_gid, ==, native.st_gid);
  g_assert_cmpuint(here.st_rdev, ==, native.st_rdev);
  g_assert_cmpint(here.st_size, ==, native.st_size);
  g_assert_cmpint(here.st_blocks, ==, native.st_blocks);
  g_assert_cmpint(here.st_blksize, ==, native.st_blksize);
  expect_same_time(here.st_atim, native.st_atim);
  expect_same_time(here.st_mtim, native.st_mtim);
  expect_same_time(here.st_ctim, native.st_ctim);
}

static bool later(struct timespec one, struct timespec two) {
  return one.tv_sec > two.tv_sec || (one.tv_sec == two.tv_sec && one.tv_nsec > two.tv_nsec);
}

/* Waits until the file system's clock, which goes in ticks, has moved past a file's last change. */
static void let_time_pass(const struct place *place, struct timespec since) {
  g_autofree char *probe = g_build_filename(place->native, "clock", NULL);
  struct timespec now = since;
  while (!later(now, since)) {
    put_file(probe, "");
    now = status_at(probe).st_ctim;
    remove_file(probe);
  }
}

static void same_everywhere(const struct place *place) {
  put_file(at(place, "a"), "content");
  expect_same(place, "a");
  put_file(native_at(place, "b"), "content");
  expect_same(place, "b");
  g_assert_no_errno(mkdir(at(place, "d"), 0750));
  expect_same(place, "d");
  g_assert_no_errno(symlink("somewhere", at(place, "s")));
  expect_same(place, "s");
  g_assert_no_errno(mkfifo(at(place, "f"), 0600));
  expect_same(place, "f");
  g_assert_no_errno(mknod(at(place, "c"), S_IFCHR | 0600, makedev(1, 3)));
  expect_same(place, "c");
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
  remove_folder(at(place, "d"));
  remove_file(at(place, "s"));
  remove_file(at(place, "f"));
  remove_file(at(place, "c"));
}

static void change_mode(const struct place *place) {
  static const mode_t modes[] = {0, 0600, 0755, 04755, 02755, 01777, 06711, 07777};
  int fd = new_file(at(place, "a"), "x");
  for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
    g_assert_no_errno(chmod(at(place, "a"), modes[i]));
    g_assert_cmpuint(status_of(fd).st_mode, ==, S_IFREG | modes[i]);
    g_assert_cmpuint(status_at(native_at(place, "a")).st_mode, ==, S_IFREG | modes[i]);
    g_assert_no_errno(fchmod(fd, modes[i] ^ 0111));
    g_assert_cmpuint(status_at(at(place, "a")).st_mode & 07777, ==, modes[i] ^ 0111);
  }
  assert_errno(chmod(at(place, "none"), 0600), ENOENT);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void change_owner(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(chown(at(place, "a"), 1234, 2345));
  g_assert_cmpuint(status_of(fd).st_uid, ==, 1234);
  g_assert_cmpuint(status_of(fd).st_gid, ==, 2345);
  g_assert_no_errno(chown(at(place, "a"), (uid_t)-1, 1));
  g_assert_no_errno(fchown(fd, 7, (gid_t)-1));
  expect_same(place, "a");
  g_assert_cmpuint(status_at(native_at(place, "a")).st_uid, ==, 7);
  g_assert_cmpuint(status_at(native_at(place, "a")).st_gid, ==, 1);
  g_assert_no_errno(symlink("a", at(place, "s")));
  g_assert_no_errno(lchown(at(place, "s"), 8, 9));
  g_assert_cmpuint(status_at(native_at(place, "s")).st_uid, ==, 8);
  g_assert_cmpuint(status_of(fd).st_uid, ==, 7);
  close_file(fd);
  remove_file(at(place, "s"));
  remove_file(at(place, "a"));
}

static void owner_change_clears_set_id(const struct place *place) {
  put_file(at(place, "a"), "x");
  g_assert_no_errno(chmod(at(place, "a"), 06755));
  g_assert_no_errno(chown(at(place, "a"), OTHER_USER, OTHER_USER));
  g_assert_cmpuint(status_at(at(place, "a")).st_mode & 07777, ==, 0755);
  expect_same(place, "a");
  remove_file(at(place, "a"));
}

/* chown() with neither owner nor group is a change all the same. */
static void owner_unchanged(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  struct stat old = status_of(fd);
  g_assert_no_errno(fchmod(fd, 06755));
  let_time_pass(place, status_of(fd).st_ctim);
  struct stat set = status_of(fd);
  g_assert_no_errno(chown(at(place, "a"), (uid_t)-1, (gid_t)-1));
  g_assert_cmpuint(status_of(fd).st_mode & 07777, ==, 0755);
  g_assert_true(later(status_of(fd).st_ctim, set.st_ctim));
  expect_same_time(status_of(fd).st_mtim, old.st_mtim);
  g_assert_no_errno(fchmod(fd, 06755));
  g_assert_no_errno(fchown(fd, (uid_t)-1, (gid_t)-1));
  g_assert_cmpuint(status_of(fd).st_mode & 07777, ==, 0755);
  expect_same(place, "a");
  close_file(fd);
  remove_file(at(place, "a"));
}

static void allocation_by_root_keeps_set_id(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(fchmod(fd, 06755));
  g_assert_no_errno(fallocate(fd, 0, 0, 8192));
  g_assert_no_errno(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
  g_assert_cmpuint(status_of(fd).st_mode & 07777, ==, 06755);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void set_times(const struct place *place) {
  struct timespec times[] = {{.tv_sec = 1000000001, .tv_nsec = 123456789},
                             {.tv_sec = 2000000002, .tv_nsec = 987654321}};
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(utimensat(AT_FDCWD, at(place, "a"), times, 0));
  expect_same_time(status_of(fd).st_atim, times[0]);
  expect_same_time(status_of(fd).st_mtim, times[1]);
  expect_same(place, "a");
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = 5;
  times[1].tv_nsec = 6;
  g_assert_no_errno(futimens(fd, times));
  g_assert_cmpint(status_at(native_at(place, "a")).st_atim.tv_sec, ==, 1000000001);
  g_assert_cmpint(status_at(native_at(place, "a")).st_mtim.tv_sec, ==, 5);
  times[0].tv_nsec = UTIME_NOW;
  times[1].tv_nsec = UTIME_OMIT;
  g_assert_no_errno(futimens(fd, times));
  g_assert_true(ABS(status_of(fd).st_atim.tv_sec - time(NULL)) < 10);
  g_assert_cmpint(status_of(fd).st_mtim.tv_sec, ==, 5);
  expect_same(place, "a");
  close_file(fd);
  remove_file(at(place, "a"));
}

static void times_of_links(const struct place *place) {
  struct timespec times[] = {{.tv_sec = 11, .tv_nsec = 22}, {.tv_sec = 33, .tv_nsec = 44}};
  g_assert_no_errno(symlink("none", at(place, "s")));
  g_assert_no_errno(utimensat(AT_FDCWD, at(place, "s"), times, AT_SYMLINK_NOFOLLOW));
  expect_same_time(status_at(native_at(place, "s")).st_mtim, times[1]);
  expect_same_time(status_at(at(place, "s")).st_mtim, times[1]);
  assert_errno(utimensat(AT_FDCWD, at(place, "s"), times, 0), ENOENT);
  remove_file(at(place, "s"));
}

static void times_move(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  struct stat old = status_of(fd);
  let_time_pass(place, old.st_ctim);
  put_all(fd, "y", 1, 0);
  struct stat now = status_at(at(place, "a"));
  g_assert_true(later(now.st_mtim, old.st_mtim));
  g_assert_true(later(now.st_ctim, old.st_ctim));
  let_time_pass(place, now.st_ctim);
  g_assert_no_errno(fchmod(fd, 0600));
  g_assert_true(later(status_of(fd).st_ctim, now.st_ctim));
  expect_same_time(status_of(fd).st_mtim, now.st_mtim);
  now = status_of(fd);
  let_time_pass(place, now.st_ctim);
  g_assert_no_errno(ftruncate(fd, 1));
  g_assert_true(later(status_of(fd).st_mtim, now.st_mtim));
  expect_same(place, "a");
  close_file(fd);
  remove_file(at(place, "a"));
}

static void folder_times_move(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  struct stat old = status_at(at(place, "d"));
  let_time_pass(place, old.st_ctim);
  put_file(at(place, "d/a"), "");
  struct stat now = status_at(at(place, "d"));
  g_assert_true(later(now.st_mtim, old.st_mtim));
  let_time_pass(place, now.st_ctim);
  remove_file(native_at(place, "d/a"));
  g_assert_true(later(status_at(at(place, "d")).st_mtim, now.st_mtim));
  expect_same(place, "d");
  remove_folder(at(place, "d"));
}

static void access_time(const struct place *place) {
  struct timespec times[] = {{.tv_sec = 1}, {.tv_sec = 2}};
  char byte;
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(futimens(fd, times));
  g_assert_cmpint(pread(fd, &byte, 1, 0), ==, 1);
  expect_same(place, "a");
  close_file(fd);
  remove_file(at(place, "a"));
}

#ifdef BIRTH_IS_TOLD
static void birth_time(const struct place *place) {
  put_file(at(place, "a"), "x");
  struct statx native = extended(native_at(place, "a"), STATX_BASIC_STATS | STATX_BTIME);
  struct statx here = extended(at(place, "a"), STATX_BASIC_STATS | STATX_BTIME);
  g_assert_true(native.stx_mask & STATX_BTIME);
  g_assert_true(here.stx_mask & STATX_BTIME);
  g_assert_cmpint(here.stx_btime.tv_sec, ==, native.stx_btime.tv_sec);
  g_assert_cmpint(here.stx_btime.tv_nsec, ==, native.stx_btime.tv_nsec);
  g_assert_cmpint(here.stx_size, ==, 1);
  g_assert_cmpint(here.stx_mode, ==, native.stx_mode);
  remove_file(at(place, "a"));
}
#endif

static void sizes_without_delay(const struct place *place) {
  int fd = new_file(at(place, "a"), "");
  for (off_t size = 1; size <= 500; size++) {
    put_all(fd, "x", 1, size - 1);
    g_assert_cmpint(status_at(at(place, "a")).st_size, ==, size);
    g_assert_cmpint(status_of(fd).st_size, ==, size);
    g_assert_cmpint(extended(at(place, "a"), STATX_SIZE).stx_size, ==, size);
  }
  close_file(fd);
  remove_file(at(place, "a"));
}

static void blocks(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  g_assert_cmpint(status_of(fd).st_blocks, ==, 8);
  put_all(fd, "x", 1, 100 * 4096);
  g_assert_cmpint(status_of(fd).st_blocks, ==, 16);
  g_assert_no_errno(ftruncate(fd, 0));
  g_assert_cmpint(status_of(fd).st_blocks, ==, 0);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void attributes_of_directory(const struct place *place) {
  struct stat old = status_at(place->directory);
  g_assert_no_errno(chmod(place->directory, 0755));
  g_assert_cmpuint(status_at(place->native).st_mode & 07777, ==, 0755);
  g_assert_no_errno(chown(place->directory, 5, 6));
  g_assert_cmpuint(status_at(place->directory).st_uid, ==, 5);
  g_assert_no_errno(chown(place->directory, old.st_uid, old.st_gid));
  g_assert_no_errno(chmod(place->directory, old.st_mode & 07777));
  g_assert_cmpuint(status_at(place->directory).st_mode, ==, old.st_mode);
  g_assert_cmpuint(status_at(place->native).st_mode, ==, old.st_mode);
}

static void one_device(const struct place *place) {
  put_file(at(place, "a"), "x");
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  dev_t device = status_at(place->directory).st_dev;
  g_assert_cmpuint(status_at(at(place, "a")).st_dev, ==, device);
  g_assert_cmpuint(status_at(at(place, "d")).st_dev, ==, device);
  remove_folder(at(place, "d"));
  remove_file(at(place, "a"));
}

static const struct check checks[] = {
    {"the same on both sides", same_everywhere, 0},
    {"chmod", change_mode, 0},
    {"chown", change_owner, 0},
    {"chown clears set-id bits", owner_change_clears_set_id, 0},
    {"chown that leaves the owner", owner_unchanged, 0},
    {"what root allocates keeps its set-id bits", allocation_by_root_keeps_set_id, 0},
    {"utimensat", set_times, 0},
    {"times of symbolic links", times_of_links, 0},
    {"times move with what is done", times_move, 0},
    {"times of folders move", folder_times_move, 0},
    {"access time", access_time, 0},
#ifdef BIRTH_IS_TOLD
    {"birth time", birth_time, 0},
#endif
    {"a size is known without delay", sizes_without_delay, 0},
    {"blocks are what is allocated", blocks, 0},
    {"mode and owner of the directory itself", attributes_of_directory, 0},
    {"one device", one_device, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
