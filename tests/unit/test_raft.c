/* Goal: each rule of the Raft core that concerns votes and followers holds by itself. Method: one
 * member, the others played by hand with single messages; test_raft_cluster has whole clusters. */
#include "tests/unit/raft_kit.h"

/* ---- alone ----------------------------------------------------------------------------------- */

static void test_alone_it_leads_once_its_vote_is_durable(void **state)
{
    now_ns = 0;
    assert_int_equal(raft_init_alone(&raft, 1, 4, 1, 10, 4), 0);
    input(RAFT_INPUT_START, 0);
    assert_true(out.save);
    assert_int_equal(out.save_term, 5);
    assert_int_equal(out.save_vote, 1);
    assert_false(out.append_noop);
    assert_int_equal(raft.state, RAFT_CANDIDATE);
    input(RAFT_INPUT_SAVED, 0);
    assert_true(out.append_noop);
    assert_int_equal(raft.state, RAFT_LEADER);
    assert_int_equal(raft.term_first_index, 11);
    assert_int_equal(raft_deadline_ns(&raft), UINT64_MAX);
    input(RAFT_INPUT_APPENDED, 11);
    assert_int_equal(out.commit_index, 10);
    durable(11);
    assert_int_equal(out.commit_index, 11);
    step((struct raft_input){.kind = RAFT_INPUT_READ, .context = 7});
    assert_int_equal(out.read_count, 1);
    assert_int_equal(out.reads[0].index, 11);
}

static void test_init_refuses_what_cannot_be(void **state)
{
    struct raft_config config = raft_config_default(1);
    struct raft_recovered good = {.membership = raft_membership_alone(1)}, bad = good;

    assert_int_equal(raft_init(&raft, &config, &good), 0);
    assert_int_equal(raft_init_alone(&raft, 0, 1, 0, 0, 0), ERR_RANGE);
    assert_int_equal(raft_init_alone(&raft, 255, 1, 0, 0, 0), ERR_RANGE);
    assert_int_equal(raft_init_alone(&raft, 1, PEER_TERM_MAX + 1, 0, 0, 0), ERR_RANGE);
    assert_int_equal(raft_init_alone(&raft, 1, 1, 0, 5, 2), ERR_RANGE);
    bad.commit_index = 1;
    assert_int_equal(raft_init(&raft, &config, &bad), ERR_RANGE);
    bad = good;
    bad.membership.count = 0;
    assert_int_equal(raft_init(&raft, &config, &bad), ERR_RANGE);
    bad.membership = members_of(2, 0);
    bad.membership.members[1].id = 1;
    assert_int_equal(raft_init(&raft, &config, &bad), ERR_RANGE);
    bad.membership = members_of(0, 2);
    assert_int_equal(raft_init(&raft, &config, &bad), ERR_RANGE);
    config.inflight_max = RAFT_INFLIGHT_MAX + 1;
    assert_int_equal(raft_init(&raft, &config, &good), ERR_RANGE);
    config = raft_config_default(1);
    config.election_ns_min = 2 * config.heartbeat_ns - 1;
    assert_int_equal(raft_init(&raft, &config, &good), ERR_RANGE);
}

static void test_a_log_ahead_of_the_superblock_raises_the_term(void **state)
{
    member(members_of(3, 0), 2, 5, 3, 0);
    assert_int_equal(raft.term, 3);
    assert_true(out.save); /* of the first step */
    append(2, 3, 5, 3, 3, 0, 5, 1);
    assert_int_equal(out.message_count, 0); /* nothing is told before it is saved */
    input(RAFT_INPUT_SAVED, 0);
    assert_non_null(told(PEER_APPEND_REPLY));
}

/* ---- votes ----------------------------------------------------------------------------------- */

static void test_pre_vote_then_vote_then_office(void **state)
{
    member(members_of(3, 0), 4, 10, 4, 8);
    now_ns = raft_deadline_ns(&raft);
    input(RAFT_INPUT_TICK, 0);
    assert_int_equal(raft.state, RAFT_PRE_CANDIDATE);
    assert_int_equal(raft.term, 4);
    assert_false(out.save);
    assert_int_equal(told(PEER_PRE_VOTE)->term, 5);
    assert_int_equal(out.message_count, 2);
    message((struct peer_message){.kind = PEER_PRE_VOTE_REPLY, .from = 3, .term = 5, .context = 0});
    assert_int_equal(raft.state, RAFT_PRE_CANDIDATE); /* an answer to another round */
    message((struct peer_message){.kind = PEER_PRE_VOTE_REPLY, .from = 3, .term = 5, .context = 1});
    assert_int_equal(raft.state, RAFT_CANDIDATE);
    assert_true(out.save);
    assert_int_equal(out.message_count, 0);
    message((struct peer_message){.kind = PEER_VOTE_REPLY, .from = 3, .term = 5});
    assert_int_equal(raft.state, RAFT_CANDIDATE); /* nobody was asked yet */
    input(RAFT_INPUT_SAVED, 0);
    assert_int_equal(out.message_count, 2);
    message(
        (struct peer_message){.kind = PEER_VOTE_REPLY, .from = 3, .term = 5, .flags = PEER_REJECT});
    assert_int_equal(raft.state, RAFT_CANDIDATE);
    message((struct peer_message){.kind = PEER_VOTE_REPLY, .from = 2, .term = 5});
    assert_int_equal(raft.state, RAFT_LEADER);
    assert_string_equal(out.reason, "elected");
}

