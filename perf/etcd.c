/* perf_etcd: sets keys at an etcd, as `takt bench --ops set` sets znodes, for perf/ensemble.sh. It
 * speaks gRPC (HTTP/2 with HPACK's dynamic table for the request's headers, as gRPC clients do) and
 * does little besides: a request is two frames, an answer is three whose kinds and lengths are
 * looked at and whose headers are not.
 *
 *   request    HEADERS (:path /etcdserverpb.KV/Put ...)  DATA (PutRequest), end of stream
 *   answer     HEADERS  DATA (PutResponse)  HEADERS, end of stream; without DATA it is an error
 *
 * Closed loop: each connection keeps --window puts in flight. With --rate: open, and latency counts
 * from the intended time. Prints JSON in the form of takt bench -o json. One thread. */
#include "base/clock.h"
#include "base/hist.h"
#include "tools/takt/address.h"
#include "tools/takt/bench_proc.h"
#include "tools/takt/json.h"
#include "tools/takt/opts.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETCD_STREAMS     4096u /* in flight on a connection; a power of two */
#define ETCD_OUT_SIZE    (1u << 20)
#define ETCD_IN_SIZE     (1u << 17)
#define ETCD_PAYLOAD_MAX 4096u

enum {
    ETCD_DATA = 0,
    ETCD_HEADERS = 1,
    ETCD_RST = 3,
    ETCD_SETTINGS = 4,
    ETCD_PING = 6,
    ETCD_GOAWAY = 7,
    ETCD_WINDOW = 8
};
enum { ETCD_END_STREAM = 1, ETCD_END_HEADERS = 4, ETCD_ACK = 1 };

struct etcd_conn {
    int fd;
    bool has_table, wants_out;
    uint32_t next_stream, in_flight;
    int64_t window; /* bytes of DATA that the server still takes */
    size_t out_from, out_to, in_to;
    uint64_t started_ns[ETCD_STREAMS];
    bool answered[ETCD_STREAMS]; /* DATA came */
    uint8_t out[ETCD_OUT_SIZE], in[ETCD_IN_SIZE];
};

struct etcd_run {
    const char *server, *pids;
    uint64_t connections, window, payload, keys;
    double duration_s, warmup_s, rate_per_s;
    struct address_tcp address;
    int epoll_fd;
    struct etcd_conn *conns;
    uint64_t next_key, due_ns, warm_ns, end_ns, errors, done, next_conn;
    struct hist hist;
};

static int etcd_fail(const char *what)
{
    fprintf(stderr, "perf_etcd: %s\n", what);
    return -1;
}

static void etcd_put_be(uint8_t *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static void etcd_frame(struct etcd_conn *conn, uint8_t kind, uint8_t flags, uint32_t stream,
                       const void *body, uint32_t size)
{
    uint8_t *at = conn->out + conn->out_to;
    etcd_put_be(at, size, 3);
    at[3] = kind;
    at[4] = flags;
    etcd_put_be(at + 5, stream, 4);
    if (size != 0)
        memcpy(at + 9, body, size);
    conn->out_to += 9 + size;
}

/* The request's header block: written out once, one byte a field from then on. */
static uint32_t etcd_header_block(struct etcd_run *run, struct etcd_conn *conn, uint8_t *block)
{
    /* :method POST, :scheme http; then from the dynamic table, newest first: te, content-type,
     * :authority, :path. */
    static const uint8_t again[] = {0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe};
    if (conn->has_table) {
        memcpy(block, again, sizeof(again));
        return sizeof(again);
    }
    const struct {
        uint8_t name_index;
        const char *name, *value;
    } fields[] = {{4, NULL, "/etcdserverpb.KV/Put"},
                  {1, NULL, run->server},
                  {31, NULL, "application/grpc"},
                  {0, "te", "trailers"}};
    uint32_t n = 0;
    block[n++] = 0x83;
    block[n++] = 0x86;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        block[n++] = 0x40 | fields[i].name_index;
        const char *texts[] = {fields[i].name, fields[i].value};
        for (int k = fields[i].name ? 0 : 1; k < 2; k++) {
            size_t length = strlen(texts[k]);
            block[n++] = (uint8_t)length;
            memcpy(block + n, texts[k], length);
            n += (uint32_t)length;
        }
    }
    conn->has_table = true;
    return n;
}

