/* Goal: "watch before data" (dataplane/net.h) in a whole node whose roles share a thread, where
 * APPLY tells NET in a call until NET has had enough for a turn, and by the ring from then on.
 * Method: forty clients set one-shot watches and write, in bursts, and now and then with more
 * watches than NET tells of in a turn. Of each client's stream: an event comes before any answer at
 * or past its zxid, is of the next change of its node, and comes once. The seed is fixed.
 * TAKT_TORTURE_SECONDS (default 1) says for how long. */
#include "perf/bench_node.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/jute.h"
#include "base/link.h"
#include "base/rand.h"
#include "base/zk.h"
#include "dataplane/net.h"
#include "tools/taktd/node_parts.h"
#include "tools/taktd/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLIENTS     40u
#define KEYS        128u
#define ASKED_MAX   512u /* of a client, without an answer */
#define ROUNDS_MIN  200u
#define CHANGES_MAX 1000000u
#define HELLO       (4u + 37u) /* bytes of the handshake's answer */

static_assert(2 * CLIENTS * KEYS > NET_TURN_EVENTS, "a storm is more than NET takes in calls");

/* A request in flight. */
struct asked {
    uint32_t key;
    int32_t op;
};

struct client {
    struct port_sim_peer *peer;
    struct asked asked[ASKED_MAX];
    uint64_t asked_count, answered_count;
    int64_t armed[KEYS]; /* mzxid that the watch was set at; 0: none */
    int64_t seen;        /* zxid of the last answer */
    bool greeted;
};

/* A change of a key; or what an event was of. */
struct change {
    uint32_t key;
    int64_t zxid, armed; /* armed: of an event; 0: this is a change */
};

static struct bench_node node;
static struct client clients[CLIENTS];
static struct change *changes;
static uint32_t change_count, event_count;
static struct rand rand_of_test;
static struct now now = {.mono_ns = NS_PER_S, .wall_ms = 1700000000000};

static void note(uint32_t key, int64_t zxid, int64_t armed)
{
    CHECK(change_count < CHANGES_MAX);
    changes[change_count++] = (struct change){key, zxid, armed};
}

/* ---- a client's stream ---- */

static void on_event(struct client *client, int64_t zxid, struct jute_in *in)
{
    int32_t type = jute_get_int(in);
    (void)jute_get_int(in); /* state */
    struct bytes path = jute_get_bytes(in);

    CHECK(!in->bad && type == ZK_EVENT_DATA_CHANGED && path.size == 10);
    uint32_t key = (uint32_t)atoi((const char *)memcpy((char[4]){0}, path.at + 7, 3));
    CHECK(key < KEYS && client->armed[key] > 0); /* once for each watch */
    CHECK(zxid > client->seen);                  /* before any answer at or past it */
    note(key, zxid, client->armed[key]);
    client->armed[key] = 0;
    event_count++;
}

static void on_answer(struct client *client, int64_t zxid, struct jute_in *in)
{
    CHECK(client->answered_count < client->asked_count);
    struct asked asked = client->asked[client->answered_count++ % ASKED_MAX];

    CHECK(jute_get_int(in) == 0 && zxid >= client->seen);
    client->seen = zxid;
    if (asked.op == ZK_OP_CREATE)
        return;
    if (asked.op == ZK_OP_GET_DATA)
        (void)jute_get_bytes(in);
    (void)jute_get_long(in); /* czxid */
    int64_t mzxid = jute_get_long(in);
    CHECK(!in->bad && mzxid <= zxid);
    if (asked.op == ZK_OP_SET_DATA) {
        note(asked.key, mzxid, 0);
        return;
    }
    int64_t was = client->armed[asked.key];
    CHECK(was == 0 || was == mzxid); /* what was seen to change was told before */
    client->armed[asked.key] = mzxid;
}

/* Reads what has come. Returns how many answers. */
static uint32_t take(struct client *client)
{
    uint32_t size, used = 0, answers = 0;
    const uint8_t *at = port_sim_arrived(client->peer, &size);

    if (!client->greeted && size >= HELLO) {
        client->greeted = true;
        used = HELLO;
    }
    while (client->greeted && size - used >= 4) {
        struct jute_in in = jute_in(at + used, 4);
        uint32_t frame = (uint32_t)jute_get_int(&in);
        if (size - used < 4 + frame)
            break;
        in = jute_in(at + used + 4, frame);
        int32_t xid = jute_get_int(&in);
        int64_t zxid = jute_get_long(&in);
        if (xid == -1) {
            (void)jute_get_int(&in); /* error */
            on_event(client, zxid, &in);
        } else {
            on_answer(client, zxid, &in);
            answers++;
        }
        used += 4 + frame;
    }
    port_sim_take(client->peer, used);
    return answers;
}

/* ---- what the clients do ---- */

static void put(struct client *client, uint32_t key, int32_t op)
{
    if (client->asked_count - client->answered_count == ASKED_MAX)
        return;
    bench_node_put(&node, op, key);
    if (op == ZK_OP_GET_DATA)
        node.frames[node.frames_size - 1] = 1; /* with a watch */
    client->asked[client->asked_count++ % ASKED_MAX] = (struct asked){key, op};
}

