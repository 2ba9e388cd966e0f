/* Replies that the journal keeps.
 *
 * A reply is committed before it is written (journal.h), so its bytes are made here rather than by
 * libfuse, which would only show them when it is too late. libfuse's request is then freed without
 * a reply of its own. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fs/internal.h"
#include "fs/wire.h"
#include "util/log.h"

int fs_send(const struct fs *fs, const void *reply, size_t size) {
  ssize_t written;
  do
    written = write(fs->device, reply, size);
  while (written < 0 && errno == EINTR);
  return written < 0 ? -errno : 0;
}

static int send_reply(fuse_req_t request, int code, const void *payload, size_t size) {
  struct fs *fs = fs_of(request);
  unsigned char reply[WIRE_REPLY_KEPT];
  struct wire_out_header header = {
      .len = (uint32_t)(sizeof header + size),
      .error = code,
      .unique = journal_unique(),
  };
  memcpy(reply, &header, sizeof header);
  if (size > 0)
    memcpy(reply + sizeof header, payload, size);
  journal_commit(fs->state, reply, header.len);
  if (fs->options.debug)
    log_debug("   unique: %llu, reply: %i (%s), %u bytes", (unsigned long long)header.unique, code,
              g_strerror(-code), header.len);
  int sent = fs_send(fs, reply, header.len);
  fuse_reply_none(request);
  return sent == -ENOENT ? -ENOENT : 0;
}

static void split_timeout(double timeout, uint64_t *ret_seconds, uint32_t *ret_nanoseconds) {
  double limited = CLAMP(timeout, 0.0, (double)G_MAXINT32);
  *ret_seconds = (uint64_t)limited;
  *ret_nanoseconds = (uint32_t)((limited - (double)*ret_seconds) * 1e9);
}

/* The kernel's compressed device number, new_encode_dev() of include/linux/kdev_t.h, is what a
 * stat's st_rdev holds on Linux for the 12-bit majors and 20-bit minors that exist. */
static struct wire_attr wire_attr(const struct stat *from) {
  return (struct wire_attr){
      .ino = from->st_ino,
      .size = (uint64_t)from->st_size,
      .blocks = (uint64_t)from->st_blocks,
      .atime = (uint64_t)from->st_atim.tv_sec,
      .mtime = (uint64_t)from->st_mtim.tv_sec,
      .ctime = (uint64_t)from->st_ctim.tv_sec,
      .atimensec = (uint32_t)from->st_atim.tv_nsec,
      .mtimensec = (uint32_t)from->st_mtim.tv_nsec,
      .ctimensec = (uint32_t)from->st_ctim.tv_nsec,
      .mode = from->st_mode,
      .nlink = (uint32_t)from->st_nlink,
      .uid = from->st_uid,
      .gid = from->st_gid,
      .rdev = (uint32_t)from->st_rdev,
      .blksize = (uint32_t)from->st_blksize,
  };
}

static struct wire_entry_out wire_entry(const struct fuse_entry_param *from) {
  struct wire_entry_out to = {
      .nodeid = from->ino,
      .generation = from->generation,
      .attr = wire_attr(&from->attr),
  };
  split_timeout(from->entry_timeout, &to.entry_valid, &to.entry_valid_nsec);
  split_timeout(from->attr_timeout, &to.attr_valid, &to.attr_valid_nsec);
  return to;
}

static struct wire_open_out wire_open(const struct fuse_file_info *from) {
  struct wire_open_out to = {.fh = from->fh, .backing_id = from->backing_id};
  if (from->backing_id > 0)
    to.open_flags |= WIRE_OPEN_PASSTHROUGH;
  if (from->direct_io)
    to.open_flags |= WIRE_OPEN_DIRECT_IO;
  if (from->keep_cache)
    to.open_flags |= WIRE_OPEN_KEEP_CACHE;
  if (from->noflush)
    to.open_flags |= WIRE_OPEN_NOFLUSH;
  if (from->parallel_direct_writes)
    to.open_flags |= WIRE_OPEN_PARALLEL_DIRECT_WRITES;
  return to;
}

int fs_reply(fuse_req_t request, int code) {
  if (code == -ESTALE)
    retry_arm(fs_of(request)->retry, request);
  return send_reply(request, code, NULL, 0);
}

int fs_reply_param(fuse_req_t request, const struct fuse_entry_param *entry) {
  struct wire_entry_out out = wire_entry(entry);
  return send_reply(request, 0, &out, sizeof out);
}

int fs_reply_open(fuse_req_t request, const struct fuse_file_info *file) {
  struct wire_open_out out = wire_open(file);
  return send_reply(request, 0, &out, sizeof out);
}

int fs_reply_create(fuse_req_t request, const struct fuse_entry_param *entry,
                    const struct fuse_file_info *file) {
  struct {
    struct wire_entry_out entry;
    struct wire_open_out open;
  } out = {.entry = wire_entry(entry), .open = wire_open(file)};
  return send_reply(request, 0, &out, sizeof out);
}

int fs_reply_written(fuse_req_t request, size_t size) {
  struct wire_write_out out = {.size = (uint32_t)size};
  return send_reply(request, 0, &out, sizeof out);
}
