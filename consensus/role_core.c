#include "consensus/core_parts.h"

#include <string.h>

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
    core->session_last = session_last;
    core->commit_told = raft->commit_index;
    core->snapshot_index = raft->last_index;
    core->random_used = CORE_RANDOM_POOL_SIZE;
    int err = link_init(&core->waiting, "core_waiting", config->waiting_depth);
    if (err)
        return err;
    err = expiry_init(&core->expiry, config->session_max, config->tick_ms);
    if (err)
        link_fini(&core->waiting);
    return err;
}

void role_core_fini(struct role_core *core)
{
    expiry_fini(&core->expiry);
    link_fini(&core->waiting);
}

uint32_t role_core_poll(void *self, struct now now)
{
    struct role_core *core = self;
    uint32_t work = core_poll_disk(core);

    if (core->raft.last_index < core->raft.term_first_index) { /* first entry of the term */
        const struct command_settings *settings = &core->config.settings;
        struct command noop = {.kind = COMMAND_NOOP,
                               .version = COMMAND_VERSION,
                               .node = core->config.node_id,
                               .body_size = settings->version ? sizeof(*settings) : 0};
        expiry_restart(&core->expiry, now.mono_ns);
        work += core_propose(core, &noop, settings, now);
    }
    core_tell_committed(core);
    work += core_poll_apply(core, now);
    work += core_expire(core, now);
    work += core_poll_nets(core, now);
    core_reap(core, now);
    core_snapshot(core);
    core_send_batch(core);
    link_publish(core->core_apply);
    link_publish(core->core_disk);
    counters_set(core->counters, METRIC_core_term, core->raft.term);
    return work;
}

bool role_core_idle(void *self)
{
    struct role_core *core = self;

    /* a full batch behind one in flight: nothing can be taken until DISK answers */
    bool held = core->writing && log_tail_batch_full(core->tail);
    for (uint32_t i = 0; i < core->net_count && !held; i++)
        if (!link_empty(core->net_core[i]))
            return false;
    return link_empty(core->disk_core) && link_empty(core->apply_core) &&
           core->commit_told == core->raft.commit_index &&
           (link_empty(&core->waiting) || core->commit_told < core->raft.last_index);
}

uint64_t role_core_deadline_ns(void *self, struct now now)
{
    struct role_core *core = self;
    uint64_t at = expiry_deadline_ns(&core->expiry);
    return core->reap_ns && core->reap_ns < at ? core->reap_ns : at;
}
