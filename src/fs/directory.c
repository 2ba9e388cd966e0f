/* Listings. A position in a directory is the store's own cookie, so nothing is kept per open
 * directory.
 *
 * The kernel may keep the listing of the top directory. Whether it still holds is decided by the
 * directory's modification time: here at each opening, and by the kernel at each rewinding. So
 * while anybody has the top directory open, the kernel may not keep its attributes, which it else
 * does for an hour. How many have it open is forgotten when a worker dies; rewinding what was open
 * then shows changes as late as the watch does. Other directories are listed afresh every time. */
#include <errno.h>
#include <time.h>

#include "fs/internal.h"
#include "fs/invalidate.h"

/* Two changes within one tick of the clock (10 ms at most, CONFIG_HZ=100) may leave the same
 * modification time: a listing is kept only if the directory had been quiet for longer. */
#define QUIET_NS (20 * INT64_C(1000000))

#define NO_LISTING INT64_MIN

static int64_t nanoseconds(struct timespec time) {
  return (int64_t)time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

/* May the kernel make a listing of its own, and serve the one that it has? Remembers the time for
 * which the next one holds. Not in a store whose root has no such time. */
static void cache_listing(struct fs *fs, const struct stat *root, struct fuse_file_info *file) {
  int64_t changed = nanoseconds(root->st_mtim);
  bool quiet = !fs->store->ops->undated && now_ns() - changed > QUIET_NS;
  int64_t listed = atomic_exchange(&fs->listed, quiet ? changed : NO_LISTING);
  file->cache_readdir = quiet;
  file->keep_cache = quiet && listed == changed;
}

/* The first one makes the kernel drop the attributes that it has. Of the notifications this alone
 * may be sent by a worker in the middle of a request: for attributes the kernel takes no lock that
 * a request may hold. */
static void begin_listing(struct fs *fs) {
  if (atomic_fetch_add(&fs->listers, 1) == 0 && fs->options.watched)
    invalidate_attributes(fs->device, STORE_ROOT);
}

static void end_listing(struct fs *fs) {
  int listers = atomic_load(&fs->listers);
  while (listers > 0 && !atomic_compare_exchange_weak(&fs->listers, &listers, listers - 1))
    continue;
}

void fs_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  struct fs *fs = fs_of(request);
  struct stat attributes;
  int code = fs_attributes_for(request, node, RETRY_ACTION, &attributes);
  if (code < 0) {
    fs_reply(request, code);
    return;
  }
  file->fh = 0;
  if (node == STORE_ROOT) {
    begin_listing(fs);
    cache_listing(fs, &attributes, file);
  }
  if (fuse_reply_open(request, file) == -ENOENT && node == STORE_ROOT)
    end_listing(fs);
}

void fs_releasedir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  (void)file;
  if (node == STORE_ROOT)
    end_listing(fs_of(request));
  fs_reply(request, 0);
}

struct listing {
  fuse_req_t request;
  char *buffer;
  size_t size, used;
};

static int add_name(void *data, const char *name, uint64_t ino, unsigned char type, uint64_t next) {
  struct listing *listing = data;
  struct stat attributes = {.st_ino = ino, .st_mode = DTTOIF(type)};
  size_t room = listing->size - listing->used;
  size_t length = fuse_add_direntry(listing->request, listing->buffer + listing->used, room, name,
                                    &attributes, (off_t)next);
  if (length > room)
    return 1;
  listing->used += length;
  return 0;
}

/* An error after some names is told by the next request, which begins where it happened. */
void fs_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
                struct fuse_file_info *file) {
  (void)file;
  struct store *store = store_of(request);
  g_autofree char *buffer = g_try_malloc(size);
  if (!buffer) {
    fs_reply(request, size > 0 ? -ENOMEM : -EINVAL);
    return;
  }
  struct listing listing = {.request = request, .buffer = buffer, .size = size};
  int code = store->ops->list(store, node, (uint64_t)offset, add_name, &listing);
  if (code < 0 && listing.used == 0)
    fs_reply(request, code == -ESTALE ? -ENOENT : code); /* as any removed directory's is */
  else
    fuse_reply_buf(request, buffer, listing.used);
}
