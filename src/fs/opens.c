/* The table of open inodes: see opens.h for the model.
 *
 * One lock, state.lock, covers slots, index and idle list. It is held across the registration of a
 * backing id, which does not block (the kernel takes a spin lock and allocates a number), so that no two
 * threads register one inode. */
#include "fs/opens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "fs/backing.h"
#include "fs/index.h"
#include "fs/journal.h"
#include "util/fd.h"

/* Backing ids are handed out in sequence: one that was registered but not written down when a worker was
 * killed is at most this far from the last one that was. */
#define LOST_IDS 256

/* What only this process knows of a slot. */
struct local {
  uint32_t holds;     /* opens_find() without opens_let_go() */
  int64_t idle_since; /* us, CLOCK_MONOTONIC */
};

/* Descriptors that are left for the work itself: those the daemon holds, and some for each thread. */
#define SPARE_DESCRIPTORS 32

struct opens {
  struct state *state;
  int device;
  struct index_table *index;
  struct local *local;  /* by slot; touched as slots are used */
  uint32_t *free_slots; /* a stack, so that low slots are used again */
  uint32_t free_count;
  uint32_t kept, kept_max; /* descriptors in slots */
  bool keep_orphans;
  uint32_t orphans;              /* slots that are such */
  uint32_t idle[OPENS_IDLE_MAX]; /* oldest first */
  uint32_t idle_count;
};

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct state_slot *slot_of(struct opens *opens, uint32_t slot) {
  return &opens->state->page->slot[slot];
}

/* Room for something of every slot, of which no page is touched before its slot is used. */
static void *reserve(size_t size_each) {
  void *room = mmap(NULL, STATE_SLOTS * size_each, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0, 0);
  if (room == MAP_FAILED)
    return NULL;
  return room;
}

static void give_up(void *room, size_t size_each) {
  if (room)
    munmap(room, STATE_SLOTS * size_each);
}

void opens_free(struct opens *opens) {
  if (!opens)
    return;
  index_free(opens->index);
  give_up(opens->local, sizeof *opens->local);
  give_up(opens->free_slots, sizeof *opens->free_slots);
  free(opens);
}

static int index_slots(struct opens *opens) {
  struct state_page *page = opens->state->page;
  for (uint32_t i = page->slots_high; i-- > 0;) {
    if (!page->slot[i].used)
      opens->free_slots[opens->free_count++] = i;
    else if (page->slot[i].flags & STATE_SLOT_ORPHAN)
      opens->orphans++;
    else if (index_put(opens->index, page->slot[i].node, i) < 0)
      return -ENOMEM;
    else
      opens->kept += page->slot[i].fd >= 0;
  }
  return 0;
}

static uint32_t most_kept(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > STATE_SLOTS)
    return STATE_SLOTS;
  return limit.rlim_cur > 2 * SPARE_DESCRIPTORS ? (uint32_t)limit.rlim_cur - SPARE_DESCRIPTORS
                                                : (uint32_t)limit.rlim_cur / 2;
}

int opens_new(struct state *state, int device, struct opens **ret_opens) {
  struct opens *opens = calloc(1, sizeof *opens);
  if (!opens)
    return -ENOMEM;
  opens->state = state;
  opens->device = device;
  opens->kept_max = most_kept();
  opens->index = index_new();
  opens->local = reserve(sizeof *opens->local);
  opens->free_slots = reserve(sizeof *opens->free_slots);
  if (!opens->index || !opens->local || !opens->free_slots || index_slots(opens) < 0) {
    opens_free(opens);
    return -ENOMEM;
  }
  *ret_opens = opens;
  return 0;
}

static int register_backing(const struct opens *opens, int fd) {
  return backing_open(opens->device, fd);
}

static void unregister_backing(const struct opens *opens, int id) {
  if (id > 0 && opens->device >= 0)
    backing_close(opens->device, id);
}

/* Gives a slot back. A kill in between leaves an id that opens_recover() finds by its number, or a
 * descriptor that no slot names, which the next worker closes. Under the lock. */
