/* Goal: raft commits exactly what a quorum holds durably and what its term allows. Method: every
 * transition by hand, and raft_quorum_index against a naive twin over all small inputs. */
#include "consensus/raft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct raft_output step(struct raft *raft, enum raft_input_kind kind, uint64_t index)
{
    struct raft_output out;
    raft_step(raft, &(struct raft_input){kind, index}, &out);
    return out;
}

static void test_becomes_leader_only_after_its_vote_is_durable(void **state)
{
    struct raft raft;
    assert_int_equal(raft_init_alone(&raft, 1, 4, 1, 10, 4), 0);
    struct raft_output out = step(&raft, RAFT_INPUT_START, 0);
    assert_true(out.save);
    assert_false(out.append_noop);
    assert_int_equal(raft.term, 5);
    assert_int_equal(raft.vote, 1);
    assert_int_equal(raft.state, RAFT_CANDIDATE);
    out = step(&raft, RAFT_INPUT_SAVED, 0);
    assert_true(out.append_noop);
    assert_int_equal(raft.state, RAFT_LEADER);
    assert_int_equal(raft.term_first_index, 11);
}

static void test_an_old_term_is_committed_only_by_an_entry_of_the_new_one(void **state)
{
    struct raft raft;
    assert_int_equal(raft_init_alone(&raft, 1, 4, 1, 10, 4), 0);
    step(&raft, RAFT_INPUT_START, 0);
    step(&raft, RAFT_INPUT_SAVED, 0);
    assert_int_equal(step(&raft, RAFT_INPUT_DURABLE, 10).commit_index, 10);
    step(&raft, RAFT_INPUT_APPENDED, 11);
    assert_int_equal(raft.commit_index, 10); /* appended is not durable */
    assert_int_equal(step(&raft, RAFT_INPUT_DURABLE, 11).commit_index, 11);
}

static uint64_t naive_quorum(const uint64_t *match, uint32_t count)
{
    for (uint64_t index = 9; index > 0; index--) {
        uint32_t holders = 0;
        for (uint32_t i = 0; i < count; i++)
            holders += match[i] >= index;
        if (holders > count / 2)
            return index;
    }
    return 0;
}

static void test_quorum_index_agrees_with_its_twin(void **state)
{
    for (uint32_t count = 1; count <= 5; count++) {
        uint32_t all = 1;
        for (uint32_t i = 0; i < count; i++)
            all *= 5;
        for (uint32_t code = 0; code < all; code++) {
            uint64_t match[RAFT_MEMBER_COUNT_MAX] = {0};
            for (uint32_t i = 0, rest = code; i < count; i++, rest /= 5)
                match[i] = rest % 5;
            assert_int_equal(raft_quorum_index(match, count), naive_quorum(match, count));
        }
    }
}

static void test_init_refuses_what_cannot_be(void **state)
{
    struct raft raft;
    assert_int_equal(raft_init_alone(&raft, 0, 1, 0, 0, 0), ERR_RANGE);
    assert_int_equal(raft_init_alone(&raft, 255, 1, 0, 0, 0), ERR_RANGE);
    assert_int_equal(raft_init_alone(&raft, 1, 0x7fffffff, 0, 0, 0), ERR_RANGE);
    assert_int_equal(raft_init_alone(&raft, 1, 1, 0, 5, 2), ERR_RANGE);
}

static void test_describe(void **state)
{
    struct raft raft;
    char line[RAFT_DESCRIBE_SIZE];
    assert_int_equal(raft_init_alone(&raft, 3, 7, 3, 9, 7), 0);
    raft_describe(&raft, line, sizeof(line));
    assert_string_equal(line, "member 3 follower term 7 vote 3 leader 0 last 9@7 durable 9 commit 9 "
                              "members 0[3]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_becomes_leader_only_after_its_vote_is_durable),
        cmocka_unit_test(test_an_old_term_is_committed_only_by_an_entry_of_the_new_one),
        cmocka_unit_test(test_quorum_index_agrees_with_its_twin),
        cmocka_unit_test(test_init_refuses_what_cannot_be),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
