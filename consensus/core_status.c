#include "consensus/core_status.h"

#include "base/check.h"
#include "base/clock.h"

#include <assert.h>
#include <string.h>

#define STATUS_EVERY_NS (10 * NS_PER_MS)

static_assert(CORE_STATUS_PEERS >= RAFT_MEMBER_COUNT_MAX, "each member has a slot");
static_assert(CORE_STATUS_LEADER == (int)RAFT_LEADER &&
                  CORE_STATUS_CANDIDATE == (int)RAFT_CANDIDATE,
              "the page says states by raft's numbers");

static void put(_Atomic uint64_t *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

static void put_byte(_Atomic uint8_t *at, uint8_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

static void put_bool(_Atomic bool *at, bool value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

void core_status_init(struct core_status *status)
{
    memset(status, 0, sizeof(*status));
    atomic_store_explicit(&status->reason, "started", memory_order_relaxed);
}

static void tell_peer(struct core_status_peer *peer, const struct raft *raft, uint32_t index)
{
    const struct raft_member *member = &raft_membership(raft)->members[index];
    const struct raft_progress *progress = &raft->progress[index];
    bool own = member->id == raft->config.id, leads = raft->state == RAFT_LEADER;

    put_bool(&peer->voter, member->voter || member->voter_next);
    put_bool(&peer->streams, leads && (own || progress->state == RAFT_REPLICATE));
    put(&peer->match_index, own ? raft->durable_index : leads ? progress->match_index : 0);
    put(&peer->heard_ns, own ? raft->now_ns : leads ? progress->heard_ns : 0);
    put_byte(&peer->id, member->id);
}

/* Who leads was learnt anew. */
static bool leader_is_new(const struct core_status *status, const struct raft *raft)
{
    return raft->leader &&
           (atomic_load_explicit(&status->leader, memory_order_relaxed) != raft->leader ||
            core_status_get(&status->term) != raft->term);
}

void core_status_tell(struct core_status *status, const struct raft *raft,
                      enum core_status_member member, uint64_t now_ns)
{
    const struct raft_membership *members = raft_membership(raft);
    bool same = atomic_load_explicit(&status->leader, memory_order_relaxed) == raft->leader &&
                atomic_load_explicit(&status->state, memory_order_relaxed) == raft->state &&
                core_status_get(&status->term) == raft->term && core_status_get(&status->told_ns);

    CHECK(members->count <= CORE_STATUS_PEERS);
    if (same && now_ns < core_status_get(&status->told_ns) + STATUS_EVERY_NS)
        return;
    if (leader_is_new(status, raft)) {
        put(&status->elections, core_status_get(&status->elections) + 1);
        put(&status->outage_ns, raft->outage_ns);
        put(&status->leader_ns, now_ns);
    }
    put_byte(&status->state, (uint8_t)raft->state);
    put_byte(&status->leader, raft->leader);
    put_byte(&status->vote, raft->vote);
    put_bool(&status->voting, raft->config.voting);
    put_bool(&status->joint, members->joint);
    put_byte(&status->member, (uint8_t)member);
    put(&status->term, raft->term);
    put(&status->last_index, raft->last_index);
    put(&status->durable_index, raft->durable_index);
    put(&status->commit_index, raft->commit_index);
    put(&status->reads, (uint64_t)raft->own_read_count + raft->peer_read_count);
    atomic_store_explicit(&status->reason, raft->reason ? raft->reason : "", memory_order_relaxed);
    for (uint32_t i = 0; i < CORE_STATUS_PEERS; i++) {
        if (i < members->count)
            tell_peer(&status->peers[i], raft, i);
        else
            put_byte(&status->peers[i].id, 0);
    }
    put(&status->told_ns, now_ns);
}
