#include "tools/takt/address.h"
#include "tools/takt/fourlw.h"
#include "tools/takt/json.h"
#include "tools/takt/verb.h"

#include <stdlib.h>
#include <string.h>

static const struct verb_page verb_status_page = {
    .usage = "takt status [--server HOST:PORT] [-o table|json]",
    .about =
        "Shows what a server says about itself, from its four-letter words srvr and (where the\n"
        "server's whitelist lets it) mntr; of a takt node also how it stands in its ensemble "
        "(memb),\n"
        "also while nobody leads. takt member list shows all of them.",
    .examples = "  takt status\n"
                "  takt status --server 10.0.0.5:2181 -o json\n",
};

/* Where each line comes from: srvr's label or, before a tab, mntr's or memb's key. First hit wins.
 */
static const struct {
    const char *label, *key, *srvr, *mntr, *memb;
} verb_status_lines[] = {
    {"version", "version", "Zookeeper version:", "zk_version"},
    {"mode", "mode", "Mode:", "zk_server_state"},
    {"state", "state", NULL, NULL, "state"},
    {"id", "id", NULL, NULL, "id"},
    {"leader", "leader", NULL, NULL, "leader"},
    {"term", "term", NULL, NULL, "term"},
    {"last index", "last_index", NULL, NULL, "last_index"},
    {"commit index", "commit_index", NULL, NULL, "commit_index"},
    {"applied index", "applied_index", NULL, NULL, "applied_index"},
    {"elections seen", "elections", NULL, NULL, "elections"},
    {"last one took, ms", "election_ms", NULL, NULL, "election_ms"},
    {"... and why", "election_reason", NULL, NULL, "election_reason"},
    {"leader known for, ms", "leader_known_ms", NULL, NULL, "leader_known_ms"},
    {"votes", "voting", NULL, NULL, "voting"},
    {"member of the ensemble", "member", NULL, NULL, "member"},
    {"acknowledged from", "durability", NULL, "zk_takt_durability", "durability"},
    {"zxid", "zxid", "Zxid:", NULL},
    {"up, ms", "uptime_ms", NULL, "zk_uptime"},
    {"connections", "connections", "Connections:", "zk_num_alive_connections"},
    {"sessions", "sessions", NULL, "zk_global_sessions"},
    {"outstanding", "outstanding", "Outstanding:", "zk_outstanding_requests"},
    {"received", "received", "Received:", "zk_packets_received"},
    {"sent", "sent", "Sent:", "zk_packets_sent"},
    {"latency, ms min/avg/max", "latency_ms", "Latency min/avg/max:", NULL},
    {"znodes", "znodes", "Node count:", "zk_znode_count"},
    {"ephemerals", "ephemerals", NULL, "zk_ephemerals_count"},
    {"watches", "watches", NULL, "zk_watch_count"},
    {"data, bytes", "data_bytes", NULL, "zk_approximate_data_size"},
    {"tree memory, bytes", "tree_memory_bytes", NULL, "zk_takt_tree_memory_bytes"},
    {"open files", "open_files", NULL, "zk_open_file_descriptor_count"},
    {"learners", "learners", NULL, "zk_learners"},
    {"synced followers", "synced_followers", NULL, "zk_synced_followers"},
};

static bool verb_status_is_number(const char *text)
{
    return *text != '\0' && strlen(text) < 18 && strspn(text, "0123456789") == strlen(text);
}

/* A line of mntr or memb. */
static bool verb_status_keyed(const char *text, const char *key, char *value, uint32_t size)
{
    char tabbed[80];

    if (text == NULL || key == NULL)
        return false;
    snprintf(tabbed, sizeof(tabbed), "%s\t", key);
    return fourlw_value(text, tabbed, value, size) == 0;
}

/* The members that memb lists: "peer_2<TAB>voter streaming lag=3 heard_ms=12". */
static void verb_status_peers(struct json *json, const char *memb, bool as_json)
{
    if (memb == NULL || strstr(memb, "\npeer_") == NULL)
        return;
    if (as_json)
        json_open(json, "members", '[');
    for (const char *at = memb; (at = strstr(at, "\npeer_")) != NULL; at++) {
        if (at[6] < '0' || at[6] > '9')
            continue; /* what the peer link counts */
        unsigned long id = strtoul(at + 6, NULL, 10);
        char line[128] = "", *tab = strchr(at, '\t');
        if (tab != NULL)
            snprintf(line, sizeof(line), "%.*s", (int)strcspn(tab + 1, "\n"), tab + 1);
        if (!as_json) {
            printf("member %-19lu %s\n", id, line);
            continue;
        }
        json_open(json, NULL, '{');
        json_int(json, "id", (int64_t)id);
        json_text(json, "is", line);
        json_close(json, '}');
    }
    if (as_json)
        json_close(json, ']');
}

