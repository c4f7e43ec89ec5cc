/* The session: OPEN, the lease, the node's clock, and the way to another node. */
#include "tools/libtakt/takt_client.h"

#include "base/jute.h"

#include <string.h>

#define TAKT_CONNECT_SIZE 45

uint64_t takt_session_resend_ns(const struct takt_client *client)
{
    uint64_t ns = client->rtt_ns * 4;
    return ns < TAKT_RESEND_NS_MIN   ? TAKT_RESEND_NS_MIN
           : ns > TAKT_RESEND_NS_MAX ? TAKT_RESEND_NS_MAX
                                     : ns;
}

void takt_session_rtt(struct takt_client *client, uint64_t rtt_ns)
{
    client->rtt_ns = client->rtt_ns ? (client->rtt_ns * 7 + rtt_ns) / 8 : rtt_ns + 1;
}

static void session_state(struct takt_client *client, enum takt_state state)
{
    if (client->state == state)
        return;
    client->state = state;
    if (client->config.on_state)
        client->config.on_state(client->config.context, state);
}

/* ---- OPEN ---- */

void takt_session_open(struct takt_client *client, uint64_t delay_ns)
{
    client->opening++;
    client->open_sent = false;
    client->open_due_ns = client->now_ns + delay_ns;
    client->open_resend_ns = takt_session_resend_ns(client);
    client->leader = client->offset_known = false;
    session_state(client, TAKT_OPENING);
}

void takt_session_next(struct takt_client *client, uint64_t delay_ns)
{
    client->node = (client->node + 1) % client->transport.node_count;
    client->rtt_ns = 0;
    takt_session_open(client, delay_ns);
}

/* How long one node may take for an OPEN: it may need a commit, so more than a round trip. */
static uint64_t open_patience_ns(const struct takt_client *client)
{
    uint64_t ns = (uint64_t)client->config.timeout_ms * 1000000 / 8;
    return ns < 20000000 ? 20000000 : ns > 500000000 ? 500000000 : ns;
}

static void open_send(struct takt_client *client)
{
    uint8_t body[TAKT_CONNECT_SIZE];
    struct jute_out out = jute_out(body, sizeof(body));
    jute_put_int(&out, 0);
    jute_put_long(&out, (int64_t)client->zxid);
    jute_put_int(&out, (int32_t)client->config.timeout_ms);
    jute_put_long(&out, client->session);
    jute_put_bytes(&out, bytes_of(client->password, TAKT_PASSWORD_SIZE));
    jute_put_byte(&out, 0);
    struct beat_frame frame = {.kind = BEAT_OPEN,
                               .flags = client->open_sent ? BEAT_AGAIN : 0,
                               .session = client->session,
                               .sequence = client->opening,
                               .acked = client->acked,
                               .bytes = body,
                               .size = sizeof(body),
                               .message_size = sizeof(body)};
    if (!client->open_sent)
        client->open_first_ns = client->now_ns;
    client->open_sent = true;
    takt_send(client, &frame);
}

static uint64_t drifted_ns(const struct takt_client *client, uint64_t ns)
{
    return ns - (ns / 1000000 + 1) * client->config.drift_ppm;
}

void takt_session_opened(struct takt_client *client, const struct beat_frame *frame)
{
    if (client->state != TAKT_OPENING || !client->open_sent || frame->sequence != client->opening)
        return;
    if (frame->code) {
        takt_session_over(client, client->closing ? TAKT_CLOSED : TAKT_EXPIRED);
        return;
    }
    struct jute_in in = jute_in(frame->bytes, frame->size);
    jute_get_int(&in);
    int32_t timeout_ms = jute_get_int(&in);
    int64_t session = jute_get_long(&in);
    struct bytes password = jute_get_bytes(&in);
    if (in.bad || timeout_ms <= 0 || session == 0 || password.size != TAKT_PASSWORD_SIZE ||
        frame->attach == 0 || frame->session != session)
        return;
    memcpy(client->password, password.at, TAKT_PASSWORD_SIZE);
    client->session = session;
    client->timeout_ms = (uint32_t)timeout_ms;
    client->attach = frame->attach;
    client->peer = frame->from;
    client->credits = frame->credits;
    client->leader = frame->flags & BEAT_LEADER;
    client->heard_ns = client->attached_ns = client->now_ns;
    client->chain_end_ns =
        client->open_first_ns + drifted_ns(client, (uint64_t)timeout_ms * 1000000);
    client->renew_due_ns = client->now_ns;
    client->renew_tries = 0;
    client->counts.attaches++;
    takt_request_attached(client);
    session_state(client, TAKT_LIVE);
}

