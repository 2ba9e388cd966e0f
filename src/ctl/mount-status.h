/* What a mount of shmfs says of itself (fs/status.h), asked so that a mount that does not answer keeps
 * nobody waiting. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define MOUNT_REQUESTS_SIZE 2048 /* enough for a line for each kind of request */

#define MOUNT_PREFIX_SIZE 256 /* NAME_MAX and the 0 */

/* Numbers that the mount does not have are UNKNOWN (inventory.h). */
struct mount_status {
  int error;     /* 0; -ETIMEDOUT: it does not answer; -ENOTCONN: nobody serves it; … */
  char view[16]; /* posix, sysv, all; "": not told */
  char prefix[MOUNT_PREFIX_SIZE]; /* "": none */
  dev_t device;                   /* of the directory whose objects it shows; 0: of none */
  uint64_t ipc_namespace;         /* inode number; 0: it shows no segments */

  uint64_t size, used;                         /* bytes */
  uint64_t files;                              /* how many there are */
  uint64_t max_size, max_files, max_file_size; /* its own limits */

  pid_t supervisor, worker; /* in the supervisor's PID namespace; 0: not told */
  uint64_t workers, upgrades;
  int64_t started;                    /* seconds since 1970 */
  char requests[MOUNT_REQUESTS_SIZE]; /* lines of a name and a count */
};

/* What it shows, or everything: counting what a part holds takes a look at each of its names. */
enum mount_questions { MOUNT_ASK_SHOWN, MOUNT_ASK_ALL };

/* point: the mount point, or a path to it through /proc/PID/root. For how long it waits: 2 s. */
void mount_status_read(const char *point, enum mount_questions questions, struct mount_status *ret);

/* The device behind the mount whose root that descriptor is of; 0: it is no such mount's. It may wait. */
dev_t mount_status_device(int root);

/* The sum of all requests' counts. */
uint64_t mount_status_requests(const struct mount_status *status);

/* The number in the line that begins with that name and a blank; UNKNOWN: there is none. */
uint64_t mount_status_line(const char *lines, const char *name);
