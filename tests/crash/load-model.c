/* What the users of the load know, and how they compare it with what they get: see load.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load.h"

#define ERRORS_SHOWN 20 /* of all users */
#define PATHS_AT_ONCE 4

static gint errors_shown; /* atomic */

unsigned pick(struct user *user, unsigned below) {
  return (unsigned)g_rand_int_range(user->random, 0, (gint32)below);
}

bool chance(struct user *user, unsigned one_in) {
  return pick(user, one_in) == 0;
}

enum side pick_side(struct user *user) {
  return chance(user, 4) ? SIDE_RAW : SIDE_MOUNT;
}

static char *next_buffer(void) {
  static _Thread_local char buffers[PATHS_AT_ONCE][LOAD_PATH_MAX];
  static _Thread_local unsigned next;
  return buffers[next++ % PATHS_AT_ONCE];
}

const char *name_path(const struct user *user, enum side side, unsigned name) {
  char *path = next_buffer();
  g_snprintf(path, LOAD_PATH_MAX, "%s/load-%d-%u", user->load->folder[side], user->number, name);
  return path;
}

const char *fd_path(int fd) {
  char *path = next_buffer();
  g_snprintf(path, LOAD_PATH_MAX, "/proc/self/fd/%d", fd);
  return path;
}

long outcome(long returned) {
  return returned < 0 ? -errno : returned;
}

static const char *outcome_text(long value, char buffer[32]) {
  if (value < 0)
    return strerrorname_np((int)-value);
  g_snprintf(buffer, 32, "%ld", value);
  return buffer;
}

bool check(struct user *user, const char *operation, const char *name, long expected, long got) {
  char wanted[32], given[32];
  if (expected == got)
    return true;
  user->errors++;
  if (g_atomic_int_add(&errors_shown, 1) < ERRORS_SHOWN)
    printf("error: user %d, operation %" G_GUINT64_FORMAT ": %s %s: expected %s, got %s\n",
           user->number, user->operations, operation, name, outcome_text(expected, wanted),
           outcome_text(got, given));
  return false;
}

bool check_fd(struct user *user, const char *operation, const char *name, long expected, int fd) {
  long got = outcome(fd);
  return check(user, operation, name, expected, got < 0 ? got : 0);
}

void took(struct user *user, const char *operation, gint64 began) {
  gint64 us = g_get_monotonic_time() - began;
  user->operations++;
  if (us <= user->worst_us)
    return;
  user->worst_us = us;
  user->worst = operation;
}

struct object *object_new(struct user *user, enum kind kind, unsigned name, int fd) {
  struct object *object = g_new0(struct object, 1);
  struct stat status = {0};
  int code = fd >= 0 ? fstat(fd, &status) : lstat(name_path(user, SIDE_RAW, name), &status);
  check(user, "stat of what was made", "", 0, outcome(code));
  object->kind = kind;
  object->inode = status.st_ino;
  object->mode = status.st_mode & 07777;
  if (kind == KIND_FILE)
    object->content = g_malloc0(LOAD_CONTENT_MAX);
  if (name < LOAD_NAMES)
    name_set(user, name, object);
  return object;
}

void object_settle(struct object *object) {
  if (object->names > 0 || object->held > 0)
    return;
  g_free(object->content);
  g_free(object);
}

void name_set(struct user *user, unsigned name, struct object *object) {
  object->names++;
  name_clear(user, name);
  user->name[name] = object;
}

void name_clear(struct user *user, unsigned name) {
  struct object *object = user->name[name];
  user->name[name] = NULL;
  if (!object)
    return;
  object->names--;
  object_settle(object);
}

void let_go(struct user *user, struct held *held) {
  struct object *object = held->object;
  if (!object)
    return;
  if (held->map)
    check(user, "munmap", "", 0, outcome(munmap(held->map, LOAD_CONTENT_MAX)));
  check(user, "close", "", 0, outcome(close(held->fd)));
  *held = (struct held){0};
  object->held--;
  object_settle(object);
}

void hold(struct user *user, struct object *object, int fd, bool append) {
  struct held *held = &user->held[pick(user, LOAD_HELD)];
  object->held++;
  let_go(user, held);
  *held = (struct held){.object = object, .fd = fd, .append = append};
  if (chance(user, 3))
    let_go(user, held);
}

struct held *pick_held(struct user *user) {
  unsigned first = pick(user, LOAD_HELD);
  for (unsigned i = 0; i < LOAD_HELD; i++) {
    struct held *held = &user->held[(first + i) % LOAD_HELD];
    if (held->object)
      return held;
  }
  return NULL;
}

unsigned pick_file(struct user *user) {
  unsigned first = pick(user, LOAD_NAMES);
  for (unsigned i = 0; i < LOAD_NAMES; i++) {
    unsigned name = (first + i) % LOAD_NAMES;
    if (user->name[name] && user->name[name]->kind == KIND_FILE)
      return name;
  }
  return LOAD_NAMES;
}

static mode_t type_of(enum kind kind) {
  static const mode_t types[] = {
      [KIND_FILE] = S_IFREG, [KIND_FOLDER] = S_IFDIR, [KIND_LINK] = S_IFLNK, [KIND_PIPE] = S_IFIFO};
  return types[kind];
}

void check_status(struct user *user, const char *operation, const char *name,
                  const struct object *object, const struct stat *status) {
  g_autofree char *what = g_strdup_printf("%s: type and mode, then inode, links, size", operation);
  check(user, what, name, type_of(object->kind) | object->mode, status->st_mode);
  check(user, what, name, (long)object->inode, (long)status->st_ino);
  if (object->kind != KIND_FOLDER)
    check(user, what, name, object->names, (long)status->st_nlink);
  if (object->kind == KIND_FILE)
    check(user, what, name, (long)object->size, status->st_size);
}

void check_content(struct user *user, const char *operation, const char *name,
                   const struct object *object, int fd) {
  static _Thread_local unsigned char content[LOAD_CONTENT_MAX + 1];
  long got = outcome(pread(fd, content, sizeof content, 0));
  if (!check(user, operation, name, (long)object->size, got))
    return;
  for (size_t i = 0; i < object->size; i++) {
    if (content[i] == object->content[i])
      continue;
    g_autofree char *where = g_strdup_printf("%s (byte %zu of %zu)", name, i, object->size);
    check(user, operation, where, object->content[i], content[i]);
    return;
  }
}
