/* What was removed through the mount while somebody may still have it open, and has no data of its
 * own that would keep it: directories, FIFOs, device nodes.
 *
 * The store forgets such an inode with its last name, but whoever has it open may ask for its
 * attributes and is to be told what tmpfs tells: they are as they were, without a link. (What was
 * removed natively is answered with ESTALE, on which the kernel walks the path again; after a
 * removal through the mount no path leads here any more.) The kernel says when nobody has it any
 * longer, by FORGET. They are kept in the state page, for the workers to come. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct removed;
struct state_removed;
struct store_change;

/* state is not owned, and may hold what a worker before this one kept. */
struct removed *removed_new(struct state_removed *state);
void removed_free(struct removed *removed);

/* Is this of the kinds that are to be remembered? attributes: as they are before the removal. */
bool removed_wants(const struct stat *attributes);

/* attributes: as they were before the removal. May be called again for the same node. Where there is
 * no room the oldest one is given up. */
void removed_add(struct removed *removed, uint64_t node, const struct stat *attributes);

/* It was not removed after all, or nobody has it any longer. */
void removed_drop(struct removed *removed, uint64_t node);

/* Is anything remembered? */
bool removed_any(struct removed *removed);

/* ret may be NULL. */
bool removed_find(struct removed *removed, uint64_t node, struct stat *ret);

/* As the store's change(). False where the node is not remembered. */
bool removed_change(struct removed *removed, uint64_t node, const struct store_change *change,
                    struct stat *ret);
