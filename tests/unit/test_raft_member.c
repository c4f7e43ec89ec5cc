/* Goal: each rule of the Raft core for transfers, memberships and snapshots holds by itself.
 * Method: as test_raft.c. */
#include "tests/unit/raft_kit.h"

static void test_a_transfer_waits_for_the_log_and_gives_up(void **state)
{
    member(members_of(3, 0), 4, 0, 0, 0);
    lead();
    step((struct raft_input){.kind = RAFT_INPUT_TRANSFER, .member = 2});
    assert_false(raft_may_propose(&raft));
    assert_null(told(PEER_TIMEOUT_NOW));
    ack(2, 1);
    assert_int_equal(told(PEER_TIMEOUT_NOW)->to, 2);
    while (!raft_may_propose(&raft)) {
        now_ns = raft_deadline_ns(&raft);
        ack(3, 1);
        input(RAFT_INPUT_TICK, 0);
    }
    assert_string_equal(out.reason, "the transfer took too long");
    step((struct raft_input){.kind = RAFT_INPUT_TRANSFER, .member = 9});
    assert_true(raft_may_propose(&raft)); /* no such voter */
}

static void test_told_to_take_over_it_asks_at_once(void **state)
{
    member(members_of(3, 0), 4, 10, 4, 8);
    append(2, 4, 10, 4, 0, 0, 8, 1);
    message((struct peer_message){.kind = PEER_TIMEOUT_NOW, .from = 2, .term = 4});
    assert_int_equal(raft.state, RAFT_CANDIDATE);
    input(RAFT_INPUT_SAVED, 0);
    assert_int_equal(told(PEER_VOTE)->flags, PEER_TRANSFER);
}

static void test_joint_both_halves_decide_and_the_removed_leader_goes(void **state)
{
    struct raft_membership joint = joint_1_to_2(),
                           end = {.count = 1, .members = {{.id = 2, .voter = true}}};

    member(members_of(1, 0), 4, 0, 0, 0);
    input(RAFT_INPUT_START, 0);
    input(RAFT_INPUT_SAVED, 0);
    input(RAFT_INPUT_APPENDED, 1);
    assert_false(raft_may_change(&raft)); /* nothing of its term is committed */
    durable(1);
    assert_true(raft_may_change(&raft));
    input(RAFT_INPUT_APPENDED, 2);
    step((struct raft_input){.kind = RAFT_INPUT_CONFIG, .index = 2, .membership = &joint});
    assert_false(raft_may_change(&raft));
    durable(2);
    assert_int_equal(raft.commit_index, 1); /* the new half has not got it */
    ack(2, 2);
    assert_int_equal(raft.commit_index, 2);
    assert_true(raft_leave_joint(&raft));
    input(RAFT_INPUT_APPENDED, 3);
    step((struct raft_input){.kind = RAFT_INPUT_CONFIG, .index = 3, .membership = &end});
    assert_false(raft_leave_joint(&raft));
    durable(3);
    assert_int_equal(raft.commit_index, 2); /* this member is not counted any more */
    ack(2, 3);
    assert_int_equal(raft.commit_index, 3);
    assert_int_equal(raft.state, RAFT_FOLLOWER);
    assert_int_equal(told(PEER_TIMEOUT_NOW)->to, 2);
    assert_int_equal(raft_deadline_ns(&raft), UINT64_MAX); /* and does not come back */
}

static void test_a_membership_that_is_cut_out_is_not_in_force(void **state)
{
    struct raft_membership joint = joint_1_to_2();

    member(members_of(3, 0), 4, 4, 4, 4);
    append(2, 4, 4, 4, 4, 2, 4, 1);
    step((struct raft_input){.kind = RAFT_INPUT_CONFIG, .index = 6, .membership = &joint});
    assert_true(raft_membership(&raft)->joint);
    append(3, 5, 5, 4, 5, 1, 4, 1);
    assert_int_equal(out.truncate_from, 6);
    assert_false(raft_membership(&raft)->joint);
    assert_int_equal(raft_membership(&raft)->count, 3);
}

static void test_removed_by_an_uncommitted_entry_it_campaigns_still(void **state)
{
    struct raft_membership end = {.count = 1, .members = {{.id = 2, .voter = true}}};

    member(members_of(2, 0), 4, 4, 4, 3);
    step((struct raft_input){.kind = RAFT_INPUT_CONFIG, .index = 4, .membership = &end});
    input(RAFT_INPUT_START, 0);
    assert_int_equal(raft.state, RAFT_PRE_CANDIDATE);
    assert_int_equal(told(PEER_PRE_VOTE)->to, 2);
}