static void verb_status_print(const char *server, const char *srvr, const char *mntr,
                              const char *memb, bool as_json)
{
    struct json json;
    char value[256];
    json_init(&json, stdout);
    if (as_json) {
        json_open(&json, NULL, '{');
        json_text(&json, "server", server);
    } else {
        printf("%-26s %s%s%s\n", "server", verb_tint(stdout, "1"), server, verb_tint(stdout, "0"));
    }
    for (size_t i = 0; i < sizeof(verb_status_lines) / sizeof(verb_status_lines[0]); i++) {
        const char *from_srvr = verb_status_lines[i].srvr, *from_mntr = verb_status_lines[i].mntr;
        if ((from_srvr == NULL || fourlw_value(srvr, from_srvr, value, sizeof(value)) != 0) &&
            !verb_status_keyed(mntr, from_mntr, value, sizeof(value)) &&
            !verb_status_keyed(memb, verb_status_lines[i].memb, value, sizeof(value)))
            continue;
        if (!as_json)
            printf("%-26s %s\n", verb_status_lines[i].label, value);
        else if (verb_status_is_number(value))
            json_int(&json, verb_status_lines[i].key, atoll(value));
        else
            json_text(&json, verb_status_lines[i].key, value);
    }
    verb_status_peers(&json, memb, as_json);
    if (as_json) {
        json_close(&json, '}');
        json_line(&json);
    }
}

int verb_status(int argc, char **argv)
{
    const char *server = ADDRESS_DEFAULT, *output = "table";
    double timeout_s = 5;
    int rest;
    const struct opts_item items[] = {
        {"server", 's', OPTS_SERVERS, &server, "HOST:PORT", "whom to ask"},
        {"timeout", 't', OPTS_REAL, &timeout_s, "SECONDS", "for each question", 0, 3600},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "table or json", .choices = "table|json"},
        {0},
    };
    int exit_code = verb_begin(&verb_status_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (rest > 0)
        return verb_usage(&verb_status_page, "\"%s\" is one word too many", argv[1]);
    if (strchr(server, ',') != NULL)
        return verb_usage(&verb_status_page,
                          "status asks one server, not the list \"%s\"; takt member list --server "
                          "%s shows every member",
                          server, server);

    char *srvr = NULL, *mntr = NULL, *memb = NULL;
    struct fault fault;
    uint32_t timeout_ms = (uint32_t)(timeout_s * 1000);
    if (fourlw_ask(server, "srvr", timeout_ms, &srvr, &fault) != 0) {
        fprintf(stderr, "takt: %s\n", fault.text);
        return VERB_FAILED;
    }
    char mode[64];
    exit_code = VERB_OK;
    /* Only takt knows this word; others hang up. */
    if (fourlw_ask(server, "memb", timeout_ms, &memb, &fault) != 0 ||
        fourlw_value(memb, "state\t", mode, sizeof(mode)) != 0) {
        free(memb);
        memb = NULL;
    }
    if (fourlw_value(srvr, "Mode:", mode, sizeof(mode)) != 0 && memb != NULL) {
        fprintf(stderr, "takt: %s serves nobody now: %s", server, srvr);
        verb_status_print(server, srvr, NULL, memb, strcmp(output, "json") == 0);
        exit_code = VERB_FAILED;
        goto out;
    }
    if (fourlw_value(srvr, "Mode:", mode, sizeof(mode)) != 0) {
        fprintf(stderr, "takt: %s answers srvr with: %s\n", server, srvr);
        exit_code = VERB_FAILED;
        goto out;
    }
    if (fourlw_ask(server, "mntr", timeout_ms, &mntr, &fault) != 0 || fourlw_is_refused(mntr)) {
        fprintf(stderr, "takt: mntr is not allowed by the server's 4lw.commands.whitelist; showing "
                        "what srvr has\n");
        free(mntr);
        mntr = NULL;
    }
    verb_status_print(server, srvr, mntr, memb, strcmp(output, "json") == 0);
out:
    free(srvr);
    free(mntr);
    free(memb);
    return exit_code;
}
