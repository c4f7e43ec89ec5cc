/* slab: memory of a role that allocates nothing after start. One reserved region, carved into
 * power-of-two pieces that return to a free list of their class. The limit is exact; no system call
 * after init (pages are touched as they are first used). Not for the tree: APPLY has its own heap.
 *
 * One role owns a slab: no two calls at the same time. */
#pragma once

#include "base/err.h"

#include <stdint.h>

#define SLAB_CLASS_LOG2_MIN 5  /* 32 B */
#define SLAB_CLASS_LOG2_MAX 27 /* 128 MiB */
#define SLAB_CLASS_COUNT    (SLAB_CLASS_LOG2_MAX - SLAB_CLASS_LOG2_MIN + 1)

struct slab {
    uint8_t *region;
    uint64_t limit;  /* bytes */
    uint64_t carved; /* bytes ever handed out from the region's front */
    uint64_t in_use; /* bytes now allocated, by class size */
    void *free[SLAB_CLASS_COUNT];
};

/* slab_init reserves `limit` bytes of address space. Returns 0 or ERR_NOMEM. */
MUST_USE int slab_init(struct slab *slab, uint64_t limit);
void slab_fini(struct slab *slab);

/* slab_alloc returns at least `size` bytes, 32-byte aligned, not zeroed, or NULL at the limit.
 * Gives the piece away until slab_free. */
void *slab_alloc(struct slab *slab, uint64_t size);

/* slab_free takes a piece back; size is the size it was asked for with. NULL is allowed. */
void slab_free(struct slab *slab, void *piece, uint64_t size);

/* slab_size_usable is what an allocation of `size` bytes really holds: the next power of two. */
uint64_t slab_size_usable(uint64_t size);
