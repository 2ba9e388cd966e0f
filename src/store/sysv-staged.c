/* Segments to be: a segment needs its size when it is made, a file has it when it is written. So what
 * create() gives is an unnamed file (O_TMPFILE) on a tmpfs, which becomes a segment when its size is
 * set or, once it has some, at a close. From then on whatever is done to the file's node is done to the
 * segment; the file is empty and only keeps the node.
 *
 * All that is known about a staged file is in the file: owner and mode are its own, the rest is a
 * record in an extended attribute. A process that takes over needs nothing else.
 *
 * A segment is made once, though the process may be killed in between: before shmget(2) the record
 * says that it is about to happen. Whoever then finds the key taken by a segment that the process of
 * the record made, of the recorded size, knows it for its own. That is certain, because before the
 * record is written the key is seen to be free, and the lock lets one thread at a time do all this:
 * any other segment under this key was made by some other process. */
#include "store/sysv-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PERMISSIONS (S_IRWXU | S_IRWXG | S_IRWXO)

static int write_record(struct sysv_store *store, int fd, const struct sysv_record *record) {
  return fsetxattr(fd, store->record_name, record, sizeof(*record), 0) < 0 ? -errno : 0;
}

static int read_record(struct sysv_store *store, int fd, struct sysv_record *ret) {
  ssize_t size = fgetxattr(fd, store->record_name, ret, sizeof(*ret));
  return size == (ssize_t)sizeof(*ret) ? 0 : -ESTALE;
}

int sysv_open_staged(struct sysv_store *store, uint64_t node, int *ret_fd,
                     struct sysv_record *ret) {
  auto_fd int fd = -1;
  struct sysv_record record;
  int r = handle_open(store->handles, node, O_RDWR, &fd);
  if (r == 0)
    r = read_record(store, fd, &record);
  if (r < 0)
    return r;
  *ret = record;
  *ret_fd = fd_steal(&fd);
  return 0;
}

/* The segment that it became; -ESTALE when that is gone, also when another one has been given its id since:
 * what has the file's owner for its creator. The file keeps the owner that it had then. */
static int find_made(int fd, const struct sysv_record *record, int *ret_id, struct shmid_ds *ret) {
  struct shmid_ds segment = {0};
  struct stat file;
  if (fstat(fd, &file) < 0)
    return -errno;
  int r = sysv_stat(record->id, &segment);
  if (r < 0)
    return r;
  if (segment.shm_perm.cuid != file.st_uid || segment.shm_perm.cgid != file.st_gid ||
      segment.shm_cpid != record->maker || segment.shm_segsz != record->size)
    return -ESTALE;
  *ret_id = record->id;
  if (ret)
    *ret = segment;
  return 0;
}

int sysv_segment_of(struct sysv_store *store, uint64_t node, int *ret_id) {
  if (node == STORE_ROOT)
    return -EISDIR;
  if (sysv_is_segment(node)) {
    *ret_id = sysv_id(node);
    return 0;
  }
  auto_fd int fd = -1;
  struct sysv_record record;
  int r = sysv_open_staged(store, node, &fd, &record);
  if (r < 0)
    return r;
  return record.phase == SYSV_MADE ? find_made(fd, &record, ret_id, NULL) : -ENODATA;
}

/* Who a thread is, as far as shmget(2) and the creation of files ask. */
struct identity {
  uid_t euid, fsuid;
  gid_t egid, fsgid;
};

/* The raw calls, which change this thread only. They change the file-system ids along. */
static int set_effective(uid_t uid, gid_t gid) {
  if (syscall(SYS_setresgid, -1, gid, -1) < 0 && errno != EPERM)
    return -errno;
  return syscall(SYS_setresuid, -1, uid, -1) < 0 ? -errno : 0;
}

static struct identity identity_now(void) {
  return (struct identity){
      .euid = geteuid(),
      .egid = getegid(),
      .fsuid = (uid_t)setfsuid((uid_t)-1), /* changes nothing and answers the present one */
      .fsgid = (gid_t)setfsgid((gid_t)-1),
  };
}

static void identity_restore(const struct identity *identity) {
  set_effective(identity->euid, identity->egid);
  setfsgid(identity->fsgid);
  setfsuid(identity->fsuid);
}

/* shmget() for the file's owner, who thereby is the segment's creator as well. */
static int shmget_for(const struct stat *file, key_t key, size_t size, int *ret_id) {
  struct identity before = identity_now();
  bool other = file->st_uid != before.euid || file->st_gid != before.egid;
  int r = other ? set_effective(file->st_uid, file->st_gid) : 0;
  if (r == 0) {
    int id = shmget(key, size, IPC_CREAT | IPC_EXCL | (int)(file->st_mode & PERMISSIONS));
    if (id < 0)
      r = -errno;
    else
      *ret_id = id;
  }
  if (other)
    identity_restore(&before);
  return r;
}

