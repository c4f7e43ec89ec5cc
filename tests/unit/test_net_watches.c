/* Goal: events reach clients as zk_protocol.md section 14 says: before any answer that shows the
 * change, in order, once; and firing is bounded. Method: one NET; the test is APPLY, and publishes
 * at the worst moments. */
#include "base/rand.h"
#include "net_rig.h"

static void add_watch(struct client *c, int32_t xid, const char *path, int32_t mode)
{
    client_path_int(c, xid, ZK_OP_ADD_WATCH, path, mode);
}

/* One connection with every kind of watch: each change is told once for each side. */
static void test_no_doubles(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/w", "");
    rig_publish(rig);
    client_path(&c, 1, ZK_OP_GET_DATA, "/w", 1);
    client_path(&c, 2, ZK_OP_EXISTS, "/w", 1);
    client_path(&c, 3, ZK_OP_GET_CHILDREN2, "/w", 1);
    add_watch(&c, 4, "/w", 0);
    add_watch(&c, 5, "/w", 1);
    rig_run(rig);
    for (int xid = 1; xid <= 4; xid++)
        client_expect(&c, xid, ZK_OK);
    struct answer a = client_expect(&c, 5, ZK_OK);
    assert_int_equal(a.body.end - a.body.at, 4);
    assert_int_equal(rig->net.watches.count, 4);

    rig_create(rig, "/w/p", "");
    rig_set(rig, "/w", "1");
    rig_delete(rig, "/w/p");
    rig_delete(rig, "/w");
    int64_t z = rig->zxid;
    rig_publish(rig);
    rig_run(rig);
    client_event(&c, z - 3, ZK_EVENT_CREATED, "/w/p");
    client_event(&c, z - 3, ZK_EVENT_CHILDREN_CHANGED, "/w");
    client_event(&c, z - 2, ZK_EVENT_DATA_CHANGED, "/w");
    client_event(&c, z - 1, ZK_EVENT_DELETED, "/w/p");
    client_event(&c, z - 1, ZK_EVENT_CHILDREN_CHANGED, "/w");
    client_event(&c, z, ZK_EVENT_DELETED, "/w");
    client_nothing(&c);
    assert_int_equal(rig->net.watches.count, 2); /* persistent ones stay */
    client_forget(rig, &c);
    assert_int_equal(rig->net.watches.count, 0);
    rig_free(rig);
}

/* The writer's own event comes before its own answer, and a read behind shows the new state after.
 */
static void test_own_change(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/a", "1");
    rig_publish(rig);
    client_path(&c, 1, ZK_OP_GET_DATA, "/a", 1);
    client_set(&c, 2, "/a", "2");
    client_path(&c, 3, ZK_OP_GET_DATA, "/a", 1);
    rig_run(rig);
    client_expect(&c, 1, ZK_OK);
    rig_set(rig, "/a", "2");
    rig_reply(rig, rig_peek(rig), ZK_OK, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
    client_event(&c, rig->zxid, ZK_EVENT_DATA_CHANGED, "/a");
    client_expect(&c, 2, ZK_OK);
    struct answer a = client_expect(&c, 3, ZK_OK);
    assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string("2")));
    client_forget(rig, &c);
    rig_free(rig);
}

/* A change is in the link but not published: a watch set now is set before it, and fires for it. */
static void test_set_between(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/a", "1");
    rig_publish(rig);
    rig_run(rig);
    int64_t before = rig->zxid;
    rig_set(rig, "/a", "2");
    link_publish(&rig->apply_net);
    client_path(&c, 1, ZK_OP_GET_DATA, "/a", 1);
    rig_turn(rig);
    rig_turn(rig);
    struct answer a = client_expect(&c, 1, ZK_OK);
    assert_true(a.zxid == before);
    assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string("1")));
    client_nothing(&c);
    tree_publish(rig->tree, rig->zxid);
    client_path(&c, 2, ZK_OP_GET_DATA, "/a", 1);
    rig_run(rig);
    client_event(&c, rig->zxid, ZK_EVENT_DATA_CHANGED, "/a");
    a = client_expect(&c, 2, ZK_OK);
    assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string("2")));
    client_nothing(&c); /* the second watch was set after the change */
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_remove(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/a", "1");
    rig_publish(rig);
    client_path(&c, 1, ZK_OP_GET_DATA, "/a", 1);
    add_watch(&c, 2, "/a", 0);
    client_path_int(&c, 3, ZK_OP_CHECK_WATCHES, "/a", ZK_WATCHER_DATA);
    client_path_int(&c, 4, ZK_OP_CHECK_WATCHES, "/a", ZK_WATCHER_CHILDREN);
    client_path_int(&c, 5, ZK_OP_CHECK_WATCHES, "/a", ZK_WATCHER_PERSISTENT);
    client_path_int(&c, 6, ZK_OP_REMOVE_WATCHES, "/a", ZK_WATCHER_DATA);
    client_path_int(&c, 7, ZK_OP_REMOVE_WATCHES, "/a", ZK_WATCHER_DATA);
    client_path_int(&c, 8, ZK_OP_REMOVE_WATCHES, "/a", ZK_WATCHER_PERSISTENT_RECURSIVE);
    client_path_int(&c, 9, ZK_OP_REMOVE_WATCHES, "/a", ZK_WATCHER_ANY);
    client_path_int(&c, 10, ZK_OP_CHECK_WATCHES, "/a", ZK_WATCHER_ANY);
    rig_run(rig);
    static const int32_t want[] = {
        0, 0, 0, ZK_NO_WATCHER, 0, 0, ZK_NO_WATCHER, ZK_NO_WATCHER, 0, ZK_NO_WATCHER};
    for (int i = 0; i < 10; i++)
        client_expect(&c, i + 1, want[i]);
    rig_set(rig, "/a", "2");
    rig_publish(rig);
    rig_run(rig);
    client_nothing(&c);
    client_forget(rig, &c);
    rig_free(rig);
}

