/* A tree of stores. Every operation finds out which store a node belongs to, and is handed on with
 * the store's own node; what comes back is put into the tree's terms where it is about a root.
 *
 * The form of a node says whose it is, with one exception: a staged file of the sysv store is an
 * unnamed tmpfs inode, as the posix store has them too (O_TMPFILE), so the sysv store is asked about
 * inodes without a name. */
#include "store/tree-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "store/mqueue.h"
#include "store/posix.h"
#include "store/sem.h"
#include "store/sysv.h"
#include "store/sysvmsg.h"
#include "store/sysvsem.h"
#include "util/fd.h"

#define ROOT_MODE (S_IFDIR | 0755)

static const struct {
  const char *name;
  enum text_tag tag; /* of its nodes */
} branches[TREE_BRANCHES] = {
    [TREE_POSIX] = {"posix", TEXT_OTHER},
    [TREE_SYSV] = {"sysv", TEXT_SEGMENT},
    [TREE_SEM] = {"sem", TEXT_SEM},
    [TREE_MQUEUE] = {"mqueue", TEXT_MQUEUE},
    [TREE_SYSVSEM] = {"sysv-sem", TEXT_SYSVSEM},
    [TREE_SYSVMSG] = {"sysv-msg", TEXT_SYSVMSG},
};

/* The top has the number 0 among the directories, for its inode number; the branches follow. */
static uint64_t node_of(enum tree_branch branch) {
  return text_node(TEXT_DIRECTORY, branch + 1u);
}

static uint64_t ino_of_top(void) {
  return text_ino(text_node(TEXT_DIRECTORY, 0));
}

static int place_of_root(const struct tree_store *tree, uint64_t node, struct tree_place *ret) {
  int branch = text_id_of(node) - 1;
  if (branch < 0 || branch >= TREE_BRANCHES || !tree->branch[branch])
    return -ESTALE;
  *ret = (struct tree_place){.store = tree->branch[branch], .node = STORE_ROOT, .root = node};
  return 0;
}

int tree_place_of_directory(const struct tree_store *tree, uint64_t node, struct tree_place *ret) {
  enum text_tag tag = text_tag_of(node);
  *ret = (struct tree_place){.node = node};
  if (node == STORE_ROOT)
    return 0;
  if (tag == TEXT_DIRECTORY)
    return place_of_root(tree, node, ret);
  for (int i = 0; i < TREE_BRANCHES; i++)
    if (branches[i].tag == tag)
      ret->store = tree->branch[i];
  return ret->store ? 0 : -ESTALE;
}

/* Also when the segment that it became is gone. attributes: the file's own. */
static bool is_staged(const struct tree_store *tree, uint64_t node, const struct stat *attributes) {
  struct store *sysv = tree->branch[TREE_SYSV];
  uint64_t incarnation;
  return attributes->st_nlink == 0 && sysv->ops->get_incarnation(sysv, node, &incarnation) == 0;
}

static bool is_staged_node(const struct tree_store *tree, uint64_t node) {
  struct store *posix = tree->branch[TREE_POSIX];
  struct stat attributes;
  return posix->ops->get_attributes(posix, node, &attributes) == 0 &&
         is_staged(tree, node, &attributes);
}

int tree_place_of(const struct tree_store *tree, uint64_t node, struct tree_place *ret) {
  int r = tree_place_of_directory(tree, node, ret);
  if (r == 0 && ret->store && ret->store == tree->branch[TREE_POSIX] && !ret->root &&
      is_staged_node(tree, node))
    ret->store = tree->branch[TREE_SYSV];
  return r;
}

/* Of a file, to be opened, read or written. */
static int place_of_file(const struct tree_store *tree, uint64_t node, struct tree_place *ret) {
  int r = tree_place_of(tree, node, ret);
  return r == 0 && (!ret->store || ret->root) ? -EISDIR : r;
}

