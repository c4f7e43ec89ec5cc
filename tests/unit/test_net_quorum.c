/* Goal: a NET of a node with peers keeps order at queries, waits for clients that are ahead, reads
 * behind barriers when told to, and goes into read-only mode and out of it as
 * dataplane/net_quorum.h says. Method: the test is CORE, APPLY and the page of the node's
 * standing. */
#include "net_rig.h"

#include "base/core_state.h"

static struct core_state page;

/* A NET of a follower of three; member 2 leads. */
static struct rig *rig_member(bool linearizable)
{
    struct net_config config;
    net_config_default(&config);
    config.linearizable = linearizable;
    struct rig *rig = rig_make(&config, 1 << 20);
    core_state_init(&page, true, true, 2000);
    core_state_tell(&page, 3, 2, CORE_ROLE_FOLLOWER, 5, rig->now.mono_ns);
    rig->net.parts.state = &page;
    rig_create(rig, "/a", "1");
    rig_publish(rig);
    return rig;
}

static void expect_command(struct rig *rig, int kind, int32_t op)
{
    const struct command *c = rig_peek(rig);
    assert_non_null(c);
    assert_int_equal(c->kind, kind);
    assert_int_equal(c->op, op);
}

static void answer_command(struct rig *rig, int32_t error)
{
    rig_reply(rig, rig_peek(rig), error, NULL, 0);
    rig_pop(rig);
    rig_publish(rig);
    rig_run(rig);
}

