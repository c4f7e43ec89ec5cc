/* raft: who leads, and what is committed. Pure: time, disk results and (with the ensemble) messages
 * come in as one struct raft_input; what is to be done goes out as one struct raft_output. No
 * clock, no I/O, no allocation. Entry bytes never pass here: raft knows them by index and term.
 *
 *               START                   SAVED (own vote durable, a quorum of votes)
 *   FOLLOWER ───────────▶ CANDIDATE ─────────────────────────────────────────────▶ LEADER
 *
 * This build forms ensembles of one member: a vote of its own is a quorum. Propose, append, durable
 * and commit are separate steps all the same, and the commit rule is the whole one: the index that
 * a quorum holds durably, and only once an entry of the leader's own term is among them (Ongaro and
 * Ousterhout, "In Search of an Understandable Consensus Algorithm", section 5.4.2). */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define RAFT_MEMBER_COUNT_MAX 7

enum raft_state { RAFT_FOLLOWER = 0, RAFT_CANDIDATE = 1, RAFT_LEADER = 2 };

struct raft {
    uint8_t id; /* this member, in [1, 254] */
    enum raft_state state;
    uint64_t term;
    uint8_t vote; /* whom this member voted for in `term`; 0 = nobody */
    uint64_t last_index, last_term;
    uint64_t term_first_index; /* the no-op of this leader's term */
    uint64_t commit_index;
    uint32_t member_count;
    uint64_t match_index[RAFT_MEMBER_COUNT_MAX]; /* durable there; [0] is this member */
};

enum raft_input_kind {
    RAFT_INPUT_START = 1,    /* campaign */
    RAFT_INPUT_SAVED = 2,    /* the hard state of the last output is durable */
    RAFT_INPUT_APPENDED = 3, /* entries up to `index`, of the leader's term, are in the log tail */
    RAFT_INPUT_DURABLE = 4,  /* this member's log is durable up to `index` */
};

struct raft_input {
    enum raft_input_kind kind;
    uint64_t index;
};

struct raft_output {
    bool save;             /* term and vote changed: durable before anything else is done */
    bool append_noop;      /* append an empty entry of the new term, then say APPENDED */
    uint64_t commit_index; /* entries up to here may be applied */
};

/* raft_init restores what the superblock and the log held. term_limit: a term is the epoch of a
 * zxid and stays below 2^31 so that zxids stay positive. Returns 0 or ERR_RANGE. */
MUST_USE int raft_init(struct raft *raft, uint8_t id, uint64_t term, uint8_t vote,
                       uint64_t last_index, uint64_t last_term, uint64_t commit_index);

/* raft_step takes one input. Overwrites *out whole. Role: CORE. */
void raft_step(struct raft *raft, const struct raft_input *in, struct raft_output *out);

/* raft_quorum_index is the highest index that a majority of `count` members hold; count in
 * [1, RAFT_MEMBER_COUNT_MAX]. */
uint64_t raft_quorum_index(const uint64_t *match_index, uint32_t count);

/* raft_describe writes one line about the state, for people; returns bytes as snprintf does. */
int raft_describe(const struct raft *raft, char *line, uint32_t size);
