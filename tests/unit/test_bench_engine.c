/* Goal: the load generator tells the truth: a server that stalls shows in every request that was
 * meant for the stall (no coordinated omission), a reply out of order is caught, refusals are
 * counted. Method: a server of a few lines, on a socket of its own, that misbehaves as told. */
#include "base/clock.h"
#include "tools/takt/bench_engine.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct server {
    int fd;
    pthread_t thread;
    uint32_t stall_at, wrong_at, refuse_at; /* the request's number, from 1; 0: never */
    struct address_tcp address;
};

static bool take(int fd, void *into, size_t size)
{
    return recv(fd, into, size, MSG_WAITALL) == (ssize_t)size;
}

static void answer(struct server *server, int fd, uint32_t number, const uint8_t *xid)
{
    uint8_t room[20];
    struct jute_out out = jute_out(room, sizeof(room));
    jute_put_int(&out, 16);
    jute_put_raw(&out, xid, 4);
    jute_put_long(&out, number);
    jute_put_int(&out, number == server->refuse_at ? ZK_NO_NODE : ZK_OK);
    if (number == server->wrong_at)
        room[7] ^= 1;
    (void)!send(fd, room, sizeof(room), MSG_NOSIGNAL);
}

static void *serve(void *context)
{
    struct server *server = context;
    uint8_t room[4096], session[41] = {[3] = 37, [10] = 0x27, [11] = 0x10, [19] = 1, [23] = 16};
    int fd = accept(server->fd, NULL, NULL);
    if (!take(fd, room, 49) || send(fd, session, sizeof(session), 0) != sizeof(session))
        return NULL;
    for (uint32_t number = 1; take(fd, room, 4); number++) {
        struct jute_in in = jute_in(room, 4);
        int32_t size = jute_get_int(&in);
        if (size < 8 || size > 4096 || !take(fd, room, (size_t)size))
            break;
        if (number == server->stall_at)
            usleep(150000);
        answer(server, fd, number, room);
    }
    close(fd);
    return NULL;
}

static void start(struct server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server->address.size = sizeof(at);
    server->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(server->fd, 8), 0);
    assert_int_equal(
        getsockname(server->fd, (struct sockaddr *)&server->address.at, &server->address.size), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

struct plan {
    uint32_t left;
};

static enum bench_engine_next next(void *context, struct bench_conn *conn, uint64_t intended_ns)
{
    struct plan *plan = context;
    uint8_t *mark;
    if (plan->left == 0)
        return BENCH_ENGINE_OVER;
    struct jute_out out = bench_conn_begin(conn, ZK_OP_EXISTS, &mark);
    zkwire_put_path_watch(&out, bytes_of_string("/a"), false);
    if (!bench_conn_end(conn, &out, mark, intended_ns, BENCHMIX_EXISTS))
        return BENCH_ENGINE_NO_ROOM;
    plan->left--;
    return BENCH_ENGINE_SENT;
}

/* Runs against the server; seconds 0 means until the plan is over. */
static int run(struct server *server, uint32_t requests, uint32_t window, double rate,
               double seconds, struct bench_stats *stats)
{
    struct fault fault;
    struct plan plan = {requests};
    struct bench_conn *conns;
    start(server);
    struct bench_conn_config open = {&server->address, 1, window, 64, 10000};
    assert_int_equal(bench_conn_open_all(&open, &conns, &fault), 0);
    uint64_t now_ns = clock_now().mono_ns;
    struct bench_engine engine = {.conns = conns,
                                  .conn_count = 1,
                                  .next = next,
                                  .context = &plan,
                                  .rate_per_s = rate,
                                  .begin_ns = now_ns,
                                  .start_ns = seconds > 0 ? now_ns : 0,
                                  .end_ns =
                                      seconds > 0 ? now_ns + (uint64_t)(seconds * 1e9) : UINT64_MAX,
                                  .drain_ns = NS_PER_S,
                                  .stats = stats};
    bench_stats_init(stats);
    int err = bench_engine_run(&engine, &fault);
    bench_conn_close_all(conns, 1);
    close(server->fd);
    pthread_join(server->thread, NULL);
    return err;
}

static void test_every_request_is_answered_once(void **state)
{
    struct bench_stats *stats = malloc(sizeof(*stats));
    struct server server = {.refuse_at = 7};
    assert_int_equal(run(&server, 5000, 16, 0, 0, stats), 0);
    assert_int_equal(stats->answered, 5000);
    assert_int_equal(stats->done[BENCHMIX_EXISTS], 5000);
    assert_int_equal(stats->latency[BENCHMIX_EXISTS].count, 5000);
    assert_int_equal(stats->errors[0].code, ZK_NO_NODE);
    assert_int_equal(stats->errors[0].count, 1);
    free(stats);
}

/* 1000 a second; a stall of 150 ms must show in about 150 samples, not in one. */
static void test_no_coordinated_omission(void **state)
{
    struct bench_stats *stats = malloc(sizeof(*stats));
    struct server server = {.stall_at = 100};
    assert_int_equal(run(&server, UINT32_MAX, 1, 1000, 0.5, stats), 0);
    const struct hist *hist = &stats->latency[BENCHMIX_EXISTS];
    uint32_t late = 0;
    for (uint32_t i = 0; i < HIST_SLOT_COUNT; i++)
        if (hist_slot_value(i) > 20 * NS_PER_MS)
            late += (uint32_t)hist->slots[i];
    assert_int_equal(hist->count, 500);
    assert_true(late >= 100);
    assert_true(hist->max_ns >= 140 * NS_PER_MS);
    assert_true(stats->lag_ns_max >= 100 * NS_PER_MS);
    free(stats);
}

static void test_a_reply_out_of_order_is_caught(void **state)
{
    struct bench_stats *stats = malloc(sizeof(*stats));
    struct server server = {.wrong_at = 9};
    assert_int_equal(run(&server, 5000, 4, 0, 0, stats), ERR_MALFORMED);
    free(stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_request_is_answered_once),
        cmocka_unit_test(test_no_coordinated_omission),
        cmocka_unit_test(test_a_reply_out_of_order_is_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
