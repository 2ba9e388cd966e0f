/* Numbers, ages, users and names, as people write and read them. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* "512", "1.5K", "20M", …: at most four digits, units of 1024. */
void text_append_size(GString *text, uint64_t bytes);

/* "42s", "17m", "5h", "12d", "3y": the largest unit of which there are at least two (or the smallest). */
void text_append_age(GString *text, uint64_t seconds);

/* A size with an optional unit: K, M, G, T, P (of 1024; a B or iB behind is accepted); an age with
 * s (none: the same), m, h, d, w, y. false when it is none, or too large. */
bool text_parse_size(const char *text, uint64_t *ret_bytes);
bool text_parse_age(const char *text, uint64_t *ret_seconds);

/* A user by name or number; false when there is none of that name. */
bool text_parse_user(const char *text, uid_t *ret_uid);

/* Whichever word goes with that number: "1 object", "0 objects". */
const char *text_plural(uint64_t number, const char *one, const char *many);

/* Appends a user's or group's name, or the number when it has none. */
void text_append_user(GString *text, uid_t uid);
void text_append_group(GString *text, gid_t gid);

/* Appends a name of any bytes as valid UTF-8 on one line: what would not print, and a backslash,
 * as \xHH. Names are made by others, and may be meant for the reader's terminal. */
void text_append_name(GString *text, const char *name);

/* The same as a string of its own, which the caller frees. */
char *text_name(const char *name);
