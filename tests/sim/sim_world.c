#include "tests/sim/sim_world.h"

#include "base/check.h"
#include "store/machine.h"
#include "store/tree.h"
#include "tools/taktd/node_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what people see ------------------------------------------------------------------------- */

static void world_row(const struct sim_node *node)
{
    uint64_t now_ns = node->world->now_ns;

    fprintf(stderr, "  node %u %-8s term %llu applied %llu starts %llu%s%s%s\n", node->index + 1,
            !node->node            ? "down"
            : sim_node_leads(node) ? "leader"
            : node->observer       ? "observer"
                                   : "follower",
            (unsigned long long)sim_node_term(node), (unsigned long long)sim_node_applied(node),
            (unsigned long long)node->starts, node->paused_ns > now_ns ? " paused" : "",
            node->clients_cut ? " without clients" : "",
            node->world->atlas.nodes[node->index].damaged ? " damaged" : "");
    if (node->node && node->world->node_count > 1) {
        char line[RAFT_DESCRIBE_SIZE];
        (void)raft_describe(&node->node->core.raft, line, sizeof(line));
        fprintf(stderr, "    %s\n", line);
    }
}

void sim_world_wrong(struct sim_world *world, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "seed %llu, %llu.%06llu ms, %llu entries:\n", (unsigned long long)world->seed,
            (unsigned long long)(world->now_ns / NS_PER_MS),
            (unsigned long long)(world->now_ns % NS_PER_MS), (unsigned long long)world->log.count);
    for (uint32_t i = 0; i < world->node_count; i++)
        world_row(&world->nodes[i]);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    abort();
}

void sim_world_say(struct sim_world *world, const char *format, ...)
{
    va_list args;

    if (!world->trace)
        return;
    fprintf(stderr, "%8llu.%03llu ", (unsigned long long)(world->now_ns / NS_PER_MS),
            (unsigned long long)(world->now_ns / 1000 % 1000));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
}

/* ---- what clients reach ---------------------------------------------------------------------- */

bool sim_world_reached(const struct sim_world *world, uint32_t node)
{
    return world->nodes[node].node && !world->nodes[node].clients_cut;
}

struct port *sim_world_port(struct sim_world *world, uint32_t node)
{
    return sim_world_reached(world, node) ? world->nodes[node].port : NULL;
}

struct sim_node *sim_world_leader(struct sim_world *world)
{
    struct sim_node *leader = NULL;

    for (uint32_t i = 0; i < world->node_count; i++)
        if (sim_node_leads(&world->nodes[i]) &&
            (!leader || sim_node_term(&world->nodes[i]) > sim_node_term(leader)))
            leader = &world->nodes[i];
    return leader;
}

/* ---- one thing after the other --------------------------------------------------------------- */

static uint64_t world_next_ns(const struct sim_world *world)
{
    uint64_t next = sim_network_next_ns(world->network), at = sim_faults_next_ns(world);

    next = at < next ? at : next;
    at = sim_recover_next_ns(world);
    next = at < next ? at : next;
    for (uint32_t i = 0; i < world->node_count; i++) {
        at = sim_node_next_ns(&world->nodes[i]);
        next = at < next ? at : next;
    }
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        next = world->clients[i].next_ns < next ? world->clients[i].next_ns : next;
    if (world->beat_count && (at = sim_network_next_ns(world->beat_network)) < next)
        next = at;
    for (uint32_t i = 0; i < world->beat_count; i++)
        next = world->beats[i].next_ns < next ? world->beats[i].next_ns : next;
    return next;
}

static void world_deliver(void *self, uint32_t from, uint32_t to, const uint8_t *bytes,
                          uint32_t size)
{
    struct sim_world *world = self;
    sim_node_datagram(&world->nodes[to], from, bytes, size);
}

static void world_deliver_beat(void *self, uint32_t from, uint32_t to, const uint8_t *bytes,
                               uint32_t size)
{
    struct sim_world *world = self;
    if (to < world->node_count)
        sim_node_beat(&world->nodes[to], from - world->node_count, bytes, size);
    else
        sim_beat_datagram(&world->beats[to - world->node_count], from, bytes, size);
}

