#include "dataplane/peer_send.h"

#include "base/check.h"
#include "dataplane/peer_refuse.h"

#include <string.h>

#define SEND_ELAPSED_NS_MAX (100 * NS_PER_MS) /* of pace that is made up for at most */

static struct peer_remote *send_remote(struct peer *peer, uint8_t id)
{
    uint8_t index = peer->index_of[id];
    return index ? &peer->remotes[index - 1] : NULL;
}

static const struct peer_key *send_key(const struct peer *peer)
{
    return peer->config.keys.count ? &peer->config.keys.key[peer->config.keys.send_with] : NULL;
}

/* Message bytes of one fragment; a multiple of 8, so that they lie well where they are joined. */
static uint32_t send_unit(const struct peer *peer, const struct peer_remote *remote)
{
    return (remote->size_max - peer_frame_size(0, peer->config.keys.count > 0)) & ~7u;
}

/* Microseconds, never 0: that means none. */
static uint32_t send_us(uint64_t ns)
{
    uint32_t us = (uint32_t)(ns / 1000);
    return us ? us : 1;
}

static void send_head(const struct peer *peer, const struct peer_remote *remote,
                      struct peer_frame *frame)
{
    uint64_t now_ns = peer->now.mono_ns;
    frame->from = peer->config.id;
    frame->to = remote->id;
    memcpy(frame->cluster, peer->config.cluster, sizeof(frame->cluster));
    frame->incarnation = peer->config.incarnation;
    frame->to_incarnation = remote->incarnation;
    frame->stamp_us = send_us(now_ns);
    frame->echo_us =
        remote->stamp_us ? remote->stamp_us + (uint32_t)((now_ns - remote->stamp_at_ns) / 1000) : 0;
}

/* Sends what `frame` describes. Returns the datagram's size, 0: no room. */
static uint32_t send_datagram(struct peer *peer, struct peer_remote *remote,
                              const struct peer_frame *frame)
{
    uint8_t *room = datagram_room(peer->parts.port);
    if (UNLIKELY(!room))
        return 0;
    uint32_t size = peer_frame_encode(frame, send_key(peer), room);
    datagram_send(peer->parts.port, &remote->address, size);
    remote->sent_ns = peer->now.mono_ns;
    return size;
}

static void send_count(struct peer *peer, struct peer_remote *remote, uint32_t size)
{
    counters_add(peer->parts.page, METRIC_peer_sent_total, 1);
    counters_add(peer->parts.page, METRIC_peer_sent_bytes_total, size);
    datagram_count(&remote->seen.sent, 1);
    datagram_count(&remote->seen.sent_bytes, size);
}

/* Aims `frame` at the fragment that begins at byte `offset` of a message. */
static void send_aim(struct peer_frame *frame, const uint8_t *message, uint32_t size,
                     uint32_t offset, uint32_t unit)
{
    frame->message_size = size;
    frame->bytes = message + offset;
    if (LIKELY(size <= unit)) { /* most are: two divisions saved */
        frame->count = 1;
        frame->size = size;
        return;
    }
    frame->count = (uint16_t)((size + unit - 1) / unit);
    frame->index = (uint16_t)(offset / unit);
    frame->size = size - offset < unit ? size - offset : unit;
}

static void send_urgent(struct peer *peer, struct peer_remote *remote, const void *message,
                        uint32_t size)
{
    struct peer_frame frame = {.message_id = ++remote->urgent.id_sent};
    uint32_t unit = send_unit(peer, remote);
    send_head(peer, remote, &frame);
    for (uint32_t offset = 0; offset < size; offset += unit) {
        send_aim(&frame, message, size, offset, unit);
        if (!send_datagram(peer, remote, &frame)) {
            peer_refuse_count(peer, remote, PEER_DROP_SEND_FULL, 1);
            return; /* without this part the rest is of no use */
        }
    }
    send_count(peer, remote, size);
}

