/* -o config=FILE: settings (settings.h) that are read at start and again on every SIGHUP.
 *
 * What the file names replaces what -o says; what it does not name is as -o says. A file that is not
 * understood in every line changes nothing. */
#pragma once

#include "daemon/options.h"

/* At start: the settings of -o, with those of the file where there is one. 0, or -errno after one
 * clear line. */
int config_begin(const struct options *options, struct settings *ret_settings);

/* Again: *settings become what the file says now, or stay as they are when that is not to be had; the
 * log says which. Nothing where there is no file. In a process of one thread. */
void config_again(const struct options *options, struct settings *settings);
