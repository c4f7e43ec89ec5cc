#include "dataplane/port/dpdk/memif_guard.h"

#include "base/check.h"

#include <dlfcn.h>
#include <linux/membarrier.h>
#include <rte_interrupts.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMIF_GUARD_DRAIN_US 1000 /* in place of membarrier: far longer than a store takes */

struct memif_guard_queue memif_guard_queues[MEMIF_GUARD_QUEUES];

void memif_guard_init(void)
{
    (void)!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

/* Until each queue has been outside of its burst calls once. */
static void memif_guard_wait(void)
{
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
        usleep(MEMIF_GUARD_DRAIN_US);
    for (uint32_t i = 0; i < MEMIF_GUARD_QUEUES; i++) {
        _Atomic uint64_t *steps = &memif_guard_queues[i].steps;
        uint64_t seen = atomic_load_explicit(steps, memory_order_acquire);
        while (seen & 1 && atomic_load_explicit(steps, memory_order_acquire) == seen)
            sched_yield();
    }
}

/* DPDK's, with a wait in front of it. Shared libraries find the program's function first. */
int rte_intr_callback_unregister(const struct rte_intr_handle *handle,
                                 rte_intr_callback_fn callback, void *arg)
{
    static int (*_Atomic next)(const struct rte_intr_handle *, rte_intr_callback_fn, void *);
    int (*call)(const struct rte_intr_handle *, rte_intr_callback_fn, void *) =
        atomic_load_explicit(&next, memory_order_relaxed);

    if (!call) {
        void *found = dlsym(RTLD_NEXT, "rte_intr_callback_unregister");
        CHECK(found);
        memcpy(&call, &found, sizeof(call));
        atomic_store_explicit(&next, call, memory_order_relaxed);
    }
    memif_guard_wait();
    return call(handle, callback, arg);
}
