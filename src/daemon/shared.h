/* What the supervisor opens before the first worker, and every worker uses: descriptors, and the
 * state page. The workers share the supervisor's descriptor *table* (supervisor.h). */
#pragma once

#include "daemon/options.h"
#include "daemon/watch.h"
#include "fs/state.h"

struct shared {
  const struct options *options;
  struct settings settings; /* that hold now; only the supervisor changes them, between workers */
  struct state *state;
  int device;    /* /dev/fuse of the mount */
  int directory; /* of the shared memory objects */
  int watch;     /* -1: not watched */
  enum watch_kind watch_kind;
  unsigned device_number; /* st_dev of the mount, by which it is told from a later one */
  char *program;          /* path of the program file, for an upgrade; NULL: not known */
  int parent; /* write end of the pipe to the process that was started; -1: nobody waits */
  int ready; /* eventfd by which a worker, and then the first watcher, tell their supervisor that the
              * mount answers; -1: none */
};

#define SHARED_NONE                                                                                \
  { .device = -1, .directory = -1, .watch = -1, .parent = -1, .ready = -1 }
