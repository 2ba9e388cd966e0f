/* The tree of everything: the native calls on one side, a mount of the `all` view on the other. */
#include "view.h"

#include <grp.h>
#include <mqueue.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define KEY 0x4d2
#define NAME "0x000004d2"
#define MESSAGE_SIZE 64
#define TIMES 2000 /* how often what must be coherent is tried, without a pause */

/* What one write() of the text says: 0 or the errno. */
static int order(const char *name, const char *text) {
  int fd = open_file(path_of(name), O_WRONLY, 0);
  ssize_t written = write(fd, text, strlen(text));
  int failure = written < 0 ? errno : 0;
  close_file(fd);
  if (!failure)
    g_assert_cmpint((int)written, ==, (int)strlen(text));
  return failure;
}

static char *contents(const char *name) {
  g_autoptr(GError) error = NULL;
  char *text = NULL;
  g_file_get_contents(path_of(name), &text, NULL, &error);
  g_assert_no_error(error);
  return text;
}

static void expect(const char *name, const char *expected) {
  g_autofree char *text = contents(name);
  g_assert_cmpstr(text, ==, expected);
}

static void expect_line(const char *name, const char *line) {
  g_autofree char *text = contents(name);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  if (!g_strv_contains((const char *const *)lines, line))
    g_error("%s has no line '%s' but: %s", name, line, text);
}

static sem_t *make_semaphore(unsigned value, mode_t mode) {
  sem_t *semaphore = sem_open("/s", O_CREAT | O_EXCL, mode, value);
  g_assert_true(semaphore != SEM_FAILED);
  return semaphore;
}

static int value_of(sem_t *semaphore) {
  int value;
  g_assert_cmpint(sem_getvalue(semaphore, &value), ==, 0);
  return value;
}

static void remove_semaphore(sem_t *semaphore) {
  g_assert_cmpint(sem_close(semaphore), ==, 0);
  g_assert_cmpint(sem_unlink("/s"), ==, 0);
}

static mqd_t make_queue(mode_t mode) {
  struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = MESSAGE_SIZE};
  mqd_t queue = mq_open("/q", O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, mode, &attributes);
  g_assert_cmpint(queue, >=, 0);
  return queue;
}

static void expect_message(mqd_t queue, const char *expected) {
  char buffer[MESSAGE_SIZE + 1];
  ssize_t length = mq_receive(queue, buffer, MESSAGE_SIZE, NULL);
  g_assert_cmpint(length, >=, 0);
  buffer[length] = '\0';
  g_assert_cmpstr(buffer, ==, expected);
}

static void remove_queue(mqd_t queue) {
  g_assert_cmpint(mq_close(queue), ==, 0);
  g_assert_cmpint(mq_unlink("/q"), ==, 0);
}

static void test_objects_are_those_of_shm_open(void) {
  int native = shm_open("/object", O_CREAT | O_EXCL | O_RDWR, 0600);
  g_assert_cmpint(native, >=, 0);
  put_all(native, "native", 6, 0);
  expect("posix/object", "native");
  put_file(path_of("posix/made"), "made");
  int made = shm_open("/made", O_RDONLY, 0);
  expect_content_at(made, "made");
  close_file(native);
  close_file(made);
  remove_file(path_of("posix/object"));
  g_assert_cmpint(shm_unlink("/made"), ==, 0);
  g_assert_false(exists(path_of("posix/made")));
}

static void test_segments_are_those_of_shmget(void) {
  int id = shmget(KEY, 8192, IPC_CREAT | IPC_EXCL | 0600);
  char *memory = shmat(id, NULL, 0);
  strcpy(memory, "segment");
  int fd = open_file(path_of("sysv/" NAME), O_RDWR, 0);
  char buffer[8];
  g_assert_cmpint((int)pread(fd, buffer, sizeof(buffer), 0), ==, 8);
  g_assert_cmpstr(buffer, ==, "segment");
  g_assert_cmpint((int)pwrite(fd, "SEG", 3, 0), ==, 3);
  g_assert_cmpstr(memory, ==, "SEGment");
  close_file(fd);
  shmdt(memory);
  remove_file(path_of("sysv/" NAME));
  g_assert_cmpint(shmget(KEY, 0, 0), ==, -1);
}

/* A file that is staged on its way to a segment and an unnamed object look the same to the kernel. */
static void test_a_written_file_becomes_a_segment(void) {
  int unnamed = open_file(path_of("posix"), O_TMPFILE | O_RDWR, 0600);
  put_all(unnamed, "unnamed", 7, 0);
  put_file(path_of("sysv/" NAME), "content");
  expect_content_at(unnamed, "unnamed");
  close_file(unnamed);
  int id = shmget(KEY, 0, 0);
  g_assert_cmpint(id, >=, 0);
  char *memory = shmat(id, NULL, SHM_RDONLY);
  g_assert_cmpint(memcmp(memory, "content", 7), ==, 0);
  shmdt(memory);
  g_assert_cmpint(shmctl(id, IPC_RMID, NULL), ==, 0);
}

