/* Registering files with the kernel as backing files, for which it wants CAP_SYS_ADMIN: raised here
 * and nowhere else in this layer. */
#pragma once

/* Registers the file behind the descriptor (O_PATH is enough) with the mount of `device`. Returns its
 * id (> 0), or -errno. */
int backing_open(int device, int fd);

/* Takes an id back; one that is not registered any more is no matter. */
void backing_close(int device, int id);
