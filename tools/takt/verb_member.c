/* takt member: the servers of an ensemble, through the ZooKeeper protocol (reconfig, and the data
 * of /zookeeper/config), so list, add, remove, promote and demote work at ZooKeeper too. */
#include "tools/takt/verb_member.h"

#include "base/check.h"
#include "base/clock.h"
#include "tools/takt/fourlw.h"
#include "tools/takt/verb.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_PATH      "/zookeeper/config"
#define MEMBER_ASK_MS    2000u /* for a word, which a server answers at once or not at all */
#define MEMBER_AUTH_SIZE 512u

static const struct verb_page verb_member_page = {
    .usage = "takt member list|add|remove|promote|demote|transfer [SERVER|ID] [options]",
    .about =
        "Shows and changes who belongs to an ensemble.\n\n"
        "  list               every server: role, addresses, and how it stands\n"
        "  add SERVER         ID=HOST:2888:3888[:observer];2181  It must be running already, with\n"
        "                     this line among its own servers. It comes in when it has caught up.\n"
        "                     A member of that id stays as it is, unless --replace is given\n"
        "  remove ID          it has no vote any more, and is sent nothing\n"
        "  promote ID         an observer becomes a voter\n"
        "  demote ID          a voter becomes an observer\n"
        "  transfer ID        that voter leads, before a restart for example (takt only)\n\n"
        "All but list, transfer too, need the right to write /zookeeper/config, which at first\n"
        "only super has: --auth digest:super:PASSWORD, or --auth @FILE with that as the file's\n"
        "first line: a command line can be seen by every user of the machine. Changes of the\n"
        "members need reconfigEnabled=true, too.",
    .examples = "  takt member list --server 10.0.0.1:2181,10.0.0.2:2181\n"
                "  takt member add '4=10.0.0.4:2888:3888:observer;2181' --auth @/etc/takt/super\n"
                "  takt member promote 4 --auth digest:super:secret\n"
                "  takt member transfer 2 --auth @/etc/takt/super && systemctl restart takt\n",
};

/* What a refusal means here, and what to do. */
static const struct {
    int32_t error;
    const char *text;
} verb_member_advices[] = {
    {ZK_NO_AUTH, "who changes the membership must be super, or in the ACL of " CONFIG_PATH
                 ": --auth digest:super:PASSWORD"},
    {ZK_RECONFIG_DISABLED, "the servers do not allow it: reconfigEnabled=true (ensemble.reconfig)"},
    {ZK_UNIMPLEMENTED, "this server is alone, not a member of an ensemble"},
    {ZK_NEW_CONFIG_NO_QUORUM,
     "of the servers wanted too few are running and caught up: start those that join first"},
    {ZK_RECONFIG_IN_PROGRESS, "another change is under way; one that cannot be done is given up "
                              "after 10 s: try again then"},
    {ZK_BAD_ARGUMENTS, "it makes no sense to the server: a port that somebody else has, too few "
                       "voters left, or no such voter"},
    {ZK_BAD_VERSION, "the membership has changed meanwhile; look at it and try again"},
    {ZK_AUTH_FAILED, "the credentials of --auth were not accepted"},
    {ZK_NOT_READ_ONLY, "the ensemble has no quorum now"},
};

static int member_refused(int32_t error)
{
    const char *text = "the server refused";

    for (size_t i = 0; i < sizeof(verb_member_advices) / sizeof(verb_member_advices[0]); i++)
        if (verb_member_advices[i].error == error)
            text = verb_member_advices[i].text;
    fprintf(stderr, "takt: %s: %s\n", zk_error_name(error), text);
    return VERB_FAILED;
}

static int member_broken(const struct fault *fault)
{
    fprintf(stderr, "takt: %s\n", fault->text);
    return VERB_FAILED;
}

/* --auth @FILE: what stands in the file's first line takes its place. */
static int member_auth_file(struct verb_member *member)
{
    static char line[MEMBER_AUTH_SIZE];
    const char *path = member->auth + 1;
    FILE *file = fopen(path, "re");
    errno = file ? 0 : errno;
    char *got = file ? fgets(line, sizeof(line), file) : NULL;
    int err = errno;

    if (file)
        fclose(file);
    if (!got) {
        fprintf(stderr, "takt: --auth @%s: %s\n", path,
                file && !err ? "the file is empty" : strerror(err));
        return VERB_FAILED;
    }
    line[strcspn(line, "\r\n")] = '\0';
    member->auth = line;
    return VERB_GO_ON;
}

