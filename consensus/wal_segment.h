/* wal_segment: one file of the log on disk: its name, its header block, and how it comes to be.
 *
 *   log.<sequence, 16 hex digits>, preallocated and filled with zeros before it is used
 *   ┌────────┬─────────┬───────────┬─────────┬───────────────────────────────────┐
 *   │ header │ batch   │ batch     │ batch   │ 0 0 0 ...                         │  segment_size
 *   └────────┴─────────┴───────────┴─────────┴───────────────────────────────────┘
 *    1 block   multiples of the block size     a batch never spans two segments
 *
 * A file whose header block is zero was prepared and never used; only the last one may be so. The
 * header is durable before the first batch is written, and it is written only when everything in
 * the segment before is durable: so a valid header proves that the one before is whole. Pure but
 * for the functions that take a struct disk_io. */
#pragma once

#include "base/check.h"
#include "base/disk_io.h"

#include <stdbool.h>
#include <stddef.h>

#define WAL_SEGMENT_MAGIC    0x31474f4c544b4154ull /* "TAKTLOG1" */
#define WAL_SEGMENT_VERSION  3u /* 2: batches that ended without a PAD record; not read any more */
#define WAL_SEGMENT_SIZE_MIN (16u << 10)
#define WAL_SEGMENT_SIZE_MAX (1u << 30)
#define WAL_SEGMENT_SLICE    (256u << 10) /* bytes of zeros written at once */

/* A flag of a header: the log begins anew here, behind a snapshot that was installed from a peer or
 * behind damage; segments before it are of no account. */
#define WAL_HEADER_RESET 1u

/* A place in the log: the record with this index. index 0: before the first. */
struct wal_position {
    uint64_t index, term, chain;
};

struct wal_header {
    uint64_t magic;
    uint32_t version;
    uint32_t crc;   /* CRC32C of everything behind this field, begun with the version */
    uint64_t salt;  /* of the node that writes this log: the seed of every record's crc */
    uint32_t flags; /* WAL_HEADER_RESET */
    uint32_t block_size;
    uint64_t sequence;     /* from 1, as in the file's name */
    uint64_t first_index;  /* of the first record here, even while there is none */
    uint64_t term_before;  /* no record here has a lower term */
    uint64_t chain_before; /* of the record before the first; 0 when there is none */
    uint64_t batch_before; /* number of the batch before the first */
    uint64_t segment_size;
};
static_assert(sizeof(struct wal_header) == 80, "struct wal_header is stored");
static_assert(offsetof(struct wal_header, salt) == 16, "struct wal_header is stored");

/* wal_segment_name writes the file name of a sequence number. */
void wal_segment_name(char name[DISK_PATH_SIZE_MAX], uint64_t sequence);

/* wal_segment_sequence reads the sequence number from a file name; 0 when it is not a segment's. */
uint64_t wal_segment_sequence(const char *name);

/* wal_segment_seal fills magic, version and crc. */
void wal_segment_seal(struct wal_header *header);

/* wal_segment_check judges the header found in segment `sequence` of the log with this salt (NULL:
 * any). Returns 0; ERR_NOTFOUND when it is all zero: prepared and never used; ERR_VERSION;
 * ERR_CORRUPT with a fault that says what was expected and found: damaged, of another node, or a
 * segment in another's place. */
MUST_USE int wal_segment_check(const struct wal_header *header, uint64_t sequence,
                               const uint64_t *salt, struct fault *fault);

/* wal_segment_create makes the file of `sequence` with `size` bytes of reserved room, and opens it
 * DURABLE. It may be relied upon once the directory has been synced. On failure no file is left
 * behind, as far as the disk lets us. Returns 0, ERR_NOSPACE, ERR_EXISTS or ERR_IO. */
MUST_USE int wal_segment_create(struct disk_io *io, uint64_t sequence, uint64_t size, int *file,
                                struct fault *fault);

/* wal_segment_read_header reads the header of an open file; what lies behind its end is zero.
 * Returns 0 or ERR_IO. */
MUST_USE int wal_segment_read_header(struct disk_io *io, int file, struct wal_header *header,
                                     struct fault *fault);

/* wal_segment_load reads [0, size) of an open file into `to`; bytes behind the file's end are zero.
 * Returns 0 or ERR_IO. */
MUST_USE int wal_segment_load(struct disk_io *io, int file, uint8_t *to, uint64_t size,
                              struct fault *fault);

/* True when all n bytes are zero. */
bool wal_segment_is_zero(const void *at, uint64_t n);
