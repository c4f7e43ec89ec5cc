#include "dataplane/beat/beat_wire.h"

#include "base/check.h"
#include "base/crc32c.h"

#include <stddef.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "each field is swapped");

/* As it lies in the datagram, read and written in place at any alignment. */
struct beat_wire {
    uint32_t magic;
    uint8_t version, kind, flags, key;
    uint32_t from, to;
    uint64_t session, sequence, acked;
    uint32_t attach, event;
    uint64_t time;
    uint32_t code;
    uint16_t credits, index;
    uint32_t message_size, crc;
} __attribute__((packed, may_alias));
static_assert(sizeof(struct beat_wire) == BEAT_WIRE_SIZE, "struct beat_wire is sent");
static_assert(offsetof(struct beat_wire, session) == 16, "struct beat_wire is sent");
static_assert(offsetof(struct beat_wire, time) == 48, "struct beat_wire is sent");
static_assert(BEAT_WIRE_SIZE == CRC32C_HEADER_SIZE, "crc32c_datagram");
static_assert(offsetof(struct beat_wire, crc) == CRC32C_SUM_AT, "the CRC ends the header");
static_assert(BEAT_WIRE_DATAGRAM_MAX <= 1400, "fits every path that carries 1400 bytes of UDP");
static_assert(BEAT_WIRE_PIECE_COUNT_MAX <= 64, "pieces are counted in one word");

/* The sum and the mark of a datagram that is whole but for them. */
static inline uint32_t beat_wire_end(struct beat_wire *wire, uint32_t piece,
                                     const struct peer_key *key)
{
    uint8_t *room = (uint8_t *)wire;
    uint32_t size = BEAT_WIRE_SIZE + piece;
    wire->crc = __builtin_bswap32(crc32c_datagram(room, piece));
    if (UNLIKELY(key != NULL)) {
        peer_keys_mark(key, room, size, room + size);
        size += PEER_KEYS_MAC_SIZE;
    }
    return size;
}

static inline void beat_wire_write(const struct beat_frame *frame, const struct peer_key *key,
                                   struct beat_wire *wire)
{
    wire->magic = __builtin_bswap32(BEAT_WIRE_MAGIC);
    wire->version = BEAT_WIRE_VERSION;
    wire->kind = frame->kind;
    wire->flags = frame->flags;
    wire->key = key ? key->number : 0;
    wire->from = __builtin_bswap32(frame->from);
    wire->to = __builtin_bswap32(frame->to);
    wire->session = __builtin_bswap64((uint64_t)frame->session);
    wire->sequence = __builtin_bswap64(frame->sequence);
    wire->acked = __builtin_bswap64(frame->acked);
    wire->attach = __builtin_bswap32(frame->attach);
    wire->event = __builtin_bswap32(frame->event);
    wire->time = __builtin_bswap64(frame->time);
    wire->code = __builtin_bswap32((uint32_t)frame->code);
    wire->credits = __builtin_bswap16(frame->credits);
    wire->index = __builtin_bswap16(frame->index);
    wire->message_size = __builtin_bswap32(frame->message_size);
}

inline uint32_t beat_wire_encode(const struct beat_frame *frame, const struct peer_key *key,
                                 uint8_t *room)
{
    struct beat_wire *wire = (struct beat_wire *)room;
    beat_wire_write(frame, key, wire);
    if (frame->size && frame->bytes != room + BEAT_WIRE_SIZE)
        memcpy(room + BEAT_WIRE_SIZE, frame->bytes, frame->size);
    return beat_wire_end(wire, frame->size, key);
}

void beat_wire_prepare(const struct beat_frame *frame, const struct peer_key *key,
                       struct beat_wire_head *head)
{
    memset(head, 0, sizeof(*head));
    beat_wire_write(frame, key, (struct beat_wire *)head->bytes);
}

inline uint32_t beat_wire_encode_as(const struct beat_wire_head *head,
                                    const struct beat_frame *frame, const struct peer_key *key,
                                    uint8_t *room)
{
    struct beat_wire *wire = (struct beat_wire *)room;
    memcpy(wire, head->bytes, offsetof(struct beat_wire, message_size));
    wire->kind = frame->kind;
    wire->flags = frame->flags;
    wire->sequence = __builtin_bswap64(frame->sequence);
    wire->acked = __builtin_bswap64(frame->acked);
    wire->event = __builtin_bswap32(frame->event);
    wire->time = __builtin_bswap64(frame->time);
    wire->code = __builtin_bswap32((uint32_t)frame->code);
    wire->message_size = __builtin_bswap32(frame->size);
    if (frame->size)
        memcpy(room + BEAT_WIRE_SIZE, frame->bytes, frame->size);
    return beat_wire_end(wire, frame->size, key);
}

