/* bench_client: a controller of a bench_node: datagrams of the protocol beat, put into the node's
 * datagram port and taken from it. What it sends is made once, but for the header.
 *
 *   ask, renew ──▶ datagram ──▶ bench_node.beats ─▶ node ─▶ bench_node.beats ──took──▶ counted
 *
 * One thread. */
#pragma once

#include "dataplane/beat/beat.h"
#include "perf/bench_node.h"

#define BENCH_CLIENT_BODY_MAX 256u

struct bench_client {
    struct bench_node *node;
    struct address from;
    int64_t session;
    uint32_t attach;
    uint64_t sequence;
};

/* bench_client_init makes client `index` of a node; bench_client_open sends its OPEN, whose answer
 * bench_client_opened takes: false, and nothing is changed, when it refuses (nobody leads yet). */
void bench_client_init(struct bench_client *client, struct bench_node *node, uint16_t index);
void bench_client_open(struct bench_client *client);
bool bench_client_opened(struct bench_client *client, const struct beat_frame *answer);

/* bench_client_body writes the message of a get, set or create of key in [0, BENCH_NODE_KEYS) into
 * BENCH_CLIENT_BODY_MAX bytes of room. Returns its size. */
uint32_t bench_client_body(uint8_t *room, int32_t op, uint32_t key);

/* bench_client_ask sends the next request, bench_client_renew a RENEW. Requests are receipted in
 * blocks of BEAT_CREDITS: before the first of a block is sent the one before must be answered. */
void bench_client_ask(struct bench_client *client, int32_t op, const uint8_t *body, uint32_t size);
void bench_client_renew(struct bench_client *client);

/* bench_client_took drops what the node has sent to its clients, gives how many datagrams, and the
 * last of them decoded when it is number `last` of them (0: none is looked at). */
uint32_t bench_client_took(struct bench_node *node, uint32_t last, struct beat_frame *answer);
