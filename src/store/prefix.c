/* Names with and without a prefix: see prefix.h for the model. */
#include "store/prefix.h"

#include <errno.h>
#include <string.h>

#define SEM "sem." /* how the C library begins the name of a semaphore's file, sem_overview(7) */

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

const char *prefix_refused(const char *prefix) {
  if (!*prefix)
    return "a prefix has at least one character";
  if (strchr(prefix, '/'))
    return "a name has no slash";
  if (strlen(prefix) + 1 > NAME_MAX)
    return "no name would fit after it, as names have at most 255 bytes";
  if (begins(SEM, prefix) || begins(prefix, SEM))
    return "names with it would be those of semaphores";
  return NULL;
}

static bool is_name(const char *name) {
  return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/');
}

int prefix_outside(const char *prefix, const char *inside, char ret_outside[PREFIX_NAME_SIZE]) {
  if (!is_name(inside))
    return -EINVAL;
  if (strlen(prefix) + strlen(inside) > NAME_MAX)
    return -ENAMETOOLONG;
  const char *kind = begins(inside, SEM) ? SEM : "";
  char *end = stpcpy(stpcpy(ret_outside, kind), prefix);
  strcpy(end, inside + strlen(kind)); /* fits: together they are no longer than NAME_MAX */
  return 0;
}

bool prefix_inside(const char *prefix, const char *outside, char ret_inside[PREFIX_NAME_SIZE]) {
  const char *kind = begins(outside, SEM) ? SEM : "";
  const char *rest = outside + strlen(kind);
  if (strlen(outside) > NAME_MAX || !begins(rest, prefix))
    return false;
  rest += strlen(prefix);
  if (!*kind && (!is_name(rest) || begins(rest, SEM)))
    return false;
  strcpy(stpcpy(ret_inside, kind), rest); /* fits: shorter than the name outside */
  return true;
}
