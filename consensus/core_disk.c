/* Batches of the log tail to DISK, and what DISK says. */
#include "consensus/core_parts.h"

static void core_send_trim(struct role_core *core)
{
    struct core_disk *trim = core->trim_index ? link_reserve(core->core_disk, sizeof(*trim)) : NULL;
    if (!trim)
        return;
    *trim = (struct core_disk){.kind = CORE_DISK_TRIM, .first_index = core->trim_index};
    core->trim_index = 0;
}

bool core_disk_has_term(const struct role_core *core)
{
    const struct raft *raft = &core->raft;

    return !core->save_again && (raft->saving ? raft->saving_term : raft->saved_term) == raft->term;
}

void core_send_batch(struct role_core *core, bool now)
{
    struct core_disk batch;

    core_send_trim(core);
    if (!now || core->writing || !core_disk_has_term(core) ||
        !log_tail_close_batch(core->tail, &batch))
        return;
    struct core_disk *at = link_reserve(core->core_disk, sizeof(batch));
    CHECK(at); /* at most one batch and one trim are in flight; the link holds many */
    *at = batch;
    core->writing = true;
    core->batch_due_ns = 0;
    core->batch_epoch = core->raft.log_epoch;
    counters_add(core->counters, METRIC_core_batches_total, 1);
    counters_add(core->counters, METRIC_core_batch_bytes_total, batch.size);
}

static void disk_durable(struct role_core *core, const struct disk_core *done, struct now now)
{
    CHECK(core->writing);
    core->writing = false;
    log_tail_written(core->tail, done->offset);
    if (UNLIKELY(core->traces.count))
        core_trace_passed(core, TRACE_DURABLE, done->index);
    if (core->config.memory) {
        core_memory_written(core, done->index);
        return;
    }
    core_step(core, &(struct raft_input){.kind = RAFT_INPUT_DURABLE,
                                         .index = done->index,
                                         .term = done->term,
                                         .epoch = core->batch_epoch,
                                         .now_ns = now.mono_ns});
}

static void disk_says(struct role_core *core, const struct disk_core *done, struct now now)
{
    switch (done->kind) {
    case DISK_CORE_DURABLE: disk_durable(core, done, now); return;
    case DISK_CORE_ROOM:
        core->room_known = true;
        core->disk_room = done->index;
        core->disk_short = done->error == ERR_NOSPACE;
        core->room_used = core->tail->appended - core->tail->batch_start;
        return;
    case DISK_CORE_SAVED: core_saved(core, now); return;
    case DISK_CORE_READ_DONE: core_catch_up_read(core, done, now); return;
    case DISK_CORE_SNAPSHOT_READ: core_install_read(core, done, now); return;
    case DISK_CORE_SNAPSHOT_WRITTEN: core_install_written(core, done); return;
    case DISK_CORE_INSTALLED: core_install_done(core, done); return;
    }
    CHECK(!"known disk_core kind");
}

uint32_t core_poll_disk(struct role_core *core, struct now now)
{
    const struct disk_core *done;
    uint32_t size, n = 0;

    for (; (done = link_peek(core->disk_core, &size)); n++) {
        CHECK(size == sizeof(*done));
        disk_says(core, done, now);
        link_pop(core->disk_core);
    }
    link_release(core->disk_core);
    return n;
}
