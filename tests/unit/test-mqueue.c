/* The store of POSIX message queues, beside mq_open(3) and what goes with it. */
#include "store/mqueue.h"
#include "text-fixture.h"
#include "util/fd.h"

#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define MESSAGES 4
#define MESSAGE_SIZE 16

struct fixture {
  unsigned descriptors;
  struct store *store;
};

static void set_up(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  f->descriptors = count_descriptors();
  auto_fd int fd = -1;
  g_assert_cmpint(mqueue_directory_open(&fd), ==, 0);
  g_assert_cmpint(mqueue_store_new(fd, &f->store), ==, 0);
}

static void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  expect_names(f->store, STORE_ROOT, ". ..");
  f->store->ops->free(f->store);
  g_assert_cmpuint(count_descriptors(), ==, f->descriptors);
}

static mqd_t make(const char *name) {
  struct mq_attr attributes = {.mq_maxmsg = MESSAGES, .mq_msgsize = MESSAGE_SIZE};
  mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0640, &attributes);
  g_assert_cmpint(queue, >=, 0);
  return queue;
}

static void unmake(mqd_t queue, const char *name) {
  g_assert_cmpint(mq_close(queue), ==, 0);
  g_assert_cmpint(mq_unlink(name), ==, 0);
}

static void tells_without_receiving(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  mqd_t queue = make("/q");
  uint64_t node = lookup(f->store, "q");
  expect_text(f->store, node,
              "maxmsg 4\nmsgsize 16\ncurmsgs 0\nqsize 0\nnotify 0\nsigno 0\nnotify_pid 0\n");
  g_assert_cmpint(mq_send(queue, "abc", 3, 1), ==, 0);
  g_assert_cmpint(mq_send(queue, "defgh", 5, 1), ==, 0);
  for (int i = 0; i < 3; i++) {
    expect_line(f->store, node, "curmsgs 2");
    expect_line(f->store, node, "qsize 8");
  }
  unmake(queue, "/q");
}

/* Asks to be told of messages, says so, and waits for the end. */
static void ask_for_notice(mqd_t queue, int told) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  alarm(20);
  if (mq_notify(queue, &event) == 0 && write(told, "x", 1) == 1)
    pause();
  _exit(1);
}

/* By another process: the kernel ends a registration when its process closes the queue, and this one
 * closes it after each look. */
static void tells_who_is_notified(struct fixture *f, gconstpointer data) {
  int told[2];
  char byte;
  (void)data;
  if (!isolated())
    return;
  mqd_t queue = make("/q");
  uint64_t node = lookup(f->store, "q");
  g_assert_cmpint(pipe(told), ==, 0);
  pid_t child = fork();
  if (child == 0)
    ask_for_notice(queue, told[1]);
  g_assert_cmpint((int)read(told[0], &byte, 1), ==, 1);
  g_autofree char *process_line = g_strdup_printf("notify_pid %d", child);
  g_autofree char *signal_line = g_strdup_printf("signo %d", SIGUSR1);
  for (int i = 0; i < 2; i++) {
    expect_line(f->store, node, process_line);
    expect_line(f->store, node, signal_line);
  }
  kill(child, SIGKILL);
  g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
  expect_line(f->store, node, "notify_pid 0");
  fd_close(told[0]);
  fd_close(told[1]);
  unmake(queue, "/q");
}

static void sends_a_write_as_a_message(struct fixture *f, gconstpointer data) {
  char buffer[MESSAGE_SIZE];
  unsigned priority;
  (void)data;
  if (!isolated())
    return;
  mqd_t queue = make("/q");
  uint64_t node = lookup(f->store, "q");
  g_assert_cmpint((int)command(f->store, node, "hello\n"), ==, 6);
  g_assert_cmpint((int)mq_receive(queue, buffer, sizeof(buffer), &priority), ==, 6);
  g_assert_cmpint(memcmp(buffer, "hello\n", 6), ==, 0);
  g_assert_cmpuint(priority, ==, 0);
  g_assert_cmpint((int)command(f->store, node, "12345678901234567"), ==, -EMSGSIZE);
  for (int i = 0; i < MESSAGES; i++)
    g_assert_cmpint((int)command(f->store, node, "1234567890123456"), ==, 16);
  g_assert_cmpint((int)command(f->store, node, "x"), ==, -EAGAIN);
  unmake(queue, "/q");
}

