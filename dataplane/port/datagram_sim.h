/* datagram_sim: datagrams in memory, for tests and the simulator: no descriptor, no thread, no
 * clock. The test side plays the network: it takes what the role sent, and puts what it shall
 * receive, as often, as late and in whatever order it likes. The same calls in the same order give
 * the same events in the same order.
 *
 *   role ── send, flush ──▶ [ out ] ── take ──▶ test ── put ──▶ [ in ] ── poll: received ──▶ role
 *
 * Both queues are rings of fixed size taken at open; full, they refuse. All from one thread. */
#pragma once

#include "dataplane/port/datagram.h"

struct datagram_sim_setup {
    struct address local;
    uint32_t size_max;  /* what datagram_size_max says, in [DATAGRAM_SIZE_MIN, _MAX]; 0: 1472 */
    uint32_t in_count;  /* datagrams that `in` holds; 0: 256 */
    uint32_t out_count; /* and `out`; 0: 256 */
};

/* What the role has sent. */
struct datagram_sim_sent {
    struct address to;
    const uint8_t *bytes;
    uint32_t size;
};

/* datagram_sim_open makes a port. Returns 0, ERR_RANGE or ERR_NOMEM. */
MUST_USE int datagram_sim_open(const struct datagram_sim_setup *setup, struct datagram_port **port);

/* ---- the test side: the network ---- */

/* datagram_sim_take gives the oldest datagram that was flushed and not taken yet. False: none.
 * Lends the bytes until the next call for this port of any kind. */
bool datagram_sim_take(struct datagram_port *port, struct datagram_sim_sent *sent);

/* datagram_sim_put queues a datagram for the role's next poll. Copies. Returns false when `in` is
 * full or size is above DATAGRAM_SIZE_MAX: it is lost. */
bool datagram_sim_put(struct datagram_port *port, const struct address *from, const void *bytes,
                      uint32_t size);

/* datagram_sim_clear drops everything in both queues: the node has lost power. */
void datagram_sim_clear(struct datagram_port *port);
