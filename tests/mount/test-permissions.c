/* Who may do what: a second user meets root's files, and owns what it makes. */
#include <dirent.h>
#include <grp.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "harness.h"

#define SHARED_GROUP 4321

static void as_other(const struct place *place, void (*run)(const struct place *place)) {
  as_user(OTHER_USER, OTHER_USER, run, place);
}

static void expect_locked_out(const struct place *place) {
  const char *path = at(place, "a");
  assert_errno(open(path, O_RDONLY), EACCES);
  assert_errno(open(path, O_WRONLY), EACCES);
  assert_errno(open(path, O_RDWR | O_CREAT, 0600), EACCES);
  assert_errno(open(path, O_RDWR | O_TRUNC), EACCES);
  assert_errno(truncate(path, 0), EACCES);
  assert_errno(access(path, R_OK), EACCES);
  g_assert_no_errno(access(path, F_OK));
  g_assert_cmpint(status_at(path).st_size, ==, 6);
}

static void private_file(const struct place *place) {
  put_file(at(place, "a"), "secret");
  g_assert_no_errno(chmod(at(place, "a"), 0600));
  as_other(place, expect_locked_out);
  expect_content(at(place, "a"), "secret");
  remove_file(at(place, "a"));
}

static void expect_readable_only(const struct place *place) {
  expect_content(at(place, "a"), "public");
  assert_errno(open(at(place, "a"), O_RDWR), EACCES);
  assert_errno(access(at(place, "a"), W_OK), EACCES);
  assert_errno(access(at(place, "a"), X_OK), EACCES);
}

static void readable_file(const struct place *place) {
  put_file(at(place, "a"), "public");
  as_other(place, expect_readable_only);
  remove_file(at(place, "a"));
}

/* The native side changes the mode; what the kernel has cached must not decide. */
static void mode_counts_at_once(const struct place *place) {
  put_file(at(place, "a"), "public");
  for (int i = 0; i < 20; i++) {
    g_assert_no_errno(chmod(native_at(place, "a"), 0644));
    as_other(place, expect_readable_only);
    g_assert_no_errno(chmod(native_at(place, "a"), 0600));
    as_other(place, expect_locked_out);
  }
  remove_file(at(place, "a"));
}

static void make_things(const struct place *place) {
  umask(027);
  put_file(at(place, "a"), "mine");
  g_assert_no_errno(mkdir(at(place, "d"), 0777));
  g_assert_no_errno(symlink("x", at(place, "s")));
  g_assert_no_errno(mkfifo(at(place, "f"), 0666));
  int fd = open_file(place->directory, O_TMPFILE | O_RDWR, 0666);
  g_assert_cmpuint(status_of(fd).st_uid, ==, OTHER_USER);
  g_assert_cmpuint(status_of(fd).st_mode & 07777, ==, 0640);
  close_file(fd);
  assert_errno(mknod(at(place, "c"), S_IFCHR | 0600, 0x103), EPERM);
}

static void owns_what_it_makes(const struct place *place) {
  static const char *const names[] = {"a", "d", "s", "f"};
  static const mode_t modes[] = {0640, 0750, 0777, 0640};
  as_other(place, make_things);
  for (int i = 0; i < 4; i++) {
    struct stat status = status_at(native_at(place, names[i]));
    g_assert_cmpuint(status.st_uid, ==, OTHER_USER);
    g_assert_cmpuint(status.st_gid, ==, OTHER_USER);
    g_assert_cmpuint(status.st_mode & 0777, ==, modes[i]);
    g_assert_no_errno(remove(at(place, names[i])));
  }
}

static void meddle(const struct place *place) {
  const char *path = at(place, "a");
  struct timespec times[] = {{.tv_sec = 1}, {.tv_sec = 2}};
  assert_errno(unlink(path), EPERM);
  assert_errno(rename(path, at(place, "b")), EPERM);
  assert_errno(chmod(path, 0777), EPERM);
  assert_errno(chown(path, OTHER_USER, (gid_t)-1), EPERM);
  assert_errno(utimensat(AT_FDCWD, path, times, 0), EPERM);
  assert_errno(utimensat(AT_FDCWD, path, NULL, 0), EACCES);
  put_file(at(place, "mine"), "x");
  assert_errno(rename(at(place, "mine"), path), EPERM);
  assert_errno(setxattr(path, "user.x", "y", 1, 0), EACCES);
  assert_errno(setxattr(at(place, "mine"), "trusted.x", "y", 1, 0), EPERM);
  assert_errno(chown(at(place, "mine"), 0, (gid_t)-1), EPERM);
  assert_errno(chown(at(place, "mine"), (uid_t)-1, 0), EPERM);
  remove_file(at(place, "mine"));
}

