/* The tree of stores: that everything is there, that nodes and inode numbers keep apart, and that what
 * crosses from one store to another is refused. */
#include "store/tree.h"
#include "text-fixture.h"
#include "util/fd.h"

#include <mqueue.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define KEY 0x4d2
#define NAME "0x000004d2"
#define BRANCHES 6

static const char *const branches[] = {"posix", "sysv", "sem", "mqueue", "sysv-sem", "sysv-msg"};
static const char *const files[] = {"object", NAME, "s", "q", NAME, NAME};

struct fixture {
  unsigned descriptors;
  struct store *tree;
  int segment, set, queue;
};

static struct store *new_tree(void) {
  struct store *tree;
  auto_fd int fd = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct tree_options options = {.directory = fd};
  g_assert_cmpint(tree_store_new(&options, &tree), ==, 0);
  return tree;
}

/* One object of each kind. */
static void set_up(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  f->descriptors = count_descriptors();
  f->tree = new_tree();
  g_assert_true(g_file_set_contents("/dev/shm/object", "content", 7, NULL));
  f->segment = shmget(KEY, 4096, IPC_CREAT | IPC_EXCL | 0600);
  f->set = semget(KEY, 1, IPC_CREAT | IPC_EXCL | 0600);
  f->queue = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);
  sem_close(sem_open("/s", O_CREAT | O_EXCL, 0600, 3));
  mq_close(mq_open("/q", O_CREAT | O_EXCL | O_RDWR, 0600, NULL));
}

static void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  f->tree->ops->free(f->tree);
  g_assert_cmpuint(count_descriptors(), ==, f->descriptors);
  shmctl(f->segment, IPC_RMID, NULL);
  semctl(f->set, 0, IPC_RMID);
  msgctl(f->queue, IPC_RMID, NULL);
  mq_unlink("/q");
  g_assert_cmpint(system("find /dev/shm -mindepth 1 -delete"), ==, 0);
}

static uint64_t branch(struct fixture *f, int i) {
  return lookup(f->tree, branches[i]);
}

static uint64_t file(struct fixture *f, int i) {
  return lookup_in(f->tree, branch(f, i), files[i]);
}

static void shows_everything(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  expect_names(f->tree, STORE_ROOT, ". .. mqueue posix sem sysv sysv-msg sysv-sem");
  expect_names(f->tree, branch(f, 0), ". .. object sem.s");
  for (int i = 1; i < BRANCHES; i++) {
    g_autofree char *names = g_strdup_printf(". .. %s", files[i]);
    expect_names(f->tree, branch(f, i), names);
  }
  expect_text(f->tree, file(f, 2), "3\n");
  expect_line(f->tree, file(f, 3), "curmsgs 0");
  expect_line(f->tree, file(f, 4), "    0     0     0       0");
  expect_line(f->tree, file(f, 5), "qnum 0");
  g_assert_cmpint((int)command(f->tree, file(f, 2), "+2"), ==, 2);
  expect_text(f->tree, file(f, 2), "5\n");
  g_assert_cmpint(attributes_of(f->tree, file(f, 0)).st_size, ==, 7);
  g_assert_cmpint(attributes_of(f->tree, file(f, 1)).st_size, ==, 4096);
  g_assert_cmpuint(attributes_of(f->tree, STORE_ROOT).st_nlink, ==, 2 + BRANCHES);
}

static void reaches_data_and_segments(struct fixture *f, gconstpointer data) {
  struct store_file opened;
  char buffer[8] = "";
  (void)data;
  if (!isolated())
    return;
  g_assert_cmpint(f->tree->ops->open(f->tree, file(f, 0), O_RDONLY, &opened), ==, 0);
  auto_fd int object = opened.fd;
  g_assert_cmpint((int)pread(object, buffer, sizeof(buffer), 0), ==, 7);
  g_assert_cmpstr(buffer, ==, "content");
  char *attached = shmat(f->segment, NULL, 0);
  strcpy(attached, "segment");
  g_assert_cmpint(f->tree->ops->open(f->tree, file(f, 1), O_RDONLY, &opened), ==, 0);
  auto_fd int segment = opened.fd;
  g_assert_true(opened.fixed_size);
  if (segment >= 0)
    g_assert_cmpint((int)pread(segment, buffer, sizeof(buffer), 0), ==, 8);
  else
    g_assert_cmpint((int)f->tree->ops->read(f->tree, file(f, 1), buffer, 8, 0), ==, 8);
  g_assert_cmpstr(buffer, ==, "segment");
  shmdt(attached);
  g_assert_cmpint(f->tree->ops->open(f->tree, branch(f, 2), O_RDONLY, &opened), ==, -EISDIR);
  g_assert_cmpint(f->tree->ops->open(f->tree, STORE_ROOT, O_RDONLY, &opened), ==, -EISDIR);
}

