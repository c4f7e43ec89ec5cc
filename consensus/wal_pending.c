#include "consensus/wal_pending.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST  (64u << 10)
#define COUNT_FIRST 1024u

void wal_pending_begin(struct wal_pending *pending, struct wal_position settled)
{
    pending->settled = settled;
    pending->head = pending->count = pending->size = 0;
}

void wal_pending_fini(struct wal_pending *pending)
{
    free(pending->data);
    free(pending->starts);
    memset(pending, 0, sizeof(*pending));
}

/* Moves what is pending to the front of the memory, when half of it is behind. */
static void compact(struct wal_pending *pending)
{
    if (pending->count == 0) {
        pending->head = pending->size = 0;
        return;
    }
    uint64_t from = pending->starts[pending->head];
    if (from < pending->size / 2)
        return;
    memmove(pending->data, pending->data + from, pending->size - from);
    for (uint64_t i = 0; i < pending->count; i++)
        pending->starts[i] = pending->starts[pending->head + i] - from;
    pending->size -= from;
    pending->head = 0;
}

static int grow(struct wal_pending *pending, uint64_t span, struct fault *fault)
{
    if (pending->size + span > pending->room ||
        pending->head + pending->count == pending->starts_room)
        compact(pending);
    uint64_t room = pending->room ? pending->room : ROOM_FIRST;
    while (room < pending->size + span)
        room *= 2;
    if (room > WAL_PENDING_SIZE_MAX)
        return fault_set(fault, ERR_CORRUPT,
                         "log: more than %llu bytes from entry %" PRIu64
                         " on were written and never committed: no node does that",
                         WAL_PENDING_SIZE_MAX, pending->settled.index + 1);
    uint64_t count = pending->starts_room ? pending->starts_room : COUNT_FIRST;
    if (pending->head + pending->count == pending->starts_room && pending->starts_room)
        count *= 2;
    uint8_t *data = room == pending->room ? pending->data : realloc(pending->data, room);
    uint64_t *starts = count == pending->starts_room
                           ? pending->starts
                           : realloc(pending->starts, count * sizeof(*starts));
    pending->data = data ? data : pending->data;
    pending->starts = starts ? starts : pending->starts;
    if (!data || !starts)
        return fault_set(fault, ERR_NOMEM, "log: no memory for entries that are not committed");
    pending->room = room;
    pending->starts_room = count;
    return 0;
}

int wal_pending_push(struct wal_pending *pending, const struct log_record *record,
                     struct fault *fault)
{
    uint64_t span = log_record_span(record->size);
    CHECK(record->index == pending->settled.index + pending->count + 1);
    CHECK(record->kind == LOG_RECORD_ENTRY);
    int err = grow(pending, span, fault);
    if (err)
        return err;
    memcpy(pending->data + pending->size, record, sizeof(*record) + record->size);
    pending->starts[pending->head + pending->count] = pending->size;
    pending->size += span;
    pending->count++;
    return 0;
}

static const struct log_record *record_of(const struct wal_pending *pending, uint64_t index)
{
    uint64_t i = index - pending->settled.index - 1;
    CHECK(i < pending->count);
    const struct log_record *record =
        (const struct log_record *)(pending->data + pending->starts[pending->head + i]);
    CHECK(record->index == index);
    return record;
}

void wal_pending_cut(struct wal_pending *pending, uint64_t from_index)
{
    CHECK(from_index > pending->settled.index);
    uint64_t keep = from_index - pending->settled.index - 1;
    if (keep >= pending->count)
        return;
    pending->size = pending->starts[pending->head + keep];
    pending->count = keep;
}

struct wal_position wal_pending_at(const struct wal_pending *pending, uint64_t index)
{
    if (index == pending->settled.index)
        return pending->settled;
    const struct log_record *record = record_of(pending, index);
    return (struct wal_position){record->index, record->term, record->chain};
}

const struct log_record *wal_pending_front(const struct wal_pending *pending)
{
    return pending->count ? record_of(pending, pending->settled.index + 1) : NULL;
}

void wal_pending_pop(struct wal_pending *pending)
{
    const struct log_record *record = wal_pending_front(pending);
    CHECK(record);
    pending->settled = (struct wal_position){record->index, record->term, record->chain};
    pending->head++;
    pending->count--;
}
