/* Numbers in the forms that mount options have. */
#include "daemon/values.h"

#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_MAX 1e9 /* the kernel counts jiffies in 64 bits; this is 30 years */

bool value_number(const char *text, unsigned long low, unsigned long high, unsigned long *ret) {
  char *end;
  if (!g_ascii_isdigit(*text))
    return false;
  errno = 0;
  unsigned long number = strtoul(text, &end, 10);
  if (errno || *end || number < low || number > high)
    return false;
  *ret = number;
  return true;
}

bool value_octal(const char *text, unsigned high, unsigned *ret) {
  char *end;
  if (!g_ascii_isdigit(*text))
    return false;
  errno = 0;
  unsigned long number = strtoul(text, &end, 8);
  if (errno || *end || number > high)
    return false;
  *ret = (unsigned)number;
  return true;
}

/* What a number with that suffix is multiplied by, in 64 bits; 0: no such suffix. */
static uint64_t unit_of(const char *suffix) {
  static const char letters[] = "kmgt";
  if (!*suffix)
    return 1;
  const char *letter = strchr(letters, g_ascii_tolower(*suffix));
  if (!letter || suffix[1])
    return 0;
  return UINT64_C(1024) << (10 * (letter - letters));
}

bool value_size(const char *text, uint64_t whole, uint64_t *ret) {
  char *end;
  if (!g_ascii_isdigit(*text))
    return false;
  errno = 0;
  uint64_t number = g_ascii_strtoull(text, &end, 10), size;
  if (errno)
    return false;
  if (strcmp(end, "%") == 0) {
    if (whole == 0 || __builtin_mul_overflow(whole / 100, number, &size))
      return false;
  } else if (unit_of(end) == 0 || __builtin_mul_overflow(number, unit_of(end), &size)) {
    return false;
  }
  if (size > INT64_MAX) /* off_t */
    return false;
  *ret = size;
  return true;
}

bool value_seconds(const char *text, double *ret) {
  char *end;
  if (!g_ascii_isdigit(*text) && *text != '.')
    return false;
  double seconds = g_ascii_strtod(text, &end);
  if (end == text || *end || !isfinite(seconds) || seconds > SECONDS_MAX)
    return false;
  *ret = seconds;
  return true;
}

uint64_t value_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

bool value_mmap(const char *text, enum fs_mmap *ret) {
  if (strcmp(text, "coherent") == 0)
    *ret = FS_MMAP_COHERENT;
  else if (strcmp(text, "cached") == 0)
    *ret = FS_MMAP_CACHED;
  else
    return false;
  return true;
}

bool value_list(const char *text, int max, int *ret_numbers, int *ret_count) {
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  int count = 0;
  for (; parts[count]; count++) {
    gint64 number;
    if (count == max ||
        !g_ascii_string_to_signed(parts[count], 10, INT_MIN, INT_MAX, &number, NULL))
      return false;
    ret_numbers[count] = (int)number;
  }
  *ret_count = count;
  return true;
}
