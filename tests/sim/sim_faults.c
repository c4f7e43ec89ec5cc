#include "tests/sim/sim_faults.h"

#include "base/check.h"
#include "consensus/raft_parts.h"
#include "tests/sim/sim_world.h"
#include "tools/taktd/node_parts.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t rate; /* offset of its knob */
} fault_kinds[] = {
#define FAULT_ROW(name, chance, least, greatest, what) {#name, offsetof(struct sim_knobs, name)},
    SIM_KNOBS_FAULT(FAULT_ROW)
#undef FAULT_ROW
};

const char *sim_fault_name(enum sim_fault_kind kind)
{
    return fault_kinds[kind].name;
}

static uint32_t below(struct sim_world *world, uint32_t bound)
{
    return (uint32_t)rand_below(&world->faults.rand, bound);
}

/* Something in [least, greatest], small ones as often as large ones. */
static uint64_t span_draw(struct sim_world *world, double least_ms, double greatest_ms)
{
    double place = (double)rand_below(&world->faults.rand, 1u << 20) / (1u << 20);
    return (uint64_t)(least_ms * pow(greatest_ms / least_ms, place) * 1e6);
}

/* ---- when ------------------------------------------------------------------------------------ */

static uint32_t fault_rate(const struct sim_world *world, enum sim_fault_kind kind)
{
    return *(const uint32_t *)((const char *)&world->knobs + fault_kinds[kind].rate);
}

static uint64_t fault_rates(const struct sim_world *world)
{
    uint64_t sum = 0;
    for (int kind = 0; kind < SIM_FAULT_COUNT; kind++)
        sum += fault_rate(world, (enum sim_fault_kind)kind);
    return world->node_count == 1 ? 8 * sum : sum; /* alone it must see more to see as much */
}

static void fault_schedule(struct sim_world *world)
{
    struct sim_faults *faults = &world->faults;
    uint64_t rates = fault_rates(world);

    faults->next_ns = UINT64_MAX;
    if (!rates)
        return;
    double place = (1.0 + (double)rand_below(&faults->rand, 1u << 20)) / (1u << 20);
    faults->next_ns = world->now_ns + (uint64_t)(-log(place) * 1e12 / (double)rates) + 1;
}

void sim_faults_init(struct sim_world *world)
{
    memset(&world->faults, 0, sizeof(world->faults));
    rand_seed(&world->faults.rand, rand_next(&world->rand));
    fault_schedule(world);
    if (world->faults.next_ns != UINT64_MAX)
        world->faults.next_ns += 500 * NS_PER_MS; /* first somebody should lead */
}

/* ---- restarts -------------------------------------------------------------------------------- */

/* A node that acknowledges from memory is stopped in good order where no more may be lost. */
static void fault_crash(struct sim_world *world, struct sim_node *node, enum sim_disk_crash how)
{
    bool forgets = sim_atlas_forgets(world);

    if (forgets && !sim_atlas_may_damage(world, node->index)) {
        sim_node_stop(node);
        return;
    }
    sim_node_crash(node, how);
    if (!forgets)
        return;
    node->honest = false;
    sim_atlas_damaged(world, node->index);
}

static void fault_kill(struct sim_world *world, uint32_t index, uint64_t down_ns)
{
    struct sim_node *node = &world->nodes[index];
    bool power = below(world, 100) < world->knobs.power_percent;

    if (node->node)
        fault_crash(world, node, power ? SIM_DISK_POWER : SIM_DISK_KILL);
    if (node->start_ns == UINT64_MAX || node->start_ns < world->now_ns + down_ns)
        node->start_ns = world->now_ns + down_ns;
}

static uint64_t down_draw(struct sim_world *world)
{
    return span_draw(world, 1, 3000);
}

static uint32_t leader_or_any(struct sim_world *world)
{
    const struct sim_node *leader = sim_world_leader(world);
    return leader ? leader->index : below(world, world->node_count);
}

