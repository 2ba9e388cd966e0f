/* Extended attributes and POSIX access control lists. */
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/xattr.h>

#include "harness.h"

#define ACCESS_LIST "system.posix_acl_access"
#define DEFAULT_LIST "system.posix_acl_default"

static void expect_value(const char *path, const char *name, const char *value) {
  char got[256];
  ssize_t size = lgetxattr(path, name, got, sizeof got);
  g_assert_no_errno((int)size);
  g_assert_cmpmem(got, (size_t)size, value, strlen(value));
}

static void set(const char *path, const char *name, const char *value) {
  g_assert_no_errno(lsetxattr(path, name, value, strlen(value), 0));
}

static bool listed(const char *path, const char *name) {
  char list[4096];
  ssize_t size = llistxattr(path, list, sizeof list);
  g_assert_no_errno((int)size);
  for (const char *at_name = list; at_name < list + size; at_name += strlen(at_name) + 1)
    if (strcmp(at_name, name) == 0)
      return true;
  return false;
}

static void user_attributes(const struct place *place) {
  put_file(at(place, "a"), "x");
  set(at(place, "a"), "user.one", "1");
  set(at(place, "a"), "user.two", "");
  expect_value(native_at(place, "a"), "user.one", "1");
  set(native_at(place, "a"), "user.one", "changed");
  expect_value(at(place, "a"), "user.one", "changed");
  expect_value(at(place, "a"), "user.two", "");
  g_assert_true(listed(at(place, "a"), "user.one"));
  g_assert_true(listed(at(place, "a"), "user.two"));
  g_assert_no_errno(removexattr(at(place, "a"), "user.one"));
  g_assert_false(listed(native_at(place, "a"), "user.one"));
  assert_errno(getxattr(at(place, "a"), "user.one", NULL, 0), ENODATA);
  assert_errno(removexattr(at(place, "a"), "user.one"), ENODATA);
  remove_file(at(place, "a"));
}

static void by_descriptor(const struct place *place) {
  char got[16];
  int fd = new_file(at(place, "a"), "x");
  g_assert_no_errno(fsetxattr(fd, "user.one", "abc", 3, 0));
  g_assert_no_errno(rename(at(place, "a"), at(place, "b")));
  g_assert_cmpint(fgetxattr(fd, "user.one", got, sizeof got), ==, 3);
  remove_file(at(place, "b"));
  g_assert_cmpint(fgetxattr(fd, "user.one", got, sizeof got), ==, 3);
  g_assert_no_errno(fsetxattr(fd, "user.two", "d", 1, 0));
  g_assert_cmpint(flistxattr(fd, NULL, 0), >=, 18);
  g_assert_no_errno(fremovexattr(fd, "user.one"));
  close_file(fd);
}

static void flags_and_sizes(const struct place *place) {
  char got[16];
  const char *path = at(place, "a");
  put_file(path, "x");
  assert_errno(setxattr(path, "user.a", "1", 1, XATTR_REPLACE), ENODATA);
  g_assert_no_errno(setxattr(path, "user.a", "12345", 5, XATTR_CREATE));
  assert_errno(setxattr(path, "user.a", "1", 1, XATTR_CREATE), EEXIST);
  g_assert_no_errno(setxattr(path, "user.a", "123456", 6, XATTR_REPLACE));
  g_assert_cmpint(getxattr(path, "user.a", NULL, 0), ==, 6);
  assert_errno(getxattr(path, "user.a", got, 5), ERANGE);
  g_assert_cmpint(listxattr(path, NULL, 0), >=, 7);
  assert_errno(listxattr(path, got, 1), ERANGE);
  g_assert_cmpint(getxattr(path, "user.a", got, 6), ==, 6);
  remove_file(path);
}

