/* What the peer link costs by itself: one message of CORE through PEER, a simulated network without
 * loss, and the other side's PEER to its CORE. One iteration is one message there and nothing back;
 * the argument is the payload in bytes. "marked" has HMAC-SHA-256 on. "burst" is 64 messages a
 * turn, as under load. */
#include "perf/bench.h"

#include "base/check.h"
#include "base/hist.h"
#include "consensus/peer_message.h"
#include "dataplane/peer.h"
#include "dataplane/port/datagram_kernel.h"
#include "dataplane/port/datagram_sim.h"

#include <string.h>

struct side {
    struct peer peer;
    struct datagram_port *port;
    struct link core_peer, peer_core;
    struct counters page;
};

static struct side sides[2];
static struct now now;

static struct address address_of(uint32_t i)
{
    return (struct address){.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, (uint8_t)(i + 1)},
                            .port = 2888};
}

static void pass(uint32_t from)
{
    struct datagram_sim_sent sent;
    struct address address = address_of(from);
    while (datagram_sim_take(sides[from].port, &sent))
        CHECK(datagram_sim_put(sides[1 - from].port, &address, sent.bytes, sent.size));
}

static void side_begin(uint32_t i, const struct peer_config *base)
{
    struct side *side = &sides[i];
    struct peer_config config = *base;
    config.id = (uint8_t)(i + 1);
    config.incarnation = i + 1;
    config.cluster[0] = 1;
    config.member_count = 2;
    for (uint32_t k = 0; k < 2; k++)
        config.members[k] =
            (struct peer_member){.id = (uint8_t)(k + 1), .address = sides[k].port->local};
    CHECK(link_init(&side->core_peer, "core_peer", 16 << 20) == 0);
    CHECK(link_init(&side->peer_core, "peer_core", 16 << 20) == 0);
    counters_init(&side->page, "peer", i);
    struct peer_parts parts = {&side->core_peer, &side->peer_core, NULL, side->port, &side->page};
    CHECK(peer_init(&side->peer, &config, &parts, NULL) == 0);
}

static void begin(bool marked)
{
    static const char secret[] = "1 000102030405060708090a0b0c0d0e0f";
    struct peer_config config;
    peer_config_default(&config);
    if (marked)
        CHECK(peer_keys_parse(&config.keys, secret, sizeof(secret) - 1, NULL) == 0);
    now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    for (uint32_t i = 0; i < 2; i++) {
        struct datagram_sim_setup setup = {.local = address_of(i)};
        CHECK(datagram_sim_open(&setup, &sides[i].port) == 0);
    }
    for (uint32_t i = 0; i < 2; i++)
        side_begin(i, &config);
    for (uint32_t i = 0; i < 6; i++) { /* they greet */
        peer_poll(&sides[i % 2].peer, now);
        pass(i % 2);
    }
}

static void end(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        peer_fini(&sides[i].peer);
        datagram_fini(sides[i].port);
        link_fini(&sides[i].core_peer);
        link_fini(&sides[i].peer_core);
    }
}

static void send(uint32_t payload_size)
{
    struct peer_message *m = link_reserve(&sides[0].core_peer, (uint32_t)sizeof(*m) + payload_size);
    *m = (struct peer_message){.kind = PEER_APPEND,
                               .from = 1,
                               .to = 2,
                               .term = 5,
                               .index = 1000,
                               .log_term = 5,
                               .commit = 990,
                               .payload_size = payload_size};
    peer_message_set_entries(m, 5, payload_size ? 1 : 0);
    link_publish(&sides[0].core_peer);
}

static uint32_t turn(void)
{
    uint32_t count = 0, size;
    now.mono_ns += 1000;
    peer_poll(&sides[0].peer, now);
    pass(0);
    peer_poll(&sides[1].peer, now);
    for (; link_peek(&sides[1].peer_core, &size); count++)
        link_pop(&sides[1].peer_core);
    link_release(&sides[1].peer_core);
    return count;
}

static void run(struct bench *bench, int64_t payload_size, bool marked, uint32_t burst)
{
    uint64_t arrived = 0, sent = 0;
    begin(marked);
    while (bench_next(bench)) {
        for (uint32_t i = 0; i < burst; i++)
            send((uint32_t)payload_size);
        sent += burst;
        arrived += turn();
    }
    CHECK(arrived == sent);
    bench_counter(bench, "items", burst);
    end();
}

