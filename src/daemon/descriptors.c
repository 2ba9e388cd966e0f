/* Who owns a descriptor is not written anywhere but in the state page, and there only for those that
 * must survive. So whatever else a dead worker had open is known by being neither in the page nor
 * older than the first worker. */
#include "daemon/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Every descriptor of this process. */
static GArray *descriptors_open(void) {
  GDir *names = g_dir_open("/proc/self/fd", 0, NULL);
  if (!names)
    return NULL;
  GArray *found = g_array_new(FALSE, FALSE, sizeof(int));
  const char *name;
  while ((name = g_dir_read_name(names))) {
    int fd = atoi(name);
    g_array_append_val(found, fd);
  }
  g_dir_close(names);
  /* The one that read the list is closed by now. */
  for (guint i = found->len; i-- > 0;)
    if (fcntl(g_array_index(found, int, i), F_GETFD) < 0)
      g_array_remove_index(found, i);
  return found;
}

/* All kept descriptors, as keys: the page may have a million slots, so it is read once. */
static GHashTable *kept_set(const struct state *state) {
  const struct state_page *page = state->page;
  GHashTable *kept = g_hash_table_new(NULL, NULL);
  for (uint32_t i = 0; i < page->slots_high && i < STATE_SLOTS; i++)
    if (page->slot[i].used && page->slot[i].fd >= 0)
      g_hash_table_add(kept, GINT_TO_POINTER(page->slot[i].fd));
  return kept;
}

GArray *descriptors_base(const struct state *state) {
  GArray *open = descriptors_open();
  if (!open)
    return NULL;
  GHashTable *kept = kept_set(state);
  for (guint i = open->len; i-- > 0;)
    if (g_hash_table_contains(kept, GINT_TO_POINTER(g_array_index(open, int, i))))
      g_array_remove_index(open, i);
  g_hash_table_unref(kept);
  return open;
}

static bool contains(const GArray *base, int fd) {
  for (guint i = 0; i < base->len; i++)
    if (g_array_index(base, int, i) == fd)
      return true;
  return false;
}

void descriptors_sweep(const struct state *state, const GArray *base) {
  GArray *open = descriptors_open();
  if (!open)
    return;
  GHashTable *kept = kept_set(state);
  for (guint i = 0; i < open->len; i++) {
    int fd = g_array_index(open, int, i);
    if (!contains(base, fd) && !g_hash_table_contains(kept, GINT_TO_POINTER(fd)))
      close(fd);
  }
  g_hash_table_unref(kept);
  g_array_unref(open);
}

void descriptor_pass(int fd, bool pass) {
  if (fd >= 0)
    fcntl(fd, F_SETFD, pass ? 0 : FD_CLOEXEC);
}

void descriptors_pass_kept(const struct state *state, bool pass) {
  const struct state_page *page = state->page;
  for (uint32_t i = 0; i < page->slots_high && i < STATE_SLOTS; i++)
    if (page->slot[i].used)
      descriptor_pass(page->slot[i].fd, pass);
}

pid_t clone_sharing_descriptors(void) {
  long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  return pid < 0 ? -errno : (pid_t)pid;
}
