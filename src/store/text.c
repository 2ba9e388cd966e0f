/* The common half of stores of generated text: all that does not depend on what the text says. The
 * text is made anew for each read, of which the part that was asked for is given. */
#include "store/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/sysmacros.h>

#define TEXT_ROOM 256 /* bytes to begin with: most texts are no longer */

#define HIGH_BIT UINT32_C(0x80000000)
#define DIRECTORY_FIRST UINT64_C(0x100)
#define DIRECTORY_LAST UINT64_C(0x1ff)
#define SEM_FIRST UINT64_C(0x1000)
#define SEM_IDS (HIGH_BIT - SEM_FIRST)
#define MQUEUE_IDS (HIGH_BIT - 1)
#define INO_TAG (UINT64_C(1) << 63)

static uint64_t pair(uint64_t high, uint32_t low) {
  return high << 32 | low;
}

uint64_t text_node(enum text_tag tag, uint64_t id) {
  switch (tag) {
  case TEXT_DIRECTORY:
    return DIRECTORY_FIRST + id;
  case TEXT_SEM:
    return SEM_FIRST + id % SEM_IDS;
  case TEXT_MQUEUE:
    return pair(1 + id % MQUEUE_IDS, 0);
  case TEXT_SYSVSEM:
    return pair(HIGH_BIT | id, 1);
  case TEXT_SYSVMSG:
    return id < INT_MAX ? pair(id + 1, 1) : 0;
  default:
    return 0;
  }
}

static enum text_tag tag_of_low_node(uint64_t node) {
  if (node >= DIRECTORY_FIRST && node <= DIRECTORY_LAST)
    return TEXT_DIRECTORY;
  return node >= SEM_FIRST && node < HIGH_BIT ? TEXT_SEM : TEXT_OTHER;
}

enum text_tag text_tag_of(uint64_t node) {
  uint32_t high = (uint32_t)(node >> 32);
  uint32_t low = (uint32_t)node;
  if (high == 0)
    return tag_of_low_node(node);
  if (low == 0)
    return high & HIGH_BIT ? TEXT_SEGMENT : TEXT_MQUEUE;
  if (low == 1)
    return high & HIGH_BIT ? TEXT_SYSVSEM : TEXT_SYSVMSG;
  return TEXT_OTHER;
}

int text_id_of(uint64_t node) {
  uint32_t high = (uint32_t)(node >> 32);
  switch (text_tag_of(node)) {
  case TEXT_DIRECTORY:
    return (int)(node - DIRECTORY_FIRST);
  case TEXT_SYSVSEM:
    return (int)(high & ~HIGH_BIT);
  case TEXT_SYSVMSG:
    return (int)(high - 1);
  default:
    return -1;
  }
}

uint64_t text_ino(uint64_t node) {
  return node >> 32 ? node : INO_TAG | node;
}

static int make_room(struct text *text, size_t more) {
  if (text->room - text->length > more)
    return 0;
  size_t room = MAX(2 * text->room, text->length + more + TEXT_ROOM);
  char *data = g_try_realloc(text->data, room);
  if (!data)
    return -ENOMEM;
  text->data = data;
  text->room = room;
  return 0;
}

static void add(struct text *text, const char *format, va_list arguments) {
  char line[TEXT_ROOM];
  int length = g_vsnprintf(line, sizeof(line), format, arguments);
  size_t size = MIN((size_t)MAX(length, 0), sizeof(line) - 1);
  if (text->error == 0)
    text->error = make_room(text, size);
  if (text->error < 0)
    return;
  memcpy(text->data + text->length, line, size);
  text->length += size;
}

void text_add(struct text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add(text, format, arguments);
  va_end(arguments);
}

static const struct text_kind *kind_of(const struct store *store) {
  return ((const struct text_store *)store)->kind;
}

static bool is_file(const struct store *store, uint64_t node) {
  return text_tag_of(node) == kind_of(store)->tag;
}

/* For what is done with a file: -EISDIR for the directory, -ESTALE for what is nothing here. */
static int check_file(const struct store *store, uint64_t node) {
  if (is_file(store, node))
    return 0;
  return node == STORE_ROOT ? -EISDIR : -ESTALE;
}

static int check_name(uint64_t parent, const char *name) {
  if (parent != STORE_ROOT)
    return -ENOTDIR;
  if (strlen(name) > NAME_MAX)
    return -ENAMETOOLONG;
  bool is_dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
  return !*name || is_dots || strchr(name, '/') ? -ENOENT : 0;
}

static void text_free(struct store *store) {
  if (store)
    kind_of(store)->free(store);
}

static int text_find(struct store *store, uint64_t parent, const char *name, uint64_t *ret_node) {
  int r = check_name(parent, name);
  return r < 0 ? r : kind_of(store)->find(store, name, ret_node);
}

