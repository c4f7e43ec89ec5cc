#include "dataplane/port/port_sim.h"

#include <stdlib.h>
#include <string.h>

enum sim_state { SIM_NEW, SIM_OPEN, SIM_CLOSED };

struct port_sim_peer {
    struct port_sim *sim;
    struct stream *stream;      /* while OPEN */
    struct port_sim_peer *next; /* of those that poll looks at */
    struct port_sim_peer *all_prev, *all_next;
    bool queued;
    uint8_t state;
    bool ended, ended_told;    /* no more bytes from the peer; NET knows */
    bool cut;                  /* reset by the peer */
    bool closing, closing_now; /* port_close was called: flush first; at once */
    bool drained;              /* NET must be told */
    struct address from;
    struct stream_buf in, out; /* room: malloc'ed; in.room 0: lent */
};

struct port_sim {
    struct port base;
    uint32_t out_limit;
    struct port_sim_peer *first, *last; /* to be looked at, in order */
    struct port_sim_peer *all;          /* every peer not forgotten */
};

struct sim_stream {
    struct stream stream;
    struct port_sim_peer *peer;
};

static struct port_sim *sim_of(struct port *port)
{
    return (struct port_sim *)port;
}

static struct port_sim_peer *sim_peer_of(struct stream *stream)
{
    return ((struct sim_stream *)stream)->peer;
}

static void sim_queue(struct port_sim_peer *peer)
{
    struct port_sim *sim = peer->sim;
    if (peer->queued || !sim)
        return;
    peer->queued = true;
    peer->next = NULL;
    *(sim->last ? &sim->last->next : &sim->first) = peer;
    sim->last = peer;
}

static uint32_t sim_buf_size(const struct stream_buf *buf)
{
    return buf->end - buf->begin;
}

/* Room for n bytes behind the live ones; grows by the test side's heap. */
static void sim_buf_grow(struct stream_buf *buf, uint32_t n)
{
    uint32_t live = sim_buf_size(buf);
    if (buf->room - buf->end >= n)
        return;
    if (buf->room < live + n) {
        uint32_t room = (live + n) * 2;
        uint8_t *data = malloc(room);
        CHECK(data);
        if (live)
            memcpy(data, buf->data + buf->begin, live);
        if (buf->room)
            free(buf->data);
        buf->data = data;
        buf->room = room;
    } else {
        memmove(buf->data, buf->data + buf->begin, live);
    }
    buf->begin = 0;
    buf->end = live;
}

/* ---- NET's side ---- */

static void sim_drop(struct port_sim_peer *peer)
{
    struct port *port = &peer->sim->base;
    port_forget(port, peer->stream);
    stream_release(peer->stream);
    slab_free(port->setup.slab, peer->stream, sizeof(struct sim_stream));
    peer->stream = NULL;
    peer->state = SIM_CLOSED;
    port->stream_count--;
    port_count(&port->counters.closed, 1);
}

static void sim_accept(struct port_sim_peer *peer)
{
    struct port *port = &peer->sim->base;
    struct sim_stream *s = NULL;
    peer->state = SIM_CLOSED;
    if (port->stream_count >= port->setup.streams_max) {
        port_count(&port->counters.refused_total, 1);
        return;
    }
    s = slab_alloc(port->setup.slab, sizeof(*s));
    if (!s) {
        port_count(&port->counters.refused_memory, 1);
        return;
    }
    stream_init(&s->stream, port);
    s->stream.peer = peer->from;
    s->peer = peer;
    peer->stream = &s->stream;
    port->stream_count++;
    port_count(&port->counters.opened, 1);
    if (port->setup.events->opened(port->setup.net, &s->stream)) {
        peer->state = SIM_OPEN;
        return;
    }
    port_count(&port->counters.refused, 1);
    sim_drop(peer);
}

static void sim_send(struct port_sim_peer *peer)
{
    struct stream *stream = peer->stream;
    uint32_t size;
    const uint8_t *at = stream_tx(stream, &size);
    uint32_t room = peer->sim->out_limit - sim_buf_size(&peer->out);
    uint32_t n = size < room ? size : room;
    if (n == 0)
        return;
    if (peer->out.room - peer->out.end < n) { /* within 2 * out_limit: taken at connect */
        memmove(peer->out.data, peer->out.data + peer->out.begin, sim_buf_size(&peer->out));
        peer->out.end -= peer->out.begin;
        peer->out.begin = 0;
    }
    memcpy(peer->out.data + peer->out.end, at, n);
    peer->out.end += n;
    port_count(&peer->sim->base.counters.tx_bytes, n);
    port_count(&peer->sim->base.counters.writes, 1);
    if (stream_tx_sent(stream, n)) {
        peer->drained = true;
        sim_queue(peer);
    }
}

