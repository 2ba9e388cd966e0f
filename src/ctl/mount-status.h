/* What a mount of shmfs says of itself (fs/status.h), asked so that a mount that does not answer keeps
 * nobody waiting. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define MOUNT_REQUESTS_SIZE 2048 /* enough for a line for each kind of request */

struct mount_status {
  int error;     /* 0; -ETIMEDOUT: it does not answer; -ENOTCONN: nobody serves it; … */
  bool is_posix; /* born is known: when the directory that it shows was made */
  struct statx_timestamp born;
  uint64_t size, used;      /* bytes */
  uint64_t files;           /* how many there are */
  pid_t supervisor, worker; /* in the supervisor's PID namespace; 0: not told */
  uint64_t workers, upgrades;
  int64_t started;                    /* seconds since 1970 */
  char requests[MOUNT_REQUESTS_SIZE]; /* lines of a name and a count */
};

/* point: the mount point, or a path to it through /proc/PID/root. For how long it waits: 2 s. */
void mount_status_read(const char *point, struct mount_status *ret);

/* The sum of all requests' counts. */
uint64_t mount_status_requests(const struct mount_status *status);
