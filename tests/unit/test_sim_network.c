/* Goal: the simulated network does what each knob says and nothing else, and replays from its seed.
 * Method: numbered datagrams over one link, counted at the other end. */
#include "tests/sim/sim_network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT 2000u

static struct heard {
    uint32_t count, bent, cut_short, out_of_order, doubled;
    uint32_t seen[COUNT], last;
    uint64_t digest;
} heard;

static void hear(void *self, uint32_t from, uint32_t to, const uint8_t *bytes, uint32_t size)
{
    uint32_t number = 0;

    assert_int_equal(from, 0);
    assert_int_equal(to, 1);
    heard.count++;
    heard.digest = heard.digest * 31 + size;
    if (size != 64) {
        heard.cut_short++;
        return;
    }
    memcpy(&number, bytes, sizeof(number));
    bool whole = number < COUNT;
    for (uint32_t i = 4; i < size; i++)
        whole = whole && bytes[i] == (uint8_t)(number + i);
    if (!whole) {
        heard.bent++;
        return;
    }
    heard.doubled += heard.seen[number]++ > 0;
    heard.out_of_order += number < heard.last;
    heard.last = number;
    heard.digest = heard.digest * 31 + number;
}

static void send_one(struct sim_network *network, uint32_t number, uint64_t now_ns)
{
    uint8_t bytes[64];
    memcpy(bytes, &number, 4);
    for (uint32_t i = 4; i < 64; i++)
        bytes[i] = (uint8_t)(number + i);
    sim_network_send(network, 0, 1, bytes, sizeof(bytes), now_ns);
}

/* COUNT datagrams, one each 100 us, then everything that is still under way. */
static void run(const struct sim_knobs *knobs, uint64_t seed)
{
    struct sim_network *network = sim_network_create(seed, knobs);

    memset(&heard, 0, sizeof(heard));
    for (uint32_t i = 0; i < COUNT; i++) {
        send_one(network, i, i * 100000ull);
        sim_network_deliver(network, i * 100000ull, hear, NULL);
    }
    sim_network_deliver(network, UINT64_MAX, hear, NULL);
    assert_true(sim_network_next_ns(network) == UINT64_MAX);
    sim_network_destroy(network);
}

static void test_perfect(void **state)
{
    struct sim_knobs knobs = {.delay_us = 500};
    run(&knobs, 1);
    assert_int_equal(heard.count, COUNT);
    assert_int_equal(heard.out_of_order + heard.bent + heard.doubled + heard.cut_short, 0);
}

static void test_knobs(void **state)
{
    struct sim_knobs drop = {.delay_us = 50, .drop_per_mille = 100};
    struct sim_knobs burst = {.delay_us = 50, .burst_per_mille = 5};
    struct sim_knobs twice = {.delay_us = 50, .duplicate_per_mille = 100};
    struct sim_knobs old = {.delay_us = 50, .replay_per_mille = 50};
    struct sim_knobs order = {.delay_us = 500, .reorder_percent = 60};
    struct sim_knobs bent = {.delay_us = 50, .flip_per_mille = 50};
    struct sim_knobs cut = {.delay_us = 50, .truncate_per_mille = 50};
    struct sim_knobs mtu = {.delay_us = 50, .mtu = 63};

    run(&drop, 1);
    assert_in_range(heard.count, COUNT * 85 / 100, COUNT * 95 / 100);
    run(&burst, 1);
    assert_in_range(heard.count, COUNT / 2, COUNT - 20);
    run(&twice, 1);
    assert_in_range(heard.doubled, COUNT * 5 / 100, COUNT * 15 / 100);
    run(&old, 1);
    assert_in_range(heard.doubled, COUNT * 2 / 100, COUNT * 8 / 100);
    run(&order, 1);
    assert_true(heard.out_of_order > COUNT / 20);
    assert_int_equal(heard.count, COUNT);
    run(&bent, 1);
    assert_in_range(heard.bent, COUNT * 2 / 100, COUNT * 8 / 100);
    run(&cut, 1);
    assert_in_range(heard.cut_short, COUNT * 2 / 100, COUNT * 8 / 100);
    uint32_t through = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        run(&mtu, seed);
        assert_true(heard.count == 0 || heard.count == COUNT);
        through += heard.count == COUNT;
    }
    assert_in_range(through, 10, 28);
}

