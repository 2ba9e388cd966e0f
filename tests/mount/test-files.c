/* The life of a regular file: how it is made and opened, and how long its data lives. */
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "harness.h"

static const char *reopen_path(int fd) {
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
  return g_intern_string(path);
}

static void exclusive(const struct place *place) {
  const char *path = at(place, "a");
  int fd = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  assert_errno(open(path, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  g_assert_cmpint(status_of(fd).st_nlink, ==, 1);
  g_assert_cmpint(status_of(fd).st_size, ==, 0);
  close_file(fd);
  remove_file(path);
  assert_errno(open(path, O_RDWR), ENOENT);
}

static void exclusive_race(int socket, const void *data) {
  const struct place *place = data;
  char won = 0;
  talk_hear(socket);
  int fd = open(at(place, "race"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0)
    won = 1;
  else
    g_assert_cmpint(errno, ==, EEXIST);
  talk_tell(socket, won);
}

static void exclusive_once(const struct place *place) {
  for (int round = 0; round < 50; round++) {
    struct peer peers[4];
    int winners = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(peers); i++)
      peers[i] = peer_start(exclusive_race, place);
    for (size_t i = 0; i < G_N_ELEMENTS(peers); i++)
      talk_tell(peers[i].socket, 'g');
    for (size_t i = 0; i < G_N_ELEMENTS(peers); i++) {
      winners += talk_hear(peers[i].socket);
      peer_wait(&peers[i]);
    }
    g_assert_cmpint(winners, ==, 1);
    remove_file(at(place, "race"));
  }
}

static void create_existing(const struct place *place) {
  put_file(at(place, "a"), "kept");
  int fd = open_file(at(place, "a"), O_RDWR | O_CREAT, 0600);
  expect_content_at(fd, "kept");
  g_assert_cmpint(status_of(fd).st_mode & 07777, ==, 0644);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void truncate_at_open(const struct place *place) {
  put_file(at(place, "a"), "old content");
  int holder = open_file(at(place, "a"), O_RDONLY, 0);
  int fd = open_file(at(place, "a"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  g_assert_cmpint(status_of(fd).st_size, ==, 0);
  g_assert_cmpint(status_of(holder).st_size, ==, 0);
  put_all(fd, "new", 3, 0);
  expect_content_at(holder, "new");
  close_file(fd);
  close_file(holder);
  remove_file(at(place, "a"));
}

static void append(const struct place *place) {
  put_file(at(place, "a"), "one ");
  int fd = open_file(at(place, "a"), O_WRONLY | O_APPEND, 0);
  g_assert_cmpint(write(fd, "two ", 4), ==, 4);
  int native = open_file(native_at(place, "a"), O_WRONLY | O_APPEND, 0);
  g_assert_cmpint(write(native, "three ", 6), ==, 6);
  g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
  g_assert_cmpint(write(fd, "four", 4), ==, 4);
  /* Served by the daemon, the write lands at the end, but the kernel guesses where that was. */
  if (place->maps)
    g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, 18);
  close_file(native);
  close_file(fd);
  expect_content(at(place, "a"), "one two three four");
  remove_file(at(place, "a"));
}

static void append_records(int socket, const void *data) {
  char record[64];
  int fd = open_file(at(data, "log"), O_WRONLY | O_APPEND, 0);
  memset(record, talk_hear(socket), sizeof record);
  for (int i = 0; i < 500; i++)
    g_assert_cmpint(write(fd, record, sizeof record), ==, sizeof record);
  close_file(fd);
}

static void append_together(const struct place *place) {
  struct peer peers[4];
  int seen[4] = {0};
  char record[64];
  int fd = new_file(at(place, "log"), "");
  for (int i = 0; i < 4; i++)
    peers[i] = peer_start(append_records, place);
  for (int i = 0; i < 4; i++)
    talk_tell(peers[i].socket, (char)('A' + i));
  for (int i = 0; i < 4; i++)
    peer_wait(&peers[i]);
  while (read(fd, record, sizeof record) == sizeof record) {
    for (size_t i = 1; i < sizeof record; i++)
      g_assert_cmpint(record[i], ==, record[0]);
    seen[record[0] - 'A']++;
  }
  for (int i = 0; i < 4; i++)
    g_assert_cmpint(seen[i], ==, 500);
  close_file(fd);
  remove_file(at(place, "log"));
}

static void unnamed(const struct place *place) {
  int fd = open_file(place->directory, O_TMPFILE | O_RDWR, 0640);
  struct stat status = status_of(fd);
  g_assert_cmpint(status.st_nlink, ==, 0);
  g_assert_cmpint(status.st_mode, ==, S_IFREG | 0640);
  put_all(fd, "from nowhere", 12, 0);
  g_assert_no_errno(
      linkat(AT_FDCWD, reopen_path(fd), AT_FDCWD, at(place, "named"), AT_SYMLINK_FOLLOW));
  g_assert_cmpint(status_of(fd).st_nlink, ==, 1);
  expect_content(native_at(place, "named"), "from nowhere");
  expect_content(at(place, "named"), "from nowhere");
  g_assert_cmpint(status_at(at(place, "named")).st_ino, ==, status_of(fd).st_ino);
  close_file(fd);
  remove_file(at(place, "named"));
}

static void unnamed_exclusive(const struct place *place) {
  int fd = open_file(place->directory, O_TMPFILE | O_EXCL | O_RDWR, 0600);
  put_all(fd, "x", 1, 0);
  assert_errno(linkat(AT_FDCWD, reopen_path(fd), AT_FDCWD, at(place, "a"), AT_SYMLINK_FOLLOW),
               ENOENT);
  close_file(fd);
}

static void unnamed_unused(const struct place *place) {
  struct room before = room_now();
  int fd = open_file(place->directory, O_TMPFILE | O_RDWR, 0600);
  g_assert_no_errno(fallocate(fd, 0, 0, 1 << 20));
  g_assert_cmpuint(room_now().blocks, <, before.blocks);
  close_file(fd);
  g_assert_true(room_comes_back(&before));
}

static void unlinked_lives(const struct place *place) {
  int fd = new_file(at(place, "a"), "still here");
  remove_file(at(place, "a"));
  g_assert_false(exists(at(place, "a")));
  g_assert_false(exists(native_at(place, "a")));
  struct stat status = status_of(fd);
  g_assert_cmpint(status.st_nlink, ==, 0);
  g_assert_cmpint(status.st_size, ==, 10);
  expect_content_at(fd, "still here");
  put_all(fd, " and grows", 10, 10);
  expect_content_at(fd, "still here and grows");
  g_assert_no_errno(ftruncate(fd, 5));
  expect_content_at(fd, "still");
  g_assert_no_errno(fchmod(fd, 0600));
  g_assert_cmpint(status_of(fd).st_mode & 07777, ==, 0600);
  close_file(fd);
}

static void unlinked_reopens(const struct place *place) {
  int fd = new_file(at(place, "a"), "again");
  remove_file(at(place, "a"));
  int again = open_file(reopen_path(fd), O_RDWR, 0);
  close_file(fd);
  expect_content_at(again, "again");
  put_all(again, "A", 1, 0);
  int third = open_file(reopen_path(again), O_RDONLY, 0);
  expect_content_at(third, "Again");
  g_assert_cmpint(status_of(third).st_nlink, ==, 0);
  close_file(again);
  close_file(third);
}

static void unlinked_gives_back(const struct place *place) {
  struct room before = room_now();
  int fd = new_file(at(place, "a"), "");
  g_assert_no_errno(fallocate(fd, 0, 0, 8 << 20));
  remove_file(at(place, "a"));
  g_assert_cmpuint(room_now().blocks, <, before.blocks);
  close_file(fd);
  g_assert_true(room_comes_back(&before));
}

static void removed_after_close_gives_back(const struct place *place) {
  struct room before = room_now();
  for (int i = 0; i < 20; i++) {
    int fd = new_file(at(place, "a"), "");
    g_assert_no_errno(fallocate(fd, 0, 0, 1 << 20));
    close_file(fd);
    remove_file(at(place, "a"));
  }
  g_assert_true(room_comes_back(&before));
}

static void same_name_other_file(const struct place *place) {
  int old = new_file(at(place, "a"), "old");
  remove_file(at(place, "a"));
  int new = new_file(at(place, "a"), "new");
  g_assert_cmpint(status_of(old).st_ino, !=, status_of(new).st_ino);
  put_all(old, "O", 1, 0);
  put_all(new, "N", 1, 0);
  expect_content_at(old, "Old");
  expect_content_at(new, "New");
  expect_content(at(place, "a"), "New");
  close_file(old);
  close_file(new);
  remove_file(at(place, "a"));
}

static void follows_rename(const struct place *place) {
  int fd = new_file(at(place, "a"), "moved");
  g_assert_no_errno(rename(at(place, "a"), at(place, "b")));
  put_all(fd, "M", 1, 0);
  expect_content(at(place, "b"), "Moved");
  g_assert_cmpint(status_at(at(place, "b")).st_ino, ==, status_of(fd).st_ino);
  g_assert_false(exists(at(place, "a")));
  close_file(fd);
  remove_file(at(place, "b"));
}

static void replaced_lives(const struct place *place) {
  int old = new_file(at(place, "a"), "old");
  put_file(at(place, "b"), "new");
  g_assert_no_errno(rename(at(place, "b"), at(place, "a")));
  expect_content_at(old, "old");
  g_assert_cmpint(status_of(old).st_nlink, ==, 0);
  expect_content(at(place, "a"), "new");
  close_file(old);
  remove_file(at(place, "a"));
}

static void access_modes(const struct place *place) {
  char byte;
  put_file(at(place, "a"), "x");
  int reader = open_file(at(place, "a"), O_RDONLY, 0);
  int writer = open_file(at(place, "a"), O_WRONLY, 0);
  assert_errno(write(reader, "y", 1), EBADF);
  assert_errno(read(writer, &byte, 1), EBADF);
  assert_errno(ftruncate(reader, 0), EINVAL);
  assert_errno(fallocate(reader, 0, 0, 1), EBADF);
  close_file(reader);
  close_file(writer);
  remove_file(at(place, "a"));
}

static void mode_counts_from_next_open(const struct place *place) {
  int fd = open_file(at(place, "a"), O_RDWR | O_CREAT | O_EXCL, 0);
  put_all(fd, "x", 1, 0);
  expect_content_at(fd, "x");
  g_assert_cmpint(status_of(fd).st_mode & 07777, ==, 0);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void umask_applies(const struct place *place) {
  static const mode_t masks[] = {0, 022, 027, 077, 0777};
  for (size_t i = 0; i < G_N_ELEMENTS(masks); i++) {
    umask(masks[i]);
    close_file(open_file(at(place, "a"), O_RDWR | O_CREAT | O_EXCL, 0666));
    g_assert_no_errno(mkdir(at(place, "d"), 0777));
    g_assert_cmpint(status_at(native_at(place, "a")).st_mode & 07777, ==, 0666 & ~masks[i]);
    g_assert_cmpint(status_at(native_at(place, "d")).st_mode & 0777, ==, 0777 & ~masks[i]);
    remove_file(at(place, "a"));
    remove_folder(at(place, "d"));
  }
}

static void open_flags(const struct place *place) {
  put_file(at(place, "a"), "x");
  g_assert_no_errno(symlink("a", at(place, "s")));
  assert_errno(open(at(place, "a"), O_RDONLY | O_DIRECTORY), ENOTDIR);
  assert_errno(open(at(place, "s"), O_RDONLY | O_NOFOLLOW), ELOOP);
  assert_errno(open(place->directory, O_RDWR), EISDIR);
  assert_errno(open(at(place, "a/b"), O_RDONLY), ENOTDIR);
  assert_errno(open(at(place, "none/b"), O_RDONLY | O_CREAT, 0600), ENOENT);
  assert_errno(open(at(place, "s"), O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
  close_file(open_file(at(place, "a"), O_RDONLY | O_NOATIME | O_SYNC | O_NONBLOCK, 0));
  remove_file(at(place, "s"));
  remove_file(at(place, "a"));
}

static void path_descriptor(const struct place *place) {
  char byte;
  put_file(at(place, "a"), "by path");
  int fd = open_file(at(place, "a"), O_PATH, 0);
  assert_errno(read(fd, &byte, 1), EBADF);
  g_assert_cmpint(status_of(fd).st_size, ==, 7);
  int again = open_file(reopen_path(fd), O_RDWR, 0);
  expect_content_at(again, "by path");
  close_file(again);
  g_assert_no_errno(linkat(fd, "", AT_FDCWD, at(place, "b"), AT_EMPTY_PATH));
  g_assert_no_errno(rename(at(place, "a"), at(place, "c")));
  g_assert_cmpint(status_of(fd).st_nlink, ==, 2);
  close_file(fd);
  remove_file(at(place, "b"));
  remove_file(at(place, "c"));
}

static void many_opens(const struct place *place) {
  static const int modes[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND};
  int fds[200];
  put_file(at(place, "a"), "shared");
  for (int i = 0; i < 200; i++)
    fds[i] = open_file(at(place, "a"), modes[i % 4], 0);
  for (int i = 0; i < 200; i++)
    if (i % 3)
      close_file(fds[i]);
  put_all(fds[6], "S", 1, 0);
  expect_content_at(fds[0], "Shared");
  remove_file(at(place, "a"));
  expect_content_at(fds[198], "Shared");
  for (int i = 0; i < 200; i += 3)
    close_file(fds[i]);
}

static void thousands_open(const struct place *place) {
  enum { COUNT = 3000 };
  g_autofree int *fds = g_new(int, COUNT);
  struct rlimit limit = {.rlim_cur = COUNT + 100, .rlim_max = 20000};
  g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &limit));
  for (int i = 0; i < COUNT; i++) {
    g_autofree char *name = g_strdup_printf("object%d", i);
    fds[i] = new_file(at(place, name), name);
  }
  for (int i = 0; i < COUNT; i++) {
    g_autofree char *name = g_strdup_printf("object%d", i);
    expect_content_at(fds[i], name);
    close_file(fds[i]);
    remove_file(at(place, name));
  }
}

static void truncate_by_path(const struct place *place) {
  put_file(at(place, "a"), "0123456789");
  g_assert_no_errno(truncate(at(place, "a"), 4));
  expect_content(native_at(place, "a"), "0123");
  assert_errno(truncate(at(place, "none"), 0), ENOENT);
  assert_errno(truncate(place->directory, 0), EISDIR);
  assert_errno(truncate(at(place, "a"), -1), EINVAL);
  remove_file(at(place, "a"));
}

static void offset_shared_by_fork(const struct place *place) {
  char byte;
  int fd = new_file(at(place, "a"), "abc");
  pid_t pid = fork();
  if (pid == 0)
    _exit(read(fd, &byte, 1) == 1 && byte == 'a' ? 0 : 1);
  int status;
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmpint(status, ==, 0);
  g_assert_cmpint(read(fd, &byte, 1), ==, 1);
  g_assert_cmpint(byte, ==, 'b');
  close_file(fd);
  remove_file(at(place, "a"));
}

static const struct check checks[] = {
    {"creating exclusively", exclusive, 0},
    {"one of four creates exclusively", exclusive_once, 0},
    {"creating what exists opens it", create_existing, 0},
    {"O_TRUNC empties for all holders", truncate_at_open, 0},
    {"O_APPEND writes at the end, whoever moved it", append, 0},
    {"appending together tears nothing", append_together, 0},
    {"O_TMPFILE can be named later", unnamed, 0},
    {"O_TMPFILE with O_EXCL is never named", unnamed_exclusive, 0},
    {"O_TMPFILE gives its memory back", unnamed_unused, 0},
    {"unlinked data lives while held", unlinked_lives, 0},
    {"unlinked files reopen through proc", unlinked_reopens, 0},
    {"unlinked memory comes back at the last close", unlinked_gives_back, 0},
    {"memory comes back when unlinked after the close", removed_after_close_gives_back, 0},
    {"a name made again is another file", same_name_other_file, 0},
    {"an open file follows its rename", follows_rename, 0},
    {"a replaced file lives while held", replaced_lives, 0},
    {"access modes hold", access_modes, 0},
    {"a mode counts from the next open on", mode_counts_from_next_open, 0},
    {"umask applies", umask_applies, 0},
    {"open flags", open_flags, 0},
    {"O_PATH descriptors", path_descriptor, 0},
    {"many opens of one file", many_opens, 0},
    {"thousands of open files", thousands_open, 0},
    {"truncate by path", truncate_by_path, 0},
    {"fork shares the offset", offset_shared_by_fork, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
