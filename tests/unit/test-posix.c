/* Names and nodes of the posix store: a node is its inode through everything that happens to its
 * names, on this side or natively, and is nothing once the inode is gone. */
#include "posix-fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void test_only_a_tmpfs_directory_will_do(void) {
  int fd = -1;
  g_assert_cmpint(posix_directory_open("/nonexistent", false, &fd), ==, -ENOENT);
  g_assert_cmpint(posix_directory_open("/etc/passwd", false, &fd), ==, -ENOTDIR);
  g_assert_cmpint(posix_directory_open("/proc", false, &fd), ==, -EOPNOTSUPP);
  g_assert_cmpint(fd, ==, -1);
}

static void test_bad_names_are_refused(struct fixture *f, gconstpointer data) {
  (void)data;
  static const char *const names[] = {"", ".", "..", "a/b", "/"};
  struct store_entry entry;
  struct store_file file;
  struct store_new new = new_file(S_IFREG | 0600);
  g_autofree char *too_long = g_strnfill(256, 'x');
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    g_assert_cmpint(f->ops->lookup(f->store, 1, names[i], &entry), ==, -EINVAL);
    g_assert_cmpint(f->ops->make(f->store, 1, names[i], &new, &entry), ==, -EINVAL);
    g_assert_cmpint(f->ops->create(f->store, 1, names[i], &new, 0, &entry, &file), ==, -EINVAL);
    g_assert_cmpint(f->ops->unlink(f->store, 1, names[i]), ==, -EINVAL);
    g_assert_cmpint(f->ops->rename(f->store, 1, "a", 1, names[i], 0), ==, -EINVAL);
  }
  g_assert_cmpint(f->ops->lookup(f->store, 1, too_long, &entry), ==, -ENAMETOOLONG);
  g_assert_cmpint(f->ops->create(f->store, 1, too_long, &new, 0, &entry, &file), ==, -ENAMETOOLONG);
}

static void test_native_changes_are_seen_at_once(struct fixture *f, gconstpointer data) {
  (void)data;
  if (cannot_open_by_handle())
    return;
  struct store_entry entry;
  g_assert_cmpint(f->ops->lookup(f->store, STORE_ROOT, "a", &entry), ==, -ENOENT);
  auto_fd int fd = openat(f->fd, "a", O_CREAT | O_RDWR | O_CLOEXEC, 0640);
  uint64_t node = lookup(f, STORE_ROOT, "a");
  g_assert_cmpint(ftruncate(fd, 12345), ==, 0);
  g_assert_cmpint(attributes_of(f, node).st_size, ==, 12345);
  g_assert_cmpint(renameat(f->fd, "a", f->fd, "b"), ==, 0);
  g_assert_cmpint(attributes_of(f, node).st_size, ==, 12345);
  g_assert_cmpuint(lookup(f, STORE_ROOT, "b"), ==, node);
  g_assert_cmpint(unlinkat(f->fd, "b", 0), ==, 0);
  g_assert_cmpuint(attributes_of(f, node).st_nlink, ==, 0);
  make_regular(f, "b");
  g_assert_cmpuint(lookup(f, STORE_ROOT, "b"), !=, node);
  fd_close(fd_steal(&fd));
  struct stat attributes;
  g_assert_cmpint(f->ops->get_attributes(f->store, node, &attributes), ==, -ESTALE);
}

static void test_every_type_can_be_made(struct fixture *f, gconstpointer data) {
  (void)data;
  static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK, S_IFLNK};
  for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
    struct store_new new = new_file(types[i] | 0600);
    struct store_entry entry;
    struct stat native;
    new.target = "target";
    make(f, STORE_ROOT, "x", types[i] | 0600);
    g_assert_cmpint(f->ops->make(f->store, STORE_ROOT, "x", &new, &entry), ==, -EEXIST);
    g_assert_cmpint(fstatat(f->fd, "x", &native, AT_SYMLINK_NOFOLLOW), ==, 0);
    g_assert_cmpuint(native.st_mode & S_IFMT, ==, types[i]);
    g_assert_cmpint(unlinkat(f->fd, "x", S_ISDIR(types[i]) ? AT_REMOVEDIR : 0), ==, 0);
  }
  struct store_new nothing = new_file(S_IFMT);
  struct store_entry entry;
  g_assert_cmpint(f->ops->make(f->store, STORE_ROOT, "x", &nothing, &entry), ==, -EINVAL);
}

