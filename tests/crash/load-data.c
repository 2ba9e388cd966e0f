/* The load's operations on the content of files that it holds open: see load.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load.h"

#define WRITE_MAX 4096

static void fill(struct user *user, unsigned char *data, size_t size) {
  for (size_t i = 0; i < size; i += 4) {
    guint32 word = g_rand_int(user->random);
    memcpy(data + i, &word, MIN(4, size - i));
  }
}

static void put(struct object *object, size_t offset, const void *data, size_t size) {
  memcpy(object->content + offset, data, size);
  object->size = MAX(object->size, offset + size);
}

static void resize(struct object *object, size_t size) {
  if (size < object->size)
    memset(object->content + size, 0, object->size - size);
  object->size = size;
}

static void write_held(struct user *user) {
  unsigned char data[WRITE_MAX];
  const struct held *held = pick_held(user);
  if (!held)
    return;
  struct object *object = held->object;
  size_t size = 1 + pick(user, WRITE_MAX);
  size_t offset = held->append ? object->size : pick(user, LOAD_CONTENT_MAX - WRITE_MAX);
  if (offset + size > LOAD_CONTENT_MAX)
    return;
  fill(user, data, size);
  long got = outcome(held->append ? write(held->fd, data, size)
                                  : pwrite(held->fd, data, size, (off_t)offset));
  if (check(user, held->append ? "append" : "write", "", (long)size, got))
    put(object, offset, data, size);
}

/* One more byte than written, or one less, would be seen here. */
static void append_exactly(struct user *user) {
  unsigned name = pick_file(user);
  if (name == LOAD_NAMES || user->name[name]->size > LOAD_CONTENT_MAX - 64)
    return;
  struct object *object = user->name[name];
  unsigned char data[64];
  size_t size = 1 + pick(user, sizeof data);
  enum side side = pick_side(user);
  const char *path = name_path(user, side, name);
  int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
  if (!check_fd(user, "open to append", path, 0, fd))
    return;
  fill(user, data, size);
  if (check(user, "append once", path, (long)size, outcome(write(fd, data, size))))
    put(object, object->size, data, size);
  check_content(user, "content after appending", path, object, fd);
  check(user, "close", path, 0, outcome(close(fd)));
}

static void read_held(struct user *user) {
  const struct held *held = pick_held(user);
  if (held)
    check_content(user, "read", held->object->names ? "" : "(unlinked)", held->object, held->fd);
}

static void status_held(struct user *user) {
  const struct held *held = pick_held(user);
  struct stat status;
  if (held && check(user, "fstat", held->object->names ? "" : "(unlinked)", 0,
                    outcome(fstat(held->fd, &status))))
    check_status(user, "fstat", "", held->object, &status);
}

static void truncate_held(struct user *user) {
  const struct held *held = pick_held(user);
  size_t size = pick(user, LOAD_CONTENT_MAX);
  if (held && check(user, "ftruncate", "", 0, outcome(ftruncate(held->fd, (off_t)size))))
    resize(held->object, size);
}

static void truncate_name(struct user *user) {
  unsigned name = pick_file(user);
  size_t size = pick(user, LOAD_CONTENT_MAX);
  if (name == LOAD_NAMES)
    return;
  const char *path = name_path(user, pick_side(user), name);
  if (check(user, "truncate", path, 0, outcome(truncate(path, (off_t)size))))
    resize(user->name[name], size);
}

static bool mapped(struct user *user, struct held *held) {
  if (held->map)
    return true;
  void *map = mmap(NULL, LOAD_CONTENT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, held->fd, 0);
  if (map == MAP_FAILED)
    return check(user, "mmap", "", 0, outcome(-1));
  held->map = map;
  return true;
}

/* Stores to the mapping are seen by a read, and by a read on the raw side; writes, in the mapping.
 * What is after the end of the file is not touched: it has no memory. */
