/* sim_recover: the operator's way out when a majority has lost its memory (durability.mode memory).
 * The disks of a majority hang for a moment, everybody loses power, and the majority is started
 * with --recover-from-disk: at once, or when all have been started without it, some with
 * durability.mode disk, and nobody could lead. The others come later, with it or without: they may
 * be AHEAD, and hold a history that was given up meanwhile. A minority may be without its disks at
 * that time; the flag does nothing there, so all others are given it.
 *
 *   old    1 ... kept │ kept+1 ... count          what clients were told of
 *                     └ kept+1' ... ─────────▶    the first entry that a node applies in a new
 *                                                 term, or that differs, decides: from here on
 *
 * Then the world begins anew at `kept`: log, model and checkers are fed again up to there, clients
 * are new ones. A node that shows what was given up is `ahead`: it may not lead, and not tell a
 * leader of anything behind `kept` that this one counts, until it has begun again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sim_world;
struct sim_node;
struct entry;

enum sim_recover_state {
    SIM_RECOVER_OFF = 0,
    SIM_RECOVER_DUE,   /* at at_ns the disks hang */
    SIM_RECOVER_HANG,  /* at at_ns everybody loses power */
    SIM_RECOVER_STALL, /* nobody has a vote; at at_ns the operator has read why */
    SIM_RECOVER_WAIT,  /* for who decides */
    SIM_RECOVER_DONE,
};

struct sim_recover {
    enum sim_recover_state state;
    uint64_t at_ns;
    uint32_t majority; /* a set of nodes: who is started first */
    uint64_t term_max; /* led by any node before the power failed */
    uint64_t kept, count;
    uint64_t forgot; /* nodes that put their log aside */
    uint64_t *terms; /* of the entries [kept + 1, count] that were given up */
};

void sim_recover_init(struct sim_world *world);
void sim_recover_fini(struct sim_world *world);

/* sim_recover_next_ns is when the next step is due; UINT64_MAX: none. */
uint64_t sim_recover_next_ns(const struct sim_world *world);
void sim_recover_step(struct sim_world *world);

/* sim_recover_shown: the node shows that entry. True: it was given up, and is not to be looked at
 * further. */
bool sim_recover_shown(struct sim_world *world, struct sim_node *node, const struct entry *entry);

/* sim_recover_again: the node is about to start again by itself. Only one of a history that was
 * given up puts its log aside. */
void sim_recover_again(struct sim_world *world, struct sim_node *node);

/* sim_recover_started: the node is up. */
void sim_recover_started(struct sim_world *world, struct sim_node *node);
