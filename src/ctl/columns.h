/* What can be shown of an object, for ls and whoever makes such a table. */
#pragma once

#include "ctl/selection.h"
#include "ctl/table.h"

/* In the order in which all of them would be shown. */
enum object_column {
  COLUMN_NAME,
  COLUMN_KIND,
  COLUMN_SIZE,
  COLUMN_RESIDENT,
  COLUMN_SWAPPED,
  COLUMN_OWNER,
  COLUMN_GROUP,
  COLUMN_MODE,
  COLUMN_AGE,
  COLUMN_MAPS,
  COLUMN_OPENS,
  COLUMN_HOLDERS,
  COLUMN_ATTACHED,
  COLUMN_PIDS,
  COLUMN_COMMANDS,
  COLUMN_KEY,
  COLUMN_ID,
  COLUMN_LINKS,
  COLUMN_CREATOR,
  COLUMN_LAST,
  OBJECT_COLUMNS,
};

extern const struct column object_columns[OBJECT_COLUMNS];

/* Does the column need INVENTORY_HOLDS? */
bool column_needs_holds(enum object_column column);

/* Fills in the column's value. selection: for the time. */
void column_fill(struct value *value, enum object_column column, const struct object *object,
                 const struct selection *selection);
