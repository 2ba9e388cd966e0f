/* What the files of the posix store share: the store, and the ways from a node to a descriptor. */
#pragma once

#include "store/handle.h"
#include "store/names.h"
#include "store/posix.h"
#include "util/fd.h"

#define POSIX_LIST_BUFFER 32768 /* bytes of getdents64(2) at a time, as the C library takes */
#define POSIX_PROC_PATH 32      /* "/proc/self/fd/" and the digits of an int */

struct posix_store {
  struct store base;
  int root_fd; /* O_RDONLY | O_DIRECTORY */
  dev_t device;
  uint64_t root_ino;
  bool own_uid, own_gid; /* the root is shown with our own in place of an id without a number */
  bool by_handle;        /* nodes can be opened by handle */
  struct handle_table *handles;
  struct names *names; /* where nodes of the top level were last seen */
};

/* A record of getdents64(2). */
struct posix_dirent {
  uint64_t d_ino;
  int64_t d_off;
  unsigned short d_reclen;
  unsigned char d_type;
  char d_name[];
};

static inline struct posix_store *posix_of(struct store *store) {
  return (struct posix_store *)store;
}

/* 0, or -EINVAL for what is no name of an entry: "", ".", "..", and anything with a slash. */
int posix_check_name(const char *name);

/* Opens a node with open(2)'s flags. O_PATH is safe for every type; other flags only when the type
 * is known, because opening a FIFO or a device is an act. -ESTALE when the inode is gone (or, without
 * CAP_DAC_READ_SEARCH, has no name in reach). */
int posix_node_open(struct posix_store *store, uint64_t node, int flags, int *ret_fd);

/* The descriptor to use for *at() calls in a directory: the root's own, or one that is opened and
 * put into *opened, which the caller closes. -ENOTDIR, -ESTALE. */
int posix_parent(struct posix_store *store, uint64_t parent, int *opened);

/* The same, for a name in it: -EINVAL for what is no name of an entry (posix_check_name()). */
int posix_parent_of(struct posix_store *store, uint64_t parent, const char *name, int *opened);

/* The path that leads to what fd refers to, a symbolic link itself included. */
void posix_proc_path(int fd, char ret_path[POSIX_PROC_PATH]);

/* The attributes of a node, from its last known name when that still is its name (one system call
 * instead of three). */
int posix_node_stat(struct posix_store *store, uint64_t node, struct stat *ret);

/* Fills in the entry of what a name or a descriptor of it leads to, and remembers the name when the
 * parent is the root (name may be NULL: nothing to remember). */
int posix_entry_at(struct posix_store *store, uint64_t parent, int dirfd, const char *name,
                   struct store_entry *ret);
int posix_entry_of_fd(struct posix_store *store, uint64_t parent, const char *name, int fd,
                      struct store_entry *ret);
void posix_remember(struct posix_store *store, uint64_t parent, const char *name, uint64_t node);

/* Reads the rest of a directory, opened for reading. fn returns 0 to go on, else the reading ends.
 * Returns 0 at the end, 1 when fn ended it, or -errno. */
typedef int posix_dirent_fn(void *data, const struct posix_dirent *entry);
int posix_read_directory(int fd, posix_dirent_fn *fn, void *data);

/* posix-scan.c: an O_PATH descriptor of the node, found by looking through the directories. */
int posix_scan(struct posix_store *store, uint64_t node, int *ret_fd);

/* The operations by file; see store.h. posix-visit.c: */
int posix_visit(struct store *base, store_visit_fn *fn, void *data);

/* posix-make.c: */
int posix_make(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
               struct store_entry *ret);
int posix_create(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
                 int flags, struct store_entry *ret, struct store_file *ret_file);
int posix_create_unnamed(struct store *base, uint64_t parent, const struct store_new *new,
                         int flags, struct store_entry *ret, struct store_file *ret_file);
int posix_link(struct store *base, uint64_t node, uint64_t parent, const char *name,
               struct store_entry *ret);
int posix_unlink(struct store *base, uint64_t parent, const char *name);
int posix_remove_directory(struct store *base, uint64_t parent, const char *name);
int posix_rename(struct store *base, uint64_t parent, const char *name, uint64_t new_parent,
                 const char *new_name, unsigned flags);

/* posix-change.c: */
int posix_change(struct store *base, uint64_t node, int fd, const struct store_change *change,
                 struct stat *ret);

/* posix-data.c: */
ssize_t posix_read_link(struct store *base, uint64_t node, char *buffer, size_t size);
int posix_open(struct store *base, uint64_t node, int access, struct store_file *ret_file);
int posix_open_directory(struct store *base, uint64_t node, int *ret_fd);
int posix_list(struct store *base, uint64_t node, uint64_t offset, store_list_fn *fn, void *data);
int posix_get_statvfs(struct store *base, struct statvfs *ret);
ssize_t posix_get_xattr(struct store *base, uint64_t node, const char *name, void *value,
                        size_t size);
ssize_t posix_list_xattr(struct store *base, uint64_t node, char *list, size_t size);
int posix_set_xattr(struct store *base, uint64_t node, const char *name, const void *value,
                    size_t size, int flags);
int posix_remove_xattr(struct store *base, uint64_t node, const char *name);
int posix_flags(struct store *base, uint64_t node, int fd, unsigned command, void *data);
