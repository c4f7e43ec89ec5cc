/* Goal: a worker runs its roles, sleeps when they are idle, and never misses a wake-up. Method: two
 * workers that pass a counter to and fro, each asleep between (a lost wake-up hangs, and a deadline
 * turns that into a failure); the processor time of a parked worker, measured. */
#include "base/check.h"
#include "base/link.h"
#include "dataplane/worker.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t mono_ns(void)
{
    return clock_now().mono_ns;
}

static uint64_t thread_cpu_ns(pthread_t thread)
{
    clockid_t id;
    struct timespec ts;
    assert_int_equal(pthread_getcpuclockid(thread, &id), 0);
    assert_int_equal(clock_gettime(id, &ts), 0);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* A role that takes numbers from one link and sends each, plus one, down another. */
struct relay {
    struct link *from, *to;
    _Atomic uint64_t seen;
    uint64_t last; /* stops sending at this number */
    _Atomic uint32_t online, offline;
};

static uint32_t relay_poll(void *self, struct now now)
{
    struct relay *relay = self;
    uint32_t size, work = 0;
    const uint64_t *in;
    while ((in = link_peek(relay->from, &size))) {
        uint64_t number = *in;
        link_pop(relay->from);
        if (number < relay->last) {
            uint64_t *out = link_reserve(relay->to, sizeof(*out));
            CHECK(out != NULL);
            *out = number + 1;
            link_publish(relay->to);
        }
        atomic_store(&relay->seen, number);
        work++;
    }
    link_release(relay->from);
    return work;
}

static bool relay_idle(void *self)
{
    return link_empty(((struct relay *)self)->from);
}

static void relay_online(void *self)
{
    atomic_fetch_add(&((struct relay *)self)->online, 1);
}

static void relay_offline(void *self)
{
    atomic_fetch_add(&((struct relay *)self)->offline, 1);
}

static struct role relay_role(struct relay *relay)
{
    return (struct role){.name = "relay",
                         .self = relay,
                         .poll = relay_poll,
                         .idle = relay_idle,
                         .online = relay_online,
                         .offline = relay_offline};
}

static bool wait_for(_Atomic uint64_t *value, uint64_t at_least, uint64_t limit_ns)
{
    uint64_t end_ns = mono_ns() + limit_ns;
    while (atomic_load(value) < at_least) {
        if (mono_ns() > end_ns)
            return false;
        usleep(500);
    }
    return true;
}

static void ping_pong(enum worker_idle idle, uint64_t count)
{
    struct worker a, b;
    struct link ab, ba;
    struct relay at_a = {.last = count}, at_b = {.last = count};
    assert_int_equal(worker_init(&a, "a", idle, -1), 0);
    assert_int_equal(worker_init(&b, "b", idle, -1), 0);
    assert_int_equal(link_init(&ab, "a_b", 4096), 0);
    assert_int_equal(link_init(&ba, "b_a", 4096), 0);
    at_a.from = at_b.to = &ba;
    at_a.to = at_b.from = &ab;
    const struct role ra = relay_role(&at_a), rb = relay_role(&at_b);
    assert_int_equal(worker_role_add(&a, &ra), 0);
    assert_int_equal(worker_role_add(&b, &rb), 0);
    assert_int_equal(worker_downstream_add(&a, &b, &ab.head), 0);
    assert_int_equal(worker_downstream_add(&b, &a, &ba.head), 0);
    assert_int_equal(worker_start(&a), 0);
    assert_int_equal(worker_start(&b), 0);

    /* The first number comes from a thread that is not a worker. */
    uint64_t *first = link_reserve(&ba, sizeof(*first));
    *first = 1;
    link_publish(&ba);
    worker_wake(&a);
    bool done = wait_for(count % 2 ? &at_a.seen : &at_b.seen, count, 50 * NS_PER_S);
    worker_stop(&a);
    worker_stop(&b);
    worker_join(&a);
    worker_join(&b);
    assert_true(done);
    assert_true(atomic_load(&a.own_turns[0].turns_busy) > 0);
    assert_true(atomic_load(&a.own_turns[0].work) == (count + 1) / 2);
    assert_true(atomic_load(&a.own_turns[0].worst_ns) > 0);
    assert_int_equal(atomic_load(&at_a.online), atomic_load(&at_a.offline));
    worker_fini(&a);
    worker_fini(&b);
    link_fini(&ab);
    link_fini(&ba);
}

static void test_no_wake_up_is_lost(void **state)
{
    ping_pong(WORKER_IDLE_PARK, 20000);
}

static void test_hybrid_yield_and_pause_pass_too(void **state)
{
    ping_pong(WORKER_IDLE_HYBRID, 5000);
    ping_pong(WORKER_IDLE_YIELD, 2001);
    ping_pong(WORKER_IDLE_PAUSE, 101);
    ping_pong(WORKER_IDLE_SPIN, 101);
}

/* Several producers without a worker ring one parked consumer at once. */
struct bell {
    _Atomic uint64_t rung;  /* by producers, then the wake-up */
    _Atomic uint64_t heard; /* what the consumer has seen */
    struct worker *worker;
};

static uint32_t bell_poll(void *self, struct now now)
{
    struct bell *bell = self;
    uint64_t rung = atomic_load_explicit(&bell->rung, memory_order_acquire);
    uint64_t heard = atomic_load_explicit(&bell->heard, memory_order_relaxed);
    atomic_store_explicit(&bell->heard, rung, memory_order_release);
    return (uint32_t)(rung - heard);
}

static bool bell_idle(void *self)
{
    struct bell *bell = self;
    return atomic_load_explicit(&bell->rung, memory_order_acquire) ==
           atomic_load_explicit(&bell->heard, memory_order_relaxed);
}

static void *bell_ringer(void *arg)
{
    struct bell *bell = arg;
    for (int i = 0; i < 3000; i++) {
        uint64_t mine = atomic_fetch_add_explicit(&bell->rung, 1, memory_order_acq_rel) + 1;
        worker_wake(bell->worker);
        uint64_t end_ns = mono_ns() + 20 * NS_PER_S;
        while (atomic_load_explicit(&bell->heard, memory_order_acquire) < mine)
            if (mono_ns() > end_ns)
                return (void *)1; /* nobody woke */
    }
    return NULL;
}

static void test_many_ring_one(void **state)
{
    struct worker worker;
    struct bell bell = {.worker = &worker};
    assert_int_equal(worker_init(&worker, "bell", WORKER_IDLE_PARK, -1), 0);
    const struct role role = {.name = "bell", .self = &bell, .poll = bell_poll, .idle = bell_idle};
    assert_int_equal(worker_role_add(&worker, &role), 0);
    assert_int_equal(worker_start(&worker), 0);
    pthread_t ringers[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&ringers[i], NULL, bell_ringer, &bell), 0);
    for (int i = 0; i < 2; i++) {
        void *failed;
        pthread_join(ringers[i], &failed);
        assert_null(failed);
    }
    worker_stop(&worker);
    worker_join(&worker);
    worker_fini(&worker);
}

