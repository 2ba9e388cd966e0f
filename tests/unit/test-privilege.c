/* Who owns what a thread makes. Identity and capabilities are the thread's own, so each test runs
 * in a thread that ends with it. */
#include "util/fd.h"
#include "util/privilege.h"

#include <fcntl.h>
#include <glib.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define SOMEBODY 65534

static void run_in_thread(gconstpointer function) {
  if (geteuid() != 0) {
    g_test_skip("needs root");
    return;
  }
  g_thread_join(g_thread_new("test", (GThreadFunc)function, NULL));
}

static int make_file(mode_t mode) {
  char path[] = "/dev/shm/shmfs-privilege-XXXXXX";
  g_assert_nonnull(mkdtemp(path));
  g_assert_cmpint(chmod(path, 0777), ==, 0);
  g_autofree char *name = g_build_filename(path, "file", NULL);
  int fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
  g_assert_cmpint(fd, >=, 0);
  g_assert_cmpint(unlink(name), ==, 0);
  g_assert_cmpint(rmdir(path), ==, 0);
  return fd;
}

static void assert_made(uid_t uid, gid_t gid, mode_t mode) {
  auto_fd int fd = make_file(0777);
  struct stat attributes;
  g_assert_cmpint(fstat(fd, &attributes), ==, 0);
  g_assert_cmpuint(attributes.st_uid, ==, uid);
  g_assert_cmpuint(attributes.st_gid, ==, gid);
  g_assert_cmpuint(attributes.st_mode & 07777, ==, mode);
}

static gpointer what_is_made_belongs_to_the_caller(gpointer data) {
  g_assert_cmpint(privilege_init(), ==, 0);
  g_assert_cmpint(privilege_thread_init(), ==, 0);
  g_assert_cmpint(privilege_assume(SOMEBODY, 1000, 027), ==, 0);
  assert_made(SOMEBODY, 1000, 0750);
  g_assert_cmpint(privilege_assume(SOMEBODY, 1001, 027), ==, 0);
  assert_made(SOMEBODY, 1001, 0750);
  g_assert_cmpint(privilege_assume(0, 0, 0), ==, 0);
  assert_made(0, 0, 0777);
  return data;
}

static gpointer capabilities_outlast_the_identity(gpointer data) {
  g_assert_cmpint(privilege_init(), ==, 0);
  g_assert_cmpint(privilege_thread_init(), ==, 0);
  g_assert_cmpint(privilege_assume(SOMEBODY, SOMEBODY, 022), ==, 0);
  g_assert_true(privilege_has(CAP_DAC_READ_SEARCH));
  g_assert_true(privilege_has(CAP_SYS_ADMIN));
  g_assert_false(privilege_has(CAP_FSETID));
  return data;
}

static void drop(unsigned capability) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
  g_assert_cmpint(syscall(SYS_capget, &header, words), ==, 0);
  words[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
  words[CAP_TO_INDEX(capability)].permitted &= ~CAP_TO_MASK(capability);
  g_assert_cmpint(syscall(SYS_capset, &header, words), ==, 0);
}

/* As in a container that was given no CAP_SETPCAP. */
static gpointer capabilities_outlast_without_the_secure_bit(gpointer data) {
  drop(CAP_SETPCAP);
  g_assert_cmpint(privilege_init(), ==, 0);
  g_assert_cmpint(privilege_thread_init(), ==, 0);
  g_assert_cmpint(privilege_assume(SOMEBODY, SOMEBODY, 0), ==, 0);
  g_assert_true(privilege_has(CAP_DAC_READ_SEARCH));
  g_assert_false(privilege_has(CAP_FSETID));
  assert_made(SOMEBODY, SOMEBODY, 0777);
  return data;
}

