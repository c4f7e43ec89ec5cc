/* bench_engine: one thread's loop: takes requests from a generator, sends them over many sessions,
 * and records the latency of every answer.
 *
 *   closed loop   each connection keeps `window` requests in flight
 *   open loop     request i is meant for begin + i / rate, whichever connection has room; latency
 * is counted from then, also when it was sent late (no coordinated omission)
 *
 *      begin ........ start ......................... end ........ drained
 *            warm-up        measured: [start, end)         the rest is waited for
 *
 * One thread an object. Nothing is allocated while it runs. */
#pragma once

#include "tools/takt/bench_conn.h"
#include "tools/takt/bench_stats.h"

/* Writes one request with bench_conn_begin .. bench_conn_end. */
enum bench_engine_next {
    BENCH_ENGINE_SENT,
    BENCH_ENGINE_NO_ROOM, /* of this connection's buffer, now */
    BENCH_ENGINE_OVER,    /* there are no more */
};
typedef enum bench_engine_next bench_engine_next_fn(void *context, struct bench_conn *conn,
                                                    uint64_t intended_ns);

struct bench_engine {
    struct bench_conn *conns; /* borrowed */
    uint32_t conn_count;
    bench_engine_next_fn *next;
    void *context;
    double rate_per_s;                   /* 0: closed loop */
    uint64_t begin_ns, start_ns, end_ns; /* end UINT64_MAX: until the generator is over */
    uint64_t drain_ns;                   /* how long to wait for answers after the end */
    struct bench_stats *stats;           /* borrowed */
    /* Private. */
    int epoll_fd;
    bool over;
    uint32_t turn, dirty_count;
    uint64_t sent_count;
    struct bench_conn **dirty;
    struct fault *fault;
    int err;
    uint64_t now_ns;
};

/* bench_engine_run runs to the end. The fields above "Private" are the caller's. Returns 0, or the
 * ERR_* of the connection that failed, with a sentence. */
MUST_USE int bench_engine_run(struct bench_engine *engine, struct fault *fault);
