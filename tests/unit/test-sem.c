/* The store of named semaphores, beside sem_open(3) and what goes with it. */
#include "store/posix.h"
#include "store/sem.h"
#include "text-fixture.h"
#include "util/fd.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct fixture {
  unsigned descriptors;
  struct store *objects, *store;
};

static void set_up(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  f->descriptors = count_descriptors();
  auto_fd int fd = -1;
  g_assert_cmpint(posix_directory_open("/dev/shm", false, &fd), ==, 0);
  g_assert_cmpint(posix_store_new(fd, &f->objects), ==, 0);
  g_assert_cmpint(sem_store_new(f->objects, &f->store), ==, 0);
}

static void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  f->store->ops->free(f->store);
  f->objects->ops->free(f->objects);
  g_assert_cmpuint(count_descriptors(), ==, f->descriptors);
  g_assert_cmpint(system("find /dev/shm -mindepth 1 -delete"), ==, 0);
}

static sem_t *make(const char *name, unsigned value) {
  sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0640, value);
  g_assert_true(semaphore != SEM_FAILED);
  return semaphore;
}

static int value_of(sem_t *semaphore) {
  int value;
  g_assert_cmpint(sem_getvalue(semaphore, &value), ==, 0);
  return value;
}

static void shows_names_and_values(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  sem_t *one = make("/one", 41);
  sem_t *two = make("/two", 0);
  auto_fd int other = open("/dev/shm/sem.other", O_CREAT | O_RDWR, 0600); /* no semaphore */
  auto_fd int object = open("/dev/shm/object", O_CREAT | O_RDWR, 0600);
  g_assert_cmpint(MIN(other, object), >=, 0);
  expect_names(f->store, STORE_ROOT, ". .. one two");
  expect_text(f->store, lookup(f->store, "one"), "41\n");
  expect_text(f->store, lookup(f->store, "two"), "0\n");
  g_assert_cmpint(sem_post(one), ==, 0);
  expect_text(f->store, lookup(f->store, "one"), "42\n");
  g_assert_cmpint(try_lookup(f->store, "other"), ==, -ENOENT);
  struct stat attributes = attributes_of(f->store, lookup(f->store, "one"));
  g_assert_cmpuint(attributes.st_mode, ==, S_IFREG | 0640);
  g_assert_cmpuint(attributes.st_nlink, ==, 1);
  g_assert_cmpint(attributes.st_size, ==, 0);
  g_assert_cmpuint(attributes_of(f->store, STORE_ROOT).st_mode, ==, S_IFDIR | 01777);
  sem_close(one);
  sem_close(two);
}

static void posts_and_takes(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  sem_t *semaphore = make("/s", 0);
  uint64_t node = lookup(f->store, "s");
  g_assert_cmpint((int)command(f->store, node, "-1"), ==, -EAGAIN);
  g_assert_cmpint((int)command(f->store, node, "post\n"), ==, 5);
  g_assert_cmpint(value_of(semaphore), ==, 1);
  g_assert_cmpint((int)command(f->store, node, "+1000"), ==, 5);
  g_assert_cmpint(value_of(semaphore), ==, 1001);
  g_assert_cmpint((int)command(f->store, node, "-1\n"), ==, 3);
  g_assert_cmpint(value_of(semaphore), ==, 1000);
  expect_text(f->store, node, "1000\n");
  sem_close(semaphore);
}

static void refuses_what_it_does_not_know(struct fixture *f, gconstpointer data) {
  static const char *const wrong[] = {"",    "\n",      "1",     "0",        "+",      "+0", "+x",
                                      "-2",  "posts",   "post ", "+1\n\n",   "+32768", "--", "+-1",
                                      "+1 ", "+999999", "x",     "+1234567", NULL};
  (void)data;
  if (!isolated())
    return;
  sem_t *semaphore = make("/s", 3);
  uint64_t node = lookup(f->store, "s");
  for (const char *const *text = wrong; *text; text++)
    g_assert_cmpint((int)command(f->store, node, *text), ==, -EINVAL);
  g_assert_cmpint(command_of(f->store, node, "+1\0", 3), ==, -EINVAL);
  g_assert_cmpint(value_of(semaphore), ==, 3);
  expect_refusals(f->store, "s", node);
  sem_close(semaphore);
}

static void a_command_is_one_act(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  sem_t *semaphore = make("/s", 3);
  uint64_t node = lookup(f->store, "s");
  expect_no_act(f->store, node, "+2");
  expect_no_act(f->store, node, "-1");
  g_assert_cmpint(value_of(semaphore), ==, 3);
  sem_close(semaphore);
}

static void does_not_overflow(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  sem_t *semaphore = make("/s", SEM_VALUE_MAX - 1);
  uint64_t node = lookup(f->store, "s");
  g_assert_cmpint((int)command(f->store, node, "+2"), ==, -EOVERFLOW);
  g_assert_cmpint(value_of(semaphore), ==, SEM_VALUE_MAX - 1);
  g_assert_cmpint((int)command(f->store, node, "post"), ==, 4);
  g_assert_cmpint((int)command(f->store, node, "post"), ==, -EOVERFLOW);
  sem_close(semaphore);
}

