/* The sysv store: what belongs to the store as a whole, and the operations that end in a few calls. */
#include "store/sysv-internal.h"
#include "store/text.h"
#include "util/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int sysv_namespace_enter(const char *which) {
  g_autofree char *path = *which && strspn(which, "0123456789") == strlen(which)
                              ? g_strdup_printf("/proc/%s/ns/ipc", which)
                              : g_strdup(which);
  auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return -errno;
  int r = ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWIPC ? 0 : -EINVAL;
  if (r == 0 && setns(fd, CLONE_NEWIPC) < 0)
    r = -errno;
  return r;
}

/* Everybody may make segments, and remove their own: as in a directory with the sticky bit. When it
 * last changed nobody knows. A time that is always new would be as wrong as one that never is, and tar(1)
 * would say each time that the directory has changed as it was read. */
static void fill_root(const struct sysv_store *store, struct stat *ret) {
  *ret = (struct stat){
      .st_ino = STORE_ROOT,
      .st_mode = S_IFDIR | S_ISVTX | S_IRWXU | S_IRWXG | S_IRWXO,
      .st_nlink = 2,
      .st_blksize = (blksize_t)sysconf(_SC_PAGESIZE),
      .st_atim = store->born,
      .st_mtim = store->born,
      .st_ctim = store->born,
  };
}

static int get_attributes(struct store *base, uint64_t node, struct stat *ret) {
  struct sysv_store *store = sysv_of(base);
  if (node == STORE_ROOT) {
    fill_root(store, ret);
    return 0;
  }
  if (!sysv_is_segment(node))
    return sysv_stat_staged(store, node, ret);
  struct shmid_ds segment;
  int r = sysv_stat(sysv_id(node), &segment);
  if (r == 0)
    sysv_fill(sysv_id(node), &segment, ret);
  return r;
}

/* Owner and mode went with the segment, and those of the memory's file are others, which let everybody
 * in. Whoever has it open keeps what he has; nobody is given more (but root). */
static int get_kept_attributes(struct store *base, uint64_t node, int fd, struct stat *ret) {
  (void)base;
  if (fstat(fd, ret) < 0)
    return -errno;
  if (sysv_is_segment(node))
    ret->st_ino = sysv_ino(sysv_id(node));
  ret->st_mode &= S_IFMT;
  ret->st_nlink = 0;
  return 0;
}

static int get_statx(struct store *base, uint64_t node, unsigned mask, struct statx *ret) {
  struct stat known;
  int r = get_attributes(base, node, &known);
  if (r == 0)
    text_to_statx(&known, mask, ret);
  return r;
}

/* Its own node is an inode's; what became of it is in its record. */
static int get_incarnation_staged(struct sysv_store *store, uint64_t node, uint64_t *ret) {
  struct sysv_record record;
  auto_fd int fd = -1;
  int r = sysv_open_staged(store, node, &fd, &record);
  if (r == 0)
    *ret = STORE_INCARNATION;
  return r;
}

static int get_incarnation(struct store *base, uint64_t node, uint64_t *ret) {
  struct shmid_ds segment;
  uint64_t incarnation = STORE_INCARNATION;
  if (!sysv_is_segment(node))
    return get_incarnation_staged(sysv_of(base), node, ret);
  int r = sysv_stat(sysv_id(node), &segment);
  if (r < 0)
    return r;
  incarnation = store_mix(incarnation, segment.shm_perm.cuid);
  incarnation = store_mix(incarnation, segment.shm_perm.cgid);
  incarnation = store_mix(incarnation, (uint64_t)segment.shm_cpid);
  *ret = store_mix(incarnation, segment.shm_segsz);
  return 0;
}

static int lookup(struct store *base, uint64_t parent, const char *name, struct store_entry *ret) {
  (void)base;
  struct shmid_ds segment;
  int id;
  int r = parent == STORE_ROOT ? sysv_find_name(name, &id, &segment) : -ENOTDIR;
  if (r < 0)
    return r;
  ret->node = sysv_node(id);
  sysv_fill(id, &segment, &ret->attributes);
  return 0;
}

static int find(struct store *base, uint64_t parent, const char *name, uint64_t *ret_node) {
  struct store_entry entry;
  int r = lookup(base, parent, name, &entry);
  if (r == 0)
    *ret_node = entry.node;
  return r;
}

static int change(struct store *base, uint64_t node, int fd, const struct store_change *wanted,
                  struct stat *ret) {
  (void)fd;
  if (node == STORE_ROOT)
    return -EPERM;
  if (!sysv_is_segment(node))
    return sysv_change_staged(sysv_of(base), node, wanted, ret);
  int r = sysv_change_segment(sysv_id(node), wanted);
  return r < 0 ? r : get_attributes(base, node, ret);
}

static int open_segment(int id, int access, struct store_file *ret_file) {
  struct store_file file = {.fd = -1, .fixed_size = true};
  int r = sysv_descriptor(id, access, &file.fd);
  if (r == 0)
    *ret_file = file;
  return r;
}

