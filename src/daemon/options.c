/* The command line: getopt's letters, and a table of the words that -o takes.
 *
 * Each word of -o is a row: its name (with a "=" when it takes a value), what it does, and where. A
 * row of mount(8)'s own words sets or clears a flag of mount(2); the others write one field. Nothing
 * is accepted that has no row, so that a typing mistake is an error and not a silent default. */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "daemon/about.h"
#include "daemon/values.h"
#include "daemon/view.h"
#include "store/prefix.h"
#include "util/log.h"

#define DEFAULT_THREADS 10 /* as libfuse's own loop */
#define DEFAULT_POLL_US 50
#define DEFAULT_AWAKE_US 2000
#define DEFAULT_DIRECTORY "/dev/shm"
#define THREADS_MAX 128 /* well under STATE_RECORDS, so that every thread finds a record */

enum effect {
  SET_FLAGS,   /* number: mount(2) flags to set */
  CLEAR_FLAGS, /* number: mount(2) flags to clear */
  IGNORE,      /* means something to mount(8) only */
  SET_TRUE,    /* offset: a bool */
  SET_FALSE,
  SET_NUMBER,  /* offset: an unsigned from low to number */
  SET_SECONDS, /* offset: a double */
  SET_TEXT,    /* offset: a char * */
  SET_PATH,    /* offset: a char *, made absolute */
  SET_CONFIG,  /* config */
  SETTING,     /* as settings.h has it */
  SET_PREFIX,  /* prefix */
  SET_MMAP,    /* fs.mmap */
  PASS,        /* to the kernel, as it is */
  PASS_NUMBER, /* to the kernel, when it is one from low to number */
  REFUSE,      /* known, and not to be had; text: why */
};

struct word {
  const char *name;
  enum effect effect;
  size_t offset;
  unsigned long number, low;
  const char *text; /* the values that are allowed, or why there are none */
};

#define FIELD(name) offsetof(struct options, name)

