/* On whose behalf a thread of the daemon acts.
 *
 * What a caller creates belongs to the caller: the creating thread takes the caller's file-system
 * user and group id and umask. Capabilities stay (SECBIT_NO_SETUID_FIXUP), because whether the
 * caller may do it was the kernel's decision (default_permissions) before the request came.
 * CAP_FSETID is lowered, so that the kernel clears set-id bits for the daemon's writes as it
 * would for an ordinary user's. All of it is per thread, and changed only when it differs:
 * a thread that serves the same user again makes no system call. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Once per process, before threads: sets SECBIT_NO_SETUID_FIXUP and lowers CAP_FSETID. Without
 * privileges (EPERM) nothing is changed and 0 is returned: the daemon then acts as its user. */
int privilege_init(void);

/* Once per thread: gives it a umask (and working directory) of its own, unshare(CLONE_FS). */
int privilege_thread_init(void);

/* Takes the identity for what this thread creates from now on. 0 or -errno (-EPERM without
 * privilege and another uid). */
int privilege_assume(uid_t uid, gid_t gid, mode_t umask);

/* Raises or lowers CAP_FSETID for this thread: raised, set-id bits survive a write or chown. */
int privilege_keep_setid(bool keep);

/* Puts CAP_SYS_ADMIN in effect for this thread where it is permitted and not in effect, as with a
 * program file that was given it (confine.h). Returns whether it did; then privilege_lower() follows.
 * Costs no system call where nothing is to be done. */
bool privilege_raise(void);

/* Takes it out of effect again, where `raised`. errno is kept. */
void privilege_lower(bool raised);

/* Is the capability (CAP_… of linux/capability.h) in this thread's effective set? */
bool privilege_has(int capability);

/* Has another thread it in effect, in the user namespace that is its own? thread: an id as this process
 * sees it; false where it sees none (0) or nothing of it. */
bool privilege_of_thread(pid_t thread, int capability);

/* Is the group among those that another thread has beside its own? As above. */
bool privilege_thread_in_group(pid_t thread, gid_t gid);