static void put_list(struct jute_out *out, const char *const *list)
{
    int count = 0;
    while (list && list[count])
        count++;
    jute_put_int(out, list ? count : -1);
    for (int i = 0; i < count; i++)
        jute_put_bytes(out, bytes_of_string(list[i]));
}

static void test_set_watches(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/same", "");
    rig_create(rig, "/changed", "");
    rig_create(rig, "/parent", "");
    int64_t seen = rig->zxid;
    rig_create(rig, "/new", "");
    rig_set(rig, "/changed", "x");
    rig_create(rig, "/parent/kid", "");
    rig_publish(rig);
    rig_run(rig);
    static const char *const none[] = {NULL};
    static const char *const data[] = {"/same", "/changed", "/gone", NULL};
    static const char *const exist[] = {"/new", "/later", NULL};
    static const char *const child[] = {"/same", "/parent", "/gone2", NULL};
    static const char *const lasting[] = {"/changed", NULL};
    static const char *const below[] = {"/parent", NULL};
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    jute_put_int(out, ZK_XID_SET_WATCHES);
    jute_put_int(out, ZK_OP_SET_WATCHES2);
    jute_put_long(out, seen);
    put_list(out, data);
    put_list(out, exist);
    put_list(out, child);
    put_list(out, lasting);
    put_list(out, below);
    packet_send(&c, &p);
    rig_run(rig);
    client_event(&c, -1, ZK_EVENT_DATA_CHANGED, "/changed");
    client_event(&c, -1, ZK_EVENT_DELETED, "/gone");
    client_event(&c, -1, ZK_EVENT_CREATED, "/new");
    client_event(&c, -1, ZK_EVENT_CHILDREN_CHANGED, "/parent");
    client_event(&c, -1, ZK_EVENT_DELETED, "/gone2");
    client_expect(&c, ZK_XID_SET_WATCHES, ZK_OK);
    client_nothing(&c);
    assert_int_equal(rig->net.watches.count, 5); /* told ones are not set */

    rig_set(rig, "/same", "y");
    rig_create(rig, "/later", "");
    rig_set(rig, "/parent/kid", "z");
    rig_publish(rig);
    rig_run(rig);
    client_event(&c, rig->zxid - 2, ZK_EVENT_DATA_CHANGED, "/same");
    client_event(&c, rig->zxid - 1, ZK_EVENT_CREATED, "/later");
    client_event(&c, rig->zxid, ZK_EVENT_DATA_CHANGED, "/parent/kid");

    for (int null = 0; null < 3; null++) { /* a null list, in any place: -5, and nothing is set */
        out = packet_begin(&p);
        jute_put_int(out, ZK_XID_SET_WATCHES);
        jute_put_int(out, ZK_OP_SET_WATCHES);
        jute_put_long(out, seen);
        for (int list = 0; list < 3; list++)
            put_list(out, list == null ? NULL : list == 0 ? exist : none);
        packet_send(&c, &p);
    }
    uint64_t count = rig->net.watches.count;
    rig_run(rig);
    for (int null = 0; null < 3; null++)
        client_expect(&c, ZK_XID_SET_WATCHES, ZK_MARSHALLING_ERROR);
    client_nothing(&c);
    assert_int_equal(rig->net.watches.count, count);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_refused(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.conn_watches_max = 2;
    struct rig *rig = rig_make(&config, 0);
    struct client c = client_live(rig, 1);
    add_watch(&c, 1, "/a", 0);
    add_watch(&c, 2, "/a", 1);
    add_watch(&c, 3, "/b", 1);
    client_path(&c, 4, ZK_OP_GET_DATA, "/", 1);
    client_path(&c, 5, ZK_OP_GET_CHILDREN, "/", 1);
    client_path(&c, 6, ZK_OP_EXISTS, "/none", 1);
    client_path(&c, 7, ZK_OP_GET_DATA, "/", 0);
    rig_run(rig);
    static const int32_t want[] = {
        0, 0, ZK_SYSTEM_ERROR, ZK_SYSTEM_ERROR, ZK_SYSTEM_ERROR, ZK_SYSTEM_ERROR, 0};
    for (int i = 0; i < 7; i++)
        client_expect(&c, i + 1, want[i]);
    assert_int_equal(counters_get(&rig->counters, METRIC_net_watch_refused_total), 4);
    client_forget(rig, &c);
    rig_free(rig);
}

/* 20000 connections watch one znode: several turns tell them, and until all are told nobody reads
 * the new state. */
static void test_many_watchers(void **state)
{
    enum { COUNT = 20000 };
    struct net_config config;
    net_config_default(&config);
    config.conns_per_address = 0;
    struct rig *rig = rig_make(&config, 256);
    struct client *c = calloc(COUNT, sizeof(*c));
    rig_create(rig, "/w", "1");
    rig_publish(rig);
    for (int i = 0; i < COUNT; i++)
        c[i] = client_connect(rig, 1);
    for (int i = 0; i < COUNT; i++) {
        client_handshake(&c[i], 0, 10000, 0, bytes_of("", 0), 0);
        client_path(&c[i], 1, ZK_OP_GET_DATA, "/w", 1);
    }
    for (int i = 0; i < 40; i++) {
        rig_run(rig);
        rig_serve(rig);
    }
    rig_run(rig);
    assert_int_equal(rig->net.watches.count, COUNT);
    assert_int_equal(rig->net.watches.path_count, 1);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(client_packet(&c[i]).size, 37);
        client_expect(&c[i], 1, ZK_OK);
        client_nothing(&c[i]);
    }
    rig_run(rig);
    rig_set(rig, "/w", "2");
    rig_publish(rig);
    client_path(&c[7], 2, ZK_OP_GET_DATA, "/w", 0);
    int turns = 0;
    do {
        uint64_t told = counters_get(&rig->counters, METRIC_net_events_total);
        if (turns == 1) /* one that is not told yet goes away in the middle */
            port_sim_cut(c[0].peer);
        rig_turn(rig);
        assert_true(counters_get(&rig->counters, METRIC_net_events_total) - told <=
                    NET_TURN_EVENTS);
        turns++;
    } while (rig->net.watches.job.open);
    assert_in_range(turns, COUNT / NET_TURN_EVENTS, COUNT / NET_TURN_EVENTS + 2);
    rig_run(rig);
    client_event(&c[7], rig->zxid, ZK_EVENT_DATA_CHANGED, "/w");
    struct answer a = client_expect(&c[7], 2, ZK_OK);
    assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string("2")));
    for (int i = 1; i < COUNT; i++) {
        if (i != 7)
            client_event(&c[i], rig->zxid, ZK_EVENT_DATA_CHANGED, "/w");
        client_nothing(&c[i]);
    }
    for (int i = 0; i < COUNT; i++)
        port_sim_cut(c[i].peer);
    rig_run(rig);
    for (int i = 0; i < COUNT; i++)
        port_sim_forget(c[i].peer);
    assert_int_equal(rig->net.slab.in_use, 0);
    free(c);
    rig_free(rig);
}

