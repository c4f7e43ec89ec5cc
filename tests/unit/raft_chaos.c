/* What a hostile run of raft_cluster does to its nodes, and what a healed one must then do. */
#include "tests/unit/raft_cluster.h"

#include <string.h>

#define MS 1000000ull

/* ---- a hostile run --------------------------------------------------------------------------- */

static uint32_t chaos_rate(struct cluster *c, uint32_t most)
{
    return cluster_random(c, 3) ? (uint32_t)cluster_random(c, most + 1) : 0;
}

static void chaos_draw(struct cluster *c)
{
    c->faults = (struct cluster_faults){.drop = chaos_rate(c, 150),
                                        .repeat = chaos_rate(c, 100),
                                        .late = chaos_rate(c, 300),
                                        .late_ms_max = 1 + (uint32_t)cluster_random(c, 120),
                                        .disk_ms_max = chaos_rate(c, 15),
                                        .disk_late = chaos_rate(c, 100),
                                        .crash = chaos_rate(c, 60),
                                        .partition = chaos_rate(c, 60),
                                        .pause = chaos_rate(c, 30),
                                        .transfer = chaos_rate(c, 40),
                                        .change = chaos_rate(c, 60),
                                        .compact = chaos_rate(c, 100),
                                        .unreachable = chaos_rate(c, 50)};
    if (cluster_random(c, 3) == 0) { /* a storm: leaders come and go, the disk drags */
        c->faults.disk_ms_max = (uint32_t)cluster_random(c, 30);
        c->faults.disk_late = (uint32_t)cluster_random(c, 400);
        c->faults.crash = 50 + (uint32_t)cluster_random(c, 250);
        c->faults.partition = 50 + (uint32_t)cluster_random(c, 150);
        c->faults.change = c->faults.transfer = 0;
    }
    c->config.inflight_max = 1 + (uint32_t)cluster_random(c, 8);
    c->write_rate = 20 + (uint32_t)cluster_random(c, 200);
    c->bulk_ms = cluster_random(c, 2) ? (uint32_t)cluster_random(c, 4) : 0;
    for (uint32_t i = 0; i < c->node_count; i++)
        c->nodes[i].skew_ns = cluster_random(c, 1000) * MS;
}

static uint8_t chaos_node(struct cluster *c)
{
    return (uint8_t)(1 + cluster_random(c, c->node_count));
}

static void chaos_partition(struct cluster *c)
{
    uint32_t kind = (uint32_t)cluster_random(c, 4), side = (uint32_t)cluster_random(c, 256);

    memset(c->cut, 0, sizeof(c->cut));
    c->heal_at = c->now_ns + (50 + cluster_random(c, 500)) * MS;
    if (kind == 0)
        cluster_isolate(c, chaos_node(c), true);
    else if (kind == 1 && cluster_leader(c))
        cluster_isolate(c, cluster_leader(c), true);
    for (uint8_t a = 1; a <= c->node_count && kind >= 2; a++)
        for (uint8_t b = 1; b <= c->node_count; b++)
            if (kind == 2 ? (side >> a & 1) != (side >> b & 1) : cluster_random(c, 4) == 0)
                cluster_cut(c, a, b, true);
}

static void chaos_change(struct cluster *c)
{
    uint8_t leader = cluster_leader(c);
    uint32_t voters = 0, learners = 0;

    for (uint8_t i = 1; i <= c->node_count; i++) {
        uint32_t what = (uint32_t)cluster_random(c, 4);
        voters |= (what >= 2 ? 1u : 0) << i;
        learners |= (what == 1 ? 1u : 0) << i;
    }
    if (leader && voters)
        cluster_change(c, leader, voters, learners);
}

