#include "base/plant.h"
#include "consensus/core_parts.h"
#include "consensus/core_status.h"

#include <stdlib.h>
#include <string.h>

static int core_ensemble_init(struct role_core *core)
{
    const struct role_core_config *config = &core->config;
    int err = forward_init(&core->forward, &config->forward);

    if (!err)
        err = link_init(&core->reads, "core_reads", config->waiting_depth);
    core->old.buffer = aligned_alloc(4096, CORE_OLD_SIZE_MAX);
    core->sending.buffer = aligned_alloc(4096, CORE_CHUNK_SIZE);
    core->receiving.buffer = aligned_alloc(4096, CORE_CHUNK_SIZE);
    if (!core->old.buffer || !core->sending.buffer || !core->receiving.buffer)
        err = ERR_NOMEM;
    core->snapshot = config->snapshot;
    core_hello_init(&core->hello, &config->identity, config->incarnation, 0);
    core->hello.memory = config->memory;
    core->read_context = config->incarnation << 20; /* never used before, nor after a restart */
    core->member_index = config->member_index;
    core->member_next = core->member_said = config->servers;
    core->member_said_index = config->member_index;
    core->was_member = config->member_index && raft_member_index(&core->raft, config->node_id) >= 0;
    core->settle_index = raft_membership(&core->raft)->index;
    core->save_term = core->raft.term;
    core->save_vote = core->raft.vote;
    return err;
}

int role_core_init(struct role_core *core, const struct role_core_config *config,
                   const struct raft *raft, struct log_tail *tail, struct counters *counters,
                   int64_t time_ms, int64_t session_last)
{
    memset(core, 0, sizeof(*core));
    if (config->node_id == 0 || config->node_id > 254)
        return ERR_RANGE;
    CHECK(raft->last_index == tail->last_index);
    core->config = *config;
    core->raft = *raft;
    core->tail = tail;
    core->counters = counters;
    core->time_ms = time_ms;
    for (uint64_t index = raft->commit_index + 1; index <= raft->last_index; index++)
        core_follow_time(core, log_tail_find(tail, index));
    core->session_last = session_last;
    core->disk_index = raft->last_index;
    core->commit_told = raft->commit_index;
    core->snapshot_index = raft->commit_index;
    core->random_used = CORE_RANDOM_POOL_SIZE;
    int err = link_init(&core->waiting, "core_waiting", config->waiting_depth);
    if (!err)
        err = timers_init(&core->timers, config->session_max, config->tick_ms);
    if (!err && config->ensemble)
        err = core_ensemble_init(core);
    if (err)
        role_core_fini(core);
    return err;
}

void role_core_fini(struct role_core *core)
{
    timers_fini(&core->timers);
    link_fini(&core->waiting);
    link_fini(&core->reads);
    forward_fini(&core->forward);
    free(core->old.buffer);
    free(core->sending.buffer);
    free(core->receiving.buffer);
    core->old.buffer = core->sending.buffer = core->receiving.buffer = NULL;
}

/* The first entry of this leader's term: it commits what was there before, and carries the
 * settings. */
static uint32_t core_noop(struct role_core *core, struct now now)
{
    if (core->timers_due)
        timers_restart(&core->timers, now.mono_ns);
    core->timers_due = false;
    if (core->raft.state != RAFT_LEADER || core->raft.last_index >= core->raft.term_first_index)
        return 0;
    const struct command_settings *settings = &core->config.settings;
    struct command noop = {.kind = COMMAND_NOOP,
                           .version = COMMAND_VERSION,
                           .node = core->config.node_id,
                           .body_size = settings->version ? sizeof(*settings) : 0};
    core->time_ms++; /* behind every stamp in the log: no session id is given twice */
    /* counted from the next turn: this one's time was asked before it was elected, be it long */
    core->timers_due = !PLANTED(40);
    return core_propose(core, &noop, settings, now);
}

/* What a node with peers does before its clients are looked at, and what it sends at the end. */
static uint32_t core_ensemble_begin(struct role_core *core, struct now now)
{
    if (!core->member_begun)
        core_member_begin(core, now);
    /* what was said before the time is looked at: after a stall the leader's heartbeats are here */
    uint32_t work = core_poll_peers(core, now);
    if (now.mono_ns >= raft_deadline_ns(&core->raft))
        core_step(core, &(struct raft_input){.kind = RAFT_INPUT_TICK, .now_ns = now.mono_ns});
    core_form_turn(core, now);
    core_room_turn(core, now);
    return work;
}

/* NET grants leases by it (dataplane/beat/beat.c), which last for the timeout less the longest
 * election timeout. A 64th of that is kept back for clocks that differ: by less than 0.75 %. */
static void core_vouch(struct role_core *core)
{
    uint64_t vouched_ns = raft_vouched_ns(&core->raft);
    uint64_t span_ns = core->raft.config.election_ns_max / 64 * 63;

    if (!core->state || vouched_ns == core->vouched_ns)
        return;
    core->vouched_ns = vouched_ns;
    core_state_vouch(core->state, vouched_ns == 0 || vouched_ns == UINT64_MAX
                                      ? vouched_ns
                                      : vouched_ns + span_ns);
}