/* ---- decode ---- */

enum {
    KIND_KNOWN = 1,
    KIND_SESSION = 2,  /* session and attach are not 0 */
    KIND_SEQUENCE = 4, /* not 0 */
    KIND_PIECES = 8,   /* a message of any size in pieces; else all of it in this datagram */
};

/* What a kind's fields may be. Those that it does not use are 0, so that a later version can give
 * them a meaning: `zero` has all bits of these fields. */
struct beat_wire_kind {
    struct beat_wire zero;
    uint32_t rules;
};

/* The fields that not every kind uses. */
#define NO_SESSION  .session = UINT64_MAX, .attach = UINT32_MAX
#define NO_SEQUENCE .sequence = UINT64_MAX
#define NO_ACKED    .acked = UINT64_MAX
#define NO_EVENT    .event = UINT32_MAX
#define NO_TIME     .time = UINT64_MAX
#define NO_CODE     .code = UINT32_MAX
#define NO_CREDITS  .credits = UINT16_MAX
#define NO_BODY     .message_size = UINT32_MAX

#define KIND_INDEX(kind) (((kind) & 7u) | ((kind) & BEAT_ANSWER) >> 4)
#define KIND_AT(kind)    [KIND_INDEX(kind)]
static const struct beat_wire_kind beat_wire_kinds[16] = {
    KIND_AT(BEAT_OPEN) = {{NO_EVENT, NO_TIME, NO_CODE, NO_CREDITS}, KIND_KNOWN | KIND_SEQUENCE},
    KIND_AT(BEAT_RENEW) = {{NO_TIME, NO_CODE, NO_CREDITS, NO_BODY},
                           KIND_KNOWN | KIND_SESSION | KIND_SEQUENCE},
    KIND_AT(BEAT_TIME) = {{NO_SESSION, NO_ACKED, NO_EVENT, NO_TIME, NO_CODE, NO_CREDITS, NO_BODY},
                          KIND_KNOWN | KIND_SEQUENCE},
    KIND_AT(BEAT_ACK) = {{NO_SEQUENCE, NO_TIME, NO_CODE, NO_CREDITS, NO_BODY},
                         KIND_KNOWN | KIND_SESSION},
    KIND_AT(BEAT_OPENED) = {{.magic = 0}, KIND_KNOWN | KIND_SEQUENCE},
    KIND_AT(BEAT_REPLY) = {{.magic = 0}, KIND_KNOWN | KIND_SESSION | KIND_SEQUENCE | KIND_PIECES},
    KIND_AT(BEAT_RENEWED) = {{NO_CODE}, KIND_KNOWN | KIND_SESSION | KIND_SEQUENCE},
    KIND_AT(BEAT_TIMED) = {{NO_SESSION, NO_ACKED, NO_EVENT, NO_TIME, NO_CODE, NO_CREDITS},
                           KIND_KNOWN | KIND_SEQUENCE},
    KIND_AT(BEAT_EVENT) = {{NO_SEQUENCE}, KIND_KNOWN | KIND_SESSION | KIND_PIECES},
    KIND_AT(BEAT_REFUSED) = {{NO_ACKED, NO_EVENT, NO_TIME, NO_CREDITS, NO_BODY}, KIND_KNOWN},
};

/* Are the fields that the kind does not use 0? As words, without a branch for each. */
static inline bool beat_wire_unused(const struct beat_wire *wire, const struct beat_wire *zero)
{
    const uint8_t *at = (const uint8_t *)wire, *bits = (const uint8_t *)zero;
    uint64_t seen = 0;
    for (size_t i = offsetof(struct beat_wire, session); i < BEAT_WIRE_SIZE; i += 8) {
        uint64_t word, mask;
        memcpy(&word, at + i, 8);
        memcpy(&mask, bits + i, 8);
        seen |= word & mask;
    }
    return seen == 0;
}

