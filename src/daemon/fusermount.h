/* Mounting and unmounting without privilege, by libfuse's set-user-id helper fusermount3(1). */
#pragma once

/* Mounts at `path` with the helper's options. 0 with the descriptor of the device (close-on-exec),
 * or -errno after one line in the log. */
int fusermount_mount(const char *path, const char *options, int *ret_device);

/* Detaches the topmost mount at `path`. 0 or -errno (-EPERM: the helper refused). */
int fusermount_detach(const char *path);
