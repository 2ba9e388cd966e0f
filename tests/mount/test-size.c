/* The limits of a view (size=, nr_objects=, max_object=) against many at once, in a mount of its own
 * that shows a prefix: natively looked at, there is never more than was allowed. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "harness.h"

#define LIMIT (16 << 20) /* bytes */
#define WRITERS 8        /* processes */
#define FILES 4          /* that they share */
#define ROUNDS 250       /* of one random change by each */
#define FILLINGS 4       /* of the whole view */
#define CHUNK 300000     /* bytes of a write; no multiple of a page */
#define PAGES_OVER FILES /* a file's last page is not full */
#define PREFIX "c1-"
#define OBJECTS 20

static char *mounted_at; /* of this check; its other processes have it too */

static const char *mount_point(void) {
  return mounted_at;
}

static const char *in_mount(const char *name) {
  g_autofree char *path = g_build_filename(mount_point(), name, NULL);
  return g_intern_string(path);
}

static const char *outside(const struct place *place, const char *name) {
  g_autofree char *with_prefix = g_strconcat(PREFIX, name, NULL);
  return native_at(place, with_prefix);
}

static void start(const char *options) {
  g_autofree char *output = NULL;
  g_autofree char *all = g_strconcat("prefix=" PREFIX ",", options, NULL);
  mounted_at = g_strdup_printf("%s/limited-%d", scratch(), (int)getpid());
  int status = daemon_start(mount_point(), all, NULL, &output);
  if (status != 0)
    g_error("the mount with %s: status %d, %s", all, status, output);
}

static void stop(void) {
  g_assert_true(daemon_stop(mount_point()));
}

