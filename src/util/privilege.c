/* The identity of a thread is remembered beside it, so that the system calls are made only when
 * it changes. The raw system calls are used where glibc's wrappers would change all threads
 * (capabilities) or add nothing. */
#include "util/privilege.h"

#include <errno.h>
#include <glib.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ID_NONE ((uid_t)-1) /* setfsuid(ID_NONE) changes nothing and answers the present one */

struct capabilities {
  struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
};

/* What this thread is known to be. */
static __thread struct {
  bool known; /* uid, gid, fixup are filled in */
  bool fixup; /* no SECBIT_NO_SETUID_FIXUP: a change of uid drops capabilities */
  uid_t uid;
  gid_t gid;
  bool umask_known;
  mode_t umask;
  bool keep_known;
  bool keep;
  bool raises_known;
  bool raises; /* CAP_SYS_ADMIN is permitted, and in effect only for moments */
} self;

static int capabilities_get(struct capabilities *ret) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  return syscall(SYS_capget, &header, ret->words) < 0 ? -errno : 0;
}

static int capabilities_set(const struct capabilities *capabilities) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  return syscall(SYS_capset, &header, capabilities->words) < 0 ? -errno : 0;
}

bool privilege_has(int capability) {
  struct capabilities now;
  if (capabilities_get(&now) < 0)
    return false;
  return now.words[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

/* The value of a line of /proc/THREAD/status, for free(); NULL. The line of the groups may have 65,536. */
static char *status_of_thread(pid_t thread, const char *name) {
  char path[sizeof "/proc/-2147483648/status"], *line = NULL;
  size_t room = 0, length = strlen(name);
  snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
  FILE *status = fopen(path, "re");
  bool found = false;
  while (status && !found && getline(&line, &room, status) > 0)
    found = strncmp(line, name, length) == 0;
  if (status)
    fclose(status);
  if (found)
    memmove(line, line + length, strlen(line + length) + 1);
  else
    g_clear_pointer(&line, free);
  return line;
}

bool privilege_of_thread(pid_t thread, int capability) {
  char *effective = status_of_thread(thread, "CapEff:");
  bool has = effective && strtoull(effective, NULL, 16) >> capability & 1;
  free(effective);
  return has;
}

bool privilege_thread_in_group(pid_t thread, gid_t gid) {
  char *groups = status_of_thread(thread, "Groups:"), *end = groups;
  bool found = false;
  for (char *at = groups; at && !found; at = end) {
    unsigned long group = strtoul(at, &end, 10);
    if (end == at)
      break;
    found = group == gid;
  }
  free(groups);
  return found;
}

int privilege_init(void) {
  int bits = prctl(PR_GET_SECUREBITS);
  if (bits < 0)
    return -errno;
  if (prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0 && errno != EPERM)
    return -errno;
  int r = privilege_keep_setid(false);
  return r == -EPERM ? 0 : r;
}

int privilege_thread_init(void) {
  return unshare(CLONE_FS) < 0 ? -errno : 0;
}

static void learn_self(void) {
  if (self.known)
    return;
  int bits = prctl(PR_GET_SECUREBITS);
  self.fixup = bits < 0 || !(bits & SECBIT_NO_SETUID_FIXUP);
  self.uid = (uid_t)setfsuid(ID_NONE);
  self.gid = (gid_t)setfsgid(ID_NONE);
  self.known = true;
}

/* A user without privilege may be a member of the group all the same, but setfsgid() refuses:
 * then the file gets the daemon's own group. That is no reason to refuse the file. */
static int assume_gid(gid_t gid) {
  if (self.gid == gid)
    return 0;
  setfsgid(gid);
  self.gid = (gid_t)setfsgid(ID_NONE);
  return self.gid == gid || !privilege_has(CAP_SETGID) ? 0 : -EPERM;
}

static int assume_uid(uid_t uid) {
  if (self.uid == uid)
    return 0;
  struct capabilities before;
  int r = capabilities_get(&before);
  if (r < 0)
    return r;
  setfsuid(uid);
  self.uid = (uid_t)setfsuid(ID_NONE);
  if (self.fixup)
    r = capabilities_set(&before);
  if (r < 0)
    return r;
  return self.uid == uid ? 0 : -EPERM;
}

int privilege_assume(uid_t uid, gid_t gid, mode_t mask) {
  learn_self();
  int r = assume_uid(uid);
  if (r == 0)
    r = assume_gid(gid);
  if (r < 0)
    return r;
  if (!self.umask_known || self.umask != mask) {
    umask(mask);
    self.umask = mask;
    self.umask_known = true;
  }
  return 0;
}

static int put_in_effect(int capability, bool effective) {
  struct capabilities now;
  int r = capabilities_get(&now);
  if (r < 0)
    return r;
  struct __user_cap_data_struct *word = &now.words[CAP_TO_INDEX(capability)];
  if (!(word->permitted & CAP_TO_MASK(capability)))
    return -EPERM;
  if (effective)
    word->effective |= CAP_TO_MASK(capability);
  else
    word->effective &= ~CAP_TO_MASK(capability);
  return capabilities_set(&now);
}

static bool raises_admin(void) {
  struct capabilities now;
  if (!self.raises_known && capabilities_get(&now) == 0) {
    const struct __user_cap_data_struct *word = &now.words[CAP_TO_INDEX(CAP_SYS_ADMIN)];
    self.raises = word->permitted & ~word->effective & CAP_TO_MASK(CAP_SYS_ADMIN);
    self.raises_known = true;
  }
  return self.raises;
}

bool privilege_raise(void) {
  return raises_admin() && put_in_effect(CAP_SYS_ADMIN, true) == 0;
}

void privilege_lower(bool raised) {
  int before = errno;
  if (raised)
    put_in_effect(CAP_SYS_ADMIN, false);
  errno = before;
}

int privilege_keep_setid(bool keep) {
  if (self.keep_known && self.keep == keep)
    return 0;
  int r = put_in_effect(CAP_FSETID, keep);
  if (r < 0)
    return r;
  self.keep = keep;
  self.keep_known = true;
  return 0;
}