static const struct word words[] = {
    {"ro", SET_FLAGS, .number = MS_RDONLY},
    {"rw", CLEAR_FLAGS, .number = MS_RDONLY},
    {"nosuid", SET_FLAGS, .number = MS_NOSUID},
    {"suid", CLEAR_FLAGS, .number = MS_NOSUID},
    {"nodev", SET_FLAGS, .number = MS_NODEV},
    {"dev", CLEAR_FLAGS, .number = MS_NODEV},
    {"noexec", SET_FLAGS, .number = MS_NOEXEC},
    {"exec", CLEAR_FLAGS, .number = MS_NOEXEC},
    {"noatime", SET_FLAGS, .number = MS_NOATIME},
    {"atime", CLEAR_FLAGS, .number = MS_NOATIME},
    {"nodiratime", SET_FLAGS, .number = MS_NODIRATIME},
    {"diratime", CLEAR_FLAGS, .number = MS_NODIRATIME},
    {"relatime", SET_FLAGS, .number = MS_RELATIME},
    {"norelatime", CLEAR_FLAGS, .number = MS_RELATIME},
    {"strictatime", SET_FLAGS, .number = MS_STRICTATIME},
    {"nostrictatime", CLEAR_FLAGS, .number = MS_STRICTATIME},
    {"sync", SET_FLAGS, .number = MS_SYNCHRONOUS},
    {"async", CLEAR_FLAGS, .number = MS_SYNCHRONOUS},
    {"dirsync", SET_FLAGS, .number = MS_DIRSYNC},
    {"lazytime", SET_FLAGS, .number = MS_LAZYTIME},
    {"nolazytime", CLEAR_FLAGS, .number = MS_LAZYTIME},
    {"nosymfollow", SET_FLAGS, .number = 256}, /* MS_NOSYMFOLLOW: Linux 5.10, not in glibc 2.36 */
    {"symfollow", CLEAR_FLAGS, .number = 256},

    {"defaults", IGNORE},
    {"auto", IGNORE},
    {"noauto", IGNORE},
    {"user", IGNORE},
    {"user=", IGNORE},
    {"nouser", IGNORE},
    {"users", IGNORE},
    {"nousers", IGNORE},
    {"group", IGNORE},
    {"nogroup", IGNORE},
    {"owner", IGNORE},
    {"noowner", IGNORE},
    {"_netdev", IGNORE},
    {"nofail", IGNORE},
    {"comment=", IGNORE},
    {"subtype=", IGNORE}, /* always shmfs */
    {"nonempty", IGNORE}, /* libfuse 2's word for what is always allowed here */

    {"context=", PASS},
    {"fscontext=", PASS},
    {"defcontext=", PASS},
    {"rootcontext=", PASS},
    {"max_read=", PASS_NUMBER, .low = 4096, .number = 1 << 30, .text = "bytes, at least 4096"},

    {"allow_other", SET_TRUE, FIELD(allow_other)},
    {"no_allow_other", SET_FALSE, FIELD(allow_other)},
    {"allow_root", REFUSE, .text = "use allow_other, with the permissions of the objects"},
    {"default_permissions", SET_TRUE, FIELD(fs.default_permissions)},
    {"auto_unmount", REFUSE, .text = "a dead mount is taken over with -o replace"},
    {"remount", REFUSE, .text = "unmount, then mount with the new options"},

    {"max_threads=", SET_NUMBER, FIELD(max_threads), .low = 1, .number = THREADS_MAX,
     .text = "a number from 1 to 128"},
    {"poll=", SET_NUMBER, FIELD(poll_us), .number = 1000000,
     .text = "microseconds, from 0 to 1000000"},
    {"awake=", SET_NUMBER, FIELD(awake_us), .number = 10000000,
     .text = "microseconds, from 0 to 10000000"},
    {"entry_timeout=", SET_SECONDS, FIELD(fs.entry_timeout), .text = "seconds, 0 or more"},
    {"attr_timeout=", SET_SECONDS, FIELD(fs.attr_timeout), .text = "seconds, 0 or more"},
    {"no_passthrough", SET_FALSE, FIELD(fs.passthrough)},
    {"no_resend", SET_FALSE, FIELD(fs.resend)},
    {"no_supervise", SET_FALSE, FIELD(supervise)},
    {"no_seccomp", SET_FALSE, FIELD(filter)},
    {"replace", SET_TRUE, FIELD(replace)},
    {"mmap=", SET_MMAP, .text = "coherent or cached"},
    {"shm_dir=", SET_PATH, FIELD(directory), .text = "the path of a directory on a tmpfs"},
    {"ipcns=", SET_TEXT, FIELD(ipc_namespace),
     .text = "a process id, or the path of a namespace file"},
    {"prefix=", SET_PREFIX},
    {"config=", SET_CONFIG, .text = "a path that begins with /"},
    {"prealloc", SETTING},
    {"size=", SETTING},
    {"nr_objects=", SETTING},
    {"max_object=", SETTING},
    {"umask=", SETTING},
    {"mode=", SETTING},
    {"uid=", SETTING},
    {"gid=", SETTING},
    {"fsname=", SET_TEXT, FIELD(shown), .text = "a name"},
    {"debug", SET_TRUE, FIELD(debug)},
};

/* The row of an option "name" or "name=value"; value is NULL when none was given. */
static const struct word *word_find(const char *name, size_t length) {
  for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
    if (strlen(words[i].name) == length && memcmp(words[i].name, name, length) == 0)
      return &words[i];
  return NULL;
}

static int word_unknown(const char *option, size_t length) {
  g_autofree char *name = g_strndup(option, length);
  g_autofree char *with_value = g_strconcat(name, "=", NULL);
  if (word_find(with_value, length + 1))
    log_error("option %s needs a value: -o %s=VALUE", name, name);
  else if (word_find(name, length))
    log_error("option %s takes no value: -o %s", name, name);
  else
    log_error("unknown option: -o %s (shmfs -h lists the known ones)", name);
  return OPTIONS_USAGE;
}

static int bad_value(const struct word *word, const char *value, const char *allowed) {
  log_error("-o %s%s: not a valid value; allowed: %s", word->name, value, allowed);
  return OPTIONS_USAGE;
}

