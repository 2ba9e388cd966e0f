/* The names of segments. Each segment has exactly one, and a name has one spelling, so that what a
 * listing shows and what can be looked up are the same. */
#include "store/sysv-internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIVATE_PREFIX "shmid."

/* How often a segment may be removed and made again between the two looks at it. */
#define FIND_TRIES 64

static bool is_hex(const char *digits, size_t count) {
  return strspn(digits, "0123456789abcdef") == count && digits[count] == '\0';
}

int sysv_parse_name(const char *name, struct sysv_name *ret) {
  if (strlen(name) > NAME_MAX)
    return -ENAMETOOLONG;
  struct sysv_name parsed = {.key = IPC_PRIVATE, .id = -1};
  if (strncmp(name, "0x", 2) == 0 && is_hex(name + 2, 8)) {
    parsed.key = (key_t)strtoul(name + 2, NULL, 16);
    if (parsed.key == IPC_PRIVATE)
      return -EINVAL;
  } else if (g_str_has_prefix(name, PRIVATE_PREFIX)) {
    unsigned long id = strtoul(name + strlen(PRIVATE_PREFIX), NULL, 10);
    char spelled[SYSV_NAME_SIZE];
    snprintf(spelled, sizeof(spelled), PRIVATE_PREFIX "%d", (int)MIN(id, INT_MAX));
    if (strcmp(spelled, name) != 0)
      return -EINVAL;
    parsed.id = (int)id;
  } else {
    return -EINVAL;
  }
  *ret = parsed;
  return 0;
}

void sysv_format_name(int id, const struct shmid_ds *segment, char ret_name[SYSV_NAME_SIZE]) {
  if (segment->shm_perm.__key == IPC_PRIVATE)
    snprintf(ret_name, SYSV_NAME_SIZE, PRIVATE_PREFIX "%d", id);
  else
    snprintf(ret_name, SYSV_NAME_SIZE, "0x%08x", (unsigned)segment->shm_perm.__key);
}

/* -EAGAIN: not the one that the name meant a moment ago. */
static int find_once(const struct sysv_name *name, int *ret_id, struct shmid_ds *ret) {
  int id = name->id;
  int r = name->key == IPC_PRIVATE ? 0 : sysv_find_key(name->key, &id);
  if (r < 0)
    return r;
  struct shmid_ds segment = {0};
  r = sysv_stat(id, &segment);
  if (r < 0 || segment.shm_perm.__key != name->key)
    return name->key == IPC_PRIVATE ? -ENOENT : -EAGAIN;
  if (segment.shm_perm.mode & SHM_DEST) /* its key is IPC_PRIVATE by then */
    return -ENOENT;
  *ret_id = id;
  *ret = segment;
  return 0;
}

int sysv_find_name(const char *name, int *ret_id, struct shmid_ds *ret) {
  struct sysv_name parsed;
  int r = sysv_parse_name(name, &parsed);
  if (r < 0)
    return r == -EINVAL ? -ENOENT : r;
  r = -EAGAIN;
  for (int tries = 0; r == -EAGAIN && tries < FIND_TRIES; tries++)
    r = find_once(&parsed, ret_id, ret);
  return r == -EAGAIN ? -ENOENT : r;
}