static void test_what_a_caller_makes_is_his(struct fixture *f, gconstpointer data) {
  (void)data;
  if (geteuid() != 0) {
    g_test_skip("needs root");
    return;
  }
  const struct store_new new = {.mode = S_IFREG | 0666,
                                .caller = {.uid = SOMEBODY, .gid = 1000, .umask = 026}};
  struct store_entry entry;
  struct store_file file;
  g_assert_cmpint(f->ops->create(f->store, 1, "a", &new, O_EXCL | O_RDWR, &entry, &file), ==, 0);
  fd_close(file.fd);
  g_assert_cmpuint(entry.attributes.st_uid, ==, SOMEBODY);
  g_assert_cmpuint(entry.attributes.st_gid, ==, 1000);
  g_assert_cmpuint(entry.attributes.st_mode, ==, S_IFREG | 0640);
  g_assert_cmpint(f->ops->create_unnamed(f->store, 1, &new, 0, &entry, &file), ==, 0);
  fd_close(file.fd);
  g_assert_cmpuint(entry.attributes.st_uid, ==, SOMEBODY);
  g_assert_cmpuint(entry.attributes.st_nlink, ==, 0);
  uint64_t node = make_regular(f, "b");
  g_assert_cmpuint(attributes_of(f, node).st_uid, ==, 0);
}

static void test_create_opens_only_the_callers_own(struct fixture *f, gconstpointer data) {
  (void)data;
  struct store_new new = new_file(S_IFREG | 0600);
  struct store_entry entry, again;
  struct store_file file;
  g_assert_cmpint(f->ops->create(f->store, 1, "a", &new, O_EXCL | O_RDWR, &entry, &file), ==, 0);
  g_assert_cmpint(write(file.fd, "hello", 5), ==, 5);
  fd_close(file.fd);
  g_assert_cmpint(f->ops->create(f->store, 1, "a", &new, O_EXCL, &again, &file), ==, -EEXIST);
  g_assert_cmpint(f->ops->create(f->store, 1, "a", &new, O_RDWR, &again, &file), ==, 0);
  g_assert_cmpuint(again.node, ==, entry.node);
  g_assert_cmpint(write(file.fd, "H", 1), ==, 1);
  g_assert_cmpint(lseek(file.fd, 0, SEEK_END), ==, 5);
  fd_close(file.fd);
  g_assert_cmpint(f->ops->create(f->store, 1, "a", &new, O_TRUNC | O_RDWR, &again, &file), ==, 0);
  g_assert_cmpint(lseek(file.fd, 0, SEEK_END), ==, 0);
  fd_close(file.fd);
  new.caller.uid = SOMEBODY;
  if (geteuid() == 0)
    g_assert_cmpint(f->ops->create(f->store, 1, "a", &new, O_RDWR, &again, &file), ==, -ESTALE);
  make(f, STORE_ROOT, "fifo", S_IFIFO | 0600);
  make(f, STORE_ROOT, "link", S_IFLNK | 0777);
  new.caller.uid = getuid();
  g_assert_cmpint(f->ops->create(f->store, 1, "fifo", &new, O_RDWR, &again, &file), ==, -ESTALE);
  g_assert_cmpint(f->ops->create(f->store, 1, "link", &new, O_RDWR, &again, &file), ==, -ESTALE);
}

