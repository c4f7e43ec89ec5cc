/* Goal: a connection's life: handshake, attach, order of answers, credentials, every way it ends.
 * Method: one NET on the sim port; the test plays the clients, CORE and APPLY. */
#include "net_rig.h"

static void expect_closed(struct rig *rig, struct client *client)
{
    rig_run(rig);
    assert_true(port_sim_closed(client->peer));
}

static void test_handshake_new(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    static const struct {
        int32_t asked, given;
        int read_only; /* -1: no byte */
        int32_t size;
    } cases[] = {{10000, 10000, 0, 37}, {-5, 4000, -1, 36}, {900000, 40000, 1, 37}};
    for (int i = 0; i < 3; i++) {
        struct client c = client_connect(rig, 1);
        client_handshake(&c, 0, cases[i].asked, 0, (struct bytes){NULL, -1}, cases[i].read_only);
        rig_run(rig);
        const struct command *command = rig_peek(rig);
        assert_int_equal(command->kind, COMMAND_OPEN);
        assert_int_equal(command->version, COMMAND_VERSION);
        assert_int_equal(command->sequence, 0);
        const struct session_open *open = (const struct session_open *)(command + 1);
        assert_int_equal(open->timeout_ms, cases[i].given);
        assert_int_equal(open->client.ip[15], 1);
        client_nothing(&c); /* nothing before APPLY says so */
        rig_serve(rig);
        rig_run(rig);
        struct bytes packet = client_packet(&c);
        assert_int_equal(packet.size, cases[i].size);
        struct jute_in in = jute_in(packet.at, (size_t)packet.size);
        assert_int_equal(jute_get_int(&in), 0);
        assert_int_equal(jute_get_int(&in), cases[i].given);
        assert_true(jute_get_long(&in) == rig->session_last);
        assert_int_equal(jute_get_bytes(&in).size, 16);
        if (cases[i].size == 37)
            assert_int_equal(jute_get_byte(&in), 0);
        client_forget(rig, &c);
    }
    rig_free(rig);
}

