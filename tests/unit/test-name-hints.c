/* A hint is right or absent, whatever shares its slot. */
#include "store/names.h"

#include <glib.h>
#include <string.h>

#define NODE UINT64_C(0x1234567800000042)

static void test_a_name_is_kept_until_forgotten(void) {
  struct names *names = names_new();
  char name[NAMES_LENGTH_MAX];
  g_assert_false(names_get(names, NODE, name));
  names_put(names, NODE, "object");
  g_assert_true(names_get(names, NODE, name));
  g_assert_cmpstr(name, ==, "object");
  names_put(names, NODE, "renamed");
  g_assert_true(names_get(names, NODE, name));
  g_assert_cmpstr(name, ==, "renamed");
  names_forget(names, NODE);
  g_assert_false(names_get(names, NODE, name));
  names_free(names);
}

static void test_another_node_in_the_slot_is_not_taken_for_it(void) {
  struct names *names = names_new();
  char name[NAMES_LENGTH_MAX];
  const uint64_t other = NODE ^ UINT64_C(0x0f00000000000000);
  names_put(names, NODE, "first");
  g_assert_false(names_get(names, other, name));
  names_forget(names, other);
  g_assert_true(names_get(names, NODE, name));
  names_put(names, other, "second");
  g_assert_false(names_get(names, NODE, name));
  g_assert_true(names_get(names, other, name));
  g_assert_cmpstr(name, ==, "second");
  names_free(names);
}

static void test_only_names_that_fit_are_kept(void) {
  struct names *names = names_new();
  char name[NAMES_LENGTH_MAX];
  g_autofree char *fits = g_strnfill(NAMES_LENGTH_MAX - 1, 'a');
  g_autofree char *too_long = g_strnfill(NAMES_LENGTH_MAX, 'b');
  names_put(names, NODE, fits);
  names_put(names, NODE, too_long);
  g_assert_true(names_get(names, NODE, name));
  g_assert_cmpstr(name, ==, fits);
  names_free(names);
}

static gpointer put_and_get(gpointer data) {
  struct names *names = data;
  char name[NAMES_LENGTH_MAX];
  for (int i = 0; i < 200000; i++) {
    names_put(names, NODE, i % 2 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" : "b");
    if (names_get(names, NODE, name))
      g_assert_true(strcmp(name, "b") == 0 || strspn(name, "a") == strlen(name));
  }
  return NULL;
}

static void test_threads_see_whole_names(void) {
  struct names *names = names_new();
  GThread *thread = g_thread_new("names", put_and_get, names);
  put_and_get(names);
  g_thread_join(thread);
  names_free(names);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/names/a-name-is-kept-until-forgotten", test_a_name_is_kept_until_forgotten);
  g_test_add_func("/names/another-node-in-the-slot-is-not-taken-for-it",
                  test_another_node_in_the_slot_is_not_taken_for_it);
  g_test_add_func("/names/only-names-that-fit-are-kept", test_only_names_that_fit_are_kept);
  g_test_add_func("/names/threads-see-whole-names", test_threads_see_whole_names);
  return g_test_run();
}
