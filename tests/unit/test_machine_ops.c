/* Goal: each write opcode changes what it should, answers what the wire expects, and fails with the
 * first of its errors in the order of zk_protocol.md section 13. Method: one command at a time on a
 * recorded machine; for the order of errors, requests that break several rules at once. */
#include "base/jute_stat.h"
#include "tests/model/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SID    0x1001
#define NO_SID 0x9999

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

static struct zk_stat stat_of(const char *path)
{
    struct zk_stat stat = {0};
    assert_true(world_stat(&w, path, &stat));
    return stat;
}

static struct zk_stat stat_read(struct jute_in *in)
{
    struct zk_stat s = jute_stat_get(in);
    assert_false(in->bad);
    return s;
}

static void test_create_makes_node_and_tells(void **state)
{
    (void)state;
    w.time_ms = 5000;
    assert_int_equal(world_create(&w, SID, "/a", "hello", 0), ZK_OK);
    assert_string_equal(world_body_path(&w), "/a");
    assert_int_equal(w.body_size, 6);
    assert_string_equal(w.order, "cr");
    assert_int_equal(w.changes[0].event, ZK_EVENT_CREATED);
    assert_string_equal(w.changes[0].path, "/a");
    assert_int_equal(w.changes[0].acl_size, -1);
    assert_int_equal(w.changes[0].zxid, machine_zxid(w.machine));
    assert_int_equal(w.reply.head.zxid, machine_zxid(w.machine));
    assert_int_equal(w.reply.xid, 77);
    assert_int_equal(w.reply.conn, 7);
    assert_int_equal(w.reply.op, ZK_OP_CREATE);
    struct zk_stat s = stat_of("/a");
    assert_int_equal(s.czxid, machine_zxid(w.machine));
    assert_int_equal(s.pzxid, s.czxid);
    assert_int_equal(s.mzxid, s.czxid);
    assert_int_equal(s.ctime_ms, 5000);
    assert_int_equal(s.mtime_ms, 5000);
    assert_int_equal(s.version | s.cversion | s.aversion, 0);
    assert_int_equal(s.data_length, 5);
    s = stat_of("/");
    assert_int_equal(s.cversion, 0); /* -1 + 1 creation */
    assert_int_equal(s.pzxid, machine_zxid(w.machine));
    assert_int_equal(s.num_children, 2);
    assert_int_equal(s.mzxid, 0);
}

static void test_create2_answers_path_and_stat(void **state)
{
    static const int32_t ops[] = {ZK_OP_CREATE2, ZK_OP_CREATE_CONTAINER, ZK_OP_CREATE_TTL};
    (void)state;
    for (int i = 0; i < 3; i++) {
        char path[8];
        snprintf(path, sizeof path, "/n%d", i);
        int32_t flags = ops[i] == ZK_OP_CREATE_TTL ? ZK_CREATE_TTL : 0;
        assert_int_equal(world_create_op(&w, SID, ops[i], path, "xy", flags, 9), ZK_OK);
        struct jute_in in = jute_in(w.body, (size_t)w.body_size);
        assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string(path)));
        struct zk_stat s = stat_read(&in);
        assert_int_equal(s.czxid, machine_zxid(w.machine));
        assert_int_equal(s.data_length, 2);
        assert_int_equal(s.ephemeral_owner, 0);
        assert_ptr_equal(in.at, in.end);
    }
}

static void test_null_data_differs_from_empty(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/null", NULL, 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/empty", "", 0), ZK_OK);
    assert_true(world_data(&w, "/null", NULL));
    assert_true(world_data(&w, "/empty", ""));
    assert_false(world_data(&w, "/empty", NULL));
    assert_int_equal(stat_of("/null").data_length, 0);
}

static void test_delete(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/a", -1), ZK_OK);
    assert_int_equal(w.body_size, 0);
    assert_string_equal(w.order, "cr");
    assert_int_equal(w.changes[0].event, ZK_EVENT_DELETED);
    assert_null(tree_find(w.tree, bytes_of_string("/a")));
    struct zk_stat s = stat_of("/");
    assert_int_equal(s.cversion, 1); /* one creation, one deletion, -1 at first */
    assert_int_equal(s.pzxid, machine_zxid(w.machine));
    assert_int_equal(s.num_children, 1);
}

