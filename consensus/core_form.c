/* Greetings, and a node's way to its vote (core_hello.h). */
#include "consensus/core_parts.h"

#include "base/say.h"

#include <stdio.h>
#include <string.h>

void core_form_send(struct role_core *core, uint8_t to, bool answer)
{
    struct core_greeting greeting;
    struct peer_message head = {.kind = PEER_HELLO,
                                .from = core->config.node_id,
                                .to = to,
                                .payload_size = sizeof(greeting),
                                .term = core->raft.term};

    core_hello_fill(&core->hello, core->raft.last_index, answer, &greeting);
    core_peer_send(core, &head, &greeting);
}

/* The node belongs to an ensemble from now on: that must be durable before it acts on it. */
static void form_save(struct role_core *core, const char *what)
{
    say(SAY_INFO, "node %u %s", core->config.node_id, what);
    core_save(core);
}

void core_on_hello(struct role_core *core, const struct peer_message *message,
                   const uint8_t *payload, struct now now)
{
    struct core_greeting greeting;
    bool joined, first = !core->hello.heard[message->from];
    int what =
        core_hello_hear(&core->hello, message->from, payload, message->payload_size, &joined);

    if (what < 0) {
        counters_add(core->counters, METRIC_core_peer_malformed_total, 1);
        return;
    }
    memcpy(&greeting, payload, sizeof(greeting));
    core->hello.memory_heard[message->from] = greeting.memory;
    core->stuck.greeted_ns[message->from] = now.mono_ns;
    if (first && core->hello.heard[message->from] && !greeting.memory != !core->config.memory)
        say(SAY_WARN,
            "node %u has durability.mode %s and this one %s: each acknowledges by its own; set the "
            "same everywhere",
            message->from, greeting.memory ? "memory" : "disk",
            core->config.memory ? "memory" : "disk");
    if (what == CORE_HELLO_REBORN)
        core_step(core, &(struct raft_input){.kind = RAFT_INPUT_REBORN,
                                             .member = message->from,
                                             .now_ns = now.mono_ns});
    if (joined)
        form_save(core, "has an empty log, and others do not: it catches up before it votes");
    if (message->from == core->raft.leader && message->term == core->raft.term) {
        core->hello.target_index = greeting.last_index;
        core->hello.target_term = message->term;
    }
    if (!greeting.answer)
        core_form_send(core, message->from, true);
}

/* How far the leader's log went must be heard from the leader of this very term. */
static bool form_target_wanted(const struct role_core *core)
{
    return core->hello.identity.catching_up && core->hello.target_term != core->raft.term;
}

/* A new ensemble waits for servers that may have been forgotten: they are named now and then. */
static void form_say_waiting(struct role_core *core, const uint8_t *voters, uint32_t count,
                             struct now now)
{
    char who[5 * RAFT_MEMBER_COUNT_MAX] = "";
    size_t used = 0;

    if (core->hello.identity.formed || now.mono_ns < core->form_say_ns)
        return;
    bool first = core->form_say_ns == 0;
    core->form_say_ns = now.mono_ns + (first ? CORE_FORM_SAY_NS : 6 * CORE_FORM_SAY_NS);
    for (uint32_t i = 0; i < count; i++)
        if (voters[i] != core->config.node_id && !core->hello.heard[voters[i]])
            used += (size_t)snprintf(who + used, sizeof(who) - used, " %u", voters[i]);
    if (!first && used)
        say(SAY_WARN,
            "this node has no log yet and waits for others: a new ensemble begins when %u of its "
            "voters are heard (ensemble.form), and these are not:%s",
            core->config.form_count, who);
}

void core_form_turn(struct role_core *core, struct now now)
{
    const struct raft_membership *members = raft_membership(&core->raft);
    uint8_t voters[RAFT_MEMBER_COUNT_MAX];
    uint32_t voter_count = 0, unheard = 0;

    if (now.mono_ns < core->hello.due_ns)
        return;
    for (uint32_t i = 0; i < members->count; i++) {
        uint8_t id = members->members[i].id;
        if (members->members[i].voter)
            voters[voter_count++] = id;
        if (id == core->config.node_id)
            continue;
        if (core->hello.heard[id] && core->hello.identity.formed &&
            !(id == core->raft.leader && form_target_wanted(core)))
            continue;
        unheard++;
        core_form_send(core, id, false);
    }
    form_say_waiting(core, voters, voter_count, now);
    if (core_hello_form(&core->hello, voters, voter_count, core->config.node_id,
                        core->config.form_count, core->config.cluster_id))
        form_save(core, "begins a new ensemble with the other servers: none of them has a log");
    /* One that catches up looks again: its leader may not be known yet, or change. */
    bool again = unheard || !core->hello.identity.formed || core->hello.identity.catching_up;
    core->hello.due_ns = again ? now.mono_ns + CORE_HELLO_NS : UINT64_MAX;
}

void core_outlived(struct role_core *core, uint8_t from, uint64_t incarnation)
{
    struct core_identity *identity = &core->hello.identity;

    CHECK(from != core->config.node_id);
    if (incarnation <= core->hello.incarnation || core->later_incarnation)
        return;
    core->later_incarnation = incarnation;
    identity->catching_up = identity->formed; /* one that is not will join, and catch up too */
    say(SAY_WARN,
        "node %u knows of a later start of node %u (%llu) than this one (%llu): the disk is not "
        "the one of then, and the clock is behind it; the node starts again, and catches up before "
        "it votes. Set the clock, unless another node has this id",
        from, core->config.node_id, (unsigned long long)incarnation,
        (unsigned long long)core->hello.incarnation);
    core_save(core);
}

/* The later incarnation is durable: the next start goes on behind it. */
static void form_again(struct role_core *core)
{
    struct fault fault;

    CHECK(core->later_incarnation > core->hello.incarnation);
    fault_set(&fault, ERR_RESTART, "node %u goes on behind incarnation %llu", core->config.node_id,
              (unsigned long long)core->later_incarnation);
    core_fail(core, ERR_RESTART, &fault);
}

/* Every save is over: what the identity says is durable. */
void core_hello_saved(struct role_core *core, struct now now)
{
    const struct core_identity *identity = &core->hello.identity;

    if (core->forgetting) {
        core_forget_saved(core);
        return;
    }
    if (core->later_incarnation) {
        form_again(core);
        return;
    }
    if (!identity->formed || core->formed)
        goto votes;
    core->formed = true;
    uint8_t *at = link_reserve(core->core_peer, core->config.cluster_update_size);
    if (at)
        core->config.cluster_update(at, identity->cluster_id);
    core->formed = at != NULL; /* no room: told in a later turn */
    core->hello.due_ns = now.mono_ns;
votes:
    if (core->formed && !identity->catching_up && !core->raft.config.voting)
        core_step(core, &(struct raft_input){.kind = RAFT_INPUT_VOTING, .now_ns = now.mono_ns});
}

void core_hello_caught_up(struct role_core *core, struct now now)
{
    struct core_identity *identity = &core->hello.identity;
    const struct raft *raft = &core->raft;

    if (!identity->catching_up || core->save_out || core->later_incarnation || core->forgetting ||
        form_target_wanted(core))
        return;
    if (raft->commit_index < core->hello.target_index ||
        raft->durable_index < core->hello.target_index ||
        raft->matched_index < core->hello.target_index)
        return;
    identity->catching_up = false;
    form_save(core, "has caught up, and votes from now on");
}
