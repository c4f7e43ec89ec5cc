/* zkclient: one ZooKeeper session over one TCP connection, for tools: blocking where that is
 * simple, pipelined where it pays, and with an fd to poll beside others.
 *
 *   open ──▶ connected ──request .. submit──▶ (many in flight) ──next──▶ replies in request order
 *                │  ▲                                                       pings are answered for
 *   close ◀──────┘  └── reattach, after ERR_CLOSED                          by poll and next
 *
 * Watch events arrive through `on_event`, called from next and poll, never from elsewhere; inside
 * it no call on the same client is allowed. Not for threads: one object, one thread. Watches die
 * with the connection; reattach does not register them again. */
#pragma once

#include "base/err.h"
#include "base/say.h"
#include "tools/takt/address.h"
#include "tools/takt/zkwire.h"

#include <stdbool.h>
#include <stdint.h>

struct zkclient;

struct zkclient_event {
    int32_t type; /* enum zk_event */
    int32_t state;
    int64_t zxid; /* -1 from servers before 3.9 */
    struct bytes path;
};

/* Lends the event's path for the call. */
typedef void zkclient_on_event(void *context, const struct zkclient_event *event);

struct zkclient_config {
    const char *servers;      /* "host:port,host:port": tried in order; borrowed */
    int32_t session_ms;       /* the session timeout to ask for */
    uint32_t connect_ms;      /* for TCP and the handshake, each server */
    uint32_t reply_ms;        /* how long next waits for a reply */
    zkclient_on_event *event; /* NULL: events are dropped */
    void *context;
};

struct zkclient_buffer {
    uint8_t *room;
    size_t size, from, to; /* the bytes in use are [from, to) */
};

struct zkclient {
    struct zkclient_config config;
    int fd; /* -1 when not connected */
    struct zkwire_session session;
    char server[300]; /* the one we are connected to */
    int32_t xid_next;
    uint32_t in_flight; /* requests without a reply yet, pings not counted */
    int64_t last_zxid;
    uint64_t sent_ns; /* when bytes were last sent: pings */
    struct zkclient_buffer in, out;
    struct jute_out record; /* of the request being written */
    uint8_t *mark;
};

struct zkclient_reply {
    int32_t xid;
    int32_t error; /* enum zk_error */
    int64_t zxid;
    struct jute_in body; /* lent until the next call on the client */
};

/* zkclient_open connects and creates a session. Returns 0, ERR_MALFORMED (the address), ERR_IO (no
 * server answers), ERR_NOMEM; *fault then says which server and why. On success the caller ends
 * *client with zkclient_close. */
MUST_USE int zkclient_open(struct zkclient *client, const struct zkclient_config *config,
                           struct fault *fault);

/* zkclient_reattach connects anew with the same session. Returns 0, ERR_IO, or ERR_NOTFOUND when
 * the session has expired: then the client holds a new session. Requests in flight are forgotten.
 */
MUST_USE int zkclient_reattach(struct zkclient *client, struct fault *fault);

/* zkclient_close ends the session (waits at most one second for the reply) and frees everything. */
void zkclient_close(struct zkclient *client);

/* zkclient_request starts a request with room for record_size bytes of record, and lends the cursor
 * to write it with until submit. Returns NULL only when memory ends. */
MUST_USE struct jute_out *zkclient_request(struct zkclient *client, int32_t op, size_t record_size);

/* zkclient_submit ends the request and queues it; it is sent by flush, next or poll. Returns its
 * xid (-4 for auth). */
int32_t zkclient_submit(struct zkclient *client);

/* zkclient_flush sends all that is queued. Returns 0, ERR_CLOSED or ERR_IO (not connected). */
MUST_USE int zkclient_flush(struct zkclient *client, struct fault *fault);

/* zkclient_next waits for the next reply, in the order of the requests. Returns 0, ERR_CLOSED (the
 * server hung up), ERR_IO (reply_ms passed), ERR_MALFORMED. After an error the connection is closed
 * and reattach is what is left. */
MUST_USE int zkclient_next(struct zkclient *client, struct zkclient_reply *reply,
                           struct fault *fault);

/* zkclient_call is submit, flush and next for a single request; assumes nothing else in flight. */
MUST_USE int zkclient_call(struct zkclient *client, struct zkclient_reply *reply,
                           struct fault *fault);

/* zkclient_poll takes in what has arrived, delivers events and sends a ping when one is due. Does
 * not wait. Assumes nothing in flight. Returns 0 or as next. */
MUST_USE int zkclient_poll(struct zkclient *client, struct fault *fault);

/* zkclient_wait_ms is how long a poll on client->fd may sleep before zkclient_poll has a ping to
 * send, in milliseconds. */
int zkclient_wait_ms(const struct zkclient *client);
