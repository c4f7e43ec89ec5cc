/* net_quorum: what a NET does differently because its node is one of several. Reads CORE's page
 * (base/core_state.h) once a turn; without peers nothing here does anything.
 *
 *   too new      a client that has seen a later zxid than this node waits with its handshake until
 *                the node is that far, at most reads.catch_up; then it is closed and tries another
 *   barrier      reads: linearizable. A read waits until CORE has heard, after the read came, that
 *                the leader still leads, and everything committed until then is applied. One
 *                barrier a turn, shared by all reads that came in it; at most NET_BARRIERS wait
 *   cut off      the node has had no leader for long: the leader of the others expires its clients'
 *                sessions, so they are closed, and look elsewhere; handshakes are closed as well
 *   read-only    cut off with reads.without_quorum (zk_protocol.md section 19): connections that
 *                asked for it read on, and writes answer -119. A new session is this connection's
 *                alone: known to nobody else, gone with it. When there is a leader again everybody
 *                is closed and attaches anew
 *
 *      conn ── wait CONN_WAIT_ZXID ────▶ net.behind   (FIFO: so deadlines are in order)
 *      conn ── wait CONN_WAIT_BARRIER ─▶ net.barriers (FIFO: so numbers are in order)
 *
 * Role: NET, all of it. */
#pragma once

#include "dataplane/net.h"
#include "dataplane/request.h"
#include "dataplane/zk/handshake.h"

#define NET_BARRIERS     8u
#define NET_QUORUM_NS    (100 * NS_PER_MS) /* how soon a parked NET sees that the page changed */
#define NET_CATCH_UP_NS  (5 * NS_PER_MS)   /* how soon one with waiting clients looks at the zxid */

/* net_quorum_poll looks at the page and at clients that wait for a zxid: behind apply_net, before
 * anything is read. Returns how many connections it closed or let go on. */
uint32_t net_quorum_poll(struct net *net);

/* net_quorum_flush asks for the barrier that this turn's reads wait for. Last before net_core is
 * published. */
void net_quorum_flush(struct net *net);

/* net_quorum_deadline_ns: when the next look is due; UINT64_MAX without peers. net_quorum_idle: is
 * nothing left that the next turn must try again? */
uint64_t net_quorum_deadline_ns(const struct net *net);
bool net_quorum_idle(const struct net *net);

/* net_quorum_handshake decides what the node's standing decides: REQUEST_DONE = go on with the
 * session; REQUEST_WAIT, REQUEST_CLOSE; *served: the session is there, the client was answered. */
enum request_step net_quorum_handshake(struct net *net, struct conn *conn,
                                       const struct handshake_request *request, bool *served);

/* net_quorum_read: may a read be served now that lies in the next frame_size bytes received? False:
 * it waits for a barrier. */
bool net_quorum_read(struct net *net, struct conn *conn, uint32_t frame_size);

/* net_quorum_consumed: that many bytes of the connection were taken. */
static inline void net_quorum_consumed(struct conn *conn, uint32_t size)
{
    if (UNLIKELY(conn->read_through))
        conn->read_through = conn->read_through > size ? conn->read_through - size : 0;
}

/* net_quorum_answered takes the answer to barrier `number`. */
void net_quorum_answered(struct net *net, uint32_t number, int32_t error);

/* net_quorum_refuse answers a request that changes something, or asks the ensemble, in read-only
 * mode: -119. */
enum request_step net_quorum_refuse(struct net *net, struct conn *conn,
                                    const struct request *request);

/* net_quorum_off takes a connection from the list it waits on, if any. */
void net_quorum_off(struct net *net, struct conn *conn);