static void test_a_vote_is_told_once_it_is_durable(void **state)
{
    struct peer_message ask = {.kind = PEER_VOTE, .from = 2, .term = 5, .index = 10, .log_term = 4};

    member(members_of(3, 0), 4, 10, 4, 8);
    message(ask);
    assert_true(out.save);
    assert_int_equal(out.save_vote, 2);
    assert_int_equal(out.message_count, 0);
    message(ask);
    assert_int_equal(out.message_count, 0);
    assert_false(out.save); /* one at a time */
    input(RAFT_INPUT_SAVED, 0);
    assert_int_equal(told(PEER_VOTE_REPLY)->flags, 0);
    message(ask); /* its answer was lost */
    assert_int_equal(told(PEER_VOTE_REPLY)->flags, 0);
    ask.from = 3;
    message(ask);
    assert_int_equal(told(PEER_VOTE_REPLY)->flags, PEER_REJECT);
}

static void test_a_shorter_or_older_log_gets_no_vote(void **state)
{
    struct peer_message ask = {.kind = PEER_VOTE, .from = 2, .term = 6, .index = 9, .log_term = 4};

    member(members_of(3, 0), 6, 10, 4, 8);
    message(ask);
    assert_int_equal(told(PEER_VOTE_REPLY)->flags, PEER_REJECT);
    ask.index = 99;
    ask.log_term = 3;
    message(ask);
    assert_int_equal(told(PEER_VOTE_REPLY)->flags, PEER_REJECT);
    ask.index = 1;
    ask.log_term = 5;
    message(ask);
    assert_int_equal(raft.vote, 2);
}

static void test_who_hears_a_leader_is_deaf_to_candidates(void **state)
{
    struct peer_message ask = {.kind = PEER_VOTE, .from = 3, .term = 9, .index = 99, .log_term = 8};
    struct peer_message pre = ask;

    member(members_of(3, 0), 4, 10, 4, 8);
    append(2, 4, 10, 4, 0, 0, 8, 1);
    message(ask);
    assert_int_equal(raft.term, 4);
    assert_int_equal(out.message_count, 0);
    pre.kind = PEER_PRE_VOTE;
    message(pre);
    assert_int_equal(told(PEER_PRE_VOTE_REPLY)->flags, PEER_REJECT);
    assert_int_equal(told(PEER_PRE_VOTE_REPLY)->term, 4);
    ask.flags = PEER_TRANSFER; /* the leader itself wants it */
    message(ask);
    assert_int_equal(raft.vote, 3);
    assert_int_equal(raft.term, 9);
}

static void test_a_member_that_just_started_is_deaf_too(void **state)
{
    struct peer_message ask = {.kind = PEER_VOTE, .from = 3, .term = 9, .index = 99, .log_term = 8};

    member(members_of(3, 0), 4, 10, 4, 8);
    now_ns -= 10 * MS;
    message(ask);
    assert_int_equal(raft.vote, 0);
    now_ns += 10 * MS;
    message(ask);
    assert_int_equal(raft.vote, 3);
}

static void test_catching_up_it_neither_votes_nor_campaigns(void **state)
{
    struct peer_message ask = {.kind = PEER_VOTE, .from = 3, .term = 9, .index = 99, .log_term = 8};

    member(members_of(3, 0), 4, 10, 4, 8);
    raft.config.voting = false;
    assert_int_equal(raft_deadline_ns(&raft), UINT64_MAX);
    now_ns += 1000 * MS;
    input(RAFT_INPUT_TICK, 0);
    assert_int_equal(raft.state, RAFT_FOLLOWER);
    message(ask);
    assert_int_equal(raft.vote, 0);
    input(RAFT_INPUT_VOTING, 0);
    input(RAFT_INPUT_SAVED, 0);
    message(ask);
    assert_int_equal(raft.vote, 3);
}

