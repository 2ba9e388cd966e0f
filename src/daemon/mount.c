/* Root mounts by itself. Anybody else asks fusermount3, which may; the words that both understand
 * are the same but for the flags of mount(2), which the helper wants by name. */
#include "daemon/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/fusermount.h"
#include "daemon/mounted.h"
#include "util/fd.h"
#include "util/log.h"

#define DEVICE "/dev/fuse"

static int detach(const char *path) {
  if (geteuid() != 0)
    return fusermount_detach(path);
  return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
}

/* Several dead ones may lie above each other. */
static int prepare_mounted(const struct options *options) {
  const char *path = options->mount_point;
  enum mounted mounted;
  while ((mounted = mounted_look(path)) != MOUNTED_NONE) {
    if (mounted == MOUNTED_SERVED) {
      log_error("%s: shmfs is already mounted there; umount %s ends it", path, path);
      return -1;
    }
    if (!options->replace) {
      log_error("%s: a dead mount of shmfs is there; -o replace takes its place", path);
      return -1;
    }
    int r = detach(path);
    if (r < 0) {
      log_error("%s: the dead mount cannot be detached: %s", path, strerror(-r));
      return -1;
    }
    log_info("%s: detached a dead mount", path);
  }
  return 0;
}

int mount_prepare(const struct options *options) {
  const char *path = options->mount_point;
  struct stat at;
  if (prepare_mounted(options) < 0)
    return -1;
  if (stat(path, &at) < 0) {
    if (errno == ENOENT)
      log_error("%s: there is no such directory to mount on; mkdir -p %s makes it", path, path);
    else
      log_error("%s: cannot be mounted on: %s", path, strerror(errno));
    return -1;
  }
  if (!S_ISDIR(at.st_mode)) {
    log_error("%s: cannot be mounted on: it is not a directory", path);
    return -1;
  }
  return 0;
}

static int open_device(int *ret_device) {
  int device = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (device >= 0) {
    *ret_device = device;
    return 0;
  }
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
    log_error("%s is not there: modprobe fuse loads the kernel's part; a container must be given "
              "the device",
              DEVICE);
  else if (errno == EACCES || errno == EPERM)
    log_error("%s may not be opened (%s): run as root, or let the container use the device", DEVICE,
              strerror(errno));
  else
    log_error("%s cannot be opened: %s", DEVICE, strerror(errno));
  return -1;
}

static const char *mount_remedy(int error) {
  switch (error) {
  case EPERM:
    return "; root without CAP_SYS_ADMIN may not mount: run as an ordinary user, or grant it";
  case ENODEV:
    return "; the kernel has no FUSE: modprobe fuse";
  case EINVAL:
    return "; the kernel does not take one of the options (dmesg says which)";
  default:
    return "";
  }
}

static int mount_direct(const struct options *options, int *ret_device) {
  auto_fd int device = -1;
  if (open_device(&device) < 0)
    return -1;
  g_autofree char *data =
      g_strdup_printf("%s%s%sfd=%d,rootmode=%o,user_id=%u,group_id=%u", options->fuse_options,
                      options->allow_other ? "allow_other," : "",
                      options->fs.default_permissions ? "default_permissions," : "", device,
                      S_IFDIR, getuid(), getgid());
  if (mount(options->shown, options->mount_point, MOUNTED_TYPE, options->mount_flags, data) < 0) {
    log_error("%s: not mounted: %s%s", options->mount_point, strerror(errno), mount_remedy(errno));
    return -1;
  }
  *ret_device = fd_steal(&device);
  return 0;
}

/* "rw,nosuid,": the flags by name, as fusermount3 wants them. */
static void append_flags(GString *list, unsigned long flags) {
  static const struct {
    unsigned long flag;
    const char *set, *clear;
  } names[] = {
      {MS_RDONLY, "ro,", "rw,"},     {MS_NOSUID, "nosuid,", "suid,"},
      {MS_NODEV, "nodev,", "dev,"},  {MS_NOEXEC, "noexec,", ""},
      {MS_SYNCHRONOUS, "sync,", ""}, {MS_DIRSYNC, "dirsync,", ""},
      {MS_NOATIME, "noatime,", ""},  {MS_NODIRATIME, "nodiratime,", ""},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    g_string_append(list, flags & names[i].flag ? names[i].set : names[i].clear);
}

static int mount_by_helper(const struct options *options, int *ret_device) {
  g_autoptr(GString) list = g_string_new(options->fuse_options);
  append_flags(list, options->mount_flags);
  if (options->allow_other)
    g_string_append(list, "allow_other,");
  if (options->fs.default_permissions)
    g_string_append(list, "default_permissions,");
  /* In its list a comma of a name would begin another option. */
  g_autofree char *name = g_strdelimit(g_strdup(options->shown), ",\\", '_');
  g_string_append_printf(list, "subtype=shmfs,fsname=%s", name);
  auto_fd int device = -1;
  if (fusermount_mount(options->mount_point, list->str, &device) < 0)
    return -1;
  if (fcntl(device, F_SETFL, O_NONBLOCK) < 0)
    return -1;
  *ret_device = fd_steal(&device);
  return 0;
}

int mount_attach(const struct options *options, int *ret_device) {
  return geteuid() == 0 ? mount_direct(options, ret_device) : mount_by_helper(options, ret_device);
}

int mount_detach(const struct options *options, unsigned device_number) {
  if (device_number == 0 || mount_device_number(options) != device_number)
    return -ENOENT;
  return detach(options->mount_point);
}
