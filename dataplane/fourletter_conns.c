/* cons, crst, the client lines of stat, and the connections of dump: this NET's connections. */
#include "dataplane/fourletter_word.h"
#include "dataplane/request.h"

#include <time.h>

static struct conn *fourletter_conns_next(const struct net *net, uint32_t *slot)
{
    while (*slot < net->conns_used) {
        struct conn *conn = &net->conns[(*slot)++];
        if (conn->state != CONN_FREE)
            return conn;
    }
    return NULL;
}

/* The selector bits that Java would show: 1 reads, 4 has something to write. */
static uint32_t fourletter_conns_interest(const struct conn *conn)
{
    return (conn->wait == CONN_WAIT_NONE ? 1 : 0) | (stream_tx_size(conn->stream) ? 4 : 0);
}

static void fourletter_conns_line(struct fourletter_word *word, const struct conn *conn)
{
    struct text *text = &word->text;
    text_add(text, " /");
    text_address(text, &conn->stream->peer);
    text_add(text, ":%u[%x](queued=%u,recved=%lu,sent=%lu", conn->stream->peer.port,
             fourletter_conns_interest(conn), conn->in_flight, conn->received, conn->sent);
}

void fourletter_conns_brief(struct fourletter_word *word)
{
    struct conn *conn;
    for (uint32_t slot = 0; (conn = fourletter_conns_next(word->net, &slot));) {
        fourletter_conns_line(word, conn);
        text_add(&word->text, ")\n");
    }
}

static void fourletter_conns_session(struct fourletter_word *word, const struct conn *conn)
{
    struct text *text = &word->text;
    const uint64_t ms = NS_PER_MS, n = conn->latency_count ? conn->latency_count : 1;
    text_add(text, ",sid=0x%lx,lop=%s,est=%ld,to=%d", (uint64_t)conn->session,
             request_name(conn->op_last), conn->opened_ms, conn->timeout_ms);
    if (conn->has_xid)
        text_add(text, ",lcxid=0x%x", (uint32_t)conn->xid_last);
    text_add(text, ",lzxid=0x%lx,lresp=%ld,llat=%lu,minlat=%lu,avglat=%lu,maxlat=%lu",
             (uint64_t)conn->zxid_last, conn->response_ms, conn->latency_last_ns / ms,
             conn->latency_min_ns / ms, conn->latency_sum_ns / n / ms, conn->latency_max_ns / ms);
}

void fourletter_conns_cons(struct fourletter_word *word)
{
    struct conn *conn;
    for (uint32_t slot = 0; (conn = fourletter_conns_next(word->net, &slot));) {
        fourletter_conns_line(word, conn);
        if (conn->session)
            fourletter_conns_session(word, conn);
        text_add(&word->text, ")\n");
    }
    text_add(&word->text, "\n");
}

void fourletter_conns_crst(struct fourletter_word *word)
{
    struct conn *conn;
    for (uint32_t slot = 0; (conn = fourletter_conns_next(word->net, &slot));) {
        conn->received = conn->sent = 0;
        conn->latency_count = conn->latency_sum_ns = conn->latency_last_ns = 0;
        conn->latency_min_ns = conn->latency_max_ns = 0;
        conn->has_xid = false;
        conn->zxid_last = -1;
    }
    text_add(&word->text, "Connection stats reset.\n");
}

void fourletter_conns_dump(struct fourletter_word *word)
{
    const struct net *net = word->net;
    time_t now = (time_t)(net->now.wall_ms / 1000);
    struct tm tm;
    char date[64];
    struct conn *conn;

    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a %b %d %H:%M:%S UTC %Y", &tm);
    text_add(&word->text, "Connections dump:\nConnections Sets (1)/(%u):\n%u expire at %s:\n",
             net->conn_count, net->conn_count, date);
    for (uint32_t slot = 0; (conn = fourletter_conns_next(net, &slot));) {
        text_add(&word->text, "\tip: /");
        text_address(&word->text, &conn->stream->peer);
        text_add(&word->text, ":%u sessionId: 0x%lx\n", conn->stream->peer.port,
                 (uint64_t)conn->session);
    }
}
