/* net_rig: a NET on the sim port, a real tree and ACL table, and both ends of its links in the
 * test's hands: the test plays CORE (pops net_core) and APPLY (changes the tree, pushes apply_net).
 * Clients are peers of the sim port with a cursor over what arrived. */
#pragma once

#include "base/jute.h"
#include "base/lines.h"
#include "base/zk.h"
#include "dataplane/net.h"
#include "dataplane/port/port_sim.h"
#include "dataplane/qsbr.h"
#include "dataplane/zk/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RIG_UNUSED __attribute__((unused))

struct rig {
    struct net net;
    struct net_config config;
    struct link net_core, apply_net;
    struct tree *tree;
    struct acl_table *acls;
    struct counters counters;
    struct counters_book book;
    struct now now;
    int64_t zxid, session_last;
    uint32_t out_limit;
};

struct client {
    struct port_sim_peer *peer;
    int64_t session;
    uint32_t seen; /* bytes of what arrived that rig_packet has given already */
};

/* rig_make starts a NET; config NULL: the defaults, with small bounds. */
static RIG_UNUSED struct rig *rig_make(const struct net_config *config, uint32_t out_limit)
{
    struct rig *rig = lines_calloc(1, sizeof(*rig)); /* it holds links and a NET */
    struct tree_config tree_config = {.memory_limit = 256 << 20, .nodes_max = 1 << 20};
    assert_non_null(rig);
    if (config)
        rig->config = *config;
    else
        net_config_default(&rig->config);
    assert_int_equal(link_init(&rig->net_core, "net_core", 8 << 20), 0);
    assert_int_equal(link_init(&rig->apply_net, "apply_net", 8 << 20), 0);
    assert_int_equal(tree_create(&rig->tree, &tree_config), 0);
    assert_int_equal(acl_table_create(&rig->acls, 1000, false), 0);
    counters_init(&rig->counters, "net", 0);
    counters_book_add(&rig->book, &rig->counters);
    struct net_parts parts = {&rig->net_core, &rig->apply_net, rig->tree,
                              rig->acls,      &rig->counters,  &rig->book};
    assert_int_equal(net_init(&rig->net, &rig->config, &parts), 0);
    struct port_setup setup;
    struct port *port;
    net_port_setup(&rig->net, &setup);
    assert_int_equal(port_sim_open(&setup, out_limit ? out_limit : 1 << 20, &port), 0);
    net_start(&rig->net, port);
    qsbr_online();
    rig->now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    rig->session_last = 0x100000000000000;
    return rig;
}

static RIG_UNUSED void rig_free(struct rig *rig)
{
    net_fini(&rig->net);
    qsbr_leave();
    acl_table_destroy(rig->acls);
    tree_destroy(rig->tree);
    link_fini(&rig->net_core);
    link_fini(&rig->apply_net);
    free(rig);
}

static RIG_UNUSED uint32_t rig_turn(struct rig *rig)
{
    rig->now.mono_ns += 1000;
    return net_poll(&rig->net, rig->now);
}

/* Turns until NET is idle. */
static RIG_UNUSED void rig_run(struct rig *rig)
{
    int turns = 0;
    do {
        rig_turn(rig);
        assert_true(++turns < 100000);
    } while (!net_idle(&rig->net));
}

static RIG_UNUSED void rig_pass(struct rig *rig, uint64_t ms)
{
    rig->now.mono_ns += ms * NS_PER_MS;
    rig->now.wall_ms += (int64_t)ms;
}

/* ---- the part of APPLY ---- */

static RIG_UNUSED void rig_publish(struct rig *rig)
{
    link_publish(&rig->apply_net);
    tree_publish(rig->tree, rig->zxid);
}

/* The next zxid, for a command that changes nothing in the tree. */
static RIG_UNUSED void rig_zxid(struct rig *rig)
{
    rig->zxid++;
}

static RIG_UNUSED void rig_begin(struct rig *rig)
{
    tree_begin(rig->tree, ++rig->zxid, rig->now.wall_ms);
}

