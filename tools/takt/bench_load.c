/* Fills a tree: `keys` znodes of `payload` bytes under `parents` parents, as fast as the window
 * lets, to measure what a znode costs in memory and how long a restart takes with so many. */
#include "base/clock.h"
#include "tools/takt/acltext.h"
#include "tools/takt/bench.h"
#include "tools/takt/verb.h"

#include <stdio.h>
#include <stdlib.h>

struct bench_load_plan {
    const struct bench_config *config;
    struct bytes payload;
    uint64_t at, count;
    bool parents, removes; /* which of the three passes this is */
};

/* <root>/p<parent>[/n<number>]; number 0 of the parents' pass is the root itself. */
static struct bytes bench_load_path(const struct bench_load_plan *plan, uint64_t at,
                                    char room[BENCH_PATH_SIZE])
{
    const struct bench_config *config = plan->config;
    int n;
    if (plan->parents && at == 0)
        n = snprintf(room, BENCH_PATH_SIZE, "%s", config->root);
    else if (plan->parents)
        n = snprintf(room, BENCH_PATH_SIZE, "%s/p%06x", config->root, (unsigned)(at - 1));
    else
        n = snprintf(room, BENCH_PATH_SIZE, "%s/p%06x/n%08x", config->root,
                     (unsigned)(at % config->parents), (unsigned)at);
    return bytes_of(room, (size_t)n);
}

static enum bench_engine_next bench_load_next(void *context, struct bench_conn *conn,
                                              uint64_t intended_ns)
{
    struct bench_load_plan *plan = context;
    char room[BENCH_PATH_SIZE];
    uint8_t *mark;
    if (plan->at == plan->count)
        return BENCH_ENGINE_OVER;
    struct jute_out out =
        bench_conn_begin(conn, plan->removes ? ZK_OP_DELETE : ZK_OP_CREATE, &mark);
    struct bytes path =
        bench_load_path(plan, plan->removes ? plan->count - 1 - plan->at : plan->at, room);
    if (plan->removes)
        zkwire_put_path_int(&out, path, -1);
    else
        zkwire_put_create(&out, path, plan->parents ? bytes_of("", 0) : plan->payload,
                          &acltext_open, 1, ZK_CREATE_PERSISTENT);
    if (!bench_conn_end(conn, &out, mark, intended_ns,
                        plan->removes ? BENCHMIX_DELETE : BENCHMIX_CREATE))
        return BENCH_ENGINE_NO_ROOM;
    plan->at++;
    return BENCH_ENGINE_SENT;
}

/* One pass over all of it. Parents go over one connection, so that the root is there first. */
static int bench_load_pass(const struct bench_config *config, struct bench_conn *conns,
                           bool parents, bool removes, struct bench_stats *stats,
                           struct fault *fault)
{
    struct bench_load_plan plan = {.config = config,
                                   .payload = bench_payload(config),
                                   .count = parents ? config->parents + 1 : config->keys,
                                   .parents = parents,
                                   .removes = removes};
    struct bench_engine engine = {.conns = conns,
                                  .conn_count = parents ? 1 : (uint32_t)config->connections,
                                  .next = bench_load_next,
                                  .context = &plan,
                                  .end_ns = UINT64_MAX,
                                  .stats = stats};
    bench_stats_init(stats);
    return bench_engine_run(&engine, fault);
}

int bench_load(const struct bench_config *config, struct bench_result *result, struct fault *fault)
{
    struct bench_conn *conns;
    struct bench_conn_config open = {&config->address, (uint32_t)config->connections,
                                     (uint32_t)config->window, bench_request_size(config), 30000};
    struct bench_stats *other = malloc(sizeof(*other));
    if (other == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory");
    int err = bench_conn_open_all(&open, &conns, fault);
    if (err != 0)
        goto out;
    bench_sample(config, result, false);
    uint64_t from_ns = clock_now().mono_ns;
    err = bench_load_pass(config, conns, true, false, other, fault);
    if (err == 0)
        err = bench_load_pass(config, conns, false, false, &result->stats, fault);
    result->measured_s = (double)(clock_now().mono_ns - from_ns) / 1e9;
    bench_sample(config, result, true);
    if (err == 0 && !config->keep) {
        err = bench_load_pass(config, conns, false, true, other, fault);
        if (err == 0)
            err = bench_load_pass(config, conns, true, true, other, fault);
    }
    bench_conn_close_all(conns, (uint32_t)config->connections);
out:
    free(other);
    return err;
}
