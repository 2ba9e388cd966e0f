/* A second chance for path walks that lost a race.
 *
 * On ESTALE the kernel walks a path once more, with fresh lookups; a second ESTALE is the caller's.
 * Where a name is replaced natively again and again (write a new file, rename it over the old one),
 * the object may be gone a second time between that LOOKUP and the OPEN or GETATTR that
 * follows it. So what such a second walk finds is held for a moment, and the requests of that one walk
 * are answered although the object has lost its name meanwhile: it had it when it was looked up.
 *
 * Only the thread whose walk it is, only for the requests that one walk makes: a later walk finds the
 * object gone, as it should. */
#pragma once

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct retry;

/* store: not owned. NULL when there is no memory. */
struct retry *retry_new(struct store *store);
void retry_free(struct retry *retry);

/* The thread is being answered with ESTALE. */
void retry_arm(struct retry *retry, fuse_req_t request);

/* A request of a thread (by its id, as in the message) begins, that is neither a LOOKUP nor a GETATTR,
 * READLINK or GETXATTR. Those belong to a walk; what comes after them is what it was for, and ends its chance.
 * Returns which chance that is, 0 for none. */
uint64_t retry_begin_action(struct retry *retry, pid_t thread);

/* The request has been answered, so the thread may be on its next walk by now: only the chance with this
 * id ends. */
void retry_end_action(struct retry *retry, pid_t thread, uint64_t id);

/* The thread's LOOKUP has found nothing. The first time it may have asked about what it knew from before,
 * and now it asks anew; the second time the walk has ended. */
void retry_missed(struct retry *retry, fuse_req_t request);

/* The thread's LOOKUP has found the node. False when the walk is a second one and the node is gone again
 * already: look once more. */
bool retry_found(struct retry *retry, fuse_req_t request, uint64_t node);

enum retry_use {
  RETRY_ATTRIBUTES, /* GETATTR: for the permission, and for stat() itself */
  RETRY_LIST,       /* the ACL: for the permission, and for getfacl() itself */
  RETRY_CAPABILITY, /* security.capability, which the kernel wants to know before chown and truncate */
  RETRY_ACTION,     /* what the path was walked for */
};

/* May this request use the node although it has no name any more? Uses the chance up, so it is asked
 * whether or not the node has a name. */
bool retry_grants(struct retry *retry, fuse_req_t request, uint64_t node, enum retry_use use);

/* The result of a request that was granted. What a store cannot hold (a segment is gone with its last
 * attachment) may be gone all the same: then there is nothing of that name, which the caller understands,
 * and a second ESTALE would be his. */
int retry_result(int code);

/* Lets go of what has been held for long enough for any walk, RETRY_US microseconds. Returns whether
 * something is still held. */
bool retry_expire(struct retry *retry);

/* A client and a daemon that wait for processors may take so long for the requests of one walk. */
#define RETRY_US 500000
