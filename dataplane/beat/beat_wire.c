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
static_assert(offsetof(struct beat_wire, crc) == BEAT_WIRE_SIZE - 4, "the CRC ends the header");
static_assert(BEAT_WIRE_DATAGRAM_MAX <= 1400, "fits every path that carries 1400 bytes of UDP");
static_assert(BEAT_WIRE_PIECE_COUNT_MAX <= 64, "pieces are counted in one word");

static uint32_t beat_wire_crc(const uint8_t *datagram, uint32_t size)
{
    uint32_t crc = crc32c(0, datagram, offsetof(struct beat_wire, crc));
    return size ? crc32c(crc, datagram + BEAT_WIRE_SIZE, size) : crc;
}

uint32_t beat_wire_encode(const struct beat_frame *frame, const struct peer_key *key,
                          uint8_t *room)
{
    struct beat_wire *wire = (struct beat_wire *)room;
    uint32_t size = BEAT_WIRE_SIZE + frame->size;
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
    if (frame->size && frame->bytes != room + BEAT_WIRE_SIZE)
        memcpy(room + BEAT_WIRE_SIZE, frame->bytes, frame->size);
    wire->crc = __builtin_bswap32(beat_wire_crc(room, frame->size));
    if (key) {
        peer_keys_mark(key, room, size, room + size);
        size += PEER_KEYS_MAC_SIZE;
    }
    return size;
}

/* ---- decode ---- */

/* What a kind uses of the fields that not every kind uses: the others must be 0, so that a later
 * version can give them a meaning. */
enum {
    USES_SESSION = 1,  /* session and attach are not 0 */
    USES_SEQUENCE = 2, /* not 0 */
    USES_ACKED = 4,
    USES_EVENT = 8,
    USES_TIME = 16,
    USES_CODE = 32,
    USES_CREDITS = 64,
    USES_PIECES = 128, /* a message of any size in pieces; else all of it in this datagram */
    USES_BODY = 256,   /* the message may have bytes */
    MAY_SESSION = 512, /* session and attach as they come */
    KNOWN = 1024,
};

#define BEAT_WIRE_FROM_NODE (KNOWN | USES_ACKED | USES_EVENT | USES_TIME | USES_CREDITS)

static const uint16_t uses_of_client[] = {
    [BEAT_OPEN] = KNOWN | MAY_SESSION | USES_SEQUENCE | USES_ACKED | USES_BODY,
    [BEAT_REQUEST] = KNOWN | USES_SESSION | USES_SEQUENCE | USES_ACKED | USES_EVENT | USES_TIME |
                     USES_CODE | USES_PIECES | USES_BODY,
    [BEAT_RENEW] = KNOWN | USES_SESSION | USES_SEQUENCE | USES_ACKED | USES_EVENT,
    [BEAT_TIME] = KNOWN | USES_SEQUENCE,
    [BEAT_ACK] = KNOWN | USES_SESSION | USES_ACKED | USES_EVENT,
};

static const uint16_t uses_of_node[] = {
    [BEAT_OPENED - BEAT_ANSWER] =
        BEAT_WIRE_FROM_NODE | MAY_SESSION | USES_SEQUENCE | USES_CODE | USES_BODY,
    [BEAT_REPLY - BEAT_ANSWER] = BEAT_WIRE_FROM_NODE | USES_SESSION | USES_SEQUENCE | USES_CODE |
                                 USES_PIECES | USES_BODY,
    [BEAT_RENEWED - BEAT_ANSWER] =
        BEAT_WIRE_FROM_NODE | USES_SESSION | USES_SEQUENCE | USES_BODY,
    [BEAT_TIMED - BEAT_ANSWER] = KNOWN | USES_SEQUENCE | USES_BODY,
    [BEAT_EVENT - BEAT_ANSWER] = BEAT_WIRE_FROM_NODE | USES_SESSION | USES_CODE | USES_PIECES |
                                 USES_BODY,
    [BEAT_REFUSED - BEAT_ANSWER] = KNOWN | MAY_SESSION | USES_SEQUENCE | USES_CODE,
};

