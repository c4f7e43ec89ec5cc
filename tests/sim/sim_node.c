#include "tests/sim/sim_node.h"

#include "base/check.h"
#include "dataplane/peer_frame.h"
#include "tests/sim/sim_world.h"
#include "tools/taktd/node_parts.h"

#include <stdio.h>
#include <string.h>

#define SIM_FRAME_VERSION_AT 4 /* byte of a datagram: dataplane/peer_frame.h */

/* ---- surroundings ---------------------------------------------------------------------------- */

struct address sim_node_address(uint32_t index)
{
    struct address at = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}, .port = 2888};
    at.ip[15] = (uint8_t)(index + 1);
    return at;
}

struct now sim_node_now(const struct sim_node *node)
{
    uint64_t true_ns = node->world->now_ns;
    int64_t mono_ns =
        (int64_t)true_ns + node->mono_offset_ns + (int64_t)(true_ns / 1000000) * node->drift_ppm;

    uint64_t wall_ns = true_ns < node->frozen_until_ns ? node->frozen_ns : true_ns;

    return (struct now){.mono_ns = (uint64_t)mono_ns,
                        .wall_ms =
                            SIM_WALL_MS + (int64_t)(wall_ns / NS_PER_MS) + node->wall_step_ms};
}

uint64_t sim_node_true_ns(const struct sim_node *node, uint64_t mono_ns)
{
    if (mono_ns == UINT64_MAX)
        return UINT64_MAX;
    double since = (double)((int64_t)mono_ns - node->mono_offset_ns);
    uint64_t at = (uint64_t)(since / (1.0 + node->drift_ppm * 1e-6)) + 1000;
    return at;
}

static void node_random(void *self, void *out, uint32_t n)
{
    struct sim_node *node = self;
    for (uint32_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)rand_next(&node->rand);
}

static int node_port_open(void *self, uint32_t index, const struct port_setup *setup,
                          struct port **port, struct fault *fault)
{
    struct sim_node *node = self;
    int err = port_sim_open(setup, 1 << 16, &node->port);
    *port = node->port;
    return err ? fault_set(fault, err, "no simulated port") : 0;
}

static int node_datagram_open(void *self, const struct node_datagrams *want,
                              struct datagram_port **port, struct fault *fault)
{
    struct sim_node *node = self;
    struct datagram_sim_setup setup = {
        .local = want->listen, .size_max = want->size_limit, .in_count = 1024, .out_count = 1024};
    bool beat = want->listen.port == sim_beat_node_address(node->index).port;
    struct datagram_port **own = beat ? &node->beat_port : &node->datagrams;
    int err = datagram_sim_open(&setup, own);

    *port = *own;
    return err ? fault_set(fault, err, "no simulated datagrams") : 0;
}

/* Do those who decide about it hold it? */
static const char *node_tap_member(struct sim_world *world, const struct entry *entry)
{
    const struct command *command = entry->payload;
    const char *wrong = NULL;
    struct membership_body body;
    uint32_t led = 0;

    if (world->node_count == 1)
        return NULL;
    if (command->kind == COMMAND_CONFIG) {
        CHECK(membership_body_decode(&body, (const uint8_t *)(command + 1), command->body_size) ==
              0);
        wrong = check_member_entry(&world->members, &body);
    }
    for (uint32_t i = 0; i < world->node_count; i++)
        if (world->nodes[i].led_term >= entry->term)
            led |= 1u << i;
    return wrong ? wrong : check_member_shown(&world->members, entry->index, led);
}

/* What nobody has shown before is looked at by itself. */
static const char *node_tap_new(struct sim_world *world, const struct entry *entry)
{
    const struct sim_entry *last = &world->log.entries[world->log.count - 1];
    struct check_session_when when = {check_leader_since_ns(&world->leaders, last->term),
                                      world->now_ns};
    const char *wrong = node_tap_member(world, entry);
    if (wrong)
        return wrong;
    bool effect = last->gone || (last->session && last->error == 0);
    const struct command *command = entry->payload;

    if (world->beat_count)
        wrong = check_beat_entry(&world->beats_done, command, last->effect);
    if (!wrong && last->gone && world->knobs.beat_lease)
        wrong = check_lease_ended(&world->leases, command->session, world->now_ns);
    if (wrong)
        return wrong;
    return check_session_entry(&world->sessions, entry->payload, last->session, effect, last->zxid,
                               when);
}

