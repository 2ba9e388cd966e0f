/* Where the stores under a fuzzer live: a mount namespace and an IPC namespace of the process's own,
 * with one tmpfs in another.
 *
 *   /dev/shm          outside: has one name, "objects", and nothing may ever change here
 *   /dev/shm/objects  what the stores show
 *
 * Device nodes that are made there cannot be opened (nodev), and memory is small, so that nothing an
 * input asks for reaches the machine or takes long. */
#pragma once

#include <stdbool.h>

#define PLACE_DIRECTORY "/dev/shm/objects"

/* Once, before anything else; needs root. Ends the process with a message when it cannot be had. */
void place_make(void);

/* A descriptor of PLACE_DIRECTORY, for the process's life. */
int place_directory(void);

/* As at the beginning: no file but that of a semaphore "s". */
void place_reset(void);

/* The same for what is no file: one of each System V kind, with the key 0x51, and a message queue "q". */
void place_reset_ipc(void);

/* Has anything outside PLACE_DIRECTORY been touched? */
bool place_outside_is_untouched(void);
