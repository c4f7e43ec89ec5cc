/* Goal: each checker of the simulator accepts what is right and finds what is wrong. Method: good
 * and bad histories by hand; for linearizability also random ones, judged by trying every order. */
#include "base/rand.h"
#include "tests/sim/check_hash.h"
#include "tests/sim/check_linear.h"
#include "tests/sim/check_log.h"
#include "tests/sim/check_once.h"
#include "tests/sim/check_order.h"
#include "tests/sim/check_registers.h"
#include "tests/sim/sim_watch.h"

#include "base/zk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- check_linear ---- */

static struct check_linear_op op_write(uint64_t value, uint64_t from, uint64_t to)
{
    return (struct check_linear_op){
        .write = true, .value = value, .invoke_ns = from, .return_ns = to};
}

static struct check_linear_op op_read(uint64_t value, uint64_t from, uint64_t to)
{
    return (struct check_linear_op){.value = value, .invoke_ns = from, .return_ns = to};
}

static void test_linear_by_hand(void **state)
{
    uint32_t bad = 99;
    struct check_linear_op fresh[] = {op_write(7, 1, 2), op_read(7, 3, 4)};
    struct check_linear_op stale[] = {op_write(7, 1, 2), op_write(8, 3, 4), op_read(7, 5, 6)};
    struct check_linear_op overlap[] = {op_write(7, 1, 2), op_write(8, 3, 9), op_read(7, 5, 6),
                                        op_read(8, 7, 8)};
    struct check_linear_op back[] = {op_write(7, 1, 2), op_write(8, 3, 9), op_read(8, 5, 6),
                                     op_read(7, 7, 8)};
    struct check_linear_op early[] = {op_read(7, 1, 2), op_write(7, 3, 4)};

    assert_int_equal(check_linear(fresh, 2, &bad), CHECK_LINEAR_YES);
    assert_int_equal(check_linear(stale, 3, &bad), CHECK_LINEAR_NO);
    assert_int_equal(bad, 2);
    assert_int_equal(check_linear(overlap, 4, NULL), CHECK_LINEAR_YES);
    assert_int_equal(check_linear(back, 4, NULL), CHECK_LINEAR_NO);
    assert_int_equal(check_linear(early, 2, NULL), CHECK_LINEAR_NO);
    assert_int_equal(check_linear(NULL, 0, NULL), CHECK_LINEAR_YES);
}

/* An answer that was lost: it may have happened late, or never, but not twice. */
static void test_linear_unknown(void **state)
{
    struct check_linear_op late[] = {op_write(7, 1, CHECK_LINEAR_UNKNOWN), op_write(8, 2, 3),
                                     op_read(8, 4, 5), op_read(7, 6, 7)};
    struct check_linear_op never[] = {op_write(7, 1, CHECK_LINEAR_UNKNOWN), op_read(0, 4, 5)};
    struct check_linear_op twice[] = {op_write(7, 1, CHECK_LINEAR_UNKNOWN), op_read(7, 2, 3),
                                      op_write(8, 4, 5), op_read(7, 6, 7)};

    assert_int_equal(check_linear(late, 4, NULL), CHECK_LINEAR_YES);
    assert_int_equal(check_linear(never, 2, NULL), CHECK_LINEAR_YES);
    assert_int_equal(check_linear(twice, 4, NULL), CHECK_LINEAR_NO);
}

static void test_linear_bound(void **state)
{
    struct check_linear_op many[80];
    for (uint32_t i = 0; i < 80; i++)
        many[i] = op_write(i + 1, i, 1000 + i);
    assert_int_equal(check_linear(many, 80, NULL), CHECK_LINEAR_UNDECIDED);
}

/* Every order, one operation after the other. */
static bool linear_naive(const struct check_linear_op *ops, uint32_t count, uint32_t done,
                         uint64_t value)
{
    if (done == (1u << count) - 1)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        bool first = !(done >> i & 1);
        for (uint32_t k = 0; k < count && first; k++)
            if (k != i && !(done >> k & 1) && ops[k].return_ns < ops[i].invoke_ns)
                first = false;
        if (first && (ops[i].write || ops[i].value == value) &&
            linear_naive(ops, count, done | 1u << i, ops[i].value))
            return true;
    }
    return false;
}

