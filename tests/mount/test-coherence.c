/* The promise of one memory: what one side does is right on the other at once, without any pause.
 *
 * A second process works on one side; after each step it says so, and this process looks at the
 * other side immediately. What is to be seen follows from the number of the step alone. Every kind
 * of change goes both ways, thousands of times, and no answer may be wrong.
 *
 * Two changes are known to the mount only when its watch has told: a native rename, and a native
 * unlink of what the mount itself holds open. They are waited for, and the longest wait is
 * reported. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "harness.h"

/* Of each change, in each direction: at the top, where names are cached; and in a folder, where
 * they are not. Even, and the last step or the one who watches it leaves nothing. */
#define TOP_STEPS 1000
#define FOLDER_STEPS 400

struct change {
  void (*act)(const char *directory, int step);
  void (*expect)(const char *directory, int step);
};

static int steps = TOP_STEPS;

struct task {
  const struct change *change;
  const char *directory;
};

static const char *under(const char *directory, const char *name) {
  static char path[512];
  g_snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

static void act_when_told(int socket, const void *data) {
  const struct task *task = data;
  for (int step = 0; step < steps; step++) {
    talk_hear(socket);
    task->change->act(task->directory, step);
    talk_tell(socket, 'd');
  }
}

static void follow(const struct change *change, const char *actor, const char *observer) {
  struct task task = {change, actor};
  struct peer peer = peer_start(act_when_told, &task);
  for (int step = 0; step < steps; step++) {
    talk_tell(peer.socket, 'g');
    talk_hear(peer.socket);
    change->expect(observer, step);
  }
  peer_wait(&peer);
}

static void both_ways(const struct place *place, const struct change *change) {
  steps = place->top ? TOP_STEPS : FOLDER_STEPS;
  follow(change, place->native, place->directory);
  follow(change, place->directory, place->native);
}

/* --- an object appears with its size, and goes --- */

static void appear(const char *directory, int step) {
  if (step % 2) {
    remove_file(under(directory, "a"));
    return;
  }
  int fd = open_file(under(directory, "a"), O_RDWR | O_CREAT | O_EXCL, 0600);
  g_assert_no_errno(ftruncate(fd, step));
  close_file(fd);
}

static void expect_appeared(const char *directory, int step) {
  g_assert_cmpint(exists(under(directory, "a")), ==, step % 2 == 0);
  if (step % 2)
    return;
  struct stat status = status_at(under(directory, "a"));
  g_assert_cmpint(status.st_size, ==, step);
  g_assert_cmpuint(status.st_mode, ==, S_IFREG | 0600);
}

static void objects_appear(const struct place *place) {
  static const struct change change = {appear, expect_appeared};
  both_ways(place, &change);
}

/* --- the same name, a new object --- */

static void replace(const char *directory, int step) {
  char content[16];
  if (step > 0)
    remove_file(under(directory, "a"));
  if (step == steps - 1)
    return;
  g_snprintf(content, sizeof content, "object %d", step);
  put_file(under(directory, "a"), content);
}

static void expect_replaced(const char *directory, int step) {
  char content[16];
  g_snprintf(content, sizeof content, "object %d", step);
  if (step == steps - 1)
    assert_errno(open(under(directory, "a"), O_RDONLY), ENOENT);
  else if (step % 2)
    expect_content(under(directory, "a"), content);
  else
    g_assert_cmpint(status_at(under(directory, "a")).st_size, ==, (off_t)strlen(content));
}

static void names_are_reused(const struct place *place) {
  static const struct change change = {replace, expect_replaced};
  both_ways(place, &change);
}

/* --- mode, owner, times --- */

static void change_attributes(const char *directory, int step) {
  const char *path = under(directory, "a");
  struct timespec times[] = {{.tv_sec = step + 1}, {.tv_sec = step + 2, .tv_nsec = step + 3}};
  if (step == 0)
    put_file(path, "");
  g_assert_no_errno(chown(path, (uid_t)step, (gid_t)(step + 5)));
  g_assert_no_errno(chmod(path, (mode_t)step & 0777));
  g_assert_no_errno(utimensat(AT_FDCWD, path, times, 0));
  if (step == steps - 1)
    remove_file(path);
}

static void expect_attributes(const char *directory, int step) {
  g_assert_cmpint(exists(under(directory, "a")), ==, step < steps - 1);
  if (step == steps - 1)
    return;
  struct stat status = status_at(under(directory, "a"));
  g_assert_cmpuint(status.st_uid, ==, (uid_t)step);
  g_assert_cmpuint(status.st_gid, ==, (gid_t)(step + 5));
  g_assert_cmpuint(status.st_mode & 07777, ==, (mode_t)step & 0777);
  g_assert_cmpint(status.st_atim.tv_sec, ==, step + 1);
  g_assert_cmpint(status.st_mtim.tv_sec, ==, step + 2);
  g_assert_cmpint(status.st_mtim.tv_nsec, ==, step + 3);
}

static void attributes_agree(const struct place *place) {
  static const struct change change = {change_attributes, expect_attributes};
  both_ways(place, &change);
}

/* --- content and size, also of what is held open --- */

static int held = -1;

static void change_content(const char *directory, int step) {
  char content[16];
  off_t place = (step * 37) % 20000;
  if (step == 0)
    put_file(under(directory, "a"), "");
  g_snprintf(content, sizeof content, "%d", step);
  int fd = open_file(under(directory, "a"), step % 3 ? O_RDWR : O_RDWR | O_TRUNC, 0);
  g_assert_no_errno(ftruncate(fd, place + (off_t)strlen(content)));
  put_all(fd, content, strlen(content), place);
  close_file(fd);
}

static void expect_changed(const char *directory, int step) {
  char content[16], got[16] = "";
  if (step == 0)
    held = open_file(under(directory, "a"), O_RDONLY, 0);
  g_snprintf(content, sizeof content, "%d", step);
  off_t place = (step * 37) % 20000, size = place + (off_t)strlen(content);
  g_assert_cmpint(status_at(under(directory, "a")).st_size, ==, size);
  g_assert_cmpint(status_of(held).st_size, ==, size);
  g_assert_cmpint(lseek(held, 0, SEEK_END), ==, size);
  g_assert_cmpint(pread(held, got, sizeof got, place), ==, (ssize_t)strlen(content));
  g_assert_cmpstr(got, ==, content);
  if (step < steps - 1)
    return;
  close_file(held);
  remove_file(under(directory, "a"));
}

static void contents_agree(const struct place *place) {
  static const struct change change = {change_content, expect_changed};
  both_ways(place, &change);
}

/* --- symbolic links, folders, link counts --- */

static void retarget(const char *directory, int step) {
  g_autofree char *target = g_strdup_printf("target-%d", step);
  if (step > 0)
    remove_file(under(directory, "s"));
  if (step < steps - 1)
    g_assert_no_errno(symlink(target, under(directory, "s")));
}

static void expect_target(const char *directory, int step) {
  g_autofree char *target = g_strdup_printf("target-%d", step);
  char got[64] = "";
  if (step == steps - 1) {
    assert_errno(readlink(under(directory, "s"), got, sizeof got), ENOENT);
    return;
  }
  g_assert_cmpint(readlink(under(directory, "s"), got, sizeof got - 1), >, 0);
  g_assert_cmpstr(got, ==, target);
}

static void links_are_retargeted(const struct place *place) {
  static const struct change change = {retarget, expect_target};
  both_ways(place, &change);
}

static void make_folder(const char *directory, int step) {
  if (step % 2) {
    remove_file(under(directory, "d/inside"));
    remove_folder(under(directory, "d"));
    return;
  }
  g_assert_no_errno(mkdir(under(directory, "d"), 0755));
  put_file(under(directory, "d/inside"), "x");
}

static void expect_folder(const char *directory, int step) {
  g_assert_cmpint(exists(under(directory, "d/inside")), ==, step % 2 == 0);
  g_assert_cmpint(exists(under(directory, "d")), ==, step % 2 == 0);
}

static void folders_come_and_go(const struct place *place) {
  static const struct change change = {make_folder, expect_folder};
  both_ways(place, &change);
}

static void link_more(const char *directory, int step) {
  g_autofree char *first = g_strdup(under(directory, "a"));
  if (step == 0)
    put_file(first, "x");
  else if (step % 2)
    g_assert_no_errno(link(first, under(directory, "b")));
  else
    remove_file(under(directory, "b"));
}

static void expect_links(const char *directory, int step) {
  g_assert_cmpuint(status_at(under(directory, "a")).st_nlink, ==, step % 2 ? 2 : 1);
  g_assert_cmpint(exists(under(directory, "b")), ==, step % 2 == 1);
  if (step < steps - 1)
    return;
  remove_file(under(directory, "a"));
  remove_file(under(directory, "b"));
}

static void link_counts_agree(const struct place *place) {
  static const struct change change = {link_more, expect_links};
  both_ways(place, &change);
}

/* One kind of thing after the other under one name. */
static void become(const char *directory, int step) {
  const char *path = under(directory, "a");
  if (step > 0 && remove(path) < 0)
    g_error("remove %s: %s", path, g_strerror(errno));
  if (step == steps - 1)
    return;
  if (step % 4 == 0)
    put_file(path, "x");
  else if (step % 4 == 1)
    g_assert_no_errno(mkdir(path, 0755));
  else if (step % 4 == 2)
    g_assert_no_errno(symlink("x", path));
  else
    g_assert_no_errno(mkfifo(path, 0600));
}

static void expect_became(const char *directory, int step) {
  static const mode_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO};
  g_assert_cmpint(exists(under(directory, "a")), ==, step < steps - 1);
  if (step < steps - 1)
    g_assert_cmpuint(status_at(under(directory, "a")).st_mode & S_IFMT, ==, types[step % 4]);
}