/* Everybody's power fails; who comes back when is drawn. */
static void fault_blackout(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        if (!node->node)
            continue;
        fault_crash(world, node, SIM_DISK_POWER);
        node->start_ns = world->now_ns + span_draw(world, 1, 300);
    }
}

/* The disk of a node that is down loses something. */
static void fault_damage(struct sim_world *world, enum sim_fault_kind kind, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    bool hit = true;

    if (!sim_atlas_may_damage(world, index) || (kind == SIM_FAULT_copies && node->copy_hit))
        return; /* with both copies gone it is a node that never comes back */
    fault_kill(world, index, down_draw(world));
    node->honest = false;
    if (kind == SIM_FAULT_flip || kind == SIM_FAULT_stale || kind == SIM_FAULT_misdirect)
        sim_node_keep_whole(node, rand_next(&world->faults.rand));
    switch (kind) {
    case SIM_FAULT_flip: hit = sim_disk_damage(node->disk, "log.", SIM_DISK_FLIPPED); break;
    case SIM_FAULT_stale: hit = sim_disk_damage(node->disk, "log.", SIM_DISK_STALE); break;
    case SIM_FAULT_misdirect:
        hit = sim_disk_damage(node->disk, "log.", SIM_DISK_MISDIRECTED);
        break;
    case SIM_FAULT_copies:
        hit = sim_disk_damage(node->disk, "superblock.", SIM_DISK_FLIPPED);
        node->copy_hit |= hit;
        break;
    case SIM_FAULT_snapshot_flip:
        hit = sim_disk_damage(node->disk, "snapshot.", SIM_DISK_FLIPPED);
        break;
    default:
        sim_disk_wipe(node->disk);
        check_promise_void(&node->promise);
        node->lacks = true;
    }
    if (kind == SIM_FAULT_flip || kind == SIM_FAULT_stale || kind == SIM_FAULT_misdirect)
        node->damaged_late &= !hit || sim_disk_damaged_late(node->disk);
    if (hit)
        sim_atlas_damaged(world, index);
}

/* The whole disk is what it was when the image was taken; without one, one is taken. */
static void fault_roll_back(struct sim_world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];

    if (node->image && node->node && sim_atlas_may_roll_back(world, index, node->image_term)) {
        fault_kill(world, index, down_draw(world));
        sim_disk_destroy(node->disk);
        node->disk = node->image;
        sim_disk_latency(node->disk, 20000, 20000 + world->knobs.disk_us * 1000ull);
        node->image = NULL;
        node->honest = node->lacks = false; /* the image may be of a whole one */
        check_promise_void(&node->promise);
        sim_atlas_damaged(world, index);
        return;
    }
    if (node->image)
        sim_disk_destroy(node->image);
    node->image = sim_disk_copy(node->disk, rand_next(&world->faults.rand));
    node->image_term = sim_node_term(node);
}

/* ---- begin ----------------------------------------------------------------------------------- */

static bool of_network(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_cut_link || kind == SIM_FAULT_cut_one_way ||
           kind == SIM_FAULT_partition || kind == SIM_FAULT_isolate_leader ||
           kind == SIM_FAULT_deaf_leader || kind == SIM_FAULT_mute_leader ||
           kind == SIM_FAULT_clog || kind == SIM_FAULT_swizzle || kind == SIM_FAULT_collapse;
}

static void fault_links(struct sim_world *world, struct sim_fault *fault, bool begin)
{
    for (uint32_t from = 0; from < world->node_count; from++)
        for (uint32_t to = 0; to < world->node_count; to++) {
            if (fault->cut[from] >> to & 1)
                sim_network_cut(world->network, from, to, begin);
            if (fault->clog[from] >> to & 1)
                sim_network_clog(world->network, from, to, begin, world->now_ns);
        }
}

