/* Goal: APPLY answers only what was asked of this start of this node, and tells CORE how far the
 * lanes are, what was cancelled, and the state hash, in an order that CORE can act on. Method: the
 * test is the log, CORE and one NET. */
#include "store/role_apply.h"
#include "tests/model/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NODE 2
#define NOW  7 /* the incarnation */
#define LOG  1024

static struct {
    struct world w;
    struct role_apply apply;
    struct link core_apply, apply_core, apply_net, apply_ctl, ctl_apply;
    struct counters page;
    struct command log[LOG];
    uint64_t last, next;
    struct now now;
} t;

static void entry_next(void *self, struct entry *entry)
{
    (void)self;
    *entry = (struct entry){
        .index = t.next + 1, .term = 1, .payload = &t.log[t.next], .size = sizeof(t.log[0])};
    t.next++;
}

static void entry_done(void *self)
{
    (void)self;
}

static int setup(void **state)
{
    struct machine_config config = world_config_default();
    struct entry_source source = {NULL, entry_next, entry_done};
    (void)state;
    memset(&t, 0, sizeof(t));
    world_init(&t.w, &config, 0);
    counters_init(&t.page, "apply", 0);
    struct link *links[] = {&t.core_apply, &t.apply_core, &t.apply_net, &t.apply_ctl, &t.ctl_apply};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        assert_int_equal(link_init(links[i], "test", 1 << 20), 0);
    assert_int_equal(role_apply_init(&t.apply, t.w.machine, t.w.tree, &source, &t.page, NODE, 0),
                     0);
    t.apply.incarnation = NOW;
    t.apply.net_count = 1;
    t.apply.apply_net[0] = &t.apply_net;
    t.apply.core_apply = &t.core_apply;
    t.apply.apply_core = &t.apply_core;
    t.apply.apply_ctl = &t.apply_ctl;
    t.apply.ctl_apply = &t.ctl_apply;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    role_apply_fini(&t.apply);
    world_fini(&t.w);
    struct link *links[] = {&t.core_apply, &t.apply_core, &t.apply_net, &t.apply_ctl, &t.ctl_apply};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        link_fini(links[i]);
    return 0;
}

/* A delete that cannot be decoded: answered, and without effect. */
static void log_add(uint8_t kind, uint8_t node, uint64_t incarnation, uint64_t lane)
{
    assert_true(t.last < LOG);
    t.log[t.last++] = (struct command){.kind = kind,
                                       .version = COMMAND_VERSION,
                                       .op = kind == COMMAND_REQUEST ? ZK_OP_DELETE : 0,
                                       .node = node,
                                       .net = node == NODE ? 0 : 200,
                                       .conn = kind == COMMAND_REQUEST ? 1 + lane : 0,
                                       .incarnation = incarnation,
                                       .lane = lane};
}

static void core_says(uint32_t kind, uint64_t index, const struct command *command)
{
    uint32_t size = command ? sizeof(*command) : 0;
    struct core_apply *at = link_reserve(&t.core_apply, (uint32_t)sizeof(*at) + size);
    *at = (struct core_apply){.kind = kind, .index = index, .error = ZK_SYSTEM_ERROR};
    if (size)
        memcpy(at + 1, command, size);
    link_publish(&t.core_apply);
}

static void commit(void)
{
    core_says(CORE_APPLY_COMMIT, t.last, NULL);
    while (!role_apply_idle(&t.apply))
        role_apply_poll(&t.apply, t.now);
}

/* The conn of the next reply; 0: there is none. */
static uint64_t next_reply(void)
{
    uint32_t size;
    const struct apply_reply *reply = link_peek(&t.apply_net, &size);
    if (!reply)
        return 0;
    assert_int_equal(reply->head.kind, APPLY_NET_REPLY);
    uint64_t conn = reply->conn;
    link_pop(&t.apply_net);
    link_release(&t.apply_net);
    return conn;
}

/* The next record for CORE, and in *lane what follows it. */
static struct apply_core next_told(struct command_lane *lane)
{
    uint32_t size;
    const struct apply_core *at = link_peek(&t.apply_core, &size);
    struct apply_core told = {0};
    memset(lane, 0, sizeof(*lane));
    if (!at)
        return told;
    told = *at;
    assert_int_equal(size, sizeof(told) + told.size);
    memcpy(lane, at + 1, told.size < sizeof(*lane) ? told.size : sizeof(*lane));
    link_pop(&t.apply_core);
    link_release(&t.apply_core);
    return told;
}

