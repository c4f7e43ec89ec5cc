/* snapshot: the whole state at one log index, in one file.
 *
 *   snapshot.<index, 16 hex digits>
 *   ┌────────┬────────────┬───────────┬─────────────┬─────────────┬─ ... ─┬─────────┐
 *   │ header │ block      │ block(s)  │ block       │ block       │       │ trailer │
 *   │ 128 B  │ machine    │ ACLs      │ nodes       │ nodes       │       │ counts, │
 *   │        │ (sessions) │           │ ~256 KiB raw│             │       │ digest  │
 *   └────────┴────────────┴───────────┴─────────────┴─────────────┴─ ... ─┴─────────┘
 *   block    a header of 32 B, with CRC32C over itself and the stored bytes; zstd level 1
 *   trailer  a block that is not compressed: XXH3-128 of everything before it, and counts
 *
 * Writing goes to snapshot.<index>.tmp; finish syncs it, renames it and syncs the directory, so a
 * file with the final name is whole. Older snapshots are purged only after that.
 * Nodes come in no order (a walk of the hash); the loader ties them together at the end.
 *
 * Everything here blocks on the disk: role SNAP, start-up, and tools. One file, one role at a time.
 */
#pragma once

#include "base/disk_io.h"
#include "base/err.h"
#include "base/jute.h"
#include "base/say.h"
#include "store/tree.h"

#include <stdint.h>

#define SNAPSHOT_VERSION        1
#define SNAPSHOT_BLOCK_SIZE     (256u << 10) /* a block is closed when it holds so many raw bytes */
#define SNAPSHOT_RECORD_MAX     (64u << 20)  /* bytes of the largest record, and of a raw block */
#define SNAPSHOT_KEPT_COUNT_MAX 1000         /* snapshots that may be kept, inclusive */

/* What a snapshot is of. */
struct snapshot_info {
    uint8_t cluster_id[16];
    uint64_t index, term; /* of the last log entry it holds */
    int64_t zxid;
    uint64_t chain;      /* the log's hash chain at index */
    uint64_t state_hash; /* the machine's running hash at index */
    int64_t time_ms;     /* of the last command */
    uint64_t node_count; /* "/" included; ZooKeeper's internal root is not */
    uint64_t session_count;
    uint64_t acl_count, file_size; /* results of reading; not looked at by writing */
};

/* snapshot_name writes "snapshot.<index>" to name, DISK_PATH_SIZE_MAX bytes. */
void snapshot_name(char *name, uint64_t index);

/* snapshot_list gives the indexes of all snapshots in the data directory, newest first; the caller
 * frees *indexes with free(). Returns 0, ERR_IO or ERR_NOMEM. */
MUST_USE int snapshot_list(const struct disk_io *io, uint64_t **indexes, uint32_t *count,
                           struct fault *fault);

/* snapshot_purge removes all but the newest `kept_count` snapshots, at least 1, and what unfinished
 * writing left behind. Assumes nothing is being written. Returns 0, ERR_RANGE, ERR_IO or ERR_NOMEM.
 */
MUST_USE int snapshot_purge(const struct disk_io *io, uint32_t kept_count, struct fault *fault);

/* ---- writing (store/snapshot_write.c) ----------------------------------------------------------
 * begin, then machine once, then ACLs, then nodes, then finish or abort. Each call may write a
 * block to the disk. After a failure only abort is allowed. Errors: ERR_IO, ERR_NOSPACE, ERR_NOMEM,
 * ERR_RANGE (a record above SNAPSHOT_RECORD_MAX). */
struct snapshot_write;

/* info->node_count nodes are going to be written; finish checks it. Borrows io until the end. */
MUST_USE int snapshot_write_begin(struct snapshot_write **write, const struct disk_io *io,
                                  const struct snapshot_info *info, struct fault *fault);
MUST_USE int snapshot_write_machine(struct snapshot_write *write, struct bytes image,
                                    struct fault *fault);
MUST_USE int snapshot_write_acl(struct snapshot_write *write, uint32_t id, struct bytes packed,
                                struct fault *fault);
MUST_USE int snapshot_write_node(struct snapshot_write *write, const struct tree_image *node,
                                 struct fault *fault);

/* Makes the file durable under its final name. The writer is gone after it, whatever it returns; a
 * failed one leaves nothing with the final name that was not whole. */
MUST_USE int snapshot_write_finish(struct snapshot_write *write, struct fault *fault);
void snapshot_write_abort(struct snapshot_write *write);
uint64_t snapshot_write_size(const struct snapshot_write *write); /* bytes written so far */

/* ---- reading (store/snapshot_read.c) -----------------------------------------------------------
 */

/* Called in the order of the file; any may be NULL. A result that is not 0 ends the reading with it
 * (the fault gets the file's name and offset in front). Bytes are lent for the call. */
struct snapshot_sink {
    void *self;
    int (*begin)(void *self, const struct snapshot_info *info, struct fault *fault);
    int (*machine)(void *self, struct bytes image, struct fault *fault);
    int (*acl)(void *self, uint32_t id, struct bytes packed, struct fault *fault);
    int (*node)(void *self, const struct tree_image *node, struct fault *fault);
};

/* snapshot_read reads a whole file and checks every byte of it. `info` is final only when it
 * returns 0; the sink may have seen records of a file that turns out corrupt at its end: what it
 * made of them must not be used then. Returns 0, ERR_NOTFOUND, ERR_IO, ERR_NOMEM, ERR_VERSION,
 * ERR_CORRUPT (the fault names file, offset and what is wrong) or what the sink returned. */
MUST_USE int snapshot_read(const struct disk_io *io, const char *name,
                           const struct snapshot_sink *sink, struct snapshot_info *info,
                           struct fault *fault);