static uint32_t etcd_varint(uint8_t *at, uint32_t value)
{
    uint32_t n = 0;
    for (; value > 127; value >>= 7)
        at[n++] = (uint8_t)(value | 0x80);
    at[n++] = (uint8_t)value;
    return n;
}

/* A gRPC message: not compressed, its length, PutRequest {key = 1, value = 2}. */
static uint32_t etcd_put_body(struct etcd_run *run, uint8_t *body)
{
    char key[32];
    uint32_t length = (uint32_t)snprintf(key, sizeof(key), "bench/%06llu",
                                         (unsigned long long)(run->next_key++ % run->keys));
    uint32_t n = 5;
    body[n++] = 0x0a;
    n += etcd_varint(body + n, length);
    memcpy(body + n, key, length);
    n += length;
    body[n++] = 0x12;
    n += etcd_varint(body + n, (uint32_t)run->payload);
    memset(body + n, 'x', run->payload);
    n += (uint32_t)run->payload;
    body[0] = 0;
    etcd_put_be(body + 1, n - 5, 4);
    return n;
}

/* Sends one put, whose latency counts from from_ns. False when the connection has no room for it.
 */
static bool etcd_put(struct etcd_run *run, struct etcd_conn *conn, uint64_t from_ns)
{
    uint8_t block[256], body[ETCD_PAYLOAD_MAX + 64];
    if (conn->in_flight >= run->window ||
        conn->out_to + sizeof(block) + sizeof(body) + 18 > ETCD_OUT_SIZE ||
        conn->window < (int64_t)sizeof(body))
        return false;
    uint32_t stream = conn->next_stream, slot = (stream / 2) % ETCD_STREAMS;
    if (conn->started_ns[slot] != 0)
        return false; /* an old stream is not answered yet */
    etcd_frame(conn, ETCD_HEADERS, ETCD_END_HEADERS, stream, block,
               etcd_header_block(run, conn, block));
    uint32_t size = etcd_put_body(run, body);
    etcd_frame(conn, ETCD_DATA, ETCD_END_STREAM, stream, body, size);
    conn->window -= size;
    conn->next_stream += 2;
    conn->in_flight++;
    conn->started_ns[slot] = from_ns;
    conn->answered[slot] = false;
    return true;
}

