/* Goal: messages between PEER roles come whole, checked and at most once over a network that loses,
 * doubles and reorders; bounds drop and count. Method: two and three roles on datagram_sim, every
 * byte of every message compared; each bound reached by hand. What is refused: test_peer_refuse. */
#include "peer_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_sizes(void **state)
{
    static const uint32_t sizes[] = {
        0, 1, 7, 200, 1300, 1392, 1400, 65536, 95000, 200000, PEER_PAYLOAD_MAX};
    struct peer_message got;
    rig_prepare(2);
    rig_start();
    rig_turns(3);
    for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t turns = 0;
        assert_true(rig_send(0, PEER_FORWARD, 0, 2, i + 1, sizes[i]));
        do {
            rig_turns(1);
        } while (!rig_take(1, &got) && ++turns < 2000);
        assert_int_equal(got.context, i + 1);
        assert_int_equal(got.payload_size, sizes[i]);
        assert_int_equal(got.from, 1);
    }
    assert_int_equal(rig_take_all(0), 0);
    assert_int_equal(rig.nodes[0].line_count + rig.nodes[1].line_count, 0);
    rig_stop();
}

/* Whatever the network does, what arrives was sent, and arrives once. */
static void test_bad_network(void **state)
{
    static bool seen[2][3000];
    struct peer_message got;
    uint32_t arrived = 0;
    memset(seen, 0, sizeof(seen));
    rig_prepare(2);
    rig.lose = 20;
    rig.repeat = 50;
    rig.delay = 100;
    rig_start();
    rig_turns(300); /* greetings may be lost as well */
    for (uint32_t n = 1; n < 3000; n++) {
        for (uint32_t from = 0; from < 2; from++) {
            uint32_t size = (uint32_t)rand_below(&rig.rand, n % 50 ? 4000 : 80000);
            uint8_t flags = n % 7 == 0 ? PEER_BULK : 0;
            assert_true(rig_send(from, PEER_FORWARD, flags, (uint8_t)(2 - from), n, size));
        }
        rig_turns(1);
        for (uint32_t to = 0; to < 2; to++) {
            while (rig_take(to, &got)) {
                assert_true(got.context >= 1 && got.context < 3000);
                assert_false(seen[to][got.context]);
                seen[to][got.context] = true;
                arrived++;
            }
        }
    }
    assert_true(arrived > 2 * 3000 * 8 / 10); /* 2 % of datagrams, not most of the messages */
    assert_true(arrived < 2 * 2999);
    assert_true(rig_dropped(0, 2, PEER_DROP_REPEATED) > 100);
    assert_true(rig_dropped(0, 2, PEER_DROP_INCOMPLETE) > 10);
    assert_int_equal(rig_dropped(0, 2, PEER_DROP_MALFORMED), 0);
    assert_int_equal(rig.nodes[0].line_count, 0);
    rig_stop();
}

static void test_same_seed_same_bytes(void **state)
{
    uint64_t passed[2], bytes[2];
    for (int round = 0; round < 2; round++) {
        rig_prepare(3);
        rig.lose = rig.repeat = rig.delay = 50;
        rig_start();
        for (uint32_t n = 1; n < 500; n++) {
            rig_send(n % 3, PEER_FORWARD, 0, (uint8_t)((n + 1) % 3 + 1), n, n * 13 % 5000);
            rig_turns(1);
        }
        for (uint32_t i = 0; i < 3; i++)
            rig_take_all(i);
        passed[round] = rig.passed;
        bytes[round] = rig.passed_bytes;
        rig_stop();
    }
    assert_int_equal(passed[0], passed[1]);
    assert_int_equal(bytes[0], bytes[1]);
}

static void test_full_links_drop(void **state)
{
    rig_prepare(2);
    rig_start();
    rig_turns(3);
    /* CORE of node 2 does not take: 16 MiB of 64 KiB messages */
    for (uint32_t n = 1; n <= 400; n++) {
        assert_true(rig_send(0, PEER_FORWARD, 0, 2, n, 64 << 10));
        rig_turns(1);
    }
    rig_turns(2);
    uint64_t dropped = rig_dropped(1, 1, PEER_DROP_CORE_FULL);
    assert_true(dropped > 100);
    assert_int_equal(counters_get(&rig.nodes[1].page, METRIC_peer_core_full_total), dropped);
    assert_int_equal(rig_take_all(1), 400 - dropped);
    rig_turns(1);
    assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 10));
    rig_turns(2);
    assert_int_equal(rig_take_all(1), 1);
    rig_stop();
}

