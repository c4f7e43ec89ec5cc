/* The state hash behind an index: members that applied the same entries have the same, and one that
 * differs stops before it tells anybody anything more. The leader tells its own, with both values
 * in the fault of whoever differs. */
#include "consensus/core_parts.h"

#include <string.h>

static void hash_compare(struct role_core *core, uint64_t index, uint64_t own, uint64_t other,
                         uint8_t from)
{
    struct fault fault;

    if (own == other)
        return;
    fault_set(
        &fault, ERR_CORRUPT,
        "the state of this node differs from node %u's: behind entry %llu the hash here is "
        "%016llx, there %016llx. Keep both data directories, compare them with `takt snapshot "
        "diff`, and let this node begin with an empty one",
        from, (unsigned long long)index, (unsigned long long)own, (unsigned long long)other);
    core_fail(core, ERR_CORRUPT, &fault);
}

static struct core_hash *hash_slot(struct core_hash *ring, uint64_t index)
{
    return &ring[index / APPLY_HASH_EVERY % CORE_HASH_COUNT];
}

/* Tells the other members what a leader has; a follower has nobody to tell. */
static void hash_tell(struct role_core *core, uint64_t index, uint64_t hash)
{
    const struct raft_membership *members = raft_membership(&core->raft);

    for (uint32_t i = 0; i < members->count; i++) {
        struct peer_message head = {.kind = PEER_HASH,
                                    .from = core->config.node_id,
                                    .to = members->members[i].id,
                                    .payload_size = sizeof(hash),
                                    .term = core->raft.term,
                                    .index = index};
        if (head.to != core->config.node_id)
            core_peer_send(core, &head, &hash);
    }
}

void core_hash_own(struct role_core *core, uint64_t index, const void *hash, uint32_t size)
{
    struct core_hash *own = hash_slot(core->hash_own, index);
    struct core_hash *told = hash_slot(core->hash_told, index);

    CHECK(size == sizeof(own->hash));
    own->index = index;
    memcpy(&own->hash, hash, sizeof(own->hash));
    if (told->index == index)
        hash_compare(core, index, own->hash, told->hash, told->from);
    if (core->raft.state == RAFT_LEADER)
        hash_tell(core, index, own->hash);
}

void core_on_hash(struct role_core *core, const struct peer_message *message,
                  const uint8_t *payload, struct now now)
{
    struct core_hash *own = hash_slot(core->hash_own, message->index);
    struct core_hash *told = hash_slot(core->hash_told, message->index);
    uint64_t hash;

    if (message->payload_size != sizeof(hash)) {
        counters_add(core->counters, METRIC_core_peer_malformed_total, 1);
        return;
    }
    memcpy(&hash, payload, sizeof(hash));
    if (own->index == message->index)
        hash_compare(core, message->index, own->hash, hash, message->from);
    else
        *told = (struct core_hash){message->index, hash, message->from};
}
