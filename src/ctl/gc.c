/* shmfsctl gc: what nobody holds. First all processes are looked into, then the kernel is asked about
 * each object that is left, and once more when it is removed (removal.h). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/columns.h"
#include "ctl/ctl.h"
#include "ctl/process.h"
#include "ctl/removal.h"
#include "ctl/text.h"

#define BATCH 32 /* objects put aside at a time: their names are absent meanwhile */

enum gc_column { GC_NAME, GC_KIND, GC_SIZE, GC_RESIDENT, GC_OWNER, GC_AGE, GC_RESULT, GC_COLUMNS };

static const enum object_column shown_as[GC_RESULT] = {
    [GC_NAME] = COLUMN_NAME,         [GC_KIND] = COLUMN_KIND,   [GC_SIZE] = COLUMN_SIZE,
    [GC_RESIDENT] = COLUMN_RESIDENT, [GC_OWNER] = COLUMN_OWNER, [GC_AGE] = COLUMN_AGE,
};

struct collection {
  struct common common;
  struct selection selection;
  char *match, *patterns[2];
  gboolean yes, partial, semaphores;

  struct inventory *inventory;
  GPtrArray *candidates; /* struct object, borrowed */
  unsigned unseen;       /* held, but by nobody that was seen */
  unsigned refused;      /* not ours to ask about */
  unsigned covered;      /* under a mount, which the kernel cannot be asked through */
  unsigned unjudged;     /* segments whose processes cannot be seen from here */
};

static int parse(struct collection *gc, int *argc, char ***argv) {
  GOptionEntry entries[COMMON_ENTRIES + SELECTION_ENTRIES + 5] = {
      {"match", 'm', 0, G_OPTION_ARG_STRING, &gc->match, "only names like this", "GLOB"},
      {"yes", 'y', 0, G_OPTION_ARG_NONE, &gc->yes, "remove them; otherwise they are only listed",
       NULL},
      {"partial", 0, 0, G_OPTION_ARG_NONE, &gc->partial,
       "judge even if not all processes can be looked into", NULL},
      {"semaphores", 0, 0, G_OPTION_ARG_NONE, &gc->semaphores,
       "semaphores too: an unused one still has its value", NULL},
  };
  unsigned used = 4;
  selection_entries(&gc->selection, entries, &used);
  common_entries(&gc->common, entries, &used);
  int r = arguments_parse("", "Lists shared memory that nobody holds, and removes it with --yes.",
                          entries, argc, argv);
  if (r == 0 && *argc > 1) {
    complain("gc: '%s' is one word too many; patterns are given with --match", (*argv)[1]);
    r = STATUS_USAGE;
  }
  return r;
}

/* A segment waits for the processes that know it: they may attach it again. */
static bool is_abandoned(struct collection *gc, const struct object *object) {
  if (gc->inventory->hidden && !gc->partial) {
    gc->unjudged++;
    return false;
  }
  return !(object->creator > 0 && process_exists(object->creator)) &&
         !(object->last > 0 && process_exists(object->last));
}

/* Objects without a name go by themselves; those in directories shm_open(3) does not make. */
static bool is_eligible(struct collection *gc, const struct object *object) {
  if (object_is_held(object) || object->deleted || !selection_has(&gc->selection, object))
    return false;
  switch (object->kind) {
  case OBJECT_POSIX:
    return true;
  case OBJECT_SEMAPHORE:
    return gc->semaphores;
  case OBJECT_SYSV:
    return is_abandoned(gc, object);
  default:
    return false;
  }
}

/* A lease on a mount's file knows nothing of who holds the object behind it. */
static int check(struct collection *gc, const struct object *object) {
  if (object->kind == OBJECT_SYSV || !gc->inventory->covered)
    return removal_check(gc->inventory, object);
  gc->covered++;
  return -EOPNOTSUPP;
}

static void find_candidates(struct collection *gc) {
  gc->candidates = g_ptr_array_new();
  for (unsigned i = 0; i < gc->inventory->objects->len; i++) {
    struct object *object = gc->inventory->objects->pdata[i];
    if (!is_eligible(gc, object))
      continue;
    int r = check(gc, object);
    if (r == 0)
      g_ptr_array_add(gc->candidates, object);
    else if (r == -EBUSY)
      gc->unseen++;
    else if (r == -EACCES || r == -EPERM)
      gc->refused++;
  }
}

static const char *result_text(int r) {
  switch (r) {
  case 0:
    return "removed";
  case -EBUSY:
    return "in use by now";
  case -ENOENT:
  case -ESTALE:
    return "gone by now";
  case -EEXIST:
    return "in use by now, under " REMOVAL_PREFIX "*";
  default:
    return g_strerror(-r);
  }
}

