/* Goal: a member whose log was given up saves that before anything else, says nothing of it, and
 * starts again; where nothing is acknowledged from memory it stops with the reason. Method: member
 * 1 of three by hand, which has committed two entries of term 2; then a leader of term 3 shows
 * another second one. */
#include "tests/unit/core_kit.h"

static int setup(void **state)
{
    kit_begin(3);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_disk();
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 2, 2);
    kit_disk();
    assert_int_equal(kit.core.raft.commit_index, 2);
    log_tail_truncate(&kit.theirs, 2);
    while (kit_said(PEER_APPEND_REPLY, 2))
        ;
    return 0;
}

/* Member 3 leads term 3, whose save is over, and shows its entry 2. */
static void contradict(void)
{
    kit_append(3, 3, kit_entry(3, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_turn();
    assert_int_equal(kit.core.raft.commit_index, 2);
    assert_int_equal(kit.core.raft.last_index, 2);
}

static const struct core_disk_save *save_next(void)
{
    static uint8_t copy[sizeof(struct core_disk) + sizeof(struct core_disk_save)];
    uint32_t size;
    const struct core_disk *at = link_peek(&kit.core_disk, &size);

    assert_non_null(at);
    assert_int_equal(at->kind, CORE_DISK_SAVE);
    assert_int_equal(size, sizeof(copy));
    memcpy(copy, at, size);
    link_pop(&kit.core_disk);
    link_release(&kit.core_disk);
    return (const struct core_disk_save *)(copy + sizeof(struct core_disk));
}

/* Saves are answered until the node stops; the last one is returned. */
static struct core_disk_save saved_until_stopped(void)
{
    struct core_disk_save last = {0};

    for (int i = 0; i < 3 && !kit.failed; i++) {
        last = *save_next();
        kit_disk_says((struct disk_core){.kind = DISK_CORE_SAVED});
        kit_turn();
    }
    return last;
}

static void hello(uint8_t from, uint64_t term, bool memory)
{
    struct core_greeting greeting = {.incarnation = 9,
                                     .last_index = 2,
                                     .cluster_id = {1},
                                     .formed = 1,
                                     .answer = 1,
                                     .memory = memory};

    kit_hears((struct peer_message){.kind = PEER_HELLO, .from = from, .term = term}, &greeting,
              sizeof(greeting));
    kit_turn();
}

/* That it hears the leader, perhaps. */
static void says_nothing(void)
{
    const struct peer_message *said;

    while ((said = kit_said(PEER_APPEND_REPLY, 3)))
        assert_int_equal(said->index, 0);
}

static void forgets(void)
{
    contradict();
    struct core_disk_save last = saved_until_stopped();
    assert_int_equal(kit.failed, ERR_RESTART);
    assert_int_equal(last.forget, 1);
    assert_int_equal(last.catching_up, 1);
    assert_int_equal(last.term, 3);
    says_nothing();
}

static void test_it_acknowledges_from_memory(void **state)
{
    kit.core.config.memory = true;
    forgets();
}

static void test_its_leader_does(void **state)
{
    hello(3, 3, true);
    forgets();
}

static void test_nobody_does(void **state)
{
    hello(3, 3, false);
    contradict();
    assert_int_equal(kit.failed, ERR_CORRUPT);
    says_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_acknowledges_from_memory, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_its_leader_does, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_nobody_does, setup, kit_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
