/* Goal: a multi is all or nothing under one zxid, with the answers of zk_protocol.md section 8.
 * Method: one multi at a time; each failing one is followed by a look at everything it may have
 * left behind. */
#include "tests/model/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SID 0x1001

static struct world w;

static int setup(void **state)
{
    (void)state;
    return world_ready(&w, SID);
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    return 0;
}

static int32_t send(void)
{
    world_put_header(&w, -1, true);
    return world_request(&w, SID, ZK_OP_MULTI);
}

static void header(struct jute_in *in, int32_t type, bool done, int32_t error)
{
    assert_int_equal(jute_get_int(in), type);
    assert_int_equal(jute_get_byte(in), done);
    assert_int_equal(jute_get_int(in), error);
}

static void failed_entry(struct jute_in *in, int32_t error)
{
    header(in, -1, false, error);
    assert_int_equal(jute_get_int(in), error);
}

static void end(struct jute_in *in)
{
    header(in, -1, true, -1);
    assert_false(in->bad);
    assert_ptr_equal(in->at, in->end);
}

static void test_empty_multi_consumes_a_zxid(void **state)
{
    int64_t before = machine_zxid(w.machine);
    (void)state;
    world_begin(&w);
    assert_int_equal(send(), ZK_OK);
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    end(&in);
    assert_int_equal(machine_zxid(w.machine), before + 1);
}

static void test_results_of_each_kind(void **state)
{
    (void)state;
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE, "/m", "", 0, 0);
    world_put_create(&w, ZK_OP_CREATE2, "/m/s", "", 2, 0);
    world_put_create(&w, ZK_OP_CREATE, "/m/s", "", 2, 0);
    world_put_create(&w, ZK_OP_CREATE_CONTAINER, "/m/c", "", 4, 0);
    world_put_create(&w, ZK_OP_CREATE_TTL, "/m/t", "", 5, 10);
    world_put_set(&w, "/m", "data", 0);
    world_put_check(&w, "/m", 1);
    world_put_delete(&w, "/m/c", 0);
    world_put_create(&w, ZK_OP_CREATE, "/m/c", "", 0, 0);
    assert_int_equal(send(), ZK_OK);
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    header(&in, ZK_OP_CREATE, false, 0);
    assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string("/m")));
    header(&in, ZK_OP_CREATE2, false, 0);
    assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string("/m/s0000000000")));
    assert_int_equal(jute_get_long(&in), machine_zxid(w.machine));
    jute_take(&in, ZK_STAT_SIZE - 8);
    header(&in, ZK_OP_CREATE, false, 0);
    assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string("/m/s0000000001")));
    header(&in, ZK_OP_CREATE2, false, 0);
    assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string("/m/c")));
    jute_take(&in, ZK_STAT_SIZE);
    header(&in, ZK_OP_CREATE2, false, 0);
    assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string("/m/t")));
    jute_take(&in, ZK_STAT_SIZE);
    header(&in, ZK_OP_SET_DATA, false, 0);
    jute_take(&in, ZK_STAT_SIZE);
    header(&in, ZK_OP_CHECK, false, 0);
    header(&in, ZK_OP_DELETE, false, 0);
    header(&in, ZK_OP_CREATE, false, 0);
    assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string("/m/c")));
    end(&in);
    assert_string_equal(w.order, "ccccccccr"); /* all but the check, in order */
    assert_int_equal(w.changes[6].event, ZK_EVENT_DELETED);
    for (int i = 0; i < 8; i++)
        assert_int_equal(w.changes[i].zxid, machine_zxid(w.machine));
    struct zk_stat s;
    assert_true(world_stat(&w, "/m", &s));
    assert_int_equal(s.czxid, s.mzxid);
    assert_int_equal(s.num_children, 4);
    assert_int_equal(s.cversion, 6); /* 5 creations, 1 deletion */
}

static void test_created_then_deleted_tells_all(void **state)
{
    (void)state;
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE, "/x", "", 1, 0);
    world_put_set(&w, "/x", "1", -1);
    world_put_delete(&w, "/x", 1);
    assert_int_equal(send(), ZK_OK);
    assert_int_equal(w.change_count, 3);
    assert_int_equal(w.changes[0].event, ZK_EVENT_CREATED);
    assert_int_equal(w.changes[1].event, ZK_EVENT_DATA_CHANGED);
    assert_int_equal(w.changes[2].event, ZK_EVENT_DELETED);
    assert_int_equal(machine_ephemeral_count(w.machine), 0);
}

