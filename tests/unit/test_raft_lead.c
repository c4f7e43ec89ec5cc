/* Goal: each rule of the Raft core for leaders, reads and full disks holds by itself, and nonsense
 * stops nothing. Method: as test_raft.c. */
#include "tests/unit/raft_kit.h"

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

/* ---- entries on their way -------------------------------------------------------------------- */

static void sent(uint8_t to, uint64_t last, bool bulk)
{
    step((struct raft_input){.kind = RAFT_INPUT_SENT, .member = to, .index = last, .bulk = bulk});
}

/* An answer of this round: durable up to match, there up to held. */
static void held(uint8_t from, uint64_t match, uint64_t last)
{
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .from = from,
                                  .term = raft.term,
                                  .index = match,
                                  .context = raft.round,
                                  .extra = last});
}

/* The proof that nobody else was elected is as old as what the quorum answered, however late the
 * answers come; and who has no vote proves nothing. */
static void test_it_vouches_from_when_it_asked(void **state)
{
    member(members_of(3, 1), 4, 0, 0, 0);
    lead();
    ack(2, 0);
    assert_int_equal(raft_vouched_ns(&raft), 0); /* to what it sent before the first heartbeat */
    now_ns = raft_deadline_ns(&raft);
    uint64_t asked_ns = now_ns, round = raft.round + 1;
    input(RAFT_INPUT_TICK, 0);
    assert_int_equal(raft.round, round);
    now_ns += 30 * MS;
    input(RAFT_INPUT_TICK, 0); /* another heartbeat, nothing came */
    ack(4, 0);                 /* a learner */
    for (uint64_t at = round; at <= raft.round; at++)
        message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                      .flags = PEER_MUTE,
                                      .from = 3,
                                      .term = raft.term,
                                      .context = at});
    assert_int_equal(raft_vouched_ns(&raft), 0);
    now_ns += 20 * MS;
    message((struct peer_message){
        .kind = PEER_APPEND_REPLY, .from = 2, .term = raft.term, .context = round});
    assert_int_equal(raft_vouched_ns(&raft), asked_ns);
    input(RAFT_INPUT_TICK, 0);
    ack(2, 0);
    assert_int_equal(raft_vouched_ns(&raft), now_ns);
    /* It lost its disk, and with it perhaps a vote for somebody else. */
    uint64_t vouched_ns = now_ns;
    step((struct raft_input){.kind = RAFT_INPUT_REBORN, .member = 2});
    now_ns = raft_deadline_ns(&raft);
    input(RAFT_INPUT_TICK, 0);
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .flags = PEER_REJECT,
                                  .from = 2,
                                  .term = raft.term,
                                  .context = raft.round});
    assert_int_equal(raft_vouched_ns(&raft), vouched_ns);
    append(2, raft.term + 1, 0, 0, 0, 0, 0, 1);
    assert_int_equal(raft.state, RAFT_FOLLOWER);
    assert_int_equal(raft_vouched_ns(&raft), 0);
}

/* A voter that is the only one vouches for ever, and that ends when it takes in another. */
static void test_alone_it_vouches_for_ever(void **state)
{
    struct raft_membership joint = {
        .joint = true,
        .count = 2,
        .members = {{.id = 1, .voter = true, .voter_next = true}, {.id = 2, .voter_next = true}}};

    member(members_of(1, 1), 4, 0, 0, 0);
    input(RAFT_INPUT_START, 0);
    input(RAFT_INPUT_SAVED, 0);
    assert_int_equal(raft.state, RAFT_LEADER);
    assert_int_equal(raft_vouched_ns(&raft), UINT64_MAX);
    input(RAFT_INPUT_APPENDED, 1);
    durable(1);
    input(RAFT_INPUT_APPENDED, 2);
    now_ns += 7 * MS;
    step((struct raft_input){.kind = RAFT_INPUT_CONFIG, .index = 2, .membership = &joint});
    assert_int_equal(raft_vouched_ns(&raft), now_ns);
}

static void beat(void)
{
    now_ns = raft_deadline_ns(&raft);
    input(RAFT_INPUT_TICK, 0);
    ack(3, 1); /* the quorum is there */
}

/* Member 1 leads, 2 has entry 1, entries up to 100 are in the log. */
static void lead_with_entries(void)
{
    member(members_of(3, 0), 4, 0, 0, 0);
    lead();
    send_all(2);
    ack(2, 1);
    send_all(2);
    input(RAFT_INPUT_APPENDED, 100);
    durable(100);
}

static void test_a_heartbeat_names_what_is_there(void **state)
{
    struct raft_range range;

    lead_with_entries();
    sent(2, 50, true);
    sent(2, 100, true);
    beat();
    assert_int_equal(raft_next_append(&raft, 1, &range), RAFT_APPEND_EMPTY);
    assert_false(range.quiet);
    assert_int_equal(range.prev_index, 1); /* not 100, which it would be refused for */
    assert_int_equal(range.prev_term, 5);
    sent(2, range.prev_index, false);
    assert_int_equal(raft.progress[1].next_index, 101);
    held(2, 1, 1); /* overtaken */
    assert_int_equal(raft.progress[1].state, RAFT_REPLICATE);
    assert_int_equal(raft.progress[1].next_index, 101);
    held(2, 50, 100);
    beat();
    assert_int_equal(raft_next_empty(&raft, 1, &range), RAFT_APPEND_EMPTY);
    assert_int_equal(range.prev_index, 50);
}

