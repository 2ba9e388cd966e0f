/* The table is small, and looked at for each line of each process's maps: an array, with the last
 * answer for "none" first, since neighbouring lines are mostly of one device.
 *
 * The internal file systems have no path. They are found by asking for a file on each: a segment's
 * memory is on the one that memfd_create(2) takes for the same size of pages. */
#include "ctl/devices.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ctl/mount-status.h"
#include "util/fd.h"
#include "util/mountinfo.h"

struct devices {
  struct statx_timestamp born; /* of the directory; all 0: unknown */
  GPtrArray *known;            /* struct device */
  GHashTable *namespaces;      /* inode numbers of the mount namespaces that have been read */
};

static void device_free(void *data) {
  struct device *device = data;
  g_free(device->mount_point);
  g_free(device);
}

static struct device *add(struct devices *devices, enum device_kind kind, dev_t number) {
  struct device *device = g_new0(struct device, 1);
  device->kind = kind;
  device->number = number;
  g_ptr_array_add(devices->known, device);
  return device;
}

static void add_internal(struct devices *devices, unsigned flags) {
  struct stat attributes;
  auto_fd int fd = memfd_create("shmfsctl", MFD_CLOEXEC | flags);
  if (fd >= 0 && fstat(fd, &attributes) == 0)
    add(devices, DEVICE_SEGMENTS, attributes.st_dev);
}

static void add_directory(struct devices *devices, int directory) {
  struct statx attributes;
  if (directory < 0 || statx(directory, "", AT_EMPTY_PATH, STATX_BTIME, &attributes) < 0)
    return;
  add(devices, DEVICE_DIRECTORY, makedev(attributes.stx_dev_major, attributes.stx_dev_minor));
  if (attributes.stx_mask & STATX_BTIME)
    devices->born = attributes.stx_btime;
}

struct devices *devices_new(int directory) {
  struct devices *devices = g_new0(struct devices, 1);
  devices->known = g_ptr_array_new_with_free_func(device_free);
  devices->namespaces = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  add_directory(devices, directory);
  add_internal(devices, 0);
  add_internal(devices, MFD_HUGETLB | MFD_HUGE_2MB);
  add_internal(devices, MFD_HUGETLB | MFD_HUGE_1GB);
  return devices;
}

void devices_free(struct devices *devices) {
  if (!devices)
    return;
  g_ptr_array_unref(devices->known);
  g_hash_table_unref(devices->namespaces);
  g_free(devices);
}

const struct device *devices_find(const struct devices *devices, dev_t number) {
  for (unsigned i = 0; i < devices->known->len; i++) {
    const struct device *device = devices->known->pdata[i];
    if (device->number == number)
      return device;
  }
  return NULL;
}

/* Inode numbers of two tmpfs are alike, but not the moments in which they were made. In doubt a mount
 * is taken for one of the directory's: better a holder too many. */
static bool shows_other(const struct devices *devices, const struct mount_status *status) {
  static const struct statx_timestamp unknown = {0};
  return status->error == 0 && status->is_posix &&
         memcmp(&devices->born, &unknown, sizeof(unknown)) != 0 &&
         (status->born.tv_sec != devices->born.tv_sec ||
          status->born.tv_nsec != devices->born.tv_nsec);
}

static void add_mount(struct devices *devices, const struct mountinfo *info, pid_t pid) {
  struct mount_status status;
  if (devices_find(devices, info->device))
    return;
  g_autofree char *path = g_strdup_printf("/proc/%d/root%s", pid, info->mount_point);
  mount_status_read(path, &status);
  struct device *device = add(devices, DEVICE_MOUNT, info->device);
  device->mount_point = g_strdup(info->mount_point);
  device->other = shows_other(devices, &status);
}

static void add_mounts(struct devices *devices, FILE *mounts, pid_t pid) {
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, mounts) >= 0) {
    struct mountinfo *info;
    if (!strstr(line, "fuse.shmfs") || mountinfo_parse(line, &info) < 0)
      continue;
    if (strcmp(info->type, "fuse.shmfs") == 0)
      add_mount(devices, info, pid);
    mountinfo_free(info);
  }
  free(line);
}

void devices_add_namespace(struct devices *devices, int proc, pid_t pid) {
  struct stat attributes;
  if (fstatat(proc, "ns/mnt", &attributes, 0) < 0)
    return;
  gint64 number = (gint64)attributes.st_ino;
  if (!g_hash_table_add(devices->namespaces, g_memdup2(&number, sizeof(number))))
    return;
  int fd = openat(proc, "mountinfo", O_RDONLY | O_CLOEXEC);
  FILE *mounts = fd < 0 ? NULL : fdopen(fd, "r");
  if (!mounts) {
    fd_close(fd);
    return;
  }
  add_mounts(devices, mounts, pid);
  fclose(mounts);
}
