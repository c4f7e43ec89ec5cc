/* Connections as objects: slots, lists, look-up by token, session and address. */
#include "dataplane/conn.h"

#include "base/check.h"
#include "dataplane/net.h"
#include "dataplane/net_quorum.h"
#include "dataplane/zk/reply.h"

static uint32_t conn_hash(const void *at, size_t size)
{
    const uint8_t *byte = at;
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3ull;
    return (uint32_t)(hash ^ hash >> 32);
}

static struct conn **conn_session_chain(struct net *net, int64_t session)
{
    return &net->sessions[conn_hash(&session, sizeof(session)) & net->session_mask];
}

uint64_t conn_token(const struct conn *conn)
{
    return (uint64_t)conn->generation << 32 | (conn->slot + 1);
}

struct conn *conn_find(struct net *net, uint64_t token)
{
    uint32_t slot = (uint32_t)token - 1;
    if (slot >= net->conns_used)
        return NULL;
    struct conn *conn = &net->conns[slot];
    return conn->state != CONN_FREE && conn->generation == token >> 32 ? conn : NULL;
}

/* ---- lists ---- */

void conn_run(struct net *net, struct conn *conn)
{
    if (conn->runnable || conn->state == CONN_CLOSING || conn->state == CONN_FREE)
        return;
    conn->runnable = true;
    conn->run_next = NULL;
    conn->run_prev = net->runnable.last;
    *(net->runnable.last ? &net->runnable.last->run_next : &net->runnable.first) = conn;
    net->runnable.last = conn;
}

void conn_run_off(struct net *net, struct conn *conn)
{
    if (!conn->runnable)
        return;
    conn->runnable = false;
    *(conn->run_prev ? &conn->run_prev->run_next : &net->runnable.first) = conn->run_next;
    *(conn->run_next ? &conn->run_next->run_prev : &net->runnable.last) = conn->run_prev;
}

static void conn_fresh_on(struct net *net, struct conn *conn)
{
    conn->fresh = true;
    conn->fresh_next = NULL;
    conn->fresh_prev = net->fresh.last;
    *(net->fresh.last ? &net->fresh.last->fresh_next : &net->fresh.first) = conn;
    net->fresh.last = conn;
}

static void conn_fresh_off(struct net *net, struct conn *conn)
{
    if (!conn->fresh)
        return;
    conn->fresh = false;
    *(conn->fresh_prev ? &conn->fresh_prev->fresh_next : &net->fresh.first) = conn->fresh_next;
    *(conn->fresh_next ? &conn->fresh_next->fresh_prev : &net->fresh.last) = conn->fresh_prev;
}

/* ---- open ---- */

/* How many connections a client address has. */
struct conn_address {
    struct conn_address *next; /* of the chain */
    uint32_t count;
    uint8_t ip[16];
};

static struct conn_address **conn_address_at(struct net *net, const uint8_t *ip)
{
    struct conn_address **at = &net->addresses[conn_hash(ip, 16) % NET_ADDRESS_CHAINS];
    while (*at && memcmp((*at)->ip, ip, 16) != 0)
        at = &(*at)->next;
    return at;
}

/* Counts one more connection of an address. False: it has as many as it may, or no memory. */
static bool conn_address_take(struct net *net, const uint8_t *ip)
{
    struct conn_address **at = conn_address_at(net, ip);
    if (!*at) {
        struct conn_address *fresh = slab_alloc(&net->slab, sizeof(*fresh));
        if (!fresh)
            return false;
        *fresh = (struct conn_address){0};
        memcpy(fresh->ip, ip, sizeof(fresh->ip));
        *at = fresh;
    }
    if (net->config.conns_per_address && (*at)->count >= net->config.conns_per_address)
        return false;
    (*at)->count++;
    return true;
}

static void conn_address_give(struct net *net, const uint8_t *ip)
{
    struct conn_address **at = conn_address_at(net, ip), *entry = *at;
    CHECK(entry && entry->count > 0);
    if (--entry->count > 0)
        return;
    *at = entry->next;
    slab_free(&net->slab, entry, sizeof(*entry));
}

static struct conn *conn_slot_take(struct net *net)
{
    struct conn *conn = net->free_first;
    if (conn) {
        net->free_first = conn->run_next;
    } else {
        if (net->conns_used == net->config.conns_max)
            return NULL;
        conn = &net->conns[net->conns_used];
        conn->slot = net->conns_used++;
        conn->generation = 1;
    }
    uint32_t slot = conn->slot, generation = conn->generation;
    memset(conn, 0, sizeof(*conn));
    conn->slot = slot;
    conn->generation = generation;
    return conn;
}

static void conn_slot_give(struct net *net, struct conn *conn)
{
    conn->state = CONN_FREE;
    conn->generation++;
    conn->stream = NULL;
    conn->run_next = net->free_first;
    net->free_first = conn;
}

