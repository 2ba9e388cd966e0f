/* Names of a view that shows only the objects whose names begin with a prefix, without it.
 *
 *   inside      outside
 *   NAME        PREFIX NAME
 *   sem.NAME    sem. PREFIX NAME     so that what sem_open(3) makes inside as /NAME is /PREFIX NAME
 *                                    to the programs outside
 *
 * The mapping is one to one: what two inside names would share, or what would be no name inside
 * ("", ".", ".."), is not shown. A prefix that a semaphore's "sem." begins with, or that begins with
 * it, is refused: names with it would be those of other views' semaphores. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#define PREFIX_NAME_SIZE (NAME_MAX + 1) /* bytes of a name with its terminating 0 */

/* NULL, or why it can be no prefix: static, to follow "-o prefix=X: ". */
const char *prefix_refused(const char *prefix);

/* 0; -EINVAL for "", ".", ".." and what has a slash; -ENAMETOOLONG. */
int prefix_outside(const char *prefix, const char *inside, char ret_outside[PREFIX_NAME_SIZE]);

/* False for what is not in the view. */
bool prefix_inside(const char *prefix, const char *outside, char ret_inside[PREFIX_NAME_SIZE]);
