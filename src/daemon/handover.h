/* The upgrade: the program file as it now is on disk takes over in the running processes.
 *
 * On SIGHUP the supervisor asks the file on disk whether it understands the state page and the
 * command line (shmfs … --check-state VERSION SIZES…, exit status 0: yes). If so the worker
 * finishes what it has in hand and leaves, and the supervisor replaces itself with the new program
 * (execve with --resume-state and the numbers of the descriptors); if not, the old one goes on
 * serving and the log says why. */
#pragma once

#include <stdbool.h>

#include "daemon/shared.h"

/* Does the program on disk understand our state page? Logs why not. */
bool handover_possible(const struct shared *shared);

/* Replaces this process by the program on disk. Returns only when that failed: -errno, logged. */
int handover_exec(struct shared *shared);

/* The other end: takes over what the numbers in options name. 0 or -errno, logged; the mount is then
 * detached where it can be. */
int handover_resume(const struct options *options, struct shared *ret_shared);

/* --check-state: exit status, 0 when the numbers are this program's. */
int handover_check_state(const struct options *options);

/* --reload MOUNTPOINT: finds the supervisor of the mount and sends it SIGHUP. Exit status. */
int handover_reload(const struct options *options);
