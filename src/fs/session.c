/* The libfuse session on the device, what every message passes through, and the takeover of a mount
 * that another process served.
 *
 * libfuse gets the device by number ("/dev/fd/N", as a program without privilege would), so that
 * it neither mounts nor unmounts. It keeps a duplicate of its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/internal.h"
#include "fs/wire.h"
#include "util/fd.h"
#include "util/log.h"

/* Without FUSE_NOTIFY_RESEND (Linux before 6.9): how many request ids around the highest one seen
 * are told that their request failed. More than can be in hand at once. */
#define FAILED_IDS 4096

static struct fuse_session *new_session(struct fs *fs) {
  char *arguments[] = {(char *)"shmfs", (char *)"-d", NULL};
  struct fuse_args args = FUSE_ARGS_INIT(fs->options.debug ? 2 : 1, arguments);
  struct fuse_session *session =
      fuse_session_new(&args, fs_operations(), sizeof(struct fuse_lowlevel_ops), fs);
  fuse_opt_free_args(&args);
  return session;
}

int fs_session_new(struct fs *fs) {
  fs->session = new_session(fs);
  if (!fs->session)
    return -ENOMEM;
  auto_fd int device = fcntl(fs->device, F_DUPFD_CLOEXEC, 3);
  if (device < 0)
    return -errno;
  char path[32];
  snprintf(path, sizeof path, "/dev/fd/%d", device);
  if (fuse_session_mount(fs->session, path) != 0)
    return -EIO;
  fd_steal(&device);
  return 0;
}

struct fuse_session *fs_session(struct fs *fs) {
  return fs->session;
}

static bool is_forget(const struct wire_in_header *header) {
  return header->opcode == WIRE_FORGET || header->opcode == WIRE_BATCH_FORGET;
}

/* What the kernel sends on its way to what a path was walked for. */
static bool is_of_walk(const struct wire_in_header *header) {
  return header->opcode == WIRE_LOOKUP || header->opcode == WIRE_GETATTR ||
         header->opcode == WIRE_READLINK || header->opcode == WIRE_GETXATTR;
}

void fs_process(struct fs *fs, const struct fuse_buf *message) {
  struct wire_in_header header;
  if (message->size < sizeof header)
    return;
  memcpy(&header, message->mem, sizeof header);
  if (is_forget(&header)) { /* nothing else is remembered */
    if (removed_any(fs->removed))
      fuse_session_process_buf(fs->session, message);
    return;
  }
  if (header.opcode == WIRE_INIT)
    state_keep_init(fs->state, message->mem, message->size);

  uint64_t chance = is_of_walk(&header) ? 0 : retry_begin_action(fs->retry, (pid_t)header.pid);
  unsigned char reply[WIRE_REPLY_KEPT];
  size_t size;
  if (journal_take(fs->state, &header, reply, &size))
    fs_send(fs, reply, size);
  else
    fuse_session_process_buf(fs->session, message);
  journal_leave(fs->state);
  retry_end_action(fs->retry, (pid_t)header.pid, chance);
  if (header.opcode == WIRE_INIT)
    fs_probe(fs);
}

bool fs_idle(struct fs *fs, int64_t age_us) {
  opens_close_idle(fs->opens, age_us);
  return retry_expire(fs->retry);
}

/* The kernel's INIT message once more, for our session; the kernel does not wait for the answer
 * and refuses it. */
static int replay_init(struct fs *fs) {
  const struct state_page *page = fs->state->page;
  g_autofree void *copy = g_try_malloc(page->init_size);
  if (!copy)
    return -ENOMEM;
  memcpy(copy, page->init, page->init_size);
  struct fuse_buf message = {.mem = copy, .size = page->init_size};
  fuse_session_process_buf(fs->session, &message);
  fs_probe(fs);
  return 0;
}

static void settle_reply(void *data, const void *reply, size_t size) {
  fs_send(data, reply, size); /* -ENOENT: it had been delivered */
}

static int notify(const struct fs *fs, int code) {
  struct wire_out_header header = {.len = sizeof header, .error = code};
  return fs_send(fs, &header, sizeof header);
}

/* What was in hand cannot be sent again: whoever waits is told that it failed. Ids that nobody
 * waits for, or whose request has not been read, are refused by the kernel. */
static void fail_in_hand(const struct fs *fs) {
  uint64_t high = fs->state->page->unique_high + FAILED_IDS * WIRE_UNIQUE_STEP;
  uint64_t low = high > 2 * FAILED_IDS * WIRE_UNIQUE_STEP ? high - 2 * FAILED_IDS * WIRE_UNIQUE_STEP
                                                          : WIRE_UNIQUE_STEP;
  for (uint64_t unique = low; unique <= high; unique += WIRE_UNIQUE_STEP) {
    struct wire_out_header header = {.len = sizeof header, .error = -EIO, .unique = unique};
    fs_send(fs, &header, sizeof header);
  }
}

int fs_take_over(struct fs *fs) {
  if (__atomic_load_n(&fs->state->page->init_size, __ATOMIC_ACQUIRE) == 0)
    return 1;
  int code = replay_init(fs);
  if (code < 0)
    return code;
  journal_settle(fs->state, settle_reply, fs);
  opens_recover(fs->opens);
  if (fs->features.resend && notify(fs, WIRE_NOTIFY_RESEND) == 0)
    return 0;
  fail_in_hand(fs);
  return 0;
}
