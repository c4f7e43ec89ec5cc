/* Goal: each rule of the Raft core holds by itself. Method: one member, the others played by hand
 * with single messages; test_raft_cluster has whole clusters. */
#include "consensus/raft.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ull

static struct raft raft;
static struct raft_output out;
static uint64_t now_ns;

static void step(struct raft_input in)
{
    in.now_ns = now_ns;
    raft_step(&raft, &in, &out);
}

static void input(enum raft_input_kind kind, uint64_t index)
{
    step((struct raft_input){.kind = kind, .index = index});
}

static void message(struct peer_message m)
{
    m.to = 1;
    step((struct raft_input){.kind = RAFT_INPUT_MESSAGE, .message = &m});
}

static void durable(uint64_t index)
{
    step((struct raft_input){.kind = RAFT_INPUT_DURABLE,
                             .index = index,
                             .term = raft_terms_at(&raft.terms, index),
                             .epoch = raft.log_epoch});
}

static struct raft_membership members_of(uint32_t voters, uint32_t learners)
{
    struct raft_membership m = {.count = voters + learners};

    for (uint32_t i = 0; i < m.count; i++)
        m.members[i] = (struct raft_member){.id = (uint8_t)(i + 1), .voter = i < voters};
    return m;
}

/* Member 1 with a log of `last` entries of `log_term`, `commit` of them known committed. */
static void member(struct raft_membership membership, uint64_t term, uint64_t last,
                   uint64_t log_term, uint64_t commit)
{
    static struct raft_terms terms;
    struct raft_config config = raft_config_default(1);

    raft_terms_init(&terms, 0, 0);
    if (last)
        assert_int_equal(raft_terms_append(&terms, last, log_term, 0), 0);
    assert_int_equal(raft_init(&raft, &config,
                               &(struct raft_recovered){.term = term,
                                                        .terms = &terms,
                                                        .commit_index = commit,
                                                        .membership = membership}),
                     0);
    now_ns = 1000 * MS;
    input(RAFT_INPUT_TICK, 0);
    now_ns += 50 * MS; /* no longer deaf */
}

static const struct peer_message *told(uint8_t kind)
{
    for (uint32_t i = 0; i < out.message_count; i++)
        if (out.messages[i].kind == kind)
            return &out.messages[i];
    return NULL;
}

static void append(uint8_t from, uint64_t term, uint64_t prev, uint64_t prev_term,
                   uint64_t entry_term, uint32_t count, uint64_t commit, uint64_t round)
{
    struct peer_message m = {.kind = PEER_APPEND,
                             .from = from,
                             .term = term,
                             .index = prev,
                             .log_term = prev_term,
                             .commit = commit,
                             .context = round};

    peer_message_set_entries(&m, entry_term, count);
    message(m);
}

static void lead(void)
{
    input(RAFT_INPUT_START, 0);
    message((struct peer_message){.kind = PEER_PRE_VOTE_REPLY,
                                  .from = 2,
                                  .term = raft.term + 1,
                                  .context = raft.campaign_round});
    input(RAFT_INPUT_SAVED, 0);
    message((struct peer_message){.kind = PEER_VOTE_REPLY, .from = 2, .term = raft.term});
    assert_int_equal(raft.state, RAFT_LEADER);
    assert_true(out.append_noop);
    input(RAFT_INPUT_APPENDED, raft.last_index + 1);
}

static void ack(uint8_t from, uint64_t match)
{
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .from = from,
                                  .term = raft.term,
                                  .index = match,
                                  .context = raft.round});
}

/* Sends all that may be sent to a member; returns the last range. */
static struct raft_range send_all(uint8_t to)
{
    struct raft_range range = {.to = 0}, at;
    uint32_t i = (uint32_t)raft_member_index(&raft, to);

    while (raft_next_append(&raft, i, &at) != RAFT_APPEND_NONE) {
        range = at;
        step((struct raft_input){.kind = RAFT_INPUT_SENT, .member = to, .index = at.last});
    }
    return range;
}

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

/* ---- a leader -------------------------------------------------------------------------------- */

