/* System V segments that are removed while they are open, mapped or attached, and what comes after them
 * under their key. */
#include "sysv.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/xattr.h>

static void fails_with(int result, int error) {
  g_assert_cmpint(result, ==, -1);
  g_assert_cmpint(errno, ==, error);
}

static void test_a_removed_segment_lives_on_where_it_is_used(void) {
  int id = make_segment(5000, 0600);
  int fd = open_file(path_of(NAME), O_RDWR, 0);
  char *mapped = map_shared(fd, 5000), *memory = attach(id);
  remove_file(path_of(NAME));
  g_assert_cmpint(shmget(KEY, 0, 0), ==, -1);
  g_assert_cmpint(status_of(fd).st_nlink, ==, 0);
  memory[0] = 'a';
  shmdt(memory);
  g_assert_true(!mapped || mapped[0] == 'a');
  char byte;
  g_assert_cmpint(pread(fd, &byte, 1, 0), ==, 1);
  g_assert_cmpint(byte, ==, 'a');
  g_assert_cmpint(status_of(fd).st_nlink, ==, 0);
  int other = make_segment(6000, 0600);
  g_assert_cmpint(status_at(path_of(NAME)).st_size, ==, 6000);
  g_assert_cmpint(status_of(fd).st_size, ==, 5000);
  close_file(fd);
  if (mapped)
    munmap(mapped, 5000);
  remove_segment(other);
}

/* Nobody gets more of it than he has: whoever could only read, goes on so. */
static void remove_as_other(const struct place *place) {
  (void)place;
  g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0); /* or /proc/self would be root's */
  int fd = open_file(path_of(NAME), O_RDONLY, 0);
  g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", fd);
  close_file(open_file(again, O_RDONLY, 0));
  fails_with(open(again, O_RDWR), EACCES);
  remove_file(path_of(NAME));
  fails_with(open(again, O_RDWR), EACCES);
  fails_with(fchmod(fd, 0666), EPERM);
  close_file(fd);
}

static void test_what_is_gone_is_opened_by_nobody(void) {
  make_segment(5000, 0444);
  g_assert_cmpint(chown(path_of(NAME), OTHER_USER, OTHER_USER), ==, 0);
  as_user(OTHER_USER, OTHER_USER, remove_as_other, NULL);
}

static void test_what_is_gone_but_open_has_its_size(void) {
  struct statx status;
  make_segment(5000, 0644);
  int fd = open_file(path_of(NAME), O_RDONLY, 0);
  ino_t ino = status_of(fd).st_ino;
  remove_file(path_of(NAME));
  g_assert_cmpuint(status_of(fd).st_ino, ==, ino);
  g_assert_cmpuint(status_of(fd).st_mode & ALLPERMS, ==, 0);
  g_assert_cmpint(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status), ==, 0);
  g_assert_cmpuint(status.stx_size, ==, 5000);
  g_assert_cmpint((int)flistxattr(fd, NULL, 0), ==, 0);
  fails_with((int)fgetxattr(fd, "user.shmfs.key", NULL, 0), ENODATA);
  close_file(fd);
}

/* Removed and made again without a pause, a name is there or it is not; ESTALE says neither. A process that
 * gets no processor for long in the middle of a path walk may still be told so. */
#define LOOKS 4000
#define LOOKS_A_FAILURE 800 /* at most one look in so many may fail */

static void come_and_go(int socket, const void *data) {
  char told;
  (void)data;
  do
    remove_segment(make_segment(5000, 0600));
  while (recv(socket, &told, 1, MSG_DONTWAIT) != 1);
}

/* 1: the segment; 0: none; -1: told ESTALE. */
static int look(int flags) {
  int fd = open(path_of(NAME), flags | O_CLOEXEC);
  int failure = errno;
  if (fd >= 0) {
    g_assert_cmpint(status_of(fd).st_size, ==, 5000);
    close_file(fd);
    return 1;
  }
  g_assert_true(failure == ENOENT || failure == ESTALE);
  return failure == ENOENT ? 0 : -1;
}

static void test_a_name_that_comes_and_goes_is_there_or_absent(void) {
  unsigned found = 0, failures = 0;
  struct peer peer = peer_start(come_and_go, NULL);
  for (unsigned i = 0; i < LOOKS; i++) {
    int seen = look(i % 2 ? O_RDONLY : O_RDWR);
    found += seen > 0;
    failures += seen < 0;
  }
  talk_tell(peer.socket, 'e');
  peer_wait(&peer);
  g_test_message("of %u looks %u found it, %u failed", LOOKS, found, failures);
  g_assert_cmpuint(failures, <=, LOOKS / LOOKS_A_FAILURE);
}

#define ADD(name) g_test_add_func("/sysv-removed/" #name, test_##name)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD(a_removed_segment_lives_on_where_it_is_used);
  ADD(what_is_gone_is_opened_by_nobody);
  ADD(what_is_gone_but_open_has_its_size);
  ADD(a_name_that_comes_and_goes_is_there_or_absent);
  return run_on_mount("sysv");
}
