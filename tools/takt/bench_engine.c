#include "tools/takt/bench_engine.h"

#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define BENCH_ENGINE_EVENTS  256
#define BENCH_ENGINE_WAIT_NS (100 * NS_PER_MS) /* the longest sleep: pings, progress, the end */

static void bench_engine_fail(struct bench_engine *engine, int err)
{
    if (engine->err == 0)
        engine->err = err;
}

static void bench_engine_mark(struct bench_engine *engine, struct bench_conn *conn)
{
    if (!conn->dirty) {
        conn->dirty = true;
        engine->dirty[engine->dirty_count++] = conn;
    }
}

static void bench_engine_interest(struct bench_engine *engine, struct bench_conn *conn, int how)
{
    struct epoll_event event = {.events = EPOLLIN | (conn->wants_out ? EPOLLOUT : 0u),
                                .data.ptr = conn};
    if (epoll_ctl(engine->epoll_fd, how, conn->fd, &event) != 0)
        bench_engine_fail(engine, fault_set(engine->fault, ERR_IO, "epoll: %s", strerror(errno)));
}

static void bench_engine_flush(struct bench_engine *engine)
{
    for (uint32_t i = 0; i < engine->dirty_count; i++) {
        struct bench_conn *conn = engine->dirty[i];
        bool wanted = conn->wants_out;
        conn->dirty = false;
        int err = bench_conn_flush(conn, engine->now_ns, engine->fault);
        if (err != 0)
            bench_engine_fail(engine, err);
        else if (conn->wants_out != wanted)
            bench_engine_interest(engine, conn, EPOLL_CTL_MOD);
    }
    engine->dirty_count = 0;
}

/* Lets the generator write one request; false when this connection takes none now. */
static bool bench_engine_send(struct bench_engine *engine, struct bench_conn *conn,
                              uint64_t intended_ns)
{
    if (engine->over || bench_conn_in_flight(conn) >= conn->window)
        return false;
    enum bench_engine_next next = engine->next(engine->context, conn, intended_ns);
    if (next == BENCH_ENGINE_OVER)
        engine->over = true;
    if (next != BENCH_ENGINE_SENT)
        return false;
    bench_engine_mark(engine, conn);
    return true;
}

static void bench_engine_fill(struct bench_engine *engine, struct bench_conn *conn)
{
    if (engine->rate_per_s == 0 && engine->now_ns < engine->end_ns)
        while (bench_engine_send(engine, conn, engine->now_ns))
            ;
}

static uint64_t bench_engine_due_ns(const struct bench_engine *engine)
{
    return engine->begin_ns + (uint64_t)((double)engine->sent_count * 1e9 / engine->rate_per_s);
}

/* Open loop: sends all that is due. Returns when the next is due, or 0 when one is overdue and no
 * connection has room: then an answer has to come first. */
static uint64_t bench_engine_pace(struct bench_engine *engine)
{
    for (;;) {
        uint64_t due_ns = bench_engine_due_ns(engine);
        if (due_ns >= engine->end_ns || engine->over) {
            engine->over = true;
            return UINT64_MAX;
        }
        if (due_ns > engine->now_ns)
            return due_ns;
        uint32_t tried = 0;
        while (tried < engine->conn_count) {
            struct bench_conn *conn = &engine->conns[engine->turn];
            engine->turn = engine->turn + 1 == engine->conn_count ? 0 : engine->turn + 1;
            if (bench_engine_send(engine, conn, due_ns))
                break;
            tried++;
        }
        if (tried == engine->conn_count)
            return engine->over ? UINT64_MAX : 0;
        engine->sent_count++;
        uint64_t lag_ns = engine->now_ns - due_ns;
        if (due_ns >= engine->start_ns && lag_ns > engine->stats->lag_ns_max)
            engine->stats->lag_ns_max = lag_ns;
    }
}

/* A multi that failed says so inside its body: the first result is an error entry. */
static int32_t bench_engine_multi_error(struct jute_in body)
{
    int32_t error = ZK_OK;
    while (error == ZK_OK) {
        int32_t op = jute_get_int(&body);
        bool done = jute_get_bool(&body);
        jute_get_int(&body);
        if (body.bad || done || op != ZK_OP_ERROR)
            return ZK_OK;
        error = jute_get_int(&body);
    }
    return error;
}

static void bench_engine_frame(void *context, struct bench_conn *conn,
                               const struct bench_frame *frame)
{
    struct bench_engine *engine = context;
    struct bench_stats *stats = engine->stats;
    (void)conn;
    if (frame->slot == NULL)
        return;
    uint64_t now_ns = engine->now_ns, intended_ns = frame->slot->intended_ns;
    uint8_t op = frame->slot->op;
    __atomic_store_n(&stats->answered, stats->answered + 1, __ATOMIC_RELAXED); /* progress line */
    int32_t error = frame->error;
    if (op == BENCHMIX_MULTI && error == ZK_OK)
        error = bench_engine_multi_error(frame->body);
    if (UNLIKELY(error != ZK_OK))
        bench_stats_error(stats, error);
    if (now_ns >= engine->start_ns && now_ns < engine->end_ns)
        stats->done[op]++;
    if (intended_ns >= engine->start_ns && intended_ns < engine->end_ns)
        hist_record(&stats->latency[op], now_ns > intended_ns ? now_ns - intended_ns : 0);
}

