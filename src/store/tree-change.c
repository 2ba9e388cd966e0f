/* Changes in the tree: handed on to the store that has the place. At the top, which is fixed, the
 * answer depends only on whether the name is there. */
#include <errno.h>
#include <fcntl.h>

#include "store/tree-internal.h"

/* The place of a change of names, which at the top is refused: with exists where the name is there, with
 * absent where it is not. */
static int place_of_name(const struct tree_store *tree, uint64_t parent, const char *name,
                         int exists, int absent, struct tree_place *ret) {
  uint64_t node;
  int r = tree_place_of_directory(tree, parent, ret);
  if (r < 0 || ret->store)
    return r;
  r = tree_find_at_top(tree, name, &node);
  if (r == 0)
    return exists;
  return r == -ENOENT ? absent : r;
}

/* The place of a node below the top, which gets that answer. */
static int place_below_top(const struct tree_store *tree, uint64_t node, int at_top,
                           struct tree_place *ret) {
  int r = tree_place_of(tree, node, ret);
  return r == 0 && !ret->store ? at_top : r;
}

int tree_change(struct store *base, uint64_t node, int fd, const struct store_change *change,
                struct stat *ret) {
  struct tree_place place;
  int r = place_below_top(tree_of(base), node, -EPERM, &place);
  if (r < 0)
    return r;
  r = place.store->ops->change(place.store, place.node, fd, change, ret);
  if (r == 0 && place.root)
    ret->st_ino = text_ino(place.root);
  return r;
}

int tree_make(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
              struct store_entry *ret) {
  struct tree_place place;
  int r = place_of_name(tree_of(base), parent, name, -EEXIST, -EPERM, &place);
  return r < 0 ? r : place.store->ops->make(place.store, place.node, name, new, ret);
}

int tree_create(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
                int flags, struct store_entry *ret, struct store_file *ret_file) {
  struct tree_place place;
  int r = place_of_name(tree_of(base), parent, name, flags & O_EXCL ? -EEXIST : -EISDIR, -EPERM,
                        &place);
  return r < 0 ? r
               : place.store->ops->create(place.store, place.node, name, new, flags, ret, ret_file);
}

int tree_create_unnamed(struct store *base, uint64_t parent, const struct store_new *new, int flags,
                        struct store_entry *ret, struct store_file *ret_file) {
  struct tree_place place;
  int r = tree_place_of_directory(tree_of(base), parent, &place);
  if (r < 0)
    return r;
  if (!place.store)
    return -EOPNOTSUPP;
  return place.store->ops->create_unnamed(place.store, place.node, new, flags, ret, ret_file);
}

int tree_link(struct store *base, uint64_t node, uint64_t parent, const char *name,
              struct store_entry *ret) {
  const struct tree_store *tree = tree_of(base);
  struct tree_place from = {0}, to = {0};
  int r = tree_place_of(tree, node, &from);
  if (r == 0)
    r = place_of_name(tree, parent, name, -EEXIST, -EPERM, &to);
  if (r < 0)
    return r;
  if (!from.store || from.root)
    return -EPERM;
  if (from.store != to.store)
    return -EXDEV;
  return to.store->ops->link(to.store, from.node, to.node, name, ret);
}

int tree_unlink(struct store *base, uint64_t parent, const char *name) {
  struct tree_place place;
  int r = place_of_name(tree_of(base), parent, name, -EISDIR, -ENOENT, &place);
  return r < 0 ? r : place.store->ops->unlink(place.store, place.node, name);
}

int tree_remove_directory(struct store *base, uint64_t parent, const char *name) {
  struct tree_place place;
  int r = place_of_name(tree_of(base), parent, name, -EPERM, -ENOENT, &place);
  return r < 0 ? r : place.store->ops->remove_directory(place.store, place.node, name);
}

int tree_rename(struct store *base, uint64_t parent, const char *name, uint64_t new_parent,
                const char *new_name, unsigned flags) {
  const struct tree_store *tree = tree_of(base);
  struct tree_place from = {0}, to = {0};
  int r = tree_place_of_directory(tree, new_parent, &to);
  if (r == 0)
    r = place_of_name(tree, parent, name, -EPERM, -ENOENT, &from);
  if (r < 0)
    return r;
  if (!to.store)
    return -EPERM;
  if (from.store != to.store)
    return -EXDEV;
  return to.store->ops->rename(to.store, from.node, name, to.node, new_name, flags);
}

ssize_t tree_get_xattr(struct store *base, uint64_t node, const char *name, void *value,
                       size_t size) {
  struct tree_place place;
  int r = place_below_top(tree_of(base), node, -ENODATA, &place);
  return r < 0 ? r : place.store->ops->get_xattr(place.store, place.node, name, value, size);
}

ssize_t tree_list_xattr(struct store *base, uint64_t node, char *list, size_t size) {
  struct tree_place place;
  int r = tree_place_of(tree_of(base), node, &place);
  if (r < 0)
    return r;
  return place.store ? place.store->ops->list_xattr(place.store, place.node, list, size) : 0;
}

int tree_set_xattr(struct store *base, uint64_t node, const char *name, const void *value,
                   size_t size, int flags) {
  struct tree_place place;
  int r = place_below_top(tree_of(base), node, -EOPNOTSUPP, &place);
  return r < 0 ? r : place.store->ops->set_xattr(place.store, place.node, name, value, size, flags);
}

int tree_remove_xattr(struct store *base, uint64_t node, const char *name) {
  struct tree_place place;
  int r = place_below_top(tree_of(base), node, -ENODATA, &place);
  return r < 0 ? r : place.store->ops->remove_xattr(place.store, place.node, name);
}

int tree_flags(struct store *base, uint64_t node, int fd, unsigned command, void *data) {
  struct tree_place place;
  int r = tree_place_of(tree_of(base), node, &place);
  if (r < 0)
    return r;
  if (!place.store || !place.store->ops->flags)
    return -ENOTTY;
  return place.store->ops->flags(place.store, place.node, fd, command, data);
}
