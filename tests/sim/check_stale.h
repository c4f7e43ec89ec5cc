/* check_stale: no node takes what belongs to another start. A datagram that its sender sent before
 * a restart, once the sender was heard after it, and one that was meant for an earlier start of the
 * receiver, are refused (dataplane/peer.h). What such a datagram breaks shows seldom and late, so
 * the taking itself is looked at: `heard` of a sender must not move when only stale datagrams came.
 *
 *   put(sender, its incarnation, the receiver's that it names, what the receiver knows)
 *   look(sender, when it was heard) after a turn
 *   rest: a turn in which the receiver found nothing to do, so that its queue is empty */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CHECK_STALE_NODES 8

struct check_stale {
    struct check_stale_sender {
        bool fresh; /* something that may be taken may be waiting */
        uint64_t stale_count, heard_ns;
    } senders[CHECK_STALE_NODES];
};

/* Of a datagram that is about to be handed over. known, own: the incarnation of the sender that the
 * receiver has heard, and the receiver's. */
struct check_stale_datagram {
    uint64_t incarnation, known;
    uint64_t to_incarnation, own; /* to_incarnation 0: the sender does not know it */
};

void check_stale_begin(struct check_stale *check);
void check_stale_put(struct check_stale *check, uint32_t sender,
                     const struct check_stale_datagram *datagram);

/* check_stale_look: after a turn the sender was last heard at heard_ns, of any clock. Returns NULL,
 * or what is wrong. */
const char *check_stale_look(struct check_stale *check, uint32_t sender, uint64_t heard_ns);

/* check_stale_rest: the receiver had a turn, and nothing to do. */
void check_stale_rest(struct check_stale *check);
