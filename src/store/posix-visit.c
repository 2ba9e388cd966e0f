/* All names of the view, those in directories included: one directory after the other, from a list
 * of nodes that grows with the directories that are still to be looked at. There is no recursion,
 * because a client decides how deep they lie. */
#include "store/posix-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define FIRST_ROOM 64 /* nodes */

struct visit {
  struct posix_store *store;
  posix_wanted_fn *wanted; /* of the names at the top; NULL: all */
  const void *wanted_data;
  store_visit_fn *fn;
  void *data;
  uint64_t *waiting; /* directories */
  size_t count, room;
  int dirfd; /* the one that is looked at */
  bool at_top;
  int code;
};

static int push(struct visit *visit, uint64_t node) {
  if (visit->count == visit->room) {
    size_t room = visit->room ? 2 * visit->room : FIRST_ROOM;
    uint64_t *waiting = reallocarray(visit->waiting, room, sizeof *waiting);
    if (!waiting)
      return -ENOMEM;
    visit->waiting = waiting;
    visit->room = room;
  }
  visit->waiting[visit->count++] = node;
  return 0;
}

/* What is gone by now, or lies on another file system, is passed over. */
static int visit_directory(struct visit *visit, const char *name) {
  uint64_t node;
  int r = handle_node_at(visit->store->handles, visit->dirfd, name, &node);
  if (r == -ENOENT || r == -EXDEV)
    return 0;
  return r < 0 ? r : push(visit, node);
}

static int visit_name(struct visit *visit, const struct posix_dirent *entry) {
  struct stat attributes = {.st_ino = entry->d_ino, .st_mode = DTTOIF(entry->d_type)};
  if (entry->d_type == DT_REG &&
      fstatat(visit->dirfd, entry->d_name, &attributes, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : -errno;
  int r = visit->fn(visit->data, &attributes);
  if (r == 0 && entry->d_type == DT_DIR)
    r = visit_directory(visit, entry->d_name);
  return r;
}

static int visit_entry(void *data, const struct posix_dirent *entry) {
  struct visit *visit = data;
  if (posix_check_name(entry->d_name) != 0) /* "." and ".." */
    return 0;
  if (visit->at_top && visit->wanted && !visit->wanted(visit->wanted_data, entry->d_name))
    return 0;
  visit->code = visit_name(visit, entry);
  return visit->code < 0;
}

static int visit_one(struct visit *visit, uint64_t node) {
  auto_fd int fd = -1;
  int r = posix_node_open(visit->store, node, O_RDONLY | O_DIRECTORY, &fd);
  if (r < 0)
    return r == -ESTALE ? 0 : r;
  visit->dirfd = fd;
  visit->at_top = node == STORE_ROOT;
  r = posix_read_directory(fd, visit_entry, visit);
  return r == 1 ? visit->code : r;
}

int posix_visit_some(struct store *posix, posix_wanted_fn *wanted, const void *wanted_data,
                     store_visit_fn *fn, void *data) {
  struct visit visit = {.store = posix_of(posix),
                        .wanted = wanted,
                        .wanted_data = wanted_data,
                        .fn = fn,
                        .data = data};
  int r = push(&visit, STORE_ROOT);
  while (r == 0 && visit.count > 0)
    r = visit_one(&visit, visit.waiting[--visit.count]);
  free(visit.waiting);
  return r;
}

int posix_visit(struct store *posix, store_visit_fn *fn, void *data) {
  return posix_visit_some(posix, NULL, NULL, fn, data);
}
