/* Goal: the dpdk port starts on a device, bounds its turns, says that it cannot park where it
 * cannot, and refuses what its header lists. Method: DPDK's null device, which needs no privilege:
 * it gives empty frames without end, and takes any. */
#include "dataplane/port/dpdk/datagram_dpdk.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct port_dpdk_device *device;
static struct slab slab;
static struct fault fault;

static bool no_stream(void *net, struct stream *stream)
{
    return false;
}

static void nothing(void *net, struct stream *stream)
{
}

static const struct port_events events = {no_stream, nothing, nothing, nothing};

static struct port_setup port_setup(void)
{
    return (struct port_setup){
        .events = &events, .slab = &slab, .rx_limit = 65536, .tx_limit = 65536, .streams_max = 10};
}

static struct port_dpdk_setup dpdk_setup(void)
{
    return (struct port_dpdk_setup){
        .eal = "--no-pci --no-huge -m 64 --no-shconf --vdev net_null0",
        .ip = {.ip = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}, .port = 2181},
        .prefix_size = 24,
        .net_count = 1,
        .mbuf_count = 8191,
        .memory_limit = 1 << 20,
        .seed = 1,
    };
}

static int set_up(void **state)
{
    const struct port_dpdk_setup setup = dpdk_setup();
    if (slab_init(&slab, 1 << 20))
        return -1;
    if (port_dpdk_start(&setup, &device, &fault)) {
        print_error("%s\n", fault.text);
        return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    port_dpdk_stop(device);
    slab_fini(&slab);
    return 0;
}

static void test_a_turn_is_bounded(void **state)
{
    const struct port_setup setup = port_setup();
    struct port *port;
    char text[128];
    assert_int_equal(port_dpdk_open(device, 0, &setup, &port, &fault), 0);
    assert_non_null(strstr(port_dpdk_text(device, text, sizeof(text)), "1 queue, cannot park"));
    for (uint64_t i = 1; i <= 1000; i++) {
        struct now now = clock_now();
        assert_in_range(port_poll(port, now), 1, 128);
        port_flush(port);
        assert_false(port_idle(port)); /* there is always more */
        assert_true(port_deadline_ns(port, now) <= now.mono_ns + PORT_DPDK_BLIND_NS);
    }
    assert_true(atomic_load(&port_dpdk_counters(port)->rx_frames) >= 32000);
    assert_true(atomic_load(&port_dpdk_counters(port)->tx_frames) >= 1); /* it announced itself */
    int fd;
    assert_int_equal(port_park_fds(port, &fd, 1), -1);
    int ends[2]; /* stands in for the worker's wake-up: nothing comes from it */
    assert_int_equal(pipe(ends), 0);
    uint64_t begin_ns = clock_now().mono_ns;
    port_wait(port, ends[0], PORT_DPDK_BLIND_NS);
    assert_true(clock_now().mono_ns - begin_ns >= PORT_DPDK_BLIND_NS);
    port_fini(port);
    close(ends[0]);
    close(ends[1]);
}

static void test_refusals(void **state)
{
    struct port_setup setup = port_setup();
    struct port *port, *again;
    struct port_dpdk_device *second;
    const struct port_dpdk_setup twice = dpdk_setup();
    assert_int_equal(port_dpdk_start(&twice, &second, &fault), ERR_BUSY);
    assert_int_equal(port_dpdk_open(device, 1, &setup, &port, &fault), ERR_RANGE);
    setup.rx_limit = 1;
    assert_int_equal(port_dpdk_open(device, 0, &setup, &port, &fault), ERR_RANGE);
    setup.rx_limit = 65536;
    assert_int_equal(port_dpdk_open(device, 0, &setup, &port, &fault), 0);
    assert_int_equal(port_dpdk_open(device, 0, &setup, &again, &fault), ERR_BUSY);
    struct datagram_port *datagrams;
    struct datagram_dpdk_setup wanted = {.name = "peers", .listen = twice.ip, .priority = 8};
    assert_int_equal(datagram_dpdk_open(device, &wanted, &datagrams, &fault), ERR_CONFIG);
    wanted.priority = 7;
    wanted.listen.ip[15] = 9;
    assert_int_equal(datagram_dpdk_open(device, &wanted, &datagrams, &fault), ERR_CONFIG);
    wanted.listen.ip[15] = 1;
    assert_int_equal(datagram_dpdk_open(device, &wanted, &datagrams, &fault), 0);
    assert_int_equal(port_dpdk_facts(device)->flow_count, 1);
    assert_string_equal(port_dpdk_facts(device)->flows[0].name, "peers");
    assert_int_equal(port_dpdk_facts(device)->flows[0].priority, 7);
    datagram_fini(datagrams);
    port_fini(port);
    assert_int_equal(port_dpdk_open(device, 0, &setup, &port, &fault), 0); /* and once more */
    port_fini(port);
}

static void *one_life(void *self)
{
    struct port *port = self;
    for (int i = 0; i < 40; i++) {
        port_poll(port, clock_now());
        port_flush(port);
    }
    return NULL;
}

/* The device outlives the threads of a node's life: what DPDK keeps for each (an id, and frames in
 * a cache of their own) must come back, else the frames are gone after some thirty lives. */
static void test_threads_come_and_go(void **state)
{
    const struct port_setup setup = port_setup();
    struct port *port;
    for (int life = 0; life < 64; life++) {
        pthread_t thread;
        assert_int_equal(port_dpdk_open(device, 0, &setup, &port, &fault), 0);
        assert_int_equal(pthread_create(&thread, NULL, one_life, port), 0);
        pthread_join(thread, NULL);
        assert_true(atomic_load(&port_dpdk_counters(port)->rx_frames) >= 1000);
        port_fini(port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_turn_is_bounded),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_threads_come_and_go),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
