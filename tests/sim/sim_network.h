/* sim_network: what lies between the nodes: directed links that lose, double, delay, reorder, bend
 * and hold back datagrams. Knows nothing of what they carry. Deterministic from its seed; time is
 * given.
 *
 *   send(from, to, bytes) ──▶ [ link from->to: cut? MTU? bandwidth? drop, delay, flip ... ] ──▶ due
 *                                                                    deliver(now) ◀── in order of
 * due
 *
 * A link may be cut (what is sent is lost), clogged (what is sent waits until it is unclogged), or
 * narrow (bytes per second). Cuts are counted, so that two faults may cut the same link. */
#pragma once

#include "base/rand.h"
#include "tests/sim/sim_knobs.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_NETWORK_NODES_MAX 8
#define SIM_NETWORK_QUEUE_MAX 4096 /* datagrams under way; more are lost, as in a full switch */

struct sim_network;

struct sim_network_counters {
    uint64_t sent, delivered, lost_cut, lost_drop, lost_mtu, lost_full, doubled, replayed, bent;
    uint64_t bytes;
    uint32_t queue_high;
};

/* sim_network_create: `knobs` are borrowed and may change. Aborts when memory is out. */
struct sim_network *sim_network_create(uint64_t seed, const struct sim_knobs *knobs);
void sim_network_destroy(struct sim_network *network);

/* sim_network_send takes a datagram of node `from` for node `to`, both in
 * [0, SIM_NETWORK_NODES_MAX). Copies. */
void sim_network_send(struct sim_network *network, uint32_t from, uint32_t to, const void *bytes,
                      uint32_t size, uint64_t now_ns);

/* sim_network_next_ns is when the next datagram is due; UINT64_MAX: none. */
uint64_t sim_network_next_ns(const struct sim_network *network);

/* sim_network_deliver hands everything due to `each`, in order of time, then of sending. */
void sim_network_deliver(struct sim_network *network, uint64_t now_ns,
                         void (*each)(void *self, uint32_t from, uint32_t to, const uint8_t *bytes,
                                      uint32_t size),
                         void *self);

/* sim_network_cut cuts or mends the link from -> to. Cuts nest. */
void sim_network_cut(struct sim_network *network, uint32_t from, uint32_t to, bool cut);
/* sim_network_clog holds everything back until sim_network_unclog; nests. */
void sim_network_clog(struct sim_network *network, uint32_t from, uint32_t to, bool clog,
                      uint64_t now_ns);
/* sim_network_narrow sets bytes per second; 0: unlimited. */
void sim_network_narrow(struct sim_network *network, uint32_t from, uint32_t to, uint64_t rate);

/* sim_network_heal mends, unclogs and widens everything; from now on nothing is lost, bent, sent
 * twice or overtaken. */
void sim_network_heal(struct sim_network *network, uint64_t now_ns);

/* sim_network_haunt brings some of what was sent last from and to the node once more, within
 * 300 ms: old datagrams may come long after a restart. */
void sim_network_haunt(struct sim_network *network, uint32_t node, uint64_t now_ns);

const struct sim_network_counters *sim_network_counters(const struct sim_network *network);
