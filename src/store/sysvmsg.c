/* Message queues. The kernel tells what is in one without a message being touched. */
#include "store/sysvmsg.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/msg.h>

#include "store/text-ipc.h"

#define MESSAGE_TYPE 1 /* the least there is; a receiver that asks for any type gets it */

static int msg_stat(int id, struct ipc_object *ret, struct msqid_ds *ret_queue) {
  struct msqid_ds queue;
  int found = msgctl(id, MSG_STAT_ANY, &queue);
  if (found < 0)
    return -errno;
  *ret = (struct ipc_object){
      .id = found,
      .permissions = queue.msg_perm,
      .accessed = queue.msg_rtime,
      .modified = MAX(queue.msg_stime, queue.msg_rtime),
      .changed = queue.msg_ctime,
  };
  if (ret_queue)
    *ret_queue = queue;
  return 0;
}

static int msg_stat_object(int id, struct ipc_object *ret) {
  return msg_stat(id, ret, NULL);
}

static int msg_last_index(void) {
  struct msginfo info;
  int last = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&info);
  return last < 0 ? -errno : last;
}

static int msg_find_key(key_t key) {
  int id = msgget(key, 0);
  return id < 0 ? -errno : id;
}

static int msg_remove(int id) {
  return msgctl(id, IPC_RMID, NULL) < 0 ? ipc_error(errno) : 0;
}

/* The queue with this id. */
static int queue_of(int id, struct msqid_ds *ret) {
  struct ipc_object object = {0};
  int r = msg_stat(id, &object, ret);
  if (r < 0)
    return ipc_error(-r);
  return object.id == id ? 0 : -ESTALE;
}

/* IPC_SET sets the length of the queue as well: to what it is. */
static int msg_set(int id, const struct ipc_perm *permissions) {
  struct msqid_ds queue = {0};
  int r = queue_of(id, &queue);
  if (r < 0)
    return r;
  queue.msg_perm = *permissions;
  return msgctl(id, IPC_SET, &queue) < 0 ? ipc_error(errno) : 0;
}

static int msg_get_text(struct store *store, uint64_t node, struct text *text) {
  struct msqid_ds queue = {0};
  (void)store;
  int r = queue_of(text_id_of(node), &queue);
  if (r < 0)
    return r;
  text_add(text, "qnum %lu\n", queue.msg_qnum);
  text_add(text, "cbytes %lu\n", queue.__msg_cbytes);
  text_add(text, "qbytes %lu\n", queue.msg_qbytes);
  text_add(text, "lspid %d\n", queue.msg_lspid);
  text_add(text, "lrpid %d\n", queue.msg_lrpid);
  text_add(text, "stime %lld\n", (long long)queue.msg_stime);
  text_add(text, "rtime %lld\n", (long long)queue.msg_rtime);
  text_add(text, "ctime %lld\n", (long long)queue.msg_ctime);
  return 0;
}

/* msgsnd(2) says EINVAL both for what is longer than kernel.msgmax and for a queue that is gone; and
 * EAGAIN for what a queue could not take if it were empty, so that nobody would ever succeed. */
static int why_not_sent(int id, size_t size, int error) {
  struct msqid_ds queue = {0};
  int r = queue_of(id, &queue);
  if (r < 0)
    return r;
  return error == EINVAL || size > queue.msg_qbytes ? -EMSGSIZE : -error;
}

struct message {
  int queue;
  size_t size;
  struct msgbuf *text;
};

static int send_message(void *data) {
  const struct message *message = data;
  if (msgsnd(message->queue, message->text, message->size, IPC_NOWAIT) < 0)
    return why_not_sent(message->queue, message->size, errno);
  return 0;
}

static int msg_command(struct store *store, uint64_t node, const char *data, size_t size,
                       struct store_act *act) {
  (void)store;
  struct message message = {.queue = text_id_of(node), .size = size};
  message.text = g_try_malloc(sizeof(struct msgbuf) + size);
  if (!message.text)
    return -ENOMEM;
  message.text->mtype = MESSAGE_TYPE;
  memcpy(message.text->mtext, data, size);
  int r = act->perform(act, send_message, &message);
  g_free(message.text);
  return r;
}

static const struct ipc_kind msg_kind = {
    .text =
        {
            .tag = TEXT_SYSVMSG,
            .free = ipc_free,
            .find = ipc_find,
            .get_attributes = ipc_get_attributes,
            .get_incarnation = ipc_get_incarnation,
            .get_text = msg_get_text,
            .command = msg_command,
            .change = ipc_change,
            .remove = ipc_remove,
            .list = ipc_list,
        },
    .prefix = "msqid.",
    .stat = msg_stat_object,
    .last_index = msg_last_index,
    .find_key = msg_find_key,
    .remove = msg_remove,
    .set = msg_set,
};

int sysvmsg_store_new(const struct timespec *born, struct store **ret_store) {
  *ret_store = ipc_store_new(&msg_kind, born);
  return 0;
}
