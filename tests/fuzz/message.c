/* See message.h. */
#include "message.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define HEADER sizeof(struct wire_in_header)
#define ENDS 160        /* bytes of zeros after a body: the largest structure, and ends of names */
#define VALUE_MAX 64    /* bytes of an attribute's value; the zeros hold as many */
#define ASKED_MAX 65536 /* bytes that are asked for at once */

/* Opcodes of include/uapi/linux/fuse.h that wire.h has no need for. */
enum {
  OP_SYMLINK = 6,
  OP_MKNOD = 8,
  OP_MKDIR = 9,
  OP_RENAME = 12,
  OP_LINK = 13,
  OP_READ = 15,
  OP_WRITE = 16,
  OP_SETXATTR = 21,
  OP_GETXATTR = 22,
  OP_LISTXATTR = 23,
  OP_READDIR = 28,
  OP_CREATE = 35,
  OP_INTERRUPT = 36,
  OP_NOTIFY_REPLY = 41,
  OP_READDIRPLUS = 44,
  OP_RENAME2 = 45,
  OP_COPY_FILE_RANGE = 47,
  OP_TMPFILE = 51,
};

#define WRITE_STRUCTURE 40 /* bytes of struct fuse_write_in */
#define SIZE_OF_DATA 16    /* offset of `size` in fuse_write_in and fuse_read_in */

static void take(struct message_source *source, void *ret, size_t size) {
  size_t there = MIN(size, source->left);
  memset(ret, 0, size);
  memcpy(ret, source->at, there);
  source->at += there;
  source->left -= there;
}

static uint64_t node_of(const struct message_source *source, uint64_t wish) {
  if (wish > 255)
    return wish;
  return wish == 0 || source->nodes == 0
             ? 1
             : source->node[(wish - 1) % MIN(source->nodes, MESSAGE_NODES)];
}

/* The node id at `offset` of the body, if the opcode has one there. */
static void translate_node(const struct message_source *source, const struct wire_in_header *header,
                           unsigned char *body) {
  size_t offset = header->opcode == OP_COPY_FILE_RANGE ? 16 : 0;
  uint64_t node;
  if (header->opcode != OP_LINK && header->opcode != OP_RENAME && header->opcode != OP_RENAME2 &&
      header->opcode != OP_COPY_FILE_RANGE)
    return;
  memcpy(&node, body + offset, sizeof node);
  node = node_of(source, node);
  memcpy(body + offset, &node, sizeof node);
}

static void limit(unsigned char *field, size_t most) {
  uint32_t size;
  memcpy(&size, field, sizeof size);
  size = (uint32_t)MIN(size, most);
  memcpy(field, &size, sizeof size);
}

static void limit_sizes(uint32_t opcode, unsigned char *body, size_t size) {
  switch (opcode) {
  case OP_WRITE:
    limit(body + SIZE_OF_DATA, size - WRITE_STRUCTURE);
    break;
  case OP_SETXATTR:
    limit(body, VALUE_MAX);
    break;
  case OP_READ:
  case OP_READDIR:
  case OP_READDIRPLUS:
    limit(body + SIZE_OF_DATA, ASKED_MAX);
    break;
  case OP_GETXATTR:
  case OP_LISTXATTR:
    limit(body, ASKED_MAX);
    break;
  default:
    break;
  }
}

static void make_header(struct message_source *source, const uint8_t record[4],
                        const unsigned char *body, struct wire_in_header *ret) {
  static const uint32_t ids[] = {0, 1000, 65534, UINT32_MAX - 1};
  uint64_t given;
  memcpy(&given, body, sizeof given);
  if (!(record[2] & 0x80))
    source->unique = (source->unique & ~WIRE_UNIQUE_RESEND) + WIRE_UNIQUE_STEP;
  else
    source->unique |= WIRE_UNIQUE_RESEND;
  *ret = (struct wire_in_header){
      .opcode = record[0],
      .unique = source->unique,
      .nodeid = record[1] == 255 ? given : node_of(source, record[1]),
      .uid = ids[record[2] & 3],
      .gid = ids[record[2] >> 2 & 3],
      .pid = record[2] >> 4 & 7,
  };
}

static bool is_answered(uint32_t opcode) {
  return opcode != WIRE_FORGET && opcode != WIRE_BATCH_FORGET;
}

/* Puts header and body right, in place. */
static void frame(const struct message_source *source, struct message *message) {
  struct wire_in_header header;
  memcpy(&header, message->data, HEADER);
  header.len = (uint32_t)message->size;
  if (header.opcode == OP_NOTIFY_REPLY || header.opcode == OP_INTERRUPT)
    header.opcode = 0;
  memcpy(message->data, &header, HEADER);
  translate_node(source, &header, message->data + HEADER);
  limit_sizes(header.opcode, message->data + HEADER, message->size - HEADER);
  message->answered = is_answered(header.opcode);
}

bool message_next(struct message_source *source, struct message *ret) {
  uint8_t record[4];
  if (source->left == 0)
    return false;
  take(source, record, sizeof record);
  *ret = (struct message){.kind = record[0]};
  if (record[0] == MESSAGE_REPLACE || record[0] == MESSAGE_IDLE)
    return true;
  bool raw = record[0] == MESSAGE_RAW;
  ret->size = HEADER + record[3] + ENDS;
  ret->data = calloc(1, ret->size);
  unsigned char *body = ret->data + (raw ? 0 : HEADER);
  take(source, body, record[3]);
  if (!raw) {
    struct wire_in_header header;
    make_header(source, record, body, &header);
    memcpy(ret->data, &header, HEADER);
  }
  frame(source, ret);
  return true;
}

static bool names_node(uint32_t opcode) {
  return opcode == WIRE_LOOKUP || opcode == OP_SYMLINK || opcode == OP_MKNOD ||
         opcode == OP_MKDIR || opcode == OP_LINK || opcode == OP_CREATE || opcode == OP_TMPFILE;
}

void message_learn(struct message_source *source, const struct message *message, const void *reply,
                   size_t size) {
  struct wire_in_header header;
  struct wire_out_header answer;
  struct wire_entry_out entry;
  memcpy(&header, message->data, HEADER);
  memcpy(&answer, reply, sizeof answer);
  if (answer.error != 0 || !names_node(header.opcode) || size < sizeof answer + sizeof entry)
    return;
  memcpy(&entry, (const char *)reply + sizeof answer, sizeof entry);
  source->node[source->nodes++ % MESSAGE_NODES] = entry.nodeid;
}
