/* What a view may hold: -o size=, nr_objects= and max_object=.
 *
 * Nothing is counted on the side: whenever something is to grow, what there is now is looked at, so
 * what others make outside counts, and a new worker has nothing to take over. What counts is every
 * name that the view shows, and every inode without one that is open through the mount or was, and
 * is mapped (opens.h, orphans); of regular files the size, each inode once.
 *
 * One lock keeps this true while it is acted upon: who grows something, or moves a name that a
 * count under way might then miss, has it alone; who writes where the file is already long enough
 * shares it, so that the file cannot be cut under him and grow again by his write. It is held
 * across the system call that grows, which works on memory alone. Without a limit none of this is
 * entered; where one may be set later (limits_options.later), writes come here and orphans are kept
 * as if there were one, so that it holds for what was open before.
 *
 * Two mounts that show the same objects each keep their own limit, and do not wait for each other. */
#pragma once

#include "fs/internal.h"

/* May a file not grow as it likes? */
static inline bool limits_growth(const struct fs *fs) {
  return fs->options.limits.size > 0 || fs->options.limits.object_size > 0;
}

/* Do writes have to come here? */
static inline bool limits_data(const struct fs *fs) {
  return limits_growth(fs) || fs->options.limits.later;
}

/* Is what has no name to be remembered? */
static inline bool limits_orphans(const struct fs *fs) {
  const struct limits_options *limits = &fs->options.limits;
  return limits->size > 0 || limits->objects > 0 || limits->later;
}

/* Begun by one of the functions below when it returns 0, and ended by growth_end(). */
struct growth {
  struct fs *fs; /* NULL: nothing to end */
};

void growth_end(struct growth *growth);

#define auto_growth __attribute__((cleanup(growth_end)))

/* Bytes are to be written to the node at `offset`, or at its end. Lowers *size to what may be; -ENOSPC or
 * -EFBIG when nothing may. fd: of the node, or -1. */
int limits_write(struct fs *fs, uint64_t node, int fd, off_t offset, size_t *size,
                 struct growth *ret);
int limits_append(struct fs *fs, uint64_t node, int fd, size_t *size, struct growth *ret);

/* The node is to be made `size` bytes long: all or nothing. */
int limits_resize(struct fs *fs, uint64_t node, int fd, off_t size, struct growth *ret);

/* One more name or unnamed inode is to be made; -ENOSPC. */
int limits_make(struct fs *fs, struct growth *ret);

/* A name is to be moved or removed. */
void limits_move(struct fs *fs, struct growth *ret);

/* The node has lost a name, and its memory may live on. Between limits_move() and its end. */
void limits_removed(struct fs *fs, uint64_t node);

/* What the view holds now, whether there is a limit or not: bytes, as their sum is limited, and names.
 * 0 or -errno; -EOPNOTSUPP of a view that cannot have limits. */
int limits_use(struct fs *fs, uint64_t *ret_size, uint64_t *ret_objects);

/* Puts limits and use in the place of the file system's own numbers. 0 or -errno. */
int limits_statvfs(struct fs *fs, struct statvfs *statvfs);
