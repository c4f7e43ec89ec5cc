/* Goal: a datagram that must not count does not, whatever is wrong with it, is counted by cause,
 * and is told once with what to do. Method: two roles on datagram_sim of which one is configured
 * wrongly, or restarted, or recorded and played back. */
#include "peer_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECRET_A "000102030405060708090a0b0c0d0e0f"
#define SECRET_B "f00102030405060708090a0b0c0d0e0f"

static struct peer_keys keys(const char *text)
{
    struct peer_keys made;
    CHECK(peer_keys_parse(&made, text, strlen(text), NULL) == 0);
    return made;
}

/* Node 1 refuses what node 2 says for `drop` and says `words` once, with a minute between lines. */
static void assert_refused(enum peer_drop drop, const char *words)
{
    struct rig_node *node = &rig.nodes[0];
    rig_turns(5);
    uint64_t before = rig_dropped(0, 2, drop);
    for (uint32_t n = 1; n <= 20; n++) {
        rig_send(1, PEER_FORWARD, 0, 1, n, 2000);
        rig_turns(2);
    }
    assert_int_equal(rig_take_all(0), 0);
    assert_true(rig_dropped(0, 2, drop) >= before + 20);
    assert_int_equal(node->line_count, 1);
    assert_non_null(strstr(node->lines[0], "peer 2 at 10.0.0.2:2888 is refused: "));
    assert_non_null(strstr(node->lines[0], words));
    assert_int_equal(atomic_load(&peer_seen_of(&node->peer, 0)->heard_ns), 0);
    rig.now.mono_ns += PEER_SAY_AGAIN_NS;
    rig_send(1, PEER_FORWARD, 0, 1, 1, 10);
    rig_turns(2);
    assert_int_equal(node->line_count, 2);
    assert_non_null(strstr(node->lines[1], "datagrams since the last such line"));
}

static void test_cluster(void **state)
{
    rig_prepare(2);
    memset(rig.nodes[1].config.cluster, 0xc2, PEER_FRAME_CLUSTER_SIZE);
    rig_start();
    assert_refused(PEER_DROP_CLUSTER,
                   "it belongs to cluster c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2, this "
                   "node to c1c1c1c1");
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_refused_total),
                     rig_dropped(0, 2, PEER_DROP_CLUSTER));
    assert_int_equal(rig.nodes[1].line_count, 1 + 1); /* its own two */
    rig_stop();
}

static void test_keys(void **state)
{
    static const char *const ours[] = {"7 " SECRET_A, "7 " SECRET_A, NULL, "7 " SECRET_A};
    static const char *const theirs[] = {NULL, "8 " SECRET_A, "7 " SECRET_A, "7 " SECRET_B};
    static const char *const words[] = {"carry no mark", "key 8, which is not in this node's",
                                        "this node has no keys", "key 7 is wrong"};
    for (int i = 0; i < 4; i++) {
        rig_prepare(2);
        if (ours[i])
            rig.nodes[0].config.keys = keys(ours[i]);
        if (theirs[i])
            rig.nodes[1].config.keys = keys(theirs[i]);
        rig_start();
        assert_refused(PEER_DROP_KEY, words[i]);
        assert_null(strstr(rig.nodes[0].lines[0], SECRET_A));
        rig_stop();
    }
}

static void test_to(void **state)
{
    rig_prepare(3);
    rig.nodes[1].config.members[2].address = rig_address(1); /* node 2 takes us for node 3 */
    rig_start();
    rig_turns(3);
    for (uint32_t n = 1; n < 10; n++) {
        rig_send(1, PEER_FORWARD, 0, 3, n, 10);
        rig_turns(2);
    }
    assert_int_equal(rig_take_all(0), 0);
    assert_true(rig_dropped(0, 2, PEER_DROP_TO) >= 9);
    assert_int_equal(rig.nodes[0].line_count, 1);
    assert_non_null(strstr(rig.nodes[0].lines[0], "it sends to node 3, and this is node 1"));
    rig_stop();
}

static void test_self(void **state)
{
    rig_prepare(2);
    rig.nodes[1].config.id = 1;
    rig.nodes[1].config.member_count = 1;
    rig.nodes[1].config.members[0] = rig_member(2);
    rig.nodes[1].config.members[0].address = rig_address(1);
    rig_start();
    rig_turns(3);
    assert_int_equal(rig.nodes[0].line_count, 1);
    assert_non_null(strstr(rig.nodes[0].lines[0],
                           "peer 1 at 10.0.0.2:2888 is refused: two nodes have "
                           "the same id"));
    rig_stop();
}

