/* What the files of the sysv store share. */
#pragma once

#include <glib.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "store/handle.h"
#include "store/sysv.h"
#include "util/fd.h"

#define SYSV_NAME_SIZE 32 /* "0x" and 8 digits, or "shmid." and 10, with the final 0 */

struct sysv_store {
  struct store base;
  int directory; /* of the staged files */
  struct handle_table *handles;
  const char *record_name; /* extended attribute of a staged file: its struct sysv_record */
  struct timespec born;    /* the directory's time of change: it has none of its own */
  GMutex making;           /* held while a staged file becomes a segment; see sysv-staged.c */
};

static inline struct sysv_store *sysv_of(struct store *store) {
  return (struct sysv_store *)store;
}

/* sysv-segment.c: one segment, by its shmid. */

uint64_t sysv_node(int id);
ino_t sysv_ino(int id); /* the inode number that it shows */
bool sysv_is_segment(uint64_t node);
int sysv_id(uint64_t node);

/* What the kernel knows of it, without needing any permission; -ESTALE. */
int sysv_stat(int id, struct shmid_ds *ret);
/* The same by position in the kernel's table, for listings; -EINVAL for an empty one. */
int sysv_stat_index(int index, int *ret_id, struct shmid_ds *ret);
/* The segment that has the key (not IPC_PRIVATE); -ENOENT. */
int sysv_find_key(key_t key, int *ret_id);

void sysv_fill(int id, const struct shmid_ds *segment, struct stat *ret);
/* Mode and owner (IPC_SET), and what is to be said to the rest; see sysv.h. */
int sysv_change_segment(int id, const struct store_change *change);
int sysv_remove(int id);

/* An ordinary descriptor of its memory, O_RDWR; or 0 with -1 where there is none to be had. -EACCES
 * when this process may not attach it, for writing with access O_RDWR, else for reading. */
int sysv_descriptor(int id, int access, int *ret_fd);
/* Does the machine have huge pages, used or not? */
bool sysv_huge_pages_exist(void);
/* Is it made of huge pages? -errno when that cannot be found out. */
int sysv_is_huge(int id);

/* Data through an attachment that lasts for the call. Never a signal: memory that cannot be had is
 * -EIO. Reads end at the segment's size, writes are short there, and -ENOSPC past it. */
ssize_t sysv_read_segment(int id, void *buffer, size_t size, off_t offset);
ssize_t sysv_write_segment(int id, const void *buffer, size_t size, off_t offset);
/* Copies fd's data, up to the segment's size; holes stay as they are. */
int sysv_copy_from(int id, int fd);

/* sysv-name.c */

struct sysv_name {
  key_t key; /* IPC_PRIVATE: then */
  int id;
};

/* -EINVAL when no segment can have the name, -ENAMETOOLONG. */
int sysv_parse_name(const char *name, struct sysv_name *ret);
void sysv_format_name(int id, const struct shmid_ds *segment, char ret_name[SYSV_NAME_SIZE]);
/* The segment that has the name now; -ENOENT, -ENAMETOOLONG. */
int sysv_find_name(const char *name, int *ret_id, struct shmid_ds *ret);

/* sysv-staged.c */

enum sysv_phase {
  SYSV_STAGED, /* a file only */
  SYSV_MAKING, /* maker was about to make the segment, with `size` bytes */
  SYSV_MADE,   /* the segment `id` */
};

/* What a staged file is on the way to; kept in an extended attribute, so that it outlives the
 * process. Its owner and mode are the inode's own. */
struct sysv_record {
  uint32_t phase; /* enum sysv_phase */
  key_t key;
  int32_t maker; /* process id */
  int32_t id;
  uint64_t size;
};

/* A staged file, O_RDWR, and its record; -ESTALE when it is none. */
int sysv_open_staged(struct sysv_store *store, uint64_t node, int *ret_fd, struct sysv_record *ret);
int sysv_change_staged(struct sysv_store *store, uint64_t node, const struct store_change *change,
                       struct stat *ret);
/* Its attributes: the segment's, once there is one. */
int sysv_stat_staged(struct sysv_store *store, uint64_t node, struct stat *ret);

/* Which segment a node stands for: its own, or the one that a staged file has become. -ENODATA for a
 * staged file that has not, -ESTALE, -EISDIR for the directory. */
int sysv_segment_of(struct sysv_store *store, uint64_t node, int *ret_id);

/* The operations by file; see store.h. */
int sysv_create(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
                int flags, struct store_entry *ret, struct store_file *ret_file);
int sysv_flush(struct store *base, uint64_t node);
ssize_t sysv_read(struct store *base, uint64_t node, void *buffer, size_t size, off_t offset);
ssize_t sysv_write(struct store *base, uint64_t node, const void *buffer, size_t size,
                   off_t offset);

/* sysv-list.c */
int sysv_list(struct store *base, uint64_t node, uint64_t offset, store_list_fn *fn, void *data);
int sysv_get_statvfs(struct store *base, struct statvfs *ret);

/* sysv-xattr.c */
ssize_t sysv_get_xattr(struct store *base, uint64_t node, const char *name, void *value,
                       size_t size);
ssize_t sysv_list_xattr(struct store *base, uint64_t node, char *list, size_t size);
int sysv_set_xattr(struct store *base, uint64_t node, const char *name, const void *value,
                   size_t size, int flags);
int sysv_remove_xattr(struct store *base, uint64_t node, const char *name);
