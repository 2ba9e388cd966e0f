/* Which store a view shows is decided here and nowhere else. */
#include "daemon/view.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "store/posix.h"
#include "store/sysv.h"
#include "store/tree.h"
#include "util/log.h"

static int make_posix(const struct shared *shared, struct store **ret_store) {
  return posix_store_new(shared->directory, ret_store);
}

static int make_sysv(const struct shared *shared, struct store **ret_store) {
  struct sysv_options options = {.directory = shared->directory};
  return sysv_store_new(&options, ret_store);
}

static int make_all(const struct shared *shared, struct store **ret_store) {
  struct tree_options options = {.directory = shared->directory};
  return tree_store_new(&options, ret_store);
}

static const struct view views[] = {
    {"posix", .watched = true, .make_store = make_posix},
    {"sysv", .ipc_namespace = true, .make_store = make_sysv},
    {"all", .ipc_namespace = true, .make_store = make_all},
};

const char *view_names(void) {
  return "posix, also called none and shmfs; sysv; all";
}

const struct view *view_find(const char *source) {
  static const char *const meaning_posix[] = {"", "none", "shmfs"};
  for (size_t i = 0; i < G_N_ELEMENTS(meaning_posix); i++)
    if (strcmp(source, meaning_posix[i]) == 0)
      source = "posix";
  if (g_str_has_prefix(source, "shmfs#"))
    source = "posix";
  for (size_t i = 0; i < G_N_ELEMENTS(views); i++)
    if (strcmp(source, views[i].name) == 0)
      return &views[i];
  return NULL;
}

int view_enter(const struct options *options) {
  if (!options->ipc_namespace)
    return 0;
  int r = sysv_namespace_enter(options->ipc_namespace);
  if (r < 0)
    log_error("-o ipcns=%s: the IPC namespace cannot be entered: %s", options->ipc_namespace,
              r == -EINVAL ? "that is no IPC namespace" : g_strerror(-r));
  return r;
}