static void test_a_semaphore_has_one_value(void) {
  sem_t *semaphore = make_semaphore(0, 0600);
  for (int i = 0; i < TIMES; i++) {
    g_autofree char *expected = g_strdup_printf("%d\n", i + 1);
    if (i % 2)
      g_assert_cmpint(sem_post(semaphore), ==, 0);
    else
      g_assert_cmpint(order("sem/s", "post\n"), ==, 0);
    expect("sem/s", expected);
    g_assert_cmpint(value_of(semaphore), ==, i + 1);
  }
  remove_semaphore(semaphore);
  g_assert_false(exists(path_of("sem/s")));
}

static void test_a_semaphore_is_taken_without_waiting(void) {
  sem_t *semaphore = make_semaphore(1, 0600);
  g_assert_cmpint(order("sem/s", "-1"), ==, 0);
  g_assert_cmpint(value_of(semaphore), ==, 0);
  g_assert_cmpint(order("sem/s", "-1"), ==, EAGAIN);
  g_assert_cmpint(order("sem/s", "+5\n"), ==, 0);
  g_assert_cmpint(order("sem/s", "5"), ==, EINVAL);
  g_assert_cmpint(order("sem/s", "+99999"), ==, EINVAL);
  g_assert_cmpint(value_of(semaphore), ==, 5);
  remove_semaphore(semaphore);
}

static void test_a_post_wakes_who_waits_natively(void) {
  sem_t *semaphore = make_semaphore(0, 0600);
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(sem_wait(semaphore) == 0 ? 0 : 1);
  }
  g_usleep(20000); /* most likely it waits then; the test holds either way */
  g_assert_cmpint(order("sem/s", "post"), ==, 0);
  int status;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_cmpint(status, ==, 0);
  remove_semaphore(semaphore);
}

static void test_a_write_is_a_message(void) {
  mqd_t queue = make_queue(0600);
  int fd = open_file(path_of("mqueue/q"), O_WRONLY | O_APPEND, 0);
  g_assert_cmpint((int)write(fd, "one", 3), ==, 3);
  g_assert_cmpint((int)write(fd, "second", 6), ==, 6);
  expect_line("mqueue/q", "curmsgs 2");
  expect_line("mqueue/q", "qsize 9");
  expect_line("mqueue/q", "curmsgs 2");
  expect_message(queue, "one");
  expect_message(queue, "second");
  for (int i = 0; i < 4; i++)
    g_assert_cmpint((int)write(fd, "x", 1), ==, 1);
  assert_errno(write(fd, "x", 1), EAGAIN);
  char longer[MESSAGE_SIZE + 1] = "";
  assert_errno(write(fd, longer, sizeof(longer)), EMSGSIZE);
  close_file(fd);
  remove_queue(queue);
  g_assert_false(exists(path_of("mqueue/q")));
}

static void test_a_write_is_a_system_v_message(void) {
  struct {
    long type;
    char text[8];
  } message;
  int id = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);
  g_assert_cmpint(order("sysv-msg/" NAME, "hello"), ==, 0);
  expect_line("sysv-msg/" NAME, "qnum 1");
  expect_line("sysv-msg/" NAME, "cbytes 5");
  g_assert_cmpint((int)msgrcv(id, &message, sizeof(message.text), 0, IPC_NOWAIT), ==, 5);
  g_assert_cmpint((int)message.type, ==, 1);
  g_assert_cmpint(memcmp(message.text, "hello", 5), ==, 0);
  remove_file(path_of("sysv-msg/" NAME));
  g_assert_cmpint(msgget(KEY, 0), ==, -1);
}

static void test_semaphore_sets_are_looked_at(void) {
  int id = semget(KEY, 2, IPC_CREAT | IPC_EXCL | 0600);
  struct sembuf up = {.sem_num = 1, .sem_op = 3};
  g_assert_cmpint(semop(id, &up, 1), ==, 0);
  g_autofree char *expected =
      g_strdup_printf("    0     0     0       0\n    3     0     0 %7d\n", getpid());
  expect("sysv-sem/" NAME, expected);
  g_assert_cmpint(order("sysv-sem/" NAME, "1"), ==, EPERM);
  g_assert_cmpint(chmod(path_of("sysv-sem/" NAME), 0640), ==, 0);
  g_assert_cmpuint(status_at(path_of("sysv-sem/" NAME)).st_mode, ==, S_IFREG | 0640);
  remove_file(path_of("sysv-sem/" NAME));
  g_assert_cmpint(semget(KEY, 0, 0), ==, -1);
}

