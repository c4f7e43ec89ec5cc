/* Goal: what the heap counts is what is given away, whatever it keeps for later; and no piece is
 * given away twice. Method: pieces of every small size and some large ones, each filled with its
 * own pattern, taken and given back in rounds larger than what the heap keeps. */
#include "store/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SIZE_MAX_TRIED (HEAP_SMALL_SIZE + 3000u)
#define ROUND_PIECES   4096u

static void test_counts_what_is_given_away(void **state)
{
    struct heap heap;
    uint64_t sum = 0;
    static void *pieces[SIZE_MAX_TRIED + 1];
    (void)state;
    assert_int_equal(heap_init(&heap), 0);
    for (int round = 0; round < 2; round++) {
        for (size_t size = 1; size <= SIZE_MAX_TRIED; size++) {
            uint64_t before = heap_used(&heap);
            pieces[size] = heap_alloc(&heap, size);
            assert_non_null(pieces[size]);
            assert_true((uintptr_t)pieces[size] % 16 == 0);
            assert_true(heap_used(&heap) - before >= size);
            memset(pieces[size], (int)(size & 0xFF), size);
        }
        assert_true(round == 0 || heap_used(&heap) == sum); /* kept pieces count like new ones */
        sum = heap_used(&heap);
        for (size_t size = 1; size <= SIZE_MAX_TRIED; size++) {
            const uint8_t *bytes = pieces[size];
            for (size_t i = 0; i < size; i++)
                assert_true(bytes[i] == (size & 0xFF));
            heap_free(&heap, pieces[size], size);
        }
        assert_int_equal(heap_used(&heap), 0);
    }
    heap_fini(&heap);
}

/* More comes back than is kept: the rest goes to jemalloc. */
static void test_keeps_no_more_than_its_limit(void **state)
{
    struct heap heap;
    static uint64_t *pieces[ROUND_PIECES];
    (void)state;
    assert_true(ROUND_PIECES * HEAP_SMALL_SIZE > HEAP_KEPT_SIZE);
    assert_int_equal(heap_init(&heap), 0);
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < ROUND_PIECES; i++) {
            pieces[i] = heap_alloc(&heap, HEAP_SMALL_SIZE);
            assert_non_null(pieces[i]);
            pieces[i][0] = i;
        }
        assert_true(heap_used(&heap) >= (uint64_t)ROUND_PIECES * HEAP_SMALL_SIZE);
        for (uint64_t i = 0; i < ROUND_PIECES; i++)
            assert_true(pieces[i][0] == i);
        for (uint64_t i = 0; i < ROUND_PIECES; i++) {
            heap_free(&heap, pieces[i], HEAP_SMALL_SIZE);
            assert_true(heap.kept_size <= HEAP_KEPT_SIZE);
        }
        assert_int_equal(heap_used(&heap), 0);
    }
    /* full, or in a build without jemalloc not in use */
    assert_true(heap.kept_size == 0 || heap.kept_size > HEAP_KEPT_SIZE - HEAP_SMALL_SIZE);
    heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_what_is_given_away),
        cmocka_unit_test(test_keeps_no_more_than_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
