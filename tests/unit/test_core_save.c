/* Goal: what is promised goes to the disk before what follows from it. Method: member 1 follows by
 * hand, through two terms, while its first SAVE is not answered. */
#include "tests/unit/core_kit.h"

static int setup(void **state)
{
    kit_begin(3);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    kit_turn();
    return 0;
}

static uint64_t asked(uint32_t kind, uint64_t least)
{
    struct core_disk ask = kit_disk_next();

    assert_int_equal(ask.kind, kind);
    assert_true(kind != CORE_DISK_BATCH || ask.term >= least);
    return ask.last_index;
}

/* Term 2 is being saved when a leader of term 3 sends an entry: it waits for the SAVE of term 3 to
 * be on its way to DISK, which takes things in order. */
static void test_a_batch_goes_behind_its_terms_save(void **state)
{
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_turn();
    asked(CORE_DISK_SAVE, 0);
    assert_int_equal(asked(CORE_DISK_BATCH, 2), 1); /* its SAVE is before it */
    kit_disk_says((struct disk_core){
        .kind = DISK_CORE_DURABLE, .index = 1, .term = 2, .offset = kit.tail.batch_start});
    kit_append(3, 3, kit_entry(3, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_turn();
    assert_int_equal(kit.core.raft.last_index, 2);
    asked(0, 0); /* SAVE of term 2 is out still: neither the next one nor the batch */
    kit_disk_says((struct disk_core){.kind = DISK_CORE_SAVED});
    kit_turn();
    asked(CORE_DISK_SAVE, 0);
    assert_int_equal(asked(CORE_DISK_BATCH, 3), 2);
}

/* A snapshot of a term whose SAVE waits is not taken yet: its place goes into the superblock too.
 */
static void test_a_snapshot_goes_behind_its_terms_save(void **state)
{
    struct peer_message chunk = {.kind = PEER_SNAPSHOT,
                                 .flags = PEER_BULK | PEER_LAST,
                                 .from = 3,
                                 .term = 3,
                                 .index = 50,
                                 .log_term = 3};

    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_turn();
    asked(CORE_DISK_SAVE, 0);
    asked(CORE_DISK_BATCH, 2);
    kit_append(3, 3, 0, 0, 1);
    kit_hears(chunk, "snapshot", 8);
    kit_turn();
    asked(0, 0);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_SAVED});
    kit_turn();
    asked(CORE_DISK_SAVE, 0);
    kit_hears(chunk, "snapshot", 8); /* sent again */
    kit_turn();
    asked(CORE_DISK_WRITE_SNAPSHOT, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_batch_goes_behind_its_terms_save, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_a_snapshot_goes_behind_its_terms_save, setup, kit_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
