/* One datagram to the socket that the service manager named in the environment. */
#include "util/notify.h"

#include "util/fd.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

/* "/path" or "@abstract" (unix(7)); -EAFNOSUPPORT for other kinds, such as vsock. */
static int notify_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_length) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  if (name[0] != '/' && name[0] != '@')
    return -EAFNOSUPPORT;
  if (length >= sizeof(address.sun_path))
    return -ENAMETOOLONG;
  memcpy(address.sun_path, name, length);
  if (name[0] == '@')
    address.sun_path[0] = '\0';
  *ret = address;
  *ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  return 0;
}

int notify_state(const char *state) {
  const char *name = getenv("NOTIFY_SOCKET");
  if (!name || !*name)
    return 0;
  struct sockaddr_un address;
  socklen_t length;
  int r = notify_address(name, &address, &length);
  if (r < 0)
    return r;
  auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -errno;
  const struct sockaddr *to = (const struct sockaddr *)&address;
  if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, to, length) < 0)
    return -errno;
  return 1;
}

int notify_reloading(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
    return -errno;
  uint64_t usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
  char state[64];
  snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)usec);
  return notify_state(state);
}
