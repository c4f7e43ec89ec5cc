/* What this node says of the others, and they of it: a leader, which members come and go; a member,
 * that it was removed.
 *
 *   leader    "node 3 follows"  ◀── answers │ none for CORE_GONE_NS ──▶ "node 3 is gone"
 *             one line each, and no more than one in CORE_OTHERS_SAY_NS for each member
 *   member    its own log has a membership without it, committed; or, as the entry that removes a
 *             member is not sent to it any more: others refuse what it sends (PEER_ABSENT) */
#include "consensus/core_parts.h"

#include "base/say.h"

#include <string.h>

static void others_look(struct role_core *core, const struct raft_progress *progress,
                        struct now now)
{
    struct core_other *other = &core->others[progress->id];
    bool answered = progress->acked_round || progress->match_index;
    bool follows = answered && now.mono_ns - progress->heard_ns < CORE_GONE_NS;

    if (follows == other->follows ||
        (other->said_ns && now.mono_ns - other->said_ns < CORE_OTHERS_SAY_NS))
        return;
    other->follows = follows;
    other->said_ns = now.mono_ns;
    if (follows)
        say(SAY_INFO, "node %u follows; it has entry %llu of %llu", progress->id,
            (unsigned long long)progress->match_index, (unsigned long long)core->raft.last_index);
    else
        say(SAY_WARN, "node %u is gone: not heard for %.1f s; it had entry %llu of %llu",
            progress->id, (double)(now.mono_ns - progress->heard_ns) / 1e9,
            (unsigned long long)progress->match_index, (unsigned long long)core->raft.last_index);
}

/* Did a committed membership of the log leave this member out? */
static void others_look_at_self(struct role_core *core)
{
    const struct raft *raft = &core->raft;
    const struct raft_membership *members = raft_membership(raft);
    bool is = raft_member_index(raft, core->config.node_id) >= 0;

    if (is) {
        if (members->index && !core->was_member)
            core->absent_ns = 0; /* what it was told before it came in; once it leaves it is news */
        core->was_member = core->was_member || members->index;
        core->removed = false;
    }
    if (is || core->removed || !core->was_member || members->index > raft->commit_index)
        return;
    core->removed = true;
    say(SAY_WARN,
        "node %u was removed from the ensemble by entry %llu: it serves no clients any more, and "
        "may be stopped",
        core->config.node_id, (unsigned long long)members->index);
}

void core_others_show(struct role_core *core, struct now now)
{
    const struct raft *raft = &core->raft;

    others_look_at_self(core);
    if (raft->state != RAFT_LEADER)
        return;
    if (core->others_term != raft->term) { /* all come anew */
        core->others_term = raft->term;
        memset(core->others, 0, sizeof(core->others));
    }
    for (uint32_t i = 0; i < raft_membership(raft)->count; i++)
        if (raft->progress[i].id != core->config.node_id)
            others_look(core, &raft->progress[i], now);
}

enum core_status_member core_others_member(const struct role_core *core, struct now now)
{
    bool absent = core->absent_ns && now.mono_ns - core->absent_ns < CORE_ABSENT_NS;

    if (core->removed || (absent && core->was_member))
        return CORE_STATUS_REMOVED;
    if (absent || raft_member_index(&core->raft, core->config.node_id) < 0)
        return CORE_STATUS_NO_MEMBER;
    return CORE_STATUS_MEMBER;
}

void core_on_absent(struct role_core *core, const struct peer_message *message,
                    const uint8_t *payload, struct now now)
{
    bool news = !core->absent_ns || now.mono_ns - core->absent_ns >= CORE_ABSENT_NS;

    core->absent_ns = now.mono_ns;
    if (!news || core->raft.state == RAFT_LEADER)
        return;
    if (core->was_member)
        say(SAY_WARN,
            "node %u says that node %u is a member no more: it was removed from the ensemble, "
            "serves no clients, and may be stopped",
            message->from, core->config.node_id);
    else
        say(SAY_WARN, "node %u says that node %u is not a member: add it with `takt member add`",
            message->from, core->config.node_id);
}
