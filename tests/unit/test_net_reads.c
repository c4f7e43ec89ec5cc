/* Goal: each read answers what zk_protocol.md sections 7 and 13 say, in the right order of errors,
 * with the watch it promises. Method: one NET on the sim port over a real tree; the test plays
 * APPLY. */
#include "base/jute_stat.h"
#include "net_rig.h"

static void test_get_data(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/a", "hello");
    rig_publish(rig);
    client_path(&c, 1, ZK_OP_GET_DATA, "/a", 0);
    client_path(&c, 2, ZK_OP_GET_DATA, "/b", 1);
    client_path(&c, 3, ZK_OP_GET_DATA, NULL, 0);
    client_path(&c, 4, ZK_OP_GET_DATA, "", 0);
    rig_run(rig);
    struct answer a = client_expect(&c, 1, ZK_OK);
    assert_true(a.zxid == rig->zxid);
    struct bytes data = jute_get_bytes(&a.body);
    assert_true(bytes_equal(data, bytes_of_string("hello")));
    struct zk_stat stat = jute_stat_get(&a.body);
    assert_false(a.body.bad);
    assert_ptr_equal(a.body.at, a.body.end);
    assert_true(stat.czxid == rig->zxid && stat.mzxid == rig->zxid);
    assert_int_equal(stat.data_length, 5);
    client_expect(&c, 2, ZK_NO_NODE);
    client_expect(&c, 3, ZK_MARSHALLING_ERROR);
    client_expect(&c, 4, ZK_NO_NODE);
    rig_create(rig, "/b", "x"); /* no watch was left behind by a failed getData */
    rig_publish(rig);
    rig_run(rig);
    client_nothing(&c);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_exists(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    jute_put_int(out, 1);
    jute_put_int(out, ZK_OP_EXISTS);
    jute_put_bytes(out, bytes_of("/a\0b", 4));
    jute_put_byte(out, 0);
    packet_send(&c, &p);
    client_path(&c, 2, ZK_OP_EXISTS, "/b", 1);
    client_path(&c, 3, ZK_OP_EXISTS, "/", 0);
    client_bare(&c, 4, ZK_OP_EXISTS);
    rig_run(rig);
    client_expect(&c, 1, ZK_BAD_ARGUMENTS);
    client_expect(&c, 2, ZK_NO_NODE);
    struct answer a = client_expect(&c, 3, ZK_OK);
    assert_int_equal(jute_stat_get(&a.body).num_children, 1);
    client_expect(&c, 4, ZK_MARSHALLING_ERROR);
    rig_create(rig, "/b", "x"); /* the watch on the missing node stays */
    rig_publish(rig);
    rig_run(rig);
    client_event(&c, rig->zxid, ZK_EVENT_CREATED, "/b");
    client_nothing(&c);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_children(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/p", "");
    char path[16];
    for (int i = 0; i < 50; i++) {
        snprintf(path, sizeof(path), "/p/n%02d", i);
        rig_create(rig, path, "");
    }
    rig_publish(rig);
    client_path(&c, 1, ZK_OP_GET_CHILDREN, "/p", 1);
    client_path(&c, 2, ZK_OP_GET_CHILDREN2, "/p", 0);
    client_path(&c, 3, ZK_OP_GET_ALL_CHILDREN_NUMBER, "/", -1);
    client_path(&c, 4, ZK_OP_GET_CHILDREN, "/none", 1);
    rig_run(rig);
    struct answer a = client_expect(&c, 1, ZK_OK);
    bool seen[50] = {false};
    assert_int_equal(jute_get_int(&a.body), 50);
    for (int i = 0; i < 50; i++) {
        struct bytes name = jute_get_bytes(&a.body);
        assert_int_equal(name.size, 3);
        int n = (name.at[1] - '0') * 10 + name.at[2] - '0';
        assert_false(seen[n]);
        seen[n] = true;
    }
    assert_ptr_equal(a.body.at, a.body.end);
    a = client_expect(&c, 2, ZK_OK);
    assert_int_equal(jute_get_int(&a.body), 50);
    for (int i = 0; i < 50; i++)
        jute_get_bytes(&a.body);
    assert_int_equal(jute_stat_get(&a.body).num_children, 50);
    assert_ptr_equal(a.body.at, a.body.end);
    a = client_expect(&c, 3, ZK_OK);
    assert_int_equal(jute_get_int(&a.body), 54);
    client_expect(&c, 4, ZK_NO_NODE);
    rig_delete(rig, "/p/n07");
    rig_publish(rig);
    rig_run(rig);
    client_event(&c, rig->zxid, ZK_EVENT_CHILDREN_CHANGED, "/p");
    client_nothing(&c);
    client_forget(rig, &c);
    rig_free(rig);
}

/* An ACL that only a digest identity may read. */
static uint32_t make_acl(struct rig *rig, int32_t perms, const char *scheme, const char *id,
                         uint8_t *packed, struct bytes *out_packed)
{
    struct jute_out out = jute_out(packed, 256);
    uint32_t acl;
    jute_put_int(&out, 1);
    jute_put_int(&out, perms);
    jute_put_bytes(&out, bytes_of_string(scheme));
    jute_put_bytes(&out, bytes_of_string(id));
    *out_packed = bytes_of(packed, (size_t)(out.at - packed));
    assert_int_equal(acl_intern(rig->acls, *out_packed, &acl), 0);
    return acl;
}

#define BOB "bob:ikIaKsbtGweaHnb/jKn7OHqbunM=" /* bob:pw */

static void test_acl(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1), d = client_live(rig, 2);
    uint8_t room[256];
    struct bytes packed;
    uint32_t acl = make_acl(rig, ZK_PERM_READ, "digest", BOB, room, &packed);
    rig_begin(rig);
    assert_int_equal(tree_add(rig->tree, bytes_of_string("/s"), bytes_of_string("1"), acl, 0), 0);
    tree_commit(rig->tree);
    rig_publish(rig);
    client_auth(&c, "digest", "bob:pw");
    rig_run(rig);
    const struct command *command = rig_peek(rig);
    assert_non_null(command);
    assert_int_equal(command->kind, COMMAND_AUTH);
    assert_int_equal(command->sequence, 1);
    rig_serve(rig);
    for (struct client *x = &c; x; x = x == &c ? &d : NULL) {
        client_path(x, 1, ZK_OP_GET_DATA, "/s", 1);
        client_path(x, 2, ZK_OP_EXISTS, "/s", 1);
        client_path(x, 3, ZK_OP_GET_CHILDREN2, "/s", 1);
        client_path(x, 4, ZK_OP_GET_ACL, "/s", -1);
        client_path(x, 5, ZK_OP_GET_ALL_CHILDREN_NUMBER, "/s", -1);
    }
    rig_run(rig);
    struct answer a = client_expect(&c, ZK_XID_AUTH, ZK_OK);
    assert_true(a.zxid == 0);
    client_expect(&c, 1, ZK_OK);
    client_expect(&c, 2, ZK_OK);
    client_expect(&c, 3, ZK_OK);
    a = client_expect(&c, 4, ZK_OK); /* may read, may not administer: the hash is hidden */
    assert_int_equal(jute_get_int(&a.body), 1);
    assert_int_equal(jute_get_int(&a.body), ZK_PERM_READ);
    assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string("digest")));
    assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string("bob:x")));
    jute_stat_get(&a.body);
    assert_false(a.body.bad);
    assert_ptr_equal(a.body.at, a.body.end);
    client_expect(&c, 5, ZK_OK);
    for (int xid = 1; xid <= 5; xid++)
        client_expect(&d, xid, ZK_NO_AUTH);

    /* Who may not read is not told; a refused read left no watch, an older one is consumed. */
    client_path_int(&d, 6, ZK_OP_ADD_WATCH, "/s", 0);
    rig_run(rig);
    client_expect(&d, 6, ZK_OK);
    rig_begin(rig);
    assert_int_equal(tree_set(rig->tree, bytes_of_string("/s"), bytes_of_string("2")), 0);
    tree_commit(rig->tree);
    rig_change(rig, ZK_EVENT_DATA_CHANGED, "/s", packed, RIG_OPEN_ACL);
    rig_publish(rig);
    rig_run(rig);
    client_event(&c, rig->zxid, ZK_EVENT_DATA_CHANGED, "/s");
    client_nothing(&d);
    assert_int_equal(counters_get(&rig->counters, METRIC_net_events_filtered_total), 1);
    client_forget(rig, &c);
    client_forget(rig, &d);
    rig_free(rig);
}

