/* Counting what a view holds, and what that leaves: see limits.h for the model. */
#include "fs/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/index.h"

/* Of a count during which a name was moved natively, which may have been missed; the highest holds. */
#define COUNTS_MAX 3

/* So many orphans are looked at for the first time. */
#define SWEEP_FIRST 256

struct usage {
  uint64_t size;    /* bytes */
  uint64_t objects; /* names, and inodes without one */
};

/* A count under way. */
struct count {
  struct usage usage;
  struct index_table *seen; /* inode numbers of the regular files that were counted */
};

void growth_end(struct growth *growth) {
  if (growth->fs)
    pthread_rwlock_unlock(&growth->fs->limits_lock);
  growth->fs = NULL;
}

static void take_alone(struct fs *fs, struct growth *ret) {
  pthread_rwlock_wrlock(&fs->limits_lock);
  ret->fs = fs;
}

static void take_shared(struct fs *fs, struct growth *ret) {
  pthread_rwlock_rdlock(&fs->limits_lock);
  ret->fs = fs;
}

/* Returns whether the inode had not been counted, or -errno. */
static int count_size(struct count *count, const struct stat *attributes) {
  uint32_t before;
  if (index_get(count->seen, attributes->st_ino, &before))
    return 0;
  int code = index_put(count->seen, attributes->st_ino, 1);
  if (code < 0)
    return code;
  count->usage.size += (uint64_t)attributes->st_size;
  return 1;
}

static int count_name(void *data, const struct stat *attributes) {
  struct count *count = data;
  count->usage.objects++;
  int code = S_ISREG(attributes->st_mode) ? count_size(count, attributes) : 0;
  return code < 0 ? code : 0;
}

/* Attributes of what is held; -ESTALE, and no more an orphan, when it is not. */
static int attributes_of(struct fs *fs, const struct held *held, struct stat *ret) {
  int code = fs->store->ops->get_attributes(fs->store, held->node, ret);
  if (held->orphan && (code == -ESTALE || (code == 0 && ret->st_nlink > 0))) {
    opens_end_orphan(fs->opens, held);
    return -ESTALE;
  }
  /* Without the capability for handles the descriptor that the slot keeps is asked. */
  return code == -ESTALE ? fs_live_attributes(fs, held->node, ret) : code;
}

/* What has no name, or one that the view does not show, and is held through the mount all the same. */
static int count_held(struct fs *fs, struct count *count) {
  struct held *held = NULL;
  size_t number = 0;
  int code = opens_held(fs->opens, &held, &number);
  for (size_t i = 0; code >= 0 && i < number; i++) {
    struct stat attributes;
    code = attributes_of(fs, &held[i], &attributes);
    if (code == 0)
      code = count_size(count, &attributes);
    else if (code == -ESTALE)
      code = 0;
    count->usage.objects += code == 1;
  }
  free(held);
  return code < 0 ? code : 0;
}

static int count_once(struct fs *fs, struct usage *ret) {
  struct count count = {.seen = index_new()};
  int code = count.seen ? fs->store->ops->visit(fs->store, count_name, &count) : -ENOMEM;
  if (code == 0)
    code = count_held(fs, &count);
  index_free(count.seen);
  if (code == 0)
    *ret = count.usage;
  return code;
}

static int changed_at(struct fs *fs, struct timespec *ret) {
  struct stat root;
  int code = fs->store->ops->get_attributes(fs->store, STORE_ROOT, &root);
  if (code == 0)
    *ret = root.st_mtim;
  return code;
}

/* With the lock. */
static int count(struct fs *fs, struct usage *ret) {
  struct usage most = {0};
  struct timespec before = {0}, after = {0};
  int code = changed_at(fs, &before);
  for (int i = 0; code == 0 && i < COUNTS_MAX; i++) {
    struct usage now = {0};
    code = count_once(fs, &now);
    if (code == 0)
      code = changed_at(fs, &after);
    most.size = MAX(most.size, now.size);
    most.objects = MAX(most.objects, now.objects);
    if (code < 0 || (before.tv_sec == after.tv_sec && before.tv_nsec == after.tv_nsec))
      break;
    before = after;
  }
  if (code == 0)
    *ret = most;
  return code;
}

static int size_now(struct fs *fs, uint64_t node, int fd, off_t *ret_size) {
  struct stat attributes;
  int code = fd < 0                       ? fs_live_attributes(fs, node, &attributes)
             : fstat(fd, &attributes) < 0 ? -errno
                                          : 0;
  if (code == 0)
    *ret_size = attributes.st_size;
  return code;
}

/* How far a file of `now` bytes may grow towards `wanted`; what stops it is *ret_reason. Alone. */
static int bound(struct fs *fs, off_t now, off_t wanted, off_t *ret_end, int *ret_reason) {
  const struct limits_options *limits = &fs->options.limits;
  struct usage usage = {0};
  off_t end = wanted;
  int reason = 0;
  if (limits->object_size > 0 && (uint64_t)end > limits->object_size) {
    end = MAX(now, (off_t)limits->object_size);
    reason = -EFBIG;
  }
  if (limits->size > 0) {
    int code = count(fs, &usage);
    if (code < 0)
      return code;
    uint64_t room = usage.size < limits->size ? limits->size - usage.size : 0;
    if ((uint64_t)(end - now) > room) {
      end = now + (off_t)room;
      reason = -ENOSPC;
    }
  }
  *ret_end = end;
  *ret_reason = reason;
  return 0;
}

