/* Names with and without a prefix, and the store that shows one prefix's objects only. */
#include "store/confined.h"
#include "store/prefix.h"

#include "posix-fixture.h"

#include <errno.h>
#include <sys/xattr.h>

static void test_useless_prefixes_are_refused(void) {
  char longest[NAME_MAX + 1] = "";
  memset(longest, 'x', NAME_MAX - 1);
  g_assert_null(prefix_refused(longest));
  g_assert_null(prefix_refused("c1-"));
  g_assert_null(prefix_refused("."));
  g_assert_null(prefix_refused("semaphore"));
  longest[NAME_MAX - 1] = 'x';
  g_assert_nonnull(prefix_refused(longest));
  static const char *const bad[] = {"", "/", "a/b", "s", "se", "sem", "sem.", "sem.a"};
  for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
    g_assert_nonnull(prefix_refused(bad[i]));
}

static void test_names_map_both_ways(void) {
  static const char *const names[][2] = {{"x", "c1-x"},       {"sem.x", "sem.c1-x"},
                                         {"sem.", "sem.c1-"}, {"sem", "c1-sem"},
                                         {"c1-x", "c1-c1-x"}, {" \n", "c1- \n"}};
  char mapped[PREFIX_NAME_SIZE];
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    g_assert_cmpint(prefix_outside("c1-", names[i][0], mapped), ==, 0);
    g_assert_cmpstr(mapped, ==, names[i][1]);
    g_assert_true(prefix_inside("c1-", names[i][1], mapped));
    g_assert_cmpstr(mapped, ==, names[i][0]);
  }
}

static void test_what_is_no_name_inside_is_not_shown(void) {
  static const char *const outside[] = {"c1-",  "c1-.",    "c1-..",     "c1-sem.x", "c2-x",
                                        "c1",   "x",       "sem.x",     "sem.",     "sem.c2-x",
                                        "xc1-", "sem.c1x", "c1-sem.c1-"};
  char mapped[PREFIX_NAME_SIZE] = "";
  for (size_t i = 0; i < G_N_ELEMENTS(outside); i++)
    g_assert_false(prefix_inside("c1-", outside[i], mapped));
  g_assert_cmpint(prefix_outside("c1-", ".", mapped), ==, -EINVAL);
  g_assert_cmpint(prefix_outside(".", "..", mapped), ==, -EINVAL);
  g_assert_cmpint(prefix_outside("c1-", "a/b", mapped), ==, -EINVAL);
  g_assert_cmpint(prefix_outside("c1-", "", mapped), ==, -EINVAL);
}

static void test_lengths_are_those_outside(void) {
  char name[NAME_MAX + 1] = "sem.", mapped[PREFIX_NAME_SIZE];
  memset(name + 4, 'x', NAME_MAX - 4 - 3);
  g_assert_cmpint(prefix_outside("c1-", name, mapped), ==, 0);
  g_assert_cmpuint(strlen(mapped), ==, NAME_MAX);
  name[strlen(name)] = 'x';
  g_assert_cmpint(prefix_outside("c1-", name, mapped), ==, -ENAMETOOLONG);
}

/* No name maps to what another one maps to, whatever the two prefixes are. */
static void test_two_prefixes_share_nothing(void) {
  static const char *const prefixes[] = {"a-", "b-", "semi-", "sea", "em.", "."};
  static const char *const names[] = {"x", "sem.x", "sem.", "em.x", "a-x", "b-", "sem.a-x", "m.x"};
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  char outside[PREFIX_NAME_SIZE];
  for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
    for (size_t k = 0; k < G_N_ELEMENTS(names); k++) {
      g_assert_cmpint(prefix_outside(prefixes[i], names[k], outside), ==, 0);
      g_assert_true(g_hash_table_add(seen, g_strdup(outside)));
    }
  }
}

/* The fixture's store, confined; it frees both. */
static void set_up_confined(struct fixture *f, gconstpointer options) {
  set_up(f, NULL);
  make_regular(f, "c1-there");
  make_regular(f, "sem.c1-there");
  make_regular(f, "other");
  make_regular(f, "c1-");
  make_regular(f, "c1-..");
  g_assert_cmpint(confined_store_new(f->store, options, &f->store), ==, 0);
  f->ops = f->store->ops;
}

static int add_name(void *data, const char *name, uint64_t ino, unsigned char type, uint64_t next) {
  (void)ino, (void)type, (void)next;
  g_hash_table_add(data, g_strdup(name));
  return 0;
}

static void test_listing_has_the_names_inside(struct fixture *f, gconstpointer data) {
  (void)data;
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_assert_cmpint(f->ops->list(f->store, STORE_ROOT, 0, add_name, names), ==, 0);
  static const char *const expected[] = {".", "..", "there", "sem.there"};
  g_assert_cmpuint(g_hash_table_size(names), ==, G_N_ELEMENTS(expected));
  for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
    g_assert_true(g_hash_table_contains(names, expected[i]));
}

