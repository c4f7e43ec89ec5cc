#include "dataplane/port/port_kernel.h"

#include "base/lines.h"
#include "dataplane/port/kernel_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define KERNEL_ACCEPT_BURST 64             /* connections accepted in one poll */
#define KERNEL_FLUSH_NS     (5 * NS_PER_S) /* a flushing stream may stand still for so long */
#define KERNEL_LINGER_NS    (1 * NS_PER_S)
#define KERNEL_DRAIN_READS  4 /* reads of a lingering stream in one poll */

enum kernel_state { KERNEL_OPEN, KERNEL_FLUSHING, KERNEL_DOOMED, KERNEL_LINGERING, KERNEL_GONE };

/* What epoll's data says: a stream (a pointer), or one of these. */
enum kernel_tag { KERNEL_TAG_STREAM = 0, KERNEL_TAG_LISTENER = 1, KERNEL_TAG_WAKE = 2 };

struct kernel_stream {
    struct stream base;
    int fd;
    bool readable; /* the last read was not short: there may be more */
    bool finished; /* epoll has seen the peer's end: read until 0 or an error, however short */
    bool hung_up;  /* epoll has seen the end of both directions, or an error */
    bool blocked;  /* the last write was short: wait for EPOLLOUT */
    bool queued;   /* on the port's queue */
    bool drained_due;
    bool linger;       /* after closed: shut down and drain rather than close */
    bool timed;        /* on the list of its state's deadline */
    uint64_t since_ns; /* flushing, lingering: start of the deadline */
    struct kernel_stream *queue_next;
    struct kernel_stream *timed_next, *timed_prev;
    struct kernel_stream *all_next, *all_prev;
};

struct kernel_list {
    struct kernel_stream *first, *last;
};

struct port_kernel {
    _Alignas(LINES_SIZE) struct port base; /* of one NET; each has one */
    int epoll_fd, wake_fd, spare_fd;
    uint32_t listener_count;
    struct kernel_listener listeners[PORT_KERNEL_LISTEN_MAX];
    struct kernel_stream *queue_first, *queue_last; /* to be handled in the next poll */
    struct kernel_list flushing, lingering;         /* oldest deadline first */
    struct kernel_stream *all;
    uint64_t now_ns;  /* of the last poll */
    int event_count;  /* fetched by wait, not handled yet */
    bool more_events; /* the last fetch was full */
    struct epoll_event events[PORT_BURST];
    uint8_t scratch[2 * PORT_READ_SIZE]; /* kept bytes go before, read ones behind the middle */
};

static_assert(sizeof(struct kernel_stream) <= 256, "an idle connection costs one 256 B piece");
LINES_OWN(struct port_kernel);

static struct port_kernel *kernel_of(struct port *port)
{
    return (struct port_kernel *)port;
}

static struct kernel_stream *kernel_stream_of(struct stream *stream)
{
    return (struct kernel_stream *)stream;
}

/* ---- the queue of streams that need a look in the next poll, whatever epoll says ---- */

static void kernel_queue(struct port_kernel *port, struct kernel_stream *stream)
{
    if (stream->queued)
        return;
    stream->queued = true;
    stream->queue_next = NULL;
    if (port->queue_last)
        port->queue_last->queue_next = stream;
    else
        port->queue_first = stream;
    port->queue_last = stream;
}

static struct kernel_stream *kernel_dequeue(struct port_kernel *port)
{
    struct kernel_stream *stream = port->queue_first;
    port->queue_first = stream->queue_next;
    if (!port->queue_first)
        port->queue_last = NULL;
    stream->queued = false;
    return stream;
}

/* ---- deadlines ---- */

static struct kernel_list *kernel_timed_list(struct port_kernel *port, uint8_t state)
{
    return state == KERNEL_FLUSHING ? &port->flushing : &port->lingering;
}

