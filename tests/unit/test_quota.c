/* Goal: usage of quota subtrees is kept, silently, for the longest prefix, and hard limits are
 * refused when enforced (zk_protocol.md section 17). Method: the text by table; then a machine
 * whose stats nodes are compared after each change. */
#include "store/quota.h"
#include "tests/model/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SID 0x1001
#define Q   "/zookeeper/quota"

static struct world w;

static int setup_enforced(bool enforce)
{
    struct machine_config config = world_config_default();
    config.enforce_quota = enforce;
    world_init(&w, &config, 0);
    return world_open(&w, SID);
}

static int setup(void **state)
{
    (void)state;
    return setup_enforced(true);
}

static int setup_soft(void **state)
{
    (void)state;
    return setup_enforced(false);
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    return 0;
}

static void test_text(void **state)
{
    static const struct {
        const char *text;
        int64_t count, bytes, count_hard, bytes_hard;
    } rows[] = {
        {"count=5,bytes=10", 5, 10, -1, -1},
        {"count=-1,bytes=-1=;byteHardLimit=7;countHardLimit=3", -1, -1, 3, 7},
        {"count=1,bytes=2=;countHardLimit=4", 1, 2, 4, -1},
        {"bytes=9", -1, 9, -1, -1},
        {"count=,bytes=", -1, -1, -1, -1},
        {"", -1, -1, -1, -1},
        {"junk", -1, -1, -1, -1},
        {"count=x,,;;bytes=3,other=9", -1, 3, -1, -1},
        {"count=99999999999999999999,bytes=9223372036854775807", -1, INT64_MAX, -1, -1},
        {"=,=;=5", -1, -1, -1, -1},
    };
    char out[QUOTA_TEXT_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct quota_track t = quota_parse(bytes_of_string(rows[i].text));
        assert_int_equal(t.count, rows[i].count);
        assert_int_equal(t.bytes, rows[i].bytes);
        assert_int_equal(t.count_hard, rows[i].count_hard);
        assert_int_equal(t.bytes_hard, rows[i].bytes_hard);
        int32_t size = quota_format(&t, out);
        struct quota_track again = quota_parse(bytes_of(out, (size_t)size));
        assert_memory_equal(&t, &again, sizeof t);
        if (i < 3)
            assert_string_equal(out, rows[i].text);
    }
    struct quota_track widest = {INT64_MIN + 1, INT64_MIN + 1, INT64_MIN + 1, INT64_MIN + 1};
    assert_true(quota_format(&widest, out) < QUOTA_TEXT_SIZE);
}

/* Makes /zookeeper/quota<prefix> with limits and stats, as a client does. */
static void quota(const char *prefix, const char *limits)
{
    char path[128];
    for (const char *at = prefix; *at; at++) {
        const char *next = strchr(at + 1, '/');
        int size = (int)(next ? next - prefix : (int)strlen(prefix));
        snprintf(path, sizeof path, Q "%.*s", size, prefix);
        if (!tree_find(w.tree, bytes_of_string(path)))
            assert_int_equal(world_create(&w, SID, path, "", 0), ZK_OK);
        at = prefix + size - 1;
    }
    snprintf(path, sizeof path, Q "%s/zookeeper_limits", prefix);
    assert_int_equal(world_create(&w, SID, path, limits, 0), ZK_OK);
    snprintf(path, sizeof path, Q "%s/zookeeper_stats", prefix);
    assert_int_equal(world_create(&w, SID, path, "count=0,bytes=0", 0), ZK_OK);
}

static void stats(const char *prefix, const char *want)
{
    char path[128];
    snprintf(path, sizeof path, Q "%s/zookeeper_stats", prefix);
    const struct znode *node = tree_find(w.tree, bytes_of_string(path));
    assert_non_null(node);
    struct bytes data = znode_data(node);
    if (!bytes_equal(data, bytes_of_string(want)))
        fail_msg("%s: %.*s, not %s", prefix, data.size, (const char *)data.at, want);
}

