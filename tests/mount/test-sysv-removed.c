/* System V segments that are removed while they are open, mapped or attached, and what comes after them
 * under their key. */
#include "sysv.h"

#include <sys/prctl.h>
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

#define ADD(name) g_test_add_func("/sysv-removed/" #name, test_##name)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD(a_removed_segment_lives_on_where_it_is_used);
  ADD(what_is_gone_is_opened_by_nobody);
  ADD(what_is_gone_but_open_has_its_size);
  return run_on_mount();
}
