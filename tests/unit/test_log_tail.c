/* Goal: the tail is byte for byte what the log format says, its batches end on block boundaries,
 * and it refuses rather than overwrites. Method: random batches, read back both as APPLY reads them
 * and by a naive walk over the bytes; then fill it without releasing. */
#include "consensus/log_tail.h"

#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TAIL_SIZE (4ull * LOG_TAIL_BATCH_SIZE_MAX)

static uint64_t put(struct log_tail *tail, struct rand *r, uint32_t size)
{
    uint8_t *at = log_tail_append(tail, 3, size);
    assert_non_null(at);
    for (uint32_t i = 0; i < size; i++)
        at[i] = (uint8_t)rand_next(r);
    return log_tail_seal(tail, at);
}

/* What the wal's scan will do: nothing but the bytes. Returns entries seen. */
static uint64_t walk(const uint8_t *at, uint32_t size, uint32_t block, uint64_t *chain,
                     uint64_t first)
{
    uint64_t seen = 0;
    for (uint32_t offset = 0; offset < size;) {
        const struct log_record *record = (const struct log_record *)(at + offset);
        if (record->magic == 0) {
            offset = (offset | (block - 1)) + 1;
            continue;
        }
        assert_int_equal(log_record_intact(record, size - offset), 0);
        assert_int_equal(record->batch, first);
        if (record->kind == LOG_RECORD_ENTRY) {
            assert_int_equal(record->index, first + seen);
            *chain = log_record_chain(record, *chain);
            assert_true(record->chain == *chain);
            seen++;
        }
        offset += (uint32_t)log_record_span(record->size);
    }
    return seen;
}

static void test_batches_are_whole_blocks_and_read_back(void **state)
{
    struct log_tail tail;
    struct rand r;
    uint64_t cursor = 0, index = 41, chain = 99;
    rand_seed(&r, 7);
    for (uint32_t block = 512; block <= 4096; block *= 8) {
        assert_int_equal(log_tail_init(&tail, TAIL_SIZE, block, index, chain), 0);
        cursor = 0;
        for (int batch = 0; batch < 3000; batch++) {
            uint32_t count = 1 + (uint32_t)rand_below(&r, 9);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(put(&tail, &r, (uint32_t)rand_below(&r, 700)), ++index);
            struct core_disk d;
            assert_true(log_tail_close_batch(&tail, &d));
            assert_int_equal(d.size % block, 0);
            assert_int_equal(d.last_index, index);
            assert_int_equal(walk(log_tail_at(&tail, d.tail_offset), d.size, block, &chain,
                                  d.first_index), count);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(log_tail_next(&tail, &cursor)->index, d.first_index + i);
            log_tail_applied(&tail, cursor);
            assert_false(log_tail_close_batch(&tail, &d)); /* empty */
        }
        log_tail_fini(&tail);
    }
}

static void test_full_refuses_until_applied(void **state)
{
    struct log_tail tail;
    struct core_disk d;
    struct rand r;
    uint64_t cursor = 0;
    rand_seed(&r, 8);
    assert_int_equal(log_tail_init(&tail, TAIL_SIZE, 512, 0, 0), 0);
    uint64_t n = 0;
    while (log_tail_append(&tail, 1, 60000)) {
        put(&tail, &r, 60000);
        n++;
        if (log_tail_batch_full(&tail))
            assert_true(log_tail_close_batch(&tail, &d));
    }
    assert_true(n > TAIL_SIZE / 60000 - 4);
    assert_null(log_tail_append(&tail, 1, 60000));
    log_tail_close_batch(&tail, &d);
    assert_int_equal(log_tail_next(&tail, &cursor)->index, 1);
    assert_int_equal(log_tail_next(&tail, &cursor)->index, 2);
    log_tail_applied(&tail, cursor);
    assert_non_null(log_tail_append(&tail, 1, 60000));
    log_tail_fini(&tail);
}

static void test_init_refuses_bad_sizes(void **state)
{
    struct log_tail tail;
    assert_int_equal(log_tail_init(&tail, TAIL_SIZE / 2, 512, 0, 0), ERR_RANGE);
    assert_int_equal(log_tail_init(&tail, TAIL_SIZE + 4096, 512, 0, 0), ERR_RANGE);
    assert_int_equal(log_tail_init(&tail, TAIL_SIZE, 256, 0, 0), ERR_RANGE);
    assert_int_equal(log_tail_init(&tail, TAIL_SIZE, 8192, 0, 0), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_are_whole_blocks_and_read_back),
        cmocka_unit_test(test_full_refuses_until_applied),
        cmocka_unit_test(test_init_refuses_bad_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