static void test_what_has_not_come_in_time_is_lost(void **state)
{
    lead_with_entries();
    sent(2, 50, false);
    sent(2, 100, false);
    held(2, 1, 1); /* of the same round: it tells nothing */
    assert_int_equal(raft.progress[1].state, RAFT_REPLICATE);
    beat();
    sent(2, 1, false);
    held(2, 1, 50); /* 50 came, 100 did not, and this was sent 20 ms later */
    assert_int_equal(raft.progress[1].state, RAFT_PROBE);
    assert_int_equal(raft.progress[1].next_index, 51);
    assert_int_equal(raft.progress[1].match_index, 1);
    sent(2, 100, false);
    held(2, 50, 50); /* the probe is on its way; where it begins is known now */
    assert_int_equal(raft.progress[1].state, RAFT_REPLICATE);
    assert_int_equal(raft.progress[1].next_index, 101);
    held(2, 100, 100);
    assert_int_equal(raft.progress[1].inflight_count, 0);
}

static void test_a_slow_disk_is_no_loss(void **state)
{
    lead_with_entries();
    sent(2, 100, false);
    for (uint32_t i = 0; i < 20; i++) {
        beat();
        sent(2, 1, false);
        held(2, 1, 100);
    }
    assert_int_equal(raft.progress[1].state, RAFT_REPLICATE);
    assert_int_equal(raft.progress[1].next_index, 101);
}

static void test_bulk_has_time(void **state)
{
    lead_with_entries();
    sent(2, 50, true);
    assert_true(raft_bulk_on_way(&raft, 1));
    assert_int_equal(raft_on_way_count(&raft, 1), 1);
    for (uint32_t i = 0; i < 4; i++) {
        beat();
        sent(2, 1, false);
        held(2, 1, 1);
        assert_int_equal(raft.progress[1].state, RAFT_REPLICATE);
    }
    beat();
    sent(2, 1, false);
    held(2, 1, 1);
    assert_int_equal(raft.progress[1].state, RAFT_PROBE);
    assert_int_equal(raft.progress[1].next_index, 2);
    assert_false(raft_bulk_on_way(&raft, 1));
    sent(2, 50, true);
    held(2, 1, 50);
    assert_false(raft_bulk_on_way(&raft, 1)); /* it has come, though it is not durable */
    assert_int_equal(raft_on_way_count(&raft, 1), 0);
    assert_int_equal(raft.progress[1].inflight_count, 1);
}

static uint64_t filled; /* the last entry of the last message */

/* Messages of one entry each until there is no room for more; how many. */
static uint32_t fill(void)
{
    struct raft_range range;
    uint32_t n = 0;

    for (; raft_next_append(&raft, 1, &range) == RAFT_APPEND_ENTRIES; n++)
        sent(2, filled = range.first, false);
    return n;
}