static void sim_flush(struct port *port, struct stream *stream)
{
    struct port_sim_peer *peer = sim_peer_of(stream);
    sim_send(peer);
    if (peer->closing || stream->failed)
        sim_queue(peer);
}

static void sim_read(struct port_sim_peer *peer)
{
    struct port *port = &peer->sim->base;
    struct stream *stream = peer->stream;
    uint32_t n = sim_buf_size(&peer->in);
    n = n < PORT_READ_SIZE ? n : PORT_READ_SIZE;
    if (stream->rx.end == stream->rx.begin) {
        if (stream->rx.room && stream_rx_settle(stream)) /* gives an empty piece back */
            return;
        stream_rx_lend(stream, peer->in.data + peer->in.begin, n);
    } else if (stream_rx_append(stream, peer->in.data + peer->in.begin, n)) {
        return;
    }
    peer->in.begin += n;
    port_count(&port->counters.rx_bytes, n);
    port_count(&port->counters.reads, 1);
    port->setup.events->received(port->setup.net, stream);
    if (stream_rx_settle(stream))
        return;
    if (sim_buf_size(&peer->in) == 0 && peer->in.room == 0)
        peer->in = (struct stream_buf){0};
}

static bool sim_over(const struct port_sim_peer *peer)
{
    return peer->cut || peer->closing_now || peer->stream->failed ||
           (peer->closing && stream_tx_size(peer->stream) == 0);
}

static void sim_look(struct port_sim_peer *peer)
{
    struct port *port = &peer->sim->base;
    if (peer->state == SIM_NEW)
        sim_accept(peer);
    if (peer->state != SIM_OPEN)
        return;
    if (!sim_over(peer) && !peer->closing) {
        if (sim_buf_size(&peer->in) && stream_rx_wanted(peer->stream))
            sim_read(peer);
        if (peer->ended && !peer->ended_told && sim_buf_size(&peer->in) == 0) {
            peer->ended_told = peer->stream->ended = true;
            port->setup.events->received(port->setup.net, peer->stream);
            if (stream_rx_settle(peer->stream))
                peer->stream->failed = true;
        }
        if (peer->drained && !peer->closing) {
            peer->drained = false;
            port->setup.events->drained(port->setup.net, peer->stream);
        }
    }
    if (!peer->cut)
        sim_send(peer);
    if (sim_over(peer)) {
        port->setup.events->closed(port->setup.net, peer->stream);
        sim_drop(peer);
    } else if (sim_buf_size(&peer->in) && stream_rx_wanted(peer->stream) && !peer->closing) {
        sim_queue(peer); /* more than one poll's share */
    }
}

static uint32_t sim_poll(struct port *port, struct now now)
{
    struct port_sim *sim = sim_of(port);
    struct port_sim_peer *last = sim->last;
    uint32_t n = 0;
    while (sim->first && n < PORT_BURST) {
        struct port_sim_peer *peer = sim->first;
        sim->first = peer->next;
        if (!sim->first)
            sim->last = NULL;
        peer->queued = false;
        sim_look(peer);
        n++;
        if (peer == last)
            break;
    }
    return n;
}

static void sim_close(struct port *port, struct stream *stream, bool flush_first)
{
    struct port_sim_peer *peer = sim_peer_of(stream);
    peer->closing = true;
    peer->closing_now |= !flush_first;
    sim_queue(peer);
}

static void sim_resume(struct port *port, struct stream *stream)
{
    struct port_sim_peer *peer = sim_peer_of(stream);
    if (stream_rx_settle(stream) || sim_buf_size(&peer->in) || peer->ended)
        sim_queue(peer);
}

static bool sim_idle(struct port *port)
{
    return sim_of(port)->first == NULL;
}

static uint64_t sim_deadline_ns(struct port *port, struct now now)
{
    return UINT64_MAX;
}

static int sim_park_fds(struct port *port, int *fds, int max)
{
    return 0;
}

