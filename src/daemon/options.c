/* The command line: getopt's letters, the operands, and what follows from them. The words of -o are in
 * words.c. */
#include "daemon/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "daemon/about.h"
#include "daemon/values.h"
#include "daemon/view.h"
#include "daemon/words.h"
#include "util/log.h"

#define DEFAULT_THREADS 10 /* as libfuse's own loop */
#define DEFAULT_POLL_US 50
#define DEFAULT_AWAKE_US 2000
#define DEFAULT_DIRECTORY "/dev/shm"

void options_set_text(char **text, char *value) {
  g_free(*text);
  *text = value;
}

/* --check-state's and --resume-state's numbers. */
static int apply_numbers(struct options *options, const char *text) {
  if (value_list(text, OPTIONS_NUMBERS, options->numbers, &options->numbers_count))
    return 0;
  log_error("%s: not a list of at most %d numbers", text, OPTIONS_NUMBERS);
  return OPTIONS_USAGE;
}

static int apply_source(struct options *options, const char *source) {
  const struct view *view = view_find(source);
  if (!view) {
    log_error("unknown source: %s (known: %s)", source, view_names());
    return OPTIONS_USAGE;
  }
  options_set_text(&options->source, g_strdup(view->name));
  return 0;
}

/* Absolute and without symbolic links, as the list of mounts has it. What cannot be resolved (it
 * does not exist, or is a dead mount) is left for the mount to complain about. */
static void apply_mount_point(struct options *options, const char *path) {
  char *resolved = options->action == ACTION_RESUME ? NULL : realpath(path, NULL);
  options->mount_point = resolved ? g_strdup(resolved) : g_canonicalize_filename(path, NULL);
  free(resolved);
}

static int apply_operands(struct options *options, int count, char **operands) {
  if (options->action == ACTION_CHECK_STATE || options->action == ACTION_EXIT)
    return 0;
  if (options->action == ACTION_RELOAD ? count != 0 : count < 1 || count > 2) {
    log_error("%s; usage: shmfs [SOURCE] MOUNTPOINT [-o OPTION,...], shmfs --reload MOUNTPOINT",
              count ? "too many arguments" : "no mount point is given");
    return OPTIONS_USAGE;
  }
  if (options->action == ACTION_RELOAD)
    return 0;
  int status = count == 2 ? apply_source(options, operands[0]) : 0;
  options->settings.confined.prefix = options->prefix;
  if (status == 0 && view_check(options) < 0)
    status = OPTIONS_USAGE;
  if (status == 0)
    apply_mount_point(options, operands[count - 1]);
  return status;
}

enum { LETTER_RELOAD = 256, LETTER_CHECK_STATE, LETTER_RESUME_STATE, LETTER_RESUME_SETTINGS };

static int apply_letter(struct options *options, int letter, GPtrArray *lists) {
  switch (letter) {
  case 'o':
    g_ptr_array_add(lists, g_strdup(optarg));
    return words_apply(options, optarg);
  case 'f':
    options->foreground = true;
    return 0;
  case 'd':
    options->debug = true;
    return 0;
  case 'V':
    about_version();
    options->action = ACTION_EXIT;
    return 0;
  case 'h':
    about_usage();
    options->action = ACTION_EXIT;
    return 0;
  case LETTER_RELOAD:
    options->action = ACTION_RELOAD;
    g_free(options->mount_point);
    apply_mount_point(options, optarg);
    return 0;
  case LETTER_CHECK_STATE:
    options->action = ACTION_CHECK_STATE;
    return apply_numbers(options, optarg);
  case LETTER_RESUME_STATE:
    options->action = ACTION_RESUME;
    return apply_numbers(options, optarg);
  case LETTER_RESUME_SETTINGS:
    options_set_text(&options->resumed, g_strdup(optarg));
    return 0;
  default:
    return 0; /* -n, -s, -v, -t TYPE: what mount(8) gives to each of its helpers */
  }
}

/* getopt_long() keeps quiet (opterr), so that each mistake is one line of ours. */
static int complain(int letter, char **argv) {
  const char *word = argv[optind - 1];
  if (letter == ':')
    log_error("%s needs a value", word);
  else if (optopt > 0 && optopt < LETTER_RELOAD)
    log_error("unknown option: -%c (shmfs -h lists the known ones)", optopt);
  else
    log_error("unknown option: %s (shmfs -h lists the known ones)", word);
  return OPTIONS_USAGE;
}

