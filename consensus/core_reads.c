/* Queries and refusals of a node with peers: each behind what was asked before it, a query also
 * behind everything that was committed when it was asked (ReadIndex). */
#include "consensus/core_parts.h"

#include <string.h>

bool core_wait(struct role_core *core, const struct core_apply *head, const struct command *command,
               bool barrier)
{
    uint32_t size =
        (uint32_t)sizeof(*command) + (head->kind == CORE_APPLY_QUERY ? command->body_size : 0);
    struct core_wait *wait = NULL;

    if (core->raft.own_read_count + 1 < RAFT_READ_COUNT_MAX || !barrier)
        wait = link_reserve(&core->reads, (uint32_t)sizeof(*wait) + size);
    if (!wait)
        return false;
    if (barrier && !core->read_wanted) {
        core->read_context++;
        core->read_wanted = true;
    }
    wait->context = barrier ? core->read_context : 0;
    wait->lane = forward_lane_last(&core->forward);
    wait->head = *head;
    memcpy(wait + 1, command, size);
    link_publish(&core->reads);
    core->refusal_count += head->kind == CORE_APPLY_REFUSE;
    return true;
}

void core_ask_reads(struct role_core *core, struct now now)
{
    if (!core->read_wanted)
        return;
    core->read_wanted = false;
    core_step(core, &(struct raft_input){.kind = RAFT_INPUT_READ,
                                         .context = core->read_context,
                                         .now_ns = now.mono_ns});
    CHECK(!core->out.read_refused); /* there was room for one */
}

/* Is what this member has applied the leader's, as that one has shown? */
static bool reads_of_leader(const struct role_core *core)
{
    return core->raft.state == RAFT_LEADER || core->raft.matched_index >= core->commit_told;
}

bool core_reads_due(struct role_core *core)
{
    uint32_t size;
    const struct core_wait *wait = link_peek(&core->reads, &size);

    return wait && wait->lane <= core->forward.applied &&
           (wait->context == 0 ||
            (wait->context <= core->read_ready && core->read_index <= core->commit_told &&
             reads_of_leader(core)));
}

/* Has nobody answered the READs of this node for CORE_SILENT_NS? Asked when the pages are told. */
bool core_reads_silent(struct role_core *core, struct now now)
{
    uint32_t size;
    const struct core_wait *wait = link_peek(&core->reads, &size);

    if (!wait || wait->context <= core->read_ready || core->reads_moved != core->read_ready) {
        core->reads_moved = core->read_ready;
        core->reads_moved_ns = now.mono_ns;
    }
    return now.mono_ns >= core->reads_moved_ns + CORE_SILENT_NS;
}

uint32_t core_tell_reads(struct role_core *core)
{
    uint32_t n = 0;

    for (; core_reads_due(core); n++) {
        uint32_t size;
        const struct core_wait *wait = link_peek(&core->reads, &size);
        struct core_apply head = wait->head;
        head.index = core->commit_told;
        if (!core_put(core->core_apply, &head, wait + 1, size - (uint32_t)sizeof(*wait)))
            break; /* HOLD */
        core->refusal_count -= head.kind == CORE_APPLY_REFUSE;
        link_pop(&core->reads);
    }
    link_release(&core->reads);
    return n;
}
