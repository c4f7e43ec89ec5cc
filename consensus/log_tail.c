#include "consensus/log_tail.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int log_tail_init(struct log_tail *tail, uint64_t size, uint32_t block_size, uint64_t last_index,
                  uint64_t chain)
{
    memset(tail, 0, sizeof(*tail));
    if (size < 4ull * LOG_TAIL_BATCH_SIZE_MAX || (size & (size - 1)))
        return ERR_RANGE;
    if (block_size < LOG_BLOCK_SIZE_MIN || block_size > LOG_BLOCK_SIZE_MAX)
        return ERR_RANGE;
    int fd = memfd_create("takt-log-tail", MFD_CLOEXEC);
    if (fd < 0)
        return ERR_NOMEM;
    int err = ERR_NOMEM;
    if (ftruncate(fd, (off_t)size))
        goto out;
    uint8_t *both = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED)
        goto out;
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;
    if (mmap(both, size, prot, flags, fd, 0) == MAP_FAILED ||
        mmap(both + size, size, prot, flags, fd, 0) == MAP_FAILED) {
        munmap(both, 2 * size);
        goto out;
    }
    tail->ring = both;
    tail->size = size;
    tail->block_size = block_size;
    tail->last_index = last_index;
    tail->chain = chain;
    err = 0;
out:
    close(fd);
    return err;
}

void log_tail_fini(struct log_tail *tail)
{
    if (tail->ring)
        munmap(tail->ring, 2 * tail->size);
    tail->ring = NULL;
}

uint8_t *log_tail_append(struct log_tail *tail, uint64_t term, uint32_t payload_size)
{
    uint64_t span = log_record_span(payload_size);
    uint64_t applied = atomic_load_explicit(&tail->applied, memory_order_acquire);

    CHECK(span + tail->block_size <= LOG_TAIL_BATCH_SIZE_MAX);
    /* one block and one header are kept back so that closing a batch always has room */
    if (tail->appended + span + 2ull * tail->block_size - applied > tail->size)
        return NULL;
    struct log_record *record = (struct log_record *)log_tail_at(tail, tail->appended);
    memset(record, 0, sizeof(*record));
    record->size = payload_size;
    record->kind = LOG_RECORD_ENTRY;
    record->index = tail->last_index + 1;
    record->term = term;
    record->batch = tail->batch_index ? tail->batch_index : record->index;
    return (uint8_t *)(record + 1);
}

uint64_t log_tail_seal(struct log_tail *tail, uint8_t *payload)
{
    struct log_record *record = (struct log_record *)payload - 1;
    uint64_t span = log_record_span(record->size);

    CHECK((uint8_t *)record == log_tail_at(tail, tail->appended));
    CHECK(record->index == tail->last_index + 1);
    memset(payload + record->size, 0, span - sizeof(*record) - record->size);
    tail->chain = log_record_seal(record, tail->chain);
    tail->last_index = record->index;
    tail->batch_index = record->batch;
    tail->appended += span;
    return record->index;
}

bool log_tail_batch_full(const struct log_tail *tail)
{
    return tail->appended - tail->batch_start >= LOG_TAIL_BATCH_SIZE_MAX / 2;
}

bool log_tail_close_batch(struct log_tail *tail, struct core_disk *batch)
{
    if (!tail->batch_index)
        return false;
    uint64_t mask = tail->block_size - 1;
    uint64_t fill = (tail->block_size - (tail->appended & mask)) & mask;
    uint8_t *at = log_tail_at(tail, tail->appended);

    memset(at, 0, fill);
    if (fill >= sizeof(struct log_record)) {
        struct log_record *pad = (struct log_record *)at;
        pad->kind = LOG_RECORD_PAD;
        pad->size = (uint32_t)(fill - sizeof(*pad));
        pad->index = tail->last_index;
        pad->batch = tail->batch_index;
        log_record_seal(pad, tail->chain);
    }
    tail->appended += fill;
    memset(batch, 0, sizeof(*batch));
    batch->first_index = tail->batch_index;
    batch->last_index = tail->last_index;
    batch->tail_offset = tail->batch_start;
    batch->chain = tail->chain;
    batch->size = (uint32_t)(tail->appended - tail->batch_start);
    CHECK(batch->size <= LOG_TAIL_BATCH_SIZE_MAX);
    CHECK((batch->size & mask) == 0);
    tail->batch_start = tail->appended;
    tail->batch_index = 0;
    return true;
}

const struct log_record *log_tail_next(const struct log_tail *tail, uint64_t *offset)
{
    for (;;) {
        const struct log_record *record =
            (const struct log_record *)log_tail_at(tail, *offset);
        if (record->magic == 0) { /* too little room for a PAD record: zeros to the block's end */
            *offset = (*offset | (tail->block_size - 1)) + 1;
            continue;
        }
        CHECK(record->magic == LOG_RECORD_MAGIC);
        if (record->kind == LOG_RECORD_ENTRY) {
            *offset += log_record_span(record->size);
            return record;
        }
        CHECK(record->kind == LOG_RECORD_PAD);
        *offset += sizeof(*record) + record->size;
    }
}