static void put_right(uint64_t node, struct stat *attributes) {
  mode_t type = node == STORE_ROOT ? S_IFDIR : S_IFREG;
  attributes->st_ino = text_ino(node);
  attributes->st_mode = type | (attributes->st_mode & (mode_t)~S_IFMT);
  attributes->st_nlink = node == STORE_ROOT ? 2 : 1;
  attributes->st_rdev = 0;
  attributes->st_size = 0;
  attributes->st_blocks = 0;
  attributes->st_blksize = 4096;
}

static int text_get_attributes(struct store *store, uint64_t node, struct stat *ret) {
  struct stat attributes = {0};
  if (node != STORE_ROOT && !is_file(store, node))
    return -ESTALE;
  int r = kind_of(store)->get_attributes(store, node, &attributes);
  if (r < 0)
    return r;
  put_right(node, &attributes);
  *ret = attributes;
  return 0;
}

static int text_get_incarnation(struct store *store, uint64_t node, uint64_t *ret) {
  int r = check_file(store, node);
  return r < 0 ? r : kind_of(store)->get_incarnation(store, node, ret);
}

static int text_lookup(struct store *store, uint64_t parent, const char *name,
                       struct store_entry *ret) {
  struct store_entry entry;
  int r = text_find(store, parent, name, &entry.node);
  if (r == 0)
    r = text_get_attributes(store, entry.node, &entry.attributes);
  if (r < 0)
    return r == -ESTALE ? -ENOENT : r;
  *ret = entry;
  return 0;
}

static struct statx_timestamp timestamp(struct timespec time) {
  return (struct statx_timestamp){.tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec};
}

void text_to_statx(const struct stat *from, unsigned mask, struct statx *ret) {
  *ret = (struct statx){
      .stx_mask = mask & STATX_BASIC_STATS,
      .stx_blksize = (uint32_t)from->st_blksize,
      .stx_nlink = (uint32_t)from->st_nlink,
      .stx_uid = from->st_uid,
      .stx_gid = from->st_gid,
      .stx_mode = (uint16_t)from->st_mode,
      .stx_rdev_major = major(from->st_rdev),
      .stx_rdev_minor = minor(from->st_rdev),
      .stx_ino = from->st_ino,
      .stx_size = (uint64_t)from->st_size,
      .stx_blocks = (uint64_t)from->st_blocks,
      .stx_atime = timestamp(from->st_atim),
      .stx_mtime = timestamp(from->st_mtim),
      .stx_ctime = timestamp(from->st_ctim),
  };
}

static int text_get_statx(struct store *store, uint64_t node, unsigned mask, struct statx *ret) {
  struct stat attributes;
  int r = text_get_attributes(store, node, &attributes);
  if (r == 0)
    text_to_statx(&attributes, mask, ret);
  return r;
}

/* An emptying is what every shell does before it writes: there is nothing to empty. */
static int text_change(struct store *store, uint64_t node, int fd,
                       const struct store_change *change, struct stat *ret) {
  (void)fd;
  struct store_change rest = *change;
  if (!is_file(store, node))
    return node == STORE_ROOT ? -EPERM : -ESTALE;
  if ((change->mask & STORE_CHANGE_SIZE) && change->size != 0)
    return -EPERM;
  rest.mask &= STORE_CHANGE_MODE | STORE_CHANGE_UID | STORE_CHANGE_GID | STORE_CHANGE_TIMES;
  int r = rest.mask ? kind_of(store)->change(store, node, &rest) : 0;
  return r < 0 ? r : text_get_attributes(store, node, ret);
}

static ssize_t text_read_link(struct store *store, uint64_t node, char *buffer, size_t size) {
  (void)store, (void)node, (void)buffer, (void)size;
  return -EINVAL;
}

/* The name that would be made: taken, or not to be made. */
static int refuse_name(struct store *store, uint64_t parent, const char *name) {
  uint64_t node;
  int r = text_find(store, parent, name, &node);
  if (r == -ENOENT)
    return -EPERM;
  return r == 0 ? -EEXIST : r;
}

static int text_make(struct store *store, uint64_t parent, const char *name,
                     const struct store_new *new, struct store_entry *ret) {
  (void)new, (void)ret;
  return refuse_name(store, parent, name);
}

/* ESTALE: the kernel looks again, and finds what has come into being since it looked first. */
static int text_create(struct store *store, uint64_t parent, const char *name,
                       const struct store_new *new, int flags, struct store_entry *ret,
                       struct store_file *ret_file) {
  (void)new, (void)ret, (void)ret_file;
  int r = refuse_name(store, parent, name);
  return r == -EEXIST && !(flags & O_EXCL) ? -ESTALE : r;
}

static int text_create_unnamed(struct store *store, uint64_t parent, const struct store_new *new,
                               int flags, struct store_entry *ret, struct store_file *ret_file) {
  (void)store, (void)parent, (void)new, (void)flags, (void)ret, (void)ret_file;
  return -EOPNOTSUPP;
}

static int text_link(struct store *store, uint64_t node, uint64_t parent, const char *name,
                     struct store_entry *ret) {
  (void)node, (void)ret;
  return refuse_name(store, parent, name);
}

