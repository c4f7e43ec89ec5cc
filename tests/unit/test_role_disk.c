/* Goal: DISK answers for a batch only when it is durable, tells CORE the room it has, waits rather
 * than harms when it has none, and falls silent for good when a write fails. Method: the role on
 * real links and a real log tail, CORE played by the test, disk and time simulated. */
#include "consensus/role_disk.h"
#include "tests/fault/fault_disk.h"
#include "tests/sim/sim_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT (16u << 20)
#define MS      NS_PER_MS

struct bench {
    struct sim_disk *disk;
    struct fault_disk faulty;
    struct wal wal;
    struct log_tail tail;
    struct link core_disk, disk_core;
    struct counters page;
    struct role_disk role;
    struct now now;
    uint32_t failures;
    char failure[512];
    uint64_t durable, room, answers; /* what CORE was told */
};

static void bench_failed(void *self, const struct fault *fault)
{
    struct bench *bench = self;
    bench->failures++;
    strcpy(bench->failure, fault->text);
}

static int setup(void **state)
{
    struct bench *bench = lines_calloc(1, sizeof(*bench));
    struct wal_config config = {.segment_size = SEGMENT};
    struct wal_recovery recovery;
    struct fault fault;
    bench->disk = sim_disk_create(1, 1ull << 40);
    fault_disk_init(&bench->faulty, sim_disk_io(bench->disk), FAULT_DISK_EIO, UINT64_MAX);
    assert_int_equal(wal_open(&bench->wal, &bench->faulty.io, &config, &recovery, &fault), 0);
    struct log_tail_config tail = {
        .size = 32u << 20, .batch_size_max = LOG_TAIL_BATCH_SIZE_MAX, .block_size = 512};
    assert_int_equal(log_tail_init(&bench->tail, &tail), 0);
    assert_int_equal(link_init(&bench->core_disk, "core_disk", 4096), 0);
    assert_int_equal(link_init(&bench->disk_core, "disk_core", 4096), 0);
    counters_init(&bench->page, "disk", 0);
    struct role_disk_config role = {.tail = &bench->tail,
                                    .core_disk = &bench->core_disk,
                                    .disk_core = &bench->disk_core,
                                    .page = &bench->page,
                                    .failed = bench_failed,
                                    .failed_self = bench};
    assert_int_equal(role_disk_init(&bench->role, &role, &bench->wal), 0);
    bench->now = (struct now){100 * MS, 1};
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    sim_disk_crash(bench->disk, SIM_DISK_KILL);
    bench->wal.io = NULL;
    wal_close(&bench->wal);
    log_tail_fini(&bench->tail);
    link_fini(&bench->core_disk);
    link_fini(&bench->disk_core);
    sim_disk_destroy(bench->disk);
    free(bench);
    return 0;
}

/* One turn, `ms` later; then CORE reads its answers. */
static uint32_t turn(struct bench *bench, uint64_t ms)
{
    const struct disk_core *m;
    uint32_t size;
    bench->now.mono_ns += ms * MS;
    sim_disk_time(bench->disk, bench->now.mono_ns);
    uint32_t work = role_disk_poll(&bench->role, bench->now);
    for (; (m = link_peek(&bench->disk_core, &size)); bench->answers++) {
        if (m->kind == DISK_CORE_ROOM) {
            bench->room = m->index;
        } else {
            assert_int_equal(m->kind, DISK_CORE_DURABLE);
            bench->durable = m->index;
        }
        link_pop(&bench->disk_core);
    }
    link_release(&bench->disk_core);
    return work;
}

static void send(struct bench *bench, uint32_t size)
{
    struct core_disk batch;
    log_tail_written(&bench->tail, bench->tail.batch_start);
    log_tail_applied(&bench->tail, bench->tail.batch_start);
    uint8_t *payload = log_tail_append(&bench->tail, 1, size);
    assert_non_null(payload);
    memset(payload, 7, size);
    log_tail_seal(&bench->tail, payload);
    assert_true(log_tail_close_batch(&bench->tail, &batch));
    struct core_disk *at = link_reserve(&bench->core_disk, sizeof(batch));
    assert_non_null(at);
    *at = batch;
    link_publish(&bench->core_disk);
}

static void send_trim(struct bench *bench, uint64_t below)
{
    struct core_disk *at = link_reserve(&bench->core_disk, sizeof(*at));
    assert_non_null(at);
    *at = (struct core_disk){.kind = CORE_DISK_TRIM, .first_index = below};
    link_publish(&bench->core_disk);
}

/* Until the spare is ready. */
static void quiet(struct bench *bench)
{
    for (int i = 0; i < 1000 && bench->wal.spare != WAL_SPARE_READY; i++)
        turn(bench, 1);
    assert_int_equal(bench->wal.spare, WAL_SPARE_READY);
}

static void test_room_is_told_at_once(void **state)
{
    struct bench *bench = *state;
    turn(bench, 0);
    assert_int_equal(bench->room, 2 * (SEGMENT - 512)); /* the spare's room is reserved already */
    quiet(bench);
    assert_int_equal(bench->answers, 1); /* and nothing else is said while it does not change */
}

