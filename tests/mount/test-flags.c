/* The flags of chattr(1): what a regular file or a folder has, who may change them, and what they
 * forbid. Where the tmpfs has none (before Linux 6.0), the mount has none either. */
#include <linux/capability.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "harness.h"

#define XFLAGS (FS_XFLAG_NODUMP | FS_XFLAG_NOATIME)

static int flags_of(const char *path) {
  int flags = 0, fd = open_file(path, O_RDONLY, 0);
  g_assert_no_errno(ioctl(fd, FS_IOC_GETFLAGS, &flags));
  close_file(fd);
  return flags;
}

/* 0 or the error. */
static int set_flags(const char *path, int flags) {
  int fd = open_file(path, O_RDONLY, 0);
  int error = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 ? 0 : errno;
  close_file(fd);
  return error;
}

/* Makes "a" natively; false, and nothing made, where the mount is right to have no flags. */
static bool start(const struct place *place) {
  put_file(native_at(place, "a"), "content");
  if (set_flags(native_at(place, "a"), 0) == 0)
    return true;
  g_assert_cmpint(set_flags(at(place, "a"), 0), ==, ENOTTY);
  remove_file(at(place, "a"));
  return false;
}

static void expect_flags_shared(const struct place *place, const char *name) {
  const int flags[] = {FS_NODUMP_FL, FS_NOATIME_FL, FS_APPEND_FL | FS_NODUMP_FL, FS_IMMUTABLE_FL,
                       0};
  for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
    g_assert_cmpint(set_flags(at(place, name), flags[i]), ==, 0);
    g_assert_cmpint(flags_of(native_at(place, name)), ==, flags[i]);
    g_assert_cmpint(set_flags(native_at(place, name), 0), ==, 0);
    g_assert_cmpint(flags_of(at(place, name)), ==, 0);
    g_assert_cmpint(set_flags(native_at(place, name), flags[i]), ==, 0);
    g_assert_cmpint(flags_of(at(place, name)), ==, flags[i]);
  }
}

static void one_set_of_flags(const struct place *place) {
  if (!start(place))
    return;
  expect_flags_shared(place, "a");
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  expect_flags_shared(place, "d");
  remove_folder(at(place, "d"));
  remove_file(at(place, "a"));
}

static void as_extended(const struct place *place) {
  if (!start(place))
    return;
  int fd = open_file(at(place, "a"), O_RDONLY, 0);
  struct fsxattr attributes = {.fsx_xflags = XFLAGS};
  g_assert_no_errno(ioctl(fd, FS_IOC_FSSETXATTR, &attributes));
  g_assert_cmpint(flags_of(native_at(place, "a")), ==, FS_NODUMP_FL | FS_NOATIME_FL);
  memset(&attributes, 0xff, sizeof attributes);
  g_assert_no_errno(ioctl(fd, FS_IOC_FSGETXATTR, &attributes));
  g_assert_cmpuint(attributes.fsx_xflags, ==, XFLAGS);
  g_assert_cmpuint(attributes.fsx_projid, ==, 0);
  close_file(fd);
  remove_file(at(place, "a"));
}

static int error_of(const char *path, unsigned long command, int argument) {
  char space[256] = {0};
  memcpy(space, &argument, sizeof argument);
  int fd = open_file(path, O_RDONLY | O_NONBLOCK, 0);
  int error = ioctl(fd, command, space) == 0 ? 0 : errno;
  close_file(fd);
  return error;
}

static void same_errors(const struct place *place) {
  const unsigned long commands[] = {FS_IOC_GETVERSION,   FS_IOC_SETVERSION, FS_IOC_GETFSLABEL,
                                    FS_IOC_FSGETXATTR,   FS_IOC_FSSETXATTR, FS_IOC32_GETVERSION,
                                    0x5401 /* TCGETS */, BLKGETSIZE64,      0};
  if (!start(place))
    return;
  for (unsigned bit = 0; bit < 32; bit++) {
    int flag = (int)(1u << bit);
    g_assert_cmpint(error_of(at(place, "a"), FS_IOC_SETFLAGS, flag), ==,
                    error_of(native_at(place, "a"), FS_IOC_SETFLAGS, flag));
    g_assert_cmpint(set_flags(at(place, "a"), 0), ==, 0);
  }
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    g_assert_cmpint(error_of(at(place, "a"), commands[i], 0), ==,
                    error_of(native_at(place, "a"), commands[i], 0));
  remove_file(at(place, "a"));
  g_assert_no_errno(mkfifo(at(place, "p"), 0644));
  g_assert_cmpint(error_of(at(place, "p"), FS_IOC_GETFLAGS, 0), ==, ENOTTY);
  g_assert_cmpint(error_of(at(place, "p"), FS_IOC_SETFLAGS, 0), ==, ENOTTY);
  remove_file(at(place, "p"));
}

