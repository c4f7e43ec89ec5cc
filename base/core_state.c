#include "base/core_state.h"

#include "base/check.h"
#include "base/clock.h"

#define CUT_OFF_AFTER_MS_MIN 2000u

void core_state_init(struct core_state *state, bool ensemble, bool read_only_enabled,
                     uint64_t tick_ms)
{
    uint64_t after_ms = tick_ms > CUT_OFF_AFTER_MS_MIN ? tick_ms : CUT_OFF_AFTER_MS_MIN;
    state->ensemble = ensemble;
    state->read_only_enabled = read_only_enabled;
    state->cut_off_after_ns = after_ms * NS_PER_MS;
    atomic_init(&state->member_count, 1);
    atomic_init(&state->leader, !ensemble);
    atomic_init(&state->role, ensemble ? CORE_ROLE_FOLLOWER : CORE_ROLE_LEADER);
    atomic_init(&state->cut_off, false);
    atomic_init(&state->term, 0);
    atomic_init(&state->since_ns, 0);
    atomic_init(&state->vouched_ns, ensemble ? 0 : UINT64_MAX);
}

void core_state_vouch(struct core_state *state, uint64_t until_ns)
{
    CHECK(state->ensemble);
    atomic_store_explicit(&state->vouched_ns, until_ns, memory_order_relaxed);
}

uint64_t core_state_deadline_ns(const struct core_state *state)
{
    if (core_state_has_leader(state) || core_state_cut_off(state))
        return UINT64_MAX;
    return atomic_load_explicit(&state->since_ns, memory_order_relaxed) + state->cut_off_after_ns;
}

/* A store only where something changed: the page stays in the readers' caches. */
#define CORE_STATE_SET(field, value)                                                               \
    do {                                                                                           \
        if (atomic_load_explicit(&state->field, memory_order_relaxed) != (value))                  \
            atomic_store_explicit(&state->field, (value), memory_order_relaxed);                   \
    } while (0)

void core_state_tell(struct core_state *state, uint32_t member_count, uint8_t leader,
                     enum core_role role, uint64_t term, uint64_t now_ns)
{
    CHECK(member_count > 0);
    CHECK(role != CORE_ROLE_LEADER || leader != 0);
    uint64_t since_ns = atomic_load_explicit(&state->since_ns, memory_order_relaxed);
    if (since_ns == 0 || atomic_load_explicit(&state->leader, memory_order_relaxed) != leader)
        atomic_store_explicit(&state->since_ns, now_ns, memory_order_relaxed);
    CORE_STATE_SET(member_count, member_count);
    CORE_STATE_SET(leader, leader);
    CORE_STATE_SET(role, (uint8_t)role);
    CORE_STATE_SET(term, term);
    CORE_STATE_SET(cut_off, leader == 0 && (core_state_cut_off(state) ||
                                            now_ns >= core_state_deadline_ns(state)));
}
