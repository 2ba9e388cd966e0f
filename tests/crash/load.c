/* The load, as a program: load MOUNT RAW [--seconds N] [--threads N] [--no-mmap] [--seed N]
 *
 * MOUNT is where to work, RAW the folder of the same objects without the daemon; given the same
 * folder twice, it tests itself. Prints what was done, the first errors, and the longest that any
 * operation took; the status is 1 when there was an error. See load.h. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "load.h"

#define THREADS_MAX 64
#define ERRORS_MAX 10 /* after which a user gives up: what it knows is wrong by then */

static int seconds = 10;
static int threads = 3;
static int seed = 0;
static gboolean no_mmap = FALSE;

static const GOptionEntry entries[] = {
    {"seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "how long", "N"},
    {"threads", 0, 0, G_OPTION_ARG_INT, &threads, "with names of their own", "N"},
    {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "of the random numbers", "N"},
    {"no-mmap", 0, 0, G_OPTION_ARG_NONE, &no_mmap, "do not map", NULL},
    {0},
};

static GPtrArray *all_operations(void) {
  static const struct operation *const tables[] = {load_name_operations, load_data_operations,
                                                   load_file_operations};
  GPtrArray *all = g_ptr_array_new();
  for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
    for (const struct operation *operation = tables[i]; operation->name; operation++)
      g_ptr_array_add(all, (gpointer)operation);
  return all;
}

static void remove_all(struct user *user) {
  for (unsigned i = 0; i < LOAD_HELD; i++)
    let_go(user, &user->held[i]);
  for (unsigned i = 0; i < LOAD_NAMES; i++) {
    const char *path = name_path(user, SIDE_MOUNT, i);
    if (user->name[i])
      check(user, "remove at the end", path, 0, outcome(remove(path)));
    name_clear(user, i);
  }
}

static gpointer user_run(gpointer data) {
  struct user *user = data;
  g_autoptr(GPtrArray) operations = all_operations();
  while (g_get_monotonic_time() < user->load->end && user->errors < ERRORS_MAX) {
    const struct operation *operation = operations->pdata[pick(user, operations->len)];
    gint64 began = g_get_monotonic_time();
    operation->run(user);
    took(user, operation->name, began);
  }
  remove_all(user);
  return NULL;
}

static void user_begin(struct user *user, const struct load *load, int number) {
  user->load = load;
  user->number = number;
  user->worst = "nothing";
  user->random = g_rand_new_with_seed(load->seed + (guint32)number);
}

static int report(const struct user *users, int count) {
  guint64 operations = 0;
  unsigned errors = 0;
  const struct user *worst = users;
  for (int i = 0; i < count; i++) {
    operations += users[i].operations;
    errors += users[i].errors;
    if (users[i].worst_us > worst->worst_us)
      worst = &users[i];
    g_rand_free(users[i].random);
  }
  printf("%" G_GUINT64_FORMAT " operations, %u errors, worst pause %.1f ms (%s)\n", operations,
         errors, (double)worst->worst_us / 1000, worst->worst);
  return errors > 0 ? 1 : 0;
}

static int run(const struct load *load) {
  struct user users[THREADS_MAX + LOAD_RACERS + 1] = {0};
  GThread *thread[THREADS_MAX + 1];
  int count = threads + LOAD_RACERS + 1;
  for (int i = 0; i < count; i++)
    user_begin(&users[i], load, i);
  struct race *race = race_start(load, users + threads);
  for (int i = 0; i < threads; i++)
    thread[i] = g_thread_new("user", user_run, &users[i]);
  thread[threads] = g_thread_new("locks", locks_run, &users[count - 1]);
  race_wait(race);
  for (int i = 0; i <= threads; i++)
    g_thread_join(thread[i]);
  return report(users, count);
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GOptionContext) context = g_option_context_new("MOUNT RAW");
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    fprintf(stderr, "load: %s\n", error->message);
    return 2;
  }
  if (argc != 3 || threads < 1 || threads > THREADS_MAX || seconds < 1) {
    fputs("load: a mount and its raw folder are needed, 1 to 64 threads and a second\n", stderr);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0); /* an error is seen even if a store then ends the program */
  umask(0);
  struct load load = {
      .folder = {argv[1], argv[2]},
      .maps = !no_mmap,
      .end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC,
      .seed = seed ? (guint32)seed : g_random_int(),
  };
  printf("seed %u\n", load.seed);
  return run(&load);
}
