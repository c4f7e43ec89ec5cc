/* Load by beat, the datagram protocol: a session of libtakt for each connection, all polled by one
 * thread without a pause, as control loops do. Keys as in bench_mix. */
#include "base/clock.h"
#include "tools/libtakt/takt.h"
#include "tools/takt/bench.h"
#include "tools/takt/verb.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>

#define BENCH_BEAT_OPEN_NS  (10 * NS_PER_S)
#define BENCH_BEAT_DRAIN_NS (5 * NS_PER_S)

struct bench_beat_slot { /* a request on its way */
    struct bench_beat_conn *conn;
    uint64_t intended_ns;
    enum benchmix_op op;
    bool is_used;
};

struct bench_beat_conn {
    struct bench_beat *bench;
    struct takt_client *client;
    struct bench_beat_slot slots[TAKT_REQUESTS_MAX];
    uint32_t in_flight;
};

struct bench_beat {
    const struct bench_config *config;
    struct bench_beat_conn *conns;
    struct bench_stats *stats;
    struct rand rand;
    struct bytes payload;
    uint64_t begin_ns, start_ns, end_ns; /* warm-up, then the measured window, half-open */
    uint64_t sent;                       /* requests since begin_ns */
};

static int bench_beat_open(struct bench_beat *bench, struct fault *fault)
{
    const struct bench_config *config = bench->config;
    uint32_t size = (uint32_t)config->payload + 1024;
    struct takt_config takt = {.nodes = config->server,
                               .keys = config->keys_text,
                               .request_count = (uint32_t)config->window,
                               .request_size = size,
                               .answer_size = size};

    for (uint64_t i = 0; i < config->connections; i++) {
        bench->conns[i].bench = bench;
        int err = takt_open(&takt, &bench->conns[i].client);
        if (err)
            return fault_set(fault, ERR_IO, "%s: %s", config->server, takt_error_text(err));
    }
    for (uint64_t i = 0; i < config->connections; i++)
        if (takt_wait_live(bench->conns[i].client, BENCH_BEAT_OPEN_NS) != 0)
            return fault_set(fault, ERR_IO,
                             "no node answers beat (UDP) at %s: is beat.listen set, and this its "
                             "port?",
                             config->server);
    return 0;
}

/* ---- the znodes ---- */

#define BENCH_BEAT_DIRS 3 /* the root, k, list */

static const char *bench_beat_key(const struct bench_beat *bench, uint64_t number,
                                  char room[BENCH_PATH_SIZE])
{
    snprintf(room, BENCH_PATH_SIZE, "%s/k/%08" PRIx64, bench->config->root, number);
    return room;
}

/* Path number `at` of what a run has: folders, the list's children, the keys. */
static const char *bench_beat_fixed(const struct bench_beat *bench, uint64_t at,
                                    char room[BENCH_PATH_SIZE])
{
    static const char *const dirs[BENCH_BEAT_DIRS] = {"", "/k", "/list"};
    const uint64_t first_key = BENCH_BEAT_DIRS + BENCH_LIST_COUNT;

    if (at >= first_key)
        return bench_beat_key(bench, at - first_key, room);
    if (at < BENCH_BEAT_DIRS)
        snprintf(room, BENCH_PATH_SIZE, "%s%s", bench->config->root, dirs[at]);
    else
        snprintf(room, BENCH_PATH_SIZE, "%s/list/%08" PRIx64, bench->config->root,
                 at - BENCH_BEAT_DIRS);
    return room;
}

/* The answer of the oldest of the requests [0, TAKT_REQUESTS_MAX) that prepare or remove. */
static int bench_beat_settle(struct bench_beat *bench, int64_t ticket, int32_t allowed,
                             struct fault *fault)
{
    struct takt_client *client = bench->conns[0].client;
    struct takt_answer answer;
    int err = takt_wait_answer(client, ticket, BENCH_BEAT_OPEN_NS, &answer);

    if (!err && answer.error && answer.error != allowed)
        err = answer.error;
    if (err)
        return fault_set(fault, ERR_IO, "%s %s: %s",
                         allowed == TAKT_NODE_EXISTS ? "cannot prepare" : "cannot clean up",
                         bench->config->root, takt_error_text(err));
    return takt_release(client, ticket);
}

