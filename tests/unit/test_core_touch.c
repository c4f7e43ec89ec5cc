/* Goal: the leader hears of every session that was heard, whatever is lost, and a report ends when
 * it is answered for. Method: member 1's NET reports to a leader that is played by hand. */
#include "tests/unit/core_kit.h"

static void reports(const int64_t *ids, uint32_t count)
{
    struct command *at =
        link_reserve(&kit.net_core, (uint32_t)(sizeof(*at) + count * sizeof(*ids)));
    *at = (struct command){.kind = COMMAND_TOUCH,
                           .version = COMMAND_VERSION,
                           .node = 1,
                           .body_size = count * (uint32_t)sizeof(*ids)};
    memcpy(at + 1, ids, count * sizeof(*ids));
    link_publish(&kit.net_core);
    kit_turn();
}

/* Member 2 leads term 2. */
static int setup(void **state)
{
    kit_begin(3);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_disk();
    assert_int_equal(kit.core.raft.leader, 2);
    return 0;
}

/* So many milliseconds, in which member `leader` is heard. */
static void pass_led(uint8_t leader, uint32_t ms)
{
    static uint64_t round = 10;

    for (uint32_t i = 0; i < ms; i += 10) {
        kit_pass(10);
        kit_append(leader, kit.core.raft.term, 0, 0, round++);
        kit_disk();
    }
}

/* How often it was said to `to`; the number of the last one. */
static uint32_t said(uint8_t to, uint64_t *number)
{
    const struct peer_message *m;
    uint32_t n = 0;

    for (; (m = kit_said(PEER_TOUCH, to)); n++) {
        assert_int_equal(m->payload_size, 16);
        assert_int_equal(((const int64_t *)(m + 1))[1], 78);
        *number = m->context;
    }
    return n;
}

static void answers(uint8_t from, uint64_t number)
{
    kit_hears(
        (struct peer_message){
            .kind = PEER_TOUCH_REPLY, .from = from, .term = kit.core.raft.term, .context = number},
        NULL, 0);
    kit_turn();
}

static const int64_t two[] = {77, 78};

static void test_a_report_goes_until_it_is_answered(void **state)
{
    uint64_t number = 0;

    reports(two, 2);
    assert_int_equal(said(2, &number), 1);
    pass_led(2, 220);
    assert_int_equal(said(2, &number), 4);
    assert_true(role_core_deadline_ns(&kit.core, kit.now) <= kit.now.mono_ns + 50 * NS_PER_MS);
    answers(3, number); /* who does not lead cannot */
    answers(2, number + 1);
    assert_int_equal(kit.core.touch_count, 1);
    answers(2, number);
    answers(2, number); /* twice: nothing */
    assert_int_equal(kit.core.touch_count, 0);
    pass_led(2, 200);
    assert_int_equal(said(2, &number), 0);
}

static void test_it_goes_to_the_next_leader_and_not_for_ever(void **state)
{
    uint64_t number = 0;

    reports(two, 2);
    assert_int_equal(said(2, &number), 1);
    kit_append(3, 3, 0, 0, 1);
    kit_disk();
    pass_led(3, 100);
    assert_in_range(said(3, &number), 1, 2);
    pass_led(3, 1000);
    assert_int_equal(kit.core.touch_count, 0);
    (void)said(3, &number);
    pass_led(3, 200);
    assert_int_equal(said(3, &number), 0);
}

static void test_who_leads_itself_takes_its_reports(void **state)
{
    assert_int_equal(timers_set(&kit.core.timers, 77, 400, kit.now.mono_ns), 0);
    reports(two, 2);
    kit_lead();
    assert_int_equal(kit.core.touch_count, 0);
    uint64_t deadline_ns = timers_deadline_ns(&kit.core.timers);
    kit.now.mono_ns += 40 * NS_PER_MS;
    reports(two, 2); /* and is asked nothing for the new ones */
    assert_int_equal(kit.core.touch_count, 0);
    assert_null(kit_said(PEER_TOUCH, 2));
    assert_int_equal(timers_next(&kit.core.timers, deadline_ns + NS_PER_MS), 0);
}

/* A leader takes what others report, and answers; who does not lead, does neither. */
static void test_a_leader_answers(void **state)
{
    struct peer_message report = {.kind = PEER_TOUCH, .from = 3, .term = 2, .context = 41};

    kit_hears(report, two, 16);
    kit_turn();
    assert_null(kit_said(PEER_TOUCH_REPLY, 3));
    kit_lead();
    report.term = kit.core.raft.term;
    kit_say_nothing();
    kit_hears(report, two, 16);
    kit_turn();
    const struct peer_message *reply = kit_said(PEER_TOUCH_REPLY, 3);
    assert_non_null(reply);
    assert_int_equal(reply->context, 41);
}

/* NET may grant leases on what is heard within the longest election timeout, less a little, from
 * when this leader asked a quorum that has answered; no longer, however late the answer came. */
static void test_the_page_says_until_when_nobody_else_leads(void **state)
{
    static struct core_state page;
    uint64_t span_ns = kit.core.raft.config.election_ns_max / 64 * 63;

    core_state_init(&page, true, false, 100);
    kit.core.state = &page;
    kit_lead();
    assert_int_equal(core_state_vouched_ns(&page), 0);
    kit_agrees(2); /* it votes */
    uint64_t round = kit.core.raft.round;
    while (kit.core.raft.round == round)
        kit_pass(1);
    uint64_t asked_ns = kit.now.mono_ns;
    struct peer_message reply = {.kind = PEER_APPEND_REPLY,
                                 .from = 2,
                                 .term = kit.core.raft.term,
                                 .context = kit.core.raft.round};
    kit_pass(15);
    kit_hears(reply, NULL, 0);
    kit_turn();
    assert_int_equal(core_state_vouched_ns(&page), asked_ns + span_ns);
    kit_pass(5); /* its heartbeats go on, and nobody answers */
    assert_int_equal(core_state_vouched_ns(&page), asked_ns + span_ns);
    while (kit.core.raft.state == RAFT_LEADER)
        kit_pass(1);
    assert_int_equal(core_state_vouched_ns(&page), 0);
}

static void test_the_oldest_report_gives_way(void **state)
{
    uint64_t number = 0;

    for (uint32_t i = 0; i < CORE_TOUCHES + 3; i++)
        reports(two, 2);
    assert_int_equal(kit.core.touch_count, CORE_TOUCHES);
    assert_int_equal(said(2, &number), CORE_TOUCHES + 3);
    pass_led(2, 60);
    assert_int_equal(said(2, &number), CORE_TOUCHES);
    answers(2, 0); /* that one is not known any more */
    assert_int_equal(kit.core.touch_count, CORE_TOUCHES);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, kit_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_report_goes_until_it_is_answered),
        TEST(test_it_goes_to_the_next_leader_and_not_for_ever),
        TEST(test_who_leads_itself_takes_its_reports),
        TEST(test_a_leader_answers),
        TEST(test_the_page_says_until_when_nobody_else_leads),
        TEST(test_the_oldest_report_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
