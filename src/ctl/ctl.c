#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void complain(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  fflush(stdout);
  fprintf(stderr, "shmfsctl: %s\n", message);
}

int status_of(int error) {
  return error == -EPERM || error == -EACCES ? STATUS_REFUSED : STATUS_NOTHING;
}

void common_entries(struct common *common, GOptionEntry *entries, unsigned *used) {
  const GOptionEntry own[COMMON_ENTRIES] = {
      {"dir", 0, 0, G_OPTION_ARG_FILENAME, &common->directory,
       "where the POSIX objects are (default " DIRECTORY_DEFAULT ")", "PATH"},
      {"json", 'J', 0, G_OPTION_ARG_NONE, &common->style.json, "print JSON", NULL},
      {"no-headings", 0, 0, G_OPTION_ARG_NONE, &common->style.no_headings,
       "leave out the line with the columns' names", NULL},
      {"bytes", 'b', 0, G_OPTION_ARG_NONE, &common->style.bytes,
       "print sizes in bytes and ages in seconds", NULL},
  };
  memcpy(entries + *used, own, sizeof(own));
  *used += COMMON_ENTRIES;
}

void common_clear(struct common *common) {
  g_free(common->directory);
}

int arguments_parse(const char *synopsis, const char *summary, const GOptionEntry *entries,
                    int *argc, char ***argv) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = g_strdup_printf("shmfsctl %s", (*argv)[0]);
  g_autoptr(GOptionContext) context = g_option_context_new(synopsis);
  g_set_prgname(name);
  g_option_context_set_summary(context, summary);
  g_option_context_add_main_entries(context, entries, NULL);
  if (g_option_context_parse(context, argc, argv, &error))
    return 0;
  complain("%s: %s; try --help", (*argv)[0], error->message);
  return STATUS_USAGE;
}

int take_inventory(const struct common *common, unsigned parts, struct inventory **ret_inventory) {
  const char *directory = common->directory ? common->directory : DIRECTORY_DEFAULT;
  int r = common->directory && access(directory, F_OK) < 0
              ? -errno
              : inventory_take(directory, parts, ret_inventory);
  if (r == 0)
    return 0;
  complain("%s: shared memory cannot be listed: %s", directory, g_strerror(-r));
  return status_of(r);
}

void note_refused(const struct inventory *inventory) {
  if (inventory->refused > 0)
    complain("%u of %u processes could not be looked into (not permitted): they may hold more",
             inventory->refused, inventory->refused + inventory->inspected);
}