static void kernel_timed_remove(struct port_kernel *port, struct kernel_stream *stream)
{
    if (!stream->timed)
        return;
    struct kernel_list *list = kernel_timed_list(port, stream->base.state);
    *(stream->timed_prev ? &stream->timed_prev->timed_next : &list->first) = stream->timed_next;
    *(stream->timed_next ? &stream->timed_next->timed_prev : &list->last) = stream->timed_prev;
    stream->timed = false;
}

/* Starts the deadline of the stream's state (again). */
static void kernel_timed_add(struct port_kernel *port, struct kernel_stream *stream)
{
    kernel_timed_remove(port, stream);
    struct kernel_list *list = kernel_timed_list(port, stream->base.state);
    stream->since_ns = port->now_ns;
    stream->timed_next = NULL;
    stream->timed_prev = list->last;
    *(list->last ? &list->last->timed_next : &list->first) = stream;
    list->last = stream;
    stream->timed = true;
}

/* ---- the end of a stream ---- */

/* The stream is of no more use: the next look at it calls closed. */
static void kernel_doom(struct port_kernel *port, struct kernel_stream *stream, bool linger)
{
    if (stream->base.state >= KERNEL_DOOMED)
        return;
    kernel_timed_remove(port, stream);
    stream->base.state = KERNEL_DOOMED;
    stream->linger = linger;
    kernel_queue(port, stream);
}

static void kernel_free(struct port_kernel *port, struct kernel_stream *stream)
{
    kernel_timed_remove(port, stream);
    port_forget(&port->base, &stream->base);
    stream_release(&stream->base);
    close(stream->fd);
    *(stream->all_prev ? &stream->all_prev->all_next : &port->all) = stream->all_next;
    if (stream->all_next)
        stream->all_next->all_prev = stream->all_prev;
    port->base.stream_count--;
    slab_free(port->base.setup.slab, stream, sizeof(*stream));
}

/* A stream that failed by itself. */
static void kernel_fail(struct port_kernel *port, struct kernel_stream *stream,
                        _Atomic uint64_t *counter)
{
    if (stream->base.state >= KERNEL_DOOMED)
        return;
    port_count(counter, 1);
    kernel_doom(port, stream, false);
}

/* ---- sending ---- */

static void kernel_send(struct port_kernel *port, struct kernel_stream *stream)
{
    uint32_t size;
    const uint8_t *at = stream_tx(&stream->base, &size);
    if (!at || stream->blocked)
        return;
    ssize_t n = send(stream->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        if (errno == EAGAIN)
            stream->blocked = true;
        else if (errno != EINTR)
            kernel_fail(port, stream, &port->base.counters.reset);
        return;
    }
    port_count(&port->base.counters.writes, 1);
    port_count(&port->base.counters.tx_bytes, (uint64_t)n);
    if ((uint32_t)n < size) {
        stream->blocked = true;
        port_count(&port->base.counters.short_writes, 1);
    }
    if (stream_tx_sent(&stream->base, (uint32_t)n)) {
        stream->drained_due = true;
        kernel_queue(port, stream);
    }
    if (stream->base.state == KERNEL_FLUSHING)
        kernel_timed_add(port, stream);
}

static void kernel_flush(struct port *base, struct stream *stream)
{
    struct port_kernel *port = kernel_of(base);
    struct kernel_stream *s = kernel_stream_of(stream);
    if (stream->state >= KERNEL_DOOMED)
        return;
    if (stream->failed) {
        kernel_fail(port, s, &base->counters.refused_memory);
        return;
    }
    kernel_send(port, s);
    if (stream->state == KERNEL_FLUSHING && stream_tx_size(stream) == 0)
        kernel_doom(port, s, true);
}

static void kernel_close(struct port *base, struct stream *stream, bool flush_first)
{
    struct port_kernel *port = kernel_of(base);
    struct kernel_stream *s = kernel_stream_of(stream);
    if (stream->state >= KERNEL_DOOMED)
        return;
    if (!flush_first) {
        kernel_doom(port, s, false);
    } else if (stream->state == KERNEL_OPEN) {
        stream->state = KERNEL_FLUSHING;
        kernel_timed_add(port, s);
        port_dirty(base, stream);
    }
}

