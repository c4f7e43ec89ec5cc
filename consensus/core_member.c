/* Memberships: an entry of one is in the log; a leader appends the next. */
#include "consensus/core_parts.h"

#include "base/zk.h"

#include <string.h>

/* As raft counts them: with JOINT, `before` has the voters of now and `after` the next ones. */
static void member_raft(const struct membership_body *body, uint64_t index,
                        struct raft_membership *to)
{
    bool joint = body->flags & MEMBERSHIP_JOINT;

    memset(to, 0, sizeof(*to));
    to->index = index;
    to->joint = joint;
    for (uint32_t i = 0; i < body->after.count; i++) {
        const struct membership_server *server = &body->after.server[i];
        to->members[to->count++] = (struct raft_member){
            .id = (uint8_t)server->id,
            .voter = !joint && !server->observer,
            .voter_next = joint && !server->observer,
        };
    }
    for (uint32_t i = 0; joint && i < body->before.count; i++) {
        const struct membership_server *server = &body->before.server[i];
        uint32_t at = 0;
        while (at < to->count && to->members[at].id != server->id)
            at++;
        if (at == RAFT_MEMBER_COUNT_MAX)
            continue; /* membership_change keeps the union within bounds */
        if (at == to->count)
            to->members[to->count++] = (struct raft_member){.id = (uint8_t)server->id};
        to->members[at].voter = !server->observer;
    }
}

void core_member_raft(const struct membership_body *members, struct raft_membership *to)
{
    member_raft(members, 0, to);
}

/* What recovery put back in the tail behind the commit index is in force all the same. */
void core_member_begin(struct role_core *core, struct now now)
{
    core->member_begun = true;
    if (core->config.begins_anew)
        return;
    for (uint64_t i = core->raft.commit_index + 1; i <= core->raft.last_index; i++) {
        const struct log_record *record = log_tail_find(core->tail, i);
        const struct command *command = (const struct command *)(record + 1);
        CHECK(record != NULL);
        if (command->kind == COMMAND_CONFIG)
            core_member_entry(core, i, (const uint8_t *)(command + 1), command->body_size, now);
    }
}

/* Remembers how it was before the entry `index`; what is committed is never asked for again. */
static void member_remember(struct role_core *core, uint64_t index)
{
    struct core_member_past *past = core->member_past;
    uint32_t gone = 0;

    while (gone < core->member_past_count && past[gone].index <= core->raft.commit_index)
        gone++;
    core->member_past_count -= gone;
    memmove(past, past + gone, core->member_past_count * sizeof(past[0]));
    if (core->member_past_count == RAFT_CONFIG_COUNT_MAX) /* as raft's (raft_member_config) */
        memmove(past, past + 1, --core->member_past_count * sizeof(past[0]));
    past[core->member_past_count++] =
        (struct core_member_past){index, core->member_index, core->member_next};
}

void core_member_truncate(struct role_core *core, uint64_t from, struct now now)
{
    uint32_t before = core->member_past_count;

    CHECK(core->raft.state != RAFT_LEADER);
    while (core->member_past_count > 0 &&
           core->member_past[core->member_past_count - 1].index >= from) {
        const struct core_member_past *past = &core->member_past[--core->member_past_count];
        core->member_index = past->member_index;
        core->member_next = past->next;
    }
    if (core->member_past_count == before)
        return;
    core->hello.due_ns = now.mono_ns; /* an older membership is in force again */
    if (core->config.members_changed)
        core->config.members_changed(core->config.members_self, &core->member_next,
                                     &core->member_next);
}

void core_member_entry(struct role_core *core, uint64_t index, const uint8_t *at, uint32_t size,
                       struct now now)
{
    struct membership_body body;
    struct raft_membership members;
    int err = membership_body_decode(&body, at, size);

