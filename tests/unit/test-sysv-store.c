/* The sysv store against the calls that it stands for: shmget(2) and shmat(2) on one side, the store's
 * descriptors and calls on the other. */
#include "sysv-fixture.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MANY 4000

static void test_a_keyed_segment_has_its_key_for_a_name(struct fixture *f, gconstpointer data) {
  (void)data;
  int id = make_segment(KEY, 5000);
  struct store_entry entry;
  g_assert_cmpint(f->store->ops->lookup(f->store, STORE_ROOT, NAME, &entry), ==, 0);
  g_assert_cmpuint(entry.node, ==, (uint64_t)((uint32_t)id | 0x80000000) << 32);
  g_assert_cmpint(entry.attributes.st_size, ==, 5000);
  g_assert_cmpint(entry.attributes.st_mode, ==, S_IFREG | 0640);
  g_assert_cmpint(entry.attributes.st_nlink, ==, 1);
  g_assert_cmpint(lookup(f, "0x000004d3"), ==, -ENOENT);
}

static void test_a_private_segment_has_its_id_for_a_name(struct fixture *f, gconstpointer data) {
  (void)data;
  g_autofree char *name = g_strdup_printf("shmid.%d", make_segment(IPC_PRIVATE, 1));
  g_assert_cmpint(lookup(f, name), ==, 0);
  g_autofree char *keyed = g_strdup_printf("shmid.%d", make_segment(KEY, 1));
  g_assert_cmpint(lookup(f, keyed), ==, -ENOENT);
}

static void test_no_other_spelling_is_a_name(struct fixture *f, gconstpointer data) {
  (void)data;
  static const char *const names[] = {"0x4d2",      "0x000004D2", "0X000004d2", "0x0000004d2",
                                      "000004d2",   "1234",       "shmid.",     "shmid.00",
                                      "shmid.-1",   "shmid. 0",   "shmid.+0",   "shmid.99999999999",
                                      "0x00000000", "greeting",   "0x000004d2 "};
  make_segment(KEY, 1);
  make_segment(IPC_PRIVATE, 1);
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    uint64_t node;
    int fd;
    g_assert_cmpint(lookup(f, names[i]), ==, -ENOENT);
    g_assert_cmpint(create(f, names[i], &node, &fd), ==, -EINVAL);
  }
  g_autofree char *longest = g_strnfill(256, 'x');
  g_assert_cmpint(lookup(f, longest), ==, -ENAMETOOLONG);
}

static void check_same_memory(struct fixture *f, size_t size) {
  int id = make_segment(KEY, size);
  char *memory = attach(id);
  memory[0] = 'a';
  memory[size - 1] = 'z';
  struct store_file file;
  g_assert_cmpint(f->store->ops->open(f->store, node_of(f, NAME), O_RDWR, &file), ==, 0);
  g_assert_cmpint(nattch(id), ==, 1);
  g_assert_true(file.fixed_size);
  g_assert_cmpint(file.fd, >=, 0);
  char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
  g_assert_true(mapped != MAP_FAILED);
  g_assert_cmpint(mapped[size - 1], ==, 'z');
  mapped[size / 2] = 'm';
  g_assert_cmpint(memory[size / 2], ==, 'm');
  g_assert_cmpint(pwrite(file.fd, "q", 1, (off_t)size - 1), ==, 1);
  g_assert_cmpint(memory[size - 1], ==, 'q');
  g_assert_cmpint(lseek(file.fd, 0, SEEK_END), ==, (off_t)size);
  munmap(mapped, size);
  close(file.fd);
  shmdt(memory);
  g_assert_cmpint(shmctl(id, IPC_RMID, NULL), ==, 0);
}

static void test_a_descriptor_is_the_same_memory(struct fixture *f, gconstpointer data) {
  (void)data;
  static const size_t sizes[] = {1, 4095, 4096, 5000, 1 << 20, (1 << 20) + 1, 1 << 30};
  for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
    check_same_memory(f, sizes[i]);
}

