/* The upgrade: a program is asked before it takes over, what must survive passes the exec, and a
 * refusal leaves everything as it was. */
#include "daemon/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/descriptors.h"
#include "util/fd.h"

struct fixture {
  struct options options;
  struct shared shared;
};

static char mount_point[] = "/nonexistent-mount-point";
static char *no_arguments[] = {NULL};

static void set_up(struct fixture *f, gconstpointer data) {
  (void)data;
  *f = (struct fixture){.shared = SHARED_NONE};
  f->options.mount_point = mount_point;
  f->options.arguments = no_arguments;
  f->shared.options = &f->options;
  f->shared.device = open("/dev/null", O_RDWR | O_CLOEXEC);
  f->shared.directory = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint(f->shared.device, >=, 0);
  g_assert_cmpint(f->shared.directory, >=, 0);
  g_assert_cmpint(state_new(&f->shared.state), ==, 0);
}

static void tear_down(struct fixture *f, gconstpointer data) {
  (void)data;
  fd_close(f->shared.device);
  fd_close(f->shared.directory);
  state_free(f->shared.state);
  g_free(f->shared.program);
}

static void expect_possible(struct fixture *f, const char *program, bool expected) {
  g_free(f->shared.program);
  f->shared.program = g_strdup(program);
  bool possible = handover_possible(&f->shared);
  g_assert_cmpint(possible, ==, expected);
}

static void test_the_program_on_disk_decides(struct fixture *f, gconstpointer data) {
  (void)data;
  expect_possible(f, "/bin/true", true);
  expect_possible(f, "/bin/false", false);
  expect_possible(f, "/nonexistent-program", false);
  expect_possible(f, "/etc/passwd", false);
  expect_possible(f, NULL, false);
}

static void numbers_of(const struct state_page *page, struct options *options) {
  const uint32_t numbers[] = {page->version,   page->page_size, page->record_size,
                              page->slot_size, page->records,   page->slots};
  options->numbers_count = G_N_ELEMENTS(numbers);
  for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
    options->numbers[i] = (int)numbers[i];
}

static void test_only_the_same_layout_is_understood(struct fixture *f, gconstpointer data) {
  (void)data;
  numbers_of(f->shared.state->page, &f->options);
  g_assert_cmpint(handover_check_state(&f->options), ==, EXIT_SUCCESS);
  for (int i = 0; i < f->options.numbers_count; i++) {
    f->options.numbers[i]++;
    g_assert_cmpint(handover_check_state(&f->options), ==, EXIT_FAILURE);
    f->options.numbers[i]--;
  }
  f->options.numbers_count--;
  g_assert_cmpint(handover_check_state(&f->options), ==, EXIT_FAILURE);
}

static bool closes_on_exec(int fd) {
  return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void test_a_failed_exec_changes_nothing(struct fixture *f, gconstpointer data) {
  (void)data;
  f->shared.program = g_strdup("/nonexistent-program");
  g_assert_cmpint(handover_exec(&f->shared), ==, -ENOENT);
  g_assert_true(closes_on_exec(f->shared.device));
  g_assert_true(closes_on_exec(f->shared.directory));
  g_assert_true(closes_on_exec(f->shared.state->fd));
}

static void resume_numbers(struct fixture *f, struct options *options, int state_fd) {
  const int numbers[] = {f->shared.device, f->shared.directory, -1, 0, state_fd, 0};
  options->mount_point = mount_point;
  options->numbers_count = G_N_ELEMENTS(numbers);
  for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
    options->numbers[i] = numbers[i];
}

static void test_the_next_program_finds_what_was_passed(struct fixture *f, gconstpointer data) {
  (void)data;
  struct options options = {0};
  struct shared next = SHARED_NONE;
  next.options = &options;
  f->shared.state->page->workers = 7;
  resume_numbers(f, &options, dup(f->shared.state->fd));
  g_assert_cmpint(handover_resume(&options, &next), ==, 0);
  g_assert_cmpint(next.device, ==, f->shared.device);
  g_assert_cmpint(next.directory, ==, f->shared.directory);
  g_assert_cmpint(next.watch, ==, -1);
  g_assert_cmpuint(next.state->page->workers, ==, 7);
  g_assert_cmpuint(next.state->page->upgrades, ==, 1);
  g_assert_true(closes_on_exec(next.state->fd));
  state_free(next.state);
}

static void test_resuming_nothing_is_an_error(struct fixture *f, gconstpointer data) {
  (void)data;
  struct options options = {0};
  struct shared next = SHARED_NONE;
  resume_numbers(f, &options, -1);
  g_assert_cmpint(handover_resume(&options, &next), ==, -EBADF);
  resume_numbers(f, &options, f->shared.device); /* no state page */
  g_assert_cmpint(handover_resume(&options, &next), <, 0);
  options.numbers_count = 2;
  g_assert_cmpint(handover_resume(&options, &next), ==, -EINVAL);
  g_assert_null(next.state);
}

static void keep(struct state *state, uint32_t slot, int fd) {
  state->page->slot[slot].fd = fd;
  state->page->slot[slot].used = 1;
  if (state->page->slots_high <= slot)
    state->page->slots_high = slot + 1;
}

static void test_sweep_spares_the_base_and_what_is_kept(struct fixture *f, gconstpointer data) {
  (void)data;
  auto_fd int kept = eventfd(0, EFD_CLOEXEC);
  keep(f->shared.state, 3, kept);
  GArray *base = descriptors_base(f->shared.state);
  g_assert_nonnull(base);
  for (guint i = 0; i < base->len; i++)
    g_assert_cmpint(g_array_index(base, int, i), !=, kept);
  int left = eventfd(0, EFD_CLOEXEC);
  descriptors_sweep(f->shared.state, base);
  g_assert_cmpint(fcntl(left, F_GETFD), ==, -1);
  g_assert_cmpint(fcntl(kept, F_GETFD), >=, 0);
  g_assert_cmpint(fcntl(f->shared.device, F_GETFD), >=, 0);
  g_array_unref(base);
}

static void test_kept_descriptors_pass_an_exec(struct fixture *f, gconstpointer data) {
  (void)data;
  auto_fd int kept = eventfd(0, EFD_CLOEXEC);
  keep(f->shared.state, 0, kept);
  descriptors_pass_kept(f->shared.state, true);
  g_assert_false(closes_on_exec(kept));
  descriptors_pass_kept(f->shared.state, false);
  g_assert_true(closes_on_exec(kept));
}

#define ADD(path, function)                                                                        \
  g_test_add("/handover/" path, struct fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("the-program-on-disk-decides", test_the_program_on_disk_decides);
  ADD("only-the-same-layout-is-understood", test_only_the_same_layout_is_understood);
  ADD("a-failed-exec-changes-nothing", test_a_failed_exec_changes_nothing);
  ADD("the-next-program-finds-what-was-passed", test_the_next_program_finds_what_was_passed);
  ADD("resuming-nothing-is-an-error", test_resuming_nothing_is_an_error);
  ADD("sweep-spares-the-base-and-what-is-kept", test_sweep_spares_the_base_and_what_is_kept);
  ADD("kept-descriptors-pass-an-exec", test_kept_descriptors_pass_an_exec);
  return g_test_run();
}
