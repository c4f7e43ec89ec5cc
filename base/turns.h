/* turns: what a role's turns cost, as the worker that runs them counts it. One writer, the worker's
 * thread; anybody reads, relaxed: each number is whole. Lives in the node's page (base/node_page.h)
 * so that it can be looked at from outside, and after a crash. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct turns {
    _Alignas(64) _Atomic uint64_t turns; /* calls of poll */
    _Atomic uint64_t turns_busy;         /* of those, with work */
    _Atomic uint64_t work;               /* units */
    _Atomic uint64_t busy_ns;            /* time inside of busy turns */
    _Atomic uint64_t worst_ns; /* longest of these since start, or since turns_worst_reset */
};

static inline uint64_t turns_get(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}