static void node_tap(void *self, const struct entry *entry)
{
    struct sim_node *node = self;
    if (sim_recover_shown(node->world, node, entry))
        return;
    uint64_t count = node->world->log.count;
    const char *wrong = check_log_entry(&node->place, &node->world->log, entry);

    if (!wrong && node->world->log.count > count) {
        node->told |= SIM_TOLD_ENTRY;
        wrong = node_tap_new(node->world, entry);
    }
    if (wrong)
        sim_world_wrong(node->world, "node %u: %s", node->index + 1, wrong);
}

/* ---- configuration --------------------------------------------------------------------------- */

static void node_servers(struct sim_node *node)
{
    const struct sim_world *world = node->world;
    struct membership *servers = &node->config.servers;

    if (world->node_count == 1)
        return;
    servers->count = world->node_count;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct membership_server *server = &servers->server[i];
        memset(server, 0, sizeof(*server));
        server->id = i + 1;
        snprintf(server->host, sizeof(server->host), "10.0.0.%u", i + 1);
        server->quorum_port = 2888;
        server->election_port = 3888;
        server->client_port = 2181;
        server->observer = i >= world->voter_count;
    }
}

/* Operators change one file and forget the others. */
static void node_configure_apart(struct sim_node *node)
{
    struct config *c = &node->config;

    c->ensemble_heartbeat_ms += node->index % 3;
    c->ensemble_election_ms_min += 10 * (node->index % 4);
    c->ensemble_election_ms_max += 25 * (node->index % 5);
    c->snapshot_every_count += 37 * (node->index % 2);
    c->snapshot_kept_count += node->index % 3;
}

static void node_configure(struct sim_node *node)
{
    struct config *c = &node->config;

    config_init(c);
    c->node_id = node->index + 1;
    c->net_count = 1;
    c->session_tick_ms = 100;
    c->session_timeout_ms_min = 200;
    c->session_timeout_ms_max = 4000;
    c->connections_max = 64;
    c->sessions_max = SIM_SESSIONS_MAX;
    c->tree_memory_limit = 64 << 20;
    c->tree_nodes_max = 1 << 16;
    c->net_memory_limit = 256 << 20;
    c->watches_max = 1 << 14; /* a small table: its pages are touched anew by every start */
    /* batches are a quarter of it, and the log tail is as large; with less, not every message fits
     */
    c->log_segment_size = (1u << 20) >> node->world->knobs.small_log;
    c->request_size_max = (uint32_t)(c->log_segment_size / 8);
    c->snapshot_every_count = node->world->knobs.snapshot_entries;
    c->snapshot_every_size = 0;
    c->snapshot_kept_count = 2;
    c->container_check_ms = 0;
    c->ensemble_reconfig = node->world->knobs.reconfig > 0;
    c->skip_acl = node->world->knobs.reconfig > 0;              /* else only super may */
    c->ensemble_standalone = node->world->knobs.aim_leave == 0; /* else one voter may stay alone */
    if (node->world->knobs.memory)
        c->durability_mode = CONFIG_DURABILITY_MEMORY;
    if (node->world->knobs.linearizable)
        c->reads_mode = CONFIG_READS_LINEARIZABLE;
    if (node->world->beat_count)
        snprintf(c->beat_listen, sizeof(c->beat_listen), "10.0.0.%u:%u", node->index + 1,
                 sim_beat_node_address(node->index).port);
    node_servers(node);
    if (node->world->knobs.mixed_config)
        node_configure_apart(node);
}

