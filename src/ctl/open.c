#include "ctl/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "util/fd.h"

/* Opens again what `path` leads to, if it is that file. */
static int reopen(int path, uint64_t inode, int flags, int *ret_fd) {
  struct stat attributes;
  if (fstat(path, &attributes) < 0)
    return -errno;
  if (!S_ISREG(attributes.st_mode) || attributes.st_ino != inode)
    return -ESTALE;
  char link[32];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
  int fd = open(link, flags | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  *ret_fd = fd;
  return 0;
}

int object_open(const struct inventory *inventory, const struct object *object, int flags,
                int *ret_fd) {
  if (object->kind == OBJECT_SYSV)
    return -EINVAL;
  auto_fd int path = openat(inventory->directory_fd, object->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  return path < 0 ? -errno : reopen(path, object->inode, flags, ret_fd);
}

static int open_hold(const struct object *object, const struct hold *hold, int flags, int *ret_fd) {
  char link[96];
  if (hold->kind == HOLD_DESCRIPTOR)
    snprintf(link, sizeof(link), "/proc/%d/fd/%d", hold->process->pid, hold->descriptor);
  else
    snprintf(link, sizeof(link),
             "/proc/%d/map_files/%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
             hold->process->pid, hold->from, hold->to);
  auto_fd int path = open(link, O_PATH | O_CLOEXEC);
  return path < 0 ? -errno : reopen(path, object->inode, flags, ret_fd);
}

int object_open_held(const struct object *object, int flags, int *ret_fd) {
  int r = -ENOENT;
  for (unsigned i = 0; i < object->holds->len; i++) {
    r = open_hold(object, object->holds->pdata[i], flags, ret_fd);
    if (r == 0)
      return 0;
  }
  return r;
}