static void map_held(struct user *user) {
  struct held *held = pick_held(user);
  if (!user->load->maps || !held || held->object->size == 0 || !mapped(user, held))
    return;
  struct object *object = held->object;
  struct stat status;
  check(user, "fstat before a store", "", 0, outcome(fstat(held->fd, &status)));
  if (!check(user, "size before a store", "", (long)object->size, status.st_size))
    return; /* a store after the end would be a SIGBUS, and no report */
  check(user, "what is mapped", "", 0, memcmp(held->map, object->content, object->size) != 0);
  unsigned char data[WRITE_MAX];
  size_t offset = pick(user, (unsigned)object->size);
  size_t size = 1 + pick(user, WRITE_MAX);
  size = MIN(size, object->size - offset);
  fill(user, data, size);
  memcpy(held->map + offset, data, size);
  put(object, offset, data, size);
  check_content(user, "read of what was stored", "", object, held->fd);
}

/* O_NONBLOCK, here and below: a pipe there by mistake is then an error and not a wait. */
static void compare_raw(struct user *user) {
  unsigned name = pick_file(user);
  if (name == LOAD_NAMES)
    return;
  const char *path = name_path(user, SIDE_RAW, name);
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (!check_fd(user, "native open", path, 0, fd))
    return;
  check_content(user, "native read", path, user->name[name], fd);
  close(fd);
}

static void write_raw(struct user *user) {
  unsigned char data[WRITE_MAX];
  unsigned name = pick_file(user);
  if (name == LOAD_NAMES)
    return;
  const char *path = name_path(user, SIDE_RAW, name);
  size_t size = 1 + pick(user, WRITE_MAX), offset = pick(user, LOAD_CONTENT_MAX - WRITE_MAX);
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (!check_fd(user, "native open", path, 0, fd))
    return;
  fill(user, data, size);
  if (check(user, "native write", path, (long)size, outcome(pwrite(fd, data, size, (off_t)offset))))
    put(user->name[name], offset, data, size);
  close(fd);
}

static void allocate(struct user *user) {
  static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
  const struct held *held = pick_held(user);
  if (!held)
    return;
  struct object *object = held->object;
  int mode = modes[pick(user, G_N_ELEMENTS(modes))];
  size_t size = 1 + pick(user, 2 * WRITE_MAX), offset = pick(user, LOAD_CONTENT_MAX - size);
  long got = outcome(fallocate(held->fd, mode, (off_t)offset, (off_t)size));
  if (!check(user, mode & FALLOC_FL_PUNCH_HOLE ? "punch a hole" : "fallocate", "", 0, got))
    return;
  if (mode & FALLOC_FL_PUNCH_HOLE)
    memset(object->content + offset, 0, size);
  else if (mode == 0)
    object->size = MAX(object->size, offset + size);
}

/* The kernel copies no more than the size it knows; as every program that copies does, this asks
 * for it first, since the file may have grown natively. */
static void copy_range(struct user *user) {
  const struct held *from = pick_held(user), *to = pick_held(user);
  struct stat status;
  if (!from || from->object == to->object || to->append ||
      !check(user, "fstat before a copy", "", 0, outcome(fstat(from->fd, &status))))
    return;
  loff_t read_at = pick(user, (unsigned)from->object->size + 1);
  loff_t write_at = pick(user, LOAD_CONTENT_MAX - WRITE_MAX);
  size_t wanted = 1 + pick(user, WRITE_MAX);
  size_t size = MIN(wanted, from->object->size - (size_t)read_at);
  if (size > 0)
    put(to->object, (size_t)write_at, from->object->content + read_at, size);
  while (size > 0) {
    long got = outcome(copy_file_range(from->fd, &read_at, to->fd, &write_at, size, 0));
    if (got <= 0 || got > (long)size) { /* less than wanted is allowed, nothing is not */
      check(user, "copy_file_range", "", (long)size, got);
      return;
    }
    size -= (size_t)got;
  }
  check(user, "copy_file_range at the end", "", 0,
        read_at == (loff_t)from->object->size
            ? outcome(copy_file_range(from->fd, &read_at, to->fd, &write_at, 1, 0))
            : 0);
}

const struct operation load_data_operations[] = {
    {"write", write_held},           {"write", write_held},
    {"append once", append_exactly}, {"read", read_held},
    {"fstat", status_held},          {"ftruncate", truncate_held},
    {"truncate", truncate_name},     {"map and store", map_held},
    {"map and store", map_held},     {"native read", compare_raw},
    {"native write", write_raw},     {"fallocate", allocate},
    {"copy_file_range", copy_range}, {0},
};
