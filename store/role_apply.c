#include "store/role_apply.h"

#include "base/check.h"
#include "base/plant.h"
#include "base/say.h"

#include <stdlib.h>
#include <string.h>

#define STAGE_ROOM_START (64u << 10)
#define STAGE_TO_ALL     UINT32_MAX
/* Bytes kept free on apply_core for what one command may say: the lanes of 255 nodes are 8184, a
 * membership is 4128. */
#define APPLY_CORE_ROOM  (20u << 10)
#define REAP_TURN_MAX    256u /* candidates looked at in one turn */

/* Precedes each staged record. */
struct stage_record {
    uint32_t size; /* bytes of the record */
    uint32_t net;  /* whom it is for; STAGE_TO_ALL */
};

int role_apply_init(struct role_apply *apply, struct machine *machine, struct tree *tree,
                    const struct entry_source *source, struct counters *counters,
                    uint8_t node_id, uint64_t applied_index)
{
    memset(apply, 0, sizeof(*apply));
    apply->machine = machine;
    apply->tree = tree;
    apply->counters = counters;
    apply->source = *source;
    apply->node_id = node_id;
    apply->reap_max = APPLY_REAP_MAX;
    apply->applied_index = apply->commit_index = applied_index;
    apply->stage = malloc(STAGE_ROOM_START);
    if (!apply->stage)
        return ERR_NOMEM;
    apply->stage_room = STAGE_ROOM_START;
    apply->published = apply->complete = tree_published(tree);
    return 0;
}

void role_apply_fini(struct role_apply *apply)
{
    free(apply->stage);
    apply->stage = NULL;
}

/* ---- the stage ------------------------------------------------------------------------------- */

static uint64_t stage_span(uint32_t size)
{
    return sizeof(struct stage_record) + (((uint64_t)size + 7) & ~7ull);
}

/* Room for one record at the end of the stage. Grows it: only a command larger than any before
 * does. */
static uint8_t *stage_add(struct role_apply *apply, uint32_t size, uint32_t net)
{
    uint64_t need = apply->stage_size + stage_span(size);

    if (need > apply->stage_room) {
        uint64_t room = apply->stage_room;
        while (room < need)
            room *= 2;
        uint8_t *grown = realloc(apply->stage, room);
        CHECK(grown); /* bounded by the largest command; without it the node cannot answer */
        apply->stage = grown;
        apply->stage_room = room;
    }
    struct stage_record *record = (struct stage_record *)(apply->stage + apply->stage_size);
    record->size = size;
    record->net = net;
    apply->stage_size = need;
    apply->stage_count++;
    return (uint8_t *)(record + 1);
}

static uint64_t stage_size_for(const struct role_apply *apply, uint32_t net)
{
    uint64_t sum = 0;
    if (apply->net_count == 1) /* then all of it is for that one */
        return apply->stage_size - apply->stage_from + 8ull * apply->stage_count;
    for (uint64_t at = 0; at < apply->stage_size;) {
        const struct stage_record *record = (const struct stage_record *)(apply->stage + at);
        if (record->net == net || record->net == STAGE_TO_ALL)
            sum += stage_span(record->size) + 8;
        at += stage_span(record->size);
    }
    return sum;
}

static void stage_push_records(struct role_apply *apply, uint32_t net)
{
    for (uint64_t at = apply->stage_from; at < apply->stage_size;) {
        const struct stage_record *record = (const struct stage_record *)(apply->stage + at);
        if (record->net == net || record->net == STAGE_TO_ALL) {
            void *to = link_reserve(apply->apply_net[net], record->size);
            CHECK(to); /* room was looked at */
            memcpy(to, record + 1, record->size);
        }
        at += stage_span(record->size);
    }
}

