/* What is inside the posix store's nodes: attributes, data, listings, extended attributes. */
#include "posix-fixture.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

static struct stat change(struct fixture *f, uint64_t node, int fd, struct store_change change) {
  struct stat attributes;
  g_assert_cmpint(f->ops->change(f->store, node, fd, &change, &attributes), ==, 0);
  struct stat again = attributes_of(f, node);
  g_assert_cmpuint(again.st_mode, ==, attributes.st_mode);
  g_assert_cmpint(again.st_size, ==, attributes.st_size);
  return attributes;
}

static void test_every_attribute_can_be_changed(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t node = make_regular(f, "a");
  struct stat now = change(
      f, node, -1,
      (struct store_change){.mask = STORE_CHANGE_MODE | STORE_CHANGE_SIZE | STORE_CHANGE_TIMES,
                            .mode = S_IFREG | 0321,
                            .size = 4097,
                            .times = {{.tv_sec = 1, .tv_nsec = 2}, {.tv_sec = 3, .tv_nsec = 4}}});
  g_assert_cmpuint(now.st_mode, ==, S_IFREG | 0321);
  g_assert_cmpint(now.st_size, ==, 4097);
  g_assert_cmpint(now.st_atim.tv_sec, ==, 1);
  g_assert_cmpint(now.st_mtim.tv_nsec, ==, 4);
  now = change(f, node, -1,
               (struct store_change){.mask = STORE_CHANGE_TIMES,
                                     .times = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}}});
  g_assert_cmpint(now.st_atim.tv_sec, ==, 1);
  g_assert_cmpint(now.st_mtim.tv_sec, >, 1000000);
  if (geteuid() != 0)
    return;
  now = change(f, node, -1, (struct store_change){.mask = STORE_CHANGE_UID, .uid = SOMEBODY});
  g_assert_cmpuint(now.st_uid, ==, SOMEBODY);
  g_assert_cmpuint(now.st_gid, ==, getgid());
  now = change(f, node, -1, (struct store_change){.mask = STORE_CHANGE_GID, .gid = 1000});
  g_assert_cmpuint(now.st_uid, ==, SOMEBODY);
  g_assert_cmpuint(now.st_gid, ==, 1000);
}

static void test_a_descriptor_at_hand_is_used(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t node = make_regular(f, "a");
  static const int accesses[] = {O_PATH, O_RDONLY, O_RDWR};
  for (int i = 0; i < 3; i++) {
    struct store_file file;
    g_assert_cmpint(f->ops->open(f->store, node, accesses[i], &file), ==, 0);
    g_assert_false(file.fixed_size);
    const struct store_change wanted = {
        .mask = STORE_CHANGE_SIZE | STORE_CHANGE_MODE, .size = 100 + i, .mode = 0600 + (mode_t)i};
    struct stat now = change(f, node, file.fd, wanted);
    g_assert_cmpint(now.st_size, ==, 100 + i);
    g_assert_cmpuint(now.st_mode & 0777, ==, 0600 + (mode_t)i);
    fd_close(file.fd);
  }
}

static mode_t after(struct fixture *f, const char *name, mode_t mode, struct store_change wanted) {
  uint64_t node = make_regular(f, name);
  change(f, node, -1, (struct store_change){.mask = STORE_CHANGE_MODE, .mode = mode});
  struct stat now = change(f, node, -1, wanted);
  g_assert_cmpint(f->ops->unlink(f->store, STORE_ROOT, name), ==, 0);
  return now.st_mode & 07777;
}