static void set_text(char **text, char *value) {
  g_free(*text);
  *text = value;
}

static void pass_on(struct options *options, const char *option) {
  set_text(&options->fuse_options, g_strconcat(options->fuse_options, option, ",", NULL));
}

static int apply_setting(struct options *options, const struct word *word, const char *value) {
  g_autofree char *name = g_strndup(word->name, strcspn(word->name, "="));
  const char *allowed = NULL;
  int r = settings_apply(&options->settings, name, value, &allowed);
  return r < 0 ? bad_value(word, value ? value : "", allowed) : 0;
}

static int apply_prefix(struct options *options, const char *value) {
  const char *reason = prefix_refused(value);
  if (reason) {
    log_error("-o prefix=%s: %s", value, reason);
    return OPTIONS_USAGE;
  }
  set_text(&options->prefix, g_strdup(value));
  return 0;
}

static bool apply_value(struct options *options, const struct word *word, const char *option,
                        const char *value) {
  void *field = (char *)options + word->offset;
  unsigned long number = 0;
  switch (word->effect) {
  case SET_NUMBER:
    if (!value_number(value, word->low, word->number, &number))
      return false;
    *(unsigned *)field = (unsigned)number;
    return true;
  case SET_SECONDS:
    return value_seconds(value, field);
  case SET_TEXT:
  case SET_PATH:
    if (!*value)
      return false;
    set_text(field,
             word->effect == SET_PATH ? g_canonicalize_filename(value, NULL) : g_strdup(value));
    return true;
  case SET_CONFIG:
    if (!g_path_is_absolute(value))
      return false;
    set_text(&options->config, g_strdup(value));
    return true;
  case SET_MMAP:
    return value_mmap(value, &options->fs.mmap);
  case PASS_NUMBER:
    if (!value_number(value, word->low, word->number, &number))
      return false;
    pass_on(options, option);
    return true;
  case PASS:
    pass_on(options, option);
    return true;
  default:
    return true;
  }
}

/* One word of -o. */
static int apply_word(struct options *options, const char *option) {
  if (g_str_has_prefix(option, "x-") || g_str_has_prefix(option, "X-"))
    return 0; /* notes for other programs, fstab(5) */
  const char *equals = strchr(option, '=');
  size_t length = equals ? (size_t)(equals - option) : strlen(option);
  const struct word *word = word_find(option, equals ? length + 1 : length);
  if (!word)
    return word_unknown(option, length);
  bool *field = (bool *)((char *)options + word->offset);
  switch (word->effect) {
  case SET_FLAGS:
    options->mount_flags |= word->number;
    return 0;
  case CLEAR_FLAGS:
    options->mount_flags &= ~word->number;
    return 0;
  case SET_TRUE:
  case SET_FALSE:
    *field = word->effect == SET_TRUE;
    return 0;
  case SET_PREFIX:
    return apply_prefix(options, equals ? equals + 1 : "");
  case SETTING:
    return apply_setting(options, word, equals ? equals + 1 : NULL);
  case REFUSE:
    log_error("-o %s is not supported: %s", option, word->text);
    return OPTIONS_USAGE;
  default:
    return apply_value(options, word, option, equals ? equals + 1 : "")
               ? 0
               : bad_value(word, equals ? equals + 1 : "", word->text);
  }
}

/* The words of -o, between commas; a comma inside double quotes or after a backslash is part of a
 * value (SELinux contexts have them). */
static int apply_words(struct options *options, const char *list) {
  g_autoptr(GString) word = g_string_new(NULL);
  bool quoted = false;
  for (const char *at = list;; at++) {
    if (*at == '\\' && at[1] == ',') {
      g_string_append_c(word, *++at);
    } else if (*at && (*at != ',' || quoted)) {
      quoted ^= *at == '"';
      g_string_append_c(word, *at);
    } else {
      int status = word->len ? apply_word(options, word->str) : 0;
      if (status || !*at)
        return status;
      g_string_truncate(word, 0);
    }
  }
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
  set_text(&options->source, g_strdup(view->name));
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
    return apply_words(options, optarg);
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
    set_text(&options->resumed, g_strdup(optarg));
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
