/* What the command line asks for, in one struct that nobody writes afterwards. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "daemon/settings.h"
#include "fs/fs.h"

#define OPTIONS_NUMBERS 8 /* as many as --check-state and --resume-state take at most */
#define OPTIONS_USAGE 2   /* exit status for a command line that is not understood */

enum action {
  ACTION_MOUNT,
  ACTION_RELOAD,      /* --reload MOUNTPOINT */
  ACTION_CHECK_STATE, /* --check-state, asked by a running daemon before an upgrade */
  ACTION_RESUME,      /* --resume-state: this process image replaces a supervisor (handover.h) */
  ACTION_EXIT,        /* all said: help, version */
};

struct options {
  enum action action;
  char *source;      /* the view: "posix", "sysv", "all" */
  char *shown;       /* the source that the list of mounts shows: the view's name, or -o fsname= */
  char *mount_point; /* absolute, without symbolic links */
  char *directory;   /* of the shared memory objects: "/dev/shm"; -o shm_dir= (tests, containers) */

  char *ipc_namespace; /* a PID, or the path of a namespace file; NULL: this process's own */

  bool foreground; /* -f */
  bool debug;      /* -d, implies -f */
  bool supervise;  /* false: -o no_supervise */
  bool filter;     /* false: -o no_seccomp */
  bool replace;    /* -o replace: take the place of a dead mount */

  unsigned long mount_flags; /* MS_RDONLY, MS_NOSUID, … */
  bool noatime;
  bool allow_other;
  unsigned max_threads;
  unsigned poll_us;   /* how long a thread polls the device before it sleeps; 0: not at all */
  unsigned awake_us;  /* how long processors are kept from deep idle states after a request */
  char *fuse_options; /* more for the kernel, e.g. "max_read=…,"; "" or ends with a comma */

  char *prefix;             /* NULL: none; what settings.confined.prefix refers to */
  struct settings settings; /* as given by -o */
  char *config;             /* absolute path of the file that changes them (config.h); NULL: none */
  char *resumed;            /* --resume-settings: those of the program before; NULL: none */
  struct fs_options fs;     /* but for the limits, which are in settings */
  char **arguments;         /* as given, for the re-exec of an upgrade; NULL-terminated */
  int numbers[OPTIONS_NUMBERS]; /* --check-state's and --resume-state's numbers */
  int numbers_count;
};

/* Parses argv. Returns 0 with *ret_options (for options_free()), or the exit status (> 0) after
 * one clear line on stderr. The mount point is not touched where it may be the mount of this very
 * process (ACTION_RESUME). */
int options_parse(int argc, char **argv, struct options **ret_options);
void options_free(struct options *options);

/* Puts a text in the place of another one, which is freed; value is taken over. */
void options_set_text(char **text, char *value);
