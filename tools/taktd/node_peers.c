/* The peer link of a node, from its configuration. */
#include "tools/taktd/node_parts.h"

#include "base/check.h"
#include "base/say.h"

#include <stdlib.h>
#include <string.h>

#define PEERS_OUTBOX_SIZE  (8u << 20) /* commands of this node's clients that are not applied */
#define PEERS_WINDOW_SIZE  (1u << 20) /* of them, on their way to the leader */
#define PEERS_RETRY_NS_MIN (20 * NS_PER_MS)
#define PEERS_HEADERS_SIZE 48u /* of IPv6 and UDP; IPv4's are less */
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

/* Role: CORE; before the roles start, whoever opens the node. */
static void peers_names_write(struct node_names *names, const struct membership *servers)
{
    uint64_t words[sizeof(names->words) / sizeof(names->words[0])] = {0};
    uint32_t version = atomic_load_explicit(&names->version, memory_order_relaxed);

    memcpy(words, servers, sizeof(*servers));
    atomic_store_explicit(&names->version, version + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* pairs with the fence in peers_names_read */
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        atomic_store_explicit(&names->words[i], words[i], memory_order_relaxed);
    /* release; pairs with the acquire in peers_names_read */
    atomic_store_explicit(&names->version, version + 2, memory_order_release);
}

/* False: it is being written. Role: CTL. */
static bool peers_names_read(const struct node_names *names, struct membership *servers)
{
    uint64_t words[sizeof(names->words) / sizeof(names->words[0])];
    uint32_t before = atomic_load_explicit(&names->version, memory_order_acquire);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] = atomic_load_explicit(&names->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    memcpy(servers, words, sizeof(*servers));
    return before % 2 == 0 && atomic_load_explicit(&names->version, memory_order_relaxed) == before;
}

static bool peers_heard(const struct node_peers *peers, uint32_t id)
{
    for (uint32_t i = 0; i < PEER_COUNT_MAX; i++) {
        const struct peer_seen *seen = peer_seen_of(&peers->peer, i);
        if (atomic_load_explicit(&seen->id, memory_order_relaxed) == id)
            return atomic_load_explicit(&seen->reachable, memory_order_relaxed) != 0;
    }
    return false;
}

static void peers_record(struct peer_update *update, const struct membership_server *server,
                         const struct address *at)
{
    memset(update, 0, sizeof(*update));
    update->kind = PEER_UPDATE_SET;
    update->member.id = (uint8_t)server->id;
    update->member.address = *at;
    snprintf(update->member.name, sizeof(update->member.name), "%s:%u", server->host,
             server->quorum_port);
}

/* One name, looked up; PEER is told when the answer is not the last one. */
static void peers_resolve(struct node *node, const struct membership_server *server)
{
    struct node_peers *peers = node->peers;
    struct address at;
    struct fault fault;
    char text[64];

    if (node->env.resolve(node->env.port_self, server->host, &at, &fault) != 0)
        return;
    at.port = server->quorum_port;
    if (memcmp(&at, &peers->told[server->id], sizeof(at)) == 0)
        return;
    struct peer_update *update = link_reserve(&peers->ctl_peer, sizeof(*update));
    if (!update)
        return; /* PEER is behind; the next look tells it */
    peers_record(update, server, &at);
    link_publish(&peers->ctl_peer);
    peers->told[server->id] = at;
    config_value_address_print(&at, text, sizeof(text));
    say(SAY_INFO, "server %u: %s is at %s", server->id, server->host, text);
}

void node_resolve(struct node *node)
{
    struct node_peers *peers = node->peers;
    struct membership servers;
    struct address at;
    uint64_t begin_ns = clock_now().mono_ns;

    if (!peers || !node->env.resolve || begin_ns < peers->look_after_ns ||
        !peers_names_read(&peers->names, &servers))
        return;
    for (uint32_t id = 1; id <= MEMBERSHIP_ID_MAX; id++)
        if (peers->told[id].port && !membership_find(&servers, id))
            memset(&peers->told[id], 0, sizeof(peers->told[id])); /* told anew if it comes again */
    for (uint32_t i = 0; i < servers.count; i++) {
        const struct membership_server *server =
            &servers.server[peers->look_next++ % servers.count];
        if (server->id == node->config->node_id || peers_address(server, &at) ||
            (peers_heard(peers, server->id) && core_state_has_leader(&node->state)))
            continue; /* without a leader: it may be heard and not hear us */
        peers_resolve(node, server);
        peers->look_after_ns = begin_ns + 5 * (clock_now().mono_ns - begin_ns);
        break;
    }
}

int node_rekey(struct node *node, struct fault *fault)
{
    struct node_peers *peers = node->peers;
    struct peer_keys keys;

    if (!peers || !node->config->peers_key_file[0])
        return fault_set(fault, ERR_UNSUPPORTED, "no peers.key_file is configured");
    int err = peer_keys_load(&keys, node->config->peers_key_file, fault);
    if (err)
        return err;
    /* acquire; pairs with the release of PEER, which has copied the last ones */
    if (peers->keys_lent && !atomic_load_explicit(&peers->keys_taken, memory_order_acquire))
        return fault_set(fault, ERR_BUSY, "the last keys are not in use yet; try again");
    struct peer_update *update = link_reserve(&peers->ctl_peer, sizeof(*update));
    if (!update)
        return fault_set(fault, ERR_BUSY, "the peer link is behind; try again");
    peers->keys = keys;
    peers->keys_lent = true;
    atomic_store_explicit(&peers->keys_taken, 0, memory_order_relaxed);
    memset(update, 0, sizeof(*update));
    update->kind = PEER_UPDATE_KEYS;
    update->keys = &peers->keys;
    update->keys_taken = &peers->keys_taken;
    link_publish(&peers->ctl_peer);
    say(SAY_INFO, "the peers' keys are read again: %u live, key %u is sent with", keys.count,
        keys.key[keys.send_with].number);
    return 0;
}

/* A set of ids, which peers_settled takes from. */
static void peers_know(struct node_peers *peers, const struct membership *members)
{
    for (uint32_t i = 0; i < members->count; i++)
        peers->known[members->server[i].id / 64] |= 1ull << members->server[i].id % 64;
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
        struct address at;
        if (!peers_address(server, &at))
            memset(&at, 0, sizeof(at));
        peers_record(update, server, &at);
    }
    if (!node->peers)
        return;
    peers_names_write(&node->peers->names, after);
    peers_know(node->peers, after);
}

