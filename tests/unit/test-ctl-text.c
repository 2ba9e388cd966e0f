/* Sizes, ages and names are written and read as people do. */
#include "ctl/text.h"

#include <glib.h>

static void check_size(uint64_t bytes, const char *expected) {
  GString *text = g_string_new(NULL);
  text_append_size(text, bytes);
  g_assert_cmpstr(text->str, ==, expected);
  g_string_free(text, TRUE);
}

static void test_writes_sizes(void) {
  check_size(0, "0");
  check_size(1023, "1023");
  check_size(1024, "1.0K");
  check_size(10 << 20, "10M");
  check_size(UINT64_C(3) << 50, "3.0P");
}

static void check_age(uint64_t seconds, const char *expected) {
  GString *text = g_string_new(NULL);
  text_append_age(text, seconds);
  g_assert_cmpstr(text->str, ==, expected);
  g_string_free(text, TRUE);
}

static void test_writes_ages(void) {
  check_age(0, "0s");
  check_age(119, "119s");
  check_age(120, "2m");
  check_age(2 * 86400, "2d");
  check_age(800 * 86400, "2y");
}

static void test_names_one_and_many(void) {
  g_assert_cmpstr(text_plural(0, "object", "objects"), ==, "objects");
  g_assert_cmpstr(text_plural(1, "object", "objects"), ==, "object");
  g_assert_cmpstr(text_plural(2, "object", "objects"), ==, "objects");
}

static void test_reads_sizes(void) {
  uint64_t bytes = 0;
  g_assert_true(text_parse_size("4096", &bytes));
  g_assert_cmpuint(bytes, ==, 4096);
  g_assert_true(text_parse_size("1.5G", &bytes));
  g_assert_cmpuint(bytes, ==, UINT64_C(3) << 29);
  g_assert_true(text_parse_size("2kB", &bytes));
  g_assert_cmpuint(bytes, ==, 2048);
  g_assert_true(text_parse_size("1MiB", &bytes));
  g_assert_cmpuint(bytes, ==, 1 << 20);
}

static void test_refuses_what_is_no_size(void) {
  static const char *const texts[] = {"", "K", "-1", "1x", "1KK", "1 K", "99999P", "inf", "nan"};
  uint64_t bytes;
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_assert_false(text_parse_size(texts[i], &bytes));
}

static void test_reads_ages(void) {
  uint64_t seconds = 0;
  g_assert_true(text_parse_age("90", &seconds));
  g_assert_cmpuint(seconds, ==, 90);
  g_assert_true(text_parse_age("2w", &seconds));
  g_assert_cmpuint(seconds, ==, 14 * 86400);
  g_assert_false(text_parse_age("7x", &seconds));
  g_assert_false(text_parse_age("d", &seconds));
}

static void check_name(const char *name, const char *expected) {
  g_autofree char *text = text_name(name);
  g_assert_cmpstr(text, ==, expected);
}

static void test_makes_names_harmless(void) {
  check_name("plain name", "plain name");
  check_name("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
  check_name("\033[31m\n", "\\x1b[31m\\x0a");
  check_name("\xff\xc3", "\\xff\\xc3");
  check_name("a\\b", "a\\x5cb");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ctl-text/writes sizes", test_writes_sizes);
  g_test_add_func("/ctl-text/writes ages", test_writes_ages);
  g_test_add_func("/ctl-text/names one and many", test_names_one_and_many);
  g_test_add_func("/ctl-text/reads sizes", test_reads_sizes);
  g_test_add_func("/ctl-text/refuses what is no size", test_refuses_what_is_no_size);
  g_test_add_func("/ctl-text/reads ages", test_reads_ages);
  g_test_add_func("/ctl-text/makes names harmless", test_makes_names_harmless);
  return g_test_run();
}
