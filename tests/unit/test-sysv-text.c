/* The stores of System V semaphores and message queues, beside semget(2) and msgget(2). */
#include "store/sysvmsg.h"
#include "store/sysvsem.h"
#include "text-fixture.h"

#include <limits.h>
#include <stdio.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>

#define KEY 0x4d2
#define NAME "0x000004d2"

struct fixture {
  struct store *sem, *msg;
};

static void set_up(struct fixture *f, gconstpointer data) {
  const struct timespec born = {.tv_sec = 1000000000};
  (void)data;
  if (!isolated())
    return;
  g_assert_cmpint(sysvsem_store_new(&born, &f->sem), ==, 0);
  g_assert_cmpint(sysvmsg_store_new(&born, &f->msg), ==, 0);
}

static void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  expect_names(f->sem, STORE_ROOT, ". ..");
  expect_names(f->msg, STORE_ROOT, ". ..");
  f->sem->ops->free(f->sem);
  f->msg->ops->free(f->msg);
}

static int make_set(key_t key, int count) {
  int id = semget(key, count, IPC_CREAT | IPC_EXCL | 0640);
  g_assert_cmpint(id, >=, 0);
  return id;
}

static int make_queue(key_t key) {
  int id = msgget(key, IPC_CREAT | IPC_EXCL | 0620);
  g_assert_cmpint(id, >=, 0);
  return id;
}

static void remove_set(int id) {
  g_assert_cmpint(semctl(id, 0, IPC_RMID), ==, 0);
}

static void remove_queue(int id) {
  g_assert_cmpint(msgctl(id, IPC_RMID, NULL), ==, 0);
}

static bool waits(int id, int command) {
  for (int i = 0; i < 2000; i++) {
    if (semctl(id, 1, command) == 1)
      return true;
    g_usleep(1000);
  }
  return false;
}

static pid_t wait_for(int id, short number, short by) {
  pid_t child = fork();
  if (child == 0) {
    struct sembuf operation = {.sem_num = (unsigned short)number, .sem_op = by};
    alarm(20);
    _exit(semop(id, &operation, 1) < 0 ? 0 : 1); /* ended by the removal */
  }
  return child;
}

static void tells_of_each_semaphore(struct fixture *f, gconstpointer data) {
  struct sembuf up = {.sem_num = 1, .sem_op = 7};
  char expected[128];
  (void)data;
  if (!isolated())
    return;
  int id = make_set(KEY, 3);
  uint64_t node = lookup(f->sem, NAME);
  expect_text(f->sem, node,
              "    0     0     0       0\n    0     0     0       0\n    0     0     0       0\n");
  g_assert_cmpint(semop(id, &up, 1), ==, 0);
  pid_t for_zero = wait_for(id, 1, 0);
  pid_t for_more = wait_for(id, 1, -8);
  g_assert_true(waits(id, GETZCNT) && waits(id, GETNCNT));
  snprintf(expected, sizeof(expected), "    7     1     1 %7d", getpid());
  expect_line(f->sem, node, expected);
  g_assert_cmpint((int)command(f->sem, node, "1"), ==, -EPERM);
  remove_set(id);
  g_assert_cmpint(waitpid(for_zero, NULL, 0), ==, for_zero);
  g_assert_cmpint(waitpid(for_more, NULL, 0), ==, for_more);
}

/* Wherever a read begins and ends, it is a part of the whole. */
static void check_parts(struct store *store, uint64_t node, const char *whole, size_t length) {
  static const size_t sizes[] = {1, 25, 26, 27, 5000};
  char part[5000];
  for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
    for (size_t at = 0; at < length + 60; at += at == 60 ? length - 120 : 1) {
      size_t expected = MIN(sizes[i], length - MIN(at, length));
      ssize_t got = store->ops->read(store, node, part, sizes[i], (off_t)at);
      g_assert_cmpint((int)got, ==, (int)expected);
      g_assert_cmpint(memcmp(part, whole + at, expected), ==, 0);
    }
  }
  g_assert_cmpint((int)store->ops->read(store, node, part, 1, INT64_MAX), ==, 0);
}

/* More than one read: the lines must not be torn, and come in reasonable time. */
static void reads_a_large_set(struct fixture *f, gconstpointer data) {
  const int count = 5000;
  (void)data;
  if (!isolated())
    return;
  int id = make_set(KEY, count);
  g_assert_cmpint(semctl(id, count - 1, SETVAL, 32767), ==, 0);
  uint64_t node = lookup(f->sem, NAME);
  g_autofree char *buffer = g_malloc(1 << 20);
  ssize_t length = f->sem->ops->read(f->sem, node, buffer, 1 << 20, 0);
  g_assert_cmpint((int)length, ==, count * 26);
  check_parts(f->sem, node, buffer, (size_t)length);
  g_assert_cmpint(strncmp(buffer + length - 26, "32767 ", 6), ==, 0);
  remove_set(id);
}

