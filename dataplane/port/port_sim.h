/* port_sim: a port on memory: no descriptors, no threads, no clock. The test side plays the peers;
 * the same calls in the same order give the same events in the same order.
 *
 *   test:  sim_connect ─▶ peer ── send ──▶ [ in  ] ──▶ poll: opened, received ──▶ NET
 *                          │  ◀─ receive ─ [ out ] ◀── flush ──────────────────── NET
 *                          └─ end (half-close), cut (reset)
 *
 * `out` holds at most out_limit bytes of each peer: a peer that does not receive stops the stream
 * as a full socket does. Peers' memory is the test's (malloc, in the calls of the test side only);
 * the streams and their buffers come from NET's slab as with any port. All from one thread. */
#pragma once

#include "dataplane/port/port.h"

struct port_sim_peer;

/* port_sim_open makes a port whose peers take out_limit bytes (>= 1) before they receive. Returns
 * 0, ERR_RANGE or ERR_NOMEM. */
MUST_USE int port_sim_open(const struct port_setup *setup, uint32_t out_limit, struct port **port);

/* ---- the test side: the peers ---- */

/* port_sim_connect starts a connection from `from`. The peer lives until port_sim_forget. */
struct port_sim_peer *port_sim_connect(struct port *port, const struct address *from);
void port_sim_forget(struct port_sim_peer *peer);

/* port_sim_send queues bytes towards NET. After the end nothing is sent. Copies. */
void port_sim_send(struct port_sim_peer *peer, const void *bytes, uint32_t size);

/* port_sim_lend lets NET read `size` bytes at `bytes` where they are; they must not change before
 * port_sim_unread is 0. Assumes that nothing is unread. For benchmarks. */
void port_sim_lend(struct port_sim_peer *peer, uint8_t *bytes, uint32_t size);

/* port_sim_unread is how many sent bytes NET's stream has not taken yet. */
uint32_t port_sim_unread(const struct port_sim_peer *peer);

/* port_sim_arrived gives what NET has sent; port_sim_take drops the first n bytes of it. */
const uint8_t *port_sim_arrived(const struct port_sim_peer *peer, uint32_t *size);
void port_sim_take(struct port_sim_peer *peer, uint32_t n);

/* port_sim_end says that the peer sends no more; port_sim_cut resets the connection. */
void port_sim_end(struct port_sim_peer *peer);
void port_sim_cut(struct port_sim_peer *peer);

/* True when NET has refused or closed the connection; what arrived before can still be taken. */
bool port_sim_closed(const struct port_sim_peer *peer);

/* True when NET has accepted it and the stream lives. */
bool port_sim_open_now(const struct port_sim_peer *peer);
