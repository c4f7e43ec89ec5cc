/* Goal: with durability.mode memory an entry counts when it is in the log tail, a disk that answers
 * nothing stops nobody until the tail is full, a snapshot waits for the disk, and a clean stop
 * writes everything. Method: member 1 of three by hand; the test is DISK, and answers when it
 * likes. */
#include "tests/unit/core_kit.h"

static int setup(void **state)
{
    kit_begin(3);
    kit.core.config.memory = true;
    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    kit_turn();
    return 0;
}

/* The next batch is with DISK, once it was gathered. */
static struct core_disk gathered(void)
{
    kit.now.mono_ns += CORE_MEMORY_BATCH_NS;
    kit_turn();
    return kit_disk_next();
}

/* The leader of term 2 has sent one entry, and term 2 is saved; its batch is with DISK. */
static struct core_disk follow(void)
{
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_turn();
    assert_int_equal(kit_disk_next().kind, CORE_DISK_SAVE);
    struct core_disk batch = gathered();
    assert_int_equal(batch.kind, CORE_DISK_BATCH);
    assert_null(kit_said(PEER_APPEND_REPLY, 2)); /* of a term that is not durable: nothing yet */
    kit_disk_says((struct disk_core){.kind = DISK_CORE_SAVED});
    kit_turn();
    return batch;
}

static void written(const struct core_disk *batch)
{
    kit_disk_says((struct disk_core){.kind = DISK_CORE_DURABLE,
                                     .index = batch->last_index,
                                     .term = batch->term,
                                     .offset = batch->offset + batch->size});
    kit_turn();
}

/* The last entry that the leader was told of. */
static uint64_t acknowledged(void)
{
    const struct peer_message *said;
    uint64_t index = 0;

    while ((said = kit_said(PEER_APPEND_REPLY, 2)))
        index = said->index;
    return index;
}

static void test_acknowledged_before_it_is_on_disk(void **state)
{
    follow();
    assert_int_equal(kit.core.raft.durable_index, 1);
    assert_int_equal(kit.core.disk_index, 0);
    assert_int_equal(acknowledged(), 1);
    for (uint64_t i = 2; i < 50; i++) { /* DISK is silent, commits go on */
        kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), i - 1, i);
        kit_turn();
        assert_int_equal(acknowledged(), i);
        assert_int_equal(kit.core.commit_told, i - 1);
    }
    assert_int_equal(kit.core.disk_index, 0);
}

/* The bound: the batch that DISK has, and one more. */
static void test_a_silent_disk_holds_when_the_tail_is_full(void **state)
{
    static uint8_t body[100 << 10];
    uint64_t last = 1;

    struct core_disk batch = follow();
    for (int i = 0; i < 10; i++) {
        struct core_disk theirs;
        assert_true(log_tail_close_batch(&kit.theirs, &theirs) || i > 0);
        log_tail_written(&kit.theirs, kit.theirs.appended);
        log_tail_applied(&kit.theirs, kit.theirs.appended);
        kit_append(2, 2, kit_entry(2, COMMAND_NOOP, body, sizeof(body)), 0, 2);
        kit_turn();
        if (kit.core.raft.last_index == last)
            break; /* dropped: it is sent again */
        last = kit.core.raft.last_index;
    }
    assert_true(last < 5);
    assert_int_equal(kit.core.raft.durable_index, last);
    assert_true(kit.tail.appended - kit.tail.written <= 2ull * kit.tail.batch_size_max);
    written(&batch);
    assert_int_equal(kit.core.disk_index, 1);
    batch = kit_disk_next(); /* large: at once */
    assert_int_equal(batch.last_index, last);
    written(&batch);
    assert_int_equal(kit.core.disk_index, last);
    assert_true(log_tail_has_room(&kit.tail, sizeof(body), 1));
}

