/* A segment is reached through a descriptor, too: the kernel shows what is attached as a file
 * (/proc/PID/map_files, which takes CAP_CHECKPOINT_RESTORE), whose holes can be told from zeros.
 * Without it, through the memory itself. Segments are never written past their end: that file would
 * grow. Files are never mapped, since others may truncate them. */
#include "ctl/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/open.h"
#include "util/fd.h"

/* Mappings are whole pages, of whatever size the segment's are. */
static const size_t page_sizes[] = {4096, 16384, 65536, 2 << 20, 1 << 30};

static void open_attached(struct content *content, bool writable) {
  for (size_t i = 0; i < G_N_ELEMENTS(page_sizes) && content->fd < 0; i++) {
    char path[96];
    uintptr_t from = (uintptr_t)content->memory;
    uintptr_t length = (content->size + page_sizes[i] - 1) / page_sizes[i] * page_sizes[i];
    snprintf(path, sizeof(path), "/proc/self/map_files/%zx-%zx", (size_t)from,
             (size_t)(from + length));
    content->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  }
}

int content_attach(int shmid, bool writable, struct content *ret_content) {
  struct content content = CONTENT_NONE;
  struct shmid_ds segment;
  if (shmctl(shmid, IPC_STAT, &segment) < 0)
    return errno == EINVAL || errno == EIDRM ? -ESTALE : -errno;
  content.memory = shmat(shmid, NULL, writable ? 0 : SHM_RDONLY);
  if (content.memory == (void *)-1)
    return -errno;
  content.size = segment.shm_segsz;
  open_attached(&content, writable);
  *ret_content = content;
  return 0;
}

void content_close(struct content *content) {
  content->fd = fd_close(content->fd);
  if (content->memory)
    shmdt(content->memory);
  content->memory = NULL;
}

int content_open(const struct inventory *inventory, const struct object *object, bool writable,
                 struct content *ret_content) {
  if (object->kind == OBJECT_SYSV)
    return content_attach((int)object->inode, writable, ret_content);
  struct content content = CONTENT_NONE;
  int flags = writable ? O_RDWR : O_RDONLY;
  int r = object->deleted ? object_open_held(object, flags, &content.fd)
                          : object_open(inventory, object, flags, &content.fd);
  struct stat attributes = {0};
  if (r == 0 && fstat(content.fd, &attributes) < 0)
    r = -errno;
  if (r < 0) {
    content_close(&content);
    return r;
  }
  content.size = (uint64_t)attributes.st_size;
  *ret_content = content;
  return 0;
}

static int seek(int fd, uint64_t offset, int whence, uint64_t otherwise, uint64_t *ret) {
  off_t found = lseek(fd, (off_t)offset, whence);
  if (found < 0 && errno != ENXIO && errno != EINVAL)
    return -errno;
  *ret = found < 0 ? otherwise : (uint64_t)found;
  return 0;
}

/* ENXIO: no data up to the end. EINVAL: the file system does not know holes. */
int content_next_data(const struct content *content, uint64_t offset, uint64_t *ret_from,
                      uint64_t *ret_to) {
  uint64_t from = offset, to = content->size;
  int r = 0;
  if (content->fd >= 0)
    r = seek(content->fd, offset, SEEK_DATA, content->size, &from);
  if (r == 0 && content->fd >= 0 && from < content->size)
    r = seek(content->fd, from, SEEK_HOLE, content->size, &to);
  if (r < 0)
    return r;
  *ret_from = MIN(from, content->size);
  *ret_to = MIN(to, content->size);
  return 0;
}

ssize_t content_read(const struct content *content, void *buffer, size_t size, uint64_t offset) {
  size = MIN(size, content->size - MIN(offset, content->size));
  if (content->fd < 0) {
    memcpy(buffer, (const char *)content->memory + offset, size);
    return (ssize_t)size;
  }
  ssize_t count = pread(content->fd, buffer, size, (off_t)offset);
  return count < 0 ? -errno : count;
}

int content_write(const struct content *content, const void *buffer, size_t size, uint64_t offset) {
  if (content->memory) {
    if (offset > content->size || size > content->size - offset)
      return -ENOSPC;
    memcpy((char *)content->memory + offset, buffer, size);
    return 0;
  }
  while (size > 0) {
    ssize_t count = pwrite(content->fd, buffer, size, (off_t)offset);
    if (count < 0)
      return -errno;
    buffer = (const char *)buffer + count;
    size -= (size_t)count;
    offset += (uint64_t)count;
  }
  return 0;
}
