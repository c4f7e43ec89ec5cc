/* What APPLY tells: changes to watchers, replies to connections, the lives of sessions. */
#include "base/check.h"
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/net_quorum.h"
#include "dataplane/zk/handshake.h"
#include "dataplane/zk/reply.h"
#include "store/role_apply.h"

/* ---- changes ---- */

/* Encodes the event once; every connection that is told gets a copy of the bytes. */
static void net_apply_encode(struct net *net, int64_t zxid, int32_t event, struct bytes path)
{
    CHECK(REPLY_EVENT_SIZE + (uint32_t)path.size <= net->event_room);
    struct jute_out out = jute_out(net->event, net->event_room);
    reply_event(&out, zxid, event, path);
    net->event_size = (uint32_t)(out.at - net->event);
    net->event_type = event;
}

static void net_apply_tell(struct net *net, struct conn *conn, struct bytes acl)
{
    if (acl.size > 0 && !acl_skips(net->parts.acls) &&
        !acl_packed_allows(acl, ZK_PERM_READ, conn_identities(conn))) {
        net_count(net, METRIC_net_events_filtered_total, 1);
        return;
    }
    uint8_t *room = conn_send_room(net, conn, net->event_size);
    if (!room)
        return;
    memcpy(room, net->event, net->event_size);
    conn_sent(net, conn, net->event_size);
    net_count(net, METRIC_net_events_total, 1);
}

static struct conn *net_apply_conn(struct watch_owner *owner)
{
    return (struct conn *)((uint8_t *)owner - offsetof(struct conn, watches));
}

/* Tells up to `budget` owners of a change. Returns true when all have been told; else the job stays
 * open and goes on next turn with the same record. */
static bool net_apply_change(struct net *net, const struct apply_change *change, uint32_t *budget)
{
    const uint8_t *at = (const uint8_t *)(change + 1);
    struct bytes path = bytes_of(at, change->path_size);
    struct bytes acl = bytes_of(at + change->path_size, change->acl_size);
    struct bytes parent_acl = bytes_of(acl.at + change->acl_size, change->parent_acl_size);
    struct watch_owner *owner;
    int32_t event;
    struct bytes about;

    if (net->watches.count == 0 && !net->watches.job.open)
        return true;
    if (!net->watches.job.open) {
        watch_fire(&net->watches, (int32_t)change->event, path);
        net->event_type = 0;
    }
    while (*budget > 0) {
        owner = watch_fire_next(&net->watches, &event, &about);
        if (!owner)
            return true;
        if (net->event_type != event)
            net_apply_encode(net, change->head.zxid, event, about);
        net_apply_tell(net, net_apply_conn(owner),
                       event == ZK_EVENT_CHILDREN_CHANGED ? parent_acl : acl);
        --*budget;
    }
    return false;
}

/* ---- replies ---- */

/* An answer to OPEN or ATTACH: the connection is live, or the session is not to be had. */
static void net_apply_attached(struct net *net, struct conn *conn, const struct apply_reply *reply)
{
    struct handshake_response response = {.has_read_only = conn->has_read_only};
    uint8_t packet[HANDSHAKE_RESPONSE_SIZE_MAX];
    bool expired = reply->error == ZK_SESSION_EXPIRED;

    if (conn->state != CONN_ATTACHING)
        return;
    if (reply->error != ZK_OK && !expired) { /* not now: no answer, the client tries again */
        net_count(net, METRIC_net_handshake_failed_total, 1);
        conn_close(net, conn, false);
        return;
    }
    if (!expired) {
        response.timeout_ms = reply->timeout_ms;
        response.session = reply->session;
        memcpy(response.password, reply->password, ZK_PASSWORD_SIZE);
    }
    uint32_t size = handshake_encode(&response, packet);
    uint8_t *room = conn_send_room(net, conn, size);
    if (!room)
        return;
    memcpy(room, packet, size);
    conn_sent(net, conn, size);
    if (expired) {
        net_count(net, METRIC_net_handshake_failed_total, 1);
        conn_close(net, conn, true);
        return;
    }
    conn_attached(net, conn, reply->session, reply->attach, reply->timeout_ms);
    if (conn->native)
        net_touch_within(net, reply->timeout_ms);
    conn_touch(net, conn);
    conn->wait = CONN_WAIT_NONE;
    conn_run(net, conn); /* what it sent behind its ConnectRequest */
}

/* Takes the answer off the count of those in flight, and lets the connection go on. */
static void net_apply_landed(struct net *net, struct conn *conn)
{
    if (conn->in_flight > 0) {
        conn->in_flight--;
        net->outstanding--;
    }
    if (conn->sample_ns && --conn->sample_ahead == 0) {
        conn_latency(net, conn, net->now.mono_ns - conn->sample_ns);
        conn->sample_ns = 0;
    }
    if (UNLIKELY(conn->trace) && --conn->trace_ahead == 0) {
        net_answered(net, conn->trace);
        conn->trace = 0;
    }
    if (conn->wait == CONN_WAIT_REPLIES && conn->in_flight <= conn->wait_in_flight) {
        conn->wait = CONN_WAIT_NONE;
        conn_run(net, conn);
    } else if (conn->in_flight == 0 && conn->stream->ended) {
        conn_run(net, conn);
    }
}

