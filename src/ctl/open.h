/* Opening an object by its name, and no other one: names can come to mean something else at any time. */
#pragma once

#include "ctl/inventory.h"

/* Opens a file of the directory, if the name still leads to that inode. flags: as open(2). Nothing but
 * a regular file is ever opened. 0; -ESTALE when it is another one by now; -ENOENT, -EACCES, ….
 * Not for segments (-EINVAL). */
int object_open(const struct inventory *inventory, const struct object *object, int flags,
                int *ret_fd);

/* Opens a file by one of its holds: also one without a name. Needs the right to inspect the holder.
 * 0; -ENOENT when there is no such hold any more; -EACCES, -EPERM. */
int object_open_held(const struct object *object, int flags, int *ret_fd);
