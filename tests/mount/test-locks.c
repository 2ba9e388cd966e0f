/* Locks between the users of the mount: flock(2), and record locks of processes and of open files.
 * */
#include <string.h>
#include <sys/file.h>

#include "harness.h"

static struct flock range(short type, off_t start, off_t length) {
  return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

static int lock_range(int fd, int command, short type, off_t start, off_t length) {
  struct flock lock = range(type, start, length);
  return fcntl(fd, command, &lock);
}

/* A second process, which does as it is told and answers 'y' or 'n'. */
static char try_lock(int fd, char order) {
  int failed = 0;
  switch (order) {
  case 'e':
    failed = flock(fd, LOCK_EX | LOCK_NB);
    break;
  case 's':
    failed = flock(fd, LOCK_SH | LOCK_NB);
    break;
  case 'u':
    failed = flock(fd, LOCK_UN);
    break;
  case 'w':
    failed = lock_range(fd, F_SETLK, F_WRLCK, 10, 10);
    break;
  case 'r':
    failed = lock_range(fd, F_SETLK, F_RDLCK, 10, 10);
    break;
  case 'o':
    failed = lock_range(fd, F_OFD_SETLK, F_WRLCK, 10, 10);
    break;
  default:
    failed = lock_range(fd, F_SETLK, F_UNLCK, 0, 0);
  }
  if (failed)
    g_assert_true(errno == EAGAIN || errno == EACCES);
  return failed ? 'n' : 'y';
}

static void other_holder(int socket, const void *data) {
  int fd = open_file(at(data, "a"), O_RDWR, 0);
  char order;
  while ((order = talk_hear(socket)) != 'q')
    talk_tell(socket, try_lock(fd, order));
  close_file(fd);
}

static char ask(const struct peer *peer, char order) {
  talk_tell(peer->socket, order);
  return talk_hear(peer->socket);
}

static void finish(const struct place *place, struct peer *peer, int fd) {
  talk_tell(peer->socket, 'q');
  peer_wait(peer);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void whole_file(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  struct peer peer = peer_start(other_holder, place);
  g_assert_no_errno(flock(fd, LOCK_EX));
  g_assert_cmpint(ask(&peer, 'e'), ==, 'n');
  g_assert_cmpint(ask(&peer, 's'), ==, 'n');
  g_assert_no_errno(flock(fd, LOCK_SH));
  g_assert_cmpint(ask(&peer, 's'), ==, 'y');
  assert_errno(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  g_assert_cmpint(ask(&peer, 'u'), ==, 'y');
  g_assert_no_errno(flock(fd, LOCK_UN));
  g_assert_cmpint(ask(&peer, 'e'), ==, 'y');
  finish(place, &peer, fd);
}

static void ends_with_the_last_descriptor(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  struct peer peer = peer_start(other_holder, place);
  int holder = open_file(at(place, "a"), O_RDWR, 0);
  int copy = dup(holder);
  g_assert_no_errno(flock(holder, LOCK_EX));
  close_file(holder);
  g_assert_cmpint(ask(&peer, 'e'), ==, 'n');
  close_file(copy);
  g_assert_cmpint(ask(&peer, 'e'), ==, 'y');
  finish(place, &peer, fd);
}

static void ranges(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  struct peer peer = peer_start(other_holder, place);
  g_assert_no_errno(lock_range(fd, F_SETLK, F_WRLCK, 0, 10));
  g_assert_cmpint(ask(&peer, 'w'), ==, 'y');
  assert_errno(lock_range(fd, F_SETLK, F_RDLCK, 15, 1), EAGAIN);
  struct flock who = range(F_WRLCK, 0, 100);
  g_assert_no_errno(fcntl(fd, F_GETLK, &who));
  g_assert_cmpint(who.l_type, ==, F_WRLCK);
  g_assert_cmpint(who.l_pid, ==, peer.pid);
  g_assert_cmpint(who.l_start, ==, 10);
  g_assert_cmpint(who.l_len, ==, 10);
  g_assert_cmpint(ask(&peer, 'x'), ==, 'y');
  g_assert_no_errno(lock_range(fd, F_SETLK, F_RDLCK, 0, 0));
  g_assert_cmpint(ask(&peer, 'r'), ==, 'y');
  g_assert_cmpint(ask(&peer, 'w'), ==, 'n');
  finish(place, &peer, fd);
}

static void process_locks_end_with_any_close(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  struct peer peer = peer_start(other_holder, place);
  g_assert_no_errno(lock_range(fd, F_SETLK, F_WRLCK, 0, 0));
  g_assert_cmpint(ask(&peer, 'w'), ==, 'n');
  close_file(open_file(at(place, "a"), O_RDONLY, 0));
  g_assert_cmpint(ask(&peer, 'w'), ==, 'y');
  finish(place, &peer, fd);
}

static void open_file_locks(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  struct peer peer = peer_start(other_holder, place);
  g_assert_no_errno(lock_range(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
  close_file(open_file(at(place, "a"), O_RDONLY, 0));
  g_assert_cmpint(ask(&peer, 'o'), ==, 'n');
  int same_process = open_file(at(place, "a"), O_RDWR, 0);
  assert_errno(lock_range(same_process, F_OFD_SETLK, F_WRLCK, 5, 1), EAGAIN);
  g_assert_no_errno(lock_range(fd, F_OFD_SETLK, F_UNLCK, 0, 0));
  g_assert_cmpint(ask(&peer, 'o'), ==, 'y');
  close_file(same_process);
  finish(place, &peer, fd);
}

static void wait_for_flock(int socket, const void *data) {
  int fd = open_file(at(data, "a"), O_RDWR, 0);
  talk_tell(socket, 'r');
  g_assert_no_errno(flock(fd, LOCK_EX));
  expect_content_at(fd, "released");
  close_file(fd);
}

static void wait_for_range(int socket, const void *data) {
  int fd = open_file(at(data, "a"), O_RDWR, 0);
  talk_tell(socket, 'r');
  g_assert_no_errno(lock_range(fd, F_SETLKW, F_WRLCK, 0, 0));
  expect_content_at(fd, "released");
  close_file(fd);
}

/* Whoever waits goes on when the holder lets go, and not before. */
static void waiting(const struct place *place, peer_fn *wait, int (*lock)(int fd, bool take)) {
  int fd = new_file(at(place, "a"), "held....");
  g_assert_no_errno(lock(fd, true));
  struct peer peer = peer_start(wait, place);
  talk_hear(peer.socket);
  put_all(fd, "released", 8, 0);
  g_assert_no_errno(lock(fd, false));
  peer_wait(&peer);
  close_file(fd);
  remove_file(at(place, "a"));
}

static int take_flock(int fd, bool take) {
  return flock(fd, take ? LOCK_EX : LOCK_UN);
}

static int take_range(int fd, bool take) {
  return lock_range(fd, F_SETLK, take ? F_WRLCK : F_UNLCK, 0, 0);
}

static void waiting_flock(const struct place *place) {
  for (int i = 0; i < 20; i++)
    waiting(place, wait_for_flock, take_flock);
}

static void waiting_range(const struct place *place) {
  for (int i = 0; i < 20; i++)
    waiting(place, wait_for_range, take_range);
}

static void add_hundred(int socket, const void *data) {
  int fd = open_file(at(data, "counter"), O_RDWR, 0), value;
  talk_hear(socket);
  for (int i = 0; i < 100; i++) {
    g_assert_no_errno(lock_range(fd, F_SETLKW, F_WRLCK, 0, 0));
    g_assert_cmpint(pread(fd, &value, sizeof value, 0), ==, sizeof value);
    value++;
    g_assert_cmpint(pwrite(fd, &value, sizeof value, 0), ==, sizeof value);
    g_assert_no_errno(lock_range(fd, F_SETLK, F_UNLCK, 0, 0));
  }
  close_file(fd);
}

static void mutual_exclusion(const struct place *place) {
  struct peer peers[4];
  int fd = new_file(at(place, "counter"), ""), value = 0;
  put_all(fd, &value, sizeof value, 0);
  for (int i = 0; i < 4; i++)
    peers[i] = peer_start(add_hundred, place);
  for (int i = 0; i < 4; i++)
    talk_tell(peers[i].socket, 'g');
  for (int i = 0; i < 4; i++)
    peer_wait(&peers[i]);
  g_assert_cmpint(pread(fd, &value, sizeof value, 0), ==, sizeof value);
  g_assert_cmpint(value, ==, 400);
  close_file(fd);
  remove_file(at(place, "counter"));
}

static void hold_and_wait(int socket, const void *data) {
  int fd = open_file(at(data, "a"), O_RDWR, 0);
  g_assert_no_errno(lock_range(fd, F_SETLK, F_WRLCK, 1, 1));
  talk_tell(socket, 'r');
  g_assert_no_errno(lock_range(fd, F_SETLKW, F_WRLCK, 0, 1));
  close_file(fd);
}

/* One of two that wait for each other is told so; the other gets its lock. */
static void dead_lock(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(lock_range(fd, F_SETLK, F_WRLCK, 0, 1));
  struct peer peer = peer_start(hold_and_wait, place);
  talk_hear(peer.socket);
  struct flock probe = range(F_WRLCK, 1, 1);
  g_assert_no_errno(fcntl(fd, F_GETLK, &probe));
  g_assert_cmpint(probe.l_pid, ==, peer.pid);
  int failed;
  /* Until the other one waits too, there is no circle yet; a wait then ends with its success. */
  while ((failed = lock_range(fd, F_SETLK, F_WRLCK, 1, 1)) < 0 && errno == EAGAIN) {
    g_autofree char *path = g_strdup_printf("/proc/%d/wchan", (int)peer.pid);
    g_autofree char *where = NULL;
    g_assert_true(g_file_get_contents(path, &where, NULL, NULL));
    if (strstr(where, "posix_lock") || strstr(where, "fcntl"))
      break;
  }
  g_assert_cmpint(failed, ==, -1);
  assert_errno(lock_range(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
  g_assert_no_errno(lock_range(fd, F_SETLK, F_UNLCK, 0, 1));
  peer_wait(&peer);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void on_folders(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  int one = open_file(at(place, "d"), O_RDONLY | O_DIRECTORY, 0);
  int two = open_file(at(place, "d"), O_RDONLY | O_DIRECTORY, 0);
  g_assert_no_errno(flock(one, LOCK_EX));
  assert_errno(flock(two, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  close_file(one);
  g_assert_no_errno(flock(two, LOCK_EX | LOCK_NB));
  close_file(two);
  remove_folder(at(place, "d"));
}

static const struct check checks[] = {
    {"flock", whole_file, 0},
    {"flock ends with the last descriptor", ends_with_the_last_descriptor, 0},
    {"record locks", ranges, 0},
    {"record locks end with any close", process_locks_end_with_any_close, 0},
    {"locks of open files", open_file_locks, 0},
    {"waiting for flock", waiting_flock, 0},
    {"waiting for a record lock", waiting_range, 0},
    {"record locks exclude", mutual_exclusion, 0},
    {"a deadlock is told", dead_lock, 0},
    {"flock on folders", on_folders, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
