#include "consensus/log_format.h"

#include "base/crc32c.h"
#include "base/err.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint32_t log_record_seed(uint64_t salt)
{
    return crc32c(0, &salt, sizeof(salt));
}

static uint32_t log_record_crc(const struct log_record *record, uint32_t seed)
{
    const uint8_t *from = (const uint8_t *)&record->size;
    size_t payload = record->kind == LOG_RECORD_PAD ? 0 : record->size;
    return crc32c(seed, from, sizeof(*record) - offsetof(struct log_record, size) + payload);
}

uint64_t log_record_chain(const struct log_record *record, uint64_t chain_before)
{
    uint64_t head = XXH3_64bits_withSeed(&record->size,
                                         offsetof(struct log_record, chain) -
                                             offsetof(struct log_record, size),
                                         chain_before);
    return XXH3_64bits_withSeed(record + 1, record->size, head);
}

uint64_t log_record_seal(struct log_record *record, uint64_t chain_before, uint32_t seed)
{
    CHECK(record->kind == LOG_RECORD_ENTRY || record->kind == LOG_RECORD_PAD);
    record->chain = record->kind == LOG_RECORD_PAD ? chain_before
                                                   : log_record_chain(record, chain_before);
    log_record_seal_chained(record, record->chain, seed);
    return record->chain;
}

void log_record_seal_chained(struct log_record *record, uint64_t chain, uint32_t seed)
{
    record->magic = LOG_RECORD_MAGIC;
    record->chain = chain;
    record->crc = log_record_crc(record, seed);
}

int log_record_intact(const struct log_record *record, uint64_t room, uint32_t seed)
{
    if (room < sizeof(*record) || record->magic != LOG_RECORD_MAGIC)
        return ERR_MALFORMED;
    if (record->kind != LOG_RECORD_ENTRY && record->kind != LOG_RECORD_PAD)
        return ERR_MALFORMED;
    if (record->kind == LOG_RECORD_ENTRY && record->size > room - sizeof(*record))
        return ERR_SHORT;
    return log_record_crc(record, seed) == record->crc ? 0 : ERR_CORRUPT;
}
