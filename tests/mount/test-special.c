/* What is no regular file and no directory: pipes, sockets, devices. */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "harness.h"

static void write_to_pipe(int socket, const void *data) {
  int fd = open_file(at(data, "f"), O_WRONLY, 0);
  (void)socket;
  for (int i = 0; i < 100; i++)
    g_assert_cmpint(write(fd, "0123456789", 10), ==, 10);
  close_file(fd);
}

static void pipes(const struct place *place) {
  char bytes[2000];
  size_t got = 0;
  ssize_t more;
  g_assert_no_errno(mkfifo(at(place, "f"), 0600));
  g_assert_true(S_ISFIFO(status_at(native_at(place, "f")).st_mode));
  struct peer peer = peer_start(write_to_pipe, place);
  int fd = open_file(at(place, "f"), O_RDONLY, 0);
  while ((more = read(fd, bytes + got, sizeof bytes - got)) > 0)
    got += (size_t)more;
  g_assert_cmpint(more, ==, 0);
  g_assert_cmpuint(got, ==, 1000);
  g_assert_cmpmem(bytes + 990, 10, "0123456789", 10);
  peer_wait(&peer);
  close_file(fd);
  remove_file(at(place, "f"));
}

static void pipes_without_waiting(const struct place *place) {
  char byte = 0;
  g_assert_no_errno(mkfifo(at(place, "f"), 0600));
  assert_errno(open(at(place, "f"), O_WRONLY | O_NONBLOCK), ENXIO);
  int reader = open_file(at(place, "f"), O_RDONLY | O_NONBLOCK, 0);
  int writer = open_file(at(place, "f"), O_WRONLY | O_NONBLOCK, 0);
  assert_errno(read(reader, &byte, 1), EAGAIN);
  g_assert_cmpint(write(writer, "x", 1), ==, 1);
  struct pollfd ready = {.fd = reader, .events = POLLIN};
  g_assert_cmpint(poll(&ready, 1, 0), ==, 1);
  g_assert_cmpint(read(reader, &byte, 1), ==, 1);
  close_file(reader);
  close_file(writer);
  remove_file(at(place, "f"));
}

static void pipe_with_two_names(const struct place *place) {
  char byte = 0;
  g_assert_no_errno(mkfifo(at(place, "f"), 0600));
  g_assert_no_errno(link(at(place, "f"), at(place, "g")));
  int reader = open_file(at(place, "f"), O_RDONLY | O_NONBLOCK, 0);
  g_assert_no_errno(rename(at(place, "f"), at(place, "h")));
  int writer = open_file(at(place, "g"), O_WRONLY | O_NONBLOCK, 0);
  g_assert_cmpint(write(writer, "x", 1), ==, 1);
  g_assert_cmpint(read(reader, &byte, 1), ==, 1);
  close_file(reader);
  close_file(writer);
  remove_file(at(place, "g"));
  remove_file(at(place, "h"));
}

/* As `exec 3<>pipe; rm pipe` in a shell, and then anything that asks what its standard output is. */
static void pipe_without_name(const struct place *place) {
  char byte = 0;
  g_assert_no_errno(mkfifo(at(place, "f"), 0640));
  g_assert_no_errno(mkfifo(at(place, "g"), 0604));
  int first = open_file(at(place, "f"), O_RDWR | O_NONBLOCK, 0);
  int second = open_file(at(place, "g"), O_RDWR | O_NONBLOCK, 0);
  g_assert_no_errno(rename(at(place, "f"), at(place, "g")));
  remove_file(at(place, "g"));
  g_assert_cmpuint(status_of(first).st_mode, ==, S_IFIFO | 0640);
  g_assert_cmpuint(status_of(second).st_mode, ==, S_IFIFO | 0604);
  g_assert_cmpuint(status_of(first).st_nlink, ==, 0);
  g_assert_cmpuint(status_of(second).st_nlink, ==, 0);
  g_assert_no_errno(fchmod(first, 0600));
  g_assert_no_errno(fchown(first, OTHER_USER, (gid_t)-1));
  g_assert_cmpuint(status_of(first).st_mode, ==, S_IFIFO | 0600);
  g_assert_cmpuint(status_of(first).st_uid, ==, OTHER_USER);
  struct statx birth;
  g_assert_no_errno(statx(first, "", AT_EMPTY_PATH, STATX_ALL, &birth));
  g_assert_cmpuint(birth.stx_mode, ==, S_IFIFO | 0600);
  g_assert_cmpint(flistxattr(first, NULL, 0), ==, 0);
  assert_errno(fgetxattr(first, "user.none", NULL, 0), ENODATA);
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", first);
  int again = open_file(path, O_RDWR | O_NONBLOCK, 0);
  g_assert_cmpint(write(again, "x", 1), ==, 1);
  g_assert_cmpint(read(first, &byte, 1), ==, 1);
  close_file(again);
  close_file(first);
  close_file(second);
}

