/* Several stores shown as one: the directories at the top are the roots of the others. A store itself,
 * so that nothing above knows.
 *
 *   posix/     the objects of shm_open(3)          posix.h
 *   sysv/      System V segments                   sysv.h
 *   sem/       POSIX named semaphores              sem.h
 *   mqueue/    POSIX message queues                mqueue.h; not there when the kernel has none, or
 *                                                  lets us at none
 *   sysv-sem/  System V semaphores                 sysvsem.h
 *   sysv-msg/  System V message queues             sysvmsg.h
 *
 * Nodes are those of the stores, which are told apart by their form (text.h); only their roots get
 * others here. The top is fixed: nothing is made, removed or renamed there (-EPERM), nor its mode
 * changed. Renaming and linking from one store to another is -EXDEV. Free space is the posix
 * store's. Inode numbers are unique among all files shown. */
#pragma once

#include "store/store.h"

struct tree_options {
  int directory; /* of the POSIX objects, open O_RDONLY, on a tmpfs; borrowed */
};

/* A tree over that directory and the caller's IPC namespace, which every thread that uses it must be
 * in. 0 or -errno: -EOPNOTSUPP when the directory is on no tmpfs. */
int tree_store_new(const struct tree_options *options, struct store **ret_store);