static void bad_names(const struct place *place) {
  char name[300] = "user.";
  static const char huge[XATTR_SIZE_MAX + 1];
  const char *path = at(place, "a");
  put_file(path, "x");
  memset(name + 5, 'n', 251);
  assert_errno(setxattr(path, name, "1", 1, 0), ERANGE);
  assert_errno(setxattr(path, "", "1", 1, 0), ERANGE);
  assert_errno(setxattr(path, "user.", "1", 1, 0), EINVAL);
  assert_errno(setxattr(path, "nonsense.a", "1", 1, 0), EOPNOTSUPP);
  assert_errno(setxattr(path, "user.a", huge, XATTR_SIZE_MAX + 1, 0), E2BIG);
  assert_errno(getxattr(at(place, "none"), "user.a", NULL, 0), ENOENT);
  name[XATTR_NAME_MAX] = 0;
  g_assert_no_errno(setxattr(path, name, "1", 1, 0));
  g_assert_true(listed(native_at(place, "a"), name));
  remove_file(path);
}

static void large_values(const struct place *place) {
  static char value[60000], got[60000];
  put_file(at(place, "a"), "x");
  memset(value, 'v', sizeof value);
  g_assert_no_errno(setxattr(at(place, "a"), "user.large", value, sizeof value, 0));
  g_assert_cmpint(getxattr(at(place, "a"), "user.large", got, sizeof got), ==, sizeof got);
  g_assert_cmpmem(got, sizeof got, value, sizeof value);
  remove_file(at(place, "a"));
}

static void on_other_kinds(const struct place *place) {
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  set(at(place, "d"), "user.a", "dir");
  expect_value(native_at(place, "d"), "user.a", "dir");
  g_assert_no_errno(symlink("d", at(place, "s")));
  assert_errno(lsetxattr(at(place, "s"), "user.a", "1", 1, 0), EPERM);
  set(at(place, "s"), "trusted.a", "link");
  expect_value(native_at(place, "s"), "trusted.a", "link");
  g_assert_false(listed(at(place, "d"), "trusted.a"));
  g_assert_no_errno(mkfifo(at(place, "f"), 0600));
  assert_errno(setxattr(at(place, "f"), "user.a", "1", 1, 0), EPERM);
  set(at(place, "f"), "trusted.a", "fifo");
  expect_value(native_at(place, "f"), "trusted.a", "fifo");
  remove_file(at(place, "f"));
  remove_file(at(place, "s"));
  remove_folder(at(place, "d"));
}

static void privileged_attributes(const struct place *place) {
  put_file(at(place, "a"), "x");
  set(at(place, "a"), "trusted.a", "1");
  set(at(place, "a"), "security.other", "2");
  expect_value(native_at(place, "a"), "trusted.a", "1");
  expect_value(native_at(place, "a"), "security.other", "2");
  g_assert_true(listed(at(place, "a"), "trusted.a"));
  remove_file(at(place, "a"));
}

/* --- access control lists --- */

struct acl {
  struct posix_acl_xattr_header header;
  struct posix_acl_xattr_entry entries[5];
};

/* user::rw-, user:OTHER_USER:named, group::r--, mask::mask, other::--- */
static struct acl list_for(unsigned named, unsigned mask) {
  return (struct acl){.header = {GUINT32_TO_LE(POSIX_ACL_XATTR_VERSION)},
                      .entries = {{ACL_USER_OBJ, ACL_READ | ACL_WRITE, (guint32)ACL_UNDEFINED_ID},
                                  {ACL_USER, (guint16)named, OTHER_USER},
                                  {ACL_GROUP_OBJ, ACL_READ, (guint32)ACL_UNDEFINED_ID},
                                  {ACL_MASK, (guint16)mask, (guint32)ACL_UNDEFINED_ID},
                                  {ACL_OTHER, 0, (guint32)ACL_UNDEFINED_ID}}};
}

static void expect_may_write(const struct place *place) {
  int fd = open_file(at(place, "a"), O_RDWR, 0);
  put_all(fd, "X", 1, 0);
  close_file(fd);
}

static void expect_may_read(const struct place *place) {
  close_file(open_file(at(place, "a"), O_RDONLY, 0));
  assert_errno(open(at(place, "a"), O_RDWR), EACCES);
}

