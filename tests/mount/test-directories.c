/* Directories: listings that neither lose nor repeat a name, deep trees, and working inside. */
#include <dirent.h>
#include <limits.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "harness.h"

static char *numbered(int number) {
  return g_strdup_printf("name%d", number);
}

static void make_numbered(const char *directory, int from, int to) {
  for (int i = from; i < to; i++) {
    g_autofree char *name = numbered(i);
    g_autofree char *path = g_build_filename(directory, name, NULL);
    put_file(path, "");
  }
}

static void remove_numbered(const char *directory, int from, int to) {
  for (int i = from; i < to; i++) {
    g_autofree char *name = numbered(i);
    g_autofree char *path = g_build_filename(directory, name, NULL);
    remove_file(path);
  }
}

static DIR *open_directory(const char *path) {
  DIR *directory = opendir(path);
  g_assert_nonnull(directory);
  return directory;
}

/* Reads the rest of a listing: how many names, without "." and ".."; none twice. */
static int read_all(DIR *directory) {
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const struct dirent *entry;
  while ((entry = next_entry(directory)))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      g_assert_true(g_hash_table_add(seen, g_strdup(entry->d_name)));
  return (int)g_hash_table_size(seen);
}

static int count_names(const char *path) {
  DIR *directory = open_directory(path);
  int count = read_all(directory);
  g_assert_no_errno(closedir(directory));
  return count;
}

static void large_listing(const struct place *place) {
  make_numbered(place->native, 0, 1500);
  make_numbered(place->directory, 1500, 3000);
  g_assert_cmpint(count_names(place->directory), ==, 3000);
  g_assert_cmpint(count_names(place->directory), ==, 3000);
  remove_numbered(place->directory, 0, 1500);
  g_assert_cmpint(count_names(place->directory), ==, 1500);
  remove_numbered(place->native, 1500, 3000);
  g_assert_cmpint(count_names(place->directory), ==, 0);
}

static void expect_entry(const struct place *place, const struct dirent *entry) {
  if (strcmp(entry->d_name, "..") == 0)
    return;
  struct stat status = status_at(at(place, entry->d_name));
  g_assert_cmpuint(entry->d_ino, ==, status.st_ino);
  g_assert_cmpint(entry->d_type, ==, IFTODT(status.st_mode));
}

static void entries(const struct place *place) {
  int count = 0;
  put_file(at(place, "a"), "x");
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  g_assert_no_errno(symlink("x", at(place, "s")));
  g_assert_no_errno(mkfifo(at(place, "f"), 0600));
  DIR *directory = open_directory(place->directory);
  const struct dirent *entry;
  for (; (entry = next_entry(directory)); count++)
    expect_entry(place, entry);
  g_assert_cmpint(count, ==, 6);
  g_assert_no_errno(closedir(directory));
  remove_file(at(place, "a"));
  remove_folder(at(place, "d"));
  remove_file(at(place, "s"));
  remove_file(at(place, "f"));
}

static void remove_while_listing(const struct place *place) {
  make_numbered(place->directory, 0, 700);
  DIR *directory = open_directory(place->directory);
  const struct dirent *entry;
  int removed = 0;
  while ((entry = next_entry(directory))) {
    if (entry->d_name[0] == '.')
      continue;
    remove_file(at(place, entry->d_name));
    removed++;
  }
  g_assert_cmpint(removed, ==, 700);
  g_assert_no_errno(closedir(directory));
  g_assert_cmpint(count_names(place->directory), ==, 0);
}

/* What is there from the beginning to the end is listed once, whatever comes and goes beside it. */
static void others_come_and_go(const struct place *place) {
  int kept = 0;
  make_numbered(place->directory, 0, 1000);
  DIR *directory = open_directory(place->directory);
  const struct dirent *entry;
  for (int i = 0; (entry = next_entry(directory)); i++) {
    g_autofree char *gone = numbered(500 + i);
    if (i < 500)
      remove_file(at(place, gone));
    if (i < 500)
      make_numbered(place->directory, 1000 + i, 1001 + i);
    if (strncmp(entry->d_name, "name", 4) == 0 && atoi(entry->d_name + 4) < 500)
      kept++;
  }
  g_assert_cmpint(kept, ==, 500);
  g_assert_no_errno(closedir(directory));
  remove_numbered(place->directory, 0, 500);
  remove_numbered(place->directory, 1000, 1500);
}

