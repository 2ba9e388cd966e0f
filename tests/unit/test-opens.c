/* The table of open inodes and its index. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/index.h"
#include "fs/journal.h"
#include "fs/opens.h"

struct table {
  struct state *state;
  struct opens *opens;
};

static void table_begin(struct table *table) {
  g_assert_cmpint(state_new(&table->state), ==, 0);
  g_assert_cmpint(opens_new(table->state, -1, &table->opens), ==, 0);
}

static void table_end(struct table *table) {
  opens_free(table->opens);
  state_free(table->state);
}

static void count(struct table *table, const struct opened *opened, int by) {
  static uint64_t unique = 1000;
  unique += WIRE_UNIQUE_STEP;
  struct wire_in_header in = {.unique = unique};
  struct wire_out_header out = {.len = sizeof out, .unique = unique};
  unsigned char reply[WIRE_REPLY_KEPT];
  size_t size;
  journal_take(table->state, &in, reply, &size);
  opens_count(opened, by);
  journal_commit(table->state, &out, sizeof out);
  journal_leave(table->state);
}

static void open_with_fd(struct table *table, uint64_t node, int *ret_kept) {
  struct opened opened;
  int fd = memfd_create("test", MFD_CLOEXEC);
  *ret_kept = fd;
  struct opens_new_slot new = {.node = node, .fd = &fd, .keep_fd = true};
  g_assert_cmpint(opens_add(table->opens, &new, &opened), ==, 0);
  g_assert_cmpint(fd, ==, -1);
  count(table, &opened, +1);
  opens_let_go(table->opens, &opened);
}

static void release(struct table *table, uint64_t node) {
  struct opened opened;
  g_assert_true(opens_find(table->opens, node, &opened));
  count(table, &opened, -1);
  opens_let_go(table->opens, &opened);
}

static bool is_open_fd(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

static void test_one_slot_for_all_opens(void) {
  struct table table;
  table_begin(&table);
  int first, second = memfd_create("second", MFD_CLOEXEC);
  open_with_fd(&table, 77, &first);
  struct opened opened;
  struct opens_new_slot new = {.node = 77, .fd = &second, .keep_fd = true};
  g_assert_cmpint(opens_add(table.opens, &new, &opened), ==, 0);
  g_assert_cmpint(opened.fd, ==, first);
  g_assert_cmpint(second, >=, 0); /* not needed, so still the caller's */
  close(second);
  count(&table, &opened, +1);
  opens_let_go(table.opens, &opened);
  release(&table, 77);
  g_assert_true(opens_is_open(table.opens, 77));
  release(&table, 77);
  g_assert_false(opens_is_open(table.opens, 77));
  table_end(&table);
  close(first);
}

/* As with passthrough: no descriptor is kept (and here no backing id either). */
static void open_without_fd(struct table *table, uint64_t node) {
  struct opened opened;
  int fd = -1;
  struct opens_new_slot new = {.node = node, .fd = &fd};
  g_assert_cmpint(opens_add(table->opens, &new, &opened), ==, 0);
  count(table, &opened, +1);
  opens_let_go(table->opens, &opened);
}

static bool has_slot(struct table *table, uint64_t node) {
  struct opened opened;
  bool found = opens_find(table->opens, node, &opened);
  if (found)
    opens_let_go(table->opens, &opened);
  return found;
}

static void test_idle_slot_ends_when_idle(void) {
  struct table table;
  table_begin(&table);
  open_without_fd(&table, 5);
  release(&table, 5);
  g_assert_false(opens_is_open(table.opens, 5));
  opens_close_idle(table.opens, G_USEC_PER_SEC * 100);
  g_assert_true(has_slot(&table, 5));
  opens_close_idle(table.opens, 0);
  g_assert_false(has_slot(&table, 5));
  table_end(&table);
}

static void test_descriptor_is_not_kept_idle(void) {
  struct table table;
  table_begin(&table);
  int fd;
  open_with_fd(&table, 5, &fd);
  g_assert_true(is_open_fd(fd));
  release(&table, 5);
  g_assert_false(is_open_fd(fd));
  g_assert_false(has_slot(&table, 5));
  table_end(&table);
}

