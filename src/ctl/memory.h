/* Where the memory of objects is: in RAM, or in the swap space. */
#pragma once

#include "ctl/inventory.h"

/* Fills in resident and swapped, of files; segments have theirs from the kernel's list. As long as
 * nothing at all is in the swap space that takes no look at the objects. Where the kernel does not
 * tell (before Linux 6.5, or somebody else's object), both stay what they were: allocated, UNKNOWN. */
void memory_measure(struct inventory *inventory);

/* Bytes of an open object in RAM; 0 or -errno (-ENOSYS before Linux 6.5, -EPERM, -EOPNOTSUPP). */
int memory_resident(int fd, uint64_t *ret_bytes);