static void positions(const struct place *place) {
  enum { COUNT = 300 };
  long offsets[COUNT + 3];
  char *names[COUNT + 3];
  int count = 0;
  make_numbered(place->directory, 0, COUNT);
  DIR *directory = open_directory(place->directory);
  const struct dirent *entry;
  for (offsets[0] = telldir(directory); (entry = next_entry(directory)); count++) {
    names[count] = g_strdup(entry->d_name);
    offsets[count + 1] = telldir(directory);
  }
  g_assert_cmpint(count, ==, COUNT + 2);
  for (int i = count - 1; i >= 0; i -= 7) {
    seekdir(directory, offsets[i]);
    g_assert_cmpstr(next_entry(directory)->d_name, ==, names[i]);
  }
  rewinddir(directory);
  g_assert_cmpint(read_all(directory), ==, COUNT);
  g_assert_no_errno(closedir(directory));
  for (int i = 0; i < count; i++)
    g_free(names[i]);
  remove_numbered(place->directory, 0, COUNT);
}

static void expect_after_rewinding(DIR *directory, int count, gint64 patience_us) {
  gint64 began = microseconds();
  int got;
  do {
    rewinddir(directory);
    got = read_all(directory);
  } while (got != count && microseconds() - began < patience_us);
  g_assert_cmpint(got, ==, count);
}

/* A listing that is opened is right at once. One that is held open and rewound is, like a native
 * rename, right about the native side when the watch has told. */
static void rewinding_shows_what_is_new(const struct place *place) {
  DIR *directory = open_directory(place->directory);
  g_assert_cmpint(read_all(directory), ==, 0);
  for (int i = 0; i < 100; i += 2) {
    make_numbered(place->directory, i, i + 1);
    expect_after_rewinding(directory, i + 1, 0);
    make_numbered(place->native, i + 1, i + 2);
    expect_after_rewinding(directory, i + 2, G_USEC_PER_SEC);
    g_assert_cmpint(count_names(place->directory), ==, i + 2);
  }
  g_assert_no_errno(closedir(directory));
  remove_numbered(place->directory, 0, 100);
}

/* How many entries getdents64(2) has put into the buffer. */
static int count_entries(const char *buffer, long size) {
  int count = 0;
  for (long at_byte = 0; at_byte < size; count++) {
    const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at_byte);
    at_byte += entry->d_reclen;
  }
  return count;
}

static void small_buffer(const struct place *place) {
  alignas(struct dirent64) char buffer[512];
  int count = 0, calls = 0;
  long got;
  make_numbered(place->directory, 0, 100);
  int fd = open_file(place->directory, O_RDONLY | O_DIRECTORY, 0);
  while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0) {
    count += count_entries(buffer, got);
    calls++;
  }
  g_assert_cmpint(got, ==, 0);
  g_assert_cmpint(count, ==, 102);
  g_assert_cmpint(calls, >, 5);
  close_file(fd);
  remove_numbered(place->directory, 0, 100);
}

static void deep_tree(const struct place *place) {
  enum { DEPTH = 60 };
  g_autoptr(GString) path = g_string_new(place->directory);
  g_autoptr(GString) native = g_string_new(place->native);
  for (int i = 0; i < DEPTH; i++) {
    g_string_append_printf(path, "/level%d", i);
    g_string_append_printf(native, "/level%d", i);
    g_assert_no_errno(mkdir(path->str, 0755));
  }
  g_autofree char *file = g_build_filename(path->str, "file", NULL);
  g_autofree char *native_file = g_build_filename(native->str, "file", NULL);
  put_file(file, "deep");
  expect_content(native_file, "deep");
  g_assert_no_errno(rename(at(place, "level0"), at(place, "moved")));
  g_assert_false(exists(at(place, "level0")));
  g_assert_no_errno(rename(at(place, "moved"), at(place, "level0")));
  expect_content(file, "deep");
  remove_file(file);
  for (int i = 0; i < DEPTH; i++) {
    remove_folder(path->str);
    g_string_truncate(path, (gsize)(strrchr(path->str, '/') - path->str));
  }
}

