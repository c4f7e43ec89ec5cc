/* Goal: sessions open, attach, authenticate, close and expire as zk_protocol.md section 15 and the
 * numbering of store/machine.h say. Method: one command at a time on a recorded machine. */
#include "tests/model/world.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SID   0x1001
#define OTHER 0x1002

static struct world w;

static int setup(void **state)
{
    struct machine_config config = world_config_default();
    (void)state;
    world_init(&w, &config, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    return 0;
}

static void test_open(void **state)
{
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    assert_string_equal(w.order, "str");
    assert_int_equal(w.reply.session, SID);
    assert_int_equal(w.reply.attach, 1);
    assert_int_equal(w.reply.timeout_ms, 4000);
    assert_int_equal(w.reply.command_kind, COMMAND_OPEN);
    int64_t sid = SID;
    assert_memory_equal(w.reply.password, &sid, 8);
    assert_int_equal(w.session.state, SESSION_ATTACHED);
    assert_int_equal(w.session.attach, 1);
    assert_int_equal(w.timer_session, SID);
    assert_int_equal(w.timer_ms, 4000);
    assert_int_equal(machine_zxid(w.machine), (1ll << 32) | 1);
    assert_int_equal(machine_session_count(w.machine), 1);
}

static void test_open_refused(void **state)
{
    (void)state;
    assert_int_equal(world_open(&w, 0), ZK_SYSTEM_ERROR);
    assert_int_equal(world_open(&w, INT64_MIN), ZK_SYSTEM_ERROR);
    assert_int_equal(world_open(&w, SID), ZK_OK);
    assert_int_equal(world_open(&w, SID), ZK_SYSTEM_ERROR);
    assert_int_equal(w.reply.session, 0);
    assert_int_equal(w.reply.timeout_ms, 0);
    assert_int_equal(machine_zxid(w.machine), (1ll << 32) | 4);
    for (int i = 1; i < 64; i++)
        assert_int_equal(world_open(&w, SID + i), ZK_OK);
    assert_int_equal(world_open(&w, SID + 64), ZK_SYSTEM_ERROR); /* the table's bound */
    assert_string_equal(w.order, "r");
    assert_int_equal(world_close(&w, SID + 5), ZK_OK);
    assert_int_equal(world_open(&w, SID + 64), ZK_OK);
    world_apply(&w, (struct command){.kind = COMMAND_OPEN, .session = 5}, "short", 5);
    assert_int_equal(w.reply.error, ZK_MARSHALLING_ERROR);
}

static void test_attach(void **state)
{
    static const uint8_t wrong[16] = {1};
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    int64_t zxid = machine_zxid(w.machine);
    assert_int_equal(world_attach(&w, SID, wrong), ZK_SESSION_EXPIRED);
    assert_int_equal(w.reply.session, 0);
    assert_string_equal(w.order, "r");
    assert_int_equal(world_attach(&w, OTHER, NULL), ZK_SESSION_EXPIRED);
    assert_int_equal(world_attach(&w, SID, NULL), ZK_OK);
    assert_string_equal(w.order, "str");
    assert_int_equal(w.reply.attach, 2);
    assert_int_equal(w.reply.timeout_ms, 6000);
    assert_int_equal(w.session.attach, 2);
    assert_int_equal(w.timer_ms, 6000);
    assert_int_equal(machine_zxid(w.machine), zxid);
}

static void test_password_of_another_size_never_matches(void **state)
{
    struct session_open body = {.timeout_ms = 4000, .password_size = 8};
    int64_t sid = SID;
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    memcpy(body.password, &sid, 8);
    memcpy(body.password + 8, &sid, 8);
    world_apply(&w, (struct command){.kind = COMMAND_ATTACH, .session = SID}, &body, sizeof body);
    assert_int_equal(w.reply.error, ZK_SESSION_EXPIRED);
    body.password_size = 16;
    world_apply(&w, (struct command){.kind = COMMAND_ATTACH, .session = SID}, &body, sizeof body);
    assert_int_equal(w.reply.error, ZK_OK);
}

static void test_older_attach_is_moved(void **state)
{
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    assert_int_equal(world_attach(&w, SID, NULL), ZK_OK);
    int64_t zxid = machine_zxid(w.machine);
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_SESSION_MOVED);
    assert_null(tree_find(w.tree, bytes_of_string("/a")));
    assert_int_equal(machine_zxid(w.machine), zxid + 1);
    assert_int_equal(world_auth(&w, SID, "digest", "a:b"), ZK_SESSION_MOVED);
    world_begin(&w);
    world_put_string(&w, "/");
    world_query(&w, (struct command){.op = ZK_OP_SYNC, .session = SID, .attach = 1}, w.request, 5);
    assert_int_equal(w.reply.error, ZK_SESSION_MOVED);
    assert_int_equal(world_close(&w, SID), ZK_SESSION_MOVED);
    w.attach = 2;
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    assert_int_equal(machine_counters(w.machine)->moved, 3);
}