/* Creates everything that a run needs, or removes it, the last first; window requests at a time. */
static int bench_beat_all(struct bench_beat *bench, bool removes, struct fault *fault)
{
    struct takt_client *client = bench->conns[0].client;
    uint64_t count = BENCH_BEAT_DIRS + BENCH_LIST_COUNT + bench->config->keys;
    uint64_t window = bench->config->window, asked = 0, settled = 0;
    int32_t allowed = removes ? TAKT_NO_NODE : TAKT_NODE_EXISTS;
    int64_t tickets[TAKT_REQUESTS_MAX];
    char room[BENCH_PATH_SIZE];

    while (settled < count) {
        if (asked < count && asked - settled < window) {
            const char *path = bench_beat_fixed(bench, removes ? count - 1 - asked : asked, room);
            tickets[asked++ % window] =
                removes ? takt_delete(client, path, -1, NULL)
                        : takt_create(client, path, bench->payload.at,
                                      (uint32_t)bench->payload.size, TAKT_PERSISTENT, NULL);
            continue;
        }
        int err = bench_beat_settle(bench, tickets[settled++ % window], allowed, fault);
        if (err)
            return err;
    }
    return 0;
}

/* ---- load ---- */

static void bench_beat_answered(void *context, const struct takt_answer *answer)
{
    struct bench_beat_slot *slot = context;
    struct bench_beat *bench = slot->conn->bench;
    uint64_t now_ns = clock_now().mono_ns;

    slot->is_used = false;
    slot->conn->in_flight--;
    bench->stats->answered++;
    if (answer->error)
        bench_stats_error(bench->stats, answer->error);
    if (slot->intended_ns >= bench->start_ns && slot->intended_ns < bench->end_ns)
        hist_record(&bench->stats->latency[slot->op], now_ns - slot->intended_ns);
    if (now_ns >= bench->start_ns && now_ns < bench->end_ns)
        bench->stats->done[slot->op]++;
}

static int64_t bench_beat_submit(struct bench_beat *bench, struct bench_beat_slot *slot)
{
    struct takt_client *client = slot->conn->client;
    const struct takt_done done = {.answer = bench_beat_answered, .context = slot};
    char room[BENCH_PATH_SIZE];
    const char *key = bench_beat_key(bench, rand_below(&bench->rand, bench->config->keys), room);

    switch (slot->op) {
    case BENCHMIX_GET: return takt_get(client, key, 0, &done);
    case BENCHMIX_EXISTS: return takt_exists(client, key, 0, &done);
    case BENCHMIX_SYNC: return takt_sync(client, key, &done);
    case BENCHMIX_LS:
        snprintf(room, sizeof(room), "%s/list", bench->config->root);
        return takt_children(client, room, 0, &done);
    default:
        return takt_set(client, key, bench->payload.at, (uint32_t)bench->payload.size, -1, &done);
    }
}

/* One request, if the session's window has room. */
static bool bench_beat_send(struct bench_beat *bench, struct bench_beat_conn *conn,
                            uint64_t intended_ns)
{
    uint32_t at = 0;

    if (conn->in_flight == bench->config->window)
        return false;
    while (conn->slots[at].is_used)
        at++;
    conn->slots[at] = (struct bench_beat_slot){
        conn, intended_ns, benchmix_pick(&bench->config->mix, &bench->rand), true};
    conn->in_flight++;
    if (bench_beat_submit(bench, &conn->slots[at]) > 0)
        return true;
    conn->slots[at].is_used = false; /* its session is over, or moves to another node */
    conn->in_flight--;
    return false;
}

/* Open loop: the time that the next request is meant for. */
static uint64_t bench_beat_due_ns(const struct bench_beat *bench)
{
    double rate_per_s = bench->config->rate_per_s;
    return rate_per_s > 0 ? bench->begin_ns + (uint64_t)((double)bench->sent * 1e9 / rate_per_s)
                          : UINT64_MAX;
}

/* Fills the windows; or, with a rate, sends what was meant for now or before, by turns, also when
 * the window is over meanwhile. Returns whether anything was sent. */
static bool bench_beat_fill(struct bench_beat *bench, uint64_t now_ns)
{
    const struct bench_config *config = bench->config;
    uint64_t before = bench->sent, full = 0;
    bool closed = config->rate_per_s <= 0 && now_ns < bench->end_ns;

    for (uint64_t i = 0; closed && i < config->connections; i++)
        while (bench_beat_send(bench, &bench->conns[i], now_ns))
            bench->sent++;
    while (full < config->connections) {
        uint64_t meant_ns = bench_beat_due_ns(bench);
        if (meant_ns > now_ns || meant_ns >= bench->end_ns)
            break;
        if (bench_beat_send(bench, &bench->conns[(bench->sent + full) % config->connections],
                            meant_ns)) {
            if (now_ns - meant_ns > bench->stats->lag_ns_max && meant_ns >= bench->start_ns)
                bench->stats->lag_ns_max = now_ns - meant_ns;
            bench->sent++;
            full = 0;
        } else {
            full++;
        }
    }
    return bench->sent != before;
}