static void test_a_batch_is_answered_when_it_is_durable(void **state)
{
    struct bench *bench = *state;
    quiet(bench);
    sim_disk_latency(bench->disk, 5 * MS, 5 * MS);
    send(bench, 100);
    assert_false(role_disk_idle(&bench->role));
    assert_true(turn(bench, 1) > 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(turn(bench, 1), 0);
        assert_int_equal(bench->durable, 0);
        assert_int_equal(bench->room, 2 * (SEGMENT - 512) - 512);
        assert_false(role_disk_idle(&bench->role)); /* no park_fd: nothing would wake it */
    }
    assert_true(turn(bench, 1) > 0);
    assert_int_equal(bench->durable, 1);
    assert_int_equal(bench->room, 2 * (SEGMENT - 512) - 512);
    assert_true(role_disk_idle(&bench->role));
    assert_true(role_disk_deadline_ns(&bench->role, bench->now) == UINT64_MAX);
    assert_int_equal(counters_get(&bench->page, METRIC_disk_writes_total), 1);
    assert_int_equal(counters_get(&bench->page, METRIC_disk_written_bytes_total), 512);
    assert_int_equal(counters_get(&bench->page, METRIC_disk_sync_ns_max), 5 * MS);
}

static void test_segments_follow_each_other_under_load(void **state)
{
    struct bench *bench = *state;
    for (uint32_t i = 1; i <= 40; i++) { /* 40 x 1.5 MiB, and no quiet moment */
        send(bench, 3u << 19);
        for (int t = 0; t < 100 && bench->durable != i; t++)
            turn(bench, 0);
        assert_int_equal(bench->durable, i);
        assert_true(bench->room >= 8u << 20); /* CORE never had to refuse */
    }
    assert_true(wal_segment_count(&bench->wal) >= 4);
    assert_int_equal(counters_get(&bench->page, METRIC_disk_segments),
                     wal_segment_count(&bench->wal));
    uint64_t before = wal_segment_count(&bench->wal);
    send_trim(bench, 35);
    for (int t = 0; t < 100; t++)
        turn(bench, 1);
    assert_true(wal_segment_count(&bench->wal) < before);
    assert_true(wal_first_index(&bench->wal) <= 35);
}

static void test_a_full_disk_is_waited_for(void **state)
{
    struct bench *bench = *state;
    uint32_t sent = 0;
    turn(bench, 0);
    quiet(bench);
    sim_disk_capacity(bench->disk, 2 * SEGMENT + 4096);
    while (bench->room >= (4u << 20) && sent < 100) { /* CORE would stop at 8 MiB */
        send(bench, 3u << 20);
        sent++;
        for (int t = 0; t < 20 && bench->durable != sent; t++)
            turn(bench, 1);
    }
    send(bench, 3u << 20);
    send(bench, 3u << 20);
    sent += 2;
    for (int t = 0; t < 3000; t++)
        turn(bench, 1);
    assert_true(bench->durable < sent);
    assert_int_equal(bench->failures, 0);
    uint64_t deadline = role_disk_deadline_ns(&bench->role, bench->now);
    assert_true(deadline <= bench->now.mono_ns + WAL_RETRY_NS);
    sim_disk_capacity(bench->disk, 1ull << 40);
    for (int t = 0; t < 3000; t++)
        turn(bench, 1);
    assert_int_equal(bench->durable, sent);
    assert_true(bench->room >= SEGMENT);
}

static void test_a_failed_write_ends_it(void **state)
{
    struct bench *bench = *state;
    quiet(bench);
    bench->faulty.fail_at = bench->faulty.calls + 1; /* its end, behind its submission */
    send(bench, 100);
    for (int t = 0; t < 10; t++)
        turn(bench, 1);
    assert_int_equal(bench->failures, 1);
    assert_non_null(strstr(bench->failure, "the node stops"));
    assert_non_null(strstr(bench->failure, "injected"));
    assert_int_equal(bench->durable, 0);
    send(bench, 100); /* silence from here on */
    for (int t = 0; t < 10; t++)
        assert_int_equal(turn(bench, 1), 0);
    assert_int_equal(bench->durable, 0);
    assert_int_equal(bench->failures, 1);
    assert_true(role_disk_idle(&bench->role));
    assert_int_equal(role_disk_drain(&bench->role), ERR_IO);
}

static void test_a_write_that_cannot_be_submitted_ends_it(void **state)
{
    struct bench *bench = *state;
    quiet(bench);
    bench->faulty.fail_at = bench->faulty.calls;
    send(bench, 100);
    turn(bench, 1);
    turn(bench, 1);
    assert_int_equal(bench->failures, 1);
    assert_int_equal(bench->durable, 0);
}

static void test_small_segments_are_refused(void **state)
{
    struct bench *bench = *state;
    struct role_disk role;
    bench->wal.config.segment_size = SEGMENT / 2;
    assert_int_equal(role_disk_init(&role, &bench->role.config, &bench->wal), ERR_RANGE);
    bench->wal.config.segment_size = SEGMENT;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_room_is_told_at_once),
        TEST(test_a_batch_is_answered_when_it_is_durable),
        TEST(test_segments_follow_each_other_under_load),
        TEST(test_a_full_disk_is_waited_for),
        TEST(test_a_failed_write_ends_it),
        TEST(test_a_write_that_cannot_be_submitted_ends_it),
        TEST(test_small_segments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