    if (err) {
        struct fault fault;
        fault_set(&fault, err, "entry %llu holds no membership that this version of takt can read",
                  (unsigned long long)index);
        core_fail(core, err, &fault);
        return;
    }
    if (body.flags & MEMBERSHIP_REFUSED)
        return;
    member_remember(core, index);
    core->member_index = index;
    member_raft(&body, index, &members);
    core->member_next = body.after;
    core->hello.due_ns = now.mono_ns; /* whoever is new is greeted */
    core_step(core, &(struct raft_input){.kind = RAFT_INPUT_CONFIG,
                                         .index = index,
                                         .membership = &members,
                                         .now_ns = now.mono_ns});
    if (core->config.members_changed)
        core->config.members_changed(core->config.members_self, &body.before, &body.after);
}

static bool member_append(struct role_core *core, const struct membership_body *body,
                          struct now now)
{
    uint8_t bytes[MEMBERSHIP_BODY_SIZE];
    struct command command = {
        .kind = COMMAND_CONFIG, .version = COMMAND_VERSION, .node = core->config.node_id};

    command.body_size = (uint32_t)membership_body_encode(body, bytes, sizeof(bytes));
    if (!core_propose(core, &command, bytes, now))
        return false;
    core_member_entry(core, core->raft.last_index, bytes, command.body_size, now);
    return true;
}

/* ---- a reconfig, step by step ----
 *   1. servers that are new come in as learners, and catch up
 *   2. the joint membership: both majorities decide       3. the wanted one alone
 * In 1 the wait has a bound: then the reconfig is refused, and the learners go again. */

void core_member_wanted(struct role_core *core, int64_t zxid, const void *lines, uint32_t size,
                        struct now now)
{
    struct fault ignored;

    /* Another leads: it is told as well. Told twice in a term (the entry, then the term's first
     * one): it was begun. */
    if (core->raft.state != RAFT_LEADER ||
        (zxid == core->member_zxid && core->raft.term == core->member_term))
        return;
    core->member_zxid = zxid;
    core->member_term = core->raft.term;
    core->member_before = core->member_next;
    core->member_undo = false;
    /* the state machine has looked at it, so it can be read */
    CHECK(membership_parse(&core->member_wanted, lines, size, NULL, &ignored) == 0);
    core->member_asked = true;
    core->member_until_ns = now.mono_ns + CORE_JOIN_NS;
}

/* Has the member nearly all that is committed: what it lacks comes while others decide. One without
 * a vote has not: were this leader lost in the middle of the change, nobody might be elected. */
static bool member_caught_up(const struct role_core *core, uint8_t id)
{
    const struct raft *raft = &core->raft;
    int at = raft_member_index(raft, id);

    if (id == core->config.node_id)
        return true;
    return at >= 0 && raft->progress[at].state == RAFT_REPLICATE && raft->progress[at].votes &&
           raft->progress[at].match_index + CORE_TURN_COMMANDS_MAX >= raft->commit_index;
}

static bool member_all_caught_up(const struct role_core *core)
{
    uint8_t ids[MEMBERSHIP_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < core->member_wanted.count; i++) {
        const struct membership_server *server = &core->member_wanted.server[i];
        const struct membership_server *now = membership_find(&core->member_next, server->id);
        bool ready = member_caught_up(core, (uint8_t)server->id);
        if (ready)
            ids[count++] = (uint8_t)server->id;
        if (!server->observer && (!now || now->observer) && !ready)
            return false; /* a new voter */
    }
    return membership_reachable(&core->member_wanted, ids, count);
}

/* The present membership, and who is to join as learners. False: nobody is new. */
static bool member_learners(const struct role_core *core, struct membership *to)
{
    bool added = false;

    *to = core->member_next;
    for (uint32_t i = 0; i < core->member_wanted.count; i++) {
        struct membership_server server = core->member_wanted.server[i];
        if (membership_find(to, server.id))
            continue;
        server.observer = true;
        if (membership_add(to, &server))
            return false;
        added = true;
    }
    return added;
}