/* A role with a deadline every 25 ms and nothing else to do. */
struct ticker {
    uint64_t next_ns;
    _Atomic uint64_t ticks;
};

static uint32_t ticker_poll(void *self, struct now now)
{
    struct ticker *ticker = self;
    if (now.mono_ns < ticker->next_ns)
        return 0;
    ticker->next_ns = now.mono_ns + 25 * NS_PER_MS;
    atomic_fetch_add(&ticker->ticks, 1);
    return 1;
}

static uint64_t ticker_deadline_ns(void *self, struct now now)
{
    return ((struct ticker *)self)->next_ns;
}

static void test_parked_costs_under_one_percent_and_keeps_deadlines(void **state)
{
    struct worker worker;
    struct ticker ticker = {0};
    assert_int_equal(worker_init(&worker, "ticker", WORKER_IDLE_PARK, -1), 0);
    const struct role role = {
        .name = "ticker", .self = &ticker, .poll = ticker_poll, .deadline_ns = ticker_deadline_ns};
    assert_int_equal(worker_role_add(&worker, &role), 0);
    assert_int_equal(worker_start(&worker), 0);
    uint64_t begin_ns = mono_ns(), cpu_ns = thread_cpu_ns(worker.thread);
    usleep(1000000);
    cpu_ns = thread_cpu_ns(worker.thread) - cpu_ns;
    uint64_t took_ns = mono_ns() - begin_ns;
    worker_stop(&worker);
    worker_join(&worker);
    uint64_t ticks = atomic_load(&ticker.ticks);
    print_message("# parked: %.3f %% of a core, %llu ticks in %.2f s\n",
                  100.0 * (double)cpu_ns / (double)took_ns, (unsigned long long)ticks,
                  (double)took_ns / 1e9);
    assert_true(cpu_ns * 100 < took_ns);
    assert_true(ticks >= 20 && ticks <= took_ns / (25 * NS_PER_MS) + 1);
    assert_true(atomic_load(&worker.park_ns) > took_ns / 2);
    worker_fini(&worker);
}

