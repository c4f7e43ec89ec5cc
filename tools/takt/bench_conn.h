/* bench_conn: one session of a load generator: buffers that are allocated once, requests written in
 * batches, replies taken in batches. One thread; non-blocking once it is open.
 *
 *   bench_conn_open_all ──▶ bench_conn_put (many) ──▶ bench_conn_flush ──▶ bench_conn_receive ──▶
 * ..
 */
#pragma once

#include "base/err.h"
#include "base/say.h"
#include "tools/takt/address.h"
#include "tools/takt/zkwire.h"

#include <stdbool.h>
#include <stdint.h>

struct bench_slot {
    uint64_t intended_ns; /* when the request was meant to be sent */
    uint8_t op;           /* enum benchmix_op */
};

struct bench_conn {
    int fd;
    uint32_t index;
    bool dirty;                     /* has something to flush, and is in the engine's list */
    bool wants_out;                 /* the socket was full: wait for EPOLLOUT */
    uint32_t window;                /* slots in use at most; a power of two is in slot_mask */
    uint32_t slot_mask, head, tail; /* requests in flight are [head, tail) */
    struct bench_slot *slots;
    uint8_t *in, *out;
    size_t in_size, in_from, in_to;
    size_t out_size, out_from, out_to;
    int32_t xid_next, xid_reply; /* the xids to send and to expect */
    uint32_t created, deleted;   /* this connection's znodes are [deleted, created) */
    uint32_t ephemerals;         /* how many it created */
    int32_t timeout_ms;          /* the session's */
    uint64_t sent_ns;
};

struct bench_conn_config {
    const struct address_tcp *address;
    uint32_t count, window;
    size_t request_size; /* the largest request's frame, in bytes */
    int32_t session_ms;
};

/* bench_conn_open_all opens config->count sessions; many handshakes are under way at once. On
 * success the caller owns *conns and ends them with bench_conn_close_all. Returns 0, ERR_IO,
 * ERR_NOMEM or ERR_LIMIT (file descriptors), with a sentence. */
MUST_USE int bench_conn_open_all(const struct bench_conn_config *config, struct bench_conn **conns,
                                 struct fault *fault);

/* bench_conn_end_all ends the sessions, so that ephemerals go; the counters stay. */
void bench_conn_end_all(struct bench_conn *conns, uint32_t count);

/* bench_conn_close_all ends the sessions that still stand, and frees. */
void bench_conn_close_all(struct bench_conn *conns, uint32_t count);

static inline uint32_t bench_conn_in_flight(const struct bench_conn *conn)
{
    return conn->tail - conn->head;
}

/* bench_conn_begin gives a cursor behind a request header, or bad when there is no room now. */
static inline struct jute_out bench_conn_begin(struct bench_conn *conn, int32_t op, uint8_t **mark)
{
    struct jute_out out = jute_out(conn->out + conn->out_to, conn->out_size - conn->out_to);
    *mark = zkwire_begin(&out, conn->xid_next, op);
    return out;
}

/* bench_conn_end queues the request. False, and nothing is queued, when the cursor is bad. */
static inline bool bench_conn_end(struct bench_conn *conn, struct jute_out *out, uint8_t *mark,
                                  uint64_t intended_ns, uint8_t op)
{
    if (out->bad)
        return false;
    zkwire_end(out, mark);
    conn->out_to = (size_t)(out->at - conn->out);
    conn->xid_next = conn->xid_next == INT32_MAX ? 1 : conn->xid_next + 1;
    conn->slots[conn->tail++ & conn->slot_mask] = (struct bench_slot){intended_ns, op};
    return true;
}

/* bench_conn_flush sends what it can; wants_out tells whether some is left. Returns 0 or ERR_CLOSED
 * with a sentence. */
MUST_USE int bench_conn_flush(struct bench_conn *conn, uint64_t now_ns, struct fault *fault);

/* A reply or a notification. slot is NULL for a notification. */
struct bench_frame {
    const struct bench_slot *slot;
    int64_t zxid;
    int32_t error;
    struct jute_in body;
};

typedef void bench_conn_on_frame(void *context, struct bench_conn *conn,
                                 const struct bench_frame *frame);

/* bench_conn_receive reads once; bench_conn_take then hands each whole frame to on_frame, with the
 * request's slot already given back. Return 0, ERR_SHORT (nothing there), ERR_CLOSED, ERR_NOMEM, or
 * ERR_MALFORMED (a reply out of order, a length that lies) with a sentence. */
MUST_USE int bench_conn_receive(struct bench_conn *conn, struct fault *fault);
MUST_USE int bench_conn_take(struct bench_conn *conn, bench_conn_on_frame *on_frame, void *context,
                             struct fault *fault);

/* bench_conn_ping queues a ping (no slot). */
void bench_conn_ping(struct bench_conn *conn);