static uint32_t core_ensemble_end(struct role_core *core, struct now now)
{
    uint32_t work = core_propose_own(core, now);

    core_ask_reads(core, now);
    core_send_forwards(core, now);
    core_touch_turn(core, now);
    core_member_turn(core, now);
    core_member_settle(core, now);
    if (UNLIKELY(core->member_index != core->member_said_index))
        core_member_say(core);
    core_install_turn(core, now);
    core_replicate(core, now);
    core_vouch(core);
    return work + core_tell_reads(core);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How this member stands, for those who do not hear messages. */
static void core_show_standing(struct role_core *core, struct now now)
{
    const struct raft *raft = &core->raft;
    int self = raft_member_index(raft, core->config.node_id);
    const struct raft_membership *members = raft_membership(raft);
    bool voter = self >= 0 && (members->members[self].voter || members->members[self].voter_next);
    enum core_role role = raft->state == RAFT_LEADER ? CORE_ROLE_LEADER
                          : voter                    ? CORE_ROLE_FOLLOWER
                                                     : CORE_ROLE_OBSERVER;

    /* Without room for what the others write, or heard by nobody, it is as if it heard of no
     * leader: its clients find others, or read. */
    bool silent =
        core_reads_silent(core, now) || forward_silent(&core->forward, CORE_SILENT_NS, now.mono_ns);
    bool led = raft->state == RAFT_LEADER || (!core->starved && !silent);
    uint8_t leader = led ? raft->leader : 0;
    core_state_tell(core->state, members->count, leader, role, raft->term, now.mono_ns);
}

/* Told when something of it changed, and every so often: a turn that changes nothing pays nothing.
 */
static void core_show(struct role_core *core, struct now now)
{
    if (now.mono_ns < core->show_ns)
        return;
    core->show_ns = now.mono_ns + CORE_SHOW_NS;
    counters_set(core->counters, METRIC_core_term, core->raft.term);
    if (core->state && core->config.ensemble) /* a node alone stands as it began */
        core_show_standing(core, now);
    if (core->config.ensemble) {
        core_others_show(core, now);
        core_stuck_turn(core, now);
    }
    if (core->status)
        core_status_tell(core->status, &core->raft, core_others_member(core, now), now.mono_ns);
    if (core->state && core->config.ensemble)
        core->show_ns = earlier(core->show_ns, core_state_deadline_ns(core->state));
}

uint32_t role_core_poll(void *self, struct now now)
{
    struct role_core *core = self;
    bool ensemble = core->config.ensemble;

    if (core->stopped)
        return 0;
    uint32_t work = core_poll_disk(core, now);
    if (ensemble)
        work += core_ensemble_begin(core, now);
    work += core_noop(core, now);
    core_tell_committed(core);
    work += core_poll_apply(core, now);
    work += core_expire(core, now);
    work += core_poll_nets(core, now);
    if (ensemble)
        work += core_ensemble_end(core, now);
    core_reap(core, now);
    core_snapshot(core);
    if (core->config.memory)
        core_memory_turn(core, now);
    core_send_batch(core, !core->config.memory || core_memory_batch_due(core, now));
    link_publish(core->core_apply);
    link_publish(core->core_disk);
    if (ensemble)
        link_publish(core->core_peer);
    core_show(core, now);
    return work;
}

bool role_core_flush(struct role_core *core, struct now now)
{
    (void)core_poll_disk(core, now);
    core_send_batch(core, true);
    link_publish(core->core_disk);
    return !core->writing && !core->save_out && !core->tail->batch_index;
}

/* Commands that no peer, disk or APPLY must speak for before they can be taken. */
static bool core_nets_idle(struct role_core *core)
{
    if (core->config.ensemble) {
        if (core->nets_held)
            return true; /* no room until APPLY, DISK or a peer says something */
    } else if (core->writing && log_tail_batch_full(core->tail)) {
        return true; /* a full batch behind one in flight: until DISK answers */
    }
    for (uint32_t i = 0; i < core->net_count; i++)
        if (!link_empty(core->net_core[i]))
            return false;
    return true;
}

bool role_core_idle(void *self)
{
    struct role_core *core = self;

    if (core->stopped)
        return true;
    if (core->config.ensemble && (!link_empty(core->peer_core) || core_reads_due(core)))
        return false;
    return core_nets_idle(core) && link_empty(core->disk_core) && link_empty(core->apply_core) &&
           core->commit_told == core->raft.commit_index &&
           (link_empty(&core->waiting) || core->commit_told < core->raft.last_index);
}

uint64_t role_core_deadline_ns(void *self, struct now now)
{
    struct role_core *core = self;
    /* held up, sessions end when the NETs were listened to: APPLY, DISK or a peer wakes it */
    bool expires = core_may_expire(core) && !core->nets_held;
    uint64_t at = expires ? timers_deadline_ns(&core->timers) : UINT64_MAX;

    if (core->stopped)
        return UINT64_MAX;
    if (core->raft.state == RAFT_LEADER && core->reap_ns)
        at = earlier(at, core->reap_ns);
    if (!core->config.ensemble)
        return at;
    at = earlier(at, raft_deadline_ns(&core->raft));
    at = earlier(at, forward_deadline_ns(&core->forward));
    at = earlier(at, core->hello.due_ns);
    if (core->news_ns)
        at = earlier(at, core->news_ns);
    at = earlier(at, core_install_deadline_ns(core));
    at = earlier(at, core_touch_deadline_ns(core));
    at = earlier(at, core_memory_deadline_ns(core));
    return core->state ? earlier(at, core_state_deadline_ns(core->state)) : at;
}
