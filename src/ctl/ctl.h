/* What the commands of shmfsctl share: their arguments, their messages and their exit statuses. */
#pragma once

#include <glib.h>

#include "ctl/inventory.h"
#include "ctl/table.h"

enum status {
  STATUS_FOUND = 0,
  STATUS_NOTHING = 1, /* nothing matched; or it failed otherwise */
  STATUS_USAGE = 2,
  STATUS_REFUSED = 3, /* not permitted */
};

/* One command: `shmfsctl name …`. argv[0] is the name. Returns an enum status. */
struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *summary;
};

int ls_run(int argc, char **argv);
int who_run(int argc, char **argv);
int gc_run(int argc, char **argv);
int stat_run(int argc, char **argv);
int dump_run(int argc, char **argv);
int load_run(int argc, char **argv);
int metrics_run(int argc, char **argv);
int doctor_run(int argc, char **argv);
int mounts_run(int argc, char **argv);
int top_run(int argc, char **argv);

/* Options that every command which looks at objects takes. */
struct common {
  char *directory;
  struct table_style style;
};

#define DIRECTORY_DEFAULT "/dev/shm" /* shm_overview(7) */
#define COMMON_ENTRIES 4

/* Appends those options to entries (which end with a zeroed one) from *used on. */
void common_entries(struct common *common, GOptionEntry *entries, unsigned *used);
void common_clear(struct common *common);

/* Parses: afterwards argv has what is no option. synopsis: what follows the command's name.
 * 0 or STATUS_USAGE, when a message has been written. --help ends the program. */
int arguments_parse(const char *synopsis, const char *summary, const GOptionEntry *entries,
                    int *argc, char ***argv);

/* One line on standard error, with "shmfsctl: " before it. */
void complain(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The exit status for that -errno: not permitted, or failed. */
int status_of(int error);

/* An inventory, or a message and its status. */
int take_inventory(const struct common *common, unsigned parts, struct inventory **ret_inventory);

/* Says on standard error how many processes could not be looked into, if any. */
void note_refused(const struct inventory *inventory);
