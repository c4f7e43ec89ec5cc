/* Goal: what one request costs through the whole node: frame in, decode, look-up or order, log,
 * apply, encode, frame out. Method: a whole node on the sim port, driven by turns in one thread; a
 * client's frames are lent to the port and its replies dropped unread. "Set to memory log": batches
 * are built, sealed and handed to DISK as ever, and the disk answers at once. arg = requests in
 * flight. */
#include "perf/bench.h"

#include "base/check.h"
#include "base/jute.h"
#include "base/limits.h"
#include "base/zk.h"
#include "dataplane/port/port_sim.h"
#include "tests/sim/sim_disk.h"
#include "tools/taktd/node.h"

#include <stdlib.h>
#include <string.h>

#define KEYS 1000

struct pipeline {
    struct config config;
    struct sim_disk *disk;
    struct disk_io io;
    uint64_t tokens[DISK_WRITES_MAX];
    uint32_t token_count;
    struct node *node;
    struct port *port;
    struct port_sim_peer *peer;
    struct now now;
    uint8_t *frames;
    uint32_t frames_size;
};

static int memory_submit(void *ctx, int file, uint64_t offset, const void *memory, uint32_t size,
                         uint64_t token, struct fault *fault);
static uint32_t memory_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault);
static struct pipeline *memory_of; /* the one pipeline whose disk is memory */

static int memory_submit(void *ctx, int file, uint64_t offset, const void *memory, uint32_t size,
                         uint64_t token, struct fault *fault)
{
    memory_of->tokens[memory_of->token_count++] = token;
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
    uint32_t n = memory_of->token_count;
    for (uint32_t i = 0; i < n; i++)
        done[i] = (struct disk_done){.token = memory_of->tokens[i]};
    memory_of->token_count = 0;
    return n;
}

static int memory_preallocate(void *ctx, int file, uint64_t size, struct fault *fault)
{
    return 0;
}

static int memory_sync(void *ctx, int file, struct fault *fault)
{
    return 0;
}

static int port_open(void *self, uint32_t index, const struct port_setup *setup, struct port **port,
                     struct fault *fault)
{
    struct pipeline *p = self;
    int err = port_sim_open(setup, 1 << 20, &p->port);
    *port = p->port;
    return err;
}

static void fill_random(void *self, void *out, uint32_t n)
{
    memset(out, 7, n);
}

/* Turns until `replies` bytes have come back; drops them. */
static void turn_until(struct pipeline *p, uint64_t bytes)
{
    struct fault fault;
    uint64_t got = 0;

    while (got < bytes) {
        uint32_t size;
        p->now.mono_ns += 1000;
        CHECK(node_turn(p->node, p->now, NULL, &fault) >= 0);
        port_sim_arrived(p->peer, &size);
        port_sim_take(p->peer, size);
        got += size;
    }
    CHECK(got == bytes);
}

static struct jute_out frame_at(struct pipeline *p)
{
    return jute_out(p->frames + p->frames_size + 4, 4096);
}

static void frame_done(struct pipeline *p, struct jute_out *frame)
{
    struct jute_out length = jute_out(p->frames + p->frames_size, 4);
    CHECK(!frame->bad);
    jute_put_int(&length, (int32_t)(frame->at - (p->frames + p->frames_size + 4)));
    p->frames_size = (uint32_t)(frame->at - p->frames);
}

static void put_frame(struct pipeline *p, int32_t op, uint32_t key)
{
    char path[32] = "/bench-000", data[100];
    struct jute_out frame = frame_at(p);

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
    frame_done(p, &frame);
}

static void pipeline_greet(struct pipeline *p)
{
    struct address from = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    struct jute_out frame = frame_at(p);
    uint8_t password[16] = {0};

    p->peer = port_sim_connect(p->port, &from);
    jute_put_int(&frame, 0);
    jute_put_long(&frame, 0);
    jute_put_int(&frame, 40000);
    jute_put_long(&frame, 0);
    jute_put_bytes(&frame, bytes_of(password, 16));
    jute_put_byte(&frame, 0);
    frame_done(p, &frame);
    port_sim_lend(p->peer, p->frames, p->frames_size);
    turn_until(p, 4 + 37);
}

static struct pipeline *pipeline_start(void)
{
    struct pipeline *p = calloc(1, sizeof(*p));
    struct fault fault = {.text = ""};

    CHECK(p);
    p->frames = malloc(1 << 20);
    config_init(&p->config);
    p->config.tree_memory_limit = 1ull << 30;
    p->config.tree_nodes_max = 1 << 20;
    p->config.connections_max = 64;
    p->config.session_timeout_ms_min = 4000;
    p->config.session_timeout_ms_max = 40000;
    p->config.snapshot_every_count = p->config.snapshot_every_size = 0;
    p->now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    p->disk = sim_disk_create(1, 8ull << 30);
    p->io = *sim_disk_io(p->disk);
    struct node_env env = {.disk = &p->io, .port_open = port_open, .port_self = p,
                           .random = fill_random, .now = p->now};
    CHECK(node_open(&p->node, &p->config, &env, &fault) == 0);
    memory_of = p;
    p->io.submit_write = memory_submit;
    p->io.submit_unlink = memory_submit_unlink;
    p->io.submit_sync_dir = memory_submit_sync_dir;
    p->io.poll = memory_poll;
    p->io.preallocate = memory_preallocate;
    p->io.sync = memory_sync;
    pipeline_greet(p);
    for (uint32_t key = 0; key < KEYS; key++) {
        p->frames_size = 0;
        put_frame(p, ZK_OP_CREATE, key);
        port_sim_lend(p->peer, p->frames, p->frames_size);
        turn_until(p, 4 + 16 + 4 + 10);
    }
    return p;
}

static void pipeline_stop(struct pipeline *p)
{
    node_close(p->node);
    port_sim_forget(p->peer);
    sim_disk_destroy(p->disk);
    free(p->frames);
    free(p);
}

static void pipeline_run(struct bench *bench, int32_t op, uint32_t window, uint64_t reply_size)
{
    struct pipeline *p = pipeline_start();

    p->frames_size = 0;
    for (uint32_t i = 0; i < window; i++)
        put_frame(p, op, i * 37 % KEYS);
    while (bench_next(bench)) {
        port_sim_lend(p->peer, p->frames, p->frames_size);
        turn_until(p, window * reply_size);
    }
    bench_counter(bench, "items", window);
    pipeline_stop(p);
}

static void bench_get(struct bench *bench, int64_t window)
{
    pipeline_run(bench, ZK_OP_GET_DATA, (uint32_t)window, 4 + 16 + 4 + 100 + ZK_STAT_SIZE);
}

static void bench_set(struct bench *bench, int64_t window)
{
    pipeline_run(bench, ZK_OP_SET_DATA, (uint32_t)window, 4 + 16 + ZK_STAT_SIZE);
}

int main(int argc, char **argv)
{
    static const int64_t windows[] = {1, 16, 64, 256};

    bench_add("pipeline_get", bench_get, windows, 4);
    bench_add("pipeline_set", bench_set, windows, 4);
    return bench_main(argc, argv);
}