static void test_network_queue_full(void **state)
{
    rig_prepare(2);
    rig_start();
    rig_turns(3);
    for (uint32_t n = 1; n <= 200; n++) /* 200 x 47 datagrams in one turn; the queue holds 8192 */
        assert_true(rig_send(0, PEER_FORWARD, 0, 2, n, 64 << 10));
    for (uint32_t i = 0; i < 20; i++) /* the network takes nothing */
        peer_poll(&rig.nodes[0].peer, rig.now);
    assert_true(rig_dropped(0, 2, PEER_DROP_SEND_FULL) >= 200 - 8192 / 47);
    rig_turns(300);
    uint32_t got = rig_take_all(1);
    assert_true(got > 100 && got < 200);
    rig_stop();
}

static void test_unknown_peer(void **state)
{
    rig_prepare(2);
    rig.nodes[0].config.members[1].address.port = 0;
    rig_start();
    assert_true(rig_send(0, PEER_FORWARD, 0, 77, 1, 10));
    assert_true(rig_send(0, PEER_FORWARD, 0, 2, 2, 10)); /* its name was not resolved yet */
    peer_poll(&rig.nodes[0].peer, rig.now);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_unknown_total), 2);
    rig_stop();
}

/* ---- pacing ---- */

/* Keeps bulk waiting: turns of 100 us. */
static void bulk_turns(uint32_t count)
{
    while (count--) {
        if (counters_get(&rig.nodes[0].page, METRIC_peer_bulk_waiting_bytes) < 500000)
            assert_true(rig_send(0, PEER_SNAPSHOT, 0, 2, 1, 400000));
        rig_turns(1);
    }
}

static void test_bulk_keeps_its_pace(void **state)
{
    rig_prepare(2);
    rig.nodes[0].config.bulk_bytes_per_s = 10000000;
    rig.nodes[0].config.bulk_burst_size = 20000;
    rig_start();
    rig_turns(10);
    uint64_t begin = rig.passed_bytes;
    bulk_turns(10000); /* 1 s */
    uint64_t sent = rig.passed_bytes - begin;
    assert_in_range(sent, 9900000, 10000000 + 20000 + 10000);
    assert_in_range(rig_take_all(1), 22, 25);
    /* and in no 10 ms more than that share and a burst */
    for (uint32_t i = 0; i < 100; i++) {
        begin = rig.passed_bytes;
        bulk_turns(100);
        assert_true(rig.passed_bytes - begin <= 100000 + 20000);
    }
    assert_int_equal(rig_dropped(0, 2, PEER_DROP_BULK_FULL), 0);
    rig_stop();
}

/* A pace below one byte a turn still moves. */
static void test_slow_pace(void **state)
{
    rig_prepare(2);
    rig.nodes[0].config.bulk_bytes_per_s = 20000;
    rig.nodes[0].config.bulk_burst_size = 16 << 10;
    rig_start();
    rig_turns(10);
    assert_true(rig_send(0, PEER_SNAPSHOT, 0, 2, 1, 30000));
    for (uint32_t i = 0; i < 1000000; i++) /* 1 s of 1 us turns: 50 turns a byte */
        rig_turn(1000);
    assert_int_equal(rig_take_all(1), 1); /* 16 KiB at once and 20000 in the second */
    rig_stop();
}

static void test_urgent_goes_first(void **state)
{
    struct peer_message got;
    uint32_t bulk = 0;
    rig_prepare(2);
    rig.nodes[0].config.bulk_bytes_per_s = 50000000;
    rig_start();
    rig_turns(10);
    for (uint32_t n = 1; n <= 1000; n++) {
        if (n % 100 == 1) {
            assert_true(rig_send(0, PEER_SNAPSHOT, 0, 2, n, 1 << 20));
            rig_turns(1); /* PEER_TURN_SIZE: nothing else is taken in that turn */
        }
        assert_true(rig_send(0, PEER_APPEND_REPLY, 0, 2, n, 0));
        rig_turns(2);
        bool here = false;
        while (rig_take(1, &got)) {
            bulk += got.kind == PEER_SNAPSHOT;
            here |= got.kind == PEER_APPEND_REPLY && got.context == n;
        }
        assert_true(here); /* not a turn later than with an idle network */
    }
    assert_true(bulk >= 8);
    rig_stop();
}

