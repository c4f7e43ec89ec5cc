/* Goal: a session is offered for expiry in (timeout, timeout + tick] after it was last heard of,
 * and never before. Method: edges by hand, then random programs against a naive twin. */
#include "consensus/expiry.h"
#include "consensus/timers.h"

#include "base/clock.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int64_t next_of(struct expiry *e, uint64_t now_ms)
{
    int64_t id = 0;
    for (int i = 0; i < 1000 && !id; i++)
        id = expiry_next(e, now_ms * NS_PER_MS);
    return id;
}

static void test_lives_for_timeout_to_timeout_plus_tick(void **state)
{
    struct expiry e;
    assert_int_equal(expiry_init(&e, 4, 100 * NS_PER_MS), 0);
    assert_int_equal(expiry_set(&e, 77, 250, 1000 * NS_PER_MS), 0);
    assert_int_equal(next_of(&e, 1250), 0);
    assert_int_equal(next_of(&e, 1299), 0);
    assert_int_equal(next_of(&e, 1300), 77);
    assert_int_equal(next_of(&e, 1300), 0);  /* offered once a tick */
    assert_int_equal(next_of(&e, 1400), 77); /* until it is removed */
    expiry_remove(&e, 77);
    assert_int_equal(next_of(&e, 5000), 0);
    assert_true(expiry_deadline_ns(&e) == UINT64_MAX);
    expiry_fini(&e);
}

static void test_a_touch_moves_the_deadline(void **state)
{
    struct expiry e;
    assert_int_equal(expiry_init(&e, 4, 100 * NS_PER_MS), 0);
    assert_int_equal(expiry_set(&e, 5, 200, 0), 0);
    expiry_touch(&e, 5, 150 * NS_PER_MS);
    expiry_touch(&e, 6, 150 * NS_PER_MS); /* unknown: ignored */
    expiry_touch(&e, 5, 50 * NS_PER_MS);  /* an older one takes no time away */
    assert_int_equal(next_of(&e, 399), 0);
    assert_int_equal(next_of(&e, 400), 5);
    expiry_fini(&e);
}

static void test_a_new_leader_gives_everybody_a_full_timeout(void **state)
{
    struct expiry e;
    assert_int_equal(expiry_init(&e, 4, 100 * NS_PER_MS), 0);
    assert_int_equal(expiry_set(&e, 5, 200, 0), 0);
    expiry_restart(&e, 1000 * NS_PER_MS);
    assert_int_equal(next_of(&e, 1200), 0);
    assert_int_equal(next_of(&e, 1300), 5);
    expiry_fini(&e);
}

static void test_limits(void **state)
{
    struct expiry e;
    assert_int_equal(expiry_init(&e, 0, 100 * NS_PER_MS), ERR_RANGE);
    assert_int_equal(expiry_init(&e, 4, 0 * NS_PER_MS), ERR_RANGE);
    assert_int_equal(expiry_init(&e, 2, 100 * NS_PER_MS), 0);
    assert_int_equal(expiry_set(&e, 1, 100, 0), 0);
    assert_int_equal(expiry_set(&e, 2, 100, 0), 0);
    assert_int_equal(expiry_set(&e, 3, 100, 0), ERR_FULL);
    expiry_remove(&e, 1);
    assert_int_equal(expiry_set(&e, 3, 100, 0), 0);
    expiry_fini(&e);
}

#define TWIN_COUNT 300