/* ---- receiving ---- */

/* One recv. Returns the bytes, 0 at the end of the stream, or -1 when nothing came (or it
 * failed). */
static ssize_t kernel_recv(struct port_kernel *port, struct kernel_stream *stream, uint8_t *at,
                           uint32_t room)
{
    uint32_t size = room < PORT_READ_SIZE ? room : PORT_READ_SIZE;
    ssize_t n = recv(stream->fd, at, size, MSG_DONTWAIT);
    if (n > 0) {
        port_count(&port->base.counters.reads, 1);
        port_count(&port->base.counters.rx_bytes, (uint64_t)n);
        stream->readable = stream->finished || (uint32_t)n == size;
    } else if (n == 0) {
        stream->readable = false;
    } else if (errno == EAGAIN) {
        stream->readable = false;
    } else if (errno != EINTR) {
        stream->readable = false;
        kernel_fail(port, stream, &port->base.counters.reset);
    }
    return n;
}

/* Reads once and hands it to NET. Into the scratch buffer, behind room for what is kept, unless the
 * frame that is awaited is larger than that: then straight to its place. */
static void kernel_read(struct port_kernel *port, struct kernel_stream *stream)
{
    struct stream *base = &stream->base;
    uint32_t room = PORT_READ_SIZE;
    bool lend = base->rx_want <= PORT_READ_SIZE || base->rx.room == 0;
    uint8_t *at = lend ? port->scratch + PORT_READ_SIZE : stream_rx_room(base, &room);
    ssize_t n = kernel_recv(port, stream, at, room);
    if (n < 0)
        return;
    if (n == 0)
        base->ended = true;
    else if (lend)
        stream_rx_lend(base, at, (uint32_t)n);
    else
        stream_rx_commit(base, (uint32_t)n);
    if (n == 0 || !stream_rx_wanted(base))
        port->base.setup.events->received(port->base.setup.net, base);
    if (stream_rx_settle(base))
        kernel_fail(port, stream, &port->base.counters.refused_memory);
}

static bool kernel_may_read(const struct kernel_stream *stream)
{
    return stream->base.state == KERNEL_OPEN && stream->readable && !stream->base.ended &&
           stream_rx_wanted(&stream->base);
}

/* Throws away what a peer sends after our last byte. */
static void kernel_drain(struct port_kernel *port, struct kernel_stream *stream)
{
    for (int i = 0; i < KERNEL_DRAIN_READS; i++) {
        ssize_t n = recv(stream->fd, port->scratch, PORT_READ_SIZE, MSG_DONTWAIT);
        if (n > 0)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        kernel_free(port, stream);
        return;
    }
    kernel_queue(port, stream);
}

/* closed(), then gone, or lingering without buffers and unknown to NET. */
static void kernel_finish(struct port_kernel *port, struct kernel_stream *stream)
{
    port->base.setup.events->closed(port->base.setup.net, &stream->base);
    port_count(&port->base.counters.closed, 1);
    if (!stream->linger || stream->base.ended || shutdown(stream->fd, SHUT_WR)) {
        kernel_free(port, stream);
        return;
    }
    port_forget(&port->base, &stream->base);
    stream_release(&stream->base);
    stream->base.state = KERNEL_LINGERING;
    kernel_timed_add(port, stream);
    kernel_drain(port, stream);
}

/* Whatever there is to do for a stream. */
static void kernel_look(struct port_kernel *port, struct kernel_stream *stream)
{
    struct stream *base = &stream->base;
    if (base->state == KERNEL_DOOMED) {
        kernel_finish(port, stream);
        return;
    }
    if (base->state == KERNEL_LINGERING) {
        kernel_drain(port, stream);
        return;
    }
    if (base->failed)
        kernel_fail(port, stream, &port->base.counters.refused_memory);
    if (stream->hung_up && (base->state != KERNEL_OPEN || !stream_rx_wanted(base)))
        kernel_fail(port, stream, &port->base.counters.reset);
    if (kernel_may_read(stream))
        kernel_read(port, stream);
    if (stream_tx_size(base) > 0 || base->state == KERNEL_FLUSHING)
        kernel_flush(&port->base, base);
    if (stream->drained_due && base->state == KERNEL_OPEN) {
        stream->drained_due = false;
        port->base.setup.events->drained(port->base.setup.net, base);
        kernel_flush(&port->base, base);
    }
    if (kernel_may_read(stream))
        kernel_queue(port, stream);
}

