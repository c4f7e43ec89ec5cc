/* Goal: CORE orders, batches, commits, refuses and expires as role_core.h says. Method: the test
 * plays NET, DISK and APPLY on the other ends of its links, one turn at a time. */
#include "consensus/role_core.h"

#include "base/zk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ROOM_PLENTY (1ull << 40)

static struct {
    struct role_core core;
    struct log_tail tail;
    struct counters page;
    struct link net_core, core_apply, apply_core, core_disk, disk_core;
    struct now now;
    uint8_t random_next;
} t;

static void fill_random(void *self, void *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = t.random_next++;
}

static uint32_t turn(void)
{
    return role_core_poll(&t.core, t.now);
}

/* DISK's side: the batch in flight, or a zeroed struct. */
static struct core_disk take_batch(void)
{
    uint32_t size;
    const struct core_disk *at = link_peek(&t.core_disk, &size);
    struct core_disk batch;
    memset(&batch, 0, sizeof(batch));
    if (at) {
        batch = *at;
        link_pop(&t.core_disk);
        link_release(&t.core_disk);
    }
    return batch;
}

static void disk_says(enum disk_core_kind kind, uint64_t index)
{
    struct disk_core *at = link_reserve(&t.disk_core, sizeof(*at));
    *at = (struct disk_core){.kind = kind, .index = index};
    link_publish(&t.disk_core);
}

static void net_says(uint8_t kind, int64_t session, int32_t xid, const void *body, uint32_t size)
{
    struct command *at = link_reserve(&t.net_core, (uint32_t)sizeof(*at) + size);
    assert_non_null(at);
    memset(at, 0, sizeof(*at));
    at->kind = kind;
    at->version = COMMAND_VERSION;
    at->op = kind == COMMAND_REQUEST ? ZK_OP_SET_DATA : kind == COMMAND_QUERY ? ZK_OP_SYNC : 0;
    at->session = session;
    at->xid = xid;
    at->conn = 1;
    at->body_size = size;
    if (size)
        memcpy(at + 1, body, size);
    link_publish(&t.net_core);
}

static void apply_says(enum apply_core_kind kind, int64_t id, int32_t timeout_ms)
{
    struct apply_core *at = link_reserve(&t.apply_core, sizeof(*at));
    *at = (struct apply_core){.kind = kind, .id = id, .timeout_ms = timeout_ms};
    link_publish(&t.apply_core);
}

/* APPLY's side: the next record's head, kind 0 when there is none. */
static struct core_apply told(void)
{
    uint32_t size;
    const struct core_apply *at = link_peek(&t.core_apply, &size);
    struct core_apply head;
    memset(&head, 0, sizeof(head));
    if (at) {
        head = *at;
        link_pop(&t.core_apply);
        link_release(&t.core_apply);
    }
    return head;
}

static const struct command *command_at(uint64_t *index)
{
    return (const struct command *)(log_tail_entry(&t.tail, ++*index) + 1);
}

static int setup_without_room(void **state)
{
    struct raft raft;
    struct raft_output out;
    struct role_core_config config = {
        .node_id = 3,
        .tick_ms = 100,
        .session_max = 16,
        .waiting_depth = 1 << 20,
        .random = fill_random,
        .settings = {.version = COMMAND_SETTINGS_VERSION, .flags = 5}};
    memset(&t, 0, sizeof(t));
    t.now = (struct now){.mono_ns = 1000 * NS_PER_S, .wall_ms = 1700000000000};
    counters_init(&t.page, "core", 0);
    assert_int_equal(raft_init_alone(&raft, 3, 0, 0, 0, 0), 0);
    raft_step(&raft, &(struct raft_input){RAFT_INPUT_START, 0}, &out);
    raft_step(&raft, &(struct raft_input){RAFT_INPUT_SAVED, 0}, &out);
    struct log_tail_config tail = {
        .size = 16u << 20, .batch_size_max = LOG_TAIL_BATCH_SIZE_MAX, .block_size = 512};
    assert_int_equal(log_tail_init(&t.tail, &tail), 0);
    assert_int_equal(role_core_init(&t.core, &config, &raft, &t.tail, &t.page, 0, 0), 0);
    struct link *links[] = {&t.net_core, &t.core_apply, &t.apply_core, &t.core_disk, &t.disk_core};
    for (int i = 0; i < 5; i++)
        assert_int_equal(link_init(links[i], "test", 8u << 20), 0);
    t.core.net_core[0] = &t.net_core;
    t.core.net_count = 1;
    t.core.core_apply = &t.core_apply;
    t.core.apply_core = &t.apply_core;
    t.core.core_disk = &t.core_disk;
    t.core.disk_core = &t.disk_core;
    return 0;
}

