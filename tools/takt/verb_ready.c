#include "base/clock.h"
#include "tools/takt/fourlw.h"
#include "tools/takt/verb.h"
#include "tools/takt/zkclient.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct verb_page verb_ready_page = {
    .usage = "takt ready [--server HOST:PORT] [--timeout SECONDS]",
    .about =
        "Waits until a server gives out a session: then it serves requests. Exit code 0 when it\n"
        "does within the timeout; 1 when not, and then why, on stderr.",
    .examples = "  takt ready                          # is a node up on 127.0.0.1:2181, at once?\n"
                "  takt ready --timeout 30 && start_my_service\n"
                "  takt ready --server 10.0.0.5:2181 --timeout 5 --verbose\n",
};

#define VERB_READY_PAUSE_NS (50 * NS_PER_MS)

/* It answers words, and gives out no session because nobody leads it: says so, and why, if the
 * server knows. */
static void ready_looks(const char *server)
{
    struct fault fault;
    char state[32] = "", stuck[512] = "", *text = NULL;

    if (fourlw_ask(server, "memb", 1000, &text, &fault) == 0 &&
        fourlw_value(text, "state\t", state, sizeof(state)) == 0 && strcmp(state, "looking") == 0) {
        fprintf(stderr, "takt: it runs, but nobody leads it: takt status --server %s\n", server);
        if (fourlw_value(text, "stuck\t", stuck, sizeof(stuck)) == 0 && strcmp(stuck, "no") != 0)
            fprintf(stderr, "takt: %s\n", stuck);
    }
    free(text);
}

int verb_ready(int argc, char **argv)
{
    const char *server = ADDRESS_DEFAULT;
    double timeout_s = 0;
    bool verbose = false;
    int rest;
    const struct opts_item items[] = {
        {"server", 's', OPTS_SERVERS, &server, "HOST:PORT", "whom to ask"},
        {"timeout", 't', OPTS_REAL, &timeout_s, "SECONDS", "how long to go on asking", 0, 86400},
        {"verbose", 'v', OPTS_FLAG, &verbose, NULL, "say on stderr how it went"},
        {0},
    };
    int exit_code = verb_begin(&verb_ready_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest > 0)
        return verb_usage(&verb_ready_page, "\"%s\" is one word too many", argv[1]);

    uint64_t start_ns = clock_now().mono_ns, limit_ns = (uint64_t)(timeout_s * NS_PER_S);
    struct zkclient_config config = {
        .servers = server, .session_ms = 4000, .connect_ms = 1000, .reply_ms = 1000};
    struct zkclient client;
    struct fault fault;
    for (;;) {
        int err = zkclient_open(&client, &config, &fault);
        uint64_t spent_ns = clock_now().mono_ns - start_ns;
        if (err == 0) {
            zkclient_close(&client);
            if (verbose)
                fprintf(stderr, "%s is ready (after %.3f s)\n", server, (double)spent_ns / 1e9);
            return VERB_OK;
        }
        if (err == ERR_MALFORMED)
            return verb_usage(&verb_ready_page, "%s", fault.text);
        if (spent_ns >= limit_ns)
            break;
        usleep(VERB_READY_PAUSE_NS / 1000);
    }
    fprintf(stderr, "takt: not ready within %g s: %s\n", timeout_s, fault.text);
    ready_looks(server);
    return VERB_FAILED;
}