static void net_apply_reply(struct net *net, const struct apply_reply *reply)
{
    if (reply->conn == COMMAND_CONN_BARRIER) {
        net_quorum_answered(net, (uint32_t)reply->xid, reply->error);
        return;
    }
    struct conn *conn = conn_find(net, reply->conn);
    uint32_t body_size = reply->error == ZK_OK ? reply->head.size : 0;
    if (!conn || conn->state == CONN_CLOSING)
        return;
    if (reply->command_kind == COMMAND_OPEN || reply->command_kind == COMMAND_ATTACH) {
        net_apply_attached(net, conn, reply);
        return;
    }
    if (reply->op == COMMAND_OP_DUMP) {
        fourletter_dump(net, conn, (const char *)(reply + 1), reply->head.size);
        return;
    }
    net_apply_landed(net, conn);
    if (reply->error == ZK_SESSION_MOVED) { /* never said: the client goes where its session is */
        conn_close(net, conn, false);
        return;
    }
    if (REPLY_HEADER_SIZE + body_size > conn->answer_max) { /* of getEphemerals */
        net_count(net, METRIC_net_unanswerable_total, 1);
        conn_answer(net, conn, reply->xid, reply->zxid, ZK_SYSTEM_ERROR);
        return;
    }
    uint8_t *room = conn_send_room(net, conn, REPLY_HEADER_SIZE + body_size);
    if (!room)
        return;
    struct jute_out out = jute_out(room, REPLY_HEADER_SIZE + body_size);
    bool auth = reply->command_kind == COMMAND_AUTH;
    reply_header(&out, reply->xid, auth ? 0 : reply->zxid, reply->error, body_size);
    jute_put_raw(&out, reply + 1, body_size);
    conn_sent(net, conn, REPLY_HEADER_SIZE + body_size);
    conn->zxid_last = reply->head.zxid;
    conn->response_ms = net->now.wall_ms;
    if (reply->op == ZK_OP_CLOSE_SESSION || (auth && reply->error != ZK_OK))
        conn_close(net, conn, true);
}

/* ---- sessions ---- */

static void net_apply_session(struct net *net, const struct apply_session *record)
{
    struct conn *conn;
    if (record->state == SESSION_ATTACHED) {
        /* It was attached again, here or elsewhere: connections of older attaches end, unanswered.
         */
        while ((conn = conn_of_session_older(net, record->session, record->attach)))
            conn_close(net, conn, false);
        return;
    }
    /* The one that asked for the close has had its reply by now. */
    while ((conn = conn_of_session(net, record->session)))
        conn_close(net, conn, true);
}

/* ---- the link ---- */

static bool net_apply_record(struct net *net, const struct apply_net *record, uint32_t size,
                             uint32_t *budget)
{
    switch (record->kind) {
    case APPLY_NET_REPLY:
        CHECK(size >= sizeof(struct apply_reply) + record->size);
        net_apply_reply(net, (const struct apply_reply *)record);
        return true;
    case APPLY_NET_CHANGE:
        CHECK(size >= sizeof(struct apply_change) + record->size);
        return net_apply_change(net, (const struct apply_change *)record, budget);
    case APPLY_NET_SESSION:
        CHECK(size >= sizeof(struct apply_session));
        net_apply_session(net, (const struct apply_session *)record);
        return true;
    default: CHECK(!"a record of an unknown kind on apply_net"); return true;
    }
}

/* Handles records of a block from where the last turn stopped. True: the block is done, and given
 * back. */
static bool net_apply_bulk(struct net *net, const struct apply_bulk *bulk, uint32_t *records,
                           uint32_t *events)
{
    const uint8_t *base = (const uint8_t *)(bulk->block + 1);
    while (net->bulk_at < bulk->block->size) {
        const struct apply_net *record = (const struct apply_net *)(base + net->bulk_at);
        uint64_t span = apply_net_span(record);
        CHECK(record->kind != APPLY_NET_BULK && span <= bulk->block->size - net->bulk_at);
        if (*records == 0 || !net_apply_record(net, record, (uint32_t)span, events))
            return false;
        net->bulk_at += span;
        --*records;
    }
    net->bulk_at = 0;
    apply_bulk_done(bulk->block);
    return true;
}

uint32_t net_apply_poll(struct net *net)
{
    uint32_t events = NET_TURN_EVENTS, records = NET_TURN_RECORDS, size;
    const struct apply_net *record;
    bool done = true;

    net->caught_up = false;
    while ((record = link_peek(net->parts.apply_net, &size))) {
        if (record->zxid > net->view.zxid)
            break;
        if (record->kind == APPLY_NET_BULK)
            done = net_apply_bulk(net, (const struct apply_bulk *)record, &records, &events);
        else
            done = records > 0 && net_apply_record(net, record, size, &events);
        if (!done)
            break;
        link_pop(net->parts.apply_net);
        records -= records > 0;
    }
    net->caught_up = done;
    link_release(net->parts.apply_net);
    return NET_TURN_RECORDS - records + NET_TURN_EVENTS - events;
}

/* A change may have two events for each watch; one that could be cut into turns is for the ring. */
static bool net_takes(const struct net *net, const struct apply_net *record)
{
    switch (record->kind) {
    case APPLY_NET_BULK: return false;
    case APPLY_NET_CHANGE: return 2 * net->watches.count < net->events_left;
    default: return true;
    }
}

/* APPLY's turn, between two of ours: see net.h for why that keeps the order of watch and data. */
bool net_take(void *self, const void *record, uint32_t size)
{
    struct net *net = self;
    const struct apply_net *head = record;

    CHECK(!net->polling && !net->watches.job.open);
    if (net->records_left == 0 || !net_takes(net, head))
        return false;
    net->records_left--;
    CHECK(net_apply_record(net, head, size, &net->events_left));
    return true;
}

void net_apply_forget(struct net *net)
{
    const struct apply_net *record;
    uint32_t size;
    while ((record = link_peek(net->parts.apply_net, &size))) {
        if (record->kind == APPLY_NET_BULK)
            apply_bulk_done(((const struct apply_bulk *)record)->block);
        link_pop(net->parts.apply_net);
    }
    link_release(net->parts.apply_net);
}
