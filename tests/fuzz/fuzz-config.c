/* Fuzzes the configuration file of -o config=.
 *
 * The whole input is the file. What is understood must come through settings_words(), in which an
 * upgrade hands it on, as it is; what is not must leave no trace, and give its reason in one line. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "daemon/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct settings *a, const struct settings *b) {
  g_assert_cmpuint(a->limits.size, ==, b->limits.size);
  g_assert_cmpuint(a->limits.objects, ==, b->limits.objects);
  g_assert_cmpuint(a->limits.object_size, ==, b->limits.object_size);
  g_assert_cmpstr(a->confined.prefix, ==, b->confined.prefix);
  g_assert_cmpint(a->confined.prealloc, ==, b->confined.prealloc);
  g_assert_cmpuint(a->confined.umask, ==, b->confined.umask);
  g_assert_cmpint(a->confined.has_mode, ==, b->confined.has_mode);
  g_assert_cmpuint(a->confined.mode, ==, b->confined.mode);
  g_assert_cmpint(a->confined.has_uid, ==, b->confined.has_uid);
  g_assert_cmpuint(a->confined.uid, ==, b->confined.uid);
  g_assert_cmpint(a->confined.has_gid, ==, b->confined.has_gid);
  g_assert_cmpuint(a->confined.gid, ==, b->confined.gid);
}

static void check_words(const struct settings *settings) {
  struct settings again;
  g_autofree char *words = settings_words(settings);
  int r = settings_from_words(words, settings->confined.prefix, &again);
  g_assert_cmpint(r, ==, 0);
  check_same(settings, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct settings base = {
      .limits.objects = 7,
      .confined = {.prefix = "p-", .umask = 022, .has_uid = true, .uid = 5},
  };
  struct settings settings = base;
  g_autofree char *reason = NULL;
  /* Of just that size: the text of a file does not end with 0. */
  g_autofree char *text = g_memdup2(data, size);
  int r = settings_parse(size > 0 ? text : "", size, &base, &settings, &reason);
  if (r == 0) {
    check_words(&settings);
  } else {
    check_same(&settings, &base);
    g_assert_nonnull(reason);
    g_assert_null(strchr(reason, '\n'));
  }
  return 0;
}
