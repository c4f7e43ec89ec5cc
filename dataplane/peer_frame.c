#include "dataplane/peer_frame.h"

#include "base/check.h"
#include "base/crc32c.h"

#include <stddef.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire's order is the host's");

/* As it lies in the datagram, read and written in place at any alignment. */
struct frame_wire {
    uint32_t magic;
    uint16_t wire_version;
    uint8_t flags, key, from, to;
    uint16_t index, count, zero;
    uint8_t cluster[PEER_FRAME_CLUSTER_SIZE];
    uint64_t incarnation, to_incarnation, message_id;
    uint32_t message_size, stamp_us, echo_us, crc;
} __attribute__((packed, may_alias));
static_assert(sizeof(struct frame_wire) == PEER_FRAME_SIZE, "struct frame_wire is sent");
static_assert(offsetof(struct frame_wire, cluster) == 16, "struct frame_wire is sent");
static_assert(offsetof(struct frame_wire, message_id) == 48, "struct frame_wire is sent");
static_assert(PEER_FRAME_SIZE == CRC32C_HEADER_SIZE, "crc32c_datagram");
static_assert(offsetof(struct frame_wire, crc) == CRC32C_SUM_AT, "the CRC ends the header");

/* What every wire version has: who spoke which. */
#define FRAME_VERSION_SIZE 10u

uint32_t peer_frame_encode(const struct peer_frame *frame, const struct peer_key *key,
                           uint8_t *room)
{
    struct frame_wire *wire = (struct frame_wire *)room;
    uint32_t size = PEER_FRAME_SIZE + frame->size;
    wire->magic = PEER_FRAME_MAGIC;
    wire->wire_version = PEER_FRAME_WIRE_VERSION;
    wire->flags = frame->flags;
    wire->key = key ? key->number : 0;
    wire->from = frame->from;
    wire->to = frame->to;
    wire->index = frame->index;
    wire->count = frame->count;
    wire->zero = 0;
    memcpy(wire->cluster, frame->cluster, sizeof(wire->cluster));
    wire->incarnation = frame->incarnation;
    wire->to_incarnation = frame->to_incarnation;
    wire->message_id = frame->message_id;
    wire->message_size = frame->message_size;
    wire->stamp_us = frame->stamp_us;
    wire->echo_us = frame->echo_us;
    if (frame->size)
        memcpy(room + PEER_FRAME_SIZE, frame->bytes, frame->size);
    wire->crc = crc32c_datagram(room, frame->size);
    if (key) {
        peer_keys_mark(key, room, size, room + size);
        size += PEER_KEYS_MAC_SIZE;
    }
    return size;
}

/* True when the fragment's numbers can be those of one message cut into equal pieces. */
static bool frame_fragment_sane(const struct peer_frame *frame)
{
    if (frame->count == 0)
        return frame->index == 0 && frame->size == 0 && frame->message_size == 0;
    if (frame->index >= frame->count || frame->count > PEER_FRAME_COUNT_MAX || frame->size == 0 ||
        frame->size > frame->message_size)
        return false;
    if (frame->index + 1u < frame->count) { /* full pieces, and a last one of 1 to `size` bytes */
        uint64_t before = (uint64_t)(frame->count - 1) * frame->size;
        return before < frame->message_size && frame->message_size - before <= frame->size;
    }
    uint32_t before = frame->message_size - frame->size;
    if (frame->count == 1)
        return before == 0;
    return before % (frame->count - 1u) == 0 && before / (frame->count - 1u) >= frame->size;
}

static void frame_read(const struct frame_wire *wire, struct peer_frame *frame)
{
    frame->flags = wire->flags;
    frame->key = wire->key;
    frame->index = wire->index;
    frame->count = wire->count;
    frame->incarnation = wire->incarnation;
    frame->to_incarnation = wire->to_incarnation;
    frame->message_id = wire->message_id;
    frame->message_size = wire->message_size;
    frame->stamp_us = wire->stamp_us;
    frame->echo_us = wire->echo_us;
    frame->bytes = (const uint8_t *)(wire + 1);
}

int peer_frame_decode(const uint8_t *bytes, uint32_t size, struct peer_frame *frame)
{
    const struct frame_wire *wire = (const struct frame_wire *)bytes;
    *frame = (struct peer_frame){0};
    if (size < FRAME_VERSION_SIZE || wire->magic != PEER_FRAME_MAGIC)
        return ERR_MALFORMED;
    frame->wire_version = wire->wire_version;
    frame->from = wire->from;
    if (wire->wire_version != PEER_FRAME_WIRE_VERSION)
        return ERR_VERSION;
    uint32_t mac = wire->key ? PEER_KEYS_MAC_SIZE : 0;
    if (size < PEER_FRAME_SIZE + mac)
        return ERR_MALFORMED;
    frame->to = wire->to;
    memcpy(frame->cluster, wire->cluster, sizeof(wire->cluster));
    frame->size = size - PEER_FRAME_SIZE - mac;
    if (crc32c_datagram(bytes, frame->size) != wire->crc)
        return ERR_CORRUPT;
    frame_read(wire, frame);
    if (wire->zero || (wire->flags & ~PEER_FRAME_KNOWN) || wire->incarnation == 0 ||
        wire->message_id == 0 || !frame_fragment_sane(frame))
        return ERR_MALFORMED;
    return 0;
}

bool peer_frame_right(const uint8_t *bytes, uint32_t size, const struct peer_key *key)
{
    CHECK(size >= PEER_FRAME_SIZE + PEER_KEYS_MAC_SIZE);
    uint32_t marked = size - PEER_KEYS_MAC_SIZE;
    return peer_keys_right(key, bytes, marked, bytes + marked);
}