static bool is_outside(const struct fixture *f, const char *name) {
  return faccessat(f->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_changes_reach_only_names_with_the_prefix(struct fixture *f, gconstpointer data) {
  (void)data;
  struct store_entry entry;
  uint64_t node = make_regular(f, "new");
  g_assert_true(is_outside(f, "c1-new"));
  g_assert_cmpint(f->ops->link(f->store, node, STORE_ROOT, "sem.new", &entry), ==, 0);
  g_assert_true(is_outside(f, "sem.c1-new"));
  g_assert_cmpint(f->ops->rename(f->store, STORE_ROOT, "new", STORE_ROOT, "other", 0), ==, 0);
  g_assert_true(is_outside(f, "c1-other") && is_outside(f, "other"));
  g_assert_cmpint(f->ops->unlink(f->store, STORE_ROOT, "other"), ==, 0);
  g_assert_true(!is_outside(f, "c1-other") && is_outside(f, "other"));
  g_assert_cmpint(f->ops->unlink(f->store, STORE_ROOT, "other"), ==, -ENOENT);
  g_assert_cmpint(f->ops->lookup(f->store, STORE_ROOT, "c1-there", &entry), ==, -ENOENT);
  make(f, STORE_ROOT, "folder", S_IFDIR | 0700);
  g_assert_cmpint(f->ops->remove_directory(f->store, STORE_ROOT, "folder"), ==, 0);
  g_assert_cmpint(f->ops->unlink(f->store, STORE_ROOT, ".."), ==, -EINVAL);
}

static void test_names_in_directories_are_not_mapped(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t folder = make(f, STORE_ROOT, "folder", S_IFDIR | 0700);
  make(f, folder, "inner", S_IFREG | 0600);
  g_assert_true(is_outside(f, "c1-folder/inner"));
  lookup(f, folder, "inner");
}

static void test_longest_name_is_shorter(struct fixture *f, gconstpointer data) {
  (void)data;
  struct statvfs native, shown;
  g_assert_cmpint(fstatvfs(f->fd, &native), ==, 0);
  g_assert_cmpint(f->ops->get_statvfs(f->store, &shown), ==, 0);
  g_assert_cmpuint(shown.f_namemax, ==, native.f_namemax - strlen("c1-"));
}

static void test_root_is_shown_as_asked_and_not_changed(struct fixture *f, gconstpointer data) {
  (void)data;
  struct store_change change = {.mask = STORE_CHANGE_MODE, .mode = 0777};
  struct stat native, shown = attributes_of(f, STORE_ROOT);
  g_assert_cmpuint(shown.st_mode, ==, (S_IFDIR | 0750));
  g_assert_cmpuint(shown.st_uid, ==, 7);
  g_assert_cmpuint(shown.st_gid, ==, 8);
  g_assert_cmpint(f->ops->change(f->store, STORE_ROOT, -1, &change, &shown), ==, -EPERM);
  g_assert_cmpint(f->ops->set_xattr(f->store, STORE_ROOT, "user.x", "y", 1, 0), ==, -EPERM);
  g_assert_cmpint(fstat(f->fd, &native), ==, 0);
  g_assert_cmpuint(native.st_mode, ==, (S_IFDIR | 01777));
}

static void test_umask_takes_bits_away(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t node = make(f, STORE_ROOT, "new", S_IFREG | 0666);
  g_assert_cmpuint(attributes_of(f, node).st_mode & 0777, ==, 0640);
}

static void test_growing_allocates_the_pages(struct fixture *f, gconstpointer data) {
  (void)data;
  uint64_t node = make_regular(f, "new");
  struct store_change change = {.mask = STORE_CHANGE_SIZE, .size = 1 << 20};
  struct stat now;
  g_assert_cmpint(f->ops->change(f->store, node, -1, &change, &now), ==, 0);
  g_assert_cmpint(now.st_size, ==, 1 << 20);
  g_assert_cmpint(now.st_blocks, >=, (1 << 20) / 512);
  change.size = INT64_MAX;
  g_assert_cmpint(f->ops->change(f->store, node, -1, &change, &now), <, 0);
  g_assert_cmpint(attributes_of(f, node).st_size, ==, 1 << 20);
  change.size = 100;
  g_assert_cmpint(f->ops->change(f->store, node, -1, &change, &now), ==, 0);
  g_assert_cmpint(now.st_size, ==, 100);
}

static void add_confined(const char *path, const struct confined_options *options,
                         void (*test)(struct fixture *, gconstpointer)) {
  g_test_add(path, struct fixture, options, set_up_confined, test, tear_down);
}

int main(int argc, char **argv) {
  static const struct confined_options prefixed = {.prefix = "c1-"};
  static const struct confined_options root = {
      .has_mode = true, .mode = 0750, .has_uid = true, .uid = 7, .has_gid = true, .gid = 8};
  static const struct confined_options umask_027 = {.umask = 027};
  static const struct confined_options prealloc = {.prealloc = true};
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(privilege_init(), ==, 0);
  g_test_add_func("/prefix/useless-ones-are-refused", test_useless_prefixes_are_refused);
  g_test_add_func("/prefix/names-map-both-ways", test_names_map_both_ways);
  g_test_add_func("/prefix/what-is-no-name-is-not-shown", test_what_is_no_name_inside_is_not_shown);
  g_test_add_func("/prefix/lengths-are-those-outside", test_lengths_are_those_outside);
  g_test_add_func("/prefix/two-prefixes-share-nothing", test_two_prefixes_share_nothing);
  add_confined("/prefix/listing", &prefixed, test_listing_has_the_names_inside);
  add_confined("/prefix/changes", &prefixed, test_changes_reach_only_names_with_the_prefix);
  add_confined("/prefix/directories", &prefixed, test_names_in_directories_are_not_mapped);
  add_confined("/prefix/longest-name", &prefixed, test_longest_name_is_shorter);
  add_confined("/confined/root-as-asked", &root, test_root_is_shown_as_asked_and_not_changed);
  add_confined("/confined/umask", &umask_027, test_umask_takes_bits_away);
  add_confined("/confined/prealloc", &prealloc, test_growing_allocates_the_pages);
  return g_test_run();
}
