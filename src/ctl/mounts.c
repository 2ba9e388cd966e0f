/* shmfsctl mounts: the mounts of shmfs that are seen from here, as they describe themselves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/mount-status.h"
#include "ctl/mounted.h"
#include "ctl/text.h"

enum mount_column {
  MOUNT_POINT,
  MOUNT_VIEW,
  MOUNT_PREFIX,
  MOUNT_STATE,
  MOUNT_SIZE,
  MOUNT_USED,
  MOUNT_FILES,
  MOUNT_RESTARTS,
  MOUNT_UPTIME,
  MOUNT_RATE,
  MOUNT_USUAL, /* so many are shown; with -l, and in JSON, these too: */
  MOUNT_REQUESTS = MOUNT_USUAL,
  MOUNT_UPGRADES,
  MOUNT_MAX_SIZE,
  MOUNT_MAX_FILES,
  MOUNT_MAX_FILE_SIZE,
  MOUNT_SUPERVISOR,
  MOUNT_WORKER,
  MOUNT_DEVICE,
  MOUNT_IPC,
  MOUNT_COLUMNS,
};

static const struct column columns[MOUNT_COLUMNS] = {
    [MOUNT_POINT] = {"MOUNTPOINT", VALUE_TEXT, true, NULL},
    [MOUNT_VIEW] = {"VIEW", VALUE_TEXT, false, NULL},
    [MOUNT_PREFIX] = {"PREFIX", VALUE_TEXT, true, NULL},
    [MOUNT_STATE] = {"STATE", VALUE_TEXT, false, NULL},
    [MOUNT_SIZE] = {"SIZE", VALUE_BYTES, false, NULL},
    [MOUNT_USED] = {"USED", VALUE_BYTES, false, NULL},
    [MOUNT_FILES] = {"FILES", VALUE_COUNT, false, NULL},
    [MOUNT_RESTARTS] = {"RESTARTS", VALUE_COUNT, false, NULL},
    [MOUNT_UPTIME] = {"UPTIME", VALUE_SECONDS, false, NULL},
    [MOUNT_RATE] = {"RATE", VALUE_COUNT, false, NULL},
    [MOUNT_REQUESTS] = {"REQUESTS", VALUE_COUNT, false, NULL},
    [MOUNT_UPGRADES] = {"UPGRADES", VALUE_COUNT, false, NULL},
    [MOUNT_MAX_SIZE] = {"MAX_SIZE", VALUE_BYTES, false, NULL},
    [MOUNT_MAX_FILES] = {"MAX_FILES", VALUE_COUNT, false, NULL},
    [MOUNT_MAX_FILE_SIZE] = {"MAX_FILE_SIZE", VALUE_BYTES, false, NULL},
    [MOUNT_SUPERVISOR] = {"SUPERVISOR", VALUE_COUNT, false, NULL},
    [MOUNT_WORKER] = {"WORKER", VALUE_COUNT, false, NULL},
    [MOUNT_DEVICE] = {"DEVICE", VALUE_TEXT, false, NULL},
    [MOUNT_IPC] = {"IPC", VALUE_COUNT, false, NULL},
};

enum request_column { REQUEST_POINT, REQUEST_KIND, REQUEST_COUNT, REQUEST_RATE, REQUEST_COLUMNS };

static const struct column request_columns[REQUEST_COLUMNS] = {
    [REQUEST_POINT] = {"MOUNTPOINT", VALUE_TEXT, true, NULL},
    [REQUEST_KIND] = {"REQUEST", VALUE_TEXT, false, NULL},
    [REQUEST_COUNT] = {"COUNT", VALUE_COUNT, false, NULL},
    [REQUEST_RATE] = {"RATE", VALUE_COUNT, false, NULL},
};

static const char *state_text(int error) {
  switch (error) {
  case 0:
    return "ok";
  case -ETIMEDOUT:
    return "does not answer";
  case -ENOTCONN:
    return "dead";
  default:
    return g_strerror(-error);
  }
}

static uint64_t known(uint64_t number) {
  return number > 0 ? number : UNKNOWN;
}

/* The first worker is no restart, nor are those that an upgrade starts. */
static uint64_t restarts(const struct mount_status *status) {
  uint64_t planned = 1 + status->upgrades;
  return status->workers > planned ? status->workers - planned : 0;
}

static void fill_shown(struct value *row, const struct mount_status *status) {
  if (*status->prefix)
    row[MOUNT_PREFIX].text = text_name(status->prefix);
  if (status->device)
    row[MOUNT_DEVICE].text = g_strdup_printf("%u:%u", major(status->device), minor(status->device));
  row[MOUNT_IPC].number = known(status->ipc_namespace);
  row[MOUNT_SIZE].number = status->size;
  row[MOUNT_USED].number = status->used;
  row[MOUNT_FILES].number = status->files;
  row[MOUNT_MAX_SIZE].number = status->max_size;
  row[MOUNT_MAX_FILES].number = status->max_files;
  row[MOUNT_MAX_FILE_SIZE].number = status->max_file_size;
}