static void test_a_loss_halves_the_window_and_a_silence_does_not(void **state)
{
    lead_with_entries();
    uint32_t first = fill();
    assert_true(first >= RAFT_WINDOW_FIRST);
    beat();
    sent(2, 1, false);
    held(2, 1, 1);
    assert_int_equal(raft.progress[1].window_slow, first / 2);
    assert_int_equal(fill(), 1); /* the probe */
    for (uint32_t n = 1; n < first / 2; n *= 2) {
        held(2, 1, filled);
        assert_int_equal(raft_on_way_count(&raft, 1), 0);
        assert_int_equal(fill(), 2 * n);
    }
    for (uint32_t i = 0; i < 10; i++) /* member 2 is not heard for 200 ms */
        beat();
    sent(2, 1, false);
    held(2, 1, 1);
    assert_int_equal(raft.progress[1].window, 1);
    assert_int_equal(raft.progress[1].window_slow, RAFT_INFLIGHT_MAX);
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

/* ---- full disks ------------------------------------------------------------------------------ */

static void ack_full(uint8_t from, uint64_t match)
{
    message((struct peer_message){.kind = PEER_APPEND_REPLY,
                                  .from = from,
                                  .flags = PEER_FULL,
                                  .term = raft.term,
                                  .index = match,
                                  .context = raft.round});
}

static void full(bool is_full)
{
    step((struct raft_input){.kind = RAFT_INPUT_FULL, .full = is_full});
}

static void test_an_heir_has_room_and_needs_nobody_without(void **state)
{
    member(members_of(3, 1), 3, 8, 3, 8);
    assert_int_equal(raft_heir(&raft), 0); /* leads not */
    lead();
    ack(2, 8);
    ack(3, 9);
    assert_true(raft_has_room(&raft));
    assert_int_equal(raft_heir(&raft), 3); /* whose log reaches further */
    full(true);
    assert_true(raft_has_room(&raft)); /* the two others */
    ack_full(3, 9);
    assert_false(raft_has_room(&raft));
    assert_int_equal(raft_heir(&raft), 0); /* 2 alone commits nothing, the learner does not count */
    full(false);
    assert_true(raft_has_room(&raft)); /* this one and 2 */
    ack(3, 9);                         /* room again */
    assert_int_equal(raft_heir(&raft), 3);
    now_ns += raft.config.election_ns_max - 1;
    ack(3, 9);
    now_ns += 1;
    input(RAFT_INPUT_TICK, 0);
    assert_int_equal(raft_heir(&raft), 0); /* 2 is not heard any more */
}

static void test_a_full_member_is_sent_one_message_and_waited_for(void **state)
{
    struct raft_range range;

    member(members_of(3, 0), 3, 8, 3, 8);
    lead();
    ack(2, 9);
    ack(3, 9);
    for (uint64_t i = 10; i <= 13; i++) {
        input(RAFT_INPUT_APPENDED, i);
        send_all(2);
    }
    ack_full(2, 9); /* what streamed after it may be dropped */
    uint32_t messages = 0, rounds = 50;
    for (uint32_t i = 0; i < rounds; i++) { /* it drops them, and answers heartbeats */
        now_ns += raft.config.heartbeat_ns;
        ack(3, 9);
        input(RAFT_INPUT_TICK, 0);
        while (raft_next_append(&raft, 1, &range) != RAFT_APPEND_NONE) {
            bool entries = range.last > range.prev_index;
            messages += entries;
            step((struct raft_input){.kind = RAFT_INPUT_SENT, .member = 2, .index = range.last});
            if (!entries)
                ack_full(2, 9);
        }
    }
    assert_in_range(messages, rounds / 8, rounds / 4);
    ack_full(2, 13); /* it took them all the same: the next one goes at once */
    input(RAFT_INPUT_APPENDED, 14);
    assert_int_equal(raft_next_append(&raft, 1, &range), RAFT_APPEND_ENTRIES);
    step((struct raft_input){.kind = RAFT_INPUT_SENT, .member = 2, .index = 14});
    input(RAFT_INPUT_APPENDED, 15);
    assert_int_not_equal(raft_next_append(&raft, 1, &range), RAFT_APPEND_ENTRIES);
    ack(2, 14); /* and has room again */
    assert_int_equal(raft_next_append(&raft, 1, &range), RAFT_APPEND_ENTRIES);
}

static void test_a_full_member_says_so_and_campaigns_last(void **state)
{
    member(members_of(3, 0), 3, 8, 3, 8);
    full(true);
    append(2, 3, 8, 3, 3, 0, 8, 1);
    assert_int_equal(told(PEER_APPEND_REPLY)->flags, PEER_FULL);
    now_ns += 3 * raft.config.election_ns_max;
    input(RAFT_INPUT_TICK, 0);
    assert_int_equal(raft.state, RAFT_FOLLOWER);
    /* a vote for who asks */
    message(
        (struct peer_message){.kind = PEER_VOTE, .from = 3, .term = 4, .index = 8, .log_term = 3});
    input(RAFT_INPUT_SAVED, 0);
    assert_int_equal(told(PEER_VOTE_REPLY)->flags, 0);
    /* and when nobody leads, it does */
    now_ns += 5 * raft.config.election_ns_max;
    input(RAFT_INPUT_TICK, 0);
    assert_int_equal(raft.state, RAFT_PRE_CANDIDATE);
    lead();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_old_term_is_committed_only_by_an_entry_of_the_new_one),
        cmocka_unit_test(test_learners_are_not_counted),
        cmocka_unit_test(test_it_vouches_from_when_it_asked),
        cmocka_unit_test(test_alone_it_vouches_for_ever),
        cmocka_unit_test(test_the_window_is_bounded_and_backs_up),
        cmocka_unit_test(test_a_heartbeat_names_what_is_there),
        cmocka_unit_test(test_what_has_not_come_in_time_is_lost),
        cmocka_unit_test(test_a_slow_disk_is_no_loss),
        cmocka_unit_test(test_bulk_has_time),
        cmocka_unit_test(test_a_loss_halves_the_window_and_a_silence_does_not),
        cmocka_unit_test(test_idle_members_hear_of_a_commit_at_once),
        cmocka_unit_test(test_no_quorum_no_office),
        cmocka_unit_test(test_a_follower_that_lost_its_log_is_not_counted_for_it),
        cmocka_unit_test(test_compaction_spares_who_keeps_up),
        cmocka_unit_test(test_a_read_waits_for_a_round_sent_after_it),
        cmocka_unit_test(test_a_follower_asks_until_it_knows),
        cmocka_unit_test(test_reads_are_bounded),
        cmocka_unit_test(test_the_leader_answers_others_reads),
        cmocka_unit_test(test_an_heir_has_room_and_needs_nobody_without),
        cmocka_unit_test(test_a_full_member_is_sent_one_message_and_waited_for),
        cmocka_unit_test(test_a_full_member_says_so_and_campaigns_last),
        cmocka_unit_test(test_nonsense_stops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