static void names_by_key_or_id(struct fixture *f, gconstpointer data) {
  static const char *const absent[] = {
      "0x4d2",   "0x000004D2",  "0X000004d2",    "0x000004d3", "0x00000000",  "semid.", "semid.-1",
      "semid.x", "0x000004d2 ", "0x000004d2000", "shmid.0",    " 0x000004d2", NULL};
  char private_name[32], keyed_by_id[32], padded[32], all[128];
  (void)data;
  if (!isolated())
    return;
  int keyed = make_set(KEY, 1);
  int negative = make_set((key_t)0xfedcba98, 1);
  int private = make_set(IPC_PRIVATE, 1);
  snprintf(private_name, sizeof(private_name), "semid.%d", private);
  snprintf(keyed_by_id, sizeof(keyed_by_id), "semid.%d", keyed);
  snprintf(padded, sizeof(padded), "semid.0%d", private);
  snprintf(all, sizeof(all), ". .. " NAME " 0xfedcba98 %s", private_name);
  expect_names(f->sem, STORE_ROOT, all);
  g_assert_cmpint(try_lookup(f->sem, private_name), ==, 0);
  g_assert_cmpint(try_lookup(f->sem, "0xfedcba98"), ==, 0);
  g_assert_cmpint(try_lookup(f->sem, keyed_by_id), ==, -ENOENT);
  g_assert_cmpint(try_lookup(f->sem, padded), ==, -ENOENT);
  for (const char *const *name = absent; *name; name++)
    g_assert_cmpint(try_lookup(f->sem, *name), ==, -ENOENT);
  expect_names(f->sem, STORE_ROOT, all); /* asking has made none */
  expect_refusals(f->sem, NAME, lookup(f->sem, NAME));
  remove_set(keyed);
  remove_set(negative);
  remove_set(private);
}

static void tells_of_a_queue_without_receiving(struct fixture *f, gconstpointer data) {
  struct {
    long type;
    char text[8];
  } message = {5, "abcdefg"};
  char line[32];
  (void)data;
  if (!isolated())
    return;
  int id = make_queue(KEY);
  uint64_t node = lookup(f->msg, NAME);
  g_assert_cmpint(msgsnd(id, &message, 7, 0), ==, 0);
  for (int i = 0; i < 3; i++) {
    expect_line(f->msg, node, "qnum 1");
    expect_line(f->msg, node, "cbytes 7");
  }
  snprintf(line, sizeof(line), "lspid %d", getpid());
  expect_line(f->msg, node, line);
  expect_line(f->msg, node, "lrpid 0");
  expect_line(f->msg, node, "rtime 0");
  remove_queue(id);
}

static void sends_a_write_as_a_message(struct fixture *f, gconstpointer data) {
  struct {
    long type;
    char text[16];
  } message;
  (void)data;
  if (!isolated())
    return;
  int id = make_queue(KEY);
  uint64_t node = lookup(f->msg, NAME);
  g_assert_cmpint((int)command(f->msg, node, "hello\n"), ==, 6);
  g_assert_cmpint((int)msgrcv(id, &message, sizeof(message.text), 0, IPC_NOWAIT), ==, 6);
  g_assert_cmpint((int)message.type, ==, 1);
  g_assert_cmpint(memcmp(message.text, "hello\n", 6), ==, 0);
  g_autofree char *long_text = g_strnfill(1 << 20, 'x');
  g_assert_cmpint((int)command(f->msg, node, long_text), ==, -EMSGSIZE);
  long_text[60000] = '\0';
  g_assert_cmpint((int)command(f->msg, node, long_text), ==, -EMSGSIZE);
  long_text[4096] = '\0';
  int sent = 0;
  ssize_t r;
  while ((r = command(f->msg, node, long_text)) > 0)
    sent++;
  g_assert_cmpint((int)r, ==, -EAGAIN);
  g_assert_cmpint(sent, ==, 4); /* of kernel.msgmnb's 16384 bytes */
  remove_queue(id);
  g_assert_cmpint((int)command(f->msg, node, "x"), ==, -ESTALE);
}

static void a_message_is_one_act(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  int id = make_queue(KEY);
  uint64_t node = lookup(f->msg, NAME);
  expect_no_act(f->msg, node, "x");
  expect_line(f->msg, node, "qnum 0");
  remove_queue(id);
}

static void says_what_a_small_queue_never_takes(struct fixture *f, gconstpointer data) {
  struct msqid_ds queue;
  (void)data;
  if (!isolated())
    return;
  int id = make_queue(IPC_PRIVATE);
  char name[32];
  snprintf(name, sizeof(name), "msqid.%d", id);
  g_assert_cmpint(msgctl(id, IPC_STAT, &queue), ==, 0);
  queue.msg_qbytes = 4;
  g_assert_cmpint(msgctl(id, IPC_SET, &queue), ==, 0);
  uint64_t node = lookup(f->msg, name);
  g_assert_cmpint((int)command(f->msg, node, "12345"), ==, -EMSGSIZE);
  g_assert_cmpint((int)command(f->msg, node, "1234"), ==, 4);
  g_assert_cmpint((int)command(f->msg, node, "1"), ==, -EAGAIN);
  g_assert_cmpint(change_mode(f->msg, node, 0600), ==, 0);
  expect_line(f->msg, node, "qbytes 4"); /* IPC_SET sets it along */
  remove_queue(id);
}

