/* Goal: a link delivers every record once, whole, in order, refuses at its bound, and recovers.
 * Method: random sizes around the ring's end against a naive queue; each limit by hand. */
#include "base/link.h"

#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_limits(void **state)
{
    struct link link;
    uint32_t size;
    assert_int_equal(link_init(&link, "a_b", 5000), ERR_RANGE);
    assert_int_equal(link_init(&link, "a_b", 2048), ERR_RANGE);
    assert_int_equal(link_init(&link, "a_b", 4096), 0);
    assert_null(link_peek(&link, &size));
    assert_true(link_empty(&link));
    uint32_t n = 0;
    while (link_reserve(&link, 100))
        n++;
    assert_int_equal(n, 4096 / 112);
    assert_int_equal(link.full_count, 1);
    assert_null(link_peek(&link, &size)); /* nothing is published yet */
    link_publish(&link);
    for (uint32_t i = 0; i < n; i++) {
        assert_non_null(link_peek(&link, &size));
        assert_int_equal(size, 100);
        link_pop(&link);
    }
    assert_null(link_reserve(&link, 100)); /* popped is not released */
    link_release(&link);
    assert_non_null(link_reserve(&link, link_record_size_max(4096)));
    link_fini(&link);
}

static void test_shrink_gives_room_back(void **state)
{
    struct link link;
    uint32_t size;
    assert_int_equal(link_init(&link, "a_b", 4096), 0);
    for (int i = 0; i < 1000; i++) {
        uint8_t *at = link_reserve(&link, 900);
        assert_non_null(at);
        memset(at, i, 10);
        link_shrink(&link, at, 10);
        link_publish(&link);
        const uint8_t *got = link_peek(&link, &size);
        assert_int_equal(size, 10);
        assert_int_equal(got[9], (uint8_t)i);
        link_pop(&link);
        link_release(&link);
    }
    link_fini(&link);
}

static void test_agrees_with_a_naive_queue(void **state)
{
    static struct { uint32_t size, value; } queue[4096];
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct link link;
        struct rand r;
        uint32_t head = 0, tail = 0, value = 0, size;
        rand_seed(&r, seed);
        assert_int_equal(link_init(&link, "a_b", 4096), 0);
        for (int i = 0; i < 20000; i++) {
            if (rand_below(&r, 2)) {
                size = (uint32_t)rand_below(&r, rand_below(&r, 10) ? 60 : 1000) + 4;
                uint8_t *at = link_reserve(&link, size);
                if (at) {
                    memset(at, (int)(value & 0xff), size);
                    memcpy(at, &value, 4);
                    queue[head % 4096].size = size;
                    queue[head++ % 4096].value = value++;
                }
                link_publish(&link);
            } else {
                const uint8_t *at = link_peek(&link, &size);
                assert_true((at != NULL) == (head != tail));
                if (at) {
                    assert_int_equal(size, queue[tail % 4096].size);
                    assert_memory_equal(at, &queue[tail % 4096].value, 4);
                    for (uint32_t k = 4; k < size; k++)
                        assert_int_equal(at[k], (uint8_t)queue[tail % 4096].value);
                    link_pop(&link);
                    tail++;
                }
                if (rand_below(&r, 3) == 0)
                    link_release(&link);
            }
        }
        link_fini(&link);
    }
}

static void test_room_promises_what_fits(void **state)
{
    struct link link;
    struct rand r;
    uint32_t size;
    rand_seed(&r, 3);
    assert_int_equal(link_init(&link, "a_b", 8192), 0);
    for (int i = 0; i < 5000; i++) {
        uint32_t sizes[8], count = 1 + (uint32_t)rand_below(&r, 8);
        uint64_t sum = 0;
        for (uint32_t k = 0; k < count; k++) {
            sizes[k] = (uint32_t)rand_below(&r, 500);
            sum += sizes[k] + 16;
        }
        if (2 * sum < link_room(&link))
            for (uint32_t k = 0; k < count; k++)
                assert_non_null(link_reserve(&link, sizes[k]));
        link_publish(&link);
        for (uint64_t k = rand_below(&r, 10); k && link_peek(&link, &size); k--)
            link_pop(&link);
        link_release(&link);
    }
    link_fini(&link);
}

struct taken {
    uint32_t count, last, refuse;
};

static bool take(void *self, const void *record, uint32_t size)
{
    struct taken *taken = self;
    uint32_t number;

    assert_true(size == 4 || size == 900);
    memcpy(&number, record, 4);
    if (taken->refuse)
        return false;
    assert_int_equal(number, taken->last + 1);
    taken->last = number;
    taken->count++;
    return true;
}

/* Goal: a direct link keeps the order whatever is refused, and its ring is empty while nothing is.
 * Method: numbered records handed, passed and refused by chance; what waits is popped by hand. */
static void test_direct(void **state)
{
    struct link link;
    struct taken taken = {.count = 0};
    struct rand r;
    uint32_t size;

    assert_int_equal(link_init(&link, "a_b", 4096), 0);
    rand_seed(&r, 7);
    assert_false(link_pass(&link, "abcd", 4)); /* it is not direct yet */
    link_direct(&link, take, &taken);
    for (uint32_t number = 1; number <= 20000; number++) {
        bool phase = number / 1000 % 2;
        taken.refuse = phase && rand_below(&r, 3) == 0;
        if (rand_below(&r, 2) == 0 && link_pass(&link, &number, 4))
            continue;
        uint32_t *at = link_reserve(&link, rand_below(&r, 2) ? 900 : 4);
        assert_non_null(at);
        *at = number;
        link_hand(&link, at);
        link_publish(&link);
        taken.refuse = 0;
        if (phase && rand_below(&r, 2) && link_room(&link) > 2048)
            continue;
        for (const void *waits; (waits = link_peek(&link, &size)); link_pop(&link))
            assert_true(take(&taken, waits, size));
        link_release(&link);
        if (number < 1000)
            assert_int_equal(atomic_load(&link.head), 0);
    }
    assert_true(taken.last >= 19990);
    assert_true(atomic_load(&link.head) > 0); /* some had to wait */
    link_fini(&link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_shrink_gives_room_back),
        cmocka_unit_test(test_agrees_with_a_naive_queue),
        cmocka_unit_test(test_room_promises_what_fits),
        cmocka_unit_test(test_direct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
