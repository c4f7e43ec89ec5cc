/* Datagrams in and out, and what needs no request's slot: RENEW, TIME, ACK, refusals. */
#include "dataplane/beat/beat.h"

#include "base/check.h"
#include "base/core_state.h"
#include "base/plant.h"

#include <stdlib.h>
#include <string.h>

/* ---- out ---- */

static bool beat_leads(const struct beat *beat)
{
    const struct core_state *state = beat->net->parts.state;
    return atomic_load_explicit(&state->role, memory_order_relaxed) == CORE_ROLE_LEADER;
}

inline uint8_t *beat_room(struct beat *beat)
{
    uint8_t *room = datagram_room(beat->datagrams);
    if (!room) /* lost, as anything may be */
        net_count(beat->net, METRIC_beat_send_full_total, 1);
    return room;
}

/* What every frame of a node has. */
static inline void beat_address(const struct beat *beat, const struct beat_client *client,
                                struct beat_frame *frame, uint32_t message_size)
{
    frame->from = beat->config.endpoint;
    frame->message_size = message_size;
    if (client) {
        frame->to = client->endpoint;
        frame->acked = client->taken;
        frame->credits = BEAT_CREDITS;
        frame->flags = beat->flags;
    }
}

static inline void beat_send(struct beat *beat, const struct address *to, uint32_t size)
{
    datagram_send(beat->datagrams, to, size);
    net_count(beat->net, METRIC_beat_sent_total, 1);
}

void beat_attached(const struct beat *beat, struct beat_client *client)
{
    struct beat_frame frame = {.session = client->session, .attach = client->attach};
    beat_address(beat, client, &frame, 0);
    beat_wire_prepare(&frame, beat->key, &client->head);
}

inline void beat_say_whole(struct beat *beat, const struct beat_client *client,
                           struct beat_frame *frame, struct bytes message, uint8_t *room)
{
    frame->flags = beat->flags;
    frame->acked = client->taken;
    frame->size = (uint32_t)message.size;
    frame->bytes = message.at;
    beat_send(beat, &client->address, beat_wire_encode_as(&client->head, frame, beat->key, room));
}

void beat_say(struct beat *beat, const struct address *to, const struct beat_client *client,
              struct beat_frame *frame, struct bytes message)
{
    beat_address(beat, client, frame, (uint32_t)message.size);
    uint32_t count = beat_wire_pieces(frame->message_size);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *room = beat_room(beat);
        if (!room)
            continue;
        frame->index = (uint16_t)i;
        frame->size = beat_wire_piece_size(frame->message_size, i);
        frame->bytes = frame->size ? message.at + i * BEAT_WIRE_PIECE_SIZE : NULL;
        beat_send(beat, to, beat_wire_encode(frame, beat->key, room));
    }
}

void beat_refuse(struct beat *beat, const struct address *to, struct beat_frame frame,
                 enum beat_refusal why)
{
    struct beat_frame told = {.kind = BEAT_REFUSED,
                              .to = frame.from,
                              .session = frame.session,
                              .sequence = frame.sequence,
                              .attach = frame.attach,
                              .code = (int32_t)why};
    net_count(beat->net, METRIC_beat_refused_total, 1);
    beat_say(beat, to, NULL, &told, bytes_of(NULL, 0));
}

/* ---- in ---- */

static void beat_time(struct beat *beat, const struct address *from, struct beat_frame frame)
{
    struct beat_frame told = {.kind = BEAT_TIMED, .to = frame.from, .sequence = frame.sequence};
    uint8_t body[16];
    struct jute_out out = jute_out(body, sizeof(body));
    jute_put_long(&out, (int64_t)beat->datagrams->received_ns);
    jute_put_long(&out, (int64_t)beat->datagrams->received_ns);
    beat_say(beat, from, NULL, &told, bytes_of(body, sizeof(body)));
}

