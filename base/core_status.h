/* core_status: a page with what CORE knows of the ensemble, for people: the words mntr and memb,
 * `takt status`, `takt member list`. Written by CORE (consensus/core_status.c), read by everybody
 * with relaxed loads: each number is whole, different ones are of slightly different moments. What
 * a role acts upon is in base/core_state.h.
 *
 *               core_status_tell      readers        - : safe at the same time
 *     tell             X                 -           X : CORE only                            */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CORE_STATUS_PEERS      16
#define CORE_STATUS_STUCK_SIZE 512u

enum core_status_state {
    CORE_STATUS_FOLLOWER = 0,
    CORE_STATUS_PRE_CANDIDATE = 1,
    CORE_STATUS_CANDIDATE = 2,
    CORE_STATUS_LEADER = 3,
};

/* What this node is to the others. */
enum core_status_member {
    CORE_STATUS_MEMBER = 0,
    CORE_STATUS_NO_MEMBER = 1, /* none of them knows it (yet) */
    CORE_STATUS_REMOVED = 2,   /* it was one */
};

/* While nobody leads: what is known of a member's vote. */
enum core_status_vote {
    CORE_STATUS_VOTE_UNKNOWN = 0, /* somebody leads, or it was not asked yet */
    CORE_STATUS_VOTES = 1,
    CORE_STATUS_NO_VOTE = 2, /* its disk was lost or damaged, or what it had in memory */
    CORE_STATUS_SILENT = 3,  /* it does not answer */
};

/* A member of the membership in force, this node among them. What the leader alone knows is 0 on
 * the others. */
struct core_status_peer {
    _Atomic uint8_t id; /* 0: the slot is not used */
    _Atomic bool voter; /* in the old list or the new one */
    _Atomic uint8_t vote; /* enum core_status_vote, while nobody leads */
    _Atomic bool streams; /* leader: its log agrees with ours and entries stream to it */
    _Atomic uint64_t match_index; /* leader: durable there and equal up to here */
    _Atomic uint64_t heard_ns; /* leader: monotonic, its last message of this term; 0 = never */
};

struct core_status {
    _Atomic uint8_t state; /* enum core_status_state */
    _Atomic uint8_t leader; /* 0 = none is known */
    _Atomic uint8_t vote;
    _Atomic bool voting; /* false: its disk was lost, and it has not caught up yet */
    _Atomic bool joint;  /* two lists of members count */
    _Atomic uint8_t member; /* enum core_status_member */
    _Atomic bool stuck;     /* nobody leads, and too few voters are there and have a vote */
    _Atomic uint64_t term, last_index, durable_index, commit_index;
    _Atomic uint64_t elections; /* times that a leader came to be known, since start */
    _Atomic uint64_t outage_ns; /* how long there was none before the last of them */
    _Atomic uint64_t leader_ns; /* monotonic: since when it is known */
    _Atomic(const char *) reason; /* why the last change of leader or state happened; never NULL */
    _Atomic uint64_t reads; /* read barriers that wait: sync */
    _Atomic uint64_t told_ns; /* monotonic: when CORE last wrote here */
    struct core_status_peer peers[CORE_STATUS_PEERS];
};

/* Any role. */
static inline uint64_t core_status_get(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

/* core_status_stuck writes, when the page says `stuck`, why, and what is to be done: two sentences
 * for people, into out[size] (CORE_STATUS_STUCK_SIZE is enough). Returns whether it is stuck; else
 * out is "". */
bool core_status_stuck(const struct core_status *status, char *out, uint32_t size);
