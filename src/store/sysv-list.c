/* The directory, and the file system as a whole. A name's place in a listing is its segment's index in
 * the kernel's table, which it keeps for life: so positions stay valid whatever comes and goes. */
#include "store/sysv-internal.h"

#include <errno.h>
#include <sys/sysinfo.h>

enum position { AT_SELF, AT_PARENT, AT_FIRST_INDEX };

static int list_dots(uint64_t offset, store_list_fn *fn, void *data) {
  static const char *const dots[] = {".", ".."};
  for (uint64_t i = offset; i < AT_FIRST_INDEX; i++)
    if (fn(data, dots[i], STORE_ROOT, DT_DIR, i + 1))
      return 1;
  return 0;
}

/* 1 when the caller has enough. An empty index, and what is marked for destruction, is passed over. */
static int list_index(int index, store_list_fn *fn, void *data) {
  struct shmid_ds segment;
  char name[SYSV_NAME_SIZE];
  int id;
  if (sysv_stat_index(index, &id, &segment) < 0 || (segment.shm_perm.mode & SHM_DEST))
    return 0;
  sysv_format_name(id, &segment, name);
  return fn(data, name, sysv_node(id) >> 32, DT_REG, AT_FIRST_INDEX + (uint64_t)index + 1);
}

int sysv_list(struct store *base, uint64_t node, uint64_t offset, store_list_fn *fn, void *data) {
  (void)base;
  if (node != STORE_ROOT)
    return -ENOTDIR;
  if (list_dots(offset, fn, data))
    return 0;
  struct shm_info info;
  int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);
  if (highest < 0)
    return -errno;
  if (offset > AT_FIRST_INDEX + (uint64_t)highest)
    return 0;
  int from = offset > AT_FIRST_INDEX ? (int)(offset - AT_FIRST_INDEX) : 0;
  for (int index = from; index <= highest; index++)
    if (list_index(index, fn, data))
      return 0;
  return 0;
}

/* Pages of memory and swap space: the limit by default is no limit, and helps nobody to judge. */
static fsblkcnt_t machine_pages(size_t page) {
  struct sysinfo info;
  if (sysinfo(&info) < 0)
    return 0;
  return (fsblkcnt_t)((info.totalram + info.totalswap) / (page / info.mem_unit));
}

int sysv_get_statvfs(struct store *base, struct statvfs *ret) {
  (void)base;
  struct shminfo limits;
  struct shm_info now;
  if (shmctl(0, IPC_INFO, (struct shmid_ds *)&limits) < 0 ||
      shmctl(0, SHM_INFO, (struct shmid_ds *)&now) < 0)
    return -errno;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  fsblkcnt_t all = MIN(limits.shmall, machine_pages(page));
  fsblkcnt_t unused = all - MIN(all, now.shm_tot);
  unsigned long names = (unsigned)now.used_ids, most = limits.shmmni;
  *ret = (struct statvfs){
      .f_bsize = page,
      .f_frsize = page,
      .f_blocks = all,
      .f_bfree = unused,
      .f_bavail = unused,
      .f_files = most,
      .f_ffree = most - MIN(most, names),
      .f_favail = most - MIN(most, names),
      .f_namemax = SYSV_NAME_SIZE - 1,
  };
  return 0;
}
