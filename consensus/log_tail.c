#include "consensus/log_tail.h"

#include "base/pages.h"

#include <stdlib.h>
#include <string.h>

#define SLOT_COUNT_MIN 64u
#define SLOT_COUNT_MAX (1u << 24)
#define RELEASE_SHARE  64u /* when room is needed, this share of the ring is freed at once */

static bool config_possible(const struct log_tail_config *config, uint32_t slot_count)
{
    return config->batch_size_max >= LOG_TAIL_BATCH_SIZE_MIN &&
           config->batch_size_max <= LOG_TAIL_BATCH_SIZE_MAX &&
           config->size >= 4ull * config->batch_size_max &&
           (config->size & (config->size - 1)) == 0 && slot_count >= SLOT_COUNT_MIN &&
           slot_count <= SLOT_COUNT_MAX && (slot_count & (slot_count - 1)) == 0 &&
           config->block_size >= LOG_BLOCK_SIZE_MIN && config->block_size <= LOG_BLOCK_SIZE_MAX;
}

int log_tail_init(struct log_tail *tail, const struct log_tail_config *config)
{
    uint32_t slot_count = config->slot_count ? config->slot_count : LOG_TAIL_SLOT_COUNT;
    memset(tail, 0, sizeof(*tail));
    if (!config_possible(config, slot_count))
        return ERR_RANGE;
    tail->ring = pages_take_twice("takt-log-tail", config->size);
    tail->slots = calloc(slot_count, sizeof(*tail->slots));
    tail->size = config->size;
    if (!tail->ring || !tail->slots) {
        log_tail_fini(tail);
        return ERR_NOMEM;
    }
    tail->slot_count = slot_count;
    tail->block_size = config->block_size;
    tail->batch_size_max = config->batch_size_max;
    tail->seed = log_record_seed(config->salt);
    tail->last_index = config->last_index;
    tail->first_index = config->last_index + 1;
    tail->last_term = tail->term_before = config->last_term;
    tail->chain = tail->chain_before = config->chain;
    tail->batch = config->batch;
    return 0;
}

void log_tail_fini(struct log_tail *tail)
{
    if (tail->ring)
        pages_give_twice(tail->ring, tail->size);
    free(tail->slots);
    tail->ring = NULL;
    tail->slots = NULL;
}

/* ---- what is held ---- */

static inline uint64_t *slot_of(const struct log_tail *tail, uint64_t index)
{
    return &tail->slots[index & (tail->slot_count - 1)];
}

static inline const struct log_record *record_of(const struct log_tail *tail, uint64_t index)
{
    return (const struct log_record *)log_tail_at(tail, *slot_of(tail, index));
}

const struct log_record *log_tail_entry(const struct log_tail *tail, uint64_t index)
{
    const struct log_record *record = record_of(tail, index);
    CHECK(record->index == index && record->magic == LOG_RECORD_MAGIC);
    CHECK(record->kind == LOG_RECORD_ENTRY);
    return record;
}

uint64_t log_tail_end(const struct log_tail *tail, uint64_t index)
{
    return *slot_of(tail, index) + log_record_span(log_tail_entry(tail, index)->size);
}

const struct log_record *log_tail_find(const struct log_tail *tail, uint64_t index)
{
    if (index < tail->first_index || index > tail->last_index)
        return NULL;
    return log_tail_entry(tail, index);
}

uint64_t log_tail_bytes_from(const struct log_tail *tail, uint64_t index)
{
    if (index < tail->first_index || index > tail->last_index)
        return 0;
    uint64_t offset = tail->slots[index & (tail->slot_count - 1)];
    CHECK(offset >= tail->first_offset);
    CHECK(offset < tail->appended);
    return tail->appended - offset;
}

uint64_t log_tail_term(const struct log_tail *tail, uint64_t index)
{
    CHECK(index + 1 >= tail->first_index && index <= tail->last_index);
    return index + 1 == tail->first_index ? tail->term_before : log_tail_entry(tail, index)->term;
}

/* Lets go of the oldest entries until `need` more bytes and one more slot fit, and a share of the
 * ring beyond that, so that this is not done for each entry. False: APPLY or DISK still needs them.
 */