static void expect_may_nothing(const struct place *place) {
  assert_errno(open(at(place, "a"), O_RDONLY), EACCES);
  assert_errno(access(at(place, "a"), R_OK), EACCES);
}

static void list_grants(const struct place *place) {
  struct acl acl = list_for(ACL_READ | ACL_WRITE, ACL_READ | ACL_WRITE), got;
  put_file(at(place, "a"), "x");
  g_assert_no_errno(setxattr(at(place, "a"), ACCESS_LIST, &acl, sizeof acl, 0));
  g_assert_cmpint(getxattr(at(place, "a"), ACCESS_LIST, &got, sizeof got), ==, sizeof got);
  g_assert_cmpmem(&got, sizeof got, &acl, sizeof acl);
  g_assert_cmpint(getxattr(native_at(place, "a"), ACCESS_LIST, &got, sizeof got), ==, sizeof got);
  g_assert_cmpmem(&got, sizeof got, &acl, sizeof acl);
  g_assert_true(listed(at(place, "a"), ACCESS_LIST));
  g_assert_cmpuint(status_at(at(place, "a")).st_mode & 0777, ==, 0660);
  as_user(OTHER_USER, OTHER_USER, expect_may_write, place);
  g_assert_no_errno(removexattr(at(place, "a"), ACCESS_LIST));
  g_assert_no_errno(chmod(at(place, "a"), 0600));
  as_user(OTHER_USER, OTHER_USER, expect_may_nothing, place);
  remove_file(at(place, "a"));
}

static void mask_limits(const struct place *place) {
  struct acl acl = list_for(ACL_READ | ACL_WRITE, ACL_READ);
  put_file(at(place, "a"), "x");
  g_assert_no_errno(setxattr(at(place, "a"), ACCESS_LIST, &acl, sizeof acl, 0));
  g_assert_cmpuint(status_at(at(place, "a")).st_mode & 0777, ==, 0640);
  as_user(OTHER_USER, OTHER_USER, expect_may_read, place);
  g_assert_no_errno(chmod(at(place, "a"), 0660));
  as_user(OTHER_USER, OTHER_USER, expect_may_write, place);
  g_assert_no_errno(chmod(at(place, "a"), 0600));
  as_user(OTHER_USER, OTHER_USER, expect_may_nothing, place);
  remove_file(at(place, "a"));
}

static void native_list_counts(const struct place *place) {
  struct acl may = list_for(ACL_READ | ACL_WRITE, ACL_READ | ACL_WRITE);
  struct acl may_not = list_for(0, ACL_READ | ACL_WRITE);
  put_file(at(place, "a"), "x");
  for (int i = 0; i < 20; i++) {
    g_assert_no_errno(setxattr(native_at(place, "a"), ACCESS_LIST, &may, sizeof may, 0));
    as_user(OTHER_USER, OTHER_USER, expect_may_write, place);
    g_assert_no_errno(setxattr(native_at(place, "a"), ACCESS_LIST, &may_not, sizeof may_not, 0));
    as_user(OTHER_USER, OTHER_USER, expect_may_nothing, place);
  }
  remove_file(at(place, "a"));
}

static void defaults_inherit(const struct place *place) {
  struct acl acl = list_for(ACL_READ | ACL_WRITE, ACL_READ | ACL_WRITE), got;
  umask(077);
  g_assert_no_errno(mkdir(at(place, "d"), 0755));
  g_assert_no_errno(setxattr(at(place, "d"), DEFAULT_LIST, &acl, sizeof acl, 0));
  close_file(open_file(at(place, "d/a"), O_RDWR | O_CREAT | O_EXCL, 0666));
  g_assert_no_errno(mkdir(at(place, "d/e"), 0777));
  /* The list takes the umask's place. */
  g_assert_cmpuint(status_at(native_at(place, "d/a")).st_mode & 0777, ==, 0660);
  g_assert_cmpint(getxattr(at(place, "d/a"), ACCESS_LIST, &got, sizeof got), ==, sizeof got);
  g_assert_cmpmem(&got, sizeof got, &acl, sizeof acl);
  g_assert_cmpint(getxattr(at(place, "d/e"), DEFAULT_LIST, &got, sizeof got), ==, sizeof got);
  assert_errno(getxattr(at(place, "d/a"), DEFAULT_LIST, &got, sizeof got), ENODATA);
  remove_folder(at(place, "d/e"));
  remove_file(at(place, "d/a"));
  remove_folder(at(place, "d"));
}

