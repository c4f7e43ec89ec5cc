/* Goal: "watch before data" (dataplane/net.h) with real threads: no event is late, lost, doubled or
 * out of order. Method: one writer changes nodes, pushes each change to two NETs and publishes, in
 * batches of random size; NET threads serve clients on sim ports. The model is the writer's own
 * list of changes: a client that armed a watch at S must hear exactly the next change of that node,
 * and before any answer at or past it; a client that watches everything must have heard of every
 * zxid up to Z when an answer says Z.
 * TAKT_TORTURE_SECONDS (default 1) says for how long. */
#include "base/check.h"
#include "base/clock.h"
#include "base/grace.h"
#include "base/rand.h"
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/port/port_sim.h"
#include "dataplane/qsbr.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include <cmocka.h>

#define NET_COUNT    2
#define CLIENT_COUNT 6 /* of each NET; client 0 watches everything */
#define KEY_COUNT    12
#define CHANGE_MAX   4000000

struct client {
    struct port_sim_peer *peer;
    struct rand rand;
    int64_t armed[KEY_COUNT]; /* S of the read that set the watch; -1: not armed */
    int64_t heard;            /* client 0: zxid of the last event */
    int64_t seen;             /* of the last answer */
    int asked;                /* key of the read in flight; -1: a ping; -2: nothing */
    bool live;
};

struct side {
    struct net net;
    struct link net_core, apply_net;
    struct counters page;
    struct counters_book book;
    struct client clients[CLIENT_COUNT];
    uint64_t events, answers;
};

static struct side *sides[NET_COUNT];
static struct tree *tree;
static struct acl_table *acls;
static _Atomic bool stop;
/* The model: changes[zxid] is the key that this zxid changed; next[zxid] the next zxid of the same
 * key, 0 while there is none. Written before the change is pushed. */
static uint8_t *changed_key;
static int64_t last_of[KEY_COUNT];
static _Atomic int64_t *next_of;
static int64_t base_zxid, zxid;

static const char *key_path(int key)
{
    static const char *const paths[KEY_COUNT] = {"/k/00", "/k/01", "/k/02", "/k/03",
                                                 "/k/04", "/k/05", "/k/06", "/k/07",
                                                 "/k/08", "/k/09", "/k/10", "/k/11"};
    return paths[key];
}

/* ---- the writer: CORE and APPLY ---- */

static void *reserve(struct link *link, uint32_t size)
{
    void *record;
    while (!(record = link_reserve(link, size))) { /* HOLD: what is complete is visible */
        for (int i = 0; i < NET_COUNT; i++)
            link_publish(&sides[i]->apply_net);
        if (tree_published(tree) < zxid - 1)
            tree_publish(tree, zxid - 1);
        sched_yield();
        if (atomic_load(&stop))
            return NULL;
    }
    return record;
}

static bool write_one(int key, const char *value)
{
    struct bytes path = bytes_of_string(key_path(key));
    zxid++;
    changed_key[zxid] = (uint8_t)key;
    atomic_store_explicit(&next_of[last_of[key]], zxid, memory_order_release);
    last_of[key] = zxid;
    tree_begin(tree, zxid,
               1); /* as APPLY: first the tree, then the links, then all of it is shown */
    CHECK(tree_set(tree, path, bytes_of_string(value)) == 0);
    tree_commit(tree);
    for (int i = 0; i < NET_COUNT; i++) {
        struct apply_change *c =
            reserve(&sides[i]->apply_net, (uint32_t)sizeof(*c) + (uint32_t)path.size);
        if (!c)
            return false;
        *c = (struct apply_change){{APPLY_NET_CHANGE, (uint32_t)path.size, zxid},
                                   ZK_EVENT_DATA_CHANGED,
                                   (uint32_t)path.size,
                                   0,
                                   0};
        memcpy(c + 1, path.at, (size_t)path.size);
    }
    return true;
}

static void open_sessions(struct side *side)
{
    const struct command *c;
    uint32_t size;
    while ((c = link_peek(&side->net_core, &size))) {
        if (c->kind == COMMAND_OPEN) {
            struct apply_reply *r = reserve(&side->apply_net, sizeof(*r));
            if (!r)
                return;
            *r = (struct apply_reply){.head = {APPLY_NET_REPLY, 0, zxid},
                                      .conn = c->conn,
                                      .session = (int64_t)c->conn,
                                      .attach = 1,
                                      .timeout_ms = 10000,
                                      .command_kind = COMMAND_OPEN};
        }
        link_pop(&side->net_core);
        link_release(&side->net_core);
    }
}

static void reclaim(void)
{
    struct tree_batch *batch = tree_retired(tree);
    if (!batch)
        return;
    urcu_qsbr_synchronize_rcu();
    grace_passed();
    tree_reclaim(tree, batch);
}

