/* Which store a view shows is decided here and nowhere else. */
#include "daemon/view.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/confined.h"
#include "store/posix.h"
#include "store/sysv.h"
#include "store/tree.h"
#include "util/log.h"

static int make_posix(const struct shared *shared, struct store **ret_store) {
  const struct confined_options *confined = &shared->settings.confined;
  struct store *objects;
  int r = posix_store_new(shared->directory, &objects);
  if (r < 0)
    return r;
  if (!confined_options_any(confined)) {
    *ret_store = objects;
    return 0;
  }
  r = confined_store_new(objects, confined, ret_store);
  if (r < 0)
    objects->ops->free(objects);
  return r;
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
    {"posix", .watched = true, .objects = true, .confined = true, .make_store = make_posix},
    {"sysv", .ipc_namespace = true, .make_store = make_sysv},
    {"all", .objects = true, .ipc_namespace = true, .make_store = make_all},
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

static int check_confined(const struct options *options) {
  const struct limits_options *limits = &options->settings.limits;
  bool limited = limits->size > 0 || limits->objects > 0 || limits->object_size > 0;
  if (view_find(options->source)->confined ||
      (!limited && !options->config && !confined_options_any(&options->settings.confined)))
    return 0;
  log_error("the source %s is always shown as a whole: prefix=, size=, nr_objects=, max_object=, "
            "prealloc, umask=, mode=, uid=, gid= and config= are for posix",
            options->source);
  return -EINVAL;
}

static int check_namespace(const struct options *options) {
  if (!options->ipc_namespace || view_find(options->source)->ipc_namespace)
    return 0;
  log_error("-o ipcns=%s: the source %s does not depend on an IPC namespace",
            options->ipc_namespace, options->source);
  return -EINVAL;
}

int view_check(const struct options *options) {
  int r = check_namespace(options);
  return r < 0 ? r : check_confined(options);
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

/* Both numbers are 0, unknown, where the kernel does not tell. */
struct fs_shown view_shown(const struct shared *shared) {
  const struct view *view = view_find(shared->options->source);
  struct fs_shown shown = {.view = view->name, .prefix = shared->options->prefix};
  struct stat attributes;
  if (view->objects && fstat(shared->directory, &attributes) == 0)
    shown.device = attributes.st_dev;
  if (view->ipc_namespace && stat("/proc/self/ns/ipc", &attributes) == 0)
    shown.ipc_namespace = attributes.st_ino;
  return shown;
}
