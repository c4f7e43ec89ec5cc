/* Clients of beat: the table, OPEN, what NET writes to them, and their end. */
#include "dataplane/beat/beat.h"

#include "base/check.h"
#include "dataplane/zk/handshake.h"
#include "dataplane/zk/reply.h"

#include <string.h>

#define BEAT_CONNECT_SIZE   45u /* of a ConnectRequest with a password of 16 bytes */
#define BEAT_CONNECTED_SIZE 37u

/* ---- the table ---- */

static struct beat_client **client_chain(struct beat *beat, const struct address *address,
                                         uint32_t endpoint)
{
    uint64_t high, low;
    memcpy(&high, address->ip, 8);
    memcpy(&low, address->ip + 8, 8);
    uint64_t mixed = (high ^ low) * 0x9E3779B97F4A7C15ull;
    mixed = (mixed ^ ((uint64_t)endpoint << 16 | address->port)) * 0x9E3779B97F4A7C15ull;
    return &beat->chains[mixed >> 40 & (BEAT_CHAINS - 1)];
}

struct beat_client *beat_client_find(struct beat *beat, const struct address *address,
                                     uint32_t endpoint)
{
    struct beat_client *client = *client_chain(beat, address, endpoint);
    while (client && (client->endpoint != endpoint || client->address.port != address->port ||
                      memcmp(client->address.ip, address->ip, sizeof(address->ip)) != 0))
        client = client->chain;
    return client;
}

static void client_off(struct beat *beat, struct beat_client *client)
{
    struct beat_client **at = client_chain(beat, &client->address, client->endpoint);
    while (*at != client) {
        CHECK(*at);
        at = &(*at)->chain;
    }
    *at = client->chain;
}

/* ---- OPEN ---- */

static void client_opened(struct beat *beat, struct beat_client *client, int32_t code)
{
    const struct conn *conn = client->stream.owner;
    uint8_t body[BEAT_CONNECTED_SIZE];
    struct jute_out out = jute_out(body, sizeof(body));
    struct beat_frame told = {.kind = BEAT_OPENED,
                              .session = code ? 0 : client->session,
                              .sequence = client->opening,
                              .attach = client->attach,
                              .time = (uint64_t)beat->net->view.zxid,
                              .code = code};
    jute_put_int(&out, 0);
    jute_put_int(&out, conn->timeout_ms);
    jute_put_long(&out, client->session);
    jute_put_bytes(&out, bytes_of(client->password, sizeof(client->password)));
    jute_put_byte(&out, 0);
    CHECK(!out.bad);
    beat_say(beat, &client->address, client, &told, bytes_of(body, code ? 0 : sizeof(body)));
}

/* What NET answered: a ConnectResponse. */
static void client_connected(struct beat *beat, struct beat_client *client, struct jute_in in)
{
    const struct conn *conn = client->stream.owner;
    jute_get_int(&in);
    int32_t timeout_ms = jute_get_int(&in);
    int64_t session = jute_get_long(&in);
    struct bytes password = jute_get_bytes(&in);
    CHECK(!in.bad && password.size == ZK_PASSWORD_SIZE);
    if (timeout_ms <= 0) {
        client->quiet = true;
        client_opened(beat, client, ZK_SESSION_EXPIRED);
        return;
    }
    if (conn->session == 0)
        return; /* the session has ended, or gone on, since it was answered: this OPEN is refused */
    CHECK(conn->attach != 0 && conn->session == session);
    client->session = session;
    client->attach = conn->attach;
    client->state = BEAT_LIVE;
    memcpy(client->password, password.at, sizeof(client->password));
    beat_attached(beat, client);
    client_opened(beat, client, ZK_OK);
}

/* A client that NET has a connection for, or NULL: no room. */
static struct beat_client *client_make(struct beat *beat, const struct address *from,
                                       uint32_t endpoint)
{
    struct net *net = beat->net;
    struct beat_client *client = slab_alloc(&net->slab, sizeof(*client));
    if (!client)
        return NULL;
    memset(client, 0, sizeof(*client));
    stream_init(&client->stream, &beat->port);
    client->stream.peer = client->address = *from;
    client->stream.local = beat->datagrams->local;
    client->endpoint = endpoint;
    if (!beat->port.setup.events->opened(net, &client->stream)) {
        slab_free(&net->slab, client, sizeof(*client));
        return NULL;
    }
    struct conn *conn = client->stream.owner;
    conn->native = true;
    conn->answer_max = BEAT_WIRE_MESSAGE_MAX + REPLY_HEADER_SIZE;
    struct beat_client **chain = client_chain(beat, from, endpoint);
    client->chain = *chain;
    *chain = client;
    return client;
}

/* NET takes the ConnectRequest as it would from a stream: it may have to wait with it. */
static void client_connect(struct beat *beat, struct beat_client *client, struct bytes message)
{
    uint8_t packet[4 + BEAT_CONNECT_SIZE];
    struct jute_out out = jute_out(packet, sizeof(packet));
    struct stream *stream = &client->stream;
    jute_put_bytes(&out, message);
    CHECK(!out.bad);
    if (stream_rx_append(stream, packet, sizeof(packet))) {
        conn_close(beat->net, stream->owner, false);
        return;
    }
    beat->port.setup.events->received(beat->net, stream);
    if (client->state != BEAT_CLOSING && stream_rx_settle(stream))
        conn_close(beat->net, stream->owner, false);
}

