/* How top looks: lines of text, for a screen or for a pipe. */
#pragma once

#include <glib.h>

#include "ctl/sample.h"

/* The lines above the table, without newlines; screen_heading() is the table's. All texts here are the
 * caller's to free. */
#define SCREEN_SUMMARY_LINES 2
char *screen_summary(const struct sample *sample, unsigned line);
char *screen_heading(void);

/* One object. Everything is valid UTF-8; the last column (the holders) may be long. */
char *screen_row(const struct sample_row *row);

/* The text without what is more than that many columns wide. */
char *screen_cut(const char *text, unsigned width);
