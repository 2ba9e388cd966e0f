/* A small cache of where a node was last seen: node -> (parent, name). Only a hint: whoever uses it
 * checks that the name still leads to the node (one statx by name instead of open_by_handle, fstat,
 * close). Lossy, of fixed size (direct mapped), so that memory does not grow with objects. Top-level
 * names only (parent is the root): other parents may have moved. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NAMES_LENGTH_MAX 64 /* longer names are not kept */

struct names;

/* NULL when there is no memory. */
struct names *names_new(void);
void names_free(struct names *names);
/* Remembers the name, in place of whatever had its slot. */
void names_put(struct names *names, uint64_t node, const char *name);
/* Copies the name; false when none is known. */
bool names_get(struct names *names, uint64_t node, char ret_name[NAMES_LENGTH_MAX]);
void names_forget(struct names *names, uint64_t node);
