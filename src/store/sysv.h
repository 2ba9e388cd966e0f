/* The sysv store: the System V shared memory segments of one IPC namespace, as the files of one flat
 * directory.
 *
 * A keyed segment's name is its key as ipcs(1) prints it, 0x%08x; one of IPC_PRIVATE is shmid.N. A
 * segment that is marked for destruction is an unlinked file: it has no name, and lives while it is
 * attached or open. Its size is fixed, its content is the memory that shmat(2) gives.
 *
 * Nodes: a segment's is (shmid | 0x80000000) << 32, whose low 32 bits, all zero, no inode of a tmpfs
 * has. The kernel gives a shmid out again only when the slot that it names has been used some
 * 65,000 times more (ipc/util.c, the sequence number); until then a removed one answers -ESTALE, and then
 * get_incarnation tells them apart. A staged file's node (see create) is its tmpfs inode's own, by
 * handle.h.
 *
 * What differs from store.h's general words:
 * - create() does not make the segment, for want of its size. It stages an unnamed file, and the
 *   segment is made by the first change() of that file's size to more than 0, or at the first
 *   flush() at which it is not empty. What shmget(2) then says is their error: -EEXIST, -EINVAL
 *   (SHMMAX), -ENOSPC (SHMMNI, SHMALL). With the name taken create() answers -EEXIST for O_EXCL, and
 *   else -ESTALE, upon which the kernel looks the name up and comes back with an ordinary open.
 * - a change of size: to the same size it succeeds; to 0 not through an open file (so, by O_TRUNC or
 *   truncate(2)) it succeeds and changes nothing; everything else is -EPERM.
 * - -EPERM for changes of times, and for what the directory does not hold: other kinds of files,
 *   links, other names (rename). -EINVAL for creating what is no name of a keyed segment.
 * - open() attaches the segment for a moment, which the kernel notes in shm_atime and shm_lpid. The
 *   descriptor is -1 for segments of huge pages, and for all of them without the capability to open
 *   /proc/self/map_files (CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN). */
#pragma once

#include "store/store.h"

struct sysv_options {
  int directory; /* open O_RDONLY, on a tmpfs; holds unnamed files while they are staged. Borrowed */
};

/* Enters an IPC namespace: that of a process (its PID in digits), or a namespace file by its path.
 * For good, and (setns(2)) for the calling thread and what it starts later: so before there are
 * threads. 0; -EINVAL when it is no IPC namespace, -EPERM without CAP_SYS_ADMIN in it, or what
 * open(2) says: -ENOENT (no such process), -EACCES. */
int sysv_namespace_enter(const char *which);

/* A store over the segments of the caller's IPC namespace, which every thread that uses it must
 * be in. 0 or -errno: -EOPNOTSUPP when the directory is on no tmpfs. */
int sysv_store_new(const struct sysv_options *options, struct store **ret_store);
