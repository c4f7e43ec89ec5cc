/* Goal: the kernel's datagrams and the simulated ones keep what datagram.h promises. Method: over
 * loopback, IPv4 and IPv6, all sizes, bursts beyond every bound; no descriptor is left behind and
 * no memory taken while they run. */
#include "dataplane/port/datagram_kernel.h"
#include "dataplane/port/datagram_sim.h"

#include <malloc.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct heard {
    uint32_t count;
    uint32_t size;
    struct address from;
    uint8_t bytes[DATAGRAM_SIZE_MAX];
};

static void heard_one(void *role, const struct address *from, const uint8_t *bytes, uint32_t size)
{
    struct heard *heard = role;
    assert_int_equal((uintptr_t)bytes % 8, 0);
    heard->count++;
    heard->size = size;
    heard->from = *from;
    memcpy(heard->bytes, bytes, size);
}

static const struct datagram_events events = {heard_one};
static const struct address loopback4 = {.ip = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};
static const struct address loopback6 = {.ip = {[15] = 1}};
static const struct address any6;

static struct datagram_port *open_on(const struct address *listen, struct heard *heard)
{
    struct datagram_kernel_setup setup = {.listen = *listen};
    struct datagram_port *port;
    struct fault fault;
    memset(heard, 0, sizeof(*heard));
    int err = datagram_kernel_open(&setup, &port, &fault);
    if (err == ERR_UNSUPPORTED)
        return NULL; /* a kernel without IPv6 */
    assert_int_equal(err, 0);
    datagram_start(port, &events, heard);
    assert_true(port->local.port > 0);
    return port;
}

static void send_one(struct datagram_port *port, const struct address *to, uint32_t size)
{
    uint8_t *room = datagram_room(port);
    assert_non_null(room);
    assert_int_equal((uintptr_t)room % 8, 0);
    for (uint32_t i = 0; i < size; i++)
        room[i] = (uint8_t)(i * 3 + size);
    datagram_send(port, to, size);
}

static void receive_until(struct datagram_port *port, struct heard *heard, uint32_t count)
{
    struct pollfd pollfd = {.events = POLLIN};
    assert_int_equal(datagram_park_fds(port, &pollfd.fd, 1), 1);
    for (int tries = 0; heard->count < count && tries < 1000; tries++) {
        if (!datagram_poll(port, clock_now()))
            poll(&pollfd, 1, 10);
    }
    assert_int_equal(heard->count, count);
}

static void check_pair(const struct address *a_listen, const struct address *b_listen,
                       const struct address *b_seen)
{
    static struct heard a_heard, b_heard;
    struct datagram_port *a = open_on(a_listen, &a_heard), *b = open_on(b_listen, &b_heard);
    if (!a || !b)
        skip();
    struct address to = *b_seen;
    to.port = b->local.port;
    uint32_t largest = datagram_size_max(a, &to);
    assert_int_equal(largest, DATAGRAM_SIZE_MAX); /* loopback takes more */
    for (uint32_t size = 1; size <= largest; size = size < 20 ? size + 1 : size * 3 / 2) {
        send_one(a, &to, size);
        datagram_flush(a);
        receive_until(b, &b_heard, b_heard.count + 1);
        assert_int_equal(b_heard.size, size);
        for (uint32_t i = 0; i < size; i++)
            assert_int_equal(b_heard.bytes[i], (uint8_t)(i * 3 + size));
        assert_int_equal(b_heard.from.port, a->local.port);
    }
    /* an answer reaches who asked */
    send_one(b, &b_heard.from, 5);
    datagram_flush(b);
    receive_until(a, &a_heard, 1);
    assert_int_equal(a_heard.from.port, b->local.port);
    datagram_fini(a);
    datagram_fini(b);
}

static void test_v4(void **state)
{
    check_pair(&loopback4, &loopback4, &loopback4);
}

static void test_v6(void **state)
{
    check_pair(&loopback6, &loopback6, &loopback6);
}

static void test_v6_speaks_v4(void **state)
{
    check_pair(&any6, &loopback4, &loopback4);
}

static void test_bursts(void **state)
{
    static struct heard a_heard, b_heard;
    struct datagram_port *a = open_on(&loopback4, &a_heard), *b = open_on(&loopback4, &b_heard);
    struct address to = b->local;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 150; i++)
            send_one(a, &to, 100);
        datagram_flush(a);
        uint32_t got = datagram_poll(b, clock_now());
        assert_int_equal(got, DATAGRAM_BURST);
        assert_false(datagram_idle(b)); /* there is more */
        receive_until(b, &b_heard, (uint32_t)(round + 1) * 150);
        datagram_poll(b, clock_now());
        assert_true(datagram_idle(b));
    }
    assert_int_equal(atomic_load(&b->counters.rx), 3000);
    assert_int_equal(atomic_load(&a->counters.tx), 3000);
    assert_true(atomic_load(&a->counters.writes) <= 40);
    datagram_fini(a);
    datagram_fini(b);
}