static void test_idle_slots_are_few(void) {
  struct table table;
  table_begin(&table);
  unsigned kept = 0;
  for (unsigned i = 0; i < OPENS_IDLE_MAX + 10; i++) {
    open_without_fd(&table, 100 + i);
    release(&table, 100 + i);
  }
  for (unsigned i = 0; i < OPENS_IDLE_MAX + 10; i++)
    kept += has_slot(&table, 100 + i);
  g_assert_cmpuint(kept, ==, OPENS_IDLE_MAX);
  opens_close_idle(table.opens, 0);
  g_assert_cmpuint(table.state->page->slots_high, <=, OPENS_IDLE_MAX + 1);
  table_end(&table);
}

static void test_nameless_ends_with_last_open(void) {
  struct table table;
  table_begin(&table);
  int fd;
  open_with_fd(&table, 6, &fd);
  opens_forget(table.opens, 6);
  g_assert_true(is_open_fd(fd));
  release(&table, 6);
  g_assert_false(is_open_fd(fd));
  open_without_fd(&table, 7);
  release(&table, 7);
  g_assert_true(has_slot(&table, 7));
  opens_forget(table.opens, 7); /* idle: at once */
  g_assert_false(has_slot(&table, 7));
  table_end(&table);
}

static void test_next_worker_finds_open_ones_and_closes_idle(void) {
  struct table table;
  table_begin(&table);
  int open_fd;
  open_with_fd(&table, 8, &open_fd);
  open_without_fd(&table, 9);
  release(&table, 9);
  opens_free(table.opens); /* the worker is gone */
  g_assert_cmpint(opens_new(table.state, -1, &table.opens), ==, 0);
  opens_recover(table.opens);
  g_assert_true(opens_is_open(table.opens, 8));
  g_assert_true(is_open_fd(open_fd));
  g_assert_false(has_slot(&table, 9));
  int copy = opens_dup_fd(table.opens, 8);
  g_assert_cmpint(copy, >=, 0);
  close(copy);
  release(&table, 8);
  opens_close_idle(table.opens, 0);
  g_assert_false(is_open_fd(open_fd));
  table_end(&table);
}

static void test_undo(void) {
  struct table table;
  table_begin(&table);
  struct opened opened;
  int fd = -1;
  struct opens_new_slot new = {.node = 11, .fd = &fd, .nameless = true};
  g_assert_cmpint(opens_add(table.opens, &new, &opened), ==, 0);
  count(&table, &opened, +1);
  opens_undo(table.opens, &opened);
  opens_let_go(table.opens, &opened);
  g_assert_false(opens_find(table.opens, 11, &opened));
  table_end(&table);
}

/* Against GLib's table, with keys that collide. */
static void test_index_agrees_with_a_hash_table(void) {
  struct index_table *index = index_new();
  g_autoptr(GHashTable) model = g_hash_table_new(NULL, NULL);
  for (unsigned i = 0; i < 200000; i++) {
    uint64_t node = 1 + (uint64_t)g_test_rand_int_range(0, 5000) * 4096;
    gpointer key = GSIZE_TO_POINTER(node);
    uint32_t slot;
    if (index_get(index, node, &slot)) {
      g_assert_cmpuint(slot, ==, GPOINTER_TO_UINT(g_hash_table_lookup(model, key)));
      index_remove(index, node);
      g_hash_table_remove(model, key);
    } else {
      g_assert_false(g_hash_table_contains(model, key));
      g_assert_cmpint(index_put(index, node, i), ==, 0);
      g_hash_table_insert(model, key, GUINT_TO_POINTER(i));
    }
  }
  index_free(index);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/opens/one-slot-for-all-opens", test_one_slot_for_all_opens);
  g_test_add_func("/opens/idle-slot-ends-when-idle", test_idle_slot_ends_when_idle);
  g_test_add_func("/opens/descriptor-is-not-kept-idle", test_descriptor_is_not_kept_idle);
  g_test_add_func("/opens/idle-slots-are-few", test_idle_slots_are_few);
  g_test_add_func("/opens/nameless-ends-with-the-last-open", test_nameless_ends_with_last_open);
  g_test_add_func("/opens/next-worker-finds-open-ones",
                  test_next_worker_finds_open_ones_and_closes_idle);
  g_test_add_func("/opens/undo", test_undo);
  g_test_add_func("/index/agrees-with-a-hash-table", test_index_agrees_with_a_hash_table);
  return g_test_run();
}