static void test_an_old_term_is_committed_only_by_an_entry_of_the_new_one(void **state)
{
    member(members_of(3, 0), 4, 10, 4, 3);
    lead();
    ack(2, 10);
    durable(10);
    assert_int_equal(out.commit_index, 3);
    ack(2, 11);
    assert_int_equal(out.commit_index, 3); /* its own disk is slow */
    ack(3, 11);
    assert_int_equal(out.commit_index, 11); /* two followers are enough without it */
}

static void test_learners_are_not_counted(void **state)
{
    member(members_of(3, 2), 4, 0, 0, 0);
    lead();
    durable(1);
    ack(4, 1);
    ack(5, 1);
    assert_int_equal(out.commit_index, 0);
    ack(3, 1);
    assert_int_equal(out.commit_index, 1);
}

static void test_the_window_is_bounded_and_backs_up(void **state)
{
    struct raft_range range;

    member(members_of(3, 0), 4, 0, 0, 0);
    raft.config.inflight_max = 2;
    lead();
    assert_int_equal(raft_next_append(&raft, 1, &range), RAFT_APPEND_ENTRIES);
    send_all(2);
    assert_int_equal(raft_next_append(&raft, 1, &range), RAFT_APPEND_NONE); /* a probe at a time */
    ack(2, 1);
    for (uint64_t i = 2; i <= 5; i++) {
        input(RAFT_INPUT_APPENDED, i);
        send_all(2);
    }
    assert_int_equal(raft.progress[1].next_index, 4); /* two messages, of one entry each */
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .flags = PEER_REJECT,
                                  .from = 2,
                                  .term = 5,
                                  .index = 1,
                                  .log_term = 5,
                                  .context = raft.round,
                                  .extra = 3});
    assert_int_equal(raft.progress[1].next_index, 2);
    assert_int_equal(raft_next_append(&raft, 1, &range), RAFT_APPEND_ENTRIES);
    assert_int_equal(range.first, 2);
    assert_int_equal(range.last, 5);
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .flags = PEER_REJECT,
                                  .from = 2,
                                  .term = 5,
                                  .index = 0,
                                  .context = raft.round - 1,
                                  .extra = 1});
    assert_int_equal(raft.progress[1].next_index, 2); /* from before the back-up */
}

static void test_idle_members_hear_of_a_commit_at_once(void **state)
{
    struct raft_range range;

    member(members_of(3, 0), 4, 0, 0, 0);
    lead();
    send_all(2);
    durable(1);
    ack(2, 1);
    assert_int_equal(out.commit_index, 1);
    assert_int_equal(raft_next_append(&raft, 1, &range), RAFT_APPEND_EMPTY);
    assert_true(range.quiet);
    struct peer_message m;
    raft_append_message(&raft, &range, range.prev_index, &m);
    assert_int_equal(m.commit, 1);
    assert_int_equal(m.flags, PEER_QUIET);
}

static void test_no_quorum_no_office(void **state)
{
    member(members_of(3, 0), 4, 0, 0, 0);
    lead();
    uint64_t elected_ns = now_ns;
    while (raft.state == RAFT_LEADER && now_ns < elected_ns + 1000 * MS) {
        now_ns = raft_deadline_ns(&raft);
        input(RAFT_INPUT_TICK, 0);
    }
    assert_string_equal(out.reason, "no quorum was heard");
    assert_true(now_ns - elected_ns <= 140 * MS);
}

static void test_a_follower_that_lost_its_log_is_not_counted_for_it(void **state)
{
    member(members_of(3, 0), 4, 0, 0, 0);
    lead();
    send_all(2);
    ack(2, 1);
    assert_int_equal(raft.progress[1].match_index, 1);
    now_ns = raft_deadline_ns(&raft);
    input(RAFT_INPUT_TICK, 0);
    send_all(2);
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .flags = PEER_REJECT,
                                  .from = 2,
                                  .term = 5,
                                  .context = raft.round,
                                  .extra = 1});
    assert_int_equal(raft.progress[1].match_index, 0);
    assert_int_equal(raft.progress[1].next_index, 1);
    ack(2, 1);
    step((struct raft_input){.kind = RAFT_INPUT_REBORN, .member = 2});
    assert_int_equal(raft.progress[1].match_index, 0);
}

