/* wal_kit: a log on a simulated disk and a model of what must be in it, for the log's tests.
 *
 *   kit_append ──▶ log_tail ──▶ wal ──▶ disk        the model knows each entry by index: its term,
 * its └───────▶ model ◀── kit_open (recovery)     size and a hash; which are answered for; and
 *                                                    compares when recovery reads them back */
#pragma once

#include "base/rand.h"
#include "consensus/log_tail.h"
#include "consensus/wal.h"
#include "tests/sim/sim_disk.h"

#define KIT_ENTRIES_MAX 65536
#define KIT_SALT        0x5a5a5a5a00000000ull

struct kit_entry {
    uint64_t term, hash, chain;
    uint32_t size;
};

struct wal_kit {
    struct disk_io *io;
    struct wal wal;
    struct wal_config config;
    struct wal_recovery recovery;
    struct log_tail tail;
    struct rand rand;
    struct now now;
    struct fault fault;
    uint64_t term;
    bool open;
    bool writing; /* a batch was given to the wal, or waits for room */
    bool waiting; /* it waits for room */
    struct core_disk batch;
    uint64_t tail_base; /* the tail begins anew at each open */
    uint64_t durable;   /* last index that was answered for */
    uint64_t proposed;  /* last index given to the wal */
    uint64_t visited;   /* by the last recovery */
    uint64_t trim_failures;
    uint64_t mismatches; /* entries of the last recovery that differ from the model */
    struct kit_entry entries[KIT_ENTRIES_MAX];
};

struct wal_kit *kit_create(struct disk_io *io, uint64_t segment_size, uint64_t seed);
void kit_destroy(struct wal_kit *kit);

/* kit_open recovers; on success the model is cut to what was found. Returns what wal_open did. */
int kit_open(struct wal_kit *kit);
/* kit_close forgets the log without a word to the disk, after a crash of it. */
void kit_close(struct wal_kit *kit);

/* kit_append makes one batch of these entries and gives it to the wal; payload bytes come from the
 * seed (zero: all zero). Returns what wal_append did; ERR_NOSPACE: kit_pump tries again. */
int kit_append(struct wal_kit *kit, const uint32_t *sizes, uint32_t count, bool zero);

/* kit_pump polls, prepares (hurry or not) and retries a batch that waits for room, once. Returns 0
 * or the error that stops the node. */
int kit_pump(struct wal_kit *kit, bool hurry);

/* kit_settle pumps until nothing is in flight and the spare is ready, or no room is left for one.
 */
int kit_settle(struct wal_kit *kit);

/* kit_write is append and pump until it is durable. */
int kit_write(struct wal_kit *kit, uint32_t size);

/* kit_snapshot makes the next open start from entry `index`; 0: from the beginning. */
void kit_snapshot(struct wal_kit *kit, uint64_t index);