static void world_start_node(struct sim_world *world, struct sim_node *node)
{
    struct fault fault = {.text = ""};
    bool loops = world->faults.looping && world->faults.loop_node == node->index &&
                 sim_atlas_doom(world, node->index);

    if (loops) {
        world->faults.looping--;
        sim_node_trouble(node, (enum sim_disk_call)rand_below(&world->rand, SIM_DISK_CALLS),
                         1 + (uint32_t)rand_below(&world->rand, 12));
    }
    int err = sim_node_start(node, &fault);
    sim_world_say(world, "node %u starts: %s", node->index + 1, err ? fault.text : "up");
    if (!err && node->starts > 1 && world->knobs.haunt &&
        rand_below(&world->rand, 100) < world->knobs.haunt)
        sim_network_haunt(world->network, node->index, world->now_ns);
    bool full = err == ERR_NOSPACE && world->knobs.disk_full; /* it comes back when there is room */
    if (err && !node->troubled && !node->dark && !full)
        sim_world_wrong(world, "node %u does not come back: %s (%s)", node->index + 1, fault.text,
                        err_name(err));
    node->troubled = !err && node->troubled && loops;
    if (err)
        node->start_ns = world->now_ns + 1 + rand_below(&world->rand, 500 * NS_PER_MS);
}

static void world_look_leader(struct sim_world *world, struct sim_node *node)
{
    if (!sim_node_leads(node))
        return;
    if (node->ahead)
        sim_world_wrong(world, "node %u leads with a history that was given up", node->index + 1);
    if (world->recover.state == SIM_RECOVER_STALL)
        sim_world_wrong(world, "node %u leads, and all have lost what they had in memory",
                        node->index + 1);
    if (sim_node_term(node) > node->led_term)
        node->led_term = sim_node_term(node);
    const struct raft *raft = &node->node->core.raft;
    uint64_t applied = world->log.count;
    bool undecided = world->recover.state == SIM_RECOVER_WAIT; /* some of that may be lost */
    if (applied && raft->term != node->judged_term && !undecided) {
        struct check_lost_view lost = {.node = node->index,
                                       .term = raft->term,
                                       .last_index = raft->last_index,
                                       .held_term = raft_terms_at(&raft->terms, applied),
                                       .applied_index = applied,
                                       .applied_term = world->log.entries[applied - 1].term};
        const char *gone = check_lost_look(&lost);
        if (gone)
            sim_world_wrong(world, "%s", gone);
    }
    node->judged_term = raft->term;
    struct check_leader_view view = {.node = node->index,
                                     .term = raft->term,
                                     .commit_index = raft->commit_index,
                                     .term_first_index = raft->term_first_index};
    /* alone, it has led since its start, and counts sessions' timeouts from there */
    const char *wrong = check_leader_look(
        &world->leaders, &view, world->node_count == 1 ? node->up_since_ns : world->now_ns);
    if (wrong)
        sim_world_wrong(world, "%s", wrong);
}

/* A node that went down by itself: what it acknowledged from memory is gone. */
static void world_forgot(struct sim_world *world, struct sim_node *node)
{
    if (!sim_atlas_forgets(world))
        return;
    node->honest = false;
    sim_atlas_damaged(world, node->index);
}

static void world_turn_node(struct sim_world *world, struct sim_node *node)
{
    struct fault fault = {.text = ""};

    int err = sim_node_turn(node, &fault);
    if (err && sim_disk_powerless(node->disk)) {
        sim_world_say(world, "node %u loses power in its turn", node->index + 1);
        sim_node_crash(node, SIM_DISK_POWER);
        world_forgot(world, node);
        node->start_ns = world->now_ns + 1 + rand_below(&world->rand, 300 * NS_PER_MS);
        return;
    }
    if (err == ERR_RESTART) { /* it was sent a snapshot: it begins again from there */
        sim_world_say(world, "node %u starts again: %s", node->index + 1, fault.text);
        world->installed += node->node->disk.installed;
        sim_recover_again(world, node);
        if (sim_faults_aim_install(world, node->index))
            return;
        sim_node_stop(node);
        node->again = true;
        world_start_node(world, node);
        node->again = false;
        return;
    }
    if (err) {
        sim_world_say(world, "node %u stops: %s", node->index + 1, fault.text);
        if (!node->troubled)
            sim_world_wrong(world, "node %u stopped: %s", node->index + 1, fault.text);
        world->stopped++;
        sim_node_crash(node, rand_below(&world->rand, 2) ? SIM_DISK_KILL : SIM_DISK_POWER);
        world_forgot(world, node);
        node->troubled = false;
        node->start_ns = world->now_ns + 1 + rand_below(&world->rand, 1000 * NS_PER_MS);
        return;
    }
    if (node->ahead) {
        world_look_leader(world, node);
        return;
    }
    if (node->node->core.raft.commit_index > world->commit_index)
        world->commit_index = node->node->core.raft.commit_index;
    const struct machine *machine = node_machine(node->node);
    const char *wrong =
        check_hash_show(&world->hash, node->index, machine_index(machine), machine_hash(machine));
    if (wrong)
        sim_world_wrong(world, "%s", wrong);
    wrong = check_log_done(&world->log, machine_index(machine), machine_zxid(machine));
    if (wrong)
        sim_world_wrong(world, "node %u: %s", node->index + 1, wrong);
    world_look_leader(world, node);
    if (sim_node_leads(node) && world->leader != node->index) {
        world->leader = node->index;
        sim_world_say(world, "node %u leads term %llu", node->index + 1,
                      (unsigned long long)sim_node_term(node));
    }
    sim_faults_aim(world, node->index);
}