static void *writer(void *arg)
{
    struct rand r;
    char value[24];
    rand_seed(&r, 1);
    for (uint64_t round = 0; !atomic_load(&stop) && zxid < CHANGE_MAX - 64; round++) {
        uint64_t batch = 1 + rand_below(&r, 8);
        for (uint64_t i = 0; i < batch; i++) {
            int key = (int)rand_below(&r, KEY_COUNT);
            snprintf(value, sizeof(value), "%ld", (long)(zxid + 1));
            if (!write_one(key, value))
                return NULL;
            if (rand_below(&r, 4) == 0) { /* in the links, and not in the tree for a while */
                for (int n = 0; n < NET_COUNT; n++)
                    link_publish(&sides[n]->apply_net);
                if (rand_below(&r, 8) == 0)
                    sched_yield();
            }
        }
        for (int n = 0; n < NET_COUNT; n++) {
            open_sessions(sides[n]);
            link_publish(&sides[n]->apply_net);
        }
        tree_publish(tree, zxid);
        if (round % 256 == 0)
            reclaim();
        if (rand_below(&r, 3) == 0)
            sched_yield();
    }
    return NULL;
}

/* ---- clients, on the thread of their NET ---- */

static int64_t next_change(int64_t at)
{
    return atomic_load_explicit(&next_of[at], memory_order_acquire);
}

static void send_request(struct client *c, bool all)
{
    uint8_t bytes[64];
    struct jute_out out = jute_out(bytes + 4, sizeof(bytes) - 4);
    int key = (int)rand_below(&c->rand, KEY_COUNT + 1) - 1;
    jute_put_int(&out, key < 0 ? ZK_XID_PING : 1);
    jute_put_int(&out, key < 0 ? ZK_OP_PING : ZK_OP_GET_DATA);
    if (key >= 0) {
        jute_put_bytes(&out, bytes_of_string(key_path(key)));
        jute_put_byte(&out, !all);
    }
    uint32_t size = (uint32_t)(out.at - bytes);
    out = jute_out(bytes, 4);
    jute_put_int(&out, (int32_t)size - 4);
    port_sim_send(c->peer, bytes, size);
    c->asked = key;
}

static void send_watch_all(struct client *c)
{
    uint8_t bytes[64];
    struct jute_out out = jute_out(bytes, sizeof(bytes));
    jute_put_int(&out, 8 + 5 + 4);
    jute_put_int(&out, 1);
    jute_put_int(&out, ZK_OP_ADD_WATCH);
    jute_put_bytes(&out, bytes_of_string("/"));
    jute_put_int(&out, 1);
    port_sim_send(c->peer, bytes, (uint32_t)(out.at - bytes));
    c->asked = -1;
}

static void on_event(struct side *side, struct client *c, int64_t z, struct jute_in *in, bool all)
{
    jute_get_int(in);
    jute_get_int(in);
    struct bytes path = jute_get_bytes(in);
    CHECK(!in->bad && path.size == 5);
    int key = (path.at[3] - '0') * 10 + path.at[4] - '0';
    CHECK(changed_key[z] == key);
    if (all) {
        CHECK(z == c->heard + 1); /* every change, in order, once */
        c->heard = z;
    } else {
        CHECK(c->armed[key] >= 0);
        /* The first change of the node behind the read that set the watch. The read's S need not be
         * a change of this node: armed holds the node's mzxid as the read showed it. */
        CHECK(next_change(c->armed[key]) == z);
        c->armed[key] = -1;
    }
    CHECK(z > c->seen); /* a change that an answer has shown already must not come after it */
    side->events++;
}

static void on_answer(struct side *side, struct client *c, int64_t z, struct jute_in *in, bool all)
{
    CHECK(z >= c->seen); /* never back in time */
    c->seen = z;
    if (all && c->heard) {
        CHECK(c->heard == z); /* everything up to Z, and nothing past it, came before */
    } else if (all) {
        c->heard = z; /* the watch was set at Z */
    }
    for (int key = 0; key < KEY_COUNT && !all; key++) {
        int64_t next = c->armed[key] >= 0 ? next_change(c->armed[key]) : 0;
        CHECK(next == 0 || next > z); /* an answer at Z must not overtake an event up to Z */
    }
    if (c->asked >= 0) {
        struct bytes data = jute_get_bytes(in);
        jute_get_long(in);
        int64_t mzxid = jute_get_long(in);
        char text[16] = {0};
        CHECK(!in->bad && data.size > 0 && data.size < 16);
        memcpy(text, data.at, (size_t)data.size);
        CHECK(mzxid <= z && (mzxid <= base_zxid || atol(text) == mzxid));
        int64_t next = next_change(mzxid);
        CHECK(next == 0 || next > z); /* the newest version at Z */
        if (!all)
            c->armed[c->asked] = mzxid;
    }
    c->asked = -2;
    side->answers++;
}

static void take(struct side *side, struct client *c, bool all)
{
    uint32_t size;
    const uint8_t *at = port_sim_arrived(c->peer, &size);
    uint32_t used = 0;
    while (size - used >= 4) {
        struct jute_in in = jute_in(at + used, size - used);
        uint32_t length = (uint32_t)jute_get_int(&in);
        if (size - used - 4 < length)
            break;
        used += 4 + length;
        if (!c->live) { /* the handshake's answer */
            c->live = true;
            c->asked = -2;
            if (all)
                send_watch_all(c);
            continue;
        }
        int32_t xid = jute_get_int(&in);
        int64_t z = jute_get_long(&in);
        CHECK(jute_get_int(&in) == ZK_OK);
        if (xid == ZK_XID_NOTIFICATION)
            on_event(side, c, z, &in, all);
        else
            on_answer(side, c, z, &in, all);
    }
    port_sim_take(c->peer, used);
}

