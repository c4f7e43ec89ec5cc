#include "consensus/role_core.h"

#include "base/zk.h"

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

/* ---- out: to APPLY and DISK ------------------------------------------------------------------ */

static bool core_put(struct link *link, const struct core_apply *head, const void *behind,
                     uint32_t size)
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
static bool core_tell_behind(struct role_core *core, struct core_apply *head, const void *behind,
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

    return head && head->index < core->raft.commit_index ? head->index : core->raft.commit_index;
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
    struct core_apply head = {.kind = CORE_APPLY_COMMIT, .index = core_commit_next(core)};

    if (head.index <= core->commit_told || !core_put(core->core_apply, &head, NULL, 0))
        return false;
    core->commit_told = head.index;
    return true;
}

static void core_tell_committed(struct role_core *core)
{
    while (core_tell_commit(core) || core_tell_waiting(core))
        continue;
    counters_set(core->counters, METRIC_core_committed_index, core->commit_told);
}

static void core_send_trim(struct role_core *core)
{
    struct core_disk *trim = core->trim_index ? link_reserve(core->core_disk, sizeof(*trim)) : NULL;
    if (!trim)
        return;
    memset(trim, 0, sizeof(*trim)); /* size 0: the log below first_index may go */
    trim->first_index = core->trim_index;
    core->trim_index = 0;
}

static void core_send_batch(struct role_core *core)
{
    struct core_disk batch;

    core_send_trim(core);
    if (core->writing || !log_tail_close_batch(core->tail, &batch))
        return;
    struct core_disk *at = link_reserve(core->core_disk, sizeof(batch));
    CHECK(at); /* at most one batch and one trim are in flight; the link holds many */
    *at = batch;
    core->writing = true;
    counters_add(core->counters, METRIC_core_batches_total, 1);
    counters_add(core->counters, METRIC_core_batch_bytes_total, batch.size);
}

/* ---- propose --------------------------------------------------------------------------------- */

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

/* Top byte: the node; then time, so that a wiped node does not repeat ids (zk_protocol.md 4). */
static int64_t core_session_id(struct role_core *core)
{
    int64_t id = (int64_t)(((uint64_t)core->config.node_id << 56) |
                           (((uint64_t)core->time_ms & 0xffffffffffull) << 16));
    if ((core->session_last >> 56) == (id >> 56) && id <= core->session_last)
        id = core->session_last + 1;
    core->session_last = id;
    return id;
}

