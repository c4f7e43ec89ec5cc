/* Goal: a leader says once that a member follows and once that it is gone, however it flaps; a
 * member shows that it was removed, by its own log or by what others say of it. Method: member 1 of
 * three on CORE's own rig; what it says is read back from stderr. */
#include "tests/unit/core_kit.h"
#include "tests/unit/listen.h"

static int setup(void **state)
{
    kit_begin(3);
    return 0;
}

/* Member 3 answers for so long, 2 always. */
static void answer_ms(uint32_t ms, bool three)
{
    for (uint32_t i = 0; i < ms; i += 10) {
        kit_pass(10);
        kit_agrees(2);
        if (three)
            kit_agrees(3);
    }
}

static void test_members_come_and_go(void **state)
{
    kit_lead();
    listen_begin();
    answer_ms(500, true);
    answer_ms(3000, false);        /* gone, and within the bound of two lines: not said yet */
    answer_ms(8000, false);        /* said */
    for (int i = 0; i < 20; i++) { /* it flaps: once in ten seconds */
        answer_ms(100, true);
        answer_ms(1400, false);
    }
    const char *text = listen_end();
    assert_int_equal(listen_count(text, "node 2 follows"), 1);
    assert_int_equal(listen_count(text, "node 2 is gone"), 0);
    uint32_t lines = listen_count(text, "node 3 ");
    assert_int_equal(listen_count(text, "node 3 is gone: not heard for "), lines / 2);
    assert_true(lines >= 2 && lines <= 6); /* 41.5 s */
}

static void test_told_that_it_is_no_member(void **state)
{
    kit_turn();
    assert_int_equal(core_others_member(&kit.core, kit.now), CORE_STATUS_MEMBER);
    listen_begin();
    for (int i = 0; i < 30; i++) {
        kit_hears((struct peer_message){.kind = PEER_ABSENT, .from = 2}, NULL, 0);
        kit_pass(100);
    }
    assert_int_equal(core_others_member(&kit.core, kit.now), CORE_STATUS_NO_MEMBER);
    kit.core.was_member = true;
    assert_int_equal(core_others_member(&kit.core, kit.now), CORE_STATUS_REMOVED);
    kit_pass(6000); /* it is said no more: it was added again */
    assert_int_equal(core_others_member(&kit.core, kit.now), CORE_STATUS_MEMBER);
    kit_hears((struct peer_message){.kind = PEER_ABSENT, .from = 2}, NULL, 0);
    kit_turn();
    const char *text = listen_end();
    assert_int_equal(listen_count(text, "node 2 says that node 1 is not a member: add it"), 1);
    assert_int_equal(listen_count(text, "node 2 says that node 1 is a member no more"), 1);
}

/* It is told that it is no member, comes in and leaves again, all within CORE_ABSENT_NS. */
static void test_told_again_soon(void **state)
{
    struct membership_body body = {.flags = MEMBERSHIP_INITIAL, .after = kit_servers(3)};
    uint8_t bytes[MEMBERSHIP_BODY_SIZE];

    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    listen_begin();
    kit_hears((struct peer_message){.kind = PEER_ABSENT, .from = 2}, NULL, 0);
    kit_pass(100);
    uint32_t size = (uint32_t)membership_body_encode(&body, bytes, sizeof(bytes));
    kit_append(2, 2, kit_entry(2, COMMAND_CONFIG, bytes, size), 0, 1);
    kit_disk();
    kit_pass(100);
    assert_int_equal(core_others_member(&kit.core, kit.now), CORE_STATUS_MEMBER);
    for (int i = 0; i < 30; i++) {
        kit_hears((struct peer_message){.kind = PEER_ABSENT, .from = 2}, NULL, 0);
        kit_pass(100);
    }
    const char *text = listen_end();
    assert_int_equal(core_others_member(&kit.core, kit.now), CORE_STATUS_REMOVED);
    assert_int_equal(listen_count(text, "node 2 says that node 1 is not a member: add it"), 1);
    assert_int_equal(listen_count(text, "node 2 says that node 1 is a member no more"), 1);
}

/* Member 2 leads, and its entry 1 is a membership of 1, 2, 3; entry 2 leaves 1 out. */
static void test_its_own_log_removes_it(void **state)
{
    struct membership_body body = {.flags = MEMBERSHIP_INITIAL, .after = kit_servers(3)};
    uint8_t bytes[MEMBERSHIP_BODY_SIZE];

    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    uint32_t size = (uint32_t)membership_body_encode(&body, bytes, sizeof(bytes));
    kit_append(2, 2, kit_entry(2, COMMAND_CONFIG, bytes, size), 0, 1);
    kit_disk();
    body = (struct membership_body){.after = kit_servers(3)};
    memmove(&body.after.server[0], &body.after.server[1], 2 * sizeof(body.after.server[0]));
    body.after.count = 2;
    size = (uint32_t)membership_body_encode(&body, bytes, sizeof(bytes));
    listen_begin();
    kit_append(2, 2, kit_entry(2, COMMAND_CONFIG, bytes, size), 1, 2);
    kit_disk();
    kit_pass(20);
    assert_int_equal(core_others_member(&kit.core, kit.now), CORE_STATUS_NO_MEMBER);
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 2, 3); /* now it is committed */
    kit_disk();
    kit_pass(50);
    const char *text = listen_end();
    assert_int_equal(listen_count(text, "node 1 was removed from the ensemble by entry 2"), 1);
    assert_int_equal(core_others_member(&kit.core, kit.now), CORE_STATUS_REMOVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_members_come_and_go, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_told_that_it_is_no_member, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_told_again_soon, setup, kit_end),
        cmocka_unit_test_setup_teardown(test_its_own_log_removes_it, setup, kit_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
