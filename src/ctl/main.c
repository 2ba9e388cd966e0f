/* shmfsctl: answers about shared memory. Each command is a file of its own. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static const struct command commands[] = {
    {"ls", ls_run, "list objects and who holds them"},
    {"who", who_run, "show each process that holds an object"},
    {"stat", stat_run, "show all there is to know of one object"},
    {"top", top_run, "watch objects grow"},
    {"gc", gc_run, "find what nobody holds, and remove it"},
    {"dump", dump_run, "write an object to a file or a pipe"},
    {"load", load_run, "fill an object from a file or a pipe"},
    {"mounts", mounts_run, "list the mounts of shmfs"},
    {"metrics", metrics_run, "print totals for Prometheus"},
    {"doctor", doctor_run, "check what this machine offers"},
};

static void print_usage(FILE *file) {
  fputs("usage: shmfsctl COMMAND [OPTION…] [ARGUMENT…]\n\nCommands:\n", file);
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    fprintf(file, "  %-8s  %s\n", commands[i].name, commands[i].summary);
  fputs("\nshmfsctl COMMAND --help has the options, shmfsctl(1) the rest.\n", file);
}

static int run(int argc, char **argv, const char *name) {
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
    print_usage(stdout);
    return STATUS_FOUND;
  }
  if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
    puts("shmfsctl " SHMFS_VERSION);
    return STATUS_FOUND;
  }
  for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
    if (strcmp(name, commands[i].name) == 0)
      return commands[i].run(argc - 1, argv + 1);
  if (*name)
    complain("there is no command '%s'; see shmfsctl --help", name);
  else
    print_usage(stderr);
  return STATUS_USAGE;
}

/* A list that got lost on a full disk is no answer. */
int main(int argc, char **argv) {
  setlocale(LC_ALL, "");
  int status = run(argc, argv, argc > 1 ? argv[1] : "");
  if (fflush(stdout) == 0 && !ferror(stdout))
    return status;
  complain("standard output cannot be written: %s", g_strerror(errno));
  return status == STATUS_FOUND ? STATUS_NOTHING : status;
}