/* Nobody of `group` (a set) sends to, or hears, anybody outside of it. */
static void cut_group(struct sim_world *world, struct sim_fault *fault, uint32_t group, bool out,
                      bool in)
{
    for (uint32_t a = 0; a < world->node_count; a++)
        for (uint32_t b = 0; b < world->node_count; b++) {
            if (!(group >> a & 1) || (group >> b & 1))
                continue;
            fault->cut[a] |= (uint8_t)(out ? 1u << b : 0);
            fault->cut[b] |= (uint8_t)(in ? 1u << a : 0);
        }
}

static struct sim_fault *fault_add(struct sim_world *world, enum sim_fault_kind kind,
                                   uint64_t lasts_ns)
{
    struct sim_faults *faults = &world->faults;

    if (faults->active_count == SIM_FAULTS_ACTIVE_MAX ||
        (of_network(kind) && world->node_count == 1))
        return NULL;
    struct sim_fault *fault = &faults->active[faults->active_count++];
    memset(fault, 0, sizeof(*fault));
    fault->kind = kind;
    fault->until_ns = world->now_ns + lasts_ns;
    return fault;
}

/* Nobody hears the node; at times it hears others late, in lumps: it may lead on in its own eyes
 * while another one is elected. Clients ask it what is new meanwhile. */
static void fault_mute(struct sim_world *world, uint32_t index)
{
    struct sim_fault *fault = fault_add(world, SIM_FAULT_mute_leader, span_draw(world, 50, 2000));

    if (!fault)
        return;
    cut_group(world, fault, 1u << index, true, false);
    for (uint32_t i = 0; i < world->node_count; i++)
        if (i != index && below(world, 4))
            fault->clog[i] |= (uint8_t)(1u << index);
    fault->lump_ns = world->now_ns + span_draw(world, 20, 400);
    world->faults.chased = index;
    world->faults.chased_ns = fault->until_ns;
    fault_links(world, fault, true);
}

/* What the clogged links of a mute leader hold gets through. */
static void fault_lump(struct sim_world *world, struct sim_fault *fault)
{
    for (uint32_t from = 0; from < world->node_count; from++)
        for (uint32_t to = 0; to < world->node_count; to++) {
            if (!(fault->clog[from] >> to & 1))
                continue;
            sim_network_clog(world->network, from, to, false, world->now_ns);
            sim_network_clog(world->network, from, to, true, world->now_ns);
        }
    fault->lump_ns = world->now_ns + span_draw(world, 20, 400);
}

static void begin_network(struct sim_world *world, struct sim_fault *fault)
{
    uint32_t n = world->node_count, a = below(world, n), b = (a + 1 + below(world, n - 1)) % n;

    switch (fault->kind) {
    case SIM_FAULT_cut_link:
        fault->cut[a] |= (uint8_t)(1u << b);
        fault->cut[b] |= (uint8_t)(1u << a);
        break;
    case SIM_FAULT_cut_one_way: fault->cut[a] |= (uint8_t)(1u << b); break;
    case SIM_FAULT_partition:
        cut_group(world, fault, 1 + below(world, (1u << n) - 2), true, true);
        break;
    case SIM_FAULT_isolate_leader:
        cut_group(world, fault, 1u << leader_or_any(world), true, true);
        break;
    case SIM_FAULT_deaf_leader:
        cut_group(world, fault, 1u << leader_or_any(world), false, true);
        break;
    case SIM_FAULT_clog: fault->clog[a] |= (uint8_t)(1u << b); break;
    case SIM_FAULT_swizzle: /* a random half of all links; each opens by itself */
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < n; k++)
                if (i != k && below(world, 2))
                    fault->clog[i] |= (uint8_t)(1u << k);
        break;
    default:
        sim_network_narrow(world->network, a, b, 20000 + below(world, 200000));
        sim_network_narrow(world->network, b, a, 20000 + below(world, 200000));
    }
    fault_links(world, fault, true);
}