static RIG_UNUSED void rig_change(struct rig *rig, uint32_t event, const char *path,
                                  struct bytes acl, struct bytes parent_acl)
{
    uint32_t path_size = (uint32_t)strlen(path);
    uint32_t acl_size = acl.size > 0 ? (uint32_t)acl.size : 0;
    uint32_t parent_size = parent_acl.size > 0 ? (uint32_t)parent_acl.size : 0;
    uint32_t size = path_size + acl_size + parent_size;
    struct apply_change *c = link_reserve(&rig->apply_net, (uint32_t)sizeof(*c) + size);
    assert_non_null(c);
    *c = (struct apply_change){
        {APPLY_NET_CHANGE, size, rig->zxid}, event, path_size, acl_size, parent_size};
    uint8_t *at = (uint8_t *)(c + 1);
    memcpy(at, path, path_size);
    if (acl_size)
        memcpy(at + path_size, acl.at, acl_size);
    if (parent_size)
        memcpy(at + path_size + acl_size, parent_acl.at, parent_size);
}

#define RIG_OPEN_ACL ((struct bytes){NULL, -1})

/* One committed and announced change, not published yet. */
static RIG_UNUSED void rig_create(struct rig *rig, const char *path, const char *data)
{
    rig_begin(rig);
    assert_int_equal(
        tree_add(rig->tree, bytes_of_string(path), bytes_of_string(data), ACL_ID_OPEN, 0), 0);
    tree_commit(rig->tree);
    rig_change(rig, ZK_EVENT_CREATED, path, RIG_OPEN_ACL, RIG_OPEN_ACL);
}

static RIG_UNUSED void rig_set(struct rig *rig, const char *path, const char *data)
{
    rig_begin(rig);
    assert_int_equal(tree_set(rig->tree, bytes_of_string(path), bytes_of_string(data)), 0);
    tree_commit(rig->tree);
    rig_change(rig, ZK_EVENT_DATA_CHANGED, path, RIG_OPEN_ACL, RIG_OPEN_ACL);
}

static RIG_UNUSED void rig_delete(struct rig *rig, const char *path)
{
    rig_begin(rig);
    tree_remove(rig->tree, bytes_of_string(path));
    tree_commit(rig->tree);
    rig_change(rig, ZK_EVENT_DELETED, path, RIG_OPEN_ACL, RIG_OPEN_ACL);
}

static RIG_UNUSED void rig_reply(struct rig *rig, const struct command *c, int32_t error,
                                 const void *body, uint32_t body_size)
{
    struct apply_reply *r = link_reserve(&rig->apply_net, (uint32_t)sizeof(*r) + body_size);
    assert_non_null(r);
    *r = (struct apply_reply){
        .head = {APPLY_NET_REPLY, body_size, rig->zxid},
        .conn = c->conn,
        .session = c->session,
        .op = c->op,
        .xid = c->xid,
        .error = error,
        .command_kind = c->kind,
        .zxid = rig->zxid,
    };
    if (c->kind == COMMAND_OPEN || c->kind == COMMAND_ATTACH) {
        const struct session_open *open = (const struct session_open *)(c + 1);
        r->session = c->kind == COMMAND_OPEN ? ++rig->session_last : c->session;
        r->attach = c->kind == COMMAND_OPEN ? 1 : 2;
        r->timeout_ms = open->timeout_ms;
        memset(r->password, 0xab, sizeof(r->password));
    }
    if (body_size)
        memcpy(r + 1, body, body_size);
}

static RIG_UNUSED void rig_session(struct rig *rig, int64_t session, uint32_t attach,
                                   enum session_state state)
{
    struct apply_session *s = link_reserve(&rig->apply_net, sizeof(*s));
    assert_non_null(s);
    *s = (struct apply_session){{APPLY_NET_SESSION, 0, rig->zxid}, session, attach, state};
}

