/* sim_client: a ZooKeeper client of the simulated ensemble: draws what it does from the run's seed,
 * speaks the wire protocol in whatever pieces, and checks every byte that comes back against the
 * committed history. It knows every node; when its connection ends, or says nothing for too long,
 * it goes to another one with its session, its password and the last zxid it saw.
 *
 *   DOWN ── connect to any node ──▶ GREETING ── ConnectResponse ──▶ LIVE ── cut, closed, silent ──┐
 *    ▲                                 │ refused, no answer                                       │
 *    └─────────────────────────────────┴──────────────────────────────────────────────────────────┘
 */
#pragma once

#include "base/rand.h"
#include "dataplane/port/port_sim.h"
#include "tests/sim/check_back.h"
#include "tests/sim/sim_log.h"
#include "tests/sim/sim_watch.h"

#define SIM_PENDING_MAX 16
#define SIM_PATH_SIZE   128

struct sim_world;

enum sim_client_state { SIM_DOWN, SIM_GREETING, SIM_LIVE };

struct sim_request {
    int32_t xid, op;
    char path[SIM_PATH_SIZE];
    bool watch;
    bool write;    /* ordered in the log */
    int32_t mode;  /* addWatch */
    int64_t floor; /* of check_order, when it was sent */
    uint64_t sent_ns;
    int32_t key; /* a register's: what check_registers is told; -1 */
    uint32_t key_op;
    uint64_t value; /* of a register's write */
};

struct sim_client {
    uint32_t id;
    struct sim_world *world;
    const struct sim_log *log;
    struct rand rand;
    struct port_sim_peer *peer;
    uint32_t host; /* the node it is connected to */
    struct sim_grave {
        struct port_sim_peer *peer;
        uint32_t host;
    } * graves; /* peers done with; freed when their port is gone */
    uint32_t grave_count, grave_room;
    enum sim_client_state state;
    int64_t session, last_zxid;
    uint8_t password[16];
    int32_t timeout_ms;
    int32_t xid_next;
    uint64_t next_ns;                     /* its next step */
    uint64_t heard_ns, sent_ns, since_ns; /* last bytes either way; when it was connected */
    uint32_t silent_steps;
    bool quiet; /* no new requests: the run is coming to its end */
    bool closing;
    bool forged;   /* this connection's greeting has a wrong password */
    bool poisoned; /* it has sent what no client sends: the connection ends with its next step */
    struct check_back back;
    int64_t synced_floor;                        /* reads of this connection show at least this */
    bool key_busy;                               /* one operation on a register at a time */
    struct sim_request pending[SIM_PENDING_MAX]; /* in the order sent */
    uint32_t pending_count;
    struct sim_watch watch;
    struct sim_event caught_up[8]; /* setWatches' own events */
    uint32_t caught_up_count;
    char wanted[3][SIM_PATH_SIZE]; /* setWatches under way: data, exist, child */
    int64_t wanted_zxid;
    uint8_t out[1 << 16]; /* bytes not yet sent */
    uint32_t out_size;
    uint64_t replies, events, refused, expired, moves, given_up, closed;
    uint64_t digest; /* of every byte received */
};

void sim_client_init(struct sim_client *client, uint32_t id, struct sim_world *world);

/* sim_client_step does something, and draws when it does so again. Fails by printing what is wrong
 * and aborting. */
void sim_client_step(struct sim_client *client);

/* sim_client_lost ends the connection. told: the node learns of it. */
void sim_client_lost(struct sim_client *client, bool told);

/* sim_client_node_lost: the node is gone, and every connection with it. Called before its port
 * goes. */
void sim_client_node_lost(struct sim_client *client, uint32_t node);

/* sim_client_bury frees the peers of a node's port that is gone. */
void sim_client_bury(struct sim_client *client, uint32_t node);

/* True when nothing is owed to the client. */
bool sim_client_settled(const struct sim_client *client);

/* ---- requests (sim_request.c) ---- */

/* sim_request_something sends one request, drawn. */
void sim_request_something(struct sim_client *client);
void sim_request_ping(struct sim_client *client);
/* As a client does after a reconnect: what it watched, as of the last zxid it saw. */
void sim_request_set_watches(struct sim_client *client);
void sim_request_greeting(struct sim_client *client);
/* sim_request_garbage sends what no client sends. */
void sim_request_garbage(struct sim_client *client);
