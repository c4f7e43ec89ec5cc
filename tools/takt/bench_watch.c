/* Many watchers on one znode, each its own connection, and one setter. A round is one set: it ends
 * when every watcher has its event and the setter its answer; then the next begins.
 *
 *   persistent   addWatch once; a round costs the server one write and N notifications
 *   once         getData with a watch before each round: N reads more                          */
#include "base/clock.h"
#include "tools/takt/acltext.h"
#include "tools/takt/bench.h"
#include "tools/takt/verb.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BENCH_WATCH_ROUND_NS (20 * NS_PER_S)

struct bench_watch {
    const struct bench_config *config;
    struct bench_result *result;
    struct bench_conn *conns; /* [0] is the setter */
    uint32_t conn_count;
    int epoll_fd;
    struct bytes path, payload;
    uint64_t now_ns, set_ns;
    uint32_t events, answers; /* of this round */
    bool measures, once;
    struct fault *fault;
};

static void bench_watch_frame(void *context, struct bench_conn *conn,
                              const struct bench_frame *frame)
{
    struct bench_watch *watch = context;
    struct bench_stats *stats = &watch->result->stats;
    (void)conn;
    if (frame->slot == NULL) {
        watch->events++;
        if (watch->measures) {
            hist_record(&stats->latency[BENCHMIX_EVENT], watch->now_ns - watch->set_ns);
            stats->done[BENCHMIX_EVENT]++;
        }
        return;
    }
    watch->answers++;
    if (frame->error != ZK_OK)
        bench_stats_error(stats, frame->error);
    if (watch->measures && frame->slot->op == BENCHMIX_SET) {
        hist_record(&stats->latency[BENCHMIX_SET], watch->now_ns - watch->set_ns);
        stats->done[BENCHMIX_SET]++;
    }
}

/* Takes what comes until so many events and answers are there. */
static int bench_watch_until(struct bench_watch *watch, uint32_t events, uint32_t answers)
{
    struct epoll_event ready[256];
    uint64_t deadline_ns = watch->now_ns + BENCH_WATCH_ROUND_NS;
    while (watch->events < events || watch->answers < answers) {
        int n = epoll_wait(watch->epoll_fd, ready, 256, 1000);
        if (n < 0 && errno != EINTR)
            return fault_set(watch->fault, ERR_IO, "epoll failed");
        watch->now_ns = clock_now().mono_ns;
        if (watch->now_ns > deadline_ns)
            return fault_set(watch->fault, ERR_IO, "%u of %u events came within %d s",
                             watch->events, events, (int)(BENCH_WATCH_ROUND_NS / NS_PER_S));
        for (int i = 0; i < n; i++) {
            struct bench_conn *conn = ready[i].data.ptr;
            int err = bench_conn_receive(conn, watch->fault);
            watch->now_ns = clock_now().mono_ns;
            if (err == 0)
                err = bench_conn_take(conn, bench_watch_frame, watch, watch->fault);
            if (err != 0 && err != ERR_SHORT)
                return err;
        }
    }
    return 0;
}

/* Queues one request on the connection and sends it. */
static int bench_watch_send(struct bench_watch *watch, struct bench_conn *conn, int32_t op)
{
    uint8_t *mark;
    struct jute_out out = bench_conn_begin(conn, op, &mark);
    if (op == ZK_OP_SET_DATA)
        zkwire_put_set(&out, watch->path, watch->payload, -1);
    else if (op == ZK_OP_ADD_WATCH)
        zkwire_put_path_int(&out, watch->path, 0);
    else if (op == ZK_OP_CREATE)
        zkwire_put_create(&out, watch->path, watch->payload, &acltext_open, 1, ZK_CREATE_EPHEMERAL);
    else
        zkwire_put_path_watch(&out, watch->path, true);
    if (!bench_conn_end(conn, &out, mark, watch->now_ns, BENCHMIX_SET))
        return fault_set(watch->fault, ERR_FULL, "no room for a request");
    conn->slots[(conn->tail - 1) & conn->slot_mask].op =
        op == ZK_OP_SET_DATA ? BENCHMIX_SET : BENCHMIX_GET;
    return bench_conn_flush(conn, watch->now_ns, watch->fault);
}

