/* The posix store: the objects of shm_open(3), which on Linux are the regular files at the top of a
 * tmpfs at /dev/shm, and the other files that a tmpfs can hold.
 *
 * All work goes through one descriptor of the directory, taken before anything is mounted over it,
 * so that mounting over /dev/shm itself works. A node is the kernel's own file handle of a tmpfs
 * inode, generation << 32 | inode number: nothing is remembered per object.
 *
 * Differences from store.h's general words: a name that leads to another mount answers -EXDEV
 * (through the private mount of noatime there are none, the covered inode is seen); a name that is
 * "", ".", ".." or has a slash answers -EINVAL; create() without O_EXCL opens an existing file only
 * when it is the caller's own and readable and writable to its owner, honouring O_TRUNC, and else
 * answers -ESTALE, upon which the kernel looks the name up and comes back with an ordinary open. */
#pragma once

#include "store/store.h"

/* Opens the directory of the POSIX shared memory objects. noatime: through a private mount that
 * does not update access times (Linux 5.12). Returns 0 and a descriptor (close-on-exec) that the
 * caller owns, or -errno: -ENOENT, -ENOTDIR, -EOPNOTSUPP when it is no tmpfs, and with noatime what
 * open_tree(2) and mount_setattr(2) say: -EPERM without CAP_SYS_ADMIN, -ENOSYS. */
int posix_directory_open(const char *path, bool noatime, int *ret_fd);

/* A store over the directory `fd`, which it duplicates (the caller keeps its own). Without
 * CAP_DAC_READ_SEARCH nodes are found again by scanning names (slower; unlinked ones only through
 * an open descriptor). 0 or -errno. */
int posix_store_new(int fd, struct store **ret_store);

/* The operation `visit` with those names at the top alone for which wanted() is true; for a store
 * that shows a part of this one. */
typedef bool posix_wanted_fn(const void *data, const char *name);
int posix_visit_some(struct store *posix, posix_wanted_fn *wanted, const void *wanted_data,
                     store_visit_fn *fn, void *data);
