/* port_echo: an echo of frames (4 bytes of size, big-endian, then as many bytes) on a port, and a
 * load for it. For trying ports without a whole node: what the path itself costs.
 *
 *   port_echo kernel ADDR:PORT [IDLE]                     until SIGTERM or SIGINT; then its numbers
 *   port_echo dpdk EAL IP/LEN PORT NETS [IDLE]            also of datagrams, on the UDP port PORT
 *   port_echo load ADDR PORT CONNECTIONS OUTSTANDING SIZE SECONDS */
#include "base/hist.h"
#include "base/say.h"
#include "dataplane/port/dpdk/datagram_dpdk.h"
#include "dataplane/port/port_kernel.h"
#include "dataplane/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETS_MAX  16
#define FRAME_MAX (1u << 20)
#define CONNS_MAX 20000

struct echo_net {
    struct port *port;
    struct slab slab;
    struct worker worker;
    _Atomic uint64_t frames;
};

static struct echo_net nets[NETS_MAX];
static struct datagram_port *datagrams; /* NULL: none */

/* ---- the server ---- */

static bool echo_opened(void *self, struct stream *stream)
{
    return true;
}

static void echo_received(void *self, struct stream *stream)
{
    struct echo_net *net = self;
    uint32_t size, frame;
    const uint8_t *in;
    while ((in = stream_rx(stream, &size)) && size >= 4) {
        memcpy(&frame, in, 4);
        frame = ntohl(frame) + 4;
        if (size < frame) {
            if (stream_rx_want(stream, frame))
                port_close(stream, false);
            return;
        }
        uint8_t *out = stream_tx_room(stream, frame);
        if (!out)
            return;
        memcpy(out, in, frame);
        stream_tx_commit(stream, frame);
        stream_consume(stream, frame);
        atomic_store_explicit(&net->frames, net->frames + 1, memory_order_relaxed);
    }
    if (size && stream_rx_want(stream, 4))
        port_close(stream, false);
    if (stream->ended)
        port_close(stream, true);
}

static void echo_drained(void *self, struct stream *stream)
{
    echo_received(self, stream);
    port_resume(stream);
}

static void echo_closed(void *self, struct stream *stream)
{
}

static const struct port_events echo_events = {echo_opened, echo_received, echo_drained,
                                               echo_closed};

static uint32_t echo_poll(void *self, struct now now)
{
    struct echo_net *net = self;
    uint32_t work = port_poll(net->port, now);
    port_flush(net->port);
    return work;
}

static bool echo_idle(void *self)
{
    return port_idle(((struct echo_net *)self)->port);
}

static uint64_t echo_deadline_ns(void *self, struct now now)
{
    return port_deadline_ns(((struct echo_net *)self)->port, now);
}

static int echo_park_fds(void *self, int *fds, int max)
{
    return port_park_fds(((struct echo_net *)self)->port, fds, max);
}

static void echo_wait(void *self, int wake_fd, uint64_t wait_ns)
{
    port_wait(((struct echo_net *)self)->port, wake_fd, wait_ns);
}

/* ---- datagrams ---- */

static void datagram_echo(void *self, const struct address *from, const uint8_t *bytes,
                          uint32_t size)
{
    uint8_t *out = datagram_room(datagrams);
    if (!out || size == 0)
        return;
    memcpy(out, bytes, size);
    datagram_send(datagrams, from, size);
}

static const struct datagram_events datagram_events = {datagram_echo};

static uint32_t datagram_role_poll(void *self, struct now now)
{
    uint32_t work = datagram_poll(datagrams, now);
    datagram_flush(datagrams);
    return work;
}

static bool datagram_role_idle(void *self)
{
    return datagram_idle(datagrams);
}

/* On NET 0's worker; the others wake it for what they pass on. */
static int datagram_role_add(uint32_t net_count)
{
    const struct role role = {
        .name = "datagram", .poll = datagram_role_poll, .idle = datagram_role_idle};
    int err = worker_role_add(&nets[0].worker, &role);
    for (uint32_t i = 1; i < net_count && !err; i++)
        err = worker_downstream_add(&nets[i].worker, &nets[0].worker,
                                    datagram_published(datagrams, i));
    return err;
}

static int fail(const char *what, const struct fault *fault)
{
    fprintf(stderr, "port_echo: %s: %s\n", what, fault->text);
    return 1;
}

static struct port_setup echo_setup(struct echo_net *net)
{
    if (slab_init(&net->slab, 1ull << 30)) {
        fprintf(stderr, "port_echo: no memory\n");
        exit(1);
    }
    return (struct port_setup){.events = &echo_events,
                               .net = net,
                               .slab = &net->slab,
                               .rx_limit = FRAME_MAX,
                               .tx_limit = FRAME_MAX,
                               .streams_max = CONNS_MAX};
}