static void tree_free(struct store *base) {
  if (!base)
    return;
  struct tree_store *tree = tree_of(base);
  for (int i = TREE_BRANCHES - 1; i >= 0; i--) /* sem uses posix */
    if (tree->branch[i])
      tree->branch[i]->ops->free(tree->branch[i]);
  g_free(tree);
}

int tree_find_at_top(const struct tree_store *tree, const char *name, uint64_t *ret_node) {
  for (int i = 0; i < TREE_BRANCHES; i++) {
    if (tree->branch[i] && strcmp(branches[i].name, name) == 0) {
      *ret_node = node_of((enum tree_branch)i);
      return 0;
    }
  }
  return strlen(name) > NAME_MAX ? -ENAMETOOLONG : -ENOENT;
}

static nlink_t links_of_top(const struct tree_store *tree) {
  nlink_t links = 2;
  for (int i = 0; i < TREE_BRANCHES; i++)
    links += tree->branch[i] ? 1 : 0;
  return links;
}

static void fill_top(const struct tree_store *tree, struct stat *ret) {
  *ret = (struct stat){
      .st_ino = ino_of_top(),
      .st_mode = ROOT_MODE,
      .st_nlink = links_of_top(tree),
      .st_uid = geteuid(),
      .st_gid = getegid(),
      .st_blksize = 4096,
      .st_atim = tree->born,
      .st_mtim = tree->born,
      .st_ctim = tree->born,
  };
}

static int tree_get_attributes(struct store *base, uint64_t node, struct stat *ret) {
  const struct tree_store *tree = tree_of(base);
  struct store *sysv = tree->branch[TREE_SYSV];
  struct stat attributes;
  struct tree_place place;
  int r = tree_place_of_directory(tree, node, &place);
  if (r < 0)
    return r;
  if (!place.store) {
    fill_top(tree, ret);
    return 0;
  }
  r = place.store->ops->get_attributes(place.store, place.node, &attributes);
  if (r < 0)
    return r;
  if (place.root)
    attributes.st_ino = text_ino(place.root);
  else if (place.store == tree->branch[TREE_POSIX] && is_staged(tree, node, &attributes))
    r = sysv->ops->get_attributes(sysv, node, &attributes);
  if (r == 0)
    *ret = attributes;
  return r;
}

static int tree_get_kept_attributes(struct store *base, uint64_t node, int fd, struct stat *ret) {
  struct tree_place place;
  int r = tree_place_of(tree_of(base), node, &place);
  if (r < 0)
    return r;
  if (place.store && place.store->ops->get_kept_attributes)
    return place.store->ops->get_kept_attributes(place.store, place.node, fd, ret);
  return fstat(fd, ret) < 0 ? -errno : 0;
}

static int tree_get_statx(struct store *base, uint64_t node, unsigned mask, struct statx *ret) {
  const struct tree_store *tree = tree_of(base);
  struct tree_place place;
  int r = tree_place_of(tree, node, &place);
  if (r < 0)
    return r;
  if (!place.store) {
    struct stat top;
    fill_top(tree, &top);
    text_to_statx(&top, mask, ret);
    return 0;
  }
  r = place.store->ops->get_statx(place.store, place.node, mask, ret);
  if (r == 0 && place.root)
    ret->stx_ino = text_ino(place.root);
  return r;
}

static int tree_find(struct store *base, uint64_t parent, const char *name, uint64_t *ret_node) {
  const struct tree_store *tree = tree_of(base);
  struct tree_place place;
  int r = tree_place_of_directory(tree, parent, &place);
  if (r < 0)
    return r;
  if (!place.store)
    return tree_find_at_top(tree, name, ret_node);
  return place.store->ops->find(place.store, place.node, name, ret_node);
}

static int tree_lookup(struct store *base, uint64_t parent, const char *name,
                       struct store_entry *ret) {
  const struct tree_store *tree = tree_of(base);
  struct store_entry entry;
  struct tree_place place;
  int r = tree_place_of_directory(tree, parent, &place);
  if (r < 0)
    return r;
  if (place.store)
    return place.store->ops->lookup(place.store, place.node, name, ret);
  r = tree_find_at_top(tree, name, &entry.node);
  if (r == 0)
    r = tree_get_attributes(base, entry.node, &entry.attributes);
  if (r == 0)
    *ret = entry;
  return r;
}

