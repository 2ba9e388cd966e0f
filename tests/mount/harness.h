/* What the mount tests share: each promise is one function that works in a place, and runs where
 * the promise must hold: in the raw shared memory folder ("/raw/…", which shows that the test
 * itself is right about tmpfs), at the top of the mount ("/mount/…"), and in a subdirectory of the
 * mount ("/folder/…"). Every one of them gives the same answers.
 *
 * A check runs in a process of its own, as root with umask 022 and an own process group, with a
 * time limit; whatever it leaves running is killed, and a name that it leaves fails it. So a failed
 * assertion ends one check and not the program.
 *
 * Surroundings, from the environment: SHMFS, the program (without it only "/raw" runs);
 * SHMFS_OPTIONS, what to add to its options; SHM, the raw folder, a tmpfs that is private to this
 * program and empty (default /dev/shm); TEST_DIR, where the mount point is made. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define OTHER_USER 65534 /* nobody, nogroup */

struct place {
  const char *label;     /* "raw", "mount", "folder" */
  bool mounted;          /* reached through the daemon */
  bool maps;             /* shared mappings are to be had */
  bool top;              /* its regular files are shm_open()'s objects */
  const char *directory; /* where the check works; mode 1777, empty */
  const char *native;    /* the same directory, not through the daemon */
};

enum check_where {
  CHECK_MOUNTED = 1 << 0, /* says something about the mount only */
  CHECK_TOP = 1 << 1,     /* … about objects, or about the whole file system */
  CHECK_MAPS = 1 << 2,    /* only where shared mappings are to be had */
  CHECK_NO_MAPS = 1 << 3, /* only where they are not */
};

struct check {
  const char *name; /* the promise */
  void (*run)(const struct place *place);
  unsigned where; /* CHECK_…; 0: everywhere */
};

/* Runs the checks of a table that ends with an empty entry; what main() returns. */
int harness_main(int argc, char **argv, const struct check *checks);

/* The path of a name in the place, and the native path of the same; valid for the whole process. */
const char *at(const struct place *place, const char *name);
const char *native_at(const struct place *place, const char *name);

/* A folder of this program's own, outside of shared memory; others may enter it. */
const char *scratch(void);

/* Memory given back, objects gone: the raw file system's free blocks and inodes. */
struct room {
  guint64 blocks, inodes;
};
struct room room_now(void);
/* Waits, at most a second, until at least that much is free again; false when it never is. */
bool room_comes_back(const struct room *before);

/* Another mount, for a check that needs special options. mount_point is made. prepare: runs in the
 * daemon's process before it starts, may be NULL. Returns the program's exit status; what it wrote
 * is in *ret_output, for g_free(). Counts as failed when it takes over 20 s. */
int daemon_start(const char *mount_point, const char *options, void (*prepare)(void),
                 char **ret_output);
/* Unmounts and waits for the daemon's end: true when it ended by itself with status 0. */
bool daemon_stop(const char *mount_point);

/* A second process, which works while the check goes on; talk_… passes single bytes between them.
 * */
struct peer {
  pid_t pid;
  int socket;
};
typedef void peer_fn(int socket, const void *data);
struct peer peer_start(peer_fn *run, const void *data);
/* Waits for its end, which must be a success. */
void peer_wait(struct peer *peer);
void talk_tell(int socket, char byte);
char talk_hear(int socket);

/* Runs the function in a process of another user (uid, gid, and that group's only), and waits for
 * its success. */
void as_user(uid_t uid, gid_t gid, void (*run)(const struct place *place),
             const struct place *place);

/* Fixtures: each asserts its success. */
int open_file(const char *path, int flags, mode_t mode); /* O_CLOEXEC added */
int new_file(const char *path, const char *content);     /* O_RDWR | O_CREAT | O_EXCL, 0644 */
void put_file(const char *path, const char *content);    /* new_file() and close */
void put_all(int fd, const void *data, size_t size, off_t offset);
void expect_content(const char *path, const char *content);
void expect_content_at(int fd, const char *content);
void remove_file(const char *path);
void remove_folder(const char *path);
void close_file(int fd);
struct stat status_at(const char *path); /* not following a symbolic link */
struct stat status_of(int fd);
bool exists(const char *path);
gint64 microseconds(void);

/* The next name of a listing; NULL at its end. */
const struct dirent *next_entry(DIR *directory);

/* A system call that must fail, with this errno. */
#define assert_errno(expression, expected)                                                         \
  expect_failure((errno = 0, (long)(expression)), expected, __FILE__, __LINE__, #expression)
void expect_failure(long result, int expected, const char *file, int line, const char *call);
