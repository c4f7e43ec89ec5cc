/* Goal: the state machine answers as the model does, command for command: reply, body, zxid,
 * changes, and the whole tree in between. Method: random programs over few sessions, few paths and
 * many kinds of mistake, a few thousand seeds; a failure prints the seed, and TAKT_SEED=<seed> runs
 * that one alone. */
#include "base/rand.h"
#include "tests/model/model.h"
#include "tests/model/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifndef MODEL_SEED_COUNT
#define MODEL_SEED_COUNT 3000
#endif
#define STEP_COUNT 250

static struct world w;
static struct model *model;
static struct rand dice;
static uint64_t seed;
static uint32_t step;
static int64_t sids[4];
static uint32_t attaches[4];
static uint64_t sequences[4];
static bool gone[4];
static uint64_t answered_ok, answered_error, multis_ok, changes_seen;

static uint32_t below(uint32_t bound)
{
    return (uint32_t)rand_below(&dice, bound);
}

static void mistake(const char *what)
{
    fail_msg("seed %llu, step %u: %s (error %d)", (unsigned long long)seed, step, what,
             w.reply.error);
}

static const char *random_path(void)
{
    static const char *const parts[] = {"a",
                                        "b",
                                        "c",
                                        "a",
                                        "b",
                                        "c",
                                        ".",
                                        "..",
                                        "",
                                        "x\x01",
                                        "\xC3\xA9",
                                        "\xF0\x9F\x98\x80",
                                        "\xC3",
                                        "zookeeper_limits",
                                        "zookeeper_stats"};
    static const char *const fixed[] = {"/",
                                        "/zookeeper",
                                        "/zookeeper/quota",
                                        "/zookeeper/config",
                                        "/zookeeper/quota/a",
                                        "/zookeeper/quota/a/b",
                                        "",
                                        "bad",
                                        "/zookeeper/quota/a/zookeeper_limits",
                                        "/zookeeper/quota/a/zookeeper_stats",
                                        "/zookeeper/quota/a/b/zookeeper_limits",
                                        "/zookeeper/quota/a/b/zookeeper_stats"};
    static char path[128];
    if (below(100) == 0)
        return NULL;
    if (below(5) == 0)
        return fixed[below(12)];
    uint32_t depth = 1 + below(1 + below(3)), good = below(10);
    path[0] = 0;
    for (uint32_t i = 0; i < depth; i++) {
        size_t size = strlen(path);
        snprintf(path + size, sizeof path - size, "/%s", parts[below(good ? 2 : 15)]);
    }
    return path;
}

static const char *random_data(void)
{
    static const char *const data[] = {"",
                                       "1",
                                       "some data",
                                       "count=-1,bytes=-1=;countHardLimit=4",
                                       "count=2,bytes=5=;byteHardLimit=12",
                                       "count=0,bytes=0"};
    return below(12) == 0 ? NULL : data[below(6)];
}