static void wakes_who_waits(struct fixture *f, gconstpointer data) {
  (void)data;
  if (!isolated())
    return;
  sem_t *semaphore = make("/s", 0);
  pid_t children[3];
  for (size_t i = 0; i < G_N_ELEMENTS(children); i++) {
    children[i] = fork();
    if (children[i] == 0) {
      alarm(10);
      _exit(sem_wait(semaphore) == 0 ? 0 : 1);
    }
  }
  g_usleep(50000); /* so that most likely they wait, which the test does not depend on */
  g_assert_cmpint((int)command(f->store, lookup(f->store, "s"), "+3"), ==, 2);
  for (size_t i = 0; i < G_N_ELEMENTS(children); i++) {
    int status;
    g_assert_cmpint(waitpid(children[i], &status, 0), ==, children[i]);
    g_assert_cmpint(status, ==, 0);
  }
  g_assert_cmpint(value_of(semaphore), ==, 0);
  sem_close(semaphore);
}

static void removes_and_forgets(struct fixture *f, gconstpointer data) {
  struct stat attributes;
  char buffer[8];
  (void)data;
  if (!isolated())
    return;
  sem_close(make("/s", 1));
  uint64_t node = lookup(f->store, "s");
  g_assert_cmpint(change_mode(f->store, node, 0600), ==, 0);
  g_assert_cmpint(change_owner(f->store, node, SOMEBODY, SOMEBODY), ==, 0);
  g_assert_cmpint(f->store->ops->unlink(f->store, STORE_ROOT, "s"), ==, 0);
  g_assert_cmpint(access("/dev/shm/sem.s", F_OK), ==, -1);
  g_assert_cmpint(f->store->ops->unlink(f->store, STORE_ROOT, "s"), ==, -ENOENT);
  sem_close(make("/s", 2)); /* another one of the same name */
  g_assert_cmpint(f->store->ops->get_attributes(f->store, node, &attributes), ==, -ESTALE);
  g_assert_cmpint((int)f->store->ops->read(f->store, node, buffer, sizeof(buffer), 0), ==, -ESTALE);
  g_assert_cmpint((int)command(f->store, node, "post"), ==, -ESTALE);
  g_assert_cmpuint(lookup(f->store, "s"), !=, node);
}

static void keeps_nodes_through_renames_and_processes(struct fixture *f, gconstpointer data) {
  struct store *another;
  (void)data;
  if (!isolated())
    return;
  sem_close(make("/s", 7));
  uint64_t node = lookup(f->store, "s");
  g_assert_cmpint(rename("/dev/shm/sem.s", "/dev/shm/sem.t"), ==, 0);
  expect_text(f->store, node, "7\n");
  g_assert_cmpint(sem_store_new(f->objects, &another), ==, 0); /* has seen no name */
  expect_text(another, node, "7\n");
  g_assert_cmpuint(lookup(another, "t"), ==, node);
  another->ops->free(another);
}

/* Shrinks and grows the file until told to stop; a page that is gone is a SIGBUS for whoever maps. */
static atomic_bool stop;

static void *truncate_for_ever(void *path) {
  while (!atomic_load(&stop)) {
    g_assert_cmpint(truncate(path, 0), ==, 0);
    g_assert_cmpint(truncate(path, sizeof(sem_t)), ==, 0);
  }
  return NULL;
}

static void *post_often(void *data) {
  struct store *store = data;
  unsigned hit = 0;
  for (int i = 0; i < 20000; i++) {
    struct store_entry entry;
    if (store->ops->lookup(store, STORE_ROOT, "s", &entry) < 0)
      continue;
    ssize_t r = command(store, entry.node, i % 2 ? "+500" : "-1");
    g_assert_true(r > 0 || r == -ESTALE || r == -EAGAIN || r == -EOVERFLOW);
    hit += r == -ESTALE;
  }
  g_test_message("%u of 20000 were cut off", hit);
  return NULL;
}

static void survives_truncation(struct fixture *f, gconstpointer data) {
  static char path[] = "/dev/shm/sem.s";
  pthread_t posters[2], truncator;
  (void)data;
  if (!isolated())
    return;
  sem_close(make("/s", 0));
  atomic_store(&stop, false);
  g_assert_cmpint(pthread_create(&truncator, NULL, truncate_for_ever, path), ==, 0);
  for (int i = 0; i < 2; i++)
    g_assert_cmpint(pthread_create(&posters[i], NULL, post_often, f->store), ==, 0);
  for (int i = 0; i < 2; i++)
    pthread_join(posters[i], NULL);
  atomic_store(&stop, true);
  pthread_join(truncator, NULL);
}

static void touch_what_is_not_there(void) {
  int fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
  const volatile char *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  fd_close(fd);
  (void)memory[0];
}

/* A mistake elsewhere must not be hidden by the guard. */
static void other_bus_errors_still_kill(struct fixture *f, gconstpointer data) {
  (void)f, (void)data;
  if (!isolated())
    return;
  if (g_test_subprocess()) {
    touch_what_is_not_there();
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_failed();
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  signal(SIGBUS, SIG_DFL); /* what a sanitizer would do about one here is no finding */
#define TEST(name) g_test_add("/sem/" #name, struct fixture, NULL, set_up, name, tear_down)
  TEST(shows_names_and_values);
  TEST(posts_and_takes);
  TEST(refuses_what_it_does_not_know);
  TEST(a_command_is_one_act);
  TEST(does_not_overflow);
  TEST(wakes_who_waits);
  TEST(removes_and_forgets);
  TEST(keeps_nodes_through_renames_and_processes);
  TEST(survives_truncation);
  TEST(other_bus_errors_still_kill);
  return g_test_run();
}
