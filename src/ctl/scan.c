/* Each process is opened once, and looked at through that descriptor, so that a process id that is
 * given to another one meanwhile mixes up nothing. Nothing here waits for a file system: files behind
 * descriptors are asked for what the kernel has at hand (AT_STATX_DONT_SYNC), so neither a network
 * that is gone nor a hung FUSE daemon stops a look at shared memory. */
#include "ctl/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "ctl/devices.h"
#include "ctl/maps.h"
#include "ctl/process.h"
#include "util/fd.h"

#define BUFFER_SIZE 65536    /* several of the kernel's pieces of a page each; and any one line */
#define SEGMENT_PATH "/SYSV" /* what the kernel calls a segment's file, ipc/shm.c */

struct scan {
  struct inventory *inventory;
  ino_t ipc_namespace;
  char *buffer;
  dev_t other; /* the last device seen that is of no interest */

  /* The process at hand. */
  int proc;
  pid_t pid;
  struct process *process; /* NULL until it holds something */
};

/* A mapping or a descriptor of a file on one of the devices. */
struct found {
  const struct device *device;
  uint64_t inode;
  const char *path;
  bool deleted;
  const char *link; /* leads to the file itself, relative to /proc/PID */
};

static char *name_of(const struct scan *scan, const struct found *found) {
  const char *top =
      found->device->kind == DEVICE_MOUNT ? found->device->mount_point : scan->inventory->directory;
  return device_name(found->device, top, found->path);
}

/* What no name led to: removed, or made since the names were read. */
static struct object *add_unnamed(struct scan *scan, const struct found *found, uint64_t inode) {
  struct statx attributes;
  if (found->device->kind == DEVICE_MOUNT && !found->device->told)
    return NULL; /* nobody knows whether it is one of ours, and asking could take forever */
  bool described = statx(scan->proc, found->link, AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME,
                         &attributes) == 0;
  if (described && !S_ISREG(attributes.stx_mode))
    return NULL;
  g_autofree char *name = name_of(scan, found);
  enum object_kind kind = g_str_has_prefix(name, "sem.") ? OBJECT_SEMAPHORE
                          : strchr(name, '/')            ? OBJECT_FILE
                                                         : OBJECT_POSIX;
  struct object *object = inventory_add(scan->inventory, kind, name, inode);
  object->uid = object->gid = (uid_t)-1;
  if (described)
    object_describe(object, &attributes);
  object->deleted = described ? attributes.stx_nlink == 0 : found->deleted;
  return object;
}

static bool same_ipc_namespace(const struct scan *scan) {
  struct stat attributes;
  return fstatat(scan->proc, "ns/ipc", &attributes, 0) == 0 &&
         attributes.st_ino == scan->ipc_namespace;
}

static struct object *segment_of(struct scan *scan, const struct found *found) {
  bool segment = g_str_has_prefix(found->path, SEGMENT_PATH) && same_ipc_namespace(scan);
  return segment ? inventory_find(scan->inventory, true, found->inode) : NULL;
}

/* A mount that does not answer may be of another IPC namespace, which has other segments of the same
 * ids: the name has to agree as well. */
static struct object *mounted_segment_of(struct scan *scan, const struct found *found, int id) {
  struct object *object = inventory_find(scan->inventory, true, (uint64_t)id);
  const char *name = strrchr(found->path, '/');
  bool same = object && (found->device->told || object->deleted || found->deleted ||
                         (name && strcmp(name + 1, object->name) == 0));
  return same ? object : NULL;
}

static struct object *object_of(struct scan *scan, const struct found *found) {
  uint64_t inode;
  if (found->device->kind == DEVICE_SEGMENTS)
    return segment_of(scan, found);
  enum device_file file = device_file(found->device, found->inode, &inode);
  if (file == FILE_SEGMENT)
    return mounted_segment_of(scan, found, (int)inode);
  if (file != FILE_OBJECT)
    return NULL;
  struct object *object = inventory_find(scan->inventory, false, inode);
  return object ? object : add_unnamed(scan, found, inode);
}

/* Takes the hold. */
static void add_hold(struct scan *scan, const struct found *found, struct hold *hold) {
  struct object *object = object_of(scan, found);
  if (object && !scan->process) {
    scan->process = process_read(scan->proc, scan->pid);
    if (scan->process)
      g_ptr_array_add(scan->inventory->processes, scan->process);
  }
  if (!object || !scan->process) {
    g_free(hold);
    return;
  }
  hold->process = scan->process;
  hold->through = found->device->kind == DEVICE_MOUNT ? found->device->mount_point : NULL;
  g_ptr_array_add(object->holds, hold);
}

static void add_mapping(struct scan *scan, const struct device *device,
                        const struct maps_line *line) {
  struct found found = {.device = device, .inode = line->inode};
  g_autofree char *path = maps_path(line, &found.deleted);
  char link[64];
  snprintf(link, sizeof(link), "map_files/%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
           line->from, line->to);
  found.path = path;
  found.link = link;
  struct hold *hold = g_new0(struct hold, 1);
  *hold = (struct hold){
      .kind = HOLD_MAP,
      .writable = line->writable,
      .private = line->private,
      .from = line->from,
      .to = line->to,
      .offset = line->offset,
      .descriptor = -1,
  };
  add_hold(scan, &found, hold);
}

static void visit_line(struct scan *scan, const struct maps_line *line) {
  if (line->device == 0 || line->device == scan->other)
    return;
  const struct device *device = devices_find(scan->inventory->devices, line->device);
  if (device)
    add_mapping(scan, device, line);
  else
    scan->other = line->device;
}

