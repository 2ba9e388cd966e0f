/* Names: rename, hard and symbolic links, and what may be a name. */
#include <limits.h>
#include <string.h>

#include "harness.h"

/* A name of so many bytes, which ends with `last`. */
static const char *long_name(size_t length, char last) {
  static char name[PATH_MAX + 1];
  memset(name, 'n', length);
  name[length - 1] = last;
  name[length] = 0;
  return name;
}

static int exchange(const char *one, const char *two, unsigned flags) {
  return renameat2(AT_FDCWD, one, AT_FDCWD, two, flags);
}

static void rename_replaces(const struct place *place) {
  put_file(at(place, "a"), "a");
  put_file(at(place, "b"), "b");
  ino_t inode = status_at(at(place, "a")).st_ino;
  g_assert_no_errno(rename(at(place, "a"), at(place, "b")));
  g_assert_false(exists(at(place, "a")));
  expect_content(at(place, "b"), "a");
  expect_content(native_at(place, "b"), "a");
  g_assert_cmpint(status_at(at(place, "b")).st_ino, ==, inode);
  assert_errno(rename(at(place, "a"), at(place, "b")), ENOENT);
  g_assert_no_errno(rename(at(place, "b"), at(place, "b")));
  remove_file(at(place, "b"));
}

static void rename_noreplace(const struct place *place) {
  put_file(at(place, "a"), "a");
  put_file(at(place, "b"), "b");
  assert_errno(exchange(at(place, "a"), at(place, "b"), RENAME_NOREPLACE), EEXIST);
  expect_content(at(place, "b"), "b");
  g_assert_no_errno(exchange(at(place, "a"), at(place, "c"), RENAME_NOREPLACE));
  expect_content(at(place, "c"), "a");
  remove_file(at(place, "b"));
  remove_file(at(place, "c"));
}

static void rename_exchange(const struct place *place) {
  put_file(at(place, "a"), "a");
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  put_file(at(place, "d/b"), "b");
  g_assert_no_errno(exchange(at(place, "a"), at(place, "d/b"), RENAME_EXCHANGE));
  expect_content(at(place, "a"), "b");
  expect_content(at(place, "d/b"), "a");
  remove_file(at(place, "d/b"));
  g_assert_no_errno(exchange(at(place, "a"), at(place, "d"), RENAME_EXCHANGE));
  g_assert_true(S_ISDIR(status_at(at(place, "a")).st_mode));
  expect_content(native_at(place, "d"), "b");
  assert_errno(exchange(at(place, "a"), at(place, "none"), RENAME_EXCHANGE), ENOENT);
  assert_errno(exchange(at(place, "a"), at(place, "d"), RENAME_EXCHANGE | RENAME_NOREPLACE),
               EINVAL);
  remove_file(at(place, "d"));
  remove_folder(at(place, "a"));
}

