/* raft_cluster: up to eight Raft cores on a network, disks and clocks made of one seed. Checks what
 * Raft promises at each step; the first broken promise ends the run and is kept as a sentence.
 *
 *   client ─▶ node: struct raft + log in memory ──batch, save──▶ disk (survives a crash)
 *                    │        ▲
 *                    ▼        │ delayed, lost, repeated, reordered, cut one way or both
 *                    messages in flight
 *
 * One step is one millisecond. The same seed gives the same run. */
#pragma once

#include "consensus/raft.h"

#include <stdio.h>

#define CLUSTER_NODE_MAX    8
#define CLUSTER_LOG_MAX     1024
#define CLUSTER_MESSAGE_MAX 1024
#define CLUSTER_ENTRIES_MAX 8 /* in one message */
#define CLUSTER_CONFIG_MAX  64
#define CLUSTER_READ_MAX    256
#define CLUSTER_TERM_MAX    4096
#define CLUSTER_BULK_MAX    4 /* bulk messages on their way to one member */

struct cluster_entry {
    uint64_t term, value;
    int32_t config; /* of cluster.configs; -1 = an ordinary entry */
};

struct cluster_log {
    uint64_t base_index, base_term; /* a snapshot of everything up to here */
    int32_t base_config;            /* in force there, from the entry base_config_index */
    uint64_t base_config_index, last, commit;
    struct cluster_entry entries[CLUSTER_LOG_MAX + 1]; /* in (base_index, last] */
};

struct cluster_node {
    uint8_t id;
    bool up, started;
    struct raft raft;
    struct cluster_log log;  /* in memory */
    struct cluster_log disk; /* durable */
    uint64_t disk_term;
    uint8_t disk_vote;
    uint64_t applied, written; /* written: handed to the disk */
    bool saving, writing, installing, batch_dead;
    uint64_t save_at, batch_at, install_at;
    uint64_t save_term, batch_first, batch_last, batch_term, batch_epoch, batch_commit;
    uint8_t save_vote;
    struct cluster_entry batch[CLUSTER_LOG_MAX + 1];
    struct cluster_log install; /* only its base_* */
    uint64_t up_at, paused_until, snapshot_at[CLUSTER_NODE_MAX];
    uint64_t skew_ns;
};

struct cluster_message {
    uint64_t at;
    struct peer_message head;
    uint32_t count;
    struct cluster_entry entries[CLUSTER_ENTRIES_MAX];
    int32_t config; /* SNAPSHOT */
    uint64_t config_index;
};

/* How hostile the world is; each run draws its own mix. Rates are per thousand. */
struct cluster_faults {
    uint32_t drop, repeat, late, late_ms_max;
    uint32_t disk_ms_max, disk_late;
    uint32_t crash, partition, pause, transfer, change, compact, unreachable; /* per 10 000 ms */
};

struct cluster {
    uint64_t seed, random, now_ns;
    struct cluster_faults faults;
    uint32_t node_count;
    struct cluster_node nodes[CLUSTER_NODE_MAX];
    bool cut[CLUSTER_NODE_MAX][CLUSTER_NODE_MAX]; /* [from][to] */
    uint64_t heal_at;
    struct raft_config config; /* id and rank are set for each node */
    struct cluster_message messages[CLUSTER_MESSAGE_MAX];
    uint32_t message_count;
    struct raft_membership configs[CLUSTER_CONFIG_MAX]; /* joint ones are followed by their end */
    int32_t config_count;
    struct cluster_entry committed[CLUSTER_LOG_MAX + 1];
    uint64_t committed_in[CLUSTER_LOG_MAX + 1]; /* the term of who knew it first */
    uint64_t committed_count;
    uint8_t leader_of[CLUSTER_TERM_MAX];
    uint64_t read_count, value_count;
    uint64_t read_least[CLUSTER_READ_MAX]; /* what was committed when read i was asked */
    uint32_t elections, reads_done, snapshots, changes, truncations, crashes;
    uint32_t write_rate; /* entries proposed by a leader, per thousand ms */
    uint32_t bulk_ms;    /* what bulk waits for its pace, each message of it; 0 = there is none */
    uint64_t bulk_free_ns[CLUSTER_NODE_MAX];    /* when the last one has left for that member */
    uint64_t entries_sent_to[CLUSTER_NODE_MAX]; /* to each, by index */
    bool failed;
    char failure[512];
    FILE *trace; /* each input, output and message; NULL = none */
};

/* cluster_init makes nodes 1..node_count: the first `voters` vote, the next `learners` learn, the
 * rest is spare. A peaceful world; nodes start at the first step. */
void cluster_init(struct cluster *cluster, uint64_t seed, uint32_t node_count, uint32_t voters,
                  uint32_t learners);

/* cluster_step lets a millisecond pass; cluster_run many, until one fails. Returns !failed. */
bool cluster_step(struct cluster *cluster);
bool cluster_run(struct cluster *cluster, uint32_t ms);

/* One seed from hostile to healed: shape, faults and schedule are drawn from it. False: failure
 * says why. In raft_chaos.c. */
bool cluster_seed(struct cluster *cluster, uint64_t seed);

/* Single acts, for scripted scenes. Node numbers are ids. */
void cluster_crash(struct cluster *cluster, uint8_t id, uint32_t down_ms);
void cluster_cut(struct cluster *cluster, uint8_t from, uint8_t to, bool cut);
void cluster_isolate(struct cluster *cluster, uint8_t id, bool cut);
void cluster_input(struct cluster *cluster, uint8_t id, const struct raft_input *in);
/* cluster_propose appends an entry at a leader; config -1 for an ordinary one. False: not now. */
bool cluster_propose(struct cluster *cluster, uint8_t id, int32_t config);
/* cluster_change begins a change to the voters and learners given as sets of ids (bit = id). */
bool cluster_change(struct cluster *cluster, uint8_t id, uint32_t voters, uint32_t learners);
void cluster_compact(struct cluster *cluster, uint8_t id, uint64_t index);
bool cluster_read(struct cluster *cluster, uint8_t id);

/* The leader of the highest term among the nodes that are up, 0 = none. */
uint8_t cluster_leader(const struct cluster *cluster);
uint64_t cluster_random(struct cluster *cluster, uint64_t below);
bool cluster_chance(struct cluster *cluster, uint32_t rate, uint32_t of);
/* Log matching, for each two nodes. */
void cluster_check_logs(struct cluster *cluster);
void cluster_fail(struct cluster *cluster, const char *format, ...) PRINTF_LIKE(2, 3);
