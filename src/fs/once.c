/* Name changes that are carried out once: see once.h for the model. */
#include "fs/once.h"

#include <errno.h>

#include "fs/journal.h"

/* now: the node under the name; 0: none. */
static int begin(struct state *state, uint64_t now, struct once *ret) {
  struct once once = {.now = now};
  once.again = journal_again(&once.before);
  if (!once.again)
    once.before = now;
  int code = journal_start(state, once.before);
  if (code == 0)
    *ret = once;
  return code;
}

int once_begin(struct state *state, struct store *store, uint64_t parent, const char *name,
               struct once *ret) {
  uint64_t now = 0;
  int code = store->ops->find(store, parent, name, &now);
  return code < 0 && code != -ENOENT ? code : begin(state, now, ret);
}

int once_begin_removal(struct state *state, struct store *store, uint64_t parent, const char *name,
                       struct once *ret, struct stat *ret_attributes) {
  struct store_entry entry = {0};
  int code = store->ops->lookup(store, parent, name, &entry);
  if (code < 0 && code != -ENOENT)
    return code;
  code = begin(state, entry.node, ret);
  if (code == 0)
    *ret_attributes = entry.attributes;
  return code;
}

bool once_made(const struct once *once) {
  return once->again && once->before == 0 && once->now != 0;
}

bool once_removed(const struct once *once) {
  return once->again && once->before != 0 && once->now != once->before;
}