/* The kernel hands out whole lines, but a read may end within one. */
static int read_maps(struct scan *scan, int fd) {
  size_t filled = 0;
  for (;;) {
    ssize_t length = read(fd, scan->buffer + filled, BUFFER_SIZE - filled);
    if (length <= 0)
      return length < 0 ? -errno : 0;
    filled += (size_t)length;
    const char *at = scan->buffer, *next;
    struct maps_line line = {0};
    while ((next = maps_next(at, scan->buffer + filled, &line))) {
      visit_line(scan, &line);
      at = next;
    }
    filled -= (size_t)(at - scan->buffer);
    memmove(scan->buffer, at, filled);
    if (filled == BUFFER_SIZE)
      filled = 0; /* no line is that long; rather lose it than stop */
  }
}

static int scan_maps(struct scan *scan) {
  auto_fd int fd = openat(scan->proc, "maps", O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -errno : read_maps(scan, fd);
}

static char *read_link(int directory, const char *name, bool *ret_deleted) {
  char path[PATH_MAX];
  ssize_t length = readlinkat(directory, name, path, sizeof(path));
  if (length < 0)
    return NULL;
  struct maps_line line = {.path = path, .path_length = (size_t)length};
  return maps_path(&line, ret_deleted);
}

/* The link's own mode says how the file was opened. */
static bool opened_for_writing(int directory, const char *name) {
  struct stat link;
  return fstatat(directory, name, &link, AT_SYMLINK_NOFOLLOW) == 0 && (link.st_mode & S_IWUSR);
}

static void add_descriptor(struct scan *scan, const struct device *device, uint64_t inode,
                           int directory, const char *name) {
  struct found found = {.device = device, .inode = inode};
  g_autofree char *path = read_link(directory, name, &found.deleted);
  if (!path)
    return; /* closed since */
  g_autofree char *link = g_strconcat("fd/", name, NULL);
  found.path = path;
  found.link = link;
  struct hold *hold = g_new0(struct hold, 1);
  hold->kind = HOLD_DESCRIPTOR;
  hold->writable = opened_for_writing(directory, name);
  hold->descriptor = atoi(name);
  add_hold(scan, &found, hold);
}

static void visit_descriptor(struct scan *scan, int directory, const char *name) {
  struct statx file;
  if (statx(directory, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO, &file) <
          0 ||
      !S_ISREG(file.stx_mode))
    return;
  dev_t number = makedev(file.stx_dev_major, file.stx_dev_minor);
  const struct device *device = devices_find(scan->inventory->devices, number);
  if (device)
    add_descriptor(scan, device, file.stx_ino, directory, name);
}

static int scan_descriptors(struct scan *scan) {
  int fd = openat(scan->proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  DIR *stream = fdopendir(fd);
  if (!stream) {
    fd_close(fd);
    return -ENOMEM;
  }
  struct dirent *entry;
  /* cppcheck-suppress readdirCalled ; no other thread has this stream */
  while ((entry = readdir(stream)))
    if (entry->d_name[0] != '.')
      visit_descriptor(scan, fd, entry->d_name);
  closedir(stream);
  return 0;
}

/* Out of something that we need ourselves? */
static bool is_shortage(int r) {
  return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

/* -ESRCH and -ENOENT are processes that have ended. */
static bool is_refusal(int r) {
  return r < 0 && r != -ESRCH && r != -ENOENT;
}

/* What mounts there are has to be known before the first process is looked into: it may have been
 * given a descriptor of a mount that it does not see. */
static int add_namespace(struct scan *scan) {
  devices_add_namespace(scan->inventory->devices, scan->proc, scan->pid);
  return 0;
}

static int scan_process(struct scan *scan) {
  if (scan->pid == getpid())
    return 0;
  int maps = scan_maps(scan);
  int descriptors = scan_descriptors(scan);
  if (is_shortage(maps) || is_shortage(descriptors))
    return is_shortage(maps) ? maps : descriptors;
  if ((is_refusal(maps) || is_refusal(descriptors)) && !process_is_empty(scan->proc))
    scan->inventory->refused++;
  else
    scan->inventory->inspected++;
  return 0;
}

typedef int visit_fn(struct scan *scan);

static int visit_process(struct scan *scan, int proc_root, const char *name, visit_fn *visit) {
  auto_fd int proc = openat(proc_root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0)
    return errno == EMFILE || errno == ENFILE ? -errno : 0;
  scan->proc = proc;
  scan->pid = atoi(name);
  scan->process = NULL;
  return visit(scan);
}

static int visit_processes(struct scan *scan, visit_fn *visit) {
  DIR *stream = opendir("/proc");
  if (!stream)
    return -errno;
  struct dirent *entry;
  int r = 0;
  /* cppcheck-suppress readdirCalled ; no other thread has this stream */
  while (r == 0 && (entry = readdir(stream)))
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
      r = visit_process(scan, dirfd(stream), entry->d_name, visit);
  closedir(stream);
  return r;
}

int scan_processes(struct inventory *inventory) {
  struct stat ipc;
  struct scan scan = {.inventory = inventory};
  if (stat("/proc/self/ns/ipc", &ipc) == 0)
    scan.ipc_namespace = ipc.st_ino;
  devices_free(inventory->devices);
  inventory->devices = devices_new(inventory->directory_fd);
  inventory->hidden = process_some_hidden();
  scan.buffer = g_malloc(BUFFER_SIZE);
  int r = visit_processes(&scan, add_namespace);
  if (r == 0)
    r = visit_processes(&scan, scan_process);
  g_free(scan.buffer);
  return r;
}