static void test_repeats_have_no_effect(void **state)
{
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    w.sequence = 1;
    assert_int_equal(world_create(&w, SID, "/a", "", ZK_CREATE_PERSISTENT_SEQUENTIAL), ZK_OK);
    int64_t zxid = machine_zxid(w.machine);
    assert_int_equal(world_create(&w, SID, "/a", "", ZK_CREATE_PERSISTENT_SEQUENTIAL), 1);
    assert_string_equal(w.order, "");
    assert_int_equal(machine_zxid(w.machine), zxid);
    w.sequence = 2;
    assert_int_equal(world_auth(&w, SID, "digest", "a:b"), ZK_OK);
    world_auth(&w, SID, "digest", "c:d");
    assert_string_equal(w.order, "");
    w.sequence = 5; /* 3 and 4 were refused by CORE */
    assert_int_equal(world_create(&w, SID, "/b", "", 0), ZK_OK);
    w.sequence = 4;
    assert_int_equal(world_create(&w, SID, "/c", "", 0), 1);
    assert_int_equal(machine_counters(w.machine)->repeats, 3);
    assert_int_equal(machine_counters(w.machine)->gaps, 2);
    assert_int_equal(world_attach(&w, SID, NULL), ZK_OK); /* numbering starts afresh */
    w.attach = 2;
    w.sequence = 1;
    assert_int_equal(world_create(&w, SID, "/d", "", 0), ZK_OK);
}

static void test_identities_belong_to_the_attach(void **state)
{
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    int64_t zxid = machine_zxid(w.machine);
    assert_int_equal(world_auth(&w, SID, "digest", "bob:x"), ZK_OK);
    assert_int_equal(machine_zxid(w.machine), zxid);
    assert_int_equal(world_create_acl(&w, SID, "/mine", 31, "auth", ""), ZK_OK);
    assert_int_equal(w.changes[0].acl_size, 4 + 4 + 4 + 6 + 4 + 5);
    assert_int_equal(w.changes[0].parent_acl_size, -1);
    assert_int_equal(world_set(&w, SID, "/mine", "x", -1), ZK_OK);
    assert_int_equal(world_attach(&w, SID, NULL), ZK_OK);
    w.attach = 2;
    assert_int_equal(world_set(&w, SID, "/mine", "x", -1), ZK_NO_AUTH);
    assert_int_equal(world_create_acl(&w, SID, "/mine2", 31, "auth", ""), ZK_INVALID_ACL);
    assert_int_equal(world_create_acl(&w, SID, "/ip", 31, "ip", "10.0.0.0/24"), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/ip", "x", -1), ZK_OK); /* the client is 10.0.0.1 */
    assert_int_equal(world_create_acl(&w, SID, "/ip2", 31, "ip", "10.0.1.0/24"), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/ip2", "x", -1), ZK_NO_AUTH);
}

static void test_auth_limit_and_unknown_session(void **state)
{
    char id[LIMIT_IDENTITIES_SIZE];
    (void)state;
    assert_int_equal(world_auth(&w, SID, "digest", "a:b"), ZK_SESSION_EXPIRED);
    assert_int_equal(world_open(&w, SID), ZK_OK);
    memset(id, 'a', sizeof id);
    id[sizeof id - 1] = 0;
    assert_int_equal(world_auth(&w, SID, "digest", id), ZK_AUTH_FAILED);
    assert_int_equal(world_auth(&w, SID, "digest", "a:b"), ZK_OK);
}

static void make_ephemerals(void)
{
    assert_int_equal(world_open(&w, SID), ZK_OK);
    assert_int_equal(world_open(&w, OTHER), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/d", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/d/b", "", ZK_CREATE_EPHEMERAL), ZK_OK);
    assert_int_equal(world_create(&w, OTHER, "/d/other", "", ZK_CREATE_EPHEMERAL), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/d/a", "", ZK_CREATE_EPHEMERAL), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/d/gone", "", ZK_CREATE_EPHEMERAL), ZK_OK);
    assert_int_equal(world_delete(&w, OTHER, "/d/gone", -1), ZK_OK);
    assert_int_equal(machine_ephemeral_count(w.machine), 3);
}