static int etcd_flush(struct etcd_run *run, struct etcd_conn *conn)
{
    while (conn->out_from < conn->out_to) {
        ssize_t n = send(conn->fd, conn->out + conn->out_from, conn->out_to - conn->out_from,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return etcd_fail("the server closed a connection");
        if (n < 0)
            break;
        conn->out_from += (size_t)n;
    }
    memmove(conn->out, conn->out + conn->out_from, conn->out_to - conn->out_from);
    conn->out_to -= conn->out_from;
    conn->out_from = 0;
    bool wants_out = conn->out_to != 0;
    if (wants_out != conn->wants_out) {
        struct epoll_event event = {.events = wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                    .data.ptr = conn};
        if (epoll_ctl(run->epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) != 0)
            return etcd_fail("epoll_ctl");
        conn->wants_out = wants_out;
    }
    return 0;
}

static void etcd_ended(struct etcd_run *run, struct etcd_conn *conn, uint32_t stream,
                       uint64_t now_ns)
{
    uint32_t slot = (stream / 2) % ETCD_STREAMS;
    if (conn->started_ns[slot] == 0)
        return;
    if (now_ns >= run->warm_ns && now_ns < run->end_ns) {
        if (conn->answered[slot]) {
            hist_record(&run->hist, now_ns - conn->started_ns[slot]);
            run->done++;
        } else {
            run->errors++;
        }
    }
    conn->started_ns[slot] = 0;
    conn->in_flight--;
}

static int etcd_take_frame(struct etcd_run *run, struct etcd_conn *conn, const uint8_t *at,
                           uint32_t size, uint64_t now_ns)
{
    uint32_t stream = (uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8];
    switch (at[3]) {
    case ETCD_DATA: conn->answered[(stream / 2) % ETCD_STREAMS] |= size >= 5; break;
    case ETCD_SETTINGS:
        if ((at[4] & ETCD_ACK) == 0)
            etcd_frame(conn, ETCD_SETTINGS, ETCD_ACK, 0, NULL, 0);
        return 0;
    case ETCD_PING:
        if ((at[4] & ETCD_ACK) == 0)
            etcd_frame(conn, ETCD_PING, ETCD_ACK, 0, at + 9, size);
        return 0;
    case ETCD_WINDOW:
        if (stream == 0)
            conn->window += (int64_t)((uint32_t)at[9] << 24 | (uint32_t)at[10] << 16 |
                                      (uint32_t)at[11] << 8 | at[12]);
        return 0;
    case ETCD_GOAWAY: return etcd_fail("the server says it goes away");
    case ETCD_RST: etcd_ended(run, conn, stream, now_ns); return 0;
    default: break;
    }
    if ((at[3] == ETCD_DATA || at[3] == ETCD_HEADERS) && at[4] & ETCD_END_STREAM)
        etcd_ended(run, conn, stream, now_ns);
    return 0;
}

static int etcd_receive(struct etcd_run *run, struct etcd_conn *conn, uint64_t now_ns)
{
    ssize_t n = recv(conn->fd, conn->in + conn->in_to, ETCD_IN_SIZE - conn->in_to, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return etcd_fail("the server closed a connection");
    conn->in_to += n > 0 ? (size_t)n : 0;
    size_t at = 0;
    while (conn->in_to - at >= 9) {
        const uint8_t *frame = conn->in + at;
        uint32_t size = (uint32_t)frame[0] << 16 | (uint32_t)frame[1] << 8 | frame[2];
        if (size > ETCD_IN_SIZE - 9 || conn->out_to + 64 > ETCD_OUT_SIZE)
            return etcd_fail("a frame that is too large");
        if (conn->in_to - at < 9 + size)
            break;
        if (etcd_take_frame(run, conn, frame, size, now_ns) != 0)
            return -1;
        at += 9 + size;
    }
    memmove(conn->in, conn->in + at, conn->in_to - at);
    conn->in_to -= at;
    return 0;
}

static int etcd_connect(struct etcd_run *run, struct etcd_conn *conn)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    int one = 1;
    const struct sockaddr *to = (const struct sockaddr *)&run->address.at;
    conn->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || connect(conn->fd, to, run->address.size) != 0)
        return etcd_fail("cannot connect");
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        return etcd_fail("epoll_ctl");
    conn->next_stream = 1;
    conn->window = 65535;
    memcpy(conn->out, preface, sizeof(preface) - 1);
    conn->out_to = sizeof(preface) - 1;
    etcd_frame(conn, ETCD_SETTINGS, 0, 0, NULL, 0);
    uint8_t more[4];
    etcd_put_be(more, 0x7fff0000, 4); /* answers are short: all of a run fits */
    etcd_frame(conn, ETCD_WINDOW, 0, 0, more, 4);
    return etcd_flush(run, conn);
}

/* Starts what may start now. */
static void etcd_feed(struct etcd_run *run, uint64_t now_ns)
{
    if (run->rate_per_s <= 0) {
        for (uint64_t i = 0; i < run->connections; i++)
            while (etcd_put(run, &run->conns[i], now_ns)) {
            }
        return;
    }
    uint64_t step_ns = (uint64_t)(1e9 / run->rate_per_s), full = 0;
    while (run->due_ns <= now_ns && full < run->connections) {
        if (etcd_put(run, &run->conns[run->next_conn++ % run->connections], run->due_ns)) {
            run->due_ns += step_ns;
            full = 0;
        } else {
            full++;
        }
    }
}

static int etcd_wait_ms(const struct etcd_run *run, uint64_t now_ns)
{
    if (run->rate_per_s <= 0)
        return 100;
    return run->due_ns > now_ns ? (int)((run->due_ns - now_ns) / NS_PER_MS) : 1;
}

static int etcd_load(struct etcd_run *run, struct bench_proc *before, struct bench_proc *after)
{
    struct epoll_event events[256];
    uint64_t now_ns = clock_now().mono_ns;
    bool warm = false;
    run->due_ns = now_ns;
    run->warm_ns = now_ns + (uint64_t)(run->warmup_s * 1e9);
    run->end_ns = run->warm_ns + (uint64_t)(run->duration_s * 1e9);
    while (now_ns < run->end_ns) {
        if (!warm && now_ns >= run->warm_ns) {
            warm = true;
            if (run->pids && bench_proc_read_all(run->pids, before) != 0)
                return etcd_fail("no such process");
        }
        etcd_feed(run, now_ns);
        for (uint64_t i = 0; i < run->connections; i++)
            if (etcd_flush(run, &run->conns[i]) != 0)
                return -1;
        int n = epoll_wait(run->epoll_fd, events, 256, etcd_wait_ms(run, now_ns));
        now_ns = clock_now().mono_ns;
        for (int i = 0; i < n; i++)
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) &&
                etcd_receive(run, events[i].data.ptr, now_ns) != 0)
                return -1;
    }
    return run->pids && bench_proc_read_all(run->pids, after) != 0 ? etcd_fail("a process ended")
                                                                   : 0;
}

