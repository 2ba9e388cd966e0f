/* Which devices shared memory is on, as /proc/PID/maps and statx(2) show them: the directory's own
 * tmpfs; the kernel's internal file systems that segments live on; and each shmfs mount, in whatever
 * mount namespace. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

enum device_kind { DEVICE_OTHER, DEVICE_DIRECTORY, DEVICE_SEGMENTS, DEVICE_MOUNT };

struct device {
  enum device_kind kind;
  dev_t number;
  bool other; /* DEVICE_MOUNT: it shows another directory's objects, so only its segments count */
  char *mount_point; /* DEVICE_MOUNT: in the namespace in which it was found first */
};

struct devices;

/* directory: the shared memory directory, open, or -1 for none; borrowed. */
struct devices *devices_new(int directory);
void devices_free(struct devices *devices);

/* Adds the shmfs mounts that a process sees, if its mount namespace is a new one. proc: /proc/PID,
 * open. Each mount is asked what it shows, for 2 s at most. Whatever cannot be read is passed over. */
void devices_add_namespace(struct devices *devices, int proc, pid_t pid);

/* NULL for a device that no shared memory is on. */
const struct device *devices_find(const struct devices *devices, dev_t number);
