#include "ctl/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "ctl/text.h"

#define PATIENCE G_USEC_PER_SEC /* what ends sooner needs no bar */
#define INTERVAL 100000         /* microseconds between two drawings */
#define BAR_WIDTH 40

void progress_begin(struct progress *progress, uint64_t total) {
  *progress = (struct progress){.total = total, .began = g_get_monotonic_time()};
}

static void draw_bar(const struct progress *progress, uint64_t done) {
  if (progress->total == 0)
    return;
  double part = MIN(1.0, (double)done / (double)progress->total);
  fprintf(stderr, " %3.0f%% [", part * 100);
  for (int i = 0; i < BAR_WIDTH; i++)
    fputc(i < part * BAR_WIDTH ? '#' : ' ', stderr);
  fputc(']', stderr);
}

void progress_show(struct progress *progress, uint64_t done) {
  gint64 now = g_get_monotonic_time();
  if (!isatty(STDERR_FILENO) || now - progress->began < PATIENCE ||
      now - progress->shown < INTERVAL)
    return;
  progress->shown = now;
  GString *line = g_string_new(NULL);
  text_append_size(line, done);
  g_string_append(line, ", ");
  text_append_size(line, done * G_USEC_PER_SEC / (uint64_t)(now - progress->began));
  fprintf(stderr, "\r%s/s", line->str);
  draw_bar(progress, done);
  fputs("\033[K", stderr);
  g_string_free(line, TRUE);
}

void progress_end(struct progress *progress) {
  if (progress->shown)
    fputs("\r\033[K", stderr);
}