static void kinds_change(const struct place *place) {
  static const struct change change = {become, expect_became};
  both_ways(place, &change);
}

/* --- listings --- */

static void list_more(const char *directory, int step) {
  g_autofree char *name = g_strdup_printf("n%d", step % 20);
  if (step / 20 % 2)
    remove_file(under(directory, name));
  else
    put_file(under(directory, name), "");
}

static void expect_listed(const char *directory, int step) {
  int count = 0, expected = step / 20 % 2 ? 19 - step % 20 : step % 20 + 1;
  DIR *listing = opendir(directory);
  const struct dirent *entry;
  g_assert_nonnull(listing);
  while ((entry = next_entry(listing)))
    count += entry->d_name[0] == 'n';
  closedir(listing);
  g_assert_cmpint(count, ==, expected);
}

static void listings_agree(const struct place *place) {
  static const struct change change = {list_more, expect_listed};
  both_ways(place, &change);
}

/* --- a name that was removed natively is free at once --- */

static void look(const struct place *place, const char *name) {
  g_assert_true(exists(at(place, name)));
}

static void removed_names_are_free(const struct place *place) {
  steps = place->top ? TOP_STEPS : FOLDER_STEPS;
  put_file(native_at(place, "other"), "x");
  for (int i = 0; i < steps; i++) {
    put_file(native_at(place, "a"), "x");
    look(place, "a");
    remove_file(native_at(place, "a"));
    if (i % 4 == 0)
      put_file(at(place, "a"), "x");
    else if (i % 4 == 1)
      g_assert_no_errno(mkdir(at(place, "a"), 0755));
    else if (i % 4 == 2)
      g_assert_no_errno(symlink("x", at(place, "a")));
    else
      g_assert_no_errno(link(at(place, "other"), at(place, "a")));
    g_assert_no_errno(remove(native_at(place, "a")));
  }
  remove_file(at(place, "other"));
}

