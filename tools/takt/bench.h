/* bench: what the scenarios of `takt bench` share: their settings, their keys, their report.
 *
 *   verb_bench ── bench_mix       the mix of operations, closed or open loop, any number of threads
 *              ├─ bench_load      N znodes under P parents
 *              ├─ bench_watch     N watchers on one znode, one setter
 *              ├─ bench_sessions  connect, session, close
 *              ├─ bench_beat      the mix, over sessions of libtakt
 *              └─ bench_report    text, JSON, plot                                              */
#pragma once

#include "tools/takt/bench_engine.h"
#include "tools/takt/bench_proc.h"
#include "tools/takt/bench_stats.h"

struct bench_config {
    const char *server, *scenario, *ops, *root, *plot, *hdr, *watch_mode;
    const char *keys_text;   /* of beat: a key file's text; NULL: datagrams carry a checksum only */
    const char *server_pids; /* as bench_proc_read_all takes them; NULL: no figures of them */
    struct address_tcp address;
    struct benchmix mix;
    uint64_t connections, window, payload, keys, threads, seed, parents;
    double duration_s, warmup_s, rate_per_s;
    bool as_json, keep, progress;
    char run_id[16]; /* tells this run's znodes from another's */
};

struct bench_result {
    struct bench_stats stats;
    double measured_s;
    struct bench_proc server_before, server_after; /* around the measured window */
    struct bench_proc client_before, client_after;
    bool has_server;
};

/* Each runs one scenario. Returns 0 and fills *result, or an ERR_* with a sentence. */
MUST_USE int bench_mix(const struct bench_config *config, struct bench_result *result,
                       struct fault *fault);
MUST_USE int bench_load(const struct bench_config *config, struct bench_result *result,
                        struct fault *fault);
MUST_USE int bench_watch(const struct bench_config *config, struct bench_result *result,
                         struct fault *fault);
MUST_USE int bench_sessions(const struct bench_config *config, struct bench_result *result,
                            struct fault *fault);

/* Returns 0, or ERR_CONFIG: what beat's load cannot do. */
MUST_USE int bench_beat_check(const struct bench_config *config, struct fault *fault);
MUST_USE int bench_beat(const struct bench_config *config, struct bench_result *result,
                        struct fault *fault);

/* Reads the processes' counters; the server's when its pid is known. */
void bench_sample(const struct bench_config *config, struct bench_result *result, bool after);

/* The size of a request's frame that carries one payload and two paths, at most. */
size_t bench_request_size(const struct bench_config *config);

/* The data of every znode: config->payload bytes, the same for all. Owned by bench, made once. */
struct bytes bench_payload(const struct bench_config *config);

#define BENCH_PATH_SIZE  256
#define BENCH_LIST_COUNT 16 /* children of the znode that `ls` lists */

/* bench_report prints the result: text or JSON on stdout; and the plot. */
MUST_USE int bench_report(const struct bench_config *config, const struct bench_result *result,
                          struct fault *fault);