static void test_reads_and_writes_without_a_descriptor(struct fixture *f, gconstpointer data) {
  (void)data;
  char *memory = attach(make_segment(KEY, 5000));
  const struct store_ops *ops = f->store->ops;
  uint64_t node = node_of(f, NAME);
  char buffer[16] = "";
  memory[4999] = 'z';
  g_assert_cmpint(ops->read(f->store, node, buffer, sizeof(buffer), 4999), ==, 1);
  g_assert_cmpint(buffer[0], ==, 'z');
  g_assert_cmpint(ops->read(f->store, node, buffer, sizeof(buffer), 5000), ==, 0);
  g_assert_cmpint(ops->write(f->store, node, "abc", 3, 4998), ==, 2);
  g_assert_cmpint(memcmp(memory + 4998, "ab", 2), ==, 0);
  g_assert_cmpint(ops->write(f->store, node, "abc", 3, 5000), ==, -ENOSPC);
  g_assert_cmpint(ops->write(f->store, node, "", 0, 5000), ==, 0);
  g_assert_cmpint(ops->read(f->store, node, NULL, sizeof(buffer), 0), ==, -EIO);
  shmdt(memory);
}

static void test_the_size_is_fixed(struct fixture *f, gconstpointer data) {
  (void)data;
  int id = make_segment(KEY, 5000);
  uint64_t node = node_of(f, NAME);
  g_assert_cmpint(set_size(f, node, 5000, true), ==, 0);
  g_assert_cmpint(set_size(f, node, 0, false), ==, 0);
  g_assert_cmpint(set_size(f, node, 0, true), ==, -EPERM);
  g_assert_cmpint(set_size(f, node, 4999, false), ==, -EPERM);
  g_assert_cmpint(set_size(f, node, 8192, true), ==, -EPERM);
  struct shmid_ds segment;
  g_assert_cmpint(shmctl(id, IPC_STAT, &segment), ==, 0);
  g_assert_cmpuint(segment.shm_segsz, ==, 5000);
}

static void test_mode_and_owner_are_ipc_set(struct fixture *f, gconstpointer data) {
  (void)data;
  int id = make_segment(KEY, 1);
  struct store_change wish = {.mask = STORE_CHANGE_MODE | STORE_CHANGE_UID | STORE_CHANGE_GID,
                              .mode = S_IFREG | 0604,
                              .uid = OTHER_USER,
                              .gid = 7};
  g_assert_cmpint(change(f, node_of(f, NAME), wish), ==, 0);
  struct shmid_ds segment;
  g_assert_cmpint(shmctl(id, IPC_STAT, &segment), ==, 0);
  g_assert_cmpint(segment.shm_perm.mode & 0777, ==, 0604);
  g_assert_cmpint(segment.shm_perm.uid, ==, OTHER_USER);
  g_assert_cmpint(segment.shm_perm.gid, ==, 7);
  struct store_change times = {.mask = STORE_CHANGE_TIMES, .times = {{0, UTIME_NOW}, {0}}};
  g_assert_cmpint(change(f, node_of(f, NAME), times), ==, -EPERM);
}

static void test_unlinking_marks_for_destruction(struct fixture *f, gconstpointer data) {
  (void)data;
  const struct store_ops *ops = f->store->ops;
  int id = make_segment(KEY, 5000);
  uint64_t node = node_of(f, NAME);
  struct store_file file;
  g_assert_cmpint(ops->open(f->store, node, O_RDWR, &file), ==, 0);
  char *memory = attach(id);
  g_assert_cmpint(ops->unlink(f->store, STORE_ROOT, NAME), ==, 0);
  g_assert_cmpint(ops->unlink(f->store, STORE_ROOT, NAME), ==, -ENOENT);
  g_assert_cmpint(attributes_of(f, node).st_nlink, ==, 0);
  g_autofree char *private_name = g_strdup_printf("shmid.%d", id);
  g_assert_cmpint(lookup(f, private_name), ==, -ENOENT);
  shmdt(memory);
  struct stat attributes;
  g_assert_cmpint(ops->get_attributes(f->store, node, &attributes), ==, -ESTALE);
  g_assert_cmpint(pwrite(file.fd, "x", 1, 0), ==, 1);
  close(file.fd);
  make_segment(KEY, 1);
  g_assert_cmpint(ops->get_attributes(f->store, node, &attributes), ==, -ESTALE);
}

