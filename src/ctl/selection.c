#include "ctl/selection.h"

#include <fnmatch.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/text.h"

void selection_entries(struct selection *selection, GOptionEntry *entries, unsigned *used) {
  const GOptionEntry own[SELECTION_ENTRIES] = {
      {"user", 'u', 0, G_OPTION_ARG_STRING, &selection->user, "only this user's", "NAME|UID"},
      {"kind", 'k', 0, G_OPTION_ARG_STRING, &selection->kind,
       "only these: posix, sem, file (in a directory), sysv", "KIND,…"},
      {"larger", 0, 0, G_OPTION_ARG_STRING, &selection->larger, "only of at least this size",
       "SIZE"},
      {"older", 0, 0, G_OPTION_ARG_STRING, &selection->older, "only of at least this age (7d, 12h)",
       "AGE"},
  };
  memcpy(entries + *used, own, sizeof(own));
  *used += SELECTION_ENTRIES;
}

void selection_holder_entries(struct selection *selection, GOptionEntry *entries, unsigned *used) {
  const GOptionEntry own[HOLDER_ENTRIES] = {
      {"orphans", 0, 0, G_OPTION_ARG_NONE, &selection->orphans, "only what nobody holds", NULL},
      {"deleted", 0, 0, G_OPTION_ARG_NONE, &selection->deleted,
       "only what has no name any more, and is still held", NULL},
  };
  memcpy(entries + *used, own, sizeof(own));
  *used += HOLDER_ENTRIES;
}

void selection_clear(struct selection *selection) {
  g_free(selection->user);
  g_free(selection->kind);
  g_free(selection->larger);
  g_free(selection->older);
}

static int resolve_kind(struct selection *selection, const char *word) {
  for (unsigned kind = 0; kind < OBJECT_KINDS; kind++)
    if (strcmp(word, object_kind_name(kind)) == 0) {
      selection->kinds |= 1U << kind;
      return 0;
    }
  complain("there is no kind '%s'; kinds are posix, sem, file and sysv", word);
  return STATUS_USAGE;
}

static int resolve_kinds(struct selection *selection) {
  g_auto(GStrv) words = g_strsplit(selection->kind, ",", -1);
  int r = words[0] ? 0 : resolve_kind(selection, "");
  for (unsigned i = 0; r == 0 && words[i]; i++)
    r = resolve_kind(selection, words[i]);
  return r;
}

int selection_resolve(struct selection *selection) {
  selection->now = (int64_t)time(NULL);
  if (selection->user && !text_parse_user(selection->user, &selection->uid)) {
    complain("there is no user '%s'", selection->user);
    return STATUS_USAGE;
  }
  if (selection->larger && !text_parse_size(selection->larger, &selection->least_size)) {
    complain("'%s' is no size; one is 4096, 64K, 1.5G, …", selection->larger);
    return STATUS_USAGE;
  }
  if (selection->older && !text_parse_age(selection->older, &selection->least_age)) {
    complain("'%s' is no age; one is 90s, 30m, 12h, 7d, …", selection->older);
    return STATUS_USAGE;
  }
  return selection->kind ? resolve_kinds(selection) : 0;
}

uint64_t selection_age(const struct selection *selection, const struct object *object) {
  return selection->now > object->born ? (uint64_t)(selection->now - object->born) : 0;
}

static bool matches_pattern(const struct selection *selection, const char *name) {
  if (!selection->patterns || !selection->patterns[0])
    return true;
  for (unsigned i = 0; selection->patterns[i]; i++) {
    const char *pattern = selection->patterns[i];
    if (fnmatch(pattern + (*pattern == '/'), name, 0) == 0)
      return true;
  }
  return false;
}

bool selection_has(const struct selection *selection, const struct object *object) {
  if (selection->user && object->uid != selection->uid)
    return false;
  if (selection->kinds && !(selection->kinds & 1U << object->kind))
    return false;
  if (selection->orphans && object_is_held(object))
    return false;
  if (object->deleted != (bool)selection->deleted)
    return false;
  if (selection->larger && (object->size == UNKNOWN || object->size < selection->least_size))
    return false;
  if (selection->older && selection_age(selection, object) < selection->least_age)
    return false;
  return matches_pattern(selection, object->name);
}