static void test_bulk_queue_is_bounded(void **state)
{
    rig_prepare(2);
    rig.nodes[0].config.bulk_bytes_per_s = 50000000; /* 5 MB may wait */
    rig_start();
    rig_turns(10);
    for (uint32_t n = 1; n <= 40; n++) {
        assert_true(rig_send(0, PEER_SNAPSHOT, 0, 2, n, 1000000));
        rig_turns(1);
    }
    assert_int_equal(rig_dropped(0, 2, PEER_DROP_BULK_FULL), 40 - 4);
    uint64_t waiting = counters_get(&rig.nodes[0].page, METRIC_peer_bulk_waiting_bytes);
    assert_in_range(waiting, 4000000, 5000000);
    /* a peer that is not heard any more is not worth the pace */
    rig.nodes[0].peer.config.bulk_bytes_per_s = 1;
    for (uint32_t i = 0; i < 30; i++) {
        rig.now.mono_ns += 100 * NS_PER_MS;
        peer_poll(&rig.nodes[0].peer, rig.now);
    }
    assert_int_equal(rig_dropped(0, 2, PEER_DROP_UNREACHABLE), 4);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_bulk_waiting_bytes), 0);
    /* the largest message passes however slow the pace */
    rig_turns(30);
    for (uint32_t i = 0; i < 12; i++) /* and it is heard again */
        rig_turn(100 * NS_PER_MS);
    assert_true(rig_send(0, PEER_SNAPSHOT, 0, 2, 1, PEER_PAYLOAD_MAX));
    rig_turns(1);
    assert_int_equal(rig_dropped(0, 2, PEER_DROP_BULK_FULL), 40 - 4);
    rig_stop();
}

/* ---- the table ---- */

static void push_update(uint32_t i, const struct peer_update *update)
{
    struct peer_update *room = link_reserve(&rig.nodes[i].ctl_peer, sizeof(*room));
    CHECK(room);
    memcpy(room, update, sizeof(*room));
    link_publish(&rig.nodes[i].ctl_peer);
}

static void test_members_change(void **state)
{
    struct peer_update update = {.kind = PEER_UPDATE_REMOVE, .member = rig_member(3)};
    struct peer_message told;
    rig_prepare(3);
    rig_start();
    rig_turns(3);
    push_update(0, &update);
    rig_turns(2);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_members), 1);
    assert_true(rig_send(2, PEER_FORWARD, 0, 1, 1, 10));
    assert_true(rig_send(0, PEER_FORWARD, 0, 3, 2, 10));
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 0);
    assert_true(rig_take(2, &told)); /* it is told, and tells its CORE, once a second */
    assert_int_equal(told.kind, PEER_ABSENT);
    assert_int_equal(told.from, 1);
    assert_int_equal(rig_take_all(2), 0);
    assert_int_equal(rig.nodes[0].line_count, 1);
    assert_non_null(strstr(rig.nodes[0].lines[0], "peer 3 at 10.0.0.3:2888"));
    assert_non_null(strstr(rig.nodes[0].lines[0], "not a member"));
    /* back again, at first under an address where nobody is */
    update.kind = PEER_UPDATE_SET;
    update.member.address.ip[15] = 99;
    push_update(0, &update);
    rig_turns(2);
    assert_true(rig_send(0, PEER_FORWARD, 0, 3, 3, 10));
    rig_turns(2);
    assert_int_equal(rig_take_all(2), 0);
    update.member = rig_member(3);
    push_update(0, &update);
    rig_turns(2);
    assert_true(rig_send(0, PEER_FORWARD, 0, 3, 4, 3000));
    assert_true(rig_send(2, PEER_FORWARD, 0, 1, 5, 3000));
    rig_turns(3);
    assert_int_equal(rig_take_all(2), 1);
    assert_int_equal(rig_take_all(0), 1);
    rig_stop();
}

