/* role_core: the loop body of CORE: consensus only. Orders what the NETs ask for, hands batches to
 * DISK, tells APPLY what is committed, and watches over sessions' lives.
 *
 *   net_core[i] ─▶ stamp (time, random, session id) ─▶ log tail ─▶ core_disk ─▶ DISK
 *                                                        ▲                      │
 *   apply_core ─▶ expiry, reaper ─▶ own commands ────────┘       disk_core ◀────┘
 *                                               raft: durable ─▶ committed ─▶ core_apply ─▶ APPLY
 *
 * A batch is what arrived while the last one was being written: it is closed when no write is in
 * flight, never by a timer. Full-policies: core_apply and the log tail HOLD (net_core is not
 * polled); too little room on disk REFUSES (the client is answered, behind everything proposed
 * before). */
#pragma once

#include "base/clock.h"
#include "base/counters.h"
#include "base/link.h"
#include "consensus/expiry.h"
#include "consensus/log_tail.h"
#include "consensus/raft.h"

#define CORE_NET_COUNT_MAX      16
#define CORE_TURN_COMMANDS_MAX  256u       /* commands taken from the NETs in one turn */
/* Disk bytes kept for what must still be written: two batches. */
#define CORE_ROOM_RESERVE_SIZE  (8u << 20)
#define CORE_RANDOM_POOL_SIZE   4096

struct role_core_config {
    uint8_t node_id; /* in [1, 254] */
    struct command_settings settings; /* for the first entry of the term; version 0 = none */
    uint32_t tick_ms;
    uint32_t session_max;
    uint32_t reap_interval_ms;       /* 0 = never */
    uint64_t snapshot_entries;       /* a snapshot after so many entries; 0 = never */
    uint64_t snapshot_bytes;         /* or after so many log bytes; 0 = never */
    uint64_t waiting_depth;          /* bytes of queries and refusals kept back, as core_apply's */
    /* fills n random bytes, unguessable in production, seeded in simulation */
    void (*random)(void *self, void *out, uint32_t n);
    void *random_self;
};

struct role_core {
    struct role_core_config config;
    struct raft raft;
    struct log_tail *tail;
    struct expiry expiry;
    struct link *net_core[CORE_NET_COUNT_MAX];
    uint32_t net_count, net_next;
    struct link *core_apply, *apply_core, *core_disk, *disk_core;
    bool writing;       /* a batch is with DISK */
    bool room_known;    /* DISK has told disk_room; before that no write is taken */
    uint64_t disk_room; /* bytes DISK can take before it must find more disk */
    uint64_t room_used; /* bytes appended since DISK told disk_room */
    struct link waiting; /* own FIFO: queries and refusals until their commit is told */
    uint64_t commit_told;
    uint64_t snapshot_index, snapshot_tail; /* where the last snapshot was asked for */
    uint64_t trim_index;                    /* the log below may go; told to DISK when possible */
    bool snapshot_pending;
    int64_t time_ms; /* last stamp */
    int64_t session_last;
    uint64_t reap_ns;
    uint8_t random_pool[CORE_RANDOM_POOL_SIZE];
    uint32_t random_used;
    struct counters *counters; /* CORE's page */
};

/* role_core_init starts from what recovery found: raft is initialised and leads already (its no-op
 * is the first entry proposed here). time_ms: the last stamp in the log. Links and tail are
 * borrowed for the role's life. Returns 0, ERR_RANGE or ERR_NOMEM. Before the roles start. */
MUST_USE int role_core_init(struct role_core *core, const struct role_core_config *config,
                            const struct raft *raft, struct log_tail *tail,
                            struct counters *counters, int64_t time_ms, int64_t session_last);
void role_core_fini(struct role_core *core);

/* struct role of dataplane/worker.h: one bounded turn; is there nothing to do; when to wake. */
uint32_t role_core_poll(void *self, struct now now);
bool role_core_idle(void *self);
uint64_t role_core_deadline_ns(void *self, struct now now);
