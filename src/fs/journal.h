/* The journal: no request is carried out twice, and none is answered differently the second time.
 *
 * A request that cannot be repeated takes a record before it starts (journal_start). Its reply, on
 * the way to the kernel, is copied into the record, and *that* is the moment at which the request
 * is done (journal_commit): whatever count it changes in the table of opens changes in the same
 * step. When the kernel has the reply, the record is free again. A worker that takes over therefore
 * finds for each request in hand one of:
 *   no record      not begun: the resent request is an ordinary one;
 *   started        maybe carried out: the operation compares with `before` (once.h);
 *   done           carried out: the kernel is given the kept reply.
 *
 * The request that a thread has in hand is thread-local: libfuse's operations get no other way to
 * know the unique id, and replies are written by the thread that took the request. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/state.h"

/* The thread has read a request. Counts it, and finds the record of its first run if it was resent.
 * Returns true when it was carried out before; *ret_reply (WIRE_REPLY_KEPT bytes) and *ret_size are
 * then the answer to give, with the unique id set to this message's. */
bool journal_take(struct state *state, const struct wire_in_header *header, void *ret_reply,
                  size_t *ret_size);

/* The unique id of the request in hand, for its reply's header. */
uint64_t journal_unique(void);

/* The thread is done with its request: the kernel has the reply, or no longer wants it. */
void journal_leave(struct state *state);

/* Begins what must not be done twice. `before` is kept for a second run. -ENOMEM never; -EBUSY when
 * all records are taken. Without a request in hand: 0, nothing happens. */
int journal_start(struct state *state, uint64_t before);

/* Was the request in hand begun by a worker that died? Then *ret_before is what that run kept. */
bool journal_again(uint64_t *ret_before);

/* When the request in hand is answered without an error, slot `slot` counts `by` (+1, -1) more opens.
 * by -1 applies to an answer with an error too (RELEASE has no other end). */
void journal_count(uint32_t slot, int by);

/* A reply (header first; size <= WIRE_REPLY_KEPT) is about to be written. Commits the request in
 * hand, if it began one or counts. */
void journal_commit(struct state *state, const void *reply, size_t size);

/* Where the record of the request in hand keeps the process id of its agent (command.h), 0 to begin with.
 * NULL without a record. */
pid_t *journal_agent(struct state *state);

/* As journal_commit(), of a request that was begun and counts nothing, and without taking a lock. */
void journal_commit_as_agent(struct state *state, const void *reply, size_t size);

/* Has the request in hand been committed since it was taken, by the agent of its first run? Then
 * *ret_reply (WIRE_REPLY_KEPT bytes) is the answer to give. */
bool journal_kept(struct state *state, void *ret_reply);

/* Calls fn with each reply that was committed but perhaps not written, and frees its record. */
void journal_settle(struct state *state, void (*fn)(void *data, const void *reply, size_t size),
                    void *data);