static void test_multi_read(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/a", "hello");
    rig_create(rig, "/a/b", "");
    rig_publish(rig);
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    static const struct {
        int32_t type;
        const char *path;
    } ops[] = {{ZK_OP_GET_DATA, "/a"}, {ZK_OP_GET_CHILDREN, "/x"}, {ZK_OP_GET_CHILDREN, "/a"}};
    jute_put_int(out, 1);
    jute_put_int(out, ZK_OP_MULTI_READ);
    for (int i = 0; i < 3; i++) {
        reply_multi_header(out, ops[i].type, false, -1);
        jute_put_bytes(out, bytes_of_string(ops[i].path));
        jute_put_byte(out, 1);
    }
    reply_multi_header(out, -1, true, -1);
    packet_send(&c, &p);
    /* a write among them, and a missing end: -5 */
    out = packet_begin(&p);
    jute_put_int(out, 2);
    jute_put_int(out, ZK_OP_MULTI_READ);
    reply_multi_header(out, ZK_OP_DELETE, false, -1);
    jute_put_bytes(out, bytes_of_string("/a"));
    jute_put_int(out, -1);
    reply_multi_header(out, -1, true, -1);
    packet_send(&c, &p);
    client_bare(&c, 3, ZK_OP_MULTI_READ);
    rig_run(rig);
    struct answer a = client_expect(&c, 1, ZK_OK);
    assert_int_equal(jute_get_int(&a.body), ZK_OP_GET_DATA);
    assert_int_equal(jute_get_byte(&a.body), 0);
    assert_int_equal(jute_get_int(&a.body), 0);
    assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string("hello")));
    jute_stat_get(&a.body);
    assert_int_equal(jute_get_int(&a.body), -1);
    assert_int_equal(jute_get_byte(&a.body), 0);
    assert_int_equal(jute_get_int(&a.body), ZK_NO_NODE);
    assert_int_equal(jute_get_int(&a.body), ZK_NO_NODE);
    assert_int_equal(jute_get_int(&a.body), ZK_OP_GET_CHILDREN);
    assert_int_equal(jute_get_byte(&a.body), 0);
    assert_int_equal(jute_get_int(&a.body), 0);
    assert_int_equal(jute_get_int(&a.body), 1);
    assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string("b")));
    assert_int_equal(jute_get_int(&a.body), -1);
    assert_int_equal(jute_get_byte(&a.body), 1);
    assert_int_equal(jute_get_int(&a.body), -1);
    assert_ptr_equal(a.body.at, a.body.end);
    client_expect(&c, 2, ZK_MARSHALLING_ERROR);
    client_expect(&c, 3, ZK_MARSHALLING_ERROR);
    rig_set(rig, "/a", "x"); /* multiRead's watch flags mean nothing */
    rig_publish(rig);
    rig_run(rig);
    client_nothing(&c);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_large_reply(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.reply_size_max = config.frame_size_max + 2048;
    struct rig *rig = rig_make(&config, 4096);
    struct client c = client_live(rig, 1);
    rig_create(rig, "/p", "");
    char path[256];
    for (int i = 0; i < 6000; i++) { /* 6000 names of 200 bytes: more than the limit */
        snprintf(path, sizeof(path), "/p/%0200d", i);
        rig_create(rig, path, "");
        if (i == 4999 || i == 5999) {
            rig_publish(rig);
            client_path(&c, i, ZK_OP_GET_CHILDREN, "/p", 1);
            client_bare(&c, ZK_XID_PING, ZK_OP_PING);
            rig_run(rig);
        }
        if (i == 4999) { /* the peer takes 4 KiB at a time; all of it comes */
            uint32_t size, total = 0;
            for (port_sim_arrived(c.peer, &size); size; port_sim_arrived(c.peer, &size)) {
                total += size;
                port_sim_take(c.peer, size);
                rig_run(rig);
            }
            assert_int_equal(total - c.seen,
                             REPLY_HEADER_SIZE + 4 + 5000 * 204 + REPLY_HEADER_SIZE);
            c.seen = 0;
        }
    }
    /* Its own watch fired with the first change after it. */
    client_event(&c, rig->zxid - 999, ZK_EVENT_CHILDREN_CHANGED, "/p");
    client_expect(&c, 5999, ZK_SYSTEM_ERROR);
    client_expect(&c, ZK_XID_PING, ZK_OK);
    assert_int_equal(counters_get(&rig->counters, METRIC_net_unanswerable_total), 1);
    rig_delete(rig, "/p/" /* the refused list left no watch */
                    "0000000000000000000000000000000000000000000000000000000000000000000000000000"
                    "0000000000000000000000000000000000000000000000000000000000000000000000000000"
                    "000000000000000000000000000000000000000000000000");
    rig_publish(rig);
    rig_run(rig);
    client_nothing(&c);
    client_forget(rig, &c);
    rig_free(rig);
}