static void close_slot(struct opens *opens, uint32_t slot) {
  struct state_slot *s = slot_of(opens, slot);
  index_remove(opens->index, s->node);
  unregister_backing(opens, s->backing_id);
  int fd = s->fd;
  opens->kept -= fd >= 0;
  __atomic_store_n(&s->used, 0, __ATOMIC_RELEASE);
  fd_close(fd);
  opens->free_slots[opens->free_count++] = slot;
}

/* A slot that nobody uses ends; one without a name goes on as an orphan where these are kept. A kill
 * in between leaves a slot that is to be retired again. Under the lock. */
static void retire_slot(struct opens *opens, uint32_t slot) {
  struct state_slot *s = slot_of(opens, slot);
  if (!opens->keep_orphans || !(s->flags & STATE_SLOT_NAMELESS)) {
    close_slot(opens, slot);
    return;
  }
  int fd = s->fd;
  opens->kept -= fd >= 0;
  index_remove(opens->index, s->node);
  unregister_backing(opens, s->backing_id);
  s->backing_id = 0;
  s->fd = -1;
  fd_close(fd);
  __atomic_store_n(&s->flags, STATE_SLOT_ORPHAN, __ATOMIC_RELEASE);
  opens->orphans++;
}

static void leave_idle(struct opens *opens, uint32_t slot) {
  for (uint32_t i = 0; i < opens->idle_count; i++) {
    if (opens->idle[i] != slot)
      continue;
    opens->idle_count--;
    memmove(&opens->idle[i], &opens->idle[i + 1], (opens->idle_count - i) * sizeof opens->idle[0]);
    return;
  }
}

static void close_oldest_idle(struct opens *opens) {
  uint32_t slot = opens->idle[0];
  leave_idle(opens, slot);
  close_slot(opens, slot);
}

static void enter_idle(struct opens *opens, uint32_t slot) {
  if (opens->idle_count == OPENS_IDLE_MAX)
    close_oldest_idle(opens);
  opens->local[slot].idle_since = now_us();
  opens->idle[opens->idle_count++] = slot;
}

static void fill(struct opens *opens, uint32_t slot, struct opened *ret_opened) {
  const struct state_slot *s = slot_of(opens, slot);
  *ret_opened = (struct opened){
      .slot = slot,
      .backing_id = s->backing_id,
      .fd = s->fd,
      .fixed = s->flags & STATE_SLOT_FIXED,
      .indirect = s->flags & STATE_SLOT_INDIRECT,
  };
}

/* Under the lock. */
static bool hold(struct opens *opens, uint64_t node, struct opened *ret_opened) {
  uint32_t slot;
  if (!index_get(opens->index, node, &slot))
    return false;
  if (slot_of(opens, slot)->count == 0 && opens->local[slot].holds == 0)
    leave_idle(opens, slot);
  opens->local[slot].holds++;
  fill(opens, slot, ret_opened);
  return true;
}

bool opens_find(struct opens *opens, uint64_t node, struct opened *ret_opened) {
  pthread_mutex_lock(&opens->state->lock);
  bool found = hold(opens, node, ret_opened);
  pthread_mutex_unlock(&opens->state->lock);
  return found;
}

/* Under the lock. */
static int take_slot(struct opens *opens, uint32_t *ret_slot) {
  struct state_page *page = opens->state->page;
  if (opens->free_count > 0) {
    *ret_slot = opens->free_slots[--opens->free_count];
    return 0;
  }
  if (page->slots_high == STATE_SLOTS)
    return -ENFILE;
  *ret_slot = page->slots_high++;
  return 0;
}

static uint16_t flags_of(const struct opens_new_slot *new) {
  return (uint16_t)((new->fixed ? STATE_SLOT_FIXED : 0) |
                    (new->indirect ? STATE_SLOT_INDIRECT : 0) |
                    (new->nameless ? STATE_SLOT_NAMELESS : 0));
}

bool opens_has_room(struct opens *opens, bool keep_fd) {
  pthread_mutex_lock(&opens->state->lock);
  bool room = opens->free_count > 0 || opens->state->page->slots_high < STATE_SLOTS;
  room = room && (!keep_fd || opens->kept < opens->kept_max);
  pthread_mutex_unlock(&opens->state->lock);
  return room;
}

