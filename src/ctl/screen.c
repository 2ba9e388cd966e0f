#include "ctl/screen.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <time.h>

#include "ctl/columns.h"
#include "ctl/text.h"

#define NAME_WIDTH 22 /* the rest of 80 columns is for numbers and commands */

struct sums {
  unsigned orphans, deleted;
  uint64_t orphan_bytes, deleted_bytes, resident;
};

static struct sums sum_up(const struct sample *sample) {
  struct sums sums = {0};
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  for (unsigned i = 0; i < sample->rows->len; i++) {
    const struct object *object = g_array_index(sample->rows, struct sample_row, i).object;
    if (!g_hash_table_add(seen, object->holds))
      continue; /* another name of the same inode */
    uint64_t bytes = object->resident == UNKNOWN ? 0 : object->resident;
    bool orphan = !object->deleted && !object_is_held(object);
    sums.resident += bytes;
    sums.orphans += orphan;
    sums.orphan_bytes += orphan ? bytes : 0;
    sums.deleted += object->deleted;
    sums.deleted_bytes += object->deleted ? bytes : 0;
  }
  return sums;
}

static void append_space(GString *line, const struct sample *sample) {
  struct statvfs fs;
  if (sample->inventory->directory_fd < 0 || fstatvfs(sample->inventory->directory_fd, &fs) < 0)
    return;
  g_string_append_printf(line, ", %s ", sample->inventory->directory);
  text_append_size(line, (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize);
  g_string_append(line, " of ");
  text_append_size(line, (uint64_t)fs.f_blocks * fs.f_frsize);
}

static void append_count(GString *line, unsigned number, const char *one, const char *many) {
  g_string_append_printf(line, "%u %s", number, text_plural(number, one, many));
}

static void append_first(GString *line, const struct sample *sample, const struct sums *sums) {
  time_t now = time(NULL);
  struct tm local;
  char clock[16] = "";
  if (localtime_r(&now, &local))
    strftime(clock, sizeof(clock), "%H:%M:%S", &local);
  g_string_append_printf(line, "shmfsctl top - %s, ", clock);
  append_count(line, sample->rows->len, "object, ", "objects, ");
  text_append_size(line, sums->resident);
  g_string_append(line, " resident");
  append_space(line, sample);
}

static void append_second(GString *line, const struct sample *sample, const struct sums *sums) {
  append_count(line, sums->orphans, "orphan ", "orphans ");
  text_append_size(line, sums->orphan_bytes);
  g_string_append_printf(line, ", %u deleted ", sums->deleted);
  text_append_size(line, sums->deleted_bytes);
  g_string_append(line, ", ");
  append_count(line, sample->inventory->processes->len, "holder", "holders");
  if (sample->inventory->refused == 0)
    return;
  g_string_append(line, ", ");
  append_count(line, sample->inventory->refused, "process", "processes");
  g_string_append(line, " not permitted");
}

char *screen_summary(const struct sample *sample, unsigned line) {
  struct sums sums = sum_up(sample);
  GString *text = g_string_new(NULL);
  if (line == 0)
    append_first(text, sample, &sums);
  else
    append_second(text, sample, &sums);
  return g_string_free(text, FALSE);
}

char *screen_heading(void) {
  return g_strdup_printf("%-*s %-5s %6s %6s %7s %5s %-8s %4s %s", NAME_WIDTH, "NAME", "KIND",
                         "SIZE", "RES", "GROW/s", "HOLD", "OWNER", "AGE", "COMMANDS");
}

static unsigned width_of(gunichar c) {
  return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

char *screen_cut(const char *text, unsigned width) {
  const char *end = text;
  unsigned used = 0;
  while (*end) {
    unsigned own = width_of(g_utf8_get_char(end));
    if (used + own > width)
      break;
    used += own;
    end = g_utf8_next_char(end);
  }
  return g_strndup(text, (gsize)(end - text));
}

/* Cut or filled up to exactly that width, and a blank. */
static void append_cell(GString *line, const char *text, unsigned width, bool right) {
  g_autofree char *cut = screen_cut(text, width);
  unsigned used = 0;
  for (const char *c = cut; *c; c = g_utf8_next_char(c))
    used += width_of(g_utf8_get_char(c));
  g_string_append_printf(line, "%*s%s%*s ", right ? (int)(width - used) : 0, "", cut,
                         right ? 0 : (int)(width - used), "");
}

static void append_column(GString *line, enum object_column column, const struct object *object,
                          unsigned width, bool right) {
  struct selection selection = {.now = (int64_t)time(NULL)};
  struct value value;
  column_fill(&value, column, object, &selection);
  g_autofree char *text = value_text(&value, object_columns[column].type, false);
  append_cell(line, text, width, right);
  g_free(value.text);
}

static void append_growth(GString *line, int64_t growth, unsigned width) {
  GString *text = g_string_new(growth > 0 ? "+" : growth < 0 ? "-" : "");
  text_append_size(text, (uint64_t)(growth < 0 ? -growth : growth));
  append_cell(line, text->str, width, true);
  g_string_free(text, TRUE);
}

char *screen_row(const struct sample_row *row) {
  GString *line = g_string_new(NULL);
  append_column(line, COLUMN_NAME, row->object, NAME_WIDTH, false);
  append_column(line, COLUMN_KIND, row->object, 5, false);
  append_column(line, COLUMN_SIZE, row->object, 6, true);
  append_column(line, COLUMN_RESIDENT, row->object, 6, true);
  append_growth(line, row->growth, 7);
  append_column(line, COLUMN_HOLDERS, row->object, 5, true);
  append_column(line, COLUMN_OWNER, row->object, 8, false);
  append_column(line, COLUMN_AGE, row->object, 4, true);
  append_column(line, COLUMN_COMMANDS, row->object, 60, false);
  return g_string_free(line, FALSE);
}