/* The sum of the sizes, and the number, of what the view shows. */
static guint64 sum_of_sizes(const struct place *place, unsigned *ret_count) {
  DIR *directory = opendir(place->native);
  const struct dirent *entry;
  guint64 sum = 0;
  unsigned count = 0;
  g_assert_nonnull(directory);
  while ((entry = next_entry(directory))) {
    struct stat status;
    if (!g_str_has_prefix(entry->d_name, PREFIX) ||
        fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
      continue;
    sum += (guint64)status.st_size;
    count++;
  }
  closedir(directory);
  if (ret_count)
    *ret_count = count;
  return sum;
}

/* Removes what the view has; natively, so that nothing is left whatever the mount does. */
static void remove_all(const struct place *place) {
  DIR *directory = opendir(place->native);
  const struct dirent *entry;
  g_assert_nonnull(directory);
  while ((entry = next_entry(directory)))
    if (g_str_has_prefix(entry->d_name, PREFIX))
      unlinkat(dirfd(directory), entry->d_name, 0);
  closedir(directory);
}

/* --- growing alone: the sum only rises, so looking at one file after the other is no more than it --- */

static bool grow_once(int fd, int append, int source, const char *data) {
  off_t end = lseek(fd, 0, SEEK_END);
  loff_t from = 0;
  switch (rand() % 5) {
  case 0:
    return pwrite(fd, data, CHUNK, end) > 0;
  case 1:
    return write(append, data, CHUNK) > 0;
  case 2:
    return ftruncate(fd, end + CHUNK) == 0;
  case 3:
    return fallocate(fd, 0, end, CHUNK) == 0;
  default:
    end += 5000; /* with a hole */
    return copy_file_range(source, &from, fd, &end, CHUNK, 0) > 0;
  }
}

/* What refuses a whole chunk may still take less: the last bytes go one by one. */
static void fill_up(int fd) {
  char piece[4096] = "x";
  for (size_t size = sizeof piece; size > 0; size /= 2)
    while (write(fd, piece, size) > 0)
      continue;
  g_assert_cmpint(errno, ==, ENOSPC);
}

static void grow_until_full(int socket, const void *data) {
  unsigned number = GPOINTER_TO_UINT(data);
  static const char chunk[CHUNK];
  g_autofree char *name = g_strdup_printf("writer%u", number);
  (void)socket;
  int source = open_file(in_mount("source"), O_RDONLY, 0);
  int append = open_file(in_mount(name), O_RDWR | O_CREAT | O_APPEND, 0600);
  int fd = open_file(in_mount(name), O_RDWR, 0);
  srand(number);
  while (grow_once(fd, append, source, chunk))
    continue;
  g_assert_cmpint(errno, ==, ENOSPC);
  fill_up(append);
  close_file(fd);
  close_file(append);
  close_file(source);
}

static void fill_once(const struct place *place) {
  struct peer writers[WRITERS];
  int source = new_file(in_mount("source"), "");
  g_assert_no_errno(ftruncate(source, CHUNK));
  close_file(source);
  for (unsigned i = 0; i < WRITERS; i++)
    writers[i] = peer_start(grow_until_full, GUINT_TO_POINTER(i));
  for (int i = 0; i < 2000; i++)
    g_assert_cmpuint(sum_of_sizes(place, NULL), <=, LIMIT);
  for (unsigned i = 0; i < WRITERS; i++)
    peer_wait(&writers[i]);
  g_assert_cmpuint(sum_of_sizes(place, NULL), ==, LIMIT);
  remove_all(place);
}

static void eight_writers_reach_the_limit_exactly(const struct place *place) {
  start("size=16m");
  for (int i = 0; i < FILLINGS; i++)
    fill_once(place);
  stop();
}

/* --- growing and shrinking: looked at when all rest; the memory in use, at any time --- */

static const char *some_name(void) {
  static const char *const names[FILES] = {"a", "b", "c", "d"};
  return names[rand() % FILES];
}

/* Any of these may fail for a good reason. */
static void change_once(const char *data) {
  int fd = open(in_mount(some_name()), O_RDWR | O_CREAT | (rand() % 2 ? O_APPEND : 0), 0600);
  int other = open(in_mount(some_name()), O_RDONLY | O_CLOEXEC);
  loff_t from = 0, to = rand() % LIMIT;
  switch (rand() % 8) {
  case 0:
  case 1:
  case 2:
    (void)!pwrite(fd, data, CHUNK, rand() % LIMIT);
    break;
  case 3:
    (void)!ftruncate(fd, rand() % LIMIT);
    break;
  case 4:
    (void)!fallocate(fd, 0, rand() % LIMIT, CHUNK);
    break;
  case 5:
    (void)!copy_file_range(other, &from, fd, &to, CHUNK, 0);
    break;
  case 6:
    unlink(in_mount(some_name()));
    (void)!pwrite(fd, data, CHUNK, rand() % LIMIT);
    break;
  default:
    rename(in_mount(some_name()), in_mount(some_name()));
  }
  close(fd);
  close(other);
}

static void change_in_rounds(int socket, const void *data) {
  static const char chunk[CHUNK];
  srand(GPOINTER_TO_UINT(data));
  while (talk_hear(socket) == 'g') {
    change_once(chunk);
    talk_tell(socket, 'd');
  }
}

static guint64 used_blocks(const struct place *place, struct statvfs *now) {
  g_assert_no_errno(statvfs(place->native, now));
  return now->f_blocks - now->f_bfree;
}

static void never_over_when_files_are_cut_and_replaced(const struct place *place) {
  struct peer writers[WRITERS];
  struct statvfs now;
  start("size=16m");
  guint64 before = used_blocks(place, &now), most = before + LIMIT / now.f_bsize + PAGES_OVER;
  for (unsigned i = 0; i < WRITERS; i++)
    writers[i] = peer_start(change_in_rounds, GUINT_TO_POINTER(i + 1));
  for (int round = 0; round < ROUNDS; round++) {
    for (unsigned i = 0; i < WRITERS; i++)
      talk_tell(writers[i].socket, 'g');
    g_assert_cmpuint(used_blocks(place, &now), <=, most);
    for (unsigned i = 0; i < WRITERS; i++)
      g_assert_cmpint(talk_hear(writers[i].socket), ==, 'd');
    g_assert_cmpuint(sum_of_sizes(place, NULL), <=, LIMIT);
    g_assert_cmpuint(used_blocks(place, &now), <=, most);
  }
  for (unsigned i = 0; i < WRITERS; i++) {
    talk_tell(writers[i].socket, 'e');
    peer_wait(&writers[i]);
  }
  remove_all(place);
  stop();
}

/* --- the number of objects --- */

static void make_until_full(int socket, const void *data) {
  (void)socket;
  for (unsigned i = 0; i < OBJECTS + 1; i++) {
    g_autofree char *name = g_strdup_printf("%u-%u", GPOINTER_TO_UINT(data), i);
    int made = i % 3 == 0   ? mkdir(in_mount(name), 0700)
               : i % 3 == 1 ? symlink("target", in_mount(name))
                            : open(in_mount(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (made < 0)
      g_assert_cmpint(errno, ==, ENOSPC);
  }
}

static void eight_makers_reach_the_number_exactly(const struct place *place) {
  struct peer makers[WRITERS];
  unsigned count = 0;
  start("nr_objects=20");
  for (unsigned i = 0; i < WRITERS; i++)
    makers[i] = peer_start(make_until_full, GUINT_TO_POINTER(i));
  for (int i = 0; i < 500; i++) {
    sum_of_sizes(place, &count);
    g_assert_cmpuint(count, <=, OBJECTS);
  }
  for (unsigned i = 0; i < WRITERS; i++)
    peer_wait(&makers[i]);
  sum_of_sizes(place, &count);
  g_assert_cmpuint(count, ==, OBJECTS);
  assert_errno(open(in_mount("."), O_TMPFILE | O_RDWR, 0600), ENOSPC);
  stop();
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'/" PREFIX "*", place->native);
  g_assert_cmpint(system(remove), ==, 0);
}

/* --- what has no name --- */

/* A RELEASE is not waited for by close(), nor by munmap(). */
static void grows_in_the_end(int fd, off_t size) {
  gint64 deadline = microseconds() + 20 * G_USEC_PER_SEC;
  while (ftruncate(fd, size) < 0) {
    g_assert_cmpint(errno, ==, ENOSPC);
    g_assert_cmpint(microseconds(), <, deadline);
    g_usleep(1000);
  }
}

static void unlinked_memory_counts_while_it_is_held(const struct place *place) {
  (void)place;
  start("size=16m");
  int held = new_file(in_mount("held"), "");
  g_assert_no_errno(ftruncate(held, LIMIT));
  remove_file(in_mount("held"));
  int fd = new_file(in_mount("file"), "");
  assert_errno(ftruncate(fd, 1), ENOSPC);
  assert_errno(pwrite(fd, "x", 1, 0), ENOSPC);
  if (place->maps) {
    void *map = mmap(NULL, LIMIT, PROT_READ | PROT_WRITE, MAP_SHARED, held, 0);
    g_assert_true(map != MAP_FAILED);
    close_file(held);
    assert_errno(ftruncate(fd, 1), ENOSPC);
    g_assert_no_errno(munmap(map, LIMIT));
  } else {
    close_file(held);
  }
  grows_in_the_end(fd, LIMIT);
  close_file(fd);
  remove_file(in_mount("file"));
  int unnamed = open_file(mount_point(), O_TMPFILE | O_RDWR, 0600);
  grows_in_the_end(unnamed, LIMIT);
  assert_errno(ftruncate(unnamed, LIMIT + 1), ENOSPC);
  close_file(unnamed);
  stop();
}

static void hidden_memory_is_refused(const struct place *place) {
  (void)place;
  start("size=16m");
  int fd = new_file(in_mount("file"), "");
  assert_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096), EOPNOTSUPP);
  g_assert_no_errno(ftruncate(fd, 8192));
  g_assert_no_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, 4096, 4096));
  g_assert_no_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, LIMIT));
  close_file(fd);
  remove_file(in_mount("file"));
  stop();
}