static void test_compaction_spares_who_keeps_up(void **state)
{
    member(members_of(3, 0), 4, 0, 0, 0);
    lead();
    input(RAFT_INPUT_APPENDED, 9);
    durable(9);
    ack(2, 9);
    ack(3, 4);
    assert_int_equal(raft.commit_index, 9);
    assert_int_equal(raft_compact_limit(&raft), 4);
    now_ns += raft.config.election_ns_max; /* who is silent is not waited for */
    ack(2, 9);
    assert_int_equal(raft_compact_limit(&raft), 9);
    input(RAFT_INPUT_COMPACTED, 6);
    assert_true(raft_snapshot_due(&raft, 2));
    assert_false(raft_snapshot_due(&raft, 1));
}

/* ---- reads ----------------------------------------------------------------------------------- */

static void test_a_read_waits_for_a_round_sent_after_it(void **state)
{
    member(members_of(3, 0), 4, 0, 0, 0);
    lead();
    send_all(2);
    step((struct raft_input){.kind = RAFT_INPUT_READ, .context = 9});
    durable(1);
    ack(2, 1); /* the term's first commit; but this answer is older than the read's round */
    assert_int_equal(raft.commit_index, 1);
    assert_int_equal(out.read_count, 0);
    send_all(2);
    ack(2, 1);
    assert_int_equal(out.read_count, 1);
    assert_int_equal(out.reads[0].context, 9);
    assert_int_equal(out.reads[0].index, 1);
}

static void test_a_follower_asks_until_it_knows(void **state)
{
    member(members_of(3, 0), 4, 10, 4, 8);
    step((struct raft_input){.kind = RAFT_INPUT_READ, .context = 9});
    assert_int_equal(out.message_count, 0); /* nobody to ask */
    append(2, 4, 10, 4, 0, 0, 8, 1);
    assert_int_equal(told(PEER_READ)->context, 9);
    now_ns += 45 * MS;
    assert_true(raft_deadline_ns(&raft) <= now_ns);
    input(RAFT_INPUT_TICK, 0);
    assert_int_equal(told(PEER_READ)->to, 2);
    append(3, 5, 10, 4, 0, 0, 8, 1); /* a new leader, a new question */
    input(RAFT_INPUT_SAVED, 0);
    assert_int_equal(told(PEER_READ)->to, 3);
    message((struct peer_message){
        .kind = PEER_READ_REPLY, .from = 3, .term = 5, .index = 12, .context = 9});
    assert_int_equal(out.reads[0].index, 12);
    message((struct peer_message){
        .kind = PEER_READ_REPLY, .from = 3, .term = 5, .index = 12, .context = 9});
    assert_int_equal(out.read_count, 0);
}

static void test_reads_are_bounded(void **state)
{
    member(members_of(3, 0), 4, 10, 4, 8);
    for (uint64_t i = 1; i <= RAFT_READ_COUNT_MAX; i++) {
        step((struct raft_input){.kind = RAFT_INPUT_READ, .context = i});
        assert_false(out.read_refused);
    }
    step((struct raft_input){.kind = RAFT_INPUT_READ, .context = 1}); /* waits already */
    assert_false(out.read_refused);
    step((struct raft_input){.kind = RAFT_INPUT_READ, .context = RAFT_READ_COUNT_MAX + 1});
    assert_true(out.read_refused);
}

static void test_the_leader_answers_others_reads(void **state)
{
    member(members_of(3, 0), 4, 0, 0, 0);
    lead();
    durable(1);
    ack(2, 1);
    for (uint64_t i = 1; i <= RAFT_READ_COUNT_MAX + 1; i++) /* one too many is dropped */
        message((struct peer_message){.kind = PEER_READ, .from = 3, .term = 5, .context = i});
    send_all(2);
    ack(2, 1);
    assert_int_equal(out.message_count, RAFT_READ_COUNT_MAX);
    assert_int_equal(told(PEER_READ_REPLY)->index, 1);
}

/* ---- transfer, membership, snapshots --------------------------------------------------------- */

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

static struct raft_membership joint_1_to_2(void)
{
    return (struct raft_membership){
        .joint = true,
        .count = 2,
        .members = {{.id = 1, .voter = true}, {.id = 2, .voter_next = true}}};
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
}

/* ---- nonsense -------------------------------------------------------------------------------- */

static uint64_t seed = 1;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (seed >> 33) % below;
}