void sim_node_init(struct sim_node *node, struct sim_world *world, uint32_t index)
{
    const struct sim_knobs *knobs = &world->knobs;

    memset(node, 0, sizeof(*node));
    node->world = world;
    node->index = index;
    node->observer = index >= world->voter_count;
    rand_seed(&node->rand, rand_next(&world->rand));
    node->disk = sim_disk_create(rand_next(&world->rand), SIM_DISK_LARGE);
    sim_disk_latency(node->disk, 20000, 20000 + knobs->disk_us * 1000ull);
    node->mono_offset_ns = (int64_t)rand_below(&world->rand, 1000 * NS_PER_S);
    if (knobs->drift_ppm)
        node->drift_ppm =
            (int32_t)rand_below(&world->rand, 2 * knobs->drift_ppm + 1) - (int32_t)knobs->drift_ppm;
    node->wake_ns = UINT64_MAX;
    node->start_ns = UINT64_MAX;
    node_configure(node);
}

static void node_drop_whole(struct sim_node *node)
{
    if (node->whole)
        sim_disk_destroy(node->whole);
    node->whole = NULL;
}

void sim_node_fini(struct sim_node *node)
{
    if (node->node) {
        sim_disk_power(node->disk, 0, false);
        sim_disk_hang(node->disk, 0);
        sim_disk_time(node->disk, UINT64_MAX); /* what is in flight ends */
        node_close(node->node);
    }
    sim_disk_destroy(node->disk);
    if (node->image)
        sim_disk_destroy(node->image);
    node_drop_whole(node);
}

/* ---- what its disk lacks --------------------------------------------------------------------- */

/* It goes by what the node wants saved: it may be on the disk already. */
static void node_look_lacks(struct sim_node *node)
{
    const struct core_identity *identity = &node->node->core.hello.identity;
    node->lacks &= !identity->formed || identity->catching_up;
}

/* The operator gives the flag to whoever says that it has no vote. Where more was lost than memory,
 * that must do nothing, at whichever start. */
static bool node_draw_flag(struct sim_node *node)
{
    struct sim_world *world = node->world;

    if (!node->lacks || node->observer || !world->knobs.aim_flag || !sim_atlas_forgets(world))
        return false;
    bool once_more = rand_below(&world->rand, 4) > 0;
    node->lacks_ns = world->now_ns + rand_below(&world->rand, 300 * NS_PER_MS);
    if (!once_more)
        node->lacks_ns = UINT64_MAX;
    return rand_below(&world->rand, 100) < world->knobs.aim_flag;
}

