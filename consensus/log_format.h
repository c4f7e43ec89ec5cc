/* log_format: what a log record is, in memory (log_tail) and on disk (wal): the same bytes.
 *
 *   ┌────────────────────── one batch = one write, a multiple of the block size ────────────────┐
 *   │ record │ payload │0..│ record │ payload │0..│ ... │ PAD record │ 0 0 0 to the block's end │
 *   └───────────────────────────────────────────────────────────────────────────────────────────┘
 * Records are 8-byte aligned. A batch ends at a block boundary, so a sector that holds an
 * acknowledged record is never written again. A PAD record is the last one of every batch, also
 * where that takes a further block: a batch without it is not whole, whatever else is missing.
 *
 * `chain` ties each record to all before it: XXH3_64 of the payload, seeded with XXH3_64 of the
 * header (from `size` up to but not including `chain`), seeded with the previous record's chain. It
 * does not cover how entries were gathered into batches, so members of an ensemble that hold the
 * same entries hold the same chain. `crc` covers the record from `size` to the payload's end, and
 * begins with a seed that the node drew for itself (log_record_seed of the superblock's salt): a
 * payload is a client's, and no client can write one that is read as a record. PAD records carry
 * index and term of the record before them and repeat its chain.
 *
 * `batch` numbers the writes of one node's log: each batch has the number behind the one before. An
 * entry's index may go back from one batch to the next (wal.h), its batch number never does. */
#pragma once

#include "base/check.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define LOG_RECORD_MAGIC   0x544b4c52u /* "RLKT" */
#define LOG_BLOCK_SIZE_MIN 512u
#define LOG_BLOCK_SIZE_MAX 4096u

enum log_record_kind { LOG_RECORD_ENTRY = 1, LOG_RECORD_PAD = 2 };

struct log_record {
    uint32_t magic; /* LOG_RECORD_MAGIC */
    uint32_t crc;   /* CRC32C of everything behind this field, payload included */
    uint32_t size;  /* payload bytes; for PAD: zero bytes up to the batch's end */
    uint32_t kind;  /* enum log_record_kind */
    uint64_t index; /* from 1 */
    uint64_t term;
    uint64_t chain;
    uint64_t batch;  /* number of the write that carries this record, from 1 */
    uint64_t commit; /* committed, as far as was known when it was sealed; a hint for recovery */
};
static_assert(sizeof(struct log_record) == 56, "struct log_record is stored");
static_assert(offsetof(struct log_record, chain) == 32, "struct log_record is stored");

/* Bytes from one record to the next. */
static inline uint64_t log_record_span(uint32_t payload_size)
{
    return sizeof(struct log_record) + (((uint64_t)payload_size + 7) & ~7ull);
}

/* log_record_seed makes the seed of every crc from a node's salt. */
uint32_t log_record_seed(uint64_t salt);

/* log_record_seal fills chain and crc of a record whose payload lies behind it and whose other
 * fields are set; returns the new chain value. log_record_intact checks magic, an entry's size
 * against `room` (bytes from the record to the end of what was read; the zeros behind a PAD record
 * need not be in it), kind and crc: 0, ERR_MALFORMED, ERR_SHORT or ERR_CORRUPT. */
uint64_t log_record_seal(struct log_record *record, uint64_t chain_before, uint32_t seed);
/* log_record_seal_chained is log_record_seal for a chain value that is known: of a record that was
 * compared with log_record_chain where it came from. */
void log_record_seal_chained(struct log_record *record, uint64_t chain, uint32_t seed);
MUST_USE int log_record_intact(const struct log_record *record, uint64_t room, uint32_t seed);
uint64_t log_record_chain(const struct log_record *record, uint64_t chain_before);
