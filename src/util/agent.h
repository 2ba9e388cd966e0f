/* Something that, once begun, is finished although this process is killed: it is done by a process of its
 * own, the agent, that lives for this alone.
 *
 * The agent shares the caller's memory (clone(2) with CLONE_VM and CLONE_VFORK, as posix_spawn(3) does
 * it), which stays as long as either of the two lives, and has a copy of its descriptors. The calling
 * thread waits; a SIGKILL ends that wait, and the agent goes on. */
#pragma once

#include <sys/types.h>

/* Has an agent call fn(data), and waits. Before it does, the kernel writes the agent's process id to
 * *place, which may be memory that outlives this process. fn may not take locks or memory: when this
 * process has been killed, its other threads have them for ever.
 * 0 when fn returned; -ECANCELED when the agent was killed; -ENOMEM when there is none to be had, and
 * *place is as before. */
int agent_run(void (*fn)(void *data), void *data, pid_t *place);

/* Waits until a process that somebody else has made has ended, but not longer than that. */
void agent_wait(pid_t agent, int milliseconds);