static void a_message_is_one_act(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  mqd_t queue = make("/q");
  uint64_t node = lookup(f->store, "q");
  expect_no_act(f->store, node, "x");
  expect_line(f->store, node, "curmsgs 0");
  unmake(queue, "/q");
}

static void shows_and_changes_mode_and_owner(struct fixture *f, gconstpointer data) {
  struct stat raw;
  (void)data;
  if (!isolated())
    return;
  mqd_t queue = make("/q");
  uint64_t node = lookup(f->store, "q");
  struct stat attributes = attributes_of(f->store, node);
  g_assert_cmpuint(attributes.st_mode, ==, S_IFREG | 0640);
  g_assert_cmpint(attributes.st_size, ==, 0);
  g_assert_cmpint(change_mode(f->store, node, 0606), ==, 0);
  g_assert_cmpint(change_owner(f->store, node, SOMEBODY, 7), ==, 0);
  g_assert_cmpint(fstat(queue, &raw), ==, 0);
  g_assert_cmpuint(raw.st_mode & ALLPERMS, ==, 0606);
  g_assert_cmpuint(raw.st_uid, ==, SOMEBODY);
  g_assert_cmpuint(raw.st_gid, ==, 7);
  expect_refusals(f->store, "q", node);
  g_assert_cmpuint(attributes_of(f->store, STORE_ROOT).st_mode, ==, S_IFDIR | 01777);
  unmake(queue, "/q");
}

static void removes_and_forgets(struct fixture *f, gconstpointer data) {
  struct stat attributes;
  (void)data;
  if (!isolated())
    return;
  mqd_t queue = make("/q");
  uint64_t node = lookup(f->store, "q");
  g_assert_cmpint(f->store->ops->unlink(f->store, STORE_ROOT, "q"), ==, 0);
  g_assert_cmpint(mq_unlink("/q"), ==, -1);
  g_assert_cmpint(f->store->ops->unlink(f->store, STORE_ROOT, "q"), ==, -ENOENT);
  g_assert_cmpint(mq_close(queue), ==, 0);
  queue = make("/q");
  g_assert_cmpint(f->store->ops->get_attributes(f->store, node, &attributes), ==, -ESTALE);
  g_assert_cmpint((int)command(f->store, node, "x"), ==, -ESTALE);
  g_assert_cmpuint(lookup(f->store, "q"), !=, node);
  unmake(queue, "/q");
}

/* Positions and nodes hold while others come and go, and in a process that has seen no name. */
static void keeps_positions_and_nodes(struct fixture *f, gconstpointer data) {
  struct names_seen seen = {.names = g_string_new(NULL), .left = 4};
  struct store *another;
  mqd_t queues[5];
  char name[16];
  (void)data;
  if (!isolated())
    return;
  for (int i = 0; i < 5; i++) {
    snprintf(name, sizeof(name), "/q%d", i);
    queues[i] = make(name);
  }
  expect_names(f->store, STORE_ROOT, ". .. q0 q1 q2 q3 q4");
  int r = f->store->ops->list(f->store, STORE_ROOT, 0, see_name, &seen);
  g_assert_cmpint(r, ==, 0);
  g_assert_cmpstr(seen.names->str, ==, ". .. q0 q1");
  unmake(queues[0], "/q0");
  seen.left = 9;
  r = f->store->ops->list(f->store, STORE_ROOT, seen.next, see_name, &seen);
  g_assert_cmpint(r, ==, 0);
  g_assert_cmpstr(seen.names->str, ==, ". .. q0 q1 q2 q3 q4");
  g_string_free(seen.names, TRUE);

  uint64_t node = lookup(f->store, "q3");
  auto_fd int fd = -1;
  g_assert_cmpint(mqueue_directory_open(&fd), ==, 0);
  g_assert_cmpint(mqueue_store_new(fd, &another), ==, 0);
  expect_line(another, node, "maxmsg 4");
  g_assert_cmpuint(lookup(another, "q3"), ==, node);
  another->ops->free(another);
  for (int i = 1; i < 5; i++) {
    snprintf(name, sizeof(name), "/q%d", i);
    unmake(queues[i], name);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add("/mqueue/" #name, struct fixture, NULL, set_up, name, tear_down)
  TEST(tells_without_receiving);
  TEST(tells_who_is_notified);
  TEST(sends_a_write_as_a_message);
  TEST(a_message_is_one_act);
  TEST(shows_and_changes_mode_and_owner);
  TEST(removes_and_forgets);
  TEST(keeps_positions_and_nodes);
  return g_test_run();
}