static void node_lacks_started(struct sim_node *node, uint32_t damaged_before)
{
    if (node->lacks && node->node->core.raft.config.voting)
        sim_world_wrong(node->world, "node %u votes, and its disk lacks what it promised",
                        node->index + 1);
    node->lacks |= sim_disk_files(node->disk, ".damaged") > damaged_before;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* What was told before it went down still holds. */
static void node_promises(struct sim_node *node)
{
    const struct raft *raft = &node->node->core.raft;
    struct check_promise_found found = {.term = raft->term,
                                        .vote = raft->vote,
                                        .last_index = raft->last_index,
                                        .voting = raft->config.voting,
                                        .entry_term =
                                            raft_terms_at(&raft->terms, node->promise.match_index)};
    const char *wrong = check_promise_kept(&node->promise, &found);

    if (!wrong && node->honest && node->voted && !found.voting)
        wrong = "its disk kept everything, and it says that it lost something";
    node->honest = true;
    if (wrong)
        sim_world_wrong(node->world, "node %u: %s", node->index + 1, wrong);
}

void sim_node_keep_whole(struct sim_node *node, uint64_t seed)
{
    CHECK(!node->node);
    if (node->whole)
        return;
    node->whole = sim_disk_copy(node->disk, seed);
    node->damaged_late = true;
}

/* Was the damage taken for a torn write? Then there was none. */
static bool node_damage_undone(struct sim_node *node)
{
    const struct raft *raft = &node->node->core.raft;

    /* what was set aside was noticed, and what is older than the last write could be */
    bool noticed =
        node->whole && (!node->damaged_late || sim_disk_files(node->disk, ".damaged") >
                                                   sim_disk_files(node->whole, ".damaged"));
    if (!node->whole || noticed || !raft->config.voting || raft->last_index >= node->held_index) {
        node_drop_whole(node);
        return false;
    }
    sim_world_say(node->world, "node %u cannot know that it held %llu: its disk is whole",
                  node->index + 1, (unsigned long long)node->held_index);
    uint64_t held_index = node->held_index;
    sim_node_stop(node);
    node->held_index = held_index;
    sim_disk_destroy(node->disk);
    node->disk = node->whole;
    node->whole = NULL;
    sim_disk_latency(node->disk, 20000, 20000 + node->world->knobs.disk_us * 1000ull);
    return true;
}

int sim_node_start(struct sim_node *node, struct fault *fault)
{
    const struct sim_knobs *knobs = &node->world->knobs;
    /* roles that stand still need rings between them; else three nodes in four have none */
    bool rings = knobs->uneven || knobs->pause_role || (knobs->beat && knobs->aim_lease) ||
                 (node->world->seed + node->index) % 4 == 0;
    struct node_env env = {.disk = &node->io,
                           .rings = rings,
                           .port_open = node_port_open,
                           .datagram_open = node_datagram_open,
                           .port_self = node,
                           .random = node_random,
                           .random_self = node,
                           .tap = node_tap,
                           .tap_self = node,
                           .again = node->again,
                           .now = sim_node_now(node)};

    CHECK(!node->node);
    uint32_t damaged_before = sim_disk_files(node->disk, ".damaged");
    bool flag = node->config.recover_from_disk;
    node->config.recover_from_disk |= node_draw_flag(node);
    node->io = *sim_disk_io(node->disk);
    sim_disk_time(node->disk, node->world->now_ns);
    check_log_begin(&node->place);
    node->ahead = false;
    node->starts++;
    int err = node_open(&node->node, &node->config, &env, fault);
    node->config.recover_from_disk = flag;
    node->dark = sim_disk_powerless(node->disk);
    if (err) {
        /* What a node alone replays before it has synced it is counted as applied here, and told to
         * nobody there: it stays (test_wal_crash loses it at every call). A member replays no more
         * than what is committed. */
        bool loses = node->dark && node->world->node_count > 1;
        sim_disk_crash(node->disk, loses ? SIM_DISK_POWER : SIM_DISK_KILL);
        node->node = NULL;
        node->port = NULL;
        node->datagrams = node->beat_port = NULL;
        return err;
    }
    if (node_damage_undone(node))
        return sim_node_start(node, fault);
    const struct node_recovery *found = node_recovery(node->node);
    const char *wrong = check_log_started(&node->place, found->snapshot_index);
    if (wrong && !node->ahead)
        sim_world_wrong(node->world, "node %u: %s", node->index + 1, wrong);
    sim_recover_started(node->world, node);
    if (!node->place.next)
        node->place.next = found->snapshot_index + 1;
    node_promises(node);
    node_lacks_started(node, damaged_before);
    check_read_begin(&node->reads, node->node->core.read_context, node->node->core.read_ready);
    check_stale_begin(&node->stale);
    node->cut = false;
    node->receiving = 0;
    node->world->recovered_entries += found->entries;
    node->world->from_snapshot += found->snapshot_index > 0;
    node->copy_hit = false;
    node->up_since_ns = node->wake_ns = node->world->now_ns;
    node->start_ns = UINT64_MAX;
    node->paused_ns = node->slow_ns = node->held_ns = 0;
    node->held_roles = 0;
    return 0;
}

static int dead_submit(void *ctx, int file, uint64_t offset, const void *memory, uint32_t size,
                       uint64_t token, struct fault *fault)
{
    return ERR_IO;
}

static uint32_t dead_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault)
{
    return 0;
}

static void dead_close(void *ctx, int file)
{
}

static int dead_path(void *ctx, const char *path, struct fault *fault)
{
    return ERR_IO;
}

static int dead_file(void *ctx, int file, struct fault *fault)
{
    return ERR_IO;
}

static int dead_dir(void *ctx, struct fault *fault)
{
    return ERR_IO;
}

/* How far its log is on disk, as it believes. */
static uint64_t node_disk_index(const struct role_core *core)
{
    return core->config.memory ? core->disk_index : core->raft.durable_index;
}

