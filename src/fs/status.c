#include "fs/status.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/internal.h"
#include "fs/limits.h"

#define PREFIX "user.shmfs."

/* By their numbers in the kernel's protocol. */
static const char *const request_name[WIRE_OPCODES] = {
    [1] = "lookup",       [3] = "getattr",
    [4] = "setattr",      [5] = "readlink",
    [6] = "symlink",      [8] = "mknod",
    [9] = "mkdir",        [10] = "unlink",
    [11] = "rmdir",       [12] = "rename",
    [13] = "link",        [14] = "open",
    [15] = "read",        [16] = "write",
    [17] = "statfs",      [18] = "release",
    [20] = "fsync",       [21] = "setxattr",
    [22] = "getxattr",    [23] = "listxattr",
    [24] = "removexattr", [25] = "flush",
    [26] = "init",        [27] = "opendir",
    [28] = "readdir",     [29] = "releasedir",
    [30] = "fsyncdir",    [34] = "access",
    [35] = "create",      [39] = "ioctl",
    [43] = "fallocate",   [45] = "rename2",
    [46] = "lseek",       [47] = "copy_file_range",
    [50] = "syncfs",      [51] = "tmpfile",
    [52] = "statx",
};

/* Appends an attribute's value. 0, or -ENODATA where the view has none. */
typedef int append_fn(struct fs *fs, GString *text);

static int append_supervisor(struct fs *fs, GString *text) {
  g_string_append_printf(text, "%d", fs->state->page->supervisor);
  return 0;
}

static int append_worker(struct fs *fs, GString *text) {
  g_string_append_printf(text, "%d", fs->state->page->worker);
  return 0;
}

static int append_workers(struct fs *fs, GString *text) {
  g_string_append_printf(text, "%u", fs->state->page->workers);
  return 0;
}

static int append_upgrades(struct fs *fs, GString *text) {
  g_string_append_printf(text, "%u", fs->state->page->upgrades);
  return 0;
}

static int append_started(struct fs *fs, GString *text) {
  g_string_append_printf(text, "%" G_GINT64_FORMAT, fs->state->page->started);
  return 0;
}

static int append_requests(struct fs *fs, GString *text) {
  const struct state_page *page = fs->state->page;
  for (unsigned i = 0; i < WIRE_OPCODES; i++)
    if (page->served[i] > 0 && request_name[i])
      g_string_append_printf(text, "%s %" G_GUINT64_FORMAT "\n", request_name[i], page->served[i]);
  return 0;
}

static int append_known(GString *text, const char *value) {
  g_string_append(text, value ? value : "");
  return value ? 0 : -ENODATA;
}

static int append_view(struct fs *fs, GString *text) {
  return append_known(text, fs->options.shown.view);
}

static int append_prefix(struct fs *fs, GString *text) {
  return append_known(text, fs->options.shown.prefix);
}

static int append_device(struct fs *fs, GString *text) {
  dev_t device = fs->options.shown.device;
  g_string_append_printf(text, "%u:%u", major(device), minor(device));
  return device ? 0 : -ENODATA;
}

static int append_ipc(struct fs *fs, GString *text) {
  uint64_t number = fs->options.shown.ipc_namespace;
  g_string_append_printf(text, "%" G_GUINT64_FORMAT, number);
  return number ? 0 : -ENODATA;
}

static void append_number(GString *text, const char *name, uint64_t number) {
  g_string_append_printf(text, "%s %" G_GUINT64_FORMAT "\n", name, number);
}

static int append_limits(struct fs *fs, GString *text) {
  const struct limits_options *limits = &fs->options.limits;
  if (limits->size > 0)
    append_number(text, "size", limits->size);
  if (limits->objects > 0)
    append_number(text, "nr_objects", limits->objects);
  if (limits->object_size > 0)
    append_number(text, "max_object", limits->object_size);
  return text->len > 0 ? 0 : -ENODATA;
}

static int append_use(struct fs *fs, GString *text) {
  uint64_t size, objects;
  int code = limits_use(fs, &size, &objects);
  if (code < 0)
    return code == -EOPNOTSUPP ? -ENODATA : code;
  append_number(text, "size", size);
  append_number(text, "objects", objects);
  return 0;
}

static const struct {
  const char *name;
  append_fn *append;
} attributes[] = {
    {"supervisor", append_supervisor},
    {"worker", append_worker},
    {"workers", append_workers},
    {"upgrades", append_upgrades},
    {"started", append_started},
    {"requests", append_requests},
    {"view", append_view},
    {"prefix", append_prefix},
    {"device", append_device},
    {"ipc", append_ipc},
    {"limits", append_limits},
    {"use", append_use},
};

static append_fn *find(const char *name) {
  if (!g_str_has_prefix(name, PREFIX))
    return NULL;
  for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++)
    if (strcmp(name + strlen(PREFIX), attributes[i].name) == 0)
      return attributes[i].append;
  return NULL;
}

bool is_status(const char *name) {
  return find(name) != NULL;
}

ssize_t status_get(struct fs *fs, const char *name, char *value, size_t size) {
  g_autoptr(GString) text = g_string_new(NULL);
  append_fn *append = find(name);
  int code = append ? append(fs, text) : -ENODATA;
  if (code < 0)
    return code;
  if (size > 0 && text->len > size)
    return -ERANGE;
  if (size > 0)
    memcpy(value, text->str, text->len);
  return (ssize_t)text->len;
}