static void sim_wait(struct port *port, int wake_fd, uint64_t wait_ns)
{
}

/* Peers belong to the test, which may forget them after the port has gone: they are only unlinked.
 */
static void sim_fini(struct port *port)
{
    struct port_sim_peer *next;
    for (struct port_sim_peer *peer = sim_of(port)->all; peer; peer = next) {
        next = peer->all_next;
        if (peer->state == SIM_OPEN)
            sim_drop(peer);
        peer->state = SIM_CLOSED;
        peer->queued = false;
        peer->sim = NULL;
    }
    free(port);
}

static const struct port_ops sim_ops = {
    .poll = sim_poll,
    .flush = sim_flush,
    .close = sim_close,
    .resume = sim_resume,
    .idle = sim_idle,
    .deadline_ns = sim_deadline_ns,
    .park_fds = sim_park_fds,
    .wait = sim_wait,
    .fini = sim_fini,
};

int port_sim_open(const struct port_setup *setup, uint32_t out_limit, struct port **port)
{
    struct port_sim *sim = calloc(1, sizeof(*sim));
    if (!sim)
        return ERR_NOMEM;
    int err = out_limit ? port_init(&sim->base, &sim_ops, setup) : ERR_RANGE;
    if (err) {
        free(sim);
        return err;
    }
    sim->out_limit = out_limit;
    *port = &sim->base;
    return 0;
}

/* ---- the test's side ---- */

struct port_sim_peer *port_sim_connect(struct port *port, const struct address *from)
{
    struct port_sim_peer *peer = calloc(1, sizeof(*peer));
    CHECK(peer);
    peer->sim = sim_of(port);
    peer->from = *from;
    peer->out.room = peer->sim->out_limit * 2;
    peer->out.data = malloc(peer->out.room);
    CHECK(peer->out.data);
    peer->all_next = peer->sim->all;
    if (peer->all_next)
        peer->all_next->all_prev = peer;
    peer->sim->all = peer;
    sim_queue(peer);
    return peer;
}

void port_sim_forget(struct port_sim_peer *peer)
{
    CHECK(peer->state == SIM_CLOSED && !peer->queued);
    if (peer->sim) {
        if (peer->all_next)
            peer->all_next->all_prev = peer->all_prev;
        *(peer->all_prev ? &peer->all_prev->all_next : &peer->sim->all) = peer->all_next;
    }
    if (peer->in.room)
        free(peer->in.data);
    free(peer->out.data);
    free(peer);
}

void port_sim_send(struct port_sim_peer *peer, const void *bytes, uint32_t size)
{
    if (peer->ended || peer->cut || peer->state == SIM_CLOSED || size == 0)
        return;
    sim_buf_grow(&peer->in, size);
    memcpy(peer->in.data + peer->in.end, bytes, size);
    peer->in.end += size;
    sim_queue(peer);
}

void port_sim_lend(struct port_sim_peer *peer, uint8_t *bytes, uint32_t size)
{
    CHECK(sim_buf_size(&peer->in) == 0 && peer->in.room == 0);
    peer->in = (struct stream_buf){.data = bytes, .begin = 0, .end = size, .room = 0};
    sim_queue(peer);
}

uint32_t port_sim_unread(const struct port_sim_peer *peer)
{
    return sim_buf_size(&peer->in);
}

const uint8_t *port_sim_arrived(const struct port_sim_peer *peer, uint32_t *size)
{
    *size = sim_buf_size(&peer->out);
    return peer->out.data + peer->out.begin;
}

void port_sim_take(struct port_sim_peer *peer, uint32_t n)
{
    CHECK(n <= sim_buf_size(&peer->out));
    peer->out.begin += n;
    if (peer->state == SIM_OPEN && n)
        sim_queue(peer); /* there is room for more */
}

void port_sim_end(struct port_sim_peer *peer)
{
    peer->ended = true;
    if (peer->state != SIM_CLOSED)
        sim_queue(peer);
}

void port_sim_cut(struct port_sim_peer *peer)
{
    peer->cut = true;
    if (peer->state != SIM_CLOSED)
        sim_queue(peer);
}

bool port_sim_closed(const struct port_sim_peer *peer)
{
    return peer->state == SIM_CLOSED;
}

bool port_sim_open_now(const struct port_sim_peer *peer)
{
    return peer->state == SIM_OPEN;
}