/* Alone. */
static int grow_partly(struct fs *fs, off_t now, off_t offset, size_t *size) {
  off_t wanted, end = 0;
  int reason = 0;
  if (__builtin_add_overflow(offset, (off_t)*size, &wanted))
    return -EFBIG;
  if (wanted <= now)
    return 0;
  int code = bound(fs, now, wanted, &end, &reason);
  if (code < 0)
    return code;
  if (end <= offset)
    return reason;
  *size = (size_t)(end - offset);
  return 0;
}

int limits_write(struct fs *fs, uint64_t node, int fd, off_t offset, size_t *size,
                 struct growth *ret) {
  off_t now = 0;
  if (!limits_growth(fs) || *size == 0)
    return 0;
  take_shared(fs, ret);
  int code = size_now(fs, node, fd, &now);
  if (code < 0 || (offset <= now && *size <= (size_t)(now - offset)))
    return code;
  growth_end(ret);
  take_alone(fs, ret);
  code = size_now(fs, node, fd, &now);
  return code < 0 ? code : grow_partly(fs, now, offset, size);
}

int limits_append(struct fs *fs, uint64_t node, int fd, size_t *size, struct growth *ret) {
  off_t now = 0;
  if (!limits_growth(fs) || *size == 0)
    return 0;
  take_alone(fs, ret);
  int code = size_now(fs, node, fd, &now);
  return code < 0 ? code : grow_partly(fs, now, now, size);
}

int limits_resize(struct fs *fs, uint64_t node, int fd, off_t size, struct growth *ret) {
  off_t now = 0, end = 0;
  int reason = 0;
  if (!limits_growth(fs))
    return 0;
  take_alone(fs, ret);
  int code = size_now(fs, node, fd, &now);
  if (code < 0 || size <= now)
    return code;
  if (fs->options.limits.object_size > 0 && (uint64_t)size > fs->options.limits.object_size)
    return -EFBIG;
  code = bound(fs, now, size, &end, &reason);
  if (code < 0)
    return code;
  return end < size ? reason : 0;
}

int limits_make(struct fs *fs, struct growth *ret) {
  struct usage usage = {0};
  limits_move(fs, ret);
  if (fs->options.limits.objects == 0)
    return 0;
  int code = count(fs, &usage);
  if (code < 0)
    return code;
  return usage.objects < fs->options.limits.objects ? 0 : -ENOSPC;
}

void limits_move(struct fs *fs, struct growth *ret) {
  if (limits_orphans(fs))
    take_alone(fs, ret);
}

/* Orphans are looked at by every count; this is for when there is none for long. */
static void sweep(struct fs *fs) {
  struct held *held = NULL;
  size_t number = 0;
  if (opens_held(fs->opens, &held, &number) < 0)
    return;
  for (size_t i = 0; i < number; i++) {
    struct stat attributes;
    if (held[i].orphan)
      attributes_of(fs, &held[i], &attributes);
  }
  free(held);
}

void limits_removed(struct fs *fs, uint64_t node) {
  if (!limits_orphans(fs))
    return;
  uint32_t orphans = opens_add_orphan(fs->opens, node);
  if (orphans < fs->sweep_at)
    return;
  sweep(fs);
  fs->sweep_at = 2 * opens_orphans(fs->opens) + SWEEP_FIRST;
}

int limits_use(struct fs *fs, uint64_t *ret_size, uint64_t *ret_objects) {
  struct usage usage = {0};
  auto_growth struct growth growth = {0};
  if (!fs->store->ops->visit)
    return -EOPNOTSUPP;
  take_shared(fs, &growth);
  int code = count(fs, &usage);
  if (code < 0)
    return code;
  *ret_size = usage.size;
  *ret_objects = usage.objects;
  return 0;
}

int limits_statvfs(struct fs *fs, struct statvfs *statvfs) {
  const struct limits_options *limits = &fs->options.limits;
  struct usage usage = {0};
  auto_growth struct growth growth = {0};
  if (limits->size == 0 && limits->objects == 0)
    return 0;
  take_shared(fs, &growth);
  int code = count(fs, &usage);
  if (code < 0)
    return code;
  if (limits->size > 0) {
    uint64_t room = usage.size < limits->size ? limits->size - usage.size : 0;
    statvfs->f_frsize = statvfs->f_bsize;
    statvfs->f_blocks = limits->size / statvfs->f_bsize;
    statvfs->f_bavail = MIN(statvfs->f_bavail, room / statvfs->f_bsize);
    statvfs->f_bfree = room / statvfs->f_bsize;
  }
  if (limits->objects > 0) {
    statvfs->f_files = limits->objects;
    statvfs->f_ffree = usage.objects < limits->objects ? limits->objects - usage.objects : 0;
    statvfs->f_favail = statvfs->f_ffree;
  }
  return 0;
}
