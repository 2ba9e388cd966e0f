/* Directories that were removed through the mount while somebody may still have them open.
 *
 * The store forgets a directory with its removal, but whoever works in it may ask for its
 * attributes and is to be told what tmpfs tells: they are as they were, without a link. (One that
 * was removed natively is answered with ESTALE, on which the kernel walks the path again; after a
 * removal through the mount no path leads here any more.) The last few are remembered, by this
 * process alone. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct removed;

struct removed *removed_new(void);
void removed_free(struct removed *removed);

/* attributes: as they were before the removal. */
void removed_add(struct removed *removed, uint64_t node, const struct stat *attributes);

/* ret may be NULL. */
bool removed_find(struct removed *removed, uint64_t node, struct stat *ret);
