#include "dataplane/peer_twin.h"

#include "base/check.h"
#include "dataplane/peer_refuse.h"
#include "dataplane/peer_send.h"

#include <stdio.h>
#include <string.h>

#define TWIN_TELL_NS (100 * NS_PER_MS)

/* What TWIN says. */
struct twin_body {
    uint8_t heard_ip[16], seen_ip[16];
    uint16_t heard_port, seen_port;
    uint32_t zero;
    uint64_t incarnation; /* of the one that is heard */
};
static_assert(sizeof(struct twin_body) == 48, "struct twin_body is sent");

static bool twin_same(const struct address *a, const struct address *b)
{
    return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool twin_heard_lately(const struct peer *peer, const struct peer_remote *remote)
{
    uint64_t since_ns = remote->heard_ns > peer->woke_ns ? remote->heard_ns : peer->woke_ns;

    return remote->heard_ns &&
           peer->now.mono_ns - since_ns < peer->config.unreachable_ms * NS_PER_MS;
}

bool peer_twin_refused(const struct peer *peer, struct peer_remote *remote,
                       const struct address *from, const struct peer_frame *frame)
{
    CHECK(frame->incarnation != remote->incarnation);
    if (remote->incarnation)
        return twin_heard_lately(peer, remote) && !twin_same(from, &remote->heard_at);
    if (remote->address.port == 0 || twin_same(from, &remote->address))
        return false;
    if (remote->strange_ns == 0)
        remote->strange_ns = peer->now.mono_ns;
    return peer->now.mono_ns - remote->strange_ns < peer->config.unreachable_ms * NS_PER_MS;
}

void peer_twin_tell(struct peer *peer, struct peer_remote *remote, const struct address *from,
                    const struct peer_frame *frame)
{
    struct twin_body body = {.incarnation = remote->incarnation};

    if (!twin_heard_lately(peer, remote) || twin_same(from, &remote->heard_at) ||
        (remote->twin_ns && peer->now.mono_ns - remote->twin_ns < TWIN_TELL_NS))
        return;
    remote->twin_ns = peer->now.mono_ns;
    memcpy(body.heard_ip, remote->heard_at.ip, sizeof(body.heard_ip));
    memcpy(body.seen_ip, from->ip, sizeof(body.seen_ip));
    body.heard_port = remote->heard_at.port;
    body.seen_port = from->port;
    peer_send_twin(peer, remote, from, frame->incarnation, &body, sizeof(body));
}

static bool twin_accepted(const struct peer *peer)
{
    for (uint32_t i = 0; i < PEER_COUNT_MAX; i++)
        if (peer->remotes[i].id && twin_heard_lately(peer, &peer->remotes[i]))
            return true;
    return false;
}

void peer_twin_told(struct peer *peer, struct peer_remote *remote, const struct address *from,
                    const struct peer_frame *frame)
{
    uint64_t now_ns = peer->now.mono_ns;
    struct address heard = {.port = 0}, seen = {.port = 0};
    char heard_text[64], seen_text[64];
    struct twin_body body;
    struct fault fault;

    if (frame->to_incarnation != peer->config.incarnation || frame->size != sizeof(body))
        return; /* of another start: late */
    memcpy(&body, frame->bytes, sizeof(body));
    memcpy(heard.ip, body.heard_ip, sizeof(heard.ip));
    memcpy(seen.ip, body.seen_ip, sizeof(seen.ip));
    heard.port = body.heard_port;
    seen.port = body.seen_port;
    peer_refuse_address(&heard, heard_text, sizeof(heard_text));
    peer_refuse_address(&seen, seen_text, sizeof(seen_text));
    fault_set(&fault, ERR_CONFIG,
              "two nodes have the id %u: node %u hears one at %s, and refuses this one, which it "
              "sees at %s; give one of them another id (node.id, myid), or stop it",
              peer->config.id, remote->id, heard_text, seen_text);
    if (now_ns - peer->twin_told_ns >= peer->config.unreachable_ms * NS_PER_MS)
        peer->twin_since_ns = now_ns;
    peer->twin_told_ns = now_ns;
    peer_refuse_say(peer, &remote->said[PEER_DROP_TWIN], fault.text);
    bool first = peer->config.incarnation < body.incarnation;
    if (now_ns - peer->twin_since_ns < PEER_TWIN_NS || (first && twin_accepted(peer)))
        return;
    if (peer->config.failed && !peer->failed)
        peer->config.failed(peer->config.failed_self, ERR_CONFIG, &fault);
    peer->failed = true;
}