/* Changes each datagram from node 2 to node 1 on its way. */
static void pass_changed(uint32_t at, uint8_t value)
{
    struct datagram_sim_sent sent;
    struct address from = rig_address(2);
    static uint8_t bytes[DATAGRAM_SIZE_MAX];
    rig_send(1, PEER_FORWARD, 0, 1, 1, 200);
    rig.now.mono_ns += 100000;
    peer_poll(&rig.nodes[1].peer, rig.now);
    while (datagram_sim_take(rig.nodes[1].port, &sent)) {
        memcpy(bytes, sent.bytes, sent.size);
        bytes[at] = value;
        assert_true(datagram_sim_put(rig.nodes[0].port, &from, bytes, sent.size));
    }
    peer_poll(&rig.nodes[0].peer, rig.now);
}

static void test_version_and_damage(void **state)
{
    struct rig_node *node = &rig.nodes[0];
    struct address from = rig_address(2);
    rig_prepare(2);
    rig_start();
    rig_turns(3);
    pass_changed(4, 9);
    assert_int_equal(node->line_count, 1);
    assert_non_null(strstr(node->lines[0], "wire version 9, this node 1: upgrade"));
    assert_int_equal(rig_dropped(0, 2, PEER_DROP_VERSION), 1);
    pass_changed(100, 0xa5);
    assert_int_equal(node->line_count, 2);
    assert_non_null(strstr(node->lines[1], "damaged on its way"));
    assert_int_equal(counters_get(&node->page, METRIC_peer_damaged_total), 1);
    pass_changed(0, 0); /* a stray datagram of some other program: counted, not worth a line */
    assert_true(datagram_sim_put(node->port, &from, "", 0));
    rig_turns(1);
    assert_int_equal(node->line_count, 2);
    assert_int_equal(counters_get(&node->page, METRIC_peer_malformed_total), 2);
    assert_int_equal(rig_take_all(0), 0);
    rig_stop();
}

/* A message inside that says another sender, or that Raft could not have meant. */
static void test_message_inside(void **state)
{
    rig_prepare(2);
    rig_start();
    rig_turns(3);
    assert_true(rig_send(1, PEER_KIND_COUNT, 0, 1, 1, 0));
    assert_true(rig_send(1, PEER_FORWARD, 128, 1, 2, 0));
    assert_true(rig_send(1, PEER_VOTE, 0, 1, 3, 8)); /* a vote has no payload */
    assert_true(rig_send(1, PEER_FORWARD, 0, 1, 4, 0));
    rig_turns(2);
    assert_int_equal(rig_take_all(0), 1);
    assert_int_equal(rig_dropped(0, 2, PEER_DROP_MALFORMED), 3);
    rig_stop();
}

/* ---- forming and joining ---- */

static void test_unformed_hears_hello_only(void **state)
{
    struct peer_update update = {.kind = PEER_UPDATE_CLUSTER};
    struct peer_message got;
    rig_prepare(3);
    memset(rig.nodes[1].config.cluster, 0, PEER_FRAME_CLUSTER_SIZE);
    memset(rig.nodes[2].config.cluster, 0, PEER_FRAME_CLUSTER_SIZE);
    rig_start();
    rig_turns(3);
    for (uint32_t from = 0; from < 3; from++) {
        for (uint8_t to = 1; to <= 3; to++) {
            if (to == from + 1)
                continue;
            assert_true(rig_send(from, PEER_FORWARD, 0, to, 1, 10));
            assert_true(rig_send(from, PEER_HELLO, 0, to, 2, 10));
        }
    }
    rig_turns(2);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(rig_take(i, &got) && got.kind == PEER_HELLO);
        assert_true(rig_take(i, &got) && got.kind == PEER_HELLO);
        assert_false(rig_take(i, &got));
        assert_int_equal(rig.nodes[i].line_count, 0);
    }
    /* node 2 joins */
    memset(update.cluster, 0xc1, sizeof(update.cluster));
    void *room = link_reserve(&rig.nodes[1].ctl_peer, sizeof(update));
    memcpy(room, &update, sizeof(update));
    link_publish(&rig.nodes[1].ctl_peer);
    rig_turns(2);
    assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 10));
    assert_true(rig_send(1, PEER_FORWARD, 0, 1, 1, 10));
    rig_turns(2);
    assert_int_equal(rig_take_all(0), 1);
    assert_int_equal(rig_take_all(1), 1);
    rig_stop();
}

static void give(uint32_t i, const struct peer_update *update)
{
    void *room = link_reserve(&rig.nodes[i].ctl_peer, sizeof(*update));
    memcpy(room, update, sizeof(*update));
    link_publish(&rig.nodes[i].ctl_peer);
    rig_turns(1);
}

/* ---- incarnations ---- */

