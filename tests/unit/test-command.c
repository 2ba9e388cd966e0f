/* Writes that are commands: obeyed once, and answered truly, whatever instruction a worker dies at.
 *
 * As in test-journal.c, the command runs in a child that is single-stepped. After each instruction the
 * parent copies what the child shares with it, and is the next worker: it gives the kept answer if there
 * is one, and otherwise runs the command again. The child's agent is stepped likewise, and then it is
 * the agent that was killed as well. */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/command.h"
#include "fs/journal.h"
#include "util/fd.h"

#define UNIQUE UINT64_C(100)
#define SIZE 5 /* bytes of the command */

/* What commands are about: shared between processes, as a queue is. */
struct outside {
  volatile int acts;
};

struct fake {
  struct store base;
  struct outside *outside;
  int error; /* of the act, which then does nothing */
  bool dies; /* whoever acts is killed there */
};

static int fake_act(void *data) {
  const struct fake *fake = data;
  if (fake->dies)
    kill(getpid(), SIGKILL);
  if (fake->error == 0)
    fake->outside->acts = fake->outside->acts + 1;
  return fake->error;
}

/* A queue for one message. */
static int fake_command(struct store *store, uint64_t node, const void *data, size_t size,
                        struct store_act *act) {
  struct fake *fake = (struct fake *)store;
  (void)node, (void)data, (void)size;
  return fake->outside->acts > 0 ? -EAGAIN : act->perform(act, fake_act, fake);
}

static const struct store_ops fake_ops = {.command = fake_command};

struct run {
  struct state *state, *copy;
  struct fake fake;
  volatile int *written; /* the answer has reached "the kernel"; shared */
  pid_t dead;            /* the id of no process */
  unsigned steps, agent_steps, unknown;
};

static void *shared_memory(size_t size) {
  auto_fd int fd = memfd_create("shared", MFD_CLOEXEC);
  g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  g_assert_true(memory != MAP_FAILED);
  return memory;
}

static pid_t dead_process(void) {
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0)
    _exit(0);
  g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
  return child;
}

static void run_begin(struct run *run) {
  g_assert_cmpint(state_new(&run->state), ==, 0);
  g_assert_cmpint(state_new(&run->copy), ==, 0);
  run->fake.base.ops = &fake_ops;
  run->fake.outside = shared_memory(sizeof(struct outside));
  run->written = shared_memory(sizeof(int));
  run->dead = dead_process();
}

static void run_end(struct run *run) {
  munmap(run->fake.outside, sizeof(struct outside));
  munmap((void *)run->written, sizeof(int));
  state_free(run->state);
  state_free(run->copy);
}

/* What reply.c writes after a command. */
static void answer(struct state *state, int code) {
  struct {
    struct wire_out_header header;
    struct wire_write_out out;
  } reply = {.header = {.len = code < 0 ? sizeof reply.header : sizeof reply,
                        .error = code,
                        .unique = journal_unique()},
             .out.size = SIZE};
  journal_commit(state, &reply, reply.header.len);
}

static int obey(struct state *state, struct fake *fake) {
  return command_run(state, &fake->base, 1, "+1234", SIZE);
}

static void serve(struct run *run, uint64_t unique) {
  struct wire_in_header header = {.len = sizeof header, .opcode = 16, .unique = unique};
  unsigned char reply[WIRE_REPLY_KEPT];
  size_t size;
  journal_take(run->state, &header, reply, &size);
  answer(run->state, obey(run->state, &run->fake));
  *run->written = 1;
  journal_leave(run->state);
}

/* One before, so that the steps are not those of the dynamic linker. */
static void run_child(struct run *run) {
  serve(run, UNIQUE - WIRE_UNIQUE_STEP);
  *run->written = 0;
  run->fake.outside->acts = 0;
  ptrace(PTRACE_TRACEME, 0, NULL, NULL);
  raise(SIGSTOP);
  serve(run, UNIQUE);
  _exit(0);
}

/* The answer that the client gets from the next worker. A kept one says how much was written. */
static int next_worker(struct state *state, struct fake *fake) {
  struct wire_in_header header = {
      .len = sizeof header, .opcode = 16, .unique = UNIQUE | WIRE_UNIQUE_RESEND};
  struct {
    struct wire_out_header header;
    struct wire_write_out out;
    unsigned char rest[WIRE_REPLY_KEPT];
  } reply;
  size_t size;
  int code;
  state_recover(state);
  if (journal_take(state, &header, &reply, &size)) {
    code = reply.header.error;
    g_assert_cmpuint(size, ==, reply.header.len);
    g_assert_cmpuint(size, ==, sizeof reply.header + (code < 0 ? 0 : sizeof reply.out));
    if (code == 0)
      g_assert_cmpuint(reply.out.size, ==, SIZE);
  } else {
    code = obey(state, fake);
    answer(state, code);
  }
  journal_leave(state);
  return code;
}

static struct state_record *begun_record(struct state *state) {
  for (unsigned i = 0; i < STATE_RECORDS; i++)
    if (state->page->record[i].phase == STATE_STARTED)
      return &state->page->record[i];
  return NULL;
}