static void test_usage_follows_changes(void **state)
{
    struct zk_stat before, after;
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "12345", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/a/old", "67", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/ab", "not below /a", 0), ZK_OK);
    quota("/a", "count=100,bytes=1000");
    stats("/a", "count=2,bytes=7"); /* counted when the stats node was made */
    assert_true(world_stat(&w, Q "/a/zookeeper_stats", &before));
    assert_int_equal(world_create(&w, SID, "/a/b", "xyz", 0), ZK_OK);
    assert_int_equal(w.change_count, 1); /* no event for the stats */
    stats("/a", "count=3,bytes=10");
    assert_int_equal(world_set(&w, SID, "/a/b", "z", -1), ZK_OK);
    stats("/a", "count=3,bytes=8");
    assert_int_equal(world_set(&w, SID, "/a", NULL, -1), ZK_OK);
    stats("/a", "count=3,bytes=3");
    assert_int_equal(world_create(&w, SID, "/ab/c", "xyz", 0), ZK_OK);
    stats("/a", "count=3,bytes=3");
    assert_int_equal(world_create(&w, SID, "/a/e", "eph", ZK_CREATE_EPHEMERAL), ZK_OK);
    stats("/a", "count=4,bytes=6");
    assert_int_equal(world_delete(&w, SID, "/a/old", -1), ZK_OK);
    stats("/a", "count=3,bytes=4");
    assert_true(world_stat(&w, Q "/a/zookeeper_stats", &after));
    assert_int_equal(after.version, before.version);
    assert_int_equal(after.mzxid, before.mzxid);
    assert_int_equal(after.mtime_ms, before.mtime_ms);
    world_expire(&w, SID);
    stats("/a", "count=2,bytes=1");
}

static void test_longest_prefix_only(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/a/b", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/a/b/c", "", 0), ZK_OK);
    quota("/a/b/c", "count=100,bytes=1000");
    quota("/a", "count=100,bytes=1000");
    stats("/a", "count=3,bytes=0");
    assert_int_equal(world_create(&w, SID, "/a/b/c/d", "1", 0), ZK_OK);
    stats("/a/b/c", "count=2,bytes=1");
    stats("/a", "count=3,bytes=0");
    assert_int_equal(world_create(&w, SID, "/a/b/x", "12", 0), ZK_OK);
    stats("/a/b/c", "count=2,bytes=1");
    stats("/a", "count=4,bytes=2");
    assert_int_equal(world_delete(&w, SID, Q "/a/b/c/zookeeper_limits", -1), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/a/b/c/e", "123", 0), ZK_OK);
    stats("/a/b/c", "count=2,bytes=1"); /* no longer kept */
    stats("/a", "count=5,bytes=5");
}

static void test_hard_limits(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    quota("/a", "count=1,bytes=1=;byteHardLimit=5;countHardLimit=2");
    assert_int_equal(world_create(&w, SID, "/a/b", "123", 0), ZK_OK); /* soft limits only warn */
    assert_int_equal(world_create(&w, SID, "/a/c", "", 0), ZK_QUOTA_EXCEEDED);
    assert_int_equal(world_create(&w, SID, "/a/b", "", 0), ZK_NODE_EXISTS); /* comes before */
    assert_int_equal(world_set(&w, SID, "/a", "12", -1), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/a", "123", 99), ZK_QUOTA_EXCEEDED); /* before version */
    assert_int_equal(world_set(&w, SID, "/a", "ab", -1), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/a/b", "", -1), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/a", "12345", -1), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/a/b", -1), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/a/c", "1", 0), ZK_QUOTA_EXCEEDED);
    assert_int_equal(world_create(&w, SID, "/a/c", "", 0), ZK_OK);
    stats("/a", "count=2,bytes=5");
    assert_int_equal(world_create(&w, SID, "/other", "123456", 0), ZK_OK);
}

