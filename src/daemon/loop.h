/* Reading requests from the device and serving them, in a few threads.
 *
 * One thread at a time reads; what it reads it serves itself, at once, because handing a small
 * request to another thread costs more than serving it. It lets another one read meanwhile when the
 * request may take long, or when requests come without a pause so that a second processor
 * helps. Before sleeping the reader polls for some microseconds: most of a round trip is wake-ups. */
#pragma once

#include <stdbool.h>

#include "fs/fs.h"

struct loop_options {
  unsigned threads;  /* at most; >= 1 */
  unsigned poll_us;  /* how long the device is polled after a request; 0: not at all */
  unsigned awake_us; /* how long processors are kept from deep sleep after one (awake.h); 0: not */
};

struct loop;

/* device: made non-blocking (the flag belongs to the open file, so whoever shares it sees it too);
 * not taken over. 0 or -errno. */
int loop_new(struct fs *fs, int device, const struct loop_options *options, struct loop **ret_loop);
void loop_free(struct loop *loop);

/* Serves until the mount ends or loop_stop(). Returns 0 when the file system was unmounted (ENODEV),
 * 1 when stopped (everything that was read has been answered), or -errno. */
int loop_run(struct loop *loop);

/* Async-signal-safe: the loop finishes what it has in hand and returns. */
void loop_stop(struct loop *loop);
