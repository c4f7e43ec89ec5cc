#include "tools/takt/bench_conn.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define BENCH_CONN_IN_SIZE    (16 << 10)
#define BENCH_CONN_OUT_MAX    (1 << 20) /* unless one request is larger */
#define BENCH_CONN_BATCH      40        /* handshakes under way: below a backlog of 50 */
#define BENCH_CONN_TIMEOUT_MS 20000

static int bench_conn_init(struct bench_conn *conn, const struct bench_conn_config *config,
                           struct fault *fault)
{
    uint32_t slots = 1;
    size_t out_size = config->request_size * config->window;
    while (slots < config->window)
        slots *= 2;
    if (out_size > BENCH_CONN_OUT_MAX)
        out_size = BENCH_CONN_OUT_MAX;
    if (out_size < 2 * config->request_size + 64)
        out_size = 2 * config->request_size + 64;
    conn->window = config->window;
    conn->slot_mask = slots - 1;
    conn->xid_next = conn->xid_reply = 1;
    conn->in_size = BENCH_CONN_IN_SIZE;
    conn->out_size = out_size;
    conn->slots = calloc(slots, sizeof(*conn->slots));
    conn->in = malloc(conn->in_size);
    conn->out = malloc(conn->out_size);
    if (conn->slots == NULL || conn->in == NULL || conn->out == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory for %u connections", config->count);
    return 0;
}

static int bench_conn_connect(struct bench_conn *conn, const struct bench_conn_config *config,
                              struct fault *fault)
{
    static const uint8_t no_password[ZK_PASSWORD_SIZE];
    struct jute_out out = jute_out(conn->out, conn->out_size);
    int err = address_connect(config->address, BENCH_CONN_TIMEOUT_MS, &conn->fd, fault);
    if (err != 0)
        return fault_wrap(fault, err, "connection %u", conn->index + 1);
    zkwire_put_connect(&out, 0, config->session_ms, 0, no_password);
    CHECK(!out.bad);
    size_t size = (size_t)(out.at - conn->out);
    if (send(conn->fd, conn->out, size, MSG_NOSIGNAL) != (ssize_t)size)
        return fault_set(fault, ERR_IO, "connection %u: %s", conn->index + 1, strerror(errno));
    return 0;
}

/* Waits for the answer to the handshake. It is 40 or 41 bytes with its length. */
static int bench_conn_session(struct bench_conn *conn, struct fault *fault)
{
    uint8_t room[128];
    size_t to = 0;
    struct zkwire_session session;
    for (;;) {
        struct pollfd poll_fd = {.fd = conn->fd, .events = POLLIN};
        struct jute_in size_in = jute_in(room, to);
        int32_t size = jute_get_int(&size_in);
        if (!size_in.bad && (size < 0 || (size_t)size + 4 > sizeof(room)))
            return fault_set(fault, ERR_IO, "the server's handshake is not ZooKeeper's");
        if (!size_in.bad && to >= 4 + (size_t)size)
            break;
        if (poll(&poll_fd, 1, BENCH_CONN_TIMEOUT_MS) <= 0)
            return fault_set(fault, ERR_IO, "connection %u: no session within %d s",
                             conn->index + 1, BENCH_CONN_TIMEOUT_MS / 1000);
        ssize_t n = recv(conn->fd, room + to, sizeof(room) - to, 0);
        if (n <= 0)
            return fault_set(fault, ERR_IO,
                             "connection %u: the server hung up at the handshake; does it limit "
                             "connections (maxClientCnxns)?",
                             conn->index + 1);
        to += (size_t)n;
    }
    struct jute_in in = jute_in(room + 4, to - 4);
    if (!zkwire_get_session(&in, &session) || session.timeout_ms <= 0)
        return fault_set(fault, ERR_IO, "connection %u: the server gave no session",
                         conn->index + 1);
    conn->timeout_ms = session.timeout_ms;
    (void)fcntl(conn->fd, F_SETFL, fcntl(conn->fd, F_GETFL) | O_NONBLOCK);
    return 0;
}

/* As many descriptors as the hard limit gives. */
static int bench_conn_descriptors(uint32_t count, struct fault *fault)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < count + 64ull) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur < count + 64ull)
            return fault_set(fault, ERR_LIMIT,
                             "%u connections need more than the %llu file descriptors allowed; "
                             "raise the limit (ulimit -n)",
                             count, (unsigned long long)limit.rlim_cur);
    }
    return 0;
}

int bench_conn_open_all(const struct bench_conn_config *config, struct bench_conn **conns,
                        struct fault *fault)
{
    struct bench_conn *made = calloc(config->count, sizeof(*made));
    int err = bench_conn_descriptors(config->count, fault);
    if (made == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory for %u connections", config->count);
    for (uint32_t i = 0; i < config->count; i++) {
        made[i].fd = -1;
        made[i].index = i;
    }
    for (uint32_t i = 0; i < config->count && err == 0; i++)
        err = bench_conn_init(&made[i], config, fault);
    for (uint32_t from = 0; from < config->count && err == 0; from += BENCH_CONN_BATCH) {
        uint32_t to =
            from + BENCH_CONN_BATCH < config->count ? from + BENCH_CONN_BATCH : config->count;
        for (uint32_t i = from; i < to && err == 0; i++)
            err = bench_conn_connect(&made[i], config, fault);
        for (uint32_t i = from; i < to && err == 0; i++)
            err = bench_conn_session(&made[i], fault);
    }
    if (err != 0) {
        bench_conn_close_all(made, config->count);
        return err;
    }
    *conns = made;
    return 0;
}

/* Reads until the peer hangs up or the time is over. */
static void bench_conn_farewell(int fd)
{
    uint8_t room[4096];
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 2000) <= 0 || recv(fd, room, sizeof(room), 0) <= 0)
            return;
    }
}