static void created_names_are_taken(const struct place *place) {
  steps = place->top ? TOP_STEPS : FOLDER_STEPS;
  for (int i = 0; i < steps; i++) {
    g_assert_false(exists(at(place, "a")));
    put_file(native_at(place, "a"), "x");
    assert_errno(open(at(place, "a"), O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
    remove_file(at(place, "a"));
    g_assert_false(exists(native_at(place, "a")));
  }
}

/* --- what the watch tells --- */

/* Waits for a name to be there or not; microseconds. More than a second is a failure. */
static gint64 wait_until(const char *path, bool there) {
  gint64 began = microseconds();
  while (exists(path) != there)
    g_assert_cmpint(microseconds() - began, <, G_USEC_PER_SEC);
  return microseconds() - began;
}

static void native_renames(const struct place *place) {
  gint64 worst = 0;
  put_file(native_at(place, "name0"), "x");
  for (int i = 0; i < 300; i++) {
    g_autofree char *from = g_strdup_printf("name%d", i), *to = g_strdup_printf("name%d", i + 1);
    look(place, from);
    g_assert_no_errno(rename(native_at(place, from), native_at(place, to)));
    g_assert_true(exists(at(place, to)));
    worst = MAX(worst, wait_until(at(place, from), false));
  }
  remove_file(at(place, "name300"));
  g_printerr("# native rename, longest wait: %d us\n", (int)worst);
}

static void native_unlink_of_held(const struct place *place) {
  gint64 worst = 0;
  for (int i = 0; i < 300; i++) {
    int fd = new_file(at(place, "a"), "held");
    remove_file(native_at(place, "a"));
    worst = MAX(worst, wait_until(at(place, "a"), false));
    expect_content_at(fd, "held");
    g_assert_cmpuint(status_of(fd).st_nlink, ==, 0);
    close_file(fd);
  }
  g_printerr("# native unlink of what is held, longest wait: %d us\n", (int)worst);
}

static void native_replacement_of_held(const struct place *place) {
  gint64 worst = 0;
  for (int i = 0; i < 300; i++) {
    int fd = new_file(at(place, "a"), "old");
    put_file(native_at(place, "b"), "newer");
    g_assert_no_errno(rename(native_at(place, "b"), native_at(place, "a")));
    gint64 began = microseconds();
    while (status_at(at(place, "a")).st_size != 5)
      g_assert_cmpint(microseconds() - began, <, G_USEC_PER_SEC);
    worst = MAX(worst, microseconds() - began);
    wait_until(at(place, "b"), false);
    expect_content_at(fd, "old");
    close_file(fd);
    remove_file(at(place, "a"));
  }
  g_printerr("# native replacement of what is held, longest wait: %d us\n", (int)worst);
}

/* --- a name that is replaced all the time is always there ---
 *
 * The daemon holds what a second path walk finds until it has been used, but not for ever: a process
 * that gets no processor for long enough in the middle of one may still be told ESTALE. */

#define REPLACEMENTS 10000   /* by each way to the name */
#define LOOKS_A_FAILURE 1000 /* at most one look in so many may fail (and two), with ESTALE alone */

static void replace_all_the_time(int socket, const void *data) {
  g_autofree char *next = g_strdup(under(data, "b"));
  g_autofree char *name = g_strdup(under(data, "a"));
  talk_hear(socket);
  for (int i = 0; i < REPLACEMENTS; i++) {
    put_file(next, "x");
    g_assert_no_errno(rename(next, name));
  }
  talk_tell(socket, 'd');
}

/* By turns for reading, for writing, and cutting what is not longer. */
static bool looks_right(const char *path, unsigned look) {
  struct stat status;
  int fd = open(path, (look % 2 ? O_RDONLY : O_RDWR) | O_CLOEXEC);
  bool right = fd >= 0 && stat(path, &status) == 0 && (look % 3 || truncate(path, 1) == 0);
  if (right)
    g_assert_cmpint(status.st_size, ==, 1);
  else
    g_assert_cmpint(errno, ==, ESTALE);
  if (fd >= 0)
    close_file(fd);
  return right;
}

static void look_while_it_is_replaced(const struct place *place, const char *name) {
  g_autofree char *native = g_path_get_dirname(native_at(place, "a"));
  g_autofree char *path = g_strdup(at(place, name));
  unsigned looks = 0, failures = 0;
  char told;
  put_file(native_at(place, "a"), "x");
  struct peer peer = peer_start(replace_all_the_time, native);
  talk_tell(peer.socket, 'g');
  for (; recv(peer.socket, &told, 1, MSG_DONTWAIT) != 1; looks++)
    failures += !looks_right(path, looks);
  peer_wait(&peer);
  remove_file(native_at(place, "a"));
  g_printerr("# of %u looks %u failed\n", looks, failures);
  g_assert_cmpuint(failures, <=, looks / LOOKS_A_FAILURE + 2);
}

static void native_replacements_while_opening(const struct place *place) {
  look_while_it_is_replaced(place, "a");
  g_assert_no_errno(symlink("a", at(place, "link")));
  look_while_it_is_replaced(place, "link");
  remove_file(at(place, "link"));
}

static void directory_time(const struct place *place) {
  for (int i = 0; i < 100; i++) {
    put_file(native_at(place, "a"), "");
    gint64 began = microseconds();
    struct timespec native = status_at(place->native).st_mtim, here;
    do {
      here = status_at(place->directory).st_mtim;
      g_assert_cmpint(microseconds() - began, <, G_USEC_PER_SEC);
    } while (here.tv_sec != native.tv_sec || here.tv_nsec != native.tv_nsec);
    remove_file(native_at(place, "a"));
  }
}

static const struct check checks[] = {
    {"objects appear with their size, and go", objects_appear, 0},
    {"a name made again is the new object", names_are_reused, 0},
    {"mode, owner and times", attributes_agree, 0},
    {"content and size", contents_agree, 0},
    {"symbolic links are retargeted", links_are_retargeted, 0},
    {"folders come and go", folders_come_and_go, 0},
    {"link counts", link_counts_agree, 0},
    {"one kind follows another", kinds_change, 0},
    {"listings", listings_agree, 0},
    {"a natively removed name is free", removed_names_are_free, 0},
    {"a natively created name is taken", created_names_are_taken, 0},
    {"native renames, once the watch has told", native_renames, 0},
    {"native unlink of what is held, once the watch has told", native_unlink_of_held, 0},
    {"native replacement of what is held", native_replacement_of_held, 0},
    {"a name that is replaced all the time is always there", native_replacements_while_opening, 0},
    {"the directory's own times", directory_time, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