/* Everything that is due at world->now_ns, once. */
static void world_step(struct sim_world *world)
{
    uint64_t now_ns = world->now_ns;

    world->events++;
    if (sim_faults_next_ns(world) <= now_ns)
        sim_faults_step(world);
    if (sim_recover_next_ns(world) <= now_ns)
        sim_recover_step(world);
    sim_network_deliver(world->network, now_ns, world_deliver, world);
    if (world->beat_count)
        sim_network_deliver(world->beat_network, now_ns, world_deliver_beat, world);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        if (sim_node_next_ns(node) > now_ns)
            continue;
        if (node->node)
            world_turn_node(world, node);
        else
            world_start_node(world, node);
    }
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        if (world->clients[i].next_ns <= now_ns)
            sim_client_step(&world->clients[i]);
    for (uint32_t i = 0; i < world->beat_count; i++)
        if (world->beats[i].next_ns <= now_ns)
            sim_beat_step(&world->beats[i]);
}

static void world_until(struct sim_world *world, uint64_t end_ns)
{
    for (;;) {
        uint64_t next = world_next_ns(world);
        if (next >= end_ns)
            break;
        if (next > world->now_ns)
            world->now_ns = next;
        else
            world->now_ns += 100; /* nothing is done twice at the same instant */
        world_step(world);
    }
    world->now_ns = end_ns;
}

/* ---- the calm at the end --------------------------------------------------------------------- */

bool sim_world_member(const struct sim_world *world, uint32_t index)
{
    const struct membership *now = &model_members(world->log.model)->now;
    return now->count == 0 || membership_find(now, index + 1);
}

static bool world_settled(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        if (!sim_client_settled(&world->clients[i]))
            return false;
    for (uint32_t i = 0; i < world->beat_count; i++)
        if (!sim_beat_settled(&world->beats[i]))
            return false;
    for (uint32_t i = 0; i < world->node_count; i++)
        if (sim_world_member(world, i) && sim_node_applied(&world->nodes[i]) != world->log.count)
            return false;
    return true;
}

static void world_say_unsettled(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->knobs.clients; i++) {
        const struct sim_client *client = &world->clients[i];
        if (!sim_client_settled(client))
            fprintf(stderr, "  client %u at node %u: state %d, %u requests wait, first %s\n",
                    client->id, client->host + 1, client->state, client->pending_count,
                    client->pending_count ? zk_op_name(client->pending[0].op) : "none");
    }
    for (uint32_t i = 0; i < world->beat_count; i++)
        if (!sim_beat_settled(&world->beats[i]))
            fprintf(stderr, "  controller %u: %u requests wait, or it has no session\n", i,
                    world->beats[i].pending_count);
    sim_world_wrong(world, "everything is mended, and somebody is still not served");
}

static void world_settle(struct sim_world *world)
{
    while (!world_settled(world)) {
        if (world->now_ns > world->calm_ns + SIM_CALM_NS)
            world_say_unsettled(world);
        world_until(world, world->now_ns + 10 * NS_PER_MS);
    }
}

static struct check_calm_view world_calm_view(const struct sim_world *world)
{
    struct check_calm_view view = {.leaders = world->leaders.changes};

