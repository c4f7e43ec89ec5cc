#include "dataplane/peer_receive.h"

#include "base/check.h"
#include "consensus/peer_message.h"
#include "dataplane/peer_refuse.h"
#include "dataplane/peer_send.h"
#include "dataplane/peer_twin.h"

#include <string.h>

#define RECEIVE_GREET_NS   (10 * NS_PER_MS) /* between two answers to one that does not know us */
#define RECEIVE_RTT_US_MAX (60u * 1000 * 1000)

static bool receive_unformed(const uint8_t cluster[PEER_FRAME_CLUSTER_SIZE])
{
    static const uint8_t zero[PEER_FRAME_CLUSTER_SIZE];
    return memcmp(cluster, zero, sizeof(zero)) == 0;
}

/* Of the marks; PEER_DROP_COUNT: fine. */
static enum peer_drop receive_key(const struct peer *peer, const struct peer_frame *frame,
                                  const uint8_t *bytes, uint32_t size)
{
    if (frame->key == 0 && peer->config.keys.count == 0)
        return PEER_DROP_COUNT;
    const struct peer_key *key = frame->key ? peer_keys_find(&peer->config.keys, frame->key) : NULL;
    return key && peer_frame_right(bytes, size, key) ? PEER_DROP_COUNT : PEER_DROP_KEY;
}

/* Whether a decoded datagram is one of a member for this node; PEER_DROP_COUNT: it is. */
static enum peer_drop receive_check(const struct peer *peer, const struct peer_remote *remote,
                                    const struct peer_frame *frame, const uint8_t *bytes,
                                    uint32_t size)
{
    const uint8_t *cluster = peer->config.cluster;
    if (memcmp(frame->cluster, cluster, PEER_FRAME_CLUSTER_SIZE) != 0 &&
        !receive_unformed(frame->cluster) && !receive_unformed(cluster))
        return PEER_DROP_CLUSTER;
    if (frame->from == peer->config.id)
        return PEER_DROP_SELF;
    if (frame->to != peer->config.id)
        return PEER_DROP_TO;
    if (!remote)
        return PEER_DROP_FROM;
    enum peer_drop drop = receive_key(peer, frame, bytes, size);
    if (drop != PEER_DROP_COUNT)
        return drop;
#if TAKT_PLANT != 30
    if (frame->incarnation < remote->incarnation)
        return PEER_DROP_OLD;
#endif
    return PEER_DROP_COUNT;
}

static void receive_new_incarnation(struct peer_remote *remote, uint64_t incarnation)
{
    peer_reassembly_reset(&remote->urgent.in);
    peer_reassembly_reset(&remote->bulk.in);
    remote->incarnation = incarnation;
    remote->stamp_us = 0;
    atomic_store_explicit(&remote->seen.incarnation, incarnation, memory_order_relaxed);
}

/* An eighth of the news, so that one late datagram does not show. */
static void receive_rtt(const struct peer *peer, struct peer_remote *remote,
                        const struct peer_frame *frame)
{
    uint32_t rtt_us = (uint32_t)(peer->now.mono_ns / 1000) - frame->echo_us;
    if (frame->echo_us == 0 || frame->to_incarnation != peer->config.incarnation ||
        rtt_us > RECEIVE_RTT_US_MAX)
        return;
    uint64_t old_ns = atomic_load_explicit(&remote->seen.rtt_ns, memory_order_relaxed);
    uint64_t rtt_ns = (rtt_us ? rtt_us : 1) * 1000ull;
    uint64_t smooth_ns = old_ns ? old_ns - old_ns / 8 + rtt_ns / 8 : rtt_ns;
    atomic_store_explicit(&remote->seen.rtt_ns, smooth_ns, memory_order_relaxed);
}

static void receive_heard(struct peer *peer, struct peer_remote *remote,
                          const struct peer_frame *frame)
{
    remote->heard_ns = peer->now.mono_ns;
    atomic_store_explicit(&remote->seen.heard_ns, peer->now.mono_ns, memory_order_relaxed);
    atomic_store_explicit(&remote->seen.reachable, 1, memory_order_relaxed);
    remote->stamp_us = frame->stamp_us;
    remote->stamp_at_ns = peer->now.mono_ns;
    receive_rtt(peer, remote, frame);
}

/* The sender has heard of a later start of this node, and refuses this one. */
static void receive_later(struct peer *peer, const struct peer_frame *frame)
{
    struct peer_message *m;

    if (frame->to_incarnation <= peer->later_told)
        return;
    m = link_reserve(peer->parts.peer_core, sizeof(*m));
    if (!m)
        return; /* the next datagram says it too */
    *m = (struct peer_message){.kind = PEER_LATER,
                               .from = frame->from,
                               .to = peer->config.id,
                               .context = frame->to_incarnation};
    peer->later_told = frame->to_incarnation;
}

