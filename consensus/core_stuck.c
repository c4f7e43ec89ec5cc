/* While nobody leads: is it because too few voters are there and have a vote? Who lost its disk has
 * none until it has caught up with a leader (core_hello.h), so with a majority of the disks there
 * will never be one, and an operator must know. */
#include "consensus/core_parts.h"

#include "base/core_status.h"
#include "base/say.h"

static enum core_status_vote stuck_vote(const struct role_core *core, uint8_t id, struct now now)
{
    const struct core_hello *hello = &core->hello;

    if (id == core->config.node_id)
        return core->raft.config.voting ? CORE_STATUS_VOTES : CORE_STATUS_NO_VOTE;
    if (!core->stuck.greeted_ns[id] ||
        now.mono_ns > core->stuck.greeted_ns[id] + 3 * CORE_STUCK_ASK_NS)
        return CORE_STATUS_SILENT;
    return hello->votes[id] == CORE_HELLO_VOTES ? CORE_STATUS_VOTES : CORE_STATUS_NO_VOTE;
}

/* Of one list of voters (the next one, while two count): has at most half of it a vote? */
static bool stuck_minority(const struct role_core *core, bool next, struct now now)
{
    const struct raft_membership *members = raft_membership(&core->raft);
    uint32_t voters = 0, able = 0;

    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->members[i];
        if (!(next ? member->voter_next : member->voter))
            continue;
        voters++;
        able += stuck_vote(core, member->id, now) == CORE_STATUS_VOTES;
    }
    return voters > 0 && able <= voters / 2;
}

static void stuck_show(struct role_core *core, bool stuck, struct now now)
{
    const struct raft_membership *members = raft_membership(&core->raft);

    if (!core->status)
        return;
    for (uint32_t i = 0; i < members->count && i < CORE_STATUS_PEERS; i++)
        atomic_store_explicit(&core->status->peers[i].vote,
                              (uint8_t)stuck_vote(core, members->members[i].id, now),
                              memory_order_relaxed);
    atomic_store_explicit(&core->status->stuck, stuck, memory_order_relaxed);
}

static void stuck_over(struct role_core *core)
{
    core->stuck.since_ns = 0;
    if (!core->status)
        return;
    atomic_store_explicit(&core->status->stuck, false, memory_order_relaxed);
    for (uint32_t i = 0; i < CORE_STATUS_PEERS; i++)
        atomic_store_explicit(&core->status->peers[i].vote, CORE_STATUS_VOTE_UNKNOWN,
                              memory_order_relaxed);
}

static void stuck_ask(struct role_core *core)
{
    const struct raft_membership *members = raft_membership(&core->raft);

    for (uint32_t i = 0; i < members->count; i++)
        if (members->members[i].id != core->config.node_id)
            core_form_send(core, members->members[i].id, false);
}

static void stuck_say(struct role_core *core, struct now now)
{
    char text[CORE_STATUS_STUCK_SIZE];

    if (now.mono_ns < core->stuck.say_ns || !core->status ||
        !core_status_stuck(core->status, text, sizeof(text)))
        return;
    core->stuck.say_ns = now.mono_ns + CORE_STUCK_SAY_NS;
    say(SAY_WARN, "nobody leads since %llu s, and %s",
        (unsigned long long)((now.mono_ns - core->stuck.since_ns) / NS_PER_S), text);
}

void core_stuck_turn(struct role_core *core, struct now now)
{
    struct core_stuck *stuck = &core->stuck;

    if (core->raft.leader || !core->hello.identity.formed) {
        if (stuck->since_ns)
            stuck_over(core);
        return;
    }
    if (!stuck->since_ns) {
        stuck->since_ns = now.mono_ns;
        stuck->ask_ns = now.mono_ns + CORE_STUCK_ASK_NS;
        stuck->say_ns = now.mono_ns + CORE_FORM_SAY_NS;
    }
    if (now.mono_ns < stuck->ask_ns)
        return;
    /* Who was asked a second ago has answered. */
    if (now.mono_ns >= stuck->since_ns + 2 * CORE_STUCK_ASK_NS) {
        bool minority = stuck_minority(core, false, now) || stuck_minority(core, true, now);
        stuck_show(core, minority, now);
        if (minority)
            stuck_say(core, now);
    }
    stuck_ask(core);
    stuck->ask_ns = now.mono_ns + CORE_STUCK_ASK_NS;
}