static void test_set_data(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "one", 0), ZK_OK);
    int64_t created = machine_zxid(w.machine);
    struct zk_stat root = stat_of("/");
    w.time_ms = 7000;
    assert_int_equal(world_set(&w, SID, "/a", "three", 0), ZK_OK);
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    struct zk_stat s = stat_read(&in);
    assert_ptr_equal(in.at, in.end);
    assert_int_equal(s.version, 1);
    assert_int_equal(s.czxid, created);
    assert_int_equal(s.pzxid, created);
    assert_int_equal(s.mzxid, created + 1);
    assert_int_equal(s.mtime_ms, 7000);
    assert_int_equal(s.ctime_ms, 1000);
    assert_int_equal(s.data_length, 5);
    assert_int_equal(w.changes[0].event, ZK_EVENT_DATA_CHANGED);
    assert_int_equal(stat_of("/").pzxid, root.pzxid);
    assert_int_equal(stat_of("/").cversion, root.cversion);
    assert_int_equal(world_set(&w, SID, "/", "root", -1), ZK_OK); /* the root has no parent */
    assert_true(world_data(&w, "/", "root"));
}

static void test_set_acl_touches_aversion_only(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "x", 0), ZK_OK);
    struct zk_stat before = stat_of("/a");
    assert_int_equal(
        world_set_acl(&w, SID, "/a", 0, ZK_PERM_READ | ZK_PERM_ADMIN, "world", "anyone"), ZK_OK);
    assert_string_equal(w.order, "r");
    struct zk_stat after = stat_of("/a");
    assert_int_equal(after.aversion, 1);
    after.aversion = 0;
    assert_true(world_stat_equal(&before, &after));
    assert_int_equal(world_set_acl(&w, SID, "/a", 0, 31, "world", "anyone"), ZK_BAD_VERSION);
    assert_int_equal(world_set_acl(&w, SID, "/a", 1, 31, "world", "anyone"), ZK_OK);
    assert_int_equal(world_set_acl(&w, SID, "/a", -1, 31, "world", "anyone"), ZK_OK);
    assert_int_equal(stat_of("/a").aversion, 3);
}

