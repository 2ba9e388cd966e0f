/* System V segments as files: shmget(2) and shmat(2) on one side, a mount of the sysv view on the other.
 * The runner gives the program an IPC namespace of its own. */
#include "sysv.h"

#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define MANY 4000
#define RACERS 8
#define ROUNDS 50

static void fill(char *data, size_t size, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  for (size_t i = 0; i < size; i++)
    data[i] = (char)g_rand_int(random);
}

/* Every byte, both ways. */
static void check_bytes(size_t size) {
  int id = make_segment(size, 0600);
  char *memory = attach(id);
  g_autofree char *data = g_malloc(size);
  fill(memory, size, 1);
  int fd = open_file(path_of(NAME), O_RDWR, 0);
  g_assert_cmpint(status_of(fd).st_size, ==, (off_t)size);
  g_assert_cmpint(pread(fd, data, size, 0), ==, (ssize_t)size);
  g_assert_true(memcmp(data, memory, size) == 0);
  g_assert_cmpint(pread(fd, data, size, (off_t)size), ==, 0);
  fill(data, size, 2);
  g_assert_cmpint(pwrite(fd, data, size, 0), ==, (ssize_t)size);
  g_assert_true(memcmp(data, memory, size) == 0);
  g_assert_cmpuint(status_of_segment(id).shm_nattch, ==, 1);
  close_file(fd);
  shmdt(memory);
  remove_segment(id);
}

static void test_bytes_are_the_same_both_ways(void) {
  static const size_t sizes[] = {1, 2, 4095, 4096, 4097, 5000, (1 << 20) + 1};
  for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
    check_bytes(sizes[i]);
}

static void test_a_segment_of_a_gigabyte(void) {
  const size_t size = 1 << 30;
  int id = make_segment(size, 0600);
  char *memory = attach(id), byte;
  memory[size - 1] = 'z';
  int fd = open_file(path_of(NAME), O_RDWR, 0);
  g_assert_cmpint(pread(fd, &byte, 1, (off_t)size - 1), ==, 1);
  g_assert_cmpint(byte, ==, 'z');
  g_assert_cmpint(pwrite(fd, "m", 1, (off_t)size / 2), ==, 1);
  g_assert_cmpint(memory[size / 2], ==, 'm');
  char *mapped = map_shared(fd, size);
  if (mapped) {
    memory[size / 4] = 'q';
    g_assert_cmpint(mapped[size / 4], ==, 'q');
    munmap(mapped, size);
  }
  close_file(fd);
  shmdt(memory);
  remove_segment(id);
}

static void test_a_shared_mapping_is_the_segment(void) {
  int id = make_segment(5000, 0600);
  char *memory = attach(id);
  int fd = open_file(path_of(NAME), O_RDWR, 0);
  char *mapped = map_shared(fd, 5000);
  close_file(fd);
  for (int i = 0; mapped && i < 5000; i++) {
    memory[i] = (char)i;
    g_assert_cmpint(mapped[i], ==, (char)i);
    mapped[i] = (char)(i + 1);
    g_assert_cmpint(memory[i], ==, (char)(i + 1));
  }
  if (mapped)
    munmap(mapped, 5000);
  shmdt(memory);
  remove_segment(id);
}

static void test_a_private_mapping_changes_nothing(void) {
  int id = make_segment(5000, 0600);
  char *memory = attach(id);
  memory[0] = 'a';
  int fd = open_file(path_of(NAME), O_RDONLY, 0);
  char *mapped = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (mapped != MAP_FAILED) {
    g_assert_cmpint(mapped[0], ==, 'a');
    mapped[0] = 'b';
    g_assert_cmpint(memory[0], ==, 'a');
    munmap(mapped, 5000);
  } else {
    g_assert_false(maps());
  }
  close_file(fd);
  shmdt(memory);
  remove_segment(id);
}

static void test_the_size_never_changes(void) {
  int id = make_segment(5000, 0600);
  char data[200] = "";
  int fd = open_file(path_of(NAME), O_RDWR | O_TRUNC, 0);
  g_assert_cmpint(ftruncate(fd, 5000), ==, 0);
  assert_errno(ftruncate(fd, 0), EPERM);
  assert_errno(ftruncate(fd, 4999), EPERM);
  assert_errno(ftruncate(fd, 8192), EPERM);
  assert_errno(truncate(path_of(NAME), 8192), EPERM);
  assert_errno(pwrite(fd, data, sizeof(data), 5000), ENOSPC);
  assert_errno(pwrite(fd, data, sizeof(data), 1 << 20), ENOSPC);
  g_assert_cmpint(pwrite(fd, data, sizeof(data), 4900), ==, 100);
  assert_errno(fallocate(fd, 0, 0, 5001), ENOSPC);
  assert_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192), ENOSPC);
  g_assert_cmpint(fallocate(fd, 0, 0, 5000), ==, 0);
  close_file(fd);
  fd = open_file(path_of(NAME), O_WRONLY | O_APPEND, 0);
  assert_errno(write(fd, data, 1), ENOSPC);
  close_file(fd);
  g_assert_cmpuint(status_of_segment(id).shm_segsz, ==, 5000);
  g_assert_cmpint(status_at(path_of(NAME)).st_size, ==, 5000);
  remove_segment(id);
}

