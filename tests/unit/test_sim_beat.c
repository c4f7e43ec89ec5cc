/* Goal: what the simulator says of controllers is right: the model answers a repeated request as
 * before and does nothing, and check_beat, check_late and check_lease accept what is right and find
 * what is wrong. Method: small logs and histories by hand. */
#include "tests/sim/check_beat.h"
#include "tests/sim/check_late.h"
#include "tests/sim/check_lease.h"

#include "base/jute.h"
#include "base/zk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SID 77

static struct sim_log sim_log;
static struct {
    struct command command;
    uint8_t body[160];
} room;

static const char *add(uint32_t size)
{
    struct entry entry = {.index = sim_log.count + 1, .term = 1, .payload = &room};
    room.command.version = COMMAND_VERSION;
    room.command.body_size = size;
    entry.size = (uint32_t)sizeof(struct command) + size;
    return sim_log_add(&sim_log, &entry);
}

static void attach(uint8_t kind)
{
    struct session_open open = {.timeout_ms = 1000, .password_size = 16};
    memset(&room, 0, sizeof(room));
    room.command.kind = kind;
    room.command.session = SID;
    memcpy(room.body, &open, sizeof(open));
    assert_null(add(sizeof(open)));
}

/* A create (data: "x", open ACL), as it is logged. */
static const char *create(const char *path, uint64_t sequence, uint32_t attach_number)
{
    struct jute_out out = jute_out(room.body, sizeof(room.body));
    memset(&room, 0, sizeof(room));
    room.command.kind = COMMAND_REQUEST;
    room.command.flags = COMMAND_ONCE;
    room.command.session = SID;
    room.command.attach = attach_number;
    room.command.op = ZK_OP_CREATE;
    room.command.sequence = sequence;
    room.command.xid = (int32_t)sequence;
    jute_put_bytes(&out, bytes_of_string(path));
    jute_put_bytes(&out, bytes_of_string("x"));
    jute_put_int(&out, 1);
    jute_put_int(&out, 31);
    jute_put_bytes(&out, bytes_of_string("world"));
    jute_put_bytes(&out, bytes_of_string("anyone"));
    jute_put_int(&out, 0);
    return add((uint32_t)(out.at - room.body));
}

static int setup(void **state)
{
    struct model_config model = {.session_count_max = 16};
    (void)state;
    sim_log_init(&sim_log, &model);
    attach(COMMAND_OPEN);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sim_log_fini(&sim_log);
    return 0;
}

static const struct sim_entry *last(void)
{
    return &sim_log.entries[sim_log.count - 1];
}

static void test_model_once(void **state)
{
    (void)state;
    assert_null(create("/a", 1, 1));
    int64_t zxid = last()->zxid;
    assert_true(last()->effect && last()->error == 0);
    attach(COMMAND_ATTACH);
    assert_null(create("/a", 1, 1)); /* late, of the attach before */
    assert_true(!last()->effect && last()->error == ZK_SESSION_MOVED);
    assert_null(create("/a", 1, 2)); /* again: the answer of before */
    assert_true(!last()->effect && last()->error == 0 && last()->zxid == zxid);
    assert_int_equal(last()->body_size, 4 + 2);
    assert_null(create("/a", 2, 2)); /* another one finds that it exists */
    assert_true(last()->effect && last()->error == ZK_NODE_EXISTS);
    assert_null(create("/b", 17, 2)); /* in the place of 1 */
    assert_null(create("/a", 1, 2));
    assert_true(!last()->effect && last()->error == ZK_SYSTEM_ERROR);
}

static void test_order(void **state)
{
    static struct check_beat check;
    struct command c = {.kind = COMMAND_REQUEST, .flags = COMMAND_ONCE, .session = SID};
    (void)state;
    memset(&check, 0, sizeof(check));
    c.sequence = 3;
    assert_null(check_beat_entry(&check, &c, true));
    c.sequence = 2;
    assert_null(check_beat_entry(&check, &c, false)); /* answered as before */
    assert_non_null(check_beat_entry(&check, &c, true));
    c.session = SID + 1;
    assert_null(check_beat_entry(&check, &c, true));
    assert_non_null(check_beat_entry(&check, &c, true));
}

