/* takt: one binary with verbs, for people and scripts at any ZooKeeper-compatible server. */
#include "tools/takt/verb.h"

#include <string.h>

static const struct verb main_verbs[] = {
    {"ready", "wait until a server answers", verb_ready},
    {"status", "what a server says about itself: mode, zxid, connections, latency", verb_status},
    {"member", "the servers of an ensemble: list, add, remove, promote, demote, transfer",
     verb_member},
    {"sh", "a shell on the tree: create, get, set, ls, watch, multi, ... also one-shot", verb_sh},
    {"bench", "load for any ZooKeeper-compatible server: throughput, latency, CPU", verb_bench},
    {"cores", "which role runs on which core: show, plan, check, apply, undo", verb_cores},
    {"doctor", "what on this machine stands between a node and microseconds; its class",
     verb_doctor},
    {"jitter", "how long this machine's cores are away: gaps while spinning", verb_jitter},
    {"top", "a node on this machine, from inside: roles, links, throughput, latency", verb_top},
    {"trace", "the way of single requests through a node, with the time of each stage", verb_trace},
    {"latency", "how long each step of a request takes: percentiles, plots", verb_latency},
    {"nic", "the network cards: list, show, hand one over to takt and back", verb_nic},
    {"log", "a stopped node's log: list it, check it", verb_log},
    {"snapshot", "a snapshot's contents, whether it is whole, where two differ", verb_snapshot},
};

#define MAIN_VERB_COUNT (sizeof(main_verbs) / sizeof(main_verbs[0]))

static void main_help(FILE *to)
{
    fprintf(to,
            "%susage:%s takt VERB [options]\n\n"
            "Talks to takt nodes, and to any other server of the ZooKeeper protocol.\n\n",
            verb_tint(to, "1"), verb_tint(to, "0"));
    for (size_t i = 0; i < MAIN_VERB_COUNT; i++)
        fprintf(to, "  %s%-10s%s %s\n", verb_tint(to, "1"), main_verbs[i].name, verb_tint(to, "0"),
                main_verbs[i].line);
    fputs("\n"
          "takt VERB --help explains a verb, with examples. A first session:\n"
          "  takt ready --timeout 10\n"
          "  takt sh -c 'create /greeting hello ; get /greeting'\n"
          "  takt status\n\n"
          "exit codes: 0 fine, 1 the answer is a failure, 2 the command line makes no sense\n",
          to);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        main_help(stderr);
        return VERB_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        main_help(stdout);
        return VERB_OK;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("takt %s\n", TAKT_VERSION);
        return VERB_OK;
    }
    for (size_t i = 0; i < MAIN_VERB_COUNT; i++)
        if (strcmp(argv[1], main_verbs[i].name) == 0)
            return main_verbs[i].run(argc - 1, argv + 1);
    fprintf(stderr, "takt: there is no verb \"%s\"; takt --help lists them\n", argv[1]);
    return VERB_USAGE;
}
