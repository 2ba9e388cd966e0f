/* One System V segment, by its shmid.
 *
 * Attributes come from SHM_STAT_ANY, which asks for no permission; it counts by position in the
 * kernel's table, and the position is the low bits of the shmid (IPCMNI_SHIFT, ipc/util.h).
 *
 * Data: while a segment is attached, /proc/self/map_files/<range> is a way to open its file. The
 * descriptor stays when the attachment ends: an ordinary file on the kernel's own tmpfs, which the
 * kernel takes as a backing file. Where that is not to be had, process_vm_readv(2) on ourselves copies
 * from and to an attachment: it answers -EFAULT where a load of our own would be a SIGBUS. Segments of
 * huge pages are always served that way: their file has no write(), and it expects mappings to be
 * aligned to its pages, which the kernel sees to for its own maps but not for a mapping of a file
 * that stands before it. */
#include "store/sysv-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "util/privilege.h"

/* ipc/util.h: IPCMNI_SHIFT, and IPCMNI_EXTEND_SHIFT with the boot parameter ipcmni_extend. */
#define INDEX_MASK ((1 << 15) - 1)
#define INDEX_MASK_EXTENDED ((1 << 24) - 1)

#define NODE_TAG UINT32_C(0x80000000) /* keeps shmid 0 from being node 0 */
#define PERMISSIONS (S_IRWXU | S_IRWXG | S_IRWXO)

/* What becomes of bigger reads and writes is the caller's loop; the kernel's own limit (MAX_RW_COUNT). */
#define COPY_MAX 0x7ffff000

uint64_t sysv_node(int id) {
  return (uint64_t)sysv_ino(id) << 32;
}

ino_t sysv_ino(int id) {
  return (uint32_t)id | NODE_TAG;
}

bool sysv_is_segment(uint64_t node) {
  return (uint32_t)node == 0 && node >> 63;
}

int sysv_id(uint64_t node) {
  return (int)(node >> 32 & ~NODE_TAG);
}

int sysv_stat_index(int index, int *ret_id, struct shmid_ds *ret) {
  int id = shmctl(index, SHM_STAT_ANY, ret);
  if (id < 0)
    return -errno;
  *ret_id = id;
  return 0;
}

int sysv_stat(int id, struct shmid_ds *ret) {
  int found = -1;
  struct shmid_ds segment = {0};
  int r = sysv_stat_index(id & INDEX_MASK, &found, &segment);
  if (r < 0 || found != id)
    r = sysv_stat_index(id & INDEX_MASK_EXTENDED, &found, &segment);
  if (r < 0 || found != id)
    return -ESTALE;
  *ret = segment;
  return 0;
}

int sysv_find_key(key_t key, int *ret_id) {
  int id = shmget(key, 0, 0);
  if (id < 0)
    return -errno;
  *ret_id = id;
  return 0;
}

static time_t latest(time_t a, time_t b) {
  return a > b ? a : b;
}

void sysv_fill(int id, const struct shmid_ds *segment, struct stat *ret) {
  *ret = (struct stat){
      .st_ino = sysv_ino(id),
      .st_mode = S_IFREG | (segment->shm_perm.mode & PERMISSIONS),
      .st_nlink = segment->shm_perm.mode & SHM_DEST ? 0 : 1,
      .st_uid = segment->shm_perm.uid,
      .st_gid = segment->shm_perm.gid,
      .st_size = (off_t)segment->shm_segsz,
      .st_blksize = (blksize_t)sysconf(_SC_PAGESIZE),
      /* All of it: what is resident would take a scan of /proc for each file. */
      .st_blocks = (blkcnt_t)((segment->shm_segsz + 511) / 512),
      .st_atim.tv_sec = segment->shm_atime,
      .st_mtim.tv_sec = latest(segment->shm_atime, segment->shm_ctime),
      .st_ctim.tv_sec = segment->shm_ctime,
  };
}

