#include "tests/sim/sim_client.h"

#include "base/check.h"
#include "tests/sim/sim_world.h"

#include <stdio.h>
#include <string.h>

static uint32_t below(struct sim_client *c, uint32_t bound)
{
    return (uint32_t)rand_below(&c->rand, bound);
}

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
        if (strncmp(known, "/zookeeper", 10) != 0 && strncmp(known, "/register", 9) != 0 &&
            strcmp(known, SIM_BEAT_LOCK_PATH) != 0 && strcmp(known, "/") != 0) {
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

/* The whole list, a server that comes or changes its part, one that goes, or another leader. */
static void put_reconfig(struct sim_client *c, struct jute_out *frame)
{
    const struct membership *now = &model_members(c->log->model)->now;
    uint32_t id = 1 + below(c, c->world->node_count);
    const struct sim_node *leads = sim_world_leader(c->world);
    if (c->world->knobs.aim_leave && leads && below(c, 2))
        id = leads->index + 1; /* it removes itself */
    const struct membership_server *member = membership_find(now, id);
    const struct bytes absent = {NULL, -1};
    char joining[MEMBERSHIP_LINE_SIZE] = "", leaving[8] = "", leader[16] = "";
    bool voter = member && !member->observer;

    if (below(c, 3) == 0)
        snprintf(leader, sizeof(leader), "leader=%u", id);
    else if (voter && membership_voter_count(now) > 1 && below(c, 2))
        snprintf(leaving, sizeof(leaving), "%u", id);
    else
        snprintf(joining, sizeof(joining), "server.%u=10.0.0.%u:2888:3888:%s;2181", id, id,
                 voter || below(c, 4) == 0 ? "observer" : "participant");
    jute_put_bytes(frame, joining[0] ? bytes_of_string(joining) : absent);
    jute_put_bytes(frame, leaving[0] ? bytes_of_string(leaving) : absent);
    jute_put_bytes(frame, leader[0] ? bytes_of_string(leader) : absent);
    jute_put_long(frame, below(c, 8) ? -1 : model_members(c->log->model)->version);
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
    case ZK_OP_RECONFIG: put_reconfig(c, frame); break;
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

/* Notes a request that is about to be sent. */
static struct sim_request *request_new(struct sim_client *c, int32_t op)
{
    struct sim_request *r = &c->pending[c->pending_count++];

    CHECK(c->pending_count <= SIM_PENDING_MAX);
    memset(r, 0, sizeof(*r));
    r->op = op;
    r->xid = op == ZK_OP_PING ? ZK_XID_PING : c->xid_next++;
    r->watch = below(c, 3) == 0;
    r->mode = (int32_t)below(c, 2);
    r->key = -1;
    r->floor = check_order_begin(&c->world->order);
    r->sent_ns = c->world->now_ns;
    r->write = op == ZK_OP_CREATE || op == ZK_OP_CREATE2 || op == ZK_OP_DELETE ||
               op == ZK_OP_SET_DATA || op == ZK_OP_SET_ACL || op == ZK_OP_MULTI ||
               op == ZK_OP_CLOSE_SESSION || op == ZK_OP_RECONFIG;
    return r;
}

/* Where somebody watches now: reads that watch, and writes, meet there. */
static void chase(struct sim_client *c, struct sim_request *r)
{
    const struct sim_client *other = &c->world->clients[below(c, c->world->knobs.clients)];

    if (!other->watch.count || below(c, 100) >= c->world->knobs.chase)
        return;
    const char *path = other->watch.set[below(c, other->watch.count)].path;
    if (strcmp(path, "/") == 0)
        return;
    snprintf(r->path, sizeof(r->path), "%s", path);
    r->watch = true;
}

static void send_request(struct sim_client *c, int32_t op)
{
    struct sim_request *r = request_new(c, op);
    struct jute_out frame = frame_begin(c);

    draw_path(c, r->path);
    if (c->world->knobs.chase)
        chase(c, r);
    jute_put_int(&frame, r->xid);
    jute_put_int(&frame, op);
    put_body(c, &frame, r);
    frame_end(c, &frame);
}

void sim_request_ping(struct sim_client *c)
{
    if (c->pending_count < SIM_PENDING_MAX)
        send_request(c, ZK_OP_PING);
}

/* ---- registers ------------------------------------------------------------------------------- */

static struct sim_request *register_request(struct sim_client *c, int32_t op, uint32_t key,
                                            struct jute_out *frame)
{
    struct sim_request *r = request_new(c, op);

    snprintf(r->path, sizeof(r->path), "/register%u", key);
    r->watch = false;
    *frame = frame_begin(c);
    jute_put_int(frame, r->xid);
    jute_put_int(frame, op);
    put_path(frame, r->path);
    return r;
}

/* A value that no other write of the run carries. */
static void send_register_write(struct sim_client *c, uint32_t key)
{
    struct jute_out frame;
    char path[SIM_PATH_SIZE];

    snprintf(path, sizeof(path), "/register%u", key);
    bool exists = sim_log_at(c->log, path, INT64_MAX) != NULL;
    struct sim_request *r =
        register_request(c, exists ? ZK_OP_SET_DATA : ZK_OP_CREATE, key, &frame);

    r->value = (uint64_t)(c->id + 1) << 32 | (uint32_t)r->xid;
    r->key = (int32_t)key;
    r->key_op =
        check_registers_begin(&c->world->registers, key, true, r->value, c->id, c->world->now_ns);
    jute_put_bytes(&frame, bytes_of(&r->value, sizeof(r->value)));
    if (exists) {
        jute_put_int(&frame, -1);
    } else {
        put_open_acl(&frame);
        jute_put_int(&frame, 0);
    }
    frame_end(c, &frame);
}

/* A sync and, right behind it, a read. */
static void send_register_read(struct sim_client *c, uint32_t key)
{
    struct jute_out frame;
    uint32_t op =
        check_registers_begin(&c->world->registers, key, false, 0, c->id, c->world->now_ns);

    register_request(c, ZK_OP_SYNC, key, &frame);
    frame_end(c, &frame);
    struct sim_request *r = register_request(c, ZK_OP_GET_DATA, key, &frame);
    r->key = (int32_t)key;
    r->key_op = op;
    jute_put_byte(&frame, r->watch);
    frame_end(c, &frame);
}

static void send_register(struct sim_client *c, bool read)
{
    uint32_t key = below(c, CHECK_REGISTERS_COUNT);

    if (c->key_busy || c->pending_count + 2 > SIM_PENDING_MAX)
        return;
    c->key_busy = true;
    if (read)
        send_register_read(c, key);
    else
        send_register_write(c, key);
}

/* ---- what to send ---------------------------------------------------------------------------- */

void sim_request_set_watches(struct sim_client *c)
{
    struct sim_request *r = &c->pending[c->pending_count++];
    struct jute_out frame = frame_begin(c);

    memset(r, 0, sizeof(*r));
    r->op = ZK_OP_SET_WATCHES;
    r->key = -1;
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

void sim_request_something(struct sim_client *c)
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
    const struct sim_faults *faults = &c->world->faults;
    bool chase = faults->chased_ns > c->world->now_ns;
    if (below(c, 5) == 0 || (chase && (c->host == faults->chased || below(c, 2)))) {
        send_register(c, chase ? c->host == faults->chased : below(c, 2));
        return;
    }
    if (c->world->knobs.reconfig && c->world->node_count > 1 &&
        below(c, 1000) < c->world->knobs.reconfig) {
        send_request(c, ZK_OP_RECONFIG);
        return;
    }
    if (below(c, 1000) < 8) {
        c->closing = true;
        send_request(c, ZK_OP_CLOSE_SESSION);
        return;
    }
    send_request(c, ops[below(c, sizeof(ops) / sizeof(ops[0]))]);
}

void sim_request_greeting(struct sim_client *c)
{
    struct jute_out frame = frame_begin(c);

    jute_put_int(&frame, 0);
    jute_put_long(&frame, c->last_zxid);
    jute_put_int(&frame, 400 + (int32_t)below(c, 1600));
    jute_put_long(&frame, c->session);
    uint8_t password[16];
    memcpy(password, c->password, sizeof(password));
    password[0] ^= c->forged;
    jute_put_bytes(&frame, bytes_of(password, 16));
    jute_put_byte(&frame, 0);
    frame_end(c, &frame);
}

/* Random bytes; a frame of a length that none has; a frame with a request that there is none of. */
void sim_request_garbage(struct sim_client *c)
{
    uint32_t how = below(c, 3), size = 4 + below(c, 60);
    uint8_t *at = c->out + c->out_size;
    const uint32_t lengths[] = {0xffffffff, 0x80000000, 0x7fffffff, 1u << 24};
    struct jute_out out = jute_out(at, 4);

    CHECK(c->out_size + 64 <= sizeof(c->out));
    for (uint32_t i = 0; i < size; i++)
        at[i] = (uint8_t)rand_next(&c->rand);
    if (how > 0)
        jute_put_int(&out, how == 1 ? (int32_t)lengths[below(c, 4)] : (int32_t)size - 4);
    c->out_size += size;
    c->poisoned = true;
}