static void test_write(void **state)
{
    (void)state;
    assert_null(create("/a", 1, 1));
    struct takt_answer answer = {.zxid = last()->zxid, .bytes = last()->body, .size = 6};
    attach(COMMAND_ATTACH);
    assert_null(create("/a", 1, 2)); /* later entries of that number are not what it was */
    assert_null(check_beat_write(&sim_log, SID, 1, &answer));
    assert_non_null(check_beat_write(&sim_log, SID, 2, &answer)); /* never carried out */
    answer.error = TAKT_NODE_EXISTS; /* as if it had been carried out twice */
    assert_non_null(check_beat_write(&sim_log, SID, 1, &answer));
    answer.error = TAKT_EXPIRED_SESSION; /* says nothing */
    assert_null(check_beat_write(&sim_log, SID, 9, &answer));
    answer.error = 0;
    answer.zxid++;
    assert_non_null(check_beat_write(&sim_log, SID, 1, &answer));
}

static void put_op(struct jute_out *out, int32_t op, bool done)
{
    jute_put_int(out, op);
    jute_put_byte(out, done);
    jute_put_int(out, -1);
}

/* One transaction that deletes a node and creates it again. */
static void test_event_inside_a_transaction(void **state)
{
    struct takt_event event = {.path = "/a", .path_size = 2};
    struct jute_out out = jute_out(room.body, sizeof(room.body));
    (void)state;
    assert_null(create("/a", 1, 1));
    memset(&room, 0, sizeof(room));
    room.command.kind = COMMAND_REQUEST;
    room.command.session = SID;
    room.command.attach = 1;
    room.command.op = ZK_OP_MULTI;
    put_op(&out, ZK_OP_DELETE, false);
    jute_put_bytes(&out, bytes_of_string("/a"));
    jute_put_int(&out, -1);
    put_op(&out, ZK_OP_CREATE, false);
    jute_put_bytes(&out, bytes_of_string("/a"));
    jute_put_bytes(&out, bytes_of_string("y"));
    jute_put_int(&out, 1);
    jute_put_int(&out, 31);
    jute_put_bytes(&out, bytes_of_string("world"));
    jute_put_bytes(&out, bytes_of_string("anyone"));
    jute_put_int(&out, 0);
    put_op(&out, -1, true);
    assert_null(add((uint32_t)(out.at - room.body)));
    assert_int_equal(last()->error, 0);
    event.zxid = last()->zxid;
    for (event.type = 1; event.type <= 2; event.type++)
        assert_null(check_beat_event(&sim_log, &event, 0));
    assert_non_null(check_beat_event(&sim_log, &event, 0)); /* its data did not change */
}

static void test_events_and_reads(void **state)
{
    struct takt_event event = {.type = 1, .path = "/a", .path_size = 2};
    struct takt_answer missing = {.error = TAKT_NO_NODE};
    struct check_beat_watch watch = {.armed = true};
    (void)state;
    assert_null(create("/a", 1, 1));
    missing.zxid = event.zxid = last()->zxid;
    watch.zxid = event.zxid - 1;
    assert_null(check_beat_event(&sim_log, &event, event.zxid));
    assert_non_null(check_beat_event(&sim_log, &event, event.zxid + 1)); /* out of order */
    event.type = 2;
    assert_non_null(check_beat_event(&sim_log, &event, 0)); /* it was not deleted */
    assert_non_null(check_beat_read(&sim_log, "/a", &missing));
    assert_null(check_beat_read(&sim_log, "/b", &missing));
    assert_non_null(check_beat_seen(&sim_log, &watch, "/a", event.zxid)); /* before its event */
    assert_null(check_beat_seen(&sim_log, &watch, "/a", watch.zxid));
    watch.armed = false; /* the event has come */
    assert_null(check_beat_seen(&sim_log, &watch, "/a", event.zxid));
}

