/* log_format: what a log record is, in memory (log_tail) and on disk (wal): the same bytes.
 *
 *   ┌──────────────────────── one batch = one write, a multiple of the block size ────────────────┐
 *   ┌────────────────────── one batch = one write, a multiple of the block size ────────────────┐
 *   │ record │ payload │0..│ record │ payload │0..│ ... │ PAD record │ 0 0 0 to the block's end │
 *   └───────────────────────────────────────────────────────────────────────────────────────────┘
 * Records are 8-byte aligned. A batch ends at a block boundary, so a sector that holds an
 * acknowledged record is never written again. If the room left in the last block is less than a
 * record header, a whole further block is not needed: the rest is zero.
 *
 * `chain` ties each record to all before it: XXH3_64 of the payload, seeded with XXH3_64 of the
 * header (from `size` up to but not including `chain`), seeded with the previous record's chain.
 * `crc` covers the record from `size` to the payload's end. PAD records carry index and term of
 * the record before them and repeat its chain.
 */
#pragma once

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

#define LOG_RECORD_MAGIC   0x544b4c52u /* "RLKT" */
#define LOG_BLOCK_SIZE_MIN 512u
#define LOG_BLOCK_SIZE_MAX 4096u

enum log_record_kind { LOG_RECORD_ENTRY = 1, LOG_RECORD_PAD = 2 };

struct log_record {
    uint32_t magic; /* LOG_RECORD_MAGIC */
    uint32_t crc;   /* CRC32C of everything behind this field, payload included */
    uint32_t size;  /* payload bytes; for PAD: zero bytes up to the block's end */
    uint32_t kind;  /* enum log_record_kind */
    uint64_t index; /* from 1 */
    uint64_t term;
    uint64_t batch; /* index of the first record of the write that carries this one */
    uint64_t chain;
};
static_assert(sizeof(struct log_record) == 48, "struct log_record is stored");
static_assert(offsetof(struct log_record, chain) == 40, "struct log_record is stored");

/* Bytes from one record to the next. */
static inline uint64_t log_record_span(uint32_t payload_size)
{
    return sizeof(struct log_record) + (((uint64_t)payload_size + 7) & ~7ull);
}

/* log_record_seal fills chain and crc of a record whose payload lies behind it and whose other
 * fields are set; returns the new chain value. log_record_intact checks magic, size against
 * `room` (bytes from the record to the end of what was read), kind and crc. */
uint64_t log_record_seal(struct log_record *record, uint64_t chain_before);
int log_record_intact(const struct log_record *record, uint64_t room);
uint64_t log_record_chain(const struct log_record *record, uint64_t chain_before);
