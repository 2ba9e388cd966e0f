/* The load's threads that compete for names, and the one that holds locks: see load.h.
 *
 * In each round all racers do the same thing under one name at the same moment: one of them
 * succeeds, and each of the others gets the one errno that says it was late. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "load.h"

struct race {
  const struct load *load;
  struct user *users;
  pthread_barrier_t barrier;
  bool over; /* written by the first racer before the barrier */
  long result[LOAD_RACERS];
  GThread *thread[LOAD_RACERS];
  struct racer {
    struct race *race;
    int number;
  } racer[LOAD_RACERS];
};

struct prize {
  char name[LOAD_PATH_MAX]; /* that they compete for */
  char own[LOAD_PATH_MAX];  /* a file that the racer has to itself */
};

static long race_create(const struct prize *prize) {
  int fd = open(prize->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  long result = fd < 0 ? -errno : 0;
  if (fd >= 0)
    close(fd);
  return result;
}

static long race_unlink(const struct prize *prize) {
  return outcome(unlink(prize->name));
}

static long race_mkdir(const struct prize *prize) {
  return outcome(mkdir(prize->name, 0700));
}

static long race_rmdir(const struct prize *prize) {
  return outcome(rmdir(prize->name));
}

static long race_link(const struct prize *prize) {
  return outcome(link(prize->own, prize->name));
}

static long race_symlink(const struct prize *prize) {
  return outcome(symlink("nowhere", prize->name));
}

/* The one that finds the name moves it away, and back after the round (see tidy). */
static long race_rename(const struct prize *prize) {
  return outcome(rename(prize->name, prize->own));
}

static const struct round {
  const char *name;
  long (*run)(const struct prize *prize);
  long late; /* the others' errno */
} rounds[] = {
    {"race to create", race_create, -EEXIST},   {"race to unlink", race_unlink, -ENOENT},
    {"race to mkdir", race_mkdir, -EEXIST},     {"race to rmdir", race_rmdir, -ENOENT},
    {"race to link", race_link, -EEXIST},       {"race to unlink", race_unlink, -ENOENT},
    {"race to symlink", race_symlink, -EEXIST}, {"race to rename", race_rename, -ENOENT},
};

static void judge(struct race *race, const struct round *round) {
  unsigned winners = 0;
  for (int i = 0; i < LOAD_RACERS; i++) {
    if (race->result[i] == 0)
      winners++;
    else
      check(&race->users[i], round->name, "the late one", round->late, race->result[i]);
  }
  check(&race->users[0], round->name, "winners", 1, winners);
}

/* A racer's own file is made new where the symbolic link replaced it. */
static void tidy(struct user *user, const struct prize *prize) {
  unlink(prize->own);
  int fd = open(prize->own, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (check_fd(user, "create a racer's file", prize->own, 0, fd))
    check(user, "close", prize->own, 0, outcome(close(fd)));
}

static void run_round(struct racer *racer, const struct round *round, const struct prize *prize) {
  struct race *race = racer->race;
  struct user *user = &race->users[racer->number];
  pthread_barrier_wait(&race->barrier);
  gint64 began = g_get_monotonic_time();
  race->result[racer->number] = round->run(prize);
  took(user, round->name, began);
  pthread_barrier_wait(&race->barrier);
  if (racer->number == 0)
    judge(race, round);
}

static gpointer race_run(gpointer data) {
  struct racer *racer = data;
  struct race *race = racer->race;
  struct prize prize;
  const char *folder = race->load->folder[SIDE_MOUNT];
  g_snprintf(prize.name, sizeof prize.name, "%s/load-prize", folder);
  g_snprintf(prize.own, sizeof prize.own, "%s/load-racer-%d", folder, racer->number);
  for (;;) {
    if (racer->number == 0)
      race->over = g_get_monotonic_time() >= race->load->end;
    pthread_barrier_wait(&race->barrier);
    if (race->over)
      break;
    tidy(&race->users[racer->number], &prize);
    for (size_t i = 0; i < G_N_ELEMENTS(rounds); i++)
      run_round(racer, &rounds[i], &prize);
    pthread_barrier_wait(&race->barrier);
  }
  unlink(prize.own);
  return NULL;
}

struct race *race_start(const struct load *load, struct user users[LOAD_RACERS]) {
  struct race *race = g_new0(struct race, 1);
  race->load = load;
  race->users = users;
  pthread_barrier_init(&race->barrier, NULL, LOAD_RACERS);
  for (int i = 0; i < LOAD_RACERS; i++) {
    race->racer[i] = (struct racer){.race = race, .number = i};
    race->thread[i] = g_thread_new("racer", race_run, &race->racer[i]);
  }
  return race;
}

void race_wait(struct race *race) {
  for (int i = 0; i < LOAD_RACERS; i++)
    g_thread_join(race->thread[i]);
  pthread_barrier_destroy(&race->barrier);
  g_free(race);
}

static long record_lock(int fd, short type) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
  return outcome(fcntl(fd, F_OFD_SETLK, &lock));
}

/* The first descriptor has both kinds of lock, the second one gets neither until they are free. */
static void check_locks(struct user *user, const char *path, int holder) {
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (!check_fd(user, "open a locked file", path, 0, fd))
    return;
  check(user, "flock of a locked file", path, -EWOULDBLOCK, outcome(flock(fd, LOCK_EX | LOCK_NB)));
  check(user, "record lock of a locked file", path, -EAGAIN, record_lock(fd, F_WRLCK));
  check(user, "unlock", path, 0, outcome(flock(holder, LOCK_UN)));
  check(user, "flock", path, 0, outcome(flock(fd, LOCK_EX | LOCK_NB)));
  check(user, "flock of a locked file", path, -EWOULDBLOCK,
        outcome(flock(holder, LOCK_EX | LOCK_NB)));
  check(user, "close", path, 0, outcome(close(fd)));
  check(user, "flock after the holder's close", path, 0, outcome(flock(holder, LOCK_EX | LOCK_NB)));
}

gpointer locks_run(gpointer data) {
  struct user *user = data;
  char path[LOAD_PATH_MAX];
  g_snprintf(path, sizeof path, "%s/load-locks", user->load->folder[SIDE_MOUNT]);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (!check_fd(user, "create", path, 0, fd))
    return NULL;
  check(user, "flock", path, 0, outcome(flock(fd, LOCK_EX | LOCK_NB)));
  check(user, "record lock", path, 0, record_lock(fd, F_WRLCK));
  while (g_get_monotonic_time() < user->load->end) {
    gint64 began = g_get_monotonic_time();
    check_locks(user, path, fd);
    took(user, "locks", began);
    g_usleep(5000); /* so that the others are not slowed */
  }
  check(user, "close", path, 0, outcome(close(fd)));
  check(user, "unlink", path, 0, outcome(unlink(path)));
  return NULL;
}