void takt_session_over(struct takt_client *client, enum takt_state state)
{
    client->deadline_ns = 0;
    client->attach = 0;
    client->state = state; /* answers are told before the state is, and nobody submits in between */
    takt_request_fail(client, TAKT_EXPIRED_SESSION);
    if (client->config.on_state)
        client->config.on_state(client->config.context, state);
}

void takt_session_refused(struct takt_client *client, const struct beat_frame *frame)
{
    bool opening =
        client->state == TAKT_OPENING && client->open_sent && frame->sequence == client->opening;
    bool ours = client->state == TAKT_LIVE && frame->session == client->session &&
                frame->attach == client->attach;
    if (!opening && !ours)
        return;
    client->counts.refused++;
    client->counts.refusal = frame->code;
    if (opening)
        takt_session_next(client, takt_session_resend_ns(client));
    else if (frame->code == BEAT_NOT_ATTACHED)
        takt_session_open(client, 0);
    else if (frame->code == BEAT_BUSY)
        takt_session_next(client, 0);
}

/* ---- the lease ----
 *
 * RENEW carries our clock, s; RENEWED echoes it, so s is the sending of just this one. The leader
 * heard it at r >= s and counts `lease` of its own clock from r or later. Where its clock's rate
 * differs from ours by at most d (drift_ppm), that takes at least lease / (1 + d) >= lease * (1 -
 * d) of our time, so the session lives until s + lease * (1 - d), rounded down; never counted from
 * the arrival of the answer, which says nothing about when the node heard us.
 *
 * That holds if the session was not over when the RENEW reached the timer, which is up to `margin`
 * after it reached the node. The answer came at `now`, the RENEW reached the node before; so
 * now + margin <= the end of the lease before it is enough. The chain begins with the attach: the
 * OPEN was carried out after its first sending, so the session has timeout * (1 - d) from there.
 * When the chain is broken (we or the network stood still) a new attach begins another one. */
static void lease_take(struct takt_client *client, uint64_t sent_ns, uint32_t lease_us,
                       uint32_t margin_us)
{
    if (lease_us == 0)
        return;
    /* margin is counted by the node's clock: as long again as the drift, and more */
    uint64_t margin_ns = (uint64_t)margin_us * 1000;
    margin_ns += (margin_ns / 1000000 + 1) * client->config.drift_ppm;
    if (client->now_ns + margin_ns > client->chain_end_ns) {
        if (client->now_ns > client->attached_ns + (uint64_t)client->timeout_ms * 1000000)
            takt_session_open(client, 0);
        return;
    }
    uint64_t end_ns = sent_ns + drifted_ns(client, (uint64_t)lease_us * 1000);
    if (end_ns > client->chain_end_ns)
        client->chain_end_ns = end_ns;
    if (end_ns > client->deadline_ns)
        client->deadline_ns = end_ns;
}

static uint64_t offset_error_ns(const struct takt_client *client)
{
    uint64_t age_ns = client->now_ns - client->offset_at_ns;
    return client->offset_error_ns + (age_ns / 1000000 + 1) * client->config.drift_ppm;
}

/* received and sent are the node's clock; the client's were sent_ns and now. */
static void offset_take(struct takt_client *client, uint64_t sent_ns, uint64_t received,
                        uint64_t sent)
{
    uint64_t trip_ns = client->now_ns - sent_ns;
    if (sent < received || sent - received > trip_ns)
        return;
    takt_session_rtt(client, trip_ns);
    uint64_t error_ns = (trip_ns - (sent - received)) / 2 + 1;
    if (client->offset_known && offset_error_ns(client) < error_ns)
        return;
    uint64_t theirs = received + (sent - received) / 2, ours = sent_ns + trip_ns / 2;
    client->offset_ns = (int64_t)(theirs - ours);
    client->offset_error_ns = error_ns;
    client->offset_at_ns = client->now_ns;
    client->offset_known = true;
}