static void begin_node(struct sim_world *world, struct sim_fault *fault)
{
    struct sim_node *node = &world->nodes[fault->node];

    switch (fault->kind) {
    case SIM_FAULT_pause: node->paused_ns = fault->until_ns; break;
    case SIM_FAULT_pause_role:
        node->held_roles = 1u << below(world, 8);
        node->held_ns = fault->until_ns;
        break;
    case SIM_FAULT_slow: node->slow_ns = fault->until_ns; break;
    case SIM_FAULT_wall_step: /* an hour, or now and then years */
        node->wall_step_ms += below(world, 4) ? (int64_t)below(world, 7200000) - 3600000
                                              : 86400000ll * ((int64_t)below(world, 7300) - 3650);
        break;
    case SIM_FAULT_wall_frozen:
        node->frozen_ns = world->now_ns;
        node->frozen_until_ns = fault->until_ns;
        break;
    case SIM_FAULT_overflow: node->overflow = 1 + below(world, 300); break;
    case SIM_FAULT_version_skew: node->skewed = true; break;
    case SIM_FAULT_clients_cut: node->clients_cut++; break;
    case SIM_FAULT_disk_slow: sim_disk_latency(node->disk, 50000000, 100000000); break;
    case SIM_FAULT_disk_hang: sim_disk_hang(node->disk, fault->until_ns); break;
    case SIM_FAULT_disk_full: /* what is there fits, and hardly a segment more */
        if (!sim_atlas_doom(world, node->index))
            break; /* what does not fit cannot be written when it stops */
        sim_disk_capacity(node->disk, sim_disk_used(node->disk) + below(world, SIM_DISK_SMALL));
        break;
    case SIM_FAULT_write_error:
        if (!sim_atlas_doom(world, node->index))
            break;
        sim_node_trouble(node, below(world, 2) ? SIM_DISK_WRITE : SIM_DISK_SYNC, 1);
        break;
    default: CHECK(!"a node's fault");
    }
}

static void end_node(struct sim_world *world, struct sim_fault *fault)
{
    struct sim_node *node = &world->nodes[fault->node];

    if (fault->kind == SIM_FAULT_clients_cut)
        node->clients_cut--;
    else if (fault->kind == SIM_FAULT_disk_slow)
        sim_disk_latency(node->disk, 20000, 20000 + world->knobs.disk_us * 1000ull);
    else if (fault->kind == SIM_FAULT_version_skew)
        node->skewed = false;
    else if (fault->kind == SIM_FAULT_disk_full)
        sim_disk_capacity(node->disk, SIM_DISK_LARGE);
    sim_node_wake(node);
}

static void fault_lasts(struct sim_world *world, enum sim_fault_kind kind)
{
    uint64_t lasts_ns = kind == SIM_FAULT_pause || kind == SIM_FAULT_pause_role
                            ? span_draw(world, 0.1, 8000)
                        : kind == SIM_FAULT_disk_full ? span_draw(world, 1000, 20000)
                                                      : span_draw(world, 20, 6000);

    struct sim_fault *fault = fault_add(world, kind, lasts_ns);
    if (!fault)
        return;
    fault->node = below(world, 3) ? below(world, world->node_count) : leader_or_any(world);
    if (of_network(kind))
        begin_network(world, fault);
    else
        begin_node(world, fault);
}

