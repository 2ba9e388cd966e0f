/* Many processes with many mappings each, for measuring how long shmfsctl takes to look into them.
 *
 *   holders DIRECTORY PROCESSES MAPPINGS SHARED
 *
 * Of each process's mappings so many are of shared memory, each of an object of its own in the directory
 * (which all processes map); the others are of a file that is none. Prints a line when all are there,
 * and waits for the end of standard input; then all processes end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PAGE 4096

static void die(const char *what) {
  fprintf(stderr, "holders: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* Mappings of the same page of a file, which the kernel cannot make one of. */
static void map(int fd) {
  const void *mapping = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED)
    die("mmap");
  /* cppcheck-suppress memleak ; to be held is all that it is for */
}

static void map_object(const char *directory, int number) {
  char *path;
  if (asprintf(&path, "%s/holders-%d", directory, number) < 0)
    die("asprintf");
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, PAGE) < 0)
    die(path);
  map(fd);
  close(fd);
  free(path);
}

static void start(int processes) {
  pid_t parent = getpid();
  for (int i = 0; i < processes; i++) {
    pid_t child = fork();
    if (child < 0)
      die("fork");
    if (child > 0)
      continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent)
      pause();
    _exit(0);
  }
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: holders DIRECTORY PROCESSES MAPPINGS SHARED\n");
    return 2;
  }
  int processes = atoi(argv[2]), mappings = atoi(argv[3]), shared = atoi(argv[4]);
  int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (program < 0)
    die("/proc/self/exe");
  for (int i = 0; i < mappings; i++)
    if (i < shared)
      map_object(argv[1], i);
    else
      map(program);
  close(program);
  start(processes);
  puts("ready");
  fflush(stdout);
  while (getchar() != EOF)
    ;
  return 0;
}
