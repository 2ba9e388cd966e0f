/* Messages reach stderr whole, and only those that matter enough. */
#include "util/log.h"

#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_lines_are_prefixed_and_ended(void) {
  if (g_test_subprocess()) {
    log_error("object %s: %d", "/x", 7);
    log_warning("second");
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_passed();
  g_test_trap_assert_stderr("shmfs: object /x: 7\nshmfs: second\n");
}

static void test_level_holds_back_the_less_important(void) {
  if (g_test_subprocess()) {
    log_debug("hidden");
    log_info("shown");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("detail");
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("hidden");
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_stderr("shmfs: shown\nshmfs: detail\n");
}

static void test_a_long_message_is_cut_to_one_line(void) {
  if (g_test_subprocess()) {
    g_autofree char *text = g_strnfill(10000, 'x');
    log_info("%s", text);
    log_info("next");
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_passed();
  g_test_trap_assert_stderr("shmfs: xxx*x\nshmfs: next\n");
}

static void test_syslog_leaves_stderr_alone(void) {
  if (g_test_subprocess()) {
    log_set_level(LOG_LEVEL_ERROR);
    log_to_syslog();
    log_info("never written");
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_passed();
  g_test_trap_assert_stderr("");
}

static void name_stderr_as_journal(guint64 inode_off_by) {
  struct stat file;
  g_assert_cmpint(fstat(STDERR_FILENO, &file), ==, 0);
  g_autofree char *stream =
      g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64)file.st_dev,
                      (guint64)file.st_ino + inode_off_by);
  g_setenv("JOURNAL_STREAM", stream, TRUE);
}

static void test_the_journal_is_told_the_level(void) {
  if (g_test_subprocess()) {
    name_stderr_as_journal(0);
    log_error("object");
    log_warning("object");
    log_info("object");
    name_stderr_as_journal(1); /* another file's: this one is no journal */
    log_info("plain");
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_passed();
  g_test_trap_assert_stderr("<3>shmfs: object\n<4>shmfs: object\n<6>shmfs: object\nshmfs: plain\n");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/log/lines-are-prefixed-and-ended", test_lines_are_prefixed_and_ended);
  g_test_add_func("/log/level-holds-back-the-less-important",
                  test_level_holds_back_the_less_important);
  g_test_add_func("/log/a-long-message-is-cut-to-one-line", test_a_long_message_is_cut_to_one_line);
  g_test_add_func("/log/syslog-leaves-stderr-alone", test_syslog_leaves_stderr_alone);
  g_test_add_func("/log/the-journal-is-told-the-level", test_the_journal_is_told_the_level);
  return g_test_run();
}