static void core_stamp(struct role_core *core, struct command *command, struct now now)
{
    if (now.wall_ms > core->time_ms)
        core->time_ms = now.wall_ms;
    command->time_ms = core->time_ms;
    if (command->kind == COMMAND_OPEN) {
        command->session = core_session_id(core);
        core_random(core, command->random);
    }
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

/* Appends one command to the log tail. False: no room in the tail now (HOLD). */
static bool core_propose(struct role_core *core, const struct command *command, const void *body,
                         struct now now)
{
    uint32_t size = (uint32_t)sizeof(*command) + command->body_size;
    uint8_t *payload = log_tail_append(core->tail, core->raft.term, size);
    struct raft_output out;

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
    raft_step(&core->raft, &(struct raft_input){RAFT_INPUT_APPENDED, index}, &out);
    counters_add(core->counters, METRIC_core_proposed_total, 1);
    core_note_size(core->counters, size);
    counters_set(core->counters, METRIC_core_last_index, index);
    return true;
}

static bool core_disk_has_room(const struct role_core *core, uint32_t body_size)
{
    return core->room_used + body_size + CORE_ROOM_RESERVE_SIZE <= core->disk_room;
}

static bool core_refuse(struct role_core *core, const struct command *command, int32_t error)
{
    struct core_apply head = {.kind = CORE_APPLY_REFUSE, .error = error};
    if (!core_tell_behind(core, &head, command, sizeof(*command)))
        return false;
    counters_add(core->counters, METRIC_core_refused_total, 1);
    return true;
}

static bool core_query(struct role_core *core, const struct command *command)
{
    struct core_apply head = {.kind = CORE_APPLY_QUERY};
    return core_tell_behind(core, &head, command,
                            (uint32_t)sizeof(*command) + command->body_size);
}

static void core_touch(struct role_core *core, const struct command *command, struct now now)
{
    const uint8_t *ids = (const uint8_t *)(command + 1);
    for (uint32_t at = 0; at + 8 <= command->body_size; at += 8) {
        int64_t id;
        memcpy(&id, ids + at, 8);
        expiry_touch(&core->expiry, id, now.mono_ns);
    }
}

/* Takes one command of a NET. False: it stays on the link for a later turn (HOLD). */
static bool core_take(struct role_core *core, const struct command *command, uint32_t size,
                      struct now now)
{
    CHECK(size >= sizeof(*command));
    CHECK(command->body_size <= size - sizeof(*command));
    switch (command->kind) {
    case COMMAND_TOUCH:
        core_touch(core, command, now);
        return true;
    case COMMAND_QUERY:
        return core_query(core, command);
    default:
        if (command->session)
            expiry_touch(&core->expiry, command->session, now.mono_ns);
        if (!core->room_known)
            return false; /* DISK tells in its first turn, which may be after ours */
        if (!core_disk_has_room(core, command->body_size))
            return core_refuse(core, command, ZK_SYSTEM_ERROR);
        return core_propose(core, command, command + 1, now);
    }
}

/* Round robin over the NETs, a bounded number of commands a turn. */
static uint32_t core_poll_nets(struct role_core *core, struct now now)
{
    uint32_t taken = 0, quiet = 0;

    while (quiet < core->net_count && taken < CORE_TURN_COMMANDS_MAX) {
        struct link *link = core->net_core[core->net_next];
        core->net_next = (core->net_next + 1) % core->net_count;
        uint32_t size, before = taken;
        for (const struct command *c; taken - before < 64 && (c = link_peek(link, &size));) {
            if (log_tail_batch_full(core->tail) || !core_take(core, c, size, now)) {
                link_release(link);
                return taken;
            }
            link_pop(link);
            taken++;
        }
        link_release(link);
        quiet = taken == before ? quiet + 1 : 0;
    }
    return taken;
}

/* ---- in: from DISK and APPLY ----------------------------------------------------------------- */

static uint32_t core_poll_disk(struct role_core *core)
{
    const struct disk_core *done;
    uint32_t size, n = 0;
    struct raft_output out;

    for (; (done = link_peek(core->disk_core, &size)); n++) {
        CHECK(size == sizeof(*done));
        if (done->kind == DISK_CORE_DURABLE) {
            CHECK(core->writing);
            core->writing = false;
            raft_step(&core->raft, &(struct raft_input){RAFT_INPUT_DURABLE, done->index}, &out);
        } else {
            CHECK(done->kind == DISK_CORE_ROOM);
            core->room_known = true;
            core->disk_room = done->index;
            core->room_used = core->tail->appended - core->tail->batch_start;
        }
        link_pop(core->disk_core);
    }
    link_release(core->disk_core);
    return n;
}

static bool core_from_apply(struct role_core *core, const struct apply_core *m, struct now now)
{
    struct command command = {.kind = COMMAND_REAP, .version = COMMAND_VERSION};

    switch (m->kind) {
    case APPLY_CORE_SESSION:
        /* the table is sized by the same limit as the state machine's */
        CHECK(expiry_set(&core->expiry, m->id, (uint32_t)m->timeout_ms, now.mono_ns) == 0);
        return true;
    case APPLY_CORE_CLOSED:
        expiry_remove(&core->expiry, m->id);
        return true;
    case APPLY_CORE_REAP:
        if (!core_disk_has_room(core, m->size))
            return true; /* found again by the next scan */
        command.node = core->config.node_id;
        command.body_size = m->size;
        /* without room in the tail it is dropped, and found again: were it kept, APPLY would wait
         * for CORE and CORE for APPLY */
        if (!core_propose(core, &command, m + 1, now))
            counters_add(core->counters, METRIC_core_hold_total, 1);
        return true;
    case APPLY_CORE_SNAPSHOT:
        core->snapshot_pending = false;
        if (m->id)
            core->trim_index = (uint64_t)m->id;
        return true;
    }
    CHECK(!"known apply_core kind");
    return false;
}

static uint32_t core_poll_apply(struct role_core *core, struct now now)
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
    counters_set(core->counters, METRIC_core_sessions, core->expiry.count);
    return n;
}

/* ---- the leader's own work ------------------------------------------------------------------- */

static uint32_t core_expire(struct role_core *core, struct now now)
{
    struct command command = {.kind = COMMAND_EXPIRE, .version = COMMAND_VERSION};
    uint32_t n = 0;

    for (int64_t id; n < CORE_TURN_COMMANDS_MAX && core_disk_has_room(core, 0) &&
                     (id = expiry_next(&core->expiry, now.mono_ns)); n++) {
        command.node = core->config.node_id;
        command.session = id;
        if (!core_propose(core, &command, NULL, now))
            break; /* offered again in a tick */
        counters_add(core->counters, METRIC_core_expired_total, 1);
    }
    return n;
}

static void core_reap(struct role_core *core, struct now now)
{
    if (core->config.reap_interval_ms == 0)
        return;
    if (core->reap_ns == 0)
        core->reap_ns = now.mono_ns + core->config.reap_interval_ms * NS_PER_MS;
    if (now.mono_ns < core->reap_ns)
        return;
    struct core_apply head = {.kind = CORE_APPLY_REAP, .time_ms = now.wall_ms,
                              .index = core->raft.commit_index};
    if (core_put(core->core_apply, &head, NULL, 0))
        core->reap_ns = now.mono_ns + core->config.reap_interval_ms * NS_PER_MS;
}

static void core_snapshot(struct role_core *core)
{
    uint64_t entries = core->raft.commit_index - core->snapshot_index;
    uint64_t bytes = core->tail->batch_start - core->snapshot_tail;
    bool due = (core->config.snapshot_entries && entries >= core->config.snapshot_entries) ||
               (core->config.snapshot_bytes && bytes >= core->config.snapshot_bytes && entries > 1);

    if (!due || core->snapshot_pending || core->commit_told != core->raft.commit_index)
        return;
    struct core_apply head = {.kind = CORE_APPLY_SNAPSHOT, .index = core->commit_told};
    if (!core_put(core->core_apply, &head, NULL, 0))
        return;
    core->snapshot_pending = true;
    core->snapshot_index = core->commit_told;
    core->snapshot_tail = core->tail->batch_start;
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