/* Who never reads is closed at the output limit; others are told all the time. */
static void test_never_reads(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.output_limit = 65536;
    struct rig *rig = rig_make(&config, 4096);
    struct client slow = client_live(rig, 1), good = client_live(rig, 2);
    rig_create(rig, "/w", "1");
    rig_publish(rig);
    add_watch(&slow, 1, "/w", 0);
    add_watch(&good, 1, "/w", 0);
    rig_run(rig);
    client_expect(&good, 1, ZK_OK);
    int sets = 0;
    for (; sets < 5000 && port_sim_open_now(slow.peer); sets++) {
        rig_set(rig, "/w", "x");
        rig_publish(rig);
        rig_run(rig);
        client_event(&good, rig->zxid, ZK_EVENT_DATA_CHANGED, "/w");
        assert_true(rig->net.slab.in_use < 1 << 20);
    }
    assert_in_range(sets, 65536 / 34, 65536 / 34 + 4096 / 34 + 10);
    assert_int_equal(counters_get(&rig->counters, METRIC_net_output_limit_total), 1);
    port_sim_forget(slow.peer);

    /* One who asks and does not read is not served further, and goes on when it reads. */
    rig_create(rig, "/big", "");
    rig_publish(rig);
    char *data = malloc(100001);
    memset(data, 'd', 100000);
    data[100000] = 0;
    rig_set(rig, "/big", data);
    rig_publish(rig);
    for (int i = 0; i < 200; i++)
        client_path(&good, i + 10, ZK_OP_GET_DATA, "/big", 0);
    rig_run(rig);
    assert_true(rig->net.slab.in_use < 8 << 20);
    assert_true(port_sim_open_now(good.peer));
    uint64_t total = 0;
    uint32_t size;
    for (port_sim_arrived(good.peer, &size); size; port_sim_arrived(good.peer, &size)) {
        total += size;
        port_sim_take(good.peer, size);
        rig_run(rig);
    }
    assert_int_equal(total - good.seen, 200 * (REPLY_HEADER_SIZE + 4 + 100000 + ZK_STAT_SIZE));
    good.seen = 0;
    free(data);
    client_forget(rig, &good);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_doubles),    cmocka_unit_test(test_own_change),
        cmocka_unit_test(test_set_between),   cmocka_unit_test(test_remove),
        cmocka_unit_test(test_set_watches),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many_watchers), cmocka_unit_test(test_never_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
