/* Goal: a new ensemble says whom it waits for, now and then, and no longer when they were heard.
 * Method: member 1 of three with an empty disk, on CORE's own rig; what it says is read back. */
#include "tests/unit/core_kit.h"
#include "tests/unit/listen.h"

#define WAITS "this node has no log yet and waits for others: a new ensemble begins when 3 of its "

static int setup(void **state)
{
    kit_begin(3);
    kit.core.hello.identity.formed = false;
    return 0;
}

/* Member `from`, which has no log either, says HELLO. */
static void hello(uint8_t from)
{
    struct core_greeting greeting = {.incarnation = 9, .answer = 1};

    kit_hears((struct peer_message){.kind = PEER_HELLO, .from = from}, &greeting, sizeof(greeting));
    kit_turn();
}

static void pass_s(uint32_t seconds)
{
    kit_pass(1000 * seconds);
    while (kit_said(PEER_HELLO, 0))
        ;
}

static void test_who_is_awaited_is_named(void **state)
{
    listen_begin();
    pass_s(4);
    assert_int_equal(listen_count(listen_end(), WAITS), 0); /* they may be about to come */
    listen_begin();
    pass_s(2);
    const char *text = listen_end();
    assert_int_equal(listen_count(text, WAITS), 1);
    assert_non_null(strstr(text, "and these are not: 2 3\n"));
    hello(2);
    listen_begin();
    pass_s(59); /* each half minute */
    text = listen_end();
    assert_int_equal(listen_count(text, WAITS), 1);
    assert_non_null(strstr(text, "and these are not: 3\n"));
    listen_begin();
    hello(3);
    kit_pass(200);
    kit_disk();
    text = listen_end();
    assert_non_null(strstr(text, "begins a new ensemble with the other servers"));
    assert_true(kit.core.hello.identity.formed);
    listen_begin();
    pass_s(120);
    assert_int_equal(listen_count(listen_end(), WAITS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_is_awaited_is_named, setup, kit_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