static void test_linear_against_every_order(void **state)
{
    struct rand rand;
    uint32_t yes = 0, no = 0;

    rand_seed(&rand, 1);
    for (uint32_t round = 0; round < 3000; round++) {
        struct check_linear_op ops[6];
        uint32_t count = 2 + (uint32_t)rand_below(&rand, 5);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t from = 1000 * rand_below(&rand, 12) + i;
            uint64_t to = from + 1000 * rand_below(&rand, 6) + 1;
            ops[i] = rand_below(&rand, 2) ? op_write(i + 1, from, to)
                                          : op_read(rand_below(&rand, count + 1), from, to);
        }
        bool naive = linear_naive(ops, count, 0, 0);
        assert_int_equal(check_linear(ops, count, NULL),
                         naive ? CHECK_LINEAR_YES : CHECK_LINEAR_NO);
        yes += naive;
        no += !naive;
    }
    assert_true(yes > 300 && no > 300);
}

static void test_registers(void **state)
{
    struct check_registers registers;

    check_registers_init(&registers);
    uint32_t a = check_registers_begin(&registers, 1, true, 5, 0, 10);
    check_registers_end(&registers, 1, a, 0, 20);
    uint32_t refused = check_registers_begin(&registers, 1, true, 6, 0, 30);
    check_registers_void(&registers, 1, refused);
    uint32_t b = check_registers_begin(&registers, 1, false, 0, 1, 40);
    check_registers_end(&registers, 1, b, 5, 50);
    assert_null(check_registers_judge(&registers));
    b = check_registers_begin(&registers, 1, false, 0, 1, 60);
    check_registers_end(&registers, 1, b, 6, 70); /* refused, and there all the same */
    assert_non_null(check_registers_judge(&registers));
    check_registers_fini(&registers);
}

/* ---- check_order, check_once, check_hash ---- */

static void test_order(void **state)
{
    struct check_order order = {0};
    int64_t early = check_order_begin(&order);

    assert_null(check_order_write(&order, early, 7));
    int64_t late = check_order_begin(&order);
    assert_null(check_order_write(&order, early, 3)); /* it was under way at the same time */
    assert_null(check_order_read(late, 7));
    assert_non_null(check_order_read(late, 6));
    assert_non_null(check_order_write(&order, late, 7));
    assert_null(check_order_write(&order, late, 8));
}

static void test_once(void **state)
{
    struct check_once once;
    struct command c = {.kind = COMMAND_REQUEST, .session = 5, .xid = 1};

    check_once_init(&once);
    assert_null(check_once_entry(&once, &c, 0, true));
    assert_null(check_once_entry(&once, &c, 0, false)); /* a repeat without effect */
    assert_non_null(check_once_entry(&once, &c, 0, true));
    for (int32_t xid = 2; xid < 5000; xid++) {
        c.xid = xid;
        assert_null(check_once_entry(&once, &c, 0, true));
    }
    assert_non_null(check_once_entry(&once, &c, 0, true));
    c.xid = ZK_XID_PING;
    assert_null(check_once_entry(&once, &c, 0, true));
    assert_null(check_once_entry(&once, &c, 0, true)); /* pings are all alike */
    struct command open = {.kind = COMMAND_OPEN};
    assert_null(check_once_entry(&once, &open, 5, true));
    c.xid = 1;
    assert_null(check_once_entry(&once, &c, 0, true)); /* another session of that id */
    assert_non_null(check_once_entry(&once, &c, 0, true));
    check_once_fini(&once);
}

static void test_hash(void **state)
{
    struct check_hash check;

    check_hash_init(&check);
    assert_null(check_hash_show(&check, 0, 0, 1));
    assert_null(check_hash_show(&check, 0, 10, 77));
    assert_null(check_hash_show(&check, 1, 10, 77));
    assert_null(check_hash_show(&check, 1, 11, 78));
    assert_non_null(check_hash_show(&check, 2, 10, 76));
    assert_null(check_hash_show(&check, 0, 10 + CHECK_HASH_COUNT, 5));
    assert_null(check_hash_show(&check, 0, 10, 1)); /* forgotten */
    check_hash_fini(&check);
}

/* ---- check_log ---- */

static struct {
    struct command command;
    uint8_t body[8];
} noop;

static struct entry entry_at(uint64_t index, uint64_t term)
{
    return (struct entry){
        .index = index, .term = term, .payload = &noop, .size = sizeof(noop.command)};
}