static void test_only_segments_can_be_made(struct fixture *f, gconstpointer data) {
  (void)data;
  const struct store_ops *ops = f->store->ops;
  make_segment(KEY, 1);
  struct store_new new = {.mode = S_IFDIR | 0700};
  struct store_entry entry;
  uint64_t node = node_of(f, NAME);
  g_assert_cmpint(ops->make(f->store, STORE_ROOT, "0x00000001", &new, &entry), ==, -EPERM);
  g_assert_cmpint(ops->make(f->store, STORE_ROOT, NAME, &new, &entry), ==, -EEXIST);
  g_assert_cmpint(ops->link(f->store, node, STORE_ROOT, "0x00000001", &entry), ==, -EPERM);
  g_assert_cmpint(ops->rename(f->store, STORE_ROOT, NAME, STORE_ROOT, "0x00000001", 0), ==, -EPERM);
  g_assert_cmpint(ops->remove_directory(f->store, STORE_ROOT, NAME), ==, -ENOTDIR);
  g_assert_cmpint(ops->lookup(f->store, node, NAME, &entry), ==, -ENOTDIR);
}

struct name_list {
  GPtrArray *names;
  uint64_t stop_at, next;
};

static int collect(void *data, const char *name, uint64_t ino, unsigned char type, uint64_t next) {
  struct name_list *list = data;
  g_assert_cmpuint(ino, !=, 0);
  g_assert_cmpint(type, ==, name[0] == '.' ? DT_DIR : DT_REG);
  if (list->names->len == list->stop_at)
    return 1;
  list->next = next;
  g_ptr_array_add(list->names, g_strdup(name));
  return 0;
}

static struct name_list list_names(struct fixture *f, uint64_t offset, uint64_t stop_at) {
  struct name_list list = {.names = g_ptr_array_new_with_free_func(g_free), .stop_at = stop_at};
  int r = f->store->ops->list(f->store, STORE_ROOT, offset, collect, &list);
  g_assert_cmpint(r, ==, 0);
  return list;
}

static void test_a_listing_goes_on_where_it_stopped(struct fixture *f, gconstpointer data) {
  (void)data;
  int ids[4];
  for (int i = 0; i < 4; i++)
    ids[i] = make_segment(KEY + i, 1);
  struct name_list first = list_names(f, 0, 4);
  g_assert_cmpstr(first.names->pdata[0], ==, ".");
  g_assert_cmpstr(first.names->pdata[1], ==, "..");
  g_assert_cmpstr(first.names->pdata[2], ==, NAME);
  g_assert_cmpint(shmctl(ids[1], IPC_RMID, NULL), ==, 0);
  char *memory = attach(ids[2]);
  g_assert_cmpint(shmctl(ids[2], IPC_RMID, NULL), ==, 0);
  struct name_list rest = list_names(f, first.next, UINT64_MAX);
  g_assert_cmpuint(rest.names->len, ==, 1);
  g_assert_cmpstr(rest.names->pdata[0], ==, "0x000004d5");
  struct name_list none = list_names(f, rest.next, UINT64_MAX);
  g_assert_cmpuint(none.names->len, ==, 0);
  shmdt(memory);
  g_ptr_array_unref(first.names);
  g_ptr_array_unref(rest.names);
  g_ptr_array_unref(none.names);
}

static void test_thousands_are_listed_and_found(struct fixture *f, gconstpointer data) {
  (void)data;
  for (int i = 0; i < MANY; i++)
    make_segment(KEY + i, 1);
  gint64 began = g_get_monotonic_time();
  struct name_list list = list_names(f, 0, UINT64_MAX);
  for (guint i = 0; i < list.names->len; i++)
    if (((char *)list.names->pdata[i])[0] != '.')
      g_assert_cmpint(lookup(f, list.names->pdata[i]), ==, 0);
  g_test_message("%d listed and looked up in %.1f ms", MANY,
                 (double)(g_get_monotonic_time() - began) / 1000);
  g_assert_cmpuint(list.names->len, ==, MANY + 2);
  g_ptr_array_unref(list.names);
}

static char *get_xattr(struct fixture *f, uint64_t node, const char *name) {
  g_autofree char *full = g_strconcat("user.shmfs.", name, NULL);
  ssize_t length = f->store->ops->get_xattr(f->store, node, full, NULL, 0);
  g_assert_cmpint(length, >, 0);
  char *value = g_malloc0((gsize)length + 1);
  g_assert_cmpint(f->store->ops->get_xattr(f->store, node, full, value, (size_t)length), ==,
                  length);
  return value;
}