static uint64_t bench_beat_poll(struct bench_beat *bench, uint64_t now_ns)
{
    uint64_t in_flight = 0;

    for (uint64_t i = 0; i < bench->config->connections; i++) {
        takt_poll(bench->conns[i].client, now_ns);
        in_flight += bench->conns[i].in_flight;
    }
    return in_flight;
}

static void bench_beat_run(struct bench_beat *bench, struct bench_result *result)
{
    const struct bench_config *config = bench->config;
    bool sampled = false;
    uint64_t now_ns = clock_now().mono_ns, in_flight = 0;

    bench->begin_ns = now_ns;
    bench->start_ns = now_ns + (uint64_t)(config->warmup_s * 1e9);
    bench->end_ns = bench->start_ns + (uint64_t)(config->duration_s * 1e9);
    for (; now_ns < bench->end_ns || ((in_flight || bench_beat_due_ns(bench) < bench->end_ns) &&
                                      now_ns < bench->end_ns + BENCH_BEAT_DRAIN_NS);
         now_ns = clock_now().mono_ns) {
        uint64_t answered = bench->stats->answered;
        bool filled = bench_beat_fill(bench, now_ns);
        if (!sampled && now_ns >= bench->start_ns) {
            bench_sample(config, result, false);
            sampled = true;
        }
        if (result->measured_s == 0 && now_ns >= bench->end_ns) {
            bench_sample(config, result, true);
            result->measured_s = (double)(now_ns - bench->start_ns) / 1e9;
        }
        in_flight = bench_beat_poll(bench, now_ns);
        if (!filled && answered == bench->stats->answered)
            sched_yield();
    }
    if (result->measured_s == 0) {
        bench_sample(config, result, true);
        result->measured_s = (double)(now_ns - bench->start_ns) / 1e9;
    }
    for (uint64_t i = 0; i < config->connections; i++)
        for (uint32_t k = 0; k < TAKT_REQUESTS_MAX; k++) {
            struct bench_beat_slot *slot = &bench->conns[i].slots[k];
            if (!slot->is_used || slot->intended_ns < bench->start_ns)
                continue;
            bench->stats->unanswered++;
            hist_record(&bench->stats->latency[slot->op], now_ns - slot->intended_ns);
        }
}

static void bench_beat_end(struct takt_client *client, bool is_live)
{
    struct takt_answer answer;

    if (client && is_live)
        (void)!takt_wait_answer(client, takt_close(client, NULL), NS_PER_S, &answer);
    takt_free(client);
}

int bench_beat_check(const struct bench_config *config, struct fault *fault)
{
    static const enum benchmix_op here[] = {BENCHMIX_GET, BENCHMIX_SET, BENCHMIX_EXISTS,
                                            BENCHMIX_LS, BENCHMIX_SYNC};
    uint32_t sum = 0;

    for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
        sum += config->mix.share[here[i]];
    if (sum != config->mix.sum)
        return fault_set(fault, ERR_CONFIG, "beat's --ops are get, set, exists, ls and sync");
    if (config->window > TAKT_REQUESTS_MAX)
        return fault_set(fault, ERR_CONFIG, "--window is at most %d with beat", TAKT_REQUESTS_MAX);
    if (config->payload > TAKT_MESSAGE_MAX - 1024)
        return fault_set(fault, ERR_CONFIG, "--payload is at most %d with beat",
                         TAKT_MESSAGE_MAX - 1024);
    return 0;
}

int bench_beat(const struct bench_config *config, struct bench_result *result, struct fault *fault)
{
    struct bench_beat bench = {.config = config, .stats = &result->stats};
    int err;

    bench.conns = calloc(config->connections, sizeof(*bench.conns));
    if (!bench.conns)
        return fault_set(fault, ERR_NOMEM, "no memory for %" PRIu64 " sessions",
                         config->connections);
    bench.payload = bench_payload(config);
    rand_seed(&bench.rand, config->seed);
    err = bench_beat_open(&bench, fault);
    if (!err)
        err = bench_beat_all(&bench, false, fault);
    if (!err)
        bench_beat_run(&bench, result);
    if (!err && !config->keep)
        err = bench_beat_all(&bench, true, fault);
    for (uint64_t i = 0; i < config->connections; i++)
        bench_beat_end(bench.conns[i].client, !err);
    free(bench.conns);
    return err;
}