/* A datagram must be meant for this run of the node. Not knowing it is good enough without keys
 * (nothing that was sent before we were heard can hurt), and for a greeting. */
static bool receive_for_us(struct peer *peer, struct peer_remote *remote,
                           const struct peer_frame *frame)
{
    if (frame->to_incarnation == peer->config.incarnation)
        return true;
    if (UNLIKELY(frame->to_incarnation > peer->config.incarnation))
        receive_later(peer, frame);
    if (peer->now.mono_ns - remote->greeted_ns >= RECEIVE_GREET_NS)
        peer_send_greeting(peer, remote);
#if TAKT_PLANT == 31
    return true;
#endif
    return frame->to_incarnation == 0 && (peer->config.keys.count == 0 || frame->count == 0);
}

/* It is told why; it may be anybody, so not more often than that. */
static void receive_stranger(struct peer *peer, const struct address *from,
                             const struct peer_frame *frame)
{
    if (frame->to != peer->config.id || (frame->flags & PEER_FRAME_ABSENT) ||
        (peer->absent_sent_ns && peer->now.mono_ns - peer->absent_sent_ns < PEER_ABSENT_NS))
        return;
    peer->absent_sent_ns = peer->now.mono_ns;
    peer_send_absent(peer, from, frame);
}

/* Gives a whole message to CORE. */
static void receive_deliver(struct peer *peer, struct peer_remote *remote,
                            const struct address *from, const struct peer_frame *frame,
                            const uint8_t *bytes)
{
    const struct peer_message *message = (const struct peer_message *)bytes;
    uint32_t size = frame->message_size;
    if (peer_message_valid(message, size, peer->config.id) || message->from != frame->from) {
        peer_refuse_datagram(peer, remote, PEER_DROP_MALFORMED, from, frame);
        return;
    }
    if (remote->guest_ns && (message->kind == PEER_PRE_VOTE || message->kind == PEER_VOTE)) {
        receive_stranger(peer, from, frame);
        peer_refuse_datagram(peer, remote, PEER_DROP_FROM, from, frame);
        return;
    }
    if (remote->guest_ns && (message->kind == PEER_APPEND || message->kind == PEER_SNAPSHOT))
        remote->guest_ns = peer->now.mono_ns; /* it leads still */
    if (receive_unformed(frame->cluster) || receive_unformed(peer->config.cluster)) {
        if (message->kind != PEER_HELLO) { /* they will know better soon: no line */
            peer_refuse_count(peer, remote, PEER_DROP_CLUSTER, 1);
            return;
        }
    }
    void *room = link_reserve(peer->parts.peer_core, size);
    if (!room) {
        peer_refuse_count(peer, remote, PEER_DROP_CORE_FULL, 1);
        return;
    }
    memcpy(room, bytes, size);
    counters_add(peer->parts.page, METRIC_peer_received_total, 1);
    counters_add(peer->parts.page, METRIC_peer_received_bytes_total, size);
    datagram_count(&remote->seen.received, 1);
    datagram_count(&remote->seen.received_bytes, size);
}

static void receive_fragment(struct peer *peer, struct peer_remote *remote,
                             const struct address *from, const struct peer_frame *frame)
{
    struct peer_stream *stream = frame->flags & PEER_FRAME_BULK ? &remote->bulk : &remote->urgent;
    const uint8_t *message;
    switch (peer_reassembly_add(&stream->in, frame, &message)) {
    case 0:
        if (message)
            receive_deliver(peer, remote, from, frame, message);
        break;
    case ERR_SHORT: break;
    case ERR_EXISTS:
    case ERR_RANGE: peer_refuse_count(peer, remote, PEER_DROP_REPEATED, 1); break;
    default: peer_refuse_datagram(peer, remote, PEER_DROP_MALFORMED, from, frame);
    }
    if (UNLIKELY(stream->in.dropped)) { /* others, that this one has pushed out */
        peer_refuse_count(peer, remote, PEER_DROP_INCOMPLETE, stream->in.dropped);
        stream->in.dropped = 0;
    }
}