/* 0 when the segment was made by whoever is in the record; -ENOENT for none. */
static int find_own(const struct sysv_record *record, int *ret_id) {
  struct shmid_ds segment = {0};
  int id = -1;
  int r = sysv_find_key(record->key, &id);
  if (r == 0)
    r = sysv_stat(id, &segment);
  if (r < 0)
    return r;
  if (record->phase != SYSV_MAKING || segment.shm_cpid != record->maker ||
      segment.shm_segsz != record->size)
    return -EEXIST;
  *ret_id = id;
  return 0;
}

static int make_new(struct sysv_store *store, int fd, const struct stat *file,
                    struct sysv_record *record) {
  record->phase = SYSV_MAKING;
  record->maker = getpid();
  int r = write_record(store, fd, record);
  return r < 0 ? r : shmget_for(file, record->key, record->size, &record->id);
}

/* Under the lock; record: as read from the file. */
static int make(struct sysv_store *store, int fd, struct sysv_record *record, size_t size) {
  struct stat file;
  if (fstat(fd, &file) < 0)
    return -errno;
  int r = find_own(record, &record->id);
  if (r == -ENOENT || r == -ESTALE) {
    record->size = size;
    r = make_new(store, fd, &file, record);
  }
  if (r == 0) {
    r = sysv_copy_from(record->id, fd);
    if (r < 0)
      sysv_remove(record->id);
  }
  record->phase = r == 0 ? SYSV_MADE : SYSV_STAGED;
  int written = write_record(store, fd, record);
  if (r == 0 && ftruncate(fd, 0) < 0)
    return -errno;
  return r < 0 ? r : written;
}

/* Makes the segment, unless another thread was first. */
static int become_segment(struct sysv_store *store, int fd, size_t size, int *ret_id) {
  struct sysv_record record;
  g_mutex_lock(&store->making);
  int r = read_record(store, fd, &record);
  if (r == 0 && record.phase != SYSV_MADE)
    r = make(store, fd, &record, size);
  g_mutex_unlock(&store->making);
  if (r == 0)
    *ret_id = record.id;
  return r;
}

int sysv_flush(struct store *base, uint64_t node) {
  struct sysv_store *store = sysv_of(base);
  if (sysv_is_segment(node) || node == STORE_ROOT)
    return 0;
  auto_fd int fd = -1;
  struct sysv_record record;
  struct stat file;
  int r = sysv_open_staged(store, node, &fd, &record);
  if (r < 0 || record.phase == SYSV_MADE)
    return r;
  if (fstat(fd, &file) < 0)
    return -errno;
  int id = -1;
  return file.st_size == 0 ? 0 : become_segment(store, fd, (size_t)file.st_size, &id);
}

/* Has no name, and must not look like an unlinked file for it: it is on the way to one. */
static int stat_file(int fd, struct stat *ret) {
  if (fstat(fd, ret) < 0)
    return -errno;
  ret->st_nlink = 1;
  return 0;
}

static int stat_segment(int id, struct stat *ret) {
  struct shmid_ds segment = {0};
  int r = sysv_stat(id, &segment);
  if (r == 0)
    sysv_fill(id, &segment, ret);
  return r;
}

static int stat_made(int fd, const struct sysv_record *record, struct stat *ret) {
  struct shmid_ds segment;
  int id = -1;
  int r = find_made(fd, record, &id, &segment);
  if (r == 0)
    sysv_fill(id, &segment, ret);
  return r;
}

int sysv_stat_staged(struct sysv_store *store, uint64_t node, struct stat *ret) {
  auto_fd int fd = -1;
  struct sysv_record record;
  int r = sysv_open_staged(store, node, &fd, &record);
  if (r < 0)
    return r;
  return record.phase == SYSV_MADE ? stat_made(fd, &record, ret) : stat_file(fd, ret);
}

/* The file's own attributes, which the segment will have. */
static int change_file(int fd, const struct store_change *change) {
  uid_t uid = change->mask & STORE_CHANGE_UID ? change->uid : (uid_t)-1;
  gid_t gid = change->mask & STORE_CHANGE_GID ? change->gid : (gid_t)-1;
  if ((change->mask & (STORE_CHANGE_UID | STORE_CHANGE_GID)) && fchown(fd, uid, gid) < 0)
    return -errno;
  if ((change->mask & STORE_CHANGE_MODE) && fchmod(fd, change->mode & PERMISSIONS) < 0)
    return -errno;
  if ((change->mask & STORE_CHANGE_TIMES) && futimens(fd, change->times) < 0)
    return -errno;
  if ((change->mask & STORE_CHANGE_SIZE) && change->size == 0 && ftruncate(fd, 0) < 0)
    return -errno;
  return 0;
}

