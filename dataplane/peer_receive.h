/* peer_receive: the incoming half of the role PEER: a datagram is checked, reassembled, and goes to
 * CORE. Parts of dataplane/peer.h; role PEER. */
#pragma once

#include "dataplane/peer.h"

/* peer_receive_datagram is the port's `received` event. */
void peer_receive_datagram(void *self, const struct address *from, const uint8_t *bytes,
                           uint32_t size);