static void change_root_s(const struct place *place) {
  g_assert_cmpint(flags_of(at(place, "a")), ==, FS_NODUMP_FL);
  g_assert_cmpint(set_flags(at(place, "a"), 0), ==, EPERM);
  g_assert_cmpint(set_flags(at(place, "a"), FS_IMMUTABLE_FL), ==, EPERM);
}

static void change_own(const struct place *place) {
  put_file(at(place, "b"), "mine");
  g_assert_cmpint(set_flags(at(place, "b"), FS_NODUMP_FL), ==, 0);
  g_assert_cmpint(set_flags(at(place, "b"), FS_NODUMP_FL | FS_IMMUTABLE_FL), ==, EPERM);
  g_assert_cmpint(set_flags(at(place, "b"), FS_APPEND_FL), ==, EPERM);
  g_assert_cmpint(flags_of(at(place, "b")), ==, FS_NODUMP_FL);
}

static void keep_protected(const struct place *place) {
  g_assert_cmpint(set_flags(at(place, "b"), 0), ==, EPERM);
  assert_errno(open(at(place, "b"), O_RDWR), EPERM);
  assert_errno(unlink(at(place, "b")), EPERM);
}

static void who_may(const struct place *place) {
  if (!start(place))
    return;
  g_assert_cmpint(set_flags(at(place, "a"), FS_NODUMP_FL), ==, 0);
  as_user(OTHER_USER, OTHER_USER, change_root_s, place);
  as_user(OTHER_USER, OTHER_USER, change_own, place);
  g_assert_cmpint(set_flags(at(place, "b"), FS_IMMUTABLE_FL), ==, 0);
  as_user(OTHER_USER, OTHER_USER, keep_protected, place);
  g_assert_cmpint(set_flags(at(place, "b"), 0), ==, 0);
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

static void lose(int capability) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
  g_assert_no_errno(syscall(SYS_capget, &header, words));
  words[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
  g_assert_no_errno(syscall(SYS_capset, &header, words));
}

/* The daemon has the capability; who asks is to have it. */
static void without_capability(const struct place *place) {
  if (!start(place))
    return;
  lose(CAP_LINUX_IMMUTABLE);
  g_assert_cmpint(set_flags(at(place, "a"), FS_IMMUTABLE_FL), ==, EPERM);
  g_assert_cmpint(set_flags(at(place, "a"), FS_APPEND_FL), ==, EPERM);
  g_assert_cmpint(set_flags(at(place, "a"), FS_NOATIME_FL), ==, 0);
  g_assert_no_errno(chown(at(place, "a"), OTHER_USER, OTHER_USER));
  lose(CAP_FOWNER);
  g_assert_cmpint(set_flags(at(place, "a"), 0), ==, EPERM);
  g_assert_cmpint(flags_of(native_at(place, "a")), ==, FS_NOATIME_FL);
  remove_file(at(place, "a"));
}

/* Somebody who has it open for writing does not make it writable for those that come after. */
static void immutable(const struct place *place) {
  if (!start(place))
    return;
  int fd = open_file(at(place, "a"), O_RDWR, 0);
  g_assert_cmpint(set_flags(at(place, "a"), FS_IMMUTABLE_FL), ==, 0);
  assert_errno(open(at(place, "a"), O_RDWR), EPERM);
  assert_errno(open(at(place, "a"), O_WRONLY | O_APPEND), EPERM);
  assert_errno(open(at(place, "a"), O_WRONLY | O_TRUNC), EPERM);
  assert_errno(truncate(at(place, "a"), 1), EPERM);
  assert_errno(fallocate(fd, 0, 0, 100), EPERM);
  assert_errno(chmod(at(place, "a"), 0600), EPERM);
  assert_errno(link(at(place, "a"), at(place, "b")), EPERM);
  assert_errno(rename(at(place, "a"), at(place, "b")), EPERM);
  assert_errno(unlink(at(place, "a")), EPERM);
  put_all(fd, "C", 1, 0); /* what is open stays so */
  expect_content(native_at(place, "a"), "Content");
  close_file(fd);
  assert_errno(open(at(place, "a"), O_RDWR), EPERM);
  g_assert_cmpint(set_flags(at(place, "a"), 0), ==, 0);
  close_file(open_file(at(place, "a"), O_RDWR, 0));
  remove_file(at(place, "a"));
}

static void append_only(const struct place *place) {
  if (!start(place))
    return;
  g_assert_cmpint(set_flags(at(place, "a"), FS_APPEND_FL), ==, 0);
  assert_errno(open(at(place, "a"), O_RDWR), EPERM);
  assert_errno(open(at(place, "a"), O_WRONLY | O_APPEND | O_TRUNC), EPERM);
  int fd = open_file(at(place, "a"), O_WRONLY | O_APPEND, 0);
  g_assert_cmpint(write(fd, " and", 4), ==, 4);
  g_assert_cmpint(pwrite(fd, " more", 5, 0), ==, 5);
  assert_errno(truncate(at(place, "a"), 1), EPERM);
  assert_errno(ftruncate(fd, 1), EPERM);
  assert_errno(open(at(place, "a"), O_RDWR), EPERM);
  expect_content(native_at(place, "a"), "content and more");
  g_assert_no_errno(fallocate(fd, 0, 0, 20));
  g_assert_cmpint(status_of(fd).st_size, ==, 20);
  g_assert_cmpint(set_flags(at(place, "a"), 0), ==, 0);
  int other = open_file(at(place, "a"), O_RDWR, 0); /* while the first one is open */
  put_all(other, "C", 1, 0);
  g_assert_no_errno(ftruncate(other, 16));
  expect_content(native_at(place, "a"), "Content and more");
  close_file(other);
  close_file(fd);
  remove_file(at(place, "a"));
}

/* Of a folder, for what is made in it. */
static void inherited(const struct place *place) {
  if (!start(place))
    return;
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  g_assert_cmpint(set_flags(at(place, "d"), FS_NODUMP_FL | FS_APPEND_FL), ==, 0);
  put_file(at(place, "d/b"), "x");
  g_assert_cmpint(flags_of(at(place, "d/b")), ==, FS_NODUMP_FL);
  assert_errno(unlink(at(place, "d/b")), EPERM);
  g_assert_cmpint(set_flags(at(place, "d"), FS_IMMUTABLE_FL), ==, 0);
  assert_errno(open(at(place, "d/c"), O_CREAT | O_RDWR, 0644), EPERM);
  assert_errno(rmdir(at(place, "d")), EPERM);
  g_assert_cmpint(set_flags(at(place, "d"), 0), ==, 0);
  remove_file(at(place, "d/b"));
  remove_folder(at(place, "d"));
  remove_file(at(place, "a"));
}

static void without_name(const struct place *place) {
  if (!start(place))
    return;
  int flags = FS_NOATIME_FL, fd = open_file(at(place, "a"), O_RDWR, 0);
  remove_file(at(place, "a"));
  g_assert_no_errno(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  flags = 0;
  g_assert_no_errno(ioctl(fd, FS_IOC_GETFLAGS, &flags));
  g_assert_cmpint(flags, ==, FS_NOATIME_FL);
  close_file(fd);
}

static const struct check checks[] = {
    {"one set of flags on both sides", one_set_of_flags, 0},
    {"the same as extended attributes of a file", as_extended, 0},
    {"unknown flags and commands fail as natively", same_errors, 0},
    {"the owner alone, and not everything", who_may, 0},
    {"it is the caller's capability that counts", without_capability, 0},
    {"what is immutable", immutable, 0},
    {"what may be appended to", append_only, 0},
    {"a folder hands them on", inherited, 0},
    {"flags of a file without a name", without_name, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