static void link_counts(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  nlink_t before = status_at(at(place, "d")).st_nlink;
  g_assert_no_errno(mkdir(at(place, "d/e"), 0755));
  g_assert_cmpuint(status_at(at(place, "d")).st_nlink, ==, before + 1);
  g_assert_no_errno(mkdir(native_at(place, "d/f"), 0755));
  g_assert_cmpuint(status_at(at(place, "d")).st_nlink, ==, before + 2);
  g_assert_no_errno(rename(at(place, "d/e"), at(place, "e")));
  g_assert_cmpuint(status_at(at(place, "d")).st_nlink, ==, before + 1);
  assert_errno(rmdir(at(place, "d")), ENOTEMPTY);
  remove_folder(at(place, "e"));
  remove_folder(at(place, "d/f"));
  remove_folder(at(place, "d"));
}

static void special_names(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  assert_errno(rmdir(at(place, "d/.")), EINVAL);
  assert_errno(rmdir(at(place, "d/..")), ENOTEMPTY);
  assert_errno(mkdir(at(place, "d/."), 0755), EEXIST);
  assert_errno(rename(at(place, "d/."), at(place, "e")), EBUSY);
  g_assert_cmpuint(status_at(at(place, "d/..")).st_ino, ==, status_at(place->directory).st_ino);
  g_assert_no_errno(mkdir(at(place, "d/e"), 0755));
  g_assert_cmpuint(status_at(at(place, "d/e/..")).st_ino, ==, status_at(at(place, "d")).st_ino);
  remove_folder(at(place, "d/e/"));
  remove_folder(at(place, "d"));
}

static void working_directory(const struct place *place) {
  char path[PATH_MAX];
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  g_assert_no_errno(chdir(at(place, "d")));
  put_file("a", "here");
  g_assert_cmpstr(getcwd(path, sizeof path), ==, at(place, "d"));
  expect_content(at(place, "d/a"), "here");
  g_assert_no_errno(rename("../d", "../e"));
  g_assert_cmpstr(getcwd(path, sizeof path), ==, at(place, "e"));
  expect_content("a", "here");
  int fd = open_file(".", O_RDONLY | O_DIRECTORY, 0);
  g_assert_no_errno(chdir("/"));
  g_assert_no_errno(fchdir(fd));
  expect_content("../e/a", "here");
  g_assert_no_errno(unlinkat(fd, "a", 0));
  close_file(fd);
  g_assert_no_errno(chdir("/"));
  remove_folder(at(place, "e"));
}

