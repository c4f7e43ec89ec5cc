/* Goal: what a controller's request costs through the whole node on the sim port: datagram in,
 * checked, look-up or order, log, apply, datagram out. Method: a node in memory (bench_node),
 * driven by turns in one thread; the client's datagrams are put into its datagram port and the
 * answers taken. arg = requests in flight, 16 a session. beat_client_* is the client's own part of
 * an iteration, in the port's memory: to be taken off. */
#include "perf/bench.h"
#include "perf/bench_node.h"

#include "base/check.h"
#include "base/jute.h"
#include "base/zk.h"
#include "dataplane/beat/beat.h"
#include "dataplane/port/datagram_sim.h"

#include <stdio.h>
#include <string.h>

#define CLIENTS_MAX 16u

struct client {
    struct address from;
    int64_t session;
    uint32_t attach;
    uint64_t sequence;
};

static struct bench_node node;
static struct client clients[CLIENTS_MAX];
static uint32_t client_count;
static struct now now;

static struct beat_frame frame_of(const struct client *client, uint8_t kind)
{
    return (struct beat_frame){.kind = kind,
                               .from = 77,
                               .to = 1,
                               .session = client->session,
                               .attach = client->attach,
                               .sequence = 1};
}

static void put(const struct client *client, const struct beat_frame *frame)
{
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    uint32_t size = beat_wire_encode(frame, NULL, room);
    CHECK(datagram_sim_put(node.datagrams, &client->from, room, size));
}

/* Turns until `count` answers have come; gives the last one. */
static struct beat_frame turn_until(uint32_t count)
{
    struct datagram_sim_sent sent;
    struct beat_frame got = {0};
    for (uint32_t n = 0, turns = 0; n < count; turns++) {
        CHECK(turns < 1000);
        now.mono_ns += 1000;
        bench_node_turn(&node, now);
        while (datagram_sim_take(node.datagrams, &sent)) {
            if (++n == count) /* the client's reading is not measured */
                CHECK(beat_wire_decode(sent.bytes, sent.size, &got) == 0);
        }
    }
    CHECK(got.kind & BEAT_ANSWER && got.code == 0);
    return got;
}

static void client_open(struct client *client, uint16_t port)
{
    uint8_t body[45];
    static const uint8_t password[16];
    struct jute_out out = jute_out(body, sizeof(body));
    jute_put_int(&out, 0);
    jute_put_long(&out, 0);
    jute_put_int(&out, 10000);
    jute_put_long(&out, 0);
    jute_put_bytes(&out, bytes_of(password, sizeof(password)));
    jute_put_byte(&out, 0);
    CHECK(out.at == out.end);
    *client = (struct client){
        .from = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, .port = port}};
    struct beat_frame open = {.kind = BEAT_OPEN,
                              .from = 77,
                              .sequence = 1,
                              .message_size = sizeof(body),
                              .bytes = body,
                              .size = sizeof(body)};
    put(client, &open);
    struct beat_frame opened = turn_until(1);
    client->session = opened.session;
    client->attach = opened.attach;
}

static void ask(struct client *client, int32_t op, const uint8_t *body, uint32_t size)
{
    struct beat_frame frame = frame_of(client, BEAT_REQUEST);
    frame.sequence = ++client->sequence;
    frame.acked = client->sequence - 1 - (client->sequence - 1) % BEAT_CREDITS;
    frame.code = op;
    frame.bytes = body;
    frame.size = frame.message_size = size;
    put(client, &frame);
}

