/* Fuzzes FUSE messages: through the project's fs_process() into fuse_session_process_buf(), on real
 * stores.
 *
 * The device is a memory file, so a reply is what was written to it. Registering a file with the kernel
 * is played here (ioctl is wrapped), for the input to choose between passthrough and what is done
 * without. The first byte of an input is the view and its options, enum setup; message.h says how the
 * rest is read. State page, table of opens and session are new for each input; a "replacement" inside
 * one takes them over as the next worker does.
 *
 * What must hold, whatever comes: each message is answered once, by its own id, with a reply of the
 * length that it says; nothing outside the directory is touched; no descriptor and no backing id is
 * left that the table of opens does not know of. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/fs.h"
#include "fs/wire.h"
#include "message.h"
#include "place.h"
#include "store/confined.h"
#include "store/posix.h"
#include "store/sysv.h"
#include "store/tree.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/privilege.h"

#define MESSAGES_MAX 48 /* of one input */
#define REPLACEMENTS_MAX 4
#define BACKING_IDS 512 /* of one input */

enum setup {
  SETUP_VIEW = 3, /* an index into stores[] */
  SETUP_PASSTHROUGH = 1 << 2,
  SETUP_CACHED = 1 << 3,
  SETUP_WATCHED = 1 << 4,
  SETUP_LIMITS = 1 << 5,    /* of the two views that may have any */
  SETUP_NO_RESEND = 3 << 6, /* both bits: a replacement then takes long */
};

#define SETUP_VIEWS_IPC 2 /* the views from here on show what is no file as well */

