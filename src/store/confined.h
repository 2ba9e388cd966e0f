/* A part of another store, with rules of its own for what is made in it. A store itself, so that
 * nothing above knows.
 *
 * Only names at the top are mapped (prefix.h); what lies in directories has no name of its own
 * outside. The root is everybody's, so it is shown with the attributes that are asked for, and its
 * mode, owner, times and extended attributes cannot be changed from here (-EPERM). */
#pragma once

#include "store/store.h"

struct confined_options {
  const char *prefix; /* as prefix_refused() allows it; NULL: all objects. Borrowed */
  bool prealloc;      /* growing by change() allocates the pages, and is -ENOSPC without memory */
  mode_t umask;       /* permission bits that nothing made here has, besides the caller's umask */
  bool has_mode, has_uid, has_gid; /* of the root, as shown: */
  mode_t mode;
  uid_t uid;
  gid_t gid;
};

/* Is there anything to confine? */
bool confined_options_any(const struct confined_options *options);

/* A store over the posix store `inner`, which it takes over on success. 0 or -errno. */
int confined_store_new(struct store *inner, const struct confined_options *options,
                       struct store **ret_store);