/* --auth as given, or as its file says: is it SCHEME:AUTH? */
static int member_auth_check(struct verb_member *member)
{
    bool of_file = member->auth[0] == '@';
    int exit_code = of_file ? member_auth_file(member) : VERB_GO_ON;
    const char *colon = strchr(member->auth, ':');

    if (exit_code != VERB_GO_ON)
        return exit_code;
    if (!colon || colon == member->auth)
        return verb_usage(&verb_member_page,
                          "--auth%s takes SCHEME:CREDENTIALS, such as digest:super:secret",
                          of_file ? " @FILE: the file's first line" : "");
    return VERB_GO_ON;
}

/* --auth SCHEME:AUTH */
static int member_auth(struct verb_member *member)
{
    struct zkclient_reply reply;
    struct fault fault;
    const char *auth = member->auth, *colon = strchr(auth, ':');

    CHECK(colon && colon > auth); /* as member_auth_check has seen */
    struct jute_out *out = zkclient_request(&member->client, ZK_OP_AUTH, 16 + strlen(auth));
    if (!out)
        return VERB_FAILED;
    zkwire_put_auth(out, bytes_of(auth, (size_t)(colon - auth)), bytes_of_string(colon + 1));
    if (zkclient_call(&member->client, &reply, &fault) != 0)
        return member_broken(&fault);
    return reply.error ? member_refused(reply.error) : VERB_OK;
}

static int member_open(struct verb_member *member)
{
    const struct zkclient_config config = {.servers = member->addresses,
                                           .session_ms = 30000,
                                           .connect_ms = member->timeout_ms,
                                           .reply_ms = member->timeout_ms};
    struct fault fault;

    if (zkclient_open(&member->client, &config, &fault) != 0)
        return member->lists ? verb_member_list_none(member, fault.text) : member_broken(&fault);
    int exit_code = member->auth ? member_auth(member) : VERB_OK;
    if (exit_code)
        zkclient_close(&member->client);
    return exit_code;
}

/* The servers that a text of the wire lists. */
static int member_take(struct verb_member *member, struct bytes text)
{
    struct fault fault;

    if (text.size <= 0) {
        fprintf(stderr, "takt: %s has no servers: it is alone, not a member of an ensemble\n",
                member->client.server);
        return VERB_FAILED;
    }
    if (membership_parse(&member->servers, (const char *)text.at, (size_t)text.size,
                         &member->version, &fault) != 0)
        return member_broken(&fault);
    return VERB_OK;
}

/* Who changes the membership has seen the last change: sync, then read. */
static int member_read(struct verb_member *member)
{
    struct zkclient_reply reply;
    struct fault fault;
    struct jute_out *out = zkclient_request(&member->client, ZK_OP_SYNC, 64);

    if (!out)
        return VERB_FAILED;
    zkwire_put_path(out, bytes_of_string(CONFIG_PATH));
    if (zkclient_call(&member->client, &reply, &fault) != 0)
        return member_broken(&fault);
    out = zkclient_request(&member->client, ZK_OP_GET_DATA, 64);
    if (!out)
        return VERB_FAILED;
    zkwire_put_path_watch(out, bytes_of_string(CONFIG_PATH), false);
    if (zkclient_call(&member->client, &reply, &fault) != 0)
        return member_broken(&fault);
    if (reply.error)
        return member_refused(reply.error);
    return member_take(member, jute_get_bytes(&reply.body));
}

/* The same by the word conf, which a server also answers while nobody leads and no session can be
 * had. All are asked and the newest counts: one that was removed has an old one. Returns whether
 * one of them has one. */
static bool member_read_conf(struct verb_member *member)
{
    static struct membership servers;
    char list[1024], *text, *next = NULL;
    struct fault fault;
    int64_t version;
    bool found = false;

    snprintf(list, sizeof(list), "%s", member->addresses);
    for (char *at = strtok_r(list, ",", &next); at; at = strtok_r(NULL, ",", &next)) {
        if (fourlw_ask(at, "conf", member->ask_ms, &text, &fault) != 0)
            continue;
        const char *lines = strstr(text, "membership: \n");
        bool good =
            lines &&
            membership_parse(&servers, lines + strlen("membership: \n"),
                             strlen(lines) - strlen("membership: \n"), &version, &fault) == 0 &&
            servers.count > 0;
        if (good && (!found || version > member->version)) {
            member->servers = servers;
            member->version = version;
        }
        found = found || good;
        free(text);
    }
    return found;
}

