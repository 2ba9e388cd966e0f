/* Attaching to and detaching from the mount point. */
#pragma once

#include <stdbool.h>

#include "daemon/options.h"

/* Checks the mount point: exists, is a directory, carries no shmfs; a dead one is detached where
 * -o replace says so. Before the directory of the objects is opened, which a dead mount may cover.
 * 0, or -1 after one clear line in the log. */
int mount_prepare(const struct options *options);

/* Opens /dev/fuse and mounts: mount(2) as root, fusermount3 otherwise. Returns 0 with the device's
 * descriptor (close-on-exec, non-blocking), or -1 after one clear line in the log. */
int mount_attach(const struct options *options, int *ret_device);

/* Detaches our mount (MNT_DETACH), if the topmost mount at the mount point is still ours (that of
 * the connection `device_number`, st_dev of the mounted root). 0 or -errno; -ENOENT when it is not
 * there any more. */
int mount_detach(const struct options *options, unsigned device_number);

/* The mount's device number, from mountinfo, without touching the mount; 0 when there is none. */
unsigned mount_device_number(const struct options *options);