static void change_and_remove(struct store *store, const char *name, mode_t mode) {
  struct stat attributes;
  uint64_t node = lookup(store, name);
  g_assert_cmpuint(attributes_of(store, node).st_mode, ==, S_IFREG | mode);
  g_assert_cmpint(change_mode(store, node, 0604), ==, 0);
  g_assert_cmpint(change_owner(store, node, SOMEBODY, 7), ==, 0);
  attributes = attributes_of(store, node);
  g_assert_cmpuint(attributes.st_mode, ==, S_IFREG | 0604);
  g_assert_cmpint(attributes.st_ctim.tv_sec, >, 0);
  struct store_change times = {.mask = STORE_CHANGE_TIMES};
  g_assert_cmpint(store->ops->change(store, node, -1, &times, &attributes), ==, -EPERM);
  g_assert_cmpint(store->ops->unlink(store, STORE_ROOT, name), ==, 0);
  g_assert_cmpint(store->ops->unlink(store, STORE_ROOT, name), ==, -ENOENT);
  g_assert_cmpint(store->ops->get_attributes(store, node, &attributes), ==, -ESTALE);
}

static void changes_and_removes(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  int set = make_set(KEY, 1);
  int queue = make_queue(KEY);
  change_and_remove(f->sem, NAME, 0640);
  change_and_remove(f->msg, NAME, 0620);
  g_assert_cmpint(semctl(set, 0, GETVAL), ==, -1);
  g_assert_cmpint(msgctl(queue, IPC_RMID, NULL), ==, -1);
}

static void a_slot_used_again_is_another(struct fixture *f, gconstpointer data) {
  struct stat attributes;
  char buffer[8];
  (void)data;
  if (!isolated())
    return;
  remove_set(make_set(KEY, 1));
  int first = make_set(KEY, 1);
  uint64_t node = lookup(f->sem, NAME);
  remove_set(first);
  int second = make_set(KEY, 1);
  g_assert_cmpint(first, !=, second);
  g_assert_cmpint(f->sem->ops->get_attributes(f->sem, node, &attributes), ==, -ESTALE);
  g_assert_cmpint((int)f->sem->ops->read(f->sem, node, buffer, sizeof(buffer), 0), ==, -ESTALE);
  g_assert_cmpuint(lookup(f->sem, NAME), !=, node);
  remove_set(second);
}

static void nodes_are_apart(void) {
  static const enum text_tag tags[] = {TEXT_SEM, TEXT_MQUEUE, TEXT_SYSVSEM, TEXT_SYSVMSG};
  static const uint64_t ids[] = {0, 1, 2, 0xfff, 0x10000, INT_MAX - 1};
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(tags); i++)
    for (size_t k = 0; k < G_N_ELEMENTS(ids); k++) {
      uint64_t node = text_node(tags[i], ids[k]);
      g_assert_cmpint(text_tag_of(node), ==, tags[i]);
      g_assert_cmpuint(text_ino(node), >, UINT32_MAX);
      if (tags[i] == TEXT_SYSVSEM || tags[i] == TEXT_SYSVMSG)
        g_assert_cmpint(text_id_of(node), ==, (int)ids[k]);
      if (k < G_N_ELEMENTS(ids) - 1) /* inode numbers are folded */
        g_assert_true(g_hash_table_add(seen, g_memdup2(&node, sizeof(node))));
    }
  g_assert_cmpint(text_tag_of(text_node(TEXT_SYSVSEM, INT_MAX)), ==, TEXT_SYSVSEM);
  g_assert_cmpuint(text_node(TEXT_SYSVMSG, INT_MAX), ==, 0);
  g_assert_cmpint(text_tag_of(STORE_ROOT), ==, TEXT_OTHER);
  g_assert_cmpint(text_tag_of(0x80000005), ==, TEXT_OTHER);                   /* a side table's */
  g_assert_cmpint(text_tag_of(UINT64_C(0x1234567800000002)), ==, TEXT_OTHER); /* an inode's */
  g_assert_cmpint(text_tag_of(UINT64_C(0x8000000000000000)), ==, TEXT_SEGMENT);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/text/nodes_are_apart", nodes_are_apart);
#define TEST(name) g_test_add("/text/" #name, struct fixture, NULL, set_up, name, tear_down)
  TEST(tells_of_each_semaphore);
  TEST(reads_a_large_set);
  TEST(names_by_key_or_id);
  TEST(tells_of_a_queue_without_receiving);
  TEST(sends_a_write_as_a_message);
  TEST(a_message_is_one_act);
  TEST(says_what_a_small_queue_never_takes);
  TEST(changes_and_removes);
  TEST(a_slot_used_again_is_another);
  return g_test_run();
}