static void sticky(const struct place *place) {
  put_file(at(place, "a"), "root's");
  as_other(place, meddle);
  expect_content(at(place, "a"), "root's");
  remove_file(at(place, "a"));
}

static void use_plain_folder(const struct place *place) {
  remove_file(at(place, "d/a"));
  put_file(at(place, "d/b"), "mine");
}

static void without_sticky(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0700));
  g_assert_no_errno(chmod(at(place, "d"), 0777));
  put_file(at(place, "d/a"), "root's");
  as_other(place, use_plain_folder);
  g_assert_false(exists(at(place, "d/a")));
  remove_file(at(place, "d/b"));
  remove_folder(at(place, "d"));
}

static void expect_folder_shut(const struct place *place) {
  struct stat status;
  assert_errno(open(at(place, "d"), O_RDONLY | O_DIRECTORY), EACCES);
  assert_errno(stat(at(place, "d/a"), &status), EACCES);
  assert_errno(open(at(place, "d/a"), O_RDONLY), EACCES);
  assert_errno(mkdir(at(place, "d/new"), 0755), EACCES);
  assert_errno(chdir(at(place, "d")), EACCES);
}

static void expect_folder_searchable(const struct place *place) {
  assert_errno(open(at(place, "d"), O_RDONLY | O_DIRECTORY), EACCES);
  expect_content(at(place, "d/a"), "x");
  assert_errno(unlink(at(place, "d/a")), EACCES);
}

static void expect_folder_listable(const struct place *place) {
  struct stat status;
  DIR *directory = opendir(at(place, "d"));
  int count = 0;
  g_assert_nonnull(directory);
  while (next_entry(directory))
    count++;
  closedir(directory);
  g_assert_cmpint(count, ==, 3);
  assert_errno(stat(at(place, "d/a"), &status), EACCES);
}

static void folder_permissions(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0700));
  put_file(at(place, "d/a"), "x");
  as_other(place, expect_folder_shut);
  g_assert_no_errno(chmod(at(place, "d"), 0711));
  as_other(place, expect_folder_searchable);
  g_assert_no_errno(chmod(native_at(place, "d"), 0744));
  as_other(place, expect_folder_listable);
  g_assert_no_errno(chmod(native_at(place, "d"), 0700));
  as_other(place, expect_folder_shut);
  remove_file(at(place, "d/a"));
  remove_folder(at(place, "d"));
}

static void change_own(const struct place *place) {
  struct timespec times[] = {{.tv_sec = 1}, {.tv_sec = 2}};
  const char *path = at(place, "own");
  g_assert_no_errno(chmod(path, 02710));
  g_assert_no_errno(utimensat(AT_FDCWD, path, times, 0));
  g_assert_no_errno(truncate(path, 1));
  g_assert_no_errno(setxattr(path, "user.x", "y", 1, 0));
  g_assert_no_errno(rename(path, at(place, "renamed")));
}

static void owner_may(const struct place *place) {
  put_file(native_at(place, "own"), "xyz");
  g_assert_no_errno(chown(native_at(place, "own"), OTHER_USER, OTHER_USER));
  as_other(place, change_own);
  expect_content(at(place, "renamed"), "x");
  remove_file(at(place, "renamed"));
}

/* Runs with a supplementary group beside the user's own. */
static void with_group(const struct place *place, void (*run)(const struct place *place)) {
  pid_t pid = fork();
  gid_t groups[] = {OTHER_USER, SHARED_GROUP};
  int status;
  if (pid == 0) {
    g_assert_no_errno(setgroups(2, groups));
    g_assert_no_errno(setresgid(OTHER_USER, OTHER_USER, OTHER_USER));
    g_assert_no_errno(setresuid(OTHER_USER, OTHER_USER, OTHER_USER));
    run(place);
    _exit(0);
  }
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmphex(status, ==, 0);
}

