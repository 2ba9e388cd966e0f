#include "ctl/removal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctl/open.h"
#include "util/fd.h"

#define WAIT_MICROSECONDS 10000 /* where the kernel has no membarrier(2) */

void removal_prepare(void) {
  signal(SIGIO, SIG_IGN);
}

/* Without O_NONBLOCK it would wait for somebody else's lease. */
static int take_lease(const struct inventory *inventory, const struct object *object, int *ret_fd) {
  auto_fd int fd = -1;
  int r = object_open(inventory, object, O_RDONLY | O_NONBLOCK, &fd);
  if (r < 0)
    return r == -EAGAIN ? -EBUSY : r;
  if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
    return errno == EAGAIN ? -EBUSY : -errno;
  *ret_fd = fd_steal(&fd);
  return 0;
}

static bool lease_is_whole(int fd) {
  return fcntl(fd, F_GETLEASE) == F_WRLCK;
}

static int check_segment(const struct object *object) {
  struct shmid_ds segment;
  if (shmctl((int)object->inode, IPC_STAT, &segment) < 0)
    return errno == EINVAL || errno == EIDRM ? -ENOENT : -errno;
  return segment.shm_nattch > 0 ? -EBUSY : 0;
}

int removal_check(const struct inventory *inventory, const struct object *object) {
  auto_fd int fd = -1;
  if (object->kind == OBJECT_SYSV)
    return check_segment(object);
  return take_lease(inventory, object, &fd);
}

static char *aside_name(const struct object *object) {
  return g_strconcat(REMOVAL_PREFIX, object->name, NULL);
}

static int move(const struct inventory *inventory, const char *from, const char *to) {
  return renameat2(inventory->directory_fd, from, inventory->directory_fd, to, RENAME_NOREPLACE) < 0
             ? -errno
             : 0;
}

/* The name may have come to mean another file just before it was moved. */
static int check_moved(const struct inventory *inventory, const char *aside,
                       const struct object *object) {
  struct stat moved;
  if (fstatat(inventory->directory_fd, aside, &moved, AT_SYMLINK_NOFOLLOW) < 0)
    return -errno;
  return moved.st_ino == object->inode ? 0 : -ESTALE;
}

static int put_aside(struct removal *removal) {
  g_autofree char *aside = aside_name(removal->object);
  int r = move(removal->inventory, removal->object->name, aside);
  if (r < 0)
    return r;
  r = check_moved(removal->inventory, aside, removal->object);
  if (r < 0)
    (void)move(removal->inventory, aside, removal->object->name);
  return r;
}

void removal_begin(struct removal *removal, const struct inventory *inventory,
                   const struct object *object) {
  *removal = (struct removal){.inventory = inventory, .object = object, .fd = -1};
  if (object->kind == OBJECT_SYSV)
    return;
  removal->error = take_lease(inventory, object, &removal->fd);
  if (removal->error == 0)
    removal->error = put_aside(removal);
  if (removal->error < 0)
    removal->fd = fd_close(removal->fd);
}

/* It returns when every processor has passed a point at which it is in no path lookup. */
void removal_wait(void) {
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
    g_usleep(WAIT_MICROSECONDS);
}

static int finish_file(struct removal *removal) {
  const struct inventory *inventory = removal->inventory;
  g_autofree char *aside = aside_name(removal->object);
  int r = lease_is_whole(removal->fd) ? 0 : -EBUSY;
  if (r == 0 && unlinkat(inventory->directory_fd, aside, 0) < 0)
    r = -errno;
  if (r < 0 && move(inventory, aside, removal->object->name) == -EEXIST)
    r = -EEXIST;
  removal->fd = fd_close(removal->fd); /* lets those in that wait to open it */
  return r;
}

static int remove_segment(const struct object *object) {
  int r = check_segment(object);
  if (r < 0)
    return r;
  if (shmctl((int)object->inode, IPC_RMID, NULL) < 0)
    return errno == EINVAL || errno == EIDRM ? -ENOENT : -errno;
  return 0;
}

int removal_finish(struct removal *removal) {
  if (removal->object->kind == OBJECT_SYSV)
    removal->error = remove_segment(removal->object);
  else if (removal->fd >= 0)
    removal->error = finish_file(removal);
  return removal->error;
}

/* As long as its process lives it has the lease. */
static bool recover(const struct inventory *inventory, const struct object *object) {
  auto_fd int fd = -1;
  return take_lease(inventory, object, &fd) == 0 &&
         move(inventory, object->name, object->name + strlen(REMOVAL_PREFIX)) == 0;
}

unsigned removal_recover(const struct inventory *inventory) {
  unsigned count = 0;
  for (unsigned i = 0; i < inventory->objects->len; i++) {
    const struct object *object = inventory->objects->pdata[i];
    if (!object->deleted && object->kind == OBJECT_POSIX &&
        g_str_has_prefix(object->name, REMOVAL_PREFIX))
      count += recover(inventory, object);
  }
  return count;
}