/* The kernel says EINVAL or EIDRM of a shmid that is no more. */
static int gone(int error) {
  return error == EINVAL || error == EIDRM ? -ESTALE : -error;
}

static int change_size(const struct shmid_ds *segment, const struct store_change *change) {
  if (!(change->mask & STORE_CHANGE_SIZE) || change->size == (off_t)segment->shm_segsz)
    return 0;
  return change->size == 0 && !(change->mask & STORE_CHANGE_OPENED) ? 0 : -EPERM;
}

static int change_times(const struct store_change *change) {
  if (!(change->mask & STORE_CHANGE_TIMES))
    return 0;
  bool none = change->times[0].tv_nsec == UTIME_OMIT && change->times[1].tv_nsec == UTIME_OMIT;
  return none ? 0 : -EPERM;
}

int sysv_change_segment(int id, const struct store_change *change) {
  struct shmid_ds segment = {0};
  int r = sysv_stat(id, &segment);
  if (r == 0)
    r = change_size(&segment, change);
  if (r == 0)
    r = change_times(change);
  if (r < 0)
    return r;
  if (!(change->mask & (STORE_CHANGE_MODE | STORE_CHANGE_UID | STORE_CHANGE_GID)))
    return 0;
  if (change->mask & STORE_CHANGE_MODE)
    segment.shm_perm.mode = (unsigned short)(change->mode & PERMISSIONS);
  if (change->mask & STORE_CHANGE_UID)
    segment.shm_perm.uid = change->uid;
  if (change->mask & STORE_CHANGE_GID)
    segment.shm_perm.gid = change->gid;
  return shmctl(id, IPC_SET, &segment) < 0 ? gone(errno) : 0;
}

int sysv_remove(int id) {
  return shmctl(id, IPC_RMID, NULL) < 0 ? gone(errno) : 0;
}

static int attach(int id, int flags, char **ret_memory) {
  char *memory = shmat(id, NULL, flags);
  if (memory == (char *)-1)
    return gone(errno);
  *ret_memory = memory;
  return 0;
}

/* "Hugetlb" counts the pages of all sizes, in kB, free ones included. */
bool sysv_huge_pages_exist(void) {
  FILE *file = fopen("/proc/meminfo", "re");
  if (!file)
    return true;
  char line[128];
  unsigned long kib = 1;
  while (fgets(line, sizeof(line), file) && sscanf(line, "Hugetlb: %lu", &kib) != 1)
    ;
  fclose(file);
  return kib != 0;
}

/* Opens what is attached at memory; -ENOENT where the range is not the one that ordinary pages give,
 * -EPERM without the capability. */
static int open_attached(const char *memory, size_t size, int *ret_fd) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  uintptr_t start = (uintptr_t)memory, end = start + (size + page - 1) / page * page;
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start, end);
  bool raised = privilege_raise();
  int fd = open(path, O_RDWR | O_CLOEXEC);
  privilege_lower(raised);
  if (fd < 0)
    return -errno;
  *ret_fd = fd;
  return 0;
}

static int open_file(int id, int *ret_fd) {
  struct shmid_ds segment = {0};
  char *memory = NULL;
  int r = sysv_stat(id, &segment);
  if (r == 0)
    r = attach(id, 0, &memory);
  if (r < 0)
    return r;
  r = open_attached(memory, segment.shm_segsz, ret_fd);
  shmdt(memory);
  return r;
}

