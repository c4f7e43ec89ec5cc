/* pages: memory of whole pages for rings, from the kernel and back to it; also mapped twice, so
 * that what wraps at the end of a ring is contiguous.
 *
 *   pages_take         [ size ]
 *   pages_take_twice   [ size ][ the same bytes again ]
 *
 * A process that opens and closes nodes all the time (the simulator) keeps what is given back and
 * hands it out again: a fresh page costs some thirty times what writing a warm one does. A ring
 * must not care what it finds, for it finds its own past in its second round.
 *
 * Role: whoever starts and stops roles; one thread at a time. */
#pragma once

#include "base/err.h"

#include <stdint.h>

/* pages_take gives `size` bytes, a multiple of 4096 > 0: zero, or after pages_keep anything. NULL:
 * no memory. Yours until pages_give with the same size. */
MUST_USE void *pages_take(uint64_t size);
void pages_give(void *at, uint64_t size);

/* pages_take_twice: the same, and [at + size, at + 2 * size) are the same bytes once more. `name`
 * is shown in /proc. */
MUST_USE void *pages_take_twice(const char *name, uint64_t size);
void pages_give_twice(void *at, uint64_t size);

/* pages_keep: from now on at most PAGES_KEPT_MAX pieces that were given back are kept. Not for a
 * server: its memory would stay as large as it ever was. */
#define PAGES_KEPT_MAX 1024
void pages_keep(void);
