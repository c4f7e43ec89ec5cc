/* One input to raft, and what follows from it at once: saves, messages, changes of state, reads. */
#include "consensus/core_parts.h"

#include "base/say.h"

#include <string.h>

bool core_peer_send(struct role_core *core, const struct peer_message *head, const void *payload)
{
    uint8_t *at = link_reserve(core->core_peer, (uint32_t)sizeof(*head) + head->payload_size);

    if (!at) {
        counters_add(core->counters, METRIC_core_peer_dropped_total, 1);
        return false; /* whoever needs it sends it again */
    }
    memcpy(at, head, sizeof(*head));
    if (head->payload_size)
        memcpy(at + sizeof(*head), payload, head->payload_size);
    return true;
}

void core_fail(struct role_core *core, int err, const struct fault *fault)
{
    if (!core->stopped)
        core->config.failed(core->config.failed_self, err, fault);
    core->stopped = true;
}

void core_save(struct role_core *core)
{
    if (core->save_out) {
        core->save_again = true;
        return;
    }
    uint32_t size = (uint32_t)(sizeof(struct core_disk) + sizeof(struct core_disk_save));
    struct core_disk *disk = link_reserve(core->core_disk, size);
    CHECK(disk); /* one save at a time, and the link holds many */
    struct core_disk_save *save = (struct core_disk_save *)(disk + 1);
    memset(disk, 0, size);
    disk->kind = CORE_DISK_SAVE;
    save->term = core->save_term;
    save->vote = core->save_vote;
    save->formed = core->hello.identity.formed;
    save->catching_up = core->hello.identity.catching_up;
    save->incarnation_least = core->later_incarnation;
    save->forget = core->forgetting;
    save->memory = core->config.memory;
    memcpy(save->cluster_id, core->hello.identity.cluster_id, sizeof(save->cluster_id));
    core->save_out = true;
    core->save_again = false;
    core->save_of_raft = core->raft.saving;
}

void core_saved(struct role_core *core, struct now now)
{
    bool of_raft = core->save_of_raft;

    CHECK(core->save_out);
    core->save_out = false;
    core->save_of_raft = false;
    if (of_raft)
        core_step(core, &(struct raft_input){.kind = RAFT_INPUT_SAVED, .now_ns = now.mono_ns});
    if (core->save_again)
        core_save(core);
    else
        core_hello_saved(core, now);
}

/* Who leads has changed, or may have: forwarding, timers and the page for NET follow. */
static void core_changed(struct role_core *core, uint64_t now_ns)
{
    const struct raft *raft = &core->raft;

    if (raft->leader != core->leader || raft->term != core->leader_term) {
        if (core->config.ensemble)
            forward_leader(&core->forward, raft->leader, raft->term, now_ns);
        if (core->config.ensemble && raft->leader != core->leader) {
            if (raft->leader)
                say(SAY_INFO, "node %u leads term %llu after %.1f ms without a leader: %s",
                    raft->leader, (unsigned long long)raft->term, (double)raft->outage_ns / 1e6,
                    core->out.reason ? core->out.reason : "");
            else
                say(SAY_INFO, "no leader in term %llu: %s", (unsigned long long)raft->term,
                    core->out.reason ? core->out.reason : "");
            counters_add(core->counters, METRIC_core_leader_changes_total, 1);
        }
        core->leader = raft->leader;
        core->leader_term = raft->term;
    }
}

void core_step(struct role_core *core, const struct raft_input *in)
{
    struct raft_output *out = &core->out;

    raft_step(&core->raft, in, out);
    if (out->state_changed || out->truncate_from || in->kind == RAFT_INPUT_CONFIG ||
        in->kind == RAFT_INPUT_SNAPSHOT_INSTALLED)
        core->show_ns = 0;
    if (out->contradicts)
        core_contradicted(core);
    if (out->save) {
        core->save_term = out->save_term;
        core->save_vote = out->save_vote;
        core_save(core);
    }
    for (uint32_t i = 0; i < out->message_count; i++)
        core_peer_send(core, &out->messages[i], NULL);
    for (uint32_t i = 0; i < out->read_count; i++) {
        core->read_ready =
            out->reads[i].context > core->read_ready ? out->reads[i].context : core->read_ready;
        core->read_index =
            out->reads[i].index > core->read_index ? out->reads[i].index : core->read_index;
    }
    if (out->state_changed)
        core_changed(core, core->raft.now_ns);
}