static void send(struct client *client)
{
    port_sim_send(client->peer, node.frames, node.frames_size);
    node.given = true;
    bench_node_clear(&node);
}

static uint32_t turn(void)
{
    uint32_t answers = 0;

    now.mono_ns += 10000;
    bench_node_turn(&node, now);
    for (uint32_t i = 0; i < CLIENTS; i++)
        answers += take(&clients[i]);
    return answers;
}

static void burst(struct client *client)
{
    uint64_t share = rand_below(&rand_of_test, 12);

    for (uint64_t count = rand_below(&rand_of_test, 90); count--;)
        put(client, (uint32_t)rand_below(&rand_of_test, KEYS),
            rand_below(&rand_of_test, 12) < share ? ZK_OP_SET_DATA : ZK_OP_GET_DATA);
    send(client);
}

/* Turns until every request is answered. */
static void settle(void)
{
    uint32_t open = 1;

    for (uint32_t turns = 0; open && turns < 100000; turns++) {
        turn();
        open = 0;
        for (uint32_t i = 0; i < CLIENTS; i++)
            open += clients[i].answered_count != clients[i].asked_count;
    }
    assert_int_equal(open, 0);
}

/* Everybody watches every key: more than NET tells of in a turn, so that the next writes go by the
 * ring, while their watches go one after the other. */
static void storm(void)
{
    settle();
    for (uint32_t i = 0; i < CLIENTS; i++) {
        for (uint32_t key = 0; key < KEYS; key++)
            put(&clients[i], key, ZK_OP_GET_DATA);
        send(&clients[i]);
    }
    settle();
    for (uint32_t i = 0; i < CLIENTS; i += 4) {
        for (uint32_t k = 0; k < 16; k++)
            put(&clients[i], (uint32_t)rand_below(&rand_of_test, KEYS), ZK_OP_SET_DATA);
        send(&clients[i]);
    }
}

static void begin(void)
{
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};

    rand_seed(&rand_of_test, 1);
    changes = malloc(CHANGES_MAX * sizeof(*changes));
    assert_non_null(changes);
    bench_node_init(&node);
    node.config.connections_max_per_address = 0;
    node.config.layout = CONFIG_LAYOUT_TOGETHER;
    bench_node_open(&node, now);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i].peer = port_sim_connect(node.port, &from);
        bench_node_greet(&node);
        send(&clients[i]);
    }
    while (!clients[CLIENTS - 1].greeted)
        turn();
    for (uint32_t key = 0; key < KEYS; key++)
        put(&clients[0], key, ZK_OP_CREATE);
    send(&clients[0]);
    while (clients[0].answered_count < KEYS)
        turn();
}

/* ---- what is known in the end ---- */

static int by_key_and_zxid(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int64_t xs = x->armed ? x->armed : x->zxid, ys = y->armed ? y->armed : y->zxid;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (xs != ys)
        return xs < ys ? -1 : 1;
    return (x->armed != 0) - (y->armed != 0);
}

/* Each event is of the change behind the one that its watch was set at, and none is missing. */
static void check_changes(void)
{
    int64_t last[KEYS] = {0}, next = 0;
    uint32_t key = KEYS;

    qsort(changes, change_count, sizeof(*changes), by_key_and_zxid);
    for (uint32_t i = change_count; i-- > 0;) {
        const struct change *at = &changes[i];
        if (at->key != key)
            next = 0;
        key = at->key;
        if (at->armed) {
            CHECK(at->zxid == next);
            continue;
        }
        if (next == 0)
            last[key] = at->zxid;
        next = at->zxid;
    }
    for (uint32_t i = 0; i < CLIENTS; i++)
        for (uint32_t k = 0; k < KEYS; k++)
            CHECK(clients[i].armed[k] == 0 || clients[i].armed[k] >= last[k]);
}

static void test_watch_before_data(void **state)
{
    const char *seconds = getenv("TAKT_TORTURE_SECONDS");
    uint64_t end_ns = clock_now().mono_ns + (seconds ? strtoull(seconds, NULL, 10) : 1) * NS_PER_S;
    uint32_t by_call = 0, by_ring = 0;

    begin();
    const struct link *ring = node_link(node.node, TOPOLOGY_APPLY_NET, 0);
    for (uint32_t round = 0; (round < ROUNDS_MIN || clock_now().mono_ns < end_ns) &&
                             change_count < CHANGES_MAX / 2;
         round++) {
        if (round % 4 == 0)
            storm();
        for (uint32_t i = 0; i < CLIENTS; i++)
            if (rand_below(&rand_of_test, 3) == 0)
                burst(&clients[i]);
        for (uint64_t turns = rand_below(&rand_of_test, 5); turns--;) {
            uint64_t was = atomic_load(&ring->head);
            uint32_t answers = turn();
            by_ring += atomic_load(&ring->head) != was;
            by_call += answers && atomic_load(&ring->head) == was;
        }
    }
    settle();
    check_changes();
    assert_true(by_call > 20 && by_ring > 20 && event_count > 10000);
    bench_node_close(&node);
    for (uint32_t i = 0; i < CLIENTS; i++)
        port_sim_forget(clients[i].peer);
    free(changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_watch_before_data)};
    return cmocka_run_group_tests_name("direct_watch", tests, NULL, NULL);
}
