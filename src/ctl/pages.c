/* The kernel tells the node and the size of pages only of what a process has mapped (numa_maps and
 * smaps of proc(5)). So the pages in RAM (mincore(2)) are mapped for a moment, by madvise(2), which,
 * other than a touch, survives that the object is truncated meanwhile. Huge objects go in pieces, so
 * that the list of what is in RAM stays small. */
#include "ctl/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14, asm-generic/mman-common.h */
#endif

#define PIECE (UINT64_C(1) << 30) /* bytes mapped at a time */

/* To everybody else mincore() says that all is in RAM, and then holes would be filled. */
static bool may_ask(int fd) {
  struct stat attributes;
  char path[32];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return fstat(fd, &attributes) == 0 && (attributes.st_uid == geteuid() || access(path, W_OK) == 0);
}

static int populate(char *memory, size_t size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), count = (size + page - 1) / page;
  g_autofree unsigned char *present = g_malloc(count);
  if (mincore(memory, size, present) < 0)
    return -errno;
  for (size_t from = 0, to; from < count; from = to) {
    for (to = from; to < count && (present[to] & 1) == (present[from] & 1);)
      to++;
    if (present[from] & 1)
      (void)madvise(memory + from * page, (to - from) * page, MADV_POPULATE_READ);
  }
  return 0;
}

/* Adds the words N<node>=<pages> of the mapping's line. */
static void add_nodes(char *line, struct pages *pages) {
  uint64_t page = 4096;
  char *size = strstr(line, "kernelpagesize_kB=");
  if (size)
    page = strtoull(size + strlen("kernelpagesize_kB="), NULL, 10) * 1024;
  for (char *word = line; (word = strstr(word, " N")); word++) {
    char *rest;
    unsigned long node = strtoul(word + 2, &rest, 10);
    if (rest != word + 2 && *rest == '=' && node < PAGES_NODES)
      pages->node[node] += strtoull(rest + 1, NULL, 10) * page;
  }
}

static void read_nodes(const char *memory, struct pages *pages) {
  char *line = NULL;
  size_t size = 0;
  FILE *file = fopen("/proc/self/numa_maps", "re");
  while (file && getline(&line, &size, file) >= 0)
    if (strtoull(line, NULL, 16) == (uintptr_t)memory)
      add_nodes(line, pages);
  free(line);
  if (file)
    fclose(file);
}

static void read_huge(const char *memory, struct pages *pages) {
  char *line = NULL;
  size_t size = 0;
  bool inside = false;
  FILE *file = fopen("/proc/self/smaps", "re");
  while (file && getline(&line, &size, file) >= 0) {
    if (g_ascii_isdigit(*line) || g_ascii_islower(*line))
      inside = strtoull(line, NULL, 16) == (uintptr_t)memory;
    else if (inside && (g_str_has_prefix(line, "ShmemPmdMapped:") ||
                        g_str_has_prefix(line, "Shared_Hugetlb:") ||
                        g_str_has_prefix(line, "Private_Hugetlb:")))
      pages->huge += strtoull(strchr(line, ':') + 1, NULL, 10) * 1024;
  }
  free(line);
  if (file)
    fclose(file);
}

static int locate_piece(int fd, uint64_t offset, size_t size, struct pages *pages) {
  char *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)offset);
  if (memory == MAP_FAILED)
    return -errno;
  int r = populate(memory, size);
  if (r == 0) {
    read_nodes(memory, pages);
    read_huge(memory, pages);
  }
  munmap(memory, size);
  return r;
}

int pages_locate(const struct content *content, struct pages *ret_pages) {
  struct pages pages = {0};
  if (content->fd < 0 || !may_ask(content->fd))
    return -EACCES;
  for (uint64_t offset = 0; offset < content->size; offset += PIECE) {
    int r = locate_piece(content->fd, offset, MIN(PIECE, content->size - offset), &pages);
    if (r < 0)
      return r;
  }
  *ret_pages = pages;
  return 0;
}
