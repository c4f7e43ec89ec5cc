/* eal: DPDK's start-up, in one place. Once in a process, before its workers start.
 *
 * Adds what an operator usually means but does not write: no PCI scan when only virtual devices are
 * named; memory without hugepages when none are free; no telemetry socket; threads that float over
 * the cpus (takt binds its workers itself). An option given by hand always wins. */
#pragma once

#include "base/err.h"
#include "base/say.h"

#include <stdbool.h>
#include <stdint.h>

#define EAL_ARGS_MAX 64

struct eal_args {
    int count;
    char *argv[EAL_ARGS_MAX + 1];
    char text[4096]; /* what argv points into */
};

/* eal_args_make splits `options` at blanks ('...' and "..." keep them together) and adds what is
 * missing. hugepages_free: how many there are. Returns 0 or ERR_CONFIG. Pure. */
MUST_USE int eal_args_make(struct eal_args *args, const char *options, uint32_t hugepages_free,
                           uint32_t cpu_count, struct fault *fault);

/* eal_start runs rte_eal_init. The calling thread keeps its cpus. Returns 0, ERR_BUSY (started
 * already), ERR_CONFIG, ERR_IO: what DPDK said is on stderr, and fault says where to look. */
MUST_USE int eal_start(const char *options, struct fault *fault);
void eal_stop(void);