static void *net_thread(void *arg)
{
    static const uint8_t hello[] = {0, 0,  0,  29, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                    0, 39, 16, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct side *side = arg;
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}};
    net_online(&side->net);
    for (int i = 0; i < CLIENT_COUNT; i++) {
        struct client *c = &side->clients[i];
        c->peer = port_sim_connect(side->net.port, &from);
        rand_seed(&c->rand, (uint64_t)i + 7);
        memset(c->armed, 0xff, sizeof(c->armed));
        port_sim_send(c->peer, hello, sizeof(hello));
    }
    for (uint64_t turn = 0; !atomic_load(&stop); turn++) {
        uint32_t work = net_poll(&side->net, clock_now());
        for (int i = 0; i < CLIENT_COUNT; i++) {
            struct client *c = &side->clients[i];
            take(side, c, i == 0);
            if (c->live && c->asked == -2 && rand_below(&c->rand, 4))
                send_request(c, i == 0);
        }
        if (turn % 64 == 0 || !work) {
            net_offline(&side->net);
            sched_yield();
            net_online(&side->net);
        }
    }
    net_offline(&side->net);
    return NULL;
}

/* ---- the run ---- */

static struct side *make_side(uint32_t index)
{
    struct side *side = lines_calloc(1, sizeof(*side));
    struct net_config config;
    struct port_setup setup;
    struct port *port;
    CHECK(side);
    net_config_default(&config);
    config.index = (uint8_t)index;
    config.conns_max = 64;
    config.watches_max = 1024;
    config.frame_size_max = 4096;
    config.memory_limit = 64 << 20;
    CHECK(link_init(&side->net_core, "net_core", 65536) == 0);
    CHECK(link_init(&side->apply_net, "apply_net", 16384) == 0); /* small: HOLD happens */
    counters_init(&side->page, "net", index);
    counters_book_add(&side->book, &side->page);
    struct net_parts parts = {&side->net_core, &side->apply_net, tree, acls,
                              &side->page,     &side->book};
    CHECK(net_init(&side->net, &config, &parts) == 0);
    net_port_setup(&side->net, &setup);
    CHECK(port_sim_open(&setup, 1 << 16, &port) == 0);
    net_start(&side->net, port);
    return side;
}

static void make_tree(void)
{
    struct tree_config config = {.memory_limit = 4ull << 30, .nodes_max = 1 << 12};
    CHECK(tree_create(&tree, &config) == 0);
    CHECK(acl_table_create(&acls, 16, false) == 0);
    for (int key = -1; key < KEY_COUNT; key++) {
        const char *path = key < 0 ? "/k" : key_path(key);
        tree_begin(tree, ++zxid, 1);
        CHECK(tree_add(tree, bytes_of_string(path), bytes_of_string("0"), ACL_ID_OPEN, 0) == 0);
        tree_commit(tree);
        if (key >= 0)
            last_of[key] = zxid;
    }
    base_zxid = zxid;
    tree_publish(tree, zxid);
}

static void test_order(void **state)
{
    const char *seconds = getenv("TAKT_TORTURE_SECONDS");
    pthread_t threads[NET_COUNT + 1];
    changed_key = calloc(CHANGE_MAX, 1);
    next_of = calloc(CHANGE_MAX, sizeof(*next_of));
    assert_true(changed_key && next_of);
    make_tree();
    for (uint32_t i = 0; i < NET_COUNT; i++)
        sides[i] = make_side(i);
    for (int i = 0; i < NET_COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, net_thread, sides[i]), 0);
    assert_int_equal(pthread_create(&threads[NET_COUNT], NULL, writer, NULL), 0);
    uint64_t end_ns = clock_now().mono_ns + (seconds ? strtoull(seconds, NULL, 10) : 1) * NS_PER_S;
    while (clock_now().mono_ns < end_ns)
        sched_yield();
    atomic_store(&stop, true);
    for (int i = 0; i <= NET_COUNT; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < NET_COUNT; i++) {
        print_message("# NET %d: %lu changes, %lu events, %lu answers\n", i,
                      (unsigned long)(zxid - base_zxid), (unsigned long)sides[i]->events,
                      (unsigned long)sides[i]->answers);
        assert_true(sides[i]->events > 100 && sides[i]->answers > 100);
        net_fini(&sides[i]->net);
        for (int c = 0; c < CLIENT_COUNT; c++)
            port_sim_forget(sides[i]->clients[c].peer);
        link_fini(&sides[i]->net_core);
        link_fini(&sides[i]->apply_net);
        free(sides[i]);
    }
    acl_table_destroy(acls);
    tree_destroy(tree);
    free(changed_key);
    free((void *)next_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
