#include "tests/sim/sim_client.h"

#include "base/check.h"
#include "tests/sim/sim_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool per_mille(struct sim_client *c, uint32_t rate)
{
    return rand_below(c->rand, 1000) < rate;
}

static uint32_t below(struct sim_client *c, uint32_t bound)
{
    return (uint32_t)rand_below(c->rand, bound);
}

void sim_client_init(struct sim_client *client, uint32_t id, const struct sim_log *log,
                     const struct sim_knobs *knobs, struct rand *rand)
{
    memset(client, 0, sizeof(*client));
    client->id = id;
    client->log = log;
    client->knobs = knobs;
    client->rand = rand;
    client->xid_next = 1;
}

bool sim_client_settled(const struct sim_client *client)
{
    return client->state == SIM_LIVE && client->pending_count == 0 && client->out_size == 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static struct jute_out frame_begin(struct sim_client *c)
{
    return jute_out(c->out + c->out_size + 4, sizeof(c->out) - c->out_size - 4);
}

static void frame_end(struct sim_client *c, const struct jute_out *frame)
{
    CHECK(!frame->bad);
    struct jute_out length = jute_out(c->out + c->out_size, 4);
    int32_t size = (int32_t)(frame->at - (c->out + c->out_size + 4));
    jute_put_int(&length, size);
    c->out_size += 4 + (uint32_t)size;
}

static void put_path(struct jute_out *frame, const char *path)
{
    jute_put_bytes(frame, bytes_of_string(path));
}

static void put_open_acl(struct jute_out *frame)
{
    jute_put_int(frame, 1);
    jute_put_int(frame, ZK_PERM_ALL);
    put_path(frame, "world");
    put_path(frame, "anyone");
}

static void put_data(struct sim_client *c, struct jute_out *frame)
{
    char data[300];
    uint32_t size = below(c, 8) ? below(c, 40) : below(c, sizeof(data));

    if (below(c, 20) == 0) {
        jute_put_bytes(frame, (struct bytes){NULL, -1});
        return;
    }
    memset(data, 'a' + (int)below(c, 26), size);
    jute_put_bytes(frame, bytes_of(data, size));
}

/* A path of a small world, so that clients meet; sometimes one that really exists. */
static void draw_path(struct sim_client *c, char path[SIM_PATH_SIZE])
{
    if (below(c, 3) == 0 && c->log->path_count) {
        const char *known = c->log->paths[below(c, c->log->path_count)].path;
        if (strncmp(known, "/zookeeper", 10) != 0 && strcmp(known, "/") != 0) {
            snprintf(path, SIM_PATH_SIZE, "%s", known);
            return;
        }
    }
    if (below(c, 3) == 0)
        snprintf(path, SIM_PATH_SIZE, "/%c", 'a' + (char)below(c, 3));
    else
        snprintf(path, SIM_PATH_SIZE, "/%c/n%u", 'a' + (char)below(c, 3), below(c, 4));
}

static int32_t draw_version(struct sim_client *c, const char *path)
{
    const struct sim_state *state = sim_log_at(c->log, path, INT64_MAX);
    uint32_t how = below(c, 10);

    if (how < 6)
        return -1;
    return how < 9 && state ? state->stat.version : (int32_t)below(c, 3);
}

static void put_create(struct sim_client *c, struct jute_out *frame, const char *path)
{
    static const int32_t flags[] = {0, 0, 0, 1, 1, 2, 3};

    put_path(frame, path);
    put_data(c, frame);
    put_open_acl(frame);
    jute_put_int(frame, flags[below(c, 7)]);
}

static void put_multi(struct sim_client *c, struct jute_out *frame)
{
    static const int32_t ops[] = {ZK_OP_CREATE, ZK_OP_CREATE2, ZK_OP_DELETE, ZK_OP_SET_DATA,
                                  ZK_OP_CHECK};
    char path[SIM_PATH_SIZE];

    for (uint32_t n = below(c, 4); n > 0; n--) {
        int32_t op = ops[below(c, 5)];
        draw_path(c, path);
        jute_put_int(frame, op);
        jute_put_byte(frame, 0);
        jute_put_int(frame, -1);
        if (op == ZK_OP_CREATE || op == ZK_OP_CREATE2) {
            put_create(c, frame, path);
            continue;
        }
        put_path(frame, path);
        if (op == ZK_OP_SET_DATA)
            put_data(c, frame);
        jute_put_int(frame, draw_version(c, path));
    }
    jute_put_int(frame, -1);
    jute_put_byte(frame, 1);
    jute_put_int(frame, -1);
}

static void put_body(struct sim_client *c, struct jute_out *frame, struct sim_request *r)
{
    switch (r->op) {
    case ZK_OP_CREATE:
    case ZK_OP_CREATE2: put_create(c, frame, r->path); break;
    case ZK_OP_DELETE:
        put_path(frame, r->path);
        jute_put_int(frame, draw_version(c, r->path));
        break;
    case ZK_OP_SET_DATA:
        put_path(frame, r->path);
        put_data(c, frame);
        jute_put_int(frame, draw_version(c, r->path));
        break;
    case ZK_OP_SET_ACL:
        put_path(frame, r->path);
        put_open_acl(frame);
        jute_put_int(frame, -1);
        break;
    case ZK_OP_MULTI: put_multi(c, frame); break;
    case ZK_OP_SYNC: put_path(frame, r->path); break;
    case ZK_OP_ADD_WATCH:
        put_path(frame, r->path);
        jute_put_int(frame, r->mode);
        break;
    case ZK_OP_EXISTS:
    case ZK_OP_GET_DATA:
    case ZK_OP_GET_CHILDREN:
    case ZK_OP_GET_CHILDREN2:
        put_path(frame, r->path);
        jute_put_byte(frame, r->watch);
        break;
    default: CHECK(r->op == ZK_OP_PING || r->op == ZK_OP_CLOSE_SESSION);
    }
}

static void send_request(struct sim_client *c, int32_t op)
{
    struct sim_request *r = &c->pending[c->pending_count++];
    struct jute_out frame = frame_begin(c);

    memset(r, 0, sizeof(*r));
    r->op = op;
    r->xid = op == ZK_OP_PING ? ZK_XID_PING : c->xid_next++;
    r->watch = below(c, 3) == 0;
    r->mode = (int32_t)below(c, 2);
    draw_path(c, r->path);
    r->write = op == ZK_OP_CREATE || op == ZK_OP_CREATE2 || op == ZK_OP_DELETE ||
               op == ZK_OP_SET_DATA || op == ZK_OP_SET_ACL || op == ZK_OP_MULTI ||
               op == ZK_OP_CLOSE_SESSION;
    jute_put_int(&frame, r->xid);
    jute_put_int(&frame, op);
    put_body(c, &frame, r);
    frame_end(c, &frame);
}

/* As a client does after a reconnect: what it watched, as of the last zxid it saw. */
static void send_set_watches(struct sim_client *c)
{
    struct sim_request *r = &c->pending[c->pending_count++];
    struct jute_out frame = frame_begin(c);

    memset(r, 0, sizeof(*r));
    r->op = ZK_OP_SET_WATCHES;
    r->xid = ZK_XID_SET_WATCHES;
    c->wanted_zxid = c->last_zxid;
    c->caught_up_count = 0;
    jute_put_int(&frame, r->xid);
    jute_put_int(&frame, r->op);
    jute_put_long(&frame, c->last_zxid);
    for (int i = 0; i < 3; i++) {
        draw_path(c, c->wanted[i]);
        jute_put_int(&frame, 1);
        put_path(&frame, c->wanted[i]);
    }
    frame_end(c, &frame);
}

static void send_something(struct sim_client *c)
{
    static const int32_t ops[] = {
        ZK_OP_CREATE,   ZK_OP_CREATE,    ZK_OP_CREATE2,      ZK_OP_CREATE2,  ZK_OP_DELETE,
        ZK_OP_DELETE,   ZK_OP_SET_DATA,  ZK_OP_SET_DATA,     ZK_OP_SET_DATA, ZK_OP_SET_ACL,
        ZK_OP_MULTI,    ZK_OP_MULTI,     ZK_OP_SYNC,         ZK_OP_EXISTS,   ZK_OP_EXISTS,
        ZK_OP_GET_DATA, ZK_OP_GET_DATA,  ZK_OP_GET_CHILDREN, ZK_OP_GET_DATA, ZK_OP_GET_CHILDREN2,
        ZK_OP_PING,     ZK_OP_ADD_WATCH,
    };
    if (c->pending_count == SIM_PENDING_MAX || c->closing || c->out_size > sizeof(c->out) / 2)
        return;
    if (per_mille(c, 8)) {
        c->closing = true;
        send_request(c, ZK_OP_CLOSE_SESSION);
        return;
    }
    send_request(c, ops[below(c, sizeof(ops) / sizeof(ops[0]))]);
}

static void send_greeting(struct sim_client *c)
{
    struct jute_out frame = frame_begin(c);

    jute_put_int(&frame, 0);
    jute_put_long(&frame, c->last_zxid);
    jute_put_int(&frame, 400 + (int32_t)below(c, 1600));
    jute_put_long(&frame, c->session);
    jute_put_bytes(&frame, bytes_of(c->password, 16));
    jute_put_byte(&frame, 0);
    frame_end(c, &frame);
}

static void send_out(struct sim_client *c)
{
    uint32_t n = c->out_size;

    if (n == 0 || port_sim_closed(c->peer))
        return;
    if (below(c, 100) < c->knobs->split_percent)
        n = 1 + below(c, n);
    port_sim_send(c->peer, c->out, n);
    memmove(c->out, c->out + n, c->out_size - n);
    c->out_size -= n;
}

/* ---- connections ----------------------------------------------------------------------------- */

void sim_client_lost(struct sim_client *c)
{
    if (c->state == SIM_DOWN)
        return;
    if (c->state == SIM_LIVE)
        sim_reply_end(c);
    if (!port_sim_closed(c->peer))
        port_sim_cut(c->peer);
    if (c->grave_count == c->grave_room) {
        c->grave_room = c->grave_room ? 2 * c->grave_room : 16;
        c->graves = realloc(c->graves, c->grave_room * sizeof(*c->graves));
        CHECK(c->graves);
    }
    c->graves[c->grave_count++] = c->peer;
    c->peer = NULL;
    c->state = SIM_DOWN;
    c->pending_count = 0;
    c->out_size = 0;
    if (c->closing) { /* the close may or may not have been heard */
        c->session = 0;
        memset(c->password, 0, sizeof(c->password));
        c->closing = false;
    }
}

void sim_client_bury(struct sim_client *c)
{
    for (uint32_t i = 0; i < c->grave_count; i++)
        port_sim_forget(c->graves[i]);
    free(c->graves);
    c->graves = NULL;
    c->grave_count = c->grave_room = 0;
}

static void client_connect(struct sim_client *c, struct port *port)
{
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}};

    from.ip[15] = (uint8_t)(1 + c->id);
    c->peer = port_sim_connect(port, &from);
    c->state = SIM_GREETING;
    c->out_size = 0;
    c->pending_count = 0;
    send_greeting(c);
}