/* Everything that is running is killed at this instruction, on copies. */
static int answer_after_kill(struct run *run, struct outside *ret_outside) {
  struct fake fake = run->fake;
  *ret_outside = *run->fake.outside;
  fake.outside = ret_outside;
  memcpy(run->copy->page, run->state->page, sizeof(struct state_page));
  struct state_record *record = begun_record(run->copy);
  if (record && record->agent)
    record->agent = run->dead; /* as it is in reality; here it is only stopped */
  return *run->written ? fake.error : next_worker(run->copy, &fake);
}

static void check_worker(struct run *run) {
  struct outside outside;
  int code = answer_after_kill(run, &outside);
  g_assert_cmpint(code, ==, run->fake.error);
  g_assert_cmpint(outside.acts, ==, run->fake.error == 0 ? 1 : 0);
  run->steps++;
}

static void check_agent(struct run *run) {
  struct outside outside;
  int code = answer_after_kill(run, &outside);
  if (code == -EIO)
    run->unknown++;
  else
    g_assert_cmpint(code, ==, run->fake.error);
  g_assert_cmpint(outside.acts, <=, 1);
  if (code == 0)
    g_assert_cmpint(outside.acts, ==, 1);
  run->agent_steps++;
}

/* Lets it go on by one instruction. Its status then; one that does not end would go on for ever. */
static int step(pid_t process, unsigned steps) {
  int status;
  if (steps > 100000)
    kill(process, SIGKILL);
  g_assert_cmpint(ptrace(PTRACE_SINGLESTEP, process, NULL, NULL), ==, 0);
  g_assert_cmpint(waitpid(process, &status, __WALL), ==, process);
  return status;
}

/* From its first instruction to its end. */
static void step_agent(struct run *run, pid_t worker) {
  unsigned long agent;
  int status;
  g_assert_cmpint(ptrace(PTRACE_GETEVENTMSG, worker, NULL, &agent), ==, 0);
  g_assert_cmpint(waitpid((pid_t)agent, &status, __WALL), ==, (pid_t)agent);
  g_assert_cmpint(begun_record(run->state)->agent, ==, (pid_t)agent);
  while (WIFSTOPPED(status)) {
    status = step((pid_t)agent, run->agent_steps);
    check_agent(run);
  }
  g_assert_true(WIFEXITED(status));
  g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void at_every_step(struct run *run) {
  int status;
  pid_t child = fork();
  g_assert_cmpint(child, >=, 0);
  if (child == 0)
    run_child(run);
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_cmpint(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACEVFORK), ==, 0);
  while (WIFSTOPPED(status)) {
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_VFORK << 8))
      step_agent(run, child);
    else
      check_worker(run);
    status = step(child, run->steps);
  }
  g_assert_true(WIFEXITED(status));
  g_assert_cmpint(WEXITSTATUS(status), ==, 0);
  g_assert_cmpuint(run->steps, >, 100);
  g_assert_cmpuint(run->agent_steps, >, 20);
  g_test_message("%u steps, %u of the agent, of which %u are told -EIO", run->steps,
                 run->agent_steps, run->unknown);
}

static void test_done_once(void) {
  struct run run = {0};
  run_begin(&run);
  at_every_step(&run);
  g_assert_cmpuint(run.unknown, >, 0);
  g_assert_cmpuint(run.unknown, <, run.agent_steps);
  run_end(&run);
}

static void test_error_told_once(void) {
  struct run run = {.fake.error = -EMSGSIZE};
  run_begin(&run);
  at_every_step(&run);
  run_end(&run);
}

/* The agent is stopped, and finishes while the next worker waits for it. */
static void test_agent_is_waited_for(void) {
  struct wire_in_header header = {.len = sizeof header, .opcode = 16, .unique = UNIQUE};
  struct wire_out_header reply = {.len = sizeof reply, .error = -ENOSPC, .unique = UNIQUE};
  unsigned char kept[WIRE_REPLY_KEPT];
  struct run run = {0};
  size_t size;
  run_begin(&run);
  journal_take(run.state, &header, kept, &size);
  g_assert_cmpint(journal_start(run.state, 0), ==, 0);
  pid_t agent = fork();
  g_assert_cmpint(agent, >=, 0);
  if (agent == 0) {
    g_usleep(300000);
    journal_commit_as_agent(run.state, &reply, sizeof reply);
    _exit(0);
  }
  *journal_agent(run.state) = agent;
  g_assert_cmpint(next_worker(run.state, &run.fake), ==, -ENOSPC);
  g_assert_cmpint(waitpid(agent, NULL, 0), ==, agent);
  g_assert_cmpint(run.fake.outside->acts, ==, 0);
  run_end(&run);
}

/* Whether it had acted nobody knows. The worker lives, and says so. */
static void test_agent_is_killed_alone(void) {
  struct wire_in_header header = {.len = sizeof header, .opcode = 16, .unique = UNIQUE};
  unsigned char kept[WIRE_REPLY_KEPT];
  struct run run = {.fake.dies = true};
  size_t size;
  run_begin(&run);
  journal_take(run.state, &header, kept, &size);
  g_assert_cmpint(obey(run.state, &run.fake), ==, -EIO);
  journal_leave(run.state);
  run_end(&run);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/command/kill-at-every-step", test_done_once);
  g_test_add_func("/command/kill-at-every-step-of-an-act-that-fails", test_error_told_once);
  g_test_add_func("/command/an-agent-is-waited-for", test_agent_is_waited_for);
  g_test_add_func("/command/an-agent-that-is-killed-is-an-error", test_agent_is_killed_alone);
  return g_test_run();
}