static void test_an_unnamed_file_can_be_linked(struct fixture *f, gconstpointer data) {
  (void)data;
  if (cannot_open_by_handle())
    return;
  struct store_new new = new_file(S_IFREG | 0600);
  struct store_entry entry, linked;
  struct store_file file;
  g_assert_cmpint(f->ops->create_unnamed(f->store, 1, &new, 0, &entry, &file), ==, 0);
  g_assert_cmpint(f->ops->link(f->store, entry.node, 1, "a", &linked), ==, 0);
  g_assert_cmpuint(linked.node, ==, entry.node);
  g_assert_cmpuint(linked.attributes.st_nlink, ==, 1);
  g_assert_cmpint(f->ops->link(f->store, entry.node, 1, "a", &linked), ==, -EEXIST);
  fd_close(file.fd);
  g_assert_cmpuint(lookup(f, STORE_ROOT, "a"), ==, entry.node);
  g_assert_cmpint(f->ops->create_unnamed(f->store, 1, &new, O_EXCL | O_RDWR, &entry, &file), ==, 0);
  g_assert_cmpint(f->ops->link(f->store, entry.node, 1, "b", &linked), ==, -ENOENT);
  fd_close(file.fd);
}

static void test_links_are_one_node(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t directory = make(f, STORE_ROOT, "d", S_IFDIR | 0700);
  uint64_t node = make_regular(f, "a");
  uint64_t symlink = make(f, STORE_ROOT, "s", S_IFLNK | 0777);
  struct store_entry entry;
  g_assert_cmpint(f->ops->link(f->store, node, directory, "b", &entry), ==, 0);
  g_assert_cmpuint(entry.attributes.st_nlink, ==, 2);
  g_assert_cmpint(f->ops->unlink(f->store, STORE_ROOT, "a"), ==, 0);
  g_assert_cmpuint(lookup(f, directory, "b"), ==, node);
  g_assert_cmpint(f->ops->link(f->store, symlink, directory, "s", &entry), ==, 0);
  g_assert_true(S_ISLNK(entry.attributes.st_mode));
  g_assert_cmpint(f->ops->link(f->store, directory, directory, "d", &entry), ==, -EPERM);
  g_assert_cmpint(f->ops->lookup(f->store, node, "x", &entry), ==, -ENOTDIR);
}

static void test_rename_keeps_nodes_and_honours_flags(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t directory = make(f, STORE_ROOT, "d", S_IFDIR | 0700);
  uint64_t a = make_regular(f, "a"), b = make(f, directory, "b", S_IFREG | 0600);
  const struct store_ops *ops = f->ops;
  g_assert_cmpint(ops->rename(f->store, 1, "a", directory, "b", RENAME_NOREPLACE), ==, -EEXIST);
  g_assert_cmpint(ops->rename(f->store, 1, "a", directory, "b", RENAME_EXCHANGE), ==, 0);
  g_assert_cmpuint(lookup(f, STORE_ROOT, "a"), ==, b);
  g_assert_cmpuint(lookup(f, directory, "b"), ==, a);
  g_assert_cmpint(ops->rename(f->store, 1, "d", 1, "e", 0), ==, 0);
  g_assert_cmpuint(lookup(f, directory, "b"), ==, a);
  g_assert_cmpint(ops->rename(f->store, directory, "b", 1, "a", 0), ==, 0);
  g_assert_cmpuint(lookup(f, STORE_ROOT, "a"), ==, a);
  struct stat gone;
  g_assert_cmpint(ops->get_attributes(f->store, b, &gone), ==, -ESTALE);
  g_assert_cmpint(ops->rename(f->store, 1, "a", 1, "b", 1u << 31), ==, -EINVAL);
  g_assert_cmpint(ops->unlink(f->store, 1, "e"), ==, -EISDIR);
  g_assert_cmpint(ops->remove_directory(f->store, 1, "a"), ==, -ENOTDIR);
  g_assert_cmpint(ops->remove_directory(f->store, 1, "e"), ==, 0);
  struct store_entry entry;
  g_assert_cmpint(ops->lookup(f->store, directory, "b", &entry), ==, -ESTALE);
}

struct swapper {
  int fd;
  atomic_bool stop;
};