static void test_query_stops_the_pipeline(void **state)
{
    struct rig *rig = rig_member(false);
    struct client c = client_live(rig, 1);
    (void)state;
    client_set(&c, 1, "/a", "2");
    client_path(&c, 2, ZK_OP_SYNC, "/", -1);
    client_set(&c, 3, "/a", "3");
    client_bare(&c, ZK_XID_PING, ZK_OP_PING);
    rig_run(rig);
    expect_command(rig, COMMAND_REQUEST, ZK_OP_SET_DATA);
    answer_command(rig, ZK_OK);
    expect_command(rig, COMMAND_QUERY, ZK_OP_SYNC);
    rig_pop(rig); /* APPLY's answer takes its time */
    rig_run(rig);
    assert_null(rig_peek(rig));
    client_expect(&c, 1, ZK_OK);
    client_nothing(&c);
    struct command sync = {.kind = COMMAND_QUERY,
                           .op = ZK_OP_SYNC,
                           .xid = 2,
                           .conn = conn_token(conn_of_session(&rig->net, c.session))};
    rig_reply(rig, &sync, ZK_OK, NULL, 0);
    rig_publish(rig);
    rig_run(rig);
    client_expect(&c, 2, ZK_OK);
    expect_command(rig, COMMAND_REQUEST, ZK_OP_SET_DATA);
    answer_command(rig, ZK_OK);
    client_expect(&c, ZK_XID_PING, ZK_OK); /* a ping does not wait for the write */
    client_expect(&c, 3, ZK_OK);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_alone_nothing_stops(void **state)
{
    struct rig *rig = rig_make(NULL, 1 << 20);
    struct client c = client_live(rig, 1);
    (void)state;
    client_path(&c, 1, ZK_OP_SYNC, "/", -1);
    client_set(&c, 2, "/a", "3");
    rig_run(rig);
    expect_command(rig, COMMAND_QUERY, ZK_OP_SYNC);
    rig_pop(rig);
    expect_command(rig, COMMAND_REQUEST, ZK_OP_SET_DATA);
    rig_pop(rig);
    struct client ahead = client_connect(rig, 2);
    client_handshake(&ahead, rig->zxid + 1, 10000, 0, bytes_of("", 0), 0);
    rig_run(rig);
    assert_true(port_sim_closed(ahead.peer));
    client_forget(rig, &ahead);
    client_forget(rig, &c);
    rig_free(rig);
}

static void test_client_that_is_ahead_waits(void **state)
{
    struct rig *rig = rig_member(false);
    struct client soon = client_connect(rig, 1), never = client_connect(rig, 2);
    (void)state;
    client_handshake(&soon, rig->zxid + 2, 10000, 0, bytes_of("", 0), 0);
    client_handshake(&never, rig->zxid + 100, 10000, 7, bytes_of("0123456789abcdef", 16), 0);
    rig_run(rig);
    assert_null(rig_peek(rig));
    assert_false(port_sim_closed(soon.peer));
    assert_true(net_deadline_ns(&rig->net, rig->now) <= rig->now.mono_ns + 5 * NS_PER_MS);
    rig_pass(rig, 1000);
    rig_zxid(rig);
    rig_publish(rig);
    rig_run(rig);
    assert_null(rig_peek(rig));
    rig_zxid(rig);
    rig_publish(rig);
    rig_run(rig);
    expect_command(rig, COMMAND_OPEN, 0);
    rig_serve(rig);
    rig_run(rig);
    assert_int_equal(client_packet(&soon).size, 37);
    rig_pass(rig, 990);
    rig_run(rig);
    assert_false(port_sim_closed(never.peer));
    rig_pass(rig, 20); /* two seconds in all */
    rig_run(rig);
    assert_true(port_sim_closed(never.peer));
    assert_null(rig_peek(rig));
    client_forget(rig, &never);
    client_forget(rig, &soon);
    rig_free(rig);
}

static void test_one_that_waits_may_go(void **state)
{
    struct rig *rig = rig_member(false);
    struct client c = client_connect(rig, 1);
    (void)state;
    client_handshake(&c, rig->zxid + 2, 10000, 0, bytes_of("", 0), 0);
    rig_run(rig);
    client_forget(rig, &c);
    rig_zxid(rig);
    rig_zxid(rig);
    rig_publish(rig);
    rig_run(rig);
    assert_null(rig_peek(rig));
    rig_free(rig);
}

/* An attach that any node did closes older connections here. */
static void test_attached_elsewhere(void **state)
{
    struct rig *rig = rig_member(false);
    struct client c = client_live(rig, 1);
    (void)state;
    client_set(&c, 1, "/a", "2");
    rig_run(rig);
    rig_zxid(rig);
    rig_session(rig, c.session, 1, SESSION_ATTACHED); /* its own, told again */
    rig_publish(rig);
    rig_run(rig);
    assert_false(port_sim_closed(c.peer));
    rig_session(rig, c.session, 2, SESSION_ATTACHED);
    rig_publish(rig);
    rig_run(rig);
    assert_true(port_sim_closed(c.peer));
    client_nothing(&c);
    client_forget(rig, &c);
    rig_free(rig);
}

/* ---- linearizable reads ---------------------------------------------------------------------- */

static void test_barrier_is_shared(void **state)
{
    struct rig *rig = rig_member(true);
    struct client c = client_live(rig, 1), d = client_live(rig, 2);
    (void)state;
    client_path(&c, 1, ZK_OP_GET_DATA, "/a", 0);
    client_path(&c, 2, ZK_OP_EXISTS, "/a", 0);
    client_path(&d, 1, ZK_OP_GET_DATA, "/a", 0);
    rig_run(rig);
    client_nothing(&c);
    expect_command(rig, COMMAND_QUERY, COMMAND_OP_BARRIER);
    assert_true(rig_peek(rig)->conn == COMMAND_CONN_BARRIER);
    struct command first = *rig_peek(rig);
    rig_pop(rig);
    assert_null(rig_peek(rig));                /* one for all three */
    client_path(&d, 2, ZK_OP_EXISTS, "/a", 0); /* came later: another */
    rig_run(rig);
    rig_set(rig, "/a", "22");
    rig_reply(rig, &first, ZK_OK, NULL, 0);
    rig_publish(rig);
    rig_run(rig);
    struct answer a = client_expect(&c, 1, ZK_OK);
    assert_int_equal(jute_get_bytes(&a.body).size, 2); /* what was committed meanwhile */
    client_expect(&c, 2, ZK_OK);
    client_expect(&d, 1, ZK_OK);
    client_nothing(&d);
    expect_command(rig, COMMAND_QUERY, COMMAND_OP_BARRIER);
    assert_int_equal(rig_peek(rig)->xid, first.xid + 1);
    answer_command(rig, ZK_OK);
    client_expect(&d, 2, ZK_OK);
    client_bare(&c, ZK_XID_PING, ZK_OP_PING); /* needs none */
    client_set(&c, 4, "/a", "3");
    rig_run(rig);
    client_expect(&c, ZK_XID_PING, ZK_OK);
    expect_command(rig, COMMAND_REQUEST, ZK_OP_SET_DATA);
    answer_command(rig, ZK_OK);
    client_expect(&c, 4, ZK_OK);
    client_forget(rig, &c);
    client_forget(rig, &d);
    rig_free(rig);
}

static void test_barriers_are_bounded(void **state)
{
    struct rig *rig = rig_member(true);
    struct client c[12];
    uint32_t asked = 0;
    (void)state;
    for (int i = 0; i < 12; i++)
        c[i] = client_live(rig, (uint8_t)(i + 1));
    for (int i = 0; i < 12; i++) {
        client_path(&c[i], 1, ZK_OP_EXISTS, "/a", 0);
        rig_run(rig);
    }
    struct command barriers[12];
    for (; rig_peek(rig); asked++) {
        barriers[asked] = *rig_peek(rig);
        rig_pop(rig);
    }
    assert_int_equal(asked, 8); /* NET_BARRIERS */
    for (uint32_t i = 0; i < asked; i++)
        rig_reply(rig, &barriers[i], ZK_OK, NULL, 0);
    rig_publish(rig);
    rig_run(rig);
    for (int i = 0; i < 8; i++)
        client_expect(&c[i], 1, ZK_OK);
    client_nothing(&c[8]);
    expect_command(rig, COMMAND_QUERY, COMMAND_OP_BARRIER);
    answer_command(rig, ZK_OK); /* one for the four that waited */
    assert_null(rig_peek(rig));
    for (int i = 8; i < 12; i++)
        client_expect(&c[i], 1, ZK_OK);
    client_path(&c[0], 2, ZK_OP_EXISTS, "/a", 0);
    rig_run(rig);
    answer_command(rig, ZK_SYSTEM_ERROR); /* it cannot be had */
    assert_true(port_sim_closed(c[0].peer));
    for (int i = 0; i < 12; i++)
        client_forget(rig, &c[i]);
    rig_free(rig);
}

/* ---- read-only mode -------------------------------------------------------------------------- */

static void lose_leader(struct rig *rig)
{
    core_state_tell(&page, 3, 0, CORE_ROLE_FOLLOWER, 8, rig->now.mono_ns);
    assert_false(core_state_cut_off(&page));
    assert_true(core_state_deadline_ns(&page) == rig->now.mono_ns + 2000 * NS_PER_MS);
    rig_pass(rig, 1999);
    core_state_tell(&page, 3, 0, CORE_ROLE_FOLLOWER, 6, rig->now.mono_ns);
    assert_false(core_state_cut_off(&page));
    rig_pass(rig, 1);
    core_state_tell(&page, 3, 0, CORE_ROLE_FOLLOWER, 7, rig->now.mono_ns);
    assert_true(core_state_cut_off(&page));
    assert_true(core_state_deadline_ns(&page) == UINT64_MAX);
    rig_run(rig);
}

/* A live client that said readOnly. */
static struct client client_read_only(struct rig *rig, uint8_t last)
{
    struct client c = client_connect(rig, last);
    client_handshake(&c, 0, 10000, 0, bytes_of("", 0), 1);
    rig_run(rig);
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    struct bytes packet = client_packet(&c);
    assert_int_equal(packet.size, 37);
    assert_int_equal(packet.at[36], 0);
    return c;
}

static void expect_refusals(struct rig *rig, struct client *c)
{
    static const int32_t ops[] = {ZK_OP_CREATE,           ZK_OP_DELETE,        ZK_OP_SET_DATA,
                                  ZK_OP_SET_ACL,          ZK_OP_SYNC,          ZK_OP_MULTI,
                                  ZK_OP_RECONFIG,         ZK_OP_CREATE2,       ZK_OP_CREATE_TTL,
                                  ZK_OP_CREATE_CONTAINER, ZK_OP_GET_EPHEMERALS};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        client_path(c, 100 + (int32_t)i, ops[i], "/a", -1);
        rig_run(rig);
        client_expect(c, 100 + (int32_t)i, ZK_NOT_READ_ONLY);
    }
    assert_null(rig_peek(rig));
}