static int setup(void **state)
{
    setup_without_room(state);
    disk_says(DISK_CORE_ROOM, ROOM_PLENTY);
    return 0;
}

static int teardown(void **state)
{
    struct link *links[] = {&t.net_core, &t.core_apply, &t.apply_core, &t.core_disk, &t.disk_core};
    for (int i = 0; i < 5; i++)
        link_fini(links[i]);
    role_core_fini(&t.core);
    log_tail_fini(&t.tail);
    return 0;
}

static void test_commits_only_what_disk_says_is_durable(void **state)
{
    uint64_t index = 0;
    turn();
    struct core_disk batch = take_batch();
    assert_int_equal(batch.first_index, 1); /* the no-op of the new term */
    assert_int_equal(batch.last_index, 1);
    const struct command *noop = command_at(&index);
    const struct command_settings *settings = (const struct command_settings *)(noop + 1);
    assert_int_equal(noop->kind, COMMAND_NOOP);
    assert_int_equal(noop->body_size, sizeof(*settings)); /* the leader's settings */
    assert_int_equal(settings->flags, 5);
    net_says(COMMAND_REQUEST, 7, 1, "abc", 3);
    turn();
    assert_int_equal(take_batch().size, 0); /* one write in flight at a time */
    assert_int_equal(told().kind, 0);
    net_says(COMMAND_REQUEST, 7, 2, "def", 3);
    disk_says(DISK_CORE_DURABLE, 1);
    turn();
    struct core_apply head = told();
    assert_int_equal(head.kind, CORE_APPLY_COMMIT);
    assert_int_equal(head.index, 1);
    batch = take_batch(); /* what arrived while the last was being written */
    assert_int_equal(batch.first_index, 2);
    assert_int_equal(batch.last_index, 3);
    assert_int_equal(command_at(&index)->xid, 1);
    assert_int_equal(command_at(&index)->xid, 2);
    disk_says(DISK_CORE_DURABLE, 3);
    turn();
    assert_int_equal(told().index, 3);
}

/* A node that starts again, its clock an hour back, and has no session left from before. */
static void test_session_ids_are_not_given_twice(void **state)
{
    uint64_t index = 0;
    turn();
    net_says(COMMAND_OPEN, 0, 0, NULL, 0);
    net_says(COMMAND_OPEN, 0, 0, NULL, 0);
    turn();
    command_at(&index);
    command_at(&index);
    const struct command *last = command_at(&index);
    int64_t id = last->session, time_ms = last->time_ms;
    for (uint32_t start = 0; start < 3; start++) {
        teardown(state);
        setup(state);
        t.core.time_ms = time_ms; /* as the log says */
        t.now.wall_ms -= 3600000;
        turn();
        if (start == 1) /* more of them than a stamp has */
            t.core.session_last = id = id + 200000;
        net_says(COMMAND_OPEN, 0, 0, NULL, 0);
        turn();
        index = 1;
        const struct command *open = command_at(&index);
        assert_int_equal(open->kind, COMMAND_OPEN);
        assert_true(open->session > id);
        assert_true(open->time_ms > time_ms);
        assert_int_equal((uint64_t)open->session >> 16 & 0xffffffffff,
                         (uint64_t)open->time_ms & 0xffffffffff);
        id = open->session;
        time_ms = open->time_ms;
    }
}

static void test_stamps_time_session_and_password(void **state)
{
    uint64_t index = 0;
    turn();
    net_says(COMMAND_OPEN, 0, 0, NULL, 0);
    net_says(COMMAND_OPEN, 0, 0, NULL, 0);
    turn();
    t.now.wall_ms -= 5000; /* wall time steps back; stamps do not */
    net_says(COMMAND_REQUEST, 1, 1, NULL, 0);
    turn();
    command_at(&index);
    const struct command *first = command_at(&index), *second = command_at(&index);
    assert_int_equal((uint64_t)first->session >> 56, 3);
    assert_true(second->session > first->session);
    assert_memory_not_equal(first->random, second->random, 16);
    assert_true(command_at(&index)->time_ms == first->time_ms);
}

