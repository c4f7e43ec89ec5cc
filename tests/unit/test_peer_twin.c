/* Goal: of two nodes with one id the one that is heard goes on as if there were none, and the other
 * one is told of both addresses and stops; a node that comes back elsewhere is not taken for one.
 * Method: nodes 1 and 2 of peer_rig, and the third one with the id 2, at 10.0.0.3. */
#include "dataplane/peer_frame.h"
#include "peer_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TURN_NS (10 * NS_PER_MS)

static int failed_err[RIG_NODES_MAX];
static char failed_text[RIG_NODES_MAX][512];

static void on_failed(void *self, int err, const struct fault *reason)
{
    uint32_t i = (uint32_t)((struct rig_node *)self - rig.nodes);

    assert_int_equal(failed_err[i], 0); /* once */
    failed_err[i] = err;
    snprintf(failed_text[i], sizeof(failed_text[i]), "%s", reason->text);
}

static void prepare(uint64_t twin_incarnation)
{
    memset(failed_err, 0, sizeof(failed_err));
    rig_prepare(3);
    for (uint32_t i = 0; i < 3; i++) {
        rig.nodes[i].config.member_count = 2;
        rig.nodes[i].config.failed = on_failed;
        rig.nodes[i].config.failed_self = &rig.nodes[i];
    }
    rig.nodes[2].config.id = 2;
    rig.nodes[2].config.incarnation = twin_incarnation;
    memset(rig.nodes[2].config.cluster, 0, PEER_FRAME_CLUSTER_SIZE); /* its disk is empty */
    rig.count = 2;
    rig_node_start(0);
    rig_node_start(1);
}

static void pass_ms(uint32_t ms)
{
    for (uint32_t i = 0; i < ms / 10; i++)
        rig_turn(TURN_NS);
}

static void twin_starts(void)
{
    rig.count = 3;
    rig_node_start(2);
}

static uint64_t known_incarnation(void)
{
    return atomic_load(&peer_seen_of(&rig.nodes[0].peer, 0)->incarnation);
}

static void messages_go(void)
{
    rig_take_all(0);
    rig_take_all(1);
    assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 100));
    assert_true(rig_send(1, PEER_FORWARD, 0, 1, 1, 100));
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 1);
    assert_int_equal(rig_take_all(1), 1);
}

static void second_is_refused(uint64_t incarnation)
{
    prepare(incarnation);
    pass_ms(1000);
    twin_starts();
    for (uint32_t i = 0; i < 5; i++) {
        pass_ms(1000);
        messages_go();
        assert_int_equal(failed_err[2], 0);
    }
    pass_ms(2000);
    assert_int_equal(failed_err[2], ERR_CONFIG);
    assert_non_null(strstr(failed_text[2], "two nodes have the id 2: node 1 hears one at "
                                           "10.0.0.2:2888, and refuses this one, which it sees at "
                                           "10.0.0.3:2888"));
    assert_non_null(strstr(rig.nodes[2].lines[0], "two nodes have the id 2"));
    assert_int_equal(rig.nodes[2].line_count, 1);
    assert_int_equal(rig.nodes[0].line_count, 1);
    assert_non_null(strstr(rig.nodes[0].lines[0],
                           "peer 2 at 10.0.0.3:2888 is refused: another node with the id 2 is "
                           "heard at 10.0.0.2:2888"));
    assert_int_equal(known_incarnation(), 101);
    messages_go();
    assert_int_equal(rig.nodes[1].line_count, 0); /* it has not noticed anything */
    assert_int_equal(failed_err[1], 0);
    assert_true(rig_dropped(0, 2, PEER_DROP_TWIN) > 0);
    rig_stop();
}

static void test_the_second_one_is_refused(void **state)
{
    second_is_refused(500);
}

static void test_also_with_its_clock_behind(void **state)
{
    second_is_refused(50);
}

