/* conn: one client connection: its stream, its session, what it may do.
 *
 *   opened ─▶ NEW ── ConnectRequest ─▶ ATTACHING ── reply of OPEN/ATTACH ─▶ LIVE
 *              │ word, 10 s, bad bytes    │ refused                          │ close, expiry, move,
 *              ▼                          ▼                                  ▼ bad bytes, limits
 *            CLOSING ◀────────────────────┴──────────────────────────────────┘
 *              │ the port says closed (in any state)
 *              ▼
 *            FREE: the slot's generation goes up, so a late reply finds nobody
 *
 * In order. Writes and queries go to CORE at once, pipelined up to a bound; anything else waits
 * until they are answered: NET leaves the frame where it is and looks at it again when the last
 * answer has come. So answers are in the order of requests, without a queue of them.
 *
 * A connection belongs to one NET role. */
#pragma once

#include "base/clock.h"
#include "base/messages.h"
#include "dataplane/port/port.h"
#include "dataplane/watch.h"

#include <stdbool.h>
#include <stdint.h>

struct net;

enum conn_state { CONN_FREE, CONN_NEW, CONN_ATTACHING, CONN_LIVE, CONN_CLOSING };

/* Why a connection's next frame is not looked at now. */
enum conn_wait {
    CONN_WAIT_NONE,
    CONN_WAIT_REPLIES, /* until in_flight <= wait_in_flight */
    CONN_WAIT_OUTPUT,  /* until the peer has read: drained */
    CONN_WAIT_SESSION, /* until the session is attached */
    CONN_WAIT_ZXID,    /* until the node is as far as the client: dataplane/net_quorum.h */
    CONN_WAIT_BARRIER, /* until a read barrier is answered: the same */
};

struct conn_list {
    struct conn *first, *last;
};

struct conn {
    struct stream *stream; /* NULL when FREE */
    uint32_t slot, generation;
    uint8_t state; /* enum conn_state */
    uint8_t wait;  /* enum conn_wait */
    bool first;    /* no frame was read yet: a word may come */
    bool has_read_only;
    bool leaving;         /* closeSession is in flight, nothing behind it is looked at */
    bool runnable, fresh; /* on net's list of that name */
    bool may_read_only;   /* the client said readOnly */
    bool native;          /* of beat: its stream is a struct beat_client's */
    bool late;            /* native: the request being served is behind its deadline */
    bool local;           /* its session is of read-only mode: this connection's alone */
    uint8_t held;         /* enum conn_wait: the list of net_quorum.c it is on */

    int64_t session;
    uint64_t sequence; /* logged commands since the attach; native: of the request being served */
    uint32_t attach;
    int32_t timeout_ms;
    uint32_t in_flight, wait_in_flight; /* commands not answered */
    uint32_t answer_max;       /* bytes of one answer */
    uint32_t output_allowance; /* bytes above the output limit that a large reply was given */

    uint8_t *identities; /* packed, store/acl.h; identities_room bytes of the slab */
    int32_t identities_size;
    uint32_t identities_room;

    struct watch_owner watches;
    struct conn *run_prev, *run_next;     /* runnable */
    struct conn *fresh_prev, *fresh_next; /* NEW, oldest first */
    struct conn *held_prev, *held_next;   /* net.behind or net.barriers */
    struct conn *session_next;            /* hash chain */
    int64_t held_zxid;                    /* WAIT_ZXID: what it waits for, and how long */
    uint64_t held_until_ns;
    uint32_t held_number;  /* WAIT_BARRIER: which, and bytes received when it began to wait */
    uint32_t held_size;
    uint32_t read_through; /* bytes received that a barrier covers */
    uint64_t touch_epoch;
    uint64_t opened_ns, received_ns;

    /* for people: four-letter words */
    uint64_t received, sent;
    uint64_t latency_count, latency_sum_ns, latency_min_ns, latency_max_ns, latency_last_ns;
    int64_t opened_ms, response_ms;
    int64_t zxid_last;
    int32_t op_last, xid_last;
    bool has_xid;
    uint64_t sample_ns;    /* when the sampled command was sent; 0: none is */
    uint32_t sample_ahead; /* answers still to come before its own */
    uint32_t trace, trace_ahead; /* the traced command; the same */
};

/* conn_open makes a connection of a fresh stream, or returns NULL: no slot, too many of this
 * address, or no memory. */
struct conn *conn_open(struct net *net, struct stream *stream);

/* conn_gone forgets a connection whose stream is gone: watches, session entry, lists, slot. */
void conn_gone(struct net *net, struct conn *conn);

/* conn_close ends it: nothing more is read; with flush what is queued is sent first. */
void conn_close(struct net *net, struct conn *conn, bool flush);

/* conn_find gives the connection of a token of conn_token, or NULL when it is gone. */
struct conn *conn_find(struct net *net, uint64_t token);
uint64_t conn_token(const struct conn *conn);

/* conn_run puts a connection on the list of those that have frames to look at. */
void conn_run(struct net *net, struct conn *conn);
void conn_run_off(struct net *net, struct conn *conn);

/* conn_serve looks at up to `frames` frames of its received bytes. Returns how many it handled; it
 * is runnable again when there may be more. */
uint32_t conn_serve(struct net *net, struct conn *conn, uint32_t frames);

/* conn_attached enters conn as a connection of a session. conn_of_session finds one (NULL: none
 * here), conn_of_session_older one of an attach before `attach`. */
void conn_attached(struct net *net, struct conn *conn, int64_t session, uint32_t attach,
                   int32_t timeout_ms);
struct conn *conn_of_session(struct net *net, int64_t session);
struct conn *conn_of_session_older(struct net *net, int64_t session, uint32_t attach);

/* conn_touch notes that the session was heard from, for CORE. */
void conn_touch(struct net *net, struct conn *conn);

/* conn_latency notes how long a request took, in ns, from its arrival to its answer. */
void conn_latency(struct net *net, struct conn *conn, uint64_t ns);

/* ---- output ---- */

/* conn_send_room gives room for n bytes that answer or tell something nobody asked to wait for
 * (replies to writes, events), or NULL after it has closed the connection: at the output limit. */
uint8_t *conn_send_room(struct net *net, struct conn *conn, uint32_t n);

/* conn_answer_room gives room for a whole answer of n bytes (length included) to the frame being
 * served, which conn_serve made sure may be queued; NULL when n is above the reply limit or memory
 * is short: then the connection was told or closed already. */
uint8_t *conn_answer_room(struct net *net, struct conn *conn, int32_t xid, uint32_t n);

/* conn_sent commits n bytes of the room given last, as one packet. conn_sent_note only counts it:
 * of a packet that lies in no stream. */
void conn_sent_note(struct net *net, struct conn *conn, uint32_t n);
void conn_sent(struct net *net, struct conn *conn, uint32_t n);

/* conn_answer sends a reply that has no body. */
void conn_answer(struct net *net, struct conn *conn, int32_t xid, int64_t zxid, int32_t err);

/* conn_event sends one watch event that is for this connection alone. */
void conn_event(struct net *net, struct conn *conn, int64_t zxid, int32_t event, struct bytes path);

/* ---- credentials ---- */

static inline struct bytes conn_identities(const struct conn *conn)
{
    return bytes_of(conn->identities, (size_t)conn->identities_size);
}

/* conn_identities_grow makes room for packed identities of `size` bytes. Returns 0 or ERR_NOMEM. */
MUST_USE int conn_identities_grow(struct net *net, struct conn *conn, uint32_t size);