static void test_a_hole_can_be_punched(void) {
  int id = make_segment(3 * 4096, 0600);
  char *memory = attach(id);
  memset(memory, 'x', 3 * 4096);
  int fd = open_file(path_of(NAME), O_RDWR, 0);
  g_assert_cmpint(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), ==, 0);
  g_assert_cmpint(lseek(fd, 0, SEEK_HOLE), ==, 4096);
  g_assert_cmpint(memory[4095], ==, 'x');
  g_assert_cmpint(memory[4096], ==, 0);
  g_assert_cmpint(memory[8192], ==, 'x');
  close_file(fd);
  shmdt(memory);
  remove_segment(id);
}

static void test_attributes_are_the_segments(void) {
  int id = make_segment(5000, 0640);
  struct shmid_ds segment = status_of_segment(id);
  segment.shm_perm.uid = OTHER_USER;
  segment.shm_perm.gid = 7;
  g_assert_cmpint(shmctl(id, IPC_SET, &segment), ==, 0);
  struct stat status = status_at(path_of(NAME));
  g_assert_cmpint(status.st_mode, ==, S_IFREG | 0640);
  g_assert_cmpint(status.st_uid, ==, OTHER_USER);
  g_assert_cmpint(status.st_gid, ==, 7);
  g_assert_cmpint(status.st_nlink, ==, 1);
  g_assert_cmpint(status.st_ctime, ==, status_of_segment(id).shm_ctime);
  shmdt(attach(id));
  g_assert_cmpint(status_at(path_of(NAME)).st_mtime, >=, status_of_segment(id).shm_atime);
  remove_segment(id);
  g_assert_false(exists(path_of(NAME)));
}

static void test_chmod_and_chown_are_ipc_set(void) {
  int id = make_segment(1, 0600);
  g_assert_cmpint(chmod(path_of(NAME), 04751), ==, 0);
  g_assert_cmpint(chown(path_of(NAME), OTHER_USER, 7), ==, 0);
  struct shmid_ds segment = status_of_segment(id);
  g_assert_cmpint(segment.shm_perm.mode & 0777, ==, 0751);
  g_assert_cmpint(segment.shm_perm.uid, ==, OTHER_USER);
  g_assert_cmpint(segment.shm_perm.gid, ==, 7);
  g_assert_cmpint(segment.shm_perm.cuid, ==, 0);
  remove_segment(id);
}

static void use_as_other(const struct place *place) {
  (void)place;
  g_assert_cmpint(access(path_of("0x00000644"), R_OK), ==, 0);
  close_file(open_file(path_of("0x00000644"), O_RDONLY, 0));
  assert_errno(open(path_of("0x00000644"), O_RDWR), EACCES);
  assert_errno(open(path_of("0x00000600"), O_RDONLY), EACCES);
  close_file(open_file(path_of("0x00000666"), O_RDWR, 0));
  close_file(open_file(path_of("0x00000400"), O_RDONLY, 0)); /* its own */
  assert_errno(open(path_of("0x00000400"), O_RDWR), EACCES);
  assert_errno(chmod(path_of("0x00000666"), 0600), EPERM);
  assert_errno(unlink(path_of("0x00000666")), EPERM);
  g_assert_cmpint(chmod(path_of("0x00000400"), 0600), ==, 0);
  close_file(open_file(path_of("0x00000400"), O_RDWR, 0));
  g_assert_cmpint(unlink(path_of("0x00000400")), ==, 0);
}

static void test_permissions_are_those_of_the_segment(void) {
  static const struct {
    key_t key;
    int mode;
  } made[] = {{0x400, 0400}, {0x644, 0644}, {0x600, 0600}, {0x666, 0666}};
  for (size_t i = 0; i < G_N_ELEMENTS(made); i++)
    g_assert_cmpint(shmget(made[i].key, 1, IPC_CREAT | IPC_EXCL | made[i].mode), >=, 0);
  g_assert_cmpint(chown(path_of("0x00000400"), OTHER_USER, OTHER_USER), ==, 0);
  as_user(OTHER_USER, OTHER_USER, use_as_other, NULL);
  g_assert_cmpint(shmget(made[0].key, 0, 0), ==, -1);
  for (size_t i = 1; i < G_N_ELEMENTS(made); i++)
    remove_segment(shmget(made[i].key, 0, 0));
}

