/* What /proc says of one process, apart from what it holds. */
#pragma once

#include <stdbool.h>

#include "ctl/inventory.h"

/* proc: /proc/PID, open (O_PATH is enough). Reads name and effective user, and gives them to the
 * caller; NULL when it has ended. */
struct process *process_read(int proc, pid_t pid);

/* Has it no memory of its own, and never will: a thread of the kernel, or one that has ended and is
 * waiting to be collected? */
bool process_is_empty(int proc);

/* Is there a process of that id? */
bool process_exists(pid_t pid);

/* Whether processes may exist that this /proc does not show: it is mounted with hidepid= and we are
 * not root, or this is not the machine's first PID namespace. */
bool process_some_hidden(void);