static void test_failed_multi_leaves_nothing_but_a_zxid(void **state)
{
    struct zk_stat before, after;
    (void)state;
    assert_int_equal(world_create(&w, SID, "/keep", "old", 0), ZK_OK);
    assert_true(world_stat(&w, "/", &before));
    int64_t zxid = machine_zxid(w.machine);
    uint64_t nodes = tree_node_count(w.tree);
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE, "/e", "", 1, 0);
    world_put_create(&w, ZK_OP_CREATE_CONTAINER, "/c", "", 0, 0);
    world_put_set(&w, "/keep", "new", -1);
    world_put_check(&w, "/keep", 5);
    world_put_delete(&w, "/keep", -1);
    assert_int_equal(send(), ZK_OK);
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    failed_entry(&in, 0);
    failed_entry(&in, 0);
    failed_entry(&in, 0);
    failed_entry(&in, ZK_BAD_VERSION);
    failed_entry(&in, ZK_RUNTIME_INCONSISTENCY);
    end(&in);
    assert_string_equal(w.order, "r");
    assert_int_equal(machine_zxid(w.machine), zxid + 1);
    assert_int_equal(w.reply.head.zxid, zxid + 1);
    assert_int_equal(tree_node_count(w.tree), nodes);
    assert_true(world_data(&w, "/keep", "old"));
    assert_true(world_stat(&w, "/", &after));
    assert_true(world_stat_equal(&before, &after));
    assert_int_equal(machine_ephemeral_count(w.machine), 0);
    assert_int_equal(world_create(&w, SID, "/e", "", 1), ZK_OK);
}

/* The bytes of zk_protocol.md section 23. */
static void test_failed_multi_bytes(void **state)
{
    static const uint8_t want[] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0,    0,
                                   0,    0,    0,    0xff, 0xff, 0xff, 0xff, 0,    0xff, 0xff,
                                   0xff, 0x99, 0xff, 0xff, 0xff, 0x99, 0xff, 0xff, 0xff, 0xff,
                                   0,    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfe, 0xff,
                                   0xff, 0xff, 0xff, 1,    0xff, 0xff, 0xff, 0xff};
    (void)state;
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE, "/q", "", 0, 0);
    world_put_check(&w, "/q", 9);
    world_put_delete(&w, "/q", -1);
    assert_int_equal(send(), ZK_OK);
    assert_int_equal(w.body_size, sizeof want);
    assert_memory_equal(w.body, want, sizeof want);
}

static void expect_error(int32_t error)
{
    int64_t before = machine_zxid(w.machine);
    assert_int_equal(send(), error);
    assert_int_equal(w.body_size, 0);
    assert_string_equal(w.order, "r");
    assert_int_equal(machine_zxid(w.machine), before + 1);
    assert_null(tree_find(w.tree, bytes_of_string("/first")));
}

static void begin_with_a_create(void)
{
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE, "/first", "", 0, 0);
}

static void test_what_a_multi_cannot_hold(void **state)
{
    static const int32_t ops[] = {ZK_OP_SET_ACL,
                                  ZK_OP_EXISTS,
                                  ZK_OP_GET_DATA,
                                  ZK_OP_GET_CHILDREN,
                                  ZK_OP_DELETE_CONTAINER,
                                  ZK_OP_MULTI,
                                  ZK_OP_CLOSE_SESSION,
                                  0,
                                  -1,
                                  99};
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        begin_with_a_create();
        world_put_header(&w, ops[i], false);
        world_put_string(&w, "/first");
        jute_put_int(&w.out, -1);
        expect_error(ZK_MARSHALLING_ERROR);
    }
    for (int32_t flag = -1; flag <= 7; flag += 8) {
        begin_with_a_create();
        world_put_create(&w, ZK_OP_CREATE2, "/second", "", flag, 0);
        expect_error(ZK_MARSHALLING_ERROR);
    }
    begin_with_a_create();
    world_put_create(&w, ZK_OP_CREATE, NULL, "", 0, 0);
    expect_error(ZK_MARSHALLING_ERROR);
    begin_with_a_create();
    world_put_delete(&w, NULL, 0);
    expect_error(ZK_MARSHALLING_ERROR);
}

static void test_missing_terminator(void **state)
{
    int64_t before = machine_zxid(w.machine);
    (void)state;
    begin_with_a_create();
    size_t whole = (size_t)(w.out.at - w.request);
    for (size_t cut = 0; cut <= whole; cut++) {
        w.out.at = w.request + cut;
        assert_int_equal(world_request(&w, SID, ZK_OP_MULTI), ZK_MARSHALLING_ERROR);
        assert_int_equal(machine_zxid(w.machine), ++before);
    }
}