static int conn_identities_start(struct net *net, struct conn *conn)
{
    uint8_t packed[LIMIT_IDENTITIES_SIZE];
    conn->identities_size = acl_identities_set(packed, &conn->stream->peer);
    conn->identities_room = (uint32_t)slab_size_usable((uint64_t)conn->identities_size);
    conn->identities = slab_alloc(&net->slab, conn->identities_room);
    if (!conn->identities)
        return ERR_NOMEM;
    memcpy(conn->identities, packed, (size_t)conn->identities_size);
    return 0;
}

/* A slot and the count of the address, or NULL. */
static struct conn *conn_admit(struct net *net, const uint8_t *ip)
{
    if (!conn_address_take(net, ip))
        return NULL;
    struct conn *conn = conn_slot_take(net);
    if (!conn)
        conn_address_give(net, ip);
    return conn;
}

struct conn *conn_open(struct net *net, struct stream *stream)
{
    struct conn *conn = conn_admit(net, stream->peer.ip);
    if (!conn) {
        net_count(net, METRIC_net_rejected_total, 1);
        return NULL;
    }
    conn->stream = stream;
    if (conn_identities_start(net, conn)) {
        net_count(net, METRIC_net_no_memory_total, 1);
        conn_slot_give(net, conn);
        conn_address_give(net, stream->peer.ip);
        return NULL;
    }
    conn->state = CONN_NEW;
    conn->answer_max = net->config.reply_size_max;
    conn->first = true;
    conn->watches.id = conn->slot;
    conn->opened_ns = net->now.mono_ns;
    conn->opened_ms = net->now.wall_ms;
    conn->zxid_last = -1;
    conn_fresh_on(net, conn);
    net->conn_count++;
    net_count(net, METRIC_net_connections, 1);
    net_count(net, METRIC_net_connections_total, 1);
    return conn;
}

int conn_identities_grow(struct net *net, struct conn *conn, uint32_t size)
{
    if (size <= conn->identities_room)
        return 0;
    uint32_t room = (uint32_t)slab_size_usable(size);
    uint8_t *larger = slab_alloc(&net->slab, room);
    if (!larger)
        return ERR_NOMEM;
    memcpy(larger, conn->identities, (size_t)conn->identities_size);
    slab_free(&net->slab, conn->identities, conn->identities_room);
    conn->identities = larger;
    conn->identities_room = room;
    return 0;
}

/* ---- sessions ---- */

static void conn_session_off(struct net *net, struct conn *conn)
{
    if (conn->session == 0)
        return;
    struct conn **at = conn_session_chain(net, conn->session);
    while (*at != conn) {
        CHECK(*at);
        at = &(*at)->session_next;
    }
    *at = conn->session_next;
    conn->session = 0;
    net_count(net, METRIC_net_sessions, (uint64_t)-1);
}

struct conn *conn_of_session(struct net *net, int64_t session)
{
    struct conn *c = *conn_session_chain(net, session);
    while (c && c->session != session)
        c = c->session_next;
    return c;
}

struct conn *conn_of_session_older(struct net *net, int64_t session, uint32_t attach)
{
    for (struct conn *c = *conn_session_chain(net, session); c; c = c->session_next) {
        if (c->session == session && c->attach < attach)
            return c;
    }
    return NULL;
}

void conn_attached(struct net *net, struct conn *conn, int64_t session, uint32_t attach,
                   int32_t timeout_ms)
{
    struct conn **chain = conn_session_chain(net, session);
    CHECK(conn->session == 0);
    conn->session = session;
    conn->attach = attach;
    conn->timeout_ms = timeout_ms;
    conn->state = CONN_LIVE;
    conn->session_next = *chain;
    *chain = conn;
    net_count(net, METRIC_net_sessions, 1);
    conn_fresh_off(net, conn);
}

void conn_touch(struct net *net, struct conn *conn)
{
    if (conn->touch_epoch == net->touch_epoch || conn->session == 0 || conn->local)
        return;
    if (net->touch_count == net->touch_max)
        return; /* as many as there are slots: only after many closes; the next bytes count */
    conn->touch_epoch = net->touch_epoch;
    net->touches[net->touch_count++] = conn->session;
}

/* ---- output ---- */

/* Room in the stream, or the end of the connection. */
static inline uint8_t *conn_room(struct net *net, struct conn *conn, uint32_t n, bool fits)
{
    if (conn->state == CONN_CLOSING)
        return NULL;
    uint8_t *room = fits ? stream_tx_room(conn->stream, n) : NULL;
    if (!room) {
        bool memory = conn->stream->failed;
        net_count(net, memory ? METRIC_net_no_memory_total : METRIC_net_output_limit_total, 1);
        conn_close(net, conn, false);
    }
    return room;
}

uint8_t *conn_send_room(struct net *net, struct conn *conn, uint32_t n)
{
    uint64_t queued = stream_tx_size(conn->stream);
    if (queued == 0)
        conn->output_allowance = 0;
    uint64_t limit = (uint64_t)net->config.output_limit + conn->output_allowance;
    return conn_room(net, conn, n, queued == 0 || queued + n <= limit);
}