static void stage_push_block(struct role_apply *apply, uint32_t net, uint64_t size)
{
    struct bulk_block *block = malloc(sizeof(*block) + size);
    CHECK(block);
    block->shares = 1;
    block->reserved = 0;
    block->size = 0;
    for (uint64_t at = apply->stage_from; at < apply->stage_size;) {
        const struct stage_record *record = (const struct stage_record *)(apply->stage + at);
        if (record->net == net || record->net == STAGE_TO_ALL) {
            memcpy((uint8_t *)(block + 1) + block->size, record + 1, record->size);
            block->size += ((uint64_t)record->size + 7) & ~7ull;
        }
        at += stage_span(record->size);
    }
    CHECK(block->size <= size);
    struct apply_bulk *bulk = link_reserve(apply->apply_net[net], sizeof(*bulk));
    CHECK(bulk);
    memset(bulk, 0, sizeof(*bulk));
    bulk->head.kind = APPLY_NET_BULK;
    bulk->head.zxid = machine_zxid(apply->machine);
    bulk->block = block;
    counters_add(apply->counters, METRIC_apply_bulk_total, 1);
}

void apply_bulk_done(struct bulk_block *block)
{
    if (__atomic_sub_fetch(&block->shares, 1, __ATOMIC_ACQ_REL) == 0)
        free(block);
}

/* Gives the only NET what is staged, as far as it takes it in the call. True: all of it. */
static bool stage_pass(struct role_apply *apply)
{
    while (apply->stage_from < apply->stage_size) {
        const struct stage_record *record =
            (const struct stage_record *)(apply->stage + apply->stage_from);
        if (!link_pass(apply->apply_net[0], record + 1, record->size))
            return false;
        apply->stage_from += stage_span(record->size);
        apply->stage_count--;
    }
    return true;
}

/* Pushes what is staged to the NETs that have not had it. False: one has no room now (HOLD). */
static bool stage_push(struct role_apply *apply)
{
    if (apply->net_count == 1 && stage_pass(apply))
        apply->stage_net = 1;
    for (; apply->stage_net < apply->net_count; apply->stage_net++) {
        struct link *link = apply->apply_net[apply->stage_net];
        uint64_t size = stage_size_for(apply, apply->stage_net);
        uint64_t room = link_room(link);
        if (size == 0)
            continue;
        if (size > link->depth / 8) {
            CHECK(apply->stage_from == 0 || room >= 1024); /* as below */
            if (room < 1024)
                return false;
            stage_push_block(apply, apply->stage_net, size);
        } else {
            /* NET took some of it, so the ring was empty: its rest is not kept for another turn,
             * in which reads would be behind what was told */
            CHECK(apply->stage_from == 0 || room >= 2 * size + 64);
            if (room < 2 * size + 64)
                return false;
            stage_push_records(apply, apply->stage_net);
        }
    }
    apply->stage_size = apply->stage_from = 0;
    apply->stage_count = 0;
    apply->stage_net = 0;
    apply->complete = machine_zxid(apply->machine);
    return true;
}

/* ---- the machine's sink ---------------------------------------------------------------------- */

/* Nobody is to be told of a change: the only NET has no watch, and none is set before it would have
 * been told, since what passes is told, or is in an empty ring and published, in this turn. */
static bool apply_unwatched(const struct role_apply *apply)
{
    return apply->watch_count && *apply->watch_count == 0 && link_passes(apply->apply_net[0]);
}

static void apply_on_change(void *self, int64_t zxid, uint32_t event, struct bytes path,
                            struct bytes acl, struct bytes parent_acl)
{
    struct role_apply *apply = self;
    counters_add(apply->counters, METRIC_apply_changes_total, 1);
    if (apply_unwatched(apply))
        return;
    uint32_t acl_size = acl.size > 0 ? (uint32_t)acl.size : 0;
    uint32_t parent_size = parent_acl.size > 0 ? (uint32_t)parent_acl.size : 0;
    uint32_t behind = (uint32_t)path.size + acl_size + parent_size;
    struct apply_change change = {
        .head = {.kind = APPLY_NET_CHANGE, .size = behind, .zxid = zxid},
        .event = event,
        .path_size = (uint32_t)path.size,
        .acl_size = acl_size,
        .parent_acl_size = parent_size,
    };
    uint8_t *at = stage_add(apply, (uint32_t)sizeof(change) + behind, STAGE_TO_ALL);
    memcpy(at, &change, sizeof(change));
    at += sizeof(change);
    memcpy(at, path.at, (size_t)path.size);
    if (acl_size)
        memcpy(at + path.size, acl.at, acl_size);
    if (parent_size)
        memcpy(at + path.size + acl_size, parent_acl.at, parent_size);
}

