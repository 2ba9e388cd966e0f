/* Mappings: the same physical pages on both sides, shared and private, and what may be done to
 * them. */
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "harness.h"

#define PAGE 4096

static void *map(int fd, size_t size, int protection, int flags) {
  void *memory = mmap(NULL, size, protection, flags, fd, 0);
  if (memory == MAP_FAILED)
    g_error("mmap: %s", g_strerror(errno));
  return memory;
}

/* A shared mapping of a page that must be refused, with this errno. */
static void refuse_map(int fd, int protection, off_t offset, int expected) {
  void *memory = mmap(NULL, PAGE, protection, MAP_SHARED, fd, offset);
  int got = errno;
  if (memory != MAP_FAILED)
    munmap(memory, PAGE);
  g_assert_true(memory == MAP_FAILED);
  g_assert_cmpint(got, ==, expected);
}

static void unmap(void *memory, size_t size) {
  g_assert_no_errno(munmap(memory, size));
}

/* A file of zeros, open read-write. */
static int sized_file(const char *path, off_t size) {
  int fd = new_file(path, "");
  g_assert_no_errno(ftruncate(fd, size));
  return fd;
}

/* The same file mapped through the place and natively. */
struct sides {
  char *here, *native;
  size_t size;
};

static struct sides map_both(const struct place *place, size_t size) {
  int fd = sized_file(at(place, "a"), (off_t)size);
  int native_fd = open_file(native_at(place, "a"), O_RDWR, 0);
  struct sides sides = {.size = size};
  sides.here = map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED);
  sides.native = map(native_fd, size, PROT_READ | PROT_WRITE, MAP_SHARED);
  close_file(fd);
  close_file(native_fd);
  return sides;
}

static void unmap_both(const struct place *place, struct sides *sides) {
  unmap(sides->here, sides->size);
  unmap(sides->native, sides->size);
  remove_file(at(place, "a"));
}

static void stores_are_seen(const struct place *place) {
  struct sides sides = map_both(place, 64 * PAGE);
  for (size_t i = 0; i < sides.size; i += 509) {
    sides.here[i] = (char)(i + 1);
    g_assert_cmpint(sides.native[i], ==, (char)(i + 1));
    sides.native[i] = (char)(i + 2);
    g_assert_cmpint(sides.here[i], ==, (char)(i + 2));
  }
  unmap_both(place, &sides);
}

static guint64 frame_of(const void *address) {
  guint64 entry = 0;
  int fd = open_file("/proc/self/pagemap", O_RDONLY, 0);
  off_t offset = (off_t)((uintptr_t)address / PAGE * sizeof entry);
  g_assert_cmpint(pread(fd, &entry, sizeof entry, offset), ==, sizeof entry);
  close_file(fd);
  g_assert_true(entry & G_GUINT64_CONSTANT(1) << 63); /* present */
  return entry & ((G_GUINT64_CONSTANT(1) << 55) - 1);
}

static void same_frames(const struct place *place) {
  struct sides sides = map_both(place, 16 * PAGE);
  for (size_t i = 0; i < sides.size; i += PAGE) {
    sides.here[i] = 1;
    sides.native[i] = 2;
    g_assert_cmpuint(frame_of(sides.here + i), !=, 0);
    g_assert_cmpuint(frame_of(sides.here + i), ==, frame_of(sides.native + i));
  }
  unmap_both(place, &sides);
}

