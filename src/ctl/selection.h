/* Which objects a command is about: filters, all of which must agree, and name patterns, one of which
 * must (or there are none). */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "ctl/inventory.h"

struct selection {
  /* As given; NULL when not. */
  char *user, *kind, *larger, *older;
  gboolean orphans, deleted;
  char **patterns; /* borrowed, NULL-terminated: shell patterns; a leading / means nothing */

  /* As meant; selection_resolve() */
  uid_t uid;
  unsigned kinds; /* bits by enum object_kind; 0: all */
  uint64_t least_size, least_age;
  int64_t now; /* seconds since 1970 */
};

#define SELECTION_ENTRIES 4
#define HOLDER_ENTRIES 2

/* As common_entries(). */
void selection_entries(struct selection *selection, GOptionEntry *entries, unsigned *used);
/* Those about holders: --orphans, --deleted. */
void selection_holder_entries(struct selection *selection, GOptionEntry *entries, unsigned *used);
void selection_clear(struct selection *selection);

/* 0, or STATUS_USAGE when a message has been written. */
int selection_resolve(struct selection *selection);

/* Seconds since the object came to be; 0 for what is from the future. */
uint64_t selection_age(const struct selection *selection, const struct object *object);

bool selection_has(const struct selection *selection, const struct object *object);