static void apply_on_reply(void *self, const struct apply_reply *reply, struct bytes body)
{
    struct role_apply *apply = self;
    const struct command *command = apply->current;
    uint32_t size = body.size > 0 ? (uint32_t)body.size : 0;

    if (command->node != apply->node_id || command->conn == 0)
        return; /* another node's client, or nobody waits */
    if (apply->current_logged && command->incarnation != apply->incarnation && !PLANTED(41))
        return; /* asked of this node before it was started again */
    if (command->net >= apply->net_count)
        return; /* replayed from a time with more NET roles */
    uint8_t *at = stage_add(apply, (uint32_t)sizeof(*reply) + size, command->net);
    struct apply_reply *to = (struct apply_reply *)at;
    *to = *reply;
    to->head.kind = APPLY_NET_REPLY;
    to->head.size = size;
    if (size)
        memcpy(to + 1, body.at, size);
}

static void apply_on_session(void *self, const struct apply_session *session)
{
    struct role_apply *apply = self;
    uint8_t *at = stage_add(apply, sizeof(*session), STAGE_TO_ALL);
    struct apply_session *to = (struct apply_session *)at;
    *to = *session;
    to->head.kind = APPLY_NET_SESSION;
    to->head.size = 0;
}

/* Room on apply_core was looked at before the command. */
static void apply_on_timer(void *self, int64_t session, int32_t timeout_ms)
{
    struct role_apply *apply = self;
    struct apply_core *to = link_reserve(apply->apply_core, sizeof(*to));
    CHECK(to);
    memset(to, 0, sizeof(*to));
    to->kind = timeout_ms > 0 ? APPLY_CORE_SESSION : APPLY_CORE_CLOSED;
    to->id = session;
    to->timeout_ms = timeout_ms;
}

static void apply_tell(struct role_apply *apply, enum apply_core_kind kind, int64_t id,
                       const void *behind, uint32_t size)
{
    struct apply_core *to = link_reserve(apply->apply_core, (uint32_t)sizeof(*to) + size);
    CHECK(to); /* APPLY_CORE_ROOM was free before the command */
    memset(to, 0, sizeof(*to));
    to->kind = kind;
    to->id = id;
    to->size = size;
    memcpy(to + 1, behind, size);
}

/* Tells how far the own commands are, if CORE does not know it. */
static void apply_tell_lane(struct role_apply *apply)
{
    if (!apply->lane_new || link_room(apply->apply_core) < 1024)
        return;
    struct command_lane lane = machine_lane(apply->machine, apply->node_id);
    apply->lane_new = false;
    apply_tell(apply, APPLY_CORE_LANE, 0, &lane, sizeof(lane));
}

/* What CORE must know of an entry beside sessions. before: the own lane before the entry. */
static void apply_tell_entry(struct role_apply *apply, const struct command *command,
                             uint64_t index, struct command_lane before)
{
    struct command_lane lanes[256];
    uint64_t hash = machine_hash(apply->machine);
    bool own = command->node == apply->node_id && command->lane != 0 &&
               command->incarnation == apply->incarnation;

    lanes[0] = machine_lane(apply->machine, apply->node_id);
    if (own && command->kind == COMMAND_CANCEL && lanes[0].lane == command->lane &&
        (before.incarnation != apply->incarnation || before.lane < command->lane)) {
        if (before.incarnation == apply->incarnation)
            apply_tell(apply, APPLY_CORE_LANE, 0, &before, sizeof(before));
        apply_tell(apply, APPLY_CORE_CANCELLED, 0, lanes, sizeof(lanes[0]));
        apply->lane_new = false;
    } else if (own) {
        apply->lane_new = true;
    }
    if (command->kind == COMMAND_NOOP) {
        uint32_t count = machine_lanes(apply->machine, lanes);
        apply_tell_lane(apply);
        apply_tell(apply, APPLY_CORE_LANES, (int64_t)index, lanes,
                   count * (uint32_t)sizeof(lanes[0]));
    }
    if (index % APPLY_HASH_EVERY == 0)
        apply_tell(apply, APPLY_CORE_HASH, (int64_t)index, &hash, sizeof(hash));
}

