/* Goal: commands are taken, wait or are refused as the drawing in core_room.c says, and a leader
 * without room hands over to a member that has some. Method: member 1 leads; the test is its disk
 * and the others. */
#include "tests/unit/core_kit.h"

#define BATCH (256ull << 10) /* the kit's largest batch */

static void room(uint64_t size, bool is_short)
{
    kit_disk_says((struct disk_core){
        .kind = DISK_CORE_ROOM, .index = size, .error = is_short ? ERR_NOSPACE : 0});
    kit_turn();
}

static int setup(void **state)
{
    kit_begin(3);
    kit_lead();
    kit_agrees(2);
    kit_agrees(3);
    kit_agrees(2);
    kit_say_nothing();
    return 0;
}

/* Member `id` answers; its disk may be full. */
static void answers(uint8_t id, bool full)
{
    kit_hears((struct peer_message){.kind = PEER_APPEND_REPLY,
                                    .flags = full ? PEER_FULL : 0,
                                    .from = id,
                                    .term = kit.core.raft.term,
                                    .index = kit.core.raft.last_index,
                                    .context = kit.core.raft.round},
              NULL, 0);
    kit_turn();
}

static int room_for(uint32_t size)
{
    return core_room_for(&kit.core, size, kit.now);
}

static void test_a_segment_that_is_not_made_yet_is_waited_for(void **state)
{
    assert_int_equal(room_for(1000), 0);
    room(2 * BATCH + 1000, false);
    assert_int_equal(room_for(1000), 0);
    assert_int_equal(room_for(1001), ERR_FULL);
    assert_false(kit.core.raft.full); /* DISK has not tried */
    assert_null(kit_said(PEER_TIMEOUT_NOW, 2));
    room(KIT_ROOM, false);
    assert_int_equal(room_for(1001), 0);
}

static void test_a_full_leader_hands_over(void **state)
{
    room(3 * BATCH, true);
    assert_false(kit.core.raft.full); /* three batches are room */
    room(3 * BATCH - 1, true);
    assert_true(kit.core.raft.full);
    assert_true(kit.core.handover_ns > kit.now.mono_ns);
    assert_int_not_equal(kit.core.raft.transfer_to, 0);
    assert_non_null(kit_said(PEER_TIMEOUT_NOW, kit.core.raft.transfer_to));
    assert_int_equal(counters_get(&kit.page, METRIC_core_handovers_total), 1);
    assert_int_equal(room_for(BATCH), ERR_FULL); /* the heir will take it */
    room(KIT_ROOM, false);
    assert_int_equal(kit.core.handover_ns, 0);
    assert_false(kit.core.raft.full);
}

static void test_patience_ends(void **state)
{
    room(1000, true);
    assert_int_equal(room_for(1), ERR_FULL);
    for (int i = 0; i < 160; i++) { /* 3.2 s: nobody takes over */
        kit.now.mono_ns += 20 * NS_PER_MS;
        answers(2, false);
        answers(3, false);
    }
    assert_int_equal(kit.core.raft.state, RAFT_LEADER);
    assert_int_equal(room_for(1), ERR_NOSPACE);
    for (int i = 0; i < 60; i++) { /* and is tried again */
        kit.now.mono_ns += 20 * NS_PER_MS;
        answers(2, false);
        answers(3, false);
    }
    assert_int_equal(room_for(1), ERR_FULL);
    assert_int_equal(counters_get(&kit.page, METRIC_core_handovers_total), 2);
}

/* Two of three are full: whoever leads, nothing can be committed. */
static void test_without_a_quorum_that_has_room_commands_are_refused(void **state)
{
    answers(2, true);
    assert_int_equal(room_for(1), 0); /* this one and 3 are a quorum */
    answers(3, true);
    assert_int_equal(room_for(1), ERR_NOSPACE);
    assert_int_equal(raft_heir(&kit.core.raft), 0);
    room(1000, true);
    assert_int_equal(room_for(1), ERR_NOSPACE);
    assert_int_equal(kit.core.handover_ns, 0); /* to nobody */
    answers(3, false);
    room(KIT_ROOM, false);
    assert_int_equal(room_for(1), 0);
}

/* A member that follows takes a leader's entries down to one batch, and says FULL before that. */
static void test_a_follower_keeps_room_for_cancelled_lanes(void **state)
{
    assert_true(core_room_takes(&kit.core, 1));
    room(BATCH + 500, true);
    assert_true(core_room_takes(&kit.core, 500));
    assert_false(core_room_takes(&kit.core, 501));
    assert_false(core_disk_has_room(&kit.core, 1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, kit_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_segment_that_is_not_made_yet_is_waited_for),
        TEST(test_a_full_leader_hands_over),
        TEST(test_patience_ends),
        TEST(test_without_a_quorum_that_has_room_commands_are_refused),
        TEST(test_a_follower_keeps_room_for_cancelled_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
