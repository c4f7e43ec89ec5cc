/* Memberships: an entry of one is in the log; a leader appends the next. */
#include "consensus/core_parts.h"

#include "base/say.h"

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

void core_member_raft(const struct membership *servers, struct raft_membership *to)
{
    struct membership_body body = {.after = *servers};
    member_raft(&body, 0, to);
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
    core->member_index = index;
    if (body.flags & MEMBERSHIP_REFUSED)
        return;
    member_raft(&body, index, &members);
    core->member_next = body.after;
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
    struct command command = {.kind = COMMAND_CONFIG,
                              .version = COMMAND_VERSION,
                              .node = core->config.node_id};

    command.body_size = (uint32_t)membership_body_encode(body, bytes, sizeof(bytes));
    if (!core_propose(core, &command, bytes, now))
        return false;
    core_member_entry(core, core->raft.last_index, bytes, command.body_size, now);
    return true;
}

/* One membership change is under way at a time; raft says when the next step may be taken. */
void core_member_turn(struct role_core *core, struct now now)
{
    struct membership_body body = {0};

    if (!raft_may_propose(&core->raft) || core->raft.last_index < core->raft.term_first_index ||
        !core_disk_has_room(core, MEMBERSHIP_BODY_SIZE))
        return;
    if (raft_leave_joint(&core->raft)) {
        body.after = core->member_next;
        member_append(core, &body, now);
    } else if (core->member_index == 0 && raft_may_change(&core->raft)) {
        body.flags = MEMBERSHIP_INITIAL;
        body.after = core->config.servers;
        member_append(core, &body, now);
    }
}
