/* log_tail: the newest part of the log, in memory, exactly as it goes to disk.
 *
 *      first            applied        written            batch_start        appended
 *  ──────┼─────────────────┼──────────────┼──────────────────┼───────────────────┼──▶ bytes ever
 *  reused│ kept: followers │ to be applied│ being written    │ the open batch    │ free
 *
 *  index ring: index ──▶ where its record begins. Going back (truncate) rewinds the index, not the
 *  bytes:    ... 7 8 9 10 │ 8' 9' ...      8 9 10 are dead until their bytes are reused
 *
 * CORE is the only writer. DISK reads the batch it was lent by core_disk; APPLY reads entries up to
 * the committed index, by index. Neither is told of bytes before they are sealed, and CORE reuses
 * bytes only after APPLY has published that it is past them and DISK has answered for them, and
 * only when the room is needed: what is left in between is for followers that are behind. The
 * links' release/acquire pairs order the rest. An index that APPLY may ask for never moves: it is
 * committed, and only what is not committed is truncated. This is the fourth form of sharing of
 * ARCHITECTURE.md: a ring with one writer and two readers.
 *
 * The ring is mapped twice, one copy behind the other, so any range of it is contiguous.
 *
 *                        CORE's calls   log_tail_entry, log_tail_at
 *     CORE's calls            X                 -              - : safe at the same time
 *     entry, at               -                 -              X : one call at a time            */
#pragma once

#include "base/err.h"
#include "base/lines.h"
#include "base/messages.h"
#include "consensus/log_format.h"

#include <stdatomic.h>
#include <stdbool.h>

#define LOG_TAIL_BATCH_SIZE_MAX (4u << 20) /* bytes a batch may be allowed to have */
#define LOG_TAIL_BATCH_SIZE_MIN (16u << 10)
#define LOG_TAIL_SLOT_COUNT     (64u << 10) /* entries it can hold, as a default */

struct log_tail_config {
    uint64_t size;           /* bytes, a power of two of at least 4 * batch_size_max */
    uint32_t batch_size_max; /* in [LOG_TAIL_BATCH_SIZE_MIN, LOG_TAIL_BATCH_SIZE_MAX] */
    uint32_t slot_count;     /* entries, a power of two in [64, 2^24]; 0: LOG_TAIL_SLOT_COUNT */
    uint32_t block_size;     /* of the disk */
    uint64_t salt;           /* of the superblock */
    uint64_t last_index, last_term, chain; /* the entry that the first one here follows */
    uint64_t batch;                        /* number of the last batch on disk (wal_recovery) */
};

struct log_tail {
    uint8_t *ring;
    uint64_t *slots; /* where the record of an index begins, by index modulo slot_count */
    uint64_t size;   /* bytes, a power of two */
    uint32_t slot_count, block_size, batch_size_max, seed;
    uint64_t first_offset, first_index; /* what is held; first_index > last_index: nothing */
    uint64_t written;                   /* DISK has answered for all before this */
    uint64_t appended;                  /* bytes ever, all of these counted from the tail's start */
    uint64_t batch_start;               /* first byte of the open batch */
    uint64_t batch_index;               /* first index in the open batch; 0 = it is empty */
    uint64_t batch;                     /* number of the last batch that was closed */
    uint64_t batch_term_before, batch_chain_before; /* of the entry before the open batch */
    uint64_t chain, last_index, last_term;          /* of the last sealed record */
    uint64_t commit;                                /* stamped on records from now on */
    uint64_t term_before, chain_before;             /* of the entry before first_index */
    uint64_t applied_seen; /* of `applied`, when log_tail_is_roomy last had to look at it */
    _Alignas(64) _Atomic uint64_t applied; /* written by APPLY: it is done with all before this */
};
LINES_APART(struct log_tail, applied_seen, applied);

/* log_tail_init maps `size` bytes twice. Continues behind config->last_index. Returns 0, ERR_RANGE
 * (a size, a count) or ERR_NOMEM. Before the roles start. */
MUST_USE int log_tail_init(struct log_tail *tail, const struct log_tail_config *config);
void log_tail_fini(struct log_tail *tail);

/* ---- CORE: at the end ---- */

/* log_tail_append opens a record of payload_size bytes and returns where its payload goes, or NULL
 * when the tail or the open batch has no room now (HOLD). Assumes that record and one block fit in
 * a batch. The caller fills the payload, then calls log_tail_seal. Role: CORE. */
uint8_t *log_tail_append(struct log_tail *tail, uint64_t term, uint32_t payload_size);

