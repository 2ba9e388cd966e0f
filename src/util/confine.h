/* What the daemon's processes may do at all.
 *
 * Root's daemon keeps, of root's capabilities, those that serving needs, and each of its processes
 * those that its own part needs. A user's daemon has none: it is the user. When the program file has
 * been given CAP_SYS_ADMIN (setcap(8)), that capability stays permitted and is in effect only between
 * privilege_raise() and privilege_lower(). */
#pragma once

#include <stdbool.h>

enum confine_role {
  CONFINE_SUPERVISOR, /* mounts, unmounts and starts the others, which inherit what it is permitted */
  CONFINE_WORKER,     /* serves requests */
  CONFINE_WATCHER,    /* reads events from, and writes notifications to, what is open already */
  CONFINE_ALONE,      /* supervisor and worker in one (-o no_supervise) */
};

/* The very first thing of the program: everything it does for an ordinary user, it does without
 * capabilities. Returns 0, or -errno; -EPERM: the program is set-user-id, for which it was not
 * made. */
int confine_start(void);

/* Gives up the capability of the program file for good: for what could be a forgery. 0 or -errno. */
int confine_renounce(void);

/* Has an ordinary user's process a capability by its program file? What that user says in the
 * environment or through inherited descriptors is then not to be trusted. */
bool confine_elevated(void);

/* Leaves the process with what the role needs: capabilities, the bounding set, and no_new_privs
 * where nobody is left to start fusermount3. Only in a process with one thread. 0 or -errno, and
 * what could be given up is. */
int confine_enter(enum confine_role role);
