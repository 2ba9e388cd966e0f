/* What the stores of System V semaphores and message queues have in common: names made of keys, and
 * attributes made of the kernel's struct ipc_perm. */
#pragma once

#include <sys/ipc.h>

#include "store/text.h"

/* What the kernel says of one object. */
struct ipc_object {
  int id;
  struct ipc_perm permissions;
  time_t accessed, modified, changed;
};

/* The calls that differ; 0 or -errno. No call needs a right to the object but where it says so. */
struct ipc_kind {
  struct text_kind text; /* its functions: the ipc_… below, and its own get_text and command */
  const char *prefix;    /* of the names of private objects: "semid." */
  /* The object in the slot of an id, or with that index in the kernel's table: -EINVAL when that is
   * empty. */
  int (*stat)(int id, struct ipc_object *ret);
  int (*last_index)(void);    /* the highest that is in use, or -errno */
  int (*find_key)(key_t key); /* the id, or -ENOENT; never IPC_PRIVATE, never makes anything */
  int (*remove)(int id);      /* IPC_RMID; the owner's right */
  int (*set)(int id, const struct ipc_perm *permissions); /* IPC_SET; the owner's right */
};

struct ipc_store {
  struct text_store base;
  struct timespec born; /* the times of the directory, of which the kernel keeps none */
};

/* A store of the kind. */
struct store *ipc_store_new(const struct ipc_kind *kind, const struct timespec *born);

/* What text_kind asks for. */
void ipc_free(struct store *store);
int ipc_find(struct store *store, const char *name, uint64_t *ret_node);
int ipc_get_attributes(struct store *store, uint64_t node, struct stat *ret);
int ipc_get_incarnation(struct store *store, uint64_t node, uint64_t *ret);
int ipc_change(struct store *store, uint64_t node, const struct store_change *change);
int ipc_remove(struct store *store, const char *name);
int ipc_list(struct store *store, uint64_t offset, store_list_fn *fn, void *data);

/* -errno of a call on an object by its id: -ESTALE when it is gone. */
int ipc_error(int error);