static void test_read_of_another_state(void **state)
{
    uint8_t bytes[128];
    struct jute_out out = jute_out(bytes, sizeof(bytes));
    (void)state;
    assert_null(create("/a", 1, 1));
    const struct zk_stat *stat = &sim_log_at(&sim_log, "/a", last()->zxid)->stat;
    jute_put_bytes(&out, bytes_of_string("x"));
    jute_put_long(&out, stat->czxid);
    jute_put_long(&out, stat->mzxid);
    memset(out.at, 0, 52);
    struct takt_answer answer = {.zxid = last()->zxid, .bytes = bytes, .size = 5 + 68};
    assert_null(check_beat_read(&sim_log, "/a", &answer));
    bytes[4] = 'y';
    assert_non_null(check_beat_read(&sim_log, "/a", &answer));
    bytes[4] = 'x';
    answer.zxid--; /* it did not exist yet */
    assert_non_null(check_beat_read(&sim_log, "/a", &answer));
    answer.zxid++;
    answer.size = 9; /* malformed */
    assert_non_null(check_beat_read(&sim_log, "/a", &answer));
}

static void test_lease(void **state)
{
    struct check_lease lease = {0};
    struct check_lease_told one = {.session = 1, .until_ns = 100, .holds = true};
    struct check_lease_told two = {.session = 2, .until_ns = 150};
    (void)state;
    assert_null(check_lease_told(&lease, 0, &one, 50));
    assert_null(check_lease_told(&lease, 1, &two, 60)); /* lives, and does not hold it */
    two.holds = true;
    assert_non_null(check_lease_told(&lease, 1, &two, 99)); /* two holders */
    assert_null(check_lease_told(&lease, 1, &two, 100));    /* the first knows that it is over */
    assert_null(check_lease_ended(&lease, 1, 100));
    assert_non_null(check_lease_ended(&lease, 2, 149)); /* ended before its time */
    assert_null(check_lease_ended(&lease, 3, 0));
    two.until_ns = 0; /* it has looked again, and knows that it is over */
    assert_null(check_lease_told(&lease, 1, &two, 120));
    assert_null(check_lease_ended(&lease, 2, 121));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- check_late ---- */

static void test_late(void **state)
{
    struct check_late late;

    (void)state;
    check_late_begin(&late, true);
    assert_non_null(check_late_sent(&late, 0, 0, 100)); /* a copy without its deadline */
    assert_null(check_late_sent(&late, 5090, 90, 100)); /* that node's clock is 5000 ahead */
    assert_non_null(check_late_sent(&late, 5110, 110, 100));
    assert_non_null(check_late_answered(&late, false, true, 80)); /* it came nowhere */
    assert_non_null(check_late_answered(&late, true, false, 90)); /* it is not late there */
    assert_null(check_late_answered(&late, true, false, 91));
    assert_null(check_late_answered(&late, false, false, 80)); /* refused for something else */
    check_late_arrives(&late, 5090, 5091);
    assert_non_null(check_late_answered(&late, false, true, 120));
    check_late_arrives(&late, 5090, 5090);
    assert_null(check_late_answered(&late, false, true, 120));
}

/* Late from the start, and without a deadline. */
static void test_late_ends(void **state)
{
    struct check_late late;

    (void)state;
    check_late_begin(&late, true);
    assert_null(check_late_sent(&late, 1, 1, 100));
    check_late_arrives(&late, 1, 5080);
    assert_non_null(check_late_answered(&late, false, true, 80));
    assert_null(check_late_answered(&late, true, false, 80));
    check_late_begin(&late, false);
    assert_non_null(check_late_sent(&late, 1, 1, 0));
    assert_null(check_late_sent(&late, 0, 0, 0));
    check_late_arrives(&late, 0, 5080);
    assert_null(check_late_answered(&late, false, true, 80));
    assert_non_null(check_late_answered(&late, true, false, 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_model_once),
        TEST(test_order),
        TEST(test_write),
        TEST(test_event_inside_a_transaction),
        TEST(test_events_and_reads),
        TEST(test_read_of_another_state),
        TEST(test_lease),
        TEST(test_late),
        TEST(test_late_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