static void expect_entry(int32_t error)
{
    assert_int_equal(send(), ZK_OK);
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    failed_entry(&in, error);
    end(&in);
}

static void test_errors_of_one_operation(void **state)
{
    (void)state;
    assert_int_equal(world_create_acl(&w, SID, "/locked", 0, "world", "anyone"), ZK_OK);
    static const struct {
        const char *path;
        int32_t version, error;
    } checks[] = {{NULL, -1, ZK_BAD_ARGUMENTS}, {"bad", -1, ZK_BAD_ARGUMENTS},
                  {"/none", 9, ZK_NO_NODE},     {"/locked", 9, ZK_NO_AUTH},
                  {"/", 9, ZK_BAD_VERSION},     {"/", -2, ZK_BAD_VERSION}};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        world_begin(&w);
        world_put_check(&w, checks[i].path, checks[i].version);
        expect_entry(checks[i].error);
    }
    world_begin(&w);
    world_put_set(&w, NULL, "", 0);
    expect_entry(ZK_BAD_ARGUMENTS);
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE, "/t", "", ZK_CREATE_TTL, 0);
    expect_entry(ZK_BAD_ARGUMENTS);
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE_TTL, "/t", "", ZK_CREATE_TTL, 0);
    expect_entry(ZK_BAD_ARGUMENTS);
    world_begin(&w);
    world_put_set(&w, "/zookeeper/config", "", 0);
    expect_entry(ZK_NO_AUTH);
}

static void test_multi_of_unknown_session(void **state)
{
    (void)state;
    world_begin(&w);
    world_put_delete(&w, "/none", -1);
    world_put_header(&w, -1, true);
    assert_int_equal(world_request(&w, 0x7777, ZK_OP_MULTI), ZK_OK);
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    failed_entry(&in, ZK_SESSION_EXPIRED);
    end(&in);
}

/* The bound of the reply room: the operations that answer the most for what they take. */
static void test_largest_answers_fit(void **state)
{
    (void)state;
    world_begin(&w);
    for (int i = 0; i < 20000; i++)
        world_put_create(&w, ZK_OP_CREATE2, "/", "", ZK_CREATE_PERSISTENT_SEQUENTIAL, 0);
    assert_int_equal(send(), ZK_OK);
    assert_int_equal(w.body_size, 20000 * (9 + 4 + 11 + ZK_STAT_SIZE) + 9);
    world_begin(&w);
    for (int i = 0; i < 20000; i++)
        world_put_set(&w, "/", NULL, -1);
    assert_int_equal(send(), ZK_OK);
    assert_int_equal(w.body_size, 20000 * (9 + ZK_STAT_SIZE) + 9);
    struct zk_stat s;
    assert_true(world_stat(&w, "/", &s));
    assert_int_equal(s.version, 20000);
}

static int32_t sets_of_a_node_with_a_large_acl(int count)
{
    world_begin(&w);
    for (int i = 0; i < count; i++)
        world_put_set(&w, "/big", NULL, -1);
    return send();
}

/* Each change carries the node's ACL: what a multi may tell is bounded. */
static void test_changes_of_a_multi_are_bounded(void **state)
{
    char id[4000];
    (void)state;
    memset(id, 'x', sizeof id);
    memcpy(id, "u:", 2);
    id[sizeof id - 1] = 0;
    assert_int_equal(world_auth(&w, SID, "digest", id), ZK_OK);
    assert_int_equal(world_create_acl(&w, SID, "/big", 31, "auth", ""), ZK_OK);
    assert_int_equal(sets_of_a_node_with_a_large_acl(8000), ZK_OK);
    assert_int_equal(w.change_count, 8000);
    assert_int_equal(sets_of_a_node_with_a_large_acl(9000), ZK_OK);
    assert_int_equal(w.change_count, 0);
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    for (int i = 0; i < 8000; i++)
        failed_entry(&in, 0);
    struct zk_stat s;
    assert_true(world_stat(&w, "/big", &s));
    assert_int_equal(s.version, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty_multi_consumes_a_zxid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_results_of_each_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_created_then_deleted_tells_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_multi_leaves_nothing_but_a_zxid, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_failed_multi_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_multi_cannot_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_terminator, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_of_one_operation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_multi_of_unknown_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_largest_answers_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changes_of_a_multi_are_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