static void test_who_may_not_campaign_forgets_a_silent_leader(void **state)
{
    struct raft_membership observed = members_of(3, 0);

    observed.members[0].voter = false;
    member(observed, 4, 10, 4, 8);
    append(2, 4, 10, 4, 0, 0, 8, 1);
    assert_int_equal(raft.leader, 2);
    uint64_t at = raft_deadline_ns(&raft);
    assert_true(at >= now_ns + raft.config.election_ns_min);
    assert_true(at < now_ns + 2 * raft.config.election_ns_max);
    now_ns = at;
    input(RAFT_INPUT_TICK, 0);
    assert_int_equal(raft.leader, 0);
    assert_true(out.state_changed);
    assert_int_equal(raft.state, RAFT_FOLLOWER);
    assert_int_equal(raft_deadline_ns(&raft), UINT64_MAX);
    append(2, 4, 10, 4, 0, 0, 9, 2); /* it is back */
    assert_int_equal(raft.leader, 2);
    assert_int_equal(raft.commit_index, 9);
}

static void test_terms_end(void **state)
{
    member(members_of(3, 0), PEER_TERM_MAX, 0, 0, 0);
    input(RAFT_INPUT_START, 0);
    assert_int_equal(raft.state, RAFT_FOLLOWER);
    assert_int_equal(raft.term, PEER_TERM_MAX);
}

static void test_the_lowest_rank_is_first(void **state)
{
    uint64_t before = 0;

    for (uint32_t rank = 0; rank < 3; rank++) {
        member(members_of(3, 0), 1, 0, 0, 0);
        raft.config.rank = rank;
        append(2, 1, 0, 0, 0, 0, 0, 1);
        assert_true(raft_deadline_ns(&raft) >= now_ns + raft.config.election_ns_min);
        assert_true(raft_deadline_ns(&raft) <= now_ns + raft.config.election_ns_max);
        assert_true(raft_deadline_ns(&raft) - now_ns > before);
        before = raft_deadline_ns(&raft) - now_ns;
    }
}

static void test_the_slot_of_a_lost_leader_is_not_waited_for(void **state)
{
    struct raft_config config = raft_config_default(3);
    uint64_t wait[2];

    config.rank = 2;
    for (uint8_t leader = 1; leader <= 2; leader++) {
        struct raft_membership membership = members_of(4, 0);
        struct peer_message m = {.kind = PEER_APPEND, .from = leader == 1 ? 1 : 4, .to = 3};
        assert_int_equal(
            raft_init(&raft, &config, &(struct raft_recovered){.membership = membership}), 0);
        now_ns = 1000 * MS;
        step((struct raft_input){.kind = RAFT_INPUT_MESSAGE, .message = &m});
        wait[leader - 1] = raft_deadline_ns(&raft) - now_ns;
    }
    assert_true(wait[0] < wait[1]); /* member 1 led: member 3 is the second, not the third */
}

/* ---- a follower's log ------------------------------------------------------------------------ */

static void test_entries_are_acknowledged_when_durable(void **state)
{
    member(members_of(3, 0), 4, 0, 0, 0);
    append(2, 4, 0, 0, 4, 3, 0, 0);
    assert_int_equal(out.accept_first, 1);
    assert_int_equal(out.accept_last, 3);
    assert_null(told(PEER_APPEND_REPLY));
    append(2, 4, 3, 4, 0, 0, 0, 1); /* a heartbeat is answered with what is durable */
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 0);
    assert_int_equal(told(PEER_APPEND_REPLY)->context, 1);
    durable(2);
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 2);
    append(2, 4, 0, 0, 4, 2, 0, 1); /* repeated */
    assert_int_equal(out.accept_first, 0);
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 2);
}

static void test_commit_stops_at_what_is_known_to_match(void **state)
{
    member(members_of(3, 0), 4, 10, 3, 2);
    append(2, 4, 5, 3, 0, 0, 9, 1);
    assert_int_equal(out.commit_index, 5); /* 6..10 may differ from the leader's */
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 5);
    append(2, 4, 10, 3, 0, 0, 9, 2);
    assert_int_equal(out.commit_index, 9);
}

static void test_a_conflict_is_cut_out(void **state)
{
    member(members_of(3, 0), 4, 10, 3, 2);
    append(2, 4, 5, 3, 4, 2, 2, 1);
    assert_int_equal(out.truncate_from, 6);
    assert_int_equal(out.accept_first, 6);
    assert_int_equal(out.accept_last, 7);
    assert_int_equal(raft.last_index, 7);
    assert_int_equal(raft.durable_index, 5);
    /* a write from before the cut says nothing of what was cut */
    step((struct raft_input){.kind = RAFT_INPUT_DURABLE, .index = 10, .term = 3, .epoch = 0});
    assert_int_equal(raft.durable_index, 5);
    durable(7);
    assert_int_equal(raft.durable_index, 7);
}

