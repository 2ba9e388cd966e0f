/* Changes in a confined store: handed on under the names outside, and refused for the root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>

#include "store/confined-internal.h"
#include "util/fd.h"

static struct store_new masked(const struct confined_store *store, const struct store_new *new) {
  struct store_new made = *new;
  made.caller.umask |= store->options.umask;
  return made;
}

/* The pages of the growth, before the size: when memory is short nothing has changed. */
static int allocate(int fd, off_t size) {
  struct stat now;
  if (fstat(fd, &now) < 0)
    return -errno;
  while (size > now.st_size &&
         fallocate(fd, FALLOC_FL_KEEP_SIZE, now.st_size, size - now.st_size) < 0)
    if (errno != EINTR)
      return -errno;
  return 0;
}

static int change_allocated(const struct confined_store *store, uint64_t node,
                            const struct store_change *change, struct stat *ret) {
  struct store_file file;
  int r = store->inner->ops->open(store->inner, node, O_RDWR, &file);
  if (r < 0)
    return r;
  auto_fd int fd = file.fd;
  r = allocate(fd, change->size);
  return r < 0 ? r : store->inner->ops->change(store->inner, node, fd, change, ret);
}

int confined_change(struct store *base, uint64_t node, int fd, const struct store_change *change,
                    struct stat *ret) {
  const struct confined_store *store = confined_of(base);
  if (node == STORE_ROOT)
    return -EPERM;
  if (store->options.prealloc && (change->mask & STORE_CHANGE_SIZE))
    return change_allocated(store, node, change, ret);
  return store->inner->ops->change(store->inner, node, fd, change, ret);
}

int confined_make(struct store *base, uint64_t parent, const char *name,
                  const struct store_new *new, struct store_entry *ret) {
  const struct confined_store *store = confined_of(base);
  struct store_new made = masked(store, new);
  char buffer[PREFIX_NAME_SIZE];
  int r = confined_name(store, parent, name, buffer, &name);
  return r < 0 ? r : store->inner->ops->make(store->inner, parent, name, &made, ret);
}

int confined_create(struct store *base, uint64_t parent, const char *name,
                    const struct store_new *new, int flags, struct store_entry *ret,
                    struct store_file *ret_file) {
  const struct confined_store *store = confined_of(base);
  struct store_new made = masked(store, new);
  char buffer[PREFIX_NAME_SIZE];
  int r = confined_name(store, parent, name, buffer, &name);
  if (r < 0)
    return r;
  return store->inner->ops->create(store->inner, parent, name, &made, flags, ret, ret_file);
}

int confined_create_unnamed(struct store *base, uint64_t parent, const struct store_new *new,
                            int flags, struct store_entry *ret, struct store_file *ret_file) {
  const struct confined_store *store = confined_of(base);
  struct store_new made = masked(store, new);
  return store->inner->ops->create_unnamed(store->inner, parent, &made, flags, ret, ret_file);
}

int confined_link(struct store *base, uint64_t node, uint64_t parent, const char *name,
                  struct store_entry *ret) {
  const struct confined_store *store = confined_of(base);
  char buffer[PREFIX_NAME_SIZE];
  int r = confined_name(store, parent, name, buffer, &name);
  return r < 0 ? r : store->inner->ops->link(store->inner, node, parent, name, ret);
}

int confined_unlink(struct store *base, uint64_t parent, const char *name) {
  const struct confined_store *store = confined_of(base);
  char buffer[PREFIX_NAME_SIZE];
  int r = confined_name(store, parent, name, buffer, &name);
  return r < 0 ? r : store->inner->ops->unlink(store->inner, parent, name);
}

int confined_remove_directory(struct store *base, uint64_t parent, const char *name) {
  const struct confined_store *store = confined_of(base);
  char buffer[PREFIX_NAME_SIZE];
  int r = confined_name(store, parent, name, buffer, &name);
  return r < 0 ? r : store->inner->ops->remove_directory(store->inner, parent, name);
}

int confined_rename(struct store *base, uint64_t parent, const char *name, uint64_t new_parent,
                    const char *new_name, unsigned flags) {
  const struct confined_store *store = confined_of(base);
  char buffer[PREFIX_NAME_SIZE], new_buffer[PREFIX_NAME_SIZE];
  int r = confined_name(store, parent, name, buffer, &name);
  if (r == 0)
    r = confined_name(store, new_parent, new_name, new_buffer, &new_name);
  if (r < 0)
    return r;
  return store->inner->ops->rename(store->inner, parent, name, new_parent, new_name, flags);
}

int confined_set_xattr(struct store *base, uint64_t node, const char *name, const void *value,
                       size_t size, int flags) {
  struct store *inner = confined_of(base)->inner;
  if (node == STORE_ROOT)
    return -EPERM;
  return inner->ops->set_xattr(inner, node, name, value, size, flags);
}

int confined_remove_xattr(struct store *base, uint64_t node, const char *name) {
  struct store *inner = confined_of(base)->inner;
  return node == STORE_ROOT ? -EPERM : inner->ops->remove_xattr(inner, node, name);
}

/* Those of the real directory would hold for everybody. */
int confined_flags(struct store *base, uint64_t node, int fd, unsigned command, void *data) {
  struct store *inner = confined_of(base)->inner;
  if (node == STORE_ROOT || !inner->ops->flags)
    return -ENOTTY;
  return inner->ops->flags(inner, node, fd, command, data);
}
