/* What CORE tells APPLY, in the order of the requests. */
#include "base/plant.h"
#include "consensus/core_parts.h"

#include <string.h>

bool core_put(struct link *link, const struct core_apply *head, const void *behind, uint32_t size)
{
    uint8_t *at = link_reserve(link, (uint32_t)sizeof(*head) + size);
    if (!at)
        return false;
    memcpy(at, head, sizeof(*head));
    if (size)
        memcpy(at + sizeof(*head), behind, size);
    return true;
}

/* Told at once when everything proposed is committed and told; else kept back behind it. */
bool core_tell_behind(struct role_core *core, struct core_apply *head, const void *behind,
                      uint32_t size)
{
    head->index = core->raft.last_index;
    if (core->commit_told == core->raft.last_index && link_empty(&core->waiting))
        return core_put(core->core_apply, head, behind, size);
    bool put = core_put(&core->waiting, head, behind, size);
    link_publish(&core->waiting);
    return put;
}

/* The entry up to which a commit may be told now: replies come in the order of the requests, so
 * what was asked between two entries is told between their commits, also when both became durable
 * at once. */
static uint64_t core_commit_next(struct role_core *core)
{
    uint32_t size;
    const struct core_apply *head = link_peek(&core->waiting, &size);

    uint64_t commit = PLANTED(42) ? core->raft.last_index : core->raft.commit_index;
    return head && head->index < commit ? head->index : commit;
}

static bool core_tell_waiting(struct role_core *core)
{
    const struct core_apply *head;
    uint32_t size;
    bool told = false;

    while ((head = link_peek(&core->waiting, &size)) && head->index <= core->commit_told) {
        if (!core_put(core->core_apply, head, head + 1, size - (uint32_t)sizeof(*head)))
            break; /* HOLD: told in a later turn */
        link_pop(&core->waiting);
        told = true;
    }
    link_release(&core->waiting);
    return told;
}

static bool core_tell_commit(struct role_core *core)
{
    uint64_t index = core_commit_next(core);

    if (core->disk_awaited || index <= core->commit_told)
        return false;
    struct core_apply head = {.kind = CORE_APPLY_COMMIT, .index = index};
    if (!link_pass(core->core_apply, &head, sizeof(head)) &&
        !core_put(core->core_apply, &head, NULL, 0))
        return false;
    core->commit_told = index;
    if (UNLIKELY(core->traces.count))
        core_trace_passed(core, TRACE_COMMIT, index);
    return true;
}

void core_tell_committed(struct role_core *core)
{
    if (core->stopped)
        return; /* what raft took may not be in the tail */
    log_tail_commit(core->tail, core->raft.commit_index);
    while (core_tell_commit(core) || core_tell_waiting(core))
        continue;
    counters_set(core->counters, METRIC_core_committed_index, core->commit_told);
}
