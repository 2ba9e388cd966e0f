/* The POSIX message queues of this process's IPC namespace, as text files (text.h).
 *
 * Read: lines of a name and a value. maxmsg, msgsize: how many messages of how many bytes it takes;
 * curmsgs, qsize: how many there are, and bytes in them; notify, signo, notify_pid: who is told of
 * a message (mq_notify(3)), as mq_overview(7) describes them. No message is received. Written: what
 * one write holds is sent as one message of priority 0; -EMSGSIZE when it is longer than the queue
 * takes, -EAGAIN when the queue is full. Changes of mode, owner and times are the queue's own, and
 * removing is mq_unlink(3). */
#pragma once

#include "store/store.h"

/* A descriptor of the file system that the kernel keeps the queues of this IPC namespace in, which
 * needs not be mounted anywhere: a mount of its own that nobody sees, or without the privilege for
 * that the one at /dev/mqueue. The caller owns it. 0 or -errno: -ENODEV when the kernel has no
 * queues, -EPERM. */
int mqueue_directory_open(int *ret_fd);

/* A store over that directory; duplicates fd. 0 or -errno. */
int mqueue_store_new(int fd, struct store **ret_store);