static uint32_t beat_wire_uses(uint8_t kind)
{
    if (kind & BEAT_ANSWER) {
        kind &= (uint8_t)~BEAT_ANSWER;
        return kind < sizeof(uses_of_node) / sizeof(uses_of_node[0]) ? uses_of_node[kind] : 0;
    }
    return kind < sizeof(uses_of_client) / sizeof(uses_of_client[0]) ? uses_of_client[kind] : 0;
}

/* Which of the fields that not every kind uses are there: in one word, without a branch. */
static inline uint32_t beat_wire_has(const struct beat_frame *frame)
{
    return (uint32_t)(frame->sequence != 0) * USES_SEQUENCE |
           (uint32_t)(frame->acked != 0) * USES_ACKED | (uint32_t)(frame->event != 0) * USES_EVENT |
           (uint32_t)(frame->time != 0) * USES_TIME | (uint32_t)(frame->code != 0) * USES_CODE |
           (uint32_t)(frame->credits != 0) * USES_CREDITS |
           (uint32_t)(frame->size != 0) * USES_BODY;
}

/* True when the fields of a frame can be those of its kind. */
static bool beat_wire_sane(const struct beat_frame *frame)
{
    uint32_t uses = beat_wire_uses(frame->kind);
    if (!uses || (frame->flags & ~BEAT_FLAGS) || frame->from == 0)
        return false;
    bool attached = frame->session != 0 && frame->attach != 0;
    bool none = frame->session == 0 && frame->attach == 0;
    if (!(uses & MAY_SESSION) && !(uses & USES_SESSION ? attached : none))
        return false;
    uint32_t has = beat_wire_has(frame);
    if ((has & ~uses) || (~has & uses & USES_SEQUENCE && frame->kind != BEAT_REFUSED))
        return false;
    if (frame->index == 0 && frame->size == frame->message_size &&
        frame->size <= BEAT_WIRE_PIECE_SIZE)
        return true; /* whole */
    if (frame->message_size > (uses & USES_PIECES ? BEAT_WIRE_MESSAGE_MAX : BEAT_WIRE_PIECE_SIZE) ||
        frame->index >= beat_wire_pieces(frame->message_size))
        return false;
    return frame->size == beat_wire_piece_size(frame->message_size, frame->index);
}

static void beat_wire_read(const struct beat_wire *wire, struct beat_frame *frame)
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

int beat_wire_decode(const uint8_t *bytes, uint32_t size, struct beat_frame *frame)
{
    const struct beat_wire *wire = (const struct beat_wire *)bytes;
    if (size < BEAT_WIRE_SIZE || wire->magic != __builtin_bswap32(BEAT_WIRE_MAGIC))
        return ERR_MALFORMED;
    if (wire->version != BEAT_WIRE_VERSION) {
        beat_wire_read(wire, frame);
        frame->size = 0;
        return ERR_VERSION;
    }
    uint32_t mark = wire->key ? PEER_KEYS_MAC_SIZE : 0;
    if (size < BEAT_WIRE_SIZE + mark || size > BEAT_WIRE_DATAGRAM_MAX)
        return ERR_MALFORMED;
    uint32_t piece = size - BEAT_WIRE_SIZE - mark;
    if (beat_wire_crc(bytes, piece) != __builtin_bswap32(wire->crc))
        return ERR_CORRUPT;
    beat_wire_read(wire, frame);
    frame->size = piece;
    return beat_wire_sane(frame) ? 0 : ERR_MALFORMED;
}

bool beat_wire_right(const uint8_t *bytes, uint32_t size, const struct peer_key *key)
{
    CHECK(size >= BEAT_WIRE_SIZE + PEER_KEYS_MAC_SIZE);
    uint32_t marked = size - PEER_KEYS_MAC_SIZE;
    return peer_keys_right(key, bytes, marked, bytes + marked);
}