/* A create that breaks every rule behind the i-th, for each i: it must name the i-th. */
static void test_create_precedence(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/e", "", ZK_CREATE_EPHEMERAL), ZK_OK);
    assert_int_equal(world_create_acl(&w, SID, "/locked", ZK_PERM_READ, "world", "anyone"), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    static const struct {
        int64_t session;
        const char *path;
        int32_t flags, perms_scheme; /* 1: an invalid ACL */
        int32_t error;
    } rows[] = {
        {NO_SID, "bad", 9, 1, ZK_BAD_ARGUMENTS},
        {NO_SID, "bad", 7, 1, ZK_BAD_ARGUMENTS},
        {NO_SID, "bad", -1, 1, ZK_BAD_ARGUMENTS},
        {NO_SID, "bad", 0, 1, ZK_SESSION_EXPIRED},
        {NO_SID, NULL, 0, 1, ZK_SESSION_EXPIRED},
        {SID, NULL, 0, 1, ZK_MARSHALLING_ERROR},
        {SID, "bad", 0, 1, ZK_BAD_ARGUMENTS},
        {SID, "", 0, 1, ZK_BAD_ARGUMENTS},
        {SID, "/none/x\x01", 0, 1, ZK_INVALID_ACL},
        {SID, "/a", 0, 1, ZK_INVALID_ACL},
        {SID, "/none/x\x01", 0, 0, ZK_NO_NODE},
        {SID, "a/b", 0, 0, ZK_NO_NODE},
        {SID, "/a//b", 0, 0, ZK_NO_NODE},
        {SID, "/locked/x\x01", 0, 0, ZK_NO_AUTH},
        {SID, "/a/x\x01", 0, 0, ZK_BAD_ARGUMENTS},
        {SID, "/a/", 0, 0, ZK_BAD_ARGUMENTS},
        {SID, "/a/.", 0, 0, ZK_BAD_ARGUMENTS},
        {SID, "/a", 0, 0, ZK_NODE_EXISTS},
        {SID, "/", 0, 0, ZK_NODE_EXISTS},
        {SID, "/e/x", 0, 0, ZK_NO_CHILDREN_FOR_EPHEMERALS},
        {SID, "/e/x\x01", 0, 0, ZK_BAD_ARGUMENTS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t before = machine_zxid(w.machine);
        world_begin(&w);
        world_put_string(&w, rows[i].path);
        world_put_string(&w, "");
        world_put_acl(&w, 31, rows[i].perms_scheme ? "nobody" : "world", "anyone");
        jute_put_int(&w.out, rows[i].flags);
        int32_t error = world_request(&w, rows[i].session, ZK_OP_CREATE2);
        if (error != rows[i].error)
            fail_msg("row %zu: %d, not %d", i, error, rows[i].error);
        assert_int_equal(machine_zxid(w.machine), before + 1);
        assert_int_equal(w.reply.head.zxid, before + 1);
        assert_int_equal(w.body_size, 0);
        assert_string_equal(w.order, "r");
    }
}

static void test_create_flag_and_opcode_must_fit(void **state)
{
    /* [op][flag], with a good ttl: what is answered; 0 = made */
    static const int32_t ops[4] = {ZK_OP_CREATE, ZK_OP_CREATE2, ZK_OP_CREATE_CONTAINER,
                                   ZK_OP_CREATE_TTL};
    static const int32_t on[4][7] = {{0, 0, 0, 0, 0, -8, -8},
                                     {0, 0, 0, 0, 0, -8, -8},
                                     {0, 0, 0, 0, 0, -8, -8},
                                     {-8, -8, -8, -8, -8, 0, 0}};
    (void)state;
    for (int extended = 0; extended < 2; extended++) {
        struct machine_config config = world_config_default();
        struct world other;
        config.extended_types = extended;
        world_init(&other, &config, 0);
        assert_int_equal(world_open(&other, SID), ZK_OK);
        for (int i = 0; i < 4; i++) {
            for (int32_t flag = 0; flag < 7; flag++) {
                char path[16];
                int32_t want = !extended && flag >= 5 ? ZK_UNIMPLEMENTED : on[i][flag];
                snprintf(path, sizeof path, "/n%d%d-", i, flag);
                assert_int_equal(world_create_op(&other, SID, ops[i], path, "", flag, 100), want);
            }
        }
        world_fini(&other);
    }
    static const int64_t ttls[] = {0, -1, INT64_MIN, ZK_TTL_MS_MAX + 1};
    for (int i = 0; i < 4; i++)
        assert_int_equal(world_create_op(&w, SID, ZK_OP_CREATE_TTL, "/t", "", 5, ttls[i]),
                         ZK_BAD_ARGUMENTS);
    assert_int_equal(world_create_op(&w, SID, ZK_OP_CREATE_TTL, "/t", "", 0, -1), ZK_BAD_ARGUMENTS);
    assert_int_equal(world_create_op(&w, SID, ZK_OP_CREATE_TTL, "/t", "", 5, ZK_TTL_MS_MAX), ZK_OK);
    assert_int_equal(world_create_op(&w, SID, ZK_OP_CREATE_TTL, "/u", "", 5, 1), ZK_OK);
}

static void test_opcode_decides_the_kind(void **state)
{
    static const struct {
        int32_t op, flags;
        const char *path;
        int64_t owner;
    } rows[] = {{ZK_OP_CREATE, 4, "/n0", 0},
                {ZK_OP_CREATE, 1, "/n1", SID},
                {ZK_OP_CREATE2, 3, "/n2-0000000002", SID},
                {ZK_OP_CREATE_CONTAINER, 0, "/n3", ZK_OWNER_CONTAINER},
                {ZK_OP_CREATE_CONTAINER, 1, "/n4", ZK_OWNER_CONTAINER},
                {ZK_OP_CREATE_CONTAINER, 2, "/n5-0000000005", ZK_OWNER_CONTAINER},
                {ZK_OP_CREATE_TTL, 5, "/n6", (int64_t)(ZK_OWNER_TTL_TOP | 100)},
                {ZK_OP_CREATE_TTL, 6, "/n7-0000000007", (int64_t)(ZK_OWNER_TTL_TOP | 100)}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[16];
        snprintf(path, sizeof path, "/n%zu%s", i, strchr(rows[i].path, '-') ? "-" : "");
        assert_int_equal(world_create_op(&w, SID, rows[i].op, path, "", rows[i].flags, 100), ZK_OK);
        const struct znode *node = tree_find(w.tree, bytes_of_string(rows[i].path));
        assert_non_null(node);
        assert_int_equal(znode_owner(node), rows[i].owner);
        assert_int_equal(stat_of(rows[i].path).ephemeral_owner, rows[i].owner == SID ? SID : 0);
    }
    assert_int_equal(world_create(&w, SID, "/n3/x", "", 0), ZK_OK); /* below a container */
    assert_int_equal(world_create(&w, SID, "/n6/x", "", 0), ZK_OK); /* below a TTL node */
}

static void test_sequence_suffix(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/t", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/t/a", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/t/b", "", 0), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/t/a", -1), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/t/x", "", 2), ZK_OK);
    assert_string_equal(world_body_path(&w), "/t/x0000000002");
    assert_int_equal(world_create(&w, SID, "/t/", "", 2), ZK_OK);
    assert_string_equal(world_body_path(&w), "/t/0000000003");
    assert_int_equal(world_create(&w, SID, "/t/.", "", 2), ZK_OK);
    assert_string_equal(world_body_path(&w), "/t/.0000000004");
    assert_int_equal(world_create(&w, SID, "/", "", 2), ZK_OK);
    assert_string_equal(world_body_path(&w), "/0000000001");
}

static void test_delete_precedence(void **state)
{
    static const struct {
        int64_t session;
        const char *path;
        int32_t version, error;
    } rows[] = {
        {NO_SID, NULL, 0, ZK_SESSION_EXPIRED},
        {SID, NULL, 0, ZK_MARSHALLING_ERROR},
        {SID, "", 0, ZK_BAD_ARGUMENTS},
        {SID, "x", 0, ZK_BAD_ARGUMENTS},
        {SID, "/", -1, ZK_BAD_ARGUMENTS},
        {SID, "/zookeeper", -1, ZK_BAD_ARGUMENTS},
        {SID, "/zookeeper/quota", -1, ZK_BAD_ARGUMENTS},
        {SID, "/zookeeper/config", -1, ZK_BAD_ARGUMENTS},
        {SID, "/none/x", 9, ZK_NO_NODE},
        {SID, "/locked/c", 9, ZK_NO_AUTH},
        {SID, "/locked/none", 9, ZK_NO_AUTH},
        {SID, "/none", 9, ZK_NO_NODE},
        {SID, "/p/", -1, ZK_NO_NODE},
        {SID, "/p\x01", -1, ZK_NO_NODE},
        {SID, "/p", 9, ZK_BAD_VERSION},
        {SID, "/p", -2, ZK_BAD_VERSION},
        {SID, "/p", 0, ZK_NOT_EMPTY},
        {SID, "/p", -1, ZK_NOT_EMPTY},
    };
    (void)state;
    assert_int_equal(world_create(&w, SID, "/p", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/p/c", "", 0), ZK_OK);
    assert_int_equal(world_create_acl(&w, SID, "/locked", ZK_PERM_CREATE, "world", "anyone"),
                     ZK_OK);
    assert_int_equal(world_create(&w, SID, "/locked/c", "", 0), ZK_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t before = machine_zxid(w.machine);
        int32_t error = world_delete(&w, rows[i].session, rows[i].path, rows[i].version);
        if (error != rows[i].error)
            fail_msg("row %zu: %d, not %d", i, error, rows[i].error);
        assert_int_equal(machine_zxid(w.machine), before + 1);
    }
}

static void test_set_data_precedence(void **state)
{
    static const struct {
        int64_t session;
        const char *path;
        int32_t version, error;
    } rows[] = {
        {NO_SID, "bad", 9, ZK_SESSION_EXPIRED},
        {SID, NULL, 9, ZK_BAD_ARGUMENTS},
        {SID, "bad", 9, ZK_BAD_ARGUMENTS},
        {SID, "", 9, ZK_BAD_ARGUMENTS},
        {SID, "/none", 9, ZK_NO_NODE},
        {SID, "/locked", 9, ZK_NO_AUTH},
        {SID, "/zookeeper/config", 9, ZK_NO_AUTH},
        {SID, "/p", 9, ZK_BAD_VERSION},
        {SID, "/p", -2, ZK_BAD_VERSION},
        {SID, "/p", 0, ZK_OK},
    };
    (void)state;
    assert_int_equal(world_create(&w, SID, "/p", "", 0), ZK_OK);
    assert_int_equal(world_create_acl(&w, SID, "/locked", ZK_PERM_READ, "world", "anyone"), ZK_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t error = world_set(&w, rows[i].session, rows[i].path, "", rows[i].version);
        if (error != rows[i].error)
            fail_msg("row %zu: %d, not %d", i, error, rows[i].error);
    }
}

static void test_set_acl_precedence(void **state)
{
    static const struct {
        int64_t session;
        const char *path, *scheme;
        int32_t version, error;
    } rows[] = {
        {NO_SID, "bad", "nobody", 9, ZK_SESSION_EXPIRED},
        {SID, NULL, "nobody", 9, ZK_BAD_ARGUMENTS},
        {SID, "bad", "nobody", 9, ZK_BAD_ARGUMENTS},
        {SID, "/none", "nobody", 9, ZK_INVALID_ACL},
        {SID, "/none", "world", 9, ZK_NO_NODE},
        {SID, "/locked", "world", 9, ZK_NO_AUTH},
        {SID, "/p", "world", 9, ZK_BAD_VERSION},
        {SID, "/p", "world", 0, ZK_OK},
    };
    (void)state;
    assert_int_equal(world_create(&w, SID, "/p", "", 0), ZK_OK);
    assert_int_equal(world_create_acl(&w, SID, "/locked", ZK_PERM_READ, "world", "anyone"), ZK_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t error = world_set_acl(&w, rows[i].session, rows[i].path, rows[i].version, 31,
                                      rows[i].scheme, "anyone");
        if (error != rows[i].error)
            fail_msg("row %zu: %d, not %d", i, error, rows[i].error);
    }
}

static void test_super_cannot_set_the_configuration(void **state)
{
    (void)state;
    assert_int_equal(world_auth(&w, SID, "super", ""), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/zookeeper/config", "x", -1), ZK_NO_AUTH);
    assert_int_equal(world_set(&w, SID, "/zookeeper/quota", "x", -1), ZK_OK);
}

static void test_internal_and_unknown_opcodes(void **state)
{
    static const int32_t ops[] = {ZK_OP_CREATE_SESSION, ZK_OP_DELETE_CONTAINER, ZK_OP_GET_DATA, 10,
                                  99};
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        int64_t before = machine_zxid(w.machine);
        world_begin(&w);
        world_put_string(&w, "/a");
        assert_int_equal(world_request(&w, SID, ops[i]), ZK_UNIMPLEMENTED);
        assert_int_equal(machine_zxid(w.machine), before + 1);
    }
    world_begin(&w);
    world_put_string(&w, "/");
    jute_put_int(&w.out, -1);
    assert_int_equal(world_request(&w, SID, ZK_OP_CHECK), ZK_UNIMPLEMENTED);
}

static void test_undecodable_consumes_nothing(void **state)
{
    static const int32_t ops[] = {ZK_OP_CREATE,   ZK_OP_CREATE_TTL, ZK_OP_DELETE,
                                  ZK_OP_SET_DATA, ZK_OP_SET_ACL,    ZK_OP_RECONFIG};
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        int64_t before = machine_zxid(w.machine);
        world_begin(&w);
        jute_put_int(&w.out, 100);
        assert_int_equal(world_request(&w, SID, ops[i]), ZK_MARSHALLING_ERROR);
        assert_int_equal(machine_zxid(w.machine), before);
    }
    assert_int_equal(machine_counters(w.machine)->undecodable, 6);
}

static void reconfig_body(void)
{
    world_begin(&w);
    world_put_string(&w, NULL);
    world_put_string(&w, "2");
    world_put_string(&w, NULL);
    jute_put_long(&w.out, -1);
}

static void test_reconfig_answers_as_standalone(void **state)
{
    struct machine_config config = world_config_default();
    (void)state;
    reconfig_body();
    assert_int_equal(world_request(&w, NO_SID, ZK_OP_RECONFIG), ZK_RECONFIG_DISABLED);
    world_fini(&w);
    config.reconfig_enabled = true;
    world_init(&w, &config, 0);
    assert_int_equal(world_open(&w, SID), ZK_OK);
    reconfig_body();
    assert_int_equal(world_request(&w, NO_SID, ZK_OP_RECONFIG), ZK_SESSION_EXPIRED);
    reconfig_body();
    assert_int_equal(world_request(&w, SID, ZK_OP_RECONFIG), ZK_UNIMPLEMENTED);
}

static void test_zxid_epoch_is_the_term(void **state)
{
    (void)state;
    assert_int_equal(machine_zxid(w.machine), (1ll << 32) | 1); /* the session's */
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    assert_int_equal(machine_zxid(w.machine), (1ll << 32) | 2);
    w.term = 5;
    world_apply(&w, (struct command){.kind = COMMAND_NOOP}, NULL, 0);
    assert_int_equal(machine_zxid(w.machine), (1ll << 32) | 2);
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_NODE_EXISTS);
    assert_int_equal(machine_zxid(w.machine), (5ll << 32) | 1);
    assert_int_equal(world_create(&w, SID, "/b", "", 0), ZK_OK);
    assert_int_equal(machine_zxid(w.machine), (5ll << 32) | 2);
}

static void test_time_never_decreases(void **state)
{
    (void)state;
    w.time_ms = 9000;
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    w.time_ms = 8000;
    assert_int_equal(world_create(&w, SID, "/b", "", 0), ZK_OK);
    assert_int_equal(stat_of("/b").ctime_ms, 9000);
    assert_int_equal(machine_time_ms(w.machine), 9000);
}

static void test_memory_limit_refuses_growth_only(void **state)
{
    struct machine_config config = world_config_default();
    int32_t error = ZK_OK;
    char path[16], big[4096];
    int made = 0;
    (void)state;
    world_fini(&w);
    world_init(&w, &config, 1 << 20);
    assert_int_equal(world_open(&w, SID), ZK_OK);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    while (!error && made < 1000) {
        snprintf(path, sizeof path, "/n%d", made);
        error = world_create(&w, SID, path, big, 0);
        made += !error;
    }
    assert_int_equal(error, ZK_SYSTEM_ERROR);
    assert_true(made > 100 && made < 300);
    assert_true(machine_counters(w.machine)->memory_refused > 0);
    assert_int_equal(world_set(&w, SID, "/n0", "small", -1), ZK_OK);
    assert_int_equal(world_set_acl(&w, SID, "/n1", -1, 31, "world", "anyone"), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/n2", -1), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/again", big, 0), ZK_OK);
}

