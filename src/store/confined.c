/* A confined store: finding, listing, attributes. Whatever is asked about a node is handed on as it
 * is, since a node was got by a name that the view has. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "store/confined-internal.h"
#include "store/posix.h"

bool confined_options_any(const struct confined_options *options) {
  return options->prefix || options->prealloc || options->umask || options->has_mode ||
         options->has_uid || options->has_gid;
}

int confined_name(const struct confined_store *store, uint64_t parent, const char *name,
                  char buffer[PREFIX_NAME_SIZE], const char **ret_name) {
  if (parent != STORE_ROOT || !store->options.prefix) {
    *ret_name = name;
    return 0;
  }
  int r = prefix_outside(store->options.prefix, name, buffer);
  if (r == 0)
    *ret_name = buffer;
  return r;
}

/* Is the root meant, and shown otherwise than it is? */
static bool is_shown_root(const struct confined_store *store, uint64_t node) {
  const struct confined_options *options = &store->options;
  return node == STORE_ROOT && (options->has_mode || options->has_uid || options->has_gid);
}

static int confined_lookup(struct store *base, uint64_t parent, const char *name,
                           struct store_entry *ret) {
  const struct confined_store *store = confined_of(base);
  char buffer[PREFIX_NAME_SIZE];
  int r = confined_name(store, parent, name, buffer, &name);
  return r < 0 ? r : store->inner->ops->lookup(store->inner, parent, name, ret);
}

static int confined_find(struct store *base, uint64_t parent, const char *name,
                         uint64_t *ret_node) {
  const struct confined_store *store = confined_of(base);
  char buffer[PREFIX_NAME_SIZE];
  int r = confined_name(store, parent, name, buffer, &name);
  return r < 0 ? r : store->inner->ops->find(store->inner, parent, name, ret_node);
}

static int confined_get_attributes(struct store *base, uint64_t node, struct stat *ret) {
  const struct confined_store *store = confined_of(base);
  const struct confined_options *options = &store->options;
  int r = store->inner->ops->get_attributes(store->inner, node, ret);
  if (r < 0 || node != STORE_ROOT)
    return r;
  if (options->has_mode)
    ret->st_mode = S_IFDIR | options->mode;
  if (options->has_uid)
    ret->st_uid = options->uid;
  if (options->has_gid)
    ret->st_gid = options->gid;
  return 0;
}

static int confined_get_statx(struct store *base, uint64_t node, unsigned mask, struct statx *ret) {
  const struct confined_store *store = confined_of(base);
  struct stat shown;
  int r = store->inner->ops->get_statx(store->inner, node, mask, ret);
  if (r < 0 || node != STORE_ROOT)
    return r;
  r = confined_get_attributes(base, node, &shown);
  if (r < 0)
    return r;
  ret->stx_mode = (uint16_t)shown.st_mode;
  ret->stx_uid = shown.st_uid;
  ret->stx_gid = shown.st_gid;
  return 0;
}

static ssize_t confined_read_link(struct store *base, uint64_t node, char *buffer, size_t size) {
  struct store *inner = confined_of(base)->inner;
  return inner->ops->read_link(inner, node, buffer, size);
}

static int confined_open(struct store *base, uint64_t node, int access,
                         struct store_file *ret_file) {
  struct store *inner = confined_of(base)->inner;
  return inner->ops->open(inner, node, access, ret_file);
}

static int confined_open_directory(struct store *base, uint64_t node, int *ret_fd) {
  struct store *inner = confined_of(base)->inner;
  return inner->ops->open_directory(inner, node, ret_fd);
}

struct listing {
  const char *prefix;
  store_list_fn *fn;
  void *data;
};

/* Positions are those of the whole directory, so they stay what they are. */
static int list_inside(void *data, const char *name, uint64_t ino, unsigned char type,
                       uint64_t next) {
  const struct listing *listing = data;
  char inside[PREFIX_NAME_SIZE];
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return listing->fn(listing->data, name, ino, type, next);
  if (!prefix_inside(listing->prefix, name, inside))
    return 0;
  return listing->fn(listing->data, inside, ino, type, next);
}

static int confined_list(struct store *base, uint64_t node, uint64_t offset, store_list_fn *fn,
                         void *data) {
  const struct confined_store *store = confined_of(base);
  if (node != STORE_ROOT || !store->options.prefix)
    return store->inner->ops->list(store->inner, node, offset, fn, data);
  struct listing listing = {.prefix = store->options.prefix, .fn = fn, .data = data};
  return store->inner->ops->list(store->inner, node, offset, list_inside, &listing);
}

static bool is_inside(const void *prefix, const char *name) {
  char inside[PREFIX_NAME_SIZE];
  return prefix_inside(prefix, name, inside);
}

static int confined_visit(struct store *base, store_visit_fn *fn, void *data) {
  const struct confined_store *store = confined_of(base);
  if (!store->options.prefix)
    return store->inner->ops->visit(store->inner, fn, data);
  return posix_visit_some(store->inner, is_inside, store->options.prefix, fn, data);
}

static int confined_get_statvfs(struct store *base, struct statvfs *ret) {
  const struct confined_store *store = confined_of(base);
  int r = store->inner->ops->get_statvfs(store->inner, ret);
  if (r == 0 && store->options.prefix)
    ret->f_namemax -= strlen(store->options.prefix);
  return r;
}

/* An ACL of the real directory would say something else than the mode that is shown. */
static ssize_t confined_get_xattr(struct store *base, uint64_t node, const char *name, void *value,
                                  size_t size) {
  const struct confined_store *store = confined_of(base);
  if (is_shown_root(store, node))
    return -ENODATA;
  return store->inner->ops->get_xattr(store->inner, node, name, value, size);
}

static ssize_t confined_list_xattr(struct store *base, uint64_t node, char *list, size_t size) {
  const struct confined_store *store = confined_of(base);
  if (is_shown_root(store, node))
    return 0;
  return store->inner->ops->list_xattr(store->inner, node, list, size);
}

static void confined_free(struct store *base) {
  if (!base)
    return;
  struct store *inner = confined_of(base)->inner;
  inner->ops->free(inner);
  g_free(base);
}

static const struct store_ops confined_ops = {
    .free = confined_free,
    .lookup = confined_lookup,
    .find = confined_find,
    .get_attributes = confined_get_attributes,
    .get_statx = confined_get_statx,
    .change = confined_change,
    .read_link = confined_read_link,
    .make = confined_make,
    .create = confined_create,
    .create_unnamed = confined_create_unnamed,
    .link = confined_link,
    .unlink = confined_unlink,
    .remove_directory = confined_remove_directory,
    .rename = confined_rename,
    .open = confined_open,
    .open_directory = confined_open_directory,
    .list = confined_list,
    .visit = confined_visit,
    .get_statvfs = confined_get_statvfs,
    .get_xattr = confined_get_xattr,
    .list_xattr = confined_list_xattr,
    .set_xattr = confined_set_xattr,
    .remove_xattr = confined_remove_xattr,
    .flags = confined_flags,
};

int confined_store_new(struct store *inner, const struct confined_options *options,
                       struct store **ret_store) {
  struct confined_store *store = g_try_new0(struct confined_store, 1);
  if (!store)
    return -ENOMEM;
  store->base.ops = &confined_ops;
  store->inner = inner;
  store->options = *options;
  *ret_store = &store->base;
  return 0;
}