/* Whether the servers are as joining (a line, or NULL) or leaving (an id, or NULL) wanted them. */
static bool member_came_true(const struct verb_member *member, const char *joining,
                             const char *leaving)
{
    char is[MEMBERSHIP_LINE_SIZE], shall[MEMBERSHIP_LINE_SIZE];
    struct membership wanted;
    struct fault fault;

    if (leaving)
        return !membership_find(&member->servers, (uint32_t)strtoul(leaving, NULL, 10));
    if (!joining || membership_parse(&wanted, joining, strlen(joining), NULL, &fault) != 0)
        return false;
    const struct membership_server *there = membership_find(&member->servers, wanted.server[0].id);
    if (!there)
        return false;
    membership_server_print(there, is, sizeof(is));
    membership_server_print(&wanted.server[0], shall, sizeof(shall));
    return strcmp(is, shall) == 0;
}

/* Where all servers but the one that is leaving are reached; the addresses of the command line when
 * nobody says so. */
static void member_ask_others(struct verb_member *member, const char *leaving)
{
    static char list[MEMBERSHIP_MAX * 200];
    size_t used = 0;

    for (uint32_t i = 0; i < member->servers.count; i++) {
        const struct membership_server *server = &member->servers.server[i];
        const char *host = membership_client_host(server);
        if (!server->client_port || (leaving && strtoul(leaving, NULL, 10) == server->id))
            continue;
        int size = snprintf(list + used, sizeof(list) - used,
                            strchr(host, ':') && *host != '[' ? "%s[%s]:%u" : "%s%s:%u",
                            used ? "," : "", host, server->client_port);
        if (size < 0 || used + (size_t)size >= sizeof(list))
            break;
        used += (size_t)size;
    }
    list[used] = '\0';
    if (used)
        member->addresses = list;
}

/* The connection broke before the answer: it was to a server that left, or its leader did. Another
 * one is asked whether it came true. */
static int member_outcome(struct verb_member *member, const char *joining, const char *leaving,
                          const struct fault *fault)
{
    zkclient_close(&member->client);
    member_ask_others(member, leaving);
    int exit_code = member_open(member);
    if (!exit_code)
        exit_code = member_read(member);
    if (exit_code || member_came_true(member, joining, leaving))
        return exit_code;
    fprintf(stderr,
            "takt: %s; it is not done so far, and may still be: takt member list shows it\n",
            fault->text);
    return VERB_FAILED;
}

/* Sends a reconfig and takes the list that it answers; texts may be NULL. */
static int member_reconfig(struct verb_member *member, const char *joining, const char *leaving,
                           const char *members, int64_t version)
{
    const struct bytes none = {NULL, -1};
    struct zkclient_reply reply;
    struct fault fault;
    size_t size = 64 + (joining ? strlen(joining) : 0) + (leaving ? strlen(leaving) : 0) +
                  (members ? strlen(members) : 0);
    struct jute_out *out = zkclient_request(&member->client, ZK_OP_RECONFIG, size);

    if (!out)
        return VERB_FAILED;
    zkwire_put_reconfig(out, joining ? bytes_of_string(joining) : none,
                        leaving ? bytes_of_string(leaving) : none,
                        members ? bytes_of_string(members) : none, version);
    if (zkclient_call(&member->client, &reply, &fault) != 0)
        return members ? member_broken(&fault) : member_outcome(member, joining, leaving, &fault);
    if (reply.error)
        return member_refused(reply.error);
    return member_take(member, jute_get_bytes(&reply.body));
}

static int member_done(const struct verb_member *member)
{
    static char text[MEMBERSHIP_TEXT_SIZE];

    membership_print(&member->servers, member->version, text, sizeof(text));
    printf("%s\n", text);
    return VERB_OK;
}

