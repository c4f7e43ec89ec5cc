/* memif_guard: keeps net_memif from taking memory away under a burst call.
 *
 * When the other end of a memif goes, DPDK's interrupt thread marks the device as disconnected and
 * unmaps the rings. The burst calls look at that mark once, at their beginning, and nothing makes
 * the driver wait for one that is under way: a queue's thread that is in one reads unmapped memory,
 * and the process dies (seen in one of twenty disconnects). Between the mark and the unmapping the
 * driver calls rte_intr_callback_unregister; the program's own function of that name, which is
 * here, takes the place of DPDK's: it waits until each queue has left the burst that it was in, and
 * then goes on to DPDK's. Bursts that begin meanwhile see the mark.
 *
 *   queue's thread    enter  rx_burst ............ leave   enter  rx_burst: not connected  leave
 *   interrupt thread      mark ── unregister, waits ──┘ unmap
 *
 *              enter, leave   unregister       - : safe at the same time
 *     enter         X              -           X : one queue, its own thread
 *
 * The wait needs no barrier in the burst calls: membarrier(2) makes one for them. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define MEMIF_GUARD_QUEUES 16u

struct memif_guard_queue {
    _Alignas(64) _Atomic uint64_t steps; /* odd: inside of a burst call */
};

extern struct memif_guard_queue memif_guard_queues[MEMIF_GUARD_QUEUES];

/* memif_guard_init makes the process ready for it. Before the first device is started. */
void memif_guard_init(void);

/* Around each burst call of `queue`, in [0, MEMIF_GUARD_QUEUES). Role: the queue's thread. */
static inline void memif_guard_enter(uint16_t queue)
{
    _Atomic uint64_t *steps = &memif_guard_queues[queue].steps;

    atomic_store_explicit(steps, atomic_load_explicit(steps, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the rest of the barrier is the waiting side's */
}

static inline void memif_guard_leave(uint16_t queue)
{
    _Atomic uint64_t *steps = &memif_guard_queues[queue].steps;

    /* release; pairs with acquire in memif_guard_wait */
    atomic_store_explicit(steps, atomic_load_explicit(steps, memory_order_relaxed) + 1,
                          memory_order_release);
}