static bool is_tmpfs(int fd) {
  struct statfs fs;
  return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static bool out_of_reach(int error) {
  return error == -EPERM || error == -ENOENT;
}

/* May we read a segment that we may not write? */
static int try_reading(int id) {
  char *memory = NULL;
  int r = attach(id, SHM_RDONLY, &memory);
  if (r == 0)
    shmdt(memory);
  return r;
}

int sysv_descriptor(int id, int access, int *ret_fd) {
  auto_fd int fd = -1;
  int r = open_file(id, &fd);
  if (r == -EACCES) { /* said by the attachment alone */
    r = access == O_RDWR ? -EACCES : try_reading(id);
    if (r < 0)
      return r;
  }
  if (r < 0 && !out_of_reach(r))
    return r;
  *ret_fd = fd >= 0 && is_tmpfs(fd) ? fd_steal(&fd) : -1;
  return 0;
}

int sysv_is_huge(int id) {
  if (!sysv_huge_pages_exist())
    return 0;
  auto_fd int fd = -1;
  int r = open_file(id, &fd);
  if (r == -ENOENT)
    return 1;
  return r < 0 ? r : !is_tmpfs(fd);
}

enum direction { FROM_SEGMENT, TO_SEGMENT };

static ssize_t copy_attached(int id, void *buffer, size_t size, off_t offset, enum direction way) {
  char *memory = NULL;
  int r = attach(id, way == FROM_SEGMENT ? SHM_RDONLY : 0, &memory);
  if (r < 0)
    return r;
  struct iovec here = {buffer, size}, there = {memory + offset, size};
  pid_t self = getpid();
  ssize_t done = way == FROM_SEGMENT ? process_vm_readv(self, &here, 1, &there, 1, 0)
                                     : process_vm_writev(self, &here, 1, &there, 1, 0);
  int failure = errno == EFAULT ? EIO : errno;
  shmdt(memory);
  return done < 0 ? -failure : done;
}

/* How much of the wish lies inside; 0 past the end. */
static int bound(int id, size_t size, off_t offset, size_t *ret_size) {
  struct shmid_ds segment = {0};
  int r = sysv_stat(id, &segment);
  if (r < 0)
    return r;
  if (offset < 0)
    return -EINVAL;
  size_t left = (size_t)offset < segment.shm_segsz ? segment.shm_segsz - (size_t)offset : 0;
  *ret_size = MIN(MIN(size, left), COPY_MAX);
  return 0;
}

ssize_t sysv_read_segment(int id, void *buffer, size_t size, off_t offset) {
  size_t inside;
  int r = bound(id, size, offset, &inside);
  if (r < 0 || inside == 0)
    return r;
  return copy_attached(id, buffer, inside, offset, FROM_SEGMENT);
}

ssize_t sysv_write_segment(int id, const void *buffer, size_t size, off_t offset) {
  size_t inside;
  int r = bound(id, size, offset, &inside);
  if (r < 0 || size == 0)
    return r;
  return inside == 0 ? -ENOSPC : copy_attached(id, (void *)buffer, inside, offset, TO_SEGMENT);
}

/* pread() straight into the attachment: memory that cannot be had is an error of the call. */
static int copy_extent(int fd, char *memory, off_t from, off_t to) {
  while (from < to) {
    ssize_t done = pread(fd, memory + from, MIN((size_t)(to - from), COPY_MAX), from);
    if (done < 0)
      return errno == EFAULT ? -ENOSPC : -errno;
    if (done == 0)
      return 0;
    from += done;
  }
  return 0;
}

static int copy_extents(int fd, char *memory, off_t size) {
  off_t to = 0;
  for (;;) {
    off_t from = lseek(fd, to, SEEK_DATA);
    if (from < 0)
      return errno == ENXIO ? 0 : -errno;
    if (from >= size)
      return 0;
    to = lseek(fd, from, SEEK_HOLE);
    if (to < 0)
      return -errno;
    int r = copy_extent(fd, memory, from, MIN(to, size));
    if (r < 0)
      return r;
  }
}

int sysv_copy_from(int id, int fd) {
  struct shmid_ds segment = {0};
  char *memory = NULL;
  int r = sysv_stat(id, &segment);
  if (r == 0)
    r = attach(id, 0, &memory);
  if (r < 0)
    return r;
  r = copy_extents(fd, memory, (off_t)segment.shm_segsz);
  shmdt(memory);
  return r;
}