static void etcd_report(struct etcd_run *run, const struct bench_proc *before,
                        const struct bench_proc *after)
{
    struct json json;
    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_text(&json, "server", run->server);
    json_int(&json, "connections", (int64_t)run->connections);
    json_int(&json, "window", (int64_t)run->window);
    json_open(&json, "total", '{');
    json_real(&json, "per_s", (double)run->done / run->duration_s);
    json_int(&json, "done", (int64_t)run->done);
    json_int(&json, "samples", (int64_t)run->hist.count);
    json_int(&json, "p50_ns", (int64_t)hist_percentile(&run->hist, 50));
    json_int(&json, "p99_ns", (int64_t)hist_percentile(&run->hist, 99));
    json_int(&json, "p999_ns", (int64_t)hist_percentile(&run->hist, 99.9));
    json_int(&json, "max_ns", (int64_t)run->hist.max_ns);
    json_close(&json, '}');
    json_open(&json, "errors", '{');
    if (run->errors != 0)
        json_int(&json, "refused", (int64_t)run->errors);
    json_close(&json, '}');
    json_text(&json, "unit", "request");
    json_int(&json, "units", (int64_t)run->done);
    if (run->pids) {
        json_real(&json, "server_cpu_s", after->cpu_s - before->cpu_s);
        json_int(&json, "server_rss_bytes", (int64_t)after->rss_bytes);
    }
    json_close(&json, '}');
    json_line(&json);
}

int main(int argc, char **argv)
{
    static struct etcd_run run = {.server = "127.0.0.1:2379",
                                  .connections = 16,
                                  .window = 16,
                                  .payload = 100,
                                  .keys = 1000,
                                  .duration_s = 5,
                                  .warmup_s = 1};
    const struct opts_item items[] = {
        {"server", 's', OPTS_STRING, &run.server, "HOST:PORT", "whom to load"},
        {"connections", 'n', OPTS_NUMBER, &run.connections, "N", "connections", 1, 1000},
        {"window", 'w', OPTS_NUMBER, &run.window, "W", "puts in flight on each", 1, 1024},
        {"payload", 0, OPTS_NUMBER, &run.payload, "B", "bytes of a value", 0, ETCD_PAYLOAD_MAX},
        {"keys", 0, OPTS_NUMBER, &run.keys, "N", "keys", 1, 1000000},
        {"duration", 'd', OPTS_REAL, &run.duration_s, "S", "measured seconds", 0, 86400},
        {"warmup", 0, OPTS_REAL, &run.warmup_s, "S", "seconds before that", 0, 3600},
        {"rate", 0, OPTS_REAL, &run.rate_per_s, "R", "open loop: puts a second in all", 0,
         100000000},
        {"server-pid", 0, OPTS_STRING, &run.pids, "PID,...", "processes whose CPU is summed"},
        {0}};
    struct fault fault = {.text = ""};
    struct bench_proc before = {0}, after = {0};
    int rest = 0;
    if (opts_parse(items, argc - 1, argv + 1, &rest, &fault) != 0 || rest != 0 ||
        strlen(run.server) > 120 || address_resolve(run.server, &run.address, &fault) != 0) {
        fprintf(stderr, "perf_etcd: %s\n", fault.text);
        opts_help(items, stderr);
        return 2;
    }
    hist_init(&run.hist);
    run.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run.conns = calloc(run.connections, sizeof(*run.conns));
    if (run.epoll_fd < 0 || run.conns == NULL)
        return etcd_fail("no memory") != 0;
    for (uint64_t i = 0; i < run.connections; i++)
        if (etcd_connect(&run, &run.conns[i]) != 0)
            return 1;
    if (etcd_load(&run, &before, &after) != 0)
        return 1;
    etcd_report(&run, &before, &after);
    return run.done == 0;
}
