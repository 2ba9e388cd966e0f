#include "fs/invalidate.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/wire.h"
#include "store/prefix.h"

/* Writes a notification: a reply header whose unique id is 0 and whose error is the code. */
static int notify(int device, int code, struct iovec *parts, int count) {
  struct wire_out_header header = {.error = code};
  size_t size = sizeof header;
  parts[0] = (struct iovec){.iov_base = &header, .iov_len = sizeof header};
  for (int i = 1; i < count; i++)
    size += parts[i].iov_len;
  header.len = (uint32_t)size;
  int result = writev(device, parts, count) < 0 ? -errno : 0;
  parts[0] = (struct iovec){0};
  return result;
}

static int notify_name(int device, uint64_t parent, const char *name, uint32_t flags) {
  struct wire_inval_entry_out out = {
      .parent = parent, .namelen = (uint32_t)strlen(name), .flags = flags};
  struct iovec parts[] = {
      {0},
      {.iov_base = &out, .iov_len = sizeof out},
      {.iov_base = (void *)name, .iov_len = out.namelen + 1},
  };
  return notify(device, WIRE_NOTIFY_INVAL_ENTRY, parts, 3);
}

int invalidate_name(int device, uint64_t parent, const char *name) {
  return notify_name(device, parent, name, 0);
}

int expire_name(int device, uint64_t parent, const char *name) {
  return notify_name(device, parent, name, WIRE_INVAL_ENTRY_EXPIRE);
}

/* A negative offset leaves cached pages alone. */
int invalidate_attributes(int device, uint64_t node) {
  struct wire_inval_inode_out out = {.ino = node, .off = -1};
  struct iovec parts[] = {{0}, {.iov_base = &out, .iov_len = sizeof out}};
  return notify(device, WIRE_NOTIFY_INVAL_INODE, parts, 2);
}

static int invalidate_outside(int device, uint64_t parent, const char *prefix, const char *name) {
  char inside[PREFIX_NAME_SIZE];
  if (!prefix)
    return invalidate_name(device, parent, name);
  return prefix_inside(prefix, name, inside) ? invalidate_name(device, parent, inside) : 0;
}

/* Reads the given descriptor itself, whose position nobody else uses: one of our own might be closed
 * by the supervisor, which shares the descriptor table and closes what a dead worker left. */
static int invalidate_names(int device, uint64_t node, int directory, const char *prefix) {
  char buffer[4096] __attribute__((aligned(8)));
  ssize_t size;
  if (lseek(directory, 0, SEEK_SET) < 0)
    return -errno;
  while ((size = getdents64(directory, buffer, sizeof buffer)) > 0)
    for (ssize_t at = 0; at < size;) {
      const struct dirent64 *entry = (const void *)(buffer + at);
      invalidate_outside(device, node, prefix, entry->d_name);
      at += entry->d_reclen;
    }
  return size < 0 ? -errno : 0;
}

int invalidate_everything(int device, uint64_t node, int directory, const char *prefix) {
  struct iovec alone = {0};
  int code = notify(device, WIRE_NOTIFY_INC_EPOCH, &alone, 1);
  if (code < 0)
    code = invalidate_names(device, node, directory, prefix);
  int attributes = invalidate_attributes(device, node);
  return code < 0 ? code : attributes;
}