/* What APPLY is told stops where the snapshot is to be, until DISK has written that. */
static void test_a_snapshot_waits_for_the_disk(void **state)
{
    struct core_disk batch = follow();

    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 1, 2);
    kit_turn();
    assert_int_equal(kit.core.commit_told, 1);
    kit.core.snapshot_wanted = true;
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 2, 3);
    kit_turn();
    assert_int_equal(kit.core.raft.commit_index, 2);
    uint64_t told = kit.core.commit_told;
    assert_false(kit.core.snapshot_pending);
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 3, 4);
    kit_turn();
    assert_int_equal(kit.core.commit_told, told);
    assert_int_equal(kit.core.raft.durable_index, 4); /* acknowledged all the same */
    written(&batch);
    batch = kit_disk_next();
    written(&batch);
    assert_true(kit.core.snapshot_pending);
    assert_true(kit.core.disk_index >= kit.core.snapshot_index);
    kit_turn();
    assert_int_equal(kit.core.commit_told, 3);
}

/* Entries that another leader cut are not on disk any more, whatever DISK says of them later. */
static void test_what_was_cut_is_not_on_disk(void **state)
{
    struct core_disk batch = follow();

    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 1, 2);
    kit_turn();
    written(&batch);
    batch = gathered(); /* of entry 2 */
    assert_int_equal(batch.last_index, 2);
    log_tail_truncate(&kit.theirs, 2);
    kit_append(3, 3, kit_entry(3, COMMAND_NOOP, NULL, 0), 1, 1);
    kit_turn();
    assert_int_equal(kit.core.raft.last_term, 3);
    written(&batch);
    assert_int_equal(kit.core.disk_index, 1);
    assert_int_equal(kit_disk_next().kind, CORE_DISK_SAVE);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_SAVED});
    batch = gathered();
    assert_int_equal(batch.first_index, 2);
    written(&batch);
    assert_int_equal(kit.core.disk_index, 2);
}

/* One write for what comes within a millisecond; the deadline says when, and then none is due. */
static void test_a_batch_is_gathered(void **state)
{
    struct core_disk batch = follow();

    written(&batch);
    assert_int_equal(core_memory_deadline_ns(&kit.core), UINT64_MAX);
    uint64_t begin_ns = kit.now.mono_ns;
    for (uint64_t i = 2; i < 12; i++) {
        kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), i - 1, i);
        kit_turn();
        assert_int_equal(acknowledged(), i);
        assert_int_equal(kit_disk_next().kind, 0);
        assert_int_equal(core_memory_deadline_ns(&kit.core), begin_ns + CORE_MEMORY_BATCH_NS);
        assert_true(role_core_deadline_ns(&kit.core, kit.now) <= begin_ns + CORE_MEMORY_BATCH_NS);
        kit.now.mono_ns += CORE_MEMORY_BATCH_NS / 16;
    }
    kit.now.mono_ns = begin_ns + CORE_MEMORY_BATCH_NS - 1;
    kit_turn();
    assert_int_equal(kit_disk_next().kind, 0);
    kit.now.mono_ns++;
    kit_turn();
    batch = kit_disk_next();
    assert_int_equal(batch.first_index, 2);
    assert_int_equal(batch.last_index, 11);
    assert_int_equal(core_memory_deadline_ns(&kit.core), UINT64_MAX);
    written(&batch);
    assert_int_equal(kit.core.disk_index, 11);
}

static void test_a_clean_stop_writes_everything(void **state)
{
    struct core_disk batch = follow();

    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 1, 2);
    kit_turn();
    assert_false(role_core_flush(&kit.core, kit.now)); /* one batch is out */
    kit_disk_says((struct disk_core){.kind = DISK_CORE_DURABLE,
                                     .index = batch.last_index,
                                     .term = batch.term,
                                     .offset = batch.offset + batch.size});
    assert_false(role_core_flush(&kit.core, kit.now)); /* and now the other */
    batch = kit_disk_next();
    assert_int_equal(batch.last_index, 2);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_DURABLE,
                                     .index = batch.last_index,
                                     .term = batch.term,
                                     .offset = batch.offset + batch.size});
    assert_true(role_core_flush(&kit.core, kit.now));
    assert_int_equal(kit.core.disk_index, 2);
    assert_int_equal(kit_disk_next().kind, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_acknowledged_before_it_is_on_disk, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_a_silent_disk_holds_when_the_tail_is_full, setup,
                                        kit_end),
        cmocka_unit_test_setup_teardown(test_a_snapshot_waits_for_the_disk, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_what_was_cut_is_not_on_disk, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_a_batch_is_gathered, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_a_clean_stop_writes_everything, setup, kit_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