static void use_group_file(const struct place *place) {
  int fd = open_file(at(place, "a"), O_RDWR, 0);
  expect_content_at(fd, "for the group");
  close_file(fd);
  put_file(at(place, "own"), "x");
  g_assert_no_errno(chown(at(place, "own"), (uid_t)-1, SHARED_GROUP));
  g_assert_no_errno(chmod(at(place, "own"), 02755));
  g_assert_cmpuint(status_at(at(place, "own")).st_mode & 07777, ==, 02755);
}

static void supplementary_groups(const struct place *place) {
  put_file(at(place, "a"), "for the group");
  g_assert_no_errno(chown(at(place, "a"), 0, SHARED_GROUP));
  g_assert_no_errno(chmod(at(place, "a"), 0660));
  with_group(place, use_group_file);
  g_assert_cmpuint(status_at(native_at(place, "own")).st_gid, ==, SHARED_GROUP);
  g_assert_cmpuint(status_at(native_at(place, "own")).st_mode & 07777, ==, 02755);
  remove_file(at(place, "a"));
  remove_file(at(place, "own"));
}

static void make_in_group_folder(const struct place *place) {
  put_file(at(place, "d/a"), "x");
  g_assert_no_errno(mkdir(at(place, "d/e"), 0755));
  int fd = open_file(at(place, "d"), O_TMPFILE | O_RDWR, 0600);
  g_assert_cmpuint(status_of(fd).st_gid, ==, SHARED_GROUP);
  close_file(fd);
}

static void set_group_folder(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  g_assert_no_errno(chown(at(place, "d"), 0, SHARED_GROUP));
  g_assert_no_errno(chmod(at(place, "d"), 02777));
  as_other(place, make_in_group_folder);
  g_assert_cmpuint(status_at(native_at(place, "d/a")).st_gid, ==, SHARED_GROUP);
  g_assert_cmpuint(status_at(native_at(place, "d/a")).st_uid, ==, OTHER_USER);
  struct stat below = status_at(at(place, "d/e"));
  g_assert_cmpuint(below.st_gid, ==, SHARED_GROUP);
  g_assert_cmpuint(below.st_mode & 07777, ==, 02755);
  remove_folder(at(place, "d/e"));
  remove_file(at(place, "d/a"));
  remove_folder(at(place, "d"));
}

static void write_byte(const struct place *place) {
  int fd = open_file(at(place, "a"), O_WRONLY, 0);
  put_all(fd, "X", 1, 0);
  close_file(fd);
}

static void truncate_it(const struct place *place) {
  g_assert_no_errno(truncate(at(place, "a"), 2));
}

static void open_to_truncate(const struct place *place) {
  close_file(open_file(at(place, "a"), O_WRONLY | O_TRUNC, 0));
}

static void allocate_it(const struct place *place) {
  int fd = open_file(at(place, "a"), O_WRONLY, 0);
  g_assert_no_errno(fallocate(fd, 0, 0, 8192));
  close_file(fd);
}

static void chown_to_nobody(const struct place *place) {
  int r = chown(at(place, "a"), (uid_t)-1, (gid_t)-1);
  g_assert_true(r == 0 || errno == EPERM);
}

/* Whatever it is answered: only a write may do that to a file of somebody else. */
static void others_cannot_clear_set_id(const struct place *place) {
  put_file(at(place, "a"), "content");
  g_assert_no_errno(chmod(at(place, "a"), 06755));
  as_other(place, chown_to_nobody);
  g_assert_cmpuint(status_at(native_at(place, "a")).st_mode & 07777, ==, 06755);
  remove_file(at(place, "a"));
}

/* A user's change to a program with set-id bits takes them away. */
static void change_clears_set_id(const struct place *place) {
  void (*const changes[])(const struct place *) = {write_byte, truncate_it, open_to_truncate,
                                                   allocate_it};
  for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
    put_file(at(place, "a"), "content");
    g_assert_no_errno(chmod(at(place, "a"), 06777));
    as_other(place, changes[i]);
    g_assert_cmpuint(status_at(native_at(place, "a")).st_mode & 07777, ==, 0777);
    g_assert_cmpuint(status_at(at(place, "a")).st_mode & 07777, ==, 0777);
    remove_file(at(place, "a"));
  }
}

