/* stream: one accepted byte stream between a port (kernel sockets, lwIP, simulator) and NET.
 *
 *  peer ──▶ port ──▶ rx [consumed│ begin ... end │ room ]  ──▶ NET   stream_rx, _consume, _rx_want
 *  peer ◀── port ◀── tx [sent    │ begin ... end │ room ]  ◀── NET   stream_tx_room, _tx_commit
 *
 * Both buffers are contiguous pieces of NET's slab, held only while they hold bytes: an idle stream
 * costs the struct. While events->received runs, rx may be lent: the port's own receive buffer,
 * with no copy; what NET leaves in it is copied when the call returns.
 *
 * Backpressure. The port reads a stream while it holds fewer than rx_want bytes (1 after every
 * stream_consume, n after stream_rx_want(n)). So NET either consumes what it got, or says how large
 * the frame is that it waits for, or leaves it: then nothing more is read until port_resume.
 *
 * Everything here runs on the NET role that owns the port: no two calls at the same time. */
#pragma once

#include "base/check.h"
#include "base/err.h"
#include "base/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port;

/* Bytes [begin, end) of data are live; room is what `data` holds, 0 when the bytes are lent. */
struct stream_buf {
    uint8_t *data;
    uint32_t begin, end, room;
};

struct stream {
    struct port *port;
    void *owner; /* NET's; set in events->opened */
    struct stream_buf rx, tx;
    uint32_t rx_want; /* bytes NET needs before it can go on */
    uint32_t id;      /* counts up from 1 in each port; not reused before 2^32 streams */
    bool ended;       /* the peer sends no more (half-close). NET answers, then calls port_close */
    bool tx_refused;  /* stream_tx_room said NULL: events->drained is due */
    bool tx_dirty;    /* on the port's list of streams that have bytes to send */
    bool failed;      /* memory ran out under this stream: the port closes it */
    uint8_t state;    /* the port's own */
    struct stream *dirty_next;
    struct address peer, local;
};

/* The least piece of slab that a stream's buffer takes, in bytes. */
#define STREAM_PIECE_SIZE_MIN 2048

/* ---- for NET ---- */

/* stream_rx gives the received bytes that are not consumed, contiguous, and their count in *size
 * (0: NULL). Lends them until NET returns to the port, or calls stream_rx_want or port_resume;
 * stream_consume does not move them. */
static inline const uint8_t *stream_rx(const struct stream *stream, uint32_t *size)
{
    *size = stream->rx.end - stream->rx.begin;
    return *size ? stream->rx.data + stream->rx.begin : NULL;
}

/* stream_consume drops the first n bytes of what stream_rx gives; n is at most their count. */
static inline void stream_consume(struct stream *stream, uint32_t n)
{
    CHECK(n <= stream->rx.end - stream->rx.begin);
    stream->rx.begin += n;
    stream->rx_want = 1;
}

/* stream_rx_want says that NET needs n contiguous bytes, counted from the first unconsumed one,
 * before it can go on. Returns 0, or ERR_LIMIT when n is above the port's rx_limit. */
MUST_USE int stream_rx_want(struct stream *stream, uint32_t n);

/* stream_tx_room gives n contiguous bytes at the end of tx to write into, or NULL. At the stream's
 * output limit: events->drained follows once tx has fallen to a quarter of the limit (and never
 * when n is above the limit by itself: close then). Out of slab: failed is set and the port closes
 * the stream. Lends the room until any other call for this stream. n >= 1. */
uint8_t *stream_tx_room(struct stream *stream, uint32_t n);

/* stream_tx_commit appends the first n bytes of the room given last. They leave with the next
 * flush: at the end of the port's handling of this stream, or by port_flush. */
void stream_tx_commit(struct stream *stream, uint32_t n);

/* Bytes that wait to be sent. */
static inline uint32_t stream_tx_size(const struct stream *stream)
{
    return stream->tx.end - stream->tx.begin;
}

/* ---- for ports ---- */

/* stream_init prepares a stream of `port` with no bytes; the rest is zero. */
void stream_init(struct stream *stream, struct port *port);

/* stream_release gives the memory of both buffers back. */
void stream_release(struct stream *stream);

/* True when the port should read this stream. */
static inline bool stream_rx_wanted(const struct stream *stream)
{
    return stream->rx.end - stream->rx.begin < stream->rx_want;
}

/* stream_rx_lend makes `data` received bytes without copying them: what is kept (fewer than rx_want
 * bytes) is copied in front of data instead, so there must be as much room before data as is kept.
 * The port calls stream_rx_settle before `data` changes. */
void stream_rx_lend(struct stream *stream, uint8_t *data, uint32_t size);

/* stream_rx_settle keeps what NET left: copies lent bytes into a piece of the slab with room for
 * rx_want bytes, moves kept bytes to the front when the rest would not fit behind them, and frees
 * the piece when nothing is left. Returns 0, or ERR_NOMEM (and sets failed). */
MUST_USE int stream_rx_settle(struct stream *stream);

/* stream_rx_room gives the room behind the kept bytes, and its size (>= 1 when rx_want is not met
 * and the stream has settled); stream_rx_commit says how much of it was filled. */
uint8_t *stream_rx_room(struct stream *stream, uint32_t *size);
static inline void stream_rx_commit(struct stream *stream, uint32_t n)
{
    CHECK(n <= stream->rx.room - stream->rx.end);
    stream->rx.end += n;
}

/* stream_rx_append copies size bytes behind those that are kept; for ports whose bytes come in
 * pieces of their own. Returns 0, or ERR_NOMEM (and sets failed). */
MUST_USE int stream_rx_append(struct stream *stream, const void *data, uint32_t size);

/* The bytes to send, contiguous; stream_tx_sent drops the first n of them and frees the piece when
 * none is left. Returns true when events->drained is due. */
static inline const uint8_t *stream_tx(const struct stream *stream, uint32_t *size)
{
    *size = stream_tx_size(stream);
    return *size ? stream->tx.data + stream->tx.begin : NULL;
}
bool stream_tx_sent(struct stream *stream, uint32_t n);