static bool ask_for_vote(uint32_t i, uint8_t to)
{
    struct link *link = &rig.nodes[i].core_peer;
    struct peer_message *m = link_reserve(link, sizeof(*m));
    if (!m)
        return false;
    *m = (struct peer_message){.kind = PEER_VOTE, .from = (uint8_t)(i + 1), .to = to, .term = 1};
    link_publish(link);
    return true;
}

/* Node 1 was away while 3 came: 3 leads, and 1 has a membership without it. */
static void test_a_leader_that_is_no_member_here(void **state)
{
    struct peer_update update = {.kind = PEER_UPDATE_REMOVE, .member = rig_member(3)};
    struct peer_message told;
    (void)state;
    rig_prepare(3);
    rig_start();
    rig_turns(3);
    push_update(0, &update);
    rig_turns(3);
    assert_true(ask_for_vote(2, 1)); /* who only wants to lead is not heard */
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 0);
    assert_true(rig_take(2, &told));
    assert_int_equal(told.kind, PEER_ABSENT);
    assert_true(rig_send(2, PEER_SNAPSHOT, 0, 1, 2, 3000)); /* in pieces */
    rig_turns(3);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_members), 2);
    assert_true(rig_take(0, &told));
    assert_int_equal(told.kind, PEER_SNAPSHOT);
    assert_int_equal(told.from, 3);
    assert_true(rig_send(0, PEER_APPEND_REPLY, 0, 3, 3, 0)); /* it is answered */
    rig_turns(3);
    assert_true(rig_take(2, &told));
    assert_int_equal(told.kind, PEER_APPEND_REPLY);
    assert_true(ask_for_vote(2, 1)); /* and gets no vote */
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 0);
    assert_int_equal(rig_dropped(0, 3, PEER_DROP_FROM), 1);
    rig.now.mono_ns += PEER_GUEST_NS / 2;
    assert_true(rig_send(2, PEER_APPEND, 0, 1, 4, 0));
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 1);
    rig.now.mono_ns += PEER_GUEST_NS - NS_PER_S;
    assert_true(rig_send(2, PEER_FORWARD, 0, 1, 5, 10));
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 1);
    rig.now.mono_ns += NS_PER_S;
    assert_true(rig_send(2, PEER_FORWARD, 0, 1, 6, 10));
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 0); /* it leads no more: a stranger again */
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_members), 1);
    assert_true(rig_send(2, PEER_APPEND, 0, 1, 7, 0));
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 1);
    update.kind = PEER_UPDATE_SET; /* its entries have made it a member */
    push_update(0, &update);
    rig.now.mono_ns += 2 * PEER_GUEST_NS;
    rig_turns(3);
    assert_true(ask_for_vote(2, 1));
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 1);
    rig_stop();
}

/* Who led, and is never heard again, keeps no place, and is no peer that cannot be reached. */
static void test_a_silent_guest_goes(void **state)
{
    struct peer_update update = {.kind = PEER_UPDATE_REMOVE, .member = rig_member(3)};
    (void)state;
    rig_prepare(3);
    rig_start();
    rig_turns(3);
    push_update(0, &update);
    rig_turns(3);
    assert_true(rig_send(2, PEER_APPEND, 0, 1, 1, 0));
    rig_turns(3);
    assert_int_equal(rig_take_all(0), 1);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_members), 2);
    rig.lose = 1000;
    rig.now.mono_ns += PEER_GUEST_NS;
    rig_turns(3);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_members), 1);
    assert_int_equal(rig.nodes[0].peer.index_of[3], 0);
    rig_stop();
}

/* Two leave, and one of them comes back into the place of the other, to which less was sent: the
 * far side, which never restarted, must not take what is new for repeated. */
