/* Goal: the kernel port keeps the promises of port.h against peers that send in pieces, reset,
 * never read, or come in thousands. Method: real sockets on the loopback, driven from the same
 * thread, and a NET that echoes frames (a 4-byte big-endian size, then as many bytes). */
#include "base/rand.h"
#include "dataplane/port/kernel_listener.h"
#include "dataplane/port/port_kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define RX_LIMIT (2u << 20)
#define TX_LIMIT (1u << 20)

static struct echo_net {
    uint32_t opened, closed, received, drained, frames;
    bool refuse;     /* opened says no */
    bool hold;       /* received leaves everything */
    bool flood;      /* answers any byte with as much as goes */
    uint32_t burst_max; /* most bytes seen in one received */
    struct stream *last;
} net;

static struct slab slab;
static struct port *port;
static struct address at;
static uint64_t skew_ns; /* added to the clock: deadlines without waiting */

static bool net_opened(void *self, struct stream *stream)
{
    net.opened++;
    net.last = stream;
    return !net.refuse;
}

static void net_flood(struct stream *stream)
{
    uint8_t *room;
    while ((room = stream_tx_room(stream, 1000))) {
        memset(room, 'f', 1000);
        stream_tx_commit(stream, 1000);
    }
}

static void net_frames(struct stream *stream)
{
    uint32_t size;
    const uint8_t *in;
    while ((in = stream_rx(stream, &size)) && size >= 4) {
        uint32_t frame;
        memcpy(&frame, in, 4);
        frame = ntohl(frame) + 4;
        if (size < frame) {
            if (stream_rx_want(stream, frame) == ERR_LIMIT)
                port_close(stream, true);
            return;
        }
        uint8_t *out = stream_tx_room(stream, frame);
        if (!out)
            return;
        memcpy(out, in, frame);
        stream_tx_commit(stream, frame);
        stream_consume(stream, frame);
        net.frames++;
    }
    if (size)
        assert_int_equal(stream_rx_want(stream, 4), 0);
    if (stream->ended)
        port_close(stream, true);
}

static void net_received(void *self, struct stream *stream)
{
    uint32_t size;
    stream_rx(stream, &size);
    net.received++;
    net.burst_max = size > net.burst_max ? size : net.burst_max;
    if (net.flood) {
        stream_consume(stream, size);
        net_flood(stream);
    } else if (!net.hold) {
        net_frames(stream);
    }
}

static void net_drained(void *self, struct stream *stream)
{
    net.drained++;
    if (net.flood)
        net_flood(stream);
    else
        net_frames(stream);
}

static void net_closed(void *self, struct stream *stream)
{
    net.closed++;
    net.last = NULL;
}

static const struct port_events events = {
    .opened = net_opened, .received = net_received, .drained = net_drained, .closed = net_closed};

static uint32_t turn(void)
{
    struct now now = clock_now();
    now.mono_ns += skew_ns;
    uint32_t work = port_poll(port, now);
    port_flush(port);
    return work;
}

/* Turns until nothing has happened for a while: loopback delivers within the sender's call. */
static void turns(void)
{
    for (int quiet = 0; quiet < 3;)
        quiet = turn() ? 0 : quiet + 1;
}

/* Turns until *count is there, and then as above: a loaded kernel delivers later, by a thread of
 * its own. The bound is for a test that fails. */
static void turns_until(const uint32_t *count, uint32_t wanted)
{
    for (uint32_t i = 0; *count < wanted && i < 60000; i++)
        if (turn() == 0)
            usleep(1000);
    assert_int_equal(*count, wanted);
    turns();
}

static struct address loopback(uint16_t number)
{
    struct address address = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
                              .port = number};
    return address;
}

static int open_port(const struct address *listen, uint32_t count, uint32_t streams_max,
                     struct fault *fault)
{
    const struct port_kernel_setup setup = {
        .port = {.events = &events, .slab = &slab, .rx_limit = RX_LIMIT, .tx_limit = TX_LIMIT,
                 .streams_max = streams_max},
        .listen = listen,
        .listen_count = count,
        .net_count = 1,
    };
    return port_kernel_open(&setup, &port, fault);
}

static int set_up(void **state)
{
    const struct address any = loopback(0);
    struct fault fault = {{0}};
    memset(&net, 0, sizeof(net));
    skew_ns = 0;
    if (slab_init(&slab, 64 << 20) || open_port(&any, 1, 20000, &fault)) {
        print_error("%s\n", fault.text);
        return -1;
    }
    at = port_kernel_address(port, 0);
    return 0;
}