static void add_row(const struct collection *gc, struct table *table, const struct object *object,
                    const char *result) {
  struct value *row = table_add_row(table, COLOUR_NONE);
  for (unsigned i = 0; i < GC_RESULT; i++)
    column_fill(&row[i], shown_as[i], object, &gc->selection);
  row[GC_RESULT].text = g_strdup(result);
}

/* Returns the status: the worst of its objects'. */
static int remove_batch(const struct collection *gc, struct table *table, unsigned first,
                        unsigned count) {
  struct removal removals[BATCH];
  int status = STATUS_FOUND;
  for (unsigned i = 0; i < count; i++)
    removal_begin(&removals[i], gc->inventory, gc->candidates->pdata[first + i]);
  removal_wait();
  for (unsigned i = 0; i < count; i++) {
    int r = removal_finish(&removals[i]);
    add_row(gc, table, removals[i].object, result_text(r));
    if (r == -EPERM || r == -EACCES)
      status = STATUS_REFUSED;
  }
  return status;
}

/* What is aside is put back or removed before an interrupt is heard. */
static int remove_all(const struct collection *gc, struct table *table) {
  sigset_t signals, before;
  int status = STATUS_FOUND;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  for (unsigned i = 0; i < gc->candidates->len; i += BATCH) {
    sigprocmask(SIG_BLOCK, &signals, &before);
    int r = remove_batch(gc, table, i, MIN(BATCH, gc->candidates->len - i));
    sigprocmask(SIG_SETMASK, &before, NULL);
    status = MAX(status, r);
  }
  return status;
}

static void note_left(const struct collection *gc) {
  if (gc->unseen > 0)
    complain("%u left alone: the kernel says that %s in use, by whom cannot be seen", gc->unseen,
             text_plural(gc->unseen, "it is", "they are"));
  if (gc->refused > 0)
    complain("%u left alone: %s", gc->refused,
             text_plural(gc->refused, "it belongs to another user", "they belong to others"));
  if (gc->covered > 0)
    complain("%u left alone: %s is a mount of shmfs, and only the tmpfs behind it knows who holds "
             "%s: run gc where that can be seen, or give --dir",
             gc->covered, gc->inventory->directory, text_plural(gc->covered, "it", "them"));
  if (gc->unjudged > 0)
    complain("%u %s left alone: not all processes can be seen from here; --partial judges by those "
             "that can",
             gc->unjudged, text_plural(gc->unjudged, "segment", "segments"));
}

static int report(const struct collection *gc) {
  struct column columns[GC_COLUMNS];
  int status = STATUS_FOUND;
  for (unsigned i = 0; i < GC_RESULT; i++)
    columns[i] = object_columns[shown_as[i]];
  columns[GC_RESULT] = (struct column){"RESULT", VALUE_TEXT, false, "what became of it"};
  struct table *table = table_new(columns, GC_COLUMNS, GC_COLUMNS);
  if (gc->yes)
    status = remove_all(gc, table);
  else
    for (unsigned i = 0; i < gc->candidates->len; i++)
      add_row(gc, table, gc->candidates->pdata[i], "would be removed");
  table_print(table, &gc->common.style);
  table_free(table);
  note_left(gc);
  if (gc->candidates->len == 0)
    return gc->refused + gc->covered > 0 ? STATUS_REFUSED : STATUS_NOTHING;
  return status;
}

static int judge(struct collection *gc) {
  const struct inventory *inventory = gc->inventory;
  if (inventory->refused > 0 && !gc->partial) {
    complain("gc: %u of %u processes could not be looked into (not permitted), so nothing can be "
             "said to be unused; run it as root, or with --partial",
             inventory->refused, inventory->refused + inventory->inspected);
    return STATUS_REFUSED;
  }
  unsigned recovered = inventory->covered ? 0 : removal_recover(inventory);
  if (recovered > 0)
    complain("%u %s again", recovered,
             text_plural(recovered, "object that an interrupted gc had put aside has its name",
                         "objects that an interrupted gc had put aside have their names"));
  find_candidates(gc);
  return report(gc);
}

static int collect(struct collection *gc) {
  int r = selection_resolve(&gc->selection);
  if (r == 0)
    r = take_inventory(&gc->common, INVENTORY_HOLDS | INVENTORY_MEMORY, &gc->inventory);
  if (r != 0)
    return r;
  removal_prepare();
  return judge(gc);
}

int gc_run(int argc, char **argv) {
  struct collection gc = {0};
  int r = parse(&gc, &argc, &argv);
  gc.patterns[0] = gc.match;
  gc.selection.patterns = gc.patterns;
  if (r == 0)
    r = collect(&gc);
  if (gc.candidates)
    g_ptr_array_unref(gc.candidates);
  inventory_free(gc.inventory);
  selection_clear(&gc.selection);
  common_clear(&gc.common);
  g_free(gc.match);
  return r;
}
