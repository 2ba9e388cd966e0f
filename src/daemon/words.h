/* The words of -o, on the command line (options.h). */
#pragma once

#include "daemon/options.h"

/* Applies those in the list, between commas; a comma inside double quotes or after a backslash is part of
 * a value (SELinux contexts have them). 0, or OPTIONS_USAGE after one line in the log; options may have
 * changed by then. */
int words_apply(struct options *options, const char *list);
