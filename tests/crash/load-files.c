/* The load's operations that open files, and on their attributes: see load.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "load.h"

static const char attribute_name[] = "user.load";

/* The errno of opening for writing what is there, or 0. Symbolic links lead nowhere. */
static long expect_open(const struct object *object) {
  if (!object || object->kind == KIND_LINK)
    return -ENOENT;
  return object->kind == KIND_FOLDER ? -EISDIR : 0;
}

static void open_name(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  struct object *object = user->name[name];
  if (object && object->kind == KIND_PIPE)
    return; /* would wait for a reader */
  bool append = chance(user, 2), empty = chance(user, 8);
  long expected = expect_open(object);
  const char *path = name_path(user, SIDE_MOUNT, name);
  int fd = open(path, O_RDWR | O_CLOEXEC | (append ? O_APPEND : 0) |
                          (empty && expected == 0 ? O_TRUNC : 0));
  if (!check_fd(user, "open", path, expected, fd) || fd < 0 || !object)
    return;
  if (empty) {
    memset(object->content, 0, object->size);
    object->size = 0;
  }
  check_content(user, "read after opening", path, object, fd);
  hold(user, object, fd, append);
}

static void open_or_create(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  struct object *object = user->name[name];
  if (object && object->kind != KIND_FILE)
    return;
  const char *path = name_path(user, SIDE_MOUNT, name);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0604);
  if (!check_fd(user, "open or create", path, 0, fd))
    return;
  if (!object)
    object = object_new(user, KIND_FILE, name, fd);
  check_content(user, "read after opening or creating", path, object, fd);
  hold(user, object, fd, false);
}

/* Works for an unlinked file as well. */
static void open_held(struct user *user) {
  const struct held *held = pick_held(user);
  if (!held)
    return;
  const char *name = held->object->names ? "" : "(unlinked)";
  int fd = open(fd_path(held->fd), O_RDWR | O_CLOEXEC);
  if (!check_fd(user, "open a held file again", name, 0, fd))
    return;
  check_content(user, "read after opening again", name, held->object, fd);
  hold(user, held->object, fd, false);
}

static void make_unnamed(struct user *user) {
  const char *folder = user->load->folder[SIDE_MOUNT];
  int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (!check_fd(user, "open with O_TMPFILE", folder, 0, fd))
    return;
  struct object *object = object_new(user, KIND_FILE, LOAD_NAMES, fd);
  if (check(user, "write to an unnamed file", "", 7, outcome(write(fd, "unnamed", 7)))) {
    memcpy(object->content, "unnamed", 7);
    object->size = 7;
  }
  unsigned name = pick(user, LOAD_NAMES);
  const char *path = name_path(user, SIDE_MOUNT, name);
  long expected = user->name[name] ? -EEXIST : 0;
  if (chance(user, 2) &&
      check(user, "name an unnamed file", path, expected,
            outcome(linkat(AT_FDCWD, fd_path(fd), AT_FDCWD, path, AT_SYMLINK_FOLLOW))) &&
      expected == 0)
    name_set(user, name, object);
  hold(user, object, fd, false);
}

static void close_held(struct user *user) {
  struct held *held = pick_held(user);
  if (held)
    let_go(user, held);
}

static void change_mode(struct user *user) {
  unsigned name = pick_file(user);
  mode_t mode = 0600 | (pick(user, 8) << 3) | pick(user, 8);
  if (name == LOAD_NAMES)
    return;
  const char *path = name_path(user, pick_side(user), name);
  if (check(user, "chmod", path, 0, outcome(chmod(path, mode))))
    user->name[name]->mode = mode;
}

static void change_times(struct user *user) {
  unsigned name = pick_file(user);
  struct timespec times[2] = {{.tv_sec = pick(user, 1 << 30), .tv_nsec = pick(user, 1000000000)},
                              {.tv_sec = pick(user, 1 << 30), .tv_nsec = pick(user, 1000000000)}};
  struct stat status = {0};
  if (name == LOAD_NAMES)
    return;
  const char *path = name_path(user, SIDE_MOUNT, name);
  check(user, "utimensat", path, 0, outcome(utimensat(AT_FDCWD, path, times, 0)));
  check(user, "stat after utimensat", path, 0, outcome(stat(path, &status)));
  check(user, "time set", path, times[1].tv_sec, status.st_mtim.tv_sec);
  check(user, "time set, ns", path, times[1].tv_nsec, status.st_mtim.tv_nsec);
}

static void set_attribute(struct user *user) {
  static const int all_flags[] = {0, XATTR_CREATE, XATTR_REPLACE};
  unsigned name = pick_file(user);
  if (name == LOAD_NAMES)
    return;
  struct object *object = user->name[name];
  int flags = all_flags[pick(user, G_N_ELEMENTS(all_flags))];
  char value[24];
  g_snprintf(value, sizeof value, "value %u", pick(user, 1000000));
  long expected = 0;
  if (flags == XATTR_CREATE && object->attribute[0])
    expected = -EEXIST;
  if (flags == XATTR_REPLACE && !object->attribute[0])
    expected = -ENODATA;
  const char *path = name_path(user, pick_side(user), name);
  long got = outcome(setxattr(path, attribute_name, value, strlen(value), flags));
  static const char *const labels[] = {"setxattr", "setxattr, new", "setxattr, replacing"};
  if (check(user, labels[flags], path, expected, got) && expected == 0)
    g_strlcpy(object->attribute, value, sizeof object->attribute);
}

static void get_attribute(struct user *user) {
  unsigned name = pick_file(user);
  if (name == LOAD_NAMES)
    return;
  const struct object *object = user->name[name];
  char value[64] = "";
  const char *path = name_path(user, pick_side(user), name);
  long expected = object->attribute[0] ? (long)strlen(object->attribute) : -ENODATA;
  if (check(user, "getxattr", path, expected, outcome(getxattr(path, attribute_name, value, 63))))
    check(user, "getxattr: value", path, 0, strcmp(value, object->attribute));
}

static void remove_attribute(struct user *user) {
  unsigned name = pick_file(user);
  if (name == LOAD_NAMES)
    return;
  struct object *object = user->name[name];
  const char *path = name_path(user, SIDE_MOUNT, name);
  long expected = object->attribute[0] ? 0 : -ENODATA;
  if (check(user, "removexattr", path, expected, outcome(removexattr(path, attribute_name))))
    object->attribute[0] = 0;
}

const struct operation load_file_operations[] = {
    {"open", open_name},
    {"open", open_name},
    {"open or create", open_or_create},
    {"open a held file again", open_held},
    {"open with O_TMPFILE", make_unnamed},
    {"close", close_held},
    {"chmod", change_mode},
    {"utimensat", change_times},
    {"setxattr", set_attribute},
    {"getxattr", get_attribute},
    {"removexattr", remove_attribute},
    {0},
};