    for (uint32_t i = 0; i < world->knobs.clients; i++)
        view.closed += world->clients[i].closed;
    return view;
}

/* With no work under way, what a member holds. */
static void world_held(struct sim_world *world, struct sim_node *node)
{
    const struct role_core *core = &node->node->core;
    const struct check_calm_held held[] = {
        {"requests", node->node->nets[0].outstanding, 0},
        {"connections", node->node->nets[0].conn_count, 16 + 8 * world->knobs.clients},
        {"reads of its own", core->raft.own_read_count, 0},
        {"reads of others", core->raft.peer_read_count, 4}, /* asked twice, on its way at the end */
        /* what ends sessions and reaps nodes goes on by itself, many at once */
        {"uncommitted entries", core->raft.last_index - core->raft.commit_index,
         64 + 64 * world->beat_count}, /* controllers leave sessions behind that end in one tick */
        {"snapshots", sim_disk_files(node->disk, "snapshot."),
         node->config.snapshot_kept_count + 4}, /* one that was sent goes with the next own one */
        {"files", sim_disk_files(node->disk, ""), 64},
    };
    const char *wrong = check_calm_held(node->index, held, sizeof(held) / sizeof(held[0]));

    if (wrong)
        sim_world_wrong(world, "%s", wrong);
}

/* Nothing is wrong and nobody wants anything: for a while nothing may happen. Where servers came
 * and went, clients of one that is no member any more are hung up on, rightly. */
static void world_linger(struct sim_world *world)
{
    world_until(world, world->now_ns + SIM_LINGER_NS / 2);
    struct check_calm_view before = world_calm_view(world);
    world_until(world, world->now_ns + SIM_LINGER_NS);
    struct check_calm_view after = world_calm_view(world);
    bool strangers = false;

    for (uint32_t i = 0; i < world->node_count; i++)
        strangers |= !sim_world_member(world, i);
    if (strangers)
        after.closed = before.closed;
    const char *wrong = check_calm_quiet(&before, &after);
    if (wrong)
        sim_world_wrong(world, "%s", wrong);
    world_settle(world);
    for (uint32_t i = 0; i < world->node_count; i++)
        if (sim_world_member(world, i))
            world_held(world, &world->nodes[i]);
}

/* The faults stop: within a bound everybody is answered and every node has the same log. */
static void world_calm_down(struct sim_world *world)
{
    sim_faults_stop(world);
    world->calm = true;
    world->calm_ns = world->sessions.calm_ns = world->now_ns;
    sim_world_say(world, "calm");
    for (uint32_t i = 0; i < world->knobs.clients; i++) {
        world->clients[i].quiet = true;
        world->clients[i].silent_steps = 0;
    }
    if (world->beat_count)
        sim_network_heal(world->beat_network, world->now_ns);
    for (uint32_t i = 0; i < world->beat_count; i++)
        world->beats[i].next_ns = world->now_ns + 1;
    world_settle(world);
    world_linger(world);
}

static void world_compare_tree(struct sim_world *world, struct sim_node *node)
{
    struct tree_view view = tree_view(node_tree(node->node));
    uint32_t count = model_node_count(world->log.model);

    if (view.zxid != model_zxid(world->log.model))
        sim_world_wrong(world, "node %u ends at zxid %llx, the model at %llx", node->index + 1,
                        (unsigned long long)view.zxid,
                        (unsigned long long)model_zxid(world->log.model));
    for (uint32_t i = 0; i < count; i++) {
        const struct model_node *want = model_node_at(world->log.model, i);
        const struct znode *got = tree_get(&view, want->path);
        struct zk_stat a, b;
        memset(&a, 0, sizeof(a));
        memset(&b, 0, sizeof(b));
        if (got)
            znode_stat(got, &a);
        model_stat(want, &b);
        if (!got || memcmp(&a, &b, sizeof(a)) != 0 || !bytes_equal(znode_data(got), want->data))
            sim_world_wrong(world,
                            "node %u: znode %.*s is %s at the end: mzxid %llx/%llx version %d/%d "
                            "children %d/%d size %d/%d (told/model)",
                            node->index + 1, want->path.size, want->path.at,
                            got ? "another" : "missing", (unsigned long long)a.mzxid,
                            (unsigned long long)b.mzxid, a.version, b.version, a.num_children,
                            b.num_children, a.data_length, b.data_length);
    }
    const struct znode *root = tree_get(&view, bytes_of_string("/"));
    if (tree_descendant_count(&view, root) + 1 != count)
        sim_world_wrong(world, "node %u has znodes that the model has not", node->index + 1);
}

