/* Goal: containers and TTL nodes are found and deleted when they may be, and only then
 * (zk_protocol.md section 18). Method: time moves by hand; candidates are listed, then reaped. */
#include "tests/model/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SID 0x1001

static struct world w;
static char found[4096];

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

static void on_found(void *self, struct bytes path)
{
    size_t size = strlen(found);
    (void)self;
    snprintf(found + size, sizeof found - size, "%.*s ", path.size, (const char *)path.at);
}

static uint32_t candidates(uint32_t visits)
{
    found[0] = 0;
    return machine_reap_candidates(w.machine, w.time_ms, visits, on_found, NULL);
}

static void container(const char *path)
{
    assert_int_equal(world_create_op(&w, SID, ZK_OP_CREATE_CONTAINER, path, "", 4, 0), ZK_OK);
}

static void ttl(const char *path, int64_t ttl_ms)
{
    assert_int_equal(world_create_op(&w, SID, ZK_OP_CREATE_TTL, path, "", 5, ttl_ms), ZK_OK);
}

static void test_container_goes_after_its_last_child(void **state)
{
    (void)state;
    assert_int_equal(candidates(10), 0);
    container("/c");
    assert_int_equal(candidates(10), 1);
    assert_string_equal(found, ""); /* it never had a child */
    world_reap(&w, "/c");
    assert_string_equal(w.order, "");
    assert_int_equal(world_create(&w, SID, "/c/x", "", 0), ZK_OK);
    candidates(10);
    assert_string_equal(found, "");
    assert_int_equal(world_delete(&w, SID, "/c/x", -1), ZK_OK);
    candidates(10);
    assert_string_equal(found, "/c ");
    int64_t zxid = machine_zxid(w.machine);
    world_reap(&w, "/c");
    assert_string_equal(w.order, "c");
    assert_int_equal(w.changes[0].event, ZK_EVENT_DELETED);
    assert_int_equal(machine_zxid(w.machine), zxid + 1);
    assert_int_equal(candidates(10), 0);
    world_reap(&w, "/c"); /* a repeat */
    assert_int_equal(machine_zxid(w.machine), zxid + 1);
    assert_int_equal(machine_counters(w.machine)->reaped, 1);
}

static void test_ttl_goes_after_its_time(void **state)
{
    (void)state;
    w.time_ms = 10000;
    ttl("/t", 500);
    w.time_ms = 10500;
    candidates(10);
    assert_string_equal(found, "");
    world_reap(&w, "/t");
    assert_string_equal(w.order, "");
    w.time_ms = 10501;
    candidates(10);
    assert_string_equal(found, "/t ");
    assert_int_equal(world_set(&w, SID, "/t", "again", -1), ZK_OK); /* sets refresh it */
    candidates(10);
    assert_string_equal(found, "");
    w.time_ms = 11002;
    assert_int_equal(world_create(&w, SID, "/t/x", "", 0), ZK_OK); /* a child keeps it */
    world_reap(&w, "/t");
    assert_string_equal(w.order, "");
    assert_int_equal(world_delete(&w, SID, "/t/x", -1), ZK_OK); /* and does not refresh it */
    world_reap(&w, "/t");
    assert_string_equal(w.order, "c");
}

static void test_only_containers_and_ttl_nodes(void **state)
{
    (void)state;
    assert_int_equal(world_create(&w, SID, "/p", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/e", "", 1), ZK_OK);
    static const char *const paths[] = {"/p", "/e", "/", "", "/none", "junk", "/zookeeper/quota",
                                        "/p/"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        world_reap(&w, paths[i]);
        assert_string_equal(w.order, "");
    }
}

static void test_unused_containers(void **state)
{
    struct machine_config config = world_config_default();
    (void)state;
    world_fini(&w);
    config.container_unused_ms = 300;
    world_init(&w, &config, 0);
    assert_int_equal(world_open(&w, SID), ZK_OK);
    container("/c");
    w.time_ms += 300;
    candidates(10);
    assert_string_equal(found, "");
    w.time_ms += 1;
    candidates(10);
    assert_string_equal(found, "/c ");
    world_reap(&w, "/c");
    assert_string_equal(w.order, "c");
}

static void test_search_goes_round_in_bounded_steps(void **state)
{
    char path[32], seen[4096] = "";
    (void)state;
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "/t%d", i);
        ttl(path, 10);
    }
    container("/c");
    assert_int_equal(world_create(&w, SID, "/c/x", "", 0), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/c/x", -1), ZK_OK);
    w.time_ms += 100;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(candidates(3), 3);
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s", found);
        if (i == 1)
            world_reap(&w, "/t3"); /* perhaps the very next one */
    }
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "/t%d ", i);
        if (i != 3 && !strstr(seen, path))
            fail_msg("%s not in %s", path, seen);
    }
    assert_non_null(strstr(seen, "/c "));
    assert_int_equal(candidates(1000), 10); /* once each, not round and round */
}

static void test_node_made_and_undone_is_no_candidate(void **state)
{
    (void)state;
    world_begin(&w);
    world_put_create(&w, ZK_OP_CREATE_CONTAINER, "/c", "", 4, 0);
    world_put_check(&w, "/none", -1);
    world_put_header(&w, -1, true);
    assert_int_equal(world_request(&w, SID, ZK_OP_MULTI), ZK_OK);
    assert_int_equal(candidates(10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_container_goes_after_its_last_child, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ttl_goes_after_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_containers_and_ttl_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unused_containers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_search_goes_round_in_bounded_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_made_and_undone_is_no_candidate, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
