#include "fs/retry.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "util/fd.h"

#define CHANCES 16 /* walks at once; one more takes the oldest's place */

struct chance {
  pid_t thread;  /* 0: free */
  uint64_t id;   /* which of the thread's chances this is; never 0 */
  uint64_t node; /* 0: the LOOKUP is still to come */
  int fd;        /* keeps the node alive; -1 */
  bool missed;   /* a LOOKUP has found nothing */
  unsigned uses; /* 1 << enum retry_use, of what has been answered */
  int64_t since; /* us, CLOCK_MONOTONIC */
};

struct retry {
  struct store *store;
  pthread_mutex_t lock; /* what follows */
  struct chance chance[CHANCES];
  unsigned next;
  uint64_t ids; /* given so far */
  int used;     /* chances that are not free; read without the lock as a hint that there are none */
};

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct retry *retry_new(struct store *store) {
  struct retry *retry = calloc(1, sizeof *retry);
  if (!retry)
    return NULL;
  retry->store = store;
  pthread_mutex_init(&retry->lock, NULL);
  return retry;
}

/* Under the lock, as all that follow. */
static void drop(struct retry *retry, struct chance *chance) {
  if (chance->thread == 0)
    return;
  fd_close(chance->fd);
  *chance = (struct chance){0};
  retry->used--;
}

static struct chance *chance_of(struct retry *retry, pid_t thread) {
  for (unsigned i = 0; i < CHANCES; i++)
    if (retry->chance[i].thread == thread)
      return &retry->chance[i];
  return NULL;
}

void retry_free(struct retry *retry) {
  if (!retry)
    return;
  for (unsigned i = 0; i < CHANCES; i++)
    drop(retry, &retry->chance[i]);
  free(retry);
}

void retry_arm(struct retry *retry, fuse_req_t request) {
  pid_t thread = fuse_req_ctx(request)->pid;
  if (thread == 0) /* of another PID namespace: not to be told apart */
    return;
  pthread_mutex_lock(&retry->lock);
  struct chance *chance = chance_of(retry, thread);
  if (!chance)
    chance = &retry->chance[retry->next++ % CHANCES];
  drop(retry, chance);
  *chance = (struct chance){.thread = thread, .id = ++retry->ids, .fd = -1, .since = now_us()};
  retry->used++;
  pthread_mutex_unlock(&retry->lock);
}

uint64_t retry_begin_action(struct retry *retry, pid_t thread) {
  if (thread == 0 || __atomic_load_n(&retry->used, __ATOMIC_RELAXED) == 0)
    return 0;
  pthread_mutex_lock(&retry->lock);
  struct chance *chance = chance_of(retry, thread);
  if (chance && chance->node == 0) { /* no second walk came: the caller had a descriptor */
    drop(retry, chance);
    chance = NULL;
  }
  uint64_t id = chance ? chance->id : 0;
  pthread_mutex_unlock(&retry->lock);
  return id;
}

void retry_end_action(struct retry *retry, pid_t thread, uint64_t id) {
  if (id == 0)
    return;
  pthread_mutex_lock(&retry->lock);
  struct chance *chance = chance_of(retry, thread);
  if (chance && chance->id == id)
    drop(retry, chance);
  pthread_mutex_unlock(&retry->lock);
}

void retry_missed(struct retry *retry, fuse_req_t request) {
  pid_t thread = fuse_req_ctx(request)->pid;
  if (thread == 0 || __atomic_load_n(&retry->used, __ATOMIC_RELAXED) == 0)
    return;
  pthread_mutex_lock(&retry->lock);
  struct chance *chance = chance_of(retry, thread);
  if (chance && chance->missed)
    drop(retry, chance);
  else if (chance)
    chance->missed = true;
  pthread_mutex_unlock(&retry->lock);
}

/* Holds what the walk has found: each directory, each link, and last what it leads to. A walk looks a name
 * up twice when it leads elsewhere now (once to find that out), and the last one counts. That prolongs
 * nothing: a thread might only ever walk and ask for attributes. Under the lock. */
static int hold(struct retry *retry, struct chance *chance, uint64_t node) {
  struct store_file file = {.fd = -1};
  int code = retry->store->ops->open(retry->store, node, STORE_HOLD, &file);
  if (code < 0)
    return code;
  fd_close(chance->fd);
  chance->fd = file.fd;
  chance->node = node;
  chance->uses = 0;
  return 0;
}

bool retry_found(struct retry *retry, fuse_req_t request, uint64_t node) {
  if (__atomic_load_n(&retry->used, __ATOMIC_RELAXED) == 0)
    return true;
  pthread_mutex_lock(&retry->lock);
  struct chance *chance = chance_of(retry, fuse_req_ctx(request)->pid);
  int code = chance ? hold(retry, chance, node) : 0;
  pthread_mutex_unlock(&retry->lock);
  return code != -ESTALE;
}

/* A walk asks for each of these once at most, and then acts. The node stays held until the chance
 * expires, because it has yet to be opened. */
static bool use_up(struct chance *chance, enum retry_use use) {
  unsigned bit = 1u << use;
  bool granted = !(chance->uses & (bit | 1u << RETRY_ACTION));
  chance->uses |= bit;
  return granted;
}

bool retry_grants(struct retry *retry, fuse_req_t request, uint64_t node, enum retry_use use) {
  if (__atomic_load_n(&retry->used, __ATOMIC_RELAXED) == 0)
    return false;
  pthread_mutex_lock(&retry->lock);
  struct chance *chance = chance_of(retry, fuse_req_ctx(request)->pid);
  bool granted = chance && chance->node == node && use_up(chance, use);
  pthread_mutex_unlock(&retry->lock);
  return granted;
}

int retry_result(int code) {
  return code == -ESTALE ? -ENOENT : code;
}

bool retry_expire(struct retry *retry) {
  if (__atomic_load_n(&retry->used, __ATOMIC_RELAXED) == 0)
    return false;
  pthread_mutex_lock(&retry->lock);
  int64_t limit = now_us() - RETRY_US;
  for (unsigned i = 0; i < CHANCES; i++)
    if (retry->chance[i].since <= limit)
      drop(retry, &retry->chance[i]);
  bool left = retry->used > 0;
  pthread_mutex_unlock(&retry->lock);
  return left;
}
