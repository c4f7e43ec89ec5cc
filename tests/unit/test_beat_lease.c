/* Goal: RENEW and TIME are answered with a clock looked at behind their receipt, and a lease is
 * granted only when CORE knows of the session and has vouched that nobody else leads. Method: as
 * test_beat.c; the test plays CORE's page, too. */
#include "tests/unit/beat_kit.h"

/* Sends a RENEW, as the only datagram of a turn; the lease of its answer, us. */
static uint32_t renewed(uint64_t sequence)
{
    struct beat_frame renew = frame_of(BEAT_RENEW, sequence);
    put(&renew);
    rig_turn(rig);
    expect(BEAT_RENEWED, sequence, 0);
    struct jute_in in = jute_in(got.bytes, got.size);
    assert_int_equal(jute_get_long(&in), rig->now.mono_ns);
    assert_int_equal(jute_get_long(&in), rig->now.mono_ns);
    uint32_t lease_us = (uint32_t)jute_get_int(&in);
    assert_int_equal(jute_get_int(&in), BEAT_MARGIN_US);
    return lease_us;
}

/* Was CORE told of the session, as heard in this turn? Takes all that it was told. */
static bool touched(void)
{
    const struct command *c;
    bool is_told = false;
    for (uint32_t size; (c = link_peek(&rig->net_core, &size)); link_pop(&rig->net_core))
        is_told |= c->kind == COMMAND_TOUCH && c->body_size == sizeof(int64_t) &&
                   *(const int64_t *)(c + 1) == SID && c->sequence == rig->now.mono_ns;
    link_release(&rig->net_core);
    return is_told;
}

/* Of several: less what an election takes, while CORE has vouched for a time behind the sending,
 * whatever it says of who leads. */
static void test_a_lease_is_granted_while_core_vouches(void **state)
{
    static struct core_state page;
    struct beat_config several = {
        .endpoint = NODE, .timeout_ms_min = 1, .lease_loss_ns = 120 * NS_PER_MS};
    (void)state;
    start(&several);
    core_state_init(&page, true, false, 100);
    core_state_tell(&page, 3, 1, CORE_ROLE_LEADER, 1, rig->now.mono_ns);
    rig->net.parts.state = &page;
    attach();
    assert_int_equal(renewed(1), 0);
    core_state_vouch(&page, rig->now.mono_ns + 50 * NS_PER_MS);
    assert_int_equal(renewed(2), 80000);
    rig_pass(rig, 49);
    assert_int_equal(renewed(3), 80000);
    rig_pass(rig, 1);
    assert_int_equal(renewed(4), 0);
    assert_true(got.flags & BEAT_LEADER); /* for all that is known here */
    core_state_vouch(&page, UINT64_MAX);
    assert_int_equal(renewed(5), 80000);
}

/* No room to tell CORE: it may end the session, so the client is told of no lease. */
static void test_no_lease_that_core_does_not_know(void **state)
{
    (void)state;
    attach();
    touched();
    while (link_reserve(&rig->net_core, sizeof(struct command)))
        ;
    assert_int_equal(renewed(1), 0);
    link_publish(&rig->net_core);
    for (uint32_t size; link_peek(&rig->net_core, &size); link_pop(&rig->net_core))
        ;
    link_release(&rig->net_core);
    assert_int_equal(renewed(2), 200000);
    assert_true(touched());
}

static void test_renew_and_time(void **state)
{
    struct beat_frame time = {.kind = BEAT_TIME, .from = CLIENT, .sequence = 99};
    (void)state;
    attach();
    touched();
    assert_int_equal(renewed(12345), 200000);
    assert_true(got.flags & BEAT_LEADER);
    assert_true(touched()); /* in that turn: CORE knows before the client does */
    put(&time);
    rig_run(rig);
    expect(BEAT_TIMED, 99, 0);
    assert_int_equal(got.size, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_renew_and_time),
        cmocka_unit_test_teardown(test_a_lease_is_granted_while_core_vouches, teardown),
        TEST(test_no_lease_that_core_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
