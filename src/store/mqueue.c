/* Message queues. On Linux they are the inodes of a small file system, whose names, modes and owners
 * are had by the ordinary calls, and whose open files take the mq_… calls: so a queue is reached by
 * the descriptor of the directory, whatever is mounted where. A node is the inode number; the kernel
 * cannot open by that, so the queue is found by name: the last one that is known, or the one that a
 * look through the directory tells (some hundred queues at most, fs.mqueue.queues_max). */
#include "store/mqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "store/names.h"
#include "store/text.h"
#include "util/fd.h"

#define MQUEUE_PATH "/dev/mqueue"
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#define STATUS_SIZE 80          /* bytes that a queue's file reads as: ipc/mqueue.c, FILENT_SIZE */
#define NAME_SIZE 256           /* NAME_MAX and the final 0 */
#define PROC_PATH_SIZE 32       /* "/proc/self/fd/" and the digits of an int */

struct mqueue_store {
  struct text_store base;
  int directory;       /* O_RDONLY */
  struct names *names; /* node -> name */
};

static struct mqueue_store *mqueue_of(struct store *store) {
  return (struct mqueue_store *)store;
}

static int open_own_mount(int *ret_fd) {
  auto_fd int context = fsopen("mqueue", FSOPEN_CLOEXEC);
  if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
    return -errno;
  auto_fd int tree =
      fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  int fd = tree < 0 ? -1 : openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  *ret_fd = fd;
  return 0;
}

static int open_mounted(int *ret_fd) {
  struct statfs fs;
  auto_fd int fd = open(MQUEUE_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || fstatfs(fd, &fs) < 0)
    return -errno;
  if (fs.f_type != MQUEUE_MAGIC)
    return -ENODEV;
  *ret_fd = fd_steal(&fd);
  return 0;
}

int mqueue_directory_open(int *ret_fd) {
  int r = open_own_mount(ret_fd);
  return r == 0 || open_mounted(ret_fd) == 0 ? 0 : r;
}

