/* durability.mode memory: this member acknowledges an entry when it is in its log tail; DISK writes
 * behind. What follows from that is ARCHITECTURE.md, section 6:
 *
 *   the tail holds what is not on disk: at most the batch with DISK and the open one, then HOLD;
 *   the open one goes to DISK when it is a millisecond old, or large, or a snapshot waits for it
 *   term and vote are on disk before they are told, as ever
 *   the superblock says `unflushed` from before the first acknowledgement until a clean stop has
 *   written everything: a start that finds it has forgotten promises, and does not vote until it
 *   has caught up
 *   a snapshot is of what is on disk: the log never ends before it                              */
#include "consensus/core_parts.h"

/* At the end of a turn. Raft answers for nothing of a term that is not saved: asked again then. Nor
 * while a snapshot takes the log's place: the node starts anew from that. */
void core_memory_turn(struct role_core *core, struct now now)
{
    const struct raft *raft = &core->raft;

    if (core->stopped || core->receiving.installing || raft->durable_index == raft->last_index ||
        raft->saved_term != raft->term)
        return;
    CHECK(core->tail->last_index == raft->last_index);
    core_step(core, &(struct raft_input){.kind = RAFT_INPUT_DURABLE,
                                         .index = raft->last_index,
                                         .term = raft->last_term,
                                         .epoch = raft->log_epoch,
                                         .now_ns = now.mono_ns});
}

/* A batch of an earlier epoch may hold entries that were cut since: the next one says how far. */
void core_memory_written(struct role_core *core, uint64_t index)
{
    if (core->batch_epoch == core->raft.log_epoch) {
        CHECK(index <= core->raft.last_index);
        core->disk_index = index;
    }
    if (core->disk_index >= core->commit_told)
        core->disk_awaited = false;
}

void core_memory_truncate(struct role_core *core, uint64_t from)
{
    if (core->disk_index >= from)
        core->disk_index = from - 1;
}

bool core_memory_on_disk(struct role_core *core)
{
    core->disk_awaited = core->disk_index < core->commit_told;
    return !core->disk_awaited;
}

/* One write for many entries costs the node much less than one for each. A snapshot that waits for
 * the disk does not wait for more entries, too. */
bool core_memory_batch_due(struct role_core *core, struct now now)
{
    const struct log_tail *tail = core->tail;

    if (!tail->batch_index) {
        core->batch_due_ns = 0; /* what was in it has been cut */
        return false;
    }
    if (core->batch_due_ns == 0)
        core->batch_due_ns = now.mono_ns + CORE_MEMORY_BATCH_NS;
    return now.mono_ns >= core->batch_due_ns || core->disk_awaited ||
           tail->appended - tail->batch_start >= CORE_MEMORY_BATCH_SIZE ||
           log_tail_batch_full(tail);
}

/* While DISK has a batch, or the superblock, its answer wakes CORE. */
uint64_t core_memory_deadline_ns(const struct role_core *core)
{
    if (core->batch_due_ns == 0 || core->writing || !core_disk_has_term(core))
        return UINT64_MAX;
    return core->batch_due_ns;
}