/* Room for more than a queue: it is flushed by itself, and nothing that the kernel takes is lost.
 */
static void test_more_than_the_queue(void **state)
{
    static struct heard a_heard, b_heard;
    struct datagram_port *a = open_on(&loopback4, &a_heard), *b = open_on(&loopback4, &b_heard);
    struct address to = b->local;
    for (uint32_t i = 0; i < 3 * DATAGRAM_QUEUE; i++) {
        send_one(a, &to, 10);
        if (i % 50 == 49)
            datagram_poll(b, clock_now());
    }
    datagram_flush(a);
    receive_until(b, &b_heard, 3 * DATAGRAM_QUEUE);
    datagram_fini(a);
    datagram_fini(b);
}

/* One that the kernel refuses does not hold up those behind it. */
static void test_failures_are_counted(void **state)
{
    static struct heard a_heard, b_heard;
    struct datagram_port *a = open_on(&loopback4, &a_heard), *b = open_on(&loopback4, &b_heard);
    struct address to = b->local, v6 = loopback6;
    v6.port = 9;
    send_one(a, &to, 10);
    send_one(a, &v6, 10); /* an IPv4 socket does not reach it */
    send_one(a, &to, 11);
    datagram_flush(a);
    receive_until(b, &b_heard, 2);
    assert_int_equal(b_heard.size, 11);
    assert_int_equal(atomic_load(&a->counters.tx_failed), 1);
    assert_int_equal(datagram_deadline_ns(a, clock_now()), UINT64_MAX); /* nothing waits */
    datagram_fini(a);
    datagram_fini(b);
}

static void test_open_refuses(void **state)
{
    static struct heard heard;
    struct datagram_port *a = open_on(&loopback4, &heard), *b;
    struct datagram_kernel_setup setup = {.listen = a->local};
    struct fault fault;
    assert_int_equal(datagram_kernel_open(&setup, &b, &fault), ERR_BUSY);
    assert_non_null(strstr(fault.text, "127.0.0.1"));
    setup.listen = (struct address){.ip = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}};
    assert_int_equal(datagram_kernel_open(&setup, &b, &fault), ERR_NOTFOUND);
    setup.listen = loopback4;
    setup.size_limit = DATAGRAM_SIZE_MIN - 1;
    assert_int_equal(datagram_kernel_open(&setup, &b, &fault), ERR_RANGE);
    setup.size_limit = 0;
    struct rlimit files, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    few = files;
    few.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(datagram_kernel_open(&setup, &b, &fault), ERR_LIMIT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    datagram_fini(a);
}

static void test_shares_an_address(void **state)
{
    static struct heard heard[2];
    struct datagram_kernel_setup setup = {.listen = loopback4, .shared = true, .first = true};
    struct datagram_port *shared[2], *other;
    struct fault fault;

    memset(heard, 0, sizeof(heard));
    assert_int_equal(datagram_kernel_open(&setup, &shared[0], &fault), 0);
    setup.listen = shared[0]->local;
    assert_int_equal(datagram_kernel_open(&setup, &other, &fault), ERR_BUSY); /* another first */
    setup.first = false;
    assert_int_equal(datagram_kernel_open(&setup, &shared[1], &fault), 0);
    for (uint32_t i = 0; i < 2; i++)
        datagram_start(shared[i], &events, &heard[i]);
    for (uint32_t sender = 0; sender < 32; sender++) { /* each with a number of its own */
        static struct heard nothing;
        struct datagram_port *from = open_on(&loopback4, &nothing);
        uint32_t got[2] = {heard[0].count, heard[1].count};
        for (uint32_t i = 0; i < 3; i++)
            send_one(from, &setup.listen, 64);
        datagram_flush(from);
        for (uint32_t i = 0; i < 2; i++) {
            datagram_poll(shared[i], clock_now());
            got[i] = heard[i].count - got[i];
        }
        assert_true((got[0] == 3 && got[1] == 0) || (got[0] == 0 && got[1] == 3));
        datagram_fini(from);
    }
    assert_true(heard[0].count > 0 && heard[1].count > 0); /* but for once in 2^31 */
    for (uint32_t i = 0; i < 2; i++)
        datagram_fini(shared[i]);
}