/* log_tail_seal finishes the record that log_tail_append opened; returns its index. Role: CORE. */
uint64_t log_tail_seal(struct log_tail *tail, uint8_t *payload);

/* log_tail_append_record appends a record as another member's tail holds it: header and payload,
 * of which size, kind, index, term and chain count; batch, commit and crc are made anew. `room` is
 * how many bytes may be read at `record` (8-byte aligned). Borrows for the call. Returns 0;
 * ERR_FULL: no room in tail or batch now (HOLD); ERR_MALFORMED: no entry, longer than `room`, or
 * too long for a batch; ERR_RANGE: its index is not the next one; ERR_CORRUPT: an older term than
 * the last entry's, or a chain that does not follow. Nothing is appended then. Role: CORE. */
MUST_USE int log_tail_append_record(struct log_tail *tail, const struct log_record *record,
                                    uint64_t room);

/* True when `count` records of together `size` bytes could be appended now. Role: CORE. */
bool log_tail_has_room(const struct log_tail *tail, uint64_t size, uint32_t count);

/* log_tail_is_roomy: may a leader propose a record of payload_size bytes now? Only while no more
 * than half of bytes and slots wait to be committed, written or applied. The rest is for what it
 * must be able to append in the end, the first entry of a term, with which all older ones are
 * committed: here and in a follower's tail, which holds the same entries in more and smaller
 * batches. Role: CORE. */
bool log_tail_is_roomy(struct log_tail *tail, uint32_t payload_size);

/* log_tail_truncate forgets the entries from from_index on; the next one appended has this index.
 * Bytes that were lent to DISK stay as they are. Assumes from_index in (commit, last_index + 1] and
 * not below log_tail_first. Role: CORE. */
void log_tail_truncate(struct log_tail *tail, uint64_t from_index);

/* log_tail_commit notes the committed index: it is stamped on what is sealed later, so that
 * recovery knows what may be applied. Never goes down. Role: CORE. */
static inline void log_tail_commit(struct log_tail *tail, uint64_t index)
{
    tail->commit = index > tail->commit ? index : tail->commit;
}

/* True when the open batch should be closed before more is appended. */
bool log_tail_batch_full(const struct log_tail *tail);

/* log_tail_close_batch pads the open batch to the block size and describes it. False when it is
 * empty. Role: CORE. */
bool log_tail_close_batch(struct log_tail *tail, struct core_disk *batch);

/* log_tail_written notes that DISK is done with all bytes before `offset` (DISK_CORE_DURABLE says
 * it). Role: CORE. */
void log_tail_written(struct log_tail *tail, uint64_t offset);

/* log_tail_settle declares everything that was appended to be on disk already: the entries that
 * recovery found behind the last one known to be committed. Also between them, when the batch is
 * full. Before the roles start. */
void log_tail_settle(struct log_tail *tail);

/* ---- CORE: what is held ---- */

/* The oldest index that log_tail_find gives; last_index + 1 when there is none. */
static inline uint64_t log_tail_first(const struct log_tail *tail)
{
    return tail->first_index;
}

/* log_tail_find returns the entry of an index, or NULL when it is not held. It stays until CORE
 * appends the next time. Role: CORE. */
const struct log_record *log_tail_find(const struct log_tail *tail, uint64_t index);

/* log_tail_bytes_from is how many bytes lie in the tail from an index on; 0 when that is not held.
 * Role: CORE. */
uint64_t log_tail_bytes_from(const struct log_tail *tail, uint64_t index);

/* log_tail_term gives the term of an index in [log_tail_first - 1, last_index]. Role: CORE. */
uint64_t log_tail_term(const struct log_tail *tail, uint64_t index);

/* ---- any role that was told of it ---- */

/* log_tail_at gives the address of a byte that lies in [first_offset, appended). Any role that was
 * told of it; contiguous up to the ring's size. */
static inline uint8_t *log_tail_at(const struct log_tail *tail, uint64_t offset)
{
    return tail->ring + (offset & (tail->size - 1));
}

/* log_tail_entry returns the entry of an index that is committed and was not given back yet.
 * Role: APPLY. */
const struct log_record *log_tail_entry(const struct log_tail *tail, uint64_t index);

/* log_tail_end is the offset behind the entry of an index, as log_tail_applied takes it. As
 * log_tail_entry. */
uint64_t log_tail_end(const struct log_tail *tail, uint64_t index);

/* log_tail_applied gives everything before `offset` back to CORE. Role: APPLY. */
static inline void log_tail_applied(struct log_tail *tail, uint64_t offset)
{
    atomic_store_explicit(&tail->applied, offset, memory_order_release); /* log_tail_append */
}
