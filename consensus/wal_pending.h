/* wal_pending: entries that recovery has read and may not use yet: a later batch may supersede them
 * until a commit hint covers them.
 *
 *      settled ─┐  ┌───────────── pending ─────────────┐
 *   ... 5  6  7 │  8   9   10   11   12                     a batch that begins at 10: cut(10),
 *               └──── a hint says 9: front 8, 9 pop ──▶     push(10'), push(11')
 *
 * In memory; grows as needed up to WAL_PENDING_SIZE_MAX. What is not committed fits in the log tail
 * of the node that wrote it, so more than that is not a log of ours. */
#pragma once

#include "base/say.h"
#include "consensus/log_format.h"
#include "consensus/wal_segment.h"

#define WAL_PENDING_SIZE_MAX (256ull << 20)

struct wal_pending {
    struct wal_position settled; /* the entry before the first pending one */
    uint8_t *data;               /* records, each with its payload, 8-byte aligned */
    uint64_t *starts;            /* of entry settled.index + 1 + i in data: starts[head + i] */
    uint64_t head, count;
    uint64_t size, room; /* bytes in use and allocated of data */
    uint64_t starts_room;
};

/* wal_pending_begin empties it: the next entry is the one behind `settled`. Zero it before its
 * first use. wal_pending_fini frees. */
void wal_pending_begin(struct wal_pending *pending, struct wal_position settled);
void wal_pending_fini(struct wal_pending *pending);

/* wal_pending_push copies a record and its payload. Assumes that its index is the next one. Returns
 * 0, ERR_NOMEM, or ERR_CORRUPT: too much was never committed. */
MUST_USE int wal_pending_push(struct wal_pending *pending, const struct log_record *record,
                              struct fault *fault);

/* wal_pending_cut forgets the entries from from_index on. Assumes that it is behind `settled`. */
void wal_pending_cut(struct wal_pending *pending, uint64_t from_index);

/* The place of an index in [settled.index, settled.index + count]. */
struct wal_position wal_pending_at(const struct wal_pending *pending, uint64_t index);

/* The oldest pending entry, lent until the next call; NULL: none. wal_pending_pop settles it. */
const struct log_record *wal_pending_front(const struct wal_pending *pending);
void wal_pending_pop(struct wal_pending *pending);
