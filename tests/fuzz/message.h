/* A FUSE message, made of a few bytes of an input and framed as the kernel frames it.
 *
 * libfuse believes the kernel: what its handlers read of a message (a structure by the opcode, names
 * that end with 0, as many bytes of data as a field says) is not compared with the message's size. The
 * kernel is trusted, since it does what it likes with the process anyway. So a message here may have any
 * opcode and any content, but it has, as the kernel's do:
 *
 * - room for the structure and two ends of names after it, which are zeros unless the input has them;
 * - sizes of data in it (WRITE, SETXATTR) that it really holds, and no request for more than the
 *   kernel asks for at a time (READ, READDIR, GETXATTR, LISTXATTR);
 * - no NOTIFY_REPLY, which only answers a notification that is never sent; and no INTERRUPT, of which
 *   nobody here hears: libfuse keeps one until its request comes, and does not free it at the end.
 *
 * A record of the input, of which a missing rest is zero:
 *
 *   1  opcode; from MESSAGE_SPECIAL on enum message_special
 *   1  node: 0 the root, else one of those that replies named so far; 255: the body's first 8 bytes
 *   1  who: bits 0-1 uid, 2-3 gid, 4-6 thread, 7: the last message once more, sent again
 *   1  length of the body
 *      body: what follows the header. Node ids in it that are below 256 are replaced as `node` is */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/wire.h"

#define MESSAGE_NODES 16 /* that are remembered of replies */
#define MESSAGE_SPECIAL 240

enum message_special {
  MESSAGE_REPLACE = MESSAGE_SPECIAL, /* no message: another worker takes over */
  MESSAGE_IDLE,                      /* no message: there is nothing to do for a while */
  MESSAGE_RAW,                       /* the body is the message, with its header */
};

struct message {
  uint8_t kind;        /* the record's first byte */
  bool answered;       /* such a message gets exactly one reply */
  unsigned char *data; /* of exactly `size` bytes; NULL for what is no message */
  size_t size;
};

/* What makes the next message of an input. */
struct message_source {
  const uint8_t *at;
  size_t left;
  uint64_t unique; /* of the last message */
  uint64_t node[MESSAGE_NODES];
  unsigned nodes;
};

/* The next record. False at the end. data: for free(). */
bool message_next(struct message_source *source, struct message *ret);

/* Remembers the node that a reply (header first) to the message names. */
void message_learn(struct message_source *source, const struct message *message, const void *reply,
                   size_t size);