static void assert_xattr(struct fixture *f, uint64_t node, const char *name, const char *expected) {
  g_autofree char *value = get_xattr(f, node, name);
  g_assert_cmpstr(value, ==, expected);
}

static void assert_xattr_number(struct fixture *f, uint64_t node, const char *name,
                                long long expected) {
  g_autofree char *text = g_strdup_printf("%lld", expected);
  assert_xattr(f, node, name, text);
}

static void test_the_rest_is_in_extended_attributes(struct fixture *f, gconstpointer data) {
  (void)data;
  int id = make_segment(KEY, 100000);
  uint64_t node = node_of(f, NAME);
  char *memory = attach(id);
  memset(memory, 1, 4096);
  g_assert_cmpint(shmctl(id, SHM_LOCK, NULL), ==, 0);
  struct shmid_ds segment;
  g_assert_cmpint(shmctl(id, IPC_STAT, &segment), ==, 0);
  assert_xattr(f, node, "key", NAME);
  assert_xattr_number(f, node, "shmid", id);
  assert_xattr_number(f, node, "nattch", 1);
  assert_xattr_number(f, node, "cpid", getpid());
  assert_xattr_number(f, node, "lpid", getpid());
  assert_xattr_number(f, node, "atime", segment.shm_atime);
  assert_xattr_number(f, node, "dtime", 0);
  assert_xattr(f, node, "creator", "0:0");
  assert_xattr_number(f, node, "locked", 1);
  assert_xattr_number(f, node, "swap", 0);
  assert_xattr_number(f, node, "hugetlb", 0);
  g_autofree char *resident = get_xattr(f, node, "rss");
  g_assert_cmpint(atoi(resident), >=, 4096);
  shmdt(memory);
  assert_xattr_number(f, node, "nattch", 0);
}

static void test_extended_attributes_are_listed_and_fixed(struct fixture *f, gconstpointer data) {
  (void)data;
  const struct store_ops *ops = f->store->ops;
  make_segment(KEY, 1);
  uint64_t node = node_of(f, NAME);
  char list[1024];
  ssize_t length = ops->list_xattr(f->store, node, list, sizeof(list));
  g_assert_cmpint(length, ==, ops->list_xattr(f->store, node, NULL, 0));
  g_assert_cmpint(ops->list_xattr(f->store, node, list, 5), ==, -ERANGE);
  int count = 0;
  for (const char *name = list; name < list + length; name += strlen(name) + 1, count++) {
    g_autofree char *value = get_xattr(f, node, name + strlen("user.shmfs."));
    g_assert_nonnull(value);
    g_assert_cmpint(ops->set_xattr(f->store, node, name, "1", 1, 0), ==, -EPERM);
    g_assert_cmpint(ops->remove_xattr(f->store, node, name), ==, -EPERM);
  }
  g_assert_cmpint(count, ==, 12);
  g_assert_cmpint(ops->get_xattr(f->store, node, "user.shmfs.none", NULL, 0), ==, -ENODATA);
  g_assert_cmpint(ops->get_xattr(f->store, node, "user.other", NULL, 0), ==, -ENODATA);
  g_assert_cmpint(ops->set_xattr(f->store, node, "user.other", "1", 1, 0), ==, -EOPNOTSUPP);
}

static void test_huge_pages_are_read_and_written(struct fixture *f, gconstpointer data) {
  (void)data;
  const struct store_ops *ops = f->store->ops;
  int id = shmget(KEY, 5000, IPC_CREAT | IPC_EXCL | SHM_HUGETLB | 0600);
  if (id < 0) {
    g_test_message("no huge pages here (vm.nr_hugepages): what a segment of them does is not seen");
    return;
  }
  uint64_t node = node_of(f, NAME);
  assert_xattr_number(f, node, "hugetlb", 1);
  struct store_file file;
  g_assert_cmpint(ops->open(f->store, node, O_RDWR, &file), ==, 0);
  g_assert_cmpint(file.fd, ==, -1);
  g_assert_true(file.fixed_size);
  char buffer[8] = "";
  g_assert_cmpint(ops->write(f->store, node, "hello", 5, 4998), ==, 2);
  g_assert_cmpint(ops->read(f->store, node, buffer, sizeof(buffer), 4998), ==, 2);
  g_assert_cmpstr(buffer, ==, "he");
}

