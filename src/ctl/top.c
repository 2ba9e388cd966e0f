/* shmfsctl top: a screen that is drawn anew every few seconds, and at once for a key. Signals only set
 * a flag, so that the terminal is put back before the program ends. */
#include <errno.h>
#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/screen.h"

#define DELAY_DEFAULT 2.0 /* seconds */
#define DELAY_LEAST 0.1   /* a look at all processes has its price */
#define DELAY_MOST 3600.0
#define HEADING_LINE (SCREEN_SUMMARY_LINES + 1) /* one line is left for messages */
#define FIRST_ROW (HEADING_LINE + 1)

/* The colours of ls; where there are none, rows differ by being bold. */
enum { PAIR_NONE, PAIR_ORPHAN, PAIR_DELETED };

struct top {
  char *directory;
  gboolean batch;
  gint count; /* 0: without end */
  double delay;

  enum sample_order order;
  bool reverse, orphans, deleted, help, coloured;
  unsigned first; /* of the rows shown */
  const char *message;
  struct sample *sample;
};

static volatile sig_atomic_t ended;

static void end(int signal_number) {
  (void)signal_number;
  ended = 1;
}

static void catch_signals(void) {
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
}

static int refresh_sample(struct top *top) {
  struct sample *sample;
  int r = sample_take(top->directory ? top->directory : DIRECTORY_DEFAULT, top->sample, &sample);
  if (r < 0)
    return r;
  sample_free(top->sample);
  top->sample = sample;
  return 0;
}

static bool is_shown(const struct top *top, const struct object *object) {
  if (top->orphans)
    return !object->deleted && !object_is_held(object);
  return !top->deleted || object->deleted;
}

struct key {
  int key;
  enum sample_order order;
  const char *message;
};

static const struct key order_keys[] = {
    {'M', ORDER_RESIDENT, "sorted by memory"},   {'s', ORDER_SIZE, "sorted by size"},
    {'S', ORDER_SIZE, "sorted by size"},         {'G', ORDER_GROWTH, "sorted by growth"},
    {'P', ORDER_HOLDERS, "sorted by processes"}, {'T', ORDER_AGE, "sorted by age"},
    {'N', ORDER_NAME, "sorted by name"},
};

static const char help_text[] = "q quit  M memory  S size  G growth  P processes  T age  N name  "
                                "R reverse\n"
                                "o only orphans  d only deleted  up, down, page keys: move  "
                                "space: look again";

static void toggle(struct top *top, int key) {
  if (key == 'R')
    top->reverse = !top->reverse;
  else if (key == 'o')
    top->orphans = !top->orphans;
  else if (key == 'd')
    top->deleted = !top->deleted;
  else
    top->help = !top->help;
}

static void move_by(struct top *top, int rows) {
  int first = (int)top->first + rows;
  top->first = (unsigned)CLAMP(first, 0, MAX((int)top->sample->rows->len - 1, 0));
}

/* false: to end. *ret_look: the objects are to be looked at again. */
static bool press(struct top *top, int key, bool *ret_look) {
  int page = MAX(LINES - FIRST_ROW, 1);
  *ret_look = key == ' ' || key == '\n';
  for (size_t i = 0; i < G_N_ELEMENTS(order_keys); i++)
    if (order_keys[i].key == key) {
      top->order = order_keys[i].order;
      top->message = order_keys[i].message;
    }
  if (key == 'R' || key == 'o' || key == 'd' || key == 'h' || key == '?')
    toggle(top, key);
  else if (key == KEY_DOWN || key == KEY_UP)
    move_by(top, key == KEY_DOWN ? 1 : -1);
  else if (key == KEY_NPAGE || key == KEY_PPAGE)
    move_by(top, key == KEY_NPAGE ? page : -page);
  else if (key == KEY_HOME)
    top->first = 0;
  return key != 'q' && key != 'Q';
}

static void draw_line(int line, const char *text, attr_t attributes) {
  g_autofree char *cut = screen_cut(text, (unsigned)COLS);
  attrset(attributes);
  mvaddstr(line, 0, cut);
  attrset(A_NORMAL);
}

static void draw_head(const struct top *top) {
  for (unsigned i = 0; i < SCREEN_SUMMARY_LINES; i++) {
    g_autofree char *line = screen_summary(top->sample, i);
    draw_line((int)i, line, A_NORMAL);
  }
  draw_line(SCREEN_SUMMARY_LINES, top->message ? top->message : "h: help  q: quit", A_DIM);
  g_autofree char *heading = screen_heading();
  g_autofree char *filled = g_strdup_printf("%-*s", COLS, heading);
  draw_line(HEADING_LINE, filled, A_REVERSE);
}

static attr_t attributes_of(const struct top *top, const struct object *object) {
  if (object_is_held(object) && !object->deleted)
    return A_NORMAL;
  int pair = object->deleted ? PAIR_DELETED : PAIR_ORPHAN;
  return A_BOLD | (top->coloured ? (attr_t)COLOR_PAIR(pair) : A_NORMAL);
}

static void draw_rows(const struct top *top) {
  unsigned skip = top->first;
  int line = FIRST_ROW;
  for (unsigned i = 0; i < top->sample->rows->len && line < LINES; i++) {
    const struct sample_row *row = &g_array_index(top->sample->rows, struct sample_row, i);
    if (!is_shown(top, row->object) || (skip > 0 && skip--))
      continue;
    g_autofree char *text = screen_row(row);
    draw_line(line++, text, attributes_of(top, row->object));
  }
}

