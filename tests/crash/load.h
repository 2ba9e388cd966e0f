/* A load of every kind of operation on a mount, each result compared with what a model says.
 *
 * Every user is a thread with names of its own ("load-USER-N"), so it alone decides what is under
 * them and knows it exactly: which object, its size, every byte, mode, link count and inode number.
 * It picks an operation at random, works out the one right answer, value or errno, and compares. So
 * an operation that was lost, carried out twice or answered wrongly is seen at once, or at the next
 * look at the object. Some operations go past the mount through the raw folder, which shows that
 * both are one memory; those that the mount may learn of late (a native rename; a native unlink of
 * what it holds open or what has another name) are left out.
 *
 * Names for which threads compete, and locks, have threads of their own (load-shared.c). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define LOAD_NAMES 8
#define LOAD_HELD 6
#define LOAD_CONTENT_MAX 32768 /* bytes in a file: some pages, and cheap to compare */
#define LOAD_PATH_MAX 512

enum side { SIDE_MOUNT, SIDE_RAW };

enum kind { KIND_FILE, KIND_FOLDER, KIND_LINK, KIND_PIPE };

struct object {
  enum kind kind;
  unsigned names;
  unsigned held; /* descriptors, all opened through the mount */
  ino_t inode;
  mode_t mode; /* permission bits */
  size_t size;
  unsigned char *content; /* LOAD_CONTENT_MAX bytes, zero from `size` on; NULL unless a file */
  char attribute[24];     /* of user.load; "": not set */
  char target[24];        /* of a symbolic link */
};

struct held {
  struct object *object; /* NULL: the place is free */
  int fd;
  bool append;
  unsigned char *map; /* LOAD_CONTENT_MAX bytes; NULL: not mapped */
};

struct load {
  const char *folder[2]; /* by enum side */
  bool maps;             /* shared mappings are to be had */
  gint64 end;            /* g_get_monotonic_time() */
  guint32 seed;
};

struct user {
  const struct load *load;
  int number;
  GRand *random;
  struct object *name[LOAD_NAMES];
  struct held held[LOAD_HELD];
  guint64 operations;
  unsigned errors;
  gint64 worst_us; /* the longest that one operation took */
  const char *worst;
};

struct operation {
  const char *name;
  void (*run)(struct user *user);
};

/* Tables that end with an empty entry. */
extern const struct operation load_name_operations[]; /* load-names.c */
extern const struct operation load_data_operations[]; /* load-data.c */
extern const struct operation load_file_operations[]; /* load-files.c */

/* load-model.c */

unsigned pick(struct user *user, unsigned below); /* a random number */
bool chance(struct user *user, unsigned one_in);
enum side pick_side(struct user *user); /* mostly the mount */

/* The path of one of the user's names; in a buffer of the thread that the next but three reuses. */
const char *name_path(const struct user *user, enum side side, unsigned name);
/* The path through which a descriptor is opened again. */
const char *fd_path(int fd);

/* The result of a system call: what it returned, or -errno. */
long outcome(long returned);
/* Counts an error, and describes the first ones, unless got is what was expected. */
bool check(struct user *user, const char *operation, const char *name, long expected, long got);
/* As check(), for a call that returns a descriptor; 0 stands for any. */
bool check_fd(struct user *user, const char *operation, const char *name, long expected, int fd);
/* What has been under way since `began` (g_get_monotonic_time) is over. */
void took(struct user *user, const char *operation, gint64 began);

/* A new object that the name (LOAD_NAMES: none) leads to. Takes inode and mode from the raw side,
 * or from fd where that is not negative. */
struct object *object_new(struct user *user, enum kind kind, unsigned name, int fd);
/* Frees it when neither a name nor a descriptor leads to it. */
void object_settle(struct object *object);
void name_set(struct user *user, unsigned name, struct object *object);
void name_clear(struct user *user, unsigned name);

/* Keeps the descriptor, in a free place or in one that is given up; closes it now and then. */
void hold(struct user *user, struct object *object, int fd, bool append);
void let_go(struct user *user, struct held *held);
/* A random one that is held; NULL when there is none. */
struct held *pick_held(struct user *user);
/* A random name of a regular file; LOAD_NAMES when there is none. */
unsigned pick_file(struct user *user);

void check_status(struct user *user, const char *operation, const char *name,
                  const struct object *object, const struct stat *status);
void check_content(struct user *user, const char *operation, const char *name,
                   const struct object *object, int fd);

/* load-shared.c: threads that compete for names, and one that holds locks. Errors and pauses are
 * added to the user that each is given. */
#define LOAD_RACERS 2
struct race;
struct race *race_start(const struct load *load, struct user users[LOAD_RACERS]);
void race_wait(struct race *race);
gpointer locks_run(gpointer user);