static void bench_engine_ready(struct bench_engine *engine, struct bench_conn *conn,
                               uint32_t events)
{
    if (events & EPOLLOUT)
        bench_engine_mark(engine, conn);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
        return;
    int err = bench_conn_receive(conn, engine->fault);
    if (err == 0) {
        engine->now_ns = clock_now().mono_ns;
        err = bench_conn_take(conn, bench_engine_frame, engine, engine->fault);
    }
    if (err != 0 && err != ERR_SHORT) {
        bench_engine_fail(engine, err);
        return;
    }
    bench_engine_fill(engine, conn);
}

static bool bench_engine_drained(const struct bench_engine *engine)
{
    for (uint32_t i = 0; i < engine->conn_count; i++)
        if (bench_conn_in_flight(&engine->conns[i]) > 0)
            return false;
    return true;
}

/* What was meant for the window and never answered counts with the age it has reached. */
static void bench_engine_leftovers(struct bench_engine *engine)
{
    for (uint32_t i = 0; i < engine->conn_count; i++) {
        struct bench_conn *conn = &engine->conns[i];
        for (uint32_t at = conn->head; at != conn->tail; at++) {
            const struct bench_slot *slot = &conn->slots[at & conn->slot_mask];
            if (slot->intended_ns < engine->start_ns || slot->intended_ns >= engine->end_ns)
                continue;
            engine->stats->unanswered++;
            hist_record(&engine->stats->latency[slot->op], engine->now_ns - slot->intended_ns);
        }
    }
    while (engine->rate_per_s > 0 && !engine->over &&
           bench_engine_due_ns(engine) < engine->end_ns) {
        engine->stats->unanswered++;
        engine->sent_count++;
    }
}

static void bench_engine_pings(struct bench_engine *engine)
{
    for (uint32_t i = 0; i < engine->conn_count; i++) {
        struct bench_conn *conn = &engine->conns[i];
        if (conn->out_to == 0 &&
            engine->now_ns - conn->sent_ns > (uint64_t)conn->timeout_ms * NS_PER_MS / 3) {
            bench_conn_ping(conn);
            bench_engine_mark(engine, conn);
        }
    }
}

static void bench_engine_wait(struct bench_engine *engine, uint64_t until_ns)
{
    struct epoll_event events[BENCH_ENGINE_EVENTS];
    uint64_t wait_ns = until_ns > engine->now_ns ? until_ns - engine->now_ns : 0;
    if (wait_ns > BENCH_ENGINE_WAIT_NS)
        wait_ns = BENCH_ENGINE_WAIT_NS;
    struct timespec timeout = {0, (long)wait_ns};
    int n = epoll_pwait2(engine->epoll_fd, events, BENCH_ENGINE_EVENTS, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        bench_engine_fail(engine, fault_set(engine->fault, ERR_IO, "epoll: %s", strerror(errno)));
    engine->now_ns = clock_now().mono_ns;
    for (int i = 0; i < n && engine->err == 0; i++) {
        bench_engine_ready(engine, events[i].data.ptr, events[i].events);
        if (engine->rate_per_s == 0)
            bench_engine_flush(engine); /* each connection's next batch leaves at once */
    }
}

static void bench_engine_turns(struct bench_engine *engine)
{
    uint64_t ping_ns = engine->now_ns;
    for (uint32_t i = 0; i < engine->conn_count; i++)
        bench_engine_fill(engine, &engine->conns[i]);
    while (engine->err == 0) {
        uint64_t until_ns = UINT64_MAX;
        if (engine->rate_per_s > 0) {
            until_ns = bench_engine_pace(engine);
            if (until_ns == 0)
                until_ns = engine->now_ns + BENCH_ENGINE_WAIT_NS;
        }
        if (engine->now_ns - ping_ns > NS_PER_S) {
            ping_ns = engine->now_ns;
            bench_engine_pings(engine);
        }
        bench_engine_flush(engine);
        bool ended = engine->now_ns >= engine->end_ns || engine->over;
        if (ended && (engine->over || engine->rate_per_s == 0) && bench_engine_drained(engine))
            break;
        if (engine->end_ns != UINT64_MAX && engine->now_ns >= engine->end_ns + engine->drain_ns)
            break;
        if (until_ns > engine->end_ns && engine->now_ns < engine->end_ns)
            until_ns = engine->end_ns;
        bench_engine_wait(engine, until_ns);
    }
}

int bench_engine_run(struct bench_engine *engine, struct fault *fault)
{
    CHECK(engine->conn_count > 0);
    engine->fault = fault;
    engine->err = 0;
    engine->over = false;
    engine->turn = engine->dirty_count = 0;
    engine->sent_count = 0;
    engine->dirty = calloc(engine->conn_count, sizeof(*engine->dirty));
    engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (engine->dirty == NULL || engine->epoll_fd < 0) {
        bench_engine_fail(engine, fault_set(fault, ERR_NOMEM, "no epoll or no memory"));
        goto out;
    }
    (void)prctl(PR_SET_TIMERSLACK, 1ul);
    for (uint32_t i = 0; i < engine->conn_count; i++)
        bench_engine_interest(engine, &engine->conns[i], EPOLL_CTL_ADD);
    engine->now_ns = clock_now().mono_ns;
    bench_engine_turns(engine);
    if (engine->err == 0)
        bench_engine_leftovers(engine);
out:
    if (engine->epoll_fd >= 0)
        close(engine->epoll_fd);
    free(engine->dirty);
    engine->dirty = NULL;
    return engine->err;
}
