/* heap: the memory of one tree. A jemalloc arena and thread cache of its own, so that what the tree
 * holds is counted to the byte, is not mixed with other roles' memory, and goes back to the system
 * in one call. Builds without jemalloc (sanitizers bring an allocator) fall back to malloc.
 *
 *               alloc free    used      X : same role (APPLY), one call at a time
 *   alloc, free   X     X      -        - : safe at the same time, from any role              */
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct heap {
    _Atomic uint64_t used_size; /* bytes now held, by size class; written by the owner only */
    unsigned arena, tcache;
    int flags; /* of mallocx: arena and thread cache */
};

/* heap_init makes an empty heap. Returns 0 or ERR_NOMEM. */
MUST_USE int heap_init(struct heap *heap);

/* heap_fini gives every piece back, also those that were not freed (with jemalloc; the fallback
 * leaks them, so that a leak checker sees them). */
void heap_fini(struct heap *heap);

/* heap_alloc returns `size` bytes, 16-byte aligned, not zeroed, or NULL when the machine has none.
 * size in [1, 2^40). Gives the piece away until heap_free. */
void *heap_alloc(struct heap *heap, size_t size);

/* heap_free takes a piece back; size is what it was asked for with. */
void heap_free(struct heap *heap, void *piece, size_t size);

/* heap_used is the sum of the size classes of all pieces, in bytes. Any role. */
uint64_t heap_used(const struct heap *heap);
