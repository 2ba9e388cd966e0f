/* The bytes of an object as a file, whatever the object is. */
#pragma once

#include "ctl/inventory.h"

struct content {
  int fd;        /* readable (and writable); -1: only through memory */
  void *memory;  /* an attached segment; NULL for files */
  uint64_t size; /* bytes */
};

#define CONTENT_NONE ((struct content){.fd = -1})

/* Opens an object, also one without a name, which is reached by its holders. A segment is attached
 * meanwhile, which the kernel notes as its last use. 0; -ESTALE when its name means another by now;
 * -EACCES, …. To be closed, which takes CONTENT_NONE. */
int content_open(const struct inventory *inventory, const struct object *object, bool writable,
                 struct content *ret_content);
void content_close(struct content *content);

/* Attaches a segment by its id. As above. */
int content_attach(int shmid, bool writable, struct content *ret_content);

/* The next range with data from offset on: [*ret_from, *ret_to), empty at the end. 0 or -errno. */
int content_next_data(const struct content *content, uint64_t offset, uint64_t *ret_from,
                      uint64_t *ret_to);

/* Reads at most that much. The count (0: the end) or -errno. */
ssize_t content_read(const struct content *content, void *buffer, size_t size, uint64_t offset);

/* Writes all of it, in place. 0 or -errno. */
int content_write(const struct content *content, const void *buffer, size_t size, uint64_t offset);