static gpointer swap_names(gpointer data) {
  struct swapper *swapper = data;
  while (!atomic_load(&swapper->stop))
    g_assert_cmpint(renameat2(swapper->fd, "a", swapper->fd, "b", RENAME_EXCHANGE), ==, 0);
  return NULL;
}

/* An entry is a node with its own attributes, however fast the name changes its meaning. */
static void test_entries_never_mix_two_files(struct fixture *f, gconstpointer data) {
  (void)data;
  if (cannot_open_by_handle())
    return;
  struct swapper swapper = {.fd = f->fd};
  uint64_t a = make_regular(f, "a"), b = make_regular(f, "b");
  ino_t ino_a = attributes_of(f, a).st_ino, ino_b = attributes_of(f, b).st_ino;
  GThread *thread = g_thread_new("swap", swap_names, &swapper);
  for (int i = 0; i < 20000; i++) {
    struct store_entry entry;
    struct stat attributes;
    g_assert_cmpint(f->ops->lookup(f->store, STORE_ROOT, i % 2 ? "a" : "b", &entry), ==, 0);
    g_assert_true(entry.node == a || entry.node == b);
    g_assert_cmpuint(entry.attributes.st_ino, ==, entry.node == a ? ino_a : ino_b);
    g_assert_cmpint(f->ops->get_attributes(f->store, a, &attributes), ==, 0);
    g_assert_cmpuint(attributes.st_ino, ==, ino_a);
  }
  atomic_store(&swapper.stop, true);
  g_thread_join(thread);
}

/* In a child with mounts of its own. Exit status 0: all is as it should be. */
static int look_at_a_covered_directory(const char *path) {
  g_autofree char *sub = g_build_filename(path, "sub", NULL);
  struct store_entry entry;
  struct store *plain, *private;
  int plain_fd, private_fd;
  struct stat covered;
  if (stat(sub, &covered) < 0 || unshare(CLONE_NEWNS) < 0 ||
      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
      mount("none", sub, "tmpfs", 0, NULL) < 0)
    return 2;
  if (posix_directory_open(path, false, &plain_fd) || posix_store_new(plain_fd, &plain) ||
      posix_directory_open(path, true, &private_fd) || posix_store_new(private_fd, &private))
    return 3;
  if (plain->ops->lookup(plain, STORE_ROOT, "sub", &entry) != -EXDEV)
    return 4;
  if (private->ops->lookup(private, STORE_ROOT, "sub", &entry) != 0 ||
      entry.attributes.st_ino != covered.st_ino)
    return 5;
  return 0;
}

static void test_a_mount_inside_is_another_device(struct fixture *f, gconstpointer data) {
  (void)data;
  if (geteuid() != 0) {
    g_test_skip("needs root");
    return;
  }
  make(f, STORE_ROOT, "sub", S_IFDIR | 0700);
  pid_t child = fork();
  if (child == 0)
    _exit(look_at_a_covered_directory(f->path));
  int status;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_cmpint(WEXITSTATUS(status), ==, 0);
  g_assert_true(WIFEXITED(status));
}

static void test_the_private_mount_works_and_keeps_access_times(struct fixture *f,
                                                                gconstpointer data) {
  (void)data;
  struct fixture inner = {.path = f->path};
  if (posix_directory_open(f->path, true, &inner.fd) != 0) {
    g_test_skip("needs CAP_SYS_ADMIN");
    return;
  }
  g_assert_cmpint(posix_store_new(inner.fd, &inner.store), ==, 0);
  inner.ops = inner.store->ops;
  uint64_t node = make_regular(&inner, "a");
  struct store_file file;
  char byte;
  const struct store_change old = {.mask = STORE_CHANGE_SIZE | STORE_CHANGE_TIMES,
                                   .size = 1,
                                   .times = {{.tv_sec = 5}, {.tv_sec = 6}}};
  struct stat attributes;
  g_assert_cmpint(inner.ops->change(inner.store, node, -1, &old, &attributes), ==, 0);
  g_assert_cmpint(inner.ops->open(inner.store, node, O_RDONLY, &file), ==, 0);
  g_assert_cmpint(pread(file.fd, &byte, 1, 0), ==, 1);
  fd_close(file.fd);
  g_assert_cmpint(attributes_of(&inner, node).st_atime, ==, 5);
  g_assert_cmpuint(lookup(f, STORE_ROOT, "a"), ==, node);
  inner.ops->free(inner.store);
  fd_close(inner.fd);
}

