/* The kernel opens a backing file without asking whether its opener may, so whoever comes here has seen
 * to that: default_permissions has, or fs/file.c's check of an open. */
#include "fs/backing.h"

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "fs/wire.h"
#include "util/privilege.h"

int backing_open(int device, int fd) {
  struct wire_backing_map map = {.fd = fd};
  bool raised = privilege_raise();
  int id = ioctl(device, WIRE_BACKING_OPEN, &map);
  privilege_lower(raised);
  if (id < 0)
    return -errno;
  return id > 0 ? id : -EIO;
}

void backing_close(int device, int id) {
  uint32_t argument = (uint32_t)id;
  bool raised = privilege_raise();
  ioctl(device, WIRE_BACKING_CLOSE, &argument);
  privilege_lower(raised);
}
