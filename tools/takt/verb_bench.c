#include "base/clock.h"
#include "tools/host/sysroot.h"
#include "tools/takt/bench.h"
#include "tools/takt/verb.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERB_BENCH_BEAT "127.0.0.1:2182" /* the server of beat, when none is named */

static const struct verb_page verb_bench_page = {
    .usage = "takt bench [--scenario mix|beat|load|watch|sessions] [options]",
    .about =
        "Generates load at any ZooKeeper-compatible server and reports throughput and latency.\n"
        "\n"
        "  mix       the operations of --ops over --keys znodes\n"
        "  beat      get, set, exists, ls, sync by takt's datagram protocol; this program polls\n"
        "            without a pause, as a control loop does\n"
        "  load      creates --keys znodes of --payload bytes under --parents parents, once\n"
        "  watch     --connections watchers on one znode; one setter; set to last event\n"
        "  sessions  connect, session, close, over --connections slots\n"
        "\n"
        "Without --rate the loop is closed: every connection keeps --window requests in flight.\n"
        "With --rate it is open: requests are meant for fixed times, and latency counts from "
        "then.\n"
        "Znodes are made below --root before, and removed after (unless --keep).",
    .examples = "  takt bench --ops get=80,set=20 --connections 64 --window 64 --duration 10\n"
                "  takt bench --ops set --rate 5000 --connections 64 --duration 30 --plot set.svg\n"
                "  takt bench --ops get --connections 1 --window 1\n"
                "  takt bench --scenario beat --server 10.0.0.1:2182 --ops set --rate 2000\n"
                "  takt bench --scenario watch --connections 1000 --server-pid \"$(pidof taktd)\"\n"
                "  takt bench --scenario load --keys 1M --parents 1000 --keep -o json\n",
};

static int verb_bench_check(struct bench_config *config, struct fault *fault)
{
    int err = benchmix_parse(config->ops, &config->mix, fault);
    if (err != 0)
        return fault_wrap(fault, err, "--ops");
    if (config->root[0] != '/' || config->root[1] == '\0' || strlen(config->root) > 100 ||
        config->root[strlen(config->root) - 1] == '/')
        return fault_set(fault, ERR_CONFIG, "--root is a path such as /takt-bench");
    if (config->threads > config->connections)
        return fault_set(fault, ERR_CONFIG, "more threads than connections make no sense");
    bool beat = strcmp(config->scenario, "beat") == 0;
    if (strcmp(config->scenario, "mix") != 0 &&
        ((config->rate_per_s > 0 && !beat) || config->threads > 1))
        return fault_set(fault, ERR_CONFIG,
                         "--threads is for the scenario mix, --rate for mix and beat");
    if (config->duration_s <= 0)
        return fault_set(fault, ERR_CONFIG, "--duration is more than 0");
    struct bench_proc proc;
    if (config->server_pids && bench_proc_read_all(config->server_pids, &proc) == ERR_MALFORMED)
        return fault_set(fault, ERR_CONFIG, "--server-pid is a number, or several with commas");
    if (!config->server)
        config->server = beat ? VERB_BENCH_BEAT : ADDRESS_DEFAULT;
    if (beat) { /* libtakt looks up its nodes itself */
        static char
            own[sizeof("127.0.0.1:65535")]; /* ":2182" is this machine, as with other verbs */
        if (config->server[0] == ':' && strlen(config->server) <= strlen(":65535")) {
            snprintf(own, sizeof(own), "127.0.0.1%s", config->server);
            config->server = own;
        }
        return bench_beat_check(config, fault);
    }
    err = address_resolve(config->server, &config->address, fault);
    return err;
}

static int verb_bench_run(struct bench_config *config)
{
    static const struct {
        const char *name;
        int (*run)(const struct bench_config *, struct bench_result *, struct fault *);
    } scenarios[] = {{"mix", bench_mix},
                     {"beat", bench_beat},
                     {"load", bench_load},
                     {"watch", bench_watch},
                     {"sessions", bench_sessions}};
    struct fault fault;
    struct bench_result *result = calloc(1, sizeof(*result));
    int err = result ? ERR_CONFIG : fault_set(&fault, ERR_NOMEM, "no memory");
    if (result != NULL)
        bench_stats_init(&result->stats);
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]) && result != NULL; i++)
        if (strcmp(config->scenario, scenarios[i].name) == 0)
            err = scenarios[i].run(config, result, &fault);
    if (err == 0)
        err = bench_report(config, result, &fault);
    free(result);
    if (err != 0)
        fprintf(stderr, "takt: bench: %s\n", fault.text);
    return err == 0 ? VERB_OK : VERB_FAILED;
}

