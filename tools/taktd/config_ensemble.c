/* Which server this node is, and what of the servers and their times cannot work. */
#include "tools/taktd/config.h"

#include "base/check.h"

#include <string.h>
#include <unistd.h>

bool config_is_ensemble(const struct config *config)
{
    return config->servers.count > 1 ||
           (config->servers.count == 1 && !config->ensemble_standalone);
}

const struct membership_server *config_self(const struct config *config)
{
    return membership_find(&config->servers, config->node_id);
}

uint64_t config_cluster_id(const struct config *config)
{
    if (config->cluster_id || !config_is_ensemble(config))
        return config->cluster_id;
    return membership_cluster_id(&config->servers, config->ensemble_cluster);
}

/* ---- who this node is
 * ---------------------------------------------------------------------------*/

/* A zoo.cfg, and a YAML file with servers, take the id from <dataDir>/myid, unless somebody said it
 * otherwise. */
int config_ensemble_id(struct config *config, struct fault *fault)
{
    const struct config_setting *id = config_table_find("node.id");
    char path[1100], text[64];
    size_t n;

    if ((!config->file_is_zoo && config->servers.count == 0) ||
        config_is_given(config, "node.id") || !*config->data_dir)
        return 0;
    snprintf(path, sizeof(path), "%s/myid", config->data_dir);
    if (access(path, F_OK) != 0) {
        if (config->servers.count == 1)
            config->node_id = config->servers.server[0].id;
        if (config->servers.count > 1)
            return fault_set(fault, ERR_CONFIG,
                             "%s: which of them is this node? Write its number into %s, or give "
                             "node.id or --id",
                             config_named(config, "servers"), path);
        return 0;
    }
    int err = config_read_file(path, text, sizeof(text), &n, fault);
    if (err)
        return err;
    text[strcspn(text, " \t\r\n")] = '\0';
    err = config_value_parse(config, id, text, 1, fault);
    if (err)
        return fault_wrap(fault, err, "%s", path);
    config_set_origin(config, id, CONFIG_FROM_FILE, 0);
    return 0;
}

/* "1, 2, 3" */
static void config_ensemble_ids(const struct membership *servers, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < servers->count && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%u", n ? ", " : "", servers->server[i].id);
}

/* The client part of the own line is where this node listens, unless somebody said it otherwise;
 * and the other way round, so that clients can be told. */
static int config_ensemble_listen(struct config *config, struct fault *fault)
{
    struct membership_server self = *config_self(config);
    char text[MEMBERSHIP_CLIENT_SIZE + 16];

    if (!self.client_port && config_is_ensemble(config) && config->listen.count > 0) {
        struct address at = config->listen.at[0];
        self.client_port = at.port;
        at.port = 0;
        config_value_address_print(&at, text, sizeof(text));
        snprintf(self.client_host, sizeof(self.client_host), strchr(text, ':') ? "[%s]" : "%s",
                 text);
        CHECK(membership_add(&config->servers, &self) == 0); /* replaces its own line */
        return 0;
    }
    if (!self.client_port || config_is_given(config, "listen"))
        return 0;
    snprintf(text, sizeof(text),
             strchr(self.client_host, ':') && *self.client_host != '[' ? "[%s]:%u" : "%s:%u",
             *self.client_host ? self.client_host : "0.0.0.0", self.client_port);
    uint32_t line = config->origins[config_table_find("servers") - config_table].line;
    int err = config_set(config, "listen", text, CONFIG_FROM_FILE, line, fault);
    if (err)
        return fault_wrap(fault, err, "%s: server %u: its client part",
                          config_named(config, "servers"), self.id);
    return 0;
}

/* ---- what cannot work
 * ---------------------------------------------------------------------------*/

static void config_ensemble_note(struct config *config, const char *text)
{
    size_t n = strlen(config->notes);

    snprintf(config->notes + n, sizeof(config->notes) - n, "%s%s", n ? "; " : "", text);
}

