/* sim_client: a ZooKeeper client on the simulated port: draws what it does from the run's seed,
 * speaks the wire protocol in whatever pieces, and checks every byte that comes back against the
 * committed history. */
#pragma once

#include "base/rand.h"
#include "dataplane/port/port_sim.h"
#include "tests/sim/sim_log.h"
#include "tests/sim/sim_watch.h"

#define SIM_PENDING_MAX 16
#define SIM_PATH_SIZE   128

/* What a run may do. Drawn from the seed, so that each seed is a swarm member of its own. */
struct sim_knobs {
    uint32_t client_count;
    uint32_t cut_per_mille;     /* a live connection is reset, per step of a client */
    uint32_t silent_per_mille;  /* a client says nothing for a while */
    uint32_t crash_per_mille;   /* the node's process dies, per step of the world */
    uint32_t power_percent;     /* of those crashes: the power goes, and unsynced sectors with it */
    uint32_t leap_per_mille;    /* time jumps by up to 300 ms, per step of the world */
    uint32_t split_percent;     /* of sends: only some bytes go now */
    uint32_t slow_percent;      /* of steps: the client does not receive */
    uint32_t snapshot_entries;  /* a snapshot after so many */
    bool small_disk;            /* the disk fills up, and has room again later */
};

enum sim_client_state { SIM_DOWN, SIM_GREETING, SIM_LIVE };

struct sim_request {
    int32_t xid, op;
    char path[SIM_PATH_SIZE];
    bool watch;
    bool write; /* ordered in the log */
    int32_t mode; /* addWatch */
};

struct sim_client {
    uint32_t id;
    const struct sim_log *log;
    const struct sim_knobs *knobs;
    struct rand *rand;
    struct port_sim_peer *peer;
    struct port_sim_peer **graves; /* peers done with; freed when their port is gone */
    uint32_t grave_count, grave_room;
    enum sim_client_state state;
    int64_t session, last_zxid;
    uint8_t password[16];
    int32_t xid_next;
    uint32_t silent_steps;
    bool quiet;  /* no new requests: the run is coming to its end */
    bool closing;
    struct sim_request pending[SIM_PENDING_MAX]; /* in the order sent */
    uint32_t pending_count;
    struct sim_watch watch;
    struct sim_event caught_up[8]; /* setWatches' own events */
    uint32_t caught_up_count;
    char wanted[3][SIM_PATH_SIZE]; /* setWatches under way: data, exist, child */
    int64_t wanted_zxid;
    uint8_t out[1 << 16]; /* bytes not yet sent */
    uint32_t out_size;
    uint64_t replies, events, refused, expired;
    uint64_t digest; /* of every byte received */
};

void sim_client_init(struct sim_client *client, uint32_t id, const struct sim_log *log,
                     const struct sim_knobs *knobs, struct rand *rand);

/* sim_client_step does something. port is the node's, NULL while it is down. Fails by printing what
 * is wrong and aborting. */
void sim_client_step(struct sim_client *client, struct port *port);

/* sim_client_lost: the node is gone, and every connection with it. Called before its port goes. */
void sim_client_lost(struct sim_client *client);

/* sim_client_bury frees the peers of a port that is gone. */
void sim_client_bury(struct sim_client *client);

/* True when nothing is owed to the client. */
bool sim_client_settled(const struct sim_client *client);
