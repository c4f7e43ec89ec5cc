/* Sessions that come and go: each of `connections` slots connects, waits for its session, closes
 * it, waits for that answer, and begins again.
 *
 *   connecting ──writable: ConnectRequest──▶ opening ──session: closeSession──▶ closing ──reply──▶
 * ..
 *
 * The socket is closed with a reset, so that this side's ports are free again at once. */
#include "base/clock.h"
#include "tools/takt/bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum bench_sessions_state {
    BENCH_SESSIONS_CONNECTING,
    BENCH_SESSIONS_OPENING,
    BENCH_SESSIONS_CLOSING
};

struct bench_sessions_slot {
    int fd;
    enum bench_sessions_state state;
    uint64_t begin_ns, open_ns;
    uint32_t to;
    uint8_t in[128];
};

struct bench_sessions {
    const struct bench_config *config;
    struct bench_result *result;
    struct bench_sessions_slot *slots;
    int epoll_fd;
    uint64_t now_ns;
    bool measures;
    struct fault *fault;
};

static int bench_sessions_begin(struct bench_sessions *sessions, struct bench_sessions_slot *slot)
{
    const struct address_tcp *address = &sessions->config->address;
    const struct linger reset = {1, 0};
    int one = 1;
    slot->fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (slot->fd < 0)
        return fault_set(sessions->fault, ERR_IO, "no socket: %s", strerror(errno));
    (void)setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    slot->state = BENCH_SESSIONS_CONNECTING;
    slot->to = 0;
    slot->begin_ns = sessions->now_ns;
    if (connect(slot->fd, (const struct sockaddr *)&address->at, address->size) != 0 &&
        errno != EINPROGRESS)
        return fault_set(sessions->fault, ERR_IO, "cannot connect: %s", strerror(errno));
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = slot};
    if (epoll_ctl(sessions->epoll_fd, EPOLL_CTL_ADD, slot->fd, &event) != 0)
        return fault_set(sessions->fault, ERR_IO, "epoll failed");
    return 0;
}

static int bench_sessions_send(struct bench_sessions *sessions, struct bench_sessions_slot *slot,
                               const struct jute_out *out, const uint8_t *room)
{
    ssize_t size = out->at - room;
    if (send(slot->fd, room, (size_t)size, MSG_NOSIGNAL) != size)
        return fault_set(sessions->fault, ERR_IO, "cannot send: %s", strerror(errno));
    return 0;
}

/* Connected: asks for a session. */
static int bench_sessions_ask(struct bench_sessions *sessions, struct bench_sessions_slot *slot)
{
    static const uint8_t no_password[ZK_PASSWORD_SIZE];
    uint8_t room[64];
    struct jute_out out = jute_out(room, sizeof(room));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};
    int code = 0;
    socklen_t size = sizeof(code);
    (void)getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0)
        return fault_set(sessions->fault, ERR_IO, "cannot connect: %s", strerror(code));
    zkwire_put_connect(&out, 0, 30000, 0, no_password);
    if (epoll_ctl(sessions->epoll_fd, EPOLL_CTL_MOD, slot->fd, &event) != 0)
        return fault_set(sessions->fault, ERR_IO, "epoll failed");
    slot->state = BENCH_SESSIONS_OPENING;
    return bench_sessions_send(sessions, slot, &out, room);
}

static void bench_sessions_record(struct bench_sessions *sessions, enum benchmix_op op,
                                  uint64_t from_ns)
{
    if (!sessions->measures)
        return;
    hist_record(&sessions->result->stats.latency[op], sessions->now_ns - from_ns);
    sessions->result->stats.done[op]++;
}

