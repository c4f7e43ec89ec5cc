/* peer_twin: two nodes with one id. The one that is heard stays; the other one is refused, and
 * told, with the addresses of both.
 *
 *   node 2 at A ── heard ──▶ node 1 ◀── the same id, another incarnation ── node 2 at B
 *                               └── TWIN: you are seen at B, and one is heard at A ──▶ B
 *
 * A restart, which is another incarnation too, comes from the address of before, or finds that the
 * one there is silent. While nobody was heard, a source that is not where the list of members says
 * waits as long: the one that is there comes first, whatever this node heard before its own start.
 * Who is told so for PEER_TWIN_NS stops, unless it is the one that began earlier and others hear
 * it: of two that are both heard by somebody, one goes on. Parts of dataplane/peer.h; role PEER. */
#pragma once

#include "dataplane/peer.h"

/* peer_twin_refused: must a datagram of a member (checked, of an incarnation that is not the one
 * heard) be refused, since another process of that id is heard, or may be? */
bool peer_twin_refused(const struct peer *peer, struct peer_remote *remote,
                       const struct address *from, const struct peer_frame *frame);

/* peer_twin_tell tells the sender of a refused datagram, at most once in 100 ms. Nothing while
 * nobody of that id was heard. */
void peer_twin_tell(struct peer *peer, struct peer_remote *remote, const struct address *from,
                    const struct peer_frame *frame);

/* peer_twin_told takes a datagram with PEER_FRAME_TWIN: says it, and stops the node in the end. */
void peer_twin_told(struct peer *peer, struct peer_remote *remote, const struct address *from,
                    const struct peer_frame *frame);

/* peer_twin_heard: from there the member's present incarnation is heard. */
static inline void peer_twin_heard(struct peer_remote *remote, const struct address *from)
{
    remote->heard_at = *from;
}
