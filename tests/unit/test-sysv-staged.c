/* How a file that is created becomes a segment: when its size is set, or at a close, and once. */
#include "sysv-fixture.h"

static void test_setting_the_size_makes_the_segment(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t node = 0;
  auto_fd int fd = -1;
  int r = create_by(f, NAME, O_EXCL, OTHER_USER, &node, &fd);
  g_assert_cmpint(r, ==, 0);
  g_assert_cmpint(attributes_of(f, node).st_nlink, ==, 1);
  g_assert_cmpint(lookup(f, NAME), ==, -ENOENT);
  g_assert_cmpint(f->store->ops->write(f->store, node, "hello", 5, 4), ==, 5);
  g_assert_cmpint(set_size(f, node, 5000, true), ==, 0);
  g_assert_cmpint(lookup(f, NAME), ==, 0);
  int id = shmget(KEY, 0, 0);
  char *memory = attach(id);
  g_assert_cmpint(memcmp(memory, "\0\0\0\0hello\0", 10), ==, 0);
  g_assert_cmpint(f->store->ops->write(f->store, node, "HELLO", 5, 4), ==, 5);
  g_assert_cmpint(memcmp(memory + 4, "HELLO", 5), ==, 0);
  shmdt(memory);
  struct shmid_ds segment;
  g_assert_cmpint(shmctl(id, IPC_STAT, &segment), ==, 0);
  g_assert_cmpuint(segment.shm_segsz, ==, 5000);
  g_assert_cmpint(segment.shm_perm.mode & 0777, ==, 0640);
  g_assert_cmpint(segment.shm_perm.cuid, ==, OTHER_USER);
  g_assert_cmpint(segment.shm_perm.uid, ==, OTHER_USER);
  g_assert_cmpint(segment.shm_perm.gid, ==, OTHER_USER);
  g_assert_cmpint(geteuid(), ==, 0);
  g_assert_cmpint(set_size(f, node, 5001, true), ==, -EPERM);
  g_assert_cmpint(f->store->ops->flush(f->store, node), ==, 0);
}

static void test_closing_makes_the_segment(struct fixture *f, gconstpointer data) {
  (void)data;
  const struct store_ops *ops = f->store->ops;
  uint64_t node = 0;
  auto_fd int fd = -1;
  g_assert_cmpint(create(f, NAME, &node, &fd), ==, 0);
  g_assert_cmpint(ops->flush(f->store, node), ==, 0);
  g_assert_cmpint(lookup(f, NAME), ==, -ENOENT);
  g_assert_cmpint(ops->write(f->store, node, "hello", 5, 0), ==, 5);
  g_assert_cmpint(set_size(f, node, 0, true), ==, 0);
  g_assert_cmpint(ops->write(f->store, node, "bye", 3, 0), ==, 3);
  g_assert_cmpint(ops->flush(f->store, node), ==, 0);
  g_assert_cmpint(attributes_of(f, node).st_size, ==, 3);
  g_assert_cmpint(attributes_of(f, node_of(f, NAME)).st_size, ==, 3);
  char buffer[8];
  g_assert_cmpint(ops->read(f->store, node_of(f, NAME), buffer, sizeof(buffer), 0), ==, 3);
  g_assert_cmpint(memcmp(buffer, "bye", 3), ==, 0);
  g_assert_cmpint(ops->write(f->store, node, "more", 4, 3), ==, -ENOSPC);
}

static void test_attributes_of_a_staged_file_are_the_segments(struct fixture *f,
                                                              gconstpointer data) {
  (void)data;
  uint64_t node = 0;
  auto_fd int fd = -1;
  g_assert_cmpint(create(f, NAME, &node, &fd), ==, 0);
  struct store_change wish = {.mask = STORE_CHANGE_MODE | STORE_CHANGE_GID | STORE_CHANGE_SIZE,
                              .mode = 0604,
                              .gid = 7,
                              .size = 10};
  g_assert_cmpint(change(f, node, wish), ==, 0);
  struct stat attributes = attributes_of(f, node_of(f, NAME));
  g_assert_cmpint(attributes.st_mode, ==, S_IFREG | 0604);
  g_assert_cmpint(attributes.st_gid, ==, 7);
}

