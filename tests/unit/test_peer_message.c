/* Goal: no header from outside is taken that the parts behind it could not bear, and each good one
 * is. Method: good headers of each kind with one field spoilt at a time. */
#include "consensus/peer_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct peer_message good(uint8_t kind)
{
    struct peer_message m = {
        .kind = kind, .from = 2, .to = 1, .term = 7, .index = 5, .log_term = 3};

    if (kind == PEER_APPEND) {
        peer_message_set_entries(&m, 4, 2);
        m.payload_size = 2 * 56;
    }
    return m;
}

static int valid(const struct peer_message *m)
{
    return peer_message_valid(m, sizeof(*m) + m->payload_size, 1);
}

static void test_good_ones_are_taken(void **state)
{
    for (uint8_t kind = 1; kind < PEER_KIND_COUNT; kind++) {
        struct peer_message m = good(kind);
        assert_int_equal(valid(&m), 0);
        m.term = PEER_TERM_MAX;
        assert_int_equal(valid(&m), 0);
    }
}

static void test_sizes(void **state)
{
    struct peer_message m = good(PEER_APPEND);
    assert_int_equal(peer_message_valid(&m, sizeof(m) - 1, 1), ERR_SHORT);
    assert_int_equal(peer_message_valid(&m, sizeof(m) + m.payload_size - 1, 1), ERR_SHORT);
    assert_int_equal(peer_message_valid(&m, sizeof(m) + m.payload_size + 1, 1), ERR_SHORT);
    m = good(PEER_FORWARD);
    m.payload_size = PEER_PAYLOAD_MAX;
    assert_int_equal(valid(&m), 0);
    m.payload_size++;
    assert_int_equal(valid(&m), ERR_RANGE);
}

static void test_kinds_and_flags(void **state)
{
    struct peer_message m = good(PEER_READ);
    m.kind = 0;
    assert_int_equal(valid(&m), ERR_VERSION);
    m.kind = PEER_KIND_COUNT;
    assert_int_equal(valid(&m), ERR_VERSION);
    m = good(PEER_READ);
    m.flags = 128;
    assert_int_equal(valid(&m), ERR_VERSION);
}

static void test_ids_and_terms(void **state)
{
    struct peer_message m = good(PEER_VOTE);
    m.to = 3;
    assert_int_equal(valid(&m), ERR_RANGE);
    m = good(PEER_VOTE);
    m.from = 0;
    assert_int_equal(valid(&m), ERR_RANGE);
    m.from = 255;
    assert_int_equal(valid(&m), ERR_RANGE);
    m.from = 1;
    assert_int_equal(valid(&m), ERR_RANGE);
    m = good(PEER_VOTE);
    m.term = PEER_TERM_MAX + 1;
    assert_int_equal(valid(&m), ERR_RANGE);
    m = good(PEER_VOTE);
    m.log_term = m.term; /* a candidate's term is above its log's */
    assert_int_equal(valid(&m), ERR_RANGE);
    m = good(PEER_APPEND_REPLY);
    m.log_term = m.term + 1;
    assert_int_equal(valid(&m), ERR_RANGE);
}

static void test_payload_only_where_it_belongs(void **state)
{
    static const uint8_t bare[] = {PEER_PRE_VOTE,   PEER_PRE_VOTE_REPLY, PEER_VOTE,
                                   PEER_VOTE_REPLY, PEER_APPEND_REPLY,   PEER_READ,
                                   PEER_READ_REPLY, PEER_TIMEOUT_NOW};
    for (uint32_t i = 0; i < sizeof(bare); i++) {
        struct peer_message m = good(bare[i]);
        m.payload_size = 8;
        assert_int_equal(valid(&m), ERR_RANGE);
    }
}

static void test_append(void **state)
{
    struct peer_message m = good(PEER_APPEND);
    peer_message_set_entries(&m, 8, 2); /* entries above the leader's term */
    assert_int_equal(valid(&m), ERR_RANGE);
    peer_message_set_entries(&m, 2, 2); /* below the entry before them */
    assert_int_equal(valid(&m), ERR_RANGE);
    peer_message_set_entries(&m, 4, 3); /* more entries than the payload can hold */
    assert_int_equal(valid(&m), ERR_RANGE);
    peer_message_set_entries(&m, 4, 0); /* a heartbeat with bytes */
    assert_int_equal(valid(&m), ERR_RANGE);
    m.payload_size = 0;
    assert_int_equal(valid(&m), 0);
    m.log_term = 8;
    assert_int_equal(valid(&m), ERR_RANGE);
    m = good(PEER_APPEND);
    m.index = UINT64_MAX - 1;
    assert_int_equal(valid(&m), ERR_RANGE);
    m.index = 0; /* there is no entry 0, so it has no term */
    assert_int_equal(valid(&m), ERR_RANGE);
    m.log_term = 0;
    assert_int_equal(valid(&m), 0);
}

static void test_entries_round_trip(void **state)
{
    struct peer_message m = good(PEER_APPEND);
    peer_message_set_entries(&m, PEER_TERM_MAX, UINT32_MAX);
    assert_int_equal(peer_message_entry_term(&m), PEER_TERM_MAX);
    assert_int_equal(peer_message_entry_count(&m), UINT32_MAX);
}

static void test_lines_for_people(void **state)
{
    char line[256];
    struct peer_message m = good(PEER_APPEND);
    m.flags = PEER_QUIET;
    peer_message_describe(&m, line, sizeof(line));
    assert_string_equal(line, "2>1 append quiet term 7 index 5@3 commit 0 context 0 extra 2:4 "
                              "payload 112");
    assert_string_equal(peer_message_kind_name(PEER_TIMEOUT_NOW), "timeout_now");
    assert_string_equal(peer_message_kind_name(0), "unknown");
    assert_string_equal(peer_message_kind_name(PEER_KIND_COUNT), "unknown");
    for (uint8_t kind = 1; kind < PEER_KIND_COUNT; kind++)
        assert_string_not_equal(peer_message_kind_name(kind), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones_are_taken),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_kinds_and_flags),
        cmocka_unit_test(test_ids_and_terms),
        cmocka_unit_test(test_payload_only_where_it_belongs),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_entries_round_trip),
        cmocka_unit_test(test_lines_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
