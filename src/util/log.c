/* Messages: formatted once into a bounded line, written by one call, so that lines of several
 * threads and processes do not mix. */
#include "util/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#define LOG_PREFIX "shmfs: "
#define LOG_LINE_MAX                                                                               \
  2048 /* bytes; longer messages are cut, syslog daemons do it at this size too */

/* Set while the process starts, read by every thread. */
static atomic_int log_level = LOG_LEVEL_INFO;
static atomic_bool log_syslog = false;

void log_set_level(enum log_level level) {
  atomic_store(&log_level, (int)level);
}

void log_to_syslog(void) {
  openlog("shmfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
  atomic_store(&log_syslog, true);
}

static int log_priority(enum log_level level) {
  static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
  return priorities[level];
}

/* Is stderr what systemd gave us as the way to its journal (systemd.exec(5), JOURNAL_STREAM)? A unit's
 * own redirection would leave the variable set, so the file itself is compared. */
static bool stderr_is_journal(void) {
  const char *stream = getenv("JOURNAL_STREAM");
  struct stat file;
  char own[sizeof("18446744073709551615:18446744073709551615")];
  if (!stream || fstat(STDERR_FILENO, &file) < 0)
    return false;
  snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)file.st_dev, (uintmax_t)file.st_ino);
  return strcmp(stream, own) == 0;
}

/* What a line begins with: for the journal its level as well, sd-daemon(3). Returns its length. */
static size_t log_begin(enum log_level level, char *line, size_t size) {
  int length = stderr_is_journal() ? snprintf(line, size, "<%d>" LOG_PREFIX, log_priority(level))
                                   : snprintf(line, size, LOG_PREFIX);
  return (size_t)length;
}

/* line: prefix, message, room for the newline. */
static void log_to_stderr(char *line, size_t length) {
  line[length] = '\n';
  /* Nobody is left to tell when stderr itself fails. */
  (void)!write(STDERR_FILENO, line, length + 1);
}

static void G_GNUC_PRINTF(2, 0)
    log_write(enum log_level level, const char *format, va_list arguments) {
  if ((int)level > atomic_load(&log_level))
    return;
  char line[LOG_LINE_MAX];
  const size_t prefix = log_begin(level, line, sizeof(line));
  const size_t room = sizeof(line) - prefix - 1;
  int wanted = vsnprintf(line + prefix, room, format, arguments);
  if (wanted < 0)
    return;
  if (atomic_load(&log_syslog)) {
    syslog(log_priority(level), "%s", line + prefix);
    return;
  }
  size_t length = (size_t)wanted < room ? (size_t)wanted : room - 1;
  log_to_stderr(line, prefix + length);
}

void log_error(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_write(LOG_LEVEL_ERROR, format, arguments);
  va_end(arguments);
}

void log_warning(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_write(LOG_LEVEL_WARNING, format, arguments);
  va_end(arguments);
}

void log_info(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_write(LOG_LEVEL_INFO, format, arguments);
  va_end(arguments);
}

void log_debug(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_write(LOG_LEVEL_DEBUG, format, arguments);
  va_end(arguments);
}
