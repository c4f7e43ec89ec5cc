/* bench_node: a whole node in memory and one client of it, for bench_pipeline and bench_ensemble:
 * driven by turns in one thread, on the sim port, its disk answers at once. What is built, sealed
 * and handed to DISK is as ever; only the device is not there.
 *
 *   put_frame* ──▶ frames ──send──▶ port ─▶ node ─▶ port ──took──▶ bytes, dropped unread
 *                                           │ ▲
 *                                      bench_node_turn
 *
 * At most BENCH_NODES_MAX at a time. One thread. */
#pragma once

#include "base/disk_io.h"
#include "dataplane/port/datagram.h"
#include "dataplane/port/port_sim.h"
#include "tests/sim/sim_disk.h"
#include "tools/taktd/node.h"

#define BENCH_NODES_MAX         3u
#define BENCH_NODE_KEYS         1000u
#define BENCH_NODE_BEAT_PORT    2182u
#define BENCH_NODE_REPLY_SET    (4u + 16u + 68u) /* bytes of a setData's reply */
#define BENCH_NODE_REPLY_GET    (4u + 16u + 4u + 100u + 68u)
#define BENCH_NODE_REPLY_CREATE (4u + 16u + 4u + 10u)

struct bench_node {
    struct config config;
    struct sim_disk *disk;
    struct disk_io io;
    uint64_t tokens[DISK_WRITES_MAX];
    uint32_t token_count;
    struct node *node;
    struct port *port;
    struct datagram_port *datagrams; /* of the peer link; NULL for a node alone */
    struct datagram_port *beats;     /* of native sessions; NULL: not served */
    struct port_sim_peer *client;
    uint8_t *frames;
    uint32_t frames_size;
    bool given; /* something came since its last turn, or that one left something */
    uint64_t deadline_ns;
};

/* bench_node_init sets a configuration that suits a benchmark; the caller may change n->config
 * before bench_node_open, which starts the node at `now`; bench_node_beat has native
 * sessions served. Both abort when something fails. */
void bench_node_init(struct bench_node *n);
void bench_node_beat(struct bench_node *n);
void bench_node_open(struct bench_node *n, struct now now);
void bench_node_close(struct bench_node *n);

/* bench_node_turn runs every role once. Aborts when one fails. bench_node_turn_and_park also does
 * what a worker does before it parks; bench_node_wakes says whether one that parked would run now:
 * a client sent, `given` was set by whoever put a datagram, its disk has an answer, a role is not
 * idle, or its deadline has come. */
void bench_node_turn(struct bench_node *n, struct now now);
void bench_node_turn_and_park(struct bench_node *n, struct now now);
bool bench_node_wakes(const struct bench_node *n, struct now now);

/* The client: connect, put frames of requests for key in [0, BENCH_NODE_KEYS) one behind the other,
 * send them (they may be sent again and again), drop what came back: gives its bytes. clear
 * forgets the frames. bench_node_greet puts the handshake, whose reply has 41 bytes. */
void bench_node_connect(struct bench_node *n);
void bench_node_clear(struct bench_node *n);
void bench_node_greet(struct bench_node *n);
void bench_node_put(struct bench_node *n, int32_t op, uint32_t key);
void bench_node_send(struct bench_node *n);
uint64_t bench_node_took(struct bench_node *n);
/* Whether the node has closed the client's connection. */
bool bench_node_closed(struct bench_node *n);
