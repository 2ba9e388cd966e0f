/* Named semaphores. A node is the file's inode number, so the file is found by name: the last one
 * that is known, or whatever a look through the directory tells.
 *
 * What happens to a semaphore is the C library's doing (sem_post, sem_trywait, sem_getvalue): only it
 * knows where in a sem_t the value is, and who is to be woken. To read the value a copy is enough.
 * For the rest the file must be mapped, and whoever may write to it may truncate it under the
 * mapping; the access is then a SIGBUS. So it is guarded: the handler, which is set once for the
 * process, leaves the guarded stretch with an error when the address is that of the thread's own
 * mapping, and for every other SIGBUS does what would have been done without it. */
#include "store/sem.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "store/names.h"
#include "store/text.h"
#include "util/fd.h"

#define PREFIX "sem."
#define FILE_NAME_SIZE 256 /* NAME_MAX and the final 0 */
#define COMMAND_MAX 8      /* "+32767" and what it takes to see that it is longer */

struct sem_store {
  struct text_store base;
  struct store *objects; /* borrowed */
  struct names *names;   /* node -> NAME */
};

static struct sem_store *sem_of(struct store *store) {
  return (struct sem_store *)store;
}

/* A semaphore's file. */
struct sem_file {
  uint64_t node;  /* here */
  uint64_t inner; /* in the store of objects */
  struct stat attributes;
};

static int file_name(const char *name, char ret_name[FILE_NAME_SIZE]) {
  int length = snprintf(ret_name, FILE_NAME_SIZE, PREFIX "%s", name);
  return length >= FILE_NAME_SIZE ? -ENAMETOOLONG : 0;
}

static int find_file(struct sem_store *store, const char *name, struct sem_file *ret) {
  char file[FILE_NAME_SIZE];
  struct store_entry entry;
  int r = file_name(name, file);
  if (r == 0)
    r = store->objects->ops->lookup(store->objects, STORE_ROOT, file, &entry);
  if (r < 0)
    return r;
  if (!S_ISREG(entry.attributes.st_mode) || entry.attributes.st_size != sizeof(sem_t))
    return -ENOENT;
  *ret = (struct sem_file){
      .node = text_node(TEXT_SEM, entry.attributes.st_ino),
      .inner = entry.node,
      .attributes = entry.attributes,
  };
  names_put(store->names, ret->node, name);
  return 0;
}

struct search {
  struct sem_store *store;
  uint64_t node;
  struct sem_file *ret;
  bool found;
};

static int compare_one(void *data, const char *name, uint64_t ino, unsigned char type,
                       uint64_t next) {
  struct search *search = data;
  size_t prefix = strlen(PREFIX);
  (void)next;
  if (type != DT_REG || strncmp(name, PREFIX, prefix) != 0 || !name[prefix] ||
      text_node(TEXT_SEM, ino) != search->node)
    return 0;
  search->found = find_file(search->store, name + prefix, search->ret) == 0 &&
                  search->ret->node == search->node;
  return search->found;
}

static int file_of(struct sem_store *store, uint64_t node, struct sem_file *ret) {
  char name[NAMES_LENGTH_MAX];
  struct sem_file file;
  if (names_get(store->names, node, name)) {
    if (find_file(store, name, &file) == 0 && file.node == node) {
      *ret = file;
      return 0;
    }
    names_forget(store->names, node);
  }
  struct search search = {.store = store, .node = node, .ret = &file};
  struct store *objects = store->objects;
  int r = objects->ops->list(objects, STORE_ROOT, 0, compare_one, &search);
  if (r < 0)
    return r;
  if (!search.found)
    return -ESTALE;
  *ret = file;
  return 0;
}

static int sem_find(struct store *store, const char *name, uint64_t *ret_node) {
  struct sem_file file;
  int r = find_file(sem_of(store), name, &file);
  if (r == 0)
    *ret_node = file.node;
  return r;
}