static ssize_t tree_read_link(struct store *base, uint64_t node, char *buffer, size_t size) {
  struct tree_place place;
  int r = tree_place_of_directory(tree_of(base), node, &place);
  if (r < 0)
    return r;
  return place.store ? place.store->ops->read_link(place.store, place.node, buffer, size) : -EINVAL;
}

static int tree_open(struct store *base, uint64_t node, int access, struct store_file *ret_file) {
  struct tree_place place;
  int r = place_of_file(tree_of(base), node, &place);
  return r < 0 ? r : place.store->ops->open(place.store, place.node, access, ret_file);
}

static int tree_open_directory(struct store *base, uint64_t node, int *ret_fd) {
  struct tree_place place;
  int r = tree_place_of_directory(tree_of(base), node, &place);
  if (r < 0)
    return r;
  return place.store ? place.store->ops->open_directory(place.store, place.node, ret_fd)
                     : -EOPNOTSUPP;
}

static int list_top(const struct tree_store *tree, uint64_t offset, store_list_fn *fn, void *data) {
  static const char *const dots[] = {".", ".."};
  for (uint64_t i = offset; i < G_N_ELEMENTS(dots); i++)
    if (fn(data, dots[i], ino_of_top(), DT_DIR, i + 1))
      return 0;
  uint64_t first = offset < TEXT_FIRST_POSITION ? 0 : offset - TEXT_FIRST_POSITION + 1;
  for (uint64_t i = first; i < TREE_BRANCHES; i++)
    if (tree->branch[i] && fn(data, branches[i].name, text_ino(node_of((enum tree_branch)i)),
                              DT_DIR, i + TEXT_FIRST_POSITION))
      return 0;
  return 0;
}

struct listing {
  uint64_t root;
  store_list_fn *fn;
  void *data;
};

/* The root of a store lies below the top here, under another number. */
static int list_in_root(void *data, const char *name, uint64_t ino, unsigned char type,
                        uint64_t next) {
  const struct listing *listing = data;
  if (strcmp(name, ".") == 0)
    ino = text_ino(listing->root);
  else if (strcmp(name, "..") == 0)
    ino = ino_of_top();
  return listing->fn(listing->data, name, ino, type, next);
}

static int tree_list(struct store *base, uint64_t node, uint64_t offset, store_list_fn *fn,
                     void *data) {
  const struct tree_store *tree = tree_of(base);
  struct tree_place place;
  int r = tree_place_of_directory(tree, node, &place);
  if (r < 0)
    return r;
  if (!place.store)
    return list_top(tree, offset, fn, data);
  if (!place.root)
    return place.store->ops->list(place.store, place.node, offset, fn, data);
  struct listing listing = {.root = place.root, .fn = fn, .data = data};
  return place.store->ops->list(place.store, place.node, offset, list_in_root, &listing);
}

static int tree_get_statvfs(struct store *base, struct statvfs *ret) {
  struct store *posix = tree_of(base)->branch[TREE_POSIX];
  return posix->ops->get_statvfs(posix, ret);
}

static int tree_get_incarnation(struct store *base, uint64_t node, uint64_t *ret) {
  struct tree_place place;
  int r = place_of_file(tree_of(base), node, &place);
  if (r < 0)
    return r;
  if (place.store->ops->get_incarnation)
    return place.store->ops->get_incarnation(place.store, place.node, ret);
  *ret = STORE_INCARNATION;
  return 0;
}

static int tree_flush(struct store *base, uint64_t node) {
  struct tree_place place;
  int r = place_of_file(tree_of(base), node, &place);
  if (r < 0)
    return r;
  return place.store->ops->flush ? place.store->ops->flush(place.store, place.node) : 0;
}