static struct address address_of(const char *ip, uint16_t number)
{
    struct address address = {.ip = {[10] = 0xff, [11] = 0xff}, .port = number};
    if (inet_pton(AF_INET, ip, address.ip + 12) != 1)
        inet_pton(AF_INET6, ip, address.ip);
    return address;
}

static int echo_run(uint32_t net_count, const char *idle_name)
{
    enum worker_idle idle = WORKER_IDLE_HYBRID;
    sigset_t signals;
    int number;
    if (idle_name && worker_idle_of(idle_name, &idle))
        return fprintf(stderr, "port_echo: no policy %s\n", idle_name), 1;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    for (uint32_t i = 0; i < net_count; i++) {
        const struct role role = {.name = "echo",
                                  .self = &nets[i],
                                  .poll = echo_poll,
                                  .idle = echo_idle,
                                  .deadline_ns = echo_deadline_ns,
                                  .park_fds = echo_park_fds,
                                  .wait = echo_wait};
        if (worker_init(&nets[i].worker, "echo", idle, -1) ||
            worker_role_add(&nets[i].worker, &role))
            return fprintf(stderr, "port_echo: no worker\n"), 1;
    }
    if (datagrams && datagram_role_add(net_count))
        return fprintf(stderr, "port_echo: no room for datagrams\n"), 1;
    for (uint32_t i = 0; i < net_count; i++) {
        if (worker_start(&nets[i].worker))
            return fprintf(stderr, "port_echo: no worker\n"), 1;
    }
    fprintf(stderr, "port_echo: ready\n");
    sigwait(&signals, &number);
    for (uint32_t i = 0; i < net_count; i++) {
        worker_stop(&nets[i].worker);
        worker_join(&nets[i].worker);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
                 (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    uint64_t frames = 0;
    for (uint32_t i = 0; i < net_count; i++) {
        const struct port_counters *c = &nets[i].port->counters;
        frames += nets[i].frames;
        printf("net %u: frames %llu reads %llu writes %llu opened %llu parks %llu\n", i,
               (unsigned long long)nets[i].frames, (unsigned long long)c->reads,
               (unsigned long long)c->writes, (unsigned long long)c->opened,
               (unsigned long long)nets[i].worker.park_count);
        worker_fini(&nets[i].worker);
        port_fini(nets[i].port);
    }
    printf("cpu %.2f s, %.3f us a frame\n", cpu, frames ? cpu * 1e6 / (double)frames : 0);
    return 0;
}

static int serve_kernel(char **argv, int argc)
{
    struct fault fault = {{0}};
    char *colon = strrchr(argv[2], ':');
    if (!colon)
        return fprintf(stderr, "port_echo: ADDR:PORT\n"), 2;
    *colon = '\0';
    struct address at = address_of(argv[2], (uint16_t)atoi(colon + 1));
    const struct port_kernel_setup setup = {
        .port = echo_setup(&nets[0]), .listen = &at, .listen_count = 1, .net_count = 1};
    if (port_kernel_open(&setup, &nets[0].port, &fault))
        return fail("kernel", &fault);
    return echo_run(1, argc > 3 ? argv[3] : NULL);
}

static int serve_dpdk(char **argv, int argc)
{
    struct fault fault = {{0}};
    struct port_dpdk_device *device;
    char text[256], *slash = strchr(argv[3], '/');
    if (!slash)
        return fprintf(stderr, "port_echo: IP/LEN\n"), 2;
    *slash = '\0';
    struct port_dpdk_setup setup = {.eal = argv[2],
                                    .ip = address_of(argv[3], (uint16_t)atoi(argv[4])),
                                    .prefix_size = (uint32_t)atoi(slash + 1),
                                    .net_count = (uint32_t)atoi(argv[5]),
                                    .seed = 1};
    if (port_dpdk_start(&setup, &device, &fault))
        return fail("dpdk", &fault);
    fprintf(stderr, "port_echo: %s\n", port_dpdk_text(device, text, sizeof(text)));
    for (uint32_t i = 0; i < setup.net_count; i++) {
        const struct port_setup port = echo_setup(&nets[i]);
        if (port_dpdk_open(device, i, &port, &nets[i].port, &fault))
            return fail("dpdk", &fault);
    }
    const struct datagram_dpdk_setup wanted = {.name = "echo", .listen = setup.ip};
    if (datagram_dpdk_open(device, &wanted, &datagrams, &fault))
        return fail("datagrams", &fault);
    datagram_start(datagrams, &datagram_events, NULL);
    int code = echo_run(setup.net_count, argc > 6 ? argv[6] : NULL);
    printf("datagrams in %llu out %llu failed %llu\n", (unsigned long long)datagrams->counters.rx,
           (unsigned long long)datagrams->counters.tx,
           (unsigned long long)datagrams->counters.tx_failed);
    datagram_fini(datagrams);
    port_dpdk_stop(device);
    return code;
}

/* ---- the load: closed loop, one thread ---- */

struct load_conn {
    int fd;
    uint32_t pending; /* bytes of the frame that is coming */
    uint64_t sent_ns[1024];
    uint32_t head, tail; /* of sent_ns */
};

static uint8_t load_frame[FRAME_MAX], load_room[1 << 18];

static void load_send(struct load_conn *conn, uint32_t size, uint32_t count)
{
    uint64_t now_ns = clock_now().mono_ns;
    for (uint32_t i = 0; i < count; i++) {
        conn->sent_ns[conn->head++ % 1024] = now_ns;
        memcpy(load_room + i * (size + 4), load_frame, size + 4);
    }
    uint32_t total = count * (size + 4);
    for (uint32_t at = 0; at < total;) {
        ssize_t n = send(conn->fd, load_room + at, total - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            perror("port_echo: send");
            exit(1);
        }
        at += n > 0 ? (uint32_t)n : 0;
    }
}

static uint32_t load_receive(struct load_conn *conn, uint32_t size, struct hist *hist)
{
    static uint8_t in[1 << 17];
    ssize_t n = recv(conn->fd, in, sizeof(in), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        fprintf(stderr, "port_echo: connection ended: %s\n", n ? strerror(errno) : "closed");
        exit(1);
    }
    uint32_t bytes = conn->pending + (n > 0 ? (uint32_t)n : 0), frames = bytes / (size + 4);
    conn->pending = bytes % (size + 4);
    uint64_t now_ns = clock_now().mono_ns;
    for (uint32_t i = 0; i < frames; i++)
        hist_record(hist, now_ns - conn->sent_ns[conn->tail++ % 1024]);
    return frames;
}

static int load(char **argv)
{
    static struct load_conn conns[CONNS_MAX];
    static struct hist hist;
    uint32_t count = (uint32_t)atoi(argv[4]), window = (uint32_t)atoi(argv[5]);
    uint32_t size = (uint32_t)atoi(argv[6]);
    uint64_t span_ns = (uint64_t)(atof(argv[7]) * 1e9), replies = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
    inet_pton(AF_INET, argv[2], &to.sin_addr);
    if (count > CONNS_MAX || window > 1024 || (size + 4) * window > sizeof(load_room))
        return fprintf(stderr, "port_echo: too much\n"), 2;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    uint32_t be = htonl(size);
    memcpy(load_frame, &be, 4);
    hist_init(&hist);
    int epoll_fd = epoll_create1(0), one = 1;
    for (uint32_t i = 0; i < count; i++) {
        conns[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (connect(conns[i].fd, (struct sockaddr *)&to, sizeof(to)))
            return perror("port_echo: connect"), 1;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conns[i].fd, &event);
    }
    uint64_t begin_ns = clock_now().mono_ns;
    for (uint32_t i = 0; i < count; i++)
        load_send(&conns[i], size, window);
    while (clock_now().mono_ns - begin_ns < span_ns) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll_fd, events, 256, 1000);
        for (int i = 0; i < n; i++) {
            struct load_conn *conn = &conns[events[i].data.u32];
            uint32_t frames = load_receive(conn, size, &hist);
            replies += frames;
            load_send(conn, size, frames);
        }
    }
    double took = (double)(clock_now().mono_ns - begin_ns) / 1e9;
    printf("%u x %u x %u B: %.0f /s  p50 %.1f us  p99 %.1f us  p99.9 %.1f us  max %.1f us\n", count,
           window, size, (double)replies / took, (double)hist_percentile(&hist, 50) / 1e3,
           (double)hist_percentile(&hist, 99) / 1e3, (double)hist_percentile(&hist, 99.9) / 1e3,
           (double)hist.max_ns / 1e3);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 3 && strcmp(argv[1], "kernel") == 0)
        return serve_kernel(argv, argc);
    if (argc >= 6 && strcmp(argv[1], "dpdk") == 0)
        return serve_dpdk(argv, argc);
    if (argc == 8 && strcmp(argv[1], "load") == 0)
        return load(argv);
    fprintf(stderr, "usage: port_echo kernel ADDR:PORT [IDLE]\n"
                    "       port_echo dpdk EAL IP/LEN PORT NETS [IDLE]\n"
                    "       port_echo load ADDR PORT CONNECTIONS OUTSTANDING SIZE SECONDS\n");
    return 2;
}