static int parse_letters(struct options *options, int argc, char **argv, GPtrArray *lists) {
  static const struct option names[] = {
      {"help", no_argument, NULL, 'h'},
      {"version", no_argument, NULL, 'V'},
      {"reload", required_argument, NULL, LETTER_RELOAD},
      {"check-state", required_argument, NULL, LETTER_CHECK_STATE},
      {"resume-state", required_argument, NULL, LETTER_RESUME_STATE},
      {"resume-settings", required_argument, NULL, LETTER_RESUME_SETTINGS},
      {0},
  };
  optind = 0; /* glibc: begin anew, whatever was parsed before */
  opterr = 0;
  int letter;
  while ((letter = getopt_long(argc, argv, ":o:t:fdVhnsv", names, NULL)) != -1) {
    if (letter == '?' || letter == ':')
      return complain(letter, argv);
    int status = apply_letter(options, letter, lists);
    if (status || options->action == ACTION_EXIT)
      return status;
  }
  return apply_operands(options, argc - optind, argv + optind);
}

/* Shared memory is for everybody, so root's mount is open to all and the kernel decides who may do
 * what; like the native place it has no set-id programs and no devices. */
static struct options *options_new(void) {
  struct options *options = g_new0(struct options, 1);
  options->source = g_strdup("posix");
  options->directory = g_strdup(DEFAULT_DIRECTORY);
  options->fuse_options = g_strdup("");
  options->supervise = true;
  options->filter = true;
  options->mount_flags = MS_NOSUID | MS_NODEV;
  options->allow_other = geteuid() == 0;
  options->max_threads = DEFAULT_THREADS;
  options->poll_us = DEFAULT_POLL_US;
  options->awake_us = DEFAULT_AWAKE_US;
  options->fs.entry_timeout = -1;
  options->fs.passthrough = true;
  options->fs.resend = true;
  return options;
}

/* What follows from other options. lists: those of -o, as given and not joined: one may end within
 * quotes or with a backslash. */
static void options_complete(struct options *options, const char *program, GPtrArray *lists) {
  options->noatime = options->mount_flags & MS_NOATIME;
  options->foreground |= options->debug;
  if (!options->shown)
    options->shown = g_strdup(options->source);
  options->fs.debug = options->debug;
  /* Without other users there is nobody to check, and checking costs round trips. */
  options->fs.default_permissions |= options->allow_other;
  GPtrArray *arguments = g_ptr_array_new();
  g_ptr_array_add(arguments, g_strdup(program));
  if (options->foreground)
    g_ptr_array_add(arguments, g_strdup(options->debug ? "-d" : "-f"));
  for (guint i = 0; i < lists->len; i++) {
    g_ptr_array_add(arguments, g_strdup("-o"));
    g_ptr_array_add(arguments, g_strdup(g_ptr_array_index(lists, i)));
  }
  g_ptr_array_add(arguments, g_strdup(options->source));
  g_ptr_array_add(arguments, g_strdup(options->mount_point));
  g_ptr_array_add(arguments, NULL);
  options->arguments = (char **)g_ptr_array_free(arguments, FALSE);
}

int options_parse(int argc, char **argv, struct options **ret_options) {
  struct options *options = options_new();
  g_autoptr(GPtrArray) lists = g_ptr_array_new_with_free_func(g_free);
  int status = parse_letters(options, argc, argv, lists);
  if (status) {
    options_free(options);
    return status;
  }
  options_complete(options, argc > 0 ? argv[0] : "shmfs", lists);
  *ret_options = options;
  return 0;
}

void options_free(struct options *options) {
  if (!options)
    return;
  g_free(options->source);
  g_free(options->shown);
  g_free(options->mount_point);
  g_free(options->directory);
  g_free(options->ipc_namespace);
  g_free(options->fuse_options);
  g_free(options->prefix);
  g_free(options->config);
  g_free(options->resumed);
  g_strfreev(options->arguments);
  g_free(options);
}