static int make_elsewhere(int *ret_socket) {
  int ends[2];
  g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
  int child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0) {
    if (unshare(CLONE_NEWIPC) == 0 && shmget(KEY, 77, IPC_CREAT | 0600) >= 0 &&
        write(ends[1], "r", 1) == 1)
      pause();
    _exit(1);
  }
  close(ends[1]);
  *ret_socket = ends[0];
  return child;
}

struct elsewhere {
  char *process;
  int directory;
};

/* A thread of its own, since there is no way back. */
static gpointer look_elsewhere(gpointer data) {
  struct elsewhere *elsewhere = data;
  struct sysv_options options = {.directory = elsewhere->directory};
  struct store *store;
  struct store_entry entry;
  g_assert_cmpint(sysv_namespace_enter(elsewhere->process), ==, 0);
  g_assert_cmpint(sysv_store_new(&options, &store), ==, 0);
  g_assert_cmpint(store->ops->lookup(store, STORE_ROOT, NAME, &entry), ==, 0);
  g_assert_cmpint(entry.attributes.st_size, ==, 77);
  store->ops->free(store);
  return NULL;
}

static void test_another_namespace_can_be_entered(struct fixture *f, gconstpointer data) {
  (void)data;
  auto_fd int ready = -1;
  int child = make_elsewhere(&ready);
  char byte;
  g_assert_cmpint(read(ready, &byte, 1), ==, 1);
  g_autofree char *process = g_strdup_printf("%d", child);
  struct elsewhere elsewhere = {.process = process, .directory = f->directory};
  g_thread_join(g_thread_new("elsewhere", look_elsewhere, &elsewhere));
  g_assert_cmpint(lookup(f, NAME), ==, -ENOENT);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

static void test_what_is_no_namespace_is_refused(struct fixture *f, gconstpointer data) {
  (void)f, (void)data;
  g_assert_cmpint(sysv_namespace_enter("/proc/self/ns/mnt"), ==, -EINVAL);
  g_assert_cmpint(sysv_namespace_enter("/dev/null"), ==, -EINVAL);
  g_assert_cmpint(sysv_namespace_enter(""), ==, -ENOENT);
  g_assert_cmpint(sysv_namespace_enter("999999999"), ==, -ENOENT);
}

static void test_the_file_system_counts_segments(struct fixture *f, gconstpointer data) {
  (void)data;
  struct statvfs before, after;
  g_assert_cmpint(f->store->ops->get_statvfs(f->store, &before), ==, 0);
  make_segment(KEY, 1 << 20);
  g_assert_cmpint(f->store->ops->get_statvfs(f->store, &after), ==, 0);
  g_assert_cmpuint(before.f_bfree - after.f_bfree, ==, (1 << 20) / before.f_frsize);
  g_assert_cmpuint(before.f_ffree - after.f_ffree, ==, 1);
  g_assert_cmpuint(after.f_files, >=, after.f_ffree);
}

int main(int argc, char **argv) {
  start(&argc, &argv);
  ADD(a_keyed_segment_has_its_key_for_a_name);
  ADD(a_private_segment_has_its_id_for_a_name);
  ADD(no_other_spelling_is_a_name);
  ADD(a_descriptor_is_the_same_memory);
  ADD(reads_and_writes_without_a_descriptor);
  ADD(the_size_is_fixed);
  ADD(mode_and_owner_are_ipc_set);
  ADD(unlinking_marks_for_destruction);
  ADD(only_segments_can_be_made);
  ADD(a_listing_goes_on_where_it_stopped);
  ADD(thousands_are_listed_and_found);
  ADD(the_rest_is_in_extended_attributes);
  ADD(extended_attributes_are_listed_and_fixed);
  ADD(huge_pages_are_read_and_written);
  ADD(another_namespace_can_be_entered);
  ADD(what_is_no_namespace_is_refused);
  ADD(the_file_system_counts_segments);
  return g_test_run();
}
