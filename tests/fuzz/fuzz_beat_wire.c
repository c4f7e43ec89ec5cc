/* fuzz_beat_wire: datagrams from anybody, through the codec of beat.
 *
 * Input: first byte: bit 0: the CRC is made right first, so that the search gets behind it. Then
 * one datagram. What must hold: no failed CHECK, nothing read outside of it; one that decodes
 * encodes to the same bytes, and its piece lies inside of its message. */
#include "base/check.h"
#include "base/crc32c.h"
#include "dataplane/beat/beat_wire.h"

#include <stdlib.h>
#include <string.h>

#define FUZZ_CRC_AT 68

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_fix(uint8_t *bytes, uint32_t size)
{
    uint32_t mark = bytes[7] ? PEER_KEYS_MAC_SIZE : 0;
    if (size < BEAT_WIRE_SIZE + mark)
        return;
    uint32_t crc = crc32c(0, bytes, FUZZ_CRC_AT);
    crc = __builtin_bswap32(crc32c(crc, bytes + BEAT_WIRE_SIZE, size - BEAT_WIRE_SIZE - mark));
    memcpy(bytes + FUZZ_CRC_AT, &crc, sizeof(crc));
    struct beat_frame frame;
    CHECK(beat_wire_decode(bytes, size, &frame) != ERR_CORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[BEAT_WIRE_DATAGRAM_MAX];
    static const char secret[] = "7 000102030405060708090a0b0c0d0e0f";
    struct peer_keys keys;
    struct beat_frame frame;
    if (size < 1 || size > 2 * BEAT_WIRE_DATAGRAM_MAX)
        return 0;
    uint32_t n = (uint32_t)size - 1;
    uint8_t *bytes = malloc(n ? n : 1); /* of its own, so that a read behind it is seen */
    CHECK(bytes);
    memcpy(bytes, data + 1, n);
    if (data[0] & 1 && n >= BEAT_WIRE_SIZE)
        fuzz_fix(bytes, n);
    if (beat_wire_decode(bytes, n, &frame) == 0) {
        CHECK(frame.size == n - beat_wire_size(0, frame.key != 0));
        CHECK(frame.size == beat_wire_piece_size(frame.message_size, frame.index));
        CHECK((uint64_t)frame.index * BEAT_WIRE_PIECE_SIZE + frame.size <= frame.message_size);
        CHECK(peer_keys_parse(&keys, secret, sizeof(secret) - 1, NULL) == 0);
        if (frame.key)
            CHECK(!beat_wire_right(bytes, n, &keys.key[0])); /* nobody can make a mark */
        CHECK(beat_wire_encode(&frame, NULL, again) == frame.size + BEAT_WIRE_SIZE);
        if (!frame.key) /* the number of a key is made together with its mark */
            CHECK(memcmp(again, bytes, n) == 0);
    }
    free(bytes);
    return 0;
}
