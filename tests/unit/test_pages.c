/* Goal: memory for rings is zero, can be mapped twice, and is handed out again once a process keeps
 * what it was given back. Method: take, write, give back, take again. */
#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SIZE (64u << 10)

static void test_zero(void **state)
{
    uint8_t *at = pages_take(SIZE);
    assert_non_null(at);
    for (uint32_t i = 0; i < SIZE; i++)
        assert_int_equal(at[i], 0);
    memset(at, 1, SIZE);
    pages_give(at, SIZE);
}

static void test_twice(void **state)
{
    uint8_t *at = pages_take_twice("takt-test", SIZE);
    assert_non_null(at);
    memcpy(at + SIZE - 3, "around", 6);
    assert_memory_equal(at, "und", 3);
    at[7] = 77;
    assert_int_equal(at[SIZE + 7], 77);
    pages_give_twice(at, SIZE);
}

/* What is asked for in vain. */
static void test_too_much(void **state)
{
    assert_null(pages_take(1ull << 60));
    assert_null(pages_take_twice("takt-test", 1ull << 60));
}

/* The last test: there is no way back. */
static void test_kept(void **state)
{
    pages_keep();
    uint8_t *once = pages_take(SIZE), *twice = pages_take_twice("takt-test", SIZE);
    assert_non_null(once);
    assert_non_null(twice);
    once[5] = 5;
    pages_give(once, SIZE);
    pages_give_twice(twice, SIZE);
    uint8_t *other = pages_take(2 * SIZE);
    assert_non_null(other);
    assert_ptr_not_equal(other, once);
    assert_ptr_equal(pages_take_twice("takt-test", SIZE), twice);
    assert_ptr_equal(pages_take(SIZE), once);
    assert_int_equal(once[5], 5);
    static void *many[PAGES_KEPT_MAX + 2]; /* more than are kept */
    for (uint32_t i = 0; i < PAGES_KEPT_MAX + 2; i++)
        assert_non_null(many[i] = pages_take(4096));
    for (uint32_t i = 0; i < PAGES_KEPT_MAX + 2; i++)
        pages_give(many[i], 4096);
    assert_ptr_equal(pages_take(4096), many[PAGES_KEPT_MAX - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