static void config_ensemble_notes(struct config *config)
{
    uint32_t voters = membership_voter_count(&config->servers);
    bool observer = config_self(config)->observer;
    char text[256];

    if (voters < 3 && config->servers.count > 1) {
        snprintf(text, sizeof(text), "%u voting member%s: none may fail; with three, one may",
                 voters, voters == 1 ? "" : "s");
        config_ensemble_note(config, text);
    } else if (voters % 2 == 0) {
        snprintf(text, sizeof(text), "%u voting members survive no more failures than %u", voters,
                 voters - 1);
        config_ensemble_note(config, text);
    }
    if (config_is_given(config, "peers.peer_type") &&
        observer != (config->peer_type == CONFIG_PEER_OBSERVER)) {
        snprintf(text, sizeof(text), "%s does not agree with the line of server %u: it is %s",
                 config_named(config, "peers.peer_type"), config->node_id,
                 observer ? "an observer" : "a participant");
        config_ensemble_note(config, text);
    }
}

/* Do clients reach this node where its line says? */
static void config_ensemble_note_listen(struct config *config)
{
    const struct membership_server *self = config_self(config);
    bool given = config_is_given(config, "listen"), same = false;
    char text[256], where[128];

    for (uint32_t i = 0; i < config->listen.count; i++)
        same |= config->listen.at[i].port == self->client_port;
    config_value_print(config, config_table_find("listen"), where, sizeof(where));
    if (self->client_port && given && !same) {
        snprintf(text, sizeof(text),
                 "%s is %.80s, but the line of server %u tells clients port %u: make both the same",
                 config_named(config, "listen"), where, self->id, self->client_port);
        config_ensemble_note(config, text);
    } else if (!self->client_port && !given) {
        snprintf(
            text, sizeof(text),
            "the line of server %u has no client part and no clientPort is given, so only this "
            "machine's clients reach it, at %.80s: put ;2181 behind the line",
            self->id, where);
        config_ensemble_note(config, text);
    }
}

static int config_ensemble_times(const struct config *config, struct fault *fault)
{
    if (config->ensemble_election_ms_min < 2 * config->ensemble_heartbeat_ms)
        return fault_set(fault, ERR_CONFIG, "%s must be at least twice %s",
                         config_named(config, "ensemble.election_min"),
                         config_named(config, "ensemble.heartbeat"));
    if (config->ensemble_election_ms_max <= config->ensemble_election_ms_min)
        return fault_set(fault, ERR_CONFIG, "%s must be more than %s",
                         config_named(config, "ensemble.election_max"),
                         config_named(config, "ensemble.election_min"));
    return 0;
}

int config_ensemble_check(struct config *config, struct fault *fault)
{
    char ids[128];
    int err = config_ensemble_times(config, fault);

    config->notes[0] = '\0';
    if (err || config->servers.count == 0)
        return err;
    err = membership_check(&config->servers, fault);
    if (err)
        return fault_wrap(fault, err, "%s", config_named(config, "servers"));
    config_ensemble_ids(&config->servers, ids, sizeof(ids));
    if (!config_self(config))
        return fault_set(fault, ERR_CONFIG, "%s: this node, %s = %u, is not among the servers %s",
                         config_named(config, "servers"), config_named(config, "node.id"),
                         config->node_id, ids);
    if (config_is_ensemble(config))
        config_ensemble_notes(config);
    if (config_is_ensemble(config))
        config_ensemble_note_listen(config);
    return config_ensemble_listen(config, fault);
}

/* ---- for --check-config
 * -------------------------------------------------------------------------*/

void config_describe(const struct config *config, char *out, size_t size)
{
    const struct membership *servers = &config->servers;
    char listen[1024];
    size_t n;

    config_value_print(config, config_table_find("listen"), listen, sizeof(listen));
    n = (size_t)snprintf(out, size, "node %u would listen on %s and keep its data in %s",
                         config->node_id, listen, config->data_dir);
    if (!config_is_ensemble(config) || n >= size)
        return;
    const struct membership_server *self = config_self(config);
    CHECK(self);
    n += (size_t)snprintf(out + n, size - n,
                          "; as %s of %u servers, of which %u vote and %u decide, it would hear "
                          "the others on UDP port %u of %s",
                          self->observer ? "an observer" : "a voter", servers->count,
                          membership_voter_count(servers), membership_quorum(servers),
                          self->quorum_port,
                          config->peers_listen_all ? "every address" : self->host);
    for (uint32_t i = 0; i < servers->count && n < size; i++) {
        const struct membership_server *server = &servers->server[i];
        if (server != self)
            n += (size_t)snprintf(out + n, size - n, ", %u at %s:%u", server->id, server->host,
                                  server->quorum_port);
    }
    if (n < size)
        snprintf(out + n, size - n, "; election ports are not used");
}