#define GROUP 4321 /* nobody is in it */

static void put_list(const struct place *place) {
  struct acl acl = list_for(ACL_READ, ACL_READ);
  g_assert_no_errno(setxattr(at(place, "d"), ACCESS_LIST, &acl, sizeof acl, 0));
}

static void put_list_in_group(const struct place *place) {
  as_user(OTHER_USER, GROUP, put_list, place);
}

static void put_list_outside(const struct place *place) {
  as_user(OTHER_USER, OTHER_USER, put_list, place);
}

static void end_list(const struct place *place) {
  g_assert_no_errno(removexattr(at(place, "d"), ACCESS_LIST));
}

/* The set-group-ID bit stays with those who are in the group. */
static void lists_and_set_group_id(const struct place *place) {
  const struct {
    void (*put)(const struct place *place);
    unsigned mode;
  } cases[] = {{put_list, 02640}, {put_list_in_group, 02640}, {put_list_outside, 0640}};
  g_assert_no_errno(mkdir(at(place, "d"), 0700));
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_assert_no_errno(chown(at(place, "d"), OTHER_USER, GROUP));
    g_assert_no_errno(chmod(at(place, "d"), 02770));
    cases[i].put(place);
    g_assert_cmpuint(status_at(at(place, "d")).st_mode & 07777, ==, cases[i].mode);
    g_assert_no_errno(chmod(at(place, "d"), 02770));
    end_list(place);
    g_assert_cmpuint(status_at(at(place, "d")).st_mode & 07777, ==, 02770);
  }
  put_list(place);
  g_assert_no_errno(chmod(at(place, "d"), 02770));
  as_user(OTHER_USER, OTHER_USER, end_list, place);
  g_assert_cmpuint(status_at(at(place, "d")).st_mode & 07777, ==, 0770);
  remove_folder(at(place, "d"));
}

static void bad_lists(const struct place *place) {
  struct acl acl = list_for(ACL_READ, ACL_READ);
  put_file(at(place, "a"), "x");
  acl.entries[1].e_tag = 0x77;
  assert_errno(setxattr(at(place, "a"), ACCESS_LIST, &acl, sizeof acl, 0), EINVAL);
  acl = list_for(ACL_READ, ACL_READ);
  assert_errno(setxattr(at(place, "a"), ACCESS_LIST, &acl, sizeof acl - 3, 0), EINVAL);
  assert_errno(setxattr(at(place, "a"), DEFAULT_LIST, &acl, sizeof acl, 0), EACCES);
  g_assert_cmpuint(status_at(at(place, "a")).st_mode & 0777, ==, 0644);
  remove_file(at(place, "a"));
}

static const struct check checks[] = {
    {"user attributes on both sides", user_attributes, 0},
    {"by descriptor, also of unlinked files", by_descriptor, 0},
    {"flags and sizes", flags_and_sizes, 0},
    {"bad names and values", bad_names, 0},
    {"large values", large_values, 0},
    {"folders, links, pipes", on_other_kinds, 0},
    {"privileged attributes", privileged_attributes, 0},
    {"an access list grants", list_grants, 0},
    {"the mask of a list limits", mask_limits, 0},
    {"a native list counts at once", native_list_counts, 0},
    {"default lists are inherited", defaults_inherit, 0},
    {"lists and the set-group-ID bit", lists_and_set_group_id, 0},
    {"bad lists", bad_lists, 0},
    {0},
};

int main(int argc, char **argv) {
  return harness_main(argc, argv, checks);
}