/* ---- RENEW ----
 *
 * A lease holds whatever stands still, and for how long (but see README.md, the last row):
 *
 *   datagrams ─▶ look at the clock: r ─▶ TOUCH to CORE ─▶ vouched_ns > r ? ─▶ RENEWED: lease
 *
 *  - this node ends no session that it was told of: the TOUCH lies on net_core before RENEWED
 *    leaves, and CORE takes what lies there before it looks at its timers (core_nets.c), at which
 *    the session has its whole timeout from r, no earlier than the client sent;
 *  - another leader gives it its whole timeout from its election, which was not before vouched_ns
 *    less the longest election timeout (core_state_vouch): r, and so the sending, came no later
 *    than that timeout, which is taken off, behind the election.
 *
 * CORE may stand still behind this look, or this NET: what was granted is true already. */

/* For how long after a RENEW that was here at received_ns was sent its session certainly lives, us;
 * 0: not known. */
static uint32_t beat_lease_us(const struct beat *beat, const struct conn *conn,
                              uint64_t received_ns)
{
    uint64_t lease_ns = (uint64_t)conn->timeout_ms * NS_PER_MS;
    bool vouched = PLANTED(50) ? beat_leads(beat)
                               : received_ns < core_state_vouched_ns(beat->net->parts.state);
    if (!vouched || !net_touch_told(beat->net, conn) || lease_ns <= beat->config.lease_loss_ns)
        return 0;
    uint64_t us = (lease_ns - beat->config.lease_loss_ns) / 1000;
    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void beat_renewed(struct beat *beat, const struct beat_renewal *renewal)
{
    uint8_t *room = beat_room(beat);
    if (!room)
        return;
    struct beat_client *client = renewal->client;
    uint64_t received_ns = renewal->received_ns;
    const struct conn *conn = client->stream.owner;
    uint8_t body[24];
    struct jute_out out = jute_out(body, sizeof(body));
    struct beat_frame told = {.kind = BEAT_RENEWED,
                              .sequence = renewal->sequence,
                              .event = client->event_sent,
                              .time = (uint64_t)beat->net->view.zxid};
    jute_put_long(&out, (int64_t)received_ns);
    jute_put_long(&out, (int64_t)received_ns);
    jute_put_int(&out, (int32_t)beat_lease_us(beat, conn, received_ns));
    jute_put_int(&out, BEAT_MARGIN_US);
    beat_say_whole(beat, client, &told, bytes_of(body, sizeof(body)), room);
}

/* Answers the RENEWs of a burst, in order. */
static void beat_renew_all(struct beat *beat)
{
    if (beat->renewal_count == 0)
        return;
    net_touch_all(beat->net, beat->datagrams->received_ns);
    for (uint32_t i = 0; i < beat->renewal_count; i++)
        if (beat->renewals[i].client->state == BEAT_LIVE)
            beat_renewed(beat, &beat->renewals[i]);
    beat->renewal_count = 0;
}

static void beat_renew(struct beat *beat, struct beat_client *client,
                       const struct beat_frame *frame)
{
    CHECK(beat->renewal_count < DATAGRAM_BURST);
    beat->renewals[beat->renewal_count++] =
        (struct beat_renewal){client, frame->sequence, beat->datagrams->received_ns};
}

/* Of an attached client. */
static void beat_take(struct beat *beat, struct beat_client *client, const struct beat_frame *frame)
{
    struct conn *conn = client->stream.owner;
    conn->received_ns = beat->now.mono_ns;
    conn_touch(beat->net, conn);
    if (frame->acked > client->acked)
        beat_request_acked(beat, client, frame->acked);
    if (frame->event != client->event_acked)
        beat_event_acked(beat, client, frame->event);
    if (frame->kind == BEAT_REQUEST)
        beat_request(beat, client, frame);
    else if (frame->kind == BEAT_RENEW)
        beat_renew(beat, client, frame);
}

/* Whoever listens may answer it. */
static bool beat_is_anybodys(const struct beat_frame *frame)
{
    return frame->to == 0 && (frame->kind == BEAT_OPEN || frame->kind == BEAT_TIME);
}

/* True when the datagram is whole, right, and for this node. */
static bool beat_accepts(struct beat *beat, const struct address *from, const uint8_t *bytes,
                         uint32_t size, struct beat_frame *frame)
{
    const struct peer_keys *keys = &beat->config.keys;
    int err = beat_wire_decode(bytes, size, frame);
    if (err == ERR_VERSION && keys->count == 0 && !(frame->kind & BEAT_ANSWER))
        beat_refuse(beat, from, *frame, BEAT_OTHER_VERSION);
    if (err) {
        net_count(beat->net, METRIC_beat_malformed_total, 1);
        return false;
    }
    if (frame->to != beat->config.endpoint && !beat_is_anybodys(frame)) {
        net_count(beat->net, METRIC_beat_misrouted_total, 1);
        return false;
    }
    const struct peer_key *key = keys->count ? peer_keys_find(keys, frame->key) : NULL;
    if ((keys->count || frame->key) && !(key && beat_wire_right(bytes, size, key))) {
        net_count(beat->net, METRIC_beat_unproven_total, 1);
        return false;
    }
    return !(frame->kind & BEAT_ANSWER);
}

static void beat_received(void *self, const struct address *from, const uint8_t *bytes,
                          uint32_t size)
{
    struct beat *beat = self;
    struct beat_frame frame;
    if (!beat_accepts(beat, from, bytes, size, &frame))
        return;
    if (frame.kind == BEAT_TIME) {
        beat_time(beat, from, frame);
        return;
    }
    if (frame.kind == BEAT_OPEN) {
        beat_client_open(beat, from, frame);
        return;
    }
    struct beat_client *client = beat_client_find(beat, from, frame.from);
    if (!client || client->state != BEAT_LIVE || client->session != frame.session ||
        client->attach != frame.attach) {
        beat_refuse(beat, from, frame, BEAT_NOT_ATTACHED);
        return;
    }
    beat_take(beat, client, &frame);
}

static const struct datagram_events beat_events = {beat_received};

/* ---- the role's turn ---- */

uint32_t beat_poll(struct beat *beat, struct now now)
{
    uint32_t work = 0, got = DATAGRAM_BURST;
    beat->now = now;
    beat->flags = beat_leads(beat) ? BEAT_LEADER : 0;
    for (uint32_t i = 0; i < BEAT_BURSTS && got == DATAGRAM_BURST; i++) {
        got = datagram_poll(beat->datagrams, now);
        net_count(beat->net, METRIC_beat_received_total, got);
        beat_renew_all(beat);
        work += got;
    }
    beat->full_burst = got == DATAGRAM_BURST;
    if (beat->telling)
        work += beat_event_again(beat);
    return work + beat_client_reap(beat);
}

void beat_flush(struct beat *beat)
{
    port_flush(&beat->port);
}

bool beat_idle(struct beat *beat)
{
    return !beat->full_burst && !beat->closing && datagram_idle(beat->datagrams);
}

uint64_t beat_deadline_ns(struct beat *beat, struct now now)
{
    uint64_t at = datagram_deadline_ns(beat->datagrams, now);
    uint64_t events = beat_event_deadline_ns(beat);
    return events < at ? events : at;
}

/* ---- life ---- */

int beat_init(struct beat *beat, const struct beat_config *config, struct net *net,
              struct datagram_port *datagrams)
{
    struct port_setup setup;
    memset(beat, 0, sizeof(*beat));
    beat->datagrams = datagrams;
    if (config->endpoint == 0 || config->timeout_ms_min == 0)
        return ERR_RANGE;
    net_port_setup(net, &setup);
    int err = port_init(&beat->port, &beat_client_ops, &setup);
    if (err)
        return err;
    beat->config = *config;
    beat->net = net;
    if (config->keys.count)
        beat->key = &beat->config.keys.key[config->keys.send_with];
    beat->chains = calloc(BEAT_CHAINS, sizeof(struct beat_client *));
    if (!beat->chains)
        return ERR_NOMEM;
    datagram_start(datagrams, &beat_events, beat);
    return 0;
}

void beat_fini(struct beat *beat)
{
    free(beat->chains); /* what is in the slab goes with the slab */
    if (beat->datagrams)
        datagram_fini(beat->datagrams);
    memset(beat, 0, sizeof(*beat));
}
