/* Semaphore sets: the values are read at one moment (GETALL), the rest semaphore by semaphore, for
 * which the kernel has no better call: so only for the lines that are read, of a set that may have 32,000.
 * All lines are equally long: a value is at most 32,767 (SEMVMX), a process id at most 4,194,304, and of more
 * than 99,999 who wait no more are told. */
#include "store/sysvsem.h"

#include <errno.h>
#include <glib.h>
#include <sys/sem.h>

#include "store/text-ipc.h"

union semun { /* semctl(2) leaves it to the program to declare */
  int val;
  struct semid_ds *buf;
  unsigned short *array;
  struct seminfo *info;
};

static int sem_stat(int id, struct ipc_object *ret, struct semid_ds *ret_set) {
  struct semid_ds set;
  int found = semctl(id, 0, SEM_STAT_ANY, (union semun){.buf = &set});
  if (found < 0)
    return -errno;
  *ret = (struct ipc_object){
      .id = found,
      .permissions = set.sem_perm,
      .accessed = set.sem_otime,
      .modified = set.sem_otime,
      .changed = set.sem_ctime,
  };
  if (ret_set)
    *ret_set = set;
  return 0;
}

static int sem_stat_object(int id, struct ipc_object *ret) {
  return sem_stat(id, ret, NULL);
}

static int sem_last_index(void) {
  struct seminfo info;
  int last = semctl(0, 0, SEM_INFO, (union semun){.info = &info});
  return last < 0 ? -errno : last;
}

static int sem_find_key(key_t key) {
  int id = semget(key, 0, 0);
  return id < 0 ? -errno : id;
}

static int sem_remove(int id) {
  return semctl(id, 0, IPC_RMID) < 0 ? ipc_error(errno) : 0;
}

static int sem_set(int id, const struct ipc_perm *permissions) {
  struct semid_ds set = {.sem_perm = *permissions};
  return semctl(id, 0, IPC_SET, (union semun){.buf = &set}) < 0 ? ipc_error(errno) : 0;
}

#define LINE_SIZE 26 /* bytes, as add_line() makes them */
#define WAITING_MAX 99999

static int add_line(int id, int number, unsigned value, struct text *text) {
  static const int commands[] = {GETZCNT, GETNCNT, GETPID};
  int answer[G_N_ELEMENTS(commands)];
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
    answer[i] = semctl(id, number, commands[i]);
    if (answer[i] < 0)
      return ipc_error(errno);
  }
  text_add(text, "%5u %5d %5d %7d\n", value, MIN(answer[0], WAITING_MAX),
           MIN(answer[1], WAITING_MAX), answer[2]);
  return 0;
}

static int add_lines(int id, unsigned short *values, unsigned long count, struct text *text) {
  int r = 0;
  if (semctl(id, 0, GETALL, (union semun){.array = values}) < 0)
    return ipc_error(errno);
  size_t first = text->from / LINE_SIZE, after = text->to / LINE_SIZE + 1;
  text->start = first * LINE_SIZE;
  for (size_t i = first; i < MIN(count, after) && r == 0; i++)
    r = add_line(id, (int)i, values[i], text);
  return r;
}

static int sem_get_text(struct store *store, uint64_t node, struct text *text) {
  struct ipc_object object = {0};
  struct semid_ds set = {0};
  int id = text_id_of(node);
  (void)store;
  int r = sem_stat(id, &object, &set);
  if (r < 0)
    return ipc_error(-r);
  if (object.id != id)
    return -ESTALE;
  unsigned short *values = g_try_new0(unsigned short, set.sem_nsems);
  if (!values)
    return -ENOMEM;
  r = add_lines(id, values, set.sem_nsems, text);
  g_free(values);
  return r;
}

static const struct ipc_kind sem_kind = {
    .text =
        {
            .tag = TEXT_SYSVSEM,
            .free = ipc_free,
            .find = ipc_find,
            .get_attributes = ipc_get_attributes,
            .get_incarnation = ipc_get_incarnation,
            .get_text = sem_get_text,
            .change = ipc_change,
            .remove = ipc_remove,
            .list = ipc_list,
        },
    .prefix = "semid.",
    .stat = sem_stat_object,
    .last_index = sem_last_index,
    .find_key = sem_find_key,
    .remove = sem_remove,
    .set = sem_set,
};

int sysvsem_store_new(const struct timespec *born, struct store **ret_store) {
  *ret_store = ipc_store_new(&sem_kind, born);
  return 0;
}