static void bench_append(struct bench *bench, int64_t payload_size)
{
    run(bench, payload_size, false, 1);
}

static void bench_append_marked(struct bench *bench, int64_t payload_size)
{
    run(bench, payload_size, true, 1);
}

static void bench_append_burst(struct bench *bench, int64_t payload_size)
{
    run(bench, payload_size, false, 64);
}

/* ---- pacing ---- */

static struct hist round_trips;

static bool kernel_turn(uint32_t i, uint8_t kind)
{
    uint32_t size;
    const struct peer_message *m;
    bool found = false;
    peer_poll(&sides[i].peer, clock_now());
    for (; (m = link_peek(&sides[i].peer_core, &size)); link_pop(&sides[i].peer_core))
        found |= m->kind == kind;
    link_release(&sides[i].peer_core);
    return found;
}

static void kernel_say(uint32_t i, uint8_t kind, uint32_t payload_size)
{
    struct link *link = &sides[i].core_peer;
    struct peer_message *m = link_reserve(link, (uint32_t)sizeof(*m) + payload_size);
    CHECK(m);
    *m = (struct peer_message){.kind = kind,
                               .from = (uint8_t)(i + 1),
                               .to = (uint8_t)(2 - i),
                               .payload_size = payload_size};
    link_publish(link);
}

/* Over the kernel's loopback, both sides on this thread: how long a small message and its answer
 * take while a snapshot is sent at `mib_s`; 0: without one. */
static void bench_round_trip(struct bench *bench, int64_t mib_s)
{
    static const struct address loopback = {.ip = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};
    struct peer_config config;
    peer_config_default(&config);
    config.bulk_bytes_per_s = (uint64_t)(mib_s ? mib_s : 1) << 20;
    if (mib_s > 10000) /* not paced at all */
        config.bulk_burst_size = 64 << 20;
    for (uint32_t i = 0; i < 2; i++) {
        struct datagram_kernel_setup setup = {.listen = loopback};
        CHECK(datagram_kernel_open(&setup, &sides[i].port, NULL) == 0);
    }
    for (uint32_t i = 0; i < 2; i++)
        side_begin(i, &config);
    for (uint32_t i = 0; i < 20; i++)
        kernel_turn(i % 2, 0);
    hist_init(&round_trips);
    while (bench_next(bench)) {
        if (mib_s && counters_get(&sides[0].page, METRIC_peer_bulk_waiting_bytes) < 4 << 20)
            kernel_say(0, PEER_SNAPSHOT, 1 << 20);
        uint64_t begin_ns = clock_now().mono_ns;
        kernel_say(0, PEER_FORWARD, 200);
        bool there = false, back = false;
        for (uint32_t tries = 0; !back && tries < 10000; tries++) {
            back = kernel_turn(0, PEER_FORWARD_REPLY);
            if (!there && kernel_turn(1, PEER_FORWARD)) {
                there = true;
                kernel_say(1, PEER_FORWARD_REPLY, 0);
            }
            if (there)
                kernel_turn(1, PEER_FORWARD);
        }
        hist_record(&round_trips, clock_now().mono_ns - begin_ns);
    }
    bench_counter(bench, "p50_us", (double)hist_percentile(&round_trips, 50) / 1e3);
    bench_counter(bench, "p99_us", (double)hist_percentile(&round_trips, 99) / 1e3);
    bench_counter(bench, "bulk_mib",
                  (double)counters_get(&sides[1].page, METRIC_peer_received_bytes_total) / 1048576);
    end();
}

int main(int argc, char **argv)
{
    static const int64_t sizes[] = {0, 200, 1200, 16 << 10, 64 << 10};
    bench_add("peer_append", bench_append, sizes, 5);
    bench_add("peer_append_marked", bench_append_marked, sizes, 5);
    bench_add("peer_append_burst", bench_append_burst, sizes, 3);
    static const int64_t paces[] = {0, 64, 256, 90000};
    bench_add("peer_round_trip", bench_round_trip, paces, 4);
    return bench_main(argc, argv);
}
