/* The load's operations on names: see load.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

/* The errno of making a name, or 0. */
static long expect_new(const struct user *user, unsigned name) {
  return user->name[name] ? -EEXIST : 0;
}

static void create_exclusively(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  enum side side = pick_side(user);
  long expected = expect_new(user, name);
  const char *path = name_path(user, side, name);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (!check_fd(user, "create exclusively", path, expected, fd) || fd < 0)
    return;
  struct object *object = object_new(user, KIND_FILE, name, fd);
  if (side == SIDE_RAW)
    close(fd);
  else
    hold(user, object, fd, false);
}

static void make_folder(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  long expected = expect_new(user, name);
  const char *path = name_path(user, pick_side(user), name);
  if (check(user, "mkdir", path, expected, outcome(mkdir(path, 0750))) && expected == 0)
    object_new(user, KIND_FOLDER, name, -1);
}

static void make_pipe(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  long expected = expect_new(user, name);
  const char *path = name_path(user, pick_side(user), name);
  if (check(user, "mkfifo", path, expected, outcome(mkfifo(path, 0600))) && expected == 0)
    object_new(user, KIND_PIPE, name, -1);
}

static void make_symlink(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  char target[24];
  g_snprintf(target, sizeof target, "nowhere-%u", pick(user, 1000000));
  long expected = expect_new(user, name);
  const char *path = name_path(user, pick_side(user), name);
  if (!check(user, "symlink", path, expected, outcome(symlink(target, path))) || expected != 0)
    return;
  struct object *object = object_new(user, KIND_LINK, name, -1);
  g_strlcpy(object->target, target, sizeof object->target);
}

static void read_symlink(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  const struct object *object = user->name[name];
  char target[64] = "";
  const char *path = name_path(user, pick_side(user), name);
  long expected = -ENOENT;
  if (object)
    expected = object->kind == KIND_LINK ? (long)strlen(object->target) : -EINVAL;
  if (check(user, "readlink", path, expected, outcome(readlink(path, target, 63))) && expected > 0)
    check(user, "readlink: target", target, 0, strcmp(target, object->target));
}

static void make_link(struct user *user) {
  unsigned from = pick(user, LOAD_NAMES), to = pick(user, LOAD_NAMES);
  struct object *object = user->name[from];
  enum side side = pick_side(user);
  const char *path = name_path(user, side, from);
  long expected = !object ? -ENOENT : expect_new(user, to);
  if (expected == 0 && object->kind == KIND_FOLDER)
    expected = -EPERM;
  if (check(user, "link", path, expected, outcome(link(path, name_path(user, side, to)))) &&
      expected == 0)
    name_set(user, to, object);
}

/* What the mount notices at once: see load.h. */
static bool raw_may_remove(const struct object *object) {
  return !object || (object->names == 1 && object->held == 0);
}

/* The first look at a name finds out that it was removed natively. Before that the kernel refuses
 * some calls (rmdir() of a file, readlink() of a folder) by the type of what had been there. */
static void look_at_removed(struct user *user, unsigned name) {
  struct stat status;
  const char *path = name_path(user, SIDE_MOUNT, name);
  check(user, "stat of what was removed natively", path, -ENOENT, outcome(lstat(path, &status)));
}

static void remove_name(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  const struct object *object = user->name[name];
  enum side side = raw_may_remove(object) ? pick_side(user) : SIDE_MOUNT;
  const char *path = name_path(user, side, name);
  long expected = !object ? -ENOENT : object->kind == KIND_FOLDER ? -EISDIR : 0;
  if (!check(user, "unlink", path, expected, outcome(unlink(path))) || expected != 0)
    return;
  name_clear(user, name);
  if (side == SIDE_RAW)
    look_at_removed(user, name);
}

static void remove_folder(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  const struct object *object = user->name[name];
  enum side side = pick_side(user);
  const char *path = name_path(user, side, name);
  long expected = !object ? -ENOENT : object->kind == KIND_FOLDER ? 0 : -ENOTDIR;
  if (!check(user, "rmdir", path, expected, outcome(rmdir(path))) || expected != 0)
    return;
  name_clear(user, name);
  if (side == SIDE_RAW)
    look_at_removed(user, name);
}

/* The errno that renaming gives, or 0. Folders are always empty here. */
static long expect_rename(const struct object *from, const struct object *to, unsigned flags) {
  if (!from)
    return -ENOENT;
  if (flags == RENAME_EXCHANGE)
    return to ? 0 : -ENOENT;
  if (!to)
    return 0;
  if (flags == RENAME_NOREPLACE)
    return -EEXIST;
  if (from == to || (from->kind == KIND_FOLDER) == (to->kind == KIND_FOLDER))
    return 0;
  return to->kind == KIND_FOLDER ? -EISDIR : -ENOTDIR;
}