static void all_inode_numbers_differ(struct fixture *f, gconstpointer data) {
  struct store_new new = {.mode = S_IFDIR | 0700};
  struct store_entry made;
  (void)data;
  if (!isolated())
    return;
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  g_assert_true(g_hash_table_add(seen, (gpointer)attributes_of(f->tree, STORE_ROOT).st_ino));
  for (int i = 0; i < BRANCHES; i++) {
    struct statx extended;
    struct stat directory = attributes_of(f->tree, branch(f, i));
    g_assert_true(S_ISDIR(directory.st_mode));
    g_assert_true(g_hash_table_add(seen, (gpointer)directory.st_ino));
    g_assert_true(g_hash_table_add(seen, (gpointer)attributes_of(f->tree, file(f, i)).st_ino));
    g_assert_cmpint(f->tree->ops->get_statx(f->tree, branch(f, i), STATX_BASIC_STATS, &extended),
                    ==, 0);
    g_assert_cmpuint(extended.stx_ino, ==, directory.st_ino);
  }
  uint64_t semaphore_file = lookup_in(f->tree, branch(f, 0), "sem.s");
  g_assert_true(g_hash_table_add(seen, (gpointer)attributes_of(f->tree, semaphore_file).st_ino));
  /* A tmpfs's numbers are small, as other small numbers might be. */
  for (int i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("folder%d", i);
    g_assert_cmpint(f->tree->ops->make(f->tree, branch(f, 0), name, &new, &made), ==, 0);
    g_assert_true(g_hash_table_add(seen, (gpointer)made.attributes.st_ino));
  }
}

static void nodes_hold_in_another_process(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  uint64_t directories[BRANCHES], nodes[BRANCHES];
  for (int i = 0; i < BRANCHES; i++) {
    directories[i] = branch(f, i);
    nodes[i] = file(f, i);
  }
  struct stat top = attributes_of(f->tree, STORE_ROOT);
  struct store *another = new_tree();
  for (int i = 0; i < BRANCHES; i++) {
    g_assert_cmpuint(attributes_of(another, nodes[i]).st_ino, ==,
                     attributes_of(f->tree, nodes[i]).st_ino);
    g_assert_cmpuint(lookup_in(another, directories[i], files[i]), ==, nodes[i]);
  }
  /* The listing of the top may be kept as long as its time is the same. */
  g_assert_cmpint(attributes_of(another, STORE_ROOT).st_mtim.tv_sec, ==, top.st_mtim.tv_sec);
  g_assert_cmpint(attributes_of(another, STORE_ROOT).st_mtim.tv_nsec, ==, top.st_mtim.tv_nsec);
  another->ops->free(another);
}

static void the_top_is_fixed(struct fixture *f, gconstpointer data) {
  struct store_new new = {.mode = S_IFDIR | 0700};
  struct store_entry entry;
  struct store_file opened;
  (void)data;
  if (!isolated())
    return;
  const struct store_ops *ops = f->tree->ops;
  g_assert_cmpint(ops->make(f->tree, STORE_ROOT, "new", &new, &entry), ==, -EPERM);
  g_assert_cmpint(ops->make(f->tree, STORE_ROOT, "sem", &new, &entry), ==, -EEXIST);
  g_assert_cmpint(ops->create(f->tree, STORE_ROOT, "new", &new, 0, &entry, &opened), ==, -EPERM);
  g_assert_cmpint(ops->create(f->tree, STORE_ROOT, "sem", &new, O_EXCL, &entry, &opened), ==,
                  -EEXIST);
  g_assert_cmpint(ops->create(f->tree, STORE_ROOT, "sem", &new, 0, &entry, &opened), ==, -EISDIR);
  g_assert_cmpint(ops->unlink(f->tree, STORE_ROOT, "sem"), ==, -EISDIR);
  g_assert_cmpint(ops->unlink(f->tree, STORE_ROOT, "absent"), ==, -ENOENT);
  g_assert_cmpint(ops->remove_directory(f->tree, STORE_ROOT, "sem"), ==, -EPERM);
  g_assert_cmpint(ops->rename(f->tree, STORE_ROOT, "sem", STORE_ROOT, "new", 0), ==, -EPERM);
  g_assert_cmpint(ops->rename(f->tree, branch(f, 0), "object", STORE_ROOT, "new", 0), ==, -EPERM);
  g_assert_cmpint(ops->link(f->tree, file(f, 0), STORE_ROOT, "new", &entry), ==, -EPERM);
  g_assert_cmpint(change_mode(f->tree, STORE_ROOT, 0700), ==, -EPERM);
  g_assert_cmpint(try_lookup(f->tree, "absent"), ==, -ENOENT);
}

