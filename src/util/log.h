/* The daemon's messages: to stderr while a person waits for it (or with -f/-d), to syslog afterwards.
 *
 * One line each, without a newline at the end: object, operation, reason, remedy. No message per
 * request. Library layers (store, util) return errors instead of logging. Thread-safe. */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Least important level that is written (default LOG_LEVEL_INFO). */
void log_set_level(enum log_level level);

/* From now on messages go to syslog (LOG_DAEMON, ident "shmfs"), whose socket is opened at once so
 * that it is among the descriptors that exist before the first worker. */
void log_to_syslog(void);

/* printf-style; prefixed with "shmfs: " on stderr, and before that with the level, "<4>" say, where stderr is
 * systemd's journal. */
void log_error(const char *format, ...) G_GNUC_PRINTF(1, 2);
void log_warning(const char *format, ...) G_GNUC_PRINTF(1, 2);
void log_info(const char *format, ...) G_GNUC_PRINTF(1, 2);
void log_debug(const char *format, ...) G_GNUC_PRINTF(1, 2);
