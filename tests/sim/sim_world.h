/* sim_world: several whole takt nodes, their clients, the network between them, their disks and
 * clocks, all in one thread from one seed. Time is simulated: the world jumps from one thing that
 * is due to the next, so a quiet second costs nothing.
 *
 *   seed ─▶ knobs ─▶ sim_faults ─▶ kill, pause, cut, flip ...        sim_atlas: is that allowed
 * now? │ clients ◀─ port_sim ─▶ node 1 ◀─┐ clients ◀─ port_sim ─▶ node 2 ◀─┼─ sim_network each on a
 * sim_disk, with its own clock clients ◀─ port_sim ─▶ node 3 ◀─┘ │                    │ env.tap ▼ ▼
 *        sim_reply, sim_watch   check_log, check_once ─▶ sim_log ─▶ model
 *        check_linear ...       check_hash
 *
 * A run has three parts: with faults (run_ms of the knobs); calm, where everything is mended and
 * everybody must be answered and every node must come to the same state within a bound; the end,
 * where histories are judged. */
#pragma once

#include "tests/sim/check_calm.h"
#include "tests/sim/check_hash.h"
#include "tests/sim/check_leader.h"
#include "tests/sim/check_lease.h"
#include "tests/sim/check_lost.h"
#include "tests/sim/check_member.h"
#include "tests/sim/check_order.h"
#include "tests/sim/check_registers.h"
#include "tests/sim/check_session.h"
#include "tests/sim/sim_atlas.h"
#include "tests/sim/sim_beat.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_faults.h"
#include "tests/sim/sim_knobs.h"
#include "tests/sim/sim_log.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/sim_recover.h"

#define SIM_NODES_MAX     SIM_NETWORK_NODES_MAX
#define SIM_CLIENTS_MAX   8
#define SIM_SESSIONS_MAX  4096
#define SIM_CALM_NS       (60 * NS_PER_S) /* mended, everybody is answered within so long */
#define SIM_LINGER_NS     (1 * NS_PER_S)  /* then nothing happens for so long */
#define SIM_EVENTS_MAX_MS 4000            /* things that may happen in one simulated millisecond */

struct sim_world {
    uint64_t seed;
    struct rand rand;
    struct sim_knobs knobs;
    uint32_t voter_count, node_count;
    uint64_t now_ns;
    bool calm;
    uint64_t calm_ns;      /* since when nothing is done to it */
    uint64_t commit_index; /* the highest of any node ever */
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_client clients[SIM_CLIENTS_MAX];
    struct sim_beat beats[SIM_BEAT_MAX];
    uint32_t beat_count;
    struct sim_network *network, *beat_network; /* beat_network: NULL without controllers */
    struct sim_log log;
    struct sim_faults faults;
    struct sim_atlas atlas;
    struct sim_recover recover;
    struct check_hash hash;
    struct check_order order;
    struct check_registers registers;
    struct check_leader leaders;
    struct check_session sessions;
    struct check_member members;
    struct check_beat beats_done;
    struct check_lease leases;
    bool trace; /* one line for everything that happens */
    /* what it came to */
    uint64_t reconfigs; /* requests that were told the new membership */
    uint64_t events, recovered_entries, from_snapshot, ring_full, stopped, installed;
    uint32_t leader; /* index of the last one; UINT32_MAX: none yet */
};

/* What a run came to. */
struct sim_result {
    uint64_t digest; /* of every byte that every client got */
    uint64_t simulated_ns, entries, replies, crashes;
};

/* sim_world_run runs a seed with `voters` voters and `observers` more nodes. overrides: knobs as
 * "name=value", NULL-terminated, or NULL. Prints what is wrong and aborts. verbose: prints the
 * knobs, and what it came to. */
struct sim_result sim_world_run(uint64_t seed, uint32_t voters, uint32_t observers,
                                char *const *overrides, bool verbose, bool trace);

/* sim_world_wrong prints the state of every node and the sentence, and aborts. */
_Noreturn void sim_world_wrong(struct sim_world *world, const char *format, ...);

/* sim_world_say prints one line of a trace, if it is wanted. */
void sim_world_say(struct sim_world *world, const char *format, ...);

/* sim_world_port is what a client of the node's talks to: NULL when it is down or not reached. */
struct port *sim_world_port(struct sim_world *world, uint32_t node);
bool sim_world_reached(const struct sim_world *world, uint32_t node);

/* sim_world_member: does the node belong to the ensemble, as of the last change? */
bool sim_world_member(const struct sim_world *world, uint32_t index);

/* sim_world_leader is the leader of the highest term that is up; NULL: nobody leads. */
struct sim_node *sim_world_leader(struct sim_world *world);
