/* Goal: a message is delivered once, whole, whatever the order of its parts; nothing else is;
 * memory is bounded. Method: shuffled, doubled and lost fragments against what was cut; each result
 * of peer_reassembly_add by hand. */
#include "dataplane/peer_reassembly.h"

#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SIZE_MAX_HERE 100000u
#define UNIT          1000u

static uint8_t bytes[SIZE_MAX_HERE + 1];
static struct peer_reassembly r;
static const uint8_t *whole;

static void begin(uint32_t slots)
{
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i ^ i >> 8);
    assert_int_equal(peer_reassembly_init(&r, slots, SIZE_MAX_HERE), 0);
}

static struct peer_frame piece(uint64_t id, uint32_t size, uint32_t index)
{
    uint32_t begin_at = index * UNIT;
    return (struct peer_frame){.message_id = id,
                               .message_size = size,
                               .count = (uint16_t)((size + UNIT - 1) / UNIT),
                               .index = (uint16_t)index,
                               .bytes = bytes + begin_at,
                               .size = size - begin_at < UNIT ? size - begin_at : UNIT};
}

static int add(uint64_t id, uint32_t size, uint32_t index)
{
    struct peer_frame frame = piece(id, size, index);
    whole = NULL;
    return peer_reassembly_add(&r, &frame, &whole);
}

static void test_one_piece_is_not_copied(void **state)
{
    begin(2);
    assert_int_equal(add(1, 500, 0), 0);
    assert_ptr_equal(whole, bytes);
    assert_int_equal(add(1, 500, 0), ERR_EXISTS);
    struct peer_frame greeting = {.message_id = 2};
    assert_int_equal(peer_reassembly_add(&r, &greeting, &whole), 0);
    assert_null(whole);
    assert_int_equal(peer_reassembly_add(&r, &greeting, &whole), ERR_EXISTS);
    peer_reassembly_fini(&r);
}

static void test_any_order(void **state)
{
    struct rand rand;
    rand_seed(&rand, 1);
    begin(4);
    for (uint64_t id = 1; id <= 200; id++) {
        uint32_t size = 1 + (uint32_t)rand_below(&rand, SIZE_MAX_HERE);
        uint32_t count = (size + UNIT - 1) / UNIT, order[128], done = 0;
        for (uint32_t i = 0; i < count; i++)
            order[i] = i;
        for (uint32_t i = count; i > 1; i--) {
            uint32_t k = (uint32_t)rand_below(&rand, i), swap = order[k];
            order[k] = order[i - 1];
            order[i - 1] = swap;
        }
        for (uint32_t i = 0; i < count; i++) {
            int err = add(id, size, order[i]);
            if (err == 0) {
                done++;
                assert_memory_equal(whole, bytes, size);
            } else {
                assert_int_equal(err, ERR_SHORT);
            }
            assert_int_equal(err == 0, i + 1 == count);
            if (rand_below(&rand, 4) == 0)
                assert_int_equal(add(id, size, order[rand_below(&rand, i + 1)]), ERR_EXISTS);
        }
        assert_int_equal(done, 1);
    }
    assert_int_equal(r.dropped, 0);
    peer_reassembly_fini(&r);
}

static void test_slots_are_bounded(void **state)
{
    begin(3);
    for (uint64_t id = 10; id < 13; id++)
        assert_int_equal(add(id, 3000, 0), ERR_SHORT);
    assert_int_equal(add(13, 3000, 0), ERR_SHORT); /* takes the slot of 10 */
    assert_int_equal(r.dropped, 1);
    assert_int_equal(add(10, 3000, 1), ERR_EXISTS); /* given up: its rest takes no slot again */
    assert_int_equal(r.dropped, 1);
    assert_int_equal(add(9, 3000, 0), ERR_EXISTS); /* older than all: it is the one to give up */
    assert_int_equal(r.dropped, 2);
    for (uint64_t id = 11; id < 14; id++) {
        assert_int_equal(add(id, 3000, 2), ERR_SHORT);
        assert_int_equal(add(id, 3000, 1), 0);
        assert_memory_equal(whole, bytes, 3000);
    }
    assert_int_equal(r.dropped, 2);
    peer_reassembly_fini(&r);
}

static void test_window(void **state)
{
    begin(2);
    assert_int_equal(add(5000, 10, 0), 0);
    assert_int_equal(add(5000 - PEER_REASSEMBLY_WINDOW + 1, 10, 0), 0);
    assert_int_equal(add(5000 - PEER_REASSEMBLY_WINDOW, 10, 0), ERR_RANGE);
    assert_int_equal(add(1, 10, 0), ERR_RANGE);
    /* every id once, in a random order inside of the window, and each again */
    for (uint64_t base = 6000; base < 9000; base += 1000) {
        for (uint64_t i = 0; i < 1000; i++)
            assert_int_equal(add(base + i * 7 % 1000, 10, 0), 0);
        for (uint64_t i = 0; i < 1000; i++)
            assert_int_equal(add(base + i, 10, 0), ERR_EXISTS);
    }
    /* a jump over more than the window */
    assert_int_equal(add(1ull << 60, 10, 0), 0);
    assert_int_equal(add((1ull << 60) - 5, 10, 0), 0);
    assert_int_equal(add((1ull << 60) - 5, 10, 0), ERR_EXISTS);
    assert_int_equal(add(8999, 10, 0), ERR_RANGE);
    peer_reassembly_fini(&r);
}

static void test_refusals(void **state)
{
    begin(2);
    assert_int_equal(add(1, SIZE_MAX_HERE + 1, 0), ERR_LIMIT);
    assert_int_equal(add(2, SIZE_MAX_HERE, 0), ERR_SHORT);
    assert_int_equal(add(3, 5000, 0), ERR_SHORT);
    assert_int_equal(add(3, 4000, 1), ERR_MALFORMED); /* another size than its first said */
    struct peer_frame frame = piece(3, 5000, 1);
    frame.size = 1250; /* four pieces would do: sane by itself, but not with the others */
    frame.count = 4;
    assert_int_equal(peer_reassembly_add(&r, &frame, &whole), ERR_MALFORMED);
    for (uint32_t i = 1; i < 5; i++)
        assert_int_equal(add(3, 5000, i), i < 4 ? ERR_SHORT : 0);
    assert_memory_equal(whole, bytes, 5000);
    peer_reassembly_fini(&r);
}

static void test_reset_forgets(void **state)
{
    begin(2);
    assert_int_equal(add(7, 500, 0), 0);
    assert_int_equal(add(8, 3000, 0), ERR_SHORT);
    peer_reassembly_reset(&r);
    assert_int_equal(add(7, 500, 0), 0);
    assert_int_equal(add(8, 3000, 1), ERR_SHORT);
    assert_int_equal(add(8, 3000, 2), ERR_SHORT);
    assert_int_equal(add(8, 3000, 0), 0);
    peer_reassembly_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_piece_is_not_copied),
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_slots_are_bounded),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_reset_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