/* A role that hears of work by a descriptor only. */
static int pipe_fds[2];
static _Atomic uint64_t pipe_seen;

static uint32_t pipe_poll(void *self, struct now now)
{
    char byte;
    ssize_t n = read(pipe_fds[0], &byte, 1);
    if (n == 1)
        atomic_fetch_add(&pipe_seen, 1);
    return n == 1;
}

static int pipe_park_fds(void *self, int *fds, int max)
{
    fds[0] = pipe_fds[0];
    return 1;
}

static void test_descriptor_ends_the_park(void **state)
{
    struct worker worker;
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
    assert_int_equal(worker_init(&worker, "pipe", WORKER_IDLE_PARK, -1), 0);
    const struct role role = {.name = "pipe", .poll = pipe_poll, .park_fds = pipe_park_fds};
    assert_int_equal(worker_role_add(&worker, &role), 0);
    assert_int_equal(worker_start(&worker), 0);
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(write(pipe_fds[1], "x", 1), 1);
        assert_true(wait_for(&pipe_seen, i, 10 * NS_PER_S));
    }
    worker_stop(&worker);
    worker_join(&worker);
    assert_true(atomic_load(&worker.park_count) > 0);
    worker_fini(&worker);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static uint32_t stopping_poll(void *self, struct now now)
{
    worker_stop(self);
    return 0;
}

static void test_limits_and_names(void **state)
{
    struct worker worker, others[WORKER_DOWNSTREAMS_MAX + 1];
    assert_int_equal(worker_init(&worker, "full", WORKER_IDLE_PARK, -1), 0);
    const struct role role = {.name = "stop", .self = &worker, .poll = stopping_poll};
    for (int i = 0; i < WORKER_ROLES_MAX; i++)
        assert_int_equal(worker_role_add(&worker, &role), 0);
    assert_int_equal(worker_role_add(&worker, &role), ERR_FULL);
    _Atomic uint64_t head = 0;
    assert_int_equal(worker_downstream_add(&worker, &worker, &head), 0);
    for (int i = 0; i < WORKER_DOWNSTREAMS_MAX; i++)
        assert_int_equal(worker_downstream_add(&worker, &others[i], &head), 0);
    assert_int_equal(worker_downstream_add(&worker, &others[WORKER_DOWNSTREAMS_MAX], &head),
                     ERR_FULL);
    worker.cpu = 100000;
    assert_int_equal(worker_run(&worker), ERR_RANGE);
    assert_int_equal(worker_start(&worker), ERR_RANGE);
    worker_fini(&worker);

    enum worker_idle idle;
    assert_int_equal(worker_idle_of("doze", &idle), ERR_RANGE);
    assert_int_equal(worker_idle_of("hybrid", &idle), 0);
    assert_int_equal(idle, WORKER_IDLE_HYBRID);
    assert_string_equal(worker_idle_name(WORKER_IDLE_PARK), "park");
    assert_true(worker_idle_spins(WORKER_IDLE_SPIN) && !worker_idle_spins(WORKER_IDLE_YIELD));
}