/* A whole frame has come. */
static int bench_sessions_answer(struct bench_sessions *sessions, struct bench_sessions_slot *slot)
{
    if (slot->state == BENCH_SESSIONS_OPENING) {
        uint8_t room[16];
        struct zkwire_session session;
        struct jute_in in = jute_in(slot->in + 4, slot->to - 4);
        struct jute_out out = jute_out(room, sizeof(room));
        if (!zkwire_get_session(&in, &session) || session.timeout_ms <= 0)
            return fault_set(sessions->fault, ERR_IO, "the server gave no session");
        bench_sessions_record(sessions, BENCHMIX_OPEN, slot->begin_ns);
        slot->open_ns = sessions->now_ns;
        slot->to = 0;
        slot->state = BENCH_SESSIONS_CLOSING;
        zkwire_end(&out, zkwire_begin(&out, 1, ZK_OP_CLOSE_SESSION));
        return bench_sessions_send(sessions, slot, &out, room);
    }
    bench_sessions_record(sessions, BENCHMIX_CLOSE, slot->open_ns);
    close(slot->fd);
    slot->fd = -1;
    return bench_sessions_begin(sessions, slot);
}

static int bench_sessions_ready(struct bench_sessions *sessions, struct bench_sessions_slot *slot)
{
    if (slot->state == BENCH_SESSIONS_CONNECTING)
        return bench_sessions_ask(sessions, slot);
    ssize_t n = recv(slot->fd, slot->in + slot->to, sizeof(slot->in) - slot->to, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return fault_set(sessions->fault, ERR_IO,
                         "the server hung up; does it limit connections (maxClientCnxns)?");
    slot->to += (uint32_t)n;
    struct jute_in in = jute_in(slot->in, slot->to);
    int32_t size = jute_get_int(&in);
    if (in.bad)
        return 0;
    if (size < 16 || (uint32_t)size + 4 > sizeof(slot->in))
        return fault_set(sessions->fault, ERR_MALFORMED, "an answer of %d bytes", size);
    return slot->to < 4 + (uint32_t)size ? 0 : bench_sessions_answer(sessions, slot);
}

static int bench_sessions_turns(struct bench_sessions *sessions)
{
    const struct bench_config *config = sessions->config;
    struct epoll_event ready[256];
    uint64_t start_ns = clock_now().mono_ns + (uint64_t)(config->warmup_s * 1e9),
             from_ns = start_ns;
    uint64_t end_ns = start_ns + (uint64_t)(config->duration_s * 1e9);
    int err = 0;
    sessions->now_ns = clock_now().mono_ns;
    for (uint64_t i = 0; i < config->connections && err == 0; i++)
        err = bench_sessions_begin(sessions, &sessions->slots[i]);
    while (err == 0 && sessions->now_ns < end_ns) {
        if (!sessions->measures && sessions->now_ns >= start_ns) {
            sessions->measures = true;
            bench_sample(config, sessions->result, false);
            from_ns = sessions->now_ns;
        }
        int n = epoll_wait(sessions->epoll_fd, ready, 256, 100);
        for (int i = 0; i < n && err == 0; i++) {
            sessions->now_ns = clock_now().mono_ns;
            err = bench_sessions_ready(sessions, ready[i].data.ptr);
        }
        sessions->now_ns = clock_now().mono_ns;
    }
    bench_sample(config, sessions->result, true);
    sessions->result->measured_s = (double)(sessions->now_ns - from_ns) / 1e9;
    return err;
}

int bench_sessions(const struct bench_config *config, struct bench_result *result,
                   struct fault *fault)
{
    struct bench_sessions sessions = {.config = config, .result = result, .fault = fault};
    bench_stats_init(&result->stats);
    sessions.slots = calloc(config->connections, sizeof(*sessions.slots));
    if (sessions.slots == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory");
    for (uint64_t i = 0; i < config->connections; i++)
        sessions.slots[i].fd = -1;
    sessions.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int err = sessions.epoll_fd < 0 ? fault_set(fault, ERR_IO, "no epoll")
                                    : bench_sessions_turns(&sessions);
    for (uint64_t i = 0; i < config->connections; i++)
        if (sessions.slots[i].fd >= 0)
            close(sessions.slots[i].fd);
    if (sessions.epoll_fd >= 0)
        close(sessions.epoll_fd);
    free(sessions.slots);
    return err;
}