static void test_close_deletes_ephemerals_in_one_zxid(void **state)
{
    struct zk_stat s;
    (void)state;
    make_ephemerals();
    int64_t zxid = machine_zxid(w.machine);
    assert_int_equal(world_close(&w, SID), ZK_OK);
    assert_int_equal(machine_zxid(w.machine), zxid + 1);
    assert_string_equal(w.order, "ccrst");
    assert_string_equal(w.changes[0].path, "/d/a"); /* in the order of paths */
    assert_string_equal(w.changes[1].path, "/d/b");
    assert_int_equal(w.changes[0].event, ZK_EVENT_DELETED);
    assert_int_equal(w.session.state, SESSION_CLOSED);
    assert_int_equal(w.timer_ms, 0);
    assert_true(world_stat(&w, "/d", &s));
    assert_int_equal(s.num_children, 1);
    assert_int_equal(s.pzxid, zxid + 1);
    assert_int_equal(s.cversion, 7); /* 4 creations, 3 deletions */
    assert_int_equal(machine_ephemeral_count(w.machine), 1);
    assert_int_equal(world_close(&w, SID), ZK_SESSION_EXPIRED);
    assert_int_equal(world_attach(&w, SID, NULL), ZK_SESSION_EXPIRED);
    assert_int_equal(world_create(&w, SID, "/x", "", 0), ZK_SESSION_EXPIRED);
}

static void test_expire(void **state)
{
    (void)state;
    make_ephemerals();
    int64_t zxid = machine_zxid(w.machine);
    world_expire(&w, OTHER);
    assert_string_equal(w.order, "cst");
    assert_int_equal(w.session.state, SESSION_EXPIRED);
    assert_int_equal(w.session.session, OTHER);
    assert_int_equal(machine_zxid(w.machine), zxid + 1);
    assert_null(tree_find(w.tree, bytes_of_string("/d/other")));
    world_expire(&w, OTHER); /* a repeat */
    assert_string_equal(w.order, "");
    assert_int_equal(machine_zxid(w.machine), zxid + 1);
    assert_int_equal(machine_counters(w.machine)->sessions_expired, 1);
}

static void query(int32_t op, const char *path, int64_t session)
{
    world_begin(&w);
    world_put_string(&w, path);
    world_query(&w, (struct command){.op = op, .session = session, .attach = 1}, w.request,
                (size_t)(w.out.at - w.request));
}

static void ephemerals_of(const char *prefix, const char *const *want, int count)
{
    query(ZK_OP_GET_EPHEMERALS, prefix, SID);
    assert_int_equal(w.reply.error, ZK_OK);
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    assert_int_equal(jute_get_int(&in), count);
    for (int i = 0; i < count; i++)
        assert_true(bytes_equal(jute_get_bytes(&in), bytes_of_string(want[i])));
    assert_ptr_equal(in.at, in.end);
}

