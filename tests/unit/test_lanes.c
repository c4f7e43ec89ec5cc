/* Goal: the state machine applies each lane once, whoever proposes it again; a later start of a
 * node makes the earlier one void; a snapshot knows it all. And sessions move between nodes: old
 * attaches are refused, ephemerals go once. Method: one command at a time on a recorded machine,
 * two machines where replicas must agree. */
#include "base/limits.h"
#include "tests/model/world.h"

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
    (void)state;
    return world_ready(&w, SID);
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    return 0;
}

/* A create of `path` by node's lane; returns how many replies came. */
static uint32_t create(uint8_t node, uint64_t incarnation, uint64_t lane, const char *path)
{
    struct command command = {.kind = COMMAND_REQUEST,
                              .op = ZK_OP_CREATE,
                              .session = SID,
                              .attach = w.attach,
                              .conn = 7,
                              .node = node,
                              .incarnation = incarnation,
                              .lane = lane};
    world_begin(&w);
    world_put_string(&w, path);
    jute_put_int(&w.out, 0);
    world_put_acl(&w, 31, "world", "anyone");
    jute_put_int(&w.out, ZK_CREATE_PERSISTENT_SEQUENTIAL);
    world_apply(&w, command, w.request, (size_t)(w.out.at - w.request));
    return w.reply_count;
}

static void cancel(uint8_t node, uint64_t incarnation, uint64_t lane)
{
    struct command command = {
        .kind = COMMAND_CANCEL, .node = node, .incarnation = incarnation, .lane = lane};
    world_apply(&w, command, NULL, 0);
    assert_int_equal(w.reply_count, 0);
}

static void test_each_lane_once(void **state)
{
    (void)state;
    int64_t zxid = machine_zxid(w.machine);
    assert_int_equal(create(2, 9, 1, "/a"), 1);
    assert_int_equal(w.reply.error, ZK_OK);
    assert_int_equal(create(2, 9, 1, "/a"), 0); /* no answer, no zxid, no change */
    assert_int_equal(w.change_count, 0);
    assert_true(machine_zxid(w.machine) == zxid + 1);
    assert_int_equal(create(2, 9, 2, "/a"), 1);
    assert_int_equal(create(2, 9, 1, "/a"), 0);
    assert_int_equal(create(3, 9, 1, "/a"), 1); /* another node has its own */
    assert_int_equal(create(2, 8, 7, "/a"), 0); /* of a start that is over */
    assert_int_equal(create(2, 10, 1, "/a"), 1);
    assert_int_equal(create(2, 9, 3, "/a"), 0);
    assert_int_equal(create(2, 0, 0, "/a"), 1); /* not numbered: always */
    assert_int_equal(create(2, 0, 0, "/a"), 1);
    assert_true(machine_zxid(w.machine) == zxid + 6);
    assert_int_equal(machine_counters(w.machine)->lane_repeats, 4);
    assert_int_equal(machine_counters(w.machine)->lane_gaps, 0);
    assert_int_equal(machine_lane(w.machine, 2).incarnation, 10);
    assert_int_equal(machine_lane(w.machine, 2).lane, 1);
    assert_int_equal(machine_lane(w.machine, 4).incarnation, 0);
    create(2, 10, 5, "/a");
    assert_int_equal(machine_counters(w.machine)->lane_gaps, 1);
}

static void test_cancel(void **state)
{
    (void)state;
    assert_int_equal(create(2, 9, 1, "/a"), 1);
    cancel(2, 9, 5);
    assert_int_equal(machine_lane(w.machine, 2).lane, 5);
    assert_int_equal(machine_lane(w.machine, 2).cancelled, 5);
    for (uint64_t lane = 2; lane <= 5; lane++)
        assert_int_equal(create(2, 9, lane, "/a"), 0);
    assert_int_equal(create(2, 9, 6, "/a"), 1);
    cancel(2, 9, 6); /* too late: applied */
    assert_int_equal(machine_lane(w.machine, 2).cancelled, 5);
    cancel(3, 4, 2); /* the first that is heard of a node */
    assert_int_equal(create(3, 4, 2, "/a"), 0);
    assert_int_equal(create(3, 4, 3, "/a"), 1);
    assert_int_equal(machine_counters(w.machine)->lane_gaps, 0);
}

