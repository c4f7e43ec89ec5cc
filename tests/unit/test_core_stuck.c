/* Goal: a member that nobody leads says so when too few voters are there and have a vote, whose
 * vote is missing and why, and no longer when one leads. Method: member 1 of three on CORE's own
 * rig; the others' HELLOs are made by hand, what it says is read back from stderr. */
#include "tests/unit/core_kit.h"
#include "tests/unit/listen.h"

#include "base/core_status.h"
#include "consensus/core_status.h"

static struct core_status status;

static int setup(void **state)
{
    kit_begin(3);
    core_status_init(&status);
    kit.core.status = &status;
    return 0;
}

static int teardown(void **state)
{
    kit.core.status = NULL;
    return kit_end(state);
}

static void hello(uint8_t from, uint8_t votes, uint64_t last_index)
{
    struct core_greeting greeting = {
        .incarnation = 9, .answer = 1, .formed = 1, .last_index = last_index, .votes = votes};

    kit_hears((struct peer_message){.kind = PEER_HELLO, .from = from}, &greeting, sizeof(greeting));
}

/* Time passes; 2 says `votes` of itself, and 3 too, unless it is silent. */
static void pass_s(uint32_t seconds, uint8_t votes, bool three)
{
    for (uint32_t i = 0; i < 10 * seconds; i++) {
        hello(2, votes, 0);
        if (three)
            hello(3, votes, 0);
        kit_pass(100);
        kit_disk();
        while (kit_said(PEER_HELLO, 0))
            ;
    }
}

static void test_two_disks_are_lost(void **state)
{
    char text[CORE_STATUS_STUCK_SIZE];

    assert_false(core_status_stuck(&status, text, sizeof(text)));
    assert_string_equal(text, "");
    listen_begin();
    pass_s(4, CORE_HELLO_NO_VOTE, true);
    assert_int_equal(listen_count(listen_end(), "nobody leads"), 0); /* it may be an election */
    listen_begin();
    pass_s(60, CORE_HELLO_NO_VOTE, true);
    const char *said = listen_end();
    assert_int_equal(listen_count(said, "nobody leads since 5 s, and nobody can be elected: 2 "
                                        "voters are needed; with a vote: 1; not heard: none; "
                                        "without a vote until one leads, for what they had is "
                                        "lost: 2 3. Bring back their disks"),
                     1);
    assert_true(core_status_stuck(&status, text, sizeof(text)));
    assert_non_null(strstr(text, "lost: 2 3. Bring back their disks"));
    listen_begin();
    pass_s(120, CORE_HELLO_NO_VOTE, true);
    assert_int_equal(listen_count(listen_end(), "nobody leads since"), 2); /* once a minute */
}

static void test_one_is_silent_and_one_lost_its_disk(void **state)
{
    char text[CORE_STATUS_STUCK_SIZE];

    pass_s(10, CORE_HELLO_NO_VOTE, false);
    assert_true(core_status_stuck(&status, text, sizeof(text)));
    assert_non_null(strstr(text, "with a vote: 1; not heard: 3; without a vote until one leads, "
                                 "for what they had is lost: 2. Start those that are not heard"));
}

/* With an election under way, however long it takes, nobody is accused; nor when one leads. */
static void test_enough_have_a_vote(void **state)
{
    char text[CORE_STATUS_STUCK_SIZE];

    listen_begin();
    pass_s(10, CORE_HELLO_VOTES, false);
    assert_false(core_status_stuck(&status, text, sizeof(text)));
    assert_int_equal(status.peers[1].vote, CORE_STATUS_VOTES);
    assert_int_equal(status.peers[2].vote, CORE_STATUS_SILENT);
    assert_int_equal(listen_count(listen_end(), "nobody leads"), 0);
    pass_s(10, CORE_HELLO_NO_VOTE, false);
    assert_true(core_status_stuck(&status, text, sizeof(text)));
    kit_lead();
    kit_turn();
    assert_false(core_status_stuck(&status, text, sizeof(text)));
    assert_int_equal(status.peers[1].vote, CORE_STATUS_VOTE_UNKNOWN);
}

/* A build that does not tell whether it votes: as its log says. */
static void test_older_build(void **state)
{
    hello(2, CORE_HELLO_VOTES_UNKNOWN, 7);
    kit_turn();
    assert_int_equal(kit.core.hello.votes[2], CORE_HELLO_VOTES);
    hello(2, CORE_HELLO_VOTES_UNKNOWN, 0);
    kit_turn();
    assert_int_equal(kit.core.hello.votes[2], CORE_HELLO_NO_VOTE);
}

/* What a member tells of its own vote. */
static void test_own_greeting(void **state)
{
    struct core_hello own = {.incarnation = 4, .identity = {.formed = true}};
    struct core_greeting greeting;

    core_hello_fill(&own, 3, true, &greeting);
    assert_int_equal(greeting.votes, CORE_HELLO_VOTES);
    own.identity.catching_up = true;
    core_hello_fill(&own, 3, true, &greeting);
    assert_int_equal(greeting.votes, CORE_HELLO_NO_VOTE);
    own.identity = (struct core_identity){.formed = false};
    core_hello_fill(&own, 0, true, &greeting);
    assert_int_equal(greeting.votes, CORE_HELLO_NO_VOTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_disks_are_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_is_silent_and_one_lost_its_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_enough_have_a_vote, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_build, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_greeting, setup, teardown),
    };
    return cmocka_run_group_tests_name("core_stuck", tests, NULL, NULL);
}