inline uint8_t *conn_answer_room(struct net *net, struct conn *conn, int32_t xid, uint32_t n)
{
    if (n > conn->answer_max) {
        net_count(net, METRIC_net_unanswerable_total, 1);
        conn_answer(net, conn, xid, net->view.zxid, ZK_SYSTEM_ERROR);
        return NULL;
    }
    /* What was asked for does not count against the limit of what was not. */
    uint32_t queued = stream_tx_size(conn->stream);
    if (queued == 0 || queued + n > conn->output_allowance)
        conn->output_allowance = queued + n;
    return conn_room(net, conn, n, true);
}

inline void conn_sent_note(struct net *net, struct conn *conn, uint32_t n)
{
    struct counters *page = net->parts.counters;
    conn->sent++;
    counters_add(page, METRIC_net_packets_sent_total, 1);
    counters_add(page, METRIC_net_sent_bytes_total, n);
}

inline void conn_sent(struct net *net, struct conn *conn, uint32_t n)
{
    stream_tx_commit(conn->stream, n);
    conn_sent_note(net, conn, n);
}

void conn_answer(struct net *net, struct conn *conn, int32_t xid, int64_t zxid, int32_t err)
{
    uint8_t *room = conn_send_room(net, conn, REPLY_HEADER_SIZE);
    if (!room)
        return;
    struct jute_out out = jute_out(room, REPLY_HEADER_SIZE);
    reply_header(&out, xid, zxid, err, 0);
    conn_sent(net, conn, REPLY_HEADER_SIZE);
}

void conn_event(struct net *net, struct conn *conn, int64_t zxid, int32_t event, struct bytes path)
{
    uint32_t size = REPLY_EVENT_SIZE + (uint32_t)path.size;
    uint8_t *room = conn_send_room(net, conn, size);
    if (!room)
        return;
    struct jute_out out = jute_out(room, size);
    reply_event(&out, zxid, event, path);
    conn_sent(net, conn, size);
    net_count(net, METRIC_net_events_total, 1);
}

/* Answered in the turn in which it came, as most reads are: 0 by NET's clock. */
static inline void conn_latency_none(struct net *net, struct conn *conn)
{
    struct counters *page = net->parts.counters;
    counters_set(page, METRIC_net_latency_ns_min, 0);
    counters_add(page, METRIC_net_latency_count_total, 1);
    counters_latency(page, 0);
    conn->latency_count++;
    conn->latency_min_ns = conn->latency_last_ns = 0;
}

inline void conn_latency(struct net *net, struct conn *conn, uint64_t ns)
{
    if (LIKELY(ns == 0)) {
        conn_latency_none(net, conn);
        return;
    }
    struct counters *page = net->parts.counters;
    uint64_t count = counters_get(page, METRIC_net_latency_count_total);
    if (count == 0 || ns < counters_get(page, METRIC_net_latency_ns_min))
        counters_set(page, METRIC_net_latency_ns_min, ns);
    if (ns > counters_get(page, METRIC_net_latency_ns_max))
        counters_set(page, METRIC_net_latency_ns_max, ns);
    counters_add(page, METRIC_net_latency_ns_total, ns);
    counters_add(page, METRIC_net_latency_count_total, 1);
    counters_latency(page, ns);
    if (conn->latency_count++ == 0 || ns < conn->latency_min_ns)
        conn->latency_min_ns = ns;
    if (ns > conn->latency_max_ns)
        conn->latency_max_ns = ns;
    conn->latency_sum_ns += ns;
    conn->latency_last_ns = ns;
}

/* ---- end ---- */

/* Answers that still come for it find nobody, so they no longer count against the bound. */
static void conn_forget_in_flight(struct net *net, struct conn *conn)
{
    net->outstanding -= conn->in_flight;
    conn->in_flight = 0;
}

void conn_close(struct net *net, struct conn *conn, bool flush)
{
    if (conn->state == CONN_CLOSING) {
        port_close(conn->stream, flush); /* false cuts an earlier true short */
        return;
    }
    conn_run_off(net, conn);
    conn_fresh_off(net, conn);
    net_quorum_off(net, conn);
    watch_drop(&net->watches, &conn->watches);
    conn_session_off(net, conn);
    conn_forget_in_flight(net, conn);
    conn->state = CONN_CLOSING;
    port_close(conn->stream, flush);
}

void conn_gone(struct net *net, struct conn *conn)
{
    conn_address_give(net, conn->stream->peer.ip);
    conn_run_off(net, conn);
    conn_fresh_off(net, conn);
    net_quorum_off(net, conn);
    conn_session_off(net, conn);
    conn_forget_in_flight(net, conn);
    watch_drop(&net->watches, &conn->watches);
    slab_free(&net->slab, conn->identities, conn->identities_room);
    conn_slot_give(net, conn);
    net->conn_count--;
    net_count(net, METRIC_net_connections, (uint64_t)-1);
}