/* Whether the id of a server that is to come in is free, or may be taken. */
static int member_id_free(const struct verb_member *member, const struct membership_server *wanted)
{
    const struct membership_server *there = membership_find(&member->servers, wanted->id);
    char is[MEMBERSHIP_LINE_SIZE], shall[MEMBERSHIP_LINE_SIZE];

    if (!there || member->replace)
        return VERB_GO_ON;
    membership_server_print(there, is, sizeof(is));
    membership_server_print(wanted, shall, sizeof(shall));
    if (strcmp(is, shall) == 0) {
        fprintf(stderr, "takt: server %u is a member already, with this line\n", wanted->id);
        return VERB_OK;
    }
    fprintf(stderr,
            "takt: server %u is a member already: %s; give the new one another id, or --replace "
            "to put this line in its place\n",
            wanted->id, is);
    return VERB_FAILED;
}

static int member_add(struct verb_member *member)
{
    char text[MEMBERSHIP_LINE_SIZE], line[MEMBERSHIP_LINE_SIZE + 16];
    int exit_code = member_id_free(member, &member->joins);

    if (exit_code != VERB_GO_ON)
        return exit_code;
    membership_server_print(&member->joins, text, sizeof(text));
    snprintf(line, sizeof(line), "server.%u=%s", member->joins.id, text);
    exit_code = member_reconfig(member, line, NULL, NULL, member->version);
    return exit_code ? exit_code : member_done(member);
}

/* An observer that is to vote, or the other way round: its line again, with the other role. */
static int member_role(struct verb_member *member, uint32_t id, bool observer)
{
    const struct membership_server *server = membership_find(&member->servers, id);
    char text[MEMBERSHIP_LINE_SIZE], line[MEMBERSHIP_LINE_SIZE + 16];

    if (!server) {
        fprintf(stderr, "takt: there is no server %u\n", id);
        return VERB_FAILED;
    }
    if (server->observer == observer) {
        fprintf(stderr, "takt: server %u is %s already\n", id,
                observer ? "an observer" : "a voter");
        return VERB_OK;
    }
    struct membership_server changed = *server;
    changed.observer = observer;
    membership_server_print(&changed, text, sizeof(text));
    snprintf(line, sizeof(line), "server.%u=%s", id, text);
    int exit_code = member_reconfig(member, line, NULL, NULL, member->version);
    return exit_code ? exit_code : member_done(member);
}

static int member_remove(struct verb_member *member, uint32_t id)
{
    char text[16];

    if (!membership_find(&member->servers, id)) {
        fprintf(stderr, "takt: there is no server %u\n", id);
        return VERB_FAILED;
    }
    snprintf(text, sizeof(text), "%u", id);
    int exit_code = member_reconfig(member, NULL, text, NULL, member->version);
    return exit_code ? exit_code : member_done(member);
}

static bool member_leads(const struct verb_member *member, uint32_t id)
{
    const struct membership_server *server = membership_find(&member->servers, id);
    char address[200], mode[32] = "", *text = NULL;
    struct fault fault;

    snprintf(address, sizeof(address), "%s:%u", membership_client_host(server),
             server->client_port);
    if (server->client_port && fourlw_ask(address, "srvr", member->ask_ms, &text, &fault) == 0 &&
        fourlw_value(text, "Mode:", mode, sizeof(mode)) != 0)
        mode[0] = '\0';
    free(text);
    return strcmp(mode, "leader") == 0;
}

/* The wish is told once; whether it came true is asked of the server itself. */
static int member_transfer(struct verb_member *member, uint32_t id)
{
    const struct membership_server *server = membership_find(&member->servers, id);
    uint64_t deadline_ns = clock_now().mono_ns + member->timeout_ms * NS_PER_MS;
    char text[32];

    if (!server || server->observer) {
        fprintf(stderr, "takt: there is no voter %u\n", id);
        return VERB_FAILED;
    }
    snprintf(text, sizeof(text), "leader=%u", id);
    int exit_code = member_reconfig(member, NULL, NULL, text, -1);
    if (exit_code)
        return exit_code;
    do {
        if (member_leads(member, id)) {
            printf("server %u leads\n", id);
            return VERB_OK;
        }
        usleep(20000);
    } while (clock_now().mono_ns < deadline_ns);
    fprintf(stderr, "takt: server %u does not lead: it is not running, or too far behind\n", id);
    return VERB_FAILED;
}

