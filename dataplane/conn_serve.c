/* Frames of a connection: four-letter words, the handshake, requests. */
#include "dataplane/beat/beat.h"
#include "dataplane/conn.h"
#include "dataplane/net.h"
#include "dataplane/net_quorum.h"
#include "dataplane/request.h"
#include "dataplane/zk/frame.h"
#include "dataplane/zk/handshake.h"

/* The most bytes a frame makes NET ask the port for at once: a sender that announces a large frame
 * pays for its buffer by filling it. */
#define CONN_WANT_STEP 4096u

/* ---- the handshake ---- */

static enum request_step conn_handshake(struct net *net, struct conn *conn, struct bytes payload)
{
    struct handshake_request request;
    if (handshake_parse(&request, payload)) {
        net_count(net, METRIC_net_malformed_total, 1);
        return REQUEST_CLOSE;
    }
    bool served;
    enum request_step step = net_quorum_handshake(net, conn, &request, &served);
    if (step != REQUEST_DONE || served)
        return step;
    bool attach = request.session != 0;
    struct command *command =
        net_command_room(net, attach ? COMMAND_ATTACH : COMMAND_OPEN, sizeof(struct session_open));
    if (!command)
        return REQUEST_RETRY;
    struct session_open *open = (struct session_open *)(command + 1);
    int32_t least_ms = conn->native ? (int32_t)net->beat->config.timeout_ms_min
                                    : net->config.timeout_ms_min;
    open->timeout_ms =
        handshake_timeout(request.timeout_ms, least_ms, net->config.timeout_ms_max);
    open->client = conn->stream->peer;
    if (attach) {
        /* Too long a password is passed on as one of no bytes: neither can match. */
        bool sane = request.password.size > 0 && request.password.size <= ZK_PASSWORD_SIZE;
        open->password_size = sane ? request.password.size : 0;
        if (sane)
            memcpy(open->password, request.password.at, (size_t)request.password.size);
        command->session = request.session;
    }
    command->conn = conn_token(conn);
    net_command_done(net, command);
    conn->has_read_only = request.has_read_only;
    conn->state = CONN_ATTACHING;
    conn->wait = CONN_WAIT_SESSION;
    conn->op_last = ZK_OP_CREATE_SESSION;
    return REQUEST_DONE;
}

/* ---- frames ---- */

static enum request_step conn_packet(struct net *net, struct conn *conn, const struct frame *frame)
{
    conn->received++;
    net_count(net, METRIC_net_packets_received_total, 1);
    net_count(net, METRIC_net_received_bytes_total, frame->size);
    if (conn->state == CONN_NEW)
        return conn_handshake(net, conn, frame->payload);
    return request_serve(net, conn, frame->payload);
}

/* A frame that was not taken was not received either. */
static void conn_packet_undo(struct net *net, struct conn *conn, const struct frame *frame)
{
    conn->received--;
    net_count(net, METRIC_net_packets_received_total, (uint64_t)-1);
    net_count(net, METRIC_net_received_bytes_total, -(uint64_t)frame->size);
}

static void conn_need(struct net *net, struct conn *conn, uint32_t have, uint32_t need)
{
    uint32_t step = have * 2 > CONN_WANT_STEP ? have * 2 : CONN_WANT_STEP;
    if (conn->stream->ended) {
        /* The peer has said all it will, and half a frame is nothing. */
        if (conn->in_flight == 0 && conn->state != CONN_ATTACHING)
            conn_close(net, conn, true);
        return;
    }
    if (stream_rx_want(conn->stream, need < step ? need : step))
        conn_close(net, conn, false);
}

/* Looks at one frame. Returns false when this connection has nothing to do for now. */
static bool conn_serve_one(struct net *net, struct conn *conn)
{
    struct frame frame;
    uint32_t have;
    const uint8_t *at = stream_rx(conn->stream, &have);

    frame_next(&frame, at, have, net->config.frame_size_max, conn->first);
    if (frame.kind == FRAME_NEED) {
        conn_need(net, conn, have, frame.need);
        return false;
    }
    if (frame.kind == FRAME_BAD) {
        net_count(net, METRIC_net_malformed_total, 1);
        conn_close(net, conn, true);
        return false;
    }
    if (stream_tx_size(conn->stream) >= NET_OUTPUT_WAIT) {
        conn->wait = CONN_WAIT_OUTPUT;
        conn->stream->tx_refused = true; /* asks for drained */
        return false;
    }
    if (frame.kind == FRAME_WORD) {
        stream_consume(conn->stream, frame.size);
        conn->first = false;
        fourletter_serve(net, conn, frame.word, frame.word_arg);
        return false;
    }
    enum request_step step = conn_packet(net, conn, &frame);
    if (conn->state == CONN_CLOSING)
        return false;
    if (step == REQUEST_WAIT || step == REQUEST_RETRY) {
        conn_packet_undo(net, conn, &frame);
        if (step == REQUEST_RETRY)
            conn_run(net, conn);
        return false;
    }
    stream_consume(conn->stream, frame.size);
    net_quorum_consumed(conn, frame.size);
    conn->first = false;
    if (step == REQUEST_CLOSE)
        conn_close(net, conn, true);
    return conn->state == CONN_LIVE && !conn->leaving && conn->wait == CONN_WAIT_NONE;
}

uint32_t conn_serve(struct net *net, struct conn *conn, uint32_t frames)
{
    uint32_t handled = 0;
    if (conn->wait != CONN_WAIT_NONE || conn->leaving)
        return 0;
    if (!net_may_serve(net)) {
        conn_run(net, conn);
        return 0;
    }
    if (conn->native && conn->state == CONN_LIVE)
        return beat_serve(net->beat, conn, frames);
    uint64_t cost_end = net->turn_cost + NET_CONN_COST;
    while (handled < frames && net->turn_cost < cost_end && net_may_serve(net)) {
        if (!conn_serve_one(net, conn))
            return handled + 1;
        handled++;
    }
    conn_run(net, conn); /* there may be more: behind the others */
    return handled;
}
