/* snapshot_format: the bytes of a snapshot file, for snapshot_write.c and snapshot_read.c. All
 * numbers little-endian; reserved bytes are zero and checked. */
#pragma once

#include "base/check.h"

#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_MAGIC       0x50414e53544b4154ull /* "TAKTSNAP" */
#define SNAPSHOT_BLOCK_MAGIC 0x4b4c4254u           /* "TBLK" */

enum snapshot_block_kind {
    SNAPSHOT_BLOCK_MACHINE = 1, /* one record: the machine's image */
    SNAPSHOT_BLOCK_ACL = 2,
    SNAPSHOT_BLOCK_NODE = 3,
    SNAPSHOT_BLOCK_TRAILER = 4,
};

struct snapshot_header {
    uint64_t magic;
    uint32_t version;
    uint32_t crc; /* CRC32C of the header with this field zero */
    uint8_t cluster_id[16];
    uint64_t index, term;
    int64_t zxid;
    uint64_t chain, state_hash;
    int64_t time_ms;
    uint64_t node_count, session_count;
    uint8_t reserved[32];
};
static_assert(sizeof(struct snapshot_header) == 128, "stored");

struct snapshot_block {
    uint32_t magic;
    uint32_t crc; /* CRC32C of the header behind this field, and of the stored bytes */
    uint32_t kind;
    uint32_t record_count;
    uint32_t raw_size;    /* bytes, in [1, SNAPSHOT_RECORD_MAX] */
    uint32_t stored_size; /* bytes behind this header */
    uint64_t number;      /* of the block in the file, from 0 */
};
static_assert(sizeof(struct snapshot_block) == 32, "stored");
static_assert(offsetof(struct snapshot_block, kind) == 8, "the CRC begins here");

struct snapshot_trailer {
    uint64_t digest[2]; /* XXH3-128 (low, high) of the file up to the trailer's block header */
    uint64_t file_size; /* with the trailer */
    uint64_t node_count, acl_count, block_count;
};
static_assert(sizeof(struct snapshot_trailer) == 48, "stored");

struct snapshot_acl {
    uint32_t id;
    uint32_t size;
};

/* A node; path and data follow. */
struct snapshot_node {
    int64_t czxid, mzxid, pzxid, ctime_ms, mtime_ms, owner;
    int32_t version, aversion, creations;
    uint32_t acl, child_count;
    uint32_t path_size;
    int32_t data_size; /* -1 = null */
    uint32_t reserved;
};
static_assert(sizeof(struct snapshot_node) == 80, "stored");

/* The header's checksum, and a block's over its header and its stored bytes. */
uint32_t snapshot_header_crc(const struct snapshot_header *header);
uint32_t snapshot_block_crc(const struct snapshot_block *block, const void *stored);
