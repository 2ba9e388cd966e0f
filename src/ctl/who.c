/* shmfsctl who: each mapping and each descriptor of an object. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/maps.h"
#include "ctl/target.h"
#include "ctl/text.h"

enum who_column {
  WHO_NAME,
  WHO_PID,
  WHO_USER,
  WHO_COMMAND,
  WHO_HOW,
  WHO_ADDRESS,
  WHO_RESIDENT,
  WHO_VIA,
  WHO_COLUMNS
};

static const struct column columns[WHO_COLUMNS] = {
    [WHO_NAME] = {"NAME", VALUE_TEXT, true, "the object"},
    [WHO_PID] = {"PID", VALUE_COUNT, false, "the process"},
    [WHO_USER] = {"USER", VALUE_TEXT, false, "its effective user"},
    [WHO_COMMAND] = {"COMMAND", VALUE_TEXT, true, "its name"},
    [WHO_HOW] = {"HOW", VALUE_TEXT, false, "map or fd, rw or ro"},
    [WHO_ADDRESS] = {"ADDRESS", VALUE_TEXT, false, "of a mapping"},
    [WHO_RESIDENT] = {"RESIDENT", VALUE_BYTES, false,
                      "of a mapping: bytes that the process has touched"},
    [WHO_VIA] = {"VIA", VALUE_TEXT, true, "native, or the mount point"},
};

static char *how_text(const struct hold *hold) {
  const char *access = hold->writable ? "rw" : "ro";
  if (hold->kind == HOLD_DESCRIPTOR)
    return g_strdup_printf("fd %d %s", hold->descriptor, access);
  return g_strdup_printf("map %s%s", access, hold->private ? " private" : "");
}

/* The line "Rss:" of the mapping in /proc/PID/smaps that begins at that address; UNKNOWN when the
 * mapping is another by now, or the kernel does not tell us. */
static uint64_t resident_in(FILE *smaps, uint64_t from, uint64_t to) {
  char *line = NULL;
  size_t size = 0;
  uint64_t kilobytes = UNKNOWN;
  bool inside = false;
  ssize_t length;
  while (kilobytes == UNKNOWN && (length = getline(&line, &size, smaps)) > 0) {
    struct maps_line map = {0};
    if (inside && g_str_has_prefix(line, "Rss:"))
      kilobytes = strtoull(line + strlen("Rss:"), NULL, 10);
    else if (g_ascii_islower(*line) || g_ascii_isdigit(*line))
      inside = maps_next(line, line + length, &map) && map.from == from && map.to == to;
  }
  free(line);
  return kilobytes == UNKNOWN ? UNKNOWN : kilobytes * 1024;
}

static uint64_t resident_of(const struct hold *hold) {
  char path[64];
  if (hold->kind != HOLD_MAP)
    return UNKNOWN;
  snprintf(path, sizeof(path), "/proc/%d/smaps", hold->process->pid);
  FILE *smaps = fopen(path, "re");
  if (!smaps)
    return UNKNOWN;
  uint64_t resident = resident_in(smaps, hold->from, hold->to);
  fclose(smaps);
  return resident;
}

static void add_hold(struct table *table, const struct object *object, const struct hold *hold) {
  struct value *row = table_add_row(table, COLOUR_NONE);
  GString *user = g_string_new(NULL);
  text_append_user(user, hold->process->uid);
  row[WHO_NAME].text = text_name(object->name);
  row[WHO_PID].number = (uint64_t)hold->process->pid;
  row[WHO_USER].text = g_string_free(user, FALSE);
  row[WHO_COMMAND].text = text_name(hold->process->command);
  row[WHO_HOW].text = how_text(hold);
  if (hold->kind == HOLD_MAP)
    row[WHO_ADDRESS].text =
        g_strdup_printf("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x", hold->from, hold->to);
  row[WHO_RESIDENT].number = resident_of(hold);
  row[WHO_VIA].text = hold->through ? text_name(hold->through) : g_strdup("native");
}

/* The names of one inode have the same holds, which are shown once. */
static bool is_new(GHashTable *seen, const struct object *object) {
  return g_hash_table_add(seen, object->holds);
}

static void add_object(struct table *table, const struct inventory *inventory,
                       const struct object *object) {
  for (unsigned i = 0; i < object->holds->len; i++)
    add_hold(table, object, object->holds->pdata[i]);
  uint64_t seen = object_count(object, HOLD_MAP);
  if (object->kind != OBJECT_SYSV || object->attached <= seen)
    return;
  g_autofree char *name = text_name(object->name);
  complain("%s: attached %" G_GUINT64_FORMAT " times, of which %" G_GUINT64_FORMAT " were seen%s",
           name, object->attached, seen,
           inventory->hidden ? "; others may be outside of this PID namespace" : "");
}

static int find_all(const struct inventory *inventory, char **words, struct table *table) {
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  int status = STATUS_FOUND;
  for (; *words; words++) {
    g_autoptr(GPtrArray) found = target_find(inventory, *words);
    unsigned holds = 0;
    for (unsigned i = 0; i < found->len; i++) {
      const struct object *object = found->pdata[i];
      holds += object->holds->len;
      if (is_new(seen, object))
        add_object(table, inventory, object);
    }
    if (found->len == 0)
      complain("%s: there is no such object", *words);
    else if (holds == 0)
      complain("%s: nobody that can be seen holds it", *words);
    if (holds == 0)
      status = found->len > 0 && inventory->refused > 0 ? STATUS_REFUSED : STATUS_NOTHING;
  }
  return status;
}

static int report(const struct common *common, char **words) {
  struct inventory *inventory;
  int r = take_inventory(common, INVENTORY_HOLDS, &inventory);
  if (r != 0)
    return r;
  struct table *table = table_new(columns, WHO_COLUMNS, WHO_COLUMNS);
  r = find_all(inventory, words, table);
  table_print(table, &common->style);
  note_refused(inventory);
  table_free(table);
  inventory_free(inventory);
  return r;
}

int who_run(int argc, char **argv) {
  struct common common = {0};
  GOptionEntry entries[COMMON_ENTRIES + 1] = {0};
  unsigned used = 0;
  common_entries(&common, entries, &used);
  int r = arguments_parse("NAME|PATH|KEY|SHMID…",
                          "Shows each process that maps an object or has it open, also objects "
                          "that have been deleted.",
                          entries, &argc, &argv);
  if (r == 0 && argc < 2) {
    complain("who: name an object, a path, a segment's key (0x…) or its id");
    r = STATUS_USAGE;
  }
  if (r == 0)
    r = report(&common, argv + 1);
  common_clear(&common);
  return r;
}
