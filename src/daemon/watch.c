/* Model: whoever runs the watch reads a batch of events, boils it down to the names that changed and
 * whether the directory did, and tells the kernel each of them once.
 *
 * What such a notification waits for in the kernel is a lock that a request may hold, so who runs the
 * watch serves nothing and holds no lock. Both kinds of event queue are read with the same
 * steps; they differ in how one event is taken apart. */
#include "daemon/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>

#include "fs/invalidate.h"
#include "store/prefix.h"
#include "util/fd.h"
#include "util/log.h"

/* A few hundred events; what does not fit is in the next batch. */
#define BATCH_BYTES (32 * 1024)
/* After a batch, unless there is a lot more, the watch looks away for so long. Most events are the
 * mount's own, and a wake-up for each would take the processor from those who wait for an answer. */
#define PAUSE_MS 1

struct watch {
  struct watch_target target;
  int stop; /* eventfd */
  pthread_t thread;
};

/* What one batch of events says. */
struct changes {
  GHashTable *names;   /* of the directory, that lead elsewhere now; a set */
  GHashTable *changed; /* those that lead to what has other attributes now; a set */
  bool directory;      /* its own attributes */
  bool lost;           /* there were more than the queue holds */
};

/* --- opening ------------------------------------------------------------------------------- */

/* Attributes of what is in the directory. FAN_EVENT_ON_CHILD would tell of those alone, and cost everybody an
 * eighth of the speed of small reads and writes, natively too: then the kernel asks the directory about each of
 * them. What this tells of other directories of the file system is a name to look up again, at most.
 * Needs CAP_SYS_ADMIN; without it only the user of the daemon himself is behind the mount. */
static void watch_children(int fd, int directory_fd) {
  if (fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_ATTRIB | FAN_ONDIR, directory_fd,
                    NULL) < 0)
    log_debug("changes of owners show late: %s", strerror(errno));
}

static int open_fanotify(int directory_fd, unsigned flags) {
  auto_fd int fd = fanotify_init(
      FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK | FAN_CLOEXEC | flags, O_RDONLY);
  if (fd < 0)
    return -errno;
  uint64_t mask = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_ATTRIB | FAN_ONDIR;
  if (fanotify_mark(fd, FAN_MARK_ADD, mask, directory_fd, NULL) < 0)
    return -errno;
  watch_children(fd, directory_fd);
  return fd_steal(&fd);
}

static int open_inotify(int directory_fd) {
  auto_fd int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0)
    return -errno;
  char path[sizeof("/proc/self/fd/-2147483648")];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", directory_fd);
  uint32_t mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR;
  if (inotify_add_watch(fd, path, mask) < 0)
    return -errno;
  return fd_steal(&fd);
}

int watch_open_kind(int directory_fd, enum watch_kind kind, int *ret_fd) {
  int fd = kind == WATCH_FANOTIFY ? open_fanotify(directory_fd, FAN_UNLIMITED_QUEUE)
                                  : open_inotify(directory_fd);
  /* Without privilege fanotify (Linux 5.13) gives a queue of limited length. */
  if (fd == -EPERM && kind == WATCH_FANOTIFY)
    fd = open_fanotify(directory_fd, 0);
  if (fd < 0)
    return fd;
  *ret_fd = fd;
  return 0;
}

int watch_open(int directory_fd, enum watch_kind *ret_kind, int *ret_fd) {
  *ret_kind = WATCH_FANOTIFY;
  int code = watch_open_kind(directory_fd, WATCH_FANOTIFY, ret_fd);
  if (code == 0)
    return 0;
  *ret_kind = WATCH_INOTIFY;
  return watch_open_kind(directory_fd, WATCH_INOTIFY, ret_fd);
}

/* --- taking events apart ------------------------------------------------------------------- */

/* GONE: the name leads elsewhere now, or nowhere. A name that is only new is not known to anybody
 * yet, as absent names are not cached. fanotify may make one event of several. */
enum { MADE = 1, GONE = 2, CHANGED = 4 };

/* The name may be missing: the event is the directory's own. */
static void note(struct changes *changes, const char *name, unsigned what) {
  bool inside = name && name[0] != '\0' && strcmp(name, ".") != 0;
  if (!inside || (what & (MADE | GONE)))
    changes->directory = true;
  if (inside && (what & GONE))
    g_hash_table_add(changes->names, g_strdup(name));
  else if (inside && (what & CHANGED))
    g_hash_table_add(changes->changed, g_strdup(name));
}

/* The name in the FAN_EVENT_INFO_TYPE_DFID_NAME record among an event's records, where it follows the
 * directory's handle; NULL when there is none. */
