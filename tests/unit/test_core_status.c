/* Goal: the page shows raft as it is: who leads, since when and why, what each member holds.
 * Method: a raft of one by its inputs, and one of three whose fields are set by hand. */
#include "consensus/core_status.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct raft raft;
static struct core_status status;

static void step(enum raft_input_kind kind, uint64_t index, uint64_t now_ns)
{
    static struct raft_output out;
    raft_step(&raft, &(struct raft_input){.kind = kind, .index = index, .now_ns = now_ns}, &out);
}

static void test_one_member(void **state)
{
    (void)state;
    core_status_init(&status);
    assert_string_equal(status.reason, "started");
    assert_int_equal(raft_init_alone(&raft, 7, 4, 7, 10, 4), 0);
    core_status_tell(&status, &raft, CORE_STATUS_MEMBER, 1 * NS_PER_S);
    assert_int_equal(status.leader, 0);
    assert_int_equal(status.elections, 0);
    assert_int_equal(status.peers[0].id, 7);
    assert_int_equal(status.peers[1].id, 0);
    step(RAFT_INPUT_START, 0, 1 * NS_PER_S);
    step(RAFT_INPUT_SAVED, 0, 1 * NS_PER_S);
    /* at once: the leader is new */
    core_status_tell(&status, &raft, CORE_STATUS_MEMBER, 1 * NS_PER_S + 5);
    assert_int_equal(status.state, CORE_STATUS_LEADER);
    assert_int_equal(status.leader, 7);
    assert_int_equal(status.term, 5);
    assert_int_equal(status.elections, 1);
    assert_true(status.leader_ns == 1 * NS_PER_S + 5);
    assert_true(*status.reason);
    step(RAFT_INPUT_APPENDED, 11, 0);
    step(RAFT_INPUT_DURABLE, 11, 0);
    core_status_tell(&status, &raft, CORE_STATUS_MEMBER, 1 * NS_PER_S + 6);
    assert_int_equal(status.commit_index, 10); /* not each turn */
    core_status_tell(&status, &raft, CORE_STATUS_MEMBER, 2 * NS_PER_S);
    assert_int_equal(status.commit_index, 11);
    assert_int_equal(status.last_index, 11);
    assert_int_equal(status.elections, 1);
}

static void test_three_members(void **state)
{
    struct raft_membership *members;
    (void)state;
    core_status_init(&status);
    assert_int_equal(raft_init_alone(&raft, 1, 4, 1, 10, 4), 0);
    members = &raft.configs[raft.config_count - 1];
    members->count = 3;
    members->joint = true;
    members->members[1] = (struct raft_member){.id = 2, .voter_next = true};
    members->members[2] = (struct raft_member){.id = 3};
    raft.state = RAFT_LEADER;
    raft.leader = 1;
    raft.outage_ns = 70 * NS_PER_MS;
    raft.progress[1] = (struct raft_progress){
        .id = 2, .state = RAFT_REPLICATE, .match_index = 9, .heard_ns = 3 * NS_PER_S};
    raft.progress[2] = (struct raft_progress){.id = 3, .state = RAFT_PROBE, .match_index = 2};
    core_status_tell(&status, &raft, CORE_STATUS_MEMBER, 4 * NS_PER_S);
    assert_true(status.joint && status.voting);
    assert_true(status.outage_ns == 70 * NS_PER_MS);
    assert_true(status.peers[1].voter && status.peers[1].streams);
    assert_int_equal(status.peers[1].match_index, 9);
    assert_true(status.peers[1].heard_ns == 3 * NS_PER_S);
    assert_false(status.peers[2].voter);
    assert_false(status.peers[2].streams);
    raft.state = RAFT_FOLLOWER; /* what only a leader knows is not shown as if it were known */
    raft.leader = 2;
    members->count = 2;
    core_status_tell(&status, &raft, CORE_STATUS_MEMBER, 4 * NS_PER_S + 1);
    assert_int_equal(status.elections, 2);
    assert_int_equal(status.peers[1].match_index, 0);
    assert_false(status.peers[1].streams);
    assert_int_equal(status.peers[2].id, 0);
    raft.leader = 0; /* to have lost one is no election */
    core_status_tell(&status, &raft, CORE_STATUS_MEMBER, 4 * NS_PER_S + 2);
    assert_int_equal(status.leader, 0);
    assert_int_equal(status.elections, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_member),
        cmocka_unit_test(test_three_members),
    };
    return cmocka_run_group_tests_name("core_status", tests, NULL, NULL);
}
