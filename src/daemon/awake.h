/* Keeping processors from deep idle states while requests follow each other: waking a processor out
 * of one costs more than serving a request. Uses /dev/cpu_dma_latency (Linux PM QoS): a latency of
 * 0 us is asked for while busy and given back after a quiet spell, so an idle machine stays idle. */
#pragma once

struct awake;

/* NULL where it is not to be had (no such device, not permitted) or quiet_us is 0. */
struct awake *awake_new(unsigned quiet_us);
void awake_free(struct awake *awake);
/* Requests are coming. Cheap when already awake. */
void awake_hold(struct awake *awake);
/* Nothing came for quiet_us microseconds. */
void awake_release(struct awake *awake);
