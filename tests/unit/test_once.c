/* Goal: a write that is sent again is answered as it was and carried out once, whatever came
 * between; what cannot be recorded is not done. Method: the record alone against its rules; then a
 * machine, with every reply compared, over attaches and at each limit. Snapshots:
 * test_machine_image. */
#include "tests/model/world.h"

#include "base/limits.h"
#include "store/once.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SID 0x1001

static struct world w;

static int setup(void **state)
{
    struct machine_config config = world_config_default();
    (void)state;
    world_init(&w, &config, 0);
    w.flags = COMMAND_ONCE;
    return world_open(&w, SID);
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    return 0;
}

/* ---- the record ---- */

static void test_states(void **state)
{
    struct once *once = NULL;
    const struct once_answer *held = NULL;
    (void)state;
    assert_int_equal(once_find(NULL, 1, &held), ONCE_NEW);
    assert_int_equal(once_record(&once, 1, 100, 0, bytes_of("one", 3)), 0);
    assert_int_equal(once_find(once, 1, &held), ONCE_KNOWN);
    assert_int_equal(held->zxid, 100);
    assert_memory_equal(held->body, "one", 3);
    assert_int_equal(once_find(once, 2, &held), ONCE_NEW);
    assert_int_equal(once_find(once, 17, &held), ONCE_NEW);
    assert_int_equal(once_record(&once, 17, 101, -110, bytes_of("", 0)), 0);
    assert_int_equal(once_find(once, 1, &held), ONCE_PASSED);
    assert_int_equal(once_find(once, 2, &held), ONCE_PASSED); /* never came, and is too late now */
    assert_int_equal(once_find(once, 18, &held), ONCE_NEW);
    assert_int_equal(once_find(once, 17, &held), ONCE_KNOWN);
    assert_int_equal(held->error, -110);
    assert_int_equal(held->size, 0);
    assert_int_equal(once_record(&once, UINT64_MAX, 102, 0, bytes_of("longer", 6)), 0);
    assert_int_equal(once_find(once, UINT64_MAX, &held), ONCE_KNOWN);
    once_free(once);
}

static void test_image(void **state)
{
    static uint8_t body[LIMIT_SESSION_ONCE_SIZE];
    struct once *once = NULL, *copy = NULL;
    const struct once_answer *held;
    (void)state;
    memset(body, 7, sizeof(body));
    for (uint64_t n = 3; n < 40; n++) /* 16 are left */
        assert_int_equal(once_record(&once, n, (int64_t)n * 2, -(int32_t)n,
                                     bytes_of(body, n % 2 ? sizeof(body) : 0)),
                         0);
    uint64_t size = once_image_size(once);
    uint8_t *image = malloc(size);
    assert_non_null(image);
    struct jute_out out = jute_out(image, size);
    once_image(once, &out);
    assert_ptr_equal(out.at, image + size);
    for (uint64_t cut = 0; cut < size; cut += cut < 64 ? 1 : 997) {
        struct jute_in in = jute_in(image, cut);
        assert_int_equal(once_image_load(&copy, &in), ERR_MALFORMED);
        once_free(copy);
        copy = NULL;
    }
    struct jute_in in = jute_in(image, size);
    assert_int_equal(once_image_load(&copy, &in), 0);
    for (uint64_t n = 24; n < 40; n++) {
        assert_int_equal(once_find(copy, n, &held), ONCE_KNOWN);
        assert_int_equal(held->zxid, n * 2);
        assert_int_equal(held->error, -(int32_t)n);
        assert_int_equal(held->size, n % 2 ? sizeof(body) : 0);
    }
    once_free(once);
    once_free(copy);
    free(image);
}

/* Images that nobody wrote. */
static void test_image_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t sequence[2];
        int32_t count;
    } bad[] = {{{0, 0}, 1}, {{5, 5}, 2}, {{21, 5}, 2}, {{5, 21}, 17}, {{5, 21}, -1}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t image[64];
        struct once *once = NULL;
        struct jute_out out = jute_out(image, sizeof(image));
        jute_put_int(&out, bad[i].count);
        for (int k = 0; k < 2; k++) {
            jute_put_long(&out, bad[i].sequence[k]);
            jute_put_long(&out, 1);
            jute_put_int(&out, 0);
            jute_put_int(&out, 0);
        }
        assert_false(out.bad);
        struct jute_in in = jute_in(image, (size_t)(out.at - image));
        assert_int_equal(once_image_load(&once, &in), ERR_MALFORMED);
        once_free(once);
    }
    uint8_t image[28 + LIMIT_SESSION_ONCE_SIZE + 1] = {0, 0, 0, 1, [11] = 1, [24] = 0, 0, 0x10, 1};
    struct once *once = NULL;
    struct jute_in in = jute_in(image, sizeof(image));
    assert_int_equal(once_image_load(&once, &in), ERR_MALFORMED); /* one byte too many */
    once_free(once);
}

/* ---- the machine ---- */

static int32_t create_numbered(uint64_t sequence, const char *path, int32_t flags)
{
    w.sequence = sequence;
    return world_create(&w, SID, path, "", flags);
}

static void test_repeat_is_answered_and_not_done(void **state)
{
    struct zk_stat stat;
    (void)state;
    assert_int_equal(create_numbered(1, "/q-", ZK_CREATE_PERSISTENT_SEQUENTIAL), ZK_OK);
    assert_string_equal(world_body_path(&w), "/q-0000000000");
    int64_t zxid = machine_zxid(w.machine), first = w.reply.zxid;
    assert_int_equal(first, zxid);
    w.sequence = 2;
    assert_int_equal(world_set(&w, SID, "/q-0000000000", "x", 0), ZK_OK);
    zxid = machine_zxid(w.machine);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(create_numbered(1, "/q-", ZK_CREATE_PERSISTENT_SEQUENTIAL), ZK_OK);
        assert_string_equal(world_body_path(&w), "/q-0000000000");
        assert_string_equal(w.order, "r"); /* no change is told */
        assert_int_equal(w.reply.zxid, first);
        assert_int_equal(w.reply.head.zxid, zxid); /* the link's never decrease */
        assert_int_equal(machine_zxid(w.machine), zxid);
    }
    assert_true(world_stat(&w, "/", &stat));
    assert_int_equal(stat.num_children, 2); /* and zookeeper */
}