/* What node 2 has sent, kept by somebody who plays it back later. */
struct tape {
    uint8_t bytes[64][DATAGRAM_SIZE_MAX];
    uint32_t size[64], count;
};
static struct tape tape;

static void record(uint32_t node)
{
    struct datagram_sim_sent sent;
    while (datagram_sim_take(rig.nodes[node].port, &sent)) {
        assert_true(tape.count < 64);
        memcpy(tape.bytes[tape.count], sent.bytes, sent.size);
        tape.size[tape.count++] = sent.size;
        rig_pass(node, &sent);
    }
}

static void play(uint32_t to, uint8_t from)
{
    struct address address = rig_address(from);
    for (uint32_t i = 0; i < tape.count; i++)
        assert_true(datagram_sim_put(rig.nodes[to].port, &address, tape.bytes[i], tape.size[i]));
    rig_turns(1);
}

static void record_some(uint32_t from, uint8_t to)
{
    tape.count = 0;
    for (uint32_t n = 1; n <= 10; n++)
        assert_true(rig_send(from, PEER_FORWARD, 0, to, n, n == 10 ? 9000 : 100));
    rig.now.mono_ns += 100000;
    peer_poll(&rig.nodes[from].peer, rig.now);
    record(from);
    assert_in_range(tape.count, 16, 17);
}

static void test_replay(void **state)
{
    for (int marked = 0; marked < 2; marked++) {
        rig_prepare(2);
        for (uint32_t i = 0; marked && i < 2; i++)
            rig.nodes[i].config.keys = keys("7 " SECRET_A);
        rig_start();
        rig_turns(3);
        record_some(1, 1);
        rig_turns(1);
        assert_int_equal(rig_take_all(0), 10);
        play(0, 2); /* a moment later */
        assert_int_equal(rig_take_all(0), 0);
        assert_int_equal(rig_dropped(0, 2, PEER_DROP_REPEATED), tape.count);
        for (uint32_t n = 1; n <= 2000; n++) {
            assert_true(rig_send(1, PEER_FORWARD, 0, 1, n, 10));
            rig_turns(1);
        }
        assert_true(rig_take_all(0) >= 1999);
        play(0, 2); /* when it is far below the window */
        rig_turns(1);
        assert_true(rig_take_all(0) <= 1);
        assert_int_equal(rig_dropped(0, 2, PEER_DROP_REPEATED), 2 * tape.count);
        rig_stop();
    }
}

static void restart(uint32_t i, uint64_t incarnation)
{
    rig_node_stop(i);
    rig.nodes[i].config.incarnation = incarnation;
    rig_node_start(i);
}

/* What a peer said before its restart is not taken after it was heard again. */
static void test_old_incarnation_of_a_peer(void **state)
{
    rig_prepare(2);
    rig_start();
    rig_turns(3);
    record_some(1, 1);
    rig_turns(1);
    assert_int_equal(rig_take_all(0), 10);
    restart(1, 500);
    rig_turns(5);
    assert_int_equal(atomic_load(&peer_seen_of(&rig.nodes[0].peer, 0)->incarnation), 500);
    assert_true(rig_send(1, PEER_FORWARD, 0, 1, 1, 10)); /* ids begin again, and are new */
    rig_turns(2);
    assert_int_equal(rig_take_all(0), 1);
    play(0, 2);
    assert_int_equal(rig_take_all(0), 0);
    assert_int_equal(rig_dropped(0, 2, PEER_DROP_OLD), tape.count);
    assert_int_equal(rig.nodes[0].line_count, 0); /* late ones are no news */
    /* A node that comes back with a lower one is another matter: it would never be heard. */
    restart(1, 400);
    rig.now.mono_ns += 3 * NS_PER_S;
    rig_turns(5);
    assert_int_equal(rig.nodes[0].line_count, 1);
    assert_non_null(strstr(rig.nodes[0].lines[0], "incarnation 400 is older"));
    /* It is told, by those who refuse it, behind what it must start again: once, for CORE. */
    uint32_t size;
    const struct peer_message *m = link_peek(&rig.nodes[1].peer_core, &size);
    assert_non_null(m);
    assert_int_equal(size, sizeof(*m));
    assert_int_equal(m->kind, PEER_LATER);
    assert_int_equal(m->from, 1);
    assert_int_equal(m->context, 500);
    link_pop(&rig.nodes[1].peer_core);
    link_release(&rig.nodes[1].peer_core);
    rig_turns(50);
    assert_null(link_peek(&rig.nodes[1].peer_core, &size));
    rig_stop();
}

