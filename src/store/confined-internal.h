/* What the files of the confined store share. */
#pragma once

#include "store/confined.h"
#include "store/prefix.h"

struct confined_store {
  struct store base;
  struct store *inner;
  struct confined_options options;
};

static inline struct confined_store *confined_of(struct store *store) {
  return (struct confined_store *)store;
}

/* The inner name of an entry of `parent`: *ret_name is put into `buffer` or is `name` itself. */
int confined_name(const struct confined_store *store, uint64_t parent, const char *name,
                  char buffer[PREFIX_NAME_SIZE], const char **ret_name);

/* The operations by file; see store.h. confined-change.c: */
int confined_change(struct store *base, uint64_t node, int fd, const struct store_change *change,
                    struct stat *ret);
int confined_make(struct store *base, uint64_t parent, const char *name,
                  const struct store_new *new, struct store_entry *ret);
int confined_create(struct store *base, uint64_t parent, const char *name,
                    const struct store_new *new, int flags, struct store_entry *ret,
                    struct store_file *ret_file);
int confined_create_unnamed(struct store *base, uint64_t parent, const struct store_new *new,
                            int flags, struct store_entry *ret, struct store_file *ret_file);
int confined_link(struct store *base, uint64_t node, uint64_t parent, const char *name,
                  struct store_entry *ret);
int confined_unlink(struct store *base, uint64_t parent, const char *name);
int confined_remove_directory(struct store *base, uint64_t parent, const char *name);
int confined_rename(struct store *base, uint64_t parent, const char *name, uint64_t new_parent,
                    const char *new_name, unsigned flags);
int confined_set_xattr(struct store *base, uint64_t node, const char *name, const void *value,
                       size_t size, int flags);
int confined_remove_xattr(struct store *base, uint64_t node, const char *name);
int confined_flags(struct store *base, uint64_t node, int fd, unsigned command, void *data);