static void fault_begin(struct sim_world *world, enum sim_fault_kind kind)
{
    struct sim_faults *faults = &world->faults;
    uint32_t any = below(world, world->node_count);

    faults->counts[kind]++;
    sim_world_say(world, "fault %s, node %u if it matters", sim_fault_name(kind), any + 1);
    switch (kind) {
    case SIM_FAULT_kill: fault_kill(world, any, down_draw(world)); break;
    case SIM_FAULT_kill_leader: fault_kill(world, leader_or_any(world), down_draw(world)); break;
    case SIM_FAULT_crash_loop:
        faults->looping = 1 + below(world, 5);
        faults->loop_node = any;
        fault_kill(world, any, 1000000);
        break;
    case SIM_FAULT_read_error:
        fault_kill(world, any, down_draw(world));
        sim_node_trouble(&world->nodes[any], SIM_DISK_READ, 1 + below(world, 8));
        break;
    case SIM_FAULT_flip:
    case SIM_FAULT_stale:
    case SIM_FAULT_misdirect:
    case SIM_FAULT_copies:
    case SIM_FAULT_snapshot_flip:
    case SIM_FAULT_wipe: fault_damage(world, kind, any); break;
    case SIM_FAULT_mute_leader: fault_mute(world, leader_or_any(world)); break;
    case SIM_FAULT_power_turn: /* where a file gets its name, or anywhere */
        if (!sim_atlas_doom(world, any))
            break;
        if (below(world, 2))
            sim_disk_power(world->nodes[any].disk, 1 + below(world, 40), false);
        else
            sim_disk_power(world->nodes[any].disk, 1 + below(world, 6), true);
        break;
    case SIM_FAULT_rollback: fault_roll_back(world, any); break;
    case SIM_FAULT_blackout: fault_blackout(world); break;
    case SIM_FAULT_kill_storm:
        faults->storm = 3 + below(world, 6);
        faults->storm_ns = world->now_ns;
        break;
    case SIM_FAULT_rolling:
        faults->rolling = world->node_count;
        faults->rolling_ns = world->now_ns;
        break;
    default: fault_lasts(world, kind);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void fault_end(struct sim_world *world, uint32_t which)
{
    struct sim_faults *faults = &world->faults;
    struct sim_fault fault = faults->active[which];

    faults->active[which] = faults->active[--faults->active_count];
    sim_world_say(world, "fault %s ends", sim_fault_name(fault.kind));
    if (!of_network(fault.kind))
        end_node(world, &fault);
    else if (fault.kind == SIM_FAULT_collapse)
        for (uint32_t a = 0; a < world->node_count; a++)
            for (uint32_t b = 0; b < world->node_count; b++)
                sim_network_narrow(world->network, a, b, 0);
    fault_links(world, &fault, false);
}

/* One link of a swizzle opens; the others wait on. */
static void swizzle_open(struct sim_world *world, struct sim_fault *fault)
{
    for (uint32_t tries = 0; tries < 32; tries++) {
        uint32_t from = below(world, world->node_count), to = below(world, world->node_count);
        if (!(fault->clog[from] >> to & 1))
            continue;
        fault->clog[from] &= (uint8_t) ~(1u << to);
        sim_network_clog(world->network, from, to, false, world->now_ns);
        break;
    }
    for (uint32_t i = 0; i < 8; i++)
        if (fault->clog[i])
            fault->until_ns = world->now_ns + span_draw(world, 5, 500);
}

static void faults_rolling(struct sim_world *world)
{
    struct sim_faults *faults = &world->faults;

    while (faults->rolling && faults->rolling_ns <= world->now_ns) {
        fault_kill(world, --faults->rolling, 50 * NS_PER_MS);
        faults->rolling_ns = world->now_ns + span_draw(world, 300, 2000);
    }
}

/* Each time as soon as somebody may lead again, or a little later. */
static void faults_storm(struct sim_world *world)
{
    struct sim_faults *faults = &world->faults;

    while (faults->storm && faults->storm_ns <= world->now_ns) {
        faults->storm--;
        fault_kill(world, leader_or_any(world), span_draw(world, 1, 500));
        faults->storm_ns = world->now_ns + span_draw(world, 20, 800);
    }
}

uint64_t sim_faults_next_ns(const struct sim_world *world)
{
    const struct sim_faults *faults = &world->faults;
    uint64_t next = faults->next_ns;

    for (uint32_t i = 0; i < faults->active_count; i++) {
        const struct sim_fault *fault = &faults->active[i];
        next = fault->until_ns < next ? fault->until_ns : next;
        next = fault->lump_ns && fault->lump_ns < next ? fault->lump_ns : next;
    }
    if (faults->rolling && faults->rolling_ns < next)
        next = faults->rolling_ns;
    if (faults->storm && faults->storm_ns < next)
        next = faults->storm_ns;
    return next;
}

void sim_faults_step(struct sim_world *world)
{
    struct sim_faults *faults = &world->faults;

    for (uint32_t i = 0; i < faults->active_count;) {
        if (faults->active[i].lump_ns && faults->active[i].lump_ns <= world->now_ns)
            fault_lump(world, &faults->active[i]);
        if (faults->active[i].until_ns > world->now_ns) {
            i++;
            continue;
        }
        if (faults->active[i].kind == SIM_FAULT_swizzle)
            swizzle_open(world, &faults->active[i]);
        if (faults->active[i].until_ns <= world->now_ns)
            fault_end(world, i);
    }
    sim_atlas_look(world);
    faults_rolling(world);
    faults_storm(world);
    if (faults->next_ns > world->now_ns)
        return;
    uint64_t at = rand_below(&faults->rand, fault_rates(world) / (world->node_count == 1 ? 8 : 1));
    int kind = 0;
    while (at >= fault_rate(world, (enum sim_fault_kind)kind))
        at -= fault_rate(world, (enum sim_fault_kind)kind++);
    fault_begin(world, (enum sim_fault_kind)kind);
    fault_schedule(world);
}

/* Its last word was this one; it may be back before anybody misses it. */
static void fault_last_word(struct sim_world *world, uint32_t index, const char *what)
{
    struct sim_node *node = &world->nodes[index];

    sim_world_say(world, "node %u loses power: it has just %s", index + 1, what);
    fault_crash(world, node, SIM_DISK_POWER);
    node->start_ns = world->now_ns + span_draw(world, 1, 300);
}

static uint32_t fault_voters(const struct raft_membership *m)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->count; i++)
        count += m->members[i].voter;
    return count;
}