static void test_setid_bits_are_kept_or_killed_as_asked(struct fixture *f, gconstpointer data) {
  (void)data;
  if (geteuid() != 0) {
    g_test_skip("needs root");
    return;
  }
  g_assert_cmpint(privilege_keep_setid(false), ==, 0);
  const struct store_change size = {.mask = STORE_CHANGE_SIZE, .size = 5};
  const struct store_change kill = {.mask = STORE_CHANGE_KILL_SETID};
  const struct store_change both = {.mask = STORE_CHANGE_SIZE | STORE_CHANGE_KILL_SETID};
  const struct store_change owner = {.mask = STORE_CHANGE_UID | STORE_CHANGE_KILL_SETID,
                                     .uid = SOMEBODY};
  const struct store_change owner_mode = {
      .mask = STORE_CHANGE_UID | STORE_CHANGE_MODE, .uid = SOMEBODY, .mode = 04711};
  g_assert_cmpuint(after(f, "a", 06755, size), ==, 06755);
  g_assert_cmpuint(after(f, "b", 06755, kill), ==, 0755);
  g_assert_cmpuint(after(f, "c", 06745, kill), ==, 02745);
  g_assert_cmpuint(after(f, "d", 06755, both), ==, 0755);
  g_assert_cmpuint(after(f, "e", 06755, owner), ==, 0755);
  g_assert_cmpuint(after(f, "f", 06755, owner_mode), ==, 04711);
  uint64_t directory = make(f, STORE_ROOT, "g", S_IFDIR | 0755);
  change(f, directory, -1, (struct store_change){.mask = STORE_CHANGE_MODE, .mode = 02775});
  g_assert_cmpuint(change(f, directory, -1, kill).st_mode & 07777, ==, 02775);
  g_assert_cmpint(privilege_keep_setid(true), ==, 0);
}

static void test_only_regular_files_are_opened(struct fixture *f, gconstpointer data) {
  (void)data;
  static const int accesses[] = {O_PATH, O_RDONLY, O_RDWR};
  uint64_t fifo = make(f, STORE_ROOT, "fifo", S_IFIFO | 0600);
  uint64_t link = make(f, STORE_ROOT, "link", S_IFLNK | 0777);
  uint64_t directory = make(f, STORE_ROOT, "d", S_IFDIR | 0700);
  const struct store_change size = {.mask = STORE_CHANGE_SIZE};
  struct store_file file = {.fd = -1};
  struct stat attributes;
  for (int i = 0; i < 3; i++) {
    g_assert_cmpint(f->ops->open(f->store, fifo, accesses[i], &file), ==, -EINVAL);
    g_assert_cmpint(f->ops->open(f->store, link, accesses[i], &file), ==, -EINVAL);
    g_assert_cmpint(f->ops->open(f->store, directory, accesses[i], &file), ==, -EISDIR);
    g_assert_cmpint(f->ops->open(f->store, STORE_ROOT, accesses[i], &file), ==, -EISDIR);
  }
  g_assert_cmpint(f->ops->change(f->store, fifo, -1, &size, &attributes), ==, -EINVAL);
  g_assert_cmpint(f->ops->open(f->store, UINT64_C(0x1234500000000001), O_RDWR, &file), ==, -ESTALE);
  g_assert_cmpint(f->ops->open(f->store, 77, O_PATH, &file), ==, -ESTALE);
  g_assert_cmpint(file.fd, ==, -1);
}

static void test_a_symbolic_link_is_read_and_never_followed(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t target = make_regular(f, "target");
  uint64_t link = make(f, STORE_ROOT, "link", S_IFLNK | 0777);
  char buffer[16];
  const struct store_change mode = {.mask = STORE_CHANGE_MODE, .mode = 0};
  const struct store_change times = {.mask = STORE_CHANGE_TIMES, .times = {{.tv_sec = 9}}};
  struct stat attributes;
  g_assert_cmpint(f->ops->read_link(f->store, link, buffer, sizeof(buffer)), ==, 6);
  g_assert_cmpmem(buffer, 6, "target", 6);
  g_assert_cmpint(f->ops->read_link(f->store, link, buffer, 3), ==, 3);
  g_assert_cmpint(f->ops->read_link(f->store, target, buffer, sizeof(buffer)), ==, -EINVAL);
  g_assert_cmpint(f->ops->change(f->store, link, -1, &mode, &attributes), ==, -EOPNOTSUPP);
  g_assert_cmpint(change(f, link, -1, times).st_atime, ==, 9);
  g_assert_cmpint(attributes_of(f, target).st_atime, !=, 9);
  g_assert_cmpuint(attributes_of(f, target).st_mode, ==, S_IFREG | 0600);
}

static void test_statx_agrees_with_stat(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t nodes[] = {STORE_ROOT, make_regular(f, "a"), make(f, STORE_ROOT, "d", S_IFDIR | 0700)};
  const unsigned mask = STATX_BASIC_STATS | STATX_BTIME;
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
      struct statx extended;
      struct stat plain = attributes_of(f, nodes[i]);
      g_assert_cmpint(f->ops->get_statx(f->store, nodes[i], mask, &extended), ==, 0);
      g_assert_cmpuint(extended.stx_ino, ==, plain.st_ino);
      g_assert_cmpuint(extended.stx_mode, ==, plain.st_mode);
      g_assert_cmpint(extended.stx_mtime.tv_nsec, ==, plain.st_mtim.tv_nsec);
      g_assert_cmpuint(makedev(extended.stx_dev_major, extended.stx_dev_minor), ==, plain.st_dev);
      g_assert_true(extended.stx_mask & STATX_BTIME);
    }
    g_assert_cmpint(renameat(f->fd, "a", f->fd, "b"), ==, pass == 0 ? 0 : -1);
  }
}

