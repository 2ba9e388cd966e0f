#include "ctl/text.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, WEEK = 7 * DAY, YEAR = 365 * DAY };

struct unit {
  char letter;
  uint64_t worth;
};

static const struct unit size_units[] = {
    {'P', UINT64_C(1) << 50}, {'T', UINT64_C(1) << 40}, {'G', UINT64_C(1) << 30},
    {'M', UINT64_C(1) << 20}, {'K', UINT64_C(1) << 10},
};

static const struct unit age_units[] = {{'y', YEAR}, {'w', WEEK},   {'d', DAY},
                                        {'h', HOUR}, {'m', MINUTE}, {'s', 1}};

void text_append_size(GString *text, uint64_t bytes) {
  for (size_t i = 0; i < G_N_ELEMENTS(size_units); i++) {
    uint64_t worth = size_units[i].worth;
    if (bytes < worth)
      continue;
    double number = (double)bytes / (double)worth;
    g_string_append_printf(text, number < 9.95 ? "%.1f%c" : "%.0f%c", number, size_units[i].letter);
    return;
  }
  g_string_append_printf(text, "%" G_GUINT64_FORMAT, bytes);
}

void text_append_age(GString *text, uint64_t seconds) {
  for (size_t i = 0; i < G_N_ELEMENTS(age_units); i++) {
    const struct unit *unit = &age_units[i];
    if (unit->letter == 'w' || (unit->worth > 1 && seconds < 2 * unit->worth))
      continue;
    g_string_append_printf(text, "%" G_GUINT64_FORMAT "%c", seconds / unit->worth, unit->letter);
    return;
  }
}

const char *text_plural(uint64_t number, const char *one, const char *many) {
  return number == 1 ? one : many;
}

static uint64_t worth_of(const struct unit *units, size_t count, char letter) {
  for (size_t i = 0; i < count; i++)
    if (units[i].letter == letter)
      return units[i].worth;
  return 0;
}

/* A number and what follows it. */
static bool parse_number(const char *text, double *ret_number, const char **ret_rest) {
  char *rest;
  if (!g_ascii_isdigit(*text))
    return false;
  *ret_number = g_ascii_strtod(text, &rest);
  *ret_rest = rest;
  return rest != text;
}

static bool multiply(double number, uint64_t worth, uint64_t *ret) {
  double product = number * (double)worth;
  if (worth == 0 || product >= 0x1p63)
    return false;
  *ret = (uint64_t)product;
  return true;
}

bool text_parse_size(const char *text, uint64_t *ret_bytes) {
  double number;
  const char *rest;
  if (!parse_number(text, &number, &rest))
    return false;
  uint64_t worth = 1;
  if (*rest && *rest != 'B' && *rest != 'b') {
    worth = worth_of(size_units, G_N_ELEMENTS(size_units), g_ascii_toupper(*rest));
    rest++;
    if (*rest == 'i')
      rest++;
  }
  if (*rest == 'B' || *rest == 'b')
    rest++;
  return *rest == '\0' && multiply(number, worth, ret_bytes);
}

bool text_parse_age(const char *text, uint64_t *ret_seconds) {
  double number;
  const char *rest;
  if (!parse_number(text, &number, &rest))
    return false;
  uint64_t worth = 1;
  if (*rest) {
    worth = worth_of(age_units, G_N_ELEMENTS(age_units), *rest);
    rest++;
  }
  return *rest == '\0' && multiply(number, worth, ret_seconds);
}

bool text_parse_user(const char *text, uid_t *ret_uid) {
  /* cppcheck-suppress getpwnamCalled ; there are no threads */
  const struct passwd *user = getpwnam(text);
  char *rest;
  if (user) {
    *ret_uid = user->pw_uid;
    return true;
  }
  guint64 number = g_ascii_strtoull(text, &rest, 10);
  if (!g_ascii_isdigit(*text) || *rest || number > G_MAXUINT32)
    return false;
  *ret_uid = (uid_t)number;
  return true;
}

/* Looking one up may take the network: the last one is remembered, since neighbours are alike. */
void text_append_user(GString *text, uid_t uid) {
  static uid_t last = (uid_t)-1;
  static char *name;
  if (uid == (uid_t)-1) {
    g_string_append_c(text, '-');
    return;
  }
  if (uid != last) {
    /* cppcheck-suppress getpwuidCalled ; there are no threads */
    const struct passwd *user = getpwuid(uid);
    g_free(name);
    name = user ? g_strdup(user->pw_name) : g_strdup_printf("%u", uid);
    last = uid;
  }
  text_append_name(text, name);
}

void text_append_group(GString *text, gid_t gid) {
  /* cppcheck-suppress getgrgidCalled ; there are no threads */
  const struct group *group = gid == (gid_t)-1 ? NULL : getgrgid(gid);
  if (group)
    text_append_name(text, group->gr_name);
  else
    g_string_append_printf(text, "%u", gid);
}

void text_append_name(GString *text, const char *name) {
  while (*name) {
    gunichar c = g_utf8_get_char_validated(name, -1);
    bool valid = c != (gunichar)-1 && c != (gunichar)-2;
    size_t length = valid ? (size_t)g_unichar_to_utf8(c, NULL) : 1;
    if (valid && g_unichar_isprint(c) && c != '\\')
      g_string_append_len(text, name, (gssize)length);
    else
      for (size_t i = 0; i < length; i++)
        g_string_append_printf(text, "\\x%02x", (unsigned char)name[i]);
    name += length;
  }
}

char *text_name(const char *name) {
  GString *text = g_string_new(NULL);
  text_append_name(text, name);
  return g_string_free(text, FALSE);
}
