/* Which user and group ids have a number in this process's user namespace (user_namespaces(7)).
 *
 * An id that has none shows as the overflow id (proc(5), /proc/sys/kernel/overflowuid), which need not
 * have one either: then the kernel takes no file with it from a FUSE server for anybody's. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* True when it has, and when that cannot be found out. */
bool mapped_user(uid_t uid);
bool mapped_group(gid_t gid);
