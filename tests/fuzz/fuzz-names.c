/* Fuzzes names, in all the places that take one, and what is written to the files that are text.
 *
 * The first byte says which; the rest is the name, where two are wanted with a newline between. What
 * must hold whatever the name: a mapped name is one name, of a legal length, and maps back; what a
 * lookup finds, find() finds as well, and a listing shows under the same name; and nothing outside the
 * directory is touched. */
#include <fcntl.h>
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "place.h"
#include "store/confined.h"
#include "store/posix.h"
#include "store/prefix.h"
#include "store/sysv-internal.h"
#include "store/tree.h"
#include "util/fd.h"
#include "util/privilege.h"

#define PREFIX "p-"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* They keep nothing but hints, so the same ones serve every input. */
static struct store *tree, *confined;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  static const struct confined_options part = {.prefix = PREFIX};
  struct tree_options options;
  struct store *posix;
  place_make();
  options.directory = place_directory();
  g_assert_cmpint(privilege_init(), ==, 0);
  g_assert_cmpint(tree_store_new(&options, &tree), ==, 0);
  g_assert_cmpint(posix_store_new(place_directory(), &posix), ==, 0);
  g_assert_cmpint(confined_store_new(posix, &part, &confined), ==, 0);
  return 0;
}

static void check_prefix(const char *prefix, const char *name) {
  char outside[PREFIX_NAME_SIZE], inside[PREFIX_NAME_SIZE];
  if (prefix_refused(prefix))
    return;
  if (prefix_outside(prefix, name, outside) == 0) {
    g_assert_cmpuint(strlen(outside), <=, NAME_MAX);
    g_assert_null(strchr(outside, '/'));
    if (prefix_inside(prefix, outside, inside)) /* not for what two names would share */
      g_assert_cmpstr(inside, ==, name);
  }
  if (!strchr(name, '/') && prefix_inside(prefix, name, inside)) {
    g_assert_cmpint(prefix_outside(prefix, inside, outside), ==, 0);
    g_assert_cmpstr(outside, ==, name);
  }
}

static void check_sysv(const char *name) {
  struct sysv_name parsed;
  char spelled[SYSV_NAME_SIZE];
  if (sysv_parse_name(name, &parsed) < 0)
    return;
  struct shmid_ds segment = {.shm_perm.__key = parsed.key};
  sysv_format_name(parsed.id, &segment, spelled);
  g_assert_cmpstr(spelled, ==, name);
}

struct wanted {
  const char *name;
  bool shown;
};

static int look_for(void *data, const char *name, uint64_t ino, unsigned char type, uint64_t next) {
  struct wanted *wanted = data;
  (void)ino, (void)type, (void)next;
  wanted->shown |= strcmp(name, wanted->name) == 0;
  return 0;
}

static void check_found(struct store *store, uint64_t parent, const char *name) {
  struct store_entry entry = {0};
  struct wanted wanted = {.name = name};
  uint64_t node = 0;
  int r = store->ops->lookup(store, parent, name, &entry);
  int found = store->ops->find(store, parent, name, &node);
  g_assert_cmpint(r, ==, found);
  if (r < 0)
    return;
  g_assert_cmpuint(node, ==, entry.node);
  r = store->ops->list(store, parent, 0, look_for, &wanted);
  g_assert_cmpint(r, ==, 0);
  g_assert_true(wanted.shown);
}

/* Makes it, looks for it, and takes it away. */
static void check_made(struct store *store, uint64_t parent, const char *name) {
  struct store_new new = {.mode = S_IFREG | 0600};
  struct store_entry entry;
  struct store_file file = {.fd = -1};
  int r = store->ops->create(store, parent, name, &new, O_RDWR | O_EXCL, &entry, &file);
  check_found(store, parent, name);
  if (r < 0)
    return;
  fd_close(file.fd);
  if (!file.staged)
    g_assert_cmpint(store->ops->unlink(store, parent, name), ==, 0);
  r = store->ops->make(store, parent, name,
                       &(struct store_new){.mode = S_IFLNK | 0777, .target = name}, &entry);
  check_found(store, parent, name);
  if (r == 0)
    g_assert_cmpint(store->ops->unlink(store, parent, name), ==, 0);
}

static void check_renamed(const char *name, const char *new_name) {
  struct store_new new = {.mode = S_IFREG | 0600};
  struct store_entry entry;
  if (confined->ops->make(confined, STORE_ROOT, name, &new, &entry) < 0)
    return;
  int r = confined->ops->rename(confined, STORE_ROOT, name, STORE_ROOT, new_name, 0);
  check_found(confined, STORE_ROOT, name);
  check_found(confined, STORE_ROOT, new_name);
  g_assert_cmpint(confined->ops->unlink(confined, STORE_ROOT, r == 0 ? new_name : name), ==, 0);
}

static uint64_t folder(const char *name) {
  struct store_entry entry;
  g_assert_cmpint(tree->ops->lookup(tree, STORE_ROOT, name, &entry), ==, 0);
  return entry.node;
}

/* In a buffer of just that size, so that a parser that goes on past the end is seen. */
static void check_written(const char *directory, const char *name, const char *data, size_t size) {
  struct store_entry entry;
  char text[4096];
  g_autofree char *copy = g_memdup2(data, size);
  if (tree->ops->lookup(tree, folder(directory), name, &entry) < 0)
    return;
  ssize_t written = tree->ops->write(tree, entry.node, size > 0 ? copy : data, size, 0);
  g_assert_true(written < 0 || (size_t)written == size);
  g_assert_cmpint(tree->ops->read(tree, entry.node, text, sizeof text, 0), >, 0);
}

static void check_name(unsigned char kind, const char *name, const char *second) {
  static const char *const folders[] = {"posix", "sysv", "sem", "mqueue", "sysv-sem", "sysv-msg"};
  switch (kind) {
  case 'p':
    check_prefix(name, second);
    break;
  case 'v':
    check_sysv(name);
    break;
  case 'c':
    check_made(confined, STORE_ROOT, name);
    break;
  case 'r':
    check_renamed(name, second);
    break;
  case 't':
    check_found(tree, STORE_ROOT, name);
    break;
  default:
    check_made(tree, folder(folders[kind % G_N_ELEMENTS(folders)]), name);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  const char *text = (const char *)data + 1;
  place_reset();
  if (data[0] && !strchr("pvcr", data[0]))
    place_reset_ipc();
  if (data[0] == 's') {
    check_written("sem", "s", text, size - 1);
  } else if (data[0] == 'q') {
    check_written("mqueue", "q", text, size - 1);
  } else if (data[0] == 'm') {
    check_written("sysv-msg", "0x00000051", text, size - 1);
  } else {
    g_autofree char *name = g_strndup(text, size - 1);
    char *second = strchr(name, '\n');
    if (second)
      *second++ = '\0';
    check_name(data[0], name, second ? second : "");
  }
  g_assert_true(place_outside_is_untouched());
  return 0;
}
