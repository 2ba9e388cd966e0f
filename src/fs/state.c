/* The state page: see state.h for the model. */
#include "fs/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "util/fd.h"

static size_t page_length(void) {
  return sizeof(struct state_page) + (size_t)STATE_SLOTS * sizeof(struct state_slot);
}

static int map_page(int fd, struct state **ret_state) {
  struct state *state = calloc(1, sizeof *state);
  if (!state)
    return -ENOMEM;
  state->page = mmap(NULL, page_length(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (state->page == MAP_FAILED) {
    int code = -errno;
    free(state);
    return code;
  }
  state->fd = fd;
  pthread_mutex_init(&state->lock, NULL);
  *ret_state = state;
  return 0;
}

static void describe_page(struct state_page *page) {
  page->magic = STATE_MAGIC;
  page->version = STATE_VERSION;
  page->page_size = sizeof(struct state_page);
  page->record_size = sizeof(struct state_record);
  page->slot_size = sizeof(struct state_slot);
  page->records = STATE_RECORDS;
  page->slots = STATE_SLOTS;
  page->started = time(NULL);
}

int state_new(struct state **ret_state) {
  auto_fd int fd = memfd_create("shmfs-state", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)page_length()) < 0)
    return -errno;
  int code = map_page(fd, ret_state);
  if (code < 0)
    return code;
  fd_steal(&fd);
  describe_page((*ret_state)->page);
  return 0;
}

bool state_check(uint32_t version, uint32_t page_size, uint32_t record_size, uint32_t slot_size,
                 uint32_t records, uint32_t slots) {
  return version == STATE_VERSION && page_size == sizeof(struct state_page) &&
         record_size == sizeof(struct state_record) && slot_size == sizeof(struct state_slot) &&
         records == STATE_RECORDS && slots == STATE_SLOTS;
}

int state_adopt(int fd, struct state **ret_state) {
  struct stat attributes;
  if (fstat(fd, &attributes) < 0)
    return -errno;
  if (attributes.st_size != (off_t)page_length())
    return -EPROTO;
  struct state *state = NULL;
  int code = map_page(fd, &state);
  if (!state)
    return code;
  const struct state_page *page = state->page;
  if (page->magic != STATE_MAGIC || !state_check(page->version, page->page_size, page->record_size,
                                                 page->slot_size, page->records, page->slots)) {
    state->fd = -1;
    state_free(state);
    return -EPROTO;
  }
  *ret_state = state;
  return 0;
}

void state_free(struct state *state) {
  if (!state)
    return;
  munmap(state->page, page_length());
  fd_close(state->fd);
  pthread_mutex_destroy(&state->lock);
  free(state);
}

void state_recover(struct state *state) {
  struct state_page *page = state->page;
  struct state_redo *redo = &page->redo;
  if (__atomic_load_n(&redo->valid, __ATOMIC_ACQUIRE)) {
    page->slot[redo->slot].count = redo->count;
    if (redo->record < STATE_RECORDS)
      page->record[redo->record].phase = STATE_DONE;
    __atomic_store_n(&redo->valid, 0, __ATOMIC_RELEASE);
  }
  for (unsigned i = 0; i < STATE_RECORDS; i++)
    if (page->record[i].phase == STATE_STARTED && page->record[i].again < UINT16_MAX)
      page->record[i].again++;
}

void state_keep_init(struct state *state, const void *message, size_t size) {
  struct state_page *page = state->page;
  if (page->init_size || size > sizeof page->init)
    return;
  memcpy(page->init, message, size);
  __atomic_store_n(&page->init_size, (uint32_t)size, __ATOMIC_RELEASE);
}
