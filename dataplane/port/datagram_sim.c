#include "dataplane/port/datagram_sim.h"

#include "base/check.h"
#include "base/pages.h"

#include <stdlib.h>
#include <string.h>

#define SIM_SLOT_SIZE    ((DATAGRAM_SIZE_MAX + 7u) & ~7u)
#define SIM_SIZE_DEFAULT 1472u
#define SIM_COUNT        256u
#define SIM_COUNT_MAX    (1u << 16)

struct sim_head {
    _Alignas(32) struct address address;
    uint32_t size;
};

/* Datagrams [begin, end), counted for ever; each in slot number & mask. */
struct sim_ring {
    uint64_t begin, end;
    uint32_t count, mask; /* of slots used; of slots there are, a power of two */
    struct sim_head *heads;
    uint8_t *bytes;
    size_t memory_size;
};

struct datagram_sim {
    struct datagram_port base;
    uint32_t size_max;
    uint64_t flushed; /* of out: what the network sees ends here */
    struct sim_ring in, out;
};

static struct datagram_sim *sim_of(struct datagram_port *port)
{
    return (struct datagram_sim *)port;
}

/* Untouched slots cost no memory, and datagrams of one size close together little. */
static int sim_ring_init(struct sim_ring *ring, uint32_t count)
{
    uint32_t slots = 1;
    while (slots < count)
        slots *= 2;
    ring->count = count;
    ring->mask = slots - 1;
    ring->memory_size = ((size_t)slots * SIM_SLOT_SIZE + 4095) & ~(size_t)4095;
    ring->heads = aligned_alloc(_Alignof(struct sim_head), slots * sizeof(*ring->heads));
    ring->bytes = pages_take(ring->memory_size);
    return ring->heads && ring->bytes ? 0 : ERR_NOMEM;
}

static void sim_ring_fini(struct sim_ring *ring)
{
    free(ring->heads);
    if (ring->bytes)
        pages_give(ring->bytes, ring->memory_size);
}

static uint8_t *sim_ring_bytes(const struct sim_ring *ring, uint64_t at)
{
    return ring->bytes + (at & ring->mask) * SIM_SLOT_SIZE;
}

static struct sim_head *sim_ring_head(const struct sim_ring *ring, uint64_t at)
{
    return &ring->heads[at & ring->mask];
}

static bool sim_ring_full(const struct sim_ring *ring)
{
    return ring->end - ring->begin == ring->count;
}

/* ---- the role's side ---- */

static uint32_t sim_poll(struct datagram_port *base, struct now now)
{
    struct datagram_sim *port = sim_of(base);
    uint64_t size = 0;
    uint32_t n = 0;
    base->received_ns = now.mono_ns;
    while (n < DATAGRAM_BURST && port->in.begin < port->in.end) {
        const struct sim_head *head = sim_ring_head(&port->in, port->in.begin);
        size += head->size;
        base->events->received(base->role, &head->address,
                               sim_ring_bytes(&port->in, port->in.begin), head->size);
        port->in.begin++;
        n++;
    }
    if (n == 0)
        return 0;
    datagram_count(&base->counters.rx, n);
    datagram_count(&base->counters.rx_bytes, size);
    datagram_count(&base->counters.reads, 1);
    return n;
}

static uint8_t *sim_room(struct datagram_port *base)
{
    struct datagram_sim *port = sim_of(base);
    if (port->out.begin == port->out.end) /* the same slots again: they are in the cache */
        port->out.begin = port->out.end = port->flushed = 0;
    if (sim_ring_full(&port->out)) {
        datagram_count(&base->counters.tx_full, 1);
        return NULL;
    }
    return sim_ring_bytes(&port->out, port->out.end);
}

static void sim_send(struct datagram_port *base, const struct address *to, uint32_t size)
{
    struct datagram_sim *port = sim_of(base);
    DCHECK(!sim_ring_full(&port->out)); /* room was given */
    CHECK(size >= 1 && size <= DATAGRAM_SIZE_MAX);
    datagram_count(&base->counters.tx_bytes, size);
    if (size > port->size_max) {
        datagram_count(&base->counters.tx_too_large, 1);
        return;
    }
    *sim_ring_head(&port->out, port->out.end) = (struct sim_head){*to, size};
    port->out.end++;
}

