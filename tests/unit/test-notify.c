/* What the service manager would receive. */
#include "util/fd.h"
#include "util/notify.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* name as in $NOTIFY_SOCKET: a path, or "@" and an abstract name. */
static int manager_listen(const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  g_assert_cmpuint(length, <, sizeof(address.sun_path));
  memcpy(address.sun_path, name, length);
  if (name[0] == '@')
    address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  g_assert_cmpint(fd, >=, 0);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&address, size), ==, 0);
  g_setenv("NOTIFY_SOCKET", name, TRUE);
  return fd;
}

static char *manager_receive(int fd) {
  char buffer[256];
  ssize_t length = recv(fd, buffer, sizeof(buffer) - 1, 0);
  g_assert_cmpint(length, >=, 0);
  return g_strndup(buffer, (size_t)length);
}

static void test_nobody_to_tell(void) {
  g_unsetenv("NOTIFY_SOCKET");
  g_assert_cmpint(notify_state("READY=1"), ==, 0);
  g_setenv("NOTIFY_SOCKET", "", TRUE);
  g_assert_cmpint(notify_state("READY=1"), ==, 0);
}

static void test_path_socket_gets_the_state(void) {
  g_autofree char *directory = g_dir_make_tmp("shmfs-notify-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(directory, "socket", NULL);
  auto_fd int fd = manager_listen(path);
  g_assert_cmpint(notify_state("READY=1\nSTATUS=serving"), ==, 1);
  g_autofree char *got = manager_receive(fd);
  g_assert_cmpstr(got, ==, "READY=1\nSTATUS=serving");
  g_unlink(path);
  g_rmdir(directory);
}

static void test_abstract_socket_gets_reloading_with_the_time(void) {
  g_autofree char *name = g_strdup_printf("@shmfs-test-%d", (int)getpid());
  auto_fd int fd = manager_listen(name);
  gint64 before = g_get_monotonic_time();
  g_assert_cmpint(notify_reloading(), ==, 1);
  g_autofree char *got = manager_receive(fd);
  const char *prefix = "RELOADING=1\nMONOTONIC_USEC=";
  g_assert_true(g_str_has_prefix(got, prefix));
  gint64 stamp = g_ascii_strtoll(got + strlen(prefix), NULL, 10);
  g_assert_cmpint(stamp, >=, before);
  g_assert_cmpint(stamp, <=, g_get_monotonic_time());
}

static void test_errors_are_told(void) {
  g_setenv("NOTIFY_SOCKET", "/nonexistent/socket", TRUE);
  g_assert_cmpint(notify_state("READY=1"), ==, -ENOENT);
  g_setenv("NOTIFY_SOCKET", "vsock:2:1234", TRUE);
  g_assert_cmpint(notify_state("READY=1"), ==, -EAFNOSUPPORT);
  g_autofree char *name = g_strnfill(200, '/');
  g_setenv("NOTIFY_SOCKET", name, TRUE);
  g_assert_cmpint(notify_state("READY=1"), ==, -ENAMETOOLONG);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/notify/nobody-to-tell", test_nobody_to_tell);
  g_test_add_func("/notify/path-socket-gets-the-state", test_path_socket_gets_the_state);
  g_test_add_func("/notify/abstract-socket-gets-reloading-with-the-time",
                  test_abstract_socket_gets_reloading_with_the_time);
  g_test_add_func("/notify/errors-are-told", test_errors_are_told);
  return g_test_run();
}
