/* What stores have in common whose files are text that is made at the moment it is read: one flat
 * directory, files that are looked at and commanded but hold no memory of their own.
 *
 * Such a store fills in a struct text_kind; the rest of store.h is answered here. Its files say size
 * 0, as those of proc(5) do, and are read to their end; every write is one command, whatever its
 * position. Nothing is consumed by reading.
 *
 * Differences from store.h's general words: a node is gone with its name, also for those who have
 * it open (-ESTALE); nothing is made, linked or renamed (-EPERM); there are no extended attributes.
 *
 * Nodes. They must be told from each other's, and from those of tmpfs inodes (handle.h) and System V
 * segments (sysv.h), where all are shown in one tree, and say by themselves what they stand for. A
 * tmpfs inode's has its number in the low 32 bits, which is neither 0 nor 1 (1 is the root's, which
 * is STORE_ROOT), or it has generation 0 and an id from 0x80000000 on. That leaves, for ids of 31
 * bits:
 *
 *   high 32 bits       low 32 bits        stands for
 *   0                  0x100…0x1ff        a directory of the tree (tree.h)
 *   0                  0x1000…0x7fffffff  a named semaphore, by its file's inode number
 *   bit 31, shmid      0                  a System V segment
 *   1…0x7fffffff       0                  a POSIX message queue, by its inode number
 *   bit 31, semid      1                  a System V semaphore set
 *   msqid + 1          1                  a System V message queue
 *
 * Inode numbers are folded into that: two that are alive at once could only share a node if two
 * billion others had been made between them. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "store/store.h"

/* Bytes. A longer write may reach a store in pieces (the kernel sends 256 pages at a time, of which
 * an unaligned buffer fills one less), and a piece of a command must not be taken for a whole one. */
#define TEXT_WRITE_MAX ((size_t)255 * 4096)

enum text_tag {
  TEXT_OTHER,   /* none of these: a tmpfs inode's, or STORE_ROOT */
  TEXT_SEGMENT, /* not made here, but by the sysv store */
  TEXT_DIRECTORY,
  TEXT_SEM,
  TEXT_MQUEUE,
  TEXT_SYSVSEM,
  TEXT_SYSVMSG,
};

/* id: an inode number (TEXT_SEM, TEXT_MQUEUE), a System V id (>= 0; the one message queue id that is
 * INT_MAX has no node, and gives 0), or 0…0xff for TEXT_DIRECTORY. */
uint64_t text_node(enum text_tag tag, uint64_t id);
enum text_tag text_tag_of(uint64_t node);
/* The System V id, or the number of the directory. */
int text_id_of(uint64_t node);
/* The inode number that it shows; no tmpfs inode has it. */
uint64_t text_ino(uint64_t node);

/* What statx(2) has that stat(2) has as well. */
void text_to_statx(const struct stat *from, unsigned mask, struct statx *ret);

/* A text in the making. Whoever knows where the reader's part is may make that alone. */
struct text {
  char *data;
  size_t length, room;
  int error;       /* -ENOMEM: the rest was lost */
  size_t from, to; /* the part that is asked for */
  size_t start;    /* where in the whole the data begins, at most `from` */
};

/* Appends; a piece of more than 255 bytes is cut off there. */
void text_add(struct text *text, const char *format, ...) G_GNUC_PRINTF(2, 3);

struct text_store {
  struct store base;
  const struct text_kind *kind;
};

/* All functions may be called from several threads at once; 0 or -errno. */
struct text_kind {
  enum text_tag tag;
  void (*free)(struct store *store);
  /* Has the name: -ENOENT. Never called with "", ".", ".." or a slash. */
  int (*find)(struct store *store, const char *name, uint64_t *ret_node);
  /* Of a file or of STORE_ROOT: mode, owner, times; the rest is put right here. -ESTALE. */
  int (*get_attributes)(struct store *store, uint64_t node, struct stat *ret);
  /* store_ops.get_incarnation, of a file. */
  int (*get_incarnation)(struct store *store, uint64_t node, uint64_t *ret);
  int (*get_text)(struct store *store, uint64_t node, struct text *text);
  /* Obeys. NULL: nothing can be written (-EPERM). act: see store.h. */
  int (*command)(struct store *store, uint64_t node, const char *data, size_t size,
                 struct store_act *act);
  /* Changes mode, owner and times, as far as the mask has them. */
  int (*change)(struct store *store, uint64_t node, const struct store_change *change);
  int (*remove)(struct store *store, const char *name);
  /* store_ops.list of the directory; text_list_dots() begins it. */
  int (*list)(struct store *store, uint64_t offset, store_list_fn *fn, void *data);
};

/* kind: stays the caller's. */
void text_store_init(struct text_store *store, const struct text_kind *kind);

#define TEXT_FIRST_POSITION                                                                        \
  3 /* the least cookie that the first name may have; before it the dots */

/* "." and "..", at the positions 1 and 2. True when fn wants to go on. */
bool text_list_dots(uint64_t offset, store_list_fn *fn, void *data);

/* Reports a file of the listing. What fn says. */
int text_list_one(uint64_t node, const char *name, uint64_t position, store_list_fn *fn,
                  void *data);
