/* Where the pages of an object are. */
#pragma once

#include "ctl/content.h"

#define PAGES_NODES 64 /* NUMA nodes that are told apart; the kernel's limit is 1,024 */

struct pages {
  uint64_t node[PAGES_NODES]; /* bytes in the memory of each */
  uint64_t huge;              /* bytes in huge pages; UNKNOWN */
};

/* Maps what is in RAM, which makes no memory, and asks the kernel about that mapping. 0; -EACCES when
 * the kernel does not tell us what is in RAM (only the owner, or who may write), or -errno. */
int pages_locate(const struct content *content, struct pages *ret_pages);
