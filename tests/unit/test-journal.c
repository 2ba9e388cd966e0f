/* The journal and the table of opens: a request is carried out once, whatever instruction a worker
 * dies at.
 *
 * The kill tests run an update in a child that is single-stepped. After every instruction the memory
 * that it shares with its parent is exactly what a SIGKILL there would leave, so the parent copies it,
 * lets the next worker's recovery run on the copy, and checks what that one finds. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/journal.h"
#include "fs/opens.h"
#include "fs/state.h"
#include "util/fd.h"

#define NODE UINT64_C(0x1234567800000042)
#define OTHER UINT64_C(0x1234567800000043)

/* What the child says about how far it is; beside the state, shared too. */
struct progress {
  volatile int written; /* the reply has reached "the kernel" */
};

struct update {
  struct state *state;
  struct opens *opens;
  struct progress *progress;
};

static struct state *fresh_state(void) {
  struct state *state;
  g_assert_cmpint(state_new(&state), ==, 0);
  return state;
}

static struct opens *fresh_opens(struct state *state) {
  struct opens *opens;
  g_assert_cmpint(opens_new(state, -1, &opens), ==, 0);
  return opens;
}

static bool take(struct state *state, uint64_t unique, unsigned char *reply, size_t *size) {
  struct wire_in_header header = {.len = sizeof header, .opcode = WIRE_OPEN, .unique = unique};
  return journal_take(state, &header, reply, size);
}

static void take_new(struct state *state, uint64_t unique) {
  unsigned char reply[WIRE_REPLY_KEPT];
  size_t size;
  g_assert_false(take(state, unique, reply, &size));
}

static void commit(struct state *state, uint64_t unique, int error) {
  struct wire_out_header header = {.len = sizeof header, .error = error, .unique = unique};
  journal_commit(state, &header, sizeof header);
}

static void open_node(struct update *update, uint64_t unique) {
  struct opened opened;
  struct opens_new_slot new = {.node = NODE};
  int fd = -1;
  new.fd = &fd;
  take_new(update->state, unique);
  g_assert_cmpint(opens_add(update->opens, &new, &opened), ==, 0);
  g_assert_cmpint(journal_start(update->state, 0), ==, 0);
  opens_count(&opened, +1);
  commit(update->state, unique, 0);
  update->progress->written = 1;
  opens_let_go(update->opens, &opened);
  journal_leave(update->state);
}

static void release_node(struct update *update, uint64_t unique) {
  struct opened opened;
  take_new(update->state, unique);
  g_assert_true(opens_find(update->opens, NODE, &opened));
  g_assert_cmpint(journal_start(update->state, 0), ==, 0);
  opens_count(&opened, -1);
  commit(update->state, unique, 0);
  update->progress->written = 1;
  opens_let_go(update->opens, &opened);
  journal_leave(update->state);
}

static const struct state_record *find_record(const struct state *state, uint64_t unique) {
  for (unsigned i = 0; i < STATE_RECORDS; i++)
    if (state->page->record[i].phase != STATE_FREE && state->page->record[i].unique == unique)
      return &state->page->record[i];
  return NULL;
}

static unsigned opens_of(const struct state *state, uint64_t node) {
  for (unsigned i = 0; i < state->page->slots_high; i++)
    if (state->page->slot[i].used && state->page->slot[i].node == node)
      return state->page->slot[i].count;
  return 0;
}

static unsigned used_slots(const struct state *state) {
  unsigned used = 0;
  for (unsigned i = 0; i < state->page->slots_high; i++)
    used += state->page->slot[i].used;
  return used;
}

/* What a worker that takes over finds. */
static void recover_copy(struct state *copy, const struct state *from) {
  size_t size = sizeof(struct state_page) + 16 * sizeof(struct state_slot);
  memcpy(copy->page, from->page, size);
  state_recover(copy);
  struct opens *opens = fresh_opens(copy);
  opens_recover(opens);
  opens_free(opens);
}

typedef void update_fn(struct update *update);
typedef void check_fn(const struct state *recovered, const struct progress *progress, bool ended);

static void run_child(update_fn *run, struct update *update) {
  ptrace(PTRACE_TRACEME, 0, NULL, NULL);
  raise(SIGSTOP);
  run(update);
  _exit(0);
}

/* Runs the update in a child and checks after each of its instructions. */
static void at_every_step(struct update *update, update_fn *run, check_fn *check) {
  struct state *copy = fresh_state();
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0)
    run_child(run, update);
  int status;
  unsigned steps = 0;
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  while (WIFSTOPPED(status)) {
    if (steps > 400000) /* something waits; never so far away */
      kill(child, SIGKILL);
    g_assert_cmpint(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), ==, 0);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    recover_copy(copy, update->state);
    check(copy, update->progress, WIFEXITED(status));
    steps++;
  }
  g_assert_true(WIFEXITED(status));
  g_assert_cmpint(WEXITSTATUS(status), ==, 0);
  g_assert_cmpuint(steps, >, 100);
  g_test_message("%u steps", steps);
  state_free(copy);
}