static void chaos_act(struct cluster *c)
{
    const struct cluster_faults *f = &c->faults;
    uint8_t id = chaos_node(c), leader = cluster_leader(c);

    if (c->heal_at && c->now_ns >= c->heal_at) {
        memset(c->cut, 0, sizeof(c->cut));
        c->heal_at = 0;
    }
    if (cluster_chance(c, f->partition, 10000))
        chaos_partition(c);
    if (cluster_chance(c, f->crash, 10000))
        cluster_crash(c, leader && cluster_random(c, 3) == 0 ? leader : id,
                      (uint32_t)cluster_random(c, cluster_random(c, 2) ? 300 : 20));
    if (cluster_chance(c, f->pause, 10000))
        c->nodes[id - 1].paused_until = c->now_ns + cluster_random(c, 400) * MS;
    if (cluster_chance(c, f->change, 10000))
        chaos_change(c);
    if (leader && cluster_chance(c, f->transfer, 10000))
        cluster_input(c, leader, &(struct raft_input){.kind = RAFT_INPUT_TRANSFER, .member = id});
    if (leader && cluster_chance(c, f->unreachable, 10000))
        cluster_input(c, leader,
                      &(struct raft_input){.kind = RAFT_INPUT_UNREACHABLE, .member = id});
    if (cluster_chance(c, f->compact, 10000) && c->nodes[id - 1].up && c->nodes[id - 1].applied)
        cluster_compact(c, id, 1 + cluster_random(c, c->nodes[id - 1].applied));
    if (cluster_chance(c, 20, 1000) && c->nodes[id - 1].paused_until <= c->now_ns)
        cluster_read(c, id);
}

/* ---- healed: one leader, everything committed everywhere, nobody disturbs -------------------- */

static bool calm_converged(struct cluster *c, uint64_t index)
{
    uint8_t leader = cluster_leader(c);

    if (!leader)
        return false;
    const struct raft *raft = &c->nodes[leader - 1].raft;
    if (raft_membership(raft)->joint || raft->commit_index < index ||
        raft->commit_index != raft->last_index)
        return false;
    for (uint32_t i = 0; i < raft_membership(raft)->count; i++) {
        const struct raft *other = &c->nodes[raft_membership(raft)->members[i].id - 1].raft;
        if (other->commit_index != raft->commit_index || other->leader != leader)
            return false;
    }
    return true;
}

static void calm_heal(struct cluster *c)
{
    c->faults = (struct cluster_faults){.disk_ms_max = 1};
    memset(c->cut, 0, sizeof(c->cut));
    c->write_rate = 0;
    for (uint32_t i = 0; i < c->node_count; i++) {
        c->nodes[i].up_at = c->now_ns;
        c->nodes[i].paused_until = 0;
    }
}

static bool calm_seed(struct cluster *c)
{
    calm_heal(c);
    for (uint32_t ms = 0; !calm_converged(c, c->committed_count); ms++) {
        if (ms == 3000)
            cluster_fail(c, "no agreement 3 s after everything was healed");
        if (!cluster_step(c))
            return false;
    }
    uint8_t leader = cluster_leader(c);
    uint64_t term = c->nodes[leader - 1].raft.term, before = c->committed_count;
    if (!cluster_run(c, 100) || !raft_may_propose(&c->nodes[leader - 1].raft))
        cluster_run(c, 200); /* a transfer may be on its way still */
    leader = cluster_leader(c);
    term = leader ? c->nodes[leader - 1].raft.term : 0;
    if (!c->failed && (!leader || !cluster_propose(c, leader, -1)))
        cluster_fail(c, "nobody takes a write after everything was healed");
    cluster_run(c, 500);
    if (!c->failed && (cluster_leader(c) != leader || c->nodes[leader - 1].raft.term != term))
        cluster_fail(c, "leader %u of term %llu was disturbed for nothing", leader,
                     (unsigned long long)term);
    if (!c->failed && !calm_converged(c, before + 1))
        cluster_fail(c, "a write is not committed everywhere 500 ms after it was made");
    return !c->failed;
}

bool cluster_seed(struct cluster *c, uint64_t seed)
{
    static const uint8_t shapes[][3] = {{3, 3, 0}, {5, 5, 0}, {5, 3, 2}, {5, 3, 0}, {7, 5, 1}};
    const uint8_t *shape = shapes[seed % 5];

    cluster_init(c, seed * 0x2545f4914f6cdd1dull + 1, shape[0], shape[1], shape[2]);
    c->seed = seed;
    chaos_draw(c);
    for (uint32_t ms = 0; ms < 1500; ms++) {
        chaos_act(c);
        if (!cluster_step(c))
            return false;
        if (ms % 64 == 0)
            cluster_check_logs(c);
    }
    return calm_seed(c);
}