/* One who asks for list after list does not make another wait for all of them. */
static void test_turn_cost(void **state)
{
    enum { CHILDREN = 3000, LISTS = 60 };
    struct rig *rig = rig_make(NULL, 0);
    struct client greedy = client_live(rig, 1), other = client_live(rig, 2);
    char path[16];
    rig_create(rig, "/p", "");
    for (int i = 0; i < CHILDREN; i++) {
        snprintf(path, sizeof(path), "/p/%d", i);
        rig_create(rig, path, "");
    }
    rig_publish(rig);
    rig_run(rig);
    for (int i = 0; i < LISTS; i++)
        client_path(&greedy, i, ZK_OP_GET_CHILDREN, "/p", 0);
    client_path(&other, 1, ZK_OP_EXISTS, "/", 0);
    for (int turn = 0; turn < 2; turn++) {
        uint64_t before = counters_get(&rig->counters, METRIC_net_reads_total);
        rig_turn(rig);
        uint64_t reads = counters_get(&rig->counters, METRIC_net_reads_total) - before;
        assert_in_range(reads, 1, NET_CONN_COST / CHILDREN + 2);
        if (turn == 0)
            client_expect(&other, 1, ZK_OK);
    }
    rig_run(rig);
    for (int i = 0; i < LISTS; i++) {
        client_expect(&greedy, i, ZK_OK);
        rig_run(rig);
    }
    client_forget(rig, &greedy);
    client_forget(rig, &other);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_data),   cmocka_unit_test(test_exists),
        cmocka_unit_test(test_children),   cmocka_unit_test(test_acl),
        cmocka_unit_test(test_multi_read), cmocka_unit_test(test_large_reply),
        cmocka_unit_test(test_turn_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
