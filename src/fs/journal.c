/* The journal: see journal.h for the model. */
#include "fs/journal.h"

#include <errno.h>
#include <string.h>

#define NO_RECORD UINT32_MAX
#define NO_SLOT UINT32_MAX
#define LOST_AFTER 3 /* replacements; then a record may be taken when no other is free */

/* The request that this thread has in hand. */
static _Thread_local struct {
  uint64_t unique; /* as read; 0: none */
  uint64_t before;
  uint32_t record;
  uint32_t slot;
  int by;
  bool again;
  bool committed;
} in_hand = {.record = NO_RECORD, .slot = NO_SLOT};

static uint64_t plain(uint64_t unique) {
  return unique & ~WIRE_UNIQUE_RESEND;
}

static void set_phase(struct state_record *record, uint32_t phase) {
  __atomic_store_n(&record->phase, phase, __ATOMIC_RELEASE);
}

/* Under the lock. */
static uint32_t find_record(const struct state_page *page, uint64_t unique) {
  for (uint32_t i = 0; i < STATE_RECORDS; i++)
    if (page->record[i].phase != STATE_FREE && plain(page->record[i].unique) == plain(unique))
      return i;
  return NO_RECORD;
}

/* A request whose client was killed before the kernel could send it again never comes, and its record
 * waits through one replacement of the worker after another. Under the lock. */
static uint32_t longest_waiting(const struct state_page *page) {
  uint32_t longest = NO_RECORD;
  for (uint32_t i = 0; i < STATE_RECORDS; i++) {
    const struct state_record *record = &page->record[i];
    if (record->phase == STATE_STARTED && record->again >= LOST_AFTER &&
        (longest == NO_RECORD || record->again > page->record[longest].again))
      longest = i;
  }
  return longest;
}

/* Under the lock. */
static uint32_t take_record(const struct state_page *page) {
  static uint32_t next; /* private to this process: where the search begins */
  for (uint32_t tried = 0; tried < STATE_RECORDS; tried++) {
    uint32_t i = next++ % STATE_RECORDS;
    if (page->record[i].phase == STATE_FREE)
      return i;
  }
  return longest_waiting(page);
}

static void count_request(struct state_page *page, const struct wire_in_header *header) {
  uint32_t kind = header->opcode < WIRE_OPCODES ? header->opcode : 0;
  __atomic_fetch_add(&page->served[kind], 1, __ATOMIC_RELAXED);
  uint64_t unique = plain(header->unique);
  if (unique > __atomic_load_n(&page->unique_high, __ATOMIC_RELAXED))
    __atomic_store_n(&page->unique_high, unique, __ATOMIC_RELAXED);
}

/* The answer that an earlier worker did not get across, for the message's present unique id. */
static bool kept_reply(const struct state_record *record, uint64_t unique, void *ret_reply,
                       size_t *ret_size) {
  if (__atomic_load_n(&record->phase, __ATOMIC_ACQUIRE) != STATE_DONE)
    return false;
  struct wire_out_header header;
  memcpy(ret_reply, record->reply, record->reply_size);
  memcpy(&header, ret_reply, sizeof header);
  header.unique = unique;
  memcpy(ret_reply, &header, sizeof header);
  *ret_size = record->reply_size;
  return true;
}

bool journal_take(struct state *state, const struct wire_in_header *header, void *ret_reply,
                  size_t *ret_size) {
  count_request(state->page, header);
  in_hand.unique = header->unique;
  in_hand.committed = false;
  if (!(header->unique & WIRE_UNIQUE_RESEND))
    return false;

  pthread_mutex_lock(&state->lock);
  bool done = false;
  in_hand.record = find_record(state->page, header->unique);
  if (in_hand.record != NO_RECORD) {
    struct state_record *record = &state->page->record[in_hand.record];
    in_hand.before = record->before;
    in_hand.again = true;
    done = kept_reply(record, header->unique, ret_reply, ret_size);
  }
  pthread_mutex_unlock(&state->lock);
  return done;
}

uint64_t journal_unique(void) {
  return in_hand.unique;
}

void journal_leave(struct state *state) {
  if (in_hand.record != NO_RECORD)
    set_phase(&state->page->record[in_hand.record], STATE_FREE);
  in_hand.unique = 0;
  in_hand.record = NO_RECORD;
  in_hand.slot = NO_SLOT;
  in_hand.again = false;
}