static void test_back_in_another_place(void **state)
{
    struct peer_update update = {.kind = PEER_UPDATE_REMOVE};
    (void)state;
    rig_prepare(3);
    rig_start();
    rig_turns(3);
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(rig_send(0, PEER_FORWARD, 0, 3, i, 10));
        rig_turns(1);
    }
    rig_turns(2);
    assert_int_equal(rig_take_all(2), 200);
    for (uint8_t id = 2; id <= 3; id++) {
        update.member = rig_member(id);
        push_update(0, &update);
    }
    rig_turns(2);
    update.kind = PEER_UPDATE_SET;
    push_update(0, &update);
    rig_turns(2);
    assert_true(rig_send(0, PEER_FORWARD, 0, 3, 1000, 10));
    rig_turns(2);
    assert_int_equal(rig_take_all(2), 1);
    assert_int_equal(counters_get(&rig.nodes[2].page, METRIC_peer_repeated_total), 0);
    rig_stop();
}

/* A name that cannot be resolved now keeps its address; more members than slots take those of the
 * silent. */
static void test_members_bounds(void **state)
{
    struct peer_update update = {.kind = PEER_UPDATE_SET, .member = rig_member(2)};
    rig_prepare(2);
    rig_start();
    rig_turns(3);
    update.member.address.port = 0;
    push_update(0, &update);
    rig_turns(1);
    assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 10));
    rig_turns(2);
    assert_int_equal(rig_take_all(1), 1);
    for (uint8_t id = 10; id < 40; id++) {
        update.member = rig_member(id);
        push_update(0, &update);
        rig_turns(1);
    }
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_members), PEER_COUNT_MAX);
    assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 10)); /* it is heard, so it is still there */
    rig_turns(2);
    assert_int_equal(rig_take_all(1), 1);
    assert_true(rig.nodes[0].peer.index_of[39] != 0);
    strcpy(update.member.name, "another"); /* a new name without an address: nobody knows where */
    update.member.id = 2;
    update.member.address.port = 0;
    push_update(0, &update);
    assert_true(rig_send(0, PEER_FORWARD, 0, 2, 1, 10));
    rig_turns(2);
    assert_int_equal(rig_take_all(1), 0);
    rig_stop();
}

/* Who has no place by right gives it first, though it was heard last. */
static void test_a_guest_gives_way(void **state)
{
    struct peer_update update = {.kind = PEER_UPDATE_REMOVE, .member = rig_member(3)};
    (void)state;
    rig_prepare(3);
    rig_start();
    rig_turns(3);
    push_update(0, &update);
    rig_turns(3);
    assert_true(rig_send(2, PEER_APPEND, 0, 1, 1, 0));
    rig_turns(3);
    rig.lose = 1000;
    update.kind = PEER_UPDATE_SET;
    for (uint8_t id = 10; id < 10 + PEER_COUNT_MAX - 1; id++) {
        assert_int_not_equal(rig.nodes[0].peer.index_of[3], 0); /* there is room yet */
        update.member = rig_member(id);
        push_update(0, &update);
        rig_turns(1);
    }
    assert_int_equal(rig.nodes[0].peer.index_of[3], 0);
    assert_int_not_equal(rig.nodes[0].peer.index_of[2], 0);
    assert_int_not_equal(rig.nodes[0].peer.index_of[10], 0);
    rig_stop();
}

static void test_reachability_and_times(void **state)
{
    const struct peer_seen *seen;
    rig_prepare(2);
    rig_start();
    seen = peer_seen_of(&rig.nodes[0].peer, 0);
    assert_int_equal(atomic_load(&seen->id), 2);
    assert_int_equal(atomic_load(&seen->reachable), 0);
    rig_turns(5);
    assert_int_equal(atomic_load(&seen->reachable), 1);
    assert_int_equal(atomic_load(&seen->incarnation), 101);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_unreachable), 1); /* last look */
    for (uint32_t i = 0; i < 300; i++) /* nothing is said for 30 s: greetings only */
        rig_turn(100 * NS_PER_MS);
    assert_int_equal(atomic_load(&seen->reachable), 1);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_unreachable), 0);
    assert_in_range(atomic_load(&seen->rtt_ns), 1000, 300 * NS_PER_MS);
    uint64_t greetings = counters_get(&rig.nodes[0].page, METRIC_peer_greetings_total);
    assert_in_range(greetings, 50, 70); /* every 500 ms */
    rig.lose = 1000;
    for (uint32_t i = 0; i < 22; i++)
        rig_turn(100 * NS_PER_MS);
    assert_int_equal(atomic_load(&seen->reachable), 0);
    assert_int_equal(counters_get(&rig.nodes[0].page, METRIC_peer_unreachable), 1);
    rig.lose = 0;
    for (uint32_t i = 0; i < 12; i++)
        rig_turn(100 * NS_PER_MS);
    assert_int_equal(atomic_load(&seen->reachable), 1);
    rig_stop();
}

