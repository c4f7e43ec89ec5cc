/* peer_receive: the incoming half of the role PEER: a datagram is checked, reassembled, and goes to
 * CORE. Parts of dataplane/peer.h; role PEER. */
#pragma once

#include "dataplane/peer.h"

/* peer_receive_datagram is the port's `received` event. */
void peer_receive_datagram(void *self, const struct address *from, const uint8_t *bytes,
                           uint32_t size);

/* In peer.c: peer_guest gives a place to a stranger that leads, whose datagrams came from `at`;
 * NULL when none is free. peer_guest_goes takes it back. */
struct peer_remote *peer_guest(struct peer *peer, uint8_t id, const struct address *at);
void peer_guest_goes(struct peer *peer, const struct peer_remote *remote);
