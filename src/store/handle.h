/* Nodes of tmpfs inodes, made from the kernel's file handles (name_to_handle_at(2)).
 *
 * tmpfs's handle (fs/shmem.c, shmem_encode_fh: type 1, 12 bytes) is three 32-bit words: generation,
 * inode number low, inode number high. node = generation << 32 | inode number when the number fits
 * in 32 bits and the generation is not 0. Generation 0 is the tag of what is no tmpfs inode:
 * STORE_ROOT, and the ids of a small side table in which the exceptions (one inode in four billion,
 * and those after four billion creations) get their own ids, from 0x80000000 on. Such an id is a
 * hash of the handle, so that the table of another process gives the same one. The table is
 * bounded (HANDLE_SIDE_MAX); what it has dropped, or not seen yet, answers -ESTALE until it is
 * looked up by name again. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Entries of the side table, about 100 bytes each. */
#define HANDLE_SIDE_MAX 262144

struct handle_table;

/* What the kernel's handle says. */
struct handle {
  uint32_t generation;
  uint64_t ino;
};

/* root_fd: a directory on a tmpfs, open for reading (not O_PATH); borrowed, and to be kept open as
 * long as the table. Returns 0 or -errno; -EOPNOTSUPP when its file system's handles are not
 * tmpfs's. Free with handle_table_free(), which takes NULL. */
int handle_table_new(int root_fd, struct handle_table **ret_table);
void handle_table_free(struct handle_table *table);

/* Can nodes be opened (CAP_DAC_READ_SEARCH)? Probed by opening the root's own handle. */
bool handle_table_can_open(const struct handle_table *table);

/* The node of `name` in dirfd, not following a symbolic link (or of dirfd itself, any kind of
 * descriptor, with name "").
 * 0, -ENOENT, -ENAMETOOLONG, …; -EXDEV for something that is on another file system (a mount). */
int handle_node_at(struct handle_table *table, int dirfd, const char *name, uint64_t *ret_node);

/* Opens the inode with open(2)'s flags (O_CLOEXEC added). 0 or -ESTALE when it is gone, -ELOOP for
 * a symbolic link without O_PATH. */
int handle_open(struct handle_table *table, uint64_t node, int flags, int *ret_fd);

/* The inode number that a node has in st_ino; for comparing with a stat. */
uint64_t handle_ino(struct handle_table *table, uint64_t node);

/* Are both descriptors, of the same tmpfs (whichever it is), those of one inode? */
bool handle_is_same(int a, int b);

/* The node of a handle, and the handle of a node (0, or -ESTALE for an id that the side table does
 * not have). What the functions above are made of; for tests of what tmpfs cannot be made to do. */
uint64_t handle_to_node(struct handle_table *table, const struct handle *handle);
int handle_from_node(struct handle_table *table, uint64_t node, struct handle *ret_handle);