static void apply_on_candidate(void *self, struct bytes path)
{
    struct role_apply *apply = self;
    uint32_t size = (uint32_t)sizeof(struct apply_core) + (uint32_t)path.size;
    struct apply_core *to = NULL;

    /* without room it is found again by the next scan */
    if (link_room(apply->apply_core) >= APPLY_CORE_ROOM + 4 * (uint64_t)size)
        to = link_reserve(apply->apply_core, size);
    if (!to)
        return;
    memset(to, 0, sizeof(*to));
    to->kind = APPLY_CORE_REAP;
    to->size = (uint32_t)path.size;
    memcpy(to + 1, path.at, (size_t)path.size);
}

/* The list is told again when a new leader has not done what it asks, so nothing is lost. */
static void apply_on_reconfig(void *self, int64_t zxid, struct bytes servers)
{
    struct role_apply *apply = self;
    uint32_t size = (uint32_t)servers.size;
    struct apply_core *to = link_reserve(apply->apply_core, (uint32_t)sizeof(*to) + size);

    CHECK(to); /* APPLY_CORE_ROOM was free before the command */
    memset(to, 0, sizeof(*to));
    to->kind = APPLY_CORE_RECONFIG;
    to->id = zxid;
    to->size = size;
    memcpy(to + 1, servers.at, size);
}

static void apply_on_transfer(void *self, uint8_t id)
{
    struct role_apply *apply = self;
    struct apply_core *to = link_reserve(apply->apply_core, sizeof(*to));

    CHECK(to); /* APPLY_CORE_ROOM was free before the command */
    memset(to, 0, sizeof(*to));
    to->kind = APPLY_CORE_TRANSFER;
    to->id = id;
}

/* Until the entry is done: only a membership's answer is of an earlier request. */
static void apply_on_whose(void *self, const struct command *command)
{
    struct role_apply *apply = self;

    CHECK(apply->current);
    apply->current = command;
}

/* ---- one turn -------------------------------------------------------------------------------- */

static struct machine_sink apply_sink(struct role_apply *apply)
{
    return (struct machine_sink){.self = apply,
                                 .change = apply_on_change,
                                 .reply = apply_on_reply,
                                 .session = apply_on_session,
                                 .timer = apply_on_timer,
                                 .reconfig = apply_on_reconfig,
                                 .transfer = apply_on_transfer,
                                 .whose = apply_on_whose};
}

/* Everything a command may tell CORE must fit before it is applied. */
static bool apply_has_room(struct role_apply *apply)
{
    if (apply->stage_size && !stage_push(apply))
        return false;
    return link_room(apply->apply_core) >= APPLY_CORE_ROOM;
}

/* Applies the next committed entry. False: HOLD. */
static bool apply_entry(struct role_apply *apply)
{
    struct machine_sink sink = apply_sink(apply);
    struct entry entry;

    if (!apply_has_room(apply)) {
        counters_add(apply->counters, METRIC_apply_hold_total, 1);
        return false;
    }
    apply->source.next(apply->source.self, &entry);
    CHECK(entry.index == apply->applied_index + 1);
    CHECK(entry.size >= sizeof(struct command));
    const struct command *command = entry.payload;
    CHECK(command->body_size == entry.size - sizeof(*command));
    struct command_lane before = {0};
    if (apply->incarnation)
        before = machine_lane(apply->machine, apply->node_id);
    apply->current = command;
    apply->current_logged = true;
    machine_apply(apply->machine, entry.index, entry.term, command,
                  (const uint8_t *)(command + 1), &sink);
    apply->current = NULL;
    apply->current_logged = false;
    if (UNLIKELY(command->trace) && command->node == apply->node_id && apply->trace)
        trace_stamp(apply->trace, command->trace, TRACE_APPLY, entry.index);
    apply->applied_index = entry.index;
    if (apply->incarnation)
        apply_tell_entry(apply, command, entry.index, before);
    apply->chain = entry.chain;
    apply->retire_count++;
    counters_add(apply->counters, METRIC_apply_commands_total, 1);
    stage_push(apply);
    return true;
}

