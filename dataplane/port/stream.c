#include "dataplane/port/stream.h"

#include "dataplane/port/port.h"

#include <string.h>

static uint32_t stream_buf_size(const struct stream_buf *buf)
{
    return buf->end - buf->begin;
}

static void stream_buf_free(struct stream_buf *buf, struct slab *slab)
{
    if (buf->room)
        slab_free(slab, buf->data, buf->room);
    *buf = (struct stream_buf){0};
}

/* Moves the live bytes of buf to the front of a piece with room for `size` bytes: the present one
 * if it is large enough, else a new one. size is at least the live bytes. */
static int stream_buf_fit(struct stream_buf *buf, struct slab *slab, uint32_t size)
{
    uint32_t live = stream_buf_size(buf);
    CHECK(size >= live);
    if (size <= buf->room) {
        if (live && buf->begin)
            memmove(buf->data, buf->data + buf->begin, live);
        buf->begin = 0;
        buf->end = live;
        return 0;
    }
    uint32_t room =
        (uint32_t)slab_size_usable(size < STREAM_PIECE_SIZE_MIN ? STREAM_PIECE_SIZE_MIN : size);
    uint8_t *piece = slab_alloc(slab, room);
    if (!piece)
        return ERR_NOMEM;
    if (live)
        memcpy(piece, buf->data + buf->begin, live);
    if (buf->room)
        slab_free(slab, buf->data, buf->room);
    *buf = (struct stream_buf){.data = piece, .begin = 0, .end = live, .room = room};
    return 0;
}

void stream_init(struct stream *stream, struct port *port)
{
    memset(stream, 0, sizeof(*stream));
    stream->port = port;
    stream->rx_want = 1;
    stream->id = ++port->id_last;
}

void stream_release(struct stream *stream)
{
    stream_buf_free(&stream->rx, stream->port->setup.slab);
    stream_buf_free(&stream->tx, stream->port->setup.slab);
}

int stream_rx_want(struct stream *stream, uint32_t n)
{
    if (n > stream->port->setup.rx_limit)
        return ERR_LIMIT;
    stream->rx_want = n;
    return 0;
}

void stream_rx_lend(struct stream *stream, uint8_t *data, uint32_t size)
{
    uint32_t live = stream_buf_size(&stream->rx);
    if (live)
        memcpy(data - live, stream->rx.data + stream->rx.begin, live);
    stream_buf_free(&stream->rx, stream->port->setup.slab);
    stream->rx = (struct stream_buf){.data = data - live, .begin = 0, .end = live + size};
}

int stream_rx_settle(struct stream *stream)
{
    struct stream_buf *rx = &stream->rx;
    uint32_t live = stream_buf_size(rx);
    if (live == 0) {
        stream_buf_free(rx, stream->port->setup.slab);
        return 0;
    }
    uint32_t size = live < stream->rx_want ? stream->rx_want : live;
    if (rx->room && size <= rx->room - rx->begin)
        return 0;
    int err = stream_buf_fit(rx, stream->port->setup.slab, size);
    if (err) {
        stream->failed = true;
        stream_buf_free(rx, stream->port->setup.slab); /* lent bytes are about to change */
    }
    return err;
}

uint8_t *stream_rx_room(struct stream *stream, uint32_t *size)
{
    CHECK(stream->rx.room || stream->rx.end == stream->rx.begin);
    *size = stream->rx.room - (stream->rx.room ? stream->rx.end : 0);
    return *size ? stream->rx.data + stream->rx.end : NULL;
}

int stream_rx_append(struct stream *stream, const void *data, uint32_t size)
{
    struct stream_buf *rx = &stream->rx;
    uint32_t live = stream_buf_size(rx);
    if (rx->room == 0 || size > rx->room - rx->end) {
        uint32_t need = live + size > stream->rx_want ? live + size : stream->rx_want;
        if (stream_buf_fit(rx, stream->port->setup.slab, need)) {
            stream->failed = true;
            return ERR_NOMEM;
        }
    }
    memcpy(rx->data + rx->end, data, size);
    rx->end += size;
    return 0;
}

inline uint8_t *stream_tx_room(struct stream *stream, uint32_t n)
{
    struct stream_buf *tx = &stream->tx;
    uint32_t live = stream_buf_size(tx);
    uint32_t limit = stream->port->setup.tx_limit;
    CHECK(n > 0);
    if (n > limit || live > limit - n) {
        stream->tx_refused = true;
        return NULL;
    }
    if (n > tx->room - tx->end) {
        /* Twice what is live, so that a byte is moved at most twice on its way out. */
        uint32_t size = live + n + (live < limit - live - n ? live : limit - live - n);
        if (stream_buf_fit(tx, stream->port->setup.slab, size)) {
            stream->failed = true;
            port_dirty(stream->port, stream);
            return NULL;
        }
    }
    return tx->data + tx->end;
}

inline void stream_tx_commit(struct stream *stream, uint32_t n)
{
    CHECK(n <= stream->tx.room - stream->tx.end);
    stream->tx.end += n;
    if (n)
        port_dirty(stream->port, stream);
}

bool stream_tx_sent(struct stream *stream, uint32_t n)
{
    CHECK(n <= stream_tx_size(stream));
    stream->tx.begin += n;
    if (stream_tx_size(stream) == 0)
        stream_buf_free(&stream->tx, stream->port->setup.slab);
    if (!stream->tx_refused || stream_tx_size(stream) > stream->port->setup.tx_limit / 4)
        return false;
    stream->tx_refused = false;
    return true;
}
