/* The mix of operations. Keys are <root>/k/<8 hex digits>, made before and removed after. */
#include "base/check.h"
#include "base/clock.h"
#include "tools/takt/acltext.h"
#include "tools/takt/bench.h"
#include "tools/takt/verb.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BENCH_MIX_DRAIN_NS     (10 * NS_PER_S)
#define BENCH_MIX_SETUP_WINDOW 512

struct bench_mix_worker {
    const struct bench_config *config;
    struct bench_engine engine;
    struct bench_stats stats;
    struct rand rand;
    struct bytes payload;
    char prefix[BENCH_PATH_SIZE]; /* <root>/ */
    uint32_t prefix_size;
    pthread_t thread;
    struct fault fault;
    int err;
};

/* <root>/<kind>/<8 hex digits>, in room; the kind may have more text before the number. */
static struct bytes bench_mix_path(const char *prefix, uint32_t prefix_size, const char *kind,
                                   uint32_t number, char room[BENCH_PATH_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t n = prefix_size;
    memcpy(room, prefix, prefix_size);
    for (const char *c = kind; *c != '\0'; c++)
        room[n++] = *c;
    for (int shift = 28; shift >= 0; shift -= 4)
        room[n++] = digits[(number >> shift) & 15];
    return bytes_of(room, n);
}

static struct bytes bench_mix_key(struct bench_mix_worker *worker, char room[BENCH_PATH_SIZE])
{
    return bench_mix_path(worker->prefix, worker->prefix_size, "k/",
                          (uint32_t)rand_below(&worker->rand, worker->config->keys), room);
}

/* Own znodes: c/ or e/, the run, the connection, a number. */
static struct bytes bench_mix_own(struct bench_mix_worker *worker, struct bench_conn *conn,
                                  char kind, uint32_t number, char room[BENCH_PATH_SIZE])
{
    char text[64];
    snprintf(text, sizeof(text), "%c/%s-%x-", kind, worker->config->run_id, conn->index);
    return bench_mix_path(worker->prefix, worker->prefix_size, text, number, room);
}

static void bench_mix_put_multi(struct bench_mix_worker *worker, struct jute_out *out)
{
    char path[BENCH_PATH_SIZE];
    for (int i = 0; i < 2; i++) {
        zkwire_put_multi_header(out, ZK_OP_SET_DATA, false);
        zkwire_put_set(out, bench_mix_key(worker, path), worker->payload, -1);
    }
    zkwire_put_multi_header(out, -1, true);
}

static enum bench_engine_next bench_mix_next(void *context, struct bench_conn *conn,
                                             uint64_t intended_ns)
{
    static const int32_t wire[BENCHMIX_MIX_COUNT] = {
        ZK_OP_GET_DATA,     ZK_OP_SET_DATA, ZK_OP_CREATE, ZK_OP_DELETE, ZK_OP_EXISTS,
        ZK_OP_GET_CHILDREN, ZK_OP_SYNC,     ZK_OP_MULTI,  ZK_OP_CREATE};
    struct bench_mix_worker *worker = context;
    enum benchmix_op op = benchmix_pick(&worker->config->mix, &worker->rand);
    char path[BENCH_PATH_SIZE];
    uint8_t *mark;
    if (op == BENCHMIX_DELETE && conn->deleted == conn->created)
        op = BENCHMIX_CREATE;
    struct jute_out out = bench_conn_begin(conn, wire[op], &mark);
    switch (op) {
    case BENCHMIX_GET:
    case BENCHMIX_EXISTS:
        zkwire_put_path_watch(&out, bench_mix_key(worker, path), false);
        break;
    case BENCHMIX_SET:
        zkwire_put_set(&out, bench_mix_key(worker, path), worker->payload, -1);
        break;
    case BENCHMIX_CREATE:
    case BENCHMIX_CREATE_E:
        zkwire_put_create(&out,
                          bench_mix_own(worker, conn, op == BENCHMIX_CREATE ? 'c' : 'e',
                                        op == BENCHMIX_CREATE ? conn->created : conn->ephemerals,
                                        path),
                          worker->payload, &acltext_open, 1, op == BENCHMIX_CREATE_E);
        break;
    case BENCHMIX_DELETE:
        zkwire_put_path_int(&out, bench_mix_own(worker, conn, 'c', conn->deleted, path), -1);
        break;
    case BENCHMIX_LS:
        memcpy(path, worker->prefix, worker->prefix_size);
        memcpy(path + worker->prefix_size, "list", 4);
        zkwire_put_path_watch(&out, bytes_of(path, worker->prefix_size + 4), false);
        break;
    case BENCHMIX_SYNC:
        zkwire_put_path(&out, bytes_of(worker->prefix, worker->prefix_size - 1));
        break;
    default:
        bench_mix_put_multi(worker, &out);
    }
    if (!bench_conn_end(conn, &out, mark, intended_ns, (uint8_t)op))
        return BENCH_ENGINE_NO_ROOM;
    conn->created += op == BENCHMIX_CREATE;
    conn->ephemerals += op == BENCHMIX_CREATE_E;
    conn->deleted += op == BENCHMIX_DELETE;
    return BENCH_ENGINE_SENT;
}

/* The plan of preparing and of cleaning up: a numbered list of requests over one connection. */
struct bench_mix_plan {
    const struct bench_config *config;
    struct bytes payload;
    char prefix[BENCH_PATH_SIZE];
    uint32_t prefix_size;
    uint64_t at, count;
    bool removes;
    const struct bench_conn *conns; /* whose created znodes to remove */
    uint32_t conn_count, conn_at, number;
};

#define BENCH_MIX_DIR_COUNT 5 /* the root, k, c, e, list */

/* Path number `at` of what every run has: directories, list's children, keys. */
static struct bytes bench_mix_fixed(struct bench_mix_plan *plan, uint64_t at,
                                    char room[BENCH_PATH_SIZE])
{
    static const char *const dirs[BENCH_MIX_DIR_COUNT] = {"", "k", "c", "e", "list"};
    if (at == 0)
        return bytes_of(plan->prefix, plan->prefix_size - 1);
    if (at < BENCH_MIX_DIR_COUNT) {
        int n = snprintf(room, BENCH_PATH_SIZE, "%s%s", plan->prefix, dirs[at]);
        return bytes_of(room, (size_t)n);
    }
    at -= BENCH_MIX_DIR_COUNT;
    if (at < BENCH_LIST_COUNT)
        return bench_mix_path(plan->prefix, plan->prefix_size, "list/", (uint32_t)at, room);
    return bench_mix_path(plan->prefix, plan->prefix_size, "k/", (uint32_t)(at - BENCH_LIST_COUNT),
                          room);
}

static uint64_t bench_mix_fixed_count(const struct bench_config *config)
{
    return BENCH_MIX_DIR_COUNT + BENCH_LIST_COUNT + config->keys;
}

/* Preparing: creates everything; keys that were there already get this run's data by a set. */
static enum bench_engine_next bench_mix_prepare_next(void *context, struct bench_conn *conn,
                                                     uint64_t intended_ns)
{
    struct bench_mix_plan *plan = context;
    char room[BENCH_PATH_SIZE];
    uint8_t *mark;
    uint64_t first_key = BENCH_MIX_DIR_COUNT + BENCH_LIST_COUNT;
    if (plan->at == plan->count)
        return BENCH_ENGINE_OVER;
    bool sets = plan->at >= bench_mix_fixed_count(plan->config);
    uint64_t number = sets ? plan->at - bench_mix_fixed_count(plan->config) + first_key : plan->at;
    struct bytes path = bench_mix_fixed(plan, number, room);
    struct bytes data = number < first_key ? bytes_of("", 0) : plan->payload;
    struct jute_out out = bench_conn_begin(conn, sets ? ZK_OP_SET_DATA : ZK_OP_CREATE, &mark);
    if (sets)
        zkwire_put_set(&out, path, data, -1);
    else
        zkwire_put_create(&out, path, data, &acltext_open, 1, ZK_CREATE_PERSISTENT);
    if (!bench_conn_end(conn, &out, mark, intended_ns, BENCHMIX_CREATE))
        return BENCH_ENGINE_NO_ROOM;
    plan->at++;
    return BENCH_ENGINE_SENT;
}

/* Cleaning up: what the connections created, then everything fixed, the last first. */
static enum bench_engine_next bench_mix_remove_next(void *context, struct bench_conn *conn,
                                                    uint64_t intended_ns)
{
    struct bench_mix_plan *plan = context;
    char room[BENCH_PATH_SIZE], kind[64];
    struct bytes path;
    uint8_t *mark;
    while (plan->conn_at < plan->conn_count && plan->number == plan->conns[plan->conn_at].created) {
        plan->conn_at++;
        plan->number = plan->conn_at < plan->conn_count ? plan->conns[plan->conn_at].deleted : 0;
    }
    if (plan->conn_at < plan->conn_count) {
        snprintf(kind, sizeof(kind), "c/%s-%x-", plan->config->run_id,
                 plan->conns[plan->conn_at].index);
        path = bench_mix_path(plan->prefix, plan->prefix_size, kind, plan->number, room);
    } else if (plan->at == 0) {
        return BENCH_ENGINE_OVER;
    } else {
        path = bench_mix_fixed(plan, plan->at - 1, room);
    }
    struct jute_out out = bench_conn_begin(conn, ZK_OP_DELETE, &mark);
    zkwire_put_path_int(&out, path, -1);
    if (!bench_conn_end(conn, &out, mark, intended_ns, BENCHMIX_DELETE))
        return BENCH_ENGINE_NO_ROOM;
    if (plan->conn_at < plan->conn_count)
        plan->number++;
    else
        plan->at--;
    return BENCH_ENGINE_SENT;
}

/* Runs a plan to its end, over a session of its own. Refusals are counted in *stats. */
static int bench_mix_run_plan(struct bench_mix_plan *plan, bench_engine_next_fn *next,
                              struct bench_stats *stats, struct fault *fault)
{
    struct bench_conn_config open = {&plan->config->address, 1, BENCH_MIX_SETUP_WINDOW,
                                     bench_request_size(plan->config), 30000};
    struct bench_engine engine = {
        .conn_count = 1, .next = next, .context = plan, .end_ns = UINT64_MAX, .stats = stats};
    plan->payload = bench_payload(plan->config);
    plan->prefix_size =
        (uint32_t)snprintf(plan->prefix, sizeof(plan->prefix), "%s/", plan->config->root);
    bench_stats_init(stats);
    int err = bench_conn_open_all(&open, &engine.conns, fault);
    if (err != 0)
        return err;
    err = bench_engine_run(&engine, fault);
    bench_conn_close_all(engine.conns, 1);
    return err;
}

static int bench_mix_prepare(const struct bench_config *config, struct fault *fault)
{
    struct bench_stats *stats = malloc(sizeof(*stats));
    struct bench_mix_plan plan = {.config = config, .count = bench_mix_fixed_count(config)};
    if (stats == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory");
    int err = bench_mix_run_plan(&plan, bench_mix_prepare_next, stats, fault);
    if (err == 0 && stats->errors[0].count != 0) { /* left over from another run */
        plan = (struct bench_mix_plan){.config = config,
                                       .at = bench_mix_fixed_count(config),
                                       .count = bench_mix_fixed_count(config) + config->keys};
        err = bench_mix_run_plan(&plan, bench_mix_prepare_next, stats, fault);
        if (err == 0 && stats->errors[0].count != 0)
            err = fault_set(fault, ERR_EXISTS, "cannot prepare %s: %s", config->root,
                            zk_error_name(stats->errors[0].code));
    }
    free(stats);
    return err;
}

static int bench_mix_remove(const struct bench_config *config, const struct bench_conn *conns,
                            struct fault *fault)
{
    struct bench_stats *stats = malloc(sizeof(*stats));
    struct bench_mix_plan plan = {.config = config,
                                  .conns = conns,
                                  .conn_count = (uint32_t)config->connections,
                                  .number = conns[0].deleted,
                                  .at = bench_mix_fixed_count(config)};
    if (stats == NULL)
        return fault_set(fault, ERR_NOMEM, "no memory");
    int err = bench_mix_run_plan(&plan, bench_mix_remove_next, stats, fault);
    free(stats);
    return err;
}

static void *bench_mix_thread(void *context)
{
    struct bench_mix_worker *worker = context;
    worker->err = bench_engine_run(&worker->engine, &worker->fault);
    return NULL;
}

static void bench_mix_sleep_until(uint64_t at_ns)
{
    struct timespec at = {(time_t)(at_ns / NS_PER_S), (long)(at_ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

/* Runs beside the workers: reads the processes' counters at both ends of the window, and shows how
 * it goes. The workers' counters are read without order: they are for a person's eye only. */
static void bench_mix_watch_over(const struct bench_config *config,
                                 struct bench_mix_worker *workers, struct bench_result *result)
{
    const struct bench_engine *first = &workers[0].engine;
    uint64_t seen = 0, begin_ns = first->begin_ns;
    bool sampled = false;
    for (uint64_t at_ns = begin_ns; at_ns < first->end_ns;) {
        uint64_t next_ns = at_ns + NS_PER_S;
        if (!sampled && next_ns > first->start_ns)
            next_ns = first->start_ns;
        if (next_ns > first->end_ns)
            next_ns = first->end_ns;
        bench_mix_sleep_until(next_ns);
        if (!sampled && next_ns >= first->start_ns) {
            bench_sample(config, result, false);
            sampled = true;
        }
        uint64_t answered = 0;
        for (uint64_t i = 0; i < config->threads; i++)
            answered += __atomic_load_n(&workers[i].stats.answered, __ATOMIC_RELAXED);
        if (config->progress && next_ns > at_ns)
            fprintf(stderr, "\r%6.1f s %12.0f answers/s%s   ", (double)(next_ns - begin_ns) / 1e9,
                    (double)(answered - seen) * 1e9 / (double)(next_ns - at_ns),
                    next_ns <= first->start_ns ? " (warm-up)" : "");
        seen = answered;
        at_ns = next_ns;
    }
    bench_sample(config, result, true);
    if (config->progress)
        fputs("\r\033[K", stderr);
}

static void bench_mix_worker_init(struct bench_mix_worker *worker,
                                  const struct bench_config *config, struct bench_conn *conns,
                                  uint64_t index, uint64_t begin_ns)
{
    uint64_t share = config->connections / config->threads;
    uint64_t extra = config->connections % config->threads;
    uint64_t from = index * share + (index < extra ? index : extra);
    worker->config = config;
    worker->payload = bench_payload(config);
    worker->prefix_size =
        (uint32_t)snprintf(worker->prefix, sizeof(worker->prefix), "%s/", config->root);
    rand_seed(&worker->rand, config->seed + index);
    bench_stats_init(&worker->stats);
    worker->engine = (struct bench_engine){
        .conns = conns + from,
        .conn_count = (uint32_t)(share + (index < extra)),
        .next = bench_mix_next,
        .context = worker,
        .rate_per_s = config->rate_per_s / (double)config->threads,
        .begin_ns = begin_ns,
        .start_ns = begin_ns + (uint64_t)(config->warmup_s * 1e9),
        .end_ns = begin_ns + (uint64_t)((config->warmup_s + config->duration_s) * 1e9),
        .drain_ns = BENCH_MIX_DRAIN_NS,
        .stats = &worker->stats,
    };
}

static int bench_mix_run(const struct bench_config *config, struct bench_conn *conns,
                         struct bench_result *result, struct fault *fault)
{
    struct bench_mix_worker *workers = calloc(config->threads, sizeof(*workers));
    uint64_t begin_ns = clock_now().mono_ns + NS_PER_MS, started = 0;
    int err = workers ? 0 : fault_set(fault, ERR_NOMEM, "no memory");
    while (err == 0 && started < config->threads) {
        bench_mix_worker_init(&workers[started], config, conns, started, begin_ns);
        if (pthread_create(&workers[started].thread, NULL, bench_mix_thread, &workers[started]))
            err = fault_set(fault, ERR_NOMEM, "cannot start a thread");
        else
            started++;
    }
    if (err == 0)
        bench_mix_watch_over(config, workers, result);
    for (uint64_t i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        bench_stats_merge(&result->stats, &workers[i].stats);
        if (workers[i].err != 0 && err == 0)
            err = fault_set(fault, workers[i].err, "%s", workers[i].fault.text);
    }
    result->measured_s = config->duration_s;
    free(workers);
    return err;
}

int bench_mix(const struct bench_config *config, struct bench_result *result, struct fault *fault)
{
    struct bench_conn *conns = NULL;
    struct bench_conn_config open = {&config->address, (uint32_t)config->connections,
                                     (uint32_t)config->window, bench_request_size(config), 30000};
    int err = bench_mix_prepare(config, fault);
    if (err == 0)
        err = bench_conn_open_all(&open, &conns, fault);
    if (err != 0)
        return err;
    err = bench_mix_run(config, conns, result, fault);
    bench_conn_end_all(conns, (uint32_t)config->connections);
    if (err == 0 && !config->keep)
        err = bench_mix_remove(config, conns, fault);
    bench_conn_close_all(conns, (uint32_t)config->connections);
    return err;
}