/* Tells CORE that a snapshot at log index `index` is on disk, or (0) that none was made. */
static void apply_snapshot_told(struct role_apply *apply, uint64_t index)
{
    const uint64_t id[3] = {index, apply->snap_term, apply->snap_chain};
    /* APPLY_CORE_ROOM is kept free of everything else */
    apply_tell(apply, APPLY_CORE_SNAPSHOT, (int64_t)index, id, sizeof(id));
}

/* Everything up to the asked index is applied, and nothing behind it. */
static void apply_snapshot(struct role_apply *apply)
{
    apply->snap_term = machine_term(apply->machine);
    apply->snap_chain = apply->chain;
    if (!apply->snap || role_snap_request(apply->snap, apply->chain) != 0) {
        apply_snapshot_told(apply, 0);
        return;
    }
    apply->snap_busy = true;
    counters_add(apply->counters, METRIC_apply_snapshots_total, 1);
}

static void apply_snapshot_collect(struct role_apply *apply)
{
    struct role_snap_result result;

    if (!apply->snap_busy || !role_snap_collect(apply->snap, &result))
        return;
    apply->snap_busy = false;
    if (result.fault.text[0])
        say(SAY_WARN, "snapshot at %llu: %s", (unsigned long long)result.index, result.fault.text);
    apply_snapshot_told(apply, result.err ? 0 : result.index);
}

/* Handles the record at the front of core_apply once everything before it is applied. False:
 * HOLD. */
static bool apply_record(struct role_apply *apply, const struct core_apply *head)
{
    struct machine_sink sink = apply_sink(apply);
    const struct command *command = (const struct command *)(head + 1);

    CHECK(head->kind == CORE_APPLY_COMMIT || head->index <= apply->applied_index);
    switch (head->kind) {
    case CORE_APPLY_COMMIT:
        CHECK(head->index >= apply->commit_index);
        apply->commit_index = head->index;
        return true;
    case CORE_APPLY_QUERY:
    case CORE_APPLY_REFUSE:
        if (!apply_has_room(apply))
            return false;
        apply->current = command;
        if (head->kind == CORE_APPLY_QUERY)
            machine_query(apply->machine, command, (const uint8_t *)(command + 1), &sink);
        else
            machine_refuse(apply->machine, command, (enum zk_error)head->error, &sink);
        apply->current = NULL;
        stage_push(apply);
        return true;
    case CORE_APPLY_REAP:
        apply->reap_left = apply->reap_max;
        apply->reap_time_ms = head->time_ms;
        return true;
    case CORE_APPLY_SNAPSHOT:
        apply_snapshot(apply);
        return true;
    }
    CHECK(!"known core_apply kind");
    return false;
}

bool role_apply_take(void *self, const void *record, uint32_t size)
{
    const struct core_apply *head = record;

    CHECK(size >= sizeof(*head));
    return head->kind == CORE_APPLY_COMMIT && apply_record(self, head);
}

static uint32_t apply_records(struct role_apply *apply)
{
    const struct core_apply *head;
    uint32_t size, n = 0;

    while (n < APPLY_TURN_COMMANDS_MAX) {
        if (apply->applied_index < apply->commit_index) {
            if (!apply_entry(apply))
                break;
            n++;
            continue;
        }
        head = link_peek(apply->core_apply, &size);
        if (!head || !apply_record(apply, head))
            break;
        link_pop(apply->core_apply);
        n++;
    }
    link_release(apply->core_apply);
    return n;
}

