/* Goal: sets of cpus are read and written as the kernel does. Method: its forms, and what is none
 * of them. */
#include "tools/host/cpulist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void reads(const char *text, const char *wanted)
{
    struct cpulist list;
    char out[256];
    assert_int_equal(cpulist_parse(text, &list), 0);
    assert_string_equal(cpulist_print(&list, out, sizeof(out)), wanted);
}

static void test_lists(void **state)
{
    reads("0-3,8,10-11\n", "0-3,8,10-11");
    reads("", "none");
    reads(" (null)\n", "none");
    reads("5", "5");
    reads("1,0,2", "0-2");
    reads("1023", "1023");
    reads("62-65", "62-65");
}

static void test_bad_lists(void **state)
{
    struct cpulist list = {{7}};
    static const char *const bad[] = {"x", "1-", "-1", "3-1", "1 2", "1,,2", "1;2", "0x3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(cpulist_parse(bad[i], &list), ERR_MALFORMED);
    assert_int_equal(cpulist_parse("1024", &list), ERR_RANGE);
    assert_int_equal(cpulist_parse("0-4000000000", &list), ERR_RANGE);
    assert_int_equal(list.words[0], 7); /* untouched */
}

static void test_masks(void **state)
{
    struct cpulist list;
    char out[512];
    assert_int_equal(cpulist_parse_mask("ffffffff,00000003\n", &list), 0);
    assert_string_equal(cpulist_print(&list, out, sizeof(out)), "0-1,32-63");
    assert_string_equal(cpulist_print_mask(&list, out, sizeof(out)), "ffffffff,00000003");
    assert_int_equal(cpulist_parse_mask("5", &list), 0);
    assert_string_equal(cpulist_print(&list, out, sizeof(out)), "0,2");
    assert_string_equal(cpulist_print_mask(&list, out, sizeof(out)), "00000005");
    assert_int_equal(cpulist_parse_mask("", &list), ERR_MALFORMED);
    assert_int_equal(cpulist_parse_mask("g", &list), ERR_MALFORMED);
    char wide[300];
    memset(wide, 'f', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    assert_int_equal(cpulist_parse_mask(wide, &list), ERR_RANGE);
}

static void test_sets(void **state)
{
    struct cpulist a, b, c;
    assert_int_equal(cpulist_parse("0-3", &a), 0);
    assert_int_equal(cpulist_parse("2-5", &b), 0);
    c = cpulist_and(&a, &b);
    assert_int_equal(cpulist_count(&c), 2);
    c = cpulist_or(&a, &b);
    assert_int_equal(cpulist_count(&c), 6);
    c = cpulist_without(&a, &b);
    assert_int_equal(cpulist_next(&c, 0), 0);
    assert_int_equal(cpulist_next(&c, 2), CPULIST_MAX);
    cpulist_remove(&c, 0);
    cpulist_remove(&c, 1);
    assert_true(cpulist_is_empty(&c));
    cpulist_add(&c, CPULIST_MAX); /* outside: nothing happens */
    assert_true(cpulist_is_empty(&c));
    assert_false(cpulist_has(&c, CPULIST_MAX));
}

static void test_cut(void **state)
{
    struct cpulist list;
    char out[6];
    assert_int_equal(cpulist_parse("0,2,4,6,8", &list), 0);
    assert_true(strlen(cpulist_print(&list, out, sizeof(out))) < sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists), cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_masks), cmocka_unit_test(test_sets),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
