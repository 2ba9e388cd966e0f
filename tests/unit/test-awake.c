/* Asking the kernel to keep processors awake: what other programs can read back from it. */
#include "daemon/awake.h"

#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "util/fd.h"

#define DEVICE "/dev/cpu_dma_latency"

static bool device_usable(void) {
  return access(DEVICE, R_OK | W_OK) == 0;
}

/* The strictest latency (us) that anybody on the machine asks for at the moment. */
static int32_t strictest(void) {
  int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
  int32_t latency = -1;
  g_assert_cmpint(read(fd, &latency, sizeof(latency)), ==, sizeof(latency));
  fd_close(fd);
  return latency;
}

static void test_quiet_of_zero_turns_it_off(void) {
  g_assert_null(awake_new(0));
}

static void test_nothing_to_ask_is_harmless(void) {
  awake_hold(NULL);
  awake_release(NULL);
  awake_free(NULL);
}

static void test_holds_and_releases(void) {
  struct awake *awake = awake_new(1000);
  if (!device_usable()) {
    g_assert_null(awake);
    return;
  }
  g_assert_nonnull(awake);
  int32_t before = strictest();
  for (int round = 0; round < 2; round++) {
    awake_hold(awake);
    awake_hold(awake);
    g_assert_cmpint(strictest(), ==, 0);
    awake_release(awake);
    awake_release(awake);
    g_assert_cmpint(strictest(), ==, before);
  }
  awake_free(awake);
}

static void test_the_end_of_the_process_releases(void) {
  if (!device_usable())
    return;
  int32_t before = strictest();
  struct awake *awake = awake_new(1000);
  awake_hold(awake);
  awake_free(awake);
  g_assert_cmpint(strictest(), ==, before);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/awake/quiet-of-zero-turns-it-off", test_quiet_of_zero_turns_it_off);
  g_test_add_func("/awake/nothing-to-ask-is-harmless", test_nothing_to_ask_is_harmless);
  g_test_add_func("/awake/holds-and-releases", test_holds_and_releases);
  g_test_add_func("/awake/the-end-releases", test_the_end_of_the_process_releases);
  return g_test_run();
}