static void expect_lane(uint32_t kind, uint64_t lane)
{
    struct command_lane told;
    assert_int_equal(next_told(&told).kind, kind);
    assert_int_equal(told.node, NODE);
    assert_int_equal(told.incarnation, NOW);
    assert_int_equal(told.lane, lane);
}

static void expect_nothing(void)
{
    struct command_lane told;
    assert_int_equal(next_told(&told).kind, 0);
}

static void test_answers_only_this_start(void **state)
{
    (void)state;
    log_add(COMMAND_REQUEST, NODE, NOW - 1, 1); /* of before the restart */
    log_add(COMMAND_REQUEST, NODE, 0, 0);       /* of when it was alone */
    log_add(COMMAND_REQUEST, 3, NOW, 1);        /* another node's, of a NET that is not here */
    log_add(COMMAND_REQUEST, NODE, NOW, 1);
    log_add(COMMAND_REQUEST, NODE, NOW, 1); /* a repeat */
    log_add(COMMAND_REQUEST, NODE, NOW, 2);
    commit();
    assert_int_equal(next_reply(), 2);
    assert_int_equal(next_reply(), 3);
    assert_int_equal(next_reply(), 0);
    expect_lane(APPLY_CORE_LANE, 2); /* once a turn */
    expect_nothing();
    struct command refused = {.version = COMMAND_VERSION, .node = NODE, .conn = 9};
    core_says(CORE_APPLY_REFUSE, t.last, &refused); /* never had a lane; CORE says it itself */
    commit();
    assert_int_equal(next_reply(), 9);
}

static void test_first_entry_of_a_term_tells_all(void **state)
{
    struct command_lane told;
    (void)state;
    log_add(COMMAND_REQUEST, 3, 5, 1);
    log_add(COMMAND_REQUEST, NODE, NOW, 1);
    log_add(COMMAND_NOOP, 3, 0, 0);
    log_add(COMMAND_REQUEST, NODE, NOW, 2);
    commit();
    expect_lane(APPLY_CORE_LANE, 1);
    struct apply_core all = next_told(&told);
    assert_int_equal(all.kind, APPLY_CORE_LANES);
    assert_int_equal(all.id, 3);
    assert_int_equal(all.size, 2 * sizeof(told));
    assert_int_equal(told.node, NODE);
    assert_int_equal(told.lane, 1); /* as of the entry, not of the turn's end */
    expect_lane(APPLY_CORE_LANE, 2);
    expect_nothing();
}

static void test_cancelled(void **state)
{
    (void)state;
    log_add(COMMAND_REQUEST, NODE, NOW, 1);
    log_add(COMMAND_CANCEL, NODE, NOW, 4);
    log_add(COMMAND_REQUEST, NODE, NOW, 3);
    log_add(COMMAND_REQUEST, NODE, NOW, 5);
    log_add(COMMAND_CANCEL, 3, NOW, 4);    /* another's */
    log_add(COMMAND_CANCEL, NODE, NOW, 2); /* a repeat */
    commit();
    expect_lane(APPLY_CORE_LANE, 1); /* first what was applied, then what never will be */
    expect_lane(APPLY_CORE_CANCELLED, 4);
    expect_lane(APPLY_CORE_LANE, 5);
    expect_nothing();
    assert_int_equal(next_reply(), 2);
    assert_int_equal(next_reply(), 6);
    assert_int_equal(next_reply(), 0);
}

static void test_hash_of_the_same_entries(void **state)
{
    uint64_t before = 0;
    (void)state;
    for (int i = 0; i < 600; i++)
        log_add(COMMAND_NOOP, 3, 0, 0);
    commit();
    uint32_t hashes = 0;
    struct command_lane bytes;
    for (struct apply_core told; (told = next_told(&bytes)).kind;) {
        if (told.kind != APPLY_CORE_HASH)
            continue;
        hashes++;
        assert_int_equal(told.id, hashes * APPLY_HASH_EVERY);
        assert_int_equal(told.size, sizeof(uint64_t));
        assert_true(bytes.incarnation != before);
        before = bytes.incarnation; /* the first eight bytes that followed */
    }
    assert_int_equal(hashes, 2);
}

static void test_alone_says_nothing_of_lanes(void **state)
{
    (void)state;
    t.apply.incarnation = 0;
    for (int i = 0; i < 300; i++)
        log_add(i % 2 ? COMMAND_NOOP : COMMAND_REQUEST, NODE, 0, 0);
    commit();
    expect_nothing();
    for (int i = 0; i < 150; i++)
        assert_int_equal(next_reply(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers_only_this_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_entry_of_a_term_tells_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_of_the_same_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alone_says_nothing_of_lanes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
