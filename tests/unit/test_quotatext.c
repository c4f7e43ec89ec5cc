/* Goal: the quota texts are those of zk_protocol.md section 17, odd '=' included. Method: the forms
 * as servers write them, what is missing or wrong, and the way back. */
#include "tools/takt/quotatext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, int64_t count, int64_t bytes, int64_t count_hard,
                   int64_t bytes_hard)
{
    struct quota quota;
    assert_int_equal(quotatext_parse(bytes_of_string(text), &quota), 0);
    assert_true(quota.count == count && quota.bytes == bytes);
    assert_true(quota.count_hard == count_hard && quota.bytes_hard == bytes_hard);
}

static void test_forms(void **state)
{
    expect("count=5,bytes=100", 5, 100, -1, -1);
    expect("count=-1,bytes=10=;byteHardLimit=20;countHardLimit=30", -1, 10, 30, 20);
    expect("count=1,bytes=2=;byteHardLimit=3", 1, 2, -1, 3);
    expect("", -1, -1, -1, -1);
    expect("count=,other=7", -1, -1, -1, -1);
    expect("bytes=9223372036854775807", -1, INT64_MAX, -1, -1);
}

static void test_refusals(void **state)
{
    struct quota quota = {1, 2, 3, 4};
    char large[400];
    memset(large, 'a', sizeof(large));
    assert_int_equal(quotatext_parse(bytes_of_string("count"), &quota), ERR_MALFORMED);
    assert_int_equal(quotatext_parse(bytes_of_string("count=x"), &quota), ERR_MALFORMED);
    assert_int_equal(quotatext_parse(bytes_of_string("count=99999999999999999999"), &quota),
                     ERR_MALFORMED);
    assert_int_equal(quotatext_parse(bytes_of(large, sizeof(large)), &quota), ERR_MALFORMED);
    assert_int_equal(quotatext_parse((struct bytes){NULL, -1}, &quota), ERR_MALFORMED);
    assert_int_equal(quota.count, 1);
}

static void test_text(void **state)
{
    char room[QUOTA_TEXT_SIZE];
    quotatext_text(&(struct quota){5, 100, -1, -1}, room);
    assert_string_equal(room, "count=5,bytes=100");
    quotatext_text(&(struct quota){-1, -1, 30, 20}, room);
    assert_string_equal(room, "count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=30");
    quotatext_text(&(struct quota){INT64_MIN, INT64_MIN, INT64_MAX, INT64_MAX}, room);
    assert_true(strlen(room) < QUOTA_TEXT_SIZE);
    expect(room, INT64_MIN, INT64_MIN, INT64_MAX, INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