static struct peer_message nonsense(void)
{
    struct peer_message m = {.kind = (uint8_t)(1 + draw(PEER_SNAPSHOT_REPLY)),
                             .from = (uint8_t)(2 + draw(4)),
                             .to = 1,
                             .flags = (uint8_t)(draw(3) ? 0 : draw(8)),
                             .term = raft.term + (draw(40) == 0) - (draw(5) == 0),
                             .index = draw(24),
                             .commit = draw(30),
                             .context = draw(4) ? draw(20) : raft.round};

    m.log_term = m.index ? draw(m.term + 1) : 0;
    m.extra = draw(24);
    if (m.kind == PEER_APPEND) {
        uint32_t count = (uint32_t)draw(4);
        peer_message_set_entries(&m, draw(m.term + 1), count);
        m.payload_size = count * 48;
    }
    return m;
}

/* What comes from outside never stops a member, be it as wrong as a header lets it. */
static void test_nonsense_stops_nothing(void **state)
{
    uint64_t taken = 0, led = 0;

    for (uint32_t round = 0; round < 300; round++) {
        member(members_of(3, 1), 3, 8, 3, 4);
        if (round % 2)
            lead();
        for (uint32_t i = 0; i < 400; i++) {
            struct peer_message m = nonsense();
            now_ns += draw(30) * MS;
            if (raft.saving && draw(2))
                input(RAFT_INPUT_SAVED, 0);
            if (raft_deadline_ns(&raft) <= now_ns)
                input(RAFT_INPUT_TICK, 0);
            if (raft.state == RAFT_LEADER && draw(2))
                input(RAFT_INPUT_APPENDED, raft.last_index + 1);
            if (draw(3) == 0)
                durable(raft.last_index);
            for (uint8_t to = 2; to <= 4; to++)
                send_all(to);
            led += raft.state == RAFT_LEADER;
            if (raft_snapshot_wanted(&raft, m.index, m.log_term) && m.kind == PEER_SNAPSHOT)
                continue;
            if (peer_message_valid(&m, sizeof(m) + m.payload_size, 1))
                continue;
            message(m);
            taken++;
        }
    }
    assert_true(taken > 50000);
    assert_true(led > 1000);
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
        cmocka_unit_test(test_terms_end),
        cmocka_unit_test(test_the_lowest_rank_is_first),
        cmocka_unit_test(test_entries_are_acknowledged_when_durable),
        cmocka_unit_test(test_commit_stops_at_what_is_known_to_match),
        cmocka_unit_test(test_a_conflict_is_cut_out),
        cmocka_unit_test(test_a_gap_or_a_conflict_is_refused_with_a_hint),
        cmocka_unit_test(test_an_old_leader_is_told_the_term),
        cmocka_unit_test(test_quiet_news_are_not_answered),
        cmocka_unit_test(test_an_old_term_is_committed_only_by_an_entry_of_the_new_one),
        cmocka_unit_test(test_learners_are_not_counted),
        cmocka_unit_test(test_the_window_is_bounded_and_backs_up),
        cmocka_unit_test(test_idle_members_hear_of_a_commit_at_once),
        cmocka_unit_test(test_no_quorum_no_office),
        cmocka_unit_test(test_a_follower_that_lost_its_log_is_not_counted_for_it),
        cmocka_unit_test(test_compaction_spares_who_keeps_up),
        cmocka_unit_test(test_a_read_waits_for_a_round_sent_after_it),
        cmocka_unit_test(test_a_follower_asks_until_it_knows),
        cmocka_unit_test(test_reads_are_bounded),
        cmocka_unit_test(test_the_leader_answers_others_reads),
        cmocka_unit_test(test_a_transfer_waits_for_the_log_and_gives_up),
        cmocka_unit_test(test_told_to_take_over_it_asks_at_once),
        cmocka_unit_test(test_joint_both_halves_decide_and_the_removed_leader_goes),
        cmocka_unit_test(test_a_membership_that_is_cut_out_is_not_in_force),
        cmocka_unit_test(test_removed_by_an_uncommitted_entry_it_campaigns_still),
        cmocka_unit_test(test_a_snapshot_keeps_what_follows_it_and_nothing_else),
        cmocka_unit_test(test_an_offered_snapshot_that_lies_here_is_answered),
        cmocka_unit_test(test_nonsense_stops_nothing),
        cmocka_unit_test(test_quorum_index_agrees_with_its_twin),
        cmocka_unit_test(test_lines_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