struct seen {
  GHashTable *names;
  uint64_t next; /* cookie after the last name taken */
  unsigned room; /* names still taken in this call */
  ino_t dot, dotdot;
};

static int take_name(void *data, const char *name, uint64_t ino, unsigned char type,
                     uint64_t next) {
  struct seen *seen = data;
  if (seen->room == 0)
    return 1;
  seen->room--;
  seen->next = next;
  if (strcmp(name, ".") == 0)
    seen->dot = ino;
  else if (strcmp(name, "..") == 0)
    seen->dotdot = ino;
  else
    g_assert_cmpuint(type, ==, DT_REG);
  g_assert_true(g_hash_table_add(seen->names, g_strdup(name)));
  return 0;
}

static void list_all(struct fixture *f, uint64_t node, unsigned step, struct seen *seen) {
  *seen = (struct seen){.names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
  for (;;) {
    seen->room = step;
    int r = f->ops->list(f->store, node, seen->next, take_name, seen);
    g_assert_cmpint(r, ==, 0);
    if (seen->room == step)
      return;
    /* A listing goes on where it was although what it has passed is removed. */
    g_assert_cmpint(unlinkat(f->fd, "gone", 0), <=, 0);
  }
}

static void test_a_listing_goes_on_from_its_cookies(struct fixture *f, gconstpointer data) {
  (void)data;
  const unsigned count = 3000;
  struct seen seen;
  for (unsigned i = 0; i < count; i++) {
    g_autofree char *name = g_strdup_printf("a-name-of-some-length-%u", i);
    fd_close(openat(f->fd, name, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  }
  static const unsigned steps[] = {7, 1000, 100000};
  for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
    fd_close(openat(f->fd, "gone", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    list_all(f, STORE_ROOT, steps[i], &seen);
    g_assert_cmpuint(g_hash_table_size(seen.names), >=, count + 2);
    g_assert_cmpuint(seen.dot, ==, attributes_of(f, STORE_ROOT).st_ino);
    g_assert_cmpuint(seen.dotdot, ==, seen.dot);
    g_hash_table_unref(seen.names);
  }
  uint64_t directory = make(f, STORE_ROOT, "d", S_IFDIR | 0700);
  list_all(f, directory, 1, &seen);
  g_assert_cmpuint(g_hash_table_size(seen.names), ==, 2);
  g_assert_cmpuint(seen.dotdot, ==, attributes_of(f, STORE_ROOT).st_ino);
  g_hash_table_unref(seen.names);
  uint64_t file = make_regular(f, "file");
  int r = f->ops->list(f->store, file, 0, take_name, &seen);
  g_assert_cmpint(r, ==, -ENOTDIR);
  r = f->ops->list(f->store, STORE_ROOT, UINT64_MAX, take_name, &seen);
  g_assert_cmpint(r, ==, -EINVAL);
}

static void test_extended_attributes_are_the_inodes(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t node = make_regular(f, "a");
  char value[32];
  const struct store_ops *ops = f->ops;
  g_assert_cmpint(ops->set_xattr(f->store, node, "user.x", "one", 3, XATTR_CREATE), ==, 0);
  g_assert_cmpint(ops->set_xattr(f->store, node, "user.x", "2", 1, XATTR_CREATE), ==, -EEXIST);
  g_assert_cmpint(ops->get_xattr(f->store, node, "user.x", NULL, 0), ==, 3);
  g_assert_cmpint(ops->get_xattr(f->store, node, "user.x", value, 1), ==, -ERANGE);
  g_assert_cmpint(ops->get_xattr(f->store, node, "user.x", value, sizeof(value)), ==, 3);
  g_assert_cmpmem(value, 3, "one", 3);
  g_assert_cmpint(ops->list_xattr(f->store, node, NULL, 0), >=, 7);
  g_assert_cmpint(ops->remove_xattr(f->store, node, "user.x"), ==, 0);
  g_assert_cmpint(ops->remove_xattr(f->store, node, "user.x"), ==, -ENODATA);
  if (geteuid() != 0)
    return;
  uint64_t link = make(f, STORE_ROOT, "link", S_IFLNK | 0777);
  g_assert_cmpint(ops->set_xattr(f->store, link, "trusted.x", "link", 4, 0), ==, 0);
  g_assert_cmpint(ops->get_xattr(f->store, link, "trusted.x", value, sizeof(value)), ==, 4);
  g_assert_cmpint(ops->get_xattr(f->store, node, "trusted.x", value, sizeof(value)), ==, -ENODATA);
  g_assert_cmpint(ops->set_xattr(f->store, STORE_ROOT, "trusted.x", "r", 1, 0), ==, 0);
  g_assert_cmpint(ops->get_xattr(f->store, STORE_ROOT, "trusted.x", value, sizeof(value)), ==, 1);
}

/* linux/posix_acl_xattr.h, little-endian: u::rw-, u:65534:rwx, g::---, m::rwx, o::--- */
static const uint8_t acl[] = {2, 0,   0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 2,   0,  7,
                              0, 254, 255, 0,   0,   4,   0,  0, 0,   255, 255, 255, 255, 16, 0,
                              7, 0,   255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};

static void test_access_control_lists_are_kept_and_inherited(struct fixture *f,
                                                             gconstpointer data) {
  (void)data;
  const char *access = "system.posix_acl_access", *inherited = "system.posix_acl_default";
  uint64_t node = make_regular(f, "a");
  uint64_t directory = make(f, STORE_ROOT, "d", S_IFDIR | 0700);
  char value[sizeof(acl)];
  int r = f->ops->set_xattr(f->store, node, access, acl, sizeof(acl), 0);
  if (r == -EOPNOTSUPP) {
    g_test_skip("this kernel's tmpfs has no access control lists");
    return;
  }
  g_assert_cmpint(r, ==, 0);
  g_assert_cmpint(f->ops->get_xattr(f->store, node, access, value, sizeof(value)), ==, sizeof(acl));
  g_assert_cmpmem(value, sizeof(value), acl, sizeof(acl));
  g_assert_cmpuint(attributes_of(f, node).st_mode & 0777, ==, 0670);
  g_assert_cmpint(f->ops->set_xattr(f->store, directory, inherited, acl, sizeof(acl), 0), ==, 0);
  struct store_new new = new_file(S_IFREG | 0666);
  new.caller.umask = 077; /* gives way to the default list */
  struct store_entry entry;
  struct store_file file;
  g_assert_cmpint(f->ops->create(f->store, directory, "b", &new, O_EXCL | O_RDWR, &entry, &file),
                  ==, 0);
  fd_close(file.fd);
  g_assert_cmpuint(entry.attributes.st_mode & 0777, ==, 0660);
}

static void test_statvfs_is_the_file_systems(struct fixture *f, gconstpointer data) {
  (void)data;
  struct statvfs native, got;
  g_assert_cmpint(statvfs(f->path, &native), ==, 0);
  g_assert_cmpint(f->ops->get_statvfs(f->store, &got), ==, 0);
  g_assert_cmpuint(got.f_blocks, ==, native.f_blocks);
  g_assert_cmpuint(got.f_files, ==, native.f_files);
}

#define ADD(name, function)                                                                        \
  g_test_add("/posix-data/" name, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("every-attribute-can-be-changed", test_every_attribute_can_be_changed);
  ADD("a-descriptor-at-hand-is-used", test_a_descriptor_at_hand_is_used);
  ADD("setid-bits-are-kept-or-killed-as-asked", test_setid_bits_are_kept_or_killed_as_asked);
  ADD("only-regular-files-are-opened", test_only_regular_files_are_opened);
  ADD("a-symbolic-link-is-read-and-never-followed",
      test_a_symbolic_link_is_read_and_never_followed);
  ADD("statx-agrees-with-stat", test_statx_agrees_with_stat);
  ADD("a-listing-goes-on-from-its-cookies", test_a_listing_goes_on_from_its_cookies);
  ADD("extended-attributes-are-the-inodes", test_extended_attributes_are_the_inodes);
  ADD("access-control-lists-are-kept-and-inherited",
      test_access_control_lists_are_kept_and_inherited);
  ADD("statvfs-is-the-file-systems", test_statvfs_is_the_file_systems);
  return g_test_run();
}