static void test_refusals_are_recorded_too(void **state)
{
    (void)state;
    assert_int_equal(create_numbered(1, "/a/b", 0), ZK_NO_NODE);
    assert_int_equal(create_numbered(2, "/a", 0), ZK_OK);
    assert_int_equal(create_numbered(1, "/a/b", 0), ZK_NO_NODE); /* although it could be now */
    assert_false(world_data(&w, "/a/b", ""));
}

static void test_over_attaches(void **state)
{
    (void)state;
    assert_int_equal(create_numbered(5, "/a", 1), ZK_OK);
    w.sequence = 0;
    assert_int_equal(world_attach(&w, SID, NULL), ZK_OK);
    assert_int_equal(create_numbered(6, "/late", 0), ZK_SESSION_MOVED); /* of the first attach */
    w.attach = 2;
    assert_int_equal(create_numbered(5, "/a", 1), ZK_OK);
    assert_string_equal(world_body_path(&w), "/a");
    assert_int_equal(create_numbered(6, "/b", 0), ZK_OK);
    assert_false(world_data(&w, "/late", ""));
}

/* 16 may be in flight; the one before those is known to be answered. */
static void test_forgotten(void **state)
{
    char path[16];
    (void)state;
    for (uint64_t n = 1; n <= 17; n++) {
        snprintf(path, sizeof(path), "/n%u", (unsigned)n);
        assert_int_equal(create_numbered(n, path, 0), ZK_OK);
    }
    int64_t zxid = machine_zxid(w.machine);
    assert_int_equal(create_numbered(1, "/n1", 0), ZK_SYSTEM_ERROR);
    assert_int_equal(create_numbered(2, "/n2", 0), ZK_OK);
    assert_int_equal(machine_zxid(w.machine), zxid);
}

/* A node refused number 2 by itself (its disk was full), so nothing is recorded of it. */
static void test_passed_over(void **state)
{
    (void)state;
    assert_int_equal(create_numbered(1, "/a", 0), ZK_OK);
    assert_int_equal(create_numbered(3, "/c", 0), ZK_OK);
    int64_t zxid = machine_zxid(w.machine);
    assert_int_equal(create_numbered(2, "/b", 0), ZK_SYSTEM_ERROR);
    w.flags |= COMMAND_LATE;
    assert_int_equal(create_numbered(2, "/b", 0), ZK_SYSTEM_ERROR);
    w.flags &= ~COMMAND_LATE;
    assert_int_equal(machine_zxid(w.machine), zxid);
    assert_false(world_data(&w, "/b", ""));
    assert_int_equal(create_numbered(3, "/c", 0), ZK_OK);
    assert_int_equal(create_numbered(4, "/d", 0), ZK_OK);
}

static void test_late(void **state)
{
    (void)state;
    assert_int_equal(create_numbered(1, "/a", 0), ZK_OK);
    w.flags |= COMMAND_LATE;
    assert_int_equal(create_numbered(1, "/a", 0), ZK_OK); /* it was in time, the first time */
    assert_int_equal(create_numbered(2, "/b", 0), ZK_REQUEST_TIMEOUT);
    w.flags &= ~COMMAND_LATE;
    assert_int_equal(create_numbered(2, "/b", 0), ZK_REQUEST_TIMEOUT); /* once late, always late */
    assert_false(world_data(&w, "/b", ""));
}

static void test_session_gone(void **state)
{
    (void)state;
    w.sequence = 0;
    w.flags = 0;
    world_expire(&w, SID);
    w.flags = COMMAND_ONCE;
    assert_int_equal(create_numbered(1, "/a", 0), ZK_SESSION_EXPIRED);
    assert_false(world_data(&w, "/a", ""));
}

static void multi_of_sets(int count)
{
    world_begin(&w);
    for (int i = 0; i < count; i++)
        world_put_set(&w, "/a", "", -1);
    world_put_header(&w, -1, true);
}

/* A set answers 9 + 68 bytes, and the end 9: 53 are recorded, 54 are not done at all. */
static void test_largest_answer(void **state)
{
    struct zk_stat stat;
    (void)state;
    assert_int_equal(create_numbered(1, "/a", 0), ZK_OK);
    w.sequence = 2;
    multi_of_sets(53);
    assert_int_equal(world_request(&w, SID, ZK_OP_MULTI), ZK_OK);
    assert_int_equal(w.body_size, 53 * 77 + 9);
    w.sequence = 3;
    multi_of_sets(54);
    assert_int_equal(world_request(&w, SID, ZK_OP_MULTI), ZK_SYSTEM_ERROR);
    assert_true(world_stat(&w, "/a", &stat));
    assert_int_equal(stat.version, 53);
    w.sequence = 2;
    multi_of_sets(53);
    assert_int_equal(world_request(&w, SID, ZK_OP_MULTI), ZK_OK);
    assert_int_equal(w.body_size, 53 * 77 + 9);
    assert_true(world_stat(&w, "/a", &stat));
    assert_int_equal(stat.version, 53);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_image_refused),
        cmocka_unit_test_setup_teardown(test_repeat_is_answered_and_not_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_are_recorded_too, setup, teardown),
        cmocka_unit_test_setup_teardown(test_over_attaches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_largest_answer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
