/* File descriptors that close themselves: `auto_fd int fd = open(…)`. */
#pragma once

#include <errno.h>
#include <unistd.h>

/* Closes fd when it is one (>= 0); errno stays as it was. Returns -1, to assign back. */
static inline int fd_close(int fd) {
  if (fd >= 0) {
    int saved = errno;
    close(fd);
    errno = saved;
  }
  return -1;
}

static inline void fd_close_pointer(int *fd) {
  fd_close(*fd);
}

#define auto_fd __attribute__((cleanup(fd_close_pointer)))

/* Hands the descriptor on to the caller: *fd is -1 afterwards. */
static inline int fd_steal(int *fd) {
  int stolen = *fd;
  *fd = -1;
  return stolen;
}