static void kernel_resume(struct port *base, struct stream *stream)
{
    struct kernel_stream *s = kernel_stream_of(stream);
    if (stream->state != KERNEL_OPEN)
        return;
    if (stream_rx_settle(stream) || kernel_may_read(s))
        kernel_queue(kernel_of(base), s);
}

/* ---- new streams ---- */

static int kernel_epoll_add(struct port_kernel *port, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(port->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void kernel_open(struct port_kernel *port, const struct kernel_listener *listener, int fd,
                        const struct address *peer)
{
    struct port_counters *counters = &port->base.counters;
    if (port->base.stream_count >= port->base.setup.streams_max) {
        port_count(&counters->refused_total, 1);
        close(fd);
        return;
    }
    struct kernel_stream *stream = slab_alloc(port->base.setup.slab, sizeof(*stream));
    if (!stream) {
        port_count(&counters->refused_memory, 1);
        close(fd);
        return;
    }
    memset(stream, 0, sizeof(*stream));
    stream_init(&stream->base, &port->base);
    stream->fd = fd;
    stream->base.peer = *peer;
    stream->base.local = listener->address;
    port_count(&counters->opened, 1);
    if (kernel_epoll_add(port, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, (uintptr_t)stream) ||
        !port->base.setup.events->opened(port->base.setup.net, &stream->base)) {
        port_count(&counters->refused, 1);
        port_forget(&port->base, &stream->base);
        stream_release(&stream->base);
        close(fd);
        slab_free(port->base.setup.slab, stream, sizeof(*stream));
        return;
    }
    port->base.stream_count++;
    stream->all_next = port->all;
    if (port->all)
        port->all->all_prev = stream;
    port->all = stream;
}

/* No descriptor is left: gives up the spare one, so that the peer is refused rather than left in
 * the backlog, and takes it back. Returns false when nobody was waiting (accept asks for a
 * descriptor before it looks). */
static bool kernel_refuse(struct port_kernel *port, const struct kernel_listener *listener)
{
    struct address peer;
    close(port->spare_fd);
    int fd = kernel_listener_accept(listener, &peer);
    if (fd >= 0) {
        close(fd);
        port_count(&port->base.counters.refused_fds, 1);
    }
    port->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static uint32_t kernel_accept(struct port_kernel *port, const struct kernel_listener *listener)
{
    uint32_t count = 0;
    while (count < KERNEL_ACCEPT_BURST) {
        struct address peer;
        int fd = kernel_listener_accept(listener, &peer);
        if (fd >= 0) {
            kernel_open(port, listener, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE) {
            if (!kernel_refuse(port, listener))
                break;
        } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
            break;
        }
        /* Any other error is about one connection that went away before it was accepted. */
        count++;
    }
    return count;
}

/* ---- a turn ---- */

static void kernel_event(struct port_kernel *port, const struct epoll_event *event)
{
    uint64_t tag = event->data.u64 & 3;
    if (tag == KERNEL_TAG_LISTENER) {
        kernel_accept(port, &port->listeners[event->data.u64 >> 2]);
        return;
    }
    if (tag == KERNEL_TAG_WAKE)
        return;
    struct kernel_stream *stream = (struct kernel_stream *)(uintptr_t)event->data.u64;
    if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        stream->readable = true;
    if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        stream->finished = true;
    if (event->events & (EPOLLHUP | EPOLLERR))
        stream->hung_up = true;
    if (event->events & EPOLLOUT)
        stream->blocked = false;
    /* A stream on the queue has its turn there: freeing is done there only. */
    if (!stream->queued && stream->base.state < KERNEL_DOOMED)
        kernel_look(port, stream);
    else
        kernel_queue(port, stream);
}

static void kernel_expire(struct port_kernel *port)
{
    struct kernel_stream *stream;
    while ((stream = port->flushing.first) && port->now_ns - stream->since_ns >= KERNEL_FLUSH_NS)
        kernel_fail(port, stream, &port->base.counters.reset);
    while ((stream = port->lingering.first) &&
           port->now_ns - stream->since_ns >= KERNEL_LINGER_NS) {
        kernel_timed_remove(port, stream);
        stream->base.state = KERNEL_GONE;
        kernel_queue(port, stream);
    }
}

static void kernel_fetch(struct port_kernel *port, uint64_t wait_ns)
{
    struct timespec ts = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
                          .tv_nsec = (long)(wait_ns % NS_PER_S)};
    int n;
    if (wait_ns == 0) {
        n = epoll_wait(port->epoll_fd, port->events, PORT_BURST, 0);
    } else {
        n = epoll_pwait2(port->epoll_fd, port->events, PORT_BURST,
                         wait_ns == UINT64_MAX ? NULL : &ts, NULL);
        if (n < 0 && errno == ENOSYS) /* before Linux 5.11: a millisecond is the least */
            n = epoll_wait(port->epoll_fd, port->events, PORT_BURST,
                           wait_ns / NS_PER_MS >= 60000 ? 60000 : (int)(wait_ns / NS_PER_MS) + 1);
    }
    port->event_count = n > 0 ? n : 0;
    port->more_events = n == PORT_BURST;
}

static uint32_t kernel_poll(struct port *base, struct now now)
{
    struct port_kernel *port = kernel_of(base);
    port->now_ns = now.mono_ns;
    if (port->event_count == 0)
        kernel_fetch(port, 0);
    uint32_t work = 0;
    for (int i = 0; i < port->event_count; i++) {
        kernel_event(port, &port->events[i]);
        work += (port->events[i].data.u64 & 3) != KERNEL_TAG_WAKE;
    }
    port->event_count = 0;
    kernel_expire(port);
    /* Only streams queued before this point: what they queue again waits for the next poll. */
    struct kernel_stream *last = port->queue_last;
    for (uint32_t i = 0; port->queue_first && i < PORT_BURST; i++) {
        struct kernel_stream *stream = kernel_dequeue(port);
        bool done = stream == last;
        if (stream->base.state == KERNEL_GONE)
            kernel_free(port, stream);
        else
            kernel_look(port, stream);
        work++;
        if (done)
            break;
    }
    return work;
}

static bool kernel_idle(struct port *base)
{
    struct port_kernel *port = kernel_of(base);
    return !port->queue_first && port->event_count == 0 && !port->more_events && !base->dirty;
}

static uint64_t kernel_deadline_ns(struct port *base, struct now now)
{
    (void)now;
    struct port_kernel *port = kernel_of(base);
    uint64_t at_ns = UINT64_MAX;
    if (port->flushing.first)
        at_ns = port->flushing.first->since_ns + KERNEL_FLUSH_NS;
    if (port->lingering.first && port->lingering.first->since_ns + KERNEL_LINGER_NS < at_ns)
        at_ns = port->lingering.first->since_ns + KERNEL_LINGER_NS;
    return at_ns;
}

static int kernel_park_fds(struct port *base, int *fds, int max)
{
    if (max > 0)
        fds[0] = kernel_of(base)->epoll_fd;
    return 1;
}

static void kernel_wait(struct port *base, int wake_fd, uint64_t wait_ns)
{
    struct port_kernel *port = kernel_of(base);
    if (port->wake_fd < 0) {
        CHECK(kernel_epoll_add(port, wake_fd, EPOLLIN | EPOLLET, KERNEL_TAG_WAKE) == 0);
        port->wake_fd = wake_fd;
    }
    CHECK(port->wake_fd == wake_fd);
    if (port->event_count == 0)
        kernel_fetch(port, wait_ns);
}

static void kernel_fini(struct port *base)
{
    struct port_kernel *port = kernel_of(base);
    while (port->all)
        kernel_free(port, port->all);
    for (uint32_t i = 0; i < port->listener_count; i++)
        kernel_listener_close(&port->listeners[i]);
    if (port->spare_fd >= 0)
        close(port->spare_fd);
    if (port->epoll_fd >= 0)
        close(port->epoll_fd);
    free(port);
}

static const struct port_ops kernel_ops = {
    .poll = kernel_poll,
    .flush = kernel_flush,
    .close = kernel_close,
    .resume = kernel_resume,
    .idle = kernel_idle,
    .deadline_ns = kernel_deadline_ns,
    .park_fds = kernel_park_fds,
    .wait = kernel_wait,
    .fini = kernel_fini,
};

/* "::" takes IPv4 too, unless an IPv4 listener wants the same port. */
static bool kernel_only_v6(const struct port_kernel_setup *setup, uint32_t index)
{
    static const struct address any;
    if (memcmp(setup->listen[index].ip, any.ip, sizeof(any.ip)) != 0)
        return true;
    for (uint32_t i = 0; i < setup->listen_count; i++) {
        const uint8_t *ip = setup->listen[i].ip;
        if (ip[10] == 0xff && ip[11] == 0xff && memcmp(ip, any.ip, 10) == 0 &&
            setup->listen[i].port == setup->listen[index].port)
            return true;
    }
    return false;
}

static int kernel_listen(struct port_kernel *port, const struct port_kernel_setup *setup,
                         struct fault *fault)
{
    for (uint32_t i = 0; i < setup->listen_count; i++) {
        const struct kernel_listener_setup listen = {
            .address = setup->listen[i],
            .only_v6 = kernel_only_v6(setup, i),
            .shared = setup->net_count > 1,
            .first = setup->net_index == 0,
            .backlog = setup->backlog,
        };
        int err = kernel_listener_open(&port->listeners[i], &listen, fault);
        if (err)
            return err;
        port->listener_count++;
        if (kernel_epoll_add(port, port->listeners[i].fd, EPOLLIN,
                             (uint64_t)i << 2 | KERNEL_TAG_LISTENER))
            return fault_set(fault, ERR_LIMIT, "epoll has no room: %s", strerror(errno));
    }
    return 0;
}

int port_kernel_open(const struct port_kernel_setup *setup, struct port **port_out,
                     struct fault *fault)
{
    if (setup->listen_count == 0 || setup->listen_count > PORT_KERNEL_LISTEN_MAX)
        return fault_set(fault, ERR_RANGE, "between 1 and %d addresses can be listened on, not %u",
                         PORT_KERNEL_LISTEN_MAX, setup->listen_count);
    struct port_kernel *port = lines_calloc(1, sizeof(*port));
    if (!port)
        return fault_set(fault, ERR_NOMEM, "no memory for a port");
    int err = port_init(&port->base, &kernel_ops, &setup->port);
    if (err) {
        free(port);
        return fault_set(fault, err, "rx_limit %u or tx_limit %u is out of range",
                         setup->port.rx_limit, setup->port.tx_limit);
    }
    port->wake_fd = -1;
    port->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    port->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (port->epoll_fd < 0 || port->spare_fd < 0)
        err = fault_set(fault, ERR_LIMIT, "no file descriptor is left; raise `ulimit -n`");
    else
        err = kernel_listen(port, setup, fault);
    if (err) {
        kernel_fini(&port->base);
        return err;
    }
    *port_out = &port->base;
    return 0;
}

struct address port_kernel_address(const struct port *port, uint32_t index)
{
    const struct port_kernel *kernel = (const struct port_kernel *)port;
    CHECK(index < kernel->listener_count);
    return kernel->listeners[index].address;
}
