/* heap: the memory of one tree. A jemalloc arena and thread cache of its own, so that what the tree
 * holds is counted to the byte, is not mixed with other roles' memory, and goes back to the system
 * in one call. Small pieces that come back are kept for the next of their size class, so that a
 * write that replaces a version, as a rule, does not call jemalloc. Builds without jemalloc
 * (sanitizers bring an allocator) fall back to malloc.
 *
 *               alloc free    used      X : same role (APPLY), one call at a time
 *   alloc, free   X     X      -        - : safe at the same time, from any role              */
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_SMALL_SIZE 1024u /* bytes; larger pieces go to jemalloc at once */
#define HEAP_STEP_SIZE  16u   /* size classes of small pieces are multiples of it */
#define HEAP_STEP_COUNT (HEAP_SMALL_SIZE / HEAP_STEP_SIZE + 1)
#define HEAP_KEPT_SIZE  (2u << 20) /* bytes kept in all; two batches of retired versions */

/* A piece that is kept. */
struct heap_piece {
    struct heap_piece *next;
};

struct heap {
    _Atomic uint64_t used_size; /* bytes now held, by size class; written by the owner only */
    unsigned arena, tcache;
    int flags;          /* of mallocx: arena and thread cache */
    uint32_t kept_size; /* bytes in the lists of `kept`, not in used_size; <= HEAP_KEPT_SIZE */
    uint16_t class_size[HEAP_STEP_COUNT];     /* by size in steps, rounded up */
    struct heap_piece *kept[HEAP_STEP_COUNT]; /* by class in steps */
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

/* heap_used is the sum of the size classes of all pieces given away, in bytes. Any role. */
uint64_t heap_used(const struct heap *heap);