static int text_unlink(struct store *store, uint64_t parent, const char *name) {
  int r = check_name(parent, name);
  return r < 0 ? r : kind_of(store)->remove(store, name);
}

static int text_remove_directory(struct store *store, uint64_t parent, const char *name) {
  uint64_t node;
  int r = text_find(store, parent, name, &node);
  return r < 0 ? r : -ENOTDIR;
}

static int text_rename(struct store *store, uint64_t parent, const char *name, uint64_t new_parent,
                       const char *new_name, unsigned flags) {
  (void)new_parent, (void)new_name, (void)flags;
  uint64_t node;
  int r = text_find(store, parent, name, &node);
  return r < 0 ? r : -EPERM;
}

static int text_open(struct store *store, uint64_t node, int access, struct store_file *ret_file) {
  (void)access;
  int r = check_file(store, node);
  if (r == 0)
    *ret_file = (struct store_file){.fd = -1};
  return r;
}

static int text_open_directory(struct store *store, uint64_t node, int *ret_fd) {
  (void)ret_fd;
  return is_file(store, node) ? -ENOTDIR : -EOPNOTSUPP;
}

bool text_list_dots(uint64_t offset, store_list_fn *fn, void *data) {
  static const char *const dots[] = {".", ".."};
  for (uint64_t i = offset; i < G_N_ELEMENTS(dots); i++)
    if (fn(data, dots[i], text_ino(STORE_ROOT), DT_DIR, i + 1))
      return false;
  return true;
}

int text_list_one(uint64_t node, const char *name, uint64_t position, store_list_fn *fn,
                  void *data) {
  return fn(data, name, text_ino(node), DT_REG, position);
}

static int text_list(struct store *store, uint64_t node, uint64_t offset, store_list_fn *fn,
                     void *data) {
  if (node != STORE_ROOT)
    return is_file(store, node) ? -ENOTDIR : -ESTALE;
  return kind_of(store)->list(store, offset, fn, data);
}

static int text_get_statvfs(struct store *store, struct statvfs *ret) {
  (void)store;
  *ret = (struct statvfs){.f_bsize = 4096, .f_frsize = 4096, .f_namemax = NAME_MAX};
  return 0;
}

static ssize_t text_get_xattr(struct store *store, uint64_t node, const char *name, void *value,
                              size_t size) {
  (void)store, (void)node, (void)name, (void)value, (void)size;
  return -ENODATA;
}

static ssize_t text_list_xattr(struct store *store, uint64_t node, char *list, size_t size) {
  (void)store, (void)node, (void)list, (void)size;
  return 0;
}

static int text_set_xattr(struct store *store, uint64_t node, const char *name, const void *value,
                          size_t size, int flags) {
  (void)store, (void)node, (void)name, (void)value, (void)size, (void)flags;
  return -EOPNOTSUPP;
}

static int text_remove_xattr(struct store *store, uint64_t node, const char *name) {
  (void)store, (void)node, (void)name;
  return -ENODATA;
}

static ssize_t text_read(struct store *store, uint64_t node, void *buffer, size_t size,
                         off_t offset) {
  struct text text = {.from = (size_t)MAX(offset, 0), .to = (size_t)MAX(offset, 0) + size};
  int r = check_file(store, node);
  if (r == 0)
    r = kind_of(store)->get_text(store, node, &text);
  if (r == 0)
    r = text.error;
  g_autofree char *data = text.data;
  if (r < 0)
    return r;
  size_t before = text.from - text.start;
  if (before >= text.length)
    return 0;
  size = MIN(size, text.length - before);
  memcpy(buffer, data + before, size);
  return (ssize_t)size;
}

static int text_command(struct store *store, uint64_t node, const void *data, size_t size,
                        struct store_act *act) {
  int r = check_file(store, node);
  if (r < 0)
    return r;
  if (!kind_of(store)->command)
    return -EPERM;
  if (size > TEXT_WRITE_MAX)
    return -EMSGSIZE;
  return kind_of(store)->command(store, node, data, size, act);
}

static const struct store_ops text_ops = {
    .free = text_free,
    .lookup = text_lookup,
    .find = text_find,
    .get_attributes = text_get_attributes,
    .get_statx = text_get_statx,
    .get_incarnation = text_get_incarnation,
    .change = text_change,
    .read_link = text_read_link,
    .make = text_make,
    .create = text_create,
    .create_unnamed = text_create_unnamed,
    .link = text_link,
    .unlink = text_unlink,
    .remove_directory = text_remove_directory,
    .rename = text_rename,
    .open = text_open,
    .open_directory = text_open_directory,
    .list = text_list,
    .get_statvfs = text_get_statvfs,
    .get_xattr = text_get_xattr,
    .list_xattr = text_list_xattr,
    .set_xattr = text_set_xattr,
    .remove_xattr = text_remove_xattr,
    .read = text_read,
    .command = text_command,
};

void text_store_init(struct text_store *store, const struct text_kind *kind) {
  *store = (struct text_store){.base.ops = &text_ops, .kind = kind};
}
