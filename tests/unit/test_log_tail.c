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

#define BATCH     (64u << 10)
#define TAIL_SIZE (4ull * BATCH)
#define SALT      0x1234567890abcdefull

static int begin(struct log_tail *tail, uint32_t block, uint64_t index, uint64_t chain)
{
    struct log_tail_config config = {.size = TAIL_SIZE,
                                     .batch_size_max = BATCH,
                                     .slot_count = 1024,
                                     .block_size = block,
                                     .salt = SALT,
                                     .last_index = index,
                                     .chain = chain};
    return log_tail_init(tail, &config);
}

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
                     uint64_t first, uint64_t batch)
{
    uint64_t seen = 0;
    for (uint32_t offset = 0; offset < size;) {
        const struct log_record *record = (const struct log_record *)(at + offset);
        if (record->magic == 0) {
            offset = (offset | (block - 1)) + 1;
            continue;
        }
        assert_int_equal(log_record_intact(record, size - offset, log_record_seed(SALT)), 0);
        assert_int_equal(record->batch, batch);
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
    uint64_t index = 41, chain = 99;
    rand_seed(&r, 7);
    for (uint32_t block = 512; block <= 4096; block *= 8) {
        assert_int_equal(begin(&tail, block, index, chain), 0);
        for (uint64_t batch = 1; batch <= 3000; batch++) {
            uint32_t count = 1 + (uint32_t)rand_below(&r, 9);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(put(&tail, &r, (uint32_t)rand_below(&r, 700)), ++index);
            struct core_disk d;
            assert_true(log_tail_close_batch(&tail, &d));
            assert_int_equal(d.size % block, 0);
            assert_int_equal(d.last_index, index);
            assert_int_equal(d.number, batch);
            assert_int_equal(d.first_index, index - count + 1);
            assert_true(d.chain_before == chain);
            assert_int_equal(
                walk(log_tail_at(&tail, d.offset), d.size, block, &chain, d.first_index, batch),
                count);
            assert_true(d.chain == chain && d.term == 3);
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(log_tail_entry(&tail, d.first_index + i)->index,
                                 d.first_index + i);
            log_tail_written(&tail, d.offset + d.size);
            log_tail_applied(&tail, log_tail_end(&tail, d.last_index));
            assert_false(log_tail_close_batch(&tail, &d)); /* empty */
        }
        log_tail_fini(&tail);
    }
}

/* Appends and closes until there is no room; returns the last index. */
static uint64_t fill(struct log_tail *tail, struct rand *r, uint32_t size, struct core_disk *last)
{
    while (log_tail_append(tail, 3, size)) {
        put(tail, r, size);
        if (log_tail_batch_full(tail))
            assert_true(log_tail_close_batch(tail, last));
    }
    log_tail_close_batch(tail, last);
    return tail->last_index;
}

static void test_room_is_reused_when_applied_and_written_and_needed(void **state)
{
    struct log_tail tail;
    struct core_disk d;
    struct rand r;
    rand_seed(&r, 8);
    assert_int_equal(begin(&tail, 512, 0, 0), 0);
    uint64_t n = fill(&tail, &r, 6000, &d);
    assert_true(n > TAIL_SIZE / 6000 - 4);
    log_tail_applied(&tail, log_tail_end(&tail, n / 2));
    assert_null(log_tail_append(&tail, 3, 6000)); /* not written yet */
    log_tail_written(&tail, d.offset + d.size);
    assert_int_equal(log_tail_first(&tail), 1); /* nobody needs the room yet */
    assert_non_null(log_tail_append(&tail, 3, 6000));
    uint64_t first = log_tail_first(&tail);
    assert_true(first > 1 && first <= n / 2 + 1);
    assert_null(log_tail_find(&tail, first - 1));
    assert_int_equal(log_tail_find(&tail, first)->index, first);
    assert_int_equal(log_tail_term(&tail, first - 1), 3);
    assert_null(log_tail_find(&tail, n + 1));
    uint64_t more = fill(&tail, &r, 6000, &d);
    assert_int_equal(log_tail_first(&tail), n / 2 + 1); /* all that was applied, and no more */
    assert_true(more >= n + n / 2 - 4);
    log_tail_fini(&tail);
}

/* A leader stops proposing while a term can still begin: here, and in the tail of a follower that
 * closed a batch for each few entries. */
static void test_a_term_can_always_begin(void **state)
{
    struct log_tail tail, follower;
    struct core_disk d;
    struct rand r;
    (void)state;
    rand_seed(&r, 17);
    assert_int_equal(begin(&tail, 512, 0, 0), 0);
    assert_int_equal(begin(&follower, 512, 0, 0), 0);
    while (log_tail_is_roomy(&tail, 150)) {
        put(&tail, &r, 150);
        if (log_tail_batch_full(&tail))
            assert_true(log_tail_close_batch(&tail, &d));
    }
    assert_true(tail.last_index > TAIL_SIZE / 2 / 300);
    for (uint64_t i = 1; i <= tail.last_index; i++) {
        const struct log_record *record = log_tail_find(&tail, i);
        assert_int_equal(log_tail_append_record(&follower, record, log_record_span(record->size)),
                         0);
        if (i % 4 == 0)
            assert_true(log_tail_close_batch(&follower, &d));
    }
    put(&tail, &r, 100); /* both are not roomy, and take the first entry of the next term */
    const struct log_record *first = log_tail_find(&tail, tail.last_index);
    assert_false(log_tail_is_roomy(&tail, 0));
    assert_true(log_tail_has_room(&follower, log_record_span(first->size), 1));
    assert_int_equal(log_tail_append_record(&follower, first, log_record_span(first->size)), 0);
    log_tail_written(&follower, follower.batch_start);
    log_tail_fini(&follower);
    log_tail_fini(&tail);
}

/* Proposes and commits until the leader may no more; the last batch is closed, and returned. */
static struct core_disk fill_half(struct log_tail *tail, struct rand *r, struct core_disk last)
{
    while (log_tail_is_roomy(tail, 6000)) {
        put(tail, r, 6000);
        log_tail_commit(tail, tail->last_index);
        if (log_tail_batch_full(tail))
            assert_true(log_tail_close_batch(tail, &last));
    }
    (void)log_tail_close_batch(tail, &last);
    return last;
}

/* Half of the bytes may wait; room comes back when they are written, and applied as well. */
static void test_half_of_the_bytes_may_wait(void **state)
{
    struct log_tail tail;
    struct core_disk d = {.size = 0};
    struct rand r;
    (void)state;
    rand_seed(&r, 18);
    assert_int_equal(begin(&tail, 512, 0, 0), 0);
    d = fill_half(&tail, &r, d);
    assert_true(tail.appended <= TAIL_SIZE / 2 && tail.appended > TAIL_SIZE / 2 - 3 * 6000);
    log_tail_applied(&tail, log_tail_end(&tail, tail.last_index));
    assert_false(log_tail_is_roomy(&tail, 6000)); /* not written */
    log_tail_written(&tail, d.offset + d.size);
    assert_true(log_tail_is_roomy(&tail, 6000));
    d = fill_half(&tail, &r, d);
    log_tail_written(&tail, d.offset + d.size);
    assert_false(log_tail_is_roomy(&tail, 6000)); /* not applied */
    log_tail_applied(&tail, log_tail_end(&tail, tail.last_index));
    assert_true(log_tail_is_roomy(&tail, 6000));
    log_tail_fini(&tail);
}

/* A record of the largest size waits until the batch before it is closed. */
static void test_a_batch_never_grows_too_long(void **state)
{
    struct log_tail tail;
    struct core_disk d;
    struct rand r;
    const uint32_t largest = BATCH - 512 - (uint32_t)sizeof(struct log_record);
    rand_seed(&r, 13);
    assert_int_equal(begin(&tail, 512, 0, 0), 0);
    put(&tail, &r, 1000);
    assert_false(log_tail_batch_full(&tail));
    assert_null(log_tail_append(&tail, 3, largest));
    assert_false(log_tail_has_room(&tail, log_record_span(largest), 1));
    assert_true(log_tail_close_batch(&tail, &d));
    assert_true(log_tail_has_room(&tail, log_record_span(largest), 1));
    put(&tail, &r, largest);
    assert_true(log_tail_batch_full(&tail));
    assert_true(log_tail_close_batch(&tail, &d));
    assert_true(d.size <= BATCH);
    log_tail_fini(&tail);
}

static void test_as_many_entries_as_slots(void **state)
{
    struct log_tail tail;
    struct core_disk d;
    struct rand r;
    rand_seed(&r, 9);
    assert_int_equal(begin(&tail, 512, 0, 0), 0);
    assert_int_equal(fill(&tail, &r, 0, &d), 1024);
    log_tail_written(&tail, d.offset + d.size);
    assert_null(log_tail_append(&tail, 3, 0)); /* written and not applied */
    log_tail_applied(&tail, log_tail_end(&tail, 7));
    assert_int_equal(fill(&tail, &r, 0, &d), 1031);
    assert_int_equal(log_tail_first(&tail), 8);
    log_tail_fini(&tail);
}

/* A follower's tail takes what a leader's holds, and nothing else. */
static void test_records_of_another_tail(void **state)
{
    struct log_tail leader, follower;
    struct rand r;
    _Alignas(8) uint8_t bytes[4096];
    rand_seed(&r, 10);
    assert_int_equal(begin(&leader, 512, 5, 77), 0);
    assert_int_equal(begin(&follower, 4096, 5, 77), 0);
    follower.seed ^= 1; /* another node's salt */
    for (uint32_t i = 0; i < 20; i++)
        put(&leader, &r, 100 + i);
    for (uint64_t index = 6; index <= 25; index++) {
        const struct log_record *from = log_tail_find(&leader, index);
        uint64_t span = log_record_span(from->size);
        memcpy(bytes, from, span);
        struct log_record *record = (struct log_record *)bytes;
        assert_int_equal(log_tail_append_record(&follower, record, sizeof(*record) - 1),
                         ERR_MALFORMED);
        assert_int_equal(log_tail_append_record(&follower, record, span - 8), ERR_MALFORMED);
        bytes[sizeof(*record) + 3] ^= 1;
        assert_int_equal(log_tail_append_record(&follower, record, span), ERR_CORRUPT);
        bytes[sizeof(*record) + 3] ^= 1;
        record->term = 2 * (index & 1);
        assert_int_equal(log_tail_append_record(&follower, record, span), ERR_CORRUPT);
        record->term = from->term;
        record->index++;
        assert_int_equal(log_tail_append_record(&follower, record, span), ERR_RANGE);
        record->index--;
        record->kind = LOG_RECORD_PAD;
        assert_int_equal(log_tail_append_record(&follower, record, span), ERR_MALFORMED);
        record->kind = LOG_RECORD_ENTRY;
        record->size = BATCH;
        assert_int_equal(log_tail_append_record(&follower, record, BATCH * 2), ERR_MALFORMED);
        record->size = from->size;
        assert_int_equal(log_tail_append_record(&follower, record, span), 0);
        assert_true(follower.chain == from->chain);
        const struct log_record *got = log_tail_find(&follower, index);
        assert_memory_equal(got + 1, from + 1, from->size);
        assert_int_equal(log_record_intact(got, span, follower.seed), 0);
        assert_int_equal(log_record_intact(got, span, leader.seed), ERR_CORRUPT);
    }
    while (log_tail_append(&follower, 3, 6000))
        put(&follower, &r, 6000);
    struct log_tail third;
    assert_int_equal(begin(&third, 512, follower.last_index, follower.chain), 0);
    put(&third, &r, 6000);
    assert_int_equal(
        log_tail_append_record(&follower, log_tail_find(&third, third.last_index), 8192), ERR_FULL);
    log_tail_fini(&third);
    log_tail_fini(&leader);
    log_tail_fini(&follower);
}

/* Going back, in the open batch, to its beginning, and behind what DISK has; against a naive twin
 * of (term, hash) by index. */
static void test_truncate_against_a_twin(void **state)
{
    struct log_tail tail;
    struct core_disk d;
    struct rand r;
    static uint64_t chains[1 << 16], terms[1 << 16];
    uint64_t last = 0, commit = 0, term = 1, went_back = 0;
    rand_seed(&r, 11);
    assert_int_equal(begin(&tail, 512, 0, 0), 0);
    for (int step = 0; step < 20000; step++) {
        uint64_t what = rand_below(&r, 10), first = log_tail_first(&tail);
        if (what < 6) {
            uint8_t *at = log_tail_append(&tail, term, (uint32_t)rand_below(&r, 900));
            if (at) {
                memset(at, (int)rand_next(&r), ((struct log_record *)at - 1)->size);
                assert_int_equal(log_tail_seal(&tail, at), ++last);
                chains[last] = tail.chain;
                terms[last] = term;
            }
        } else if (what == 6 && last > commit) {
            last = commit + rand_below(&r, last - commit + 1);
            log_tail_truncate(&tail, last + 1);
            term++;
            went_back++;
        } else if (what == 7) {
            uint64_t before = tail.batch;
            if (log_tail_close_batch(&tail, &d)) {
                assert_int_equal(d.number, before + 1);
                assert_true(d.chain == chains[last] && d.term == terms[last]);
                assert_true(d.first_index == 1 || d.chain_before == chains[d.first_index - 1]);
            }
            log_tail_written(&tail, tail.batch_start);
        } else if (what == 8 && last > commit) {
            commit += 1 + rand_below(&r, last - commit);
            log_tail_commit(&tail, commit);
            log_tail_applied(&tail, log_tail_end(&tail, commit));
        }
        assert_int_equal(tail.last_index, last);
        assert_true(tail.chain == chains[last]);
        for (uint64_t i = first; i <= last; i += 1 + (last - first) / 8) {
            if (i < log_tail_first(&tail))
                continue;
            assert_true(log_tail_find(&tail, i)->chain == chains[i]);
            assert_true(log_tail_term(&tail, i) == terms[i]);
            assert_true(log_tail_find(&tail, i)->commit < i);
        }
    }
    assert_true(went_back > 500 && last > 4000);
    log_tail_fini(&tail);
}

static void test_what_is_settled_is_not_written_again(void **state)
{
    struct log_tail tail;
    struct core_disk d;
    struct rand r;
    rand_seed(&r, 12);
    assert_int_equal(begin(&tail, 512, 10, 5), 0);
    for (int i = 0; i < 5; i++)
        put(&tail, &r, 300);
    log_tail_settle(&tail);
    assert_false(log_tail_close_batch(&tail, &d));
    put(&tail, &r, 10);
    assert_true(log_tail_close_batch(&tail, &d));
    assert_int_equal(d.first_index, 16);
    assert_int_equal(d.offset % 512, 0);
    log_tail_truncate(&tail, 13);
    assert_int_equal(put(&tail, &r, 10), 13);
    assert_true(log_tail_close_batch(&tail, &d));
    assert_int_equal(d.first_index, 13);
    log_tail_fini(&tail);
}

static void test_init_refuses_bad_sizes(void **state)
{
    const struct log_tail_config good = {
        .size = TAIL_SIZE, .batch_size_max = BATCH, .slot_count = 64, .block_size = 512};
    struct log_tail tail;
    struct log_tail_config bad[9];
    for (int i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].size = TAIL_SIZE / 2;
    bad[1].size = TAIL_SIZE + 4096;
    bad[2].block_size = 256;
    bad[3].block_size = 8192;
    bad[4].slot_count = 32;
    bad[5].slot_count = 100;
    bad[6].slot_count = 1u << 25;
    bad[7].batch_size_max = LOG_TAIL_BATCH_SIZE_MIN - 1;
    bad[8].batch_size_max = LOG_TAIL_BATCH_SIZE_MAX + 1;
    bad[8].size = 64u << 20;
    for (int i = 0; i < 9; i++)
        assert_int_equal(log_tail_init(&tail, &bad[i]), ERR_RANGE);
    assert_int_equal(log_tail_init(&tail, &good), 0);
    log_tail_fini(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_are_whole_blocks_and_read_back),
        cmocka_unit_test(test_room_is_reused_when_applied_and_written_and_needed),
        cmocka_unit_test(test_a_term_can_always_begin),
        cmocka_unit_test(test_half_of_the_bytes_may_wait),
        cmocka_unit_test(test_a_batch_never_grows_too_long),
        cmocka_unit_test(test_as_many_entries_as_slots),
        cmocka_unit_test(test_records_of_another_tail),
        cmocka_unit_test(test_truncate_against_a_twin),
        cmocka_unit_test(test_what_is_settled_is_not_written_again),
        cmocka_unit_test(test_init_refuses_bad_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
