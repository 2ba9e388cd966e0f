/* What others do to the daemon: cut files while it reads them, plant symbolic links, fill the
 * memory, leave it no descriptors. Each gets an honest answer, and the daemon goes on. */
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "harness.h"

#define MEBI (1 << 20)

/* --- truncation under the reader --- */

static void cut_and_grow(int socket, const void *data) {
  talk_hear(socket);
  for (int i = 0; i < 1500; i++) {
    g_assert_no_errno(truncate(native_at(data, "a"), 0));
    g_assert_no_errno(truncate(native_at(data, "a"), MEBI));
  }
  talk_tell(socket, 'd');
}

static bool has_told(const struct peer *peer) {
  char byte;
  return recv(peer->socket, &byte, 1, MSG_DONTWAIT) == 1;
}

static void cut_while_read(const struct place *place) {
  g_autofree char *buffer = g_malloc(MEBI);
  int fd = new_file(at(place, "a"), "");
  int copy = new_file(at(place, "b"), "");
  g_assert_no_errno(ftruncate(fd, MEBI));
  struct peer peer = peer_start(cut_and_grow, place);
  talk_tell(peer.socket, 'g');
  do {
    ssize_t got = pread(fd, buffer, MEBI, 0);
    g_assert_true(got >= 0 && got <= MEBI);
    loff_t from = 0, to = 0;
    g_assert_cmpint(copy_file_range(fd, &from, copy, &to, MEBI, 0), >=, 0);
    g_assert_cmpint(pwrite(fd, "x", 1, 4096), ==, 1);
  } while (!has_told(&peer));
  peer_wait(&peer);
  g_assert_cmpint(status_of(fd).st_size, ==, MEBI);
  close_file(fd);
  close_file(copy);
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

/* --- symbolic links as traps --- */

static const char *secret_path(void) {
  g_autofree char *path = g_build_filename(scratch(), "secret", "file", NULL);
  return g_intern_string(path);
}

static void make_secret(void) {
  g_autofree char *folder = g_path_get_dirname(secret_path());
  g_assert_no_errno(mkdir(folder, 0700));
  put_file(secret_path(), "secret");
}

static void remove_secret(void) {
  g_autofree char *folder = g_path_get_dirname(secret_path());
  expect_content(secret_path(), "secret");
  remove_file(secret_path());
  remove_folder(folder);
}

static void follow_trap(const struct place *place) {
  g_autofree char *missing = g_strconcat(secret_path(), ".new", NULL);
  g_assert_no_errno(symlink(secret_path(), at(place, "trap")));
  g_assert_no_errno(symlink(missing, at(place, "hole")));
  assert_errno(open(at(place, "trap"), O_RDONLY), EACCES);
  assert_errno(open(at(place, "trap"), O_WRONLY | O_TRUNC), EACCES);
  assert_errno(open(at(place, "hole"), O_RDWR | O_CREAT, 0666), EACCES);
  assert_errno(open(at(place, "hole"), O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
  assert_errno(truncate(at(place, "trap"), 0), EACCES);
  assert_errno(chmod(at(place, "trap"), 0777), EACCES);
  g_assert_true(S_ISLNK(status_at(at(place, "trap")).st_mode));
  g_assert_no_errno(lchown(at(place, "trap"), (uid_t)-1, OTHER_USER));
}

static void traps(const struct place *place) {
  make_secret();
  as_user(OTHER_USER, OTHER_USER, follow_trap, place);
  g_assert_cmpuint(status_at(secret_path()).st_mode & 07777, ==, 0644);
  g_assert_cmpuint(status_at(secret_path()).st_gid, ==, 0);
  remove_file(at(place, "trap"));
  remove_file(at(place, "hole"));
  remove_secret();
}

/* Puts a file of the user's and a link to the secret in turns under one name. */
static void swap_names(int socket, const void *data) {
  const struct place *place = data;
  talk_hear(socket);
  for (int i = 0; i < 1500; i++) {
    put_file(native_at(place, "own"), "mine");
    g_assert_no_errno(chown(native_at(place, "own"), OTHER_USER, OTHER_USER));
    g_assert_no_errno(rename(native_at(place, "own"), native_at(place, "a")));
    g_assert_no_errno(symlink(secret_path(), native_at(place, "link")));
    g_assert_no_errno(rename(native_at(place, "link"), native_at(place, "a")));
  }
  put_file(native_at(place, "done"), "");
}

static void read_what_is_swapped(const struct place *place) {
  char got[8];
  while (!exists(at(place, "done"))) {
    int fd = open(at(place, "a"), O_RDWR | O_CLOEXEC);
    if (fd < 0)
      continue;
    ssize_t size = pread(fd, got, sizeof got, 0);
    g_assert_cmpmem(got, (size_t)size, "mine", 4);
    close_file(fd);
  }
}

static void swapped_for_a_trap(const struct place *place) {
  make_secret();
  struct peer peer = peer_start(swap_names, place);
  talk_tell(peer.socket, 'g');
  as_user(OTHER_USER, OTHER_USER, read_what_is_swapped, place);
  peer_wait(&peer);
  remove_file(at(place, "done"));
  remove_file(at(place, "a"));
  remove_secret();
}

/* --- a daemon of one's own, on a small memory or with few descriptors --- */

struct own {
  char *memory, *mount_point;
  struct place place;
};

static void own_start(struct own *own, const char *memory_options, void (*prepare)(void)) {
  g_autofree char *output = NULL;
  own->memory = g_build_filename(scratch(), "small", NULL);
  own->mount_point = g_build_filename(scratch(), "own", NULL);
  g_autofree char *options = g_strconcat("shm_dir=", own->memory, NULL);
  g_assert_no_errno(mkdir(own->memory, 0755));
  g_assert_no_errno(mount("tmpfs", own->memory, "tmpfs", 0, memory_options));
  int status = daemon_start(own->mount_point, options, prepare, &output);
  if (status != 0)
    g_error("shmfs -o %s ends with status %d: %s", options, status, output);
  own->place = (struct place){.directory = own->mount_point, .native = own->memory};
}

static void own_stop(struct own *own) {
  g_assert_true(daemon_stop(own->mount_point));
  g_assert_no_errno(umount2(own->memory, 0));
  remove_folder(own->memory);
  g_free(own->memory);
  g_free(own->mount_point);
}

/* Writes until there is no room; bytes that were taken. */
static off_t fill(int fd) {
  static const char bytes[65536];
  off_t size = 0;
  ssize_t written;
  while ((written = pwrite(fd, bytes, sizeof bytes, size)) > 0)
    size += written;
  g_assert_cmpint(errno, ==, ENOSPC);
  return size;
}

static void full_memory(const struct place *unused) {
  struct own own;
  (void)unused;
  own_start(&own, "size=1m,mode=1777", NULL);
  int fd = new_file(at(&own.place, "a"), "");
  off_t size = fill(fd);
  g_assert_cmpint(size, >, MEBI / 2);
  g_assert_cmpint(status_at(native_at(&own.place, "a")).st_size, ==, size);
  assert_errno(fallocate(fd, 0, 0, 2 * MEBI), ENOSPC);
  int other = new_file(at(&own.place, "b"), "");
  assert_errno(pwrite(other, "x", 1, 0), ENOSPC);
  g_assert_no_errno(ftruncate(fd, 4096));
  g_assert_cmpint(pwrite(other, "x", 1, 0), ==, 1);
  g_assert_cmpint(fill(fd), >, MEBI / 2);
  close_file(fd);
  remove_file(at(&own.place, "a"));
  g_assert_cmpint(fill(other), >, MEBI / 2);
  close_file(other);
  own_stop(&own);
}

static void no_inodes_left(const struct place *unused) {
  struct own own;
  int made = 0, fd;
  (void)unused;
  own_start(&own, "nr_inodes=20,mode=1777", NULL);
  for (;; made++) {
    g_autofree char *name = g_strdup_printf("n%d", made);
    fd = open(at(&own.place, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
      break;
    close_file(fd);
  }
  g_assert_cmpint(errno, ==, ENOSPC);
  g_assert_cmpint(made, >, 10);
  assert_errno(mkdir(at(&own.place, "d"), 0755), ENOSPC);
  assert_errno(symlink("x", at(&own.place, "s")), ENOSPC);
  assert_errno(mkfifo(at(&own.place, "f"), 0600), ENOSPC);
  assert_errno(open(own.mount_point, O_TMPFILE | O_RDWR, 0600), ENOSPC);
  remove_file(at(&own.place, "n0"));
  g_assert_no_errno(mkdir(at(&own.place, "d"), 0755));
  own_stop(&own);
}

static void few_descriptors(void) {
  struct rlimit limit = {64, 64};
  setrlimit(RLIMIT_NOFILE, &limit);
}

#define OBJECTS 500

/* Makes objects and holds them open, until that is refused; how many. */
static int hold_objects(const struct place *place, int *fds) {
  for (int i = 0; i < OBJECTS; i++) {
    g_autofree char *name = g_strdup_printf("object%d", i);
    fds[i] = open(at(place, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fds[i] < 0)
      return i;
    put_all(fds[i], name, strlen(name), 0);
  }
  return OBJECTS;
}

static void let_objects_go(const struct place *place, const int *fds, int count) {
  for (int i = 0; i < count; i++) {
    g_autofree char *name = g_strdup_printf("object%d", i);
    expect_content_at(fds[i], name);
    remove_file(at(place, name));
    g_assert_cmpint(status_of(fds[i]).st_nlink, ==, 0);
    close_file(fds[i]);
  }
}

/* Passed through, an object costs the daemon no descriptor. Else it holds one while the object is
 * open, and says so when it has no more. */
static void with_few_descriptors(const struct place *usual) {
  struct own own;
  int fds[OBJECTS];
  own_start(&own, "mode=1777", few_descriptors);
  for (int round = 0; round < 3; round++) {
    int count = hold_objects(&own.place, fds);
    if (count < OBJECTS)
      g_assert_true(errno == EMFILE || errno == ENFILE);
    g_assert_cmpint(count, >=, usual->maps ? OBJECTS : 8);
    g_assert_cmpint(status_at(own.mount_point).st_nlink, >=, 2);
    let_objects_go(&own.place, fds, count);
  }
  own_stop(&own);
}

static const struct check checks[] = {
    {"cutting a file while it is read", cut_while_read, 0},
    {"symbolic links lead only whom they may", traps, 0},
    {"a file that is swapped for a link", swapped_for_a_trap, 0},
    {"a full memory", full_memory, CHECK_MOUNTED | CHECK_TOP},
    {"no inodes left", no_inodes_left, CHECK_MOUNTED | CHECK_TOP},
    {"a daemon with few descriptors", with_few_descriptors, CHECK_MOUNTED | CHECK_TOP},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
