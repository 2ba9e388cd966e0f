/* Reading, writing and sizing: what bytes are where, and where there are holes. */
#include <limits.h>
#include <linux/falloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "harness.h"

#define PAGE 4096
#define MEBI (1 << 20)

/* Bytes that differ from their neighbours at every distance. */
static char *pattern(size_t size, unsigned seed) {
  char *bytes = g_malloc(size);
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)g_rand_int(random);
  return bytes;
}

static void expect_bytes(int fd, const char *bytes, size_t size, off_t offset) {
  g_autofree char *got = g_malloc(size);
  size_t done = 0;
  while (done < size) {
    ssize_t more = pread(fd, got + done, size - done, offset + (off_t)done);
    g_assert_cmpint(more, >, 0);
    done += (size_t)more;
  }
  g_assert_true(memcmp(got, bytes, size) == 0);
}

static void expect_zeros(int fd, size_t size, off_t offset) {
  static const char zeros[8 * PAGE];
  g_assert_cmpuint(size, <=, sizeof zeros);
  expect_bytes(fd, zeros, size, offset);
}

static void large(const struct place *place) {
  g_autofree char *bytes = pattern(5 * MEBI + 17, 1);
  int fd = new_file(at(place, "a"), "");
  put_all(fd, bytes, 5 * MEBI + 17, 0);
  expect_bytes(fd, bytes, 5 * MEBI + 17, 0);
  int native = open_file(native_at(place, "a"), O_RDWR, 0);
  expect_bytes(native, bytes, 5 * MEBI + 17, 0);
  put_all(native, bytes, 3 * MEBI, 1000001);
  expect_bytes(fd, bytes, 3 * MEBI, 1000001);
  expect_bytes(fd, bytes, 1000001, 0);
  close_file(native);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void random_access(const struct place *place) {
  enum { SIZE = 256 * 1024, ROUNDS = 2000 };
  g_autofree char *model = pattern(SIZE, 2);
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  int fd = new_file(at(place, "a"), "");
  put_all(fd, model, SIZE, 0);
  for (int i = 0; i < ROUNDS; i++) {
    size_t size = (size_t)g_rand_int_range(random, 1, 9000);
    off_t offset = g_rand_int_range(random, 0, SIZE - 9000);
    if (i % 2) {
      memset(model + offset, i, size);
      put_all(fd, model + offset, size, offset);
    } else {
      expect_bytes(fd, model + offset, size, offset);
    }
  }
  expect_bytes(fd, model, SIZE, 0);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void past_the_end(const struct place *place) {
  char buffer[8];
  int fd = new_file(at(place, "a"), "12345");
  g_assert_cmpint(pread(fd, buffer, 8, 3), ==, 2);
  g_assert_cmpint(pread(fd, buffer, 8, 5), ==, 0);
  g_assert_cmpint(pread(fd, buffer, 8, 1 << 30), ==, 0);
  assert_errno(pread(fd, buffer, 8, -1), EINVAL);
  assert_errno(pwrite(fd, buffer, 8, -1), EINVAL);
  g_assert_cmpint(write(fd, buffer, 0), ==, 0);
  g_assert_cmpint(pwrite(fd, "end", 3, 3 * PAGE), ==, 3);
  g_assert_cmpint(status_of(fd).st_size, ==, 3 * PAGE + 3);
  expect_zeros(fd, 3 * PAGE - 5, 5);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void vectors(const struct place *place) {
  char one[4], two[6], head[] = "abc", tail[] = "defghij";
  struct iovec from[] = {{head, 3}, {tail, 7}};
  struct iovec into[] = {{one, 4}, {two, 6}};
  int fd = new_file(at(place, "a"), "");
  g_assert_cmpint(pwritev(fd, from, 2, 2), ==, 10);
  g_assert_cmpint(preadv(fd, into, 2, 2), ==, 10);
  g_assert_cmpmem(one, 4, "abcd", 4);
  g_assert_cmpmem(two, 6, "efghij", 6);
  g_assert_cmpint(lseek(fd, 1, SEEK_SET), ==, 1);
  g_assert_cmpint(writev(fd, from, 2), ==, 10);
  g_assert_cmpint(pwritev2(fd, from, 1, -1, RWF_APPEND), ==, 3);
  g_assert_cmpint(status_of(fd).st_size, ==, 15);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void sizes(const struct place *place) {
  int fd = new_file(at(place, "a"), "0123456789");
  g_assert_no_errno(ftruncate(fd, 4));
  g_assert_no_errno(ftruncate(fd, 3 * PAGE));
  g_assert_cmpint(status_of(fd).st_size, ==, 3 * PAGE);
  expect_bytes(fd, "0123", 4, 0);
  expect_zeros(fd, 3 * PAGE - 4, 4);
  int native = open_file(native_at(place, "a"), O_RDWR, 0);
  g_assert_no_errno(ftruncate(native, 2));
  g_assert_cmpint(status_of(fd).st_size, ==, 2);
  g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, 2);
  g_assert_no_errno(ftruncate(native, 100));
  g_assert_cmpint(lseek(fd, -1, SEEK_END), ==, 99);
  expect_zeros(fd, 98, 2);
  assert_errno(ftruncate(fd, -1), EINVAL);
  close_file(native);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void huge_sparse(const struct place *place) {
  int fd = new_file(at(place, "a"), "");
  g_assert_no_errno(ftruncate(fd, (off_t)1 << 40));
  put_all(fd, "far", 3, ((off_t)1 << 40) - 3);
  struct stat status = status_at(at(place, "a"));
  g_assert_cmpint(status.st_size, ==, (off_t)1 << 40);
  g_assert_cmpint(status.st_blocks, <=, 4 * PAGE / 512);
  expect_bytes(fd, "far", 3, ((off_t)1 << 40) - 3);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void size_limit(const struct place *place) {
  struct rlimit limit = {.rlim_cur = 2 * PAGE, .rlim_max = 2 * PAGE};
  char byte = 'x';
  signal(SIGXFSZ, SIG_IGN);
  int fd = new_file(at(place, "a"), "");
  g_assert_no_errno(setrlimit(RLIMIT_FSIZE, &limit));
  g_assert_cmpint(pwrite(fd, &byte, 1, 2 * PAGE - 1), ==, 1);
  assert_errno(pwrite(fd, &byte, 1, 2 * PAGE), EFBIG);
  assert_errno(ftruncate(fd, 2 * PAGE + 1), EFBIG);
  assert_errno(fallocate(fd, 0, 2 * PAGE, 1), EFBIG);
  g_assert_cmpint(status_of(fd).st_size, ==, 2 * PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void allocate(const struct place *place) {
  int fd = new_file(at(place, "a"), "head");
  g_assert_no_errno(fallocate(fd, 0, 0, 8 * PAGE));
  g_assert_cmpint(status_of(fd).st_size, ==, 8 * PAGE);
  g_assert_cmpint(status_of(fd).st_blocks, ==, 8 * PAGE / 512);
  g_assert_no_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8 * PAGE, 4 * PAGE));
  g_assert_cmpint(status_of(fd).st_size, ==, 8 * PAGE);
  g_assert_cmpint(status_of(fd).st_blocks, ==, 12 * PAGE / 512);
  expect_bytes(fd, "head", 4, 0);
  g_assert_cmpint(posix_fallocate(fd, 0, 9 * PAGE), ==, 0);
  g_assert_cmpint(status_at(native_at(place, "a")).st_size, ==, 9 * PAGE);
  assert_errno(fallocate(fd, 0, -1, PAGE), EINVAL);
  assert_errno(fallocate(fd, 0, 0, 0), EINVAL);
  assert_errno(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), EOPNOTSUPP);
  assert_errno(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE), EOPNOTSUPP);
  assert_errno(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE), EOPNOTSUPP);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void punch(const struct place *place) {
  g_autofree char *bytes = pattern(8 * PAGE, 4);
  int fd = new_file(at(place, "a"), "");
  put_all(fd, bytes, 8 * PAGE, 0);
  g_assert_no_errno(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PAGE, 3 * PAGE));
  struct stat status = status_of(fd);
  g_assert_cmpint(status.st_size, ==, 8 * PAGE);
  g_assert_cmpint(status.st_blocks, ==, 5 * PAGE / 512);
  expect_bytes(fd, bytes, 2 * PAGE, 0);
  expect_zeros(fd, 3 * PAGE, 2 * PAGE);
  expect_bytes(fd, bytes + 5 * PAGE, 3 * PAGE, 5 * PAGE);
  g_assert_no_errno(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 50));
  expect_zeros(fd, 50, 100);
  expect_bytes(fd, bytes, 100, 0);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void holes(const struct place *place) {
  int fd = new_file(at(place, "a"), "");
  put_all(fd, "x", 1, 4 * PAGE);
  g_assert_no_errno(ftruncate(fd, 8 * PAGE));
  g_assert_cmpint(lseek(fd, 0, SEEK_DATA), ==, 4 * PAGE);
  g_assert_cmpint(lseek(fd, 0, SEEK_HOLE), ==, 0);
  g_assert_cmpint(lseek(fd, 4 * PAGE, SEEK_HOLE), ==, 5 * PAGE);
  g_assert_cmpint(lseek(fd, 4 * PAGE + 7, SEEK_DATA), ==, 4 * PAGE + 7);
  assert_errno(lseek(fd, 5 * PAGE, SEEK_DATA), ENXIO);
  assert_errno(lseek(fd, 8 * PAGE, SEEK_HOLE), ENXIO);
  assert_errno(lseek(fd, -1, SEEK_SET), EINVAL);
  g_assert_cmpint(lseek(fd, 3, SEEK_SET), ==, 3);
  g_assert_cmpint(lseek(fd, 4, SEEK_CUR), ==, 7);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void copy_ranges(const struct place *place) {
  g_autofree char *bytes = pattern(MEBI, 5);
  loff_t from = 1000, to = 77;
  int in = new_file(at(place, "a"), "");
  int out = new_file(at(place, "b"), "");
  put_all(in, bytes, MEBI, 0);
  size_t left = MEBI - 1000;
  while (left > 0) {
    ssize_t copied = copy_file_range(in, &from, out, &to, left, 0);
    g_assert_cmpint(copied, >, 0);
    left -= (size_t)copied;
  }
  expect_bytes(out, bytes + 1000, MEBI - 1000, 77);
  expect_zeros(out, 77, 0);
  g_assert_cmpint(from, ==, MEBI);
  g_assert_cmpint(copy_file_range(in, &from, out, &to, 10, 0), ==, 0);
  from = 0, to = 10;
  assert_errno(copy_file_range(in, &from, in, &to, 100, 0), EINVAL);
  g_assert_cmpint(status_at(native_at(place, "b")).st_size, ==, MEBI - 1000 + 77);
  close_file(in);
  close_file(out);
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

static void send_and_splice(const struct place *place) {
  g_autofree char *bytes = pattern(16 * PAGE, 6);
  int in = new_file(at(place, "a"), ""), out = new_file(at(place, "b"), ""), ends[2];
  put_all(in, bytes, 16 * PAGE, 0);
  g_assert_cmpint(lseek(in, 0, SEEK_SET), ==, 0);
  for (size_t sent = 0; sent < 8 * PAGE;) {
    ssize_t more = sendfile(out, in, NULL, 8 * PAGE - sent);
    g_assert_cmpint(more, >, 0);
    sent += (size_t)more;
  }
  g_assert_no_errno(pipe2(ends, O_CLOEXEC));
  for (loff_t from = 8 * PAGE, to = 8 * PAGE; to < 16 * PAGE;) {
    ssize_t into = splice(in, &from, ends[1], NULL, (size_t)(16 * PAGE - from), 0);
    g_assert_cmpint(into, >, 0);
    while (into > 0) {
      ssize_t more = splice(ends[0], NULL, out, &to, (size_t)into, 0);
      g_assert_cmpint(more, >, 0);
      into -= more;
    }
  }
  expect_bytes(out, bytes, 16 * PAGE, 0);
  close_file(ends[0]);
  close_file(ends[1]);
  close_file(in);
  close_file(out);
  remove_file(at(place, "a"));
  remove_file(at(place, "b"));
}

static void synchronize(const struct place *place) {
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(fsync(fd));
  g_assert_no_errno(fdatasync(fd));
  g_assert_no_errno(syncfs(fd));
  g_assert_cmpint(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), ==, 0);
  g_assert_cmpint(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), ==, 0);
  expect_content_at(fd, "x");
  int directory = open_file(place->directory, O_RDONLY | O_DIRECTORY, 0);
  g_assert_no_errno(fsync(directory));
  close_file(directory);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void direct(const struct place *place) {
  g_autofree char *bytes = pattern(4 * PAGE, 7);
  _Alignas(PAGE) char aligned[4 * PAGE];
  memcpy(aligned, bytes, 4 * PAGE);
  int fd = open_file(at(place, "a"), O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0644);
  g_assert_cmpint(pwrite(fd, aligned, 4 * PAGE, 0), ==, 4 * PAGE);
  memset(aligned, 0, 4 * PAGE);
  g_assert_cmpint(pread(fd, aligned, 4 * PAGE, 0), ==, 4 * PAGE);
  g_assert_cmpmem(aligned, 4 * PAGE, bytes, 4 * PAGE);
  int buffered = open_file(at(place, "a"), O_RDWR, 0);
  expect_bytes(buffered, bytes, 4 * PAGE, 0);
  close_file(buffered);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void bad_addresses(const struct place *place) {
  int fd = new_file(at(place, "a"), "0123456789");
  /* Not through the C library, where a sanitizer would object first. */
  assert_errno(syscall(SYS_pread64, fd, 8L, 10L, 0L), EFAULT);
  assert_errno(syscall(SYS_pwrite64, fd, 8L, 10L, 0L), EFAULT);
  expect_content_at(fd, "0123456789");
  close_file(fd);
  remove_file(at(place, "a"));
}

static void write_records(int socket, const void *data) {
  char record[1000];
  int fd = open_file(at(data, "a"), O_RDWR, 0);
  int number = (unsigned char)talk_hear(socket);
  memset(record, number, sizeof record);
  for (int i = 0; i < 300; i++)
    put_all(fd, record, sizeof record, (i * 4 + number) * (off_t)sizeof record);
  close_file(fd);
}

static void writers_beside_each_other(const struct place *place) {
  struct peer peers[4];
  char record[1000];
  int fd = new_file(at(place, "a"), "");
  for (int i = 0; i < 4; i++) {
    peers[i] = peer_start(write_records, place);
    talk_tell(peers[i].socket, (char)i);
  }
  for (int i = 0; i < 4; i++)
    peer_wait(&peers[i]);
  for (int i = 0; i < 1200; i++) {
    memset(record, i % 4, sizeof record);
    expect_bytes(fd, record, sizeof record, i * (off_t)sizeof record);
  }
  close_file(fd);
  remove_file(at(place, "a"));
}

static const struct check checks[] = {
    {"large writes and reads", large, 0},
    {"random access", random_access, 0},
    {"reading and writing past the end", past_the_end, 0},
    {"vectors", vectors, 0},
    {"sizes change both ways on both sides", sizes, 0},
    {"huge sparse files", huge_sparse, 0},
    {"RLIMIT_FSIZE", size_limit, 0},
    {"fallocate", allocate, 0},
    {"holes can be punched", punch, 0},
    {"SEEK_DATA and SEEK_HOLE", holes, 0},
    {"copy_file_range", copy_ranges, 0},
    {"sendfile and splice", send_and_splice, 0},
    {"fsync and its family", synchronize, 0},
    {"O_DIRECT", direct, 0},
    {"bad addresses", bad_addresses, 0},
    {"writers beside each other", writers_beside_each_other, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
