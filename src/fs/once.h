/* Name changes that are carried out once, though their request may come twice.
 *
 * Before such a request does anything, the node that its name leads to (0: none) is written to the
 * journal. A second run, after a kill, compares: to unlink or rename a name that no longer leads to
 * what the first run found is already done; a name that exists now and did not before was made by
 * the first run. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fs/state.h"
#include "store/store.h"

struct once {
  bool again;      /* a worker that died had begun this request */
  uint64_t before; /* node under the name when the request was first begun; 0: none */
  uint64_t now;    /* node under the name now; 0: none */
};

/* Looks the name up and begins the request in hand. 0, or -errno other than -ENOENT. */
int once_begin(struct state *state, struct store *store, uint64_t parent, const char *name,
               struct once *ret);

/* The same for a removal, which needs what it removes: the attributes of `now`, all 0 where that is 0. */
int once_begin_removal(struct state *state, struct store *store, uint64_t parent, const char *name,
                       struct once *ret, struct stat *ret_attributes);

/* Did the first run make the name? Asked when making it failed with -EEXIST. */
bool once_made(const struct once *once);

/* Did the first run remove the name, or rename it away? Asked before doing so. */
bool once_removed(const struct once *once);