static int tear_down(void **state)
{
    port_fini(port);
    bool leak = slab.in_use != 0;
    slab_fini(&slab);
    return leak ? -1 : 0;
}

static void put(int fd, const void *from, size_t size)
{
    assert_int_equal(send(fd, from, size, MSG_NOSIGNAL), size);
}

static int dial_with(int receive_room)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(at.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_room)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_room, sizeof(receive_room));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static int dial(void)
{
    return dial_with(0);
}

/* A peer that asks for a flood, does not read, and has filled every buffer in between. */
static int dial_deaf(void)
{
    net.flood = true;
    int fd = dial_with(4096);
    turns();
    put(fd, "x", 1);
    turns();
    assert_true(stream_tx_size(net.last) > TX_LIMIT / 4);
    return fd;
}

/* Reads exactly size bytes, turning the port while it waits. */
static void take(int fd, uint8_t *to, size_t size)
{
    for (size_t have = 0, idle = 0; have < size;) {
        ssize_t n = recv(fd, to + have, size - have, MSG_DONTWAIT);
        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        if (n > 0)
            have += (size_t)n;
        idle = n > 0 || turn() ? 0 : idle + 1;
        assert_true(idle < 100000);
    }
}

static bool at_end(int fd)
{
    uint8_t byte;
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    return poll(&pollfd, 1, 2000) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_a_frame_byte_by_byte(void **state)
{
    uint8_t frame[4 + 10] = {0, 0, 0, 10, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'};
    uint8_t back[sizeof(frame)];
    int fd = dial();
    for (size_t i = 0; i < sizeof(frame); i++) {
        put(fd, frame + i, 1);
        turns();
        assert_int_equal(net.frames, i + 1 == sizeof(frame));
    }
    assert_true(net.received < 6); /* not for every byte: only when what it wanted was there */
    take(fd, back, sizeof(back));
    assert_memory_equal(back, frame, sizeof(frame));
    assert_int_equal(net.last->peer.ip[12], 127);
    assert_true(net.last->peer.port != 0 && net.last->local.port == at.port);
    assert_int_equal(slab.in_use, 256); /* the stream, no buffer */
    close(fd);
    turns();
    assert_int_equal(net.closed, 1);
    assert_int_equal(port->stream_count, 0);
}

/* Frames of random sizes by random pieces, far more than one read; the same bytes come back. */
static void test_pipelined_frames_of_all_sizes(void **state)
{
    struct rand rand;
    rand_seed(&rand, 7);
    size_t size = 0, limit = 6 << 20, sent = 0, back = 0;
    uint8_t *out = malloc(limit + 300000), *in = malloc(limit + 300000);
    while (size < limit) {
        uint32_t n = (uint32_t)rand_below(&rand, rand_below(&rand, 50) ? 200 : 250000);
        uint32_t be = htonl(n);
        memcpy(out + size, &be, 4);
        for (uint32_t i = 0; i < n; i++)
            out[size + 4 + i] = (uint8_t)(size + i * 7);
        size += 4 + n;
    }
    int fd = dial();
    while (back < size) {
        size_t piece = 1 + rand_below(&rand, 100000);
        if (sent < size) {
            ssize_t n = send(fd, out + sent, piece < size - sent ? piece : size - sent,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
        turn();
        ssize_t n = recv(fd, in + back, 1 + rand_below(&rand, 200000), MSG_DONTWAIT);
        back += n > 0 ? (size_t)n : 0;
        assert_true(n != 0);
    }
    assert_memory_equal(in, out, size);
    assert_int_equal(slab.in_use, 256);
    assert_true(net.burst_max <= RX_LIMIT);
    close(fd);
    free(out);
    free(in);
}

static void test_frame_above_the_limit_is_closed(void **state)
{
    uint32_t be = htonl(RX_LIMIT);
    int fd = dial();
    put(fd, &be, 4);
    turns();
    assert_true(at_end(fd));
    assert_int_equal(net.closed, 1);
    close(fd);
}

static void test_reset(void **state)
{
    int fd = dial();
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    turns();
    assert_int_equal(net.opened, 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(fd);
    turns();
    assert_int_equal(net.closed, 1);
    assert_int_equal(atomic_load(&port->counters.reset), 1);
}

static void test_reset_while_net_holds_the_bytes(void **state)
{
    int fd = dial();
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    net.hold = true;
    put(fd, "\0\0\0\1x", 5);
    turns();
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(fd);
    turns();
    assert_int_equal(net.closed, 1);
}

static void test_half_close_is_answered(void **state)
{
    uint8_t back[5];
    int fd = dial();
    put(fd, "\0\0\0\1x", 5);
    shutdown(fd, SHUT_WR);
    turns();
    take(fd, back, 5);
    assert_memory_equal(back, "\0\0\0\1x", 5);
    assert_true(at_end(fd));
    assert_int_equal(net.closed, 1);
    assert_int_equal(port->stream_count, 0);
    close(fd);
}

static void test_held_bytes_stop_the_reading(void **state)
{
    static uint8_t junk[100000]; /* frames of size 0 */
    net.hold = true;
    int fd = dial();
    turns();
    size_t sent = 0;
    for (int i = 0; i < 2000; i++) {
        ssize_t n = send(fd, junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    uint32_t size;
    stream_rx(net.last, &size);
    assert_true(size > 0 && size <= PORT_READ_SIZE);
    assert_int_equal(net.received, 1);
    assert_true(sent > size); /* the rest waits in the kernel */
    assert_true(port_idle(port));
    net.hold = false;
    uint64_t back = 0;
    net_frames(net.last);
    port_resume(net.last);
    for (int i = 0; i < 1000000 && back < sent / 4 * 4; i++) {
        static uint8_t room[1 << 17];
        turn();
        ssize_t n = recv(fd, room, sizeof(room), MSG_DONTWAIT);
        back += n > 0 ? (uint64_t)n : 0;
    }
    assert_int_equal(back, sent / 4 * 4);
    close(fd);
}

static void test_peer_that_never_reads(void **state)
{
    int fd = dial_deaf();
    uint32_t drained = net.drained;
    assert_true(stream_tx_size(net.last) <= TX_LIMIT);
    assert_true(slab.in_use <= 256 + TX_LIMIT);
    uint64_t writes = atomic_load(&port->counters.writes);
    for (int i = 0; i < 100; i++)
        turn();
    assert_int_equal(atomic_load(&port->counters.writes), writes); /* blocked costs no calls */
    assert_true(port_idle(port));
    static uint8_t room[1 << 16];
    for (int i = 0; i < 1000000 && net.drained == drained; i++) {
        recv(fd, room, sizeof(room), MSG_DONTWAIT);
        turn();
    }
    assert_int_equal(net.drained, drained + 1);
    close(fd);
}

static void test_close_flushes_everything_first(void **state)
{
    int fd = dial_deaf();
    uint64_t committed = atomic_load(&port->counters.tx_bytes) + stream_tx_size(net.last);
    port_close(net.last, true);
    port_close(net.last, true);
    put(fd, "more that nobody will read", 26);
    uint64_t back = 0;
    static uint8_t room[1 << 16];
    for (int i = 0; i < 1000000; i++) {
        ssize_t n = recv(fd, room, sizeof(room), MSG_DONTWAIT);
        turn();
        if (n == 0)
            break;
        back += n > 0 ? (uint64_t)n : 0;
    }
    assert_int_equal(back, committed);
    assert_int_equal(net.closed, 1);
    assert_int_equal(port->stream_count, 1); /* lingers until the peer closes */
    close(fd);
    turns();
    assert_int_equal(port->stream_count, 0);
}

static void test_flush_and_linger_have_deadlines(void **state)
{
    int fd = dial_deaf();
    port_close(net.last, true);
    turns();
    assert_int_equal(net.closed, 0);
    struct now now = clock_now();
    uint64_t deadline_ns = port_deadline_ns(port, now);
    assert_true(deadline_ns > now.mono_ns && deadline_ns <= now.mono_ns + 5 * NS_PER_S);
    skew_ns = 5 * NS_PER_S + 1;
    turns();
    assert_int_equal(net.closed, 1);
    assert_int_equal(port->stream_count, 0);
    close(fd);

    net.flood = false;
    fd = dial();
    turns();
    port_close(net.last, true);
    turns();
    assert_int_equal(net.closed, 2);
    assert_int_equal(port->stream_count, 1);
    skew_ns += NS_PER_S + 1;
    turns();
    assert_int_equal(port->stream_count, 0);
    assert_true(port_deadline_ns(port, now) == UINT64_MAX);
    close(fd);
}

static void test_close_now(void **state)
{
    int fd = dial();
    turns();
    port_close(net.last, true);
    port_close(net.last, false);
    assert_int_equal(net.closed, 0); /* never from inside of port_close */
    turns();
    assert_int_equal(net.closed, 1);
    assert_int_equal(port->stream_count, 0);
    assert_true(at_end(fd));
    close(fd);
}

static void test_net_refuses(void **state)
{
    net.refuse = true;
    int fd = dial();
    turns();
    assert_int_equal(net.opened, 1);
    assert_int_equal(net.closed, 0);
    assert_true(at_end(fd));
    assert_int_equal(slab.in_use, 0);
    assert_int_equal(atomic_load(&port->counters.refused), 1);
    close(fd);
}

static void test_streams_max(void **state)
{
    int fds[5];
    port->setup.streams_max = 4;
    for (int i = 0; i < 5; i++)
        fds[i] = dial();
    turns();
    assert_int_equal(net.opened, 4);
    assert_int_equal(atomic_load(&port->counters.refused_total), 1);
    assert_true(at_end(fds[4]));
    close(fds[0]);
    turns();
    close(fds[4]);
    fds[0] = dial();
    turns();
    assert_int_equal(net.opened, 5);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void test_out_of_descriptors(void **state)
{
    struct rlimit old, tight;
    int fd = dial(), other = dial();
    int next = dup(fd); /* the lowest free number */
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    tight = old;
    tight.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    turns();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(net.opened, 0);
    assert_int_equal(atomic_load(&port->counters.refused_fds), 2);
    assert_true(at_end(fd) && at_end(other)); /* told, not left waiting */
    close(fd);
    close(other);
    fd = dial();
    turns();
    assert_int_equal(net.opened, 1);
    close(fd);
}

static void test_out_of_slab_ends_one_stream_only(void **state)
{
    uint8_t back[5];
    int greedy = dial();
    turns();
    int modest = dial();
    turns();
    void *rest = slab_alloc(&slab, 32 << 20), *more = slab_alloc(&slab, 16 << 20);
    void *most = slab_alloc(&slab, 8 << 20);
    assert_true(rest && more && most);
    void *last = slab_alloc(&slab, 4 << 20), *two = slab_alloc(&slab, 2 << 20);
    uint32_t be = htonl(RX_LIMIT - 4);
    put(greedy, &be, 4);
    put(greedy, "x", 1);
    turns();
    assert_int_equal(net.closed, 1);
    assert_int_equal(atomic_load(&port->counters.refused_memory), 1);
    put(modest, "\0\0\0\1x", 5);
    take(modest, back, 5);
    slab_free(&slab, rest, 32 << 20);
    slab_free(&slab, more, 16 << 20);
    slab_free(&slab, most, 8 << 20);
    slab_free(&slab, last, 4 << 20);
    slab_free(&slab, two, 2 << 20);
    close(greedy);
    close(modest);
}

static void test_a_flood_is_read_in_bounded_turns(void **state)
{
    static uint8_t junk[1 << 20];
    int fds[3];
    for (int i = 0; i < 3; i++) {
        int room = 1 << 20;
        fds[i] = dial();
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        turns();
        send(fds[i], junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    uint64_t before = atomic_load(&port->counters.rx_bytes);
    while (turn()) {
        uint64_t now_bytes = atomic_load(&port->counters.rx_bytes);
        assert_true(now_bytes - before <= 2 * 3 * PORT_READ_SIZE);
        before = now_bytes;
    }
    assert_true(net.burst_max <= PORT_READ_SIZE + 4);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void test_many_idle_streams_are_cheap(void **state)
{
    enum { COUNT = 4000 };
    static int fds[COUNT];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < 2 * COUNT + 100)
        skip();
    for (int i = 0; i < COUNT; i++) {
        fds[i] = dial();
        if (i % 50 == 0)
            turns();
    }
    turns_until(&net.opened, COUNT);
    assert_int_equal(slab.in_use, COUNT * 256);
    assert_int_equal(turn(), 0);
    assert_true(port_idle(port));
    uint8_t back[5];
    for (int i = 0; i < COUNT; i += 97) {
        put(fds[i], "\0\0\0\1x", 5);
        take(fds[i], back, 5);
    }
    const struct linger none = {.l_onoff = 1}; /* 4000 ports that wait a minute add up */
    for (int i = 0; i < COUNT; i++) {
        setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        close(fds[i]);
    }
    turns_until(&net.closed, COUNT);
}

static void test_wait_ends_by_bytes_by_the_wake_fd_and_by_time(void **state)
{
    int wake[2];
    assert_int_equal(pipe(wake), 0);
    int fd = dial();
    turns();
    uint64_t begin_ns = clock_now().mono_ns;
    port_wait(port, wake[0], 20 * NS_PER_MS);
    assert_true(clock_now().mono_ns - begin_ns >= 20 * NS_PER_MS);
    assert_int_equal(turn(), 0);
    put(fd, "\0\0\0\1x", 5);
    port_wait(port, wake[0], UINT64_MAX);
    assert_false(port_idle(port));
    assert_true(turn() > 0);
    turns();
    assert_int_equal(write(wake[1], "x", 1), 1);
    port_wait(port, wake[0], UINT64_MAX);
    assert_int_equal(turn(), 0); /* woken for somebody else's sake */
    int epoll_fd;
    assert_int_equal(port_park_fds(port, &epoll_fd, 1), 1);
    struct pollfd pollfd = {.fd = epoll_fd, .events = POLLIN};
    put(fd, "\0\0\0\1x", 5);
    assert_int_equal(poll(&pollfd, 1, 2000), 1);
    close(fd);
    close(wake[0]);
    close(wake[1]);
}

static void test_listening(void **state)
{
    struct fault fault;
    struct port *first = port;
    assert_int_equal(open_port(&at, 1, 1, &fault), ERR_BUSY);
    assert_non_null(strstr(fault.text, "another process"));
    struct address foreign = loopback(0);
    foreign.ip[12] = 192;
    foreign.ip[13] = 0;
    foreign.ip[14] = 2; /* TEST-NET-1 */
    assert_int_equal(open_port(&foreign, 1, 1, &fault), ERR_NOTFOUND);
    assert_int_equal(open_port(&at, 0, 1, &fault), ERR_RANGE);
    assert_int_equal(open_port(&at, PORT_KERNEL_LISTEN_MAX + 1, 1, &fault), ERR_RANGE);
    port = first;
}

static void test_ipv6_beside_ipv4(void **state)
{
    struct fault fault;
    struct address both[2] = {loopback(0), {.ip = {[15] = 1}, .port = 0}};
    port_fini(port);
    int err = open_port(both, 2, 10, &fault);
    if (err == ERR_UNSUPPORTED || err == ERR_NOTFOUND) {
        const struct address any = loopback(0);
        assert_int_equal(open_port(&any, 1, 10, &fault), 0);
        skip(); /* no IPv6 on this machine */
    }
    assert_int_equal(err, 0);
    struct address six = port_kernel_address(port, 1);
    char text[64];
    kernel_listener_text(&six, text, sizeof(text));
    assert_memory_equal(text, "[::1]:", 6);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(six.port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    turns();
    assert_int_equal(net.opened, 1);
    assert_int_equal(net.last->peer.ip[15], 1);
    assert_int_equal(net.last->peer.ip[10], 0);
    close(fd);
}

static void test_two_nets_share_an_address(void **state)
{
    struct fault fault;
    struct port *second;
    struct port_kernel_setup setup = {.port = port->setup, .listen_count = 1, .net_count = 2};
    struct address any = loopback(0);
    port_fini(port);
    setup.listen = &any;
    assert_int_equal(port_kernel_open(&setup, &port, &fault), 0);
    at = port_kernel_address(port, 0);
    setup.listen = &at;
    setup.net_index = 1;
    assert_int_equal(port_kernel_open(&setup, &second, &fault), 0);
    int fds[64];
    for (int i = 0; i < 64; i++)
        fds[i] = dial();
    turns();
    uint32_t mine = net.opened;
    struct port *first = port;
    port = second;
    turns();
    assert_int_equal(net.opened, 64);
    assert_true(mine > 8 && mine < 56);
    /* Another process would not get in between: NET 0 of it binds alone. */
    setup.net_index = 0;
    struct port *third;
    assert_int_equal(port_kernel_open(&setup, &third, &fault), ERR_BUSY);
    for (int i = 0; i < 64; i++)
        close(fds[i]);
    port_fini(second);
    port = first;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_frame_byte_by_byte),
        T(pipelined_frames_of_all_sizes),
        T(frame_above_the_limit_is_closed),
        T(reset),
        T(reset_while_net_holds_the_bytes),
        T(half_close_is_answered),
        T(held_bytes_stop_the_reading),
        T(peer_that_never_reads),
        T(close_flushes_everything_first),
        T(flush_and_linger_have_deadlines),
        T(close_now),
        T(net_refuses),
        T(streams_max),
        T(out_of_descriptors),
        T(out_of_slab_ends_one_stream_only),
        T(a_flood_is_read_in_bounded_turns),
        T(many_idle_streams_are_cheap),
        T(wait_ends_by_bytes_by_the_wake_fd_and_by_time),
        T(listening),
        T(ipv6_beside_ipv4),
        T(two_nets_share_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
