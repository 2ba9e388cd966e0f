/* A line of mountinfo is fields between single spaces:
 *   id parent major:minor root mount-point options [tag…] - type source super-options
 * White space and backslashes inside a field are written as \ooo. */
#include "util/mountinfo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { FIELD_ID, FIELD_DEVICE = 2, FIELD_MOUNT_POINT = 4, FIELD_OPTIONS, FIELD_TAGS };

/* Fields after the "-". */
enum { AFTER_TYPE = 1, AFTER_SOURCE, AFTER_SUPER_OPTIONS, AFTER_COUNT };

void mountinfo_free(struct mountinfo *info) {
  if (!info)
    return;
  g_free(info->mount_point);
  g_free(info->type);
  g_free(info->source);
  g_free(info->options);
  g_free(info->super_options);
  g_free(info);
}

static bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

/* A copy of field without its escapes; what is no escape stays as it is. */
static char *decode(const char *field) {
  char *decoded = g_malloc(strlen(field) + 1);
  char *out = decoded;
  while (*field) {
    if (field[0] == '\\' && is_octal(field[1]) && is_octal(field[2]) && is_octal(field[3])) {
      *out++ = (char)((field[1] - '0') * 64 + (field[2] - '0') * 8 + (field[3] - '0'));
      field += 4;
    } else {
      *out++ = *field++;
    }
  }
  *out = '\0';
  return decoded;
}

/* The index of the "-" that ends the optional tags, or -1 when the line is not complete. */
static int find_separator(char **fields) {
  int count = (int)g_strv_length(fields);
  for (int i = FIELD_TAGS; i + AFTER_COUNT <= count; i++)
    if (strcmp(fields[i], "-") == 0)
      return i;
  return -1;
}

int mountinfo_parse(const char *line, struct mountinfo **ret_info) {
  g_autofree char *chomped = g_strndup(line, strcspn(line, "\n"));
  g_auto(GStrv) fields = g_strsplit(chomped, " ", -1);
  int separator = find_separator(fields);
  int id;
  unsigned major_number, minor_number;
  if (separator < 0 || sscanf(fields[FIELD_ID], "%d", &id) != 1 ||
      sscanf(fields[FIELD_DEVICE], "%u:%u", &major_number, &minor_number) != 2)
    return -EINVAL;
  struct mountinfo *info = g_new0(struct mountinfo, 1);
  info->id = id;
  info->device = makedev(major_number, minor_number);
  info->mount_point = decode(fields[FIELD_MOUNT_POINT]);
  info->options = decode(fields[FIELD_OPTIONS]);
  info->type = decode(fields[separator + AFTER_TYPE]);
  info->source = decode(fields[separator + AFTER_SOURCE]);
  info->super_options = decode(fields[separator + AFTER_SUPER_OPTIONS]);
  *ret_info = info;
  return 0;
}

/* Mounts are listed in the order in which they were made, so the last one at a path is on top. */
static int find_last(FILE *file, const char *path, struct mountinfo **ret_info) {
  struct mountinfo *found = NULL;
  char *line = NULL;
  size_t size = 0;
  errno = 0;
  while (getline(&line, &size, file) >= 0) {
    struct mountinfo *info;
    if (mountinfo_parse(line, &info) < 0)
      continue;
    if (strcmp(info->mount_point, path) != 0) {
      mountinfo_free(info);
      continue;
    }
    mountinfo_free(found);
    found = info;
  }
  int failure = ferror(file) ? errno : 0;
  free(line);
  if (failure || !found) {
    mountinfo_free(found);
    return failure ? -failure : -ENOENT;
  }
  *ret_info = found;
  return 0;
}

int mountinfo_find(const char *path, struct mountinfo **ret_info) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (!file)
    return -errno;
  int r = find_last(file, path, ret_info);
  fclose(file);
  return r;
}
