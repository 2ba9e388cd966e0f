/* System V ids that are given out again: the kernel does so after some four million objects, which an
 * ordinary user makes and removes in a quarter of a minute. What is still open through the mount then is
 * the earlier object, and gives no right to the later one.
 *
 * Here the kernel is told which id comes next (kernel.shm_next_id and its like). A process of another
 * user holds its object open while root, the successor, makes one under the same id. */
#include "sysv.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>

#define ID (77 * 32768 + 5) /* the slot 5, used for the 77th time */
#define LATER_KEY 0x4d3
#define LATER_NAME "0x000004d3"
#define SIZE 5000

struct kind {
  const char *folder;
  const char *next; /* file of the id that comes next */
  int (*make)(key_t key);
  int (*remove)(int id);
  bool writable;
};

static int make_shm(key_t key) {
  return shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600);
}

static int remove_shm(int id) {
  return shmctl(id, IPC_RMID, NULL);
}

static int make_msg(key_t key) {
  return msgget(key, IPC_CREAT | IPC_EXCL | 0600);
}

static int remove_msg(int id) {
  return msgctl(id, IPC_RMID, NULL);
}

static int make_sem(key_t key) {
  return semget(key, 1, IPC_CREAT | IPC_EXCL | 0600);
}

static int remove_sem(int id) {
  return semctl(id, 0, IPC_RMID);
}

static const struct kind segments = {"sysv", "shm", make_shm, remove_shm, true};
static const struct kind queues = {"sysv-msg", "msg", make_msg, remove_msg, true};
static const struct kind sets = {"sysv-sem", "sem", make_sem, remove_sem, false};

static const struct kind *kind; /* under test */
static int successor_socket;

static const char *path_in(const char *name) {
  g_autofree char *inside = g_build_filename(kind->folder, name, NULL);
  return path_of(inside);
}

static void fails_with(long result, int error) {
  int failure = errno;
  g_assert_cmpint(result, ==, -1);
  g_assert_cmpint(failure, ==, error);
}

static void choose_id(void) {
  g_autofree char *path = g_strdup_printf("/proc/sys/kernel/%s_next_id", kind->next);
  g_autofree char *id = g_strdup_printf("%d", ID);
  int fd = open_file(path, O_WRONLY, 0);
  put_all(fd, id, strlen(id), 0);
  close_file(fd);
}

/* Makes the later object when it is told to, and removes it when the other has tried what he can. */
static void succeed(int socket, const void *data) {
  (void)data;
  talk_hear(socket);
  choose_id();
  int id = kind->make(LATER_KEY);
  g_assert_cmpint(id, ==, ID);
  talk_tell(socket, 'm');
  talk_hear(socket);
  g_assert_cmpuint(status_at(path_in(LATER_NAME)).st_mode & ALLPERMS, ==, 0600);
  g_assert_cmpint(status_at(path_in(LATER_NAME)).st_uid, ==, 0);
  g_assert_cmpint(kind->remove(id), ==, 0);
}

static void be_succeeded(int id) {
  g_assert_cmpint(kind->remove(id), ==, 0);
  talk_tell(successor_socket, 'r');
  talk_hear(successor_socket);
}

/* The kernel remembers the earlier owner, who had the right to all of this. */
static void change_what_was_mine(int fd, int path_fd) {
  g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", path_fd);
  fails_with(chmod(again, 0666), EPERM);
  fails_with(fchmod(fd, 0666), EPERM);
  fails_with(fchown(fd, (uid_t)-1, OTHER_USER), EPERM);
  fails_with(open(again, O_RDONLY), EACCES);
  fails_with(open(path_in(LATER_NAME), O_RDONLY), EACCES);
}

static void hold_as_other(const struct place *place) {
  char byte = 'x';
  (void)place;
  g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0); /* or /proc/self would be root's */
  int id = kind->make(KEY);
  g_assert_cmpint(id, ==, ID);
  int fd = open_file(path_in(NAME), kind->writable ? O_RDWR : O_RDONLY, 0);
  int path_fd = open_file(path_in(NAME), O_PATH, 0);
  be_succeeded(id);
  change_what_was_mine(fd, path_fd);
  if (kind == &segments) { /* the memory that it always was */
    g_assert_cmpint((int)pwrite(fd, &byte, 1, 0), ==, 1);
    g_assert_cmpint((int)pread(fd, &byte, 1, 0), ==, 1);
    return;
  }
  fails_with(pread(fd, &byte, 1, 0), ESTALE);
  if (kind->writable)
    fails_with(write(fd, &byte, 1), ESTALE);
}

static void run_with_successor(void (*as_other)(const struct place *place)) {
  struct peer successor = peer_start(succeed, NULL);
  successor_socket = successor.socket;
  choose_id();
  as_user(OTHER_USER, OTHER_USER, as_other, NULL);
  talk_tell(successor.socket, 'e');
  peer_wait(&successor);
}

static void test_what_was_open_gives_no_right_to_what_comes_later(void) {
  static const struct kind *const kinds[] = {&segments, &queues, &sets};
  for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
    kind = kinds[i];
    run_with_successor(hold_as_other);
  }
}

/* This descriptor has no memory of its own. */
static void make_as_other(const struct place *place) {
  char byte = 'x';
  (void)place;
  int fd = open_file(path_in(NAME), O_RDWR | O_CREAT | O_EXCL, 0600);
  g_assert_cmpint(ftruncate(fd, SIZE), ==, 0);
  g_assert_cmpint((int)pwrite(fd, &byte, 1, 0), ==, 1);
  be_succeeded(ID);
  fails_with(pread(fd, &byte, 1, 0), ESTALE);
  fails_with(pwrite(fd, &byte, 1, 0), ESTALE);
  fails_with(fchmod(fd, 0666), ESTALE);
}

static void test_what_was_made_gives_no_right_to_what_comes_later(void) {
  kind = &segments;
  run_with_successor(make_as_other);
}

/* The kernel has one inode for both, and what is mapped of it must be one memory. */
static void test_a_later_segment_is_never_shown_as_the_earlier(void) {
  kind = &segments;
  choose_id();
  g_assert_cmpint(make_shm(KEY), ==, ID);
  int fd = open_file(path_in(NAME), O_RDWR, 0);
  char byte = 'x';
  put_all(fd, &byte, 1, 0);
  remove_segment(ID);
  choose_id();
  g_assert_cmpint(make_shm(KEY), ==, ID);
  fails_with(open(path_in(NAME), O_RDONLY), EBUSY);
  byte = 0;
  g_assert_cmpint((int)pread(fd, &byte, 1, 0), ==, 1);
  g_assert_cmpint(byte, ==, 'x');
  close_file(fd);
  fd = open_file(path_in(NAME), O_RDONLY, 0);
  g_assert_cmpint((int)pread(fd, &byte, 1, 0), ==, 1);
  g_assert_cmpint(byte, ==, 0);
  close_file(fd);
  remove_segment(ID);
}

#define ADD(name) g_test_add_func("/reused-ids/" #name, test_##name)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD(what_was_open_gives_no_right_to_what_comes_later);
  ADD(what_was_made_gives_no_right_to_what_comes_later);
  ADD(a_later_segment_is_never_shown_as_the_earlier);
  return run_on_mount("all");
}