static void put_acl(void)
{
    static const struct {
        int32_t perms;
        const char *scheme, *id;
    } kinds[] = {{31, "world", "anyone"}, {1, "world", "anyone"}, {31, "auth", ""},
                 {31, "digest", "bob:h"}, {9, "digest", "al:h"},  {31, "ip", "10.0.0.0/24"},
                 {6, "ip", "10.0.0.1"},   {31, "ip", "::1/64"},   {22, "world", "anyone"},
                 {31, "digest", "nope"},  {31, "nobody", "x"},    {31, NULL, "x"},
                 {31, "ip", "10.0.0"},    {0, "world", "anyone"}, {31, "world", "else"}};
    uint32_t count = below(8) ? 1 : below(4), easy = below(3);
    if (below(150) == 0) {
        jute_put_int(&w.out, -1);
        return;
    }
    jute_put_int(&w.out, (int32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = easy ? 0 : below(below(4) ? 9 : 15);
        jute_put_int(&w.out, kinds[kind].perms);
        world_put_string(&w, kinds[kind].scheme);
        world_put_string(&w, kinds[kind].id);
    }
}

static int32_t random_version(void)
{
    return below(2) ? -1 : (int32_t)below(5) - 2;
}

static void put_op(int32_t op)
{
    static const int64_t ttls[] = {5, 30, 1, 0, -1, 1ll << 40};
    bool create = op == ZK_OP_CREATE || op == ZK_OP_CREATE2 || op == ZK_OP_CREATE_CONTAINER ||
                  op == ZK_OP_CREATE_TTL;
    world_put_string(&w, random_path());
    if (create || op == ZK_OP_SET_DATA)
        world_put_string(&w, random_data());
    if (create || op == ZK_OP_SET_ACL)
        put_acl();
    if (create) {
        int32_t usual = op == ZK_OP_CREATE_TTL ? 5 + (int32_t)below(2) : (int32_t)below(4);
        jute_put_int(&w.out, below(8) ? usual : (int32_t)below(9) - 1);
        if (op == ZK_OP_CREATE_TTL)
            jute_put_long(&w.out, ttls[below(6)]);
    } else {
        jute_put_int(&w.out, random_version());
    }
}

static int32_t random_op(bool in_multi)
{
    static const int32_t ops[] = {
        ZK_OP_CREATE,     ZK_OP_CREATE2, ZK_OP_CREATE, ZK_OP_CREATE_CONTAINER,
        ZK_OP_CREATE_TTL, ZK_OP_DELETE,  ZK_OP_DELETE, ZK_OP_SET_DATA,
        ZK_OP_SET_DATA,   ZK_OP_CHECK,   ZK_OP_SET_ACL};
    static const int32_t odd[] = {ZK_OP_CREATE_SESSION, ZK_OP_DELETE_CONTAINER, ZK_OP_GET_DATA,
                                  ZK_OP_RECONFIG, 99};
    if (below(60) == 0)
        return odd[below(5)];
    return ops[below(in_multi ? 10 : 11)];
}

static int32_t build_request(void)
{
    int32_t op = below(4) == 0 ? ZK_OP_MULTI : random_op(false);
    world_begin(&w);
    if (op == ZK_OP_MULTI) {
        for (uint32_t left = below(6); left > 0; left--) {
            int32_t one = random_op(true);
            world_put_header(&w, one, false);
            put_op(one);
        }
        if (below(20))
            world_put_header(&w, -1, true);
    } else if (op == ZK_OP_RECONFIG) {
        for (int i = 0; i < 3; i++)
            world_put_string(&w, NULL);
        jute_put_long(&w.out, -1);
    } else {
        put_op(op);
    }
    size_t size = (size_t)(w.out.at - w.request);
    if (size && below(40) == 0)
        w.out.at = w.request + below((uint32_t)size);
    return op;
}

static void compare(const struct model_result *want)
{
    if (want->answered != (w.reply_count == 1))
        mistake("answered or not");
    if (want->zxid != machine_zxid(w.machine))
        mistake("zxid");
    if (want->answered) {
        if (want->error != w.reply.error) {
            fail_msg("seed %llu, step %u: error %d, the model says %d", (unsigned long long)seed,
                     step, w.reply.error, want->error);
        }
        bool opens = w.reply.command_kind == COMMAND_OPEN || w.reply.command_kind == COMMAND_ATTACH;
        if (want->zxid != w.reply.head.zxid || (opens && want->session != w.reply.session) ||
            (opens && want->attach != w.reply.attach))
            mistake("reply's zxid or session");
        if (!bytes_equal(want->body, bytes_of(w.body, (size_t)w.body_size)))
            mistake("body");
        *(want->error ? &answered_error : &answered_ok) += 1;
    }
    if (want->change_count != w.change_count)
        mistake("count of changes");
    for (uint32_t i = 0; i < want->change_count && i < WORLD_CHANGE_COUNT; i++) {
        if (want->changes[i].event != w.changes[i].event || w.changes[i].zxid != want->zxid ||
            !bytes_equal(want->changes[i].path, bytes_of_string(w.changes[i].path)))
            mistake("a change");
    }
    changes_seen += want->change_count;
    for (uint32_t i = 0; want->session_gone && i < 4; i++)
        gone[i] |= sids[i] == w.session.session;
    if (want->session_gone != (w.session_count && w.session.state != SESSION_ATTACHED))
        mistake("session gone");
}

static void compare_trees(void)
{
    struct tree_view view = tree_view(w.tree);
    uint32_t count = model_node_count(model);
    if (tree_descendant_count(&view, tree_get(&view, bytes_of("/", 1))) + 1 != count)
        mistake("count of nodes");
    for (uint32_t i = 0; i < count; i++) {
        const struct model_node *want = model_node_at(model, i);
        const struct znode *node = tree_get(&view, want->path);
        struct zk_stat a, b;
        if (!node)
            mistake("a node is missing");
        znode_stat(node, &a);
        model_stat(want, &b);
        if (!world_stat_equal(&a, &b) || !bytes_equal(znode_data(node), want->data) ||
            znode_owner(node) != want->owner || znode_creations(node) != want->creations ||
            !bytes_equal(acl_packed(machine_acls(w.machine), znode_acl(node)), want->acl))
            mistake("a node differs");
    }
}

static struct command command_of(uint32_t who, uint8_t kind)
{
    struct command c = {.kind = kind,
                        .version = COMMAND_VERSION,
                        .session = sids[who],
                        .conn = 7,
                        .attach = attaches[who],
                        .time_ms = w.time_ms};
    if (below(60) == 0)
        c.session = 0x999;
    if (below(60) == 0)
        c.attach = 1;
    if (below(2)) {
        sequences[who] += below(12) ? 1 : below(3);
        c.sequence = sequences[who];
    }
    memcpy(c.random, &sids[who], 8);
    return c;
}

static void send(struct command c, const void *body, size_t size)
{
    c.body_size = (uint32_t)size;
    world_apply(&w, c, body, size);
    compare(model_apply(model, w.term, &c, body));
}

static void step_session(uint32_t who)
{
    struct session_open open = {
        .timeout_ms = below(30) ? 4000 : 0,
        .password_size = below(10) ? 16 : 3,
        .client.ip = {[10] = 0xFF, 0xFF, 10, 0, 0, (uint8_t)(1 + below(3))}};
    bool fresh = gone[who] || below(20) == 0;
    struct command c = command_of(who, fresh ? COMMAND_OPEN : COMMAND_ATTACH);
    memcpy(open.password, c.random, 16);
    send(c, &open, below(40) ? sizeof open : 5);
    if (w.reply.error == ZK_OK) {
        attaches[who] = w.reply.attach;
        sequences[who] = 0;
        gone[who] = false;
    }
}

static void step_auth(uint32_t who)
{
    static const char *const ids[] = {"bob:h", "al:h", "bob:h"};
    uint8_t packed[128];
    bool super = below(20) == 0;
    int32_t size =
        acl_identities_one(packed, sizeof packed, bytes_of_string(super ? "super" : "digest"),
                           bytes_of_string(super ? "" : ids[below(3)]));
    send(command_of(who, COMMAND_AUTH), packed, (size_t)size);
}

static void step_query(uint32_t who)
{
    struct command c = command_of(who, COMMAND_QUERY);
    c.op = ZK_OP_SYNC;
    world_begin(&w);
    world_put_string(&w, random_path());
    size_t size = (size_t)(w.out.at - w.request);
    c.body_size = (uint32_t)size;
    world_query(&w, c, w.request, size);
    compare(model_query(model, &c, w.request));
}

/* A new leader, often with other settings. */
static void step_leader(void)
{
    struct command_settings settings = machine_settings(w.machine);
    settings.flags = below(16);
    settings.container_unused_ms = below(2) * 50;
    settings.session_count_max = 2 + below(3);
    w.term++;
    send(command_of(0, COMMAND_NOOP), &settings, below(3) ? sizeof settings : 0);
}

static void step_once(void)
{
    uint32_t who = below(4), what = below(4) ? 12 + below(88) : below(100);
    w.time_ms += below(4) ? below(20) : -(int64_t)below(5);
    w.time_ms = w.time_ms < 1 ? 1 : w.time_ms;
    if (below(80) == 0)
        step_leader();
    if (what < 6) {
        step_session(who);
    } else if (what < 10) {
        step_auth(who);
    } else if (what < 12) {
        send(command_of(who, COMMAND_EXPIRE), NULL, 0);
    } else if (what < 18) {
        const char *path = random_path();
        send(command_of(who, COMMAND_REAP), path, path ? strlen(path) : 0);
    } else if (what < 20) {
        step_query(who);
    } else if (what < 21) {
        send(command_of(who, COMMAND_ATTACH), NULL, 0);
    } else {
        struct command c = command_of(who, COMMAND_REQUEST);
        c.op = build_request();
        if (below(120) == 0)
            c.op = ZK_OP_CLOSE_SESSION;
        send(c, w.request, (size_t)(w.out.at - w.request));
        multis_ok += c.op == ZK_OP_MULTI && w.change_count > 0;
    }
}

static void run(uint64_t with_seed)
{
    rand_seed(&dice, seed = with_seed);
    struct machine_config config = {.session_count_max = 4 - below(2), .acl_count_max = 64};
    config.extended_types = below(4) > 0;
    config.enforce_quota = below(2);
    config.skip_acl = below(10) == 0;
    config.reconfig_enabled = below(2);
    config.container_unused_ms = below(2) * 50;
    struct model_config model_config = {
        config.extended_types,   config.enforce_quota,       config.skip_acl,
        config.reconfig_enabled, config.container_unused_ms, config.session_count_max};
    world_init(&w, &config, 0);
    model = model_create(&model_config);
    for (uint32_t i = 0; i < 4; i++) {
        struct session_open open = {.timeout_ms = 4000,
                                    .client.ip = {[10] = 0xFF, 0xFF, 10, 0, 0, 1}};
        sids[i] = 0x1000 + i;
        gone[i] = false;
        attaches[i] = 1;
        sequences[i] = 0;
        struct command c = {.kind = COMMAND_OPEN,
                            .version = COMMAND_VERSION,
                            .session = sids[i],
                            .time_ms = w.time_ms};
        memcpy(c.random, &sids[i], 8);
        send(c, &open, sizeof open);
    }
    for (step = 0; step < STEP_COUNT; step++) {
        step_once();
        if (step % 16 == 0)
            compare_trees();
    }
    compare_trees();
    model_destroy(model);
    world_fini(&w);
}

static void test_random_programs(void **state)
{
    const char *one = getenv("TAKT_SEED");
    (void)state;
    if (one) {
        run(strtoull(one, NULL, 0));
        return;
    }
    for (uint64_t s = 1; s <= MODEL_SEED_COUNT; s++)
        run(s);
    /* The programs do something: most of all they must reach success, failure and multis. */
    assert_true(answered_ok > MODEL_SEED_COUNT * 10);
    assert_true(answered_error > MODEL_SEED_COUNT * 10);
    assert_true(multis_ok > MODEL_SEED_COUNT / 2);
    assert_true(changes_seen > MODEL_SEED_COUNT * 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
