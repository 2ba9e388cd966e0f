/* Name changes that are carried out once: see once.h for the model. */
#include "fs/once.h"

#include <errno.h>

#include "fs/journal.h"

int once_begin(struct state *state, struct store *store, uint64_t parent, const char *name,
               struct once *ret) {
  struct once once = {0};
  int code = store->ops->find(store, parent, name, &once.now);
  if (code == -ENOENT)
    once.now = 0;
  else if (code < 0)
    return code;
  once.again = journal_again(&once.before);
  if (!once.again)
    once.before = once.now;
  code = journal_start(state, once.before);
  if (code < 0)
    return code;
  *ret = once;
  return 0;
}

bool once_made(const struct once *once) {
  return once->again && once->before == 0 && once->now != 0;
}

bool once_removed(const struct once *once) {
  return once->again && once->before != 0 && once->now != once->before;
}