static void rename_in_model(struct user *user, unsigned from, unsigned to, unsigned flags) {
  struct object *object = user->name[from];
  if (object == user->name[to])
    return; /* two names of one object: nothing happens */
  if (flags == RENAME_EXCHANGE) {
    user->name[from] = user->name[to];
    user->name[to] = object;
    return;
  }
  name_set(user, to, object);
  name_clear(user, from);
}

static void rename_with(struct user *user, const char *operation, unsigned flags) {
  unsigned from = pick(user, LOAD_NAMES), to = pick(user, LOAD_NAMES);
  const char *old = name_path(user, SIDE_MOUNT, from), *new = name_path(user, SIDE_MOUNT, to);
  long expected = expect_rename(user->name[from], user->name[to], flags);
  g_autofree char *both = g_strdup_printf("%s to %s", old, new);
  long got = outcome(renameat2(AT_FDCWD, old, AT_FDCWD, new, flags));
  if (check(user, operation, both, expected, got) && expected == 0)
    rename_in_model(user, from, to, flags);
}

static void rename_plain(struct user *user) {
  rename_with(user, "rename", 0);
}

static void rename_noreplace(struct user *user) {
  rename_with(user, "rename without replacing", RENAME_NOREPLACE);
}

static void rename_exchange(struct user *user) {
  rename_with(user, "exchange", RENAME_EXCHANGE);
}

static void look(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  struct stat status;
  const char *path = name_path(user, pick_side(user), name);
  long expected = user->name[name] ? 0 : -ENOENT;
  if (check(user, "stat", path, expected, outcome(lstat(path, &status))) && expected == 0)
    check_status(user, "stat", path, user->name[name], &status);
}

/* Counts the entry; false when it is one of the user's that should not be there, or not again. */
static bool listed(const struct user *user, const char *entry, bool seen[LOAD_NAMES]) {
  int number;
  unsigned name;
  if (sscanf(entry, "load-%d-%u", &number, &name) != 2 || number != user->number)
    return true;
  if (name >= LOAD_NAMES || seen[name] || !user->name[name])
    return false;
  seen[name] = true;
  return true;
}

static void list(struct user *user) {
  bool seen[LOAD_NAMES] = {false};
  const char *folder = user->load->folder[SIDE_MOUNT];
  DIR *stream = opendir(folder);
  check(user, "opendir", folder, 0, stream ? 0 : outcome(-1));
  if (!stream)
    return;
  errno = 0;
  // cppcheck-suppress readdirCalled // no other thread has this stream
  for (const struct dirent *entry; (entry = readdir(stream));)
    check(user, "listed, and should not be", entry->d_name, true,
          listed(user, entry->d_name, seen));
  check(user, "readdir", folder, 0, -errno);
  closedir(stream);
  for (unsigned i = 0; i < LOAD_NAMES; i++)
    check(user, "listed", name_path(user, SIDE_MOUNT, i), user->name[i] != NULL, seen[i]);
}

static void folder_with_a_file(struct user *user) {
  unsigned name = pick(user, LOAD_NAMES);
  if (user->name[name])
    return;
  const char *folder = name_path(user, SIDE_MOUNT, name);
  g_autofree char *file = g_strdup_printf("%s/file", folder);
  struct stat status;
  check(user, "mkdir", folder, 0, outcome(mkdir(folder, 0700)));
  int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  check_fd(user, "create in a folder", file, 0, fd);
  check(user, "write in a folder", file, 1, outcome(write(fd, "x", 1)));
  check(user, "close", file, 0, outcome(close(fd)));
  check(user, "stat in a folder", file, 0, outcome(stat(file, &status)));
  check(user, "size in a folder", file, 1, status.st_size);
  check(user, "rmdir of a full folder", folder, -ENOTEMPTY, outcome(rmdir(folder)));
  check(user, "unlink in a folder", file, 0, outcome(unlink(file)));
  check(user, "stat of a removed file", file, -ENOENT, outcome(stat(file, &status)));
  check(user, "rmdir", folder, 0, outcome(rmdir(folder)));
}

const struct operation load_name_operations[] = {
    {"create exclusively", create_exclusively},
    {"create exclusively", create_exclusively},
    {"mkdir", make_folder},
    {"mkfifo", make_pipe},
    {"symlink", make_symlink},
    {"readlink", read_symlink},
    {"link", make_link},
    {"unlink", remove_name},
    {"unlink", remove_name},
    {"rmdir", remove_folder},
    {"rename", rename_plain},
    {"rename without replacing", rename_noreplace},
    {"exchange", rename_exchange},
    {"stat", look},
    {"list", list},
    {"folder with a file", folder_with_a_file},
    {0},
};
