/* See place.h. What an input left is removed name by name, which is far cheaper than another mount:
 * the kernel waits when a mount ends. */
#include "place.h"

#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <mqueue.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTSIDE "/dev/shm"
#define SIZE "size=16m,nr_inodes=4096,mode=1777"
#define KEY 0x51
#define SEGMENT_MAX "16777216" /* bytes, of one segment */
#define TREE_FDS 16            /* descriptors that the removal of a deep tree may use */

static int directory = -1;
static struct stat outside;

static void set_limit(const char *path, const char *value) {
  FILE *file = fopen(path, "we");
  if (!file || fputs(value, file) < 0 || fclose(file) != 0)
    warn("%s cannot be set: segments may become large", path);
}

static void mount_tmpfs(const char *path) {
  if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, SIZE) < 0)
    err(1, "%s: no tmpfs can be mounted", path);
}

void place_make(void) {
  if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0)
    err(1, "no namespaces; a fuzzer is to be run as root");
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
    err(1, "the mounts cannot be made private");
  mount_tmpfs(OUTSIDE);
  if (mkdir(PLACE_DIRECTORY, 0755) < 0)
    err(1, PLACE_DIRECTORY);
  mount_tmpfs(PLACE_DIRECTORY);
  set_limit("/proc/sys/kernel/shmmax", SEGMENT_MAX);
  directory = open(PLACE_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0 || stat(OUTSIDE, &outside) < 0)
    err(1, PLACE_DIRECTORY);
}

int place_directory(void) {
  return directory;
}

static int remove_one(const char *path, const struct stat *attributes, int type,
                      struct FTW *where) {
  (void)attributes, (void)type;
  return where->level > 0 && remove(path) < 0;
}

/* What chattr(1) protects cannot be removed, nor what is in it. */
static int unprotect(const char *path, const struct stat *attributes, int type, struct FTW *where) {
  (void)attributes, (void)where;
  int none = 0;
  int fd = type == FTW_F || type == FTW_D ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
  if (fd >= 0) {
    ioctl(fd, FS_IOC_SETFLAGS, &none);
    close(fd);
  }
  return 0;
}

static int walk(__nftw_func_t visit, int flags) {
  return nftw(PLACE_DIRECTORY, visit, TREE_FDS, flags | FTW_PHYS | FTW_MOUNT);
}

/* The directory itself, which is not removed, may be protected without anything in it. */
static void remove_all(void) {
  int flags = 0;
  bool whole = ioctl(directory, FS_IOC_GETFLAGS, &flags) < 0 || flags == 0;
  if (whole && walk(remove_one, FTW_DEPTH) == 0)
    return;
  if (walk(unprotect, 0) != 0 || walk(remove_one, FTW_DEPTH) != 0)
    err(1, PLACE_DIRECTORY " cannot be emptied");
}

/* By index in the kernel's table, so that those without a key go as well. */
static void remove_ipc(void) {
  struct shmid_ds segment;
  struct seminfo info;
  struct shm_info shm_info;
  struct msqid_ds queue;
  struct msginfo msg_info;
  int last = shmctl(0, SHM_INFO, (struct shmid_ds *)&shm_info);
  for (int i = 0; i <= last; i++)
    shmctl(shmctl(i, SHM_STAT, &segment), IPC_RMID, NULL);
  last = semctl(0, 0, SEM_INFO, &info);
  for (int i = 0; i <= last; i++) {
    struct semid_ds set;
    semctl(semctl(i, 0, SEM_STAT, &set), 0, IPC_RMID);
  }
  last = msgctl(0, MSG_INFO, (struct msqid_ds *)&msg_info);
  for (int i = 0; i <= last; i++)
    msgctl(msgctl(i, MSG_STAT, &queue), IPC_RMID, NULL);
}

void place_reset_ipc(void) {
  struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 64};
  remove_ipc();
  mq_unlink("/q");
  mqd_t queue = mq_open("/q", O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600, &attributes);
  if (queue >= 0)
    mq_close(queue);
  if (shmget(KEY, 4096, IPC_CREAT | 0600) < 0 || semget(KEY, 2, IPC_CREAT | 0600) < 0 ||
      msgget(KEY, IPC_CREAT | 0600) < 0)
    err(1, "System V objects cannot be made");
}

static void make_semaphore(void) {
  sem_t semaphore;
  memset(&semaphore, 0, sizeof semaphore);
  sem_init(&semaphore, 1, 1);
  int fd = openat(directory, "sem.s", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, &semaphore, sizeof semaphore) != sizeof semaphore)
    err(1, "a semaphore cannot be made");
  close(fd);
}

void place_reset(void) {
  umask(0);
  remove_all();
  if (fchown(directory, 0, 0) < 0 || fchmod(directory, 01777) < 0)
    err(1, PLACE_DIRECTORY);
  make_semaphore();
}

bool place_outside_is_untouched(void) {
  struct stat now;
  return stat(OUTSIDE, &now) == 0 && now.st_nlink == outside.st_nlink &&
         now.st_ctim.tv_sec == outside.st_ctim.tv_sec &&
         now.st_ctim.tv_nsec == outside.st_ctim.tv_nsec;
}