int sysv_change_staged(struct sysv_store *store, uint64_t node, const struct store_change *change,
                       struct stat *ret) {
  auto_fd int fd = -1;
  struct sysv_record record;
  int r = sysv_open_staged(store, node, &fd, &record);
  if (r < 0)
    return r;
  int id = -1;
  if (record.phase == SYSV_MADE) {
    r = find_made(fd, &record, &id, NULL);
    if (r == 0)
      r = sysv_change_segment(id, change);
    return r < 0 ? r : stat_segment(id, ret);
  }
  r = change_file(fd, change);
  if (r < 0 || !(change->mask & STORE_CHANGE_SIZE) || change->size == 0)
    return r < 0 ? r : stat_file(fd, ret);
  r = become_segment(store, fd, (size_t)change->size, &id);
  return r < 0 ? r : stat_segment(id, ret);
}

static int stage(struct sysv_store *store, key_t key, const struct store_new *new, int *ret_fd) {
  const struct store_caller *caller = &new->caller;
  auto_fd int fd = openat(store->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0)
    return -errno;
  struct sysv_record record;
  memset(&record, 0, sizeof(record));
  record.phase = SYSV_STAGED;
  record.key = key;
  int r = write_record(store, fd, &record);
  if (r < 0)
    return r;
  if (fchown(fd, caller->uid, caller->gid) < 0 ||
      fchmod(fd, new->mode &PERMISSIONS & ~caller->umask) < 0)
    return -errno;
  *ret_fd = fd_steal(&fd);
  return 0;
}

/* The name must be free now; whether it still is when the segment is made, shmget() says then. */
static int check_free(const char *name, int flags, key_t *ret_key) {
  struct sysv_name parsed;
  int r = sysv_parse_name(name, &parsed);
  if (r < 0)
    return r;
  if (parsed.key == IPC_PRIVATE)
    return -EINVAL;
  int id = -1;
  r = sysv_find_key(parsed.key, &id);
  if (r == 0)
    return flags & O_EXCL ? -EEXIST : -ESTALE;
  *ret_key = parsed.key;
  return r == -ENOENT ? 0 : r;
}

int sysv_create(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
                int flags, struct store_entry *ret, struct store_file *ret_file) {
  struct sysv_store *store = sysv_of(base);
  struct store_entry entry;
  auto_fd int fd = -1;
  key_t key;
  int r = parent == STORE_ROOT ? check_free(name, flags, &key) : -ENOTDIR;
  if (r == 0 && !handle_table_can_open(store->handles))
    r = -EPERM;
  if (r == 0)
    r = stage(store, key, new, &fd);
  if (r == 0)
    r = handle_node_at(store->handles, fd, "", &entry.node);
  if (r == 0)
    r = stat_file(fd, &entry.attributes);
  if (r < 0)
    return r;
  *ret = entry;
  *ret_file = (struct store_file){.fd = fd_steal(&fd), .staged = true};
  return 0;
}

ssize_t sysv_read(struct store *base, uint64_t node, void *buffer, size_t size, off_t offset) {
  if (sysv_is_segment(node))
    return sysv_read_segment(sysv_id(node), buffer, size, offset);
  auto_fd int fd = -1;
  struct sysv_record record;
  int r = sysv_open_staged(sysv_of(base), node, &fd, &record);
  if (r < 0)
    return r;
  if (record.phase == SYSV_MADE) {
    int id = -1;
    r = find_made(fd, &record, &id, NULL);
    return r < 0 ? r : sysv_read_segment(id, buffer, size, offset);
  }
  ssize_t done = pread(fd, buffer, size, offset);
  return done < 0 ? -errno : done;
}

ssize_t sysv_write(struct store *base, uint64_t node, const void *buffer, size_t size,
                   off_t offset) {
  if (sysv_is_segment(node))
    return sysv_write_segment(sysv_id(node), buffer, size, offset);
  auto_fd int fd = -1;
  struct sysv_record record;
  int r = sysv_open_staged(sysv_of(base), node, &fd, &record);
  if (r < 0)
    return r;
  if (record.phase == SYSV_MADE) {
    int id = -1;
    r = find_made(fd, &record, &id, NULL);
    return r < 0 ? r : sysv_write_segment(id, buffer, size, offset);
  }
  ssize_t done = pwrite(fd, buffer, size, offset);
  return done < 0 ? -errno : done;
}
