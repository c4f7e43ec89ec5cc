#include "tests/sim/sim_atlas.h"

#include "tests/sim/sim_world.h"
#include "tools/taktd/node_parts.h"

void sim_atlas_init(struct sim_world *world)
{
    for (uint32_t i = 0; world->node_count > 1 && i < world->node_count; i++)
        world->atlas.nodes[i].damaged = true;
}

bool sim_atlas_may_damage(struct sim_world *world, uint32_t node)
{
    sim_atlas_look(world);
    uint32_t damaged = world->atlas.nodes[node].damaged ? 0 : 1;

    if (world->node_count == 1 || world->knobs.reconfig) /* whose copies count changes then */
        return false;
    if (node >= world->voter_count) /* an observer's copy counts for nothing */
        return true;
    for (uint32_t i = 0; i < world->voter_count; i++)
        damaged += world->atlas.nodes[i].damaged;
    bool may = damaged <= (world->voter_count - 1) / 2;
    world->atlas.refused += !may;
    return may;
}

bool sim_atlas_may_roll_back(struct sim_world *world, uint32_t node, uint64_t image_term)
{
    if (!sim_atlas_may_damage(world, node) || sim_node_term(&world->nodes[node]) != image_term)
        return false;
    for (uint32_t i = 0; i < world->voter_count; i++)
        if (i != node && sim_node_applied(&world->nodes[i]) < world->log.count)
            return false;
    return true;
}

bool sim_atlas_forgets(const struct sim_world *world)
{
    return world->knobs.memory && world->node_count > 1;
}

bool sim_atlas_doom(struct sim_world *world, uint32_t node)
{
    if (!sim_atlas_forgets(world))
        return true;
    if (!sim_atlas_may_damage(world, node))
        return false;
    world->atlas.nodes[node].damaged = true;
    world->atlas.nodes[node].needs = UINT64_MAX;
    return true;
}

/* A node with a full disk, which acknowledges from memory, cannot write that when it is stopped. */
static bool atlas_doomed(const struct sim_world *world, uint32_t node)
{
    const struct sim_faults *faults = &world->faults;
    bool full = false;

    for (uint32_t i = 0; i < faults->active_count; i++)
        full |= faults->active[i].kind == SIM_FAULT_disk_full && faults->active[i].node == node;
    return full && sim_atlas_forgets(world);
}

void sim_atlas_damaged(struct sim_world *world, uint32_t node)
{
    world->atlas.nodes[node].damaged = true;
    world->atlas.nodes[node].needs = atlas_doomed(world, node) ? UINT64_MAX : world->log.count;
    world->atlas.damages++;
}

void sim_atlas_look(struct sim_world *world)
{
    for (uint32_t i = 0; world->node_count > 1 && i < world->node_count; i++) {
        const struct sim_node *node = &world->nodes[i];
        if (node->node && !node->observer && (node->ahead || !node->node->core.raft.config.voting))
            world->atlas.nodes[i].damaged = true;
        if (world->atlas.nodes[i].damaged && node->node && !node->ahead &&
            sim_node_applied(node) >= world->atlas.nodes[i].needs &&
            (node->observer || node->node->core.raft.config.voting))
            world->atlas.nodes[i].damaged = false;
    }
}