/* ---- the part of CORE ---- */

/* The next command that is not a touch, or NULL; lent until rig_pop. */
static RIG_UNUSED const struct command *rig_peek(struct rig *rig)
{
    uint32_t size;
    const struct command *c;
    while ((c = link_peek(&rig->net_core, &size)) && c->kind == COMMAND_TOUCH) {
        link_pop(&rig->net_core);
        link_release(&rig->net_core);
    }
    if (c)
        assert_int_equal(size, sizeof(*c) + c->body_size);
    return c;
}

static RIG_UNUSED void rig_pop(struct rig *rig)
{
    link_pop(&rig->net_core);
    link_release(&rig->net_core);
}

/* Answers every command that waits: sessions open, everything else succeeds with no body. */
static RIG_UNUSED uint32_t rig_serve(struct rig *rig)
{
    const struct command *c;
    uint32_t served = 0;
    while ((c = rig_peek(rig))) {
        if (c->kind == COMMAND_OPEN || c->kind == COMMAND_REQUEST)
            rig->zxid++;
        rig_reply(rig, c, ZK_OK, NULL, 0);
        rig_pop(rig);
        served++;
    }
    rig_publish(rig);
    return served;
}

/* ---- clients ---- */

static RIG_UNUSED struct address rig_address(uint8_t last)
{
    struct address a = {.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, last}, .port = 40000};
    return a;
}

static RIG_UNUSED struct client client_connect(struct rig *rig, uint8_t last)
{
    struct address from = rig_address(last);
    return (struct client){.peer = port_sim_connect(rig->net.port, &from)};
}

/* A packet being written: length is filled in by client_send_packet. */
struct packet {
    uint8_t bytes[65536];
    struct jute_out out;
};

static RIG_UNUSED struct jute_out *packet_begin(struct packet *p)
{
    p->out = jute_out(p->bytes + 4, sizeof(p->bytes) - 4);
    return &p->out;
}

static RIG_UNUSED void packet_send(struct client *client, struct packet *p)
{
    uint32_t size = (uint32_t)(p->out.at - p->bytes);
    struct jute_out length = jute_out(p->bytes, 4);
    assert_false(p->out.bad);
    jute_put_int(&length, (int32_t)(size - 4));
    port_sim_send(client->peer, p->bytes, size);
}

static RIG_UNUSED void client_handshake(struct client *client, int64_t zxid_seen, int32_t timeout,
                                        int64_t session, struct bytes password, int read_only)
{
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    jute_put_int(out, 0);
    jute_put_long(out, zxid_seen);
    jute_put_int(out, timeout);
    jute_put_long(out, session);
    jute_put_bytes(out, password);
    if (read_only >= 0)
        jute_put_byte(out, (uint8_t)read_only);
    packet_send(client, &p);
}

/* A request with a path and one flag or int: flag -1 none, byte otherwise. */
static RIG_UNUSED void client_path(struct client *client, int32_t xid, int32_t op, const char *path,
                                   int flag)
{
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    jute_put_int(out, xid);
    jute_put_int(out, op);
    jute_put_bytes(out, path ? bytes_of_string(path) : (struct bytes){NULL, -1});
    if (flag >= 0)
        jute_put_byte(out, (uint8_t)flag);
    packet_send(client, &p);
}

static RIG_UNUSED void client_path_int(struct client *client, int32_t xid, int32_t op,
                                       const char *path, int32_t value)
{
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    jute_put_int(out, xid);
    jute_put_int(out, op);
    jute_put_bytes(out, path ? bytes_of_string(path) : (struct bytes){NULL, -1});
    jute_put_int(out, value);
    packet_send(client, &p);
}

static RIG_UNUSED void client_bare(struct client *client, int32_t xid, int32_t op)
{
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    jute_put_int(out, xid);
    jute_put_int(out, op);
    packet_send(client, &p);
}

