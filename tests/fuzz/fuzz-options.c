/* Fuzzes the command line: what -o takes, and all the words beside it.
 *
 * The first byte says how the rest is read: as one list of -o, or as arguments between newlines. A
 * command line that is taken must be taken again in the form in which an upgrade hands it to the next
 * program (options.arguments, with --resume-state), and mean the same. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "daemon/handover.h"
#include "daemon/options.h"

#define ARGUMENTS_MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Floating-point fields too: the text they were made of is the same. */
static void check_same(const struct options *a, const struct options *b) {
  g_assert_cmpstr(a->source, ==, b->source);
  g_assert_cmpstr(a->shown, ==, b->shown);
  g_assert_cmpstr(a->directory, ==, b->directory);
  g_assert_cmpstr(a->ipc_namespace, ==, b->ipc_namespace);
  g_assert_cmpstr(a->fuse_options, ==, b->fuse_options);
  g_assert_cmpstr(a->prefix, ==, b->prefix);
  g_assert_cmpuint(a->mount_flags, ==, b->mount_flags);
  g_assert_cmpuint(a->max_threads, ==, b->max_threads);
  g_assert_cmpuint(a->poll_us, ==, b->poll_us);
  g_assert_cmpuint(a->awake_us, ==, b->awake_us);
  g_assert_cmpint(a->allow_other, ==, b->allow_other);
  g_assert_cmpint(a->supervise, ==, b->supervise);
  g_assert_cmpint(a->foreground, ==, b->foreground);
  g_assert_cmpint(a->debug, ==, b->debug);
  g_assert_cmpuint(a->settings.confined.umask, ==, b->settings.confined.umask);
  g_assert_cmpuint(a->settings.confined.mode, ==, b->settings.confined.mode);
  g_assert_cmpuint(a->settings.confined.uid, ==, b->settings.confined.uid);
  g_assert_cmpuint(a->settings.confined.gid, ==, b->settings.confined.gid);
  g_assert_cmpint(a->settings.confined.prealloc, ==, b->settings.confined.prealloc);
  g_assert_cmpuint(a->settings.limits.size, ==, b->settings.limits.size);
  g_assert_cmpuint(a->settings.limits.objects, ==, b->settings.limits.objects);
  g_assert_cmpuint(a->settings.limits.object_size, ==, b->settings.limits.object_size);
  g_assert_cmpfloat(a->fs.entry_timeout, ==, b->fs.entry_timeout);
  g_assert_cmpfloat(a->fs.attr_timeout, ==, b->fs.attr_timeout);
  g_assert_cmpint(a->fs.mmap, ==, b->fs.mmap);
  g_assert_cmpint(a->fs.passthrough, ==, b->fs.passthrough);
}

/* What daemon/handover.c runs. */
static void check_upgrade(const struct options *options) {
  guint count = g_strv_length(options->arguments);
  g_autofree char **arguments = g_new0(char *, count + 3);
  struct options *again = NULL;
  memcpy(arguments, options->arguments, count * sizeof(char *));
  arguments[count] = (char *)"--resume-state";
  arguments[count + 1] = (char *)"3,4,-1,0,5,42";
  g_assert_cmpint(options_parse((int)count + 2, arguments, &again), ==, 0);
  g_assert_cmpint(again->action, ==, ACTION_RESUME);
  g_assert_cmpint(again->numbers_count, ==, 6);
  check_same(options, again);
  options_free(again);
}

static void parse(int count, char **arguments) {
  struct options *options = NULL;
  if (options_parse(count, arguments, &options) != 0)
    return;
  if (options->action == ACTION_CHECK_STATE)
    handover_check_state(options);
  if (options->action == ACTION_MOUNT)
    check_upgrade(options);
  options_free(options);
}

static void parse_list(char *list) {
  char *arguments[] = {(char *)"shmfs", (char *)"posix", (char *)"/", (char *)"-o", list, NULL};
  parse(G_N_ELEMENTS(arguments) - 1, arguments);
}

static void parse_arguments(char *text) {
  g_auto(GStrv) words = g_strsplit(text, "\n", ARGUMENTS_MAX);
  int count = 0;
  char *arguments[ARGUMENTS_MAX + 2] = {(char *)"shmfs"}; /* getopt_long() moves them about */
  for (; words[count]; count++)
    arguments[count + 1] = words[count];
  parse(count + 1, arguments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
  if (data[0] == 'o')
    parse_list(text);
  else
    parse_arguments(text);
  return 0;
}
