/* peer_send: the outgoing half of the role PEER: messages become datagrams. Parts of
 * dataplane/peer.h; role PEER. */
#pragma once

#include "consensus/peer_message.h"
#include "dataplane/peer.h"

/* peer_send_message sends a record of core_peer, or queues it when it is bulk. */
void peer_send_message(struct peer *peer, const struct peer_message *message, uint32_t size);

/* True when bulk is queued. Both ends of that link are this role's. */
static inline bool peer_send_bulk_waits(const struct peer *peer)
{
    return atomic_load_explicit(&peer->bulk.head, memory_order_relaxed) !=
           atomic_load_explicit(&peer->bulk.tail, memory_order_relaxed);
}

/* peer_send_bulk sends as much of the bulk queue as its pace allows. Returns datagrams sent. */
uint32_t peer_send_bulk(struct peer *peer);

/* The mono_ns at which peer_send_bulk can go on; UINT64_MAX: nothing waits. */
uint64_t peer_send_bulk_due_ns(const struct peer *peer);

/* peer_send_greeting sends a datagram without a message. */
void peer_send_greeting(struct peer *peer, struct peer_remote *remote);

/* peer_send_twin sends `to`, whose incarnation is given and which is refused as `remote`, one
 * datagram with PEER_FRAME_TWIN and those bytes. */
void peer_send_twin(struct peer *peer, struct peer_remote *remote, const struct address *to,
                    uint64_t to_incarnation, const void *bytes, uint32_t size);

/* peer_send_absent greets a stranger, with PEER_FRAME_ABSENT. */
void peer_send_absent(struct peer *peer, const struct address *to, const struct peer_frame *heard);

/* peer_send_route asks for the largest datagram to a peer, when its address is new and now and
 * then. */
void peer_send_route(struct peer *peer, struct peer_remote *remote);