static gpointer without_privilege_only_oneself(gpointer data) {
  drop(CAP_SETUID);
  drop(CAP_SETGID);
  drop(CAP_SETPCAP);
  drop(CAP_FSETID);
  g_assert_cmpint(privilege_init(), ==, 0);
  g_assert_cmpint(privilege_thread_init(), ==, 0);
  g_assert_cmpint(privilege_assume(SOMEBODY, 0, 0), ==, -EPERM);
  g_assert_cmpint(privilege_assume(0, 12345, 077), ==, 0);
  assert_made(0, getegid(), 0700);
  g_assert_cmpint(privilege_keep_setid(true), ==, -EPERM);
  return data;
}

static gpointer threads_are_seen_as_they_are(gpointer data) {
  gid_t groups[4096];
  for (gid_t i = 0; i < G_N_ELEMENTS(groups); i++)
    groups[i] = 10000 + 2 * i;
  g_assert_cmpint(syscall(SYS_setgroups, G_N_ELEMENTS(groups), groups), ==, 0);
  g_assert_true(privilege_thread_in_group(gettid(), 10000));
  g_assert_true(privilege_thread_in_group(gettid(), groups[4095]));
  g_assert_false(privilege_thread_in_group(gettid(), 10001));
  g_assert_false(privilege_thread_in_group(gettid(), 1000));
  g_assert_true(privilege_of_thread(gettid(), CAP_FOWNER));
  drop(CAP_FOWNER);
  g_assert_false(privilege_of_thread(gettid(), CAP_FOWNER));
  g_assert_true(privilege_of_thread(gettid(), CAP_CHOWN));
  g_assert_false(privilege_of_thread(0, CAP_CHOWN));
  g_assert_false(privilege_thread_in_group(0, 10000));
  return data;
}

static bool write_keeps_setid(void) {
  auto_fd int fd = make_file(0777);
  struct stat attributes;
  g_assert_cmpint(fchmod(fd, 04777), ==, 0);
  g_assert_cmpint(write(fd, "x", 1), ==, 1);
  g_assert_cmpint(fstat(fd, &attributes), ==, 0);
  return attributes.st_mode & S_ISUID;
}

static gpointer setid_bits_go_with_a_write_unless_kept(gpointer data) {
  g_assert_cmpint(privilege_init(), ==, 0);
  g_assert_false(write_keeps_setid());
  g_assert_cmpint(privilege_keep_setid(true), ==, 0);
  g_assert_true(write_keeps_setid());
  g_assert_cmpint(privilege_keep_setid(false), ==, 0);
  g_assert_false(write_keeps_setid());
  return data;
}

static gpointer umask_is_the_threads_own(gpointer data) {
  mode_t *seen = data;
  g_assert_cmpint(privilege_thread_init(), ==, 0);
  g_assert_cmpint(privilege_assume(0, 0, 0123), ==, 0);
  *seen = umask(0);
  return NULL;
}

static void test_umask_is_the_threads_own(void) {
  if (geteuid() != 0) {
    g_test_skip("needs root");
    return;
  }
  mode_t seen = 0;
  umask(022);
  g_thread_join(g_thread_new("test", umask_is_the_threads_own, &seen));
  g_assert_cmpuint(seen, ==, 0123);
  g_assert_cmpuint(umask(022), ==, 022);
}

#define ADD(name, function)                                                                        \
  g_test_add_data_func("/privilege/" name, (gconstpointer)(function), run_in_thread)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("what-is-made-belongs-to-the-caller", what_is_made_belongs_to_the_caller);
  ADD("capabilities-outlast-the-identity", capabilities_outlast_the_identity);
  ADD("capabilities-outlast-without-the-secure-bit", capabilities_outlast_without_the_secure_bit);
  ADD("without-privilege-only-oneself", without_privilege_only_oneself);
  ADD("threads-are-seen-as-they-are", threads_are_seen_as_they_are);
  ADD("setid-bits-go-with-a-write-unless-kept", setid_bits_go_with_a_write_unless_kept);
  g_test_add_func("/privilege/umask-is-the-threads-own", test_umask_is_the_threads_own);
  return g_test_run();
}
