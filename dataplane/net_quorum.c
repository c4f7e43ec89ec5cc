#include "dataplane/net_quorum.h"

#include "base/check.h"
#include "base/core_state.h"
#include "base/plant.h"
#include "base/zk.h"
#include "dataplane/zk/reply.h"

/* ---- connections that wait ------------------------------------------------------------------- */

static struct conn_list *net_quorum_list(struct net *net, const struct conn *conn)
{
    return conn->held == CONN_WAIT_ZXID ? &net->behind : &net->barriers;
}

static void net_quorum_on(struct net *net, struct conn *conn, enum conn_wait wait)
{
    CHECK(conn->held == CONN_WAIT_NONE);
    conn->wait = conn->held = wait;
    struct conn_list *list = net_quorum_list(net, conn);
    conn->held_next = NULL;
    conn->held_prev = list->last;
    *(list->last ? &list->last->held_next : &list->first) = conn;
    list->last = conn;
}

void net_quorum_off(struct net *net, struct conn *conn)
{
    if (conn->held == CONN_WAIT_NONE)
        return;
    struct conn_list *list = net_quorum_list(net, conn);
    *(conn->held_prev ? &conn->held_prev->held_next : &list->first) = conn->held_next;
    *(conn->held_next ? &conn->held_next->held_prev : &list->last) = conn->held_prev;
    conn->held = CONN_WAIT_NONE;
}

static void net_quorum_go_on(struct net *net, struct conn *conn)
{
    net_quorum_off(net, conn);
    conn->wait = CONN_WAIT_NONE;
    conn_run(net, conn);
}

/* ---- too new --------------------------------------------------------------------------------- */

static uint32_t net_quorum_behind(struct net *net)
{
    uint32_t moved = 0;
    struct conn *conn, *next;

    while ((conn = net->behind.first) && conn->held_until_ns <= net->now.mono_ns) {
        net_count(net, METRIC_net_handshake_failed_total, 1);
        conn_close(net, conn, false);
        moved++;
    }
    if (!net->behind.first || net->behind_zxid == net->view.zxid)
        return moved;
    net->behind_zxid = net->view.zxid;
    for (conn = net->behind.first; conn; conn = next) {
        next = conn->held_next;
        if (conn->held_zxid <= net->view.zxid) {
            net_quorum_go_on(net, conn);
            moved++;
        }
    }
    return moved;
}

/* ---- cut off, or read-only ------------------------------------------------------------------- */

/* Who may stay: those that asked for it, and whose writes are all answered. */
static bool net_quorum_may_stay(const struct conn *conn)
{
    return conn->state == CONN_NEW ||
           (conn->state == CONN_LIVE && conn->may_read_only && conn->in_flight == 0);
}

static uint32_t net_quorum_turn(struct net *net)
{
    const struct core_state *state = net->parts.state;
    bool cut_off = core_state_cut_off(state);
    uint32_t closed = 0;

    if (cut_off == net->cut_off)
        return 0;
    net->cut_off = cut_off;
    net->read_only = cut_off && state->read_only_enabled;
    while (net->behind.first)
        net_quorum_go_on(net, net->behind.first); /* their handshakes are looked at again */
    while (net->barriers.first)
        net_quorum_go_on(net, net->barriers.first);
    for (uint32_t i = 0; i < net->conns_used; i++) {
        struct conn *conn = &net->conns[i];
        bool stays = net->read_only ? net_quorum_may_stay(conn) : conn->state == CONN_NEW;
        if (conn->state == CONN_FREE || conn->state == CONN_CLOSING || stays)
            continue;
        conn_close(net, conn, true);
        closed++;
    }
    return closed;
}

/* Ids of such sessions: the top byte is no node's (0), so that nobody else has it; time and a count
 * below, and the NET in the last bits. */
static int64_t net_quorum_session(struct net *net)
{
    int64_t id = (net->now.wall_ms & 0xffffffffff) << 16;
    if (id <= net->local_session)
        id = net->local_session + 16;
    net->local_session = id;
    return id | (net->config.index & 15);
}

