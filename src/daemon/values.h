/* The values that -o's words take, from text. Each returns false, and writes nothing, for what is
 * no such value. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"

/* A decimal number from low to high. */
bool value_number(const char *text, unsigned long low, unsigned long high, unsigned long *ret);

/* Permission bits, in octal, up to `high`. */
bool value_octal(const char *text, unsigned high, unsigned *ret);

/* A number with k, m, g or t (powers of 1024, as on tmpfs) after it or none; with % (of whole), where
 * `whole` is not 0. A number of 0 is 0, whatever that means there. */
bool value_size(const char *text, uint64_t whole, uint64_t *ret);

/* Seconds, 0 or more. */
bool value_seconds(const char *text, double *ret);

/* "coherent", "cached". */
bool value_mmap(const char *text, enum fs_mmap *ret);

/* "4,5,-1": at most `max` numbers, for which ret_numbers has room; it may be written to without
 * success. */
bool value_list(const char *text, int max, int *ret_numbers, int *ret_count);

/* Bytes of memory that the machine has; what tmpfs takes % of. */
uint64_t value_memory(void);
