/* What the loop's files share: the loop, and one thread's side of it. */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "daemon/awake.h"
#include "daemon/loop.h"

struct loop {
  struct fs *fs; /* not owned */
  int device;    /* not owned */
  struct loop_options options;
  struct awake *awake; /* NULL: not to be had */
  int stopped;         /* eventfd: readable from loop_stop() or the end on */
  int timer;           /* timerfd of the overseer */
  atomic_bool stopping;

  pthread_mutex_t lock;
  pthread_cond_t turn_free;
  /* Under lock: */
  GArray *threads; /* pthread_t */
  unsigned waiting;
  bool free; /* nobody has the turn */
  bool ended;
  int result;

  uint64_t number; /* of the last request that was served with the turn kept; its holder's */
  _Atomic uint64_t serving; /* the request that is served with the turn kept; 0: none */
  atomic_bool timing;       /* the overseer's timer runs */
  atomic_bool asleep;       /* the thread with the turn sleeps until the next request */
};

/* One thread's side. */
struct reader {
  struct loop *loop;
  struct fuse_buf message;
  unsigned queued;    /* requests found waiting, one after another */
  int64_t last;       /* ns, when it was done with a request */
  int64_t poll_again; /* ns, not before */
  int64_t gave_back;  /* ns, when it last gave back what is kept for a moment */
};

static inline int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* loop.c: the thread with the turn starts, or woke up. From now on somebody looks whether it goes on. */
void loop_begin_watching(struct loop *loop);

/* loop-read.c: the next request's size; 0 when the mount has ended, -ECANCELED when stopped, or -errno. */
int loop_read(struct reader *reader);
