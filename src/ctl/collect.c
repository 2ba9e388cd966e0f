/* The names: the regular files under the shared memory directory, which are never opened for this,
 * and the segments that /proc/sysvipc/shm lists (the one place that tells a segment's resident and
 * swapped bytes). Columns there are found by their headings. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "ctl/inventory.h"
#include "util/fd.h"

#define DEPTH_MAX 32 /* of directories: a bound, since each costs a descriptor meanwhile */
#define SEGMENTS_PATH "/proc/sysvipc/shm"
#define BLOCK_SIZE 512 /* of st_blocks, stat(2) */

static int walk(struct inventory *inventory, int directory, const char *prefix, unsigned depth);

void object_describe(struct object *object, const struct statx *attributes) {
  object->size = attributes->stx_size;
  object->resident = attributes->stx_blocks * BLOCK_SIZE;
  object->uid = attributes->stx_uid;
  object->gid = attributes->stx_gid;
  object->mode = attributes->stx_mode & 07777;
  object->links = attributes->stx_nlink;
  object->born = attributes->stx_mask & STATX_BTIME ? attributes->stx_btime.tv_sec
                                                    : attributes->stx_ctime.tv_sec;
}

static enum object_kind kind_of(const char *name) {
  if (strchr(name, '/'))
    return OBJECT_FILE;
  return g_str_has_prefix(name, "sem.") ? OBJECT_SEMAPHORE : OBJECT_POSIX;
}

static int walk_below(struct inventory *inventory, int parent, const char *name, const char *path,
                      unsigned depth) {
  if (depth >= DEPTH_MAX)
    return 0;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == EMFILE || errno == ENFILE ? -errno : 0; /* gone, or not ours to read */
  g_autofree char *prefix = g_strconcat(path, "/", NULL);
  return walk(inventory, fd, prefix, depth + 1);
}

static int visit(struct inventory *inventory, int directory, const char *name, const char *prefix,
                 unsigned depth) {
  struct statx attributes;
  if (statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
            STATX_BASIC_STATS | STATX_BTIME, &attributes) < 0)
    return 0; /* gone since */
  if (makedev(attributes.stx_dev_major, attributes.stx_dev_minor) != inventory->device)
    return 0; /* mounted on it */
  g_autofree char *path = g_strconcat(prefix, name, NULL);
  if (S_ISDIR(attributes.stx_mode))
    return walk_below(inventory, directory, name, path, depth);
  if (S_ISREG(attributes.stx_mode))
    object_describe(inventory_add(inventory, kind_of(path), path, attributes.stx_ino), &attributes);
  return 0;
}

/* Closes the directory. */
static int walk(struct inventory *inventory, int directory, const char *prefix, unsigned depth) {
  DIR *stream = fdopendir(directory);
  if (!stream) {
    fd_close(directory);
    return -ENOMEM;
  }
  struct dirent *entry;
  int r = 0;
  /* cppcheck-suppress readdirCalled ; no other thread has this stream */
  while (r == 0 && (entry = readdir(stream)))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      r = visit(inventory, dirfd(stream), entry->d_name, prefix, depth);
  closedir(stream);
  return r;
}

int collect_files(struct inventory *inventory) {
  if (inventory->directory_fd < 0)
    return 0;
  /* Not a duplicate, which would share its position. */
  int fd = openat(inventory->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? -errno : walk(inventory, fd, "", 0);
}

/* The number under that heading; UNKNOWN where there is none. */
static uint64_t field(char **headings, char **fields, const char *name) {
  for (unsigned i = 0; headings[i] && fields[i]; i++)
    if (strcmp(headings[i], name) == 0)
      return strtoull(fields[i], NULL, strcmp(name, "perms") == 0 ? 8 : 10);
  return UNKNOWN;
}

static void add_segment(struct inventory *inventory, char **headings, char **fields) {
  uint32_t key = (uint32_t)field(headings, fields, "key");
  uint64_t id = field(headings, fields, "shmid"), perms = field(headings, fields, "perms");
  g_autofree char *name = key == (uint32_t)IPC_PRIVATE
                              ? g_strdup_printf("shmid.%" G_GUINT64_FORMAT, id)
                              : g_strdup_printf("0x%08x", key);
  struct object *object = inventory_add(inventory, OBJECT_SYSV, name, id);
  object->key = key;
  object->size = field(headings, fields, "size");
  object->resident = field(headings, fields, "rss");
  object->swapped = field(headings, fields, "swap");
  object->uid = (uid_t)field(headings, fields, "uid");
  object->gid = (gid_t)field(headings, fields, "gid");
  object->mode = perms & 0777;
  object->deleted = perms & SHM_DEST;
  object->links = !object->deleted;
  object->born = (int64_t)field(headings, fields, "ctime");
  object->attached = field(headings, fields, "nattch");
  object->creator = (pid_t)field(headings, fields, "cpid");
  object->last = (pid_t)field(headings, fields, "lpid");
}

/* The fields of a line, without the blanks that align them. */
static char **split(const char *line) {
  g_autofree char *text = g_strstrip(g_strdup(line));
  GStrv parts = g_strsplit_set(text, " \t", -1);
  unsigned kept = 0;
  for (unsigned i = 0; parts[i]; i++) {
    if (*parts[i])
      parts[kept++] = parts[i];
    else
      g_free(parts[i]);
  }
  parts[kept] = NULL;
  return parts;
}

int collect_segments(struct inventory *inventory) {
  FILE *file = fopen(SEGMENTS_PATH, "re");
  if (!file)
    return errno == ENOENT ? 0 : -errno; /* a kernel without System V IPC */
  g_auto(GStrv) headings = NULL;
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, file) >= 0) {
    g_auto(GStrv) fields = split(line);
    if (!headings)
      headings = g_steal_pointer(&fields);
    else if (fields[0])
      add_segment(inventory, headings, fields);
  }
  free(line);
  fclose(file);
  return 0;
}