static void test_text_is_no_memory(void) {
  sem_t *semaphore = make_semaphore(12, 0600);
  int fd = open_file(path_of("sem/s"), O_RDWR, 0);
  char byte;
  g_assert_cmpint((int)pread(fd, &byte, 1, 1), ==, 1);
  g_assert_cmpint(byte, ==, '2');
  g_assert_cmpint((int)pread(fd, &byte, 1, 3), ==, 0);
  const void *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  g_assert_true(mapped == MAP_FAILED);
  g_assert_cmpint(errno, ==, ENODEV);
  g_assert_cmpint(ftruncate(fd, 0), ==, 0);
  assert_errno(ftruncate(fd, 8), EPERM);
  g_assert_cmpint(status_of(fd).st_size, ==, 0);
  g_assert_cmpint(value_of(semaphore), ==, 12);
  remove_semaphore(semaphore);
  assert_errno(pread(fd, &byte, 1, 0), ESTALE);
  close_file(fd);
}

static void test_nothing_is_made_but_objects_and_segments(void) {
  static const char *const fixed[] = {"new",           "sem/new",      "mqueue/new",
                                      "sysv-sem/0x01", "sysv-msg/new", NULL};
  put_file(path_of("posix/object"), "");
  for (const char *const *name = fixed; *name; name++) {
    assert_errno(open(path_of(*name), O_CREAT | O_WRONLY, 0600), EPERM);
    assert_errno(mkdir(path_of(*name), 0700), EPERM);
    assert_errno(symlink("target", path_of(*name)), EPERM);
  }
  assert_errno(rename(path_of("posix/object"), path_of("sem/new")), EXDEV);
  assert_errno(link(path_of("posix/object"), path_of("sysv/" NAME)), EXDEV);
  assert_errno(rename(path_of("sem"), path_of("new")), EPERM);
  assert_errno(rmdir(path_of("sem")), EPERM);
  remove_file(path_of("posix/object"));
}

/* As somebody who owns nothing of it. */
static void check_as_stranger(void) {
  alarm(20);
  g_assert_cmpint(setgroups(0, NULL), ==, 0);
  g_assert_cmpint(setresgid(OTHER_USER, OTHER_USER, OTHER_USER), ==, 0);
  g_assert_cmpint(setresuid(OTHER_USER, OTHER_USER, OTHER_USER), ==, 0);
  assert_errno(open(path_of("sem/s"), O_RDONLY), EACCES);
  assert_errno(open(path_of("mqueue/q"), O_RDONLY), EACCES);
  g_assert_cmpint(order("mqueue/q", "from a stranger"), ==, 0);
  assert_errno(open(path_of("sysv-msg/" NAME), O_WRONLY), EACCES);
  expect_line("sysv-msg/" NAME, "qnum 0");
  assert_errno(unlink(path_of("mqueue/q")), EPERM);
  assert_errno(unlink(path_of("sysv-msg/" NAME)), EPERM);
  assert_errno(unlink(path_of("sem/s")), EPERM);
  assert_errno(chmod(path_of("sem/s"), 0666), EPERM);
  _exit(0);
}

static void test_permissions_are_the_objects_own(void) {
  mode_t mask = umask(0);
  sem_t *semaphore = make_semaphore(1, 0600);
  mqd_t queue = make_queue(0602);
  int id = msgget(KEY, IPC_CREAT | IPC_EXCL | 0604);
  umask(mask);
  pid_t child = fork();
  if (child == 0)
    check_as_stranger();
  int status;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_cmpint(status, ==, 0);
  expect_message(queue, "from a stranger");
  remove_semaphore(semaphore);
  remove_queue(queue);
  g_assert_cmpint(msgctl(id, IPC_RMID, NULL), ==, 0);
}

static void test_native_changes_show_at_once(void) {
  for (int i = 0; i < TIMES / 10; i++) {
    mqd_t queue = make_queue(0600);
    int id = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);
    sem_t *semaphore = make_semaphore((unsigned)i, 0600);
    g_autofree char *value = g_strdup_printf("%d\n", i);
    expect_line("mqueue/q", "curmsgs 0");
    expect_line("sysv-msg/" NAME, "qnum 0");
    expect("sem/s", value);
    remove_queue(queue);
    g_assert_cmpint(msgctl(id, IPC_RMID, NULL), ==, 0);
    remove_semaphore(semaphore);
    g_assert_false(exists(path_of("mqueue/q")));
    g_assert_false(exists(path_of("sysv-msg/" NAME)));
    g_assert_false(exists(path_of("sem/s")));
  }
}

#define ADD(name) g_test_add_func("/all/" #name, test_##name)

static void add_tests(void) {
  ADD(objects_are_those_of_shm_open);
  ADD(segments_are_those_of_shmget);
  ADD(a_written_file_becomes_a_segment);
  ADD(a_semaphore_has_one_value);
  ADD(a_semaphore_is_taken_without_waiting);
  ADD(a_post_wakes_who_waits_natively);
  ADD(a_write_is_a_message);
  ADD(a_write_is_a_system_v_message);
  ADD(semaphore_sets_are_looked_at);
  ADD(text_is_no_memory);
  ADD(nothing_is_made_but_objects_and_segments);
  ADD(permissions_are_the_objects_own);
  ADD(native_changes_show_at_once);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  add_tests();
  return run_on_mount("all");
}
