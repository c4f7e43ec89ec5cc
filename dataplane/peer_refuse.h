/* peer_refuse: counts what is dropped, and says it once for each peer and cause. Parts of
 * dataplane/peer.h; role PEER. */
#pragma once

#include "dataplane/peer.h"

/* peer_refuse_count counts `n` dropped datagrams or messages of a peer; remote NULL: of nobody that
 * is known. */
void peer_refuse_count(struct peer *peer, struct peer_remote *remote, enum peer_drop drop,
                       uint64_t n);

/* peer_refuse_say prints a line if none of this kind was printed for a minute. */
void peer_refuse_say(struct peer *peer, struct peer_said *said, const char *line);

/* peer_refuse_address writes "10.0.0.2:2888" or "[fd00::2]:2888". */
void peer_refuse_address(const struct address *address, char *text, size_t size);

/* peer_refuse_datagram counts a datagram that came from `from`, and prints its line when the cause
 * is up to PEER_DROP_LINE_LAST and none was printed for a minute. frame: what could be decoded. */
void peer_refuse_datagram(struct peer *peer, struct peer_remote *remote, enum peer_drop drop,
                          const struct address *from, const struct peer_frame *frame);