/* A link's last datagrams come again behind a restart of either end, and are whole. */
static void test_haunt(void **state)
{
    struct sim_knobs knobs = {.delay_us = 50, .haunt = 100};
    struct sim_network *network = sim_network_create(1, &knobs);

    memset(&heard, 0, sizeof(heard));
    for (uint32_t i = 0; i < 100; i++)
        send_one(network, i, i * 1000);
    sim_network_deliver(network, 100000000, hear, NULL);
    assert_int_equal(heard.count, 100);
    sim_network_haunt(network, 2, 100000000); /* another node's restart */
    sim_network_deliver(network, 500000000, hear, NULL);
    assert_int_equal(heard.doubled, 0);
    for (uint32_t node = 0; node < 2; node++) {
        uint32_t before = heard.doubled;
        sim_network_haunt(network, node, 500000000);
        sim_network_deliver(network, 1000000000, hear, NULL);
        assert_in_range(heard.doubled, before + 1, before + 31);
    }
    assert_int_equal(heard.bent, 0);
    sim_network_heal(network, 1000000000);
    sim_network_haunt(network, 0, 1000000000);
    assert_true(sim_network_next_ns(network) == UINT64_MAX);
    sim_network_destroy(network);
}

static void test_replays_from_its_seed(void **state)
{
    struct sim_knobs all = {.delay_us = 300,
                            .tail_per_mille = 20,
                            .drop_per_mille = 50,
                            .burst_per_mille = 2,
                            .duplicate_per_mille = 30,
                            .replay_per_mille = 10,
                            .reorder_percent = 30,
                            .flip_per_mille = 10,
                            .truncate_per_mille = 10};
    run(&all, 5);
    uint64_t digest = heard.digest;
    run(&all, 5);
    assert_true(heard.digest == digest);
    run(&all, 6);
    assert_true(heard.digest != digest);
}

static void test_cut_clog_narrow(void **state)
{
    struct sim_knobs knobs = {.delay_us = 50};
    struct sim_network *network = sim_network_create(1, &knobs);

    memset(&heard, 0, sizeof(heard));
    sim_network_cut(network, 0, 1, true);
    sim_network_cut(network, 0, 1, true);
    sim_network_cut(network, 0, 1, false); /* two faults cut it, one ended */
    send_one(network, 0, 0);
    sim_network_cut(network, 0, 1, false);
    send_one(network, 1, 0);
    sim_network_deliver(network, 10000000, hear, NULL);
    assert_int_equal(heard.count, 1);

    sim_network_clog(network, 0, 1, true, 0);
    send_one(network, 2, 10000000);
    sim_network_deliver(network, 90000000, hear, NULL);
    assert_int_equal(heard.count, 1);
    sim_network_clog(network, 0, 1, false, 100000000);
    assert_true(sim_network_next_ns(network) > 100000000);
    sim_network_deliver(network, 200000000, hear, NULL);
    assert_int_equal(heard.count, 2);

    sim_network_narrow(network, 0, 1, 64000); /* 1 ms each; 200 ms of queue */
    for (uint32_t i = 0; i < 1000; i++)
        send_one(network, i, 300000000);
    sim_network_deliver(network, 400000000, hear, NULL);
    assert_in_range(heard.count, 2 + 90, 2 + 101);
    sim_network_deliver(network, UINT64_MAX, hear, NULL);
    assert_in_range(heard.count, 2 + 190, 2 + 210);
    assert_true(sim_network_counters(network)->lost_full > 700);

    sim_network_cut(network, 0, 1, true);
    sim_network_heal(network, 0);
    send_one(network, 3, 1);
    uint32_t before = heard.count;
    sim_network_deliver(network, UINT64_MAX, hear, NULL);
    assert_int_equal(heard.count, before + 1);
    sim_network_destroy(network);
}

static void test_knobs_by_name(void **state)
{
    struct sim_knobs knobs;
    struct rand rand;

    rand_seed(&rand, 3);
    sim_knobs_draw(&knobs, &rand);
    assert_in_range(knobs.clients, 1, 8);
    assert_int_equal(sim_knobs_set(&knobs, "kill=77"), 0);
    assert_int_equal(knobs.kill, 77);
    assert_int_equal(sim_knobs_set(&knobs, "kill=x"), -6); /* ERR_RANGE */
    assert_int_equal(sim_knobs_set(&knobs, "kilt=1"), -8); /* ERR_NOTFOUND */
    assert_int_equal(sim_knobs_set(&knobs, "kill"), -8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_perfect),         cmocka_unit_test(test_knobs),
        cmocka_unit_test(test_haunt),           cmocka_unit_test(test_replays_from_its_seed),
        cmocka_unit_test(test_cut_clog_narrow), cmocka_unit_test(test_knobs_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
