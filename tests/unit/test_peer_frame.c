/* Goal: a datagram says exactly what was put into it, and anything else is refused. Method: round
 * trips over all sizes and fragment numbers; each refusal of the header by hand, with the CRC made
 * right again; every single bit flipped. */
#include "dataplane/peer_frame.h"

#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGE_SIZE 5000u

static uint8_t message[MESSAGE_SIZE];

static struct peer_frame sample(void)
{
    struct peer_frame frame = {.flags = PEER_FRAME_BULK,
                               .from = 3,
                               .to = 254,
                               .index = 1,
                               .count = 3,
                               .incarnation = 0x1122334455667788,
                               .to_incarnation = 99,
                               .message_id = 1ull << 40,
                               .message_size = 2500,
                               .stamp_us = 7,
                               .echo_us = 0xffffffff,
                               .bytes = message + 1000,
                               .size = 1000};
    for (int i = 0; i < PEER_FRAME_CLUSTER_SIZE; i++)
        frame.cluster[i] = (uint8_t)(i + 1);
    return frame;
}

static void assert_same(const struct peer_frame *a, const struct peer_frame *b)
{
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->to, b->to);
    assert_int_equal(a->index, b->index);
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->cluster, b->cluster, PEER_FRAME_CLUSTER_SIZE);
    assert_int_equal(a->incarnation, b->incarnation);
    assert_int_equal(a->to_incarnation, b->to_incarnation);
    assert_int_equal(a->message_id, b->message_id);
    assert_int_equal(a->message_size, b->message_size);
    assert_int_equal(a->stamp_us, b->stamp_us);
    assert_int_equal(a->echo_us, b->echo_us);
    assert_int_equal(a->size, b->size);
    if (a->size)
        assert_memory_equal(a->bytes, b->bytes, a->size);
}

static void test_round_trip(void **state)
{
    uint8_t room[2048];
    struct peer_frame frame = sample(), back;
    for (uint32_t i = 0; i < MESSAGE_SIZE; i++)
        message[i] = (uint8_t)(i * 7);
    uint32_t size = peer_frame_encode(&frame, NULL, room);
    assert_int_equal(size, peer_frame_size(1000, false));
    assert_int_equal(peer_frame_decode(room, size, &back), 0);
    assert_same(&frame, &back);
    assert_int_equal(back.key, 0);
    assert_int_equal(back.wire_version, PEER_FRAME_WIRE_VERSION);
    /* a greeting */
    frame.count = frame.index = 0;
    frame.size = frame.message_size = 0;
    size = peer_frame_encode(&frame, NULL, room);
    assert_int_equal(size, PEER_FRAME_SIZE);
    assert_int_equal(peer_frame_decode(room, size, &back), 0);
    assert_same(&frame, &back);
}

/* The receiver must be able to tell where each piece belongs from that piece alone. */
static void test_each_cut(void **state)
{
    uint8_t room[2048];
    for (uint32_t total = 1; total <= 700; total++) {
        for (uint32_t unit = 1; unit <= 200; unit += total < 50 ? 1 : 37) {
            struct peer_frame frame = sample(), back;
            frame.message_size = total;
            frame.count = (uint16_t)((total + unit - 1) / unit);
            for (uint32_t i = 0; i < frame.count; i++) {
                frame.index = (uint16_t)i;
                frame.bytes = message + i * unit;
                frame.size = total - i * unit < unit ? total - i * unit : unit;
                uint32_t size = peer_frame_encode(&frame, NULL, room);
                assert_int_equal(peer_frame_decode(room, size, &back), 0);
                assert_int_equal(peer_frame_offset(&back), i * unit);
            }
        }
    }
}

/* Decodes what `frame` encodes to, after `n` bytes at `at` were set and the CRC made right. */
static int decode_changed(struct peer_frame frame, uint32_t at, uint64_t value, uint32_t n)
{
    uint8_t room[2048];
    struct peer_frame back;
    uint32_t size = peer_frame_encode(&frame, NULL, room);
    memcpy(room + at, &value, n);
    uint32_t crc = crc32c(0, room, 68);
    crc = crc32c(crc, room + PEER_FRAME_SIZE, size - PEER_FRAME_SIZE);
    memcpy(room + 68, &crc, 4);
    return peer_frame_decode(room, size, &back);
}

