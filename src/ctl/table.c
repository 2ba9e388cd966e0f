/* Rows are kept as values until they are printed: the widths depend on all of them. */
#include "ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/inventory.h"
#include "ctl/text.h"

#define GAP 2        /* blanks between columns */
#define CUT_WIDTH 8  /* a column is not made narrower than this */
#define ELLIPSIS "…" /* one column wide */

struct row {
  enum row_colour colour;
  unsigned position; /* before sorting */
  struct value values[];
};

struct table {
  const struct column *columns;
  unsigned count, shown;
  GPtrArray *rows;
};

struct table *table_new(const struct column *columns, unsigned count, unsigned shown) {
  struct table *table = g_new0(struct table, 1);
  table->columns = columns;
  table->count = count;
  table->shown = shown;
  table->rows = g_ptr_array_new();
  return table;
}

void table_free(struct table *table) {
  if (!table)
    return;
  for (unsigned i = 0; i < table->rows->len; i++) {
    struct row *row = table->rows->pdata[i];
    for (unsigned j = 0; j < table->count; j++)
      g_free(row->values[j].text);
    g_free(row);
  }
  g_ptr_array_unref(table->rows);
  g_free(table);
}

struct value *table_add_row(struct table *table, enum row_colour colour) {
  struct row *row = g_malloc0(sizeof(*row) + table->count * sizeof(row->values[0]));
  row->colour = colour;
  row->position = table->rows->len;
  for (unsigned i = 0; i < table->count; i++)
    row->values[i].number = UNKNOWN;
  g_ptr_array_add(table->rows, row);
  return row->values;
}

int column_find(const struct column *columns, unsigned count, const char *name) {
  for (unsigned i = 0; i < count; i++)
    if (g_ascii_strcasecmp(columns[i].name, name) == 0)
      return (int)i;
  return -1;
}

struct order {
  unsigned column;
  bool text, reverse;
};

static int compare_values(const struct value *a, const struct value *b, bool text) {
  if (text)
    return g_strcmp0(a->text, b->text);
  if (a->number == UNKNOWN || b->number == UNKNOWN)
    return (a->number == UNKNOWN) - (b->number == UNKNOWN);
  return a->number == b->number ? 0 : a->number > b->number ? -1 : 1;
}

static int compare_rows(const void *left, const void *right, void *data) {
  const struct row *a = *(const struct row *const *)left, *b = *(const struct row *const *)right;
  const struct order *order = data;
  int r = compare_values(&a->values[order->column], &b->values[order->column], order->text);
  if (r != 0)
    return order->reverse ? -r : r;
  return a->position < b->position ? -1 : a->position > b->position;
}

void table_sort(struct table *table, unsigned column, bool reverse) {
  enum value_type type = table->columns[column].type;
  struct order order = {column, type == VALUE_TEXT || type == VALUE_LIST, reverse};
  g_ptr_array_sort_with_data(table->rows, compare_rows, &order);
  for (unsigned i = 0; i < table->rows->len; i++)
    ((struct row *)table->rows->pdata[i])->position = i;
}

static void append_number(GString *text, uint64_t number, enum value_type type, bool all_digits) {
  if (number == UNKNOWN)
    g_string_append_c(text, '-');
  else if (type == VALUE_BYTES && !all_digits)
    text_append_size(text, number);
  else if (type == VALUE_SECONDS && !all_digits)
    text_append_age(text, number);
  else
    g_string_append_printf(text, "%" G_GUINT64_FORMAT, number);
}

char *value_text(const struct value *value, enum value_type type, bool all_digits) {
  if (type == VALUE_TEXT || type == VALUE_LIST) {
    char *text = g_strdup(value->text && *value->text ? value->text : "-");
    return g_strdelimit(text, "\n", ',');
  }
  GString *text = g_string_new(NULL);
  append_number(text, value->number, type, all_digits);
  return g_string_free(text, FALSE);
}

static unsigned width_of(const char *text) {
  unsigned width = 0;
  for (; *text; text = g_utf8_next_char(text)) {
    gunichar c = g_utf8_get_char(text);
    width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
  }
  return width;
}

/* Prints text in that many columns, cut when it is longer. */
static void print_cell(const char *text, unsigned width, bool right, bool last) {
  unsigned own = width_of(text);
  if (own > width) {
    GString *cut = g_string_new(text);
    while (cut->len > 0 && width_of(cut->str) > width - 1)
      g_string_truncate(cut,
                        (gsize)(g_utf8_find_prev_char(cut->str, cut->str + cut->len) - cut->str));
    own = width_of(cut->str) + 1;
    printf("%s" ELLIPSIS, cut->str);
    g_string_free(cut, TRUE);
  } else {
    printf("%*s%s", right ? (int)(width - own) : 0, "", text);
    own = right ? width : own;
  }
  if (!last)
    printf("%*s", (int)(width - MIN(own, width)) + GAP, "");
}