static void test_read_only_keeps_who_asked(void **state)
{
    struct rig *rig = rig_member(true); /* a barrier could not be had: reads go on without */
    struct client plain = client_live(rig, 1), reader = client_read_only(rig, 2);
    struct client writer = client_read_only(rig, 3), waiting = client_read_only(rig, 4);
    struct client opening = client_connect(rig, 5);
    (void)state;
    client_set(&writer, 1, "/a", "2");
    client_path(&waiting, 1, ZK_OP_EXISTS, "/a", 0);
    client_handshake(&opening, 0, 10000, 0, bytes_of("", 0), 1);
    rig_run(rig);
    while (rig_peek(rig))
        rig_pop(rig); /* into an outbox, and nothing comes back */
    lose_leader(rig);
    assert_true(port_sim_closed(plain.peer));
    assert_true(port_sim_closed(writer.peer)); /* nobody knows what became of its write */
    assert_true(port_sim_closed(opening.peer));
    assert_false(port_sim_closed(reader.peer));
    client_expect(&waiting, 1, ZK_OK);
    client_path(&reader, 1, ZK_OP_GET_DATA, "/a", 1);
    client_auth(&reader, "digest", "u:p");
    client_bare(&reader, ZK_XID_PING, ZK_OP_PING);
    rig_run(rig);
    client_expect(&reader, 1, ZK_OK);
    client_expect(&reader, ZK_XID_AUTH, ZK_OK);
    client_expect(&reader, ZK_XID_PING, ZK_OK);
    expect_refusals(rig, &reader);
    client_bare(&reader, 9, ZK_OP_CLOSE_SESSION); /* not known to be closed: no answer */
    rig_run(rig);
    client_nothing(&reader);
    assert_true(port_sim_closed(reader.peer));
    struct client *all[] = {&plain, &reader, &writer, &waiting, &opening};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        client_forget(rig, all[i]);
    rig_free(rig);
}