static void fill_service(struct value *row, const struct mount_status *status) {
  row[MOUNT_SUPERVISOR].number = known((uint64_t)status->supervisor);
  row[MOUNT_WORKER].number = known((uint64_t)status->worker);
  row[MOUNT_RESTARTS].number = restarts(status);
  row[MOUNT_UPGRADES].number = status->upgrades;
  row[MOUNT_REQUESTS].number = mount_status_requests(status);
  if (status->started > 0 && status->started <= (int64_t)time(NULL)) {
    uint64_t uptime = (uint64_t)(time(NULL) - status->started);
    row[MOUNT_UPTIME].number = uptime;
    row[MOUNT_RATE].number = row[MOUNT_REQUESTS].number / MAX(uptime, 1);
  }
}

static void fill_row(struct value *row, const struct mounted *mount) {
  row[MOUNT_POINT].text = text_name(mount->point);
  row[MOUNT_VIEW].text = text_name(mount->view);
  row[MOUNT_STATE].text = g_strdup(state_text(mount->status.error));
  if (mount->status.error < 0)
    return;
  fill_shown(row, &mount->status);
  fill_service(row, &mount->status);
}

static void print_mounts(const GPtrArray *mounts, const struct table_style *style, bool all) {
  struct table *table =
      table_new(columns, MOUNT_COLUMNS, all || style->json ? MOUNT_COLUMNS : MOUNT_USUAL);
  for (unsigned i = 0; i < mounts->len; i++) {
    const struct mounted *mount = mounts->pdata[i];
    fill_row(table_add_row(table, mount->status.error < 0 ? COLOUR_RED : COLOUR_NONE), mount);
  }
  table_print(table, style);
  table_free(table);
}

static void add_requests(struct table *table, const struct mounted *mount,
                         const struct mount_status *before, double seconds) {
  g_auto(GStrv) lines = g_strsplit(mount->status.requests, "\n", -1);
  for (unsigned i = 0; lines[i]; i++) {
    const char *blank = strchr(lines[i], ' ');
    if (!blank)
      continue;
    g_autofree char *kind = g_strndup(lines[i], (gsize)(blank - lines[i]));
    uint64_t now = g_ascii_strtoull(blank, NULL, 10);
    uint64_t then = mount_status_line(before->requests, kind);
    then = then == UNKNOWN ? 0 : then;
    struct value *row = table_add_row(table, COLOUR_NONE);
    row[REQUEST_POINT].text = text_name(mount->point);
    row[REQUEST_KIND].text = g_steal_pointer(&kind);
    row[REQUEST_COUNT].number = now;
    row[REQUEST_RATE].number = (uint64_t)((double)(now - MIN(then, now)) / seconds + 0.5);
  }
}

/* Two looks, and what came in between. */
static void print_requests(const GPtrArray *mounts, double seconds,
                           const struct table_style *style) {
  struct table *table = table_new(request_columns, REQUEST_COLUMNS, REQUEST_COLUMNS);
  g_usleep((gulong)(seconds * G_USEC_PER_SEC));
  for (unsigned i = 0; i < mounts->len; i++) {
    struct mounted *mount = mounts->pdata[i];
    struct mount_status before = mount->status;
    mount_status_read(mount->point, MOUNT_ASK_ALL, &mount->status);
    if (before.error == 0 && mount->status.error == 0)
      add_requests(table, mount, &before, seconds);
  }
  table_print(table, style);
  table_free(table);
}

struct request {
  struct common common;
  gboolean kinds, all;
  double seconds;
};

static int report(const struct request *request) {
  g_autoptr(GPtrArray) mounts = mounted_list();
  if (!mounts) {
    complain("mounts: /proc/self/mountinfo cannot be read: %s", g_strerror(errno));
    return status_of(-errno);
  }
  if (request->kinds)
    print_requests(mounts, request->seconds, &request->common.style);
  else
    print_mounts(mounts, &request->common.style, request->all);
  return mounts->len > 0 ? STATUS_FOUND : STATUS_NOTHING;
}

int mounts_run(int argc, char **argv) {
  struct request request = {.seconds = 1};
  GOptionEntry entries[COMMON_ENTRIES + 4] = {
      {"long", 'l', 0, G_OPTION_ARG_NONE, &request.all,
       "its own limits, its processes, and what it shows, too", NULL},
      {"requests", 'r', 0, G_OPTION_ARG_NONE, &request.kinds,
       "for each kind of request: how many, and how many a second", NULL},
      {"interval", 'i', 0, G_OPTION_ARG_DOUBLE, &request.seconds,
       "seconds over which requests are counted (default 1)", "SECONDS"},
  };
  unsigned used = 3;
  common_entries(&request.common, entries, &used);
  int r = arguments_parse("", "Lists the mounts of shmfs. RATE: requests a second since it began.",
                          entries, &argc, &argv);
  if (r == 0 && (argc > 1 || !(request.seconds > 0 && request.seconds <= 3600))) {
    complain("mounts: takes no arguments, and an interval of up to 3600 seconds");
    r = STATUS_USAGE;
  }
  if (r == 0)
    r = report(&request);
  common_clear(&request.common);
  return r;
}
