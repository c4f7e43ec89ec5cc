/* core_hello: how a node with an empty disk finds out what it is: one of those that begin a new
 * ensemble, or one that comes to an old one and must catch up before it may vote.
 *
 *                 every voter was heard, and none has a log
 *   UNFORMED ─────────────────────────────────────────────────▶ FORMED      votes
 *      │  somebody has a log                                      ▲
 *      └─────────────▶ CATCHING UP (cluster id of that one) ──────┘
 *           all that the leader had in its log, when this node said HELLO to it, is committed and
 *           durable here: whatever this node has promised and forgotten is among that
 *
 * Every start says HELLO to every peer until it is answered: peers learn the incarnation by it, and
 * forget what they knew of the earlier one's log. So the disks of a majority may be lost, and the
 * ensemble stalls, but does not go on without what it had promised. Each step is durable (SAVE)
 * before it counts. Pure. Role: CORE. */
#pragma once

#include "base/clock.h"
#include "consensus/peer_message.h"

#include <stdbool.h>
#include <stdint.h>

#define CORE_HELLO_NS    (100 * NS_PER_MS) /* between two HELLOs to one peer */
#define CORE_CLUSTER_SIZE 16

/* Who this node is, as its superblock says. */
struct core_identity {
    uint8_t cluster_id[CORE_CLUSTER_SIZE];
    bool formed;      /* it has a part in an ensemble */
    bool catching_up; /* but no vote yet */
};

/* Whether a node may vote, as it says itself. */
enum core_hello_votes {
    CORE_HELLO_VOTES_UNKNOWN = 0, /* a build that does not say it */
    CORE_HELLO_VOTES = 1,
    CORE_HELLO_NO_VOTE = 2, /* it has no part yet, or it catches up */
};

/* Payload of HELLO. */
struct core_greeting {
    uint64_t incarnation;
    uint64_t last_index; /* of the log; 0 = it never held anything */
    uint8_t cluster_id[CORE_CLUSTER_SIZE];
    uint8_t formed;
    uint8_t answer; /* 1: in answer to one, and wants none */
    uint8_t memory; /* 1: it acknowledges from memory; 0 also from builds without that mode */
    uint8_t votes;  /* enum core_hello_votes */
    uint8_t pad[4];
};
static_assert(sizeof(struct core_greeting) == 40, "struct core_greeting is sent");

struct core_hello {
    struct core_identity identity;
    uint64_t incarnation;
    bool memory; /* this node's own durability.mode */
    uint64_t due_ns;                   /* next round of HELLOs; UINT64_MAX: all have answered */
    uint64_t heard[PEER_ID_MAX + 1];   /* incarnation of each peer; 0 = not heard */
    uint8_t log_seen[PEER_ID_MAX + 1]; /* 1: it has a log, 2: it has none */
    bool memory_heard[PEER_ID_MAX + 1]; /* it acknowledges from memory */
    uint8_t votes[PEER_ID_MAX + 1];     /* enum core_hello_votes of each peer */
    /* catching up: the end of the log of the leader of target_term, told to this incarnation */
    uint64_t target_index, target_term; /* term 0: not known */
};

enum core_hello_step {
    CORE_HELLO_NOTHING = 0,
    CORE_HELLO_REBORN = 1, /* the peer started anew */
};

void core_hello_init(struct core_hello *hello, const struct core_identity *identity,
                     uint64_t incarnation, uint64_t now_ns);

/* core_hello_hear takes a greeting of `from`; *joined: this node, unformed, joins that ensemble
 * (identity is changed; save it). Returns what it says about the peer, or ERR_MALFORMED. */
MUST_USE int core_hello_hear(struct core_hello *hello, uint8_t from, const void *payload,
                             uint32_t size, bool *joined);

/* core_hello_form: true when this node is unformed, and of the voters `ids` at least `needed`
 * (itself included) are known to have no log: then it begins the ensemble `cluster_id` with them
 * (identity is changed; save it). */
bool core_hello_form(struct core_hello *hello, const uint8_t *ids, uint32_t count, uint8_t self,
                     uint32_t needed, const uint8_t cluster_id[CORE_CLUSTER_SIZE]);

/* core_hello_fill makes a greeting. */
void core_hello_fill(const struct core_hello *hello, uint64_t last_index, bool answer,
                     struct core_greeting *greeting);
