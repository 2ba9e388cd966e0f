/* shmfsctl stat: one object in full, as lines of a name and a value. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <json-glib/json-glib.h>

#include "ctl/columns.h"
#include "ctl/content.h"
#include "ctl/ctl.h"
#include "ctl/pages.h"
#include "ctl/target.h"
#include "ctl/text.h"

struct report {
  const struct common *common;
  JsonBuilder *builder; /* NULL: for people */
};

static void say(const struct report *report, const char *name, const struct value *value,
                enum value_type type) {
  g_autofree char *text = value_text(value, type, report->common->style.bytes);
  if (!report->builder) {
    printf("%-10s %s\n", name, text);
    return;
  }
  g_autofree char *member = g_ascii_strdown(name, -1);
  json_builder_set_member_name(report->builder, member);
  value_build(report->builder, value, type);
}

static void say_bytes(const struct report *report, const char *name, uint64_t bytes) {
  struct value value = {.number = bytes};
  say(report, name, &value, VALUE_BYTES);
}

static void say_columns(const struct report *report, const struct object *object) {
  struct selection selection = {.now = (int64_t)time(NULL)};
  for (unsigned i = 0; i < OBJECT_COLUMNS; i++) {
    struct value value;
    if (i == COLUMN_PIDS)
      continue; /* the commands say it, too */
    column_fill(&value, i, object, &selection);
    if (value.text || value.number != UNKNOWN || report->builder)
      say(report, object_columns[i].name, &value, object_columns[i].type);
    g_free(value.text);
  }
}

static void say_deleted(const struct report *report, const struct object *object) {
  if (!report->builder) {
    printf("%-10s %s\n", "DELETED", object->deleted ? "yes" : "no");
    return;
  }
  json_builder_set_member_name(report->builder, "deleted");
  json_builder_add_boolean_value(report->builder, object->deleted);
}

static void say_pages(const struct report *report, const struct inventory *inventory,
                      const struct object *object) {
  struct content content = CONTENT_NONE;
  struct pages pages = {0};
  int r = content_open(inventory, object, false, &content);
  if (r == 0)
    r = pages_locate(&content, &pages);
  content_close(&content);
  if (r < 0) {
    g_autofree char *name = text_name(object->name);
    complain("%s: the kernel does not tell where its pages are: %s", name, g_strerror(-r));
    return;
  }
  say_bytes(report, "HUGE", pages.huge);
  for (unsigned i = 0; i < PAGES_NODES; i++) {
    g_autofree char *name = g_strdup_printf("NODE%u", i);
    if (pages.node[i] > 0)
      say_bytes(report, name, pages.node[i]);
  }
}

static void print_json(JsonBuilder *builder) {
  json_builder_end_object(builder);
  g_autoptr(JsonNode) root = json_builder_get_root(builder);
  g_autofree char *text = json_to_string(root, TRUE);
  puts(text);
}

static void describe(const struct common *common, const struct inventory *inventory,
                     const struct object *object) {
  g_autoptr(JsonBuilder) builder = common->style.json ? json_builder_new() : NULL;
  struct report report = {common, builder};
  if (builder)
    json_builder_begin_object(builder);
  say_columns(&report, object);
  say_deleted(&report, object);
  say_pages(&report, inventory, object);
  if (builder)
    print_json(builder);
}

static int find_and_describe(const struct common *common, const char *word) {
  struct inventory *inventory;
  struct object *object;
  int r = take_inventory(common, INVENTORY_HOLDS | INVENTORY_MEMORY, &inventory);
  if (r != 0)
    return r;
  r = target_find_one(inventory, word, &object);
  if (r == 0) {
    describe(common, inventory, object);
    note_refused(inventory);
  }
  inventory_free(inventory);
  return r;
}

int stat_run(int argc, char **argv) {
  struct common common = {0};
  GOptionEntry entries[COMMON_ENTRIES + 1] = {0};
  unsigned used = 0;
  common_entries(&common, entries, &used);
  int r =
      arguments_parse("NAME|PATH|KEY|SHMID", "Shows one object in full.", entries, &argc, &argv);
  if (r == 0 && argc != 2) {
    complain("stat: name one object");
    r = STATUS_USAGE;
  }
  if (r == 0)
    r = find_and_describe(&common, argv[1]);
  common_clear(&common);
  return r;
}
