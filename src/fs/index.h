/* Which slot an open inode has: node -> slot number, an open-addressing table in private memory that
 * grows with the number of inodes that are open at once, and fails rather than aborts. Not locked. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct index_table;

/* NULL when there is no memory. */
struct index_table *index_new(void);
void index_free(struct index_table *table);

/* Remembers the slot of a node that has none. 0 or -ENOMEM. */
int index_put(struct index_table *table, uint64_t node, uint32_t slot);
bool index_get(const struct index_table *table, uint64_t node, uint32_t *ret_slot);
void index_remove(struct index_table *table, uint64_t node);