static void test_acl_table_full(void **state)
{
    struct machine_config config = world_config_default();
    (void)state;
    world_fini(&w);
    config.acl_count_max = 3;
    world_init(&w, &config, 0);
    assert_int_equal(world_open(&w, SID), ZK_OK);
    assert_int_equal(world_create_acl(&w, SID, "/a", 1, "digest", "a:b"), ZK_OK);
    assert_int_equal(world_create_acl(&w, SID, "/b", 1, "digest", "c:d"), ZK_SYSTEM_ERROR);
    assert_int_equal(world_create(&w, SID, "/b", "", 0), ZK_OK);
    assert_int_equal(world_set_acl(&w, SID, "/b", -1, 1, "digest", "c:d"), ZK_SYSTEM_ERROR);
    assert_int_equal(world_set_acl(&w, SID, "/b", -1, 1, "digest", "a:b"), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/a", -1), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/b", -1), ZK_OK);
    assert_int_equal(world_create_acl(&w, SID, "/b", 1, "digest", "c:d"), ZK_OK);
}

static void test_create_ranges(void **state)
{
    struct machine_config config = world_config_default();
    struct machine *machine;
    (void)state;
    config.session_count_max = 0;
    assert_int_equal(machine_create(&machine, &config, w.tree), ERR_RANGE);
    config.session_count_max = (1 << 24) + 1;
    assert_int_equal(machine_create(&machine, &config, w.tree), ERR_RANGE);
    config.session_count_max = 1;
    config.acl_count_max = 1;
    assert_int_equal(machine_create(&machine, &config, w.tree), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_makes_node_and_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create2_answers_path_and_stat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_null_data_differs_from_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_data, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_acl_touches_aversion_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_precedence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_flag_and_opcode_must_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_opcode_decides_the_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sequence_suffix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_precedence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_data_precedence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_acl_precedence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_super_cannot_set_the_configuration, setup, teardown),
        cmocka_unit_test_setup_teardown(test_internal_and_unknown_opcodes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_undecodable_consumes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reconfig_answers_as_standalone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zxid_epoch_is_the_term, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_never_decreases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_acl_table_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_limit_refuses_growth_only, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
