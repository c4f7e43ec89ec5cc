/* beat_wire: what a datagram of the protocol beat looks like. PROTOCOL.md is the specification;
 * this is its header, and nothing else. Pure: bytes in, a struct out.
 *
 *      0        4      5      6       7     8       12      16
 *      ├ magic ─┼ vers ┼ kind ┼ flags ┼ key ┼ from ─┼ to ───┤        Every integer is big-endian.
 *     16 ├─ session ──────────────────┼─ sequence ──────────┤
 *     32 ├─ acked ────────────────────┼─ attach ─┼─ event ──┤
 *     48 ├─ time ─────────────────────┼─ code ───┼ cred ┼ ix┤
 *     64 ├─ message size ─┼─ CRC32C ──┤ 72 bytes of the message ... ┤ MAC, 16 bytes ─┤
 *
 * A message of more than BEAT_WIRE_PIECE_SIZE bytes is cut into pieces of exactly that size, the
 * last one shorter; `index` counts them. The CRC is over the header before it and the piece; the
 * MAC, when `key` is not 0, over everything before it. */
#pragma once

#include "base/err.h"
#include "dataplane/peer_keys.h"

#include <stdbool.h>
#include <stdint.h>

#define BEAT_WIRE_MAGIC       0x54424541u /* "TBEA" */
#define BEAT_WIRE_VERSION     1
#define BEAT_WIRE_SIZE        72    /* the header, bytes */
#define BEAT_WIRE_PIECE_SIZE  1312  /* of a message in one datagram, most */
#define BEAT_WIRE_MESSAGE_MAX 61440 /* bytes of a whole message */
#define BEAT_WIRE_PIECE_COUNT_MAX                                                                  \
    ((BEAT_WIRE_MESSAGE_MAX + BEAT_WIRE_PIECE_SIZE - 1) / BEAT_WIRE_PIECE_SIZE)
#define BEAT_WIRE_DATAGRAM_MAX (BEAT_WIRE_SIZE + BEAT_WIRE_PIECE_SIZE + PEER_KEYS_MAC_SIZE)

enum beat_kind {
    /* from a client */
    BEAT_OPEN = 1,
    BEAT_REQUEST = 2,
    BEAT_RENEW = 3,
    BEAT_TIME = 4,
    BEAT_ACK = 5,
    /* from a node: the answer to kind k is k | BEAT_ANSWER */
    BEAT_ANSWER = 0x80,
    BEAT_OPENED = 0x81,
    BEAT_REPLY = 0x82,
    BEAT_RENEWED = 0x83,
    BEAT_TIMED = 0x84,
    BEAT_EVENT = 0x85,
    BEAT_REFUSED = 0x86,
};

enum beat_flag {
    BEAT_AGAIN = 1,  /* sent before: of people's interest only */
    BEAT_LEADER = 2, /* from a node that leads */
};
#define BEAT_FLAGS 3u

/* The code of BEAT_REFUSED. */
enum beat_refusal {
    BEAT_NOT_ATTACHED = 1,  /* no such session, attach and endpoint at this address: open again */
    BEAT_BUSY = 2,          /* no room for one more session, or not ready: later, or elsewhere */
    BEAT_OTHER_VERSION = 3, /* the node does not speak this version */
    BEAT_UNFIT = 4,         /* a sequence outside of the credits, an OPEN whose record is no
                             * ConnectRequest of its session */
};

struct beat_frame {
    uint8_t version, kind, flags, key;
    uint32_t from, to; /* endpoints */
    int64_t session;
    uint64_t sequence;
    uint64_t acked;
    uint32_t attach;
    uint32_t event;
    uint64_t time; /* from a client: deadline, ns of the node's clock; from a node: zxid */
    int32_t code;  /* REQUEST: the operation; EVENT: which; answers: the error */
    uint16_t credits;
    uint16_t index;        /* of the piece */
    uint32_t message_size; /* of the whole message */
    const uint8_t *bytes;  /* the piece's, in the datagram */
    uint32_t size;
};

/* beat_wire_size gives the bytes of a datagram with a piece of `size` bytes. */
static inline uint32_t beat_wire_size(uint32_t size, bool marked)
{
    return BEAT_WIRE_SIZE + size + (marked ? PEER_KEYS_MAC_SIZE : 0);
}

/* beat_wire_pieces gives how many datagrams a message of `size` bytes takes: at least 1. */
static inline uint32_t beat_wire_pieces(uint32_t size)
{
    return size <= BEAT_WIRE_PIECE_SIZE ? 1
                                        : (size + BEAT_WIRE_PIECE_SIZE - 1) / BEAT_WIRE_PIECE_SIZE;
}

/* beat_wire_piece_size gives the bytes of piece `index` of a message of `size` bytes; index in
 * [0, beat_wire_pieces(size)). */
static inline uint32_t beat_wire_piece_size(uint32_t size, uint32_t index)
{
    uint32_t left = size - index * BEAT_WIRE_PIECE_SIZE;
    return left < BEAT_WIRE_PIECE_SIZE ? left : BEAT_WIRE_PIECE_SIZE;
}

/* beat_wire_encode writes a datagram: header, the piece frame->bytes (copied, unless it lies in its
 * place in room already), CRC, and the mark with `key` (NULL: none; frame->key and version are not
 * looked at). room has beat_wire_size(...) bytes. Returns the datagram's size. */
uint32_t beat_wire_encode(const struct beat_frame *frame, const struct peer_key *key,
                          uint8_t *room);

/* What the datagrams of one sender to one session have in common, encoded once: beat_wire_prepare.
 * beat_wire_encode_as then writes what changes: kind, flags, sequence, acked, event, time, code,
 * and the piece, which is all of the message and lies elsewhere. The key is the one it was prepared
 * with. */
struct beat_wire_head {
    _Alignas(8) uint8_t bytes[BEAT_WIRE_SIZE];
};
void beat_wire_prepare(const struct beat_frame *frame, const struct peer_key *key,
                       struct beat_wire_head *head);
uint32_t beat_wire_encode_as(const struct beat_wire_head *head, const struct beat_frame *frame,
                             const struct peer_key *key, uint8_t *room);

/* beat_wire_decode reads a datagram and checks what needs no state: magic, version, kind, flags,
 * sizes, that what a kind does not use is 0, CRC. frame->bytes points into it. Returns 0, or
 *   ERR_MALFORMED  not beat's, or its fields contradict each other: nothing is set
 *   ERR_VERSION    another version: version, kind, from, to, session and sequence are set
 *   ERR_CORRUPT    the CRC is wrong: nothing is set
 * The mark is not checked: beat_wire_right. */
MUST_USE int beat_wire_decode(const uint8_t *bytes, uint32_t size, struct beat_frame *frame);

/* beat_wire_right checks the mark of a decoded datagram with frame->key != 0. */
bool beat_wire_right(const uint8_t *bytes, uint32_t size, const struct peer_key *key);