static void test_refusals(void **state)
{
    struct peer_frame frame = sample(), alone = sample(), greeting = sample(), first = sample(),
                      back;
    uint8_t room[2048];
    alone.index = first.index = 0;
    alone.count = 1;
    alone.message_size = alone.size;
    greeting.count = greeting.index = 0;
    greeting.size = greeting.message_size = 0;
    assert_int_equal(decode_changed(frame, 8, 3, 1), 0); /* nothing is wrong with that by itself */
    assert_int_equal(decode_changed(frame, 0, 0x12345678, 4), ERR_MALFORMED); /* magic */
    assert_int_equal(decode_changed(frame, 4, 2, 2), ERR_VERSION);
    assert_int_equal(decode_changed(frame, 6, 8, 1), ERR_MALFORMED);  /* flags */
    assert_int_equal(decode_changed(frame, 10, 3, 2), ERR_MALFORMED); /* index = count */
    assert_int_equal(decode_changed(first, 12, 2, 2), ERR_MALFORMED); /* 2 x 1000 < 2500 */
    assert_int_equal(decode_changed(frame, 12, 4, 2), ERR_MALFORMED); /* 3 x 1000 > 2500 */
    assert_int_equal(decode_changed(frame, 12, 0, 2), ERR_MALFORMED);
    assert_int_equal(decode_changed(frame, 14, 1, 2), ERR_MALFORMED);    /* zero */
    assert_int_equal(decode_changed(frame, 32, 0, 8), ERR_MALFORMED);    /* incarnation */
    assert_int_equal(decode_changed(frame, 48, 0, 8), ERR_MALFORMED);    /* message id */
    assert_int_equal(decode_changed(frame, 56, 2000, 4), ERR_MALFORMED); /* nothing for the last */
    assert_int_equal(decode_changed(frame, 56, 0, 4), ERR_MALFORMED);
    assert_int_equal(decode_changed(frame, 56, 0xffffffff, 4), ERR_MALFORMED);
    assert_int_equal(decode_changed(alone, 56, 1001, 4), ERR_MALFORMED);
    assert_int_equal(decode_changed(greeting, 56, 1, 4), ERR_MALFORMED);
    assert_int_equal(decode_changed(greeting, 10, 1, 2), ERR_MALFORMED);
    /* a last piece that is larger than the others, or does not end where they say */
    frame.index = 2;
    frame.size = 1000;
    frame.message_size = 2001;
    assert_int_equal(peer_frame_decode(room, peer_frame_encode(&frame, NULL, room), &back),
                     ERR_MALFORMED);
    frame.message_size = 2900;
    assert_int_equal(peer_frame_decode(room, peer_frame_encode(&frame, NULL, room), &back),
                     ERR_MALFORMED);
    frame.message_size = 3000;
    assert_int_equal(peer_frame_decode(room, peer_frame_encode(&frame, NULL, room), &back), 0);
    /* more pieces than there may be */
    frame.count = PEER_FRAME_COUNT_MAX + 1;
    frame.index = 0;
    frame.message_size = PEER_FRAME_COUNT_MAX * 1000 + 1;
    assert_int_equal(peer_frame_decode(room, peer_frame_encode(&frame, NULL, room), &back),
                     ERR_MALFORMED);
}

static void test_other_version_is_named(void **state)
{
    uint8_t room[2048];
    struct peer_frame frame = sample(), back;
    peer_frame_encode(&frame, NULL, room);
    room[4] = 77;
    for (uint32_t size = 10; size < 100; size++) { /* its header may have any size */
        assert_int_equal(peer_frame_decode(room, size, &back), ERR_VERSION);
        assert_int_equal(back.wire_version, 77);
        assert_int_equal(back.from, 3);
    }
}

static void test_cut_and_damaged(void **state)
{
    static uint8_t room[2048];
    struct peer_frame frame = sample(), back;
    uint32_t size = peer_frame_encode(&frame, NULL, room);
    for (uint32_t cut = 0; cut < size; cut++)
        assert_int_not_equal(peer_frame_decode(room, cut, &back), 0);
    for (uint32_t bit = 0; bit < size * 8; bit++) {
        room[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(peer_frame_decode(room, size, &back), 0);
        if (bit >= 10 * 8)
            assert_int_equal(peer_frame_decode(room, size, &back), ERR_CORRUPT);
        room[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(peer_frame_decode(room, size, &back), 0);
}

static void test_mark(void **state)
{
    static const char text[] = "5 000102030405060708090a0b0c0d0e0f\n"
                               "6 100102030405060708090a0b0c0d0e0f\n";
    uint8_t room[2048];
    struct peer_keys keys;
    struct peer_frame frame = sample(), back;
    assert_int_equal(peer_keys_parse(&keys, text, sizeof(text) - 1, NULL), 0);
    const struct peer_key *key = peer_keys_find(&keys, 5);
    uint32_t size = peer_frame_encode(&frame, key, room);
    assert_int_equal(size, peer_frame_size(1000, true));
    assert_int_equal(peer_frame_decode(room, size, &back), 0);
    assert_int_equal(back.key, 5);
    assert_same(&frame, &back);
    assert_true(peer_frame_right(room, size, key));
    assert_false(peer_frame_right(room, size, peer_keys_find(&keys, 6)));
    for (uint32_t i = 0; i < size; i += 3) {
        room[i] ^= 0x10;
        assert_false(peer_frame_right(room, size, key));
        room[i] ^= 0x10;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_each_cut),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_other_version_is_named),
        cmocka_unit_test(test_cut_and_damaged), cmocka_unit_test(test_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