static void test_run_ends_at_stop(void **state)
{
    struct worker worker;
    assert_int_equal(worker_init(&worker, "stop", WORKER_IDLE_PARK, 0), 0);
    const struct role role = {.name = "stop", .self = &worker, .poll = stopping_poll};
    assert_int_equal(worker_role_add(&worker, &role), 0);
    assert_int_equal(worker_run(&worker), 0);
    assert_int_equal(atomic_load(&worker.own_turns[0].turns), 1);
    worker_fini(&worker);
}

static _Atomic int where_cpu;

static uint32_t where_poll(void *self, struct now now)
{
    atomic_store(&where_cpu, sched_getcpu());
    return 0;
}

static bool where_idle(void *self)
{
    return true;
}

/* A worker goes where it is told, also out of a park, whatever it does without work; where it may
 * not go it stays. */
static void test_moves(void **state)
{
    static const enum worker_idle idles[] = {WORKER_IDLE_PARK, WORKER_IDLE_YIELD, WORKER_IDLE_SPIN,
                                             WORKER_IDLE_PAUSE, WORKER_IDLE_HYBRID};
    cpu_set_t mine;
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    for (size_t i = 0; i < sizeof(idles) / sizeof(idles[0]); i++) {
        struct worker worker;
        const struct role role = {.name = "where", .poll = where_poll, .idle = where_idle};
        assert_int_equal(worker_init(&worker, "where", idles[i], -1), 0);
        assert_int_equal(worker_role_add(&worker, &role), 0);
        assert_int_equal(worker_move(&worker, 0, NS_PER_S), ERR_CLOSED);
        assert_int_equal(worker_start(&worker), 0);
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (!CPU_ISSET(cpu, &mine))
                continue;
            assert_int_equal(worker_move(&worker, cpu, 10 * NS_PER_S), 0);
            assert_int_equal(atomic_load(&worker.cpu_now), cpu);
            cpu_set_t has;
            assert_int_equal(pthread_getaffinity_np(worker.thread, sizeof(has), &has), 0);
            assert_true(CPU_COUNT(&has) == 1 && CPU_ISSET(cpu, &has));
        }
        int last = atomic_load(&worker.cpu_now);
        assert_int_equal(worker_move(&worker, CPU_SETSIZE - 1, 10 * NS_PER_S), ERR_RANGE);
        assert_int_equal(worker_move(&worker, CPU_SETSIZE, 10 * NS_PER_S), ERR_RANGE);
        assert_int_equal(worker_move(&worker, -2, 10 * NS_PER_S), ERR_RANGE);
        assert_int_equal(atomic_load(&worker.cpu_now), last);
        assert_int_equal(worker_move(&worker, -1, 10 * NS_PER_S), 0);
        assert_int_equal(atomic_load(&worker.cpu_now), -1);
        worker_stop(&worker);
        worker_join(&worker);
        worker_fini(&worker);
    }
}

static uint32_t slow_poll(void *self, struct now now)
{
    usleep(300000);
    return 0;
}

/* A long turn is not interrupted: the move is said to be late, and is made when it ends. */
static void test_move_waits_for_the_turn(void **state)
{
    struct worker worker;
    const struct role role = {.name = "slow", .poll = slow_poll};
    assert_int_equal(worker_init(&worker, "slow", WORKER_IDLE_SPIN, -1), 0);
    assert_int_equal(worker_role_add(&worker, &role), 0);
    assert_int_equal(worker_start(&worker), 0);
    usleep(50000);
    assert_int_equal(worker_move(&worker, 0, 1000000), ERR_BUSY);
    for (int i = 0; i < 100 && atomic_load(&worker.cpu_now) != 0; i++)
        usleep(20000);
    assert_int_equal(atomic_load(&worker.cpu_now), 0);
    worker_stop(&worker);
    worker_join(&worker);
    worker_fini(&worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_wake_up_is_lost),
        cmocka_unit_test(test_hybrid_yield_and_pause_pass_too),
        cmocka_unit_test(test_many_ring_one),
        cmocka_unit_test(test_parked_costs_under_one_percent_and_keeps_deadlines),
        cmocka_unit_test(test_descriptor_ends_the_park),
        cmocka_unit_test(test_limits_and_names),
        cmocka_unit_test(test_run_ends_at_stop),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_move_waits_for_the_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