/* ---- as a role ---- */

static void test_idle_and_deadline(void **state)
{
    struct peer *peer = &rig.nodes[0].peer;
    int fd;
    rig_prepare(2);
    rig_start();
    assert_int_equal(peer_park_fds(peer, &fd, 1), 0);
    rig_turns(5);
    while (peer_poll(peer, rig.now) + peer_poll(&rig.nodes[1].peer, rig.now))
        rig_network();
    assert_true(peer_idle(peer));
    assert_in_range(peer_deadline_ns(peer, rig.now), rig.now.mono_ns + 1,
                    rig.now.mono_ns + 500 * NS_PER_MS);
    rig_send(0, PEER_SNAPSHOT, 0, 2, 1, 1 << 20);
    assert_false(peer_idle(peer));
    peer_poll(peer, rig.now);
    peer_poll(peer, rig.now);
    assert_true(peer_idle(peer)); /* the rest waits for its pace */
    uint64_t due_ns = peer_deadline_ns(peer, rig.now);
    assert_in_range(due_ns, rig.now.mono_ns + 1, rig.now.mono_ns + NS_PER_MS);
    rig.now.mono_ns = due_ns;
    assert_true(peer_poll(peer, rig.now) > 0); /* and then there is something to do */
    rig_stop();
}

static void test_init_refuses(void **state)
{
    struct peer_config good, config;
    struct fault fault;
    rig_prepare(2);
    rig_start();
    struct peer_parts parts = rig.nodes[0].peer.parts;
    static struct peer peer;
    good = rig.nodes[0].config;
#define REFUSED(change, words)                                                                     \
    config = good;                                                                                 \
    change;                                                                                        \
    assert_int_equal(peer_init(&peer, &config, &parts, &fault), ERR_RANGE);                        \
    assert_non_null(strstr(fault.text, words))
    REFUSED(config.id = 0, "id 0");
    REFUSED(config.id = 255, "id 255");
    REFUSED(config.incarnation = 0, "incarnation");
    REFUSED(config.bulk_bytes_per_s = 0, "pace");
    REFUSED(config.bulk_burst_size = 100, "burst");
    REFUSED(config.bulk_queue_size = 1 << 20, "queue");
    REFUSED(config.bulk_queue_size = (32 << 20) + 1, "power of two");
    REFUSED(config.greet_ms = 0, "times");
    REFUSED(config.slots = 0, "reassembly");
    REFUSED(config.bulk_slots = PEER_REASSEMBLY_SLOTS_MAX + 1, "reassembly");
    REFUSED(config.members[1].id = 0, "id 0");
    REFUSED(config.members[1].id = 1, "two members");
    REFUSED(config.member_count = PEER_COUNT_MAX + 2, "at most");
    REFUSED(config.member_count = PEER_COUNT_MAX + 1;
            for (uint8_t i = 0; i <= PEER_COUNT_MAX; i++) config.members[i].id = (uint8_t)(i + 10),
            "besides this one");
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_full_links_drop),
        cmocka_unit_test(test_network_queue_full),
        cmocka_unit_test(test_unknown_peer),
        cmocka_unit_test(test_bulk_keeps_its_pace),
        cmocka_unit_test(test_slow_pace),
        cmocka_unit_test(test_urgent_goes_first),
        cmocka_unit_test(test_bulk_queue_is_bounded),
        cmocka_unit_test(test_members_change),
        cmocka_unit_test(test_a_silent_guest_goes),
        cmocka_unit_test(test_a_leader_that_is_no_member_here),
        cmocka_unit_test(test_back_in_another_place),
        cmocka_unit_test(test_members_bounds),
        cmocka_unit_test(test_a_guest_gives_way),
        cmocka_unit_test(test_reachability_and_times),
        cmocka_unit_test(test_idle_and_deadline),
        cmocka_unit_test(test_init_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
