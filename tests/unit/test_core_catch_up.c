/* Goal: entries that the log tail does not hold any more are read back and sent, however long one
 * is, and a snapshot is sent in their place only when they cannot be had. Method: member 1 leads by
 * hand; member 2 lacks entries from 3 on; the test answers for DISK. */
#include "consensus/core_parts.h"
#include "tests/unit/raft_kit.h"

#include <stdlib.h>

#define LONG_SIZE (2u << 20)

static struct role_core core;
static struct log_tail tail;
static struct link core_disk, core_peer;
static struct counters page;

static int setup(void **state)
{
    memset(&core, 0, sizeof(core));
    if (link_init(&core_disk, "core_disk", 1 << 16) || link_init(&core_peer, "core_peer", 1 << 24))
        return -1;
    member(members_of(3, 0), 1, 5, 1, 5);
    lead();
    send_all(2);
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .flags = PEER_REJECT,
                                  .from = 2,
                                  .term = raft.term,
                                  .index = 2,
                                  .log_term = 1,
                                  .context = raft.round,
                                  .extra = 5});
    core.raft = raft;
    core.tail = &tail; /* empty: nothing is held */
    core.core_disk = &core_disk;
    core.core_peer = &core_peer;
    core.counters = &page;
    core.old.buffer = aligned_alloc(4096, CORE_OLD_SIZE_MAX);
    return core.old.buffer ? 0 : -1;
}

static int teardown(void **state)
{
    free(core.old.buffer);
    link_fini(&core_disk);
    link_fini(&core_peer);
    return 0;
}

/* One try to send what member 2 lacks. */
static bool catch_up(void)
{
    struct raft_range range;

    assert_int_equal(raft_next_append(&core.raft, 1, &range), RAFT_APPEND_ENTRIES);
    assert_int_equal(range.first, 3);
    assert_false(raft_snapshot_due(&core.raft, 1));
    bool sent = core_catch_up(&core, &range);
    link_publish(&core_disk);
    link_publish(&core_peer);
    return sent;
}

/* What DISK is asked to read: so many bytes; 0 = nothing. */
static uint32_t asked(void)
{
    uint32_t size, bytes = 0;
    const struct core_disk *ask = link_peek(&core_disk, &size);

    if (!ask)
        return 0;
    assert_int_equal(ask->kind, CORE_DISK_READ);
    assert_int_equal(ask->first_index, 3);
    assert_ptr_equal(ask->buffer, core.old.buffer);
    bytes = ask->size;
    link_pop(&core_disk);
    link_release(&core_disk);
    return bytes;
}

static void answer(int error, uint32_t count, uint32_t size)
{
    struct disk_core done = {.kind = DISK_CORE_READ_DONE,
                             .number = 3,
                             .index = 3,
                             .error = error,
                             .count = count,
                             .size = size};
    core_catch_up_read(&core, &done, (struct now){.mono_ns = now_ns});
}

static void test_a_long_entry_is_read_with_all_of_the_buffer(void **state)
{
    struct log_record *record = (struct log_record *)core.old.buffer;
    uint32_t size;

    assert_false(catch_up());
    assert_int_equal(asked(), CORE_OLD_SIZE);
    assert_false(catch_up()); /* one read at a time */
    assert_int_equal(asked(), 0);
    answer(ERR_FULL, 0, 0);
    assert_false(catch_up());
    assert_int_equal(asked(), CORE_OLD_SIZE_MAX);

    *record = (struct log_record){.size = LONG_SIZE, .index = 3, .term = 1};
    answer(0, 1, (uint32_t)log_record_span(LONG_SIZE));
    assert_true(catch_up());
    const struct peer_message *sent = link_peek(&core_peer, &size);
    assert_non_null(sent);
    assert_int_equal(sent->kind, PEER_APPEND);
    assert_int_equal(sent->payload_size, log_record_span(LONG_SIZE));
    link_pop(&core_peer);
}

static void test_what_follows_is_read_as_before(void **state)
{
    catch_up();
    assert_int_equal(asked(), CORE_OLD_SIZE);
    answer(ERR_FULL, 0, 0);
    catch_up();
    assert_int_equal(asked(), CORE_OLD_SIZE_MAX);
    answer(0, 0, 0); /* as after another member's entry: not what is wanted now */
    catch_up();
    assert_int_equal(asked(), CORE_OLD_SIZE);
}

static void snapshot_follows(int error)
{
    struct raft_range range;

    answer(error, 0, 0);
    assert_int_not_equal(raft_next_append(&core.raft, 1, &range), RAFT_APPEND_ENTRIES);
    assert_true(raft_snapshot_due(&core.raft, 1));
}

static void test_entries_that_are_gone_are_not_asked_for_again(void **state)
{
    catch_up();
    snapshot_follows(ERR_NOTFOUND);
}

static void test_an_entry_that_fits_nowhere_ends_in_a_snapshot(void **state)
{
    catch_up();
    answer(ERR_FULL, 0, 0);
    catch_up();
    snapshot_follows(ERR_FULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_long_entry_is_read_with_all_of_the_buffer),
        TEST(test_what_follows_is_read_as_before),
        TEST(test_entries_that_are_gone_are_not_asked_for_again),
        TEST(test_an_entry_that_fits_nowhere_ends_in_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