static void drop_capability(unsigned capability) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
  g_assert_cmpint(syscall(SYS_capget, &header, words), ==, 0);
  words[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
  g_assert_cmpint(syscall(SYS_capset, &header, words), ==, 0);
}

static gpointer find_nodes_by_scanning(gpointer data) {
  struct fixture *f = data;
  struct fixture inner = {.path = f->path, .fd = f->fd};
  drop_capability(CAP_DAC_READ_SEARCH);
  g_assert_cmpint(posix_store_new(f->fd, &inner.store), ==, 0);
  inner.ops = inner.store->ops;
  uint64_t outer = make(&inner, STORE_ROOT, "d", S_IFDIR | 0700);
  uint64_t directory = make(&inner, outer, "e", S_IFDIR | 0700);
  uint64_t node = make(&inner, directory, "deep", S_IFREG | 0600);
  uint64_t top = make_regular(&inner, "top");
  struct store_file file;
  struct stat attributes;
  struct store_entry entry;
  g_assert_cmpuint(attributes_of(&inner, node).st_nlink, ==, 1);
  g_assert_cmpint(renameat(f->fd, "d/e/deep", f->fd, "d/deeper"), ==, 0);
  g_assert_cmpint(renameat(f->fd, "top", f->fd, "d/e/top"), ==, 0);
  g_assert_cmpuint(attributes_of(&inner, node).st_nlink, ==, 1);
  g_assert_cmpint(inner.ops->open(inner.store, top, O_RDWR, &file), ==, 0);
  g_assert_cmpint(write(file.fd, "x", 1), ==, 1);
  g_assert_cmpint(inner.ops->link(inner.store, top, STORE_ROOT, "linked", &entry), ==, 0);
  g_assert_cmpuint(entry.node, ==, top);
  fd_close(file.fd);
  g_assert_cmpuint(lookup(&inner, directory, "top"), ==, top);
  g_assert_cmpint(unlinkat(f->fd, "d/deeper", 0), ==, 0);
  g_assert_cmpint(inner.ops->get_attributes(inner.store, node, &attributes), ==, -ESTALE);
  inner.ops->free(inner.store);
  return NULL;
}

static void test_without_the_capability_names_are_scanned(struct fixture *f, gconstpointer data) {
  (void)data;
  g_thread_join(g_thread_new("rootless", find_nodes_by_scanning, f));
}

#define ADD(name, function)                                                                        \
  g_test_add("/posix/" name, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/posix/only-a-tmpfs-directory-will-do", test_only_a_tmpfs_directory_will_do);
  ADD("bad-names-are-refused", test_bad_names_are_refused);
  ADD("native-changes-are-seen-at-once", test_native_changes_are_seen_at_once);
  ADD("every-type-can-be-made", test_every_type_can_be_made);
  ADD("what-a-caller-makes-is-his", test_what_a_caller_makes_is_his);
  ADD("create-opens-only-the-callers-own", test_create_opens_only_the_callers_own);
  ADD("an-unnamed-file-can-be-linked", test_an_unnamed_file_can_be_linked);
  ADD("links-are-one-node", test_links_are_one_node);
  ADD("rename-keeps-nodes-and-honours-flags", test_rename_keeps_nodes_and_honours_flags);
  ADD("entries-never-mix-two-files", test_entries_never_mix_two_files);
  ADD("a-mount-inside-is-another-device", test_a_mount_inside_is_another_device);
  ADD("the-private-mount-works-and-keeps-access-times",
      test_the_private_mount_works_and_keeps_access_times);
  ADD("without-the-capability-names-are-scanned", test_without_the_capability_names_are_scanned);
  return g_test_run();
}
