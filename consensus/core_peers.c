/* What other members say: a table of kinds, and a function for each. */
#include "consensus/core_parts.h"

#include <string.h>

static void on_raft(struct role_core *core, const struct peer_message *message,
                    const uint8_t *payload, struct now now)
{
    core_step(core, &(struct raft_input){
                        .kind = RAFT_INPUT_MESSAGE, .message = message, .now_ns = now.mono_ns});
}

static void on_forward(struct role_core *core, const struct peer_message *message,
                       const uint8_t *payload, struct now now)
{
    struct forward_answer answer;
    struct core_log to = {core, now};
    struct forward_log log = {&to, core_log_propose};
    struct peer_message reply = {.kind = PEER_FORWARD_REPLY,
                                 .from = core->config.node_id,
                                 .to = message->from,
                                 .payload_size = sizeof(answer),
                                 .term = core->raft.term};

    if (core->raft.state != RAFT_LEADER)
        return; /* its node hears of the new leader, and sends it there */
    int err = forward_accept(&core->forward, message->from, payload, message->payload_size, &log,
                             &answer);
    if (err == ERR_MALFORMED)
        counters_add(core->counters, METRIC_core_peer_malformed_total, 1);
    if (!err)
        core_peer_send(core, &reply, &answer);
}

static void on_forward_reply(struct role_core *core, const struct peer_message *message,
                             const uint8_t *payload, struct now now)
{
    if (forward_reply(&core->forward, message->from, message->term, payload, message->payload_size,
                      now.mono_ns))
        counters_add(core->counters, METRIC_core_peer_malformed_total, 1);
    if (core->forward.stale)
        core_outlived(core, message->from, core->forward.later);
}

static void on_later(struct role_core *core, const struct peer_message *message,
                     const uint8_t *payload, struct now now)
{
    core_outlived(core, message->from, message->context);
}

static void (*const on_kind[PEER_KIND_LAST + 1])(struct role_core *, const struct peer_message *,
                                                  const uint8_t *, struct now) = {
    [PEER_PRE_VOTE] = on_raft,
    [PEER_PRE_VOTE_REPLY] = on_raft,
    [PEER_VOTE] = on_raft,
    [PEER_VOTE_REPLY] = on_raft,
    [PEER_APPEND] = core_on_append,
    [PEER_APPEND_REPLY] = on_raft,
    [PEER_READ] = on_raft,
    [PEER_READ_REPLY] = on_raft,
    [PEER_TIMEOUT_NOW] = on_raft,
    [PEER_SNAPSHOT] = core_on_snapshot,
    [PEER_SNAPSHOT_REPLY] = core_on_snapshot_reply,
    [PEER_FORWARD] = on_forward,
    [PEER_FORWARD_REPLY] = on_forward_reply,
    [PEER_TOUCH] = core_on_touch,
    [PEER_TOUCH_REPLY] = core_on_touch_reply,
    [PEER_HELLO] = core_on_hello,
    [PEER_HASH] = core_on_hash,
    [PEER_LATER] = on_later,
    [PEER_ABSENT] = core_on_absent,
};

uint32_t core_poll_peers(struct role_core *core, struct now now)
{
    const struct peer_message *message;
    uint32_t size, n = 0;

    for (; n < CORE_TURN_MESSAGES_MAX && (message = link_peek(core->peer_core, &size)); n++) {
        /* PEER has checked the header; size is header and payload */
        CHECK(size >= sizeof(*message));
        CHECK(message->payload_size == size - sizeof(*message));
        CHECK(message->kind <= PEER_KIND_LAST);
        if (on_kind[message->kind])
            on_kind[message->kind](core, message, (const uint8_t *)(message + 1), now);
        link_pop(core->peer_core);
    }
    link_release(core->peer_core);
    if (n)
        counters_add(core->counters, METRIC_core_peer_messages_total, n);
    return n;
}

void core_send_forwards(struct role_core *core, struct now now)
{
    struct forward_out out;

    while (forward_to_send(&core->forward, now.mono_ns, &out)) {
        struct peer_message head = {.kind = PEER_FORWARD,
                                    .from = core->config.node_id,
                                    .to = out.to,
                                    .payload_size = (uint32_t)sizeof(out.head) + out.head.size,
                                    .term = core->raft.term};
        uint8_t *at = link_reserve(core->core_peer, (uint32_t)sizeof(head) + head.payload_size);
        if (!at)
            break; /* given again in a later turn */
        memcpy(at, &head, sizeof(head));
        memcpy(at + sizeof(head), &out.head, sizeof(out.head));
        memcpy(at + sizeof(head) + sizeof(out.head), out.commands, out.head.size);
        forward_sent(&core->forward, &out, now.mono_ns);
    }
}