static void test_a_snapshot_keeps_what_follows_it_and_nothing_else(void **state)
{
    struct raft_membership members = members_of(3, 0);
    struct raft_input install = {
        .kind = RAFT_INPUT_SNAPSHOT_INSTALLED, .index = 6, .term = 4, .membership = &members};

    member(members, 5, 10, 4, 2);
    assert_false(raft_snapshot_wanted(&raft, 2, 4)); /* committed here */
    assert_false(raft_snapshot_wanted(&raft, 6, 4)); /* lies here */
    assert_true(raft_snapshot_wanted(&raft, 11, 4));
    assert_true(raft_snapshot_wanted(&raft, 6, 5));
    step(install);
    assert_int_equal(raft.last_index, 10);
    assert_int_equal(raft.durable_index, 10);
    assert_int_equal(out.commit_index, 6);
    install.index = 8;
    install.term = 5;
    step(install);
    assert_int_equal(raft.last_index, 8);
    assert_int_equal(raft.last_term, 5);
    assert_int_equal(out.commit_index, 8);
    /* a batch of the log that is gone says nothing */
    step((struct raft_input){.kind = RAFT_INPUT_DURABLE, .index = 10, .term = 4, .epoch = 0});
    assert_int_equal(raft.durable_index, 8);
}

static void test_an_offered_snapshot_that_lies_here_is_answered(void **state)
{
    member(members_of(3, 0), 5, 10, 4, 2);
    message((struct peer_message){
        .kind = PEER_SNAPSHOT, .from = 2, .term = 5, .index = 6, .log_term = 4});
    assert_int_equal(out.commit_index, 6);
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 6);
    message((struct peer_message){
        .kind = PEER_SNAPSHOT, .from = 2, .term = 5, .index = 11, .log_term = 4});
    assert_int_equal(out.message_count, 0);
    message((struct peer_message){
        .kind = PEER_SNAPSHOT, .from = 2, .term = 5, .index = 1, .log_term = 4});
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 6);
    message((struct peer_message){/* committed here, and another one */
                                  .kind = PEER_SNAPSHOT,
                                  .from = 2,
                                  .term = 5,
                                  .index = 1,
                                  .log_term = 1});
    assert_int_equal(out.contradicts, 1);
    assert_int_equal(out.message_count, 0);
}

/* Which terms are below its table's base it cannot tell; an entry of the leader's own term it can
 * (seed 902721). The other answers count for nothing: the transfer and commit tests above. */
static void test_below_the_table_the_leaders_term_contradicts(void **state)
{
    struct raft_membership members = members_of(3, 0);
    struct peer_message probe = {
        .kind = PEER_APPEND, .from = 2, .term = 7, .index = 4, .log_term = 3};

    member(members, 5, 10, 4, 2);
    step((struct raft_input){
        .kind = RAFT_INPUT_SNAPSHOT_INSTALLED, .index = 6, .term = 4, .membership = &members});
    message(probe);
    input(RAFT_INPUT_SAVED, 0);
    message(probe);
    assert_int_equal(out.contradicts, 0);
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 4);
    probe.log_term = 7;
    message(probe);
    assert_int_equal(out.contradicts, 4);
    assert_int_equal(out.message_count, 0);
    probe.index = 6; /* there it can */
    probe.log_term = 3;
    message(probe);
    assert_int_equal(out.contradicts, 6);
    assert_int_equal(out.message_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_transfer_waits_for_the_log_and_gives_up),
        cmocka_unit_test(test_told_to_take_over_it_asks_at_once),
        cmocka_unit_test(test_joint_both_halves_decide_and_the_removed_leader_goes),
        cmocka_unit_test(test_a_membership_that_is_cut_out_is_not_in_force),
        cmocka_unit_test(test_removed_by_an_uncommitted_entry_it_campaigns_still),
        cmocka_unit_test(test_a_snapshot_keeps_what_follows_it_and_nothing_else),
        cmocka_unit_test(test_an_offered_snapshot_that_lies_here_is_answered),
        cmocka_unit_test(test_below_the_table_the_leaders_term_contradicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