/* A leader that has appended what removes it, and nobody knows yet: it is not heard for long enough
 * to lose its office. */
static void fault_aim_leave(struct sim_world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    const struct raft *raft = &node->node->core.raft;
    const struct raft_membership *last = &raft->configs[raft->config_count - 1];

    if (!world->knobs.aim_leave || raft->state != RAFT_LEADER || raft->config_count < 2 ||
        last->index <= node->left_index || raft_member_is_voter(raft, raft->config.id))
        return;
    node->left_index = last->index;
    if (below(world, 100) >= world->knobs.aim_leave)
        return;
    struct sim_fault *fault =
        fault_add(world, SIM_FAULT_isolate_leader, span_draw(world, 300, 3000));
    if (!fault)
        return;
    sim_world_say(world, "node %u is cut off: it has just removed itself, of %u voters are left %u",
                  index + 1, fault_voters(&raft->configs[raft->config_count - 2]),
                  fault_voters(last));
    cut_group(world, fault, 1u << index, true, true);
    fault_links(world, fault, true);
}

/* A snapshot is coming in: power fails between the operations that put it in place, behind the
 * next rename. */
static void fault_aim_receiving(struct sim_world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    uint64_t receiving = node->node->core.receiving.message.index;

    if (receiving == node->receiving)
        return;
    node->receiving = receiving;
    if (receiving && below(world, 200) < world->knobs.aim_install && sim_atlas_doom(world, index))
        sim_disk_power(node->disk, 1 + below(world, 6), true);
}