/* At the end every ephemeral's session lives. */
static void world_owners(struct sim_world *world)
{
    for (uint32_t i = 0; i < model_node_count(world->log.model); i++) {
        struct zk_stat stat;
        model_stat(model_node_at(world->log.model, i), &stat);
        const char *wrong = stat.ephemeral_owner
                                ? check_session_owner(&world->sessions, stat.ephemeral_owner,
                                                      model_zxid(world->log.model))
                                : NULL;
        if (wrong)
            sim_world_wrong(world, "%s", wrong);
    }
}

static void world_judge(struct sim_world *world)
{
    world_owners(world);
    for (uint32_t i = 0; i < world->node_count; i++)
        if (sim_world_member(world, i))
            world_compare_tree(world, &world->nodes[i]);
    if (world->recover.state == SIM_RECOVER_DONE)
        return; /* they begin with values of before, which were judged then */
    const char *wrong = check_registers_judge(&world->registers);
    if (wrong)
        sim_world_wrong(world, "%s", wrong);
}

/* ---- one run --------------------------------------------------------------------------------- */

static void world_begin(struct sim_world *world, char *const *overrides)
{
    struct model_config model = {.session_count_max = SIM_SESSIONS_MAX};

    rand_seed(&world->rand, world->seed);
    sim_knobs_draw(&world->knobs, &world->rand);
    for (uint32_t i = 0; overrides && overrides[i]; i++) {
        if (sim_knobs_set(&world->knobs, overrides[i])) {
            fprintf(stderr, "no such knob or value: %s\n", overrides[i]);
            exit(2);
        }
    }
    CHECK(world->knobs.clients <= SIM_CLIENTS_MAX);
    world->now_ns = 1000 * NS_PER_S;
    world->leader = UINT32_MAX;
    sim_log_init(&world->log, &model);
    check_hash_init(&world->hash);
    check_registers_init(&world->registers);
    check_session_init(&world->sessions);
    world->network = sim_network_create(rand_next(&world->rand), &world->knobs);
    world->beat_count = world->knobs.beat;
    if (world->beat_count > SIM_NETWORK_NODES_MAX - world->node_count)
        world->beat_count = SIM_NETWORK_NODES_MAX - world->node_count;
    if (world->beat_count > SIM_BEAT_MAX)
        world->beat_count = SIM_BEAT_MAX;
    for (uint32_t i = 0; i < world->node_count; i++)
        sim_node_init(&world->nodes[i], world, i);
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        sim_client_init(&world->clients[i], i, world);
    if (world->beat_count)
        world->beat_network = sim_network_create(rand_next(&world->rand), &world->knobs);
    for (uint32_t i = 0; i < world->beat_count; i++)
        sim_beat_init(&world->beats[i], i, world);
    sim_atlas_init(world);
    sim_faults_init(world);
    sim_recover_init(world);
    for (uint32_t i = 0; i < world->node_count; i++)
        world_start_node(world, &world->nodes[i]);
}