/* Under the lock. */
static int add(struct opens *opens, const struct opens_new_slot *new, struct opened *ret_opened) {
  uint32_t slot;
  int code = new->keep_fd && opens->kept >= opens->kept_max ? -ENFILE : take_slot(opens, &slot);
  if (code < 0)
    return code;
  int id = new->passthrough ? register_backing(opens, *new->fd) : 0;
  code = id < 0 ? id : index_put(opens->index, new->node, slot);
  if (code < 0) {
    unregister_backing(opens, id);
    opens->free_slots[opens->free_count++] = slot;
    return code;
  }
  struct state_page *page = opens->state->page;
  struct state_slot *s = slot_of(opens, slot);
  s->node = new->node;
  s->count = 0;
  s->backing_id = id;
  s->fd = new->keep_fd ? fd_steal(new->fd) : -1;
  opens->kept += s->fd >= 0;
  s->flags = flags_of(new);
  __atomic_store_n(&s->used, 1, __ATOMIC_RELEASE);
  if (id > 0)
    page->last_backing_id = (uint32_t)id;
  opens->local[slot] = (struct local){.holds = 1};
  fill(opens, slot, ret_opened);
  return 0;
}

int opens_add(struct opens *opens, const struct opens_new_slot *new, struct opened *ret_opened) {
  pthread_mutex_lock(&opens->state->lock);
  int code = hold(opens, new->node, ret_opened) ? 0 : add(opens, new, ret_opened);
  pthread_mutex_unlock(&opens->state->lock);
  return code;
}

void opens_count(const struct opened *opened, int by) {
  journal_count(opened->slot, by);
}

void opens_undo(struct opens *opens, const struct opened *opened) {
  pthread_mutex_lock(&opens->state->lock);
  struct state_slot *s = slot_of(opens, opened->slot);
  if (s->count > 0)
    __atomic_store_n(&s->count, s->count - 1, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&opens->state->lock);
}

/* Nobody uses the slot right now: is anything left to keep it for? A descriptor is not: there may be
 * few of them, and another costs little. Under the lock. */
static void settle_slot(struct opens *opens, uint32_t slot) {
  const struct state_slot *s = slot_of(opens, slot);
  if (s->count > 0)
    return;
  if ((s->flags & STATE_SLOT_NAMELESS) || s->fd >= 0)
    retire_slot(opens, slot);
  else
    enter_idle(opens, slot);
}

void opens_let_go(struct opens *opens, const struct opened *opened) {
  pthread_mutex_lock(&opens->state->lock);
  if (--opens->local[opened->slot].holds == 0)
    settle_slot(opens, opened->slot);
  pthread_mutex_unlock(&opens->state->lock);
}

bool opens_is_open(struct opens *opens, uint64_t node) {
  uint32_t slot;
  pthread_mutex_lock(&opens->state->lock);
  bool open = index_get(opens->index, node, &slot) && slot_of(opens, slot)->count > 0;
  pthread_mutex_unlock(&opens->state->lock);
  return open;
}

static bool is_orphan(const struct state_slot *s) {
  return s->used && (s->flags & STATE_SLOT_ORPHAN);
}

int opens_held(struct opens *opens, struct held **ret_held, size_t *ret_count) {
  pthread_mutex_lock(&opens->state->lock);
  uint32_t high = opens->state->page->slots_high;
  struct held *held = calloc(high + 1, sizeof *held);
  size_t count = 0;
  for (uint32_t i = 0; held && i < high; i++) {
    const struct state_slot *s = slot_of(opens, i);
    if (is_orphan(s) || (s->used && (s->count > 0 || opens->local[i].holds > 0)))
      held[count++] = (struct held){.node = s->node, .slot = i, .orphan = is_orphan(s)};
  }
  pthread_mutex_unlock(&opens->state->lock);
  if (!held)
    return -ENOMEM;
  *ret_held = held;
  *ret_count = count;
  return 0;
}

void opens_keep_orphans(struct opens *opens) {
  opens->keep_orphans = true;
}