/* A restart in the middle of a membership change: before the joint entry is durable, or behind. */
static bool fault_aim_joint(struct sim_world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    const struct raft *raft = &node->node->core.raft;
    const struct raft_membership *last = raft_membership(raft);

    if (!world->knobs.aim_joint || !last->joint || last->index <= node->joint_index ||
        (raft->durable_index < last->index && below(world, 4)))
        return false;
    node->joint_index = last->index;
    if (below(world, 100) >= world->knobs.aim_joint)
        return false;
    fault_last_word(world, index, "come into a joint membership");
    return true;
}

/* A node that lost its disk belongs to the ensemble again, and has not caught up: one more crash,
 * behind which somebody takes it for one that lost its memory. */
static bool fault_aim_lacking(struct sim_world *world, uint32_t index)
{
    struct sim_node *node = &world->nodes[index];
    const struct role_core *core = &node->node->core;

    if (!node->lacks || !node->lacks_ns || !core->hello.identity.formed ||
        !core->hello.identity.catching_up || world->now_ns < node->lacks_ns)
        return false;
    fault_last_word(world, index, "begun to catch up");
    return true;
}

void sim_faults_aim(struct sim_world *world, uint32_t index)
{
    const struct sim_knobs *knobs = &world->knobs;
    uint32_t told = world->nodes[index].told;

    if (world->calm)
        return;
    fault_aim_leave(world, index);
    if (world->knobs.aim_install)
        fault_aim_receiving(world, index);
    if (fault_aim_lacking(world, index) || fault_aim_joint(world, index) || !told)
        return;
    if ((told & SIM_TOLD_ENTRY) && knobs->aim_all && below(world, 10000) < knobs->aim_all) {
        sim_world_say(world, "all lose power: node %u has just applied", index + 1);
        fault_blackout(world);
    } else if ((told & SIM_TOLD_ENTRY) && knobs->aim_mute &&
               below(world, 10000) < knobs->aim_mute && sim_node_leads(&world->nodes[index])) {
        sim_world_say(world, "node %u is mute: it has just committed", index + 1);
        fault_mute(world, index);
    } else if ((told & SIM_TOLD_CUT) && knobs->aim_cut && below(world, 100) < knobs->aim_cut) {
        fault_last_word(world, index, "acknowledged behind a cut");
    } else if ((told & SIM_TOLD_VOTE) && knobs->aim_vote && below(world, 100) < knobs->aim_vote) {
        fault_last_word(world, index, "voted");
    } else if ((told & SIM_TOLD_ACK) && knobs->aim_ack && below(world, 10000) < knobs->aim_ack) {
        fault_last_word(world, index, "acknowledged");
    } else if ((told & SIM_TOLD_ENTRY) && knobs->aim_entry &&
               below(world, 10000) < knobs->aim_entry) {
        fault_last_word(world, index, "applied what nobody else has");
    }
}

bool sim_faults_aim_install(struct sim_world *world, uint32_t index)
{
    if (world->calm || below(world, 100) >= world->knobs.aim_install)
        return false;
    fault_last_word(world, index, "installed a snapshot");
    return true;
}

void sim_faults_stop(struct sim_world *world)
{
    struct sim_faults *faults = &world->faults;

    faults->next_ns = UINT64_MAX;
    faults->rolling = faults->storm = 0;
    faults->looping = 0;
    while (faults->active_count)
        fault_end(world, 0);
    sim_network_heal(world->network, world->now_ns);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct sim_node *node = &world->nodes[i];
        node->paused_ns = node->slow_ns = node->held_ns = 0;
        node->held_roles = 0;
        node->overflow = 0;
        node->frozen_until_ns = 0;
        sim_disk_power(node->disk, 0, false);
        sim_disk_hang(node->disk, 0);
        for (int call = 0; call < SIM_DISK_CALLS; call++)
            sim_disk_fail(node->disk, (enum sim_disk_call)call, 0);
        if (!node->node && node->start_ns > world->now_ns + NS_PER_S)
            node->start_ns = world->now_ns + NS_PER_S;
        sim_node_wake(node);
    }
}