static void test_read_only_new_session(void **state)
{
    struct rig *rig = rig_member(false);
    struct client c[5];
    int64_t ids[2];
    (void)state;
    lose_leader(rig);
    for (int i = 0; i < 5; i++)
        c[i] = client_connect(rig, (uint8_t)(i + 1));
    client_handshake(&c[0], 0, 10000, 0, bytes_of("", 0), 1);
    client_handshake(&c[1], 0, 10000, 0, bytes_of("", 0), 1);
    client_handshake(&c[2], 0, 10000, 0, bytes_of("", 0), 0);
    client_handshake(&c[3], 0, 10000, 77, bytes_of("0123456789abcdef", 16), 1);
    client_handshake(&c[4], rig->zxid + 1, 10000, 0, bytes_of("", 0), 1);
    rig_run(rig);
    for (int i = 2; i < 5; i++) { /* unasked, a session of the ensemble, ahead of this node */
        assert_true(port_sim_closed(c[i].peer));
        client_nothing(&c[i]);
    }
    for (int i = 0; i < 2; i++) {
        struct bytes packet = client_packet(&c[i]);
        assert_int_equal(packet.size, 37);
        assert_int_equal(packet.at[36], 1);
        struct jute_in in = jute_in(packet.at, (size_t)packet.size);
        jute_get_int(&in);
        assert_int_equal(jute_get_int(&in), 10000);
        ids[i] = jute_get_long(&in);
        assert_true(ids[i] > 0 && ids[i] >> 56 == 0);
    }
    assert_true(ids[0] != ids[1]);
    client_path(&c[0], 1, ZK_OP_GET_DATA, "/a", 1);
    rig_run(rig);
    client_expect(&c[0], 1, ZK_OK);
    expect_refusals(rig, &c[0]);
    rig_pass(rig, 500);
    rig_run(rig);
    uint32_t size; /* nobody is told that such a session lives */
    assert_null(link_peek(&rig->net_core, &size));
    client_bare(&c[1], 5, ZK_OP_CLOSE_SESSION);
    rig_run(rig);
    client_expect(&c[1], 5, ZK_OK);
    assert_true(port_sim_closed(c[1].peer));
    core_state_tell(&page, 3, 3, CORE_ROLE_FOLLOWER, 8, rig->now.mono_ns);
    rig_run(rig);
    assert_true(port_sim_closed(c[0].peer)); /* it attaches anew, and may write */
    for (int i = 0; i < 5; i++)
        client_forget(rig, &c[i]);
    struct client again = client_live(rig, 9);
    client_forget(rig, &again);
    rig_free(rig);
}

static char *ask(struct rig *rig, const char *word)
{
    static char text[8192];
    struct client c = client_connect(rig, 200);
    uint32_t size;
    port_sim_send(c.peer, word, 4);
    rig_run(rig);
    const uint8_t *at = port_sim_arrived(c.peer, &size);
    assert_true(size < sizeof(text));
    memcpy(text, at, size);
    text[size] = '\0';
    client_forget(rig, &c);
    return text;
}