static void write_and_mapping_agree(const struct place *place) {
  char byte;
  int fd = sized_file(at(place, "a"), 8 * PAGE);
  char *memory = map(fd, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  for (int i = 0; i < 8 * PAGE; i += 257) {
    put_all(fd, "w", 1, i);
    g_assert_cmpint(memory[i], ==, 'w');
    memory[i] = 'm';
    g_assert_cmpint(pread(fd, &byte, 1, i), ==, 1);
    g_assert_cmpint(byte, ==, 'm');
  }
  g_assert_no_errno(msync(memory, 8 * PAGE, MS_SYNC));
  g_assert_no_errno(msync(memory, 8 * PAGE, MS_ASYNC | MS_INVALIDATE));
  unmap(memory, 8 * PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void outlives_everything(const struct place *place) {
  struct room before = room_now();
  int fd = sized_file(at(place, "a"), 256 * PAGE);
  char *memory = map(fd, 256 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  memset(memory, 'x', 256 * PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
  g_assert_cmpuint(room_now().blocks, <=, before.blocks - 256);
  for (int i = 0; i < 256; i++)
    g_assert_cmpint(memory[i * PAGE]++, ==, 'x');
  unmap(memory, 256 * PAGE);
  g_assert_true(room_comes_back(&before));
}

static void private_mapping(const struct place *place) {
  int fd = new_file(at(place, "a"), "original");
  char *memory = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  g_assert_cmpmem(memory, 8, "original", 8);
  memory[0] = 'O';
  expect_content_at(fd, "original");
  expect_content(native_at(place, "a"), "original");
  unmap(memory, PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void private_read_only_descriptor(const struct place *place) {
  put_file(at(place, "a"), "original");
  int fd = open_file(at(place, "a"), O_RDONLY, 0);
  char *memory = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  memory[0] = 'O';
  g_assert_cmpmem(memory, 8, "Original", 8);
  unmap(memory, PAGE);
  close_file(fd);
  expect_content(at(place, "a"), "original");
  remove_file(at(place, "a"));
}

static void rights(const struct place *place) {
  put_file(at(place, "a"), "x");
  int reader = open_file(at(place, "a"), O_RDONLY, 0);
  int writer = open_file(at(place, "a"), O_WRONLY, 0);
  refuse_map(reader, PROT_READ | PROT_WRITE, 0, EACCES);
  refuse_map(writer, PROT_READ, 0, EACCES);
  char *memory = map(reader, PAGE, PROT_READ, MAP_SHARED);
  assert_errno(mprotect(memory, PAGE, PROT_READ | PROT_WRITE), EACCES);
  g_assert_cmpint(memory[0], ==, 'x');
  unmap(memory, PAGE);
  close_file(reader);
  close_file(writer);
  remove_file(at(place, "a"));
}

/* A function that needs nothing but its own instructions, so that a copy of them works too. */
__attribute__((noinline, no_sanitize("address", "undefined"))) static int answer(void) {
  return 42;
}

#define ANSWER_SIZE 64 /* bytes, more than it has */

static void run_code(int fd, int flags) {
  void *memory = map(fd, PAGE, PROT_READ | PROT_EXEC, flags);
  int (*function)(void);
  memcpy(&function, &memory, sizeof function);
  g_assert_cmpint(function(), ==, 42);
  unmap(memory, PAGE);
}

static void executable(const struct place *place) {
  int fd = new_file(at(place, "a"), "");
  int (*function)(void) = answer;
  const void *code;
  memcpy(&code, &function, sizeof code);
  put_all(fd, code, ANSWER_SIZE, 0);
  run_code(fd, MAP_PRIVATE);
  if (place->maps)
    run_code(fd, MAP_SHARED);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void runs_programs(const struct place *place) {
  g_autofree char *program = NULL;
  gsize size;
  g_assert_true(g_file_get_contents("/bin/true", &program, &size, NULL));
  int fd = new_file(at(place, "true"), "");
  put_all(fd, program, size, 0);
  g_assert_no_errno(fchmod(fd, 0755));
  close_file(fd);
  pid_t pid = fork();
  int status;
  if (pid == 0) {
    execl(at(place, "true"), "true", NULL);
    _exit(1);
  }
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmphex(status, ==, 0);
  remove_file(at(place, "true"));
}

static void grows_from_outside(const struct place *place) {
  int fd = sized_file(at(place, "a"), PAGE);
  char *memory = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  memory[0] = 1;
  g_assert_no_errno(truncate(native_at(place, "a"), 4 * PAGE));
  memory[3 * PAGE] = 2;
  g_assert_cmpint(status_of(fd).st_size, ==, 4 * PAGE);
  char byte;
  g_assert_cmpint(pread(fd, &byte, 1, 3 * PAGE), ==, 1);
  g_assert_cmpint(byte, ==, 2);
  unmap(memory, 4 * PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

static sigjmp_buf fault;

static void on_bus_error(int number) {
  siglongjmp(fault, number);
}

static void cut_from_outside(const struct place *place) {
  int fd = sized_file(at(place, "a"), 2 * PAGE);
  volatile char *memory = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  memory[PAGE] = 1;
  g_assert_no_errno(truncate(native_at(place, "a"), PAGE));
  signal(SIGBUS, on_bus_error);
  int got = sigsetjmp(fault, 1);
  if (got == 0) {
    memory[PAGE] = 2;
    g_error("a store behind the end of the file succeeds");
  }
  g_assert_cmpint(got, ==, SIGBUS);
  memory[0] = 3;
  g_assert_cmpint(status_of(fd).st_size, ==, PAGE);
  unmap((void *)(uintptr_t)memory, 2 * PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void remapped(const struct place *place) {
  int fd = sized_file(at(place, "a"), 8 * PAGE);
  char *memory = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  memory[PAGE] = 'x';
  char *larger = mremap(memory, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
  g_assert_true(larger != MAP_FAILED);
  g_assert_cmpint(larger[PAGE], ==, 'x');
  larger[7 * PAGE] = 'y';
  char byte;
  g_assert_cmpint(pread(fd, &byte, 1, 7 * PAGE), ==, 1);
  g_assert_cmpint(byte, ==, 'y');
  unmap(larger, 8 * PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void populated(const struct place *place) {
  unsigned char resident[16];
  int fd = sized_file(at(place, "a"), 16 * PAGE);
  char *memory = map(fd, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE);
  g_assert_no_errno(mincore(memory, 16 * PAGE, resident));
  for (int i = 0; i < 16; i++)
    g_assert_cmpint(resident[i] & 1, ==, 1);
  g_assert_cmpint(status_of(fd).st_blocks, ==, 16 * PAGE / 512);
  g_assert_no_errno(madvise(memory, 16 * PAGE, MADV_REMOVE));
  g_assert_cmpint(status_of(fd).st_blocks, ==, 0);
  unmap(memory, 16 * PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

static void shared_by_fork(const struct place *place) {
  struct sides sides = map_both(place, PAGE);
  pid_t pid = fork();
  int status;
  if (pid == 0) {
    sides.here[1] = 'c';
    _exit(0);
  }
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmpint(sides.here[1], ==, 'c');
  g_assert_cmpint(sides.native[1], ==, 'c');
  unmap_both(place, &sides);
}

static void map_offsets(const struct place *place) {
  int fd = sized_file(at(place, "a"), 8 * PAGE);
  char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 5 * PAGE);
  g_assert_true(memory != MAP_FAILED);
  memory[7] = 'z';
  char byte;
  g_assert_cmpint(pread(fd, &byte, 1, 5 * PAGE + 7), ==, 1);
  g_assert_cmpint(byte, ==, 'z');
  refuse_map(fd, PROT_READ, 100, EINVAL);
  unmap(memory, PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

struct counter {
  pthread_mutex_t mutex;
  sem_t ask, answer;
  int value;
};

static void prepare_counter(struct counter *counter) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  g_assert_cmpint(pthread_mutex_init(&counter->mutex, &attributes), ==, 0);
  g_assert_no_errno(sem_init(&counter->ask, 1, 0));
  g_assert_no_errno(sem_init(&counter->answer, 1, 0));
}

static void count_up(struct counter *counter, int times) {
  for (int i = 0; i < times; i++) {
    g_assert_cmpint(pthread_mutex_lock(&counter->mutex), ==, 0);
    counter->value++;
    g_assert_cmpint(pthread_mutex_unlock(&counter->mutex), ==, 0);
  }
}

static void native_counter(int socket, const void *data) {
  int fd = open_file(native_at(data, "a"), O_RDWR, 0);
  struct counter *counter = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  talk_hear(socket);
  count_up(counter, 20000);
  for (int i = 0; i < 200; i++) {
    g_assert_no_errno(sem_wait(&counter->ask));
    counter->value++;
    g_assert_no_errno(sem_post(&counter->answer));
  }
  /* Ends while it holds the lock, which the other side must be told. */
  g_assert_cmpint(pthread_mutex_lock(&counter->mutex), ==, 0);
}

static void synchronizes(const struct place *place) {
  int fd = sized_file(at(place, "a"), PAGE);
  struct counter *counter = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  prepare_counter(counter);
  struct peer peer = peer_start(native_counter, place);
  talk_tell(peer.socket, 'g');
  count_up(counter, 20000);
  for (int i = 0; i < 200; i++) {
    g_assert_no_errno(sem_post(&counter->ask));
    g_assert_no_errno(sem_wait(&counter->answer));
  }
  peer_wait(&peer);
  g_assert_cmpint(counter->value, ==, 40200);
  g_assert_cmpint(pthread_mutex_lock(&counter->mutex), ==, EOWNERDEAD);
  unmap(counter, PAGE);
  close_file(fd);
  remove_file(at(place, "a"));
}

/* shm_open() finds what is made here, and the other way round. */
static void shm_open_agrees(const struct place *place) {
  int fd = sized_file(at(place, "object"), PAGE);
  char *here = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  int native = shm_open("/object", O_RDWR, 0);
  g_assert_no_errno(native);
  char *there = map(native, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
  strcpy(here, "made by open");
  g_assert_cmpstr(there, ==, "made by open");
  unmap(here, PAGE);
  unmap(there, PAGE);
  close_file(fd);
  close_file(native);
  g_assert_no_errno(shm_unlink("/object"));
  g_assert_false(exists(at(place, "object")));
  native = shm_open("/object", O_RDWR | O_CREAT | O_EXCL, 0640);
  g_assert_no_errno(ftruncate(native, 12345));
  struct stat status = status_at(at(place, "object"));
  g_assert_cmpint(status.st_size, ==, 12345);
  g_assert_cmpuint(status.st_mode, ==, S_IFREG | 0640);
  close_file(native);
  remove_file(at(place, "object"));
  assert_errno(shm_open("/object", O_RDWR, 0), ENOENT);
}

static void shared_is_refused(const struct place *place) {
  int fd = new_file(at(place, "a"), "content");
  refuse_map(fd, PROT_READ | PROT_WRITE, 0, ENODEV);
  refuse_map(fd, PROT_READ, 0, ENODEV);
  close_file(fd);
  remove_file(at(place, "a"));
}

static const struct check checks[] = {
    {"a store is seen on the other side at once", stores_are_seen, CHECK_MAPS},
    {"both sides have the same physical pages", same_frames, CHECK_MAPS},
    {"write and mapping agree", write_and_mapping_agree, CHECK_MAPS},
    {"a mapping outlives close and unlink", outlives_everything, CHECK_MAPS},
    {"private mappings", private_mapping, 0},
    {"private mappings of read-only descriptors", private_read_only_descriptor, 0},
    {"rights of a mapping", rights, CHECK_MAPS},
    {"executable mappings", executable, 0},
    {"programs run", runs_programs, 0},
    {"a mapping sees growth from outside", grows_from_outside, CHECK_MAPS},
    {"a cut from outside is a bus error, as on tmpfs", cut_from_outside, CHECK_MAPS},
    {"mremap", remapped, CHECK_MAPS},
    {"MAP_POPULATE and MADV_REMOVE", populated, CHECK_MAPS},
    {"mappings are shared by fork", shared_by_fork, CHECK_MAPS},
    {"mappings with an offset", map_offsets, CHECK_MAPS},
    {"mutexes and semaphores work across the sides", synchronizes, CHECK_MAPS},
    {"shm_open agrees", shm_open_agrees, CHECK_TOP | CHECK_MAPS},
    {"a shared mapping is refused rather than other memory", shared_is_refused, CHECK_NO_MAPS},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
