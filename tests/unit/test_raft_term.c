/* Goal: the table of term runs knows the term of each entry it should and of no other. Method: by
 * hand at the limits, and random histories against a plain array. */
#include "consensus/raft_term.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct raft_terms terms;

static void test_append_refuses_what_goes_back(void **state)
{
    raft_terms_init(&terms, 10, 3);
    assert_int_equal(raft_terms_append(&terms, 10, 3, 0), ERR_RANGE);
    assert_int_equal(raft_terms_append(&terms, 11, 2, 0), ERR_RANGE);
    assert_int_equal(raft_terms_append(&terms, 12, 4, 0), 0);
    assert_int_equal(raft_terms_append(&terms, 13, 3, 0), ERR_RANGE);
    assert_int_equal(terms.last_index, 12);
    assert_int_equal(raft_terms_last(&terms), 4);
}

static void test_what_is_not_known_has_no_term(void **state)
{
    raft_terms_init(&terms, 10, 3);
    assert_int_equal(raft_terms_append(&terms, 12, 4, 0), 0);
    assert_int_equal(raft_terms_at(&terms, 9), 0);
    assert_int_equal(raft_terms_at(&terms, 10), 3);
    assert_int_equal(raft_terms_at(&terms, 11), 4);
    assert_int_equal(raft_terms_at(&terms, 13), 0);
    raft_terms_init(&terms, 0, 0);
    assert_int_equal(raft_terms_at(&terms, 0), 0);
    assert_int_equal(raft_terms_last(&terms), 0);
}

static void test_a_full_table_forgets_only_what_may_go(void **state)
{
    raft_terms_init(&terms, 0, 0);
    for (uint64_t i = 1; i <= RAFT_TERM_RUN_MAX; i++)
        assert_int_equal(raft_terms_append(&terms, 2 * i, i, 0), 0);
    assert_int_equal(raft_terms_append(&terms, 2 * RAFT_TERM_RUN_MAX + 1, 9999, 1), ERR_FULL);
    assert_int_equal(terms.last_index, 2 * RAFT_TERM_RUN_MAX);
    assert_int_equal(terms.base_index, 0);
    assert_int_equal(raft_terms_append(&terms, 2 * RAFT_TERM_RUN_MAX + 1, 9999, 2), 0);
    assert_int_equal(terms.base_index, 2);
    assert_int_equal(terms.base_term, 1);
    assert_int_equal(raft_terms_at(&terms, 3), 2);
    /* the last run goes on without a new place */
    assert_int_equal(raft_terms_append(&terms, 2 * RAFT_TERM_RUN_MAX + 5, 9999, 2), 0);
}

/* The twin: the term of each index, 0 = not known. */
static uint64_t twin[600];
static uint64_t twin_base, twin_last;

static void compare(void)
{
    assert_int_equal(terms.base_index, twin_base);
    assert_int_equal(terms.last_index, twin_last);
    for (uint64_t i = 0; i < 600; i++) {
        uint64_t expect = i >= twin_base && i <= twin_last ? twin[i] : 0;
        assert_int_equal(raft_terms_at(&terms, i), expect);
        if (i <= twin_base || i > twin_last)
            continue;
        uint64_t end = i;
        while (end < twin_last && twin[end + 1] == twin[i])
            end++;
        assert_int_equal(raft_terms_run_end(&terms, i), end);
        uint64_t term = (uint64_t)rand() % 60, floor = i;
        while (floor > twin_base && twin[floor] > term)
            floor--;
        assert_int_equal(raft_terms_floor(&terms, i, term), floor);
    }
}

static void test_random_histories(void **state)
{
    srand(7);
    for (int round = 0; round < 40; round++) {
        memset(twin, 0, sizeof(twin));
        twin_base = twin_last = 0;
        raft_terms_init(&terms, 0, 0);
        for (int act = 0; act < 60; act++) {
            uint64_t room = twin_last - twin_base;
            int what = rand() % 6;
            if (what < 4 && twin_last < 560) {
                uint64_t last = twin_last + 1 + (uint64_t)rand() % 8;
                uint64_t term =
                    (twin[twin_last] ? twin[twin_last] : 1) + (uint64_t)(rand() % 3 == 0);
                assert_int_equal(raft_terms_append(&terms, last, term, 0), 0);
                while (twin_last < last)
                    twin[++twin_last] = term;
            } else if (what == 4 && room) {
                uint64_t from = twin_base + 1 + (uint64_t)rand() % room;
                raft_terms_truncate(&terms, from);
                twin_last = from - 1;
            } else if (what == 5 && room) {
                twin_base += 1 + (uint64_t)rand() % room;
                raft_terms_compact(&terms, twin_base);
            }
            compare();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_refuses_what_goes_back),
        cmocka_unit_test(test_what_is_not_known_has_no_term),
        cmocka_unit_test(test_a_full_table_forgets_only_what_may_go),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
