#include "perf/bench_node.h"

#include "base/check.h"
#include "base/jute.h"
#include "base/limits.h"
#include "base/zk.h"
#include "dataplane/port/datagram_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_SIZE (1u << 20)

static struct bench_node *bench_nodes[BENCH_NODES_MAX];

/* ---- the disk: every write is durable at the next poll ---- */

static struct bench_node *disk_node(void *ctx)
{
    for (uint32_t i = 0; i < BENCH_NODES_MAX; i++)
        if (bench_nodes[i] && bench_nodes[i]->io.ctx == ctx)
            return bench_nodes[i];
    CHECK(false);
    return NULL;
}

static int memory_submit(void *ctx, int file, uint64_t offset, const void *memory, uint32_t size,
                         uint64_t token, struct fault *fault)
{
    struct bench_node *n = disk_node(ctx);
    CHECK(n->token_count < DISK_WRITES_MAX);
    n->tokens[n->token_count++] = token;
    return 0;
}

static int memory_submit_unlink(void *ctx, const char *path, uint64_t token, struct fault *fault)
{
    return memory_submit(ctx, 0, 0, NULL, 0, token, fault);
}

static int memory_submit_sync_dir(void *ctx, uint64_t token, struct fault *fault)
{
    return memory_submit(ctx, 0, 0, NULL, 0, token, fault);
}

static uint32_t memory_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault)
{
    struct bench_node *n = disk_node(ctx);
    uint32_t count = n->token_count;
    for (uint32_t i = 0; i < count; i++)
        done[i] = (struct disk_done){.token = n->tokens[i]};
    n->token_count = 0;
    return count;
}

static int memory_preallocate(void *ctx, int file, uint64_t size, struct fault *fault)
{
    return 0;
}

static int memory_sync(void *ctx, int file, struct fault *fault)
{
    return 0;
}

/* ---- the node ---- */

static int port_open(void *self, uint32_t index, const struct port_setup *setup, struct port **port,
                     struct fault *fault)
{
    struct bench_node *n = self;
    int err = port_sim_open(setup, 1 << 20, &n->port);
    *port = n->port;
    return err;
}

static int datagram_open(void *self, const struct node_datagrams *want, struct datagram_port **port,
                         struct fault *fault)
{
    struct bench_node *n = self;
    struct datagram_sim_setup setup = {.local = want->listen, .size_max = want->size_limit};
    int err = datagram_sim_open(&setup, port);
    *(want->listen.port == BENCH_NODE_BEAT_PORT ? &n->beats : &n->datagrams) = *port;
    return err;
}

static void fill_random(void *self, void *out, uint32_t size)
{
    memset(out, 7, size);
}

void bench_node_init(struct bench_node *n)
{
    memset(n, 0, sizeof(*n));
    config_init(&n->config);
    n->config.tree_memory_limit = 1ull << 30;
    n->config.tree_nodes_max = 1 << 20;
    n->config.connections_max = 64;
    n->config.session_timeout_ms_min = 4000;
    n->config.session_timeout_ms_max = 40000;
    n->config.snapshot_every_count = n->config.snapshot_every_size = 0;
    n->frames = malloc(FRAMES_SIZE);
    CHECK(n->frames);
}

void bench_node_beat(struct bench_node *n)
{
    snprintf(n->config.beat_listen, sizeof(n->config.beat_listen), "127.0.0.1:%u",
             BENCH_NODE_BEAT_PORT);
    n->config.beat_session_ms_min = 1;
}

void bench_node_open(struct bench_node *n, struct now now)
{
    struct fault fault = {.text = ""};

    n->disk = sim_disk_create(n->config.node_id, 8ull << 30);
    n->io = *sim_disk_io(n->disk);
    struct node_env env = {.disk = &n->io,
                           .port_open = port_open,
                           .port_self = n,
                           .datagram_open = datagram_open,
                           .random = fill_random,
                           .now = now};
    if (node_open(&n->node, &n->config, &env, &fault) != 0)
        say(SAY_ERROR, "%s", fault.text);
    CHECK(n->node);
    uint32_t slot = 0;
    while (slot < BENCH_NODES_MAX && bench_nodes[slot])
        slot++;
    CHECK(slot < BENCH_NODES_MAX);
    bench_nodes[slot] = n;
    n->io.submit_write = memory_submit;
    n->io.submit_unlink = memory_submit_unlink;
    n->io.submit_sync_dir = memory_submit_sync_dir;
    n->io.poll = memory_poll;
    n->io.preallocate = memory_preallocate;
    n->io.sync = memory_sync;
}

