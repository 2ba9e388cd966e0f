/* A table, printed for people (aligned, fitted to the terminal) or for programs (JSON).
 *
 * A column's values are all of one type, which decides how they are written in either form. */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

enum value_type {
  VALUE_TEXT,
  VALUE_LIST,    /* the items in `text`, apart by newlines */
  VALUE_COUNT,   /* a number */
  VALUE_BYTES,   /* 1.5M, or all digits on request */
  VALUE_SECONDS, /* 5h */
};

struct value {
  uint64_t number; /* UNKNOWN: printed as "-", in JSON null */
  char *text;      /* owned; NULL is unknown */
};

struct column {
  const char *name; /* in capitals; in JSON small */
  enum value_type type;
  bool flexible; /* may be cut where the terminal is narrow */
  const char *help;
};

struct table_style {
  gboolean json, no_headings, bytes; /* gboolean: they are GOption's */
};

enum row_colour { COLOUR_NONE, COLOUR_YELLOW, COLOUR_RED };

struct table;

/* The columns are borrowed; the last ones, past the first `shown`, are only there to sort by. */
struct table *table_new(const struct column *columns, unsigned count, unsigned shown);
void table_free(struct table *table);

/* A new last row, whose values the caller fills in: UNKNOWN and NULL in all at first. */
struct value *table_add_row(struct table *table, enum row_colour colour);

/* Sorts by that column: numbers with the largest first, unknown ones last, texts by the alphabet.
 * Rows that are alike stay in their order. */
void table_sort(struct table *table, unsigned column, bool reverse);

/* To standard output; cut to the width, and coloured, only on a terminal. */
void table_print(const struct table *table, const struct table_style *style);

/* The value as it is shown to people, without alignment. The caller frees it. */
char *value_text(const struct value *value, enum value_type type, bool all_digits);

/* Adds the value to what is being built. */
void value_build(JsonBuilder *builder, const struct value *value, enum value_type type);

/* The index of the column of that name, whatever its case, or -1. */
int column_find(const struct column *columns, unsigned count, const char *name);