static void apply_show(struct role_apply *apply)
{
    const struct machine_counters *machine = machine_counters(apply->machine);

    counters_set(apply->counters, METRIC_apply_index, apply->applied_index);
    counters_set(apply->counters, METRIC_apply_errors_total, machine->failed);
    counters_set(apply->counters, METRIC_apply_sessions, machine_session_count(apply->machine));
    counters_set(apply->counters, METRIC_apply_ephemerals, machine_ephemeral_count(apply->machine));
    counters_set(apply->counters, METRIC_apply_nodes, tree_node_count(apply->tree));
    counters_set(apply->counters, METRIC_apply_tree_bytes, tree_memory_size(apply->tree));
}

/* Everything pushed is shown to the NETs first, and only then to their views. */
static void apply_publish(struct role_apply *apply)
{
    for (uint32_t i = 0; i < apply->net_count; i++)
        link_publish(apply->apply_net[i]);
    apply_tell_lane(apply);
    link_publish(apply->apply_core);
    if (apply->complete != apply->published) {
        tree_publish(apply->tree, apply->complete);
        apply->published = apply->complete;
    }
    apply->source.done(apply->source.self);
}

static uint32_t apply_reclaim(struct role_apply *apply, struct now now)
{
    const struct retired *back;
    uint32_t size, n = 0;

    for (; (back = link_peek(apply->ctl_apply, &size)); n++) {
        if (back->tree_batch)
            tree_reclaim(apply->tree, back->tree_batch);
        if (back->acl_batch)
            acl_reclaim(machine_acls(apply->machine), back->acl_batch);
        link_pop(apply->ctl_apply);
        CHECK(apply->batches_out > 0);
        apply->batches_out--;
    }
    link_release(apply->ctl_apply);
    uint64_t waiting = tree_retired_count(apply->tree);
    if (waiting > 0 && apply->retire_count == 0)
        apply->retire_count = 1; /* a second round, or more than the last batch took */
    if (apply->retire_count && apply->retire_ns == 0)
        apply->retire_ns = now.mono_ns + APPLY_RETIRE_NS;
    bool due = apply->retire_count >= APPLY_RETIRE_COUNT ||
               (waiting >= APPLY_RETIRE_WAITING && apply->batches_out < APPLY_RETIRE_BATCHES) ||
               (apply->retire_ns && now.mono_ns >= apply->retire_ns);
    struct retired *out = due ? link_reserve(apply->apply_ctl, sizeof(*out)) : NULL;
    if (!out)
        return n;
    apply->retire_count = 0;
    apply->retire_ns = 0;
    out->tree_batch = tree_retired(apply->tree);
    out->acl_batch = acl_retired(machine_acls(apply->machine));
    link_publish(apply->apply_ctl);
    apply->batches_out++;
    return n + 1;
}

static uint32_t apply_reap(struct role_apply *apply)
{
    if (apply->reap_left == 0)
        return 0;
    uint32_t visit = apply->reap_left < REAP_TURN_MAX ? apply->reap_left : REAP_TURN_MAX;
    uint32_t seen = machine_reap_candidates(apply->machine, apply->reap_time_ms, visit,
                                            apply_on_candidate, apply);
    apply->reap_left = seen < visit ? 0 : apply->reap_left - seen;
    return seen;
}

uint32_t role_apply_poll(void *self, struct now now)
{
    struct role_apply *apply = self;
    uint32_t work = apply_records(apply) + apply_reap(apply);

    apply_snapshot_collect(apply);
    apply_publish(apply);
    if (work)
        apply_show(apply);
    return work + apply_reclaim(apply, now);
}

bool role_apply_idle(void *self)
{
    struct role_apply *apply = self;
    return apply->applied_index == apply->commit_index && apply->stage_size == 0 &&
           apply->reap_left == 0 && !apply->lane_new &&
           link_empty(apply->core_apply) && link_empty(apply->ctl_apply);
}

uint64_t role_apply_deadline_ns(void *self, struct now now)
{
    struct role_apply *apply = self;
    if (apply->retire_count == 0)
        return UINT64_MAX;
    return apply->retire_ns ? apply->retire_ns : now.mono_ns + APPLY_RETIRE_NS;
}