/* A member says that this node is none. */
static void receive_absent(struct peer *peer, const struct peer_frame *frame)
{
    struct peer_message *m;

    if (frame->to_incarnation != peer->config.incarnation ||
        (peer->absent_told_ns && peer->now.mono_ns - peer->absent_told_ns < PEER_ABSENT_NS))
        return;
    m = link_reserve(peer->parts.peer_core, sizeof(*m));
    if (!m)
        return; /* it is said again */
    *m = (struct peer_message){.kind = PEER_ABSENT, .from = frame->from, .to = peer->config.id};
    peer->absent_told_ns = peer->now.mono_ns;
}

/* Is this the beginning of what only a leader says? */
static bool receive_leads(const struct peer_frame *frame)
{
    struct peer_message m;
    if (frame->count == 0 || frame->index || frame->size < sizeof(m))
        return false;
    memcpy(&m, frame->bytes, sizeof(m));
    return (m.kind == PEER_APPEND || m.kind == PEER_SNAPSHOT) && m.from == frame->from;
}

/* A stranger that leads this cluster; NULL: it does not, or there is no place. */
static struct peer_remote *receive_guest(struct peer *peer, const struct address *from,
                                         const struct peer_frame *frame, const uint8_t *bytes,
                                         uint32_t size)
{
    const uint8_t *cluster = peer->config.cluster;
    if (frame->to != peer->config.id || receive_unformed(cluster) ||
        memcmp(frame->cluster, cluster, PEER_FRAME_CLUSTER_SIZE) != 0 || !receive_leads(frame) ||
        receive_key(peer, frame, bytes, size) != PEER_DROP_COUNT)
        return NULL;
    return peer_guest(peer, frame->from, from);
}

/* One that leads no more goes, and is told that it is no member. */
static struct peer_remote *receive_from(struct peer *peer, const struct address *from,
                                        const struct peer_frame *frame, const uint8_t *bytes,
                                        uint32_t size)
{
    uint8_t index = peer->index_of[frame->from];
    struct peer_remote *remote = index ? &peer->remotes[index - 1] : NULL;
    if (LIKELY(remote && !remote->guest_ns))
        return remote;
    if (!remote)
        return receive_guest(peer, from, frame, bytes, size);
    if (peer->now.mono_ns - remote->guest_ns < PEER_GUEST_NS)
        return remote;
    peer_guest_goes(peer, remote);
    return receive_guest(peer, from, frame, bytes, size);
}

static enum peer_drop receive_undecoded(int err)
{
    return err == ERR_VERSION   ? PEER_DROP_VERSION
           : err == ERR_CORRUPT ? PEER_DROP_CORRUPT
                                : PEER_DROP_MALFORMED;
}

void peer_receive_datagram(void *self, const struct address *from, const uint8_t *bytes,
                           uint32_t size)
{
    struct peer *peer = self;
    struct peer_frame frame;
    int err = peer_frame_decode(bytes, size, &frame);
    uint8_t index = peer->index_of[frame.from];
    struct peer_remote *remote = index ? &peer->remotes[index - 1] : NULL;
    if (UNLIKELY(err)) {
        peer_refuse_datagram(peer, remote, receive_undecoded(err), from, &frame);
        return;
    }
    remote = receive_from(peer, from, &frame, bytes, size);
    enum peer_drop drop = receive_check(peer, remote, &frame, bytes, size);
    if (UNLIKELY(drop == PEER_DROP_OLD && peer_twin_refused(peer, remote, from, &frame))) {
        drop = PEER_DROP_TWIN;
        peer_twin_tell(peer, remote, from, &frame);
    }
    if (UNLIKELY(drop == PEER_DROP_FROM))
        receive_stranger(peer, from, &frame);
    if (UNLIKELY(drop != PEER_DROP_COUNT)) {
        peer_refuse_datagram(peer, remote, drop, from, &frame);
        return;
    }
    if (UNLIKELY(frame.flags & PEER_FRAME_ABSENT)) {
        receive_absent(peer, &frame);
        return;
    }
    if (UNLIKELY(frame.flags & PEER_FRAME_TWIN)) {
        peer_twin_told(peer, remote, from, &frame);
        return;
    }
    if (UNLIKELY(frame.incarnation > remote->incarnation)) {
        if (peer_twin_refused(peer, remote, from, &frame)) {
            peer_refuse_datagram(peer, remote, PEER_DROP_TWIN, from, &frame);
            peer_twin_tell(peer, remote, from, &frame);
            return;
        }
        receive_new_incarnation(remote, frame.incarnation);
        peer_twin_heard(remote, from);
    }
    if (UNLIKELY(!receive_for_us(peer, remote, &frame))) {
        peer_refuse_datagram(peer, remote, PEER_DROP_STALE, from, &frame);
        return;
    }
    receive_heard(peer, remote, &frame);
    receive_fragment(peer, remote, from, &frame);
}