static void update_begin(struct update *update) {
  update->state = fresh_state();
  update->opens = fresh_opens(update->state);
  auto_fd int fd = memfd_create("progress", MFD_CLOEXEC);
  g_assert_cmpint(ftruncate(fd, sizeof *update->progress), ==, 0);
  update->progress =
      mmap(NULL, sizeof *update->progress, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  g_assert_true(update->progress != MAP_FAILED);
}

static void update_end(struct update *update) {
  munmap(update->progress, sizeof *update->progress);
  opens_free(update->opens);
  state_free(update->state);
}

static void run_open(struct update *update) {
  open_node(update, 100);
}

/* Counted exactly when there is an answer to give (or it has been given). */
static void check_open(const struct state *state, const struct progress *progress, bool ended) {
  const struct state_record *record = find_record(state, 100);
  bool answered = progress->written || (record && record->phase == STATE_DONE);
  g_assert_cmpuint(opens_of(state, NODE), ==, answered ? 1 : 0);
  g_assert_cmpuint(used_slots(state), ==, answered ? 1 : 0);
  if (ended)
    g_assert_null(record);
}

static void test_kill_during_open(void) {
  struct update update;
  update_begin(&update);
  at_every_step(&update, run_open, check_open);
  update_end(&update);
}

static void run_release(struct update *update) {
  release_node(update, 200);
}

static void check_release(const struct state *state, const struct progress *progress, bool ended) {
  const struct state_record *record = find_record(state, 200);
  bool answered = progress->written || (record && record->phase == STATE_DONE);
  g_assert_cmpuint(opens_of(state, NODE), ==, answered ? 0 : 1);
  g_assert_cmpuint(used_slots(state), ==, answered ? 0 : 1);
  if (ended)
    g_assert_null(record);
}

static void test_kill_during_release(void) {
  struct update update;
  update_begin(&update);
  open_node(&update, 100);
  update.progress->written = 0;
  at_every_step(&update, run_release, check_release);
  update_end(&update);
}

static void run_change(struct update *update) {
  take_new(update->state, 300);
  g_assert_cmpint(journal_start(update->state, OTHER), ==, 0);
  commit(update->state, 300, -EEXIST);
  update->progress->written = 1;
  journal_leave(update->state);
}

/* A record that can be seen is whole. */
static void check_change(const struct state *state, const struct progress *progress, bool ended) {
  const struct state_record *record = find_record(state, 300);
  if (record)
    g_assert_cmpuint(record->before, ==, OTHER);
  if (record && record->phase == STATE_DONE) {
    struct wire_out_header header;
    g_assert_cmpuint(record->reply_size, ==, sizeof header);
    memcpy(&header, record->reply, sizeof header);
    g_assert_cmpint(header.error, ==, -EEXIST);
    g_assert_cmpuint(header.unique, ==, 300);
  }
  if (progress->written && !ended)
    g_assert_true(!record || record->phase == STATE_DONE);
}

static void test_kill_during_change(void) {
  struct update update;
  update_begin(&update);
  at_every_step(&update, run_change, check_change);
  update_end(&update);
}

static void run_keep_init(struct update *update) {
  char message[104];
  memset(message, 'i', sizeof message);
  state_keep_init(update->state, message, sizeof message);
}

static void check_keep_init(const struct state *state, const struct progress *progress,
                            bool ended) {
  (void)progress;
  g_assert_true(state->page->init_size == 0 || state->page->init_size == 104);
  for (unsigned i = 0; i < state->page->init_size; i++)
    g_assert_cmpint(state->page->init[i], ==, 'i');
  if (ended)
    g_assert_cmpuint(state->page->init_size, ==, 104);
}

static void test_kill_during_keep_init(void) {
  struct update update;
  update_begin(&update);
  at_every_step(&update, run_keep_init, check_keep_init);
  update_end(&update);
}

static void test_resent_done_gets_first_answer(void) {
  struct state *state = fresh_state();
  take_new(state, 40);
  g_assert_cmpint(journal_start(state, 0), ==, 0);
  commit(state, 40, -ENOSPC); /* and the worker dies here */

  unsigned char reply[WIRE_REPLY_KEPT];
  struct wire_out_header header;
  size_t size;
  g_assert_true(take(state, 40 | WIRE_UNIQUE_RESEND, reply, &size));
  memcpy(&header, reply, sizeof header);
  g_assert_cmpuint(size, ==, sizeof header);
  g_assert_cmpint(header.error, ==, -ENOSPC);
  g_assert_cmpuint(header.unique, ==, 40 | WIRE_UNIQUE_RESEND);
  journal_leave(state);
  g_assert_null(find_record(state, 40));
  state_free(state);
}

static void test_resent_started_knows_what_was_before(void) {
  struct state *state = fresh_state();
  take_new(state, 50);
  g_assert_cmpint(journal_start(state, OTHER), ==, 0);
  uint64_t before = 0;
  g_assert_false(journal_again(&before));
  take_new(state, 50 | WIRE_UNIQUE_RESEND);
  g_assert_true(journal_again(&before));
  g_assert_cmpuint(before, ==, OTHER);
  g_assert_cmpint(journal_start(state, NODE), ==, 0);
  take_new(state, 50 | WIRE_UNIQUE_RESEND); /* cut off a second time */
  g_assert_true(journal_again(&before));
  g_assert_cmpuint(before, ==, OTHER);
  journal_leave(state);
  g_assert_false(journal_again(&before));
  state_free(state);
}

static void test_records_of_lost_requests_are_used_again(void) {
  struct state *state = fresh_state();
  struct wire_out_header header = {0};
  for (unsigned i = 1; i <= STATE_RECORDS; i++) {
    /* Each begun by a thread that died: only the record stays. */
    state->page->record[i - 1] =
        (struct state_record){.unique = 2 * (uint64_t)i, .phase = STATE_STARTED};
  }
  take_new(state, 9000);
  g_assert_cmpint(journal_start(state, 0), ==, -EBUSY);
  journal_leave(state);
  for (int replaced = 0; replaced < 3; replaced++)
    state_recover(state);
  take_new(state, 9000);
  g_assert_cmpint(journal_start(state, 0), ==, 0);
  journal_commit(state, &header, sizeof header);
  journal_leave(state);
  state_free(state);
}

static void keep_settled(void *data, const void *reply, size_t size) {
  GArray *uniques = data;
  struct wire_out_header header;
  g_assert_cmpuint(size, >=, sizeof header);
  memcpy(&header, reply, sizeof header);
  g_array_append_val(uniques, header.unique);
}

static void test_settle_gives_each_undelivered_reply_once(void) {
  struct state *state = fresh_state();
  take_new(state, 60);
  journal_start(state, 0);
  commit(state, 60, 0);
  g_autoptr(GArray) uniques = g_array_new(FALSE, FALSE, sizeof(uint64_t));
  journal_settle(state, keep_settled, uniques);
  journal_settle(state, keep_settled, uniques);
  g_assert_cmpuint(uniques->len, ==, 1);
  g_assert_cmpuint(g_array_index(uniques, uint64_t, 0), ==, 60);
  journal_leave(state);
  state_free(state);
}

static void test_failed_open_is_not_counted(void) {
  struct update update;
  update_begin(&update);
  struct opened opened;
  int fd = -1;
  struct opens_new_slot new = {.node = NODE, .fd = &fd};
  take_new(update.state, 70);
  g_assert_cmpint(opens_add(update.opens, &new, &opened), ==, 0);
  g_assert_cmpint(journal_start(update.state, 0), ==, 0);
  opens_count(&opened, +1);
  commit(update.state, 70, -EACCES);
  opens_let_go(update.opens, &opened);
  journal_leave(update.state);
  g_assert_false(opens_is_open(update.opens, NODE));
  update_end(&update);
}

static void test_page_of_another_layout_is_refused(void) {
  struct state *state = fresh_state();
  state->page->version = STATE_VERSION + 1;
  struct state *adopted;
  auto_fd int fd = dup(state->fd);
  g_assert_cmpint(state_adopt(fd, &adopted), ==, -EPROTO);
  state->page->version = STATE_VERSION;
  g_assert_cmpint(state_adopt(fd, &adopted), ==, 0);
  fd_steal(&fd);
  state_free(adopted);
  state_free(state);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/journal/kill-at-every-step-of-open", test_kill_during_open);
  g_test_add_func("/journal/kill-at-every-step-of-release", test_kill_during_release);
  g_test_add_func("/journal/kill-at-every-step-of-a-change", test_kill_during_change);
  g_test_add_func("/journal/kill-at-every-step-of-keeping-init", test_kill_during_keep_init);
  g_test_add_func("/journal/resent-done-gets-the-first-answer", test_resent_done_gets_first_answer);
  g_test_add_func("/journal/resent-started-knows-what-was-before",
                  test_resent_started_knows_what_was_before);
  g_test_add_func("/journal/records-of-lost-requests-are-used-again",
                  test_records_of_lost_requests_are_used_again);
  g_test_add_func("/journal/settle-gives-each-undelivered-reply-once",
                  test_settle_gives_each_undelivered_reply_once);
  g_test_add_func("/journal/failed-open-is-not-counted", test_failed_open_is_not_counted);
  g_test_add_func("/journal/page-of-another-layout-is-refused",
                  test_page_of_another_layout_is_refused);
  return g_test_run();
}
