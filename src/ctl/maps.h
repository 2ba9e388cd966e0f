/* Reading the lines of /proc/PID/maps (proc_pid_maps(5)), fast: most lines are of no interest, and
 * are passed over after their device has been read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct maps_line {
  uint64_t from, to, offset, inode;
  dev_t device;
  bool readable, writable, private;
  const char *path; /* up to path_length; as the kernel writes it, with " (deleted)" and \012 */
  size_t path_length;
};

/* The first whole line of [text, end). Returns where the next one begins, or NULL when there is no
 * whole line. *ret is written as far as the line is well-formed; device is 0 for what is no file's
 * (an inode can be 0: the shmid of a segment). */
const char *maps_next(const char *text, const char *end, struct maps_line *ret);

/* The path without the mark of a removed file, its escapes decoded; *ret_deleted: was it marked? */
char *maps_path(const struct maps_line *line, bool *ret_deleted);