static void test_get_ephemerals(void **state)
{
    static const char *const all[] = {"/d/b", "/d/a"};
    (void)state;
    make_ephemerals();
    uint64_t hash = machine_hash(w.machine);
    ephemerals_of(NULL, all, 2);
    ephemerals_of("", all, 2);
    ephemerals_of("  ", all, 2);
    ephemerals_of("/", all, 2);
    ephemerals_of("/d", all, 2);
    ephemerals_of("/d/", all, 2);
    ephemerals_of("/d/a", all + 1, 1);
    ephemerals_of("/none", all, 0);
    query(ZK_OP_GET_EPHEMERALS, "/", 0x77);
    assert_int_equal(w.reply.error, ZK_SESSION_EXPIRED);
    query(ZK_OP_GET_DATA, "/", SID);
    assert_int_equal(w.reply.error, ZK_UNIMPLEMENTED);
    assert_int_equal(machine_hash(w.machine), hash);
}

static void test_sync_echoes(void **state)
{
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    query(ZK_OP_SYNC, "no//path", SID);
    assert_int_equal(w.reply.error, ZK_OK);
    assert_string_equal(world_body_path(&w), "no//path");
    query(ZK_OP_SYNC, NULL, SID);
    assert_memory_equal(w.body, "\xFF\xFF\xFF\xFF", 4);
    assert_int_equal(w.body_size, 4);
    world_query(&w, (struct command){.op = ZK_OP_SYNC, .session = SID, .attach = 1}, "\0\0\0\5", 4);
    assert_int_equal(w.reply.error, ZK_MARSHALLING_ERROR);
}

static void test_dump_lists_sessions_and_ephemerals(void **state)
{
    (void)state;
    make_ephemerals();
    query(COMMAND_OP_DUMP, "", 0);
    w.body[w.body_size] = 0;
    assert_non_null(strstr((char *)w.body, "Global Sessions(2):\n0x1001\t4000ms\n0x1002\t"));
    assert_non_null(strstr((char *)w.body,
                           "Sessions with Ephemerals (2):\n0x1001:\n\t/d/b\n\t/d/a\n"
                           "0x1002:\n\t/d/other\n"));
}

static void test_refuse_tells_and_changes_nothing(void **state)
{
    struct command c = {.kind = COMMAND_REQUEST,
                        .version = COMMAND_VERSION,
                        .op = ZK_OP_CREATE,
                        .xid = 9,
                        .conn = 3,
                        .session = SID};
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    uint64_t hash = machine_hash(w.machine);
    machine_refuse(w.machine, &c, ZK_SYSTEM_ERROR, &w.sink);
    assert_int_equal(w.reply.error, ZK_SYSTEM_ERROR);
    assert_int_equal(w.reply.xid, 9);
    assert_int_equal(w.reply.head.zxid, machine_zxid(w.machine));
    assert_int_equal(machine_hash(w.machine), hash);
}

static void test_many_ephemerals_grow_the_index(void **state)
{
    char path[32];
    (void)state;
    assert_int_equal(world_open(&w, SID), ZK_OK);
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "/e%d", i);
        assert_int_equal(world_create(&w, SID, path, "", ZK_CREATE_EPHEMERAL), ZK_OK);
        if (i % 3 == 0)
            assert_int_equal(world_delete(&w, SID, path, 0), ZK_OK);
    }
    assert_int_equal(machine_ephemeral_count(w.machine), 2000);
    world_expire(&w, SID);
    assert_int_equal(w.change_count, 2000);
    assert_int_equal(machine_ephemeral_count(w.machine), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attach, setup, teardown),
        cmocka_unit_test_setup_teardown(test_password_of_another_size_never_matches, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_older_attach_is_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeats_have_no_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identities_belong_to_the_attach, setup, teardown),
        cmocka_unit_test_setup_teardown(test_auth_limit_and_unknown_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_deletes_ephemerals_in_one_zxid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get_ephemerals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sync_echoes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dump_lists_sessions_and_ephemerals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuse_tells_and_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_ephemerals_grow_the_index, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
