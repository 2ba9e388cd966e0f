#include "ctl/columns.h"

#include "ctl/text.h"

const struct column object_columns[OBJECT_COLUMNS] = {
    [COLUMN_NAME] = {"NAME", VALUE_TEXT, true, "as shm_open(3) takes it; a segment's key"},
    [COLUMN_KIND] = {"KIND", VALUE_TEXT, false, "posix, sem, file (in a directory), sysv"},
    [COLUMN_SIZE] = {"SIZE", VALUE_BYTES, false, "bytes that can be mapped"},
    [COLUMN_RESIDENT] = {"RESIDENT", VALUE_BYTES, false, "bytes in RAM"},
    [COLUMN_SWAPPED] = {"SWAPPED", VALUE_BYTES, false, "bytes in the swap space"},
    [COLUMN_OWNER] = {"OWNER", VALUE_TEXT, false, "the owner"},
    [COLUMN_GROUP] = {"GROUP", VALUE_TEXT, false, "the group"},
    [COLUMN_MODE] = {"MODE", VALUE_TEXT, false, "permissions"},
    [COLUMN_AGE] = {"AGE", VALUE_SECONDS, false, "since it was made (a segment: or changed owner)"},
    [COLUMN_MAPS] = {"MAPS", VALUE_COUNT, false, "mappings of it, in all processes"},
    [COLUMN_OPENS] = {"OPENS", VALUE_COUNT, false, "descriptors of it, in all processes"},
    [COLUMN_HOLDERS] = {"HOLDERS", VALUE_COUNT, false, "processes that hold it"},
    [COLUMN_ATTACHED] = {"ATTACHED", VALUE_COUNT, false, "segments: the kernel's nattch"},
    [COLUMN_PIDS] = {"PIDS", VALUE_LIST, true, "the processes that hold it"},
    [COLUMN_COMMANDS] = {"COMMANDS", VALUE_LIST, true, "the same, with their names"},
    [COLUMN_KEY] = {"KEY", VALUE_TEXT, false, "segments: the key"},
    [COLUMN_ID] = {"ID", VALUE_COUNT, false, "inode number, or a segment's id"},
    [COLUMN_LINKS] = {"LINKS", VALUE_COUNT, false, "how many names it has"},
    [COLUMN_CREATOR] = {"CREATOR", VALUE_COUNT, false, "segments: process that made it"},
    [COLUMN_LAST] = {"LAST", VALUE_COUNT, false, "segments: process that attached it last"},
};

bool column_needs_holds(enum object_column column) {
  return column == COLUMN_MAPS || column == COLUMN_OPENS || column == COLUMN_HOLDERS ||
         column == COLUMN_PIDS || column == COLUMN_COMMANDS;
}

static char *list_processes(const struct object *object, bool commands) {
  GString *text = g_string_new(NULL);
  const struct process *before = NULL;
  for (unsigned i = 0; i < object->holds->len; i++) {
    const struct process *process = ((const struct hold *)object->holds->pdata[i])->process;
    if (process == before)
      continue;
    g_string_append_printf(text, "%s%d", before ? "\n" : "", process->pid);
    if (commands) {
      g_string_append_c(text, ':');
      text_append_name(text, process->command);
    }
    before = process;
  }
  return g_string_free(text, FALSE);
}

static char *owner_text(const struct object *object, bool group) {
  GString *text = g_string_new(NULL);
  if (group)
    text_append_group(text, object->gid);
  else
    text_append_user(text, object->uid);
  return g_string_free(text, FALSE);
}

/* Those that are texts; NULL for the others, and for what is unknown. */
static char *text_of(enum object_column column, const struct object *object) {
  switch (column) {
  case COLUMN_NAME:
    return text_name(object->name);
  case COLUMN_KIND:
    return g_strdup(object_kind_name(object->kind));
  case COLUMN_OWNER:
  case COLUMN_GROUP:
    return owner_text(object, column == COLUMN_GROUP);
  case COLUMN_MODE:
    return g_strdup_printf("%04o", object->mode);
  case COLUMN_PIDS:
  case COLUMN_COMMANDS:
    return list_processes(object, column == COLUMN_COMMANDS);
  case COLUMN_KEY:
    return object->kind == OBJECT_SYSV ? g_strdup_printf("0x%08x", object->key) : NULL;
  default:
    return NULL;
  }
}

static uint64_t number_of(enum object_column column, const struct object *object,
                          const struct selection *selection) {
  bool segment = object->kind == OBJECT_SYSV;
  switch (column) {
  case COLUMN_SIZE:
    return object->size;
  case COLUMN_RESIDENT:
    return object->resident;
  case COLUMN_SWAPPED:
    return object->swapped;
  case COLUMN_AGE:
    return object->born ? selection_age(selection, object) : UNKNOWN;
  case COLUMN_MAPS:
    return object_count(object, HOLD_MAP);
  case COLUMN_OPENS:
    return object_count(object, HOLD_DESCRIPTOR);
  case COLUMN_HOLDERS:
    return object_holders(object);
  case COLUMN_ATTACHED:
    return segment ? object->attached : UNKNOWN;
  case COLUMN_ID:
    return object->inode;
  case COLUMN_LINKS:
    return object->links;
  case COLUMN_CREATOR:
    return segment && object->creator > 0 ? (uint64_t)object->creator : UNKNOWN;
  case COLUMN_LAST:
    return segment && object->last > 0 ? (uint64_t)object->last : UNKNOWN;
  default:
    return UNKNOWN;
  }
}

void column_fill(struct value *value, enum object_column column, const struct object *object,
                 const struct selection *selection) {
  value->text = text_of(column, object);
  value->number = number_of(column, object, selection);
}