static ssize_t tree_read(struct store *base, uint64_t node, void *buffer, size_t size,
                         off_t offset) {
  struct tree_place place;
  int r = place_of_file(tree_of(base), node, &place);
  if (r < 0)
    return r;
  if (!place.store->ops->read)
    return -EOPNOTSUPP;
  return place.store->ops->read(place.store, place.node, buffer, size, offset);
}

static ssize_t tree_write(struct store *base, uint64_t node, const void *buffer, size_t size,
                          off_t offset) {
  struct tree_place place;
  int r = place_of_file(tree_of(base), node, &place);
  if (r < 0)
    return r;
  if (!place.store->ops->write)
    return -EOPNOTSUPP;
  return place.store->ops->write(place.store, place.node, buffer, size, offset);
}

static int tree_command(struct store *base, uint64_t node, const void *data, size_t size,
                        struct store_act *act) {
  struct tree_place place;
  int r = place_of_file(tree_of(base), node, &place);
  if (r < 0)
    return r;
  if (!place.store->ops->command)
    return -EOPNOTSUPP;
  return place.store->ops->command(place.store, place.node, data, size, act);
}

static const struct store_ops tree_ops = {
    .free = tree_free,
    .lookup = tree_lookup,
    .find = tree_find,
    .get_attributes = tree_get_attributes,
    .get_statx = tree_get_statx,
    .get_kept_attributes = tree_get_kept_attributes,
    .get_incarnation = tree_get_incarnation,
    .change = tree_change,
    .read_link = tree_read_link,
    .make = tree_make,
    .create = tree_create,
    .create_unnamed = tree_create_unnamed,
    .link = tree_link,
    .unlink = tree_unlink,
    .remove_directory = tree_remove_directory,
    .rename = tree_rename,
    .open = tree_open,
    .open_directory = tree_open_directory,
    .list = tree_list,
    .get_statvfs = tree_get_statvfs,
    .get_xattr = tree_get_xattr,
    .list_xattr = tree_list_xattr,
    .set_xattr = tree_set_xattr,
    .remove_xattr = tree_remove_xattr,
    .flags = tree_flags,
    .flush = tree_flush,
    .read = tree_read,
    .write = tree_write,
    .command = tree_command,
};

/* The message queues may be missing. */
static int add_mqueue(struct tree_store *tree) {
  auto_fd int fd = -1;
  return mqueue_directory_open(&fd) < 0 ? 0 : mqueue_store_new(fd, &tree->branch[TREE_MQUEUE]);
}

/* When the shared memory came into being: the same in every process that serves the tree. */
static int learn_birth(struct tree_store *tree) {
  struct store *posix = tree->branch[TREE_POSIX];
  struct statx root;
  int r = posix->ops->get_statx(posix, STORE_ROOT, STATX_BTIME, &root);
  if (r == 0 && (root.stx_mask & STATX_BTIME))
    tree->born = (struct timespec){root.stx_btime.tv_sec, root.stx_btime.tv_nsec};
  return r;
}

static int add_branches(struct tree_store *tree, const struct tree_options *options) {
  struct sysv_options sysv = {.directory = options->directory};
  int r = posix_store_new(options->directory, &tree->branch[TREE_POSIX]);
  if (r == 0)
    r = sysv_store_new(&sysv, &tree->branch[TREE_SYSV]);
  if (r == 0)
    r = sem_store_new(tree->branch[TREE_POSIX], &tree->branch[TREE_SEM]);
  if (r == 0)
    r = add_mqueue(tree);
  if (r == 0)
    r = learn_birth(tree);
  if (r == 0)
    r = sysvsem_store_new(&tree->born, &tree->branch[TREE_SYSVSEM]);
  if (r == 0)
    r = sysvmsg_store_new(&tree->born, &tree->branch[TREE_SYSVMSG]);
  return r;
}

int tree_store_new(const struct tree_options *options, struct store **ret_store) {
  struct tree_store *tree = g_new0(struct tree_store, 1);
  tree->base.ops = &tree_ops;
  int r = add_branches(tree, options);
  if (r < 0) {
    tree_free(&tree->base);
    return r;
  }
  *ret_store = &tree->base;
  return 0;
}
