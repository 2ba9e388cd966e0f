#include "ctl/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/fd.h"
#include "util/mountinfo.h"

#define FIRST_PID_NAMESPACE 0xEFFFFFFCU /* PROC_PID_INIT_INO, include/linux/proc_ns.h */
#define THREAD_OF_KERNEL 0x00200000U    /* PF_KTHREAD, include/linux/sched.h */
#define FILE_SIZE 4096                  /* more than what we read of one is at its beginning */

/* The beginning of a small file, as text; false when there is none to be had. */
static bool read_text(int proc, const char *name, char ret[FILE_SIZE]) {
  auto_fd int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  ssize_t length = read(fd, ret, FILE_SIZE - 1);
  ret[MAX(length, 0)] = '\0';
  /* cppcheck-suppress resourceLeak ; auto_fd closes it */
  return length > 0;
}

/* "Name:" ends with the line: a newline in it is written as an escape. */
struct process *process_read(int proc, pid_t pid) {
  char text[FILE_SIZE];
  if (!read_text(proc, "status", text))
    return NULL;
  const char *name = g_str_has_prefix(text, "Name:\t") ? text + strlen("Name:\t") : "";
  const char *user = strstr(text, "\nUid:");
  unsigned uid = (unsigned)-1;
  if (user)
    (void)sscanf(user, "\nUid:%*u%u", &uid);
  struct process *process = g_new0(struct process, 1);
  process->pid = pid;
  process->uid = uid;
  process->command = g_strndup(name, strcspn(name, "\n"));
  return process;
}

/* The name in parentheses may have any character, so the fields are counted from its end. */
bool process_is_empty(int proc) {
  char text[FILE_SIZE], state = 0;
  unsigned flags = 0;
  if (!read_text(proc, "stat", text))
    return true;
  const char *after = strrchr(text, ')');
  if (!after || sscanf(after, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
    return false;
  return state == 'Z' || state == 'X' || (flags & THREAD_OF_KERNEL);
}

bool process_exists(pid_t pid) {
  return kill(pid, 0) == 0 || errno != ESRCH;
}

static bool has_hidepid(const char *options) {
  const char *word = strstr(options, "hidepid=");
  return word && !g_str_has_prefix(word, "hidepid=off") && !g_str_has_prefix(word, "hidepid=0");
}

bool process_some_hidden(void) {
  struct stat attributes;
  struct mountinfo *proc = NULL;
  if (stat("/proc/self/ns/pid", &attributes) < 0 || attributes.st_ino != FIRST_PID_NAMESPACE)
    return true;
  if (geteuid() == 0 || mountinfo_find("/proc", &proc) < 0)
    return false;
  bool hidden = has_hidepid(proc->super_options);
  mountinfo_free(proc);
  return hidden;
}