static void files_in_directories_and_of_others_count(const struct place *place) {
  start("size=16m");
  g_autofree char *deep = g_strdup(mount_point());
  for (int depth = 0; depth < 40; depth++) { /* deeper than what is searched by name */
    char *next = g_build_filename(deep, "d", NULL);
    g_free(deep);
    deep = next;
    g_assert_no_errno(mkdir(deep, 0700));
  }
  g_autofree char *inner = g_build_filename(deep, "file", NULL);
  int fd = new_file(inner, "");
  g_assert_no_errno(ftruncate(fd, LIMIT - 10));
  int native = open_file(outside(place, "native"), O_RDWR | O_CREAT, 0600);
  g_assert_no_errno(ftruncate(native, 4));
  int other = open_file(native_at(place, "other"), O_RDWR | O_CREAT, 0600);
  g_assert_no_errno(ftruncate(other, LIMIT));
  assert_errno(ftruncate(fd, LIMIT - 3), ENOSPC);
  g_assert_no_errno(ftruncate(fd, LIMIT - 4));
  g_assert_no_errno(ftruncate(native, LIMIT)); /* outside nobody is held back */
  g_assert_cmpint(pwrite(fd, "x", 1, 0), ==, 1);
  assert_errno(pwrite(fd, "x", 1, LIMIT), ENOSPC);
  close_file(fd);
  close_file(native);
  close_file(other);
  stop();
  remove_file(native_at(place, "other"));
  g_autofree char *remove = g_strdup_printf("rm -rf '%s'/" PREFIX "*", place->native);
  g_assert_cmpint(system(remove), ==, 0);
}