static void test_size_limit(void **state)
{
    static struct heard heard;
    struct datagram_kernel_setup setup = {.listen = loopback4, .size_limit = 1400};
    struct datagram_port *a;
    struct address nowhere = {.ip = {[10] = 0xff, [11] = 0xff, 255, 255, 255, 255}, .port = 1};
    assert_int_equal(datagram_kernel_open(&setup, &a, NULL), 0);
    datagram_start(a, &events, &heard);
    struct address to = a->local;
    assert_int_equal(datagram_size_max(a, &to), 1400);
    assert_int_equal(datagram_size_max(a, &nowhere),
                     DATAGRAM_SIZE_MIN); /* not allowed to go there */
    assert_true(datagram_kernel_buffer_size(a) > 0);
    datagram_fini(a);
}

static void test_priority(void **state)
{
    const struct datagram_kernel_setup setup = {.listen = loopback4, .priority = 5};
    struct datagram_port *port;
    int fd, priority = 0;
    socklen_t size = sizeof(priority);
    assert_int_equal(datagram_kernel_open(&setup, &port, NULL), 0);
    assert_int_equal(datagram_park_fds(port, &fd, 1), 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, &size), 0);
    assert_int_equal(priority, 5);
    datagram_fini(port);
}

static void test_takes_no_memory(void **state)
{
    static struct heard a_heard, b_heard;
    struct datagram_port *a = open_on(&loopback4, &a_heard), *b = open_on(&loopback4, &b_heard);
    struct address to = b->local;
    int before_fd = dup(0);
    close(before_fd);
    struct mallinfo2 before = mallinfo2();
    for (uint32_t i = 0; i < 1000; i++) {
        send_one(a, &to, 1200);
        datagram_flush(a);
        datagram_poll(b, clock_now());
        assert_int_equal(datagram_size_max(a, &to), DATAGRAM_SIZE_MAX);
    }
    assert_int_equal(mallinfo2().uordblks, before.uordblks);
    int after_fd = dup(0);
    assert_int_equal(after_fd, before_fd);
    close(after_fd);
    datagram_fini(a);
    datagram_fini(b);
}

/* ---- datagram_sim ---- */

static void test_sim(void **state)
{
    static struct heard heard;
    struct datagram_sim_setup setup = {
        .local = loopback4, .size_max = 1300, .in_count = 4, .out_count = 3};
    struct datagram_sim_sent sent;
    struct datagram_port *port;
    memset(&heard, 0, sizeof(heard));
    assert_int_equal(datagram_sim_open(&setup, &port), 0);
    datagram_start(port, &events, &heard);
    assert_int_equal(datagram_size_max(port, &loopback4), 1300);
    assert_true(datagram_idle(port));
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < 3; i++)
            send_one(port, &loopback6, 100 + i);
        assert_null(datagram_room(port));             /* full */
        assert_false(datagram_sim_take(port, &sent)); /* not flushed */
        datagram_flush(port);
        for (uint32_t i = 0; i < 3; i++) {
            assert_true(datagram_sim_take(port, &sent));
            assert_int_equal(sent.size, 100 + i);
            assert_memory_equal(&sent.to, &loopback6, sizeof(loopback6));
            assert_true(datagram_sim_put(port, &sent.to, sent.bytes, sent.size));
        }
        assert_false(datagram_sim_take(port, &sent));
        assert_true(datagram_sim_put(port, &loopback4, "x", 1));
        assert_false(datagram_sim_put(port, &loopback4, "x", 1)); /* full */
        assert_false(datagram_idle(port));
        assert_int_equal(datagram_poll(port, (struct now){0}), 4);
        assert_true(datagram_idle(port));
        assert_int_equal(heard.size, 1);
    }
    send_one(port, &loopback6, 1301); /* no network that carries it */
    datagram_flush(port);
    assert_false(datagram_sim_take(port, &sent));
    assert_int_equal(atomic_load(&port->counters.tx_too_large), 1);
    send_one(port, &loopback6, 10);
    assert_true(datagram_sim_put(port, &loopback4, "x", 1));
    datagram_sim_clear(port);
    datagram_flush(port);
    assert_false(datagram_sim_take(port, &sent));
    assert_int_equal(datagram_poll(port, (struct now){0}), 0);
    datagram_fini(port);
    setup.size_max = DATAGRAM_SIZE_MAX + 1;
    assert_int_equal(datagram_sim_open(&setup, &port), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v4),
        cmocka_unit_test(test_v6),
        cmocka_unit_test(test_v6_speaks_v4),
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_more_than_the_queue),
        cmocka_unit_test(test_failures_are_counted),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_shares_an_address),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_takes_no_memory),
        cmocka_unit_test(test_sim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