static enum request_step net_quorum_local(struct net *net, struct conn *conn,
                                          const struct handshake_request *request, bool *served)
{
    struct handshake_response response = {.has_read_only = request->has_read_only,
                                          .read_only = true};
    uint8_t packet[HANDSHAKE_RESPONSE_SIZE_MAX];

    response.timeout_ms = handshake_timeout(request->timeout_ms, net->config.timeout_ms_min,
                                            net->config.timeout_ms_max);
    response.session = net_quorum_session(net);
    memcpy(response.password, &response.session, sizeof(response.session)); /* opens nothing */
    uint32_t size = handshake_encode(&response, packet);
    uint8_t *room = conn_send_room(net, conn, size);
    if (!room)
        return REQUEST_CLOSE;
    memcpy(room, packet, size);
    conn_sent(net, conn, size);
    conn->has_read_only = conn->may_read_only = conn->local = true;
    conn_attached(net, conn, response.session, 1, response.timeout_ms);
    *served = true;
    return REQUEST_DONE;
}

enum request_step net_quorum_refuse(struct net *net, struct conn *conn,
                                    const struct request *request)
{
    conn_answer(net, conn, request->xid, net->view.zxid, ZK_NOT_READ_ONLY);
    return REQUEST_DONE;
}

/* ---- the handshake --------------------------------------------------------------------------- */

enum request_step net_quorum_handshake(struct net *net, struct conn *conn,
                                       const struct handshake_request *request, bool *served)
{
    bool alone = core_state_alone(net->parts.state);

    *served = false;
    conn->may_read_only = request->read_only;
    if (net->cut_off && !(net->read_only && request->read_only))
        return REQUEST_CLOSE; /* unanswered: it tries another node */
    if (request->zxid_seen > net->view.zxid) {
        /* It has seen a later state, and must not go back in time. */
        if (alone || net->read_only || net->config.catch_up_ms == 0) {
            net_count(net, METRIC_net_handshake_failed_total, 1);
            return REQUEST_CLOSE;
        }
        conn->held_zxid = request->zxid_seen;
        conn->held_until_ns = net->now.mono_ns + net->config.catch_up_ms * NS_PER_MS;
        net_quorum_on(net, conn, CONN_WAIT_ZXID);
        return REQUEST_WAIT;
    }
    if (!net->read_only)
        return REQUEST_DONE;
    if (request->session != 0) /* nobody can say now whether it lives */
        return REQUEST_CLOSE;
    return net_quorum_local(net, conn, request, served);
}

/* ---- linearizable reads ---------------------------------------------------------------------- */

bool net_quorum_read(struct net *net, struct conn *conn, uint32_t frame_size)
{
    if (!net->config.linearizable || net->read_only || core_state_alone(net->parts.state) ||
        frame_size <= conn->read_through || PLANTED(43))
        return true;
    conn->held_number = net->barrier_next;
    conn->held_size = frame_size;
    if (!conn->native) /* what came with it is answered with it */
        stream_rx(conn->stream, &conn->held_size);
    net_quorum_on(net, conn, CONN_WAIT_BARRIER);
    return false;
}

void net_quorum_flush(struct net *net)
{
    const struct conn *last = net->barriers.last;

    if (!last || last->held_number != net->barrier_next || net->barriers_out >= NET_BARRIERS)
        return;
    struct command *command = net_command_room(net, COMMAND_QUERY, 0);
    if (!command)
        return; /* next turn */
    command->op = COMMAND_OP_BARRIER;
    command->conn = COMMAND_CONN_BARRIER;
    command->xid = (int32_t)net->barrier_next++;
    net->barriers_out++;
    net_command_done(net, command);
}

void net_quorum_answered(struct net *net, uint32_t number, int32_t error)
{
    struct conn *conn;

    CHECK(net->barriers_out > 0);
    net->barriers_out--;
    while ((conn = net->barriers.first) && (int32_t)(conn->held_number - number) <= 0) {
        if (error != ZK_OK) { /* it could not be had: the reads cannot be answered */
            conn_close(net, conn, false);
            continue;
        }
        conn->read_through = conn->held_size;
        net_quorum_go_on(net, conn);
    }
}

/* ---- the turn -------------------------------------------------------------------------------- */

uint32_t net_quorum_poll(struct net *net)
{
    return net_quorum_turn(net) + net_quorum_behind(net);
}

uint64_t net_quorum_deadline_ns(const struct net *net)
{
    if (core_state_alone(net->parts.state))
        return UINT64_MAX;
    if (net->behind.first && net->behind.first->held_until_ns < net->now.mono_ns + NET_CATCH_UP_NS)
        return net->behind.first->held_until_ns;
    return net->now.mono_ns + (net->behind.first ? NET_CATCH_UP_NS : NET_QUORUM_NS);
}

bool net_quorum_idle(const struct net *net)
{
    const struct conn *last = net->barriers.last;
    return !last || last->held_number != net->barrier_next || net->barriers_out >= NET_BARRIERS;
}