/* What was meant for this node before its own restart is not taken, with keys or without. */
static void test_stale_for_us(void **state)
{
    for (int marked = 0; marked < 2; marked++) {
        rig_prepare(2);
        for (uint32_t i = 0; marked && i < 2; i++)
            rig.nodes[i].config.keys = keys("7 " SECRET_A);
        rig_start();
        rig_turns(3);
        record_some(1, 1);
        restart(0, 600);
        play(0, 2);
        assert_int_equal(rig_take_all(0), 0);
        assert_int_equal(rig_dropped(0, 2, PEER_DROP_STALE), tape.count);
        rig_turns(5); /* greeted, so node 2 knows */
        assert_true(rig_send(1, PEER_FORWARD, 0, 1, 50, 10));
        rig_turns(2);
        assert_int_equal(rig_take_all(0), 1);
        rig_stop();
    }
}

/* With keys, what was sent before the two knew each other could be a recording. */
static void test_unknown_incarnation_with_keys(void **state)
{
    for (int marked = 0; marked < 2; marked++) {
        rig_prepare(2);
        for (uint32_t i = 0; marked && i < 2; i++)
            rig.nodes[i].config.keys = keys("7 " SECRET_A);
        rig_start();
        assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 10));
        rig_turns(2);
        assert_int_equal(rig_take_all(1), marked ? 0 : 1);
        assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 10));
        rig_turns(2);
        assert_int_equal(rig_take_all(1), 1);
        rig_stop();
    }
}

/* A leader that is no member here is a guest while it leads: what somebody plays back, or says in
 * its name without its key, does not make it stay. */
static void test_a_guest_stays_by_its_key(void **state)
{
    struct peer_update update = {.kind = PEER_UPDATE_REMOVE, .member = rig_member(2)};
    (void)state;
    for (uint32_t forged = 0; forged < 2; forged++) {
        rig_prepare(2);
        rig.nodes[0].config.keys = rig.nodes[1].config.keys = keys("7 " SECRET_A);
        rig_start();
        rig_turns(3);
        give(0, &update);
        assert_true(rig_send(1, PEER_APPEND, 0, 1, 1, 0));
        rig_turns(3);
        assert_int_equal(rig_take_all(0), 1);
        tape.count = 0;
        assert_true(rig_send(1, PEER_APPEND, 0, 1, 2, 0));
        peer_poll(&rig.nodes[1].peer, rig.now);
        record(1);
        rig_turns(1);
        assert_int_equal(rig_take_all(0), 1);
        rig.lose = 1000;
        tape.bytes[0][tape.size[0] - 1] ^= (uint8_t)forged;
        rig.now.mono_ns += PEER_GUEST_NS - NS_PER_S;
        play(0, 2);
        assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_members), 1);
        rig.now.mono_ns += NS_PER_S;
        rig_turns(1);
        assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_members), 0);
        assert_int_equal(rig_take_all(0), 0);
        rig_stop();
    }
}

/* ---- rotation ---- */

static void give_keys(uint32_t i, const struct peer_keys *made)
{
    _Atomic uint32_t taken = 0;
    struct peer_update update = {.kind = PEER_UPDATE_KEYS, .keys = made, .keys_taken = &taken};
    give(i, &update);
    assert_int_equal(atomic_load(&taken), 1);
}

static void assert_talk(void)
{
    assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 3000));
    assert_true(rig_send(1, PEER_FORWARD, 0, 1, 1, 3000));
    rig_turns(2);
    assert_int_equal(rig_take_all(0), 1);
    assert_int_equal(rig_take_all(1), 1);
}

/* As peer_keys.h says: at no step is anything refused. */
static void test_rotation(void **state)
{
    static const char both_quiet[] = "7 " SECRET_A "\n-8 " SECRET_B;
    static const char both[] = "7 " SECRET_A "\n8 " SECRET_B, last[] = "8 " SECRET_B;
    static const char *const steps[] = {both_quiet, both, last};
    rig_prepare(2);
    rig.nodes[0].config.keys = rig.nodes[1].config.keys = keys("7 " SECRET_A);
    rig_start();
    rig_turns(3);
    assert_talk();
    for (int step = 0; step < 3; step++) {
        struct peer_keys made = keys(steps[step]);
        for (uint32_t i = 0; i < 2; i++) {
            give_keys(i, &made);
            assert_talk();
        }
    }
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_refused_total), 0);
    assert_int_equal(counters_get(&rig.nodes[1].page, METRIC_peer_refused_total), 0);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_to),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_version_and_damage),
        cmocka_unit_test(test_message_inside),
        cmocka_unit_test(test_unformed_hears_hello_only),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_old_incarnation_of_a_peer),
        cmocka_unit_test(test_stale_for_us),
        cmocka_unit_test(test_unknown_incarnation_with_keys),
        cmocka_unit_test(test_a_guest_stays_by_its_key),
        cmocka_unit_test(test_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
