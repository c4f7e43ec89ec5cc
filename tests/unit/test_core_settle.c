/* Goal: who has left the membership is forgotten by PEER, late and only when it is certain. Method:
 * a follower's Raft core is led through a change by hand; CORE looks at it as time passes. */
#include "consensus/core_parts.h"
#include "tests/unit/raft_kit.h"

static struct role_core core;
static uint32_t settled_count, settled_members;
static bool settled_full;

static bool on_settled(void *self, const struct raft_membership *members)
{
    assert_ptr_equal(self, &core);
    settled_count++;
    settled_members = members->count;
    return !settled_full;
}

static void settle(uint64_t at_ns)
{
    core.raft = raft;
    core_member_settle(&core, (struct now){.mono_ns = at_ns});
}

/* Member 1 follows 2, and has entry 1: the membership is 1 and 2, or joint. Commit index 0. */
static void follow(struct raft_membership next)
{
    member(members_of(3, 0), 1, 0, 0, 0);
    memset(&core, 0, sizeof(core));
    core.config.members_settled = on_settled;
    core.config.members_self = &core;
    settled_count = 0;
    settled_full = false;
    settle(now_ns);
    append(2, 1, 0, 0, 1, 1, 0, 1);
    step((struct raft_input){.kind = RAFT_INPUT_CONFIG, .index = 1, .membership = &next});
    durable(1);
    settle(now_ns);
}

static void test_who_left_is_forgotten_late(void **state)
{
    follow(members_of(2, 0));
    append(2, 1, 1, 1, 0, 0, 1, 2);
    assert_int_equal(raft.commit_index, 1);
    settle(now_ns + CORE_SETTLE_NS - 1);
    assert_int_equal(settled_count, 0);
    settle(now_ns + CORE_SETTLE_NS);
    assert_int_equal(settled_count, 1);
    assert_int_equal(settled_members, 2);
    settle(now_ns + 9 * CORE_SETTLE_NS);
    assert_int_equal(settled_count, 1); /* once */
}

static void test_without_room_it_is_told_again(void **state)
{
    follow(members_of(2, 0));
    append(2, 1, 1, 1, 0, 0, 1, 2);
    settled_full = true;
    settle(now_ns + CORE_SETTLE_NS);
    settled_full = false;
    settle(now_ns + CORE_SETTLE_NS);
    settle(now_ns + CORE_SETTLE_NS);
    assert_int_equal(settled_count, 2);
}

static void test_not_before_it_is_certain(void **state)
{
    struct raft_membership joint = joint_1_to_2(), without_2 = members_of(3, 0);

    follow(members_of(2, 0)); /* the entry is not committed */
    settle(now_ns + CORE_SETTLE_NS);
    assert_int_equal(settled_count, 0);

    append(2, 1, 1, 1, 0, 0, 7, 2); /* more is committed, which is not here yet */
    assert_int_equal(raft.commit_index, 1);
    settle(now_ns + CORE_SETTLE_NS);
    assert_int_equal(settled_count, 0);

    follow(joint);
    append(2, 1, 1, 1, 0, 0, 1, 2);
    settle(now_ns + CORE_SETTLE_NS);
    assert_int_equal(settled_count, 0);

    without_2.members[1].id = 4; /* 2 leads, and has no place in it: what it sends is wanted */
    follow(without_2);
    append(2, 1, 1, 1, 0, 0, 1, 2);
    settle(now_ns + CORE_SETTLE_NS);
    assert_int_equal(settled_count, 0);
}

static void test_what_a_start_finds_is_no_change(void **state)
{
    member(members_of(3, 0), 1, 0, 0, 0);
    memset(&core, 0, sizeof(core));
    core.config.members_settled = on_settled;
    core.config.members_self = &core;
    settled_count = 0;
    append(2, 1, 0, 0, 1, 1, 1, 1);
    settle(now_ns + CORE_SETTLE_NS);
    settle(now_ns + 3 * CORE_SETTLE_NS);
    assert_int_equal(settled_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_left_is_forgotten_late),
        cmocka_unit_test(test_without_room_it_is_told_again),
        cmocka_unit_test(test_not_before_it_is_certain),
        cmocka_unit_test(test_what_a_start_finds_is_no_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
