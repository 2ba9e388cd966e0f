/* The lists follow from what the code does: what each capability is for stands beside it.
 *
 * The next program of an upgrade gets what the bounding set holds (root) and never more than its
 * predecessor was permitted (no_new_privs), so the supervisor stays permitted what a worker needs,
 * though little of it is in effect there. */
#include "util/confine.h"

#include <errno.h>
#include <linux/securebits.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

static const cap_value_t serving[] = {
    CAP_CHOWN,           /* who owns what was made, where no thread can take the identity */
    CAP_DAC_OVERRIDE,    /* objects of all users; the kernel has decided already */
    CAP_DAC_READ_SEARCH, /* opening by handle */
    CAP_FOWNER,          /* mode, times and attributes of other users' objects */
    CAP_FSETID,          /* keeping set-id bits where the caller may; lowered otherwise */
    CAP_IPC_OWNER,       /* System V segments of all users */
    CAP_LINUX_IMMUTABLE, /* chattr +i and +a, for callers that have it */
    CAP_MKNOD,           /* device nodes */
    CAP_SETFCAP,         /* security.capability */
    CAP_SETGID,          /* acting as the caller … */
    CAP_SETUID,          /* … when something is made */
    CAP_SYS_ADMIN,       /* registering files; unmounting; trusted.*; map_files */
    CAP_SYS_RESOURCE,    /* limits of message queues, which count for the caller */
#ifdef __SANITIZE_ADDRESS__
    CAP_SYS_PTRACE, /* the leak sanitizer stops all threads */
#endif
};

static const cap_value_t supervising[] = {
    CAP_SYS_ADMIN,       /* unmounting */
    CAP_DAC_OVERRIDE,    /* the program file, for an upgrade, wherever it is */
    CAP_DAC_READ_SEARCH, /* the way to the mount point */
};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

struct list {
  const cap_value_t *values;
  int count;
};

static bool contains(const struct list *list, cap_value_t value) {
  for (int i = 0; i < list->count; i++)
    if (list->values[i] == value)
      return true;
  return false;
}

static void limit(cap_t capabilities, cap_flag_t flag, const struct list *list) {
  for (cap_value_t value = 0; value <= CAP_LAST_CAP; value++)
    if (!contains(list, value))
      cap_set_flag(capabilities, flag, 1, &value, CAP_CLEAR);
}

/* In effect is all that is permitted and in the list. */
static void put_in_effect(cap_t capabilities, const struct list *list) {
  for (cap_value_t value = 0; value <= CAP_LAST_CAP; value++) {
    cap_flag_value_t permitted = CAP_CLEAR;
    cap_get_flag(capabilities, value, CAP_PERMITTED, &permitted);
    cap_set_flag(capabilities, CAP_EFFECTIVE, 1, &value,
                 contains(list, value) ? permitted : CAP_CLEAR);
  }
}

static int set_capabilities(const struct list *permitted, const struct list *effective) {
  cap_t now = cap_get_proc();
  if (!now)
    return -errno;
  limit(now, CAP_PERMITTED, permitted);
  cap_clear_flag(now, CAP_INHERITABLE); /* and with it the ambient ones */
  put_in_effect(now, effective);
  int r = cap_set_proc(now) < 0 ? -errno : 0;
  cap_free(now);
  return r;
}

static int limit_bounding_set(const struct list *list) {
  int r = 0;
  for (cap_value_t value = 0; cap_get_bound(value) >= 0; value++)
    if (!contains(list, value) && cap_get_bound(value) == 1 && cap_drop_bound(value) < 0)
      r = -errno;
  return r;
}

static bool is_permitted(cap_value_t value) {
  cap_t now = cap_get_proc();
  cap_flag_value_t permitted = CAP_CLEAR;
  if (now)
    cap_get_flag(now, value, CAP_PERMITTED, &permitted);
  cap_free(now);
  return permitted == CAP_SET;
}

static const struct list none = {NULL, 0};

int confine_start(void) {
  static const cap_value_t registering[] = {CAP_SYS_ADMIN};
  const struct list kept = {registering, COUNT(registering)};
  if (getuid() != geteuid())
    return -EPERM;
  return geteuid() == 0 ? 0 : set_capabilities(&kept, &none);
}

int confine_renounce(void) {
  return geteuid() == 0 ? 0 : set_capabilities(&none, &none);
}

bool confine_elevated(void) {
  return geteuid() != 0 && is_permitted(CAP_SYS_ADMIN);
}

static int forbid_new_privileges(void) {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* A user's supervisor starts fusermount3, which is set-user-id; a worker does not. */
static int enter_as_user(enum confine_role role) {
  int r = role == CONFINE_WATCHER ? confine_renounce() : 0;
  if (r == 0 && (role == CONFINE_WORKER || role == CONFINE_WATCHER))
    r = forbid_new_privileges();
  return r;
}

static int enter_as_root(enum confine_role role) {
  const struct list all = {serving, COUNT(serving)}, some = {supervising, COUNT(supervising)};
  const struct list *permitted = role == CONFINE_WATCHER ? &none : &all;
  const struct list *effective = role == CONFINE_SUPERVISOR ? &some : permitted;
  /* While CAP_SETPCAP is there still; privilege_init() wants the same. */
  int bits = prctl(PR_GET_SECUREBITS);
  if (bits >= 0)
    prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP);
  int bound = is_permitted(CAP_SETPCAP) ? limit_bounding_set(&all) : 0;
  int r = set_capabilities(permitted, effective);
  if (r == 0)
    r = forbid_new_privileges();
  return r < 0 ? r : bound;
}

int confine_enter(enum confine_role role) {
  return geteuid() == 0 ? enter_as_root(role) : enter_as_user(role);
}