/* Once round the nodes at once; then, as the list may lack the leader and each attach is an entry
 * of the log, one more a timeout. */
static bool follow_due(const struct takt_client *client)
{
    uint32_t others = client->transport.node_count - 1;
    uint64_t patience_ns = (uint64_t)client->timeout_ms * 1000000;
    return client->state == TAKT_LIVE && client->config.follow_leader && others != 0 &&
           (client->follow_moves < others || client->now_ns - client->attached_ns >= patience_ns);
}

void takt_session_renewed(struct takt_client *client, const struct beat_frame *frame)
{
    struct jute_in in = jute_in(frame->bytes, frame->size);
    uint64_t received = (uint64_t)jute_get_long(&in), sent = (uint64_t)jute_get_long(&in);
    uint32_t lease_us = (uint32_t)jute_get_int(&in), margin_us = (uint32_t)jute_get_int(&in);
    if (in.bad || frame->sequence > client->now_ns || frame->sequence < client->attached_ns)
        return;
    offset_take(client, frame->sequence, received, sent);
    lease_take(client, frame->sequence, lease_us, margin_us);
    if (client->leader)
        client->follow_moves = 0;
    else if (follow_due(client)) {
        client->follow_moves++;
        takt_session_next(client, 0);
    }
}

void takt_session_timed(struct takt_client *client, const struct beat_frame *frame)
{
    struct jute_in in = jute_in(frame->bytes, frame->size);
    uint64_t received = (uint64_t)jute_get_long(&in), sent = (uint64_t)jute_get_long(&in);
    if (in.bad || frame->sequence != client->time_asked_ns || client->state != TAKT_LIVE ||
        frame->from != client->peer)
        return;
    client->time_asked_ns = 0;
    offset_take(client, frame->sequence, received, sent);
}

/* ---- what is due ---- */

static void renew_send(struct takt_client *client)
{
    struct beat_frame frame = {.kind = BEAT_RENEW, .sequence = client->now_ns};
    client->renew_resend_ns =
        client->renew_tries++ ? client->renew_resend_ns * 2 : takt_session_resend_ns(client);
    if (client->renew_resend_ns > TAKT_RESEND_NS_MAX)
        client->renew_resend_ns = TAKT_RESEND_NS_MAX;
    client->renew_sent_ns = client->now_ns;
    client->renew_due_ns = client->now_ns + client->renew_resend_ns;
    takt_send(client, &frame);
}

void takt_session_due(struct takt_client *client)
{
    if (client->state == TAKT_OPENING && client->now_ns >= client->open_due_ns) {
        if (client->open_sent && client->now_ns - client->open_first_ns >= open_patience_ns(client))
            takt_session_next(client, 0);
        open_send(client);
        client->open_due_ns = client->now_ns + client->open_resend_ns;
        if (client->open_resend_ns < TAKT_RESEND_NS_MAX / 2)
            client->open_resend_ns *= 2;
    }
    if (client->state != TAKT_LIVE)
        return;
    if (client->now_ns >= client->renew_due_ns) {
        if (client->renew_tries >= TAKT_TRIES) {
            takt_session_next(client, 0);
            takt_session_due(client);
            return;
        }
        renew_send(client);
    }
    if (client->time_wanted) {
        struct beat_frame frame = {.kind = BEAT_TIME, .sequence = client->now_ns};
        client->time_wanted = false;
        client->time_asked_ns = client->now_ns;
        takt_send(client, &frame);
    }
}

int takt_time_offset(const struct takt_client *client, int64_t *offset_ns, uint64_t *error_ns)
{
    if (!client->offset_known)
        return TAKT_ERROR_PENDING;
    *offset_ns = client->offset_ns;
    *error_ns = offset_error_ns(client);
    return 0;
}

uint64_t takt_session_deadline(const struct takt_client *client)
{
    return client->deadline_ns;
}

void takt_time_ask(struct takt_client *client)
{
    client->time_wanted = true;
}