int verb_bench(int argc, char **argv)
{
    struct bench_config config = {.scenario = "mix",
                                  .ops = "get=80,set=20",
                                  .root = "/takt-bench",
                                  .connections = 16,
                                  .window = 16,
                                  .payload = 100,
                                  .keys = 1000,
                                  .threads = 1,
                                  .seed = 1,
                                  .parents = 1000,
                                  .duration_s = 5,
                                  .warmup_s = 1,
                                  .watch_mode = "persistent"};
    const char *output = "table", *key_file = NULL;
    int rest;
    struct fault fault;
    const struct opts_item items[] = {
        {"server", 's', OPTS_SERVERS, &config.server, "HOST:PORT",
         "whom to load (default " ADDRESS_DEFAULT "; with beat " VERB_BENCH_BEAT ")"},
        {"scenario", 0, OPTS_CHOICE, &config.scenario, "NAME", "what to do",
         .choices = "mix|beat|load|watch|sessions"},
        {"ops", 0, OPTS_STRING, &config.ops, "MIX",
         "shares of get, set, create, delete, exists, ls, sync, multi, create_e"},
        {"connections", 'n', OPTS_NUMBER, &config.connections, "N", "sessions", 1, 100000},
        {"window", 'w', OPTS_NUMBER, &config.window, "W", "requests in flight on each", 1, 65536},
        {"payload", 0, OPTS_NUMBER, &config.payload, "B", "bytes of data in each znode", 0,
         1000000},
        {"keys", 0, OPTS_NUMBER, &config.keys, "N", "znodes", 1, 100000000},
        {"parents", 0, OPTS_NUMBER, &config.parents, "P", "for load", 1, 1000000},
        {"duration", 'd', OPTS_REAL, &config.duration_s, "S", "measured seconds", 0, 86400},
        {"warmup", 0, OPTS_REAL, &config.warmup_s, "S", "seconds before that", 0, 3600},
        {"rate", 0, OPTS_REAL, &config.rate_per_s, "R", "open loop: requests a second in all", 0,
         100000000},
        {"threads", 0, OPTS_NUMBER, &config.threads, "N", "of this program", 1, 64},
        {"watch-mode", 0, OPTS_CHOICE, &config.watch_mode, "MODE", "persistent, or once: set anew",
         .choices = "persistent|once"},
        {"key-file", 0, OPTS_STRING, &key_file, "FILE", "for beat: the node's beat.key_file"},
        {"root", 0, OPTS_STRING, &config.root, "PATH", "where the znodes go"},
        {"keep", 0, OPTS_FLAG, &config.keep, NULL, "do not remove them"},
        {"seed", 0, OPTS_NUMBER, &config.seed, "N", "of the choice of operations and keys", 0, 0},
        {"server-pid", 0, OPTS_STRING, &config.server_pids, "PID,...",
         "also report CPU and memory of these processes, summed"},
        {"plot", 0, OPTS_STRING, &config.plot, "FILE.svg", "draw each operation's percentiles"},
        {"hdr", 0, OPTS_STRING, &config.hdr, "FILE",
         "write the percentiles of all together as HdrHistogram does"},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table or json", .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_bench_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest > 0)
        return verb_usage(&verb_bench_page, "\"%s\" is one word too many", argv[1]);
    if (verb_bench_check(&config, &fault) != 0)
        return verb_usage(&verb_bench_page, "%s", fault.text);
    char *keys = key_file ? sysroot_all(&(struct sysroot){""}, "%s", key_file) : NULL;
    if (key_file && !keys)
        return verb_usage(&verb_bench_page, "--key-file: %s cannot be read", key_file);
    config.keys_text = keys;
    config.as_json = strcmp(output, "json") == 0;
    config.progress = isatty(STDERR_FILENO);
    snprintf(config.run_id, sizeof(config.run_id), "%x", (unsigned)getpid());
    exit_code = verb_bench_run(&config);
    free(keys);
    return exit_code;
}