/* More than are remembered, of which only the first one is held. */
static void many_pipes_without_name(const struct place *place) {
  g_assert_no_errno(mkfifo(at(place, "f"), 0600));
  int fd = open_file(at(place, "f"), O_RDWR | O_NONBLOCK, 0);
  remove_file(at(place, "f"));
  for (int i = 0; i < 1000; i++) {
    g_assert_no_errno(mkfifo(at(place, "f"), 0600));
    remove_file(at(place, "f"));
  }
  g_assert_cmpuint(status_of(fd).st_nlink, ==, 0);
  close_file(fd);
}

/* The address of a socket in the place; relative, since a path may be longer than an address. */
static struct sockaddr_un address(const struct place *place, const char *name) {
  struct sockaddr_un result = {.sun_family = AF_UNIX};
  g_assert_no_errno(chdir(place->directory));
  g_strlcpy(result.sun_path, name, sizeof result.sun_path);
  return result;
}

static void talk_to_server(int socket_of_peer, const void *data) {
  const struct place *place = data;
  struct sockaddr_un to = address(place, "s");
  char reply[3];
  (void)socket_of_peer;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno(connect(fd, (struct sockaddr *)&to, sizeof to));
  g_assert_cmpint(write(fd, "ask", 3), ==, 3);
  g_assert_cmpint(read(fd, reply, 3), ==, 3);
  g_assert_cmpmem(reply, 3, "ASK", 3);
  close_file(fd);
}

static void sockets(const struct place *place) {
  struct sockaddr_un here = address(place, "s");
  char question[3];
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno(bind(server, (struct sockaddr *)&here, sizeof here));
  g_assert_no_errno(listen(server, 1));
  g_assert_true(S_ISSOCK(status_at(native_at(place, "s")).st_mode));
  assert_errno(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&here, sizeof here),
               EADDRINUSE);
  assert_errno(open(at(place, "s"), O_RDWR), ENXIO);
  struct peer peer = peer_start(talk_to_server, place);
  int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
  g_assert_no_errno(fd);
  g_assert_cmpint(read(fd, question, 3), ==, 3);
  g_assert_cmpint(write(fd, "ASK", 3), ==, 3);
  peer_wait(&peer);
  close_file(fd);
  close_file(server);
  assert_errno(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&here, sizeof here),
               ECONNREFUSED);
  g_assert_no_errno(chdir("/"));
  remove_file(at(place, "s"));
}

/* The kernel connects by the inode, of which each side has its own. */
static void each_side_has_its_own(const struct place *place) {
  struct sockaddr_un here = address(place, "s");
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno(bind(server, (struct sockaddr *)&here, sizeof here));
  g_assert_no_errno(listen(server, 1));
  g_assert_no_errno(chdir(place->native));
  assert_errno(connect(client, (struct sockaddr *)&here, sizeof here), ECONNREFUSED);
  g_assert_no_errno(chdir(place->directory));
  g_assert_no_errno(connect(client, (struct sockaddr *)&here, sizeof here));
  g_assert_no_errno(chdir("/"));
  g_assert_no_errno(mkfifo(at(place, "f"), 0600));
  int reader = open_file(at(place, "f"), O_RDONLY | O_NONBLOCK, 0);
  assert_errno(open(native_at(place, "f"), O_WRONLY | O_NONBLOCK), ENXIO);
  close_file(reader);
  close_file(client);
  close_file(server);
  remove_file(at(place, "f"));
  remove_file(at(place, "s"));
}

