/* shmfsctl metrics: totals in Prometheus's text format, for node_exporter's textfile collector. What is
 * counted by owner and kind is the sum over those objects that have a name; several names of one
 * inode count once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/mounted.h"
#include "ctl/text.h"
#include "util/fd.h"

struct total {
  char *owner; /* as shown: several user ids may have one name, and no line may come twice */
  enum object_kind kind;
  uint64_t objects, bytes, resident, swapped, orphans, orphan_bytes;
};

struct totals {
  GArray *by_owner; /* struct total */
  uint64_t deleted, deleted_resident;
};

static uint64_t known(uint64_t number) {
  return number == UNKNOWN ? 0 : number;
}

static char *owner_of(const struct object *object) {
  GString *user = g_string_new(NULL);
  text_append_user(user, object->uid);
  return g_string_free(user, FALSE);
}

static struct total *total_of(GArray *totals, const struct object *object) {
  g_autofree char *owner = owner_of(object);
  for (unsigned i = 0; i < totals->len; i++) {
    struct total *total = &g_array_index(totals, struct total, i);
    if (strcmp(total->owner, owner) == 0 && total->kind == object->kind)
      return total;
  }
  struct total new = {.owner = g_steal_pointer(&owner), .kind = object->kind};
  g_array_append_val(totals, new);
  return &g_array_index(totals, struct total, totals->len - 1);
}

static void clear_total(void *data) {
  g_free(((struct total *)data)->owner);
}

static void add_object(struct totals *totals, const struct object *object) {
  if (object->deleted) {
    totals->deleted++;
    totals->deleted_resident += known(object->resident);
    return;
  }
  struct total *total = total_of(totals->by_owner, object);
  bool orphan = !object_is_held(object);
  total->objects++;
  total->bytes += known(object->size);
  total->resident += known(object->resident);
  total->swapped += known(object->swapped);
  total->orphans += orphan;
  total->orphan_bytes += orphan ? known(object->resident) : 0;
}