static void create_as_other(const struct place *place) {
  (void)place;
  umask(027);
  int fd = open_file(path_of(NAME), O_RDWR | O_CREAT | O_EXCL, 0666);
  put_all(fd, "hello", 5, 4);
  g_assert_cmpint(ftruncate(fd, 5000), ==, 0);
  put_all(fd, "HE", 2, 4);
  close_file(fd);
}

static void test_what_a_caller_makes_is_the_callers(void) {
  as_user(OTHER_USER, OTHER_USER, create_as_other, NULL);
  int id = shmget(KEY, 0, 0);
  g_assert_cmpint(id, >=, 0);
  struct shmid_ds segment = status_of_segment(id);
  g_assert_cmpuint(segment.shm_segsz, ==, 5000);
  g_assert_cmpint(segment.shm_perm.mode & 0777, ==, 0640);
  g_assert_cmpint(segment.shm_perm.uid, ==, OTHER_USER);
  g_assert_cmpint(segment.shm_perm.cuid, ==, OTHER_USER);
  g_assert_cmpint(segment.shm_perm.cgid, ==, OTHER_USER);
  g_assert_cmpuint(segment.shm_nattch, ==, 0);
  char *memory = attach(id);
  g_assert_true(memcmp(memory, "\0\0\0\0HEllo\0", 10) == 0);
  shmdt(memory);
  remove_segment(id);
}

static void test_a_file_becomes_a_segment_at_its_close(void) {
  int fd = open_file(path_of(NAME), O_RDWR | O_CREAT | O_EXCL, 0600);
  close_file(dup(fd)); /* it is empty: not yet */
  g_assert_cmpint(shmget(KEY, 0, 0), ==, -1);
  put_all(fd, "hello", 5, 0);
  expect_content_at(fd, "hello");
  void *mapped = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED)
    munmap(mapped, 5);
  g_assert_true(mapped == MAP_FAILED);
  close_file(dup(fd));
  g_assert_cmpint(shmget(KEY, 5, 0), >=, 0);
  assert_errno(pwrite(fd, "more", 4, 5), ENOSPC);
  assert_errno(fallocate(fd, 0, 0, 6), ENOSPC);
  put_all(fd, "HE", 2, 0);
  close_file(fd);
  expect_content(path_of(NAME), "HEllo");
  remove_file(path_of(NAME));
  g_assert_cmpint(shmget(KEY, 0, 0), ==, -1);
}