void sim_node_crash(struct sim_node *node, enum sim_disk_crash how)
{
    struct sim_world *world = node->world;

    CHECK(node->node);
    node_look_lacks(node);
    node->held_index = node_disk_index(&node->node->core);
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        sim_client_node_lost(&world->clients[i], node->index);
    sim_disk_crash(node->disk, how);
    node->io.submit_write = dead_submit;
    node->io.poll = dead_poll;
    node->io.close = dead_close;
    node->io.unlink = dead_path;
    node->io.sync = dead_file;
    node->io.sync_dir = dead_dir;
    node_abandon(node->node);
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        sim_client_bury(&world->clients[i], node->index);
    node->node = NULL;
    node->port = NULL;
    node->datagrams = node->beat_port = NULL;
    node->wake_ns = UINT64_MAX;
    node->crashes++;
}

void sim_node_trouble(struct sim_node *node, enum sim_disk_call call, uint32_t nth)
{
    node->honest = false;
    node->troubled = true;
    sim_disk_fail(node->disk, call, nth);
}

void sim_node_stop(struct sim_node *node)
{
    struct sim_world *world = node->world;

    CHECK(node->node);
    node_look_lacks(node);
    node->held_index = node->node->core.raft.durable_index;
    sim_disk_power(node->disk, 0, false);
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        sim_client_node_lost(&world->clients[i], node->index);
    sim_disk_hang(node->disk, 0);
    sim_disk_time(node->disk, UINT64_MAX); /* what is in flight ends */
    node_close(node->node);
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        sim_client_bury(&world->clients[i], node->index);
    sim_disk_crash(node->disk, SIM_DISK_KILL); /* its files and its lock are free */
    node->node = NULL;
    node->port = NULL;
    node->datagrams = node->beat_port = NULL;
    node->wake_ns = UINT64_MAX;
}

/* ---- turns ----------------------------------------------------------------------------------- */

void sim_node_wake(struct sim_node *node)
{
    uint64_t at = node->world->now_ns + 1000;
    if (node->node && at < node->wake_ns)
        node->wake_ns = at;
}

uint64_t sim_node_next_ns(const struct sim_node *node)
{
    if (!node->node)
        return node->start_ns;
    uint64_t disk_ns = sim_disk_next_ns(node->disk);
    if (disk_ns <= node->turned_ns)
        disk_ns = UINT64_MAX; /* it was due in the last turn, and DISK, held back, left it there */
    uint64_t next = node->wake_ns < disk_ns ? node->wake_ns : disk_ns;
    return next > node->paused_ns ? next : node->paused_ns;
}

/* Does the leader that is told so count it? An entry below its term's first one decides nothing. */
static bool told_counts(const struct sim_world *world, const struct peer_message *told)
{
    const struct sim_node *to = &world->nodes[told->to - 1];
    if (!to->node)
        return false;
    const struct raft *raft = &to->node->core.raft;
    return raft->state == RAFT_LEADER && raft->term == told->term &&
           told->index >= raft->term_first_index;
}

/* What others are told in this datagram; messages of several are no promises. */
static void node_told(struct sim_node *node, const uint8_t *bytes, uint32_t size)
{
    struct peer_message message;
    struct peer_frame frame;

    if (peer_frame_decode(bytes, size, &frame) || frame.count == 0 || frame.index > 0 ||
        frame.size < sizeof(message))
        return;
    memcpy(&message, frame.bytes, sizeof(message));
    const struct raft *raft = &node->node->core.raft;
    check_promise_sent(&node->promise, &message,
                       raft->term == message.term ? raft_terms_at(&raft->terms, message.index) : 0);
    if (message.flags & PEER_REJECT)
        return;
    if (message.kind == PEER_APPEND_REPLY && node->ahead &&
        message.index > node->world->recover.kept && told_counts(node->world, &message))
        sim_world_wrong(node->world, "node %u says that it holds %llu, and holds another one",
                        node->index + 1, (unsigned long long)message.index);
    if (message.kind == PEER_APPEND_REPLY)
        check_member_acked(&node->world->members, node->index, message.index);
    node->told |= message.kind == PEER_VOTE_REPLY     ? SIM_TOLD_VOTE
                  : message.kind == PEER_APPEND_REPLY ? SIM_TOLD_ACK
                                                      : 0;
    if (message.kind == PEER_APPEND_REPLY && node->cut_before)
        node->told |= SIM_TOLD_CUT;
}

