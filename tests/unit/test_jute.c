/* Goal: what the cursors of base/jute.h read and write is what zk_protocol.md section 2 says, and
 * nothing is ever read past the end. Method: round trips, the byte examples, every truncation. */
#include "base/jute.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_round_trip(void **state)
{
    uint8_t room[64];
    struct jute_out out = jute_out(room, sizeof(room));
    jute_put_int(&out, -101);
    jute_put_long(&out, 0x0102030405060708);
    jute_put_bytes(&out, bytes_of_string("/a"));
    jute_put_bytes(&out, (struct bytes){NULL, -1});
    jute_put_byte(&out, 1);
    assert_false(out.bad);

    struct jute_in in = jute_in(room, (size_t)(out.at - room));
    assert_int_equal(jute_get_int(&in), -101);
    assert_true(jute_get_long(&in) == 0x0102030405060708);
    assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string("/a")));
    assert_int_equal(jute_get_bytes(&in).size, -1);
    assert_true(jute_get_bool(&in));
    assert_false(in.bad);
    assert_ptr_equal(in.at, in.end);
}

static void test_every_truncation_is_bad(void **state)
{
    uint8_t room[64];
    struct jute_out out = jute_out(room, sizeof(room));
    jute_put_long(&out, 7);
    jute_put_bytes(&out, bytes_of_string("/path"));
    for (size_t n = 0; n < (size_t)(out.at - room); n++) {
        struct jute_in in = jute_in(room, n);
        jute_get_long(&in);
        jute_get_bytes(&in);
        assert_true(in.bad);
    }
}

static void test_lengths_that_lie(void **state)
{
    const uint8_t minus_two[] = {0xff, 0xff, 0xff, 0xfe};
    const uint8_t huge[] = {0x7f, 0xff, 0xff, 0xff, 1, 2};
    struct jute_in in = jute_in(minus_two, 4);
    jute_get_bytes(&in);
    assert_true(in.bad);
    in = jute_in(huge, 6);
    jute_get_bytes(&in);
    assert_true(in.bad);
    in = jute_in(huge, 6);
    assert_int_equal(jute_get_count(&in, 4), -1);
    assert_true(in.bad);
}

static void test_full_output_writes_nothing_more(void **state)
{
    uint8_t room[6] = {0};
    struct jute_out out = jute_out(room, sizeof(room));
    jute_put_int(&out, 1);
    jute_put_int(&out, 2);
    assert_true(out.bad);
    assert_int_equal(room[4], 0);
}

/* Goal: bytes_same is memcmp. Method: each size around its bounds, equal, and with one bit changed
 * at each place. */
static void test_same(void **state)
{
    uint8_t a[80], b[80];
    (void)state;
    for (size_t n = 0; n <= sizeof(a); n++) {
        memset(a, 0x5a, sizeof(a));
        memset(b, 0xa5, sizeof(b));
        memcpy(b, a, n);
        assert_true(bytes_same(a, b, n));
        for (size_t i = 0; i < n; i++) {
            b[i] ^= (uint8_t)(1u << (i & 7));
            assert_false(bytes_same(a, b, n));
            b[i] = a[i];
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_truncation_is_bad),
        cmocka_unit_test(test_lengths_that_lie),
        cmocka_unit_test(test_full_output_writes_nothing_more),
        cmocka_unit_test(test_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
