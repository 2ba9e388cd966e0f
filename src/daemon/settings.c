/* Each setting is a row: its name, where it is kept, and which values it takes. */
#include "daemon/settings.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "daemon/values.h"

#define GROUP "shmfs"

enum kind {
  BYTES,  /* a uint64_t, with units and % of the memory */
  COUNT,  /* a uint64_t, with units */
  OCTAL,  /* a mode_t up to `high` */
  ID,     /* a uid_t or gid_t */
  SWITCH, /* a bool */
};

struct row {
  const char *name;
  size_t offset;
  size_t given; /* of a bool that says whether there is a value; 0: there is always one */
  const char *allowed;
  enum kind kind;
  unsigned high;
};

#define FIELD(name) offsetof(struct settings, name)
#define BYTES_ALLOWED "bytes, with k, m, g or t after the number, or % of the memory; 0: no limit"

static const struct row rows[] = {
    {"size", .kind = BYTES, .offset = FIELD(limits.size), .allowed = BYTES_ALLOWED},
    {"nr_objects", .kind = COUNT, .offset = FIELD(limits.objects),
     .allowed = "a number, with k, m or g after it; 0: no limit"},
    {"max_object", .kind = BYTES, .offset = FIELD(limits.object_size), .allowed = BYTES_ALLOWED},
    {"prealloc", .kind = SWITCH, .offset = FIELD(confined.prealloc), .allowed = "true or false"},
    {"umask", .kind = OCTAL, .offset = FIELD(confined.umask), .high = 0777,
     .allowed = "octal, up to 777"},
    {"mode", .kind = OCTAL, .offset = FIELD(confined.mode), .given = FIELD(confined.has_mode),
     .high = 07777, .allowed = "octal, up to 7777"},
    {"uid", .kind = ID, .offset = FIELD(confined.uid), .given = FIELD(confined.has_uid),
     .allowed = "a user id"},
    {"gid", .kind = ID, .offset = FIELD(confined.gid), .given = FIELD(confined.has_gid),
     .allowed = "a group id"},
};

static const struct row *row_find(const char *name) {
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    if (strcmp(rows[i].name, name) == 0)
      return &rows[i];
  return NULL;
}

static bool switch_value(const char *value, bool *ret) {
  bool on = !value || strcmp(value, "true") == 0;
  if (!on && strcmp(value, "false") != 0)
    return false;
  *ret = on;
  return true;
}

/* mode_t, uid_t and gid_t are all unsigned int. */
static bool row_value(const struct row *row, const char *value, void *field) {
  unsigned long number = 0;
  if (row->kind == SWITCH)
    return switch_value(value, field);
  if (!value)
    return false;
  switch (row->kind) {
  case BYTES:
    return value_size(value, value_memory(), field);
  case COUNT:
    return value_size(value, 0, field);
  case OCTAL:
    return value_octal(value, row->high, field);
  default:
    if (!value_number(value, 0, UINT_MAX - 1, &number))
      return false;
    *(unsigned *)field = (unsigned)number;
    return true;
  }
}

int settings_apply(struct settings *settings, const char *name, const char *value,
                   const char **ret_allowed) {
  const struct row *row = row_find(name);
  if (!row)
    return -ENOENT;
  if (!row_value(row, value, (char *)settings + row->offset)) {
    *ret_allowed = row->allowed;
    return -EINVAL;
  }
  if (row->given)
    *((bool *)((char *)settings + row->given)) = true;
  return 0;
}

static void append_row(const struct row *row, const struct settings *settings, GString *words) {
  const void *field = (const char *)settings + row->offset;
  if (row->given && !*((const bool *)((const char *)settings + row->given)))
    return;
  if (row->kind == SWITCH && !*(const bool *)field)
    return;
  g_string_append_printf(words, "%s%s", words->len ? "," : "", row->name);
  if (row->kind == BYTES || row->kind == COUNT)
    g_string_append_printf(words, "=%" G_GUINT64_FORMAT, *(const uint64_t *)field);
  else if (row->kind != SWITCH)
    g_string_append_printf(words, row->kind == OCTAL ? "=%o" : "=%u", *(const unsigned *)field);
}

char *settings_words(const struct settings *settings) {
  GString *words = g_string_new(NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
    append_row(&rows[i], settings, words);
  return g_string_free(words, FALSE);
}

int settings_from_words(const char *words, const char *prefix, struct settings *ret) {
  struct settings settings = {.confined.prefix = prefix};
  g_auto(GStrv) list = g_strsplit(words, ",", -1);
  for (char **word = list; *word; word++) {
    const char *allowed;
    char *value = strchr(*word, '=');
    if (value)
      *value++ = '\0';
    if (settings_apply(&settings, *word, value, &allowed) < 0)
      return -EINVAL;
  }
  *ret = settings;
  return 0;
}

/* Configuration files. */

static char *refuse_key(const char *name) {
  g_autofree char *names = g_strdup(rows[0].name);
  for (size_t i = 1; i < G_N_ELEMENTS(rows); i++) {
    char *longer = g_strconcat(names, ", ", rows[i].name, NULL);
    g_free(names);
    names = longer;
  }
  return g_strdup_printf("%s: is nothing that can be set here; can be: %s", name, names);
}

/* Returns NULL, or why the value cannot be. */
static char *apply_key(GKeyFile *file, const char *name, struct settings *settings) {
  const char *allowed = NULL;
  g_autofree char *value = g_key_file_get_value(file, GROUP, name, NULL);
  int r = settings_apply(settings, name, value ? g_strstrip(value) : "", &allowed);
  if (r == -ENOENT)
    return refuse_key(name);
  return r < 0 ? g_strdup_printf("%s=%s: not a valid value; allowed: %s", name, value, allowed)
               : NULL;
}

static char *check_groups(GKeyFile *file) {
  g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
  for (char **group = groups; *group; group++)
    if (strcmp(*group, GROUP) != 0)
      return g_strdup_printf("unknown group [%s]; known: [%s]", *group, GROUP);
  return groups[0] ? NULL : g_strdup("the line [" GROUP "] is missing");
}

static char *apply_keys(GKeyFile *file, struct settings *settings) {
  g_auto(GStrv) names = g_key_file_get_keys(file, GROUP, NULL, NULL);
  char *reason = NULL;
  for (char **name = names; name && *name && !reason; name++)
    reason = apply_key(file, *name, settings);
  return reason;
}

int settings_parse(const char *text, size_t length, const struct settings *base,
                   struct settings *ret, char **ret_reason) {
  g_autoptr(GKeyFile) file = g_key_file_new();
  g_autoptr(GError) error = NULL;
  struct settings settings = *base;
  char *reason = NULL;
  if (!g_key_file_load_from_data(file, text, length, G_KEY_FILE_KEEP_TRANSLATIONS, &error))
    reason = g_strdup(error->message);
  if (!reason)
    reason = check_groups(file);
  if (!reason)
    reason = apply_keys(file, &settings);
  if (reason) {
    *ret_reason = reason;
    return -EINVAL;
  }
  *ret = settings;
  return 0;
}
