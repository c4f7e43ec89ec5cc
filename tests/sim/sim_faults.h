/* sim_faults: what goes wrong, when, and for how long. One exponential clock, whose rate is the sum
 * of all fault knobs, says when; the knobs' shares say what; each fault draws its victims and, if
 * it lasts, its end. A fault the atlas does not allow is skipped.
 *
 *   next_ns ──▶ draw kind ──▶ begin ──▶ active (until_ns) ──▶ end, which takes back what begin did
 */
#pragma once

#include "tests/sim/sim_knobs.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_world;

enum sim_fault_kind {
#define SIM_FAULT_KIND(name, chance, least, greatest, what) SIM_FAULT_##name,
    SIM_KNOBS_FAULT(SIM_FAULT_KIND)
#undef SIM_FAULT_KIND
        SIM_FAULT_COUNT
};

#define SIM_FAULTS_ACTIVE_MAX 64

struct sim_fault {
    enum sim_fault_kind kind;
    uint64_t until_ns;
    uint32_t node;
    uint8_t cut[8];   /* from node i: a set of nodes it cannot send to */
    uint8_t clog[8];  /* the same, of clogged links */
    uint64_t lump_ns; /* what clogged links hold is let through then; 0: at the end only */
};

struct sim_faults {
    struct rand rand;
    uint64_t next_ns;
    struct sim_fault active[SIM_FAULTS_ACTIVE_MAX];
    uint32_t active_count;
    uint64_t counts[SIM_FAULT_COUNT];
    uint32_t rolling; /* nodes still to be restarted by a rolling restart */
    uint64_t rolling_ns;
    uint32_t chased;    /* reads are aimed at this node ... */
    uint64_t chased_ns; /* ... until then */
    uint32_t storm;     /* leaders still to be killed by a storm; the next one at storm_ns */
    uint64_t storm_ns;
    uint32_t looping; /* starts of a crash loop still to fail */
    uint32_t loop_node;
};

void sim_faults_init(struct sim_world *world);

/* sim_faults_next_ns is when something begins or ends; UINT64_MAX: never. */
uint64_t sim_faults_next_ns(const struct sim_world *world);

/* sim_faults_step begins and ends what is due. */
void sim_faults_step(struct sim_world *world);

/* sim_faults_aim: the node has just told somebody something, in this turn (enum sim_told); now and
 * then that is its last word, or everybody's. */
void sim_faults_aim(struct sim_world *world, uint32_t node);

/* sim_faults_aim_install: the node has just put a snapshot in place of its log. True: it lost power
 * right then. */
bool sim_faults_aim_install(struct sim_world *world, uint32_t node);

/* sim_faults_stop ends everything and mends what can be mended. */
void sim_faults_stop(struct sim_world *world);

const char *sim_fault_name(enum sim_fault_kind kind);