void bench_conn_end_all(struct bench_conn *conns, uint32_t count)
{
    uint8_t room[12];
    struct jute_out out = jute_out(room, sizeof(room));
    zkwire_end(&out, zkwire_begin(&out, INT32_MAX, ZK_OP_CLOSE_SESSION));
    for (uint32_t i = 0; i < count; i++)
        if (conns[i].fd >= 0 && conns[i].out_from == conns[i].out_to)
            (void)!send(conns[i].fd, room, sizeof(room), MSG_NOSIGNAL);
    for (uint32_t i = 0; i < count; i++) {
        if (conns[i].fd >= 0 && conns[i].out_from == conns[i].out_to)
            bench_conn_farewell(conns[i].fd);
        if (conns[i].fd >= 0)
            close(conns[i].fd);
        conns[i].fd = -1;
    }
}

void bench_conn_close_all(struct bench_conn *conns, uint32_t count)
{
    bench_conn_end_all(conns, count);
    for (uint32_t i = 0; i < count; i++) {
        free(conns[i].slots);
        free(conns[i].in);
        free(conns[i].out);
    }
    free(conns);
}

int bench_conn_flush(struct bench_conn *conn, uint64_t now_ns, struct fault *fault)
{
    conn->wants_out = false;
    while (conn->out_from < conn->out_to) {
        ssize_t n = send(conn->fd, conn->out + conn->out_from, conn->out_to - conn->out_from,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            conn->out_from += (size_t)n;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            conn->wants_out = true;
            return 0;
        }
        return fault_set(fault, ERR_CLOSED, "connection %u broke: %s", conn->index + 1,
                         strerror(errno));
    }
    conn->out_from = conn->out_to = 0;
    conn->sent_ns = now_ns;
    return 0;
}

int bench_conn_receive(struct bench_conn *conn, struct fault *fault)
{
    if (conn->in_from == conn->in_to)
        conn->in_from = conn->in_to = 0;
    if (conn->in_to == conn->in_size && conn->in_from > 0) {
        memmove(conn->in, conn->in + conn->in_from, conn->in_to - conn->in_from);
        conn->in_to -= conn->in_from;
        conn->in_from = 0;
    }
    if (conn->in_to == conn->in_size) {
        uint8_t *in = realloc(conn->in, 2 * conn->in_size);
        if (in == NULL || conn->in_size > ZKWIRE_FRAME_SIZE_MAX)
            return fault_set(fault, ERR_NOMEM, "no memory for a reply");
        conn->in = in;
        conn->in_size *= 2;
    }
    ssize_t n = recv(conn->fd, conn->in + conn->in_to, conn->in_size - conn->in_to, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_SHORT;
    if (n <= 0)
        return fault_set(fault, ERR_CLOSED, "connection %u: %s", conn->index + 1,
                         n == 0 ? "the server closed it" : strerror(errno));
    conn->in_to += (size_t)n;
    return 0;
}

/* Finds the slot of a reply; false when it is out of order. */
static bool bench_conn_match(struct bench_conn *conn, int32_t xid, struct bench_frame *frame)
{
    frame->slot = NULL;
    if (xid == ZK_XID_NOTIFICATION)
        return true;
    if (xid != conn->xid_reply || conn->head == conn->tail)
        return false;
    conn->xid_reply = conn->xid_reply == INT32_MAX ? 1 : conn->xid_reply + 1;
    frame->slot = &conn->slots[conn->head++ & conn->slot_mask];
    return true;
}

int bench_conn_take(struct bench_conn *conn, bench_conn_on_frame *on_frame, void *context,
                    struct fault *fault)
{
    for (;;) {
        struct jute_in in = jute_in(conn->in + conn->in_from, conn->in_to - conn->in_from);
        struct bench_frame frame;
        int32_t size = jute_get_int(&in);
        if (in.bad)
            return 0;
        if (size < 16 || size > ZKWIRE_FRAME_SIZE_MAX)
            return fault_set(fault, ERR_MALFORMED, "connection %u: a reply of %d bytes",
                             conn->index + 1, size);
        if (in.end - in.at < size)
            return 0;
        frame.body = jute_in(in.at, (size_t)size);
        conn->in_from += 4 + (size_t)size;
        int32_t xid = jute_get_int(&frame.body);
        frame.zxid = jute_get_long(&frame.body);
        frame.error = jute_get_int(&frame.body);
        if (xid == ZK_XID_PING)
            continue;
        if (!bench_conn_match(conn, xid, &frame))
            return fault_set(fault, ERR_MALFORMED,
                             "connection %u: a reply to request %d came when %d was due",
                             conn->index + 1, xid, conn->xid_reply);
        on_frame(context, conn, &frame);
    }
}

void bench_conn_ping(struct bench_conn *conn)
{
    struct jute_out out = jute_out(conn->out + conn->out_to, conn->out_size - conn->out_to);
    zkwire_end(&out, zkwire_begin(&out, ZK_XID_PING, ZK_OP_PING));
    if (!out.bad)
        conn->out_to += 12;
}