static bool release(struct log_tail *tail, uint64_t need)
{
    uint64_t applied = atomic_load_explicit(&tail->applied, memory_order_acquire);
    uint64_t limit = applied < tail->written ? applied : tail->written;
    uint64_t least = tail->appended + need > tail->size ? tail->appended + need - tail->size : 0;
    uint64_t target = least + tail->size / RELEASE_SHARE, first = tail->first_index;
    uint64_t slots_end = first + tail->slot_count / RELEASE_SHARE;

    if (least > limit)
        return false;
    target = target < limit ? target : limit;
    bool slots_full = tail->last_index + 1 - first >= tail->slot_count;
    while (first <= tail->last_index) {
        uint64_t at = *slot_of(tail, first);
        if (at >= limit || (at >= target && !(slots_full && first < slots_end)))
            break;
        first++;
    }
    if (first > tail->first_index) {
        const struct log_record *last = log_tail_entry(tail, first - 1);
        tail->term_before = last->term;
        tail->chain_before = last->chain;
        tail->first_index = first;
    }
    if (target > tail->first_offset)
        tail->first_offset = target;
    return tail->last_index + 1 - tail->first_index < tail->slot_count;
}

/* Would `size` more bytes make the open batch longer than one may be? */
static inline bool batch_overflows(const struct log_tail *tail, uint64_t size)
{
    return tail->appended - tail->batch_start + size + tail->block_size > tail->batch_size_max;
}

bool log_tail_has_room(const struct log_tail *tail, uint64_t size, uint32_t count)
{
    uint64_t applied = atomic_load_explicit(&tail->applied, memory_order_acquire);
    uint64_t limit = applied < tail->written ? applied : tail->written;
    uint64_t held = tail->last_index + 1 - tail->first_index;

    if (batch_overflows(tail, size))
        return false;
    if (tail->appended + size + 4ull * tail->block_size > limit + tail->size)
        return false;
    if (held + count < tail->slot_count)
        return true;
    /* the oldest so many would have to go: the last of them is done with, or it is not */
    uint64_t going = held + count + 1 - tail->slot_count;
    return going <= held && *slot_of(tail, tail->first_index + going - 1) < limit;
}

bool log_tail_is_roomy(struct log_tail *tail, uint32_t payload_size)
{
    uint64_t end = tail->appended + log_record_span(payload_size);
    uint64_t waiting = tail->last_index > tail->commit ? tail->last_index - tail->commit : 0;

    if (waiting >= tail->slot_count / 2 || end - tail->written > tail->size / 2)
        return false;
    if (end - tail->applied_seen > tail->size / 2)
        tail->applied_seen = atomic_load_explicit(&tail->applied, memory_order_acquire);
    return end - tail->applied_seen <= tail->size / 2;
}

static inline bool has_room(struct log_tail *tail, uint64_t span)
{
    /* one block and one header are kept back so that closing a batch always has room */
    uint64_t need = span + 2ull * tail->block_size;
    if (batch_overflows(tail, span))
        return false; /* until the batch is closed */
    if (tail->appended + need - tail->first_offset <= tail->size &&
        tail->last_index + 1 - tail->first_index < tail->slot_count)
        return true;
    return release(tail, need);
}

/* ---- append ---- */

uint8_t *log_tail_append(struct log_tail *tail, uint64_t term, uint32_t payload_size)
{
    uint64_t span = log_record_span(payload_size);

    CHECK(span + tail->block_size <= tail->batch_size_max);
    CHECK(term >= tail->last_term);
    if (!has_room(tail, span))
        return NULL;
    struct log_record *record = (struct log_record *)log_tail_at(tail, tail->appended);
    memset(record, 0, sizeof(*record));
    record->size = payload_size;
    record->kind = LOG_RECORD_ENTRY;
    record->index = tail->last_index + 1;
    record->term = term;
    record->batch = tail->batch + 1;
    record->commit = tail->commit;
#if TAKT_PLANT == 22
    record->commit = tail->last_index;
#endif
    return (uint8_t *)(record + 1);
}

/* The record behind the last one becomes part of the log. */
static void place(struct log_tail *tail, struct log_record *record)
{
    uint64_t span = log_record_span(record->size);

    CHECK((uint8_t *)record == log_tail_at(tail, tail->appended));
    CHECK(record->index == tail->last_index + 1);
    memset((uint8_t *)(record + 1) + record->size, 0, span - sizeof(*record) - record->size);
    if (tail->batch_index == 0) {
        tail->batch_index = record->index;
        tail->batch_term_before = tail->last_term;
        tail->batch_chain_before = tail->chain;
    }
    *slot_of(tail, record->index) = tail->appended;
    tail->last_index = record->index;
    tail->last_term = record->term;
    tail->appended += span;
}