static void by_descriptor(const struct place *place) {
  int top = open_file(place->directory, O_PATH | O_DIRECTORY, 0);
  g_assert_no_errno(mkdirat(top, "d", 0755));
  int directory = openat(top, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_no_errno(directory);
  int fd = openat(directory, "a", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  g_assert_no_errno(fd);
  close_file(fd);
  g_assert_no_errno(renameat(directory, "a", top, "b"));
  g_assert_true(exists(native_at(place, "b")));
  g_assert_no_errno(linkat(top, "b", directory, "c", 0));
  g_assert_no_errno(symlinkat("c", directory, "s"));
  g_assert_no_errno(faccessat(directory, "s", R_OK, 0));
  g_assert_no_errno(unlinkat(directory, "s", 0));
  g_assert_no_errno(unlinkat(directory, "c", 0));
  g_assert_no_errno(unlinkat(top, "b", 0));
  g_assert_no_errno(unlinkat(top, "d", AT_REMOVEDIR));
  close_file(directory);
  close_file(top);
}

static void removed_while_open(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  DIR *directory = open_directory(at(place, "d"));
  remove_folder(at(place, "d"));
  g_assert_cmpuint(status_of(dirfd(directory)).st_nlink, ==, 0);
  assert_errno(openat(dirfd(directory), "x", O_RDWR | O_CREAT, 0644), ENOENT);
  assert_errno(openat(dirfd(directory), "x", O_RDONLY), ENOENT);
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  put_file(at(place, "d/a"), "new");
  g_assert_cmpint(read_all(directory), ==, 0);
  g_assert_cmpint(count_names(at(place, "d")), ==, 1);
  g_assert_no_errno(closedir(directory));
  remove_file(at(place, "d/a"));
  remove_folder(at(place, "d"));
}

static void replaced_while_open(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  g_assert_no_errno(mkdir(at(place, "e"), 0750));
  DIR *directory = open_directory(at(place, "d"));
  g_assert_no_errno(rename(at(place, "e"), at(place, "d")));
  g_assert_cmpuint(status_of(dirfd(directory)).st_mode, ==, S_IFDIR | 0755);
  g_assert_cmpuint(status_of(dirfd(directory)).st_nlink, ==, 0);
  g_assert_cmpint(read_all(directory), ==, 0);
  g_assert_cmpuint(status_at(at(place, "d")).st_mode, ==, S_IFDIR | 0750);
  g_assert_no_errno(closedir(directory));
  remove_folder(at(place, "d"));
}

static void move_between_folders(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  g_assert_no_errno(mkdir(at(place, "e"), 0755));
  for (int i = 0; i < 200; i++) {
    g_autofree char *from = g_strdup_printf("%c/name%d", i % 2 ? 'e' : 'd', i);
    g_autofree char *to = g_strdup_printf("%c/name%d", i % 2 ? 'd' : 'e', i);
    put_file(at(place, from), from);
    g_assert_no_errno(rename(at(place, from), at(place, to)));
    assert_errno(access(at(place, from), F_OK), ENOENT);
    expect_content(at(place, to), from);
    g_assert_no_errno(rename(native_at(place, to), native_at(place, from)));
    expect_content(at(place, from), from);
    assert_errno(access(at(place, to), F_OK), ENOENT);
    remove_file(at(place, from));
  }
  remove_folder(at(place, "d"));
  remove_folder(at(place, "e"));
}

#define REPLACEMENTS 3000

static void replace_all(int socket, const void *data) {
  g_assert_no_errno(chdir(data));
  talk_hear(socket);
  for (int i = 0; i < REPLACEMENTS; i++) {
    g_assert_no_errno(mkdir("next", 0755));
    g_assert_no_errno(rename("next", "a"));
    g_assert_no_errno(symlink("a", "next"));
    g_assert_no_errno(rename("next", "link"));
  }
  talk_tell(socket, 'd');
}

/* A folder that another takes the place of (a link likewise) is always there. A process that waits too
 * long for a processor may be told otherwise, which must be rare. */
static void replaced_without_a_pause(const struct place *place) {
  g_autofree char *native = g_path_get_dirname(native_at(place, "a"));
  g_autofree char *folder = g_strdup(at(place, "a")), *link = g_strdup(at(place, "link"));
  unsigned looks = 0, failures = 0;
  struct stat status;
  char told, target[8];
  g_assert_no_errno(mkdir(folder, 0755));
  g_assert_no_errno(symlink("a", link));
  struct peer peer = peer_start(replace_all, native);
  talk_tell(peer.socket, 'g');
  for (; recv(peer.socket, &told, 1, MSG_DONTWAIT) != 1; looks++)
    if (stat(folder, &status) < 0 || stat(link, &status) < 0 ||
        readlink(link, target, sizeof target) < 0 || chmod(link, 0755) < 0) {
      g_assert_cmpint(errno, ==, ESTALE);
      failures++;
    }
  peer_wait(&peer);
  g_assert_cmpuint(failures, <=, looks / 1000 + 2);
  remove_file(link);
  remove_folder(folder);
}

static const struct check checks[] = {
    {"a large listing has every name once", large_listing, 0},
    {"entries have inode and type", entries, 0},
    {"removing while listing", remove_while_listing, 0},
    {"names come and go while listing", others_come_and_go, 0},
    {"positions can be returned to", positions, 0},
    {"rewinding shows what is new", rewinding_shows_what_is_new, 0},
    {"listing in small pieces", small_buffer, 0},
    {"a deep tree", deep_tree, 0},
    {"link counts", link_counts, 0},
    {"dot and dot-dot", special_names, 0},
    {"the working directory", working_directory, 0},
    {"by descriptor", by_descriptor, 0},
    {"a removed directory that is open is empty", removed_while_open, 0},
    {"a directory that is open and is replaced by another one", replaced_while_open, 0},
    {"moving between folders, from both sides", move_between_folders, 0},
    {"folders and links that are replaced without a pause", replaced_without_a_pause, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
