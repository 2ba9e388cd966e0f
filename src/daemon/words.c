/* A table of the words that -o takes.
 *
 * Each is a row: its name (with a "=" when it takes a value), what it does, and where. A row of
 * mount(8)'s own words sets or clears a flag of mount(2); the others write one field. Nothing is
 * accepted that has no row, so that a typing mistake is an error and not a silent default. */
#include "daemon/words.h"

#include <stddef.h>
#include <string.h>
#include <sys/mount.h>

#include "daemon/values.h"
#include "store/prefix.h"
#include "util/log.h"

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

static void pass_on(struct options *options, const char *option) {
  options_set_text(&options->fuse_options, g_strconcat(options->fuse_options, option, ",", NULL));
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
  options_set_text(&options->prefix, g_strdup(value));
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
    options_set_text(field, word->effect == SET_PATH ? g_canonicalize_filename(value, NULL)
                                                     : g_strdup(value));
    return true;
  case SET_CONFIG:
    if (!g_path_is_absolute(value))
      return false;
    options_set_text(&options->config, g_strdup(value));
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

int words_apply(struct options *options, const char *list) {
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