/* Who was a member by the log and is none any more leaves PEER's table; who is only configured
 * stays: it may be the way to the others. Role: CORE. */
static bool peers_settled(void *self, const struct raft_membership *members)
{
    struct node *node = self;
    uint64_t gone[4];

    memcpy(gone, node->peers->known, sizeof(gone));
    for (uint32_t i = 0; i < members->count; i++)
        gone[members->members[i].id / 64] &= ~(1ull << members->members[i].id % 64);
    gone[node->config->node_id / 64] &= ~(1ull << node->config->node_id % 64);
    for (uint32_t id = 1; id <= PEER_ID_MAX; id++) {
        if (!(gone[id / 64] >> id % 64 & 1))
            continue;
        struct peer_update *update =
            link_reserve(node_link(node, TOPOLOGY_CORE_PEER, 0), sizeof(*update));
        if (!update)
            return false;
        memset(update, 0, sizeof(*update));
        update->kind = PEER_UPDATE_REMOVE;
        update->member.id = (uint8_t)id;
        node->peers->known[id / 64] &= ~(1ull << id % 64);
    }
    return true;
}

bool node_members(const struct node *node, struct membership_body *to)
{
    const struct membership *next, *now = machine_members(node->machine, NULL, &next);

    memset(to, 0, sizeof(*to));
    if (node->begins_anew) {
        struct membership_server self = *config_self(node->config);
        self.observer = false;
        CHECK(membership_add(&to->after, &self) == 0);
        return false;
    }
    to->after = now->count == 0 ? node->config->servers : next ? *next : *now;
    if (now->count > 0 && next) {
        to->flags = MEMBERSHIP_JOINT;
        to->before = *now;
    }
    return now->count > 0;
}

void node_peers_core(struct node *node, struct role_core_config *config)
{
    const struct config *c = node->config;
    const struct superblock_state *state = &node->superblock.state;
    uint64_t cluster = config_cluster_id(c);

    config->ensemble = true;
    config->memory = c->durability_mode == CONFIG_DURABILITY_MEMORY;
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
    struct membership_body members;
    config->member_index = node_members(node, &members) ? 1 : 0;
    config->begins_anew = node->begins_anew;
    config->servers = members.after;
    config->snapshot = node->snapshot;
    config->cluster_update = peers_cluster_update;
    config->cluster_update_size = sizeof(struct peer_update);
    config->members_changed = peers_changed;
    config->members_settled = peers_settled;
    config->members_self = node;
    config->failed = node_failed;
    config->failed_self = node;
}