static void test_what_prevents_a_segment_is_said_at_its_close(void) {
  int fd = open_file(path_of(NAME), O_RDWR | O_CREAT, 0600);
  put_all(fd, "hello", 5, 0);
  int id = make_segment(7, 0600);
  assert_errno(ftruncate(fd, 5000), EEXIST);
  assert_errno(close(fd), EEXIST);
  g_assert_cmpuint(status_of_segment(id).shm_segsz, ==, 7);
  assert_errno(open(path_of(NAME), O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  close_file(open_file(path_of(NAME), O_RDWR | O_CREAT, 0600));
  remove_segment(id);
}

static void test_what_is_no_segment_is_refused(void) {
  int id = make_segment(7, 0600);
  assert_errno(open(path_of("greeting"), O_RDWR | O_CREAT, 0600), EINVAL);
  assert_errno(open(path_of("0x4d2"), O_RDWR | O_CREAT, 0600), EINVAL);
  assert_errno(open(path_of("shmid.77"), O_RDWR | O_CREAT, 0600), EINVAL);
  assert_errno(open(path_of("0x00000000"), O_RDWR | O_CREAT, 0600), EINVAL);
  assert_errno(open(mount_point, O_RDWR | O_TMPFILE, 0600), EOPNOTSUPP);
  assert_errno(mkdir(path_of("0x000004d3"), 0700), EPERM);
  assert_errno(symlink("a", path_of("0x000004d3")), EPERM);
  assert_errno(link(path_of(NAME), path_of("0x000004d3")), EPERM);
  assert_errno(rename(path_of(NAME), path_of("0x000004d3")), EPERM);
  assert_errno(utimensat(AT_FDCWD, path_of(NAME), NULL, 0), EPERM);
  assert_errno(setxattr(path_of(NAME), "user.shmfs.key", "1", 1, 0), EPERM);
  remove_segment(id);
}

static int race_once(int number) {
  int fd;
  if (number % 2) /* a native one */
    return shmget(KEY, 4096, IPC_CREAT | IPC_EXCL | 0600) >= 0;
  fd = open(path_of(NAME), O_RDWR | O_CREAT | O_EXCL, 0600);
  return fd >= 0 && ftruncate(fd, 4096) == 0;
}

static void test_of_racing_creators_one_wins(void) {
  for (int round = 0; round < ROUNDS; round++) {
    pid_t racers[RACERS];
    int go[2], won = 0, status;
    g_assert_cmpint(pipe(go), ==, 0);
    for (int i = 0; i < RACERS; i++) {
      racers[i] = fork();
      if (racers[i] == 0) {
        char byte;
        close(go[1]);
        _exit(read(go[0], &byte, 1) == 0 ? race_once(i) : 2);
      }
    }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < RACERS; i++) {
      g_assert_cmpint(waitpid(racers[i], &status, 0), ==, racers[i]);
      g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
      won += WEXITSTATUS(status);
    }
    g_assert_cmpint(won, ==, 1);
    remove_segment(shmget(KEY, 0, 0));
  }
}

static int count_names(void) {
  GDir *directory = g_dir_open(mount_point, 0, NULL);
  int count = 0;
  g_assert_nonnull(directory);
  for (const char *name; (name = g_dir_read_name(directory));)
    count += g_str_has_prefix(name, "0x");
  g_dir_close(directory);
  return count;
}

static void test_thousands_are_listed(void) {
  int *ids = g_new(int, MANY);
  for (int i = 0; i < MANY; i++)
    ids[i] = shmget(KEY + i, 1, IPC_CREAT | IPC_EXCL | 0600);
  gint64 began = microseconds();
  g_assert_cmpint(count_names(), ==, MANY);
  g_test_message("%d segments listed in %.1f ms", MANY, (double)(microseconds() - began) / 1000);
  began = microseconds();
  for (int i = 0; i < MANY; i++) {
    g_autofree char *name = g_strdup_printf("0x%08x", KEY + i);
    g_autofree char *path = g_build_filename(mount_point, name, NULL);
    g_assert_cmpint((int)listxattr(path, NULL, 0), >, 0);
  }
  g_test_message("their attributes' names in %.1f ms", (double)(microseconds() - began) / 1000);
  g_assert_cmpint(status_of_segment(ids[MANY / 2]).shm_atime, ==, 0);
  struct statvfs full, empty;
  g_assert_cmpint(statvfs(mount_point, &full), ==, 0);
  for (int i = 0; i < MANY; i++)
    remove_segment(ids[i]);
  g_assert_cmpint(count_names(), ==, 0);
  g_assert_cmpint(statvfs(mount_point, &empty), ==, 0);
  g_assert_cmpuint(empty.f_ffree - full.f_ffree, ==, MANY);
  g_free(ids);
}

static void test_native_changes_show_at_once(void) {
  for (int i = 0; i < 2000; i++) {
    int id = make_segment((size_t)i + 1, 0600);
    g_assert_cmpint(status_at(path_of(NAME)).st_size, ==, i + 1);
    int fd = open_file(path_of(NAME), O_RDONLY, 0);
    g_assert_cmpint(status_of(fd).st_size, ==, i + 1);
    close_file(fd);
    remove_segment(id);
    g_assert_false(exists(path_of(NAME)));
  }
}

static void test_extended_attributes_tell_the_rest(void) {
  int id = make_segment(5000, 0600);
  char *memory = attach(id), value[32] = "";
  g_assert_cmpint(getxattr(path_of(NAME), "user.shmfs.nattch", value, sizeof(value)), ==, 1);
  g_assert_cmpstr(value, ==, "1");
  g_assert_cmpint(getxattr(path_of(NAME), "user.shmfs.key", value, sizeof(value)), ==, 10);
  g_assert_cmpstr(value, ==, NAME);
  g_assert_cmpint(listxattr(path_of(NAME), NULL, 0), >, 100);
  shmdt(memory);
  remove_segment(id);
}

#define ADD(name) g_test_add_func("/sysv/" #name, test_##name)

static void add_tests(void) {
  ADD(bytes_are_the_same_both_ways);
  ADD(a_segment_of_a_gigabyte);
  ADD(a_shared_mapping_is_the_segment);
  ADD(a_private_mapping_changes_nothing);
  ADD(the_size_never_changes);
  ADD(a_hole_can_be_punched);
  ADD(attributes_are_the_segments);
  ADD(chmod_and_chown_are_ipc_set);
  ADD(permissions_are_those_of_the_segment);
  ADD(what_a_caller_makes_is_the_callers);
  ADD(a_file_becomes_a_segment_at_its_close);
  ADD(what_prevents_a_segment_is_said_at_its_close);
  ADD(what_is_no_segment_is_refused);
  ADD(of_racing_creators_one_wins);
  ADD(thousands_are_listed);
  ADD(native_changes_show_at_once);
  ADD(extended_attributes_tell_the_rest);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  add_tests();
  return run_on_mount("sysv");
}
