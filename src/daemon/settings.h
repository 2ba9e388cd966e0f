/* What may be changed while the mount lives: limits, and the rules for what is made.
 *
 * One table says how each is called and which values it takes, on the command line (-o), in the
 * configuration file (config.h), and on the way to the next program (handover.h). A set of settings is a
 * value: it is copied, and either replaced as a whole or not at all. */
#pragma once

#include <stddef.h>

#include "fs/fs.h"
#include "store/confined.h"

struct settings {
  struct limits_options limits;
  struct confined_options confined; /* its prefix is none of them, and borrowed */
};

/* Sets one, by the name that -o has for it; value NULL: the name stands alone. 0; -ENOENT: there is no
 * such setting; -EINVAL: that is no value of it, *ret_allowed (static) says what is. */
int settings_apply(struct settings *settings, const char *name, const char *value,
                   const char **ret_allowed);

/* All of them as a list of -o words, from which settings_from_words() makes the same again. The
 * caller frees it. */
char *settings_words(const struct settings *settings);

/* 0 with *ret, which has the prefix given (borrowed); -EINVAL for what settings_words() does not
 * write. */
int settings_from_words(const char *words, const char *prefix, struct settings *ret);

/* The text of a configuration file: a GKeyFile with the group [shmfs] alone. What it does not name is
 * as in `base`. 0 with *ret; or -EINVAL with *ret_reason, one line that the caller frees. */
int settings_parse(const char *text, size_t length, const struct settings *base,
                   struct settings *ret, char **ret_reason);