/* --- one object, and its mapping --- */

static void an_object_stays_under_its_own_limit(const struct place *place) {
  char data[8192] = "";
  start("max_object=10000");
  int fd = new_file(in_mount("file"), "");
  g_assert_cmpint(pwrite(fd, data, sizeof data, 5000), ==, 5000);
  assert_errno(pwrite(fd, data, 1, 10000), EFBIG);
  assert_errno(ftruncate(fd, 10001), EFBIG);
  assert_errno(fallocate(fd, 0, 9999, 2), EFBIG);
  g_assert_cmpint(status_of(fd).st_size, ==, 10000);
  int native = open_file(outside(place, "file"), O_RDWR, 0);
  g_assert_no_errno(ftruncate(native, 20000));
  g_assert_cmpint(pwrite(fd, data, 10, 19990), ==, 10);
  assert_errno(pwrite(fd, data, 10, 20000), EFBIG);
  close_file(native);
  close_file(fd);
  remove_file(in_mount("file"));
  stop();
}

static void mappings_of_limited_files_are_the_memory_itself(const struct place *place) {
  start("size=16m,max_object=1m");
  int fd = new_file(in_mount("file"), "");
  g_assert_no_errno(ftruncate(fd, 4096));
  char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  g_assert_true(map != MAP_FAILED);
  int native = open_file(outside(place, "file"), O_RDWR, 0);
  char *beside = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, native, 0);
  g_assert_true(beside != MAP_FAILED);
  for (int i = 0; i < 1000; i++) {
    map[i] = (char)i;
    g_assert_cmpint(beside[i], ==, (char)i);
    beside[i] = (char)~i;
    g_assert_cmpint(map[i], ==, (char)~i);
  }
  g_assert_cmpint(pwrite(fd, "written", 7, 0), ==, 7);
  g_assert_cmpmem(beside, 7, "written", 7);
  g_assert_no_errno(munmap(map, 4096));
  g_assert_no_errno(munmap(beside, 4096));
  close_file(native);
  close_file(fd);
  remove_file(in_mount("file"));
  stop();
}

#define OWN_MOUNT (CHECK_MOUNTED | CHECK_TOP)

static const struct check checks[] = {
    {"8 writers reach 16 MiB exactly", eight_writers_reach_the_limit_exactly, OWN_MOUNT},
    {"never over when files are cut and replaced", never_over_when_files_are_cut_and_replaced,
     OWN_MOUNT},
    {"8 makers reach 20 objects exactly", eight_makers_reach_the_number_exactly, OWN_MOUNT},
    {"unlinked memory counts while it is held", unlinked_memory_counts_while_it_is_held, OWN_MOUNT},
    {"memory that no size tells of is refused", hidden_memory_is_refused, OWN_MOUNT},
    {"files in directories and of others count", files_in_directories_and_of_others_count,
     OWN_MOUNT},
    {"an object stays under its own limit", an_object_stays_under_its_own_limit, OWN_MOUNT},
    {"mappings of limited files are the memory itself",
     mappings_of_limited_files_are_the_memory_itself, OWN_MOUNT | CHECK_MAPS},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