static int stat_name(struct mqueue_store *store, const char *name, struct stat *ret) {
  if (fstatat(store->directory, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
    return -errno;
  names_put(store->names, text_node(TEXT_MQUEUE, ret->st_ino), name);
  return 0;
}

static int mqueue_find(struct store *store, const char *name, uint64_t *ret_node) {
  struct stat attributes;
  int r = stat_name(mqueue_of(store), name, &attributes);
  if (r == 0)
    *ret_node = text_node(TEXT_MQUEUE, attributes.st_ino);
  return r;
}

static const struct dirent *next_queue(DIR *stream) {
  const struct dirent *entry;
  do
    /* cppcheck-suppress readdirCalled ; no other thread has this stream */
    entry = readdir(stream);
  while (entry && entry->d_type != DT_REG);
  return entry;
}

/* A stream of its own: a descriptor's position is shared. */
static DIR *open_stream(struct mqueue_store *store) {
  auto_fd int fd = openat(store->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd < 0 ? NULL : fdopendir(fd);
  if (stream)
    fd_steal(&fd);
  return stream;
}

static int scan(struct mqueue_store *store, uint64_t node, char ret_name[NAME_SIZE]) {
  DIR *stream = open_stream(store);
  if (!stream)
    return -errno;
  const struct dirent *entry;
  do
    entry = next_queue(stream);
  while (entry && text_node(TEXT_MQUEUE, entry->d_ino) != node);
  if (entry)
    snprintf(ret_name, NAME_SIZE, "%s", entry->d_name);
  closedir(stream);
  return entry ? 0 : -ESTALE;
}

/* Opening is no act: it waits for nothing and receives nothing. */
static int open_name(struct mqueue_store *store, const char *name, int flags, int *ret_fd) {
  int fd = openat(store->directory, name, flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? -ESTALE : -errno;
  *ret_fd = fd;
  return 0;
}

/* Opens the queue `node` if that is its name. */
static int open_by_name(struct mqueue_store *store, const char *name, uint64_t node, int flags,
                        int *ret_fd) {
  struct stat attributes;
  auto_fd int fd = -1;
  int r = open_name(store, name, flags, &fd);
  if (r < 0)
    return r;
  if (fstat(fd, &attributes) < 0)
    return -errno;
  if (text_node(TEXT_MQUEUE, attributes.st_ino) != node)
    return -ESTALE;
  names_put(store->names, node, name);
  *ret_fd = fd_steal(&fd);
  return 0;
}

static int open_queue(struct mqueue_store *store, uint64_t node, int flags, int *ret_fd) {
  char hint[NAMES_LENGTH_MAX];
  char name[NAME_SIZE];
  if (names_get(store->names, node, hint)) {
    int r = open_by_name(store, hint, node, flags, ret_fd);
    if (r != -ESTALE)
      return r;
    names_forget(store->names, node);
  }
  int r = scan(store, node, name);
  return r < 0 ? r : open_by_name(store, name, node, flags, ret_fd);
}

static int mqueue_get_attributes(struct store *base, uint64_t node, struct stat *ret) {
  struct mqueue_store *store = mqueue_of(base);
  char hint[NAMES_LENGTH_MAX];
  if (node == STORE_ROOT)
    return fstat(store->directory, ret) < 0 ? -errno : 0;
  if (names_get(store->names, node, hint) && stat_name(store, hint, ret) == 0 &&
      text_node(TEXT_MQUEUE, ret->st_ino) == node)
    return 0;
  auto_fd int fd = -1;
  int r = open_queue(store, node, O_PATH, &fd);
  if (r < 0)
    return r;
  return fstatat(fd, "", ret, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* The node is a part of the inode number. */
static int mqueue_get_incarnation(struct store *base, uint64_t node, uint64_t *ret) {
  struct stat attributes = {0};
  int r = mqueue_get_attributes(base, node, &attributes);
  if (r == 0)
    *ret = store_mix(STORE_INCARNATION, attributes.st_ino);
  return r;
}

/* The queue's own status: a line that the kernel makes, in which only the words are fixed. */
static int add_status(int fd, struct text *text) {
  char line[STATUS_SIZE + 1];
  unsigned long size;
  int notify, signal, process;
  ssize_t length = read(fd, line, STATUS_SIZE);
  if (length < 0)
    return -errno;
  line[length] = '\0';
  if (sscanf(line, "QSIZE:%lu NOTIFY:%d SIGNO:%d NOTIFY_PID:%d", &size, &notify, &signal,
             &process) != 4)
    return -EIO;
  text_add(text, "qsize %lu\n", size);
  text_add(text, "notify %d\n", notify);
  text_add(text, "signo %d\n", signal);
  text_add(text, "notify_pid %d\n", process);
  return 0;
}

static int mqueue_get_text(struct store *store, uint64_t node, struct text *text) {
  struct mq_attr attributes;
  auto_fd int fd = -1;
  int r = open_queue(mqueue_of(store), node, O_RDONLY, &fd);
  if (r < 0)
    return r;
  if (mq_getattr(fd, &attributes) < 0)
    return -errno;
  text_add(text, "maxmsg %ld\n", attributes.mq_maxmsg);
  text_add(text, "msgsize %ld\n", attributes.mq_msgsize);
  text_add(text, "curmsgs %ld\n", attributes.mq_curmsgs);
  return add_status(fd, text);
}

struct message {
  int fd;
  const char *text;
  size_t size;
};

static int send_message(void *data) {
  const struct message *message = data;
  return mq_send(message->fd, message->text, message->size, 0) < 0 ? -errno : 0;
}

static int mqueue_command(struct store *store, uint64_t node, const char *data, size_t size,
                          struct store_act *act) {
  struct message message = {.text = data, .size = size};
  auto_fd int fd = -1;
  int r = open_queue(mqueue_of(store), node, O_WRONLY, &fd);
  message.fd = fd;
  return r < 0 ? r : act->perform(act, send_message, &message);
}

static int change_by_path(const char *path, const struct store_change *change) {
  uid_t uid = change->mask & STORE_CHANGE_UID ? change->uid : (uid_t)-1;
  gid_t gid = change->mask & STORE_CHANGE_GID ? change->gid : (gid_t)-1;
  int r = 0;
  if (change->mask & (STORE_CHANGE_UID | STORE_CHANGE_GID))
    r = chown(path, uid, gid);
  if (r == 0 && (change->mask & STORE_CHANGE_MODE))
    r = chmod(path, change->mode & ALLPERMS);
  if (r == 0 && (change->mask & STORE_CHANGE_TIMES))
    r = utimensat(AT_FDCWD, path, change->times, 0);
  return r < 0 ? -errno : 0;
}

static int mqueue_change(struct store *store, uint64_t node, const struct store_change *change) {
  char path[PROC_PATH_SIZE];
  auto_fd int fd = -1;
  int r = open_queue(mqueue_of(store), node, O_PATH, &fd);
  if (r < 0)
    return r;
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return change_by_path(path, change);
}

static int mqueue_remove(struct store *store, const char *name) {
  return unlinkat(mqueue_of(store)->directory, name, 0) < 0 ? -errno : 0;
}

struct queue {
  uint64_t ino;
  char name[];
};

static int by_ino(const void *a, const void *b) {
  uint64_t first = (*(const struct queue *const *)a)->ino;
  uint64_t second = (*(const struct queue *const *)b)->ino;
  return (first > second) - (first < second);
}

/* The queues whose position comes after `offset`, in an array that owns them. */
static int collect(struct mqueue_store *store, uint64_t offset, GPtrArray *queues) {
  DIR *stream = open_stream(store);
  if (!stream)
    return -errno;
  const struct dirent *entry;
  while ((entry = next_queue(stream))) {
    if (entry->d_ino + TEXT_FIRST_POSITION <= offset)
      continue;
    size_t size = strlen(entry->d_name) + 1;
    struct queue *queue = g_malloc(sizeof(*queue) + size);
    queue->ino = entry->d_ino;
    memcpy(queue->name, entry->d_name, size);
    g_ptr_array_add(queues, queue);
  }
  closedir(stream);
  return 0;
}

/* In the order of inode numbers: the file system's own positions change when a queue goes. */
static int mqueue_list(struct store *store, uint64_t offset, store_list_fn *fn, void *data) {
  if (!text_list_dots(offset, fn, data))
    return 0;
  g_autoptr(GPtrArray) queues = g_ptr_array_new_with_free_func(g_free);
  int r = collect(mqueue_of(store), offset, queues);
  if (r < 0)
    return r;
  g_ptr_array_sort(queues, by_ino);
  for (guint i = 0; i < queues->len; i++) {
    const struct queue *queue = g_ptr_array_index(queues, i);
    uint64_t node = text_node(TEXT_MQUEUE, queue->ino);
    if (text_list_one(node, queue->name, queue->ino + TEXT_FIRST_POSITION, fn, data))
      break;
  }
  return 0;
}

static void mqueue_free(struct store *base) {
  struct mqueue_store *store = mqueue_of(base);
  fd_close(store->directory);
  names_free(store->names);
  g_free(store);
}

static const struct text_kind mqueue_kind = {
    .tag = TEXT_MQUEUE,
    .free = mqueue_free,
    .find = mqueue_find,
    .get_attributes = mqueue_get_attributes,
    .get_incarnation = mqueue_get_incarnation,
    .get_text = mqueue_get_text,
    .command = mqueue_command,
    .change = mqueue_change,
    .remove = mqueue_remove,
    .list = mqueue_list,
};

static int mqueue_store_init(struct mqueue_store *store, int fd) {
  store->directory = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (store->directory < 0)
    return -errno;
  store->names = names_new();
  return store->names ? 0 : -ENOMEM;
}

int mqueue_store_new(int fd, struct store **ret_store) {
  struct mqueue_store *store = g_new0(struct mqueue_store, 1);
  text_store_init(&store->base, &mqueue_kind);
  int r = mqueue_store_init(store, fd);
  if (r < 0) {
    mqueue_free(&store->base.base);
    return r;
  }
  *ret_store = &store->base.base;
  return 0;
}