static void world_print(const struct sim_world *world, const struct sim_result *result)
{
    uint64_t turns = 0, events = 0, refused = 0, expired = 0, moves = 0;

    for (uint32_t i = 0; i < world->node_count; i++)
        turns += world->nodes[i].turns;
    for (uint32_t i = 0; i < world->knobs.clients; i++) {
        events += world->clients[i].events;
        refused += world->clients[i].refused;
        expired += world->clients[i].expired;
        moves += world->clients[i].moves;
    }
    printf(
        "seed %llu  nodes %u  clients %u  simulated %.1f s  entries %llu  replies %llu  "
        "events %llu  crashes %llu  replayed %llu  from snapshot %llu  leaders %llu  moves %llu  "
        "refused %llu  expired %llu  installed %llu  reconfigs %llu  turns %llu  "
        "digest %016llx\n",
        (unsigned long long)world->seed, world->node_count, world->knobs.clients,
        (double)result->simulated_ns / 1e9, (unsigned long long)result->entries,
        (unsigned long long)result->replies, (unsigned long long)events,
        (unsigned long long)result->crashes, (unsigned long long)world->recovered_entries,
        (unsigned long long)world->from_snapshot, (unsigned long long)world->leaders.changes,
        (unsigned long long)moves, (unsigned long long)refused, (unsigned long long)expired,
        (unsigned long long)world->installed, (unsigned long long)world->reconfigs,
        (unsigned long long)turns, (unsigned long long)result->digest);
    if (world->recover.state == SIM_RECOVER_DONE)
        printf("recovered from disk: %llu of %llu entries left, %llu nodes put their log aside\n",
               (unsigned long long)world->recover.kept, (unsigned long long)world->recover.count,
               (unsigned long long)world->recover.forgot);
    for (int kind = 0; kind < SIM_FAULT_COUNT; kind++)
        if (world->faults.counts[kind])
            printf("%s %llu  ", sim_fault_name((enum sim_fault_kind)kind),
                   (unsigned long long)world->faults.counts[kind]);
    const struct sim_network_counters *n = sim_network_counters(world->network);
    printf("\ndatagrams %llu, lost %llu, doubled %llu, replayed %llu, bent %llu; hashes compared "
           "%llu; damages %llu (%llu not allowed)\n",
           (unsigned long long)n->sent,
           (unsigned long long)(n->lost_cut + n->lost_drop + n->lost_full + n->lost_mtu),
           (unsigned long long)n->doubled, (unsigned long long)n->replayed,
           (unsigned long long)n->bent, (unsigned long long)world->hash.compared,
           (unsigned long long)world->atlas.damages, (unsigned long long)world->atlas.refused);
    for (uint32_t i = 0; i < world->beat_count; i++)
        printf(
            "controller %u: answers %llu, %llu too late, events %llu, expired %llu, leases %llu\n",
            i, (unsigned long long)world->beats[i].answers,
            (unsigned long long)world->beats[i].late, (unsigned long long)world->beats[i].events,
            (unsigned long long)world->beats[i].expired,
            (unsigned long long)world->beats[i].leases);
}

static void world_end(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->knobs.clients; i++)
        sim_client_lost(&world->clients[i], true);
    for (uint32_t i = 0; i < world->node_count; i++) {
        sim_node_fini(&world->nodes[i]);
        for (uint32_t k = 0; k < world->knobs.clients; k++)
            sim_client_bury(&world->clients[k], i);
    }
    for (uint32_t i = 0; i < world->beat_count; i++)
        sim_beat_fini(&world->beats[i]);
    if (world->beat_count)
        sim_network_destroy(world->beat_network);
    sim_network_destroy(world->network);
    check_registers_fini(&world->registers);
    check_session_fini(&world->sessions);
    check_hash_fini(&world->hash);
    sim_log_fini(&world->log);
    sim_recover_fini(world);
}

struct sim_result sim_world_run(uint64_t seed, uint32_t voters, uint32_t observers,
                                char *const *overrides, bool verbose, bool trace)
{
    static struct sim_world world;
    struct sim_result result = {.digest = 14695981039346656037ull};

    CHECK(voters >= 1 && voters + observers <= SIM_NODES_MAX);
    memset(&world, 0, sizeof(world));
    world.seed = seed;
    world.voter_count = voters;
    world.node_count = voters + observers;
    world.trace = trace;
    say_level_set(trace ? SAY_INFO : SAY_ERROR);
    world_begin(&world, overrides);
    if (verbose)
        sim_knobs_print(&world.knobs);
    uint64_t began_ns = world.now_ns;
    world_until(&world, world.now_ns + world.knobs.run_ms * NS_PER_MS);
    world_calm_down(&world);
    world_judge(&world);
    result.simulated_ns = world.now_ns - began_ns;
    result.entries = world.log.count;
    for (uint32_t i = 0; i < world.knobs.clients; i++) {
        result.digest = (result.digest ^ world.clients[i].digest) * 1099511628211ull;
        result.replies += world.clients[i].replies;
    }
    for (uint32_t i = 0; i < world.beat_count; i++)
        result.digest = (result.digest ^ world.beats[i].digest) * 1099511628211ull;
    for (uint32_t i = 0; i < world.node_count; i++)
        result.crashes += world.nodes[i].crashes;
    if (verbose)
        world_print(&world, &result);
    world_end(&world);
    return result;
}
