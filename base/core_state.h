/* core_state: a page that says how this node stands in its ensemble: who leads, since when, and
 * whether it is cut off from the others: then clients may only read, or nothing. Written by CORE,
 * read by everybody else with relaxed loads: each field is true on its own, and NET acts on one of
 * them at a time.
 *
 *               core_state_tell      core_state_* readers        - : safe at the same time
 *     tell            X                       -                  X : CORE only
 *
 * A node alone leads itself from its first turn, and never leaves that. An ensemble of one member
 * is no such node: it may grow at any time. */
#pragma once

#include "base/lines.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum core_role { CORE_ROLE_FOLLOWER = 0, CORE_ROLE_LEADER = 1, CORE_ROLE_OBSERVER = 2 };

struct core_state {
    /* set before the roles start */
    bool ensemble;             /* this node has peers, or may be given some */
    bool read_only_enabled;    /* readonlymode.enabled */
    uint64_t cut_off_after_ns; /* without a leader; max(2 s, tickTime) */
    /* written by CORE */
    _Alignas(64) _Atomic uint32_t member_count; /* voters and observers */
    _Atomic uint8_t leader;                     /* 0 = none known */
    _Atomic uint8_t role;                       /* enum core_role */
    _Atomic bool cut_off; /* no leader for so long that no session can be served */
    _Atomic uint64_t term;
    _Atomic uint64_t since_ns; /* monotonic: when leader last became what it is */
    _Atomic uint64_t vouched_ns; /* core_state_vouched_ns */
};
LINES_APART(struct core_state, cut_off_after_ns, member_count);

/* core_state_init: a node alone leads; one of an ensemble knows no leader yet. Before the roles
 * start. */
void core_state_init(struct core_state *state, bool ensemble, bool read_only_enabled,
                     uint64_t tick_ms);

/* core_state_tell takes over what raft says now; nothing is written when nothing changed. Call it
 * once a turn, and at core_state_deadline_ns. Role: CORE. */
void core_state_tell(struct core_state *state, uint32_t member_count, uint8_t leader,
                     enum core_role role, uint64_t term, uint64_t now_ns);

/* core_state_vouch: a session that was heard here before until_ns, and is told to CORE before CORE
 * looks at its timers, lives for its timeout less the longest election timeout from when it was
 * heard: whoever else leads was elected too late to end it sooner. Monotonic. UINT64_MAX: nobody
 * else can lead; 0: this node does not. Role: CORE. */
void core_state_vouch(struct core_state *state, uint64_t until_ns);

/* core_state_vouched_ns: the until_ns told last. A reader that is late sees less, or, where there
 * were no others before, what was true until then. */
static inline uint64_t core_state_vouched_ns(const struct core_state *state)
{
    return atomic_load_explicit(&state->vouched_ns, memory_order_relaxed);
}

/* core_state_deadline_ns: when the node is cut off; UINT64_MAX = not unless something changes. */
uint64_t core_state_deadline_ns(const struct core_state *state);

static inline bool core_state_alone(const struct core_state *state)
{
    return !state->ensemble;
}

static inline bool core_state_has_leader(const struct core_state *state)
{
    return atomic_load_explicit(&state->leader, memory_order_relaxed) != 0;
}

static inline bool core_state_cut_off(const struct core_state *state)
{
    return atomic_load_explicit(&state->cut_off, memory_order_relaxed);
}

/* Cut off, it still reads for clients that asked for that. */
static inline bool core_state_read_only(const struct core_state *state)
{
    return core_state_cut_off(state) && state->read_only_enabled;
}
