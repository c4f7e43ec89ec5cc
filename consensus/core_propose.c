/* An entry of the leader's own: stamped, and appended to the log tail. */
#include "consensus/core_parts.h"

#include <string.h>

static void core_random(struct role_core *core, uint8_t out[16])
{
    if (core->random_used + 16 > CORE_RANDOM_POOL_SIZE) {
        core->config.random(core->config.random_self, core->random_pool, CORE_RANDOM_POOL_SIZE);
        core->random_used = 0;
    }
    memcpy(out, core->random_pool + core->random_used, 16);
    memset(core->random_pool + core->random_used, 0, 16); /* a password is handed out once */
    core->random_used += 16;
}

#define SESSION_TIME_MASK 0xffffffffffull

/* Top byte: the node; then stamped time; then a count. No id is given twice, also when the clock
 * goes back over a restart: a leader's time begins behind every stamp in the log (core_noop), and
 * it is moved on when more ids were given at one time than the count holds. */
static int64_t core_session_id(struct role_core *core)
{
    uint64_t time = (uint64_t)core->time_ms & SESSION_TIME_MASK;
    int64_t id = (int64_t)((uint64_t)core->config.node_id << 56 | time << 16);

    if ((core->session_last >> 56) == (id >> 56) && id <= core->session_last)
        id = core->session_last + 1;
    uint64_t reached = (uint64_t)id >> 16 & SESSION_TIME_MASK;
    CHECK(reached >= time);
    core->time_ms += (int64_t)(reached - time);
    core->session_last = id;
    return id;
}

void core_follow_time(struct role_core *core, const struct log_record *record)
{
    if (!record || record->size < sizeof(struct command))
        return;
    const struct command *command = (const struct command *)(record + 1);
    if (command->time_ms > core->time_ms)
        core->time_ms = command->time_ms;
}

static void core_stamp(struct role_core *core, struct command *command, struct now now)
{
    if (now.wall_ms > core->time_ms)
        core->time_ms = now.wall_ms;
    if (command->kind == COMMAND_OPEN) {
        command->session = core_session_id(core);
        core_random(core, command->random);
    }
    command->time_ms = core->time_ms;
}

static void core_note_size(struct counters *page, uint32_t size)
{
    uint64_t least = counters_get(page, METRIC_core_proposal_min_bytes);

    counters_set(page, METRIC_core_proposal_last_bytes, size);
    if (least == 0 || size < least)
        counters_set(page, METRIC_core_proposal_min_bytes, size);
    if (size > counters_get(page, METRIC_core_proposal_max_bytes))
        counters_set(page, METRIC_core_proposal_max_bytes, size);
}

/* Appends one command to the log tail. False: no room in the tail now (HOLD). The first entry of a
 * term always has some: without it nothing older is committed, and no room comes back. */
bool core_propose(struct role_core *core, const struct command *command, const void *body,
                  struct now now)
{
    uint32_t size = (uint32_t)sizeof(*command) + command->body_size;
    bool fits = command->kind == COMMAND_NOOP || log_tail_is_roomy(core->tail, size);
    uint8_t *payload = fits ? log_tail_append(core->tail, core->raft.term, size) : NULL;

    if (!payload) {
        counters_add(core->counters, METRIC_core_hold_total, 1);
        return false;
    }
    memcpy(payload, command, sizeof(*command));
    core_stamp(core, (struct command *)payload, now);
    if (command->body_size)
        memcpy(payload + sizeof(*command), body, command->body_size);
    uint64_t index = log_tail_seal(core->tail, payload);
    core->room_used += log_record_span(size);
    core_step(core, &(struct raft_input){.kind = RAFT_INPUT_APPENDED, .index = index});
    counters_add(core->counters, METRIC_core_proposed_total, 1);
    core_note_size(core->counters, size);
    if (UNLIKELY(command->trace) && command->node == core->config.node_id)
        core_trace_proposed(core, command->trace, index);
    counters_set(core->counters, METRIC_core_last_index, index);
    return true;
}

int core_log_propose(void *self, const struct command *command, const void *body)
{
    struct core_log *log = self;
    struct role_core *core = log->core;
    /* a CANCEL says that there is no room: it comes out of the reserve */
    bool reserve = command->kind == COMMAND_CANCEL;

    if (!core->room_known || !raft_may_propose(&core->raft) || log_tail_batch_full(core->tail))
        return ERR_FULL;
    int err = reserve ? 0 : core_room_for(core, command->body_size, log->now);
    if (err)
        return err;
    if (command->session)
        timers_touch(&core->timers, command->session, log->now.mono_ns);
    if (!core_propose(core, command, body, log->now))
        return ERR_FULL;
    core->awaited[command->node] = core->raft.last_index;
    return 0;
}
