/* peer_frame: what a datagram between two members looks like. Pure: bytes in, a struct out.
 *
 *      0      4      6     7    8     9    10       12       14      16
 *      ├ magic ┼ wire ┼ flags┼ key┼ from┼ to ┼ index ┼ count ┼ zero ─┤
 *     16 ├──────────────── cluster id ──────────────────────────────┤
 *     32 ├── incarnation ─────────────┼── to_incarnation ────────────┤
 *     48 ├── message id ──────────────┼ message size ┼ stamp ────────┤
 *     64 ├ echo ┼ CRC32C ┤ 72 fragment's bytes ... ┤ MAC, 16 bytes ─┤
 *
 * Little-endian. A message of `message_size` bytes is cut into `count` fragments, all of the same
 * size but the last; count 0 with no bytes is a greeting: it tells the incarnation and the time.
 * The CRC is over the header before it and the fragment's bytes. The MAC, when `key` is not 0, is
 * over everything before it. stamp is the sender's clock in us; echo is the last stamp that it got
 * from the other side plus the time it was held, 0: none; so now - echo is the round trip.
 * to_incarnation is the receiver's as the sender knows it, 0: not yet. */
#pragma once

#include "base/err.h"
#include "dataplane/peer_keys.h"

#include <stdbool.h>
#include <stdint.h>

#define PEER_FRAME_MAGIC        0x50544b54u /* "TKTP" */
#define PEER_FRAME_WIRE_VERSION 1
#define PEER_FRAME_SIZE         72 /* the header, bytes */
#define PEER_FRAME_CLUSTER_SIZE 16
#define PEER_FRAME_COUNT_MAX    4096 /* fragments of one message */

#define PEER_FRAME_BULK   0x01 /* of the paced stream: it counts its messages by itself */
#define PEER_FRAME_TWIN   0x02 /* to one that is refused: peer_twin.h; of no stream */
#define PEER_FRAME_ABSENT 0x04 /* a greeting to one that is no member of the sender's ensemble */
#define PEER_FRAME_KNOWN  0x07

struct peer_frame {
    uint16_t wire_version;
    uint8_t flags; /* PEER_FRAME_* */
    uint8_t key;   /* number of the key of the MAC, 0: no MAC */
    uint8_t from, to;
    uint16_t index, count; /* of the fragment; index in [0, count), or both 0 */
    uint8_t cluster[PEER_FRAME_CLUSTER_SIZE];
    uint64_t incarnation, to_incarnation;
    uint64_t message_id;
    uint32_t message_size;
    uint32_t stamp_us, echo_us;
    const uint8_t *bytes; /* the fragment's, in the datagram */
    uint32_t size;
};

/* peer_frame_size gives the bytes of a datagram with a fragment of `size` bytes. */
static inline uint32_t peer_frame_size(uint32_t size, bool marked)
{
    return PEER_FRAME_SIZE + size + (marked ? PEER_KEYS_MAC_SIZE : 0);
}

/* peer_frame_encode writes a datagram: header, the fragment frame->bytes (copied), CRC, and the
 * mark with `key` (NULL: none; frame->key and wire_version are not looked at). room has
 * peer_frame_size(...) bytes. Returns the datagram's size. */
uint32_t peer_frame_encode(const struct peer_frame *frame, const struct peer_key *key,
                           uint8_t *room);

/* peer_frame_decode reads a datagram and checks what needs no state: magic, version, sizes,
 * fragment numbers, CRC. frame->bytes points into it. Returns 0, or
 *   ERR_MALFORMED  not takt's, or its fields contradict each other
 *   ERR_VERSION    another wire version: frame->wire_version and from are set, nothing else
 *   ERR_CORRUPT    the CRC is wrong: from, to and cluster are set as they are in it
 * The mark is not checked: peer_frame_right. */
MUST_USE int peer_frame_decode(const uint8_t *bytes, uint32_t size, struct peer_frame *frame);

/* peer_frame_right checks the mark of a decoded datagram with frame->key != 0. */
bool peer_frame_right(const uint8_t *bytes, uint32_t size, const struct peer_key *key);

/* peer_frame_offset gives where the fragment's bytes belong in its message. Of a decoded frame. */
static inline uint32_t peer_frame_offset(const struct peer_frame *frame)
{
    return frame->index + 1u == frame->count ? frame->message_size - frame->size
                                             : frame->index * frame->size;
}
