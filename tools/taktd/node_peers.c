/* The peer link of a node, from its configuration. */
#include "tools/taktd/node_parts.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define PEERS_OUTBOX_SIZE  (8u << 20) /* commands of this node's clients that are not applied */
#define PEERS_WINDOW_SIZE  (1u << 20) /* of them, on their way to the leader */
#define PEERS_RETRY_NS_MIN (20 * NS_PER_MS)
#define PEERS_RETRY_NS_MAX (500 * NS_PER_MS)

/* The record by which CORE tells PEER that the node belongs to an ensemble now. */
static void peers_cluster_update(void *record, const uint8_t cluster_id[CORE_CLUSTER_SIZE])
{
    struct peer_update *update = record;

    memset(update, 0, sizeof(*update));
    update->kind = PEER_UPDATE_CLUSTER;
    memcpy(update->cluster, cluster_id, sizeof(update->cluster));
}

/* Host names are looked up by CTL; an address can be used at once. */
static bool peers_address(const struct membership_server *server, struct address *at)
{
    char text[MEMBERSHIP_HOST_SIZE + 16];

    snprintf(text, sizeof(text), strchr(server->host, ':') ? "[%s]:%u" : "%s:%u", server->host,
             server->quorum_port);
    return config_value_address(at, text, NULL) == 0;
}

/* A membership is in the log: PEER's table follows. Role: CORE. */
static void peers_changed(void *self, const struct membership *before,
                          const struct membership *after)
{
    struct node *node = self;

    for (uint32_t i = 0; i < after->count; i++) {
        const struct membership_server *server = &after->server[i];
        struct peer_update *update = NULL;
        if (server->id != node->config->node_id)
            update = link_reserve(node_link(node, TOPOLOGY_CORE_PEER, 0), sizeof(*update));
        if (!update)
            continue;
        memset(update, 0, sizeof(*update));
        update->kind = PEER_UPDATE_SET;
        update->member.id = (uint8_t)server->id;
        if (!peers_address(server, &update->member.address))
            memset(&update->member.address, 0, sizeof(update->member.address));
        snprintf(update->member.name, sizeof(update->member.name), "%s:%u", server->host,
                 server->quorum_port);
    }
}

void node_peers_core(struct node *node, struct role_core_config *config)
{
    const struct config *c = node->config;
    const struct superblock_state *state = &node->superblock.state;
    uint64_t cluster = config_cluster_id(c);

    config->ensemble = true;
    config->incarnation = state->incarnation;
    config->forward = (struct forward_config){
        .node_id = (uint8_t)c->node_id,
        .incarnation = state->incarnation,
        .outbox_size = PEERS_OUTBOX_SIZE,
        .message_size_max = PEER_APPEND_SIZE,
        .window_size = PEERS_WINDOW_SIZE,
        .retry_ns_min = PEERS_RETRY_NS_MIN,
        .retry_ns_max = PEERS_RETRY_NS_MAX,
    };
    while (config->forward.outbox_size < 2 * ((uint64_t)c->request_size_max + 4096))
        config->forward.outbox_size *= 2;
    config->identity.formed = state->formed;
    config->identity.catching_up = state->catching_up;
    memcpy(config->identity.cluster_id, state->cluster_id, CORE_CLUSTER_SIZE);
    memcpy(config->cluster_id, &cluster, sizeof(cluster));
    config->form_count = c->ensemble_form == CONFIG_FORM_MAJORITY
                             ? membership_quorum(&c->servers)
                             : membership_voter_count(&c->servers);
    config->servers = c->servers;
    config->snapshot = node->snapshot;
    config->cluster_update = peers_cluster_update;
    config->cluster_update_size = sizeof(struct peer_update);
    config->members_changed = peers_changed;
    config->members_self = node;
    config->failed = node_failed;
    config->failed_self = node;
}

static void peers_members(struct node *node, struct peer_config *config)
{
    const struct membership *servers = &node->config->servers;

    for (uint32_t i = 0; i < servers->count; i++) {
        const struct membership_server *server = &servers->server[i];
        struct peer_member *member = &config->members[config->member_count++];
        struct fault ignored;
        member->id = (uint8_t)server->id;
        snprintf(member->name, sizeof(member->name), "%s:%u", server->host, server->quorum_port);
        if (peers_address(server, &member->address))
            continue;
        memset(&member->address, 0, sizeof(member->address));
        if (node->env.resolve &&
            node->env.resolve(node->env.port_self, server->host, &member->address, &ignored) == 0)
            member->address.port = server->quorum_port;
    }
}

/* Where this node listens for the others: the address of its own line, or all. */
static int peers_listen(struct node *node, const struct peer_config *config, struct address *at,
                        struct fault *fault)
{
    const struct membership_server *own =
        membership_find(&node->config->servers, node->config->node_id);

    CHECK(own != NULL);
    for (uint32_t i = 0; i < config->member_count; i++)
        if (config->members[i].id == own->id)
            *at = config->members[i].address;
    if (at->port == 0 && !node->config->peers_listen_all)
        return fault_set(fault, ERR_CONFIG, "server.%u: no address is known for the host '%s'",
                         own->id, own->host);
    if (node->config->peers_listen_all)
        memset(at, 0, sizeof(*at));
    at->port = own->quorum_port;
    return 0;
}

int node_peers_init(struct node *node, struct fault *fault)
{
    const struct config *c = node->config;
    struct peer_config config;
    struct address listen;
    struct node_peers *peers = calloc(1, sizeof(*peers));

    if (!peers)
        return fault_set(fault, ERR_NOMEM, "no memory for the peer link");
    node->peers = peers;
    peer_config_default(&config);
    config.id = (uint8_t)c->node_id;
    if (node->superblock.state.formed)
        memcpy(config.cluster, node->superblock.state.cluster_id, sizeof(config.cluster));
    config.incarnation = node->superblock.state.incarnation;
    config.bulk_bytes_per_s = c->peers_bulk_rate;
    peers_members(node, &config);
    int err = peers_listen(node, &config, &listen, fault);
    if (!err && c->peers_key_file[0])
        err = peer_keys_load(&config.keys, c->peers_key_file, fault);
    if (!err)
        err = node->env.datagram_open(node->env.port_self, &listen, c->peers_mtu - 48, &peers->port,
                                      fault);
    if (err)
        return err;
    struct peer_parts parts = {.core_peer = node_link(node, TOPOLOGY_CORE_PEER, 0),
                               .peer_core = node_link(node, TOPOLOGY_PEER_CORE, 0),
                               .port = peers->port,
                               .page = node_page(node, "peer", 0)};
    return peer_init(&peers->peer, &config, &parts, fault);
}

void node_peers_fini(struct node *node)
{
    if (!node->peers)
        return;
    peer_fini(&node->peers->peer);
    if (node->peers->port)
        datagram_fini(node->peers->port);
    free(node->peers);
    node->peers = NULL;
}