uint32_t opens_add_orphan(struct opens *opens, uint64_t node) {
  uint32_t slot;
  pthread_mutex_lock(&opens->state->lock);
  if (take_slot(opens, &slot) == 0) {
    struct state_slot *s = slot_of(opens, slot);
    *s = (struct state_slot){.node = node, .fd = -1, .flags = STATE_SLOT_ORPHAN};
    __atomic_store_n(&s->used, 1, __ATOMIC_RELEASE);
    opens->orphans++;
  }
  uint32_t orphans = opens->orphans;
  pthread_mutex_unlock(&opens->state->lock);
  return orphans;
}

uint32_t opens_orphans(struct opens *opens) {
  pthread_mutex_lock(&opens->state->lock);
  uint32_t orphans = opens->orphans;
  pthread_mutex_unlock(&opens->state->lock);
  return orphans;
}

/* Under the lock. */
static void end_orphan(struct opens *opens, uint32_t slot) {
  __atomic_store_n(&slot_of(opens, slot)->used, 0, __ATOMIC_RELEASE);
  opens->free_slots[opens->free_count++] = slot;
  opens->orphans--;
}

void opens_end_orphan(struct opens *opens, const struct held *orphan) {
  pthread_mutex_lock(&opens->state->lock);
  const struct state_slot *s = slot_of(opens, orphan->slot);
  if (is_orphan(s) && s->node == orphan->node)
    end_orphan(opens, orphan->slot);
  pthread_mutex_unlock(&opens->state->lock);
}

int opens_dup_fd(struct opens *opens, uint64_t node) {
  uint32_t slot;
  int fd = -1;
  pthread_mutex_lock(&opens->state->lock);
  if (index_get(opens->index, node, &slot) && slot_of(opens, slot)->fd >= 0)
    fd = fcntl(slot_of(opens, slot)->fd, F_DUPFD_CLOEXEC, 3);
  pthread_mutex_unlock(&opens->state->lock);
  return fd;
}

void opens_forget(struct opens *opens, uint64_t node) {
  uint32_t slot;
  pthread_mutex_lock(&opens->state->lock);
  if (index_get(opens->index, node, &slot)) {
    struct state_slot *s = slot_of(opens, slot);
    if (s->count > 0 || opens->local[slot].holds > 0) {
      s->flags |= STATE_SLOT_NAMELESS;
    } else {
      leave_idle(opens, slot);
      close_slot(opens, slot);
    }
  }
  pthread_mutex_unlock(&opens->state->lock);
}

void opens_close_idle(struct opens *opens, int64_t age_us) {
  pthread_mutex_lock(&opens->state->lock);
  int64_t limit = now_us() - age_us;
  while (opens->idle_count > 0 && (age_us == 0 || opens->local[opens->idle[0]].idle_since <= limit))
    close_oldest_idle(opens);
  pthread_mutex_unlock(&opens->state->lock);
}

/* Closes the ids near the last one known that no slot names. */
static void close_lost_ids(struct opens *opens) {
  const struct state_page *page = opens->state->page;
  int last = (int)page->last_backing_id;
  bool named[2 * LOST_IDS + 1] = {false};
  for (uint32_t i = 0; i < page->slots_high; i++) {
    int away = page->slot[i].used ? page->slot[i].backing_id - last : -LOST_IDS - 1;
    if (away >= -LOST_IDS && away <= LOST_IDS)
      named[away + LOST_IDS] = true;
  }
  for (int away = -LOST_IDS; away <= LOST_IDS; away++)
    if (!named[away + LOST_IDS] && last + away > 0)
      unregister_backing(opens, last + away);
}

void opens_recover(struct opens *opens) {
  pthread_mutex_lock(&opens->state->lock);
  close_lost_ids(opens);
  for (uint32_t i = 0; i < opens->state->page->slots_high; i++)
    if (is_orphan(slot_of(opens, i)) && !opens->keep_orphans)
      end_orphan(opens, i);
    else if (slot_of(opens, i)->used && slot_of(opens, i)->count == 0 &&
             !is_orphan(slot_of(opens, i)))
      retire_slot(opens, i);
  pthread_mutex_unlock(&opens->state->lock);
}
