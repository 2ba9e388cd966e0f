/* Listings. A position in a directory is the store's own cookie, so nothing is kept per open
 * directory.
 *
 * The kernel may keep the listing of the top directory. Whether it still holds is decided here, at
 * each opening, by the directory's modification time: the kernel's own copy of that time may be an
 * hour old. Other directories are listed afresh every time. */
#include <errno.h>
#include <time.h>

#include "fs/internal.h"

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

/* May the kernel serve the listing that it has? Remembers the time for which the next one holds. */
static bool listing_holds(struct fs *fs, const struct stat *root) {
  int64_t changed = nanoseconds(root->st_mtim);
  bool quiet = now_ns() - changed > QUIET_NS;
  int64_t listed = atomic_exchange(&fs->listed, quiet ? changed : NO_LISTING);
  return quiet && listed == changed;
}

void fs_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  struct fs *fs = fs_of(request);
  struct stat attributes;
  int code = fs_live_attributes(fs, node, &attributes);
  if (code < 0) {
    fs_reply(request, code);
    return;
  }
  file->fh = 0;
  if (node == STORE_ROOT) {
    file->cache_readdir = 1;
    file->keep_cache = listing_holds(fs, &attributes);
  }
  fuse_reply_open(request, file);
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
    fs_reply(request, code);
  else
    fuse_reply_buf(request, buffer, listing.used);
}