static void rename_whiteout(const struct place *place) {
  put_file(at(place, "a"), "a");
  g_assert_no_errno(exchange(at(place, "a"), at(place, "b"), RENAME_WHITEOUT));
  struct stat status = status_at(at(place, "a"));
  g_assert_true(S_ISCHR(status.st_mode));
  g_assert_cmpuint(status.st_rdev, ==, 0);
  expect_content(at(place, "b"), "a");
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

static void rename_of_one_inode(const struct place *place) {
  put_file(at(place, "a"), "a");
  g_assert_no_errno(link(at(place, "a"), at(place, "b")));
  g_assert_no_errno(rename(at(place, "a"), at(place, "b")));
  g_assert_true(exists(at(place, "a")));
  g_assert_true(exists(at(place, "b")));
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

static void rename_kinds(const struct place *place) {
  put_file(at(place, "f"), "f");
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  g_assert_no_errno(mkdir(at(place, "e"), 0755));
  put_file(at(place, "e/f"), "f");
  assert_errno(rename(at(place, "f"), at(place, "d")), EISDIR);
  assert_errno(rename(at(place, "d"), at(place, "f")), ENOTDIR);
  assert_errno(rename(at(place, "d"), at(place, "e")), ENOTEMPTY);
  assert_errno(rename(at(place, "e"), at(place, "e/below")), EINVAL);
  g_assert_no_errno(rename(at(place, "e"), at(place, "d")));
  expect_content(at(place, "d/f"), "f");
  remove_file(at(place, "d/f"));
  remove_folder(at(place, "d"));
  remove_file(at(place, "f"));
}

static void rename_out_of_the_mount(const struct place *place) {
  put_file(at(place, "a"), "a");
  assert_errno(rename(at(place, "a"), native_at(place, "b")), EXDEV);
  assert_errno(link(at(place, "a"), native_at(place, "b")), EXDEV);
  remove_file(at(place, "a"));
}

static void hard_links(const struct place *place) {
  put_file(at(place, "a"), "one");
  g_assert_no_errno(link(at(place, "a"), at(place, "b")));
  g_assert_cmpint(status_at(at(place, "a")).st_nlink, ==, 2);
  g_assert_cmpint(status_at(at(place, "b")).st_nlink, ==, 2);
  g_assert_cmpint(status_at(at(place, "a")).st_ino, ==, status_at(at(place, "b")).st_ino);
  int one = open_file(at(place, "a"), O_RDWR, 0);
  int two = open_file(at(place, "b"), O_RDWR, 0);
  put_all(one, "ONE", 3, 0);
  expect_content_at(two, "ONE");
  remove_file(at(place, "a"));
  g_assert_cmpint(status_of(one).st_nlink, ==, 1);
  g_assert_cmpint(status_at(native_at(place, "b")).st_nlink, ==, 1);
  assert_errno(link(at(place, "a"), at(place, "c")), ENOENT);
  assert_errno(link(at(place, "b"), at(place, "b")), EEXIST);
  close_file(one);
  close_file(two);
  remove_file(at(place, "b"));
}

static void hundred_links(const struct place *place) {
  put_file(at(place, "a"), "x");
  for (int i = 0; i < 100; i++) {
    g_autofree char *name = g_strdup_printf("link%d", i);
    g_assert_no_errno(link(at(place, "a"), at(place, name)));
  }
  g_assert_cmpint(status_at(at(place, "link50")).st_nlink, ==, 101);
  remove_file(at(place, "a"));
  for (int i = 0; i < 100; i++) {
    g_autofree char *name = g_strdup_printf("link%d", i);
    expect_content(at(place, name), "x");
    remove_file(at(place, name));
  }
}

static void links_of_folders(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  assert_errno(link(at(place, "d"), at(place, "e")), EPERM);
  put_file(at(place, "a"), "x");
  g_assert_no_errno(link(at(place, "a"), at(place, "d/a")));
  g_assert_cmpint(status_at(at(place, "d/a")).st_nlink, ==, 2);
  remove_file(at(place, "d/a"));
  remove_file(at(place, "a"));
  remove_folder(at(place, "d"));
}

static void symbolic_links(const struct place *place) {
  char target[PATH_MAX];
  put_file(at(place, "a"), "target");
  g_assert_no_errno(symlink("a", at(place, "s")));
  g_assert_cmpint(readlink(at(place, "s"), target, sizeof target), ==, 1);
  g_assert_cmpint(target[0], ==, 'a');
  expect_content(at(place, "s"), "target");
  struct stat status = status_at(at(place, "s"));
  g_assert_true(S_ISLNK(status.st_mode));
  g_assert_cmpint(status.st_size, ==, 1);
  g_assert_cmpint(readlink(native_at(place, "s"), target, sizeof target), ==, 1);
  g_assert_cmpint(readlink(at(place, "s"), target, 1), ==, 1);
  assert_errno(readlink(at(place, "a"), target, sizeof target), EINVAL);
  assert_errno(symlink("b", at(place, "s")), EEXIST);
  assert_errno(symlink("", at(place, "t")), ENOENT);
  g_assert_no_errno(link(at(place, "s"), at(place, "t")));
  g_assert_true(S_ISLNK(status_at(at(place, "t")).st_mode));
  remove_file(at(place, "t"));
  remove_file(at(place, "s"));
  remove_file(at(place, "a"));
}

static void dangling_links(const struct place *place) {
  g_assert_no_errno(symlink("b", at(place, "s")));
  assert_errno(open(at(place, "s"), O_RDONLY), ENOENT);
  assert_errno(access(at(place, "s"), F_OK), ENOENT);
  int fd = open_file(at(place, "s"), O_RDWR | O_CREAT, 0600);
  put_all(fd, "made", 4, 0);
  close_file(fd);
  expect_content(native_at(place, "b"), "made");
  remove_file(at(place, "b"));
  remove_file(at(place, "s"));
}

static void looping_links(const struct place *place) {
  g_assert_no_errno(symlink("t", at(place, "s")));
  g_assert_no_errno(symlink("s", at(place, "t")));
  assert_errno(open(at(place, "s"), O_RDONLY), ELOOP);
  assert_errno(mkdir(at(place, "s/d"), 0755), ELOOP);
  remove_file(at(place, "s"));
  remove_file(at(place, "t"));
}

static void long_targets(const struct place *place) {
  char got[PATH_MAX + 1];
  const char *longest = long_name(PATH_MAX - 1, 'x');
  g_assert_no_errno(symlink(longest, at(place, "s")));
  g_assert_cmpint(readlink(at(place, "s"), got, sizeof got), ==, PATH_MAX - 1);
  g_assert_cmpmem(got, PATH_MAX - 1, longest, PATH_MAX - 1);
  assert_errno(symlink(long_name(PATH_MAX, 'x'), at(place, "t")), ENAMETOOLONG);
  remove_file(at(place, "s"));
}

static void longest_name(const struct place *place) {
  const char *file = at(place, long_name(NAME_MAX, 'f'));
  const char *folder = at(place, long_name(NAME_MAX, 'd'));
  put_file(file, "x");
  expect_content(native_at(place, long_name(NAME_MAX, 'f')), "x");
  g_assert_no_errno(mkdir(folder, 0755));
  g_assert_cmpint(pathconf(place->directory, _PC_NAME_MAX), ==, NAME_MAX);
  remove_folder(folder);
  remove_file(file);
}

static void too_long_names(const struct place *place) {
  const char *path = at(place, long_name(NAME_MAX + 1, 'x'));
  struct stat status;
  put_file(at(place, "a"), "x");
  assert_errno(open(path, O_RDONLY), ENAMETOOLONG);
  assert_errno(open(path, O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
  assert_errno(mkdir(path, 0755), ENAMETOOLONG);
  assert_errno(mknod(path, S_IFIFO | 0600, 0), ENAMETOOLONG);
  assert_errno(symlink("x", path), ENAMETOOLONG);
  assert_errno(link(at(place, "a"), path), ENAMETOOLONG);
  assert_errno(rename(at(place, "a"), path), ENAMETOOLONG);
  assert_errno(rename(path, at(place, "a")), ENAMETOOLONG);
  assert_errno(unlink(path), ENAMETOOLONG);
  assert_errno(rmdir(path), ENAMETOOLONG);
  assert_errno(stat(path, &status), ENAMETOOLONG);
  assert_errno(truncate(path, 0), ENAMETOOLONG);
  remove_file(at(place, "a"));
}

static void strange_names(const struct place *place) {
  static const char *const names[] = {" ",    "\n",      "a b",  "\xff\xfe", "...", "-rf",
                                      "%s%n", ".hidden", "'\"",  "*",        "\\",  "\x01",
                                      "#x#",  "käse",    "a\tb", ";ls",      "~",   "(deleted)"};
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    put_file(at(place, names[i]), names[i]);
    expect_content(native_at(place, names[i]), names[i]);
  }
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    expect_content(at(place, names[i]), names[i]);
    remove_file(at(place, names[i]));
  }
}

static void remove_the_wrong_kind(const struct place *place) {
  put_file(at(place, "a"), "x");
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  assert_errno(unlink(at(place, "d")), EISDIR);
  assert_errno(rmdir(at(place, "a")), ENOTDIR);
  assert_errno(unlink(at(place, "none")), ENOENT);
  assert_errno(rmdir(at(place, "none")), ENOENT);
  assert_errno(unlink(at(place, "a/b")), ENOTDIR);
  assert_errno(mkdir(at(place, "a"), 0755), EEXIST);
  assert_errno(mkdir(at(place, "d"), 0755), EEXIST);
  assert_errno(mkdir(at(place, "none/d"), 0755), ENOENT);
  remove_folder(at(place, "d"));
  remove_file(at(place, "a"));
}

/* A name that is asked for before it is there must not be remembered as absent. */
static void absent_then_made(const struct place *place) {
  for (int i = 0; i < 200; i++) {
    g_assert_false(exists(at(place, "a")));
    g_assert_no_errno(symlink("x", at(place, "a")));
    g_assert_true(exists(at(place, "a")));
    remove_file(at(place, "a"));
    g_assert_false(exists(at(place, "a")));
    g_assert_no_errno(mkdir(at(place, "a"), 0755));
    g_assert_true(exists(at(place, "a")));
    remove_folder(at(place, "a"));
  }
}

static const struct check checks[] = {
    {"rename replaces", rename_replaces, 0},
    {"RENAME_NOREPLACE", rename_noreplace, 0},
    {"RENAME_EXCHANGE", rename_exchange, 0},
    {"RENAME_WHITEOUT", rename_whiteout, 0},
    {"rename between two links of one file does nothing", rename_of_one_inode, 0},
    {"rename of the wrong kinds", rename_kinds, 0},
    {"rename and link leave the mount with EXDEV", rename_out_of_the_mount, CHECK_MOUNTED},
    {"hard links", hard_links, 0},
    {"a hundred hard links", hundred_links, 0},
    {"hard links and folders", links_of_folders, 0},
    {"symbolic links", symbolic_links, 0},
    {"dangling symbolic links", dangling_links, 0},
    {"symbolic links in a circle", looping_links, 0},
    {"the longest symbolic link", long_targets, 0},
    {"the longest name", longest_name, 0},
    {"too long names", too_long_names, 0},
    {"strange names", strange_names, 0},
    {"removing the wrong kind", remove_the_wrong_kind, 0},
    {"an absent name that is made", absent_then_made, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