static void member_refuse(struct role_core *core, struct now now)
{
    struct membership_body body = {.flags = MEMBERSHIP_REFUSED, .error = ZK_NEW_CONFIG_NO_QUORUM};

    if (!member_append(core, &body, now))
        return;
    core->member_asked = false;
    core->member_undo = !membership_equal(&core->member_before, &core->member_next);
}

/* Do both lists have the same voters? Then one majority is the other. */
static bool member_voters_same(const struct membership *a, const struct membership *b)
{
    uint32_t same = 0;

#if TAKT_PLANT == 47
    return true;
#endif
    for (uint32_t i = 0; i < a->count; i++) {
        const struct membership_server *other = membership_find(b, a->server[i].id);
        if (!a->server[i].observer && (!other || other->observer))
            return false;
        same += !a->server[i].observer;
    }
    return same == membership_voter_count(b);
}

static void member_change(struct role_core *core, struct now now)
{
    struct membership_body body = {0};

    if (member_learners(core, &body.after)) {
        if (member_append(core, &body, now))
            core->member_asked = !membership_equal(&body.after, &core->member_wanted);
        return;
    }
    if (!member_all_caught_up(core)) {
        if (now.mono_ns >= core->member_until_ns)
            member_refuse(core, now);
        return;
    }
    if (!member_voters_same(&core->member_next, &core->member_wanted)) {
        body.flags = MEMBERSHIP_JOINT;
        body.before = core->member_next;
    }
    body.after = core->member_wanted;
    if (member_append(core, &body, now))
        core->member_asked = false;
}

/* What raft lets be appended now, if anything is to be. */
static void member_step(struct role_core *core, struct now now)
{
    struct membership_body body = {0}; /* kilobytes: only when there is something to do */

    if (raft_leave_joint(&core->raft)) {
        body.after = core->member_next;
        member_append(core, &body, now);
    } else if (!raft_may_change(&core->raft)) {
        return;
    } else if (core->member_index == 0) {
        body.flags = MEMBERSHIP_INITIAL;
        body.after = core->config.servers;
        member_append(core, &body, now);
    } else if (core->member_undo) {
        body.after = core->member_before;
        if (member_append(core, &body, now))
            core->member_undo = false;
    } else if (core->member_asked) {
        member_change(core, now);
    }
}

/* One membership change is under way at a time; raft says when the next step may be taken. */
void core_member_turn(struct role_core *core, struct now now)
{
    if (core->raft.state != RAFT_LEADER) {
        core->member_asked = core->member_undo = false; /* the next leader is told */
        return;
    }
    bool due = core->member_index == 0 || core->member_undo || core->member_asked ||
               raft_membership(&core->raft)->joint;
    if (due && raft_may_propose(&core->raft) &&
        core->raft.last_index >= core->raft.term_first_index &&
        core_disk_has_room(core, MEMBERSHIP_BODY_SIZE))
        member_step(core, now);
}

/* Who left is forgotten late, and not while one leads that has no place: a member that is behind
 * goes through old memberships, and who sends it the newer ones need not be in those. */
void core_member_settle(struct role_core *core, struct now now)
{
    const struct raft *raft = &core->raft;
    const struct raft_membership *members = raft_membership(raft);

    if (members->index != core->settle_index) {
        core->settle_index = members->index;
        core->settle_ns = now.mono_ns + CORE_SETTLE_NS;
    }
    if (core->settle_ns == 0 || now.mono_ns < core->settle_ns)
        return;
    bool known = raft->leader && raft_member_index(raft, raft->leader) >= 0 &&
                 raft->commit_index >= raft->leader_commit;
    if (members->joint || members->index > raft->commit_index || !known)
        return;
    CHECK(members->count > 0);
    if (!core->config.members_settled ||
        core->config.members_settled(core->config.members_self, members))
        core->settle_ns = 0;
}

void core_member_transfer(struct role_core *core, uint8_t to, struct now now)
{
    if (core->raft.state != RAFT_LEADER || to == core->config.node_id)
        return;
    core_step(core, &(struct raft_input){
                        .kind = RAFT_INPUT_TRANSFER, .member = to, .now_ns = now.mono_ns});
}