/* The directory is that of the objects: who may remove from that may do so here. */
static int sem_get_attributes(struct store *base, uint64_t node, struct stat *ret) {
  struct sem_store *store = sem_of(base);
  struct sem_file file;
  if (node == STORE_ROOT)
    return store->objects->ops->get_attributes(store->objects, STORE_ROOT, ret);
  int r = file_of(store, node, &file);
  if (r == 0)
    *ret = file.attributes;
  return r;
}

/* The node is a part of the inode number; that of the store of objects is the inode. */
static int sem_get_incarnation(struct store *base, uint64_t node, uint64_t *ret) {
  struct sem_file file;
  int r = file_of(sem_of(base), node, &file);
  if (r == 0)
    *ret = store_mix(STORE_INCARNATION, file.inner);
  return r;
}

static int open_file(struct sem_store *store, uint64_t node, int access, int *ret_fd) {
  struct sem_file file;
  struct store_file opened;
  int r = file_of(store, node, &file);
  if (r == 0)
    r = store->objects->ops->open(store->objects, file.inner, access, &opened);
  if (r < 0)
    return r;
  *ret_fd = opened.fd;
  return 0;
}

static int sem_get_text(struct store *store, uint64_t node, struct text *text) {
  auto_fd int fd = -1;
  sem_t copy;
  int value;
  int r = open_file(sem_of(store), node, O_RDONLY, &fd);
  if (r < 0)
    return r;
  ssize_t length = pread(fd, &copy, sizeof(copy), 0);
  if (length < 0)
    return -errno;
  if (length != sizeof(copy))
    return -ESTALE;
  if (sem_getvalue(&copy, &value) < 0)
    return -errno;
  text_add(text, "%d\n", value);
  return 0;
}

/* The mapping that this thread is about to touch, and where to go on if that fails. */
static __thread struct {
  volatile bool active;
  uintptr_t start, end;
  sigjmp_buf leave;
} guard;

static struct sigaction unguarded; /* what was done about SIGBUS before; written once */

static void on_bus_error(int signal, siginfo_t *information, void *context) {
  (void)signal, (void)context;
  uintptr_t address = (uintptr_t)information->si_addr;
  bool is_fault = information->si_code > 0; /* the kernel's, not somebody's kill(2) */
  if (guard.active && is_fault && address >= guard.start && address < guard.end) {
    guard.active = false;
    siglongjmp(guard.leave, 1);
  }
  sigaction(SIGBUS, &unguarded, NULL);
  if (!is_fault) /* a fault comes again by itself */
    raise(SIGBUS);
}

static void set_handler(void) {
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &unguarded);
}

static int post(sem_t *semaphore, int times) {
  int value;
  if (sem_getvalue(semaphore, &value) < 0)
    return -errno;
  if (value > SEM_VALUE_MAX - times)
    return -EOVERFLOW;
  for (int i = 0; i < times; i++)
    if (sem_post(semaphore) < 0)
      return -errno;
  return 0;
}

/* The guarded stretch. Nothing in it takes a lock or owns anything, so it can be left anywhere. */
static int act(sem_t *semaphore, int by) {
  guard.start = (uintptr_t)semaphore;
  guard.end = guard.start + sizeof(*semaphore);
  if (sigsetjmp(guard.leave, 0) != 0)
    return -ESTALE;
  guard.active = true;
  int r = by > 0 ? post(semaphore, by) : sem_trywait(semaphore) < 0 ? -errno : 0;
  guard.active = false;
  return r;
}

struct order {
  sem_t *semaphore;
  int by;
};

static int obey(void *data) {
  const struct order *order = data;
  return act(order->semaphore, order->by);
}

