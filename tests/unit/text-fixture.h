/* What the tests of the text stores and of the tree share: an IPC namespace and a /dev/shm of the
 * test program's own, so that nothing is left whatever happens, and the few questions that all ask. */
#pragma once

#include "descriptors.h"
#include "store/store.h"
#include "store/text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define SOMEBODY 65534

/* Runs the tests apart from the machine; all are skipped where that is not permitted. */
static inline bool isolated(void) {
  static int done = -1;
  if (done < 0)
    done = unshare(CLONE_NEWIPC | CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777,size=64m") == 0;
  if (!done)
    g_test_skip("needs a namespace of its own: run as root");
  return done;
}

static inline uint64_t lookup_in(struct store *store, uint64_t parent, const char *name) {
  struct store_entry entry;
  struct stat attributes;
  uint64_t found;
  g_assert_cmpint(store->ops->lookup(store, parent, name, &entry), ==, 0);
  g_assert_cmpint(store->ops->find(store, parent, name, &found), ==, 0);
  g_assert_cmpint(store->ops->get_attributes(store, entry.node, &attributes), ==, 0);
  g_assert_cmpuint(found, ==, entry.node);
  g_assert_cmpuint(attributes.st_ino, ==, entry.attributes.st_ino);
  g_assert_cmpuint(attributes.st_mode, ==, entry.attributes.st_mode);
  return entry.node;
}

static inline uint64_t lookup(struct store *store, const char *name) {
  return lookup_in(store, STORE_ROOT, name);
}

static inline int try_lookup(struct store *store, const char *name) {
  struct store_entry entry;
  return store->ops->lookup(store, STORE_ROOT, name, &entry);
}

static inline struct stat attributes_of(struct store *store, uint64_t node) {
  struct stat attributes;
  g_assert_cmpint(store->ops->get_attributes(store, node, &attributes), ==, 0);
  return attributes;
}

/* The whole text, read a few bytes at a time; for g_free(). */
static inline char *text_of(struct store *store, uint64_t node) {
  GString *text = g_string_new(NULL);
  char piece[7];
  ssize_t length;
  struct store_file file;
  g_assert_cmpint(store->ops->open(store, node, O_RDONLY, &file), ==, 0);
  g_assert_cmpint(file.fd, ==, -1);
  do {
    length = store->ops->read(store, node, piece, sizeof(piece), (off_t)text->len);
    g_assert_cmpint(length, >=, 0);
    g_string_append_len(text, piece, length);
  } while (length > 0);
  return g_string_free(text, FALSE);
}

static inline void expect_text(struct store *store, uint64_t node, const char *expected) {
  g_autofree char *text = text_of(store, node);
  g_assert_cmpstr(text, ==, expected);
}

/* Does the text have that line? */
static inline void expect_line(struct store *store, uint64_t node, const char *line) {
  g_autofree char *text = text_of(store, node);
  g_autofree char *bounded = g_strdup_printf("\n%s", text);
  g_autofree char *wanted = g_strdup_printf("\n%s\n", line);
  if (!strstr(bounded, wanted))
    g_error("no line '%s' in:\n%s", line, text);
}

/* Performs, or refuses to. */
struct acts_seen {
  struct store_act act;
  int refusal;
  unsigned performed;
  int result;
};

static inline int perform(struct store_act *act, int (*fn)(void *data), void *data) {
  struct acts_seen *seen = (struct acts_seen *)act;
  seen->performed++;
  seen->result = seen->refusal < 0 ? seen->refusal : fn(data);
  return seen->result;
}

/* One act at most, whose result is the answer; without one there is an error. */
static inline int command_seen(struct store *store, uint64_t node, const void *data, size_t size,
                               struct acts_seen *seen) {
  seen->act.perform = perform;
  int r = store->ops->command(store, node, data, size, &seen->act);
  g_assert_cmpuint(seen->performed, <=, 1);
  if (seen->performed)
    g_assert_cmpint(seen->result, ==, r);
  else
    g_assert_cmpint(r, <, 0);
  return r;
}

static inline int command_of(struct store *store, uint64_t node, const void *data, size_t size) {
  struct acts_seen seen = {0};
  return command_seen(store, node, data, size, &seen);
}

/* As write(2) would answer. */
static inline ssize_t command(struct store *store, uint64_t node, const char *text) {
  int r = command_of(store, node, text, strlen(text));
  return r < 0 ? r : (ssize_t)strlen(text);
}

/* All that a command does is its act. */
static inline void expect_no_act(struct store *store, uint64_t node, const char *text) {
  struct acts_seen seen = {.refusal = -EIO};
  int r = command_seen(store, node, text, strlen(text), &seen);
  g_assert_cmpint(r, ==, -EIO);
  g_assert_cmpuint(seen.performed, ==, 1);
}

struct names_seen {
  GString *names;
  unsigned at_once, left;
  uint64_t next;
};

static inline int see_name(void *data, const char *name, uint64_t ino, unsigned char type,
                           uint64_t next) {
  struct names_seen *seen = data;
  if (seen->left-- == 0)
    return 1;
  g_assert_cmpuint(ino, !=, 0);
  g_assert_cmpuint(next, !=, 0);
  g_assert_true(type == DT_REG || type == DT_DIR);
  g_string_append_printf(seen->names, "%s%s", seen->names->len ? " " : "", name);
  seen->next = next;
  return 0;
}

/* The names of a directory in their order, `at_once` in one call; for g_free(). */
static inline char *list_in(struct store *store, uint64_t node, unsigned at_once) {
  struct names_seen seen = {.names = g_string_new(NULL), .at_once = at_once};
  size_t before;
  do {
    before = seen.names->len;
    seen.left = at_once;
    int r = store->ops->list(store, node, seen.next, see_name, &seen);
    g_assert_cmpint(r, ==, 0);
  } while (seen.names->len > before);
  return g_string_free(seen.names, FALSE);
}

/* The names at the top, sorted. */
static inline void expect_names(struct store *store, uint64_t node, const char *expected) {
  for (unsigned at_once = 1; at_once < 64; at_once *= 3) {
    g_autofree char *list = list_in(store, node, at_once);
    g_auto(GStrv) names = g_strsplit(list, " ", -1);
    for (guint i = 1; i < g_strv_length(names); i++)
      for (guint k = i; k > 0 && strcmp(names[k - 1], names[k]) > 0; k--) {
        char *swapped = names[k];
        names[k] = names[k - 1];
        names[k - 1] = swapped;
      }
    g_autofree char *sorted = g_strjoinv(" ", names);
    g_assert_cmpstr(sorted, ==, expected);
  }
}

static inline int change_mode(struct store *store, uint64_t node, mode_t mode) {
  struct store_change change = {.mask = STORE_CHANGE_MODE, .mode = mode};
  struct stat after;
  int r = store->ops->change(store, node, -1, &change, &after);
  if (r == 0)
    g_assert_cmpuint(after.st_mode & ALLPERMS, ==, mode);
  return r;
}

static inline int change_owner(struct store *store, uint64_t node, uid_t uid, gid_t gid) {
  struct store_change change = {
      .mask = STORE_CHANGE_UID | STORE_CHANGE_GID, .uid = uid, .gid = gid};
  struct stat after;
  int r = store->ops->change(store, node, -1, &change, &after);
  if (r == 0) {
    g_assert_cmpuint(after.st_uid, ==, uid);
    g_assert_cmpuint(after.st_gid, ==, gid);
  }
  return r;
}

static inline int change_size(struct store *store, uint64_t node, off_t size) {
  struct store_change change = {.mask = STORE_CHANGE_SIZE, .size = size};
  struct stat after;
  return store->ops->change(store, node, -1, &change, &after);
}

/* What no text store does. */
static inline void expect_refusals(struct store *store, const char *name, uint64_t node) {
  const struct store_ops *ops = store->ops;
  struct store_new new = {.mode = S_IFREG | 0600};
  struct store_entry entry;
  struct store_file file;
  g_assert_cmpint(ops->create(store, STORE_ROOT, "new", &new, 0, &entry, &file), ==, -EPERM);
  g_assert_cmpint(ops->create(store, STORE_ROOT, name, &new, O_EXCL, &entry, &file), ==, -EEXIST);
  g_assert_cmpint(ops->create(store, STORE_ROOT, name, &new, 0, &entry, &file), ==, -ESTALE);
  new.mode = S_IFDIR | 0700;
  g_assert_cmpint(ops->make(store, STORE_ROOT, "new", &new, &entry), ==, -EPERM);
  g_assert_cmpint(ops->make(store, STORE_ROOT, name, &new, &entry), ==, -EEXIST);
  g_assert_cmpint(ops->link(store, node, STORE_ROOT, "new", &entry), ==, -EPERM);
  g_assert_cmpint(ops->rename(store, STORE_ROOT, name, STORE_ROOT, "new", 0), ==, -EPERM);
  g_assert_cmpint(ops->remove_directory(store, STORE_ROOT, name), ==, -ENOTDIR);
  g_assert_cmpint(ops->open(store, STORE_ROOT, O_RDONLY, &file), ==, -EISDIR);
  g_assert_cmpint(change_mode(store, STORE_ROOT, 0700), ==, -EPERM);
  g_assert_cmpint(change_size(store, node, 0), ==, 0);
  g_assert_cmpint(change_size(store, node, 5), ==, -EPERM);
  g_assert_cmpint((int)ops->list_xattr(store, node, NULL, 0), ==, 0);
  g_assert_cmpint(try_lookup(store, "absent"), ==, -ENOENT);
  g_assert_cmpint(try_lookup(store, ".."), ==, -ENOENT);
  g_autofree char *longest = g_strnfill(NAME_MAX + 1, 'x');
  g_assert_cmpint(try_lookup(store, longest), ==, -ENAMETOOLONG);
}