static void nothing_crosses(struct fixture *f, gconstpointer data) {
  struct store_entry entry;
  (void)data;
  if (!isolated())
    return;
  const struct store_ops *ops = f->tree->ops;
  for (int i = 1; i < BRANCHES; i++) {
    g_assert_cmpint(ops->rename(f->tree, branch(f, 0), "object", branch(f, i), "x", 0), ==, -EXDEV);
    g_assert_cmpint(ops->rename(f->tree, branch(f, i), files[i], branch(f, 0), "x", 0), ==, -EXDEV);
    g_assert_cmpint(ops->link(f->tree, file(f, i), branch(f, 0), "x", &entry), ==, -EXDEV);
  }
  g_assert_cmpint(ops->rename(f->tree, branch(f, 0), "object", branch(f, 0), "renamed", 0), ==, 0);
  uint64_t node = lookup_in(f->tree, branch(f, 0), "renamed");
  g_assert_cmpint(ops->link(f->tree, node, branch(f, 0), "again", &entry), ==, 0);
  g_assert_cmpuint(entry.node, ==, node);
}

static void each_removes_its_own(struct fixture *f, gconstpointer data) {
  struct stat attributes;
  (void)data;
  if (!isolated())
    return;
  for (int i = 0; i < BRANCHES; i++) {
    uint64_t node = file(f, i);
    g_assert_cmpint(f->tree->ops->unlink(f->tree, branch(f, i), files[i]), ==, 0);
    g_assert_cmpint(f->tree->ops->get_attributes(f->tree, node, &attributes), ==, -ESTALE);
  }
  expect_names(f->tree, branch(f, 0), ". ..");
}

/* The one case in which a node does not say whose it is. */
static void tells_staged_segments_from_unnamed_objects(struct fixture *f, gconstpointer data) {
  struct store_new new = {.mode = S_IFREG | 0600};
  struct store_entry object, segment;
  struct store_file object_file, segment_file;
  (void)data;
  if (!isolated())
    return;
  const struct store_ops *ops = f->tree->ops;
  g_assert_cmpint(ops->create_unnamed(f->tree, branch(f, 0), &new, 0, &object, &object_file), ==,
                  0);
  g_assert_cmpint(
      ops->create(f->tree, branch(f, 1), "0x00000999", &new, O_EXCL, &segment, &segment_file), ==,
      0);
  auto_fd int object_fd = object_file.fd;
  auto_fd int segment_fd = segment_file.fd;
  g_assert_cmpint(MIN(object_fd, segment_fd), >=, 0);
  g_assert_true(segment_file.staged);
  g_assert_false(object_file.staged);
  g_assert_cmpint(change_size(f->tree, object.node, 5000), ==, 0);
  g_assert_cmpint(shmget(0x999, 0, 0), ==, -1);
  g_assert_cmpint(change_size(f->tree, segment.node, 5000), ==, 0);
  int id = shmget(0x999, 0, 0);
  g_assert_cmpint(id, >=, 0);
  g_assert_cmpint(attributes_of(f->tree, segment.node).st_size, ==, 5000);
  g_assert_cmpint(attributes_of(f->tree, object.node).st_size, ==, 5000);
  g_assert_cmpint(ops->flush(f->tree, segment.node), ==, 0);
  g_assert_cmpint(ops->flush(f->tree, object.node), ==, 0);
  g_assert_cmpint(shmctl(id, IPC_RMID, NULL), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add("/tree/" #name, struct fixture, NULL, set_up, name, tear_down)
  TEST(shows_everything);
  TEST(reaches_data_and_segments);
  TEST(all_inode_numbers_differ);
  TEST(nodes_hold_in_another_process);
  TEST(the_top_is_fixed);
  TEST(nothing_crosses);
  TEST(each_removes_its_own);
  TEST(tells_staged_segments_from_unnamed_objects);
  return g_test_run();
}
