/* peer_message: what one member says to another, as a record on the links core_peer and peer_core.
 * A fixed header, little-endian as the host is, then `payload_size` bytes. Loss, repetition and
 * reordering of messages are normal; a message is never split or joined on its way.
 *
 *   ┌ kind from to flags payload_size │ term │ index │ log_term │ commit │ context │ extra ┐
 * payload └──────────────────────────────── 56 bytes, all 8-byte aligned ────────────────────────┘
 * ...
 *
 * What the fields mean, by kind (- = zero):
 *
 *   kind            term           index        log_term     commit   context  extra
 *   PRE_VOTE        would-be term  last index   last term    -        round    -
 *   PRE_VOTE_REPLY  (1)            -            -            -        round    -
 *   VOTE            sender's       last index   last term    -        -        -
 *   VOTE_REPLY      sender's       -            -            -        -        -
 *   APPEND          sender's       entry before the first    leader's round    term and count (2)
 *   APPEND_REPLY    sender's       match        -            own      round    held (3)
 *     with REJECT   sender's       hint index   hint term    own      round    refused `index`
 *   READ            sender's       -            -            -        read id  -
 *   READ_REPLY      sender's       read index   -            -        read id  -
 *   TIMEOUT_NOW     sender's       -            -            -        -        -
 *   SNAPSHOT        sender's       snapshot's   its term     -        -        byte offset
 *   TOUCH, ..REPLY  sender's       -            -            -        number   -
 * (1) granted: the would-be term; with REJECT: the sender's own.
 * (2) peer_message_entry_term, peer_message_entry_count. Entries are all of one term; the payload
 *     is their log records back to back, 8-byte aligned, as they lie in the log tail. Count 0 is
 *     a heartbeat.
 * (3) the last entry of the leader's log that came, durable or not: match <= held.
 * The other kinds belong to sessions, forwarding and forming: their senders say what they hold; the
 * Raft core ignores them. Any role. */
#pragma once

#include "base/check.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* One largest batch of the log tail and the header of one record. */
#define PEER_PAYLOAD_MAX ((4u << 20) + 48u)
/* Where a normal APPEND is cut; one larger record travels alone. */
#define PEER_APPEND_SIZE (64u << 10)
/* A term is the epoch of a zxid, and a zxid is positive. */
#define PEER_TERM_MAX 0x7ffffffeull
#define PEER_ID_MAX   254u

enum peer_message_kind {
    PEER_PRE_VOTE = 1,
    PEER_PRE_VOTE_REPLY = 2,
    PEER_VOTE = 3,
    PEER_VOTE_REPLY = 4,
    PEER_APPEND = 5,
    PEER_APPEND_REPLY = 6,
    PEER_READ = 7,
    PEER_READ_REPLY = 8,
    PEER_TIMEOUT_NOW = 9,
    PEER_SNAPSHOT = 10,
    PEER_SNAPSHOT_REPLY = 11,
    PEER_FORWARD = 12,
    PEER_FORWARD_REPLY = 13,
    PEER_TOUCH = 14,
    PEER_HELLO = 15,
    PEER_HASH = 16,
    PEER_TOUCH_REPLY = 17,
    PEER_KIND_COUNT,
    /* Never sent: PEER tells CORE that `from` knows this node by the later incarnation `context`;
     * that to `from` this node is no member. */
    PEER_LATER = PEER_KIND_COUNT,
    PEER_ABSENT,
    PEER_KIND_LAST = PEER_ABSENT
};

enum peer_message_flag {
    PEER_REJECT = 1,   /* a reply that says no */
    PEER_QUIET = 2,    /* APPEND: answered only when it is rejected */
    PEER_TRANSFER = 4, /* VOTE: the leader asked for it: no matter whether one is heard */
    PEER_FULL = 8,     /* APPEND_REPLY: the sender's disk is as good as full */
    PEER_LAST = 16,    /* SNAPSHOT: the last chunk */
    PEER_BULK = 32,    /* any kind: catching up; paced, behind what is not */
    PEER_MUTE = 64,    /* APPEND_REPLY: the sender lost its disk, and has no vote yet */
};
#define PEER_FLAGS_KNOWN 127u

struct peer_message {
    uint8_t kind;     /* enum peer_message_kind */
    uint8_t from, to; /* node ids in [1, PEER_ID_MAX] */
    uint8_t flags;    /* of enum peer_message_flag */
    uint32_t payload_size;
    uint64_t term, index, log_term, commit, context, extra;
};
static_assert(sizeof(struct peer_message) == 56, "struct peer_message is sent");

/* peer_message_set_entries says that an APPEND holds `count` entries of `term`; the two others read
 * it back. term in [0, PEER_TERM_MAX]. */
static inline void peer_message_set_entries(struct peer_message *message, uint64_t term,
                                            uint32_t count)
{
    message->extra = (uint64_t)count << 32 | term;
}

static inline uint64_t peer_message_entry_term(const struct peer_message *message)
{
    return message->extra & 0xffffffffu;
}

static inline uint32_t peer_message_entry_count(const struct peer_message *message)
{
    return (uint32_t)(message->extra >> 32);
}

/* peer_message_valid checks a message that came from outside: `size` bytes (header and payload) for
 * node `self`. It looks at the header only; what a payload holds is checked by who reads it.
 * Returns 0; ERR_SHORT: fewer bytes than a header, or not exactly header and payload; ERR_VERSION:
 * an unknown kind or flag; ERR_RANGE: ids, terms, indexes or sizes outside what the kind allows. */
MUST_USE int peer_message_valid(const struct peer_message *message, uint64_t size, uint8_t self);

/* peer_message_kind_name names a kind for people ("append"); "unknown" for anything else. */
const char *peer_message_kind_name(uint8_t kind);

/* peer_message_describe writes one line about a message; returns bytes as snprintf does. */
int peer_message_describe(const struct peer_message *message, char *line, uint32_t size);
