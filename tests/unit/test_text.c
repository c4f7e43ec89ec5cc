/* Goal: the writer counts what does not fit and never writes past its room; addresses read as Java
 * prints them. Method: every room from none to enough. */
#include "dataplane/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_room(void **state)
{
    static const char want[] = "zk_a\t12\nxyz";
    for (size_t room = 0; room <= sizeof(want); room++) {
        char out[32];
        memset(out, '#', sizeof(out));
        struct text text = {out, out + room, 0};
        text_add(&text, "zk_%s\t%d\n", "a", 12);
        text_bytes(&text, "xyz", 3);
        size_t fits = room < sizeof(want) - 1 ? room : sizeof(want) - 1;
        assert_int_equal(text.size, sizeof(want) - 1);
        assert_int_equal(text.at - out, fits);
        assert_memory_equal(out, want, fits);
        assert_int_equal(out[fits], '#');
    }
    struct text none = {0};
    text_add(&none, "%05000d", 7); /* one call is cut at 4095 */
    assert_int_equal(none.size, 4095);
}

static void expect_address(struct address address, const char *want)
{
    char out[64];
    struct text text = {out, out + sizeof(out), 0};
    text_address(&text, &address);
    assert_int_equal(text.size, strlen(want));
    assert_memory_equal(out, want, strlen(want));
}

static void test_address(void **state)
{
    expect_address((struct address){.ip = {[10] = 0xff, [11] = 0xff, 192, 168, 0, 7}},
                   "192.168.0.7");
    expect_address((struct address){.ip = {[15] = 1}}, "0:0:0:0:0:0:0:1");
    expect_address((struct address){.ip = {0xfe, 0x80, [14] = 0xab, [15] = 0xcd}},
                   "fe80:0:0:0:0:0:0:abcd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_room), cmocka_unit_test(test_address)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