static void test_over_the_limit_what_shrinks_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "1234567890", 0), ZK_OK);
    quota("/a", "count=-1,bytes=-1=;byteHardLimit=5");
    stats("/a", "count=1,bytes=10");
    assert_int_equal(world_set(&w, SID, "/a", "123456789", -1), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/a", "abcdefghi", -1), ZK_OK); /* as much as before */
    assert_int_equal(world_create(&w, SID, "/a/empty", "", 0), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/a", "1234567890", -1), ZK_QUOTA_EXCEEDED);
}

static void test_hard_limits_not_enforced(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    quota("/a", "count=-1,bytes=-1=;byteHardLimit=1;countHardLimit=1");
    assert_int_equal(world_create(&w, SID, "/a/b", "123", 0), ZK_OK);
    assert_int_equal(world_set(&w, SID, "/a/b", "12345", -1), ZK_OK);
    stats("/a", "count=2,bytes=5");
}

static void test_multi_sees_its_own_usage_and_undoes_it(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    quota("/a", "count=-1,bytes=-1=;countHardLimit=3");
    world_begin(&w);
    for (int i = 0; i < 3; i++)
        world_put_create(&w, ZK_OP_CREATE, "/a/s", "1", ZK_CREATE_PERSISTENT_SEQUENTIAL, 0);
    world_put_header(&w, -1, true);
    assert_int_equal(world_request(&w, SID, ZK_OP_MULTI), ZK_OK);
    assert_int_equal(w.change_count, 0); /* the third was over the limit */
    stats("/a", "count=1,bytes=0");
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE, "/b", "", 0, 0);
    world_put_create(&w, ZK_OP_CREATE, "/b/x", "1234", 0, 0);
    world_put_create(&w, ZK_OP_CREATE, Q "/b", "", 0, 0);
    world_put_create(&w, ZK_OP_CREATE, Q "/b/zookeeper_limits", "count=9,bytes=9", 0, 0);
    world_put_create(&w, ZK_OP_CREATE, Q "/b/zookeeper_stats", "", 0, 0);
    world_put_create(&w, ZK_OP_CREATE, "/b/y", "12", 0, 0);
    world_put_header(&w, -1, true);
    assert_int_equal(world_request(&w, SID, ZK_OP_MULTI), ZK_OK);
    assert_int_equal(w.change_count, 6);
    stats("/b", "count=3,bytes=6");
}

static void test_quota_count_is_undone_with_a_multi(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/a", "", 0), ZK_OK);
    quota("/a", "count=9,bytes=9");
    world_begin(&w);
    world_put_delete(&w, Q "/a/zookeeper_limits", -1);
    world_put_create(&w, ZK_OP_CREATE, "/a/x", "", 0, 0);
    world_put_check(&w, "/none", -1);
    world_put_header(&w, -1, true);
    assert_int_equal(world_request(&w, SID, ZK_OP_MULTI), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/a/y", "", 0), ZK_OK);
    stats("/a", "count=2,bytes=0");
}

static void test_missing_stats_and_missing_subtree(void **state)
{
    (void)state;
    quota("/nowhere", "count=-1,bytes=-1=;countHardLimit=0");
    stats("/nowhere", "count=0,bytes=0");
    assert_int_equal(world_create(&w, SID, "/nowhere", "", 0), ZK_QUOTA_EXCEEDED);
    assert_int_equal(world_delete(&w, SID, Q "/nowhere/zookeeper_stats", -1), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/nowhere", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, Q "/zookeeper_limits", "count=0,bytes=0", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, Q "/zookeeper_stats", "", 0), ZK_OK);
    stats("", "count=0,bytes=0"); /* the root is never a prefix */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test_setup_teardown(test_usage_follows_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_longest_prefix_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hard_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_over_the_limit_what_shrinks_is_allowed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_hard_limits_not_enforced, setup_soft, teardown),
        cmocka_unit_test_setup_teardown(test_multi_sees_its_own_usage_and_undoes_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_quota_count_is_undone_with_a_multi, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_stats_and_missing_subtree, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
