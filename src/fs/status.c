#include "fs/status.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

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

static void append_requests(const struct state_page *page, GString *text) {
  for (unsigned i = 0; i < WIRE_OPCODES; i++)
    if (page->served[i] > 0 && request_name[i])
      g_string_append_printf(text, "%s %" G_GUINT64_FORMAT "\n", request_name[i], page->served[i]);
}

static bool append_status(const struct state_page *page, const char *what, GString *text) {
  if (strcmp(what, "supervisor") == 0)
    g_string_append_printf(text, "%d", page->supervisor);
  else if (strcmp(what, "worker") == 0)
    g_string_append_printf(text, "%d", page->worker);
  else if (strcmp(what, "workers") == 0)
    g_string_append_printf(text, "%u", page->workers);
  else if (strcmp(what, "upgrades") == 0)
    g_string_append_printf(text, "%u", page->upgrades);
  else if (strcmp(what, "started") == 0)
    g_string_append_printf(text, "%" G_GINT64_FORMAT, page->started);
  else if (strcmp(what, "requests") == 0)
    append_requests(page, text);
  else
    return false;
  return true;
}

bool is_status(const char *name) {
  static const char *const names[] = {"supervisor", "worker",  "workers",
                                      "upgrades",   "started", "requests"};
  if (!g_str_has_prefix(name, PREFIX))
    return false;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    if (strcmp(name + strlen(PREFIX), names[i]) == 0)
      return true;
  return false;
}

ssize_t status_get(const struct state *state, const char *name, char *value, size_t size) {
  g_autoptr(GString) text = g_string_new(NULL);
  if (!append_status(state->page, name + strlen(PREFIX), text))
    return -ENODATA;
  if (size > 0 && text->len > size)
    return -ERANGE;
  if (size > 0)
    memcpy(value, text->str, text->len);
  return (ssize_t)text->len;
}
