/* Waiting for a request goes in steps: look at the device for poll_us; sleep, and after some quiet give
 * back what was kept for a moment; sleep with the processors kept awake for awake_us; sleep. In the last
 * step no timer runs anywhere: an idle mount uses no processor time. */
#include <errno.h>
#include <poll.h>
#include <sched.h>

#include "daemon/loop-internal.h"

/* Yielding at every look made an answered request take 9.2 us instead of 8.1; never yielding, up to
 * 17.7 (best of three runs each, one client; probably both on one processor). Between the two. */
#define LOOKS_A_YIELD 8
/* A pause of this length between two looks means that the processor is wanted for something else, and
 * then polling only puts off the client: a thread that sleeps is woken before others, one that
 * yields waits for its turn. So there is no polling for a while. */
#define WANTED_NS 30000
#define WANTED_FOR_NS 5000000
/* What is kept for a moment is given back when nothing came for so long. */
#define QUIET_US 1000
/* … and what even then has to be kept for longer, so often. */
#define LATE_US 50000

enum waited { WAITED_REQUEST, WAITED_NOTHING, WAITED_STOP };

/* timeout: NULL, for as long as it takes. */
static enum waited wait_for_request(struct loop *loop, const struct timespec *timeout) {
  struct pollfd wait[2] = {{loop->device, POLLIN, 0}, {loop->stopped, POLLIN, 0}};
  int count = ppoll(wait, G_N_ELEMENTS(wait), timeout, NULL);
  if (wait[1].revents && count > 0)
    return WAITED_STOP;
  return count > 0 && wait[0].revents ? WAITED_REQUEST : WAITED_NOTHING;
}

/* Reads if a request is there. Its size, 0 at the end of the mount, -EAGAIN, -errno. */
static int read_now(struct reader *reader) {
  int code = fuse_session_receive_buf(fs_session(reader->loop->fs), &reader->message);
  return code == -EINTR ? -EAGAIN : code;
}

/* Looks at the empty device for poll_us after the last request. Where the client shares this
 * processor it goes on only when this thread lets it; where it has its own, yielding only costs. */
static int poll_device(struct reader *reader) {
  int64_t now = now_ns(), looked = now;
  int64_t until = reader->last + reader->loop->options.poll_us * INT64_C(1000);
  int code = -EAGAIN;
  for (unsigned looks = 1; code == -EAGAIN && now < until; looks++) {
    if (looks % LOOKS_A_YIELD == 0)
      sched_yield();
    code = read_now(reader);
    now = now_ns();
    if (now - looked > WANTED_NS) {
      reader->poll_again = now + WANTED_FOR_NS;
      break;
    }
    looked = now;
  }
  return code;
}

static int read_polling(struct reader *reader) {
  int code = read_now(reader);
  if (code != -EAGAIN) {
    reader->queued++;
    return code;
  }
  reader->queued = 0;
  return reader->last < reader->poll_again ? code : poll_device(reader);
}

static struct timespec timespec_of_us(unsigned us) {
  return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L};
}

/* Sleeps until a request is there. */
static enum waited sleep_until_request(struct loop *loop) {
  struct timespec quiet = timespec_of_us(QUIET_US);
  struct timespec awake = timespec_of_us(loop->options.awake_us);
  atomic_store(&loop->asleep, true);
  enum waited waited = wait_for_request(loop, &quiet);
  if (waited == WAITED_NOTHING) {
    fs_idle(loop->fs, 0);
    if (loop->awake)
      waited = wait_for_request(loop, &awake);
  }
  if (waited == WAITED_NOTHING)
    awake_release(loop->awake);
  struct timespec late = timespec_of_us(LATE_US);
  while (waited == WAITED_NOTHING && fs_idle(loop->fs, 0))
    waited = wait_for_request(loop, &late);
  while (waited == WAITED_NOTHING)
    waited = wait_for_request(loop, NULL);
  loop_begin_watching(loop);
  awake_hold(loop->awake);
  return waited;
}

int loop_read(struct reader *reader) {
  int code = atomic_load(&reader->loop->stopping) ? -ECANCELED : read_polling(reader);
  while (code == -EAGAIN) {
    if (sleep_until_request(reader->loop) == WAITED_STOP)
      return -ECANCELED;
    code = read_now(reader);
  }
  return code;
}