/* Everybody that counts, and who is configured beside them, as far as there is room: a server that
 * is to join knows the others from its file, and listens where its own line says. */
static void peers_everybody(const struct node *node, struct membership *to)
{
    const struct membership *configured = &node->config->servers;
    struct membership_body members;
    bool room = true;

    node_members(node, &members);
    *to = members.after;
    for (uint32_t i = 0; room && i < members.before.count; i++)
        if (!membership_find(to, members.before.server[i].id))
            room = membership_add(to, &members.before.server[i]) == 0;
    for (uint32_t i = 0; room && i < configured->count; i++)
        if (configured->server[i].id == node->config->node_id ||
            !membership_find(to, configured->server[i].id))
            room = membership_add(to, &configured->server[i]) == 0;
}

static void peers_members(struct node *node, const struct membership *servers,
                          struct peer_config *config)
{
    for (uint32_t i = 0; i < servers->count; i++) {
        const struct membership_server *server = &servers->server[i];
        struct peer_member *member = &config->members[config->member_count++];
        struct fault fault;
        member->id = (uint8_t)server->id;
        snprintf(member->name, sizeof(member->name), "%s:%u", server->host, server->quorum_port);
        if (peers_address(server, &member->address))
            continue;
        memset(&member->address, 0, sizeof(member->address));
        if (!node->env.resolve)
            continue;
        if (node->env.resolve(node->env.port_self, server->host, &member->address, &fault) != 0) {
            say(SAY_WARN, "server %u is not reached yet: %s; it is looked up again", server->id,
                fault.text);
            continue;
        }
        member->address.port = server->quorum_port;
        node->peers->told[server->id] = member->address;
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

/* The line in force is the log's: another one in the file changes nothing for the others. */
static void peers_compare(const struct node *node, const struct membership_body *members)
{
    const struct membership_server *own = config_self(node->config);
    const struct membership_server *there = membership_find(&members->after, own->id);
    char is[MEMBERSHIP_LINE_SIZE], shall[MEMBERSHIP_LINE_SIZE];

    if (!there)
        return;
    struct membership_server wanted = *own;
    if (!there->client_port) { /* told by nobody, and so not changed either */
        wanted.client_port = 0;
        wanted.client_host[0] = '\0';
    }
    if (membership_server_equal(there, &wanted))
        return;
    membership_server_print(there, is, sizeof(is));
    membership_server_print(&wanted, shall, sizeof(shall));
    say(SAY_WARN,
        "the configuration has another line for this node than the ensemble: %s, which has no "
        "effect for the others; in force is %s; takt member add '%u=%s' --replace changes it",
        shall, is, own->id, shall);
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
    config.failed = node_failed;
    config.failed_self = node;
    struct membership servers;
    struct membership_body members;
    if (node_members(node, &members)) {
        peers_know(peers, &members.before);
        peers_know(peers, &members.after);
        peers_compare(node, &members);
    }
    peers_everybody(node, &servers);
    peers_members(node, &servers, &config);
    peers_names_write(&peers->names, &servers);
    int err = peers_listen(node, &config, &listen, fault);
    if (!err && c->peers_key_file[0])
        err = peer_keys_load(&config.keys, c->peers_key_file, fault);
    if (!err && c->peers_mtu && c->peers_mtu < PEERS_HEADERS_SIZE + DATAGRAM_SIZE_MIN)
        err = fault_set(fault, ERR_CONFIG, "peers.mtu is %u: at least %u, or 0", c->peers_mtu,
                        PEERS_HEADERS_SIZE + DATAGRAM_SIZE_MIN);
    struct node_datagrams want = {.listen = listen,
                                  .size_limit =
                                      c->peers_mtu ? c->peers_mtu - PEERS_HEADERS_SIZE : 0,
                                  .count = 1,
                                  .name = "peers",
                                  .priority = (uint8_t)c->peers_priority};
    if (!err)
        err = node->env.datagram_open(node->env.port_self, &want, &peers->port, fault);
    if (err)
        return err;
    err = link_init(&peers->ctl_peer, "ctl_peer", 64u << 10);
    if (err)
        return fault_set(fault, err, "no memory for the peer link");
    peers->ctl_ready = true;
    struct peer_parts parts = {.ctl_peer = &peers->ctl_peer,
                               .core_peer = node_link(node, TOPOLOGY_CORE_PEER, 0),
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
    if (node->peers->ctl_ready)
        link_fini(&node->peers->ctl_peer);
    if (node->peers->port)
        datagram_fini(node->peers->port);
    free(node->peers);
    node->peers = NULL;
}