static void sim_flush(struct datagram_port *base)
{
    struct datagram_sim *port = sim_of(base);
    if (port->flushed == port->out.end)
        return;
    datagram_count(&base->counters.writes, 1);
    datagram_count(&base->counters.tx, port->out.end - port->flushed);
    port->flushed = port->out.end;
}

static uint32_t sim_size_max(struct datagram_port *base, const struct address *to)
{
    (void)to;
    return sim_of(base)->size_max;
}

static bool sim_idle(struct datagram_port *base)
{
    return sim_of(base)->in.begin == sim_of(base)->in.end;
}

static uint64_t sim_deadline_ns(struct datagram_port *base, struct now now)
{
    (void)base;
    (void)now;
    return UINT64_MAX;
}

static int sim_park_fds(struct datagram_port *base, int *fds, int max)
{
    (void)base;
    (void)fds;
    (void)max;
    return 0;
}

static void sim_fini(struct datagram_port *base)
{
    struct datagram_sim *port = sim_of(base);
    sim_ring_fini(&port->in);
    sim_ring_fini(&port->out);
    free(port);
}

static const struct datagram_ops sim_ops = {
    .poll = sim_poll,
    .room = sim_room,
    .send = sim_send,
    .flush = sim_flush,
    .size_max = sim_size_max,
    .idle = sim_idle,
    .deadline_ns = sim_deadline_ns,
    .park_fds = sim_park_fds,
    .fini = sim_fini,
};

int datagram_sim_open(const struct datagram_sim_setup *setup, struct datagram_port **out)
{
    uint32_t size_max = setup->size_max ? setup->size_max : SIM_SIZE_DEFAULT;
    uint32_t in = setup->in_count ? setup->in_count : SIM_COUNT;
    uint32_t outgoing = setup->out_count ? setup->out_count : SIM_COUNT;
    if (size_max < DATAGRAM_SIZE_MIN || size_max > DATAGRAM_SIZE_MAX || in > SIM_COUNT_MAX ||
        outgoing > SIM_COUNT_MAX)
        return ERR_RANGE;
    struct datagram_sim *port = calloc(1, sizeof(*port));
    if (!port)
        return ERR_NOMEM;
    port->base.ops = &sim_ops;
    port->base.local = setup->local;
    port->size_max = size_max;
    if (sim_ring_init(&port->in, in) || sim_ring_init(&port->out, outgoing)) {
        sim_fini(&port->base);
        return ERR_NOMEM;
    }
    *out = &port->base;
    return 0;
}

/* ---- the test's side ---- */

bool datagram_sim_take(struct datagram_port *base, struct datagram_sim_sent *sent)
{
    struct datagram_sim *port = sim_of(base);
    if (port->out.begin == port->flushed)
        return false;
    const struct sim_head *head = sim_ring_head(&port->out, port->out.begin);
    *sent = (struct datagram_sim_sent){head->address, sim_ring_bytes(&port->out, port->out.begin),
                                       head->size};
    port->out.begin++;
    return true;
}

bool datagram_sim_put(struct datagram_port *base, const struct address *from, const void *bytes,
                      uint32_t size)
{
    struct datagram_sim *port = sim_of(base);
    if (port->in.begin == port->in.end)
        port->in.begin = port->in.end = 0;
    if (sim_ring_full(&port->in) || size > DATAGRAM_SIZE_MAX)
        return false;
    *sim_ring_head(&port->in, port->in.end) = (struct sim_head){*from, size};
    memcpy(sim_ring_bytes(&port->in, port->in.end), bytes, size);
    port->in.end++;
    return true;
}

void datagram_sim_clear(struct datagram_port *base)
{
    struct datagram_sim *port = sim_of(base);
    port->in.begin = port->in.end;
    port->out.begin = port->flushed = port->out.end;
}