/* The descriptor is O_RDWR whatever is asked for: it serves everything. */
static int open_node(struct store *base, uint64_t node, int access, struct store_file *ret_file) {
  if (node == STORE_ROOT)
    return -EISDIR;
  if (sysv_is_segment(node))
    return open_segment(sysv_id(node), access, ret_file);
  struct sysv_record record;
  auto_fd int fd = -1;
  int r = sysv_open_staged(sysv_of(base), node, &fd, &record);
  if (r == 0)
    *ret_file = (struct store_file){.fd = fd_steal(&fd), .staged = true};
  return r;
}

/* There is none of these; the directory that staged files are in has nothing to do either. */
static int open_directory(struct store *base, uint64_t node, int *ret_fd) {
  if (node != STORE_ROOT)
    return -ENOTDIR;
  int fd = openat(sysv_of(base)->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  *ret_fd = fd;
  return 0;
}

static int unlink_name(struct store *base, uint64_t parent, const char *name) {
  uint64_t node;
  int r = find(base, parent, name, &node);
  if (r == 0)
    r = sysv_remove(sysv_id(node));
  return r == -ESTALE ? -ENOENT : r;
}

static int remove_directory(struct store *base, uint64_t parent, const char *name) {
  uint64_t node;
  int r = find(base, parent, name, &node);
  return r < 0 ? r : -ENOTDIR;
}

static int make(struct store *base, uint64_t parent, const char *name, const struct store_new *new,
                struct store_entry *ret) {
  (void)new, (void)ret;
  uint64_t node;
  int r = find(base, parent, name, &node);
  if (r == 0)
    return -EEXIST;
  return r == -ENOENT ? -EPERM : r;
}

static int create_unnamed(struct store *base, uint64_t parent, const struct store_new *new,
                          int flags, struct store_entry *ret, struct store_file *ret_file) {
  (void)base, (void)parent, (void)new, (void)flags, (void)ret, (void)ret_file;
  return -EOPNOTSUPP;
}

static int link_node(struct store *base, uint64_t node, uint64_t parent, const char *name,
                     struct store_entry *ret) {
  (void)base, (void)node, (void)parent, (void)name, (void)ret;
  return -EPERM;
}

static int rename_name(struct store *base, uint64_t parent, const char *name, uint64_t new_parent,
                       const char *new_name, unsigned flags) {
  (void)new_parent, (void)new_name, (void)flags;
  uint64_t node;
  int r = find(base, parent, name, &node);
  return r < 0 ? r : -EPERM;
}

static ssize_t read_link(struct store *base, uint64_t node, char *buffer, size_t size) {
  (void)base, (void)node, (void)buffer, (void)size;
  return -EINVAL;
}

static void sysv_free(struct store *base) {
  if (!base)
    return;
  struct sysv_store *store = sysv_of(base);
  handle_table_free(store->handles);
  fd_close(store->directory);
  g_mutex_clear(&store->making);
  g_free(store);
}

static const struct store_ops sysv_ops = {
    .undated = true,
    .free = sysv_free,
    .lookup = lookup,
    .find = find,
    .get_attributes = get_attributes,
    .get_statx = get_statx,
    .get_kept_attributes = get_kept_attributes,
    .get_incarnation = get_incarnation,
    .change = change,
    .read_link = read_link,
    .make = make,
    .create = sysv_create,
    .create_unnamed = create_unnamed,
    .link = link_node,
    .unlink = unlink_name,
    .remove_directory = remove_directory,
    .rename = rename_name,
    .open = open_node,
    .open_directory = open_directory,
    .list = sysv_list,
    .get_statvfs = sysv_get_statvfs,
    .get_xattr = sysv_get_xattr,
    .list_xattr = sysv_list_xattr,
    .set_xattr = sysv_set_xattr,
    .remove_xattr = sysv_remove_xattr,
    .flush = sysv_flush,
    .read = sysv_read,
    .write = sysv_write,
};

/* trusted.* is out of everybody's reach, but asks for a capability; user.* does as well on a file that
 * nobody else can open. */
static const char *choose_record_name(void) {
  return privilege_has(CAP_SYS_ADMIN) ? "trusted.shmfs.staged" : "user.shmfs.staged";
}

static int store_init(struct sysv_store *store, const struct sysv_options *options) {
  store->directory = fcntl(options->directory, F_DUPFD_CLOEXEC, 3);
  if (store->directory < 0)
    return -errno;
  struct statx attributes;
  if (statx(store->directory, "", AT_EMPTY_PATH, STATX_BTIME, &attributes) < 0)
    return -errno;
  store->born.tv_sec = attributes.stx_btime.tv_sec; /* 0 where it is not known */
  store->record_name = choose_record_name();
  return handle_table_new(store->directory, &store->handles);
}

int sysv_store_new(const struct sysv_options *options, struct store **ret_store) {
  struct sysv_store *store = g_new0(struct sysv_store, 1);
  store->base.ops = &sysv_ops;
  store->directory = -1;
  g_mutex_init(&store->making);
  int r = store_init(store, options);
  if (r < 0) {
    sysv_free(&store->base);
    return r;
  }
  *ret_store = &store->base;
  return 0;
}