static void test_handshake_refused(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_connect(rig, 1);
    client_handshake(&c, 1, 10000, 0, bytes_of("", 0), 0); /* it has seen what we have not */
    expect_closed(rig, &c);
    client_nothing(&c);
    assert_null(rig_peek(rig));
    port_sim_forget(c.peer);

    c = client_connect(rig, 1);
    port_sim_send(c.peer, "\0\0\0\x05hello", 9); /* too short a ConnectRequest */
    expect_closed(rig, &c);
    port_sim_forget(c.peer);

    c = client_connect(rig, 1);
    port_sim_send(c.peer, "GET / HTTP/1.0\r\n\r\n", 18); /* too large a length */
    expect_closed(rig, &c);
    port_sim_forget(c.peer);

    c = client_connect(rig, 1); /* APPLY has no room for it now: closed, not told "expired" */
    client_handshake(&c, 0, 10000, 0, bytes_of("", 0), 0);
    rig_run(rig);
    rig_reply(rig, rig_peek(rig), ZK_SYSTEM_ERROR, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    expect_closed(rig, &c);
    client_nothing(&c);
    port_sim_forget(c.peer);
    rig_free(rig);
}

static void attach(struct rig *rig, struct client *c, int64_t session, uint32_t number, int error)
{
    *c = client_connect(rig, 1);
    client_handshake(c, 0, 6000, session, bytes_of("0123456789abcdef", 16), 0);
    rig_run(rig);
    const struct command *command = rig_peek(rig);
    assert_non_null(command);
    assert_int_equal(command->kind, COMMAND_ATTACH);
    assert_true(command->session == session);
    const struct session_open *open = (const struct session_open *)(command + 1);
    assert_int_equal(open->password_size, 16);
    assert_memory_equal(open->password, "0123456789abcdef", 16);
    if (!error)
        rig_session(rig, session, number, SESSION_ATTACHED);
    rig_reply(rig, command, error, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
}

static void test_attach(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client old = client_live(rig, 1), c, d;
    attach(rig, &c, old.session, 2, ZK_SESSION_EXPIRED); /* wrong password: the old one stays */
    struct bytes packet = client_packet(&c);
    static const uint8_t expired[37] = {[19] = 16};
    assert_int_equal(packet.size, 37);
    assert_memory_equal(packet.at, expired, 37);
    expect_closed(rig, &c);
    port_sim_forget(c.peer);
    assert_true(port_sim_open_now(old.peer));

    attach(rig, &d, old.session, 2, ZK_OK);
    packet = client_packet(&d);
    assert_int_equal(packet.size, 37);
    expect_closed(rig, &old); /* the older attach is cut, unanswered */
    client_nothing(&old);
    client_set(&d, 1, "/a", "x");
    rig_run(rig);
    const struct command *command = rig_peek(rig);
    assert_int_equal(command->attach, 2);
    assert_int_equal(command->sequence, 1);
    assert_true(command->session == old.session);
    /* It moved to another node meanwhile: closed, no -118 on the wire. */
    rig_reply(rig, command, ZK_SESSION_MOVED, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    expect_closed(rig, &d);
    client_nothing(&d);
    port_sim_forget(old.peer);
    port_sim_forget(d.peer);
    assert_int_equal(counters_get(&rig->counters, METRIC_net_sessions), 0);
    rig_free(rig);
}

static void test_long_password(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    static const int32_t sizes[] = {-1, 0, 1, 16, 17, 4000};
    static uint8_t password[4000];
    for (int i = 0; i < 6; i++) {
        struct client c = client_connect(rig, 1);
        client_handshake(&c, 0, 6000, 77, (struct bytes){password, sizes[i]}, 0);
        rig_run(rig);
        const struct session_open *open = (const struct session_open *)(rig_peek(rig) + 1);
        bool sane = sizes[i] >= 1 && sizes[i] <= 16;
        assert_int_equal(open->password_size, sane ? sizes[i] : 0);
        rig_pop(rig);
        client_forget(rig, &c);
    }
    rig_free(rig);
}

/* Everything is sent at once, before the handshake is answered; answers come in order. */
static void test_order(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_connect(rig, 1);
    client_handshake(&c, 0, 10000, 0, bytes_of("", 0), 0);
    client_path(&c, 1, ZK_OP_EXISTS, "/", 0);
    client_set(&c, 2, "/a", "1");
    client_set(&c, 3, "/a", "2");
    client_bare(&c, ZK_XID_PING, ZK_OP_PING);
    client_path(&c, 4, ZK_OP_GET_DATA, "/a", 0);
    client_path(&c, 5, ZK_OP_SYNC, "/a", -1);
    client_path(&c, 6, ZK_OP_EXISTS, "/", 0);
    rig_run(rig);
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    assert_int_equal(client_packet(&c).size, 37);
    client_expect(&c, 1, ZK_OK);
    client_expect(&c, ZK_XID_PING, ZK_OK); /* a ping overtakes writes, nothing else does */
    client_nothing(&c);
    const struct command *command = rig_peek(rig);
    assert_int_equal(command->sequence, 1);
    assert_int_equal(command->xid, 2);
    rig_zxid(rig);
    rig_reply(rig, command, ZK_OK, "abc", 3);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
    struct answer a = client_expect(&c, 2, ZK_OK);
    assert_true(a.zxid == rig->zxid);
    assert_int_equal(a.body.end - a.body.at, 3);
    client_nothing(&c); /* the read waits for the second write */
    command = rig_peek(rig);
    assert_int_equal(command->sequence, 2);
    rig_zxid(rig);
    rig_reply(rig, command, ZK_NO_NODE, "abc", 3); /* the body of an error is not sent */
    rig_pop(rig);
    assert_null(rig_peek(rig)); /* sync is behind the read */
    rig_publish(rig);
    rig_run(rig);
    a = client_expect(&c, 3, ZK_NO_NODE);
    assert_int_equal(a.body.end - a.body.at, 0);
    client_expect(&c, 4, ZK_NO_NODE);
    command = rig_peek(rig);
    assert_int_equal(command->kind, COMMAND_QUERY);
    assert_int_equal(command->sequence, 0);
    assert_int_equal(command->op, ZK_OP_SYNC);
    client_nothing(&c);
    rig_serve(rig);
    rig_run(rig);
    client_expect(&c, 5, ZK_OK);
    client_expect(&c, 6, ZK_OK);
    assert_int_equal(rig->net.outstanding, 0);
    client_forget(rig, &c);
    rig_free(rig);
}

/* A reply that APPLY has pushed but not published waits. */
static void test_unpublished(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    client_set(&c, 1, "/a", "1");
    rig_run(rig);
    rig->zxid++;
    rig_reply(rig, rig_peek(rig), ZK_OK, NULL, 0);
    rig_pop(rig);
    link_publish(&rig->apply_net);
    for (int i = 0; i < 10; i++)
        rig_turn(rig);
    client_nothing(&c);
    tree_publish(rig->tree, rig->zxid);
    rig_run(rig);
    client_expect(&c, 1, ZK_OK);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_writes_bound(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.conn_writes_max = 8;
    config.writes_max = 12;
    struct rig *rig = rig_make(&config, 0);
    struct client c = client_live(rig, 1), d = client_live(rig, 2);
    for (int i = 1; i <= 20; i++) {
        client_set(&c, i, "/a", "1");
        client_set(&d, i, "/a", "1");
    }
    for (int i = 0; i < 20; i++)
        rig_turn(rig);
    assert_int_equal(rig->net.outstanding, 12);
    assert_int_equal(rig_serve(rig), 12);
    for (int i = 0; i < 10; i++) {
        for (int t = 0; t < 5; t++)
            rig_turn(rig);
        assert_true(rig->net.outstanding <= 12);
        rig_serve(rig);
    }
    rig_run(rig);
    for (int i = 1; i <= 20; i++) {
        client_expect(&c, i, ZK_OK);
        client_expect(&d, i, ZK_OK);
    }
    client_forget(rig, &c);
    client_forget(rig, &d);
    rig_free(rig);
}

/* net_core is full: requests wait in their buffers, nothing is lost or reordered. */
static void test_link_full(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.frame_size_max = 2000000; /* several fit into the link, not all */
    config.conn_writes_max = 64;
    struct rig *rig = rig_make(&config, 0);
    struct client c = client_live(rig, 1);
    uint32_t size = 1900000;
    uint8_t *frame = calloc(1, size + 4), head[64];
    for (int i = 1; i <= 8; i++) {
        struct jute_out out = jute_out(head, sizeof(head));
        jute_put_int(&out, (int32_t)size);
        jute_put_int(&out, i);
        jute_put_int(&out, ZK_OP_SET_DATA);
        jute_put_bytes(&out, bytes_of_string("/a"));
        jute_put_int(&out, (int32_t)(size - 8 - 6 - 4 - 4));
        assert_false(out.bad);
        memcpy(frame, head, (size_t)(out.at - head));
        port_sim_send(c.peer, frame, size + 4);
    }
    free(frame);
    int answered = 0;
    for (int turn = 0; turn < 10000 && answered < 8; turn++) {
        rig_turn(rig);
        if (turn % 400 == 399) /* a frame takes 30 turns to arrive */
            answered += (int)rig_serve(rig);
    }
    rig_run(rig);
    assert_int_equal(answered, 8);
    assert_true(counters_get(&rig->counters, METRIC_net_hold_total) > 0);
    for (int i = 1; i <= 8; i++)
        client_expect(&c, i, ZK_OK);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_ends(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    client_bare(&c, 9, ZK_OP_CLOSE_SESSION);
    client_path(&c, 10, ZK_OP_EXISTS, "/", 0); /* nothing behind it is looked at */
    rig_run(rig);
    const struct command *command = rig_peek(rig);
    assert_int_equal(command->op, ZK_OP_CLOSE_SESSION);
    rig_zxid(rig);
    rig_reply(rig, command, ZK_OK, NULL, 0);
    rig_session(rig, c.session, 1, SESSION_CLOSED);
    rig_pop(rig);
    rig_publish(rig);
    expect_closed(rig, &c);
    client_expect(&c, 9, ZK_OK);
    client_nothing(&c);
    port_sim_forget(c.peer);

    c = client_live(rig, 1);
    client_set(&c, 1, "/a", "x");
    rig_run(rig);
    rig_zxid(rig);
    rig_session(rig, c.session, 1, SESSION_EXPIRED);
    rig_publish(rig);
    expect_closed(rig, &c);
    client_nothing(&c);
    port_sim_forget(c.peer);
    /* Its slot is used again; the late answer to the old connection reaches nobody. */
    struct client d = client_connect(rig, 3);
    rig_run(rig);
    rig_serve(rig);
    rig_run(rig);
    client_nothing(&d);
    client_forget(rig, &d);
    assert_int_equal(rig->net.outstanding, 0);
    assert_int_equal(rig->net.conn_count, 0);
    rig_free(rig);
}

static void test_bad_requests(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    static const int32_t unknown[] = {0, 10, 13, 20, 99, 108, -1, -10, -12, INT32_MAX, INT32_MIN};
    for (uint32_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        struct client c = client_live(rig, 1);
        client_bare(&c, 5, unknown[i]);
        expect_closed(rig, &c);
        assert_true(client_expect(&c, 5, ZK_UNIMPLEMENTED).zxid == -1);
        port_sim_forget(c.peer);
    }
    struct client c = client_live(rig, 1);
    client_bare(&c, 1, ZK_OP_SET_DATA); /* no record: -5, in order, nothing logged, still open */
    client_bare(&c, 2, ZK_OP_CREATE);
    client_path_int(&c, 3, ZK_OP_ADD_WATCH, "/a", 2);
    client_path_int(&c, 4, ZK_OP_CHECK_WATCHES, "/a", 6);
    client_path_int(&c, 5, ZK_OP_REMOVE_WATCHES, "/a", 0);
    client_path_int(&c, 6, ZK_OP_REMOVE_WATCHES, NULL, 1);
    client_bare(&c, 7, ZK_OP_SET_WATCHES);
    client_bare(&c, 8, ZK_OP_GET_ACL);
    client_bare(&c, 9, ZK_OP_GET_ALL_CHILDREN_NUMBER);
    client_bare(&c, 10, ZK_OP_SASL);
    client_bare(&c, 11, ZK_OP_AUTH);
    client_path(&c, 12, ZK_OP_SYNC, NULL, -1);
    client_bare(&c, 13, ZK_OP_GET_DATA);
    client_bare(&c, 14, ZK_OP_EXISTS);
    client_path(&c, 15, ZK_OP_GET_DATA, NULL, 0);
    client_path(&c, 16, ZK_OP_EXISTS, NULL, 0);
    client_path(&c, 17, ZK_OP_GET_DATA, "/a", -1); /* no watch */
    client_path(&c, 18, ZK_OP_EXISTS, "/a", -1);
    rig_run(rig);
    assert_null(rig_peek(rig));
    for (int xid = 1; xid <= 18; xid++)
        client_expect(&c, xid, ZK_MARSHALLING_ERROR);
    port_sim_send(c.peer, "\0\0\0\x07\0\0\0\x01\0\0\0", 11); /* half a header */
    expect_closed(rig, &c);
    port_sim_forget(c.peer);
    rig_free(rig);
}

static void test_limits(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.conns_per_address = 3;
    config.conns_max = 5;
    struct rig *rig = rig_make(&config, 0);
    struct client c[8];
    for (int i = 0; i < 8; i++) {
        c[i] = client_connect(rig, i < 4 ? 1 : 2);
        rig_run(rig);
    }
    for (int i = 0; i < 8; i++) /* 3 of the first address, then 2 of the second */
        assert_int_equal(port_sim_open_now(c[i].peer), i < 3 || i == 4 || i == 5);
    client_forget(rig, &c[0]);
    struct client again = client_connect(rig, 1);
    rig_run(rig);
    assert_true(port_sim_open_now(again.peer));
    client_forget(rig, &again);

    /* Who sends no ConnectRequest in 10 s goes; half of one does not help. */
    port_sim_send(c[1].peer, "\0\0", 2);
    rig_pass(rig, 9990);
    rig_run(rig);
    assert_true(port_sim_open_now(c[1].peer));
    assert_true(net_deadline_ns(&rig->net, rig->now) <= rig->now.mono_ns + 11 * NS_PER_MS);
    rig_pass(rig, 20);
    rig_run(rig);
    for (int i = 1; i < 8; i++) {
        assert_true(port_sim_closed(c[i].peer));
        port_sim_forget(c[i].peer);
    }
    assert_int_equal(counters_get(&rig->counters, METRIC_net_reaped_total), 4);
    assert_int_equal(counters_get(&rig->counters, METRIC_net_connections), 0);
    rig_free(rig);
}

static void test_byte_by_byte(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    static const uint8_t get[] = {0, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, '/', 0};
    for (uint32_t i = 0; i < sizeof(get); i++) {
        client_nothing(&c);
        port_sim_send(c.peer, get + i, 1);
        rig_run(rig);
    }
    client_expect(&c, 1, ZK_OK);
    /* A frame that was announced and never comes costs what it sent, not what it said. */
    uint64_t before = rig->net.slab.in_use;
    port_sim_send(c.peer, "\0\x0f\xff\xff\0\0\0\x01", 8);
    rig_run(rig);
    assert_true(rig->net.slab.in_use - before <= 8192);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_half_close(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1);
    client_set(&c, 1, "/a", "x");
    client_path(&c, 2, ZK_OP_EXISTS, "/", 0);
    port_sim_send(c.peer, "\0\0\0\x09", 4);
    port_sim_end(c.peer);
    rig_run(rig);
    assert_true(port_sim_open_now(c.peer)); /* the write is not answered yet */
    rig_serve(rig);
    expect_closed(rig, &c);
    client_expect(&c, 1, ZK_OK);
    client_expect(&c, 2, ZK_OK);
    port_sim_forget(c.peer);
    rig_free(rig);
}

#define SUPER "super:D/InIHSb7yEEbrWz8b9l71RjZJU=" /* super:test */

static void test_auth(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.super_digest = SUPER;
    struct rig *rig = rig_make(&config, 0);
    struct client c;
    static const char *const refused[] = {"world", "auth", "sasl", "x509", "nope", ""};
    for (int i = 0; i < 6; i++) {
        c = client_live(rig, 1);
        client_auth(&c, refused[i], "a:b");
        expect_closed(rig, &c);
        client_expect(&c, ZK_XID_AUTH, ZK_AUTH_FAILED);
        port_sim_forget(c.peer);
    }
    c = client_live(rig, 1);
    client_auth(&c, "digest", "foo"); /* no colon: all of it is the user */
    client_auth(&c, "ip", "");
    client_auth(&c, "digest", "super:test");
    client_auth(&c, "digest", "super:test"); /* again: known, nobody is told */
    client_bare(&c, 1, ZK_OP_WHO_AM_I);
    client_bare(&c, 2, ZK_OP_SASL);
    rig_run(rig);
    const struct command *command = rig_peek(rig);
    assert_int_equal(command->kind, COMMAND_AUTH);
    assert_true(acl_identities_have(bytes_of(command + 1, command->body_size), "digest"));
    rig_serve(rig);
    rig_run(rig);
    command = rig_peek(rig);
    assert_true(acl_identities_have(bytes_of(command + 1, command->body_size), "super"));
    assert_int_equal(command->sequence, 2);
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    for (int i = 0; i < 4; i++)
        assert_true(client_expect(&c, ZK_XID_AUTH, ZK_OK).zxid == 0);
    struct answer a = client_expect(&c, 1, ZK_OK);
    static const char *const who[] = {"ip",     "10.0.0.1", "digest", "foo",
                                      "digest", "super",    "super",  ""};
    assert_int_equal(jute_get_int(&a.body), 4);
    for (int i = 0; i < 8; i++)
        assert_true(bytes_equal(jute_get_bytes(&a.body), bytes_of_string(who[i])));
    assert_ptr_equal(a.body.at, a.body.end);
    client_expect(&c, 2, ZK_MARSHALLING_ERROR);

    /* Credentials are bounded: one too many ends the connection. */
    int added = 0;
    for (; added < 500 && port_sim_open_now(c.peer); added++) {
        char user[80];
        snprintf(user, sizeof(user), "user-with-a-rather-long-name-%d:x", added);
        client_auth(&c, "digest", user);
        rig_run(rig);
        rig_serve(rig);
        rig_run(rig);
    }
    assert_in_range(added, 40, 100);
    port_sim_forget(c.peer);
    rig_free(rig);
}

static void test_auth_enforced(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.auth_schemes = "sasl,digest";
    struct rig *rig = rig_make(&config, 0);
    struct client c = client_live(rig, 1), d = client_live(rig, 2);
    client_path(&c, 1, ZK_OP_EXISTS, "/", 0);
    expect_closed(rig, &c);
    client_expect(&c, 1, ZK_SESSION_CLOSED_REQUIRE_SASL_AUTH);
    port_sim_forget(c.peer);
    client_auth(&d, "digest", "a:b");
    client_path(&d, 1, ZK_OP_EXISTS, "/", 0);
    rig_run(rig);
    rig_serve(rig);
    rig_run(rig);
    client_expect(&d, ZK_XID_AUTH, ZK_OK);
    client_expect(&d, 1, ZK_OK);
    client_forget(rig, &d);
    rig_free(rig);
}

static void test_digest_off(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.digest_off = true;
    struct rig *rig = rig_make(&config, 0);
    struct client c = client_live(rig, 1), d = client_live(rig, 2);
    client_auth(&c, "digest", "a:b");
    expect_closed(rig, &c);
    client_expect(&c, ZK_XID_AUTH, ZK_AUTH_FAILED);
    port_sim_forget(c.peer);
    client_auth(&d, "ip", "");
    rig_run(rig);
    client_expect(&d, ZK_XID_AUTH, ZK_OK);
    client_forget(rig, &d);
    rig_free(rig);
}

static void test_handshake_timeout(void **state)
{
    struct net_config config;
    net_config_default(&config);
    config.handshake_ms = 700;
    struct rig *rig = rig_make(&config, 0);
    struct client c = client_connect(rig, 1), d = client_live(rig, 2);
    rig_pass(rig, 650);
    rig_run(rig);
    assert_true(port_sim_open_now(c.peer));
    rig_pass(rig, 100);
    expect_closed(rig, &c);
    assert_true(port_sim_open_now(d.peer)); /* it has a session */
    port_sim_forget(c.peer);
    client_forget(rig, &d);
    rig_free(rig);
}

static void test_touches(void **state)
{
    struct rig *rig = rig_make(NULL, 0);
    struct client c = client_live(rig, 1), d = client_live(rig, 2);
    rig_pass(rig, 1000);
    rig_run(rig);
    while (rig_peek(rig))
        rig_pop(rig);
    for (int i = 0; i < 10; i++) {
        client_bare(&c, ZK_XID_PING, ZK_OP_PING);
        rig_run(rig);
    }
    uint32_t size, told = 0;
    rig_pass(rig, 150);
    rig_run(rig);
    for (const struct command *t; (t = link_peek(&rig->net_core, &size)); rig_pop(rig)) {
        const int64_t *ids = (const int64_t *)(t + 1);
        assert_int_equal(t->kind, COMMAND_TOUCH);
        for (uint32_t i = 0; i < t->body_size / 8; i++) {
            assert_true(ids[i] == c.session); /* d was not heard from */
            told++;
        }
    }
    assert_in_range(told, 1, 2);    /* ten pings, one or two touches */
    port_sim_send(d.peer, "\0", 1); /* any byte counts */
    rig_run(rig);
    assert_true(net_deadline_ns(&rig->net, rig->now) <= rig->now.mono_ns + 100 * NS_PER_MS);
    rig_pass(rig, 100);
    rig_run(rig);
    const struct command *t = link_peek(&rig->net_core, &size);
    assert_non_null(t);
    assert_int_equal(t->body_size, 8);
    assert_true(*(const int64_t *)(t + 1) == d.session);
    rig_pop(rig);
    client_forget(rig, &c);
    client_forget(rig, &d);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_new), cmocka_unit_test(test_handshake_refused),
        cmocka_unit_test(test_attach),        cmocka_unit_test(test_long_password),
        cmocka_unit_test(test_order),         cmocka_unit_test(test_unpublished),
        cmocka_unit_test(test_writes_bound),  cmocka_unit_test(test_link_full),
        cmocka_unit_test(test_ends),          cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_half_close),    cmocka_unit_test(test_touches),
        cmocka_unit_test(test_auth),          cmocka_unit_test(test_auth_enforced),
        cmocka_unit_test(test_digest_off),    cmocka_unit_test(test_handshake_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
