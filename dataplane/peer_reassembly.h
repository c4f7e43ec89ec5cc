/* peer_reassembly: puts the fragments of one stream's messages together, and remembers which
 * messages are done, so that each is delivered at most once.
 *
 *   window   ids:  ... refused as old │ newest-1023 ......... newest │ new: moves the window
 *                                       a bit each: done
 *   slots    [id 17: ██░█] [id 19: █░░░] [free] [free]     all in use: the lowest id is dropped
 *
 * Memory is a fixed number of slots, each as large as the largest message, reserved at init; a page
 * is used once a message needed it. One stream is what one sender numbers by itself: urgent and
 * paced messages of each peer are two. One role. */
#pragma once

#include "dataplane/peer_frame.h"

#define PEER_REASSEMBLY_SLOTS_MAX 16
#define PEER_REASSEMBLY_WINDOW    1024u

/* The ids up to `newest`, of which the last PEER_REASSEMBLY_WINDOW are known one by one. */
struct peer_window {
    uint64_t newest;
    uint64_t done[PEER_REASSEMBLY_WINDOW / 64];
};

struct peer_slot {
    uint64_t id;                      /* 0: free */
    uint32_t size, unit, count, have; /* bytes; bytes of all fragments but the last; fragments */
    uint64_t got[PEER_FRAME_COUNT_MAX / 64];
    uint8_t *data;
};

struct peer_reassembly {
    struct peer_window window;
    struct peer_slot slots[PEER_REASSEMBLY_SLOTS_MAX];
    uint32_t slot_count, message_size_max;
    uint8_t *memory;
    uint64_t dropped; /* messages given up: no slot, or too old; the owner reads and zeroes it */
};

/* peer_reassembly_init reserves slot_count slots, in [1, PEER_REASSEMBLY_SLOTS_MAX], for messages
 * of up to message_size_max bytes. Returns 0 or ERR_NOMEM. Before the role starts. */
MUST_USE int peer_reassembly_init(struct peer_reassembly *reassembly, uint32_t slot_count,
                                  uint32_t message_size_max);
void peer_reassembly_fini(struct peer_reassembly *reassembly);

/* peer_reassembly_reset forgets everything: the sender is a new incarnation. */
void peer_reassembly_reset(struct peer_reassembly *reassembly);

/* peer_reassembly_add takes one fragment, or greeting. The id counts as done when it returns 0.
 * Returns
 *   0              the message is whole: *message lends its message_size bytes, 8-byte aligned when
 *                  the datagram was, until the next call for this object or the datagram's end;
 *                  NULL for a greeting
 *   ERR_SHORT      kept; more fragments are needed
 *   ERR_EXISTS     of a message that is done, or a fragment that is there
 *   ERR_RANGE      the id lies below the window: too old to know whether it was done
 *   ERR_LIMIT      larger than message_size_max
 *   ERR_MALFORMED  it contradicts the message's other fragments */
MUST_USE int peer_reassembly_add(struct peer_reassembly *reassembly, const struct peer_frame *frame,
                                 const uint8_t **message);
