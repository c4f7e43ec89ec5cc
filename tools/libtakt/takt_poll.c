/* A turn of the client: what has come, what is due, what goes out; and the blocking forms. */
#include "tools/libtakt/takt_client.h"

#include <time.h>

void takt_flush(struct takt_client *client)
{
    if (client->out_count)
        client->transport.send(client->transport.context, client->out, client->out_count);
    client->counts.sent += client->out_count;
    client->out_count = 0;
}

void takt_send(struct takt_client *client, struct beat_frame *frame)
{
    const struct peer_key *key =
        client->keys.count ? &client->keys.key[client->keys.send_with] : NULL;
    frame->from = client->config.endpoint;
    if (frame->kind != BEAT_OPEN && frame->kind != BEAT_TIME) {
        frame->to = client->peer;
        frame->session = client->session;
        frame->attach = client->attach;
        frame->acked = client->acked;
        frame->event = client->event;
        client->ack_wanted = false;
    }
    struct takt_datagram *to = &client->out[client->out_count];
    to->node = client->node;
    to->bytes = client->out_room[client->out_count];
    to->size = beat_wire_encode(frame, key, to->bytes);
    if (++client->out_count == TAKT_BURST)
        takt_flush(client);
}

static bool frame_right(struct takt_client *client, const struct takt_datagram *datagram,
                        struct beat_frame *frame)
{
    if (datagram->node != client->node ||
        beat_wire_decode(datagram->bytes, datagram->size, frame) ||
        frame->to != client->config.endpoint || !(frame->kind & BEAT_ANSWER))
        return false;
    if (client->keys.count == 0)
        return frame->key == 0;
    const struct peer_key *key = peer_keys_find(&client->keys, frame->key);
    return frame->key && key && beat_wire_right(datagram->bytes, datagram->size, key);
}

static void session_frame(struct takt_client *client, const struct beat_frame *frame)
{
    client->heard_ns = client->now_ns;
    client->leader = frame->flags & BEAT_LEADER;
    client->credits = frame->credits ? frame->credits : client->credits;
    client->renew_tries = 0;
    if (frame->kind == BEAT_RENEWED) {
        uint64_t renew_ns = client->config.renew_us * 1000ull;
        if (renew_ns == 0)
            renew_ns = client->timeout_ms * 250000ull;
        client->renew_due_ns = client->renew_sent_ns + renew_ns;
    }
    if (frame->kind == BEAT_REPLY)
        takt_request_reply(client, frame);
    else if (frame->kind == BEAT_EVENT)
        takt_request_event(client, frame);
    else if (frame->kind == BEAT_RENEWED)
        takt_session_renewed(client, frame);
    if (frame->time > client->zxid)
        client->zxid = frame->time;
}

static void poll_take(struct takt_client *client, const struct takt_datagram *datagram)
{
    struct beat_frame frame;
    if (!frame_right(client, datagram, &frame)) {
        client->counts.dropped++;
        return;
    }
    if (frame.kind == BEAT_OPENED)
        takt_session_opened(client, &frame);
    else if (frame.kind == BEAT_REFUSED)
        takt_session_refused(client, &frame);
    else if (frame.kind == BEAT_TIMED)
        takt_session_timed(client, &frame);
    else if (client->state == TAKT_LIVE && frame.session == client->session &&
             frame.attach == client->attach && frame.from == client->peer)
        session_frame(client, &frame);
    else
        client->counts.dropped++;
}

int takt_poll(struct takt_client *client, uint64_t now_ns)
{
    client->now_ns = now_ns;
    for (uint32_t burst = 0, n = TAKT_BURST; burst < TAKT_RX_BURSTS && n == TAKT_BURST; burst++) {
        for (uint32_t i = 0; i < TAKT_BURST; i++) {
            client->in[i].bytes = client->in_room[i];
            client->in[i].size = TAKT_DATAGRAM_ROOM;
        }
        n = client->transport.receive(client->transport.context, client->in, TAKT_BURST);
        client->counts.received += n;
        for (uint32_t i = 0; i < n; i++)
            poll_take(client, &client->in[i]);
    }
    if (client->state == TAKT_LIVE)
        takt_request_due(client);
    takt_session_due(client);
    if (client->state == TAKT_LIVE && client->ack_wanted) {
        struct beat_frame frame = {.kind = BEAT_ACK};
        takt_send(client, &frame);
    }
    takt_flush(client);
    return client->state;
}

uint64_t takt_next_ns(const struct takt_client *client)
{
    if (client->state > TAKT_LIVE)
        return UINT64_MAX;
    if (client->state == TAKT_OPENING)
        return client->open_due_ns ? client->open_due_ns : 1;
    uint64_t next_ns = client->time_wanted ? 1 : client->renew_due_ns;
    for (uint64_t n = client->acked + 1; n <= client->acked + client->credits; n++) {
        const struct takt_slot *slot = takt_request_slot(client, (int64_t)n + client->ticket_base);
        if (!slot || (slot->deadline_ns && !client->offset_known))
            break;
        if (slot->whole)
            continue;
        uint64_t due_ns = slot->sends ? slot->due_ns : 1;
        if (due_ns < next_ns)
            next_ns = due_ns;
    }
    return next_ns;
}

/* ---- blocking ---- */

uint64_t takt_now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000ull + (uint64_t)at.tv_nsec;
}

/* Polls, then sleeps until something may happen; false when until_ns is past. */
static bool wait_turn(struct takt_client *client, uint64_t until_ns)
{
    const struct takt_transport *transport = &client->transport;
    uint64_t now_ns = transport->now_ns(transport->context);
    takt_poll(client, now_ns);
    if (now_ns >= until_ns)
        return false;
    uint64_t next_ns = takt_next_ns(client);
    if (next_ns > now_ns && client->state <= TAKT_LIVE && client->out_count == 0)
        transport->wait(transport->context, next_ns < until_ns ? next_ns : until_ns);
    return true;
}

static uint64_t wait_until(const struct takt_client *client, uint64_t timeout_ns)
{
    uint64_t now_ns = client->transport.now_ns(client->transport.context);
    return timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns;
}

int takt_wait_live(struct takt_client *client, uint64_t timeout_ns)
{
    uint64_t until_ns = wait_until(client, timeout_ns);
    while (client->state == TAKT_OPENING) {
        if (!wait_turn(client, client->state == TAKT_LIVE ? 1 : until_ns))
            return client->state == TAKT_LIVE ? 0 : TAKT_ERROR_TIMEOUT;
    }
    return client->state == TAKT_LIVE ? 0 : TAKT_ERROR_STATE;
}

int takt_wait_answer(struct takt_client *client, int64_t ticket, uint64_t timeout_ns,
                     struct takt_answer *answer)
{
    if (ticket < 0)
        return (int)ticket;
    uint64_t until_ns = wait_until(client, timeout_ns);
    for (;;) {
        int err = takt_answer(client, ticket, answer);
        if (err != TAKT_ERROR_PENDING)
            return err;
        takt_poll(client, client->transport.now_ns(client->transport.context));
        err = takt_answer(client, ticket, answer);
        if (err != TAKT_ERROR_PENDING)
            return err;
        if (!wait_turn(client, until_ns))
            return takt_answer(client, ticket, answer) ? TAKT_ERROR_TIMEOUT : 0;
    }
}