static const char *node_look_durable(const struct sim_node *node)
{
    const struct raft *raft = &node->node->core.raft;
    const struct wal_position *written = &node->node->wal->last;
    if (node->node->disk.installed) /* a snapshot took the log's place; the node starts again */
        return NULL;
    uint64_t index = node_disk_index(&node->node->core);
    struct check_durable_view view = {index, raft_terms_at(&raft->terms, index), written->index,
                                      written->term};

    return check_durable_look(&view);
}

/* What a turn did to its log and its reads, seen from outside of it. */
static void node_look(struct sim_node *node, uint64_t commit_before, bool rests)
{
    const struct role_core *core = &node->node->core;
    const struct check_read_view reads = {core->read_context, core->read_ready, core->read_index};
    const char *wrong = NULL;

    if (!node->node->peers)
        return;
    node_look_lacks(node);
    node->cut_before = node->cut;
    node->cut = core->writing && core->batch_epoch != core->raft.log_epoch;
    wrong = node_look_durable(node);
    if (!wrong)
        wrong = check_read_look(&node->reads, &reads, commit_before);
    for (uint32_t i = 0; !wrong && i < node->world->node_count; i++) {
        const struct peer *peer = &node->node->peers->peer;
        uint8_t at = peer->index_of[i + 1];
        if (at)
            wrong = check_stale_look(&node->stale, i, peer->remotes[at - 1].heard_ns);
    }
    if (wrong)
        sim_world_wrong(node->world, "node %u: %s", node->index + 1, wrong);
    if (rests)
        check_stale_rest(&node->stale);
}

static void node_send(struct sim_node *node)
{
    struct datagram_sim_sent sent;

    while (node->datagrams && datagram_sim_take(node->datagrams, &sent)) {
        uint32_t to = (uint32_t)sent.to.ip[15] - 1;
        node_told(node, sent.bytes, sent.size);
        if (node->skewed)
            ((uint8_t *)sent.bytes)[SIM_FRAME_VERSION_AT]++;
        if (to < node->world->node_count)
            sim_network_send(node->world->network, node->index, to, sent.bytes, sent.size,
                             node->world->now_ns);
    }
}

/* CORE stands still from here on for as long as the session would live, or twice. */
static void node_aim_lease(struct sim_node *node)
{
    struct sim_world *world = node->world;
    const struct node *inside = node->node;

    if (world->calm || node->held_roles || rand_below(&world->rand, 1000) >= world->knobs.aim_lease)
        return;
    for (uint32_t i = 0; i < inside->role_count; i++)
        if (inside->roles[i].self == &inside->core)
            node->held_roles = 1u << i;
    node->held_ns =
        world->now_ns + rand_below(&world->rand, 2 * world->knobs.beat_lease_ms * NS_PER_MS);
}

static bool node_grants(const uint8_t *bytes, uint32_t size)
{
    struct beat_frame frame;

    if (beat_wire_decode(bytes, size, &frame) || frame.kind != BEAT_RENEWED)
        return false;
    struct jute_in in = jute_in(frame.bytes, frame.size);
    (void)jute_get_long(&in); /* received, sent */
    (void)jute_get_long(&in);
    return jute_get_int(&in) != 0;
}

/* To controllers. */
static void node_send_beat(struct sim_node *node)
{
    struct sim_world *world = node->world;
    struct datagram_sim_sent sent;

    while (node->beat_port && datagram_sim_take(node->beat_port, &sent)) {
        uint32_t to = (uint32_t)sent.to.ip[15] - 1;
        if (world->knobs.aim_lease && node_grants(sent.bytes, sent.size))
            node_aim_lease(node);
        if (!node->clients_cut)
            sim_network_send(world->beat_network, node->index, world->node_count + to, sent.bytes,
                             sent.size, world->now_ns);
    }
}

/* Threads do not go in step: some roles get no turn while others have theirs, and now and then for
 * milliseconds. */