static void test_words_say_it(void **state)
{
    struct rig *rig = rig_member(false);
    (void)state;
    assert_string_equal(ask(rig, "isro"), "rw");
    assert_non_null(strstr(ask(rig, "srvr"), "\nMode: follower\n"));
    core_state_tell(&page, 3, 1, CORE_ROLE_LEADER, 6, rig->now.mono_ns);
    assert_non_null(strstr(ask(rig, "srvr"), "\nMode: leader\n"));
    assert_non_null(strstr(ask(rig, "srvr"), "\nProposal sizes last/min/max: "));
    assert_non_null(strstr(ask(rig, "mntr"), "zk_server_state\tleader\n"));
    core_state_tell(&page, 4, 1, CORE_ROLE_OBSERVER, 6, rig->now.mono_ns);
    assert_non_null(strstr(ask(rig, "stat"), "\nMode: observer\n"));
    core_state_tell(&page, 3, 0, CORE_ROLE_FOLLOWER, 7, rig->now.mono_ns);
    assert_non_null(strstr(ask(rig, "srvr"), "not currently serving"));
    assert_string_equal(ask(rig, "isro"), "null");
    core_state_tell(&page, 3, 2, CORE_ROLE_FOLLOWER, 8, rig->now.mono_ns);
    lose_leader(rig);
    assert_string_equal(ask(rig, "isro"), "ro");
    assert_string_equal(ask(rig, "ruok"), "imok");
    assert_non_null(
        strstr(ask(rig, "srvr"), "\nREAD-ONLY mode; serving only read-only clients\nLatency"));
    assert_non_null(strstr(ask(rig, "srvr"), "\nMode: read-only\n"));
    assert_non_null(strstr(ask(rig, "mntr"), "zk_server_state\tread-only\n"));
    assert_non_null(strstr(ask(rig, "dump"), "not currently serving"));
    rig_free(rig);
}

/* Without reads.without_quorum nobody stays, and nobody comes, until there is a leader. */
static void test_cut_off_nobody_stays(void **state)
{
    struct rig *rig = rig_member(false);
    (void)state;
    page.read_only_enabled = false;
    struct client plain = client_live(rig, 1), reader = client_read_only(rig, 2);
    lose_leader(rig);
    assert_true(port_sim_closed(plain.peer));
    assert_true(port_sim_closed(reader.peer));
    struct client late = client_connect(rig, 3), after = client_connect(rig, 4);
    client_handshake(&late, 0, 10000, 0, bytes_of("", 0), 1);
    rig_run(rig);
    assert_true(port_sim_closed(late.peer));
    assert_false(port_sim_closed(after.peer)); /* it has not said yet what it wants */
    core_state_tell(&page, 3, 2, CORE_ROLE_FOLLOWER, 6, rig->now.mono_ns);
    rig_run(rig);
    client_handshake(&after, 0, 10000, 0, bytes_of("", 0), 0);
    rig_run(rig);
    expect_command(rig, COMMAND_OPEN, 0);
    struct client *all[] = {&plain, &reader, &late, &after};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        client_forget(rig, all[i]);
    rig_free(rig);
}

static void test_disabled(void **state)
{
    (void)state;
    core_state_init(&page, true, false, 5000);
    core_state_tell(&page, 3, 0, CORE_ROLE_FOLLOWER, 5, NS_PER_S);
    assert_false(core_state_cut_off(&page));
    core_state_tell(&page, 3, 0, CORE_ROLE_FOLLOWER, 5, 100 * NS_PER_S);
    assert_false(core_state_read_only(&page));
    assert_true(core_state_cut_off(&page));
    core_state_init(&page, true, true, 5000); /* a longer tick than two seconds counts */
    core_state_tell(&page, 3, 0, CORE_ROLE_FOLLOWER, 5, NS_PER_S);
    assert_true(core_state_deadline_ns(&page) == 6 * NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_stops_the_pipeline),
        cmocka_unit_test(test_alone_nothing_stops),
        cmocka_unit_test(test_client_that_is_ahead_waits),
        cmocka_unit_test(test_one_that_waits_may_go),
        cmocka_unit_test(test_attached_elsewhere),
        cmocka_unit_test(test_barrier_is_shared),
        cmocka_unit_test(test_barriers_are_bounded),
        cmocka_unit_test(test_read_only_keeps_who_asked),
        cmocka_unit_test(test_read_only_new_session),
        cmocka_unit_test(test_words_say_it),
        cmocka_unit_test(test_cut_off_nobody_stays),
        cmocka_unit_test(test_disabled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
