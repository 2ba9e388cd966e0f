/* A line: from-to perms offset major:minor inode path, numbers in hexadecimal but for the inode. Fields
 * are apart by one blank, the path by several. In the path only a newline is escaped. */
#include "ctl/maps.h"

#include <glib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define DELETED " (deleted)"

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads digits up to the first other character, and passes over that one. */
static const char *read_hex(const char *at, const char *end, uint64_t *ret) {
  uint64_t value = 0;
  for (; at < end && hex_value(*at) >= 0; at++)
    value = value << 4 | (uint64_t)hex_value(*at);
  *ret = value;
  return at < end ? at + 1 : at;
}

static const char *read_decimal(const char *at, const char *end, uint64_t *ret) {
  uint64_t value = 0;
  for (; at < end && *at >= '0' && *at <= '9'; at++)
    value = value * 10 + (uint64_t)(*at - '0');
  *ret = value;
  return at;
}

static const char *read_permissions(const char *at, const char *end, struct maps_line *ret) {
  if (end - at < 5)
    return end;
  ret->readable = at[0] == 'r';
  ret->writable = at[1] == 'w';
  ret->private = at[3] == 'p';
  return at + 5;
}

const char *maps_next(const char *text, const char *end, struct maps_line *ret) {
  const char *stop = memchr(text, '\n', (size_t)(end - text));
  if (!stop)
    return NULL;
  uint64_t major_number, minor_number;
  const char *at = read_hex(text, stop, &ret->from);
  at = read_hex(at, stop, &ret->to);
  at = read_permissions(at, stop, ret);
  at = read_hex(at, stop, &ret->offset);
  at = read_hex(at, stop, &major_number);
  at = read_hex(at, stop, &minor_number);
  at = read_decimal(at, stop, &ret->inode);
  ret->device = makedev((unsigned)major_number, (unsigned)minor_number);
  while (at < stop && *at == ' ')
    at++;
  ret->path = at;
  ret->path_length = (size_t)(stop - at);
  return stop + 1;
}

char *maps_path(const struct maps_line *line, bool *ret_deleted) {
  size_t length = line->path_length, mark = strlen(DELETED);
  *ret_deleted = length > mark && memcmp(line->path + length - mark, DELETED, mark) == 0;
  if (*ret_deleted)
    length -= mark;
  g_autofree char *raw = g_strndup(line->path, length);
  GString *path = g_string_new(raw);
  g_string_replace(path, "\\012", "\n", 0);
  return g_string_free(path, FALSE);
}