/* Of include/uapi/linux/fuse.h: what Linux 6.18 sends. */
struct init_in {
  uint32_t major, minor, max_readahead, flags, flags2, unused[11];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int __wrap_ioctl(int fd, unsigned long request, ...);

/* They keep nothing but hints, so the same ones serve every input. */
static struct store *stores[SETUP_VIEW + 1];
static int device = -1;
static bool registers; /* the kernel that is played has passthrough */

/* The played kernel's backing ids: given so far, and which of them are not closed. */
static int backing_ids;
static bool backing_open[BACKING_IDS];

/* It refuses some. */
static int open_backing(const struct wire_backing_map *map) {
  if (fcntl(map->fd, F_GETFD) < 0 || ++backing_ids >= BACKING_IDS || backing_ids % 4 == 3) {
    errno = EPERM;
    return -1;
  }
  backing_open[backing_ids] = true;
  return backing_ids;
}

static int close_backing(uint32_t id) {
  if (id >= BACKING_IDS || !backing_open[id]) {
    errno = ENOENT;
    return -1;
  }
  backing_open[id] = false;
  return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (fd != device)
    return (int)syscall(SYS_ioctl, fd, request, argument);
  if (registers && request == WIRE_BACKING_OPEN)
    return open_backing(argument);
  if (registers && request == WIRE_BACKING_CLOSE)
    return close_backing(*(const uint32_t *)argument);
  errno = ENOTTY;
  return -1;
}

static void make_stores(void) {
  static const struct confined_options part = {
      .prefix = "p-", .prealloc = true, .umask = 027, .has_mode = true, .mode = 01770};
  int directory = place_directory();
  struct sysv_options sysv = {.directory = directory};
  struct tree_options tree = {.directory = directory};
  struct store *objects;
  g_assert_cmpint(posix_store_new(directory, &stores[0]), ==, 0);
  g_assert_cmpint(posix_store_new(directory, &objects), ==, 0);
  g_assert_cmpint(confined_store_new(objects, &part, &stores[1]), ==, 0);
  g_assert_cmpint(tree_store_new(&tree, &stores[2]), ==, 0);
  g_assert_cmpint(sysv_store_new(&sysv, &stores[3]), ==, 0);
}

static void no_log(enum fuse_log_level level, const char *format, va_list arguments) {
  (void)level, (void)format, (void)arguments;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  place_make();
  g_assert_cmpint(privilege_init(), ==, 0);
  fuse_set_log_func(no_log);
  log_set_level(LOG_LEVEL_ERROR);
  device = memfd_create("device", MFD_CLOEXEC);
  g_assert_cmpint(device, >=, 0);
  make_stores();
  return 0;
}

/* The served file system, and what it outlives. */
struct served {
  struct fs_options options;
  struct store *store;
  struct state *state;
  struct fs *fs;
};

static void serve_begin(struct served *served) {
  state_recover(served->state);
  g_assert_cmpint(fs_new(served->store, &served->options, served->state, device, &served->fs), ==,
                  0);
}

static void replace(struct served *served) {
  fs_free(served->fs);
  serve_begin(served);
  fs_take_over(served->fs);
}

/* Finds the reply to `unique` among what was written from the beginning of the device on. Returns
 * how many there are. */
static unsigned find_reply(uint64_t unique, const unsigned char *written, size_t size,
                           const unsigned char **ret_reply, size_t *ret_size) {
  unsigned found = 0;
  size_t at = 0;
  while (at < size) {
    struct wire_out_header header;
    g_assert_cmpuint(size - at, >=, sizeof header);
    memcpy(&header, written + at, sizeof header);
    g_assert_cmpuint(header.len, >=, sizeof header);
    g_assert_cmpuint(header.len, <=, size - at);
    if (header.unique == unique) {
      g_assert_cmpint(header.error, <=, 0);
      g_assert_cmpint(header.error, >, -1000); /* as the kernel has it, fuse_dev_do_write() */
      *ret_reply = written + at;
      *ret_size = header.len;
      found++;
    }
    at += header.len;
  }
  return found;
}

static void check_reply(struct message_source *source, const struct message *message) {
  struct wire_in_header header;
  size_t size = (size_t)lseek(device, 0, SEEK_CUR), reply_size = 0;
  const unsigned char *reply = NULL;
  g_autofree unsigned char *written = g_malloc(size + 1);
  g_assert_cmpint(pread(device, written, size, 0), ==, (ssize_t)size);
  memcpy(&header, message->data, sizeof header);
  unsigned replies = find_reply(header.unique, written, size, &reply, &reply_size);
  if (message->answered)
    g_assert_cmpuint(replies, ==, 1);
  if (replies == 1)
    message_learn(source, message, reply, reply_size);
}

static void process(struct served *served, struct message_source *source,
                    const struct message *message) {
  struct fuse_buf buffer = {.mem = message->data, .size = message->size};
  g_assert_cmpint(lseek(device, 0, SEEK_SET), ==, 0);
  fs_process(served->fs, &buffer);
  check_reply(source, message);
}

static void send_init(struct served *served, struct message_source *source) {
  struct {
    struct wire_in_header header;
    struct init_in init;
  } init = {
      .header = {.len = sizeof init, .opcode = WIRE_INIT, .unique = WIRE_UNIQUE_STEP},
      .init = {.major = 7, .minor = 45, .max_readahead = 131072, .flags = ~0u, .flags2 = ~0u},
  };
  struct message message = {.answered = true, .data = (unsigned char *)&init, .size = sizeof init};
  source->unique = WIRE_UNIQUE_STEP;
  process(served, source, &message);
}

static void run(struct served *served, struct message_source *source) {
  struct message message;
  unsigned replaced = 0;
  send_init(served, source);
  for (unsigned i = 0; i < MESSAGES_MAX && message_next(source, &message); i++) {
    if (message.kind == MESSAGE_REPLACE && replaced++ < REPLACEMENTS_MAX)
      replace(served);
    else if (message.kind == MESSAGE_IDLE)
      fs_idle(served->fs, 0);
    else if (message.data)
      process(served, source, &message);
    free(message.data);
  }
}

/* What a supervisor closes (daemon/descriptors.c), and what the kernel forgets with the mount. */
static void close_kept(const struct state *state) {
  for (uint32_t i = 0; i < state->page->slots_high; i++) {
    const struct state_slot *slot = &state->page->slot[i];
    if (!slot->used)
      continue;
    g_assert_cmpuint(slot->count, <=, MESSAGES_MAX);
    fd_close(slot->fd);
    if (slot->backing_id > 0)
      g_assert_cmpint(close_backing((uint32_t)slot->backing_id), ==, 0);
  }
  for (int id = 0; id < BACKING_IDS; id++)
    g_assert_false(backing_open[id]);
}

static int lowest_free_descriptor(void) {
  auto_fd int fd = fcntl(device, F_DUPFD_CLOEXEC, 0);
  g_assert_cmpint(fd, >=, 0);
  return fd;
}

static void set_up(uint8_t setup, struct served *ret) {
  bool may_have_limits = (setup & SETUP_VIEW) < SETUP_VIEWS_IPC;
  *ret = (struct served){.store = stores[setup & SETUP_VIEW]};
  backing_ids = 0;
  ret->options.entry_timeout = -1;
  ret->options.passthrough = registers = setup & SETUP_PASSTHROUGH;
  ret->options.resend = (setup & SETUP_NO_RESEND) != SETUP_NO_RESEND;
  ret->options.default_permissions = true;
  ret->options.watched = setup & SETUP_WATCHED;
  ret->options.mmap = setup & SETUP_CACHED ? FS_MMAP_CACHED : FS_MMAP_COHERENT;
  if (may_have_limits && (setup & SETUP_LIMITS))
    ret->options.limits =
        (struct limits_options){.size = 65536, .objects = 8, .object_size = 40000};
  g_assert_cmpint(state_new(&ret->state), ==, 0);
  serve_begin(ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  struct served served;
  struct message_source source = {.at = data + 1, .left = size - 1};
  place_reset();
  if ((data[0] & SETUP_VIEW) >= SETUP_VIEWS_IPC)
    place_reset_ipc();
  int descriptor = lowest_free_descriptor();
  set_up(data[0], &served);
  run(&served, &source);
  fs_free(served.fs);
  close_kept(served.state);
  state_free(served.state);
  int left = lowest_free_descriptor();
  g_assert_cmpint(left, ==, descriptor);
  g_assert_true(place_outside_is_untouched());
  g_assert_cmpint(ftruncate(device, 0), ==, 0);
  return 0;
}