static void devices(const struct place *place) {
  char bytes[4] = "full";
  g_assert_no_errno(mknod(at(place, "zero"), S_IFCHR | 0666, makedev(1, 5)));
  struct stat status = status_at(native_at(place, "zero"));
  g_assert_true(S_ISCHR(status.st_mode));
  g_assert_cmpuint(status.st_rdev, ==, makedev(1, 5));
  g_assert_cmpuint(status_at(at(place, "zero")).st_rdev, ==, makedev(1, 5));
  int fd = open(at(place, "zero"), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) { /* not where the tmpfs is mounted nodev */
    g_assert_cmpint(read(fd, bytes, 4), ==, 4);
    g_assert_cmpmem(bytes, 4, "\0\0\0\0", 4);
    close_file(fd);
  } else {
    g_assert_cmpint(errno, ==, EACCES);
  }
  g_assert_no_errno(mknod(at(place, "block"), S_IFBLK | 0600, makedev(200, 70000)));
  g_assert_cmpuint(status_at(at(place, "block")).st_rdev, ==, makedev(200, 70000));
  remove_file(at(place, "zero"));
  remove_file(at(place, "block"));
}

static void plain_nodes(const struct place *place) {
  g_assert_no_errno(mknod(at(place, "a"), S_IFREG | 0640, 0));
  g_assert_no_errno(mknod(at(place, "b"), 0600, 0));
  g_assert_cmpuint(status_at(native_at(place, "a")).st_mode, ==, S_IFREG | 0640);
  g_assert_cmpuint(status_at(native_at(place, "b")).st_mode, ==, S_IFREG | 0600);
  assert_errno(mknod(at(place, "a"), S_IFREG | 0640, 0), EEXIST);
  int fd = open_file(at(place, "a"), O_RDWR, 0);
  put_all(fd, "usable", 6, 0);
  expect_content(native_at(place, "a"), "usable");
  close_file(fd);
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

/* Nobody reads this pipe and nobody serves this socket: whatever the daemon did with them would
 * wait. */
static void looking_does_not_open(const struct place *place) {
  struct sockaddr_un here = {.sun_family = AF_UNIX};
  g_assert_no_errno(chdir(place->native));
  g_strlcpy(here.sun_path, "s", sizeof here.sun_path);
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno(bind(server, (struct sockaddr *)&here, sizeof here));
  g_assert_no_errno(mkfifo("f", 0600));
  g_assert_no_errno(chmod(at(place, "f"), 0644));
  g_assert_no_errno(chown(at(place, "f"), 1, 1));
  g_assert_no_errno(utimensat(AT_FDCWD, at(place, "f"), NULL, 0));
  g_assert_no_errno(access(at(place, "s"), R_OK));
  assert_errno(truncate(at(place, "f"), 0), EINVAL);
  g_assert_no_errno(rename(at(place, "f"), at(place, "g")));
  g_assert_no_errno(link(at(place, "g"), at(place, "f")));
  int path = open_file(at(place, "f"), O_PATH, 0);
  g_assert_cmpuint(status_of(path).st_nlink, ==, 2);
  close_file(path);
  close_file(server);
  g_assert_no_errno(chdir("/"));
  remove_file(at(place, "f"));
  remove_file(at(place, "g"));
  remove_file(at(place, "s"));
}

static const struct check checks[] = {
    {"data flows through a pipe", pipes, 0},
    {"pipes without waiting", pipes_without_waiting, 0},
    {"one pipe with two names", pipe_with_two_names, 0},
    {"a pipe that is open and has lost its name", pipe_without_name, 0},
    {"many pipes lose their names while one is held", many_pipes_without_name, 0},
    {"sockets", sockets, 0},
    {"pipes and sockets connect on one side", each_side_has_its_own, CHECK_MOUNTED},
    {"devices", devices, 0},
    {"mknod makes plain files", plain_nodes, 0},
    {"looking at pipes and sockets opens nothing", looking_does_not_open, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