/* ---- bulk ---- */

static bool send_is_bulk(const struct peer_message *message, uint32_t size)
{
    return message->kind == PEER_SNAPSHOT || (message->flags & PEER_BULK) ||
           size > PEER_URGENT_SIZE_MAX;
}

static bool send_reachable(const struct peer_remote *remote)
{
    return atomic_load_explicit(&remote->seen.reachable, memory_order_relaxed) != 0;
}

static void send_queue_bulk(struct peer *peer, struct peer_remote *remote, const void *message,
                            uint32_t size)
{
    if (!send_reachable(remote)) {
        peer_refuse_count(peer, remote, PEER_DROP_UNREACHABLE, 1);
        return;
    }
    uint64_t waiting = counters_get(peer->parts.page, METRIC_peer_bulk_waiting_bytes);
    uint64_t limit = peer->config.bulk_bytes_per_s / (NS_PER_S / PEER_BULK_WAIT_NS_MAX);
    bool late = waiting && waiting + size > limit;
    void *room = late ? NULL : link_reserve(&peer->bulk, size);
    if (!room) {
        peer_refuse_count(peer, remote, PEER_DROP_BULK_FULL, 1);
        return;
    }
    memcpy(room, message, size);
    link_publish(&peer->bulk);
    counters_add(peer->parts.page, METRIC_peer_bulk_waiting_bytes, size);
}

static void send_refill(struct peer *peer)
{
    uint64_t elapsed_ns = peer->now.mono_ns - peer->tokens_ns;
    uint64_t rate = peer->config.bulk_bytes_per_s;
    if (elapsed_ns > SEND_ELAPSED_NS_MAX) {
        elapsed_ns = SEND_ELAPSED_NS_MAX;
        peer->tokens_ns = peer->now.mono_ns - elapsed_ns;
    }
    uint64_t more = elapsed_ns * rate / NS_PER_S;
    peer->tokens += more;
    /* Only the time that made whole bytes is used up: a slow pace would never get any else. */
    peer->tokens_ns += more * NS_PER_S / rate;
    if (peer->tokens > peer->config.bulk_burst_size)
        peer->tokens = peer->config.bulk_burst_size;
}

static void send_bulk_end(struct peer *peer, uint32_t size)
{
    link_pop(&peer->bulk);
    link_release(&peer->bulk);
    peer->bulk_offset = peer->bulk_unit = 0;
    counters_add(peer->parts.page, METRIC_peer_bulk_waiting_bytes, -(uint64_t)size);
}

/* Sends the next fragment of the first message that waits. False: not now, or there is none. */
static bool send_bulk_step(struct peer *peer, uint32_t *sent)
{
    uint32_t size;
    const struct peer_message *message = link_peek(&peer->bulk, &size);
    if (!message)
        return false;
    struct peer_remote *remote = send_remote(peer, message->to);
    if (!remote || !remote->address.port || !send_reachable(remote)) {
        peer_refuse_count(peer, remote, remote ? PEER_DROP_UNREACHABLE : PEER_DROP_UNKNOWN, 1);
        send_bulk_end(peer, size);
        return true;
    }
    if (peer->bulk_unit == 0) {
        peer->bulk_unit = send_unit(peer, remote);
        peer->bulk_id = ++remote->bulk.id_sent;
    }
    if (peer->tokens < remote->size_max)
        return false;
    struct peer_frame frame = {.flags = PEER_FRAME_BULK, .message_id = peer->bulk_id};
    send_head(peer, remote, &frame);
    send_aim(&frame, (const uint8_t *)message, size, peer->bulk_offset, peer->bulk_unit);
    uint32_t datagram_size = send_datagram(peer, remote, &frame);
    if (!datagram_size)
        return false; /* the network is busy: bulk can wait */
    peer->tokens -= datagram_size < peer->tokens ? datagram_size : peer->tokens;
    peer->bulk_offset += frame.size;
    (*sent)++;
    if (peer->bulk_offset == size) {
        send_count(peer, remote, size);
        send_bulk_end(peer, size);
    }
    return true;
}

