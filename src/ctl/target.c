/* A word is tried as everything that it can be. Paths are followed to the inode, so that a link to an
 * object, or its name in a mount, means that object. */
#include "ctl/target.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/ctl.h"
#include "ctl/devices.h"
#include "ctl/text.h"

struct wanted {
  const char *name;
  uint64_t file, segment; /* UNKNOWN: none */
  uint64_t key, id;
};

static uint64_t parse_number(const char *text, int base) {
  char *rest;
  guint64 number = g_ascii_strtoull(text, &rest, (guint)base);
  return g_ascii_isxdigit(*text) && *rest == '\0' && number <= G_MAXUINT32 ? number : UNKNOWN;
}

static void want_path(const struct inventory *inventory, const char *path, struct wanted *wanted) {
  struct stat file;
  if (stat(path, &file) < 0 || !S_ISREG(file.st_mode))
    return;
  const struct device *device =
      inventory->devices ? devices_find(inventory->devices, file.st_dev) : NULL;
  uint64_t inode = file.st_ino;
  enum device_file what = device ? device_file(device, file.st_ino, &inode) : FILE_OTHER;
  if (what == FILE_SEGMENT)
    wanted->segment = inode;
  else if (what == FILE_OBJECT || file.st_dev == inventory->device)
    wanted->file = inode;
}

/* Below the directory, or with the one slash that shm_open(3) names begin with. */
static const char *name_in(const struct inventory *inventory, const char *word) {
  size_t length = strlen(inventory->directory);
  if (strncmp(word, inventory->directory, length) == 0 && word[length] == '/')
    return word + length + 1;
  return word + (*word == '/');
}

static struct wanted understand(const struct inventory *inventory, const char *word) {
  struct wanted wanted = {
      .name = name_in(inventory, word),
      .file = UNKNOWN,
      .segment = UNKNOWN,
      .key = UNKNOWN,
      .id = UNKNOWN,
  };
  if (g_str_has_prefix(word, "0x") || g_str_has_prefix(word, "0X"))
    wanted.key = parse_number(word + 2, 16);
  else if (g_ascii_isdigit(*word))
    wanted.id = parse_number(word, 10);
  else if (g_str_has_prefix(word, "shmid."))
    wanted.id = parse_number(word + strlen("shmid."), 10);
  if (strchr(word, '/'))
    want_path(inventory, word, &wanted);
  return wanted;
}

static bool is_wanted(const struct wanted *wanted, const struct object *object) {
  if (strcmp(object->name, wanted->name) == 0)
    return true;
  if (object->kind != OBJECT_SYSV)
    return object->inode == wanted->file;
  return object->inode == wanted->segment || object->inode == wanted->id ||
         (object->key != 0 && object->key == wanted->key);
}

GPtrArray *target_find(const struct inventory *inventory, const char *word) {
  struct wanted wanted = understand(inventory, word);
  GPtrArray *found = g_ptr_array_new();
  for (unsigned i = 0; i < inventory->objects->len; i++)
    if (is_wanted(&wanted, inventory->objects->pdata[i]))
      g_ptr_array_add(found, inventory->objects->pdata[i]);
  return found;
}

static bool is_same(const struct object *a, const struct object *b) {
  return a->inode == b->inode && (a->kind == OBJECT_SYSV) == (b->kind == OBJECT_SYSV);
}

/* Of several names of one inode any will do, and what was removed gives way to what has the name. */
int target_find_one(const struct inventory *inventory, const char *word,
                    struct object **ret_object) {
  g_autoptr(GPtrArray) found = target_find(inventory, word);
  struct object *one = NULL;
  bool several = false;
  for (unsigned i = 0; i < found->len; i++) {
    struct object *object = found->pdata[i];
    if (!one || (one->deleted && !object->deleted)) {
      one = object;
      several = false;
    } else if (one->deleted == object->deleted && !is_same(one, object)) {
      several = true;
    }
  }
  if (!one)
    complain("%s: there is no such object", word);
  else if (several)
    complain("%s: could be several objects; give its path, or shmid.N for a segment", word);
  if (!one || several)
    return one ? STATUS_USAGE : STATUS_NOTHING;
  *ret_object = one;
  return 0;
}