static int bench_watch_arm(struct bench_watch *watch, int32_t op)
{
    int err = 0;
    watch->now_ns = clock_now().mono_ns;
    watch->events = watch->answers = 0;
    for (uint32_t i = 1; i < watch->conn_count && err == 0; i++)
        err = bench_watch_send(watch, &watch->conns[i], op);
    return err != 0 ? err : bench_watch_until(watch, 0, watch->conn_count - 1);
}

static int bench_watch_round(struct bench_watch *watch)
{
    int err = watch->once ? bench_watch_arm(watch, ZK_OP_GET_DATA) : 0;
    if (err != 0)
        return err;
    watch->events = watch->answers = 0;
    watch->set_ns = watch->now_ns = clock_now().mono_ns;
    err = bench_watch_send(watch, &watch->conns[0], ZK_OP_SET_DATA);
    if (err == 0)
        err = bench_watch_until(watch, watch->conn_count - 1, 1);
    if (err == 0 && watch->measures) {
        hist_record(&watch->result->stats.latency[BENCHMIX_LAST], watch->now_ns - watch->set_ns);
        watch->result->stats.done[BENCHMIX_LAST]++;
    }
    return err;
}

static int bench_watch_rounds(struct bench_watch *watch)
{
    const struct bench_config *config = watch->config;
    uint64_t begin_ns = clock_now().mono_ns, from_ns = begin_ns;
    uint64_t start_ns = begin_ns + (uint64_t)(config->warmup_s * 1e9);
    uint64_t end_ns = start_ns + (uint64_t)(config->duration_s * 1e9);
    watch->now_ns = begin_ns;
    int err = bench_watch_send(watch, &watch->conns[0], ZK_OP_CREATE);
    if (err == 0)
        err = bench_watch_until(watch, 0, 1);
    if (err == 0 && !watch->once)
        err = bench_watch_arm(watch, ZK_OP_ADD_WATCH);
    while (err == 0 && watch->now_ns < end_ns) {
        if (!watch->measures && watch->now_ns >= start_ns) {
            watch->measures = true;
            bench_sample(config, watch->result, false);
            from_ns = clock_now().mono_ns;
        }
        err = bench_watch_round(watch);
    }
    bench_sample(config, watch->result, true);
    watch->result->measured_s = (double)(clock_now().mono_ns - from_ns) / 1e9;
    return err;
}

int bench_watch(const struct bench_config *config, struct bench_result *result, struct fault *fault)
{
    char path[BENCH_PATH_SIZE];
    struct bench_watch watch = {.config = config,
                                .result = result,
                                .conn_count = (uint32_t)config->connections + 1,
                                .payload = bench_payload(config),
                                .once = strcmp(config->watch_mode, "once") == 0,
                                .fault = fault};
    struct bench_conn_config open = {&config->address, watch.conn_count, 4,
                                     bench_request_size(config), 60000};
    int n = snprintf(path, sizeof(path), "%s-watched-%s", config->root, config->run_id);
    watch.path = bytes_of(path, (size_t)n);
    bench_stats_init(&result->stats);
    int err = bench_conn_open_all(&open, &watch.conns, fault);
    if (err != 0)
        return err;
    watch.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < watch.conn_count && err == 0; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &watch.conns[i]};
        if (epoll_ctl(watch.epoll_fd, EPOLL_CTL_ADD, watch.conns[i].fd, &event) != 0)
            err = fault_set(fault, ERR_IO, "epoll failed");
    }
    if (err == 0)
        err = bench_watch_rounds(&watch);
    if (watch.epoll_fd >= 0)
        close(watch.epoll_fd);
    bench_conn_close_all(watch.conns, watch.conn_count);
    return err;
}