static void test_log(void **state)
{
    struct sim_log log;
    struct model_config model = {.session_count_max = 16};
    struct check_log_place a, b;
    struct entry e;

    noop.command = (struct command){.kind = COMMAND_NOOP, .version = COMMAND_VERSION};
    sim_log_init(&log, &model);
    check_log_begin(&a);
    check_log_begin(&b);
    for (uint64_t i = 1; i <= 3; i++) {
        e = entry_at(i, 1);
        assert_null(check_log_entry(&a, &log, &e));
    }
    e = entry_at(1, 1);
    assert_null(check_log_entry(&b, &log, &e));
    e = entry_at(3, 1); /* a hole */
    assert_non_null(check_log_entry(&b, &log, &e));
    e = entry_at(2, 2); /* another entry at the same place */
    assert_non_null(check_log_entry(&b, &log, &e));
    check_log_begin(&b);
    e = entry_at(3, 1); /* it starts behind a snapshot */
    assert_null(check_log_entry(&b, &log, &e));
    assert_null(check_log_started(&b, 2));
    assert_non_null(check_log_started(&b, 1)); /* which is not where the snapshot ends */
    check_log_begin(&b);
    e = entry_at(5, 1); /* never committed anywhere */
    assert_non_null(check_log_entry(&b, &log, &e));
    sim_log_fini(&log);
}

/* Two entries, of which the second takes no zxid. */
static void test_log_done(void **state)
{
    struct sim_log log;
    struct model_config model = {.session_count_max = 16};
    struct sim_entry entries[2] = {{.zxid_after = 7}, {.zxid_after = 7}};

    (void)state;
    sim_log_init(&log, &model);
    log.entries = entries;
    log.count = 2;
    assert_null(check_log_done(&log, 0, 0)); /* nothing is applied */
    assert_null(check_log_done(&log, 1, 7));
    assert_null(check_log_done(&log, 2, 7));
    assert_non_null(check_log_done(&log, 2, 8)); /* carried out once more than by the model */
    assert_non_null(check_log_done(&log, 1, 6)); /* and once less */
    assert_null(check_log_done(&log, 3, 9));     /* of what nobody has shown */
    log.entries = NULL;
    log.count = 0;
    sim_log_fini(&log);
}

/* ---- sim_watch ---- */

static void log_change(struct sim_log *log, int64_t zxid, uint32_t event, char *path)
{
    static struct sim_change changes[8];
    log->changes = changes;
    changes[log->change_count++] = (struct sim_change){.zxid = zxid, .event = event, .path = path};
}

static void watch_begin(struct sim_watch *watch, struct sim_log *log)
{
    memset(log, 0, sizeof(*log));
    sim_watch_reset(watch, log, 0);
    sim_watch_add(watch, SIM_WATCH_DATA, "/a");
    log_change(log, 1, ZK_EVENT_DATA_CHANGED, "/a");
    log_change(log, 2, ZK_EVENT_DATA_CHANGED, "/a");
}

static void test_watches(void **state)
{
    static struct sim_watch watch;
    struct sim_log log;
    struct bytes a = bytes_of_string("/a");

    watch_begin(&watch, &log); /* right: once, before the data */
    sim_watch_hear(&watch, 1, ZK_EVENT_DATA_CHANGED, a);
    assert_null(sim_watch_upto(&watch, &log, 2, true));
    watch_begin(&watch, &log); /* data before the event */
    assert_non_null(sim_watch_upto(&watch, &log, 1, true));
    watch_begin(&watch, &log); /* twice */
    sim_watch_hear(&watch, 1, ZK_EVENT_DATA_CHANGED, a);
    sim_watch_hear(&watch, 2, ZK_EVENT_DATA_CHANGED, a);
    assert_non_null(sim_watch_upto(&watch, &log, 2, true));
    watch_begin(&watch, &log); /* past the read */
    sim_watch_hear(&watch, 1, ZK_EVENT_DATA_CHANGED, a);
    assert_non_null(sim_watch_upto(&watch, &log, 0, true));
    watch_begin(&watch, &log); /* the connection ends before it is told: nothing is owed */
    assert_null(sim_watch_upto(&watch, &log, 2, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_by_hand),
        cmocka_unit_test(test_linear_unknown),
        cmocka_unit_test(test_linear_bound),
        cmocka_unit_test(test_linear_against_every_order),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_done),
        cmocka_unit_test(test_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