static uint32_t node_uneven(struct sim_node *node)
{
    struct sim_world *world = node->world;

    if (!world->knobs.uneven || rand_below(&world->rand, 100) >= world->knobs.uneven)
        return 0;
    uint32_t held = (uint32_t)rand_next(&world->rand);
    if (!node->held_roles && !world->calm && rand_below(&world->rand, 64) == 0) {
        node->held_roles = held & (uint32_t)rand_next(&world->rand) & 255;
        node->held_ns = world->now_ns + rand_below(&world->rand, 20 * NS_PER_MS);
    }
    return held;
}

int sim_node_turn(struct sim_node *node, struct fault *fault)
{
    struct sim_world *world = node->world;
    uint64_t deadline_ns, now_ns = world->now_ns, commit_before = world->commit_index;

    sim_disk_time(node->disk, now_ns);
    node->turned_ns = now_ns;
    bool slow = node->slow_ns > now_ns;
    if (node->held_roles && node->held_ns <= now_ns)
        node->held_roles = 0;
    node->turns++;
    node->told = 0;
    uint32_t held = node_uneven(node);
    int64_t work = node_turn_held(node->node, sim_node_now(node), node->held_roles | held,
                                  &deadline_ns, fault);
    if (work < 0 || sim_disk_powerless(node->disk))
        return work < 0 ? (int)work : ERR_IO;
    node->voted = !node->observer && node->node->core.raft.config.voting;
    node_look(node, commit_before, work == 0 && !(held | node->held_roles));
    node_send(node);
    node_send_beat(node);
    uint64_t turn_ns = (2000 + rand_below(&world->rand, 20000)) * (slow ? 10 : 1);
    uint64_t wake_ns = work || held ? now_ns + turn_ns : sim_node_true_ns(node, deadline_ns);
    if (wake_ns < now_ns + turn_ns)
        wake_ns = now_ns + turn_ns; /* nothing runs faster than a turn takes */
    if (node->held_roles && wake_ns > node->held_ns)
        wake_ns = node->held_ns;
    node->wake_ns = wake_ns;
    return 0;
}

/* Which start of which node it is from, and meant for. */
static void node_datagram_note(struct sim_node *node, uint32_t from, const uint8_t *bytes,
                               uint32_t size)
{
    const struct peer *peer = &node->node->peers->peer;
    uint8_t at = peer->index_of[from + 1];
    struct peer_frame frame;

    if (peer_frame_decode(bytes, size, &frame))
        return;
    struct check_stale_datagram datagram = {.incarnation = frame.incarnation,
                                            .known = at ? peer->remotes[at - 1].incarnation : 0,
                                            .to_incarnation = frame.to_incarnation,
                                            .own = peer->config.incarnation};
    check_stale_put(&node->stale, from, &datagram);
}

void sim_node_datagram(struct sim_node *node, uint32_t from, const uint8_t *bytes, uint32_t size)
{
    struct address address = sim_node_address(from);

    if (!node->node || !node->datagrams)
        return;
    if (node->overflow) {
        node->overflow--;
        node->world->ring_full++;
        return;
    }
    node_datagram_note(node, from, bytes, size);
    if (!datagram_sim_put(node->datagrams, &address, bytes, size))
        node->world->ring_full++;
    sim_node_wake(node);
}

void sim_node_beat(struct sim_node *node, uint32_t from, const uint8_t *bytes, uint32_t size)
{
    struct address address = sim_beat_address(from);

    if (!node->node || !node->beat_port || node->clients_cut)
        return;
    sim_beat_arrives(&node->world->beats[from], bytes, size, sim_node_now(node).mono_ns);
    if (!datagram_sim_put(node->beat_port, &address, bytes, size))
        node->world->ring_full++;
    sim_node_wake(node);
}

bool sim_node_leads(const struct sim_node *node)
{
    return node->node && node->node->core.raft.state == RAFT_LEADER;
}

uint64_t sim_node_applied(const struct sim_node *node)
{
    return node->node ? machine_index(node->node->machine) : 0;
}

uint64_t sim_node_term(const struct sim_node *node)
{
    return node->node ? node->node->core.raft.term : 0;
}
