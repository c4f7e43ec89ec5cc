/* log_tail: the newest part of the log, in memory, exactly as it goes to disk.
 *
 *      released          applied        durable            batch_start        appended
 *  ───────┼─────────────────┼──────────────┼──────────────────┼───────────────────┼──▶ bytes ever
 *   reused│   APPLY is done │ to be applied│ being written    │ the open batch    │ free
 *
 * CORE is the only writer. DISK reads the batch it was lent by core_disk; APPLY reads records up to
 * the committed index. Neither is told of bytes before they are sealed, and CORE reuses bytes only
 * after APPLY has published that it is past them: the links' release/acquire pairs order the rest.
 * This is the fourth form of sharing of ARCHITECTURE.md: a ring with one writer and two readers.
 *
 * The ring is mapped twice, one copy behind the other, so any range of it is contiguous. */
#pragma once

#include "base/err.h"
#include "base/messages.h"
#include "consensus/log_format.h"

#include <stdatomic.h>
#include <stdbool.h>

#define LOG_TAIL_BATCH_SIZE_MAX (4u << 20) /* bytes a batch may reach before it must be closed */

struct log_tail {
    uint8_t *ring;
    uint64_t size; /* bytes, a power of two */
    uint32_t block_size;
    uint64_t appended;    /* bytes ever, all of these counted from the tail's start */
    uint64_t batch_start; /* first byte of the open batch */
    uint64_t batch_index; /* first index in the open batch; 0 = it is empty */
    uint64_t chain;       /* of the last sealed record */
    uint64_t last_index;
    _Alignas(64) _Atomic uint64_t applied; /* written by APPLY: it is done with all before this */
};

/* log_tail_init maps `size` bytes twice. Continues behind last_index / chain. size: a power of two
 * of at least 4 * LOG_TAIL_BATCH_SIZE_MAX. Returns 0, ERR_RANGE or ERR_NOMEM. Before the roles
 * start. */
MUST_USE int log_tail_init(struct log_tail *tail, uint64_t size, uint32_t block_size,
                           uint64_t last_index, uint64_t chain);
void log_tail_fini(struct log_tail *tail);

/* log_tail_append opens a record of payload_size bytes and returns where its payload goes, or NULL
 * when the tail has no room now (HOLD). The caller fills the payload, then calls log_tail_seal.
 * Role: CORE. */
uint8_t *log_tail_append(struct log_tail *tail, uint64_t term, uint32_t payload_size);

/* log_tail_seal finishes the record that log_tail_append opened; returns its index. Role: CORE. */
uint64_t log_tail_seal(struct log_tail *tail, uint8_t *payload);

/* True when the open batch should be closed before more is appended. */
bool log_tail_batch_full(const struct log_tail *tail);

/* log_tail_close_batch pads the open batch to the block size and describes it. False when it is
 * empty. Role: CORE. */
bool log_tail_close_batch(struct log_tail *tail, struct core_disk *batch);

/* log_tail_at gives the address of a byte that lies in [applied, appended). Any role that was told
 * of it; contiguous up to the ring's size. */
static inline uint8_t *log_tail_at(const struct log_tail *tail, uint64_t offset)
{
    return tail->ring + (offset & (tail->size - 1));
}

/* log_tail_next returns the entry at *offset, stepping over padding, and moves *offset behind it.
 * Assumes a sealed entry follows. Role: APPLY. */
const struct log_record *log_tail_next(const struct log_tail *tail, uint64_t *offset);

/* log_tail_applied gives everything before `offset` back to CORE. Role: APPLY. */
static inline void log_tail_applied(struct log_tail *tail, uint64_t offset)
{
    atomic_store_explicit(&tail->applied, offset, memory_order_release); /* log_tail_append */
}
