/* datagram: where datagrams come from and go to. One port belongs to one role (PEER). Behind it:
 * UDP sockets of the kernel (datagram_kernel), frames of the dpdk port's device (datagram_dpdk), or
 * memory (datagram_sim).
 *
 *   poll ──▶ received(from, bytes)*          bytes are lent for the call
 *   room ──▶ (write into it) ──▶ send(to, n) ... room, send ...  flush
 *                 └─ not wanted after all: say room again, it is the same
 *
 * Lossy, as UDP: a datagram may vanish, come twice, come late. Never fragmented by IP: one above
 * datagram_size_max is refused by the network and counted as too large. Nothing allocates after
 * open. Bounded: a poll takes at most DATAGRAM_BURST datagrams, at most DATAGRAM_QUEUE wait to be
 * sent.
 *
 * One role owns a port: no two calls at the same time. Only the counters may be read by CTL. */
#pragma once

#include "base/clock.h"
#include "base/counters.h"
#include "base/err.h"
#include "base/messages.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DATAGRAM_BURST 64u  /* received in one poll */
#define DATAGRAM_QUEUE 256u /* waiting to be sent */
/* The largest datagram, bytes: a jumbo frame of 9000 less the headers of IPv4 and UDP; also what is
 * used on a loopback whose MTU is larger. */
#define DATAGRAM_SIZE_MAX 8972u
/* What every network carries: IPv6's least MTU of 1280 less its header and UDP's. */
#define DATAGRAM_SIZE_MIN 1232u

struct datagram_port;

/* What the role does with what comes. */
struct datagram_events {
    /* One datagram, whole; size in [0, DATAGRAM_SIZE_MAX]; bytes are 8-byte aligned and lent for
     * the call. May call room and send, not poll. */
    void (*received)(void *role, const struct address *from, const uint8_t *bytes, uint32_t size);
};

/* Written by the port's role, read by CTL: relaxed. */
struct datagram_counters {
    _Atomic uint64_t rx, tx; /* datagrams */
    _Atomic uint64_t rx_bytes, tx_bytes;
    _Atomic uint64_t reads, writes; /* system calls, or bursts, that moved datagrams */
    _Atomic uint64_t rx_truncated;  /* larger than DATAGRAM_SIZE_MAX: dropped */
    _Atomic uint64_t tx_too_large;  /* above the path's MTU: dropped */
    _Atomic uint64_t tx_failed;     /* refused by the system or the device: dropped */
    _Atomic uint64_t tx_full;       /* room was refused: the queue was full */
};

struct datagram_ops {
    uint32_t (*poll)(struct datagram_port *port, struct now now);
    uint8_t *(*room)(struct datagram_port *port);
    void (*send)(struct datagram_port *port, const struct address *to, uint32_t size);
    void (*flush)(struct datagram_port *port);
    uint32_t (*size_max)(struct datagram_port *port, const struct address *to);
    bool (*idle)(struct datagram_port *port);
    uint64_t (*deadline_ns)(struct datagram_port *port, struct now now);
    int (*park_fds)(struct datagram_port *port, int *fds, int max);
    const _Atomic uint64_t *(*published)(const struct datagram_port *port, uint32_t net_index);
    void (*fini)(struct datagram_port *port);
};

struct datagram_port {
    const struct datagram_ops *ops;
    const struct datagram_events *events; /* set by datagram_start */
    void *role;
    struct address local; /* as bound: the port is the real one when 0 was asked for */
    uint64_t received_ns; /* the clock when the datagrams that `received` is given were here */
    struct datagram_counters counters;
};

/* datagram_start says who receives. events and role outlive the port. Before the first poll. */
static inline void datagram_start(struct datagram_port *port, const struct datagram_events *events,
                                  void *role)
{
    port->events = events;
    port->role = role;
}

static inline void datagram_count(_Atomic uint64_t *counter, uint64_t n)
{
    counters_bump(counter, n);
}

/* datagram_poll receives a burst. Returns how many came; DATAGRAM_BURST: there may be more. */
static inline uint32_t datagram_poll(struct datagram_port *port, struct now now)
{
    return port->ops->poll(port, now);
}

/* datagram_room lends room for the largest datagram that datagram_size_max allows anywhere, 8-byte
 * aligned, for the next datagram, until datagram_send; NULL when the queue is full although it was
 * flushed: drop, or wait. */
static inline uint8_t *datagram_room(struct datagram_port *port)
{
    return port->ops->room(port);
}

/* datagram_send queues the first `size` bytes of the room given last. size in [1,
 * DATAGRAM_SIZE_MAX]; above datagram_size_max it is lost and counted. Leaves with the flush. */
static inline void datagram_send(struct datagram_port *port, const struct address *to,
                                 uint32_t size)
{
    port->ops->send(port, to, size);
}

/* datagram_flush gives what is queued to the network, as far as it takes it without waiting; the
 * rest goes with a later flush (deadline_ns bounds when). */
static inline void datagram_flush(struct datagram_port *port)
{
    port->ops->flush(port);
}

/* datagram_size_max asks for the largest datagram that the route to `to` carries in one piece, in
 * [DATAGRAM_SIZE_MIN, DATAGRAM_SIZE_MAX]; the least when there is no route. May cost some system
 * calls: asked when an address is new, and now and then. */
static inline uint32_t datagram_size_max(struct datagram_port *port, const struct address *to)
{
    return port->ops->size_max(port, to);
}

/* True when poll would find nothing that the port knows of already (before parking). */
static inline bool datagram_idle(struct datagram_port *port)
{
    return port->ops->idle(port);
}

/* The next mono_ns at which poll or flush must run although nothing arrives; UINT64_MAX: none. */
static inline uint64_t datagram_deadline_ns(struct datagram_port *port, struct now now)
{
    return port->ops->deadline_ns(port, now);
}

/* datagram_park_fds gives up to max descriptors that become readable when there is work. Returns
 * the count (0: another role of the worker waits on them), or -1: must be polled. */
static inline int datagram_park_fds(struct datagram_port *port, int *fds, int max)
{
    return port->ops->park_fds(port, fds, max);
}

/* datagram_published gives what changes when NET `net_index`, on another worker, has received
 * datagrams for this port: for worker_downstream_add, so that it wakes the worker of this one.
 * NULL: it receives by itself. */
static inline const _Atomic uint64_t *datagram_published(const struct datagram_port *port,
                                                         uint32_t net_index)
{
    return port->ops->published ? port->ops->published(port, net_index) : NULL;
}

/* datagram_fini drops what waits, and frees the port. */
static inline void datagram_fini(struct datagram_port *port)
{
    port->ops->fini(port);
}