/* Backslashes, quotes and newlines are escaped in a label's value; others are as they are. */
static char *label(const char *text) {
  GString *escaped = g_string_new(NULL);
  g_autofree char *name = g_utf8_make_valid(text, -1);
  for (const char *c = name; *c; c++) {
    if (*c == '\n')
      g_string_append(escaped, "\\n");
    else
      g_string_append_printf(escaped, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
  }
  return g_string_free(escaped, FALSE);
}

static void declare(GString *out, const char *name, const char *type, const char *help) {
  g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put(GString *out, const char *name, uint64_t number) {
  g_string_append_printf(out, "%s %" G_GUINT64_FORMAT "\n", name, number);
}

struct family {
  const char *name, *help;
  size_t offset; /* in struct total */
};

static const struct family families[] = {
    {"shmfs_objects", "Shared memory objects that have a name.", offsetof(struct total, objects)},
    {"shmfs_object_bytes", "Sum of their sizes.", offsetof(struct total, bytes)},
    {"shmfs_resident_bytes", "Their memory in RAM.", offsetof(struct total, resident)},
    {"shmfs_swapped_bytes", "Their memory in the swap space.", offsetof(struct total, swapped)},
    {"shmfs_orphans", "Objects that nobody holds.", offsetof(struct total, orphans)},
    {"shmfs_orphan_resident_bytes", "Memory in RAM of objects that nobody holds.",
     offsetof(struct total, orphan_bytes)},
};

static void put_family(GString *out, const struct family *family, const GArray *totals) {
  declare(out, family->name, "gauge", family->help);
  for (unsigned i = 0; i < totals->len; i++) {
    const struct total *total = &g_array_index(totals, struct total, i);
    g_autofree char *owner = label(total->owner);
    g_string_append_printf(out, "%s{owner=\"%s\",kind=\"%s\"} %" G_GUINT64_FORMAT "\n",
                           family->name, owner, object_kind_name(total->kind),
                           *(const uint64_t *)(const void *)((const char *)total + family->offset));
  }
}

static bool is_first_name(GHashTable *seen, const struct object *object) {
  return g_hash_table_add(seen, object->holds);
}

static void put_objects(GString *out, const struct inventory *inventory) {
  struct totals totals = {.by_owner = g_array_new(FALSE, FALSE, sizeof(struct total))};
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  g_array_set_clear_func(totals.by_owner, clear_total);
  for (unsigned i = 0; i < inventory->objects->len; i++)
    if (is_first_name(seen, inventory->objects->pdata[i]))
      add_object(&totals, inventory->objects->pdata[i]);
  for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
    put_family(out, &families[i], totals.by_owner);
  declare(out, "shmfs_deleted_objects", "gauge", "Objects without a name that are still held.");
  put(out, "shmfs_deleted_objects", totals.deleted);
  declare(out, "shmfs_deleted_resident_bytes", "gauge", "Their memory in RAM.");
  put(out, "shmfs_deleted_resident_bytes", totals.deleted_resident);
  g_array_unref(totals.by_owner);
}

static void put_processes(GString *out, const struct inventory *inventory) {
  declare(out, "shmfs_holding_processes", "gauge", "Processes that hold an object.");
  put(out, "shmfs_holding_processes", inventory->processes->len);
  declare(out, "shmfs_uninspected_processes", "gauge",
          "Processes that could not be looked into, and may hold more.");
  put(out, "shmfs_uninspected_processes", inventory->refused);
}

static void put_limits(GString *out, const struct inventory *inventory) {
  struct statvfs fs;
  struct shminfo limits;
  if (inventory->directory_fd >= 0 && fstatvfs(inventory->directory_fd, &fs) == 0) {
    declare(out, "shmfs_directory_size_bytes", "gauge", "Size of the shared memory directory.");
    put(out, "shmfs_directory_size_bytes", (uint64_t)fs.f_blocks * fs.f_frsize);
    declare(out, "shmfs_directory_free_bytes", "gauge", "What is free of it.");
    put(out, "shmfs_directory_free_bytes", (uint64_t)fs.f_bavail * fs.f_frsize);
  }
  if (shmctl(0, IPC_INFO, (struct shmid_ds *)&limits) >= 0) {
    declare(out, "shmfs_segments_max", "gauge", "How many System V segments there may be.");
    put(out, "shmfs_segments_max", limits.shmmni);
  }
}

static char *labels_of(const struct mounted *mount) {
  g_autofree char *point = label(mount->point), *view = label(mount->view);
  g_autofree char *prefix = label(mount->status.prefix);
  return g_strdup_printf("mountpoint=\"%s\",view=\"%s\",prefix=\"%s\"", point, view, prefix);
}

struct mount_family {
  const char *name, *type, *help;
  uint64_t (*number)(const struct mount_status *status);
};

static uint64_t is_up(const struct mount_status *status) {
  return status->error == 0;
}

static uint64_t size_of(const struct mount_status *status) {
  return status->size;
}

static uint64_t used_of(const struct mount_status *status) {
  return status->used;
}

static uint64_t workers_of(const struct mount_status *status) {
  return status->workers;
}

static uint64_t files_of(const struct mount_status *status) {
  return status->files;
}

static uint64_t max_size_of(const struct mount_status *status) {
  return status->max_size;
}

static uint64_t max_files_of(const struct mount_status *status) {
  return status->max_files;
}

static const struct mount_family mount_families[] = {
    {"shmfs_mount_up", "gauge", "Does the mount answer?", is_up},
    {"shmfs_mount_size_bytes", "gauge", "Its size.", size_of},
    {"shmfs_mount_used_bytes", "gauge", "What is used of it.", used_of},
    {"shmfs_mount_files", "gauge", "The files in it.", files_of},
    {"shmfs_mount_limit_bytes", "gauge", "Its own limit on the sum of sizes.", max_size_of},
    {"shmfs_mount_limit_files", "gauge", "Its own limit on the number of files.", max_files_of},
    {"shmfs_mount_workers_total", "counter", "Workers started for it.", workers_of},
};

static void put_mount_family(GString *out, const struct mount_family *family,
                             const GPtrArray *mounts) {
  declare(out, family->name, family->type, family->help);
  for (unsigned i = 0; i < mounts->len; i++) {
    const struct mounted *mount = mounts->pdata[i];
    uint64_t number = family->number(&mount->status);
    if (number == UNKNOWN || (mount->status.error < 0 && family->number != is_up))
      continue;
    g_autofree char *labels = labels_of(mount);
    g_string_append_printf(out, "%s{%s} %" G_GUINT64_FORMAT "\n", family->name, labels, number);
  }
}

static void put_requests_of(GString *out, const struct mounted *mount) {
  g_autofree char *labels = labels_of(mount);
  g_auto(GStrv) lines = g_strsplit(mount->status.requests, "\n", -1);
  for (unsigned i = 0; lines[i]; i++) {
    const char *blank = strchr(lines[i], ' ');
    if (blank)
      g_string_append_printf(out, "shmfs_mount_requests_total{%s,request=\"%.*s\"} %s\n", labels,
                             (int)(blank - lines[i]), lines[i], blank + 1);
  }
}

static void put_mounts(GString *out) {
  g_autoptr(GPtrArray) mounts = mounted_list();
  if (!mounts || mounts->len == 0)
    return;
  for (size_t i = 0; i < G_N_ELEMENTS(mount_families); i++)
    put_mount_family(out, &mount_families[i], mounts);
  declare(out, "shmfs_mount_requests_total", "counter", "Requests served, by kind.");
  for (unsigned i = 0; i < mounts->len; i++)
    put_requests_of(out, mounts->pdata[i]);
}

/* The collector may read at any time, so the file is replaced at once; it reads as another user. */
static int write_file(const char *path, const GString *out) {
  g_autofree char *new = g_strconcat(path, ".XXXXXX", NULL);
  auto_fd int fd = g_mkstemp_full(new, O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0)
    return -errno;
  int r = 0;
  if (write(fd, out->str, out->len) != (ssize_t)out->len || fchmod(fd, 0644) < 0 ||
      rename(new, path) < 0)
    r = errno ? -errno : -ENOSPC;
  if (r < 0)
    unlink(new);
  return r;
}

static int deliver(const GString *out, const char *path) {
  if (!path) {
    fputs(out->str, stdout);
    return STATUS_FOUND;
  }
  errno = 0;
  int r = write_file(path, out);
  if (r < 0)
    complain("%s: cannot be written: %s", path, g_strerror(-r));
  return r < 0 ? status_of(r) : STATUS_FOUND;
}

static int report(const struct common *common, const char *path) {
  struct inventory *inventory;
  int r = take_inventory(common, INVENTORY_HOLDS | INVENTORY_MEMORY, &inventory);
  if (r != 0)
    return r;
  GString *out = g_string_new(NULL);
  put_objects(out, inventory);
  put_processes(out, inventory);
  put_limits(out, inventory);
  put_mounts(out);
  r = deliver(out, path);
  g_string_free(out, TRUE);
  inventory_free(inventory);
  return r;
}

int metrics_run(int argc, char **argv) {
  struct common common = {0};
  g_autofree char *output = NULL;
  GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
       "replace this file at once (for the textfile collector: NAME.prom)", "FILE"},
      {"dir", 0, 0, G_OPTION_ARG_FILENAME, &common.directory, "where the POSIX objects are",
       "PATH"},
      {0},
  };
  int r = arguments_parse("", "Prints totals in Prometheus's text format.", entries, &argc, &argv);
  if (r == 0 && argc > 1) {
    complain("metrics: takes no arguments");
    r = STATUS_USAGE;
  }
  if (r == 0)
    r = report(&common, output);
  common_clear(&common);
  return r;
}
