#include "perf/bench_client.h"

#include "base/check.h"
#include "base/jute.h"
#include "base/zk.h"
#include "dataplane/port/datagram_sim.h"

#include <stdio.h>

#define ENDPOINT 77u

static struct beat_frame frame_of(const struct bench_client *client, uint8_t kind)
{
    return (struct beat_frame){.kind = kind,
                               .from = ENDPOINT,
                               .to = client->node->config.node_id,
                               .session = client->session,
                               .attach = client->attach,
                               .sequence = 1};
}

static void put(const struct bench_client *client, const struct beat_frame *frame)
{
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    uint32_t size = beat_wire_encode(frame, NULL, room);
    CHECK(datagram_sim_put(client->node->beats, &client->from, room, size));
    client->node->given = true;
}

void bench_client_init(struct bench_client *client, struct bench_node *node, uint16_t index)
{
    *client = (struct bench_client){
        .node = node,
        .from = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
                 .port = (uint16_t)(40000 + index)}};
}

void bench_client_open(struct bench_client *client)
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
    struct beat_frame open = frame_of(client, BEAT_OPEN);
    open.sequence = ++client->sequence;
    open.bytes = body;
    open.size = open.message_size = sizeof(body);
    put(client, &open);
}

bool bench_client_opened(struct bench_client *client, const struct beat_frame *answer)
{
    if (answer->kind != BEAT_OPENED || answer->code != 0)
        return false;
    client->session = answer->session;
    client->attach = answer->attach;
    client->sequence = 0;
    return true;
}

uint32_t bench_client_body(uint8_t *room, int32_t op, uint32_t key)
{
    static const uint8_t data[100];
    char path[16];
    struct jute_out out = jute_out(room, BENCH_CLIENT_BODY_MAX);
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

void bench_client_ask(struct bench_client *client, int32_t op, const uint8_t *body, uint32_t size)
{
    struct beat_frame frame = frame_of(client, BEAT_REQUEST);
    frame.sequence = ++client->sequence;
    frame.acked = client->sequence - 1 - (client->sequence - 1) % BEAT_CREDITS;
    frame.code = op;
    frame.bytes = body;
    frame.size = frame.message_size = size;
    put(client, &frame);
}

void bench_client_renew(struct bench_client *client)
{
    struct beat_frame renew = frame_of(client, BEAT_RENEW);
    put(client, &renew);
}

uint32_t bench_client_took(struct bench_node *node, uint32_t last, struct beat_frame *answer)
{
    struct datagram_sim_sent sent;
    uint32_t n = 0;
    while (datagram_sim_take(node->beats, &sent))
        if (++n == last) /* the client's reading is not measured */
            CHECK(beat_wire_decode(sent.bytes, sent.size, answer) == 0);
    return n;
}
