/* What the files of the tree share: whose a node is. */
#pragma once

#include "store/text.h"
#include "store/tree.h"

enum tree_branch {
  TREE_POSIX,
  TREE_SYSV,
  TREE_SEM,
  TREE_MQUEUE,
  TREE_SYSVSEM,
  TREE_SYSVMSG,
  TREE_BRANCHES,
};

struct tree_store {
  struct store base;
  struct store *branch[TREE_BRANCHES]; /* owned; NULL: not to be had */
  struct timespec born;                /* the top's times: it never changes */
};

/* A node as its store has it. */
struct tree_place {
  struct store *store; /* NULL: the top of the tree */
  uint64_t node;
  uint64_t root; /* the tree's node, when it is the root of its store; 0 */
};

static inline struct tree_store *tree_of(struct store *store) {
  return (struct tree_store *)store;
}

/* tree.c. The place of a node that is a directory, or of any node. -ESTALE when it can be nobody's. */
int tree_place_of_directory(const struct tree_store *tree, uint64_t node, struct tree_place *ret);
int tree_place_of(const struct tree_store *tree, uint64_t node, struct tree_place *ret);

/* The directory of that name at the top; -ENOENT, -ENAMETOOLONG. */
int tree_find_at_top(const struct tree_store *tree, const char *name, uint64_t *ret_node);

/* The operations by file; see store.h. tree-change.c: */
int tree_change(struct store *base, uint64_t node, int fd, const struct store_change *change,
                struct stat *ret);
int tree_make(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
              struct store_entry *ret);
int tree_create(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
                int flags, struct store_entry *ret, struct store_file *ret_file);
int tree_create_unnamed(struct store *base, uint64_t parent, const struct store_new *new, int flags,
                        struct store_entry *ret, struct store_file *ret_file);
int tree_link(struct store *base, uint64_t node, uint64_t parent, const char *name,
              struct store_entry *ret);
int tree_unlink(struct store *base, uint64_t parent, const char *name);
int tree_remove_directory(struct store *base, uint64_t parent, const char *name);
int tree_rename(struct store *base, uint64_t parent, const char *name, uint64_t new_parent,
                const char *new_name, unsigned flags);
ssize_t tree_get_xattr(struct store *base, uint64_t node, const char *name, void *value,
                       size_t size);
ssize_t tree_list_xattr(struct store *base, uint64_t node, char *list, size_t size);
int tree_set_xattr(struct store *base, uint64_t node, const char *name, const void *value,
                   size_t size, int flags);
int tree_remove_xattr(struct store *base, uint64_t node, const char *name);
int tree_flags(struct store *base, uint64_t node, int fd, unsigned command, void *data);
