/* The service manager's notification protocol, sd_notify(3), without its library. */
#pragma once

/* Sends `state` ("READY=1\nSTATUS=…") to $NOTIFY_SOCKET; nothing where that is unset.
 * Returns 1 when sent, 0 when there is nobody to tell, or -errno. */
int notify_state(const char *state);

/* Sends RELOADING=1 with the MONOTONIC_USEC that systemd 253+ asks for. As notify_state(). */
int notify_reloading(void);
