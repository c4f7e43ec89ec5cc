/* sim_beat: a controller of the simulated ensemble: the real libtakt over a simulated network and a
 * clock of its own. It contends for a lock, writes, reads and watches, now and then stands still,
 * and checks what it is told (check_beat, check_lease).
 *
 *   sim_beat ── takt_poll ── transport ──▶ sim_network of its own ──▶ nodes' ports of beat
 *      ▲                                      │ nodes 0 .. n-1, controllers behind them
 *      └── answers, events, the deadline ◀────┘
 *
 * The network is another one than the peers', with the same knobs, so that a seed without
 * controllers does what it did before. */
#pragma once

#include "base/clock.h"
#include "base/rand.h"
#include "tests/sim/check_beat.h"
#include "tests/sim/check_late.h"

#define SIM_BEAT_MAX     5 /* and nodes: not above SIM_NETWORK_NODES_MAX */
#define SIM_BEAT_KEYS    3
#define SIM_BEAT_QUEUE   64u
#define SIM_BEAT_PENDING 16u
#define SIM_BEAT_SIZE    1600u
/* An ephemeral that nobody but its holder deletes. */
#define SIM_BEAT_LOCK_PATH "/beat/lock"

struct sim_world;

enum sim_beat_op {
    SIM_BEAT_NONE,
    SIM_BEAT_CREATE,
    SIM_BEAT_SET,
    SIM_BEAT_DELETE,
    SIM_BEAT_SEQUENTIAL,
    SIM_BEAT_GET,
    SIM_BEAT_LOCK,
    SIM_BEAT_UNLOCK,
    SIM_BEAT_ROOT,
};

struct sim_beat_request {
    int64_t ticket; /* 0: free */
    enum sim_beat_op op;
    uint32_t key;
    bool watch;
    int64_t floor;        /* of check_order, when it was asked */
    uint64_t deadline_ns; /* in true time; 0: none */
    struct check_late late;
};

struct sim_beat {
    uint32_t id;
    struct sim_world *world;
    struct rand rand;
    struct takt_client *client;
    int64_t offset_ns; /* its clock: (true + offset) * (1 + drift) */
    int32_t drift_ppm;
    uint64_t next_ns, act_ns; /* of its next poll; of its next request */
    uint64_t still_ns;        /* it stands still until then */
    int64_t ticket_base, ticket_last;
    bool holds;        /* its ephemeral is the lock, in this session */
    uint64_t attaches; /* whose watches these are */
    struct check_beat_watch watches[SIM_BEAT_KEYS];
    int64_t event_zxid, seen_zxid;
    struct sim_beat_request pending[SIM_BEAT_PENDING];
    uint32_t pending_count;
    struct sim_beat_datagram {
        uint32_t node, size;
        uint8_t bytes[SIM_BEAT_SIZE];
    } in[SIM_BEAT_QUEUE];
    uint32_t in_first, in_count;
    uint64_t answers, events, expired, leases, late;
    uint64_t digest; /* of every answer and event */
};

void sim_beat_init(struct sim_beat *beat, uint32_t id, struct sim_world *world);
void sim_beat_fini(struct sim_beat *beat);

/* sim_beat_step polls, and may ask for something. */
void sim_beat_step(struct sim_beat *beat);

/* sim_beat_arrives: a datagram of this controller's comes to a node, whose clock shows mono_ns. */
void sim_beat_arrives(struct sim_beat *beat, const uint8_t *bytes, uint32_t size, uint64_t mono_ns);

/* sim_beat_datagram: the network brings it one of a node's. */
void sim_beat_datagram(struct sim_beat *beat, uint32_t node, const uint8_t *bytes, uint32_t size);

/* Its session lives, and nothing is owed to it. */
bool sim_beat_settled(const struct sim_beat *beat);

/* The address of a controller, and the one of beat of a node. */
struct address sim_beat_address(uint32_t id);
struct address sim_beat_node_address(uint32_t index);