/* The roles may begin in any order: a client that is faster than DISK's first turn waits for it. */
static void test_a_write_before_disk_told_its_room_waits(void **state)
{
    turn();
    net_says(COMMAND_REQUEST, 7, 1, NULL, 0);
    turn();
    /* only the term's first entry */
    assert_int_equal(counters_get(&t.page, METRIC_core_proposed_total), 1);
    assert_false(role_core_idle(&t.core));
    disk_says(DISK_CORE_ROOM, ROOM_PLENTY);
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_proposed_total), 2);
    assert_int_equal(counters_get(&t.page, METRIC_core_refused_total), 0);
}

static void test_a_full_disk_refuses_behind_what_was_proposed(void **state)
{
    turn();
    net_says(COMMAND_REQUEST, 7, 1, NULL, 0);
    turn();
    disk_says(DISK_CORE_ROOM, 1000);
    net_says(COMMAND_REQUEST, 7, 2, NULL, 0);
    turn();
    assert_int_equal(told().kind, 0); /* the refusal waits for xid 1 */
    disk_says(DISK_CORE_DURABLE, 1);
    turn();
    assert_int_equal(told().index, 1);
    assert_int_equal(told().kind, 0);
    disk_says(DISK_CORE_DURABLE, 2);
    turn();
    assert_int_equal(told().index, 2);
    struct core_apply head = told();
    assert_int_equal(head.kind, CORE_APPLY_REFUSE);
    assert_int_equal(head.error, ZK_SYSTEM_ERROR);
    disk_says(DISK_CORE_ROOM, ROOM_PLENTY); /* room again: service resumes */
    net_says(COMMAND_REQUEST, 7, 3, NULL, 0);
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_proposed_total), 3);
    assert_int_equal(counters_get(&t.page, METRIC_core_refused_total), 1);
}

static void test_a_query_waits_for_the_commit_that_covers_it(void **state)
{
    turn();
    net_says(COMMAND_REQUEST, 7, 1, NULL, 0);
    net_says(COMMAND_QUERY, 7, 2, NULL, 0);
    turn();
    disk_says(DISK_CORE_DURABLE, 1);
    turn();
    assert_int_equal(told().index, 1);
    assert_int_equal(told().kind, 0);
    disk_says(DISK_CORE_DURABLE, 2);
    turn();
    assert_int_equal(told().kind, CORE_APPLY_COMMIT);
    assert_int_equal(told().kind, CORE_APPLY_QUERY);
    net_says(COMMAND_QUERY, 7, 3, NULL, 0); /* nothing outstanding: at once */
    turn();
    assert_int_equal(told().kind, CORE_APPLY_QUERY);
}

/* Two writes of one batch become durable at once; what was asked between stays between them. */
static void test_a_query_between_two_writes_is_told_between_their_commits(void **state)
{
    turn();
    disk_says(DISK_CORE_DURABLE, 1); /* the first entry of the term */
    turn();
    assert_int_equal(told().index, 1);
    net_says(COMMAND_REQUEST, 7, 1, NULL, 0);
    net_says(COMMAND_QUERY, 7, 2, NULL, 0);
    net_says(COMMAND_REQUEST, 7, 3, NULL, 0);
    net_says(COMMAND_QUERY, 7, 4, NULL, 0);
    turn();
    assert_int_equal(told().kind, 0);
    disk_says(DISK_CORE_DURABLE, 3);
    turn();
    for (uint64_t index = 2; index <= 3; index++) {
        struct core_apply commit = told();
        assert_int_equal(commit.kind, CORE_APPLY_COMMIT);
        assert_int_equal(commit.index, index);
        struct core_apply query = told();
        assert_int_equal(query.kind, CORE_APPLY_QUERY);
        assert_int_equal(query.index, index);
    }
    assert_int_equal(told().kind, 0);
}