uint64_t log_tail_seal(struct log_tail *tail, uint8_t *payload)
{
    struct log_record *record = (struct log_record *)payload - 1;

    place(tail, record);
    tail->chain = log_record_seal(record, tail->chain, tail->seed);
    return record->index;
}

int log_tail_append_record(struct log_tail *tail, const struct log_record *record, uint64_t room)
{
    if (room < sizeof(*record) || record->magic != LOG_RECORD_MAGIC ||
        record->kind != LOG_RECORD_ENTRY || record->size > room - sizeof(*record) ||
        log_record_span(record->size) + tail->block_size > tail->batch_size_max)
        return ERR_MALFORMED;
    if (record->index != tail->last_index + 1)
        return ERR_RANGE;
    if (record->term < tail->last_term || record->chain != log_record_chain(record, tail->chain))
        return ERR_CORRUPT;
    uint8_t *payload = log_tail_append(tail, record->term, record->size);
    if (!payload)
        return ERR_FULL;
    memcpy(payload, record + 1, record->size);
    struct log_record *placed = (struct log_record *)payload - 1;
    CHECK(placed->index == record->index && placed->term == record->term);
    CHECK(placed->kind == record->kind && placed->size == record->size);
    place(tail, placed);
    log_record_seal_chained(placed, record->chain, tail->seed); /* over the same fields */
    tail->chain = record->chain;
    return 0;
}

void log_tail_truncate(struct log_tail *tail, uint64_t from_index)
{
    CHECK(from_index > tail->commit && from_index <= tail->last_index + 1);
    CHECK(from_index >= tail->first_index);
    if (from_index > tail->last_index)
        return;
    if (tail->batch_index && from_index <= tail->batch_index) { /* lent to nobody */
        tail->appended = tail->batch_start;
        tail->batch_index = 0;
    } else if (tail->batch_index) {
        tail->appended = *slot_of(tail, from_index);
    }
    bool all = from_index == tail->first_index;
    const struct log_record *last = all ? NULL : log_tail_entry(tail, from_index - 1);
    tail->last_index = from_index - 1;
    tail->last_term = all ? tail->term_before : last->term;
    tail->chain = all ? tail->chain_before : last->chain;
}

/* ---- batches ---- */

bool log_tail_batch_full(const struct log_tail *tail)
{
    return tail->appended - tail->batch_start >= tail->batch_size_max / 2;
}

/* A padding record ends each batch: in its last block, or in one more that it begins or enters. */
static void pad(struct log_tail *tail)
{
    uint64_t mask = tail->block_size - 1;
    uint64_t end = (tail->appended + sizeof(struct log_record) + mask) & ~mask;
    struct log_record *record = (struct log_record *)log_tail_at(tail, tail->appended);

    memset(record, 0, end - tail->appended);
    record->kind = LOG_RECORD_PAD;
    record->size = (uint32_t)(end - tail->appended - sizeof(*record));
    record->index = tail->last_index;
    record->term = tail->last_term;
    record->batch = tail->batch + 1;
    record->commit = tail->commit;
    log_record_seal(record, tail->chain, tail->seed);
    tail->appended = end;
}

bool log_tail_close_batch(struct log_tail *tail, struct core_disk *batch)
{
    if (!tail->batch_index)
        return false;
    pad(tail);
    memset(batch, 0, sizeof(*batch));
    batch->kind = CORE_DISK_BATCH;
    batch->first_index = tail->batch_index;
    batch->last_index = tail->last_index;
    batch->term = tail->last_term;
    batch->chain = tail->chain;
    batch->term_before = tail->batch_term_before;
    batch->chain_before = tail->batch_chain_before;
    batch->offset = tail->batch_start;
    batch->number = ++tail->batch;
    batch->size = (uint32_t)(tail->appended - tail->batch_start);
    CHECK(batch->size <= tail->batch_size_max);
    CHECK((batch->size & (tail->block_size - 1)) == 0);
    tail->batch_start = tail->appended;
    tail->batch_index = 0;
    return true;
}

void log_tail_written(struct log_tail *tail, uint64_t offset)
{
    CHECK(offset >= tail->written && offset <= tail->batch_start);
    tail->written = offset;
}

void log_tail_settle(struct log_tail *tail)
{
    CHECK(tail->written == tail->batch_start);
    uint64_t mask = tail->block_size - 1;
    tail->appended = (tail->appended + mask) & ~mask;
    tail->batch_start = tail->written = tail->appended;
    tail->batch_index = 0;
}