static void test_a_gap_or_a_conflict_is_refused_with_a_hint(void **state)
{
    member(members_of(3, 0), 9, 10, 3, 2);
    append(2, 9, 20, 8, 8, 1, 2, 4);
    assert_int_equal(out.accept_first, 0);
    const struct peer_message *reply = told(PEER_APPEND_REPLY);
    assert_int_equal(reply->flags, PEER_REJECT);
    assert_int_equal(reply->index, 10);
    assert_int_equal(reply->log_term, 3);
    assert_int_equal(reply->extra, 20);
    assert_int_equal(reply->context, 4);
    append(2, 9, 8, 2, 0, 0, 2, 4); /* its entry 8 is of a lower term than ours */
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 0);
}

static void test_an_old_leader_is_told_the_term(void **state)
{
    member(members_of(3, 0), 9, 10, 3, 2);
    append(2, 8, 10, 3, 0, 0, 10, 1);
    assert_int_equal(told(PEER_APPEND_REPLY)->flags, PEER_REJECT);
    assert_int_equal(told(PEER_APPEND_REPLY)->term, 9);
    assert_int_equal(out.commit_index, 2);
    assert_int_equal(raft.leader, 0);
}

static void test_quiet_news_are_not_answered(void **state)
{
    member(members_of(3, 0), 4, 10, 3, 2);
    append(2, 4, 10, 3, 0, 0, 2, 1);
    message((struct peer_message){.kind = PEER_APPEND,
                                  .flags = PEER_QUIET,
                                  .from = 2,
                                  .term = 4,
                                  .index = 10,
                                  .log_term = 3,
                                  .commit = 10,
                                  .context = 1});
    assert_int_equal(out.commit_index, 10);
    assert_int_equal(out.message_count, 0);
}

/* ---- the rest -------------------------------------------------------------------------------- */

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

static void test_lines_for_people(void **state)
{
    struct raft_membership joint = joint_1_to_2();
    char line[RAFT_DESCRIBE_SIZE];

    assert_int_equal(raft_init_alone(&raft, 3, 7, 3, 9, 7), 0);
    raft_describe(&raft, line, sizeof(line));
    assert_string_equal(line,
                        "member 3 follower term 7 vote 3 leader 0 last 9@7 durable 9 commit 9 "
                        "members 0[3]");
    raft_describe_input(
        &(struct raft_input){.kind = RAFT_INPUT_CONFIG, .index = 4, .membership = &joint}, line,
        sizeof(line));
    assert_string_equal(line, "config 4 0[1o 2n] joint");
    out = (struct raft_output){.commit_index = 4,
                               .save = true,
                               .save_term = 5,
                               .save_vote = 2,
                               .truncate_from = 6,
                               .accept_first = 6,
                               .accept_last = 7,
                               .state_changed = true,
                               .reason = "told"};
    int n = raft_describe_output(&out, line, sizeof(line));
    assert_string_equal(line, "commit 4 (told) save 5/2 truncate 6 accept 6-7");
    assert_int_equal(raft_describe_output(&out, line, 10), n); /* as snprintf */
    assert_string_equal(line, "commit 4 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_leads_once_its_vote_is_durable),
        cmocka_unit_test(test_init_refuses_what_cannot_be),
        cmocka_unit_test(test_a_log_ahead_of_the_superblock_raises_the_term),
        cmocka_unit_test(test_pre_vote_then_vote_then_office),
        cmocka_unit_test(test_a_vote_is_told_once_it_is_durable),
        cmocka_unit_test(test_a_shorter_or_older_log_gets_no_vote),
        cmocka_unit_test(test_who_hears_a_leader_is_deaf_to_candidates),
        cmocka_unit_test(test_a_member_that_just_started_is_deaf_too),
        cmocka_unit_test(test_catching_up_it_neither_votes_nor_campaigns),
        cmocka_unit_test(test_who_may_not_campaign_forgets_a_silent_leader),
        cmocka_unit_test(test_terms_end),
        cmocka_unit_test(test_the_lowest_rank_is_first),
        cmocka_unit_test(test_the_slot_of_a_lost_leader_is_not_waited_for),
        cmocka_unit_test(test_entries_are_acknowledged_when_durable),
        cmocka_unit_test(test_commit_stops_at_what_is_known_to_match),
        cmocka_unit_test(test_a_conflict_is_cut_out),
        cmocka_unit_test(test_a_gap_or_a_conflict_is_refused_with_a_hint),
        cmocka_unit_test(test_an_old_leader_is_told_the_term),
        cmocka_unit_test(test_quiet_news_are_not_answered),
        cmocka_unit_test(test_quorum_index_agrees_with_its_twin),
        cmocka_unit_test(test_lines_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
