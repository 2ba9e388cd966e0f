/* The system calls that a worker may make: those it does make, found by tracing the tests. Whatever
 * else it is talked into is refused with EPERM, and the kernel logs it (audit, or dmesg: type=1326). */
#pragma once

#include <stdbool.h>

/* Was the program built with libseccomp (and without a sanitizer, whose runtime makes more calls)? */
bool filter_is_built_in(void);

/* Puts the list into the kernel's form, which takes milliseconds, for this process and for those that it
 * forks. 0, or -errno; -ENOSYS when it is not built in. */
int filter_prepare(void);

/* Installs the list (prepared or not) for this process, its threads and its children, for good, and forbids
 * new privileges. Before there are threads. Errors as above. */
int filter_enter(void);
