/* sim_atlas: which faults may hit which node now, so that one good copy of what is committed, and a
 * quorum that remembers its promises, is left. Faults that lose nothing (kills, pauses, cuts) may
 * hit anybody at any time; those that take something from a disk may hit a minority of the voters,
 * and a voter counts until it has everything again that was committed when it was hit. A voter that
 * has not joined yet counts too: its empty disk may be one that was lost, so it has no vote either.
 *
 *   begins ─▶ damaged ─ up, votes, applied all that was committed when it was hit ─▶ whole
 *                ▲                                                                     │
 *                └──────────────────────── damage ◀────────────────────────────────────┘ */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sim_world;
struct sim_node;

struct sim_atlas {
    struct {
        bool damaged;
        uint64_t needs; /* whole again with so many entries applied */
    } nodes[8];
    uint64_t damages, refused;
};

/* sim_atlas_init: all begin with empty disks. */
void sim_atlas_init(struct sim_world *world);

/* sim_atlas_may_damage: may something on this node's disk be lost now? */
bool sim_atlas_may_damage(struct sim_world *world, uint32_t node);

/* sim_atlas_may_roll_back: would the node's disk image of before forget nothing that it promised:
 * no vote, and no entry that not every other voter has applied? */
bool sim_atlas_may_roll_back(struct sim_world *world, uint32_t node, uint64_t image_term);

/* sim_atlas_damaged notes that it was. */
void sim_atlas_damaged(struct sim_world *world, uint32_t node);

/* durability.mode memory: a crash takes what a node acknowledged, so it is damage like any other.
 * sim_atlas_doom asks whether the node may crash at a time that nobody knows yet, and notes that it
 * will: it counts as damaged until it has (sim_atlas_damaged). Else, true. */
bool sim_atlas_doom(struct sim_world *world, uint32_t node);
bool sim_atlas_forgets(const struct sim_world *world); /* is that the mode */

/* sim_atlas_look finds out who is whole again, and who has given its vote up by itself. Cheap;
 * before each fault. */
void sim_atlas_look(struct sim_world *world);
