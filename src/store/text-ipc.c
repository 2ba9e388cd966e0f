/* System V objects as text files. An object is its id, in which the kernel counts how often the slot
 * has been used (ipc/util.c), so an id is a node that stays true. A keyed one is named 0x%08x, as
 * ipcs(1) prints it, one of IPC_PRIVATE by its id. Listing looks at the kernel's table slot by slot,
 * with the call that needs no right to read the object; a position in a listing is a slot. */
#include "store/text-ipc.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE 32 /* "0x" and 8 digits, or a prefix and 10, with the final 0 */

#define PERMISSIONS 0777u /* a System V object has no more mode bits than these */

static const struct ipc_kind *kind_of(const struct store *store) {
  return (const struct ipc_kind *)((const struct text_store *)store)->kind;
}

int ipc_error(int error) {
  return error == EIDRM || error == EINVAL ? -ESTALE : -error;
}

static int object_by_id(const struct store *store, int id, struct ipc_object *ret) {
  struct ipc_object object = {0};
  int r = kind_of(store)->stat(id, &object);
  if (r < 0)
    return ipc_error(-r);
  if (object.id != id) /* its slot has a later one */
    return -ESTALE;
  *ret = object;
  return 0;
}

/* The object that a node stands for, or -ESTALE. */
static int object_of(struct store *store, uint64_t node, struct ipc_object *ret) {
  return object_by_id(store, text_id_of(node), ret);
}

static void format_name(const struct store *store, const struct ipc_object *object,
                        char ret_name[NAME_SIZE]) {
  key_t key = object->permissions.__key;
  if (key == IPC_PRIVATE)
    snprintf(ret_name, NAME_SIZE, "%s%d", kind_of(store)->prefix, object->id);
  else
    snprintf(ret_name, NAME_SIZE, "0x%08x", (unsigned)key);
}

/* The id that a name is about, so far. */
static int id_of_name(const struct store *store, const char *name) {
  size_t prefix = strlen(kind_of(store)->prefix);
  unsigned key;
  int id;
  if (sscanf(name, "0x%8x", &key) == 1 && key != IPC_PRIVATE)
    return kind_of(store)->find_key((key_t)key);
  if (strncmp(name, kind_of(store)->prefix, prefix) == 0 && sscanf(name + prefix, "%d", &id) == 1)
    return id >= 0 ? id : -ENOENT;
  return -ENOENT;
}

/* Whether the name was spelled as we would is known by spelling it. */
int ipc_find(struct store *store, const char *name, uint64_t *ret_node) {
  struct ipc_object object = {0};
  char spelled[NAME_SIZE];
  int id = id_of_name(store, name);
  int r = id < 0 ? id : object_by_id(store, id, &object);
  if (r < 0)
    return r == -ESTALE ? -ENOENT : r;
  format_name(store, &object, spelled);
  uint64_t node = text_node(kind_of(store)->text.tag, (uint64_t)object.id);
  if (strcmp(name, spelled) != 0 || node == 0)
    return -ENOENT;
  *ret_node = node;
  return 0;
}

/* Removing is the owner's right, which a sticky directory says. */
static void fill_root(const struct store *store, struct stat *ret) {
  ret->st_atim = ret->st_mtim = ret->st_ctim = ((const struct ipc_store *)store)->born;
  ret->st_mode = S_ISVTX | PERMISSIONS;
}

int ipc_get_attributes(struct store *store, uint64_t node, struct stat *ret) {
  struct ipc_object object = {0};
  if (node == STORE_ROOT) {
    fill_root(store, ret);
    return 0;
  }
  int r = object_of(store, node, &object);
  if (r < 0)
    return r;
  ret->st_mode = object.permissions.mode & PERMISSIONS;
  ret->st_uid = object.permissions.uid;
  ret->st_gid = object.permissions.gid;
  ret->st_atim.tv_sec = object.accessed;
  ret->st_mtim.tv_sec = MAX(object.modified, object.changed);
  ret->st_ctim.tv_sec = object.changed;
  return 0;
}

int ipc_get_incarnation(struct store *store, uint64_t node, uint64_t *ret) {
  struct ipc_object object = {0};
  int r = object_of(store, node, &object);
  if (r < 0)
    return r;
  uint64_t incarnation = store_mix(STORE_INCARNATION, (uint32_t)object.permissions.__key);
  incarnation = store_mix(incarnation, object.permissions.cuid);
  *ret = store_mix(incarnation, object.permissions.cgid);
  return 0;
}

int ipc_change(struct store *store, uint64_t node, const struct store_change *change) {
  struct ipc_object object = {0};
  if (change->mask & STORE_CHANGE_TIMES)
    return -EPERM;
  int r = object_of(store, node, &object);
  if (r < 0)
    return r;
  struct ipc_perm wish = object.permissions;
  if (change->mask & STORE_CHANGE_MODE)
    wish.mode = change->mode & PERMISSIONS;
  if (change->mask & STORE_CHANGE_UID)
    wish.uid = change->uid;
  if (change->mask & STORE_CHANGE_GID)
    wish.gid = change->gid;
  return kind_of(store)->set(object.id, &wish);
}

int ipc_remove(struct store *store, const char *name) {
  uint64_t node;
  int r = ipc_find(store, name, &node);
  if (r < 0)
    return r;
  r = kind_of(store)->remove(text_id_of(node));
  return r == -ESTALE ? -ENOENT : r;
}

int ipc_list(struct store *store, uint64_t offset, store_list_fn *fn, void *data) {
  const struct ipc_kind *kind = kind_of(store);
  if (!text_list_dots(offset, fn, data))
    return 0;
  int last = kind->last_index();
  if (last < 0)
    return last;
  uint64_t next = offset < TEXT_FIRST_POSITION ? 0 : offset - TEXT_FIRST_POSITION + 1;
  for (uint64_t index = next; index <= (uint64_t)last; index++) {
    struct ipc_object object = {0};
    char name[NAME_SIZE];
    if (kind->stat((int)index, &object) < 0)
      continue;
    format_name(store, &object, name);
    uint64_t node = text_node(kind->text.tag, (uint64_t)object.id);
    if (node != 0 && text_list_one(node, name, index + TEXT_FIRST_POSITION, fn, data))
      return 0;
  }
  return 0;
}

void ipc_free(struct store *store) {
  g_free(store);
}

struct store *ipc_store_new(const struct ipc_kind *kind, const struct timespec *born) {
  struct ipc_store *store = g_new0(struct ipc_store, 1);
  text_store_init(&store->base, &kind->text);
  store->born = *born;
  return &store->base.base;
}
