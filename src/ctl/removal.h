/* Removing an object if nobody holds it, and leaving it alone if anybody does: also somebody whom no
 * look into /proc can show (another PID namespace, a descriptor on its way through a socket, io_uring).
 *
 * The kernel itself is asked. It grants a write lease (fcntl(2), F_SETLEASE) only on a file that is
 * open nowhere else, mapped nowhere, and while it is granted lets nobody open the file before we
 * have been told. So: take the lease; move the name aside, where nobody looks for it; give those who
 * had found the name already the time to run into the lease; and unless one did, remove it. Otherwise
 * the name is put back while the one who opens still waits, and nothing has happened to them.
 *
 * What is left is said at removal_finish(). A segment has no lease: see there, too. */
#pragma once

#include "ctl/inventory.h"

struct removal {
  const struct inventory *inventory;
  const struct object *object;
  int fd;    /* with the lease; -1: nothing is under way */
  int error; /* the outcome so far: 0 or -errno */
};

/* Once per process: a lease that is broken sends SIGIO, which is not to end us. */
void removal_prepare(void);

/* Is it held by nobody, as far as the kernel knows? 0; -EBUSY; -EACCES or -EPERM when it is not ours
 * to ask; -ENOENT or -ESTALE when the name does not mean it any more. Opens the file for a moment. */
int removal_check(const struct inventory *inventory, const struct object *object);

/* Puts the object aside. */
void removal_begin(struct removal *removal, const struct inventory *inventory,
                   const struct object *object);

/* Between the two, once for any number of objects: waits until whoever had found one of their names
 * has come to open it. About 10 ms. */
void removal_wait(void);

/* Removes it, or puts it back. Returns 0; -EBUSY when somebody came; -EEXIST when somebody came, and
 * somebody else made another object of that name meanwhile (the old one is then left under the name
 * REMOVAL_PREFIX name); or why it could not be removed.
 *
 * Windows: a file's name is absent between begin and finish even if it is put back. On a kernel
 * that preempts itself, one who found the name, and was preempted before the lease for longer than
 * removal_wait(), gets the removed file. A segment is marked for destruction some microseconds after
 * it was seen to be unattached: whoever attaches it in between keeps it, without its key. */
int removal_finish(struct removal *removal);

/* Names of what has been put aside, so that it is known after a crash. */
#define REMOVAL_PREFIX ".shmfsctl."

/* Puts back what an earlier process left aside. Returns how many were. */
unsigned removal_recover(const struct inventory *inventory);
