/* What APPLY tells, and the leader's own work that follows from it: expiry, reaping, snapshots. */
#include "consensus/core_parts.h"

#include "base/plant.h"
#include "base/zk.h"

static void apply_reap(struct role_core *core, const struct apply_core *m, struct now now)
{
    struct command command = {.kind = COMMAND_REAP,
                              .version = COMMAND_VERSION,
                              .node = core->config.node_id,
                              .body_size = m->size};

    if (!raft_may_propose(&core->raft) || !core_disk_has_room(core, m->size))
        return; /* found again by the next scan, or by another leader's */
    /* without room in the tail it is dropped, and found again: were it kept, APPLY would wait for
     * CORE and CORE for APPLY */
    if (!core_propose(core, &command, m + 1, now))
        counters_add(core->counters, METRIC_core_hold_total, 1);
}

/* The log before a snapshot may go, but not what a member that keeps up still needs. */
static void apply_snapshot(struct role_core *core, const struct apply_core *m)
{
    const struct core_snapshot_id *id = (const struct core_snapshot_id *)(m + 1);

    core->snapshot_pending = false;
    if (!m->id)
        return;
    CHECK(m->size == sizeof(*id));
    core->snapshot = *id;
    core->trim_index = id->index;
    if (core->raft.state == RAFT_LEADER && core->config.ensemble) {
        uint64_t limit = raft_compact_limit(&core->raft);
        core->trim_index = limit < id->index ? limit : id->index;
    }
}

static void apply_lanes(struct role_core *core, const struct apply_core *m)
{
    const struct command_lane *lanes = (const struct command_lane *)(m + 1);

    if (core->raft.state == RAFT_LEADER && (uint64_t)m->id == core->raft.term_first_index)
        forward_lanes(&core->forward, lanes, m->size / (uint32_t)sizeof(*lanes));
}

/* The command is answered behind everything that is applied; see core_apply. */
static bool apply_refuse(void *self, const struct command *command)
{
    struct role_core *core = self;
    struct core_apply head = {
        .kind = CORE_APPLY_REFUSE, .error = ZK_SYSTEM_ERROR, .index = core->commit_told};
    if (!core_put(core->core_apply, &head, command, sizeof(*command)))
        return false;
    counters_add(core->counters, METRIC_core_refused_total, 1);
    return true;
}

/* False: HOLD. */
static bool core_from_apply(struct role_core *core, const struct apply_core *m, struct now now)
{
    const struct command_lane *lane = (const struct command_lane *)(m + 1);

    switch (m->kind) {
    case APPLY_CORE_SESSION:
        /* the table is sized by the same limit as the state machine's */
        CHECK(timers_set(&core->timers, m->id, (uint32_t)m->timeout_ms, now.mono_ns) == 0);
        return true;
    case APPLY_CORE_CLOSED: timers_remove(&core->timers, m->id); return true;
    case APPLY_CORE_REAP: apply_reap(core, m, now); return true;
    case APPLY_CORE_SNAPSHOT: apply_snapshot(core, m); return true;
    case APPLY_CORE_LANE:
        if (core->config.ensemble)
            forward_applied(&core->forward, lane->incarnation, lane->lane);
        return true;
    case APPLY_CORE_LANES:
        if (core->config.ensemble)
            apply_lanes(core, m);
        return true;
    case APPLY_CORE_CANCELLED:
        return !core->config.ensemble ||
               forward_cancelled(&core->forward, lane->incarnation, lane->lane, apply_refuse, core);
    case APPLY_CORE_RECONFIG:
        if (core->config.ensemble)
            core_member_wanted(core, m->id, m + 1, m->size, now);
        return true;
    case APPLY_CORE_TRANSFER:
        if (core->config.ensemble)
            core_member_transfer(core, (uint8_t)m->id, now);
        return true;
    case APPLY_CORE_HASH:
        if (core->config.ensemble)
            core_hash_own(core, (uint64_t)m->id, m + 1, m->size);
        return true;
    }
    CHECK(!"known apply_core kind");
    return false;
}

uint32_t core_poll_apply(struct role_core *core, struct now now)
{
    const struct apply_core *m;
    uint32_t size, n = 0;

    for (; n < CORE_TURN_COMMANDS_MAX && (m = link_peek(core->apply_core, &size)); n++) {
        CHECK(size >= sizeof(*m));
        if (!core_from_apply(core, m, now))
            break;
        link_pop(core->apply_core);
    }
    link_release(core->apply_core);
    counters_set(core->counters, METRIC_core_sessions, timers_count(&core->timers));
    return n;
}

/* A new leader knows how long its sessions live once it has applied what was there before: an entry
 * behind its commit index may have moved a session and given it more time. */
bool core_may_expire(const struct role_core *core)
{
    return core->raft.state == RAFT_LEADER && (!core->config.ensemble || core->forward.ready);
}

/* A session ends by what was heard when the NETs were last listened to, a turn ago or more: CORE
 * may have stood still, and its client was told meanwhile that it lives (core_nets.c). */
uint32_t core_expire(struct role_core *core, struct now now)
{
    uint64_t heard_ns = PLANTED(52) ? now.mono_ns : core->heard_ns;
    uint32_t n = 0;

    if (!raft_may_propose(&core->raft) || !core_may_expire(core))
        return 0; /* the leader's work */
    for (int64_t id; n < CORE_TURN_COMMANDS_MAX && core_disk_has_room(core, 0) &&
                     (id = timers_next(&core->timers, heard_ns));
         n++) {
        struct command command = {.kind = COMMAND_EXPIRE,
                                  .version = COMMAND_VERSION,
                                  .node = core->config.node_id,
                                  .session = id};
        if (!core_propose(core, &command, NULL, now))
            break; /* offered again in a tick */
        counters_add(core->counters, METRIC_core_expired_total, 1);
    }
    return n;
}

void core_reap(struct role_core *core, struct now now)
{
    if (core->config.reap_interval_ms == 0 || core->raft.state != RAFT_LEADER)
        return;
    if (core->reap_ns == 0)
        core->reap_ns = now.mono_ns + core->config.reap_interval_ms * NS_PER_MS;
    if (now.mono_ns < core->reap_ns)
        return;
    struct core_apply head = {
        .kind = CORE_APPLY_REAP, .time_ms = now.wall_ms, .index = core->raft.commit_index};
    if (core_put(core->core_apply, &head, NULL, 0))
        core->reap_ns = now.mono_ns + core->config.reap_interval_ms * NS_PER_MS;
}

void core_snapshot(struct role_core *core)
{
    uint64_t entries = core->raft.commit_index - core->snapshot_index;
    uint64_t bytes = core->tail->batch_start - core->snapshot_tail;
    bool due = core->snapshot_wanted ||
               (core->config.snapshot_entries && entries >= core->config.snapshot_entries) ||
               (core->config.snapshot_bytes && bytes >= core->config.snapshot_bytes && entries > 1);

    if (!due || core->snapshot_pending)
        return;
    /* a snapshot is of what is durable here: the log never ends before it */
    if (core->config.memory ? !core_memory_on_disk(core)
                            : core->commit_told != core->raft.commit_index ||
                                  core->raft.durable_index < core->commit_told)
        return;
    struct core_apply head = {.kind = CORE_APPLY_SNAPSHOT, .index = core->commit_told};
    if (!core_put(core->core_apply, &head, NULL, 0))
        return;
    core->snapshot_pending = true;
    core->snapshot_wanted = false;
    core->snapshot_index = core->commit_told;
    core->snapshot_tail = core->tail->batch_start;
}
