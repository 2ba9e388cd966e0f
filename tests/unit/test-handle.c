/* A node names one inode for as long as it lives, and nothing afterwards. */
#include "store/handle.h"
#include "store/store.h"
#include "util/fd.h"

#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/stat.h>

struct fixture {
  char *path;
  int fd;
  struct handle_table *table;
};

static void set_up(struct fixture *f, gconstpointer data) {
  (void)data;
  f->path = g_mkdtemp(g_strdup("/dev/shm/shmfs-handle-XXXXXX"));
  g_assert_nonnull(f->path);
  f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint(f->fd, >=, 0);
  g_assert_cmpint(handle_table_new(f->fd, &f->table), ==, 0);
}

static void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  handle_table_free(f->table);
  fd_close(f->fd);
  g_assert_cmpint(rmdir(f->path), ==, 0);
  g_free(f->path);
}

static int make_file(struct fixture *f, const char *name) {
  int fd = openat(f->fd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  g_assert_cmpint(fd, >=, 0);
  return fd;
}

static uint64_t node_of(struct fixture *f, const char *name) {
  uint64_t node = 0;
  g_assert_cmpint(handle_node_at(f->table, f->fd, name, &node), ==, 0);
  return node;
}

/* Asserts that the node opens, as the inode that fd is. */
static void assert_opens(struct fixture *f, uint64_t node, int fd) {
  struct stat wanted, got;
  auto_fd int opened = -1;
  g_assert_cmpint(handle_open(f->table, node, O_PATH, &opened), ==, 0);
  g_assert_cmpint(fstat(fd, &wanted), ==, 0);
  g_assert_cmpint(fstat(opened, &got), ==, 0);
  g_assert_cmpuint(wanted.st_ino, ==, got.st_ino);
  g_assert_cmpuint(handle_ino(f->table, node), ==, got.st_ino);
}

static bool cannot_open(struct fixture *f) {
  if (handle_table_can_open(f->table))
    return false;
  g_test_skip("needs CAP_DAC_READ_SEARCH");
  return true;
}

static void test_rename_and_unlink_keep_the_node(struct fixture *f, gconstpointer data) {
  (void)data;
  if (cannot_open(f))
    return;
  int fd = make_file(f, "a");
  uint64_t node = node_of(f, "a");
  assert_opens(f, node, fd);
  g_assert_cmpint(renameat(f->fd, "a", f->fd, "b"), ==, 0);
  g_assert_cmpuint(node_of(f, "b"), ==, node);
  assert_opens(f, node, fd);
  g_assert_cmpint(unlinkat(f->fd, "b", 0), ==, 0);
  assert_opens(f, node, fd);
  fd_close(fd);
  int gone = -1;
  g_assert_cmpint(handle_open(f->table, node, O_PATH, &gone), ==, -ESTALE);
  g_assert_cmpint(gone, ==, -1);
}

static void test_root_is_the_root(struct fixture *f, gconstpointer data) {
  (void)data;
  g_assert_cmpuint(node_of(f, ""), ==, STORE_ROOT);
  if (!cannot_open(f))
    assert_opens(f, STORE_ROOT, f->fd);
}

static void test_a_descriptor_and_its_name_give_one_node(struct fixture *f, gconstpointer data) {
  (void)data;
  auto_fd int fd = make_file(f, "a");
  uint64_t node;
  g_assert_cmpint(handle_node_at(f->table, fd, "", &node), ==, 0);
  g_assert_cmpuint(node, ==, node_of(f, "a"));
  g_assert_cmpint(unlinkat(f->fd, "a", 0), ==, 0);
}

static void test_a_symbolic_link_is_a_node_of_its_own(struct fixture *f, gconstpointer data) {
  (void)data;
  g_assert_cmpint(symlinkat("/etc/passwd", f->fd, "link"), ==, 0);
  uint64_t node = node_of(f, "link");
  if (!cannot_open(f)) {
    struct stat attributes;
    auto_fd int fd = -1;
    int none = -1;
    g_assert_cmpint(handle_open(f->table, node, O_PATH, &fd), ==, 0);
    g_assert_cmpint(fstat(fd, &attributes), ==, 0);
    g_assert_true(S_ISLNK(attributes.st_mode));
    g_assert_cmpint(handle_open(f->table, node, O_RDONLY, &none), ==, -ELOOP);
  }
  g_assert_cmpint(unlinkat(f->fd, "link", 0), ==, 0);
}

static void test_errors_are_the_kernels(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t node = 7;
  g_autofree char *name = g_strnfill(256, 'x');
  g_assert_cmpint(handle_node_at(f->table, f->fd, "none", &node), ==, -ENOENT);
  g_assert_cmpint(handle_node_at(f->table, f->fd, name, &node), ==, -ENAMETOOLONG);
  int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint(handle_node_at(f->table, root, "proc", &node), ==, -EXDEV);
  g_assert_cmpint(handle_node_at(f->table, root, "", &node), ==, -EXDEV);
  fd_close(root);
  g_assert_cmpuint(node, ==, 7);
}

static void test_another_file_system_is_refused(void) {
  auto_fd int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct handle_table *table = NULL;
  g_assert_cmpint(handle_table_new(fd, &table), ==, -EOPNOTSUPP);
  g_assert_null(table);
}

static void test_ordinary_handles_need_no_table(struct fixture *f, gconstpointer data) {
  (void)data;
  const struct handle handle = {.generation = 0xdeadbeef, .ino = UINT32_MAX};
  struct handle back;
  g_assert_cmphex(handle_to_node(f->table, &handle), ==, UINT64_C(0xdeadbeefffffffff));
  g_assert_cmpint(handle_from_node(f->table, UINT64_C(0xdeadbeefffffffff), &back), ==, 0);
  g_assert_cmphex(back.generation, ==, handle.generation);
  g_assert_cmphex(back.ino, ==, handle.ino);
}

static void test_exceptions_get_ids_that_come_back(struct fixture *f, gconstpointer data) {
  (void)data;
  static const struct handle handles[] = {
      {.generation = 0, .ino = 42},
      {.generation = 0, .ino = 1},
      {.generation = 5, .ino = UINT64_C(0x100000000)},
      {.generation = 0xffffffff, .ino = UINT64_C(0x123456789abc)},
  };
  struct handle_table *other;
  g_assert_cmpint(handle_table_new(f->fd, &other), ==, 0);
  for (size_t i = 0; i < G_N_ELEMENTS(handles); i++) {
    uint64_t node = handle_to_node(f->table, &handles[i]);
    struct handle back;
    g_assert_cmphex(node, >=, 0x80000000);
    g_assert_cmphex(node, <=, UINT32_MAX);
    g_assert_cmphex(handle_to_node(f->table, &handles[i]), ==, node);
    g_assert_cmpint(handle_from_node(f->table, node, &back), ==, 0);
    g_assert_cmphex(back.generation, ==, handles[i].generation);
    g_assert_cmphex(back.ino, ==, handles[i].ino);
    g_assert_cmphex(handle_ino(f->table, node), ==, handles[i].ino);
    g_assert_cmpint(handle_from_node(other, node, &back), ==, -ESTALE);
    g_assert_cmphex(handle_to_node(other, &handles[i]), ==, node);
  }
  handle_table_free(other);
}

static void test_the_side_table_is_bounded(struct fixture *f, gconstpointer data) {
  (void)data;
  const uint32_t count = HANDLE_SIDE_MAX + 1000;
  g_autofree uint64_t *nodes = g_new(uint64_t, count);
  for (uint32_t i = 0; i < count; i++)
    nodes[i] =
        handle_to_node(f->table, &(struct handle){.generation = i, .ino = (uint64_t)1 << 40});
  uint32_t known = 0;
  for (uint32_t i = 0; i < count; i++) {
    struct handle back;
    /* The id of one that was dropped may have gone to a newer one. */
    if (handle_from_node(f->table, nodes[i], &back) == 0 && back.generation == i)
      known++;
  }
  g_assert_cmpuint(known, ==, HANDLE_SIDE_MAX);
}

#define ADD(name, function)                                                                        \
  g_test_add("/handle/" name, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("rename-and-unlink-keep-the-node", test_rename_and_unlink_keep_the_node);
  ADD("root-is-the-root", test_root_is_the_root);
  ADD("a-descriptor-and-its-name-give-one-node", test_a_descriptor_and_its_name_give_one_node);
  ADD("a-symbolic-link-is-a-node-of-its-own", test_a_symbolic_link_is_a_node_of_its_own);
  ADD("errors-are-the-kernels", test_errors_are_the_kernels);
  g_test_add_func("/handle/another-file-system-is-refused", test_another_file_system_is_refused);
  ADD("ordinary-handles-need-no-table", test_ordinary_handles_need_no_table);
  ADD("exceptions-get-ids-that-come-back", test_exceptions_get_ids_that_come_back);
  ADD("the-side-table-is-bounded", test_the_side_table_is_bounded);
  return g_test_run();
}
