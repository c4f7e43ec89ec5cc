/* Goal: NET's own bounds: configuration, memory, blocks of records, and that it allocates nothing
 * after start. Method: one NET on the sim port; jemalloc's own byte counter around many turns. */
#include "net_rig.h"
#include "store/role_apply.h"

/* jemalloc's control, where it is the allocator (a sanitizer brings its own). */
int mallctl(const char *name, void *old, size_t *old_size, void *set, size_t set_size)
    __attribute__((weak));

static void test_config(void **state)
{
    struct link link;
    struct net net;
    struct net_config config;
    struct net_parts parts = {.net_core = &link};
    assert_int_equal(link_init(&link, "net_core", 4 << 20), 0);
#define REFUSED(field, value)                                                                      \
    net_config_default(&config);                                                                   \
    config.field = value;                                                                          \
    assert_int_equal(net_init(&net, &config, &parts), ERR_RANGE)
    REFUSED(conns_max, 0);
    REFUSED(conns_max, (1 << 20) + 1);
    REFUSED(frame_size_max, 1023);
    REFUSED(frame_size_max, LIMIT_PACKET_SIZE_MAX + 1);
    REFUSED(frame_size_max, 3 << 20); /* more than the link takes */
    REFUSED(reply_size_max, config.frame_size_max);
    REFUSED(reply_size_max, (96 << 20) + 1);
    REFUSED(output_limit, 1);
    REFUSED(output_limit, 25 << 20);
    REFUSED(conn_writes_max, 0);
    REFUSED(writes_max, 0);
    REFUSED(timeout_ms_min, 0);
    REFUSED(timeout_ms_max, 10);
    REFUSED(watches_max, 0);
#undef REFUSED
    net_config_default(&config);
    config.memory_limit = 1ull << 60; /* no such address space */
    assert_int_equal(net_init(&net, &config, &parts), ERR_NOMEM);
    link_fini(&link);
}

/* Memory for connections runs out: the newest are refused, the others live, and it comes back. */
static void test_no_memory(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.memory_limit = 64 << 10;
    config.conns_per_address = 0;
    struct rig *rig = rig_make(&config, 0);
    struct client c[400];
    int open = 0;
    for (int i = 0; i < 400; i++) {
        c[i] = client_connect(rig, 1);
        rig_run(rig);
        open += port_sim_open_now(c[i].peer);
    }
    assert_in_range(open, 50, 399);
    for (int i = 0; i < 400; i++)
        client_forget(rig, &c[i]);
    assert_int_equal(rig->net.slab.in_use, 0);
    rig_free(rig);
}

static void put_change(uint8_t **at, int64_t zxid, int i)
{
    char path[24];
    struct apply_change *c = (struct apply_change *)*at;
    uint32_t size = (uint32_t)snprintf(path, sizeof(path), "/e/n%d", i);
    *c = (struct apply_change){{APPLY_NET_CHANGE, size, zxid}, ZK_EVENT_DELETED, size, 0, 0};
    memcpy(c + 1, path, size);
    *at += apply_net_span(&c->head);
}

/* A block of more records than a turn takes: told over several turns, nobody reads in between. */
static void test_bulk(void **state)
{
    enum { COUNT = 5000 };
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    client_path_int(&c, 1, ZK_OP_ADD_WATCH, "/e", 1);
    rig_run(rig);
    client_expect(&c, 1, ZK_OK);
    struct bulk_block *block = malloc(sizeof(*block) + COUNT * 128);
    uint8_t *at = (uint8_t *)(block + 1);
    rig->zxid++;
    for (int i = 0; i < COUNT; i++)
        put_change(&at, rig->zxid, i);
    *block = (struct bulk_block){.shares = 1, .size = (uint64_t)(at - (uint8_t *)(block + 1))};
    struct apply_bulk *bulk = link_reserve(&rig->apply_net, sizeof(*bulk));
    *bulk = (struct apply_bulk){{APPLY_NET_BULK, 0, rig->zxid}, block};
    rig_publish(rig);
    client_path(&c, 2, ZK_OP_EXISTS, "/", 0);
    int turns = 0;
    for (; !net_idle(&rig->net); turns++)
        rig_turn(rig);
    assert_in_range(turns, COUNT / NET_TURN_RECORDS, COUNT / NET_TURN_RECORDS + 4);
    for (int i = 0; i < COUNT; i++) {
        char path[24];
        snprintf(path, sizeof(path), "/e/n%d", i);
        client_event(&c, rig->zxid, ZK_EVENT_DELETED, path);
    }
    client_expect(&c, 2, ZK_OK);
    client_forget(rig, &c);

    block = malloc(sizeof(*block)); /* one that nobody comes to: given back at the end */
    *block = (struct bulk_block){.shares = 1};
    bulk = link_reserve(&rig->apply_net, sizeof(*bulk));
    *bulk = (struct apply_bulk){{APPLY_NET_BULK, 0, rig->zxid + 1}, block};
    link_publish(&rig->apply_net);
    rig_free(rig);
}

static uint64_t allocated(void)
{
    uint64_t *p;
    size_t size = sizeof(p);
    if (!mallctl)
        return 0;
    assert_int_equal(mallctl("thread.allocatedp", &p, &size, NULL, 0), 0);
    return *p;
}

/* Every kind of request, events, connections that come and go, words: 10 000 turns, 0 bytes. The
 * test's own side allocates, so only the turns are measured. */
static uint64_t turn_allocated(struct rig *rig)
{
    uint64_t before = allocated();
    rig_turn(rig);
    return allocated() - before;
}

static void test_no_allocation(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    uint64_t total = 0;
    rig_create(rig, "/a", "x");
    rig_publish(rig);
    for (int i = 0; i < 10000; i++) {
        static const char *const words[] = {"mntr", "cons", "envi", "wchp", "stat"};
        client_path(&c, 1, ZK_OP_GET_DATA, "/a", 1);
        client_path(&c, 2, ZK_OP_GET_CHILDREN2, "/", i % 2);
        client_set(&c, 3, "/a", "y");
        if (i % 100 == 0) {
            char user[24];
            snprintf(user, sizeof(user), "u%d:p", i / 100 % 40);
            client_auth(&c, "digest", user);
            struct client d = client_connect(rig, 2);
            if (i % 200)
                port_sim_send(d.peer, words[i / 200 % 5], 4);
            else
                client_handshake(&d, 0, 10000, 0, bytes_of("", 0), 0);
            total += turn_allocated(rig);
            rig_serve(rig);
            total += turn_allocated(rig);
            port_sim_cut(d.peer);
            total += turn_allocated(rig);
            total += turn_allocated(rig);
            port_sim_forget(d.peer);
        }
        rig_set(rig, "/a", "z");
        total += turn_allocated(rig);
        rig_serve(rig);
        total += turn_allocated(rig);
        while (client_packet(&c).size >= 0)
            ;
    }
    assert_true(counters_get(&rig->counters, METRIC_net_events_total) > 9000);
    uint64_t before = allocated();
    void *volatile proof = malloc(100);
    if (mallctl)
        assert_true(allocated() - before >= 100); /* the counter counts */
    free(proof);
    assert_int_equal(total, 0);
    client_forget(rig, &c);
    rig_free(rig);
    if (!mallctl)
        print_message("# not jemalloc: only the bounds were tested\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