/* The width of the terminal; 0 when there is none, and nothing to fit to. */
static unsigned terminal_width(void) {
  struct winsize size;
  if (!isatty(STDOUT_FILENO))
    return 0;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return 80;
}

static bool is_right(const struct column *column) {
  return column->type != VALUE_TEXT && column->type != VALUE_LIST;
}

/* Takes the excess from the flexible columns, the rightmost first. */
static void fit(const struct table *table, unsigned *widths) {
  unsigned available = terminal_width(), total = GAP * (table->shown - 1);
  for (unsigned i = 0; i < table->shown; i++)
    total += widths[i];
  for (unsigned i = table->shown; available > 0 && total > available && i-- > 0;) {
    if (!table->columns[i].flexible || widths[i] <= CUT_WIDTH)
      continue;
    unsigned taken = MIN(total - available, widths[i] - CUT_WIDTH);
    widths[i] -= taken;
    total -= taken;
  }
}

static void measure(const struct table *table, const struct table_style *style, unsigned *widths) {
  for (unsigned i = 0; i < table->shown; i++) {
    widths[i] = style->no_headings ? 0 : width_of(table->columns[i].name);
    for (unsigned j = 0; j < table->rows->len; j++) {
      const struct row *row = table->rows->pdata[j];
      g_autofree char *text = value_text(&row->values[i], table->columns[i].type, style->bytes);
      widths[i] = MAX(widths[i], width_of(text));
    }
  }
  fit(table, widths);
}

static void print_headings(const struct table *table, const unsigned *widths) {
  for (unsigned i = 0; i < table->shown; i++)
    print_cell(table->columns[i].name, widths[i], is_right(&table->columns[i]),
               i + 1 == table->shown);
  putchar('\n');
}

static void print_row(const struct table *table, const struct row *row,
                      const struct table_style *style, const unsigned *widths) {
  static const char *const codes[] = {"", "\033[33m", "\033[31m"};
  bool coloured = row->colour && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
  fputs(coloured ? codes[row->colour] : "", stdout);
  for (unsigned i = 0; i < table->shown; i++) {
    g_autofree char *text = value_text(&row->values[i], table->columns[i].type, style->bytes);
    print_cell(text, widths[i], is_right(&table->columns[i]), i + 1 == table->shown);
  }
  puts(coloured ? "\033[0m" : "");
}

/* Items that are numbers are numbers in JSON, too. */
static void build_list(JsonBuilder *builder, const char *text) {
  g_auto(GStrv) items = g_strsplit(text ? text : "", "\n", -1);
  json_builder_begin_array(builder);
  for (unsigned i = 0; items[i]; i++) {
    if (strspn(items[i], "0123456789") == strlen(items[i]))
      json_builder_add_int_value(builder, g_ascii_strtoll(items[i], NULL, 10));
    else
      json_builder_add_string_value(builder, items[i]);
  }
  json_builder_end_array(builder);
}

void value_build(JsonBuilder *builder, const struct value *value, enum value_type type) {
  if (type == VALUE_LIST)
    build_list(builder, value->text);
  else if (type == VALUE_TEXT && value->text)
    json_builder_add_string_value(builder, value->text);
  else if (type != VALUE_TEXT && value->number <= G_MAXINT64)
    json_builder_add_int_value(builder, (gint64)value->number);
  else
    json_builder_add_null_value(builder);
}

static void build_row(JsonBuilder *builder, const struct table *table, const struct row *row) {
  json_builder_begin_object(builder);
  for (unsigned i = 0; i < table->shown; i++) {
    g_autofree char *name = g_ascii_strdown(table->columns[i].name, -1);
    json_builder_set_member_name(builder, name);
    value_build(builder, &row->values[i], table->columns[i].type);
  }
  json_builder_end_object(builder);
}

static void print_json(const struct table *table) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_array(builder);
  for (unsigned i = 0; i < table->rows->len; i++)
    build_row(builder, table, table->rows->pdata[i]);
  json_builder_end_array(builder);
  g_autoptr(JsonNode) root = json_builder_get_root(builder);
  g_autofree char *text = json_to_string(root, TRUE);
  puts(text);
}

void table_print(const struct table *table, const struct table_style *style) {
  if (style->json) {
    print_json(table);
    return;
  }
  g_autofree unsigned *widths = g_new0(unsigned, table->shown);
  measure(table, style, widths);
  if (!style->no_headings && table->rows->len > 0)
    print_headings(table, widths);
  for (unsigned i = 0; i < table->rows->len; i++)
    print_row(table, table->rows->pdata[i], style, widths);
  /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): g_autofree frees the widths */
}