/* Are the size of the message and the piece's number those of a datagram with `piece` bytes? */
static inline bool beat_wire_sized(const struct beat_wire *wire, uint32_t piece, uint32_t most)
{
    uint32_t size = __builtin_bswap32(wire->message_size);
    if (LIKELY(wire->index == 0 && size == piece && size <= BEAT_WIRE_PIECE_SIZE))
        return true; /* whole */
    uint32_t index = __builtin_bswap16(wire->index);
    return size <= most && index < beat_wire_pieces(size) &&
           piece == beat_wire_piece_size(size, index);
}

/* True when the fields of a datagram with `piece` bytes can be those of its kind. Zero looks the
 * same in either order of bytes. */
static inline bool beat_wire_sane(const struct beat_wire *wire, uint32_t piece)
{
    if ((wire->flags & ~BEAT_FLAGS) || wire->from == 0)
        return false;
    if (LIKELY(wire->kind == BEAT_REQUEST)) /* the row of the table, without it */
        return wire->session && wire->attach && wire->sequence && !wire->credits &&
               beat_wire_sized(wire, piece, BEAT_WIRE_MESSAGE_MAX);
    const struct beat_wire_kind *kind = &beat_wire_kinds[KIND_INDEX(wire->kind)];
    uint32_t rules = kind->rules;
    if (!rules || (wire->kind & ~(BEAT_ANSWER | 7)) || !beat_wire_unused(wire, &kind->zero))
        return false;
    if ((rules & KIND_SESSION) && (wire->session == 0 || wire->attach == 0))
        return false;
    if ((rules & KIND_SEQUENCE) && wire->sequence == 0)
        return false;
    return beat_wire_sized(wire, piece,
                           rules & KIND_PIECES ? BEAT_WIRE_MESSAGE_MAX : BEAT_WIRE_PIECE_SIZE);
}

static inline void beat_wire_read(const struct beat_wire *wire, struct beat_frame *frame)
{
    frame->version = wire->version;
    frame->kind = wire->kind;
    frame->flags = wire->flags;
    frame->key = wire->key;
    frame->from = __builtin_bswap32(wire->from);
    frame->to = __builtin_bswap32(wire->to);
    frame->session = (int64_t)__builtin_bswap64(wire->session);
    frame->sequence = __builtin_bswap64(wire->sequence);
    frame->acked = __builtin_bswap64(wire->acked);
    frame->attach = __builtin_bswap32(wire->attach);
    frame->event = __builtin_bswap32(wire->event);
    frame->time = __builtin_bswap64(wire->time);
    frame->code = (int32_t)__builtin_bswap32(wire->code);
    frame->credits = __builtin_bswap16(wire->credits);
    frame->index = __builtin_bswap16(wire->index);
    frame->message_size = __builtin_bswap32(wire->message_size);
    frame->bytes = (const uint8_t *)(wire + 1);
}

inline int beat_wire_decode(const uint8_t *bytes, uint32_t size, struct beat_frame *frame)
{
    const struct beat_wire *wire = (const struct beat_wire *)bytes;
    if (size < BEAT_WIRE_SIZE || wire->magic != __builtin_bswap32(BEAT_WIRE_MAGIC))
        return ERR_MALFORMED;
    if (wire->version != BEAT_WIRE_VERSION) {
        beat_wire_read(wire, frame);
        frame->size = 0;
        return ERR_VERSION;
    }
    uint32_t piece = size - BEAT_WIRE_SIZE;
    if (size > BEAT_WIRE_DATAGRAM_MAX || (wire->key && piece < PEER_KEYS_MAC_SIZE))
        return ERR_MALFORMED;
    if (wire->key)
        piece -= PEER_KEYS_MAC_SIZE;
    if (crc32c_datagram(bytes, piece) != __builtin_bswap32(wire->crc))
        return ERR_CORRUPT;
    if (!beat_wire_sane(wire, piece))
        return ERR_MALFORMED;
    beat_wire_read(wire, frame);
    frame->size = piece;
    return 0;
}

bool beat_wire_right(const uint8_t *bytes, uint32_t size, const struct peer_key *key)
{
    CHECK(size >= BEAT_WIRE_SIZE + PEER_KEYS_MAC_SIZE);
    uint32_t marked = size - PEER_KEYS_MAC_SIZE;
    return peer_keys_right(key, bytes, marked, bytes + marked);
}