void beat_client_open(struct beat *beat, const struct address *from, struct beat_frame frame)
{
    struct beat_client *client = beat_client_find(beat, from, frame.from);
    struct handshake_request request;
    struct bytes message = bytes_of(frame.bytes, frame.size);
    if (client && frame.sequence <= client->opening) {
        if (frame.sequence == client->opening && client->state == BEAT_LIVE)
            client_opened(beat, client, ZK_OK);
        return;
    }
    if (message.size != BEAT_CONNECT_SIZE || handshake_parse(&request, message) ||
        request.session != frame.session || request.password.size != ZK_PASSWORD_SIZE ||
        request.read_only || frame.acked > INT64_MAX || /* numbers begin anew never */
        (request.session == 0 && frame.acked != 0)) {
        beat_refuse(beat, from, frame, BEAT_UNFIT);
        return;
    }
    if (client) { /* it begins anew, and has forgotten what was before */
        client->quiet = true;
        conn_close(beat->net, client->stream.owner, false);
    }
    client = client_make(beat, from, frame.from);
    if (!client) {
        beat_refuse(beat, from, frame, BEAT_BUSY);
        return;
    }
    client->opening = frame.sequence;
    client->session = frame.session;
    client->taken = client->acked = frame.acked;
    client_connect(beat, client, message);
}

/* ---- what NET writes ---- */

static void client_frame(struct beat *beat, struct beat_client *client, const uint8_t *at,
                         uint32_t size)
{
    struct jute_in in = jute_in(at, size);
    if (client->state == BEAT_OPENING) {
        client_connected(beat, client, in);
        return;
    }
    int32_t xid = jute_get_int(&in);
    int64_t zxid = jute_get_long(&in);
    int32_t error = jute_get_int(&in);
    if (xid != ZK_XID_NOTIFICATION) {
        beat_request_answer(beat, client, xid, zxid, error,
                            bytes_of(in.at, (size_t)(in.end - in.at)));
        return;
    }
    int32_t event = jute_get_int(&in);
    jute_get_int(&in);
    struct bytes path = jute_get_bytes(&in);
    CHECK(!in.bad);
    if (!beat_event_add(beat, client, zxid, event, path)) {
        net_count(beat->net, METRIC_net_output_limit_total, 1);
        conn_close(beat->net, client->stream.owner, false);
    }
}

void beat_client_output(struct beat *beat, struct beat_client *client)
{
    struct stream *stream = &client->stream;
    uint32_t size;
    const uint8_t *at;
    while (client->state != BEAT_CLOSING && (at = stream_tx(stream, &size))) {
        struct jute_in in = jute_in(at, size);
        uint32_t frame_size = (uint32_t)jute_get_int(&in);
        CHECK(!in.bad && frame_size <= size - 4); /* NET commits whole frames */
        client_frame(beat, client, at + 4, frame_size);
        if (client->state != BEAT_CLOSING && stream_tx_sent(stream, frame_size + 4))
            beat->port.setup.events->drained(beat->net, stream);
    }
}

/* ---- the end ---- */

void beat_client_end(struct beat *beat, struct beat_client *client)
{
    if (client->state == BEAT_CLOSING)
        return;
    if (!client->quiet) {
        bool live = client->state == BEAT_LIVE;
        struct beat_frame open = {.from = client->endpoint,
                                  .session = client->session,
                                  .attach = client->attach,
                                  .sequence = live ? 0 : client->opening};
        beat_refuse(beat, &client->address, open, live ? BEAT_NOT_ATTACHED : BEAT_BUSY);
    }
    client_off(beat, client);
    beat_event_drop(beat, client);
    beat_request_drop(beat, client);
    port_forget(&beat->port, &client->stream);
    stream_release(&client->stream);
    client->state = BEAT_CLOSING;
    client->next = beat->closing;
    beat->closing = client;
}

uint32_t beat_client_reap(struct beat *beat)
{
    uint32_t reaped = 0;
    struct beat_client *client;
    while ((client = beat->closing)) {
        beat->closing = client->next;
        beat->port.setup.events->closed(beat->net, &client->stream);
        slab_free(&beat->net->slab, client, sizeof(*client));
        reaped++;
    }
    return reaped;
}

/* ---- the port that NET sees ---- */

static void stream_flush_of(struct port *port, struct stream *stream)
{
    struct beat *beat = (struct beat *)port;
    if (stream->failed)
        conn_close(beat->net, stream->owner, false);
    else
        beat_client_output(beat, (struct beat_client *)stream);
}

static void stream_flushed(struct port *port)
{
    datagram_flush(((struct beat *)port)->datagrams);
}

static void stream_close_of(struct port *port, struct stream *stream, bool flush_first)
{
    struct beat *beat = (struct beat *)port;
    struct beat_client *client = (struct beat_client *)stream;
    const struct conn *conn = stream->owner;
    if (client->state == BEAT_CLOSING)
        return;
    client->quiet |= conn->leaving; /* its close is answered */
    if (flush_first)
        beat_client_output(beat, client);
    beat_client_end(beat, client);
}

static void stream_resume_of(struct port *port, struct stream *stream)
{
    struct beat *beat = (struct beat *)port;
    if (((struct beat_client *)stream)->state != BEAT_CLOSING && stream_rx_settle(stream))
        conn_close(beat->net, stream->owner, false);
}

/* NET polls, and waits, by way of struct beat itself. */
const struct port_ops beat_client_ops = {
    .flush = stream_flush_of,
    .flushed = stream_flushed,
    .close = stream_close_of,
    .resume = stream_resume_of,
};
