/* takt member list: the configuration, and each member's own words (memb, else srvr). */
#include "tools/takt/fourlw.h"
#include "tools/takt/json.h"
#include "tools/takt/verb.h"
#include "tools/takt/verb_member.h"

#include <stdlib.h>
#include <string.h>

/* What one server says of itself; texts, "" where it says nothing. */
struct verb_member_facts {
    bool answers;
    char address[200], state[64], term[24], applied[24], commit[24], peer[64];
    char stuck[512]; /* why nobody can be elected, as far as it knows */
};

static void member_ask(const struct verb_member *member, const struct membership_server *server,
                       struct verb_member_facts *facts)
{
    struct fault fault;
    char *text = NULL;
    const char *host = membership_client_host(server);

    memset(facts, 0, sizeof(*facts));
    if (!server->client_port)
        return; /* nobody knows where to ask */
    snprintf(facts->address, sizeof(facts->address),
             strchr(host, ':') && *host != '[' ? "[%s]:%u" : "%s:%u", host, server->client_port);
    if (fourlw_ask(facts->address, "memb", member->ask_ms, &text, &fault) != 0)
        return;
    if (fourlw_value(text, "state\t", facts->state, sizeof(facts->state)) == 0) {
        facts->answers = true;
        int missing = fourlw_value(text, "term\t", facts->term, sizeof(facts->term));
        missing |= fourlw_value(text, "applied_index\t", facts->applied, sizeof(facts->applied));
        missing |= fourlw_value(text, "commit_index\t", facts->commit, sizeof(facts->commit));
        if (missing)
            facts->term[0] = '\0';
        if (fourlw_value(text, "stuck\t", facts->stuck, sizeof(facts->stuck)) != 0 ||
            strcmp(facts->stuck, "no") == 0)
            facts->stuck[0] = '\0';
    }
    free(text);
    text = NULL;
    if (facts->answers || fourlw_ask(facts->address, "srvr", member->ask_ms, &text, &fault) != 0)
        return;
    facts->answers = fourlw_value(text, "Mode:", facts->state, sizeof(facts->state)) == 0;
    free(text);
}

/* What the leader says of a member: "voter streaming lag=3 heard_ms=12". */
static void member_of_leader(const struct verb_member *member, const char *leader_address,
                             uint32_t id, char *out, uint32_t size)
{
    struct fault fault;
    char *text = NULL, key[32], line[128];

    out[0] = '\0';
    if (!*leader_address || fourlw_ask(leader_address, "memb", member->ask_ms, &text, &fault) != 0)
        return;
    snprintf(key, sizeof(key), "peer_%u\t", id);
    if (fourlw_value(text, key, line, sizeof(line)) == 0) {
        const char *rest = strchr(line, ' ');
        snprintf(out, size, "%.*s", (int)size - 1, rest ? rest + 1 : "");
    }
    free(text);
}

static void member_print_json(const struct verb_member *member,
                              const struct verb_member_facts *facts)
{
    struct json json;

    json_init(&json, stdout);
    json_open(&json, NULL, '{');
    json_hex(&json, "version", (uint64_t)member->version);
    json_open(&json, "servers", '[');
    for (uint32_t i = 0; i < member->servers.count; i++) {
        const struct membership_server *server = &member->servers.server[i];
        json_open(&json, NULL, '{');
        json_int(&json, "id", server->id);
        json_text(&json, "role", server->observer ? "observer" : "participant");
        json_text(&json, "host", server->host);
        json_int(&json, "peer_port", server->quorum_port);
        json_text(&json, "client", *facts[i].address ? facts[i].address : NULL);
        if (*facts[i].address)
            json_bool(&json, "answers", facts[i].answers);
        else
            json_text(&json, "answers", NULL);
        json_text(&json, "state", *facts[i].state ? facts[i].state : NULL);
        if (*facts[i].term) {
            json_int(&json, "term", atoll(facts[i].term));
            json_int(&json, "commit", atoll(facts[i].commit));
            json_int(&json, "applied", atoll(facts[i].applied));
        }
        json_text(&json, "leader_says", *facts[i].peer ? facts[i].peer : NULL);
        json_text(&json, "stuck", *facts[i].stuck ? facts[i].stuck : NULL);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_line(&json);
}

/* Once, in the words of the first that knows it. */
static void member_say_stuck(const struct membership *servers,
                             const struct verb_member_facts *facts)
{
    for (uint32_t i = 0; i < servers->count; i++) {
        if (!*facts[i].stuck)
            continue;
        fprintf(stderr, "takt: %s\n", facts[i].stuck);
        return;
    }
}

int verb_member_list_none(const struct verb_member *member, const char *why)
{
    char list[1024], state[64], *next = NULL;
    uint32_t looking = 0;

    snprintf(list, sizeof(list), "%s", member->addresses);
    for (char *at = strtok_r(list, ",", &next); at; at = strtok_r(NULL, ",", &next)) {
        struct fault fault;
        char *text = NULL;
        int err = fourlw_ask(at, "memb", member->ask_ms, &text, &fault);
        bool stands = !err && fourlw_value(text, "state\t", state, sizeof(state)) == 0;
        looking += stands && strcmp(state, "looking") == 0;
        if (err)
            fprintf(stderr, "takt: %s\n", fault.text);
        else
            fprintf(stderr, "takt: %s: %s\n", at, stands ? state : why);
        free(text);
    }
    if (looking)
        fprintf(stderr, "takt: nobody leads; a new ensemble begins when all of its servers are up "
                        "(ensemble.form)\n");
    return VERB_FAILED;
}

int verb_member_list(const struct verb_member *member)
{
    static struct verb_member_facts facts[MEMBERSHIP_MAX];
    const struct membership *servers = &member->servers;
    const char *leader = "";
    int exit_code = VERB_OK;
    uint32_t unasked = 0;

    for (uint32_t i = 0; i < servers->count; i++) {
        member_ask(member, &servers->server[i], &facts[i]);
        if (strcmp(facts[i].state, "leader") == 0)
            leader = facts[i].address;
        if (*facts[i].address && !facts[i].answers)
            exit_code = VERB_FAILED;
        unasked += !*facts[i].address;
    }
    for (uint32_t i = 0; i < servers->count; i++)
        member_of_leader(member, leader, servers->server[i].id, facts[i].peer,
                         sizeof(facts[i].peer));
    if (member->as_json) {
        member_print_json(member, facts);
        return exit_code;
    }
    printf("%s%-4s %-12s %-24s %-24s %-11s %6s %10s  %s%s\n", verb_tint(stdout, "1"), "id", "role",
           "peers", "clients", "state", "term", "applied", "the leader says",
           verb_tint(stdout, "0"));
    for (uint32_t i = 0; i < servers->count; i++) {
        const struct membership_server *server = &servers->server[i];
        char peers[160];
        snprintf(peers, sizeof(peers), "%s:%u", server->host, server->quorum_port);
        printf("%-4u %-12s %-24s %-24s %-11s %6s %10s  %s\n", server->id,
               server->observer ? "observer" : "participant", peers,
               *facts[i].address ? facts[i].address : "no client port known",
               facts[i].answers    ? facts[i].state
               : *facts[i].address ? "no answer"
                                   : "not asked",
               facts[i].term, facts[i].applied, facts[i].peer);
    }
    member_say_stuck(servers, facts);
    if (unasked)
        fprintf(stderr,
                "takt: %u not asked: where clients reach %s stands behind a ; in the server line, "
                "as in server.1=host:2888:3888;2181\n",
                unasked, unasked == 1 ? "it" : "them");
    printf("version %llx\n", (unsigned long long)member->version);
    return exit_code;
}
