/* shmfsctl ls: the objects, one a line. Processes are looked into only when a column or a filter is
 * about holders. */
#include <stdio.h>
#include <unistd.h>

#include "ctl/columns.h"
#include "ctl/ctl.h"
#include "ctl/text.h"

#define DEFAULT_SORT COLUMN_RESIDENT /* what fills the memory comes first */

struct list {
  struct common common;
  struct selection selection;
  char *columns, *sort;
  gboolean reverse, commands;

  enum object_column chosen[OBJECT_COLUMNS + 1];
  unsigned shown; /* of them; one more, to sort by, may follow */
  enum object_column sorted_by;
};

static const enum object_column default_columns[] = {
    COLUMN_NAME, COLUMN_KIND, COLUMN_SIZE, COLUMN_RESIDENT, COLUMN_SWAPPED, COLUMN_OWNER,
    COLUMN_MODE, COLUMN_AGE,  COLUMN_MAPS, COLUMN_OPENS,    COLUMN_PIDS,
};

static int parse(struct list *list, int *argc, char ***argv) {
  GOptionEntry entries[COMMON_ENTRIES + SELECTION_ENTRIES + HOLDER_ENTRIES + 5] = {
      {"output", 'o', 0, G_OPTION_ARG_STRING, &list->columns,
       "these columns; with + before them, these too", "COLUMN,…"},
      {"sort", 's', 0, G_OPTION_ARG_STRING, &list->sort,
       "by this column, the largest first (default RESIDENT)", "COLUMN"},
      {"reverse", 'r', 0, G_OPTION_ARG_NONE, &list->reverse, "the other way round", NULL},
      {"long", 'l', 0, G_OPTION_ARG_NONE, &list->commands, "name the holders' commands", NULL},
  };
  unsigned used = 4;
  selection_entries(&list->selection, entries, &used);
  selection_holder_entries(&list->selection, entries, &used);
  common_entries(&list->common, entries, &used);
  GString *summary = g_string_new("Lists shared memory objects and who holds them. Columns:\n");
  for (unsigned i = 0; i < OBJECT_COLUMNS; i++)
    g_string_append_printf(summary, "  %-9s %s\n", object_columns[i].name, object_columns[i].help);
  int r = arguments_parse("[PATTERN…]", summary->str, entries, argc, argv);
  g_string_free(summary, TRUE);
  return r;
}

static int resolve_column(const char *name, enum object_column *ret) {
  int column = column_find(object_columns, OBJECT_COLUMNS, name);
  if (column < 0) {
    complain("there is no column '%s'; shmfsctl ls --help names them", name);
    return STATUS_USAGE;
  }
  *ret = (enum object_column)column;
  return 0;
}

/* A column is shown once, where it was named first. */
static void choose(struct list *list, enum object_column column) {
  if (column == COLUMN_PIDS && list->commands)
    column = COLUMN_COMMANDS;
  for (unsigned i = 0; i < list->shown; i++)
    if (list->chosen[i] == column)
      return;
  list->chosen[list->shown++] = column;
}

static int choose_named(struct list *list, const char *names) {
  g_auto(GStrv) words = g_strsplit(names, ",", -1);
  for (unsigned i = 0; words[i]; i++) {
    enum object_column column;
    int r = resolve_column(words[i], &column);
    if (r != 0)
      return r;
    choose(list, column);
  }
  if (list->shown > 0)
    return 0;
  complain("-o names no column");
  return STATUS_USAGE;
}

static int resolve(struct list *list) {
  int r = selection_resolve(&list->selection);
  list->sorted_by = DEFAULT_SORT;
  if (r == 0 && list->sort)
    r = resolve_column(list->sort, &list->sorted_by);
  if (r != 0)
    return r;
  const char *names = list->columns;
  if (!names || *names == '+')
    for (size_t i = 0; i < G_N_ELEMENTS(default_columns); i++)
      choose(list, default_columns[i]);
  if (names)
    r = choose_named(list, names + (*names == '+'));
  list->chosen[list->shown] = list->sorted_by;
  return r;
}

static unsigned parts_needed(const struct list *list) {
  bool holds = list->selection.orphans || list->selection.deleted;
  for (unsigned i = 0; i <= list->shown; i++)
    holds |= column_needs_holds(list->chosen[i]);
  return INVENTORY_MEMORY | (holds ? INVENTORY_HOLDS : 0);
}

static enum row_colour colour_of(const struct inventory *inventory, const struct object *object) {
  if (object->deleted)
    return COLOUR_RED;
  return inventory->devices && !object_is_held(object) ? COLOUR_YELLOW : COLOUR_NONE;
}

static unsigned print(const struct list *list, const struct inventory *inventory) {
  struct column columns[OBJECT_COLUMNS + 1];
  for (unsigned i = 0; i <= list->shown; i++)
    columns[i] = object_columns[list->chosen[i]];
  struct table *table = table_new(columns, list->shown + 1, list->shown);
  unsigned count = 0;
  for (unsigned i = 0; i < inventory->objects->len; i++) {
    const struct object *object = inventory->objects->pdata[i];
    if (!selection_has(&list->selection, object))
      continue;
    struct value *row = table_add_row(table, colour_of(inventory, object));
    for (unsigned j = 0; j <= list->shown; j++)
      column_fill(&row[j], list->chosen[j], object, &list->selection);
    count++;
  }
  table_sort(table, list->shown, list->reverse);
  table_print(table, &list->common.style);
  table_free(table);
  return count;
}

/* A person who asks what fills the memory should know what is not shown. */
static void note_deleted(const struct list *list, const struct inventory *inventory) {
  uint64_t bytes = 0;
  unsigned count = 0;
  for (unsigned i = 0; i < inventory->objects->len; i++) {
    const struct object *object = inventory->objects->pdata[i];
    if (object->deleted) {
      count++;
      bytes += object->resident == UNKNOWN ? 0 : object->resident;
    }
  }
  if (count == 0 || list->selection.deleted || !isatty(STDERR_FILENO))
    return;
  GString *size = g_string_new(NULL);
  text_append_size(size, bytes);
  complain("%u deleted %s %s: see ls --deleted", count,
           text_plural(count, "object still holds", "objects still hold"), size->str);
  g_string_free(size, TRUE);
}

static int list_objects(const struct list *list) {
  struct inventory *inventory;
  int r = take_inventory(&list->common, parts_needed(list), &inventory);
  if (r != 0)
    return r;
  unsigned count = print(list, inventory);
  note_deleted(list, inventory);
  note_refused(inventory);
  inventory_free(inventory);
  return count > 0 ? STATUS_FOUND : STATUS_NOTHING;
}

int ls_run(int argc, char **argv) {
  struct list list = {0};
  int r = parse(&list, &argc, &argv);
  list.selection.patterns = argv + 1;
  if (r == 0)
    r = resolve(&list);
  if (r == 0)
    r = list_objects(&list);
  selection_clear(&list.selection);
  common_clear(&list.common);
  g_free(list.columns);
  g_free(list.sort);
  return r;
}