/* Whoever restarts hears the one first that is where the list says. */
static void test_a_restart_of_the_third_changes_nothing(void **state)
{
    prepare(500);
    pass_ms(1000);
    twin_starts();
    pass_ms(1000);
    rig_node_stop(0);
    rig.nodes[0].config.incarnation = 900;
    rig_node_start(0);
    pass_ms(8000);
    assert_int_equal(known_incarnation(), 101);
    assert_int_equal(failed_err[2], ERR_CONFIG);
    assert_int_equal(failed_err[1], 0);
    messages_go();
    rig_stop();
}

/* Nor does it when the third one stood still, and heard nobody meanwhile. */
static void test_a_pause_of_the_third_changes_nothing(void **state)
{
    prepare(500);
    pass_ms(1000);
    twin_starts();
    pass_ms(1000);
    for (uint32_t i = 0; i < 5; i++) {
        rig.now.mono_ns += NS_PER_S;
        peer_poll(&rig.nodes[2].peer, rig.now);
        rig_network();
    }
    pass_ms(500);
    assert_int_equal(known_incarnation(), 101);
    messages_go();
    rig_stop();
}

/* It moved: once the one of before is silent it is heard. */
static void test_a_node_that_moved_is_heard(void **state)
{
    prepare(500);
    memset(rig.nodes[2].config.cluster, 0xc1, PEER_FRAME_CLUSTER_SIZE);
    pass_ms(1000);
    twin_starts();
    uint64_t from_ns = rig.now.mono_ns;
    while (known_incarnation() != 500 && rig.now.mono_ns < from_ns + 5 * NS_PER_S) {
        rig.now.mono_ns += TURN_NS; /* node 2 at its old place gets no turn any more */
        peer_poll(&rig.nodes[0].peer, rig.now);
        peer_poll(&rig.nodes[2].peer, rig.now);
        rig_network();
    }
    assert_int_equal(known_incarnation(), 500);
    assert_true(rig.now.mono_ns - from_ns >= NS_PER_S); /* not while the other one might live */
    assert_int_equal(failed_err[2], 0);
    rig_stop();
}

/* A TWIN of node 1 to node 2, of a start that node 1 hears elsewhere. */
static void tell(uint64_t to_incarnation, uint64_t other)
{
    struct {
        uint8_t ip[2][16];
        uint16_t port[2];
        uint32_t zero;
        uint64_t incarnation;
    } body = {.port = {2888, 2888}, .incarnation = other};
    uint8_t room[DATAGRAM_SIZE_MAX];
    struct peer_frame frame = {.flags = PEER_FRAME_TWIN,
                               .from = 1,
                               .to = 2,
                               .count = 1,
                               .incarnation = 100,
                               .to_incarnation = to_incarnation,
                               .message_id = 1,
                               .message_size = sizeof(body),
                               .size = sizeof(body),
                               .bytes = (const uint8_t *)&body};
    struct address from = rig_address(1);

    memset(frame.cluster, 0xc1, sizeof(frame.cluster));
    uint32_t size = peer_frame_encode(&frame, NULL, room);
    assert_true(datagram_sim_put(rig.nodes[1].port, &from, room, size));
}

/* Of two that somebody hears, the one that began earlier goes on; what was meant for an earlier
 * start, or is not whole, says nothing. */
static void test_the_first_one_goes_on(void **state)
{
    prepare(500);
    pass_ms(1000);
    for (uint32_t i = 0; i < 80; i++) {
        tell(101, 500);
        pass_ms(100);
    }
    assert_int_equal(failed_err[1], 0);
    assert_int_equal(rig.nodes[1].line_count, 1);
    for (uint32_t i = 0; i < 80; i++) {
        tell(100, 50);
        pass_ms(100);
    }
    assert_int_equal(failed_err[1], 0);
    for (uint32_t i = 0; i < 80 && !failed_err[1]; i++) {
        tell(101, 50);
        pass_ms(100);
    }
    assert_int_equal(failed_err[1], ERR_CONFIG);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_one_is_refused),
        cmocka_unit_test(test_also_with_its_clock_behind),
        cmocka_unit_test(test_a_restart_of_the_third_changes_nothing),
        cmocka_unit_test(test_a_pause_of_the_third_changes_nothing),
        cmocka_unit_test(test_a_node_that_moved_is_heard),
        cmocka_unit_test(test_the_first_one_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