void bench_node_close(struct bench_node *n)
{
    node_close(n->node);
    for (uint32_t i = 0; i < BENCH_NODES_MAX; i++)
        if (bench_nodes[i] == n)
            bench_nodes[i] = NULL;
    if (n->client)
        port_sim_forget(n->client);
    sim_disk_destroy(n->disk);
    free(n->frames);
}

void bench_node_turn(struct bench_node *n, struct now now)
{
    struct fault fault; /* as below */
    if (node_turn(n->node, now, NULL, &fault) < 0) {
        say(SAY_ERROR, "%s", fault.text);
        CHECK(false);
    }
}

void bench_node_turn_and_park(struct bench_node *n, struct now now)
{
    struct fault fault; /* written by a turn that fails: it is not cleared for each */
    if (node_turn(n->node, now, &n->deadline_ns, &fault) < 0) {
        say(SAY_ERROR, "%s", fault.text);
        CHECK(false);
    }
    n->given = !node_idle(n->node);
}

bool bench_node_wakes(const struct bench_node *n, struct now now)
{
    return n->given || n->token_count || now.mono_ns >= n->deadline_ns;
}

/* ---- the client ---- */

void bench_node_connect(struct bench_node *n)
{
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    if (n->client)
        port_sim_forget(n->client);
    n->client = port_sim_connect(n->port, &from);
    n->given = true;
}

bool bench_node_closed(struct bench_node *n)
{
    return port_sim_closed(n->client);
}

void bench_node_clear(struct bench_node *n)
{
    n->frames_size = 0;
}

static struct jute_out frame_at(struct bench_node *n)
{
    CHECK(n->frames_size + 4096 + 4 <= FRAMES_SIZE);
    return jute_out(n->frames + n->frames_size + 4, 4096);
}

static void frame_done(struct bench_node *n, struct jute_out *frame)
{
    struct jute_out length = jute_out(n->frames + n->frames_size, 4);
    CHECK(!frame->bad);
    jute_put_int(&length, (int32_t)(frame->at - (n->frames + n->frames_size + 4)));
    n->frames_size = (uint32_t)(frame->at - n->frames);
}

void bench_node_greet(struct bench_node *n)
{
    struct jute_out frame = frame_at(n);
    uint8_t password[16] = {0};

    jute_put_int(&frame, 0);
    jute_put_long(&frame, 0);
    jute_put_int(&frame, 40000);
    jute_put_long(&frame, 0);
    jute_put_bytes(&frame, bytes_of(password, 16));
    jute_put_byte(&frame, 0);
    frame_done(n, &frame);
}

void bench_node_put(struct bench_node *n, int32_t op, uint32_t key)
{
    char path[32] = "/bench-000", data[100];
    struct jute_out frame = frame_at(n);

    memset(data, 'x', sizeof(data));
    path[7] = (char)('0' + key / 100 % 10);
    path[8] = (char)('0' + key / 10 % 10);
    path[9] = (char)('0' + key % 10);
    jute_put_int(&frame, 1);
    jute_put_int(&frame, op);
    jute_put_bytes(&frame, bytes_of_string(path));
    if (op == ZK_OP_CREATE || op == ZK_OP_SET_DATA)
        jute_put_bytes(&frame, bytes_of(data, sizeof(data)));
    if (op == ZK_OP_GET_DATA)
        jute_put_byte(&frame, 0);
    if (op == ZK_OP_SET_DATA)
        jute_put_int(&frame, -1);
    if (op == ZK_OP_CREATE) {
        jute_put_int(&frame, 1);
        jute_put_int(&frame, ZK_PERM_ALL);
        jute_put_bytes(&frame, bytes_of_string("world"));
        jute_put_bytes(&frame, bytes_of_string("anyone"));
        jute_put_int(&frame, 0);
    }
    frame_done(n, &frame);
}

void bench_node_send(struct bench_node *n)
{
    port_sim_lend(n->client, n->frames, n->frames_size);
    n->given = true;
}

uint64_t bench_node_took(struct bench_node *n)
{
    uint32_t size;
    port_sim_arrived(n->client, &size);
    port_sim_take(n->client, size);
    return size;
}
