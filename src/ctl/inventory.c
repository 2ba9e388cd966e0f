/* An inventory is filled in three steps, each of which may find less than there is and never waits:
 * names (collect.c), holders (scan.c), and where the memory is (memory.c). */
#include "ctl/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "ctl/devices.h"
#include "ctl/memory.h"
#include "ctl/scan.h"
#include "util/fd.h"

static void process_free(void *data) {
  struct process *process = data;
  g_free(process->command);
  g_free(process);
}

static void object_free(void *data) {
  struct object *object = data;
  g_free(object->name);
  g_ptr_array_unref(object->holds);
  g_free(object);
}

static struct inventory *inventory_new(const char *directory) {
  struct inventory *inventory = g_new0(struct inventory, 1);
  inventory->directory = g_strdup(directory);
  inventory->directory_fd = -1;
  inventory->objects = g_ptr_array_new_with_free_func(object_free);
  inventory->processes = g_ptr_array_new_with_free_func(process_free);
  inventory->files = g_hash_table_new(g_int64_hash, g_int64_equal);
  inventory->segments = g_hash_table_new(g_int64_hash, g_int64_equal);
  return inventory;
}

void inventory_free(struct inventory *inventory) {
  if (!inventory)
    return;
  fd_close(inventory->directory_fd);
  devices_free(inventory->devices);
  g_hash_table_unref(inventory->files);
  g_hash_table_unref(inventory->segments);
  g_ptr_array_unref(inventory->objects);
  g_ptr_array_unref(inventory->processes);
  g_free(inventory->directory);
  g_free(inventory);
}

static int open_directory(struct inventory *inventory) {
  struct stat attributes;
  struct statfs fs;
  inventory->directory_fd = open(inventory->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (inventory->directory_fd < 0)
    return errno == ENOENT ? 0 : -errno;
  if (fstat(inventory->directory_fd, &attributes) < 0 || fstatfs(inventory->directory_fd, &fs) < 0)
    return -errno;
  inventory->device = attributes.st_dev;
  inventory->covered = fs.f_type == FUSE_SUPER_MAGIC;
  return 0;
}

static int fill(struct inventory *inventory, unsigned parts) {
  int r = open_directory(inventory);
  if (r == 0)
    r = collect_files(inventory);
  if (r == 0)
    r = collect_segments(inventory);
  if (r == 0 && (parts & INVENTORY_HOLDS))
    r = scan_processes(inventory);
  if (r == 0 && (parts & INVENTORY_MEMORY))
    memory_measure(inventory);
  return r;
}

int inventory_take(const char *directory, unsigned parts, struct inventory **ret_inventory) {
  struct inventory *inventory = inventory_new(directory);
  int r = fill(inventory, parts);
  if (r < 0) {
    inventory_free(inventory);
    return r;
  }
  *ret_inventory = inventory;
  return 0;
}

struct object *inventory_find(struct inventory *inventory, bool segment, uint64_t inode) {
  return g_hash_table_lookup(segment ? inventory->segments : inventory->files, &inode);
}

/* The names of one inode have one list of holds. */
struct object *inventory_add(struct inventory *inventory, enum object_kind kind, const char *name,
                             uint64_t inode) {
  bool segment = kind == OBJECT_SYSV;
  struct object *same = inventory_find(inventory, segment, inode);
  struct object *object = g_new0(struct object, 1);
  object->kind = kind;
  object->name = g_strdup(name);
  object->inode = inode;
  object->size = object->resident = object->swapped = UNKNOWN;
  object->holds = same ? g_ptr_array_ref(same->holds) : g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(inventory->objects, object);
  if (!same)
    g_hash_table_insert(segment ? inventory->segments : inventory->files, &object->inode, object);
  return object;
}

const char *object_kind_name(enum object_kind kind) {
  static const char *const names[OBJECT_KINDS] = {
      [OBJECT_POSIX] = "posix",
      [OBJECT_SEMAPHORE] = "sem",
      [OBJECT_FILE] = "file",
      [OBJECT_SYSV] = "sysv",
  };
  return names[kind];
}

unsigned object_count(const struct object *object, enum hold_kind kind) {
  unsigned count = 0;
  for (unsigned i = 0; i < object->holds->len; i++)
    count += ((const struct hold *)object->holds->pdata[i])->kind == kind;
  return count;
}

/* A process's holds are found one after the other. */
unsigned object_holders(const struct object *object) {
  const struct process *before = NULL;
  unsigned count = 0;
  for (unsigned i = 0; i < object->holds->len; i++) {
    const struct hold *hold = object->holds->pdata[i];
    count += hold->process != before;
    before = hold->process;
  }
  return count;
}

bool object_is_held(const struct object *object) {
  return object->holds->len > 0 || (object->kind == OBJECT_SYSV && object->attached > 0);
}
