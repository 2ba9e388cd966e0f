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
  dev_t directory;        /* 0: there is none */
  uint64_t ipc_namespace; /* our own; 0: unknown */
  GPtrArray *known;       /* struct device */
  GHashTable *namespaces; /* inode numbers of the mount namespaces that have been read */
};

static void device_free(void *data) {
  struct device *device = data;
  g_free(device->mount_point);
  g_free(device->prefix);
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

/* Where a mount lies over the directory, what is behind it counts; the mount itself is found as others
 * are. */
static void add_directory(struct devices *devices, int directory) {
  struct stat attributes;
  if (directory < 0 || fstat(directory, &attributes) < 0)
    return;
  dev_t behind = mount_status_device(directory);
  devices->directory = behind ? behind : attributes.st_dev;
  add(devices, DEVICE_DIRECTORY, devices->directory);
}

struct devices *devices_new(int directory) {
  struct devices *devices = g_new0(struct devices, 1);
  devices->known = g_ptr_array_new_with_free_func(device_free);
  devices->namespaces = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  struct stat ipc;
  if (stat("/proc/self/ns/ipc", &ipc) == 0)
    devices->ipc_namespace = ipc.st_ino;
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

/* The folder of a tree's objects (store/tree.h). */
#define TREE_FOLDER "posix/"

/* A segment's inode number in a mount is above this, where no shmid is (store/sysv.h). Those of a tree's
 * other files are above all that a tmpfs has made before its four billionth file (store/text.h). */
#define SEGMENT_NODE UINT64_C(0x80000000)

enum device_file device_file(const struct device *device, uint64_t inode, uint64_t *ret_inode) {
  bool marked = (device->tree || !device->told) && (inode & SEGMENT_NODE);
  bool segment = device->told && !device->tree ? device->segments : marked;
  *ret_inode = inode;
  if (device->kind != DEVICE_MOUNT)
    return device->kind == DEVICE_DIRECTORY ? FILE_OBJECT : FILE_OTHER;
  if (device->tree && inode > UINT32_MAX)
    return FILE_OTHER;
  if (!segment)
    return device->files ? FILE_OBJECT : FILE_OTHER;
  *ret_inode = inode & ~SEGMENT_NODE;
  return device->segments ? FILE_SEGMENT : FILE_OTHER;
}

char *device_name(const struct device *device, const char *top, const char *path) {
  size_t length = strlen(top);
  bool below = strncmp(path, top, length) == 0 && path[length] == '/';
  const char *slash = strrchr(path, '/');
  const char *name = below ? path + length + 1 : slash ? slash + 1 : path;
  if (below && device->tree && g_str_has_prefix(name, TREE_FOLDER))
    name += strlen(TREE_FOLDER);
  return g_strconcat(device->prefix ? device->prefix : "", name, NULL);
}

/* In doubt a mount is taken for one of what we look at: better a holder too many. */
static void understand(const struct devices *devices, const struct mount_status *status,
                       struct device *device) {
  device->told = status->error == 0 && *status->view;
  device->tree = strcmp(status->view, "all") == 0;
  device->prefix = g_strdup(status->prefix);
  device->files = !device->told || (status->device != 0 && status->device == devices->directory);
  device->segments = !device->told || (status->ipc_namespace != 0 &&
                                       status->ipc_namespace == devices->ipc_namespace);
}

static void add_mount(struct devices *devices, const struct mountinfo *info, pid_t pid) {
  struct mount_status status;
  if (devices_find(devices, info->device))
    return;
  g_autofree char *path = g_strdup_printf("/proc/%d/root%s", pid, info->mount_point);
  mount_status_read(path, MOUNT_ASK_SHOWN, &status);
  struct device *device = add(devices, DEVICE_MOUNT, info->device);
  device->mount_point = g_strdup(info->mount_point);
  understand(devices, &status, device);
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