static void test_image_keeps_lanes(void **state)
{
    struct machine_config config = world_config_default();
    struct world copy;
    uint8_t *image;
    uint64_t size;
    struct command_lane lanes[256];
    (void)state;
    create(2, 9, 1, "/a");
    cancel(2, 9, 3);
    create(254, UINT64_MAX, 1, "/a");
    assert_int_equal(machine_image(w.machine, &image, &size), 0);
    world_init(&copy, &config, 0);
    assert_int_equal(machine_image_load(copy.machine, image, size), 0);
    assert_int_equal(machine_lanes(copy.machine, lanes), 2);
    assert_int_equal(lanes[0].node, 2);
    assert_int_equal(lanes[0].lane, 3);
    assert_int_equal(lanes[0].cancelled, 3);
    assert_int_equal(lanes[1].node, 254);
    assert_true(lanes[1].incarnation == UINT64_MAX);
    assert_true(machine_hash(copy.machine) == machine_hash(w.machine));
    /* a lane that is cancelled behind the last one, a node twice: no image of ours */
    const size_t first = 4 + 5 * 8 + (4 + 2 * 8 + 4) + 4;
    image[first + 24] = 9;
    struct machine *other;
    assert_int_equal(machine_create(&other, &config, copy.tree), 0);
    assert_int_equal(machine_image_load(other, image, size), ERR_MALFORMED);
    machine_destroy(other);
    image[first + 24] = 3;
    image[first] = 254;
    assert_int_equal(machine_create(&other, &config, copy.tree), 0);
    assert_int_equal(machine_image_load(other, image, size), ERR_MALFORMED);
    machine_destroy(other);
    free(image);
    world_fini(&copy);
}

/* A replica that missed that a command is a repeat has another hash. */
static void test_hash_sees_lanes(void **state)
{
    struct machine_config config = world_config_default();
    struct world copy;
    (void)state;
    world_init(&copy, &config, 0);
    assert_int_equal(world_open(&copy, SID), ZK_OK);
    assert_true(machine_hash(copy.machine) == machine_hash(w.machine));
    struct command noop = {.kind = COMMAND_CANCEL, .node = 2, .incarnation = 9, .lane = 1};
    world_apply(&w, noop, NULL, 0);
    noop.lane = 2;
    world_apply(&copy, noop, NULL, 0);
    assert_true(machine_hash(copy.machine) != machine_hash(w.machine));
    world_fini(&copy);
}

/* The session is attached at node 1, then at node 2: what node 1 still sends is refused there. */
static void test_session_moves_between_nodes(void **state)
{
    struct session_open body = {.timeout_ms = 6000, .password_size = ZK_PASSWORD_SIZE};
    int64_t id = SID;
    (void)state;
    memcpy(body.password, &id, 8);
    memcpy(body.password + 8, &id, 8);
    struct command attach = {.kind = COMMAND_ATTACH,
                             .session = SID,
                             .conn = 5,
                             .node = 2,
                             .net = 9,
                             .incarnation = 4,
                             .lane = 1};
    assert_int_equal(world_create(&w, SID, "/e", "", ZK_CREATE_EPHEMERAL), ZK_OK);
    body.password[3] ^= 1;
    world_apply(&w, attach, &body, sizeof(body));
    assert_int_equal(w.reply.error, ZK_SESSION_EXPIRED);
    assert_int_equal(create(1, 3, 1, "/a"), 1); /* a wrong password moves nothing */
    assert_int_equal(w.reply.error, ZK_OK);
    body.password[3] ^= 1;
    attach.lane = 2;
    world_apply(&w, attach, &body, sizeof(body));
    assert_int_equal(w.reply.error, ZK_OK);
    assert_int_equal(w.reply.attach, 2);
    assert_int_equal(w.session.state, SESSION_ATTACHED);
    assert_int_equal(w.session.attach, 2);
    assert_int_equal(create(1, 3, 2, "/a"), 1);
    assert_int_equal(w.reply.error, ZK_SESSION_MOVED);
    assert_int_equal(w.change_count, 0);
    w.attach = 2;
    assert_int_equal(create(2, 4, 3, "/a"), 1);
    assert_int_equal(w.reply.error, ZK_OK);
    /* the close of the old attach does not close it; the new one's takes the ephemeral, once */
    w.attach = 1;
    assert_int_equal(world_close(&w, SID), ZK_SESSION_MOVED);
    assert_int_equal(machine_session_count(w.machine), 1);
    w.attach = 2;
    struct command close = {.kind = COMMAND_REQUEST,
                            .op = ZK_OP_CLOSE_SESSION,
                            .session = SID,
                            .attach = 2,
                            .conn = 7,
                            .node = 2,
                            .incarnation = 4,
                            .lane = 4};
    world_apply(&w, close, NULL, 0);
    assert_int_equal(w.reply.error, ZK_OK);
    assert_int_equal(w.change_count, 1);
    assert_int_equal(machine_ephemeral_count(w.machine), 0);
    world_apply(&w, close, NULL, 0);
    assert_int_equal(w.reply_count, 0);
    int64_t zxid = machine_zxid(w.machine);
    world_expire(&w, SID); /* the leader thought so meanwhile */
    assert_int_equal(w.change_count, 0);
    assert_true(machine_zxid(w.machine) == zxid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_lane_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_image_keeps_lanes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_sees_lanes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_moves_between_nodes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