static void test_agrees_with_its_twin(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct expiry e;
        struct rand r;
        uint64_t deadline_ms[TWIN_COUNT + 1] = {0}, timeout[TWIN_COUNT + 1] = {0}, now = 12345;
        rand_seed(&r, seed);
        assert_int_equal(expiry_init(&e, TWIN_COUNT, 10 * NS_PER_MS), 0);
        for (int i = 0; i < 20000; i++) {
            int64_t id = 1 + (int64_t)rand_below(&r, TWIN_COUNT);
            switch (rand_below(&r, 8)) {
            case 0:
                timeout[id] = 1 + rand_below(&r, rand_below(&r, 20) ? 300 : 20000);
                assert_int_equal(expiry_set(&e, id, (uint32_t)timeout[id], now * NS_PER_MS), 0);
                deadline_ms[id] = ((now + timeout[id]) / 10 + 1) * 10;
                break;
            case 1:
                expiry_remove(&e, id);
                deadline_ms[id] = 0;
                break;
            case 2:
            case 3:
            case 4:
                expiry_touch(&e, id, now * NS_PER_MS);
                if (deadline_ms[id])
                    deadline_ms[id] = ((now + timeout[id]) / 10 + 1) * 10;
                break;
            default:
                now += rand_below(&r, rand_below(&r, 200) ? 12 : 9000);
                for (int64_t due; (due = next_of(&e, now));) {
                    assert_true(deadline_ms[due] && deadline_ms[due] <= now);
                    expiry_remove(&e, due);
                    deadline_ms[due] = 0;
                }
                for (int k = 1; k <= TWIN_COUNT; k++)
                    assert_true(!deadline_ms[k] || deadline_ms[k] > now);
            }
        }
        expiry_fini(&e);
    }
}

/* Short timeouts are told to 100 us, the others to a tick; a new attach may change which. */
static void test_two_wheels(void **state)
{
    struct timers t;
    uint64_t at = 5000 * NS_PER_MS;
    assert_int_equal(timers_init(&t, 3, 0), ERR_RANGE);
    timers_fini(&t);
    assert_int_equal(timers_init(&t, 3, 3600001), ERR_RANGE);
    timers_fini(&t);
    assert_int_equal(timers_init(&t, 3, 2000), 0);
    assert_true(timers_deadline_ns(&t) == UINT64_MAX);
    assert_int_equal(timers_set(&t, 1, 1, at), 0);    /* 1 ms */
    assert_int_equal(timers_set(&t, 2, 3999, at), 0); /* the longest that is fine */
    assert_int_equal(timers_set(&t, 3, 4000, at), 0);
    assert_int_equal(t.fine.count, 2);
    assert_int_equal(timers_count(&t), 3);
    assert_int_equal(timers_set(&t, 4, 1, at), ERR_FULL);
    assert_int_equal(timers_set(&t, 1, 1, at), 0); /* one that is known */
    assert_int_equal(timers_deadline_ns(&t), at + 1100000);
    assert_int_equal(timers_next(&t, at + 1000000), 0);
    timers_touch(&t, 1, at + 500000);
    assert_int_equal(timers_next(&t, at + 1100000), 0);
    assert_int_equal(timers_next(&t, at + 1600000), 1);
    assert_int_equal(timers_next(&t, at + 1650000), 0);
    assert_int_equal(timers_next(&t, at + 1700000), 1); /* offered again a tick later */
    timers_remove(&t, 1);
    assert_int_equal(timers_next(&t, at + 3999 * NS_PER_MS), 0);
    assert_int_equal(timers_set(&t, 2, 40000, at + 3999 * NS_PER_MS), 0);
    assert_int_equal(t.fine.count, 0);
    assert_int_equal(timers_next(&t, at + 4999 * NS_PER_MS), 0);
    assert_int_equal(timers_next(&t, at + 5000 * NS_PER_MS), 3);
    timers_restart(&t, at + 10000 * NS_PER_MS);
    assert_int_equal(timers_next(&t, at + 12999 * NS_PER_MS), 0);
    timers_fini(&t);
}

/* A parked leader is woken when a session may be due, not every 100 us. */
static void test_deadline_skips_empty_ticks(void **state)
{
    struct expiry e;
    assert_int_equal(expiry_init(&e, 4, 100000), 0);
    assert_int_equal(expiry_set(&e, 5, 20, 0), 0);
    assert_int_equal(expiry_deadline_ns(&e), 20100000);
    expiry_touch(&e, 5, 15 * NS_PER_MS);
    assert_int_equal(expiry_next(&e, 20100000), 0);
    assert_int_equal(expiry_deadline_ns(&e), 35100000);
    expiry_fini(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lives_for_timeout_to_timeout_plus_tick),
        cmocka_unit_test(test_a_touch_moves_the_deadline),
        cmocka_unit_test(test_a_new_leader_gives_everybody_a_full_timeout),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_agrees_with_its_twin),
        cmocka_unit_test(test_two_wheels),
        cmocka_unit_test(test_deadline_skips_empty_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