static void test_a_silent_session_is_expired_and_a_touched_one_is_not(void **state)
{
    uint64_t index = 0;
    int64_t touched = 11;
    turn();
    command_at(&index);
    apply_says(APPLY_CORE_SESSION, 10, 1000);
    apply_says(APPLY_CORE_SESSION, 11, 1000);
    turn();
    t.now.mono_ns += 900 * NS_PER_MS;
    net_says(COMMAND_TOUCH, 0, 0, &touched, sizeof(touched));
    turn();
    t.now.mono_ns += 300 * NS_PER_MS;
    turn(); /* the NETs are listened to */
    turn();
    const struct command *expire = command_at(&index);
    assert_int_equal(expire->kind, COMMAND_EXPIRE);
    assert_int_equal(expire->session, 10);
    assert_int_equal(counters_get(&t.page, METRIC_core_expired_total), 1);
    apply_says(APPLY_CORE_CLOSED, 10, 0);
    t.now.mono_ns += 300 * NS_PER_MS;
    turn();
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_expired_total), 1);
}

/* CORE stood still; meanwhile NET heard a session, told its client that it lives, and much else,
 * which takes CORE several turns. Sessions that were not heard end behind that. */
static void test_what_was_heard_meanwhile_comes_before_an_expiry(void **state)
{
    int64_t touched = 11;
    turn();
    apply_says(APPLY_CORE_SESSION, 10, 1000);
    apply_says(APPLY_CORE_SESSION, 11, 1000);
    turn();
    for (uint32_t i = 0; i < 2 * CORE_TURN_COMMANDS_MAX; i++)
        net_says(COMMAND_TOUCH, 0, 0, NULL, 0);
    net_says(COMMAND_TOUCH, 0, 0, &touched, sizeof(touched));
    t.now.mono_ns += 5000 * NS_PER_MS;
    for (int i = 0; i < 3; i++) {
        turn();
        assert_int_equal(counters_get(&t.page, METRIC_core_expired_total), 0);
        assert_true(role_core_deadline_ns(&t.core, t.now) <= t.now.mono_ns); /* no pause */
    }
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_expired_total), 1);
    apply_says(APPLY_CORE_CLOSED, 10, 0);
    t.now.mono_ns += 1000 * NS_PER_MS;
    turn();
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_expired_total), 1);
    t.now.mono_ns += 200 * NS_PER_MS;
    turn();
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_expired_total), 2);
}

/* NET says when it had heard a session: behind the beginning of CORE's turn, when that is long. */
static void test_a_session_lives_from_when_net_heard_it(void **state)
{
    int64_t touched = 11;
    turn();
    apply_says(APPLY_CORE_SESSION, 11, 1000);
    turn();
    net_says(COMMAND_TOUCH, 0, 0, &touched, sizeof(touched));
    uint32_t size;
    struct command *touch = (struct command *)link_peek(&t.net_core, &size);
    touch->sequence = t.now.mono_ns + 5000 * NS_PER_MS;
    turn();
    t.now.mono_ns += 5900 * NS_PER_MS;
    turn();
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_expired_total), 0);
    t.now.mono_ns += 300 * NS_PER_MS;
    turn();
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_expired_total), 1);
}

static void test_holds_when_the_batch_is_full(void **state)
{
    static uint8_t body[1 << 20];
    turn();
    for (int i = 0; i < 6; i++)
        net_says(COMMAND_REQUEST, 7, i, body, sizeof(body));
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_proposed_total), 3); /* no-op and 2 MiB */
    assert_true(role_core_idle(&t.core)); /* nothing to do until DISK answers */
    take_batch();
    disk_says(DISK_CORE_DURABLE, 1);
    assert_false(role_core_idle(&t.core));
    turn();
    struct core_disk batch = take_batch();
    assert_int_equal(batch.last_index, 3);
    turn();
    assert_int_equal(counters_get(&t.page, METRIC_core_proposed_total), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commits_only_what_disk_says_is_durable, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_session_ids_are_not_given_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stamps_time_session_and_password, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk_refuses_behind_what_was_proposed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_write_before_disk_told_its_room_waits,
                                        setup_without_room, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_query_between_two_writes_is_told_between_their_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_query_waits_for_the_commit_that_covers_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_silent_session_is_expired_and_a_touched_one_is_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_heard_meanwhile_comes_before_an_expiry, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_session_lives_from_when_net_heard_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_holds_when_the_batch_is_full, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
