/* Writes that are commands (store.h): each is obeyed once, whatever becomes of the worker.
 *
 * The act is a system call, or some instructions, outside of everything that is ours, so it cannot be one
 * step with the journal. Instead it is done by an agent (util/agent.h), which a kill of the worker does
 * not reach, and which commits the answer itself. A second run finds
 *
 *   no record, or one without an agent   nothing was done: the command is run as if for the first time;
 *   the answer                           it is given, and nothing is done;
 *   an agent                             it is waited for, which takes a moment, and then see above.
 *                                        An agent that has gone without an answer was killed as well,
 *                                        and nobody can know what it had done: -EIO. */
#pragma once

#include "fs/state.h"
#include "store/store.h"

/* Runs the command that is the request in hand. 0 or -errno, for fs_reply_written() with `size`, or
 * fs_reply(): by then the journal mostly has the answer. */
int command_run(struct state *state, struct store *store, uint64_t node, const void *data,
                size_t size);
