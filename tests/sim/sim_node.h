/* sim_node: one node of the simulated ensemble: a whole takt node on a disk, a port and a clock of
 * its own, that can be started, killed, stopped for a while, slowed down and sent back in time.
 *
 *            start                     pause          its clock:  mono = (true + offset) * (1 +
 * drift) DOWN ──────────▶ UP ◀─────────────────────▶ (paused)          wall = true + step ▲   kill,
 * its own failure │ └─────────────────────────┘ */
#pragma once

#include "base/rand.h"
#include "dataplane/port/datagram_sim.h"
#include "dataplane/port/port_sim.h"
#include "tests/sim/check_durable.h"
#include "tests/sim/check_log.h"
#include "tests/sim/check_promise.h"
#include "tests/sim/check_read.h"
#include "tests/sim/check_stale.h"
#include "tests/sim/sim_disk.h"
#include "tools/taktd/node.h"

#define SIM_DISK_LARGE (1ull << 30)
#define SIM_DISK_SMALL (1200u << 10) /* a segment and a little */
#define SIM_WALL_MS    1700000000000ll

struct sim_world;

/* What a node told in its last turn. */
enum sim_told {
    SIM_TOLD_VOTE = 1,  /* a vote, to a candidate */
    SIM_TOLD_ACK = 2,   /* to a leader, that it holds entries */
    SIM_TOLD_ENTRY = 4, /* an entry applied, and so perhaps a client, first of all nodes */
    SIM_TOLD_CUT = 8,   /* with ACK: a write of entries that were cut has just ended, or goes on */
};

struct sim_node {
    struct sim_world *world;
    uint32_t index; /* the node's id is index + 1 */
    bool observer;
    struct config config;
    struct rand rand;              /* what the node is given as random bits */
    struct sim_disk *disk, *image; /* image: an older copy of the whole disk, or NULL */
    struct sim_disk *whole;        /* before its log was damaged, until the next start; or NULL */
    uint64_t held_index;           /* its log reached to there, durably, when it last went down */
    bool copy_hit;                 /* a copy of its superblock was damaged since its last start */
    struct disk_io io;             /* the process's: dead after a crash */
    struct port *port;
    struct datagram_port *datagrams; /* NULL: the node has no peers */
    struct datagram_port *beat_port; /* NULL: the run has no controllers */
    struct node *node;               /* NULL: down */

    int64_t mono_offset_ns, wall_step_ms;
    uint64_t frozen_ns, frozen_until_ns; /* its wall clock stands still between these true times */
    int32_t drift_ppm;

    uint64_t wake_ns;    /* true time of the next turn; UINT64_MAX: down */
    uint64_t turned_ns;  /* of the last turn */
    uint64_t paused_ns;  /* stands still until then */
    uint64_t slow_ns;    /* at a tenth until then */
    uint64_t start_ns;   /* while down: when it comes back; UINT64_MAX: not by itself */
    uint32_t held_roles; /* mask of roles that stand still until held_ns */
    uint64_t held_ns;
    uint32_t clients_cut; /* > 0: no client reaches it */

    uint32_t overflow; /* so many datagrams more find its receive ring full */
    bool skewed;       /* it says that it speaks another wire version */

    bool damaged_late; /* all damage since `whole` was in what was written last */
    bool troubled;     /* since its last start its disk was told to fail */

    struct check_log_place place; /* how far its log was compared */
    struct check_promise promise;
    struct check_read reads;
    struct check_stale stale;
    uint64_t receiving;   /* index of the snapshot that comes in; 0: none */
    uint64_t left_index;  /* of the last membership without itself that it appended as a leader */
    uint64_t joint_index; /* the last joint membership that was seen in force here */
    bool honest, voted;   /* its disk lost nothing by a fault; it was a voter with a vote */
    bool dark;            /* power failed in the middle of its start */
    bool ahead;           /* it shows a history that was given up (sim_recover) */
    bool again;           /* its next start is one in the same process */
    bool lacks;           /* its disk was wiped or damaged, and it has not caught up since */
    uint64_t lacks_ns;    /* while lacks: if not caught up by then, it loses power */
    bool cut, cut_before; /* entries are being written that were cut; before this turn */
    uint64_t led_term;    /* the highest that it led */
    uint64_t judged_term; /* the last that it led when check_lost looked */
    uint32_t told;        /* enum sim_told, of this turn */
    uint64_t up_since_ns, crashes, starts, turns;
    uint64_t image_term; /* the node's when the image was taken */
};

void sim_node_init(struct sim_node *node, struct sim_world *world, uint32_t index);
void sim_node_fini(struct sim_node *node);

/* sim_node_start starts the process. Returns 0, or why it does not come up (the fault says it);
 * then it is down and may be started again. */
MUST_USE int sim_node_start(struct sim_node *node, struct fault *fault);

/* sim_node_crash ends the process; what it had in flight happens or not. The node stays down until
 * it is started. */
void sim_node_crash(struct sim_node *node, enum sim_disk_crash how);

/* sim_node_stop ends the process in good order. */
void sim_node_stop(struct sim_node *node);

/* sim_node_turn runs each role once and sends what came of it. Returns 0, or the error with which
 * the node stopped by itself. */
MUST_USE int sim_node_turn(struct sim_node *node, struct fault *fault);

/* sim_node_wake: something arrived. */
void sim_node_wake(struct sim_node *node);

/* sim_node_next_ns is the true time of its next turn or start. */
uint64_t sim_node_next_ns(const struct sim_node *node);

/* sim_node_datagram hands it what the network brought from node `from`. */
void sim_node_datagram(struct sim_node *node, uint32_t from, const uint8_t *bytes, uint32_t size);

/* sim_node_beat hands it what came from controller `from`. */
void sim_node_beat(struct sim_node *node, uint32_t from, const uint8_t *bytes, uint32_t size);

/* sim_node_keep_whole: the node is down, and its log is about to be damaged. Damage to the last
 * batch looks like a write that was torn (wal_scan.h): the next start takes it back if the node did
 * not notice that it lost what it held, for a node that votes on is more than one good copy may
 * bear. */
void sim_node_keep_whole(struct sim_node *node, uint64_t seed);

/* sim_node_trouble lets the nth such call of its disk fail; that the node then stops, or does not
 * come up, is right. */
void sim_node_trouble(struct sim_node *node, enum sim_disk_call call, uint32_t nth);

bool sim_node_leads(const struct sim_node *node);
uint64_t sim_node_applied(const struct sim_node *node); /* log index; 0 when down */
uint64_t sim_node_term(const struct sim_node *node);
struct address sim_node_address(uint32_t index);

/* sim_node_now: its clock. sim_node_true_ns: the true time at which that shows mono_ns, or up to
 * 1 us (and what a double rounds) later; UINT64_MAX stays. */
struct now sim_node_now(const struct sim_node *node);
uint64_t sim_node_true_ns(const struct sim_node *node, uint64_t mono_ns);
