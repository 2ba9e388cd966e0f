/* What a person means by a word: an object's name, a path, a segment's key or id. */
#pragma once

#include "ctl/inventory.h"

/* The objects meant, which may be several: a name and a segment's id can be alike, and objects that
 * were deleted one after the other have one name. The array is the caller's; empty when there is
 * none. The inventory must have its holds for paths below a mount of shmfs. */
GPtrArray *target_find(const struct inventory *inventory, const char *word);

/* The same, where exactly one is wanted that has a name; else the reason is written.
 * 0 or an exit status. */
int target_find_one(const struct inventory *inventory, const char *word,
                    struct object **ret_object);