static const char *fanotify_name(const char *records, const char *end) {
  const struct fanotify_event_info_fid *info;
  for (; records + sizeof(*info) <= end; records += info->hdr.len) {
    info = (const void *)records;
    if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) {
      const struct file_handle *handle = (const void *)info->handle;
      return (const char *)handle->f_handle + handle->handle_bytes;
    }
    if (info->hdr.len == 0)
      break;
  }
  return NULL;
}

static void parse_fanotify(const char *batch, ssize_t size, int self, struct changes *changes) {
  const char *at = batch, *end = at + size;
  struct fanotify_event_metadata event;
  for (; at + sizeof(event) <= end; at += event.event_len) {
    /* Events start at multiples of 4 bytes, which is not enough for reading this one in place. */
    memcpy(&event, at, sizeof(event));
    if (event.mask & FAN_Q_OVERFLOW)
      changes->lost = true;
    /* What the worker did went through the mount, and the kernel has seen to its caches itself. */
    else if (event.pid != self)
      note(changes, fanotify_name(at + event.metadata_len, at + event.event_len),
           (event.mask & FAN_CREATE ? MADE : 0) | (event.mask & FAN_ATTRIB ? CHANGED : 0) |
               (event.mask & (FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO) ? GONE : 0));
  }
}

static void parse_inotify(const char *batch, ssize_t size, struct changes *changes) {
  const char *at = batch, *end = at + size;
  const struct inotify_event *event;
  for (; at < end; at += sizeof(*event) + event->len) {
    event = (const void *)at;
    if (event->mask & IN_Q_OVERFLOW)
      changes->lost = true;
    else
      note(changes, event->len > 0 ? event->name : NULL,
           (event->mask & IN_CREATE ? MADE : 0) | (event->mask & IN_ATTRIB ? CHANGED : 0) |
               (event->mask & (IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO) ? GONE : 0));
  }
}

/* --- telling ------------------------------------------------------------------------------- */

typedef int tell_fn(int device, uint64_t parent, const char *name);

static void tell_names(const struct watch_target *target, GHashTable *names, tell_fn *fn) {
  char inside[PREFIX_NAME_SIZE];
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, names);
  while (g_hash_table_iter_next(&iter, &name, NULL))
    if (!target->prefix)
      fn(target->device, target->node, name);
    else if (prefix_inside(target->prefix, name, inside))
      fn(target->device, target->node, inside);
}

static void tell(const struct watch_target *target, const struct changes *changes) {
  if (changes->lost) {
    invalidate_everything(target->device, target->node, target->directory, target->prefix);
    return;
  }
  tell_names(target, changes->names, invalidate_name);
  tell_names(target, changes->changed, expire_name);
  if (changes->directory)
    invalidate_attributes(target->device, target->node);
}

/* Reads one batch and tells what it says. Its size in bytes, or -1. */
static ssize_t read_batch(const struct watch_target *target, char *batch, struct changes *changes) {
  ssize_t size = read(target->fd, batch, BATCH_BYTES);
  if (size <= 0)
    return -1;
  changes->directory = changes->lost = false;
  if (target->kind == WATCH_FANOTIFY)
    parse_fanotify(batch, size, __atomic_load_n(target->worker, __ATOMIC_RELAXED), changes);
  else
    parse_inotify(batch, size, changes);
  tell(target, changes);
  g_hash_table_remove_all(changes->names);
  g_hash_table_remove_all(changes->changed);
  return size;
}

void watch_run(const struct watch_target *target, int stop) {
  char batch[BATCH_BYTES] __attribute__((aligned(8)));
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GHashTable) changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  struct changes changes = {.names = names, .changed = changed};
  struct pollfd wait[2] = {{target->fd, POLLIN, 0}, {stop, POLLIN, 0}};
  while (wait[1].revents == 0) {
    if (poll(wait, G_N_ELEMENTS(wait), -1) <= 0 || !wait[0].revents)
      continue;
    if (read_batch(target, batch, &changes) < BATCH_BYTES / 2)
      poll(&wait[1], 1, PAUSE_MS);
  }
}

static void *run_thread(void *data) {
  struct watch *watch = data;
  watch_run(&watch->target, watch->stop);
  return NULL;
}

/* --- the thread ---------------------------------------------------------------------------- */

static int start_thread(struct watch *watch) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = pthread_create(&watch->thread, NULL, run_thread, watch);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return -code;
}

int watch_start(const struct watch_target *target, struct watch **ret_watch) {
  auto_fd int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop < 0)
    return -errno;
  g_autofree struct watch *watch = g_new0(struct watch, 1);
  *watch = (struct watch){.target = *target, .stop = stop};
  int code = start_thread(watch);
  if (code < 0)
    return code;
  fd_steal(&stop);
  *ret_watch = g_steal_pointer(&watch);
  return 0;
}

void watch_stop(struct watch *watch) {
  if (!watch)
    return;
  eventfd_write(watch->stop, 1);
  pthread_join(watch->thread, NULL);
  fd_close(watch->stop);
  g_free(watch);
}