uint32_t peer_send_bulk(struct peer *peer)
{
    uint32_t sent = 0;
    send_refill(peer);
    while (send_bulk_step(peer, &sent)) {
    }
    return sent;
}

/* Not for each datagram that the bucket has room for: a quarter of a burst at a time. */
uint64_t peer_send_bulk_due_ns(const struct peer *peer)
{
    uint64_t wanted = peer->config.bulk_burst_size / 4;
    if (!peer_send_bulk_waits(peer))
        return UINT64_MAX;
    if (wanted < DATAGRAM_SIZE_MAX)
        wanted = DATAGRAM_SIZE_MAX;
    if (peer->tokens >= wanted)
        return peer->now.mono_ns;
    return peer->tokens_ns + (wanted - peer->tokens) * NS_PER_S / peer->config.bulk_bytes_per_s + 1;
}

/* ---- */

void peer_send_message(struct peer *peer, const struct peer_message *message, uint32_t size)
{
    CHECK(size >= sizeof(*message) && size == sizeof(*message) + message->payload_size);
    CHECK(message->from == peer->config.id);
    struct peer_remote *remote = send_remote(peer, message->to);
    if (UNLIKELY(!remote || !remote->address.port))
        peer_refuse_count(peer, remote, PEER_DROP_UNKNOWN, 1);
    else if (send_is_bulk(message, size))
        send_queue_bulk(peer, remote, message, size);
    else
        send_urgent(peer, remote, message, size);
}

void peer_send_twin(struct peer *peer, struct peer_remote *remote, const struct address *to,
                    uint64_t to_incarnation, const void *bytes, uint32_t size)
{
    struct peer_frame frame = {.flags = PEER_FRAME_TWIN,
                               .message_id = 1, /* of no stream */
                               .count = 1,
                               .message_size = size,
                               .size = size,
                               .bytes = bytes};
    uint8_t *room = datagram_room(peer->parts.port);

    if (!room)
        return; /* it asks again */
    send_head(peer, remote, &frame);
    frame.to_incarnation = to_incarnation;
    frame.echo_us = 0;
    datagram_send(peer->parts.port, to, peer_frame_encode(&frame, send_key(peer), room));
}

void peer_send_absent(struct peer *peer, const struct address *to, const struct peer_frame *heard)
{
    struct peer_frame frame = {.flags = PEER_FRAME_ABSENT,
                               .from = peer->config.id,
                               .to = heard->from,
                               .incarnation = peer->config.incarnation,
                               .to_incarnation = heard->incarnation,
                               .message_id = 1,
                               .stamp_us = send_us(peer->now.mono_ns)};
    uint8_t *room = datagram_room(peer->parts.port);

    if (!room)
        return; /* it is heard again */
    memcpy(frame.cluster, peer->config.cluster, sizeof(frame.cluster));
    datagram_send(peer->parts.port, to, peer_frame_encode(&frame, send_key(peer), room));
}

void peer_send_greeting(struct peer *peer, struct peer_remote *remote)
{
    if (!remote->address.port)
        return;
    struct peer_frame frame = {.message_id = ++remote->urgent.id_sent};
    send_head(peer, remote, &frame);
    send_datagram(peer, remote, &frame);
    remote->greeted_ns = peer->now.mono_ns;
    counters_add(peer->parts.page, METRIC_peer_greetings_total, 1);
}

void peer_send_route(struct peer *peer, struct peer_remote *remote)
{
    if (remote->address.port)
        remote->size_max = datagram_size_max(peer->parts.port, &remote->address);
    CHECK(remote->size_max >= DATAGRAM_SIZE_MIN && remote->size_max <= DATAGRAM_SIZE_MAX);
}