static void client_greeted(struct sim_client *c, struct jute_in *in)
{
    bool again = c->session != 0;

    if (!sim_reply_greeting(c, in)) {
        sim_client_lost(c);
        return;
    }
    c->state = SIM_LIVE;
    sim_watch_reset(&c->watch, c->log, c->last_zxid);
    if (again && below(c, 2))
        send_set_watches(c);
}

static void client_receive(struct sim_client *c)
{
    uint32_t size;

    while (c->state != SIM_DOWN) {
        const uint8_t *at = port_sim_arrived(c->peer, &size);
        struct jute_in length = jute_in(at, size);
        int32_t frame = jute_get_int(&length);
        if (length.bad || (uint32_t)frame > size - 4)
            return;
        for (int32_t i = 0; i < 4 + frame; i++)
            c->digest = (c->digest ^ at[i]) * 1099511628211ull;
        struct jute_in in = jute_in(at + 4, (size_t)frame);
        if (c->state == SIM_GREETING)
            client_greeted(c, &in);
        else
            sim_reply_check(c, &in);
        if (c->state != SIM_DOWN)
            port_sim_take(c->peer, 4 + (uint32_t)frame);
    }
}

void sim_client_step(struct sim_client *c, struct port *port)
{
    if (c->silent_steps) {
        c->silent_steps--;
        return;
    }
    if (!c->quiet && per_mille(c, c->knobs->silent_per_mille))
        c->silent_steps = below(c, 200);
    if (c->state == SIM_DOWN) {
        if (port && below(c, 4) == 0)
            client_connect(c, port);
        return;
    }
    if (c->quiet || below(c, 100) >= c->knobs->slow_percent)
        client_receive(c);
    if (c->state == SIM_DOWN)
        return;
    if (port_sim_closed(c->peer)) {
        client_receive(c); /* what arrived before the end counts */
        sim_client_lost(c);
        return;
    }
    if (c->state == SIM_LIVE && !c->quiet)
        for (uint32_t n = below(c, 4); n > 0; n--)
            send_something(c);
    else if (c->state == SIM_LIVE && c->pending_count == 0 && below(c, 20) == 0)
        send_request(c, ZK_OP_PING);
    send_out(c);
    if (!c->quiet && per_mille(c, c->knobs->cut_per_mille)) {
        sim_client_lost(c);
    }
}
