/* Short time slices (Linux 6.12): on a machine with more to do than processors, a thread that wants less
 * at a time runs as soon as it is woken, where others first wait for the end of somebody else's slice. */
#pragma once

/* Asks for them, for the calling thread and for those and the processes that it makes from now on. Older
 * kernels know nothing like it, and ignore or refuse the wish; a thread with a real-time policy is left
 * alone. */
void slices_shorten(void);
