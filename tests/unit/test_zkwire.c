/* Goal: requests have the bytes of zk_protocol.md. Method: the examples of its section 23 and the
 * layouts of sections 4 to 8, written by hand; every short room is bad; replies cut anywhere too.
 */
#include "tools/takt/zkwire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint8_t room[256];

static struct jute_out start(void)
{
    memset(room, 0xaa, sizeof(room));
    return jute_out(room, sizeof(room));
}

static void expect(const struct jute_out *out, const char *bytes, size_t size)
{
    assert_false(out->bad);
    assert_int_equal(out->at - room, size);
    assert_memory_equal(room, bytes, size);
}

#define EXPECT(out, literal) expect(out, literal, sizeof(literal) - 1)

static const struct zkwire_acl open_acl = {
    31, {(const uint8_t *)"world", 5}, {(const uint8_t *)"anyone", 6}};

static void test_create_as_captured(void **state)
{
    struct jute_out out = start();
    uint8_t *mark = zkwire_begin(&out, 7, ZK_OP_CREATE);
    zkwire_put_create(&out, bytes_of_string("/t"), bytes_of("", 0), &open_acl, 1, 0);
    zkwire_end(&out, mark);
    EXPECT(&out,
           "\0\0\0\x31\0\0\0\7\0\0\0\1\0\0\0\2/t\0\0\0\0\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6"
           "anyone\0\0\0\0");
}

static void test_ping_as_captured(void **state)
{
    struct jute_out out = start();
    zkwire_end(&out, zkwire_begin(&out, ZK_XID_PING, ZK_OP_PING));
    EXPECT(&out, "\0\0\0\x08\xff\xff\xff\xfe\0\0\0\x0b");
}

static void test_connect(void **state)
{
    const uint8_t password[16] = "0123456789abcdef";
    struct jute_out out = start();
    zkwire_put_connect(&out, 5, 10000, 9, password);
    EXPECT(&out, "\0\0\0\x2d\0\0\0\0\0\0\0\0\0\0\0\5\0\0\x27\x10\0\0\0\0\0\0\0\x09\0\0\0\x10"
                 "0123456789abcdef\0");
}

static void test_records(void **state)
{
    struct jute_out out = start();
    zkwire_put_set(&out, bytes_of_string("/a"), (struct bytes){NULL, -1}, -1);
    EXPECT(&out, "\0\0\0\2/a\xff\xff\xff\xff\xff\xff\xff\xff");
    out = start();
    zkwire_put_path_watch(&out, bytes_of_string("/a"), true);
    EXPECT(&out, "\0\0\0\2/a\1");
    out = start();
    zkwire_put_path_int(&out, bytes_of_string("/a"), 3);
    EXPECT(&out, "\0\0\0\2/a\0\0\0\3");
    out = start();
    zkwire_put_path(&out, bytes_of_string("/a"));
    EXPECT(&out, "\0\0\0\2/a");
    out = start();
    zkwire_put_set_acl(&out, bytes_of_string("/a"), &open_acl, 1, 2);
    EXPECT(&out, "\0\0\0\2/a\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone\0\0\0\2");
    out = start();
    zkwire_put_auth(&out, bytes_of_string("digest"), bytes_of_string("u:p"));
    EXPECT(&out, "\0\0\0\0\0\0\0\6digest\0\0\0\3u:p");
    out = start();
    zkwire_put_reconfig(&out, bytes_of_string("a"), (struct bytes){NULL, -1}, bytes_of(NULL, 0),
                        -1);
    EXPECT(&out, "\0\0\0\1a\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    out = start();
    zkwire_put_ttl(&out, 0x1ff);
    EXPECT(&out, "\0\0\0\0\0\0\1\xff");
    out = start();
    zkwire_put_multi_header(&out, ZK_OP_CHECK, false);
    zkwire_put_multi_header(&out, -1, true);
    EXPECT(&out, "\0\0\0\x0d\0\xff\xff\xff\xff\xff\xff\xff\xff\1\xff\xff\xff\xff");
}

static void test_no_room(void **state)
{
    for (size_t size = 0; size < 53; size++) {
        memset(room, 0xaa, sizeof(room));
        struct jute_out out = jute_out(room, size);
        uint8_t *mark = zkwire_begin(&out, 7, ZK_OP_CREATE);
        zkwire_put_create(&out, bytes_of_string("/t"), bytes_of("", 0), &open_acl, 1, 0);
        zkwire_end(&out, mark);
        assert_true(out.bad);
        assert_int_equal(room[size], 0xaa);
    }
}

static void test_session(void **state)
{
    const char reply[] = "\0\0\0\0\0\0\x27\x10\1\0\0\xad\xf7\x10\0\0\0\0\0\x10"
                         "0123456789abcdef\0";
    struct zkwire_session session;
    struct jute_in in = jute_in(reply, 37);
    assert_true(zkwire_get_session(&in, &session));
    assert_int_equal(session.timeout_ms, 10000);
    assert_true(session.id == 0x010000adf7100000);
    assert_memory_equal(session.password, "0123456789abcdef", 16);
    in = jute_in(reply, 36); /* servers answer without the readOnly byte when it was not sent */
    assert_true(zkwire_get_session(&in, &session));
    for (size_t n = 0; n < 36; n++) {
        in = jute_in(reply, n);
        assert_false(zkwire_get_session(&in, &session));
    }
    char other[37];
    memcpy(other, reply, 37);
    other[19] = 8; /* a password of another length */
    in = jute_in(other, 37);
    assert_false(zkwire_get_session(&in, &session));
}

static void test_stat_and_acl(void **state)
{
    struct jute_out out = start();
    for (int i = 1; i <= 4; i++)
        jute_put_long(&out, i);
    for (int i = 5; i <= 7; i++)
        jute_put_int(&out, i);
    jute_put_long(&out, 8);
    jute_put_int(&out, 9);
    jute_put_int(&out, 10);
    jute_put_long(&out, 11);
    assert_int_equal(out.at - room, ZK_STAT_SIZE);
    struct jute_in in = jute_in(room, ZK_STAT_SIZE);
    struct zk_stat stat;
    zkwire_get_stat(&in, &stat);
    assert_false(in.bad);
    assert_true(stat.czxid == 1 && stat.mzxid == 2 && stat.ctime_ms == 3 && stat.mtime_ms == 4);
    assert_true(stat.version == 5 && stat.cversion == 6 && stat.aversion == 7);
    assert_true(stat.ephemeral_owner == 8 && stat.data_length == 9 && stat.num_children == 10);
    assert_true(stat.pzxid == 11);
    in = jute_in(room, ZK_STAT_SIZE - 1);
    zkwire_get_stat(&in, &stat);
    assert_true(in.bad);
    in = jute_in("\0\0\0\1\0\0\0\5world\0\0\0\6anyone", 23);
    struct zkwire_acl acl;
    zkwire_get_acl(&in, &acl);
    assert_false(in.bad);
    assert_true(bytes_equal(acl.id, bytes_of_string("anyone")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_as_captured),
        cmocka_unit_test(test_ping_as_captured),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_stat_and_acl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