static void test_a_taken_name_is_not_made_again(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t first = 0, second = 0;
  auto_fd int first_fd = -1, second_fd = -1, fd = -1;
  g_assert_cmpint(create(f, NAME, &first, &first_fd), ==, 0);
  g_assert_cmpint(create(f, NAME, &second, &second_fd), ==, 0);
  g_assert_cmpint(f->store->ops->write(f->store, first, "1", 1, 0), ==, 1);
  g_assert_cmpint(f->store->ops->flush(f->store, first), ==, 0);
  g_assert_cmpint(set_size(f, second, 1, true), ==, -EEXIST);
  g_assert_cmpint(set_size(f, second, 1, true), ==, -EEXIST);
  g_assert_cmpint(create(f, NAME, &second, &fd), ==, -EEXIST);
  int r = create_by(f, NAME, 0, 0, &second, &fd);
  g_assert_cmpint(r, ==, -ESTALE);
}

/* kernel.shmmax, of the namespace. */
static bool set_limit(const char *bytes) {
  auto_fd int fd = open("/proc/sys/kernel/shmmax", O_WRONLY | O_CLOEXEC);
  return fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes);
}

static void test_the_limits_are_the_kernels(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t node = 0;
  auto_fd int fd = -1;
  g_autofree char *before = NULL;
  g_assert_true(g_file_get_contents("/proc/sys/kernel/shmmax", &before, NULL, NULL));
  g_assert_true(set_limit("4096"));
  g_assert_cmpint(create(f, NAME, &node, &fd), ==, 0);
  g_assert_cmpint(set_size(f, node, 4097, true), ==, -EINVAL);
  g_assert_cmpint(set_size(f, node, 4096, true), ==, 0);
  g_assert_true(set_limit(g_strchomp(before)));
}

/* What a killed process has left is the staged file with its record; a store that is made anew has
 * nothing else either. */
static void test_another_store_goes_on_with_a_staged_file(struct fixture *f, gconstpointer data) {
  uint64_t node = 0;
  auto_fd int fd = -1;
  g_assert_cmpint(create(f, NAME, &node, &fd), ==, 0);
  g_assert_cmpint(f->store->ops->write(f->store, node, "hello", 5, 0), ==, 5);
  f->store->ops->free(f->store);
  close(f->directory);
  set_up(f, data);
  g_assert_cmpint(f->store->ops->flush(f->store, node), ==, 0);
  g_assert_cmpint(attributes_of(f, node_of(f, NAME)).st_size, ==, 5);
}

static gpointer race(gpointer data) {
  struct fixture *f = data;
  uint64_t node = 0;
  int fd;
  if (create(f, NAME, &node, &fd) < 0)
    return NULL;
  int r = set_size(f, node, 4096, true);
  g_assert_true(r == 0 || r == -EEXIST);
  close(fd);
  return r == 0 ? f : NULL;
}

static void test_one_of_many_creators_wins(struct fixture *f, gconstpointer data) {
  (void)data;
  for (int round = 0; round < 50; round++) {
    GThread *threads[8];
    int won = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
      threads[i] = g_thread_new("race", race, f);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
      won += g_thread_join(threads[i]) != NULL;
    g_assert_cmpint(won, ==, 1);
    g_assert_cmpint(f->store->ops->unlink(f->store, STORE_ROOT, NAME), ==, 0);
  }
}

int main(int argc, char **argv) {
  start(&argc, &argv);
  ADD(setting_the_size_makes_the_segment);
  ADD(closing_makes_the_segment);
  ADD(attributes_of_a_staged_file_are_the_segments);
  ADD(a_taken_name_is_not_made_again);
  ADD(the_limits_are_the_kernels);
  ADD(another_store_goes_on_with_a_staged_file);
  ADD(one_of_many_creators_wins);
  return g_test_run();
}