static void draw(struct top *top) {
  sample_sort(top->sample, top->order, top->reverse);
  erase();
  draw_head(top);
  if (top->help) {
    move(FIRST_ROW, 0);
    addstr(help_text);
  } else {
    draw_rows(top);
  }
  refresh();
  top->message = NULL;
}

/* Waits for a key until the next look is due. KEY_RESIZE comes as one. */
static int wait_key(const struct top *top) {
  gint64 due = top->sample->taken + (gint64)(top->delay * G_USEC_PER_SEC);
  gint64 left = (due - g_get_monotonic_time()) / 1000;
  timeout((int)CLAMP(left, 0, 1000 * (gint64)DELAY_MOST));
  return getch();
}

static int live(struct top *top) {
  int r = 0;
  bool running = true;
  for (gint looks = 1; r == 0 && running && !ended;) {
    draw(top);
    int key = wait_key(top);
    bool look = key == ERR;
    if (key != ERR)
      running = press(top, key, &look);
    if (!running || ended || !look)
      continue;
    if (top->count > 0 && looks++ >= top->count)
      break;
    r = refresh_sample(top);
  }
  return r;
}

/* On the terminal's own background. */
static bool use_colours(void) {
  if (getenv("NO_COLOR") || start_color() == ERR || !has_colors() || use_default_colors() == ERR)
    return false;
  return init_pair(PAIR_ORPHAN, COLOR_YELLOW, -1) != ERR &&
         init_pair(PAIR_DELETED, COLOR_RED, -1) != ERR;
}

/* newterm() says that a terminal cannot be used; initscr() would end the program. */
static int run_live(struct top *top) {
  SCREEN *screen =
      isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) ? newterm(NULL, stdout, stdin) : NULL;
  if (!screen) {
    complain("top: needs a terminal that can be drawn on; -b prints instead");
    return STATUS_USAGE;
  }
  cbreak();
  noecho();
  keypad(stdscr, TRUE);
  curs_set(0);
  top->coloured = use_colours();
  set_escdelay(25); /* milliseconds: no terminal is that slow any more */
  int r = live(top);
  endwin();
  delscreen(screen);
  if (r < 0)
    complain("top: shared memory cannot be listed: %s", g_strerror(-r));
  return r < 0 ? status_of(r) : STATUS_FOUND;
}

static void print_sample(struct top *top) {
  sample_sort(top->sample, top->order, top->reverse);
  for (unsigned i = 0; i < SCREEN_SUMMARY_LINES; i++) {
    g_autofree char *line = screen_summary(top->sample, i);
    puts(line);
  }
  g_autofree char *heading = screen_heading();
  printf("\n%s\n", heading);
  for (unsigned i = 0; i < top->sample->rows->len; i++) {
    const struct sample_row *row = &g_array_index(top->sample->rows, struct sample_row, i);
    g_autofree char *text = is_shown(top, row->object) ? screen_row(row) : NULL;
    if (text)
      puts(g_strchomp(text));
  }
  fflush(stdout);
}

static int run_batch(struct top *top) {
  for (gint looks = 1; !ended; looks++) {
    print_sample(top);
    if (top->count > 0 && looks >= top->count)
      break;
    g_usleep((gulong)(top->delay * G_USEC_PER_SEC));
    int r = ended ? 0 : refresh_sample(top);
    if (r < 0)
      return status_of(r);
  }
  return STATUS_FOUND;
}

static int parse(struct top *top, int *argc, char ***argv) {
  GOptionEntry entries[] = {
      {"delay", 'd', 0, G_OPTION_ARG_DOUBLE, &top->delay, "seconds between two looks (default 2)",
       "SECONDS"},
      {"count", 'n', 0, G_OPTION_ARG_INT, &top->count, "end after so many looks", "COUNT"},
      {"batch", 'b', 0, G_OPTION_ARG_NONE, &top->batch, "print instead of drawing", NULL},
      {"dir", 0, 0, G_OPTION_ARG_FILENAME, &top->directory, "where the POSIX objects are", "PATH"},
      {0},
  };
  int r = arguments_parse("", "Shows how objects grow and who holds them; q ends it, h helps.",
                          entries, argc, argv);
  if (r == 0 &&
      (*argc > 1 || top->count < 0 || !(top->delay >= DELAY_LEAST && top->delay <= DELAY_MOST))) {
    complain("top: takes no arguments, a delay from 0.1 to 3600 seconds, and a count from 0 on");
    r = STATUS_USAGE;
  }
  return r;
}

static int start(struct top *top) {
  int r = refresh_sample(top);
  if (r < 0) {
    complain("top: shared memory cannot be listed: %s", g_strerror(-r));
    return status_of(r);
  }
  catch_signals();
  return top->batch ? run_batch(top) : run_live(top);
}

int top_run(int argc, char **argv) {
  struct top top = {.delay = DELAY_DEFAULT};
  int r = parse(&top, &argc, &argv);
  if (r == 0)
    r = start(&top);
  sample_free(top.sample);
  g_free(top.directory);
  return r;
}