/* As chattr(1). False where the tmpfs has no such flags (before Linux 6.6). */
static bool set_flags(const char *path, int flags) {
  int fd = open_file(path, O_RDONLY, 0);
  bool set = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
  close_file(fd);
  return set;
}

static void protected_natively(const struct place *place) {
  put_file(native_at(place, "a"), "content");
  put_file(native_at(place, "b"), "content");
  if (set_flags(native_at(place, "a"), FS_IMMUTABLE_FL) &&
      set_flags(native_at(place, "b"), FS_APPEND_FL)) {
    assert_errno(open(at(place, "a"), O_RDWR), EPERM);
    assert_errno(open(at(place, "a"), O_WRONLY | O_APPEND), EPERM);
    assert_errno(truncate(at(place, "a"), 0), EPERM);
    assert_errno(unlink(at(place, "a")), EPERM);
    assert_errno(open(at(place, "b"), O_WRONLY), EPERM);
    assert_errno(unlink(at(place, "b")), EPERM);
    expect_content(at(place, "a"), "content");
    g_assert_true(set_flags(native_at(place, "a"), 0));
    g_assert_true(set_flags(native_at(place, "b"), 0));
  }
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

static void link_root_file(const struct place *place) {
  assert_errno(link(at(place, "a"), at(place, "b")), EPERM);
}

static void links_to_others_files(const struct place *place) {
  int protected = open_file("/proc/sys/fs/protected_hardlinks", O_RDONLY, 0);
  char value = '0';
  g_assert_cmpint(read(protected, &value, 1), ==, 1);
  close_file(protected);
  put_file(at(place, "a"), "x");
  if (value == '1')
    as_other(place, link_root_file);
  remove_file(at(place, "a"));
}

static void root_may_everything(const struct place *place) {
  put_file(at(place, "a"), "x");
  g_assert_no_errno(chown(at(place, "a"), OTHER_USER, OTHER_USER));
  g_assert_no_errno(chmod(at(place, "a"), 0));
  int fd = open_file(at(place, "a"), O_RDWR, 0);
  put_all(fd, "y", 1, 0);
  close_file(fd);
  assert_errno(access(at(place, "a"), X_OK), EACCES);
  g_assert_no_errno(mkdir(at(place, "d"), 0));
  put_file(at(place, "d/b"), "x");
  remove_file(at(place, "d/b"));
  remove_folder(at(place, "d"));
  remove_file(at(place, "a"));
}

static int inherited;

static void write_to_inherited(const struct place *place) {
  assert_errno(open(at(place, "a"), O_WRONLY), EACCES);
  put_all(inherited, "Y", 1, 0);
}

/* A descriptor keeps its rights whoever uses it and whatever the mode becomes. */
static void descriptor_keeps_rights(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(fchmod(fd, 0));
  inherited = fd;
  as_other(place, write_to_inherited);
  expect_content_at(fd, "Y");
  close_file(fd);
  remove_file(at(place, "a"));
}

static void change_what_is_lost(const struct place *place) {
  const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
  int flags = FS_NODUMP_FL;
  assert_errno(fchmod(inherited, 0666), EPERM);
  assert_errno(fchown(inherited, -1, OTHER_USER), EPERM);
  assert_errno(futimens(inherited, times), EPERM);
  assert_errno(fremovexattr(inherited, "system.posix_acl_access"), EPERM);
  if (set_flags(native_at(place, "b"), 0))
    assert_errno(ioctl(inherited, FS_IOC_SETFLAGS, &flags), EPERM);
}

/* What the kernel remembers of the owner must not decide for a descriptor that was his. */
static void owner_lost_it(const struct place *place) {
  inherited = new_file(at(place, "a"), "x");
  put_file(at(place, "b"), "x");
  g_assert_no_errno(chown(at(place, "b"), OTHER_USER, OTHER_USER));
  g_assert_no_errno(fchown(inherited, OTHER_USER, OTHER_USER));
  g_assert_no_errno(chown(native_at(place, "a"), 0, 0));
  as_other(place, change_what_is_lost);
  g_assert_cmpuint(status_of(inherited).st_mode & 07777, ==, 0644);
  close_file(inherited);
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

static void set_group_id(const struct place *place) {
  (void)place;
  g_assert_no_errno(fchmod(inherited, 02755));
}

static void change_group_and_mode(const struct place *place) {
  (void)place;
  assert_errno(fchown(inherited, -1, SHARED_GROUP), EPERM);
  g_assert_no_errno(fchmod(inherited, 02755));
}

/* Nor what it remembers of the group. */
static void group_changed(const struct place *place) {
  inherited = new_file(at(place, "a"), "x");
  g_assert_no_errno(fchown(inherited, OTHER_USER, SHARED_GROUP));
  g_assert_no_errno(chown(native_at(place, "a"), OTHER_USER, 0));
  as_other(place, change_group_and_mode);
  g_assert_cmpuint(status_of(inherited).st_mode & 07777, ==, 0755);
  g_assert_cmpuint(status_of(inherited).st_gid, ==, 0);
  g_assert_no_errno(chown(native_at(place, "a"), 0, OTHER_USER));
  g_assert_no_errno(fchown(inherited, OTHER_USER, OTHER_USER));
  g_assert_no_errno(chown(native_at(place, "a"), OTHER_USER, 0));
  as_other(place, set_group_id);
  g_assert_cmpuint(status_of(inherited).st_mode & 07777, ==, 0755);
  close_file(inherited);
  remove_file(at(place, "a"));
}

#define PATIENCE_US (20 * G_USEC_PER_SEC) /* for the watch */

static void use_what_was_given(const struct place *place) {
  gint64 end = microseconds() + PATIENCE_US;
  while (chmod(at(place, "a"), 0600) < 0 && microseconds() < end)
    g_usleep(1000);
  g_assert_no_errno(chmod(at(place, "a"), 0600));
  g_assert_no_errno(rename(at(place, "a"), at(place, "b")));
  g_assert_no_errno(unlink(at(place, "b")));
}

static void leave_what_was_taken(const struct place *place) {
  assert_errno(rename(at(place, "c"), at(place, "d")), EPERM);
  assert_errno(unlink(at(place, "c")), EPERM);
  assert_errno(chmod(at(place, "c"), 0666), EPERM);
}

/* In a directory with the sticky bit, names that are in the kernel's cache. What the watch tells
 * after a second file has been given is later than what it told of "c". */
static void owner_changes_natively(const struct place *place) {
  put_file(at(place, "c"), "x");
  g_assert_no_errno(chown(at(place, "c"), OTHER_USER, OTHER_USER));
  g_assert_no_errno(chown(native_at(place, "c"), 0, 0));
  for (int i = 0; i < 2; i++) {
    put_file(at(place, "a"), "x");
    g_assert_no_errno(chown(native_at(place, "a"), OTHER_USER, OTHER_USER));
    as_other(place, use_what_was_given);
  }
  as_other(place, leave_what_was_taken);
  remove_file(at(place, "c"));
}

static const struct check checks[] = {
    {"a private file is closed to others", private_file, 0},
    {"a readable file is not writable", readable_file, 0},
    {"a native change of mode counts at once", mode_counts_at_once, 0},
    {"a user owns what it makes", owns_what_it_makes, 0},
    {"sticky directories protect", sticky, 0},
    {"a folder for all without sticky bit", without_sticky, 0},
    {"permissions of folders", folder_permissions, 0},
    {"an owner may change its own", owner_may, 0},
    {"supplementary groups", supplementary_groups, 0},
    {"set-group folders hand their group on", set_group_folder, 0},
    {"a user's change clears set-id bits", change_clears_set_id, 0},
    {"what chattr protects natively", protected_natively, 0},
    {"nobody else clears set-id bits by chown", others_cannot_clear_set_id, 0},
    {"hard links to other users' files", links_to_others_files, 0},
    {"root may do everything", root_may_everything, 0},
    {"a descriptor keeps its rights", descriptor_keeps_rights, 0},
    {"who was the owner changes nothing any more", owner_lost_it, 0},
    {"who was in the group sets no set-group-ID bit", group_changed, 0},
    {"a native change of owner is known", owner_changes_natively, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
