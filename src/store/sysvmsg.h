/* The System V message queues of this process's IPC namespace, as text files (text.h): 0x%08x, or
 * msqid.N for a private one.
 *
 * Read: lines of a name and a value. qnum: messages; cbytes: bytes in them; qbytes: how many there
 * may be; lspid, lrpid: who sent and who received last; stime, rtime, ctime: seconds since 1970, 0
 * for never. No message is received. Written: what one write holds is sent as one message of type 1;
 * -EMSGSIZE when it is longer than kernel.msgmax or than the queue may ever hold, -EAGAIN when the
 * queue is full. Removing is IPC_RMID, a change of mode or owner IPC_SET, of times -EPERM. */
#pragma once

#include "store/store.h"

/* born: what the directory says for its times, of which the kernel keeps none. */
int sysvmsg_store_new(const struct timespec *born, struct store **ret_store);