static int act_on_file(int fd, int by, struct store_act *how) {
  sem_t *semaphore = mmap(NULL, sizeof(sem_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (semaphore == MAP_FAILED)
    return -errno;
  int r = how->perform(how, obey, &(struct order){.semaphore = semaphore, .by = by});
  munmap(semaphore, sizeof(sem_t));
  return r;
}

/* What to add to the value: 1…SEM_POST_MAX, or -1; or -EINVAL. */
static int parse(const char *data, size_t size) {
  char command[COMMAND_MAX];
  if (size > 0 && data[size - 1] == '\n')
    size--;
  if (size >= sizeof(command))
    return -EINVAL;
  memcpy(command, data, size);
  command[size] = '\0';
  if (strlen(command) != size)
    return -EINVAL;
  if (strcmp(command, "post") == 0)
    return 1;
  if (strcmp(command, "-1") == 0)
    return -1;
  if (command[0] != '+' || strspn(command + 1, "0123456789") != size - 1)
    return -EINVAL;
  long times = strtol(command + 1, NULL, 10);
  return times >= 1 && times <= SEM_POST_MAX ? (int)times : -EINVAL;
}

static int sem_command(struct store *store, uint64_t node, const char *data, size_t size,
                       struct store_act *act) {
  auto_fd int fd = -1;
  int by = parse(data, size);
  if (by < -1)
    return by;
  int r = open_file(sem_of(store), node, O_RDWR, &fd);
  return r < 0 ? r : act_on_file(fd, by, act);
}

static int sem_change(struct store *base, uint64_t node, const struct store_change *change) {
  struct sem_store *store = sem_of(base);
  struct sem_file file;
  struct stat after;
  int r = file_of(store, node, &file);
  return r < 0 ? r : store->objects->ops->change(store->objects, file.inner, -1, change, &after);
}

static int sem_remove(struct store *base, const char *name) {
  struct sem_store *store = sem_of(base);
  struct sem_file file;
  char path[FILE_NAME_SIZE];
  int r = find_file(store, name, &file);
  if (r == 0)
    r = file_name(name, path);
  return r < 0 ? r : store->objects->ops->unlink(store->objects, STORE_ROOT, path);
}

struct listing {
  struct sem_store *store;
  store_list_fn *fn;
  void *data;
};

/* Positions are those of the objects' directory, whose other names are passed over. */
static int list_one(void *data, const char *name, uint64_t ino, unsigned char type, uint64_t next) {
  const struct listing *listing = data;
  size_t prefix = strlen(PREFIX);
  struct sem_file file;
  (void)ino;
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return listing->fn(listing->data, name, text_ino(STORE_ROOT), DT_DIR, next);
  if (type != DT_REG || strncmp(name, PREFIX, prefix) != 0 || !name[prefix] ||
      find_file(listing->store, name + prefix, &file) < 0)
    return 0;
  return text_list_one(file.node, name + prefix, next, listing->fn, listing->data);
}

static int sem_list(struct store *base, uint64_t offset, store_list_fn *fn, void *data) {
  struct sem_store *store = sem_of(base);
  struct listing listing = {.store = store, .fn = fn, .data = data};
  return store->objects->ops->list(store->objects, STORE_ROOT, offset, list_one, &listing);
}

static void sem_free(struct store *base) {
  struct sem_store *store = sem_of(base);
  names_free(store->names);
  g_free(store);
}

static const struct text_kind sem_kind = {
    .tag = TEXT_SEM,
    .free = sem_free,
    .find = sem_find,
    .get_attributes = sem_get_attributes,
    .get_incarnation = sem_get_incarnation,
    .get_text = sem_get_text,
    .command = sem_command,
    .change = sem_change,
    .remove = sem_remove,
    .list = sem_list,
};

int sem_store_new(struct store *objects, struct store **ret_store) {
  static gsize once;
  struct sem_store *store = g_new0(struct sem_store, 1);
  text_store_init(&store->base, &sem_kind);
  store->objects = objects;
  store->names = names_new();
  if (!store->names) {
    sem_free(&store->base.base);
    return -ENOMEM;
  }
  if (g_once_init_enter(&once)) {
    set_handler();
    g_once_init_leave(&once, 1);
  }
  *ret_store = &store->base.base;
  return 0;
}
