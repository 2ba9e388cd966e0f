/* Writes that are commands: see command.h for the model. */
#include "fs/command.h"

#include <errno.h>
#include <string.h>

#include "fs/journal.h"
#include "util/agent.h"

/* Milliseconds: acts never wait, so this is for a machine that hardly gets on. */
#define AGENT_TIME 10000

struct command {
  struct store_act act;
  struct state *state;
  size_t size; /* of the write, which its answer tells */
  int (*fn)(void *data);
  void *data;
  int result;
};

/* Commits the very reply that will be written. In the agent. */
static void act_and_commit(void *data) {
  struct command *command = data;
  command->result = command->fn(command->data);
  struct {
    struct wire_out_header header;
    struct wire_write_out out;
  } reply = {
      .header = {.len = command->result < 0 ? sizeof reply.header : sizeof reply,
                 .error = command->result,
                 .unique = journal_unique()},
      .out.size = (uint32_t)command->size,
  };
  journal_commit_as_agent(command->state, &reply, reply.header.len);
}

static int perform(struct store_act *act, int (*fn)(void *data), void *data) {
  struct command *command = (struct command *)act;
  int code = journal_start(command->state, 0);
  if (code < 0)
    return code;
  pid_t *agent = journal_agent(command->state);
  if (!agent)
    return fn(data);
  command->fn = fn;
  command->data = data;
  code = agent_run(act_and_commit, command, agent);
  if (code < 0)
    return code == -ECANCELED ? -EIO : code;
  return command->result;
}

/* The first run had come to an agent. */
static int finish(struct state *state, pid_t agent) {
  unsigned char reply[WIRE_REPLY_KEPT];
  struct wire_out_header header;
  agent_wait(agent, AGENT_TIME);
  if (!journal_kept(state, reply))
    return -EIO;
  memcpy(&header, reply, sizeof header);
  return header.error;
}

int command_run(struct state *state, struct store *store, uint64_t node, const void *data,
                size_t size) {
  struct command command = {.act.perform = perform, .state = state, .size = size};
  const pid_t *agent = journal_agent(state);
  if (agent && *agent)
    return finish(state, *agent);
  return store->ops->command(store, node, data, size, &command.act);
}
