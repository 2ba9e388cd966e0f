/* One pass over the processes: their mappings and their descriptors. */
#pragma once

#include "ctl/inventory.h"

/* Fills in the holds, and adds the objects that only holds are left of. What ends meanwhile is passed
 * over; what may not be looked into is counted. 0 or -errno of reading /proc. */
int scan_processes(struct inventory *inventory);