/* The word behind what is to be done, before anybody is asked: a server for add, else an id. */
static int member_word(struct verb_member *member, const char *what, const char *word)
{
    char line[MEMBERSHIP_LINE_SIZE + 16], *end = NULL;
    struct membership parsed;
    struct fault fault = {.text = ""};

    if (strcmp(what, "list") == 0)
        return VERB_GO_ON;
    if (strcmp(what, "add") != 0) {
        unsigned long id = isdigit((unsigned char)*word) ? strtoul(word, &end, 10) : 0;
        member->id = (uint32_t)id;
        return id >= 1 && id <= MEMBERSHIP_ID_MAX && !*end
                   ? VERB_GO_ON
                   : verb_usage(&verb_member_page, "\"%s\" is not the id of a server, 1 to %d",
                                word, MEMBERSHIP_ID_MAX);
    }
    snprintf(line, sizeof(line), "%s%s", strncmp(word, "server.", 7) ? "server." : "", word);
    if (membership_parse(&parsed, line, strlen(line), NULL, &fault) != 0 || parsed.count != 1)
        return verb_usage(&verb_member_page, "%s",
                          *fault.text ? fault.text : "one server at a time");
    if (!parsed.server[0].client_port)
        return verb_usage(&verb_member_page, "%s has no client part, such as ;2181", word);
    member->joins = parsed.server[0];
    return VERB_GO_ON;
}

static int member_run(struct verb_member *member, const char *what)
{
    int exit_code = member_read(member);

    if (exit_code || strcmp(what, "list") == 0)
        return exit_code ? exit_code : verb_member_list(member);
    if (strcmp(what, "add") == 0)
        return member_add(member);
    if (strcmp(what, "remove") == 0)
        return member_remove(member, member->id);
    if (strcmp(what, "transfer") == 0)
        return member_transfer(member, member->id);
    return member_role(member, member->id, strcmp(what, "demote") == 0);
}

static bool member_known(const char *what)
{
    static const char *const known[] = {"list", "add", "remove", "promote", "demote", "transfer"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i], what) == 0)
            return true;
    return false;
}

int verb_member(int argc, char **argv)
{
    static struct verb_member member;
    const char *output = "table";
    double timeout_s = 15;
    int rest;
    const struct opts_item items[] = {
        {"server", 's', OPTS_SERVERS, &member.addresses, "HOST:PORT,...",
         "whom to ask; any member will do"},
        {"auth", 'a', OPTS_STRING, &member.auth, "SCHEME:AUTH",
         "who changes it: digest:super:PASSWORD, or @FILE that holds it"},
        {"timeout", 't', OPTS_REAL, &timeout_s, "SECONDS", "for each question", 0, 3600},
        {"replace", 0, OPTS_FLAG, &member.replace, NULL, "of add: the member of that id goes"},
        {"output", 'o', OPTS_CHOICE, &output, "FORM", "of list: table or json",
         .choices = "table|json"},
        {0},
    };
    member.addresses = ADDRESS_DEFAULT;
    int exit_code = verb_begin(&verb_member_page, items, argc, argv, &rest);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    const char *what = rest > 0 ? argv[1] : "list";
    if (!member_known(what))
        return verb_usage(&verb_member_page, "\"%s\" is nothing that member does", what);
    if (rest > 2 || (rest < 2) != (strcmp(what, "list") == 0))
        return verb_usage(&verb_member_page, "%s takes %s", what,
                          strcmp(what, "list") == 0  ? "no more words"
                          : strcmp(what, "add") == 0 ? "one server"
                                                     : "one id");
    exit_code = member_word(&member, what, rest > 1 ? argv[2] : NULL);
    if (exit_code != VERB_GO_ON)
        return exit_code;
    exit_code = member.auth ? member_auth_check(&member) : VERB_GO_ON;
    if (exit_code != VERB_GO_ON)
        return exit_code;
    member.as_json = strcmp(output, "json") == 0;
    member.timeout_ms = (uint32_t)(timeout_s * 1000);
    member.ask_ms = member.timeout_ms < MEMBER_ASK_MS ? member.timeout_ms : MEMBER_ASK_MS;
    member.lists = strcmp(what, "list") == 0;
    if (member.lists && !member.auth && member_read_conf(&member))
        return verb_member_list(&member);
    exit_code = member_open(&member);
    if (exit_code)
        return exit_code;
    exit_code = member_run(&member, what);
    zkclient_close(&member.client);
    return exit_code;
}