int journal_start(struct state *state, uint64_t before) {
  if (!in_hand.unique)
    return 0;
  pthread_mutex_lock(&state->lock);
  struct state_page *page = state->page;
  if (in_hand.record != NO_RECORD) {
    /* The second run: what the first one found before stays. A kill here leaves the record known
     * by either id, which compare equal. */
    page->record[in_hand.record].unique = in_hand.unique;
  } else {
    in_hand.record = take_record(page);
    if (in_hand.record != NO_RECORD) {
      struct state_record *record = &page->record[in_hand.record];
      set_phase(record, STATE_FREE); /* it may be a lost one's */
      record->unique = in_hand.unique;
      record->before = before;
      record->again = 0;
      set_phase(record, STATE_STARTED);
    }
  }
  pthread_mutex_unlock(&state->lock);
  return in_hand.record == NO_RECORD ? -EBUSY : 0;
}

bool journal_again(uint64_t *ret_before) {
  if (in_hand.again)
    *ret_before = in_hand.before;
  return in_hand.again;
}

void journal_count(uint32_t slot, int by) {
  in_hand.slot = slot;
  in_hand.by = by;
}

/* Slot and record change together: both are written to the redo record, which commits them. Under
 * the lock. */
static void commit_count(struct state_page *page, uint32_t slot, uint32_t count, uint32_t record) {
  struct state_redo *redo = &page->redo;
  redo->slot = slot;
  redo->count = count;
  redo->record = record;
  __atomic_store_n(&redo->valid, 1, __ATOMIC_RELEASE);
  __atomic_store_n(&page->slot[slot].count, count, __ATOMIC_RELEASE);
  if (record < STATE_RECORDS)
    set_phase(&page->record[record], STATE_DONE);
  __atomic_store_n(&redo->valid, 0, __ATOMIC_RELEASE);
}

/* Not below 0, whatever is released. */
static uint32_t counted(uint32_t count, int by) {
  return by < 0 && count < (uint32_t)-by ? 0 : count + (uint32_t)by;
}

static bool counts(const void *reply) {
  struct wire_out_header header;
  memcpy(&header, reply, sizeof header);
  return in_hand.slot != NO_SLOT && (in_hand.by < 0 || header.error == 0);
}

void journal_commit(struct state *state, const void *reply, size_t size) {
  if (!in_hand.unique || in_hand.committed)
    return;
  in_hand.committed = true;
  if (in_hand.record == NO_RECORD && in_hand.slot == NO_SLOT)
    return;
  pthread_mutex_lock(&state->lock);
  struct state_page *page = state->page;
  if (in_hand.record != NO_RECORD) {
    memcpy(page->record[in_hand.record].reply, reply, size);
    page->record[in_hand.record].reply_size = (uint16_t)size;
  }
  if (counts(reply))
    commit_count(page, in_hand.slot, counted(page->slot[in_hand.slot].count, in_hand.by),
                 in_hand.record);
  else if (in_hand.record != NO_RECORD)
    set_phase(&page->record[in_hand.record], STATE_DONE);
  pthread_mutex_unlock(&state->lock);
}

pid_t *journal_agent(struct state *state) {
  return in_hand.record == NO_RECORD ? NULL : &state->page->record[in_hand.record].agent;
}

/* Nobody else writes to a record that is begun. */
void journal_commit_as_agent(struct state *state, const void *reply, size_t size) {
  struct state_record *record = &state->page->record[in_hand.record];
  memcpy(record->reply, reply, size);
  record->reply_size = (uint16_t)size;
  set_phase(record, STATE_DONE);
  in_hand.committed = true;
}

bool journal_kept(struct state *state, void *ret_reply) {
  size_t size;
  if (!kept_reply(&state->page->record[in_hand.record], in_hand.unique, ret_reply, &size))
    return false;
  in_hand.committed = true;
  return true;
}

void journal_settle(struct state *state, void (*fn)(void *data, const void *reply, size_t size),
                    void *data) {
  for (unsigned i = 0; i < STATE_RECORDS; i++) {
    struct state_record *record = &state->page->record[i];
    if (record->phase != STATE_DONE)
      continue;
    fn(data, record->reply, record->reply_size);
    set_phase(record, STATE_FREE);
  }
}