static RIG_UNUSED void client_set(struct client *client, int32_t xid, const char *path,
                                  const char *data)
{
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    jute_put_int(out, xid);
    jute_put_int(out, ZK_OP_SET_DATA);
    jute_put_bytes(out, bytes_of_string(path));
    jute_put_bytes(out, bytes_of_string(data));
    jute_put_int(out, -1);
    packet_send(client, &p);
}

static RIG_UNUSED void client_auth(struct client *client, const char *scheme, const char *auth)
{
    struct packet p;
    struct jute_out *out = packet_begin(&p);
    jute_put_int(out, ZK_XID_AUTH);
    jute_put_int(out, ZK_OP_AUTH);
    jute_put_int(out, 0);
    jute_put_bytes(out, bytes_of_string(scheme));
    jute_put_bytes(out, bytes_of_string(auth));
    packet_send(client, &p);
}

/* The next whole packet that arrived: its payload; size -1 when there is none. Lent until the next
 * packet is taken. */
static RIG_UNUSED struct bytes client_packet(struct client *client)
{
    uint32_t size;
    port_sim_take(client->peer, client->seen);
    client->seen = 0;
    const uint8_t *at = port_sim_arrived(client->peer, &size);
    struct jute_in in = jute_in(at, size);
    int32_t length = jute_get_int(&in);
    if (in.bad || size < (uint32_t)length + 4)
        return (struct bytes){NULL, -1};
    client->seen = (uint32_t)length + 4;
    return bytes_of(in.at, (size_t)length);
}

struct answer {
    bool here;
    int32_t xid, error;
    int64_t zxid;
    struct jute_in body;
};

static RIG_UNUSED struct answer client_answer(struct client *client)
{
    struct bytes packet = client_packet(client);
    struct answer a = {.here = packet.size >= 16};
    if (packet.size < 0)
        return a;
    a.body = jute_in(packet.at, (size_t)packet.size);
    a.xid = jute_get_int(&a.body);
    a.zxid = jute_get_long(&a.body);
    a.error = jute_get_int(&a.body);
    return a;
}

/* Expects the answer `xid` with `error`, and gives it. */
static RIG_UNUSED struct answer client_expect(struct client *client, int32_t xid, int32_t error)
{
    struct answer a = client_answer(client);
    assert_true(a.here);
    assert_int_equal(a.xid, xid);
    assert_int_equal(a.error, error);
    return a;
}

/* Expects a watch event. */
static RIG_UNUSED void client_event(struct client *client, int64_t zxid, int32_t type,
                                    const char *path)
{
    struct answer a = client_expect(client, ZK_XID_NOTIFICATION, ZK_OK);
    assert_true(a.zxid == zxid);
    assert_int_equal(jute_get_int(&a.body), type);
    assert_int_equal(jute_get_int(&a.body), ZK_STATE_SYNC_CONNECTED);
    struct bytes about = jute_get_bytes(&a.body);
    assert_int_equal(about.size, strlen(path));
    assert_memory_equal(about.at, path, strlen(path));
}

static RIG_UNUSED void client_nothing(struct client *client)
{
    assert_false(client_answer(client).here);
}

/* Connects and opens a session, all the way. */
static RIG_UNUSED struct client client_live(struct rig *rig, uint8_t last)
{
    struct client client = client_connect(rig, last);
    client_handshake(&client, 0, 10000, 0, bytes_of("", 0), 0);
    rig_run(rig);
    assert_int_equal(rig_serve(rig), 1);
    rig_run(rig);
    struct bytes packet = client_packet(&client);
    assert_int_equal(packet.size, 37);
    struct jute_in in = jute_in(packet.at, (size_t)packet.size);
    jute_get_int(&in);
    assert_true(jute_get_int(&in) > 0);
    client.session = jute_get_long(&in);
    assert_true(client.session != 0);
    return client;
}

static RIG_UNUSED void client_forget(struct rig *rig, struct client *client)
{
    port_sim_cut(client->peer);
    rig_run(rig);
    port_sim_forget(client->peer);
}