static uint32_t body_of(uint8_t *room, int32_t op, uint32_t key)
{
    static const uint8_t data[100];
    char path[16];
    struct jute_out out = jute_out(room, 256);
    snprintf(path, sizeof(path), "/key%06u", (unsigned)key);
    jute_put_bytes(&out, bytes_of_string(path));
    if (op == ZK_OP_GET_DATA) {
        jute_put_byte(&out, 0);
    } else {
        jute_put_bytes(&out, bytes_of(data, sizeof(data)));
        if (op == ZK_OP_CREATE) {
            jute_put_int(&out, 1);
            jute_put_int(&out, ZK_PERM_ALL);
            jute_put_bytes(&out, bytes_of_string("world"));
            jute_put_bytes(&out, bytes_of_string("anyone"));
        }
        jute_put_int(&out, op == ZK_OP_CREATE ? 0 : -1);
    }
    CHECK(!out.bad);
    return (uint32_t)(out.at - room);
}

static void start(uint32_t window)
{
    uint8_t body[256];
    now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    bench_node_init(&node);
    snprintf(node.config.beat_listen, sizeof(node.config.beat_listen), "127.0.0.1:2182");
    node.config.beat_session_ms_min = 1;
    bench_node_open(&node, now);
    client_count = window < BEAT_CREDITS ? 1 : window / BEAT_CREDITS;
    CHECK(client_count <= CLIENTS_MAX);
    for (uint32_t i = 0; i < client_count; i++)
        client_open(&clients[i], (uint16_t)(40000 + i));
    for (uint32_t key = 0; key < BENCH_NODE_KEYS; key++) {
        ask(&clients[0], ZK_OP_CREATE, body, body_of(body, ZK_OP_CREATE, key));
        turn_until(1);
    }
    while (clients[0].sequence % BEAT_CREDITS) {
        ask(&clients[0], ZK_OP_GET_DATA, body, body_of(body, ZK_OP_GET_DATA, 0));
        turn_until(1);
    }
}

/* One body of a request, and its size: nothing is made in the loop but the header. */
struct bodies {
    uint8_t bytes[CLIENTS_MAX * BEAT_CREDITS][256];
    uint32_t size[CLIENTS_MAX * BEAT_CREDITS];
};
static struct bodies bodies;

static void put_all(int32_t op, uint32_t window)
{
    for (uint32_t i = 0; i < window; i++) {
        struct client *client = &clients[i / BEAT_CREDITS];
        if (op) {
            ask(client, op, bodies.bytes[i], bodies.size[i]);
        } else {
            struct beat_frame renew = frame_of(client, BEAT_RENEW);
            put(client, &renew);
        }
    }
}

/* answered false: the client's part alone. */
static void run(struct bench *bench, int32_t op, uint32_t window, bool answered)
{
    start(window);
    for (uint32_t i = 0; i < window && op; i++)
        bodies.size[i] = body_of(bodies.bytes[i], op, i * 37 % BENCH_NODE_KEYS);
    while (bench_next(bench)) {
        put_all(op, window);
        if (answered)
            turn_until(window);
        else
            datagram_sim_clear(node.datagrams);
    }
    bench_counter(bench, "items", window);
    bench_node_close(&node);
}

static void bench_get(struct bench *bench, int64_t window)
{
    run(bench, ZK_OP_GET_DATA, (uint32_t)window, true);
}

static void bench_set(struct bench *bench, int64_t window)
{
    run(bench, ZK_OP_SET_DATA, (uint32_t)window, true);
}

static void bench_renew(struct bench *bench, int64_t window)
{
    run(bench, 0, (uint32_t)window, true);
}

static void bench_client_get(struct bench *bench, int64_t window)
{
    run(bench, ZK_OP_GET_DATA, (uint32_t)window, false);
}

static void bench_client_renew(struct bench *bench, int64_t window)
{
    run(bench, 0, (uint32_t)window, false);
}

int main(int argc, char **argv)
{
    static const int64_t windows[] = {1, 16, 64};

    bench_add("beat_get", bench_get, windows, 3);
    bench_add("beat_renew", bench_renew, windows, 3);
    bench_add("beat_set", bench_set, windows, 3);
    bench_add("beat_client_get", bench_client_get, windows, 3);
    bench_add("beat_client_renew", bench_client_renew, windows, 3);
    return bench_main(argc, argv);
}
