/* Which devices shared memory is on, as /proc/PID/maps and statx(2) show them: the directory's own
 * tmpfs; the kernel's internal file systems that segments live on; and each shmfs mount, in whatever
 * mount namespace. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum device_kind { DEVICE_OTHER, DEVICE_DIRECTORY, DEVICE_SEGMENTS, DEVICE_MOUNT };

struct device {
  enum device_kind kind;
  dev_t number;

  /* DEVICE_MOUNT: */
  char *mount_point; /* in the namespace in which it was found first */
  char *prefix;      /* of the names outside; "": none */
  bool told;     /* it said what it shows; else it is taken for one that shows what we look at */
  bool tree;     /* it has the objects in a folder, beside others */
  bool files;    /* it shows objects of the directory */
  bool segments; /* it shows segments of this IPC namespace */
};

enum device_file { FILE_OTHER, FILE_OBJECT, FILE_SEGMENT };

/* What is the regular file with that inode number on the device? *ret_inode: the object's inode number,
 * or the segment's id. */
enum device_file device_file(const struct device *device, uint64_t inode, uint64_t *ret_inode);

/* The name outside of what is at that path of a mount or of the directory, top: where that one is. */
char *device_name(const struct device *device, const char *top, const char *path);

struct devices;

/* directory: the shared memory directory, open, or -1 for none; borrowed. */
struct devices *devices_new(int directory);
void devices_free(struct devices *devices);

/* Adds the shmfs mounts that a process sees, if its mount namespace is a new one. proc: /proc/PID,
 * open. Each mount is asked what it shows, for 2 s at most. Whatever cannot be read is passed over. */
void devices_add_namespace(struct devices *devices, int proc, pid_t pid);

/* NULL for a device that no shared memory is on. */
const struct device *devices_find(const struct devices *devices, dev_t number);
