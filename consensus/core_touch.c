/* Signs of life. The leader counts every session's time, and each member reports to it which of its
 * clients were heard. A report is sent until the leader answers for it: a client pings three times
 * in its session's time, so a lost datagram or two would end a session that is well.
 *
 *   NET ─▶ report ─▶ TOUCH ─▶ leader: timers, TOUCH_REPLY ─▶ the report is done
 *             └─ again each CORE_TOUCH_AGAIN_NS, to whoever leads then, for CORE_TOUCH_NS
 *
 * The leader counts from when a report comes, so one that comes late gives a session so much more
 * time, and no more than CORE_TOUCH_NS. With all places taken the oldest report gives way. */
#include "consensus/core_parts.h"

#include <string.h>

static void touch_all(struct role_core *core, const uint8_t *ids, uint32_t size, uint64_t heard_ns)
{
    for (uint32_t at = 0; at + sizeof(int64_t) <= size; at += sizeof(int64_t)) {
        int64_t id;
        memcpy(&id, ids + at, sizeof(id));
        timers_touch(&core->timers, id, heard_ns);
    }
}

static void touch_send(struct role_core *core, struct core_touch *touch, struct now now)
{
    struct peer_message head = {.kind = PEER_TOUCH,
                                .from = core->config.node_id,
                                .to = core->raft.leader,
                                .payload_size = touch->count * (uint32_t)sizeof(int64_t),
                                .term = core->raft.term,
                                .context = touch->number};

    CHECK(touch->count > 0);
    touch->again_ns = now.mono_ns + CORE_TOUCH_AGAIN_NS;
    if (core->raft.leader)
        (void)core_peer_send(core, &head, touch->ids);
}

void core_touch(struct role_core *core, const struct command *command, struct now now)
{
    struct core_touch *touch = &core->touches[core->touch_number % CORE_TOUCHES];
    const void *ids = command + 1;
    uint32_t count = command->body_size / (uint32_t)sizeof(int64_t);

    if (!core->config.ensemble || core->raft.state == RAFT_LEADER) {
        /* NET heard them in this turn of ours, perhaps long after it began */
        uint64_t heard_ns = command->sequence > now.mono_ns ? command->sequence : now.mono_ns;
        touch_all(core, ids, command->body_size, heard_ns);
        return;
    }
    CHECK(count <= COMMAND_TOUCH_IDS);
    if (count == 0)
        return;
    core->touch_count += touch->count == 0;
    touch->number = core->touch_number++;
    touch->count = count;
    touch->until_ns = now.mono_ns + CORE_TOUCH_NS;
    memcpy(touch->ids, ids, count * sizeof(int64_t));
    touch_send(core, touch, now);
}

static void touch_done(struct role_core *core, struct core_touch *touch)
{
    CHECK(core->touch_count > 0);
    touch->count = 0;
    core->touch_count--;
}

void core_touch_turn(struct role_core *core, struct now now)
{
    for (uint32_t i = 0; core->touch_count && i < CORE_TOUCHES; i++) {
        struct core_touch *touch = &core->touches[i];
        if (touch->count == 0)
            continue;
        if (core->raft.state == RAFT_LEADER) {
            touch_all(core, (const uint8_t *)touch->ids, touch->count * 8, now.mono_ns);
            touch_done(core, touch);
        } else if (now.mono_ns >= touch->until_ns) {
            touch_done(core, touch);
        } else if (now.mono_ns >= touch->again_ns) {
            touch_send(core, touch, now);
        }
    }
}

uint64_t core_touch_deadline_ns(const struct role_core *core)
{
    uint64_t at = UINT64_MAX;

    for (uint32_t i = 0; core->touch_count && i < CORE_TOUCHES; i++)
        if (core->touches[i].count && core->touches[i].again_ns < at)
            at = core->touches[i].again_ns;
    return at;
}

void core_on_touch(struct role_core *core, const struct peer_message *message,
                   const uint8_t *payload, struct now now)
{
    struct peer_message reply = {.kind = PEER_TOUCH_REPLY,
                                 .from = core->config.node_id,
                                 .to = message->from,
                                 .term = core->raft.term,
                                 .context = message->context};

    if (core->raft.state != RAFT_LEADER)
        return; /* it is told to whoever leads, soon */
    touch_all(core, payload, message->payload_size, now.mono_ns);
    core_peer_send(core, &reply, NULL);
}

void core_on_touch_reply(struct role_core *core, const struct peer_message *message,
                         const uint8_t *payload, struct now now)
{
    struct core_touch *touch = &core->touches[message->context % CORE_TOUCHES];

    if (touch->count && touch->number == message->context && message->from == core->raft.leader &&
        message->term == core->raft.term)
        touch_done(core, touch);
}
