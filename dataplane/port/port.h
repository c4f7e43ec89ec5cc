/* port: where byte streams come from. One port belongs to one NET role: kernel sockets
 * (port_kernel), a DPDK device with lwIP (dpdk/port_dpdk), or a simulated network (port_sim). NET
 * implements struct port_events; the port calls it from inside port_poll only, never from
 * port_flush, port_close or port_resume, so NET is never entered twice.
 *
 *     accept ──▶ opened ──▶ received* / drained* ──▶ closed        the stream lives between the two
 *                  └ false: refused, no closed
 *
 * One turn of NET: handle records of other roles (which commits replies to streams), port_poll
 * (which reads, calls received, and sends what that produced), port_flush (sends the rest).
 * Bounded: a poll handles at most PORT_BURST streams and reads at most PORT_READ_SIZE of each.
 *
 * One role owns a port: no two calls at the same time. Only the counters may be read by CTL. */
#pragma once

#include "base/clock.h"
#include "base/counters.h"
#include "base/slab.h"
#include "dataplane/port/stream.h"

#include <stdatomic.h>

#define PORT_BURST     256     /* streams (and new streams) handled in one poll */
#define PORT_READ_SIZE 65536u /* bytes read from one stream in one poll */

/* What NET does with streams. */
struct port_events {
    /* A peer has connected. false: refuse it (it is closed at once, and closed is not called).
     * Says no by its result, not by port_close. */
    bool (*opened)(void *net, struct stream *stream);
    /* Bytes have come, or stream->ended has become true. */
    void (*received)(void *net, struct stream *stream);
    /* A stream whose tx room was refused has room again. */
    void (*drained)(void *net, struct stream *stream);
    /* The stream is gone: the peer reset it, it failed, or port_close has finished. */
    void (*closed)(void *net, struct stream *stream);
};

/* Written by the port's role, read by CTL: relaxed. */
struct port_counters {
    _Atomic uint64_t opened, closed;   /* streams; opened includes those that NET refused */
    _Atomic uint64_t refused;          /* by NET */
    _Atomic uint64_t refused_total;    /* at streams_max */
    _Atomic uint64_t refused_fds;      /* the process had no descriptor left */
    _Atomic uint64_t refused_memory;   /* the slab had no room for the stream or its bytes */
    _Atomic uint64_t reset; /* ended by the peer's reset, or by an error of the network */
    _Atomic uint64_t rx_bytes, tx_bytes;
    _Atomic uint64_t reads, writes;    /* calls into the kernel or lwIP that moved bytes */
    _Atomic uint64_t short_writes;     /* writes that took less than there was */
};

static inline void port_count(_Atomic uint64_t *counter, uint64_t n)
{
    counters_bump(counter, n);
}

struct port_ops {
    uint32_t (*poll)(struct port *port, struct now now);
    void (*flush)(struct port *port, struct stream *stream);
    void (*flushed)(struct port *port); /* after the last flush of a port_flush; may be NULL */
    void (*close)(struct port *port, struct stream *stream, bool flush_first);
    void (*resume)(struct port *port, struct stream *stream);
    bool (*idle)(struct port *port);
    uint64_t (*deadline_ns)(struct port *port, struct now now);
    int (*park_fds)(struct port *port, int *fds, int max);
    void (*wait)(struct port *port, int wake_fd, uint64_t wait_ns);
    void (*fini)(struct port *port);
};

/* What every port is started with. */
struct port_setup {
    const struct port_events *events;
    void *net;             /* passed to every event */
    struct slab *slab;     /* streams and their buffers come from here */
    uint32_t rx_limit;     /* largest stream_rx_want, bytes: the largest frame */
    uint32_t tx_limit;     /* most bytes that wait in one stream's tx */
    uint32_t streams_max;  /* open streams of this port; more are refused */
};

struct port {
    const struct port_ops *ops;
    struct port_setup setup;
    struct stream *dirty; /* streams with bytes to send, newest first */
    uint32_t stream_count;
    uint32_t id_last;
    struct port_counters counters;
};

/* port_init sets the common part; for ports. Assumes sane limits: rx_limit and tx_limit in
 * [STREAM_PIECE_SIZE_MIN, 2^27]. Returns 0 or ERR_RANGE. */
MUST_USE int port_init(struct port *port, const struct port_ops *ops,
                       const struct port_setup *setup);

/* port_dirty puts a stream on the list of those to flush; port_forget takes it off. For streams and
 * ports, not for NET. */
void port_dirty(struct port *port, struct stream *stream);
void port_forget(struct port *port, struct stream *stream);

/* port_poll does one bounded turn: accepts, reads, calls the events, sends what they produced.
 * Returns units of work, 0 when there was nothing. */
static inline uint32_t port_poll(struct port *port, struct now now)
{
    return port->ops->poll(port, now);
}

/* port_flush sends, as far as it goes without waiting, what was committed outside of port_poll.
 * Called by NET at the end of its turn. What does not go leaves when the peer takes it. */
void port_flush(struct port *port);

/* port_close ends a stream: with flush_first after all of tx has left (or the peer has gone, or
 * 5 s have passed without progress), else at once. No received or drained comes any more; closed
 * comes from a later port_poll. A second call for the same stream does nothing, except that
 * flush_first = false cuts short an earlier true. */
static inline void port_close(struct stream *stream, bool flush_first)
{
    stream->port->ops->close(stream->port, stream, flush_first);
}

/* port_resume says that NET has dealt with bytes it had left in rx: the port settles rx and reads
 * again if rx_want is not met. Cheap; may be called when nothing was paused. Not from inside
 * received (there the port does it by itself). */
static inline void port_resume(struct stream *stream)
{
    stream->port->ops->resume(stream->port, stream);
}

/* True when poll would find nothing that the port knows of already (before parking). */
static inline bool port_idle(struct port *port)
{
    return port->ops->idle(port);
}

/* The next mono_ns at which poll must run although nothing arrives; UINT64_MAX: none. */
static inline uint64_t port_deadline_ns(struct port *port, struct now now)
{
    return port->ops->deadline_ns(port, now);
}

/* port_park_fds gives up to max descriptors that become readable when there is work. Returns the
 * count, or -1 when the port has none to wait on: its worker must poll it (a deadline bounds
 * it). */
static inline int port_park_fds(struct port *port, int *fds, int max)
{
    return port->ops->park_fds(port, fds, max);
}

/* port_wait sleeps until there is work, wake_fd is readable, or wait_ns have passed (UINT64_MAX: no
 * limit). What it learns is used by the next poll, so that a port that is the only thing its worker
 * waits for costs one system call per sleep and poll. NULL in ops: use port_park_fds. */
static inline void port_wait(struct port *port, int wake_fd, uint64_t wait_ns)
{
    port->ops->wait(port, wake_fd, wait_ns);
}

/* port_fini closes all streams without events, and frees the port. */
static inline void port_fini(struct port *port)
{
    port->ops->fini(port);
}
