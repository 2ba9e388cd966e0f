/* What else the kernel knows of a segment, as extended attributes that cannot be written. Each is text;
 * times are seconds since 1970, 0 for never; sizes are bytes. All but "hugetlb" are read without
 * touching the segment; that one attaches it for a moment, where the machine has huge pages at all.
 * Resident and swapped bytes are what /proc/sysvipc/shm says, and left out where it does not. That file
 * is all segments, and dear: so it is not read for a list of names, which `ls -l` asks for of each. */
#include "store/sysv-internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "user.shmfs."
#define SEGMENTS "/proc/sysvipc/shm"
#define VALUE_SIZE 64 /* two numbers of 20 digits and what is between */

/* Is there a value? */
typedef bool exists_fn(int id, const struct shmid_ds *segment);
typedef int value_fn(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]);

static int print(char ret[VALUE_SIZE], long long value) {
  snprintf(ret, VALUE_SIZE, "%lld", value);
  return 0;
}

static int get_key(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)id;
  snprintf(ret, VALUE_SIZE, "0x%08x", (unsigned)segment->shm_perm.__key);
  return 0;
}

static int get_shmid(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)segment;
  return print(ret, id);
}

static int get_nattch(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)id;
  return print(ret, (long long)segment->shm_nattch);
}

static int get_cpid(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)id;
  return print(ret, segment->shm_cpid);
}

static int get_lpid(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)id;
  return print(ret, segment->shm_lpid);
}

static int get_atime(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)id;
  return print(ret, segment->shm_atime);
}

static int get_dtime(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)id;
  return print(ret, segment->shm_dtime);
}

static int get_creator(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)id;
  snprintf(ret, VALUE_SIZE, "%u:%u", segment->shm_perm.cuid, segment->shm_perm.cgid);
  return 0;
}

static int get_locked(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)id;
  return print(ret, segment->shm_perm.mode & SHM_LOCKED ? 1 : 0);
}

static int get_hugetlb(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)segment;
  int huge = sysv_is_huge(id);
  return huge < 0 ? huge : print(ret, huge);
}

/* The fields of a line are key, shmid, perms, size, cpid, lpid, nattch, uid, gid, cuid, cgid, atime,
 * dtime, ctime, rss, swap (ipc/shm.c, sysvipc_shm_proc_show). */
static bool read_usage(const char *line, int id, long long *ret_rss, long long *ret_swap) {
  int found;
  return sscanf(line, "%*s %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld %lld", &found,
                ret_rss, ret_swap) == 3 &&
         found == id;
}

static int find_usage(int id, long long *ret_rss, long long *ret_swap) {
  FILE *file = fopen(SEGMENTS, "re");
  if (!file)
    return -ENODATA;
  char line[512];
  int r = -ESTALE;
  while (r < 0 && fgets(line, sizeof(line), file))
    if (read_usage(line, id, ret_rss, ret_swap))
      r = 0;
  fclose(file);
  return r;
}

/* Of huge pages some kernels count each one as often as it has small ones (seen on Linux 6.18). More
 * than fits into the segment may also be the rest of a transparent huge page, which is true. */
static int get_rss(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  long long rss = 0, swap = 0;
  long long page = sysconf(_SC_PAGESIZE), most = (long long)segment->shm_segsz + page - 1;
  int r = find_usage(id, &rss, &swap);
  if (r == 0 && rss > most && sysv_is_huge(id) != 0)
    r = -ENODATA;
  return r < 0 ? r : print(ret, rss);
}

static int get_swap(int id, const struct shmid_ds *segment, char ret[VALUE_SIZE]) {
  (void)segment;
  long long rss = 0, swap = 0;
  int r = find_usage(id, &rss, &swap);
  return r < 0 ? r : print(ret, swap);
}

static bool has_swap(int id, const struct shmid_ds *segment) {
  (void)id, (void)segment;
  return access(SEGMENTS, R_OK) == 0;
}

static bool has_rss(int id, const struct shmid_ds *segment) {
  char value[VALUE_SIZE];
  return sysv_huge_pages_exist() ? get_rss(id, segment, value) == 0 : has_swap(id, segment);
}

/* hugetlb last: a tool that reads them all has read the times by then. */
static const struct {
  const char *name;
  value_fn *get;
  exists_fn *exists; /* NULL: always */
} table[] = {
    {"key", get_key, NULL},     {"shmid", get_shmid, NULL},     {"nattch", get_nattch, NULL},
    {"cpid", get_cpid, NULL},   {"lpid", get_lpid, NULL},       {"atime", get_atime, NULL},
    {"dtime", get_dtime, NULL}, {"creator", get_creator, NULL}, {"locked", get_locked, NULL},
    {"rss", get_rss, has_rss},  {"swap", get_swap, has_swap},   {"hugetlb", get_hugetlb, NULL},
};

static ssize_t give(const void *value, size_t length, void *buffer, size_t size) {
  if (size == 0)
    return (ssize_t)length;
  if (size < length)
    return -ERANGE;
  memcpy(buffer, value, length);
  return (ssize_t)length;
}

/* The segment of the node; -ENODATA when it is none yet, or no longer: the question is about what
 * somebody has open, since a name that is out of date is found out before. */
static int segment_of(struct store *base, uint64_t node, int *ret_id, struct shmid_ds *ret) {
  int id;
  int r = sysv_segment_of(sysv_of(base), node, &id);
  if (r == 0)
    r = sysv_stat(id, ret);
  if (r < 0)
    return r == -EISDIR || r == -ESTALE ? -ENODATA : r;
  *ret_id = id;
  return 0;
}

ssize_t sysv_get_xattr(struct store *base, uint64_t node, const char *name, void *value,
                       size_t size) {
  if (!g_str_has_prefix(name, PREFIX))
    return -ENODATA;
  struct shmid_ds segment;
  int id;
  int r = segment_of(base, node, &id, &segment);
  for (size_t i = 0; r == 0 && i < G_N_ELEMENTS(table); i++) {
    char text[VALUE_SIZE];
    if (strcmp(name + strlen(PREFIX), table[i].name) != 0)
      continue;
    r = table[i].get(id, &segment, text);
    return r < 0 ? r : give(text, strlen(text), value, size);
  }
  return r < 0 ? r : -ENODATA;
}

ssize_t sysv_list_xattr(struct store *base, uint64_t node, char *list, size_t size) {
  struct shmid_ds segment;
  int id;
  int r = segment_of(base, node, &id, &segment);
  if (r < 0)
    return r == -ENODATA ? 0 : r;
  char names[G_N_ELEMENTS(table) * VALUE_SIZE];
  size_t length = 0;
  for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
    if (!table[i].exists || table[i].exists(id, &segment))
      length +=
          (size_t)snprintf(names + length, sizeof(names) - length, PREFIX "%s", table[i].name) + 1;
  return give(names, length, list, size);
}

static int refuse(const char *name) {
  return g_str_has_prefix(name, PREFIX) ? -EPERM : -EOPNOTSUPP;
}

int sysv_set_xattr(struct store *base, uint64_t node, const char *name, const void *value,
                   size_t size, int flags) {
  (void)base, (void)node, (void)value, (void)size, (void)flags;
  return refuse(name);
}

int sysv_remove_xattr(struct store *base, uint64_t node, const char *name) {
  (void)base, (void)node;
  return refuse(name);
}
