/* Goal: store/tree.h does what it says, each error and each counter, a view stays one state, and a
 * rollback leaves nothing. Method: directed cases after zk_protocol.md section 9, then random
 * programs against a naive twin (tree_twin.h) with views of different ages kept open. */
#include "tests/unit/tree_twin.h"

#include "base/jute_stat.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

static struct tree *make_tree(uint64_t limit)
{
    struct tree *tree;
    struct tree_config config = {limit, 100000, 7};
    assert_int_equal(tree_create(&tree, &config), 0);
    return tree;
}

static struct bytes b(const char *text)
{
    return bytes_of_string(text);
}

/* Nobody reads: everything that can be freed is freed. */
static void settle(struct tree *tree)
{
    for (struct tree_batch *batch; (batch = tree_retired(tree)) != NULL;)
        tree_reclaim(tree, batch);
}

/* What is encoded at once is what is encoded of the struct. */
static struct zk_stat stat_of(struct tree *tree, const char *path)
{
    uint8_t at_once[ZK_STAT_SIZE], of_struct[ZK_STAT_SIZE];
    struct jute_out out = jute_out(of_struct, sizeof(of_struct));
    struct tree_view view = tree_view(tree);
    struct zk_stat stat = {0};
    const struct znode *node = tree_get(&view, b(path));
    assert_non_null(node);
    znode_stat(node, &stat);
    znode_stat_put(node, at_once);
    jute_stat_put(&out, &stat);
    assert_memory_equal(at_once, of_struct, ZK_STAT_SIZE);
    return stat;
}

static void test_fresh_tree(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    static struct twin twin;
    twin_init(&twin);
    struct tree_view view = tree_view(tree);
    assert_true(view.zxid == 0);
    twin_agrees(&twin, &view);
    assert_int_equal(stat_of(tree, "/").cversion, -1);
    assert_int_equal(stat_of(tree, "/zookeeper").cversion, -2);
    assert_int_equal(stat_of(tree, "/zookeeper/config").aversion, -1);
    assert_true(tree_node_count(tree) == 5);
    assert_true(tree_data_size(tree) == 44);
    assert_null(tree_get(&view, b("")));
    assert_null(tree_get(&view, (struct bytes){NULL, -1}));
    assert_int_equal(znode_name(tree_get(&view, b("/"))).size, 0);
    tree_destroy(tree);
}

/* Names around the size that a version keeps beside its path, with and without children and blob.
 */
static void test_names_of_every_size(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    static uint8_t big[600];
    char path[600] = "/";
    int64_t zxid = 0;
    for (int size = 1; size < 300; size++) {
        memset(path + 1, 'x', (size_t)size);
        path[1 + size] = 0;
        tree_begin(tree, ++zxid, 1);
        assert_int_equal(tree_add(tree, b(path), bytes_of(big, size % 3 ? 5 : 600), 0, 0), 0);
        strcat(path, "/child");
        if (size % 2)
            assert_int_equal(tree_add(tree, b(path), b("v"), 0, 0), 0);
        tree_commit(tree);
        path[1 + size] = 0;
        const struct znode *node = tree_find(tree, b(path));
        assert_true(bytes_equal(znode_name(node), b(path + 1)));
        assert_true(bytes_equal(znode_path(node), b(path)));
        assert_int_equal(znode_data(node).size, size % 3 ? 5 : 600);
        strcpy(path + 1 + size, "/child");
        if (size % 2)
            assert_true(bytes_equal(znode_name(tree_find(tree, b(path))), b("child")));
    }
    tree_destroy(tree);
}

static void test_config_out_of_range(void **state)
{
    struct tree *tree = NULL;
    assert_int_equal(tree_create(&tree, &(struct tree_config){1 << 20, 15, 0}), ERR_RANGE);
    assert_int_equal(tree_create(&tree, &(struct tree_config){1 << 20, 1ull << 32, 0}), ERR_RANGE);
    assert_null(tree);
}

/* No address space for the hash: nothing is left behind. Sanitizers need theirs. */
static void test_no_address_space(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
    skip();
#else
    struct rlimit before, tight = {1ull << 32, 1ull << 32};
    struct tree *tree = NULL;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    int err = tree_create(&tree, &(struct tree_config){UINT64_MAX, (1ull << 32) - 1, 0});
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(err, ERR_NOMEM);
    assert_null(tree);
    tree_destroy(tree);
#endif
}

static void test_unpublished_is_unseen(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    tree_begin(tree, 1, 1000);
    assert_int_equal(tree_add(tree, b("/a"), b("x"), 0, 0), 0);
    struct tree_view view = tree_view(tree);
    assert_non_null(tree_find(tree, b("/a")));
    assert_null(tree_get(&view, b("/a")));
    tree_commit(tree);
    view = tree_view(tree);
    assert_null(tree_get(&view, b("/a")));
    assert_int_equal(stat_of(tree, "/").num_children, 1);
    tree_publish(tree, 1);
    assert_null(tree_get(&view, b("/a")));
    view = tree_view(tree);
    assert_non_null(tree_get(&view, b("/a")));
    assert_int_equal(stat_of(tree, "/").num_children, 2);
    tree_destroy(tree);
}

static void test_stat_of_each_change(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    tree_begin(tree, 1, 100);
    assert_int_equal(tree_add(tree, b("/a"), b("one"), 3, 77), 0);
    assert_int_equal(tree_add(tree, b("/c"), (struct bytes){NULL, -1}, 0, ZK_OWNER_CONTAINER), 0);
    assert_int_equal(tree_add(tree, b("/t"), b(""), 0, (int64_t)(ZK_OWNER_TTL_TOP | 9)), 0);
    tree_commit(tree);
    tree_begin(tree, 2, 200);
    assert_int_equal(tree_set(tree, b("/a"), b("three")), 0);
    tree_commit(tree);
    tree_begin(tree, 3, 300);
    tree_set_acl(tree, b("/a"), 9);
    tree_commit(tree);
    tree_begin(tree, 4, 400);
    assert_int_equal(tree_set_silent(tree, b("/a"), b("sixsix")), 0);
    tree_commit(tree);
    tree_publish(tree, 4);
    struct zk_stat stat = stat_of(tree, "/a");
    assert_true(stat.czxid == 1 && stat.mzxid == 2 && stat.pzxid == 1);
    assert_true(stat.ctime_ms == 100 && stat.mtime_ms == 200);
    assert_true(stat.version == 1 && stat.aversion == 1 && stat.cversion == 0);
    assert_true(stat.ephemeral_owner == 77 && stat.data_length == 6 && stat.num_children == 0);
    assert_true(stat_of(tree, "/c").ephemeral_owner == 0);
    assert_true(stat_of(tree, "/t").ephemeral_owner == 0);
    struct tree_view view = tree_view(tree);
    assert_true(znode_owner(tree_get(&view, b("/t"))) == (int64_t)(ZK_OWNER_TTL_TOP | 9));
    assert_int_equal(znode_data(tree_get(&view, b("/c"))).size, -1);
    assert_int_equal(znode_data(tree_get(&view, b("/t"))).size, 0);
    assert_int_equal(znode_acl(tree_get(&view, b("/a"))), 9);
    stat = stat_of(tree, "/");
    assert_true(stat.cversion == 2 && stat.num_children == 4 && stat.pzxid == 1);
    tree_begin(tree, 5, 500);
    tree_remove(tree, b("/c"));
    tree_commit(tree);
    tree_publish(tree, 5);
    stat = stat_of(tree, "/");
    assert_true(stat.cversion == 3 && stat.num_children == 3 && stat.pzxid == 5);
    assert_true(stat.mzxid == 0 && stat.version == 0);
    tree_destroy(tree);
}

static void test_limit_refuses_growth_only(void **state)
{
    struct tree *probe = make_tree(UINT64_MAX);
    uint64_t empty = tree_charge_size(probe);
    tree_destroy(probe);
    struct tree *tree = make_tree(empty + 1000);
    uint8_t data[600] = {1};
    tree_begin(tree, 1, 1);
    assert_int_equal(tree_add(tree, b("/a"), bytes_of(data, 600), 0, 0), 0);
    assert_int_equal(tree_add(tree, b("/b"), bytes_of(data, 600), 0, 0), ERR_NOMEM);
    assert_null(tree_find(tree, b("/b")));
    assert_int_equal(znode_child_count(tree_find(tree, b("/"))), 2);
    assert_int_equal(tree_set(tree, b("/"), bytes_of(data, 600)), ERR_NOMEM);
    assert_int_equal(tree_set_silent(tree, b("/"), bytes_of(data, 600)), ERR_NOMEM);
    assert_int_equal(tree_set(tree, b("/a"), bytes_of(data, 600)), 0);
    assert_int_equal(tree_set(tree, b("/a"), bytes_of(data, 10)), 0);
    assert_int_equal(tree_set(tree, b("/a"), bytes_of(data, 600)), 0);
    tree_set_acl(tree, b("/a"), 4);
    tree_remove(tree, b("/a"));
    assert_int_equal(tree_add(tree, b("/b"), bytes_of(data, 600), 0, 0), 0);
    tree_commit(tree);
    assert_true(tree_charge_size(tree) <= empty + 1000);
    tree_destroy(tree);
}

static void test_node_limit(void **state)
{
    struct tree *tree;
    struct tree_config config = {UINT64_MAX, 16, 1};
    char path[16];
    assert_int_equal(tree_create(&tree, &config), 0);
    tree_begin(tree, 1, 1);
    for (int i = 4; i < 16; i++) {
        snprintf(path, sizeof(path), "/n%d", i);
        assert_int_equal(tree_add(tree, b(path), b(""), 0, 0), 0);
    }
    assert_int_equal(tree_add(tree, b("/more"), b(""), 0, 0), ERR_NOMEM);
    tree_remove(tree, b("/n4"));
    assert_int_equal(tree_add(tree, b("/more"), b(""), 0, 0), 0);
    tree_commit(tree);
    tree_destroy(tree);
}

static void test_memory_comes_back(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    static uint8_t big[100000];
    char path[32];
    int64_t zxid = 0;
    uint64_t before = tree_memory_size(tree), charge = tree_charge_size(tree);
    for (int i = 0; i < 2000; i++) {
        tree_begin(tree, ++zxid, 1);
        snprintf(path, sizeof(path), "/n%d", i);
        assert_int_equal(tree_add(tree, b(path), bytes_of(big, i % 10 ? 100 : 100000), 0, 0), 0);
        tree_commit(tree);
    }
    tree_begin(tree, ++zxid, 1);
    assert_int_equal(tree_add(tree, b("/n0/child"), b("x"), 0, 0), 0);
    tree_commit(tree);
    tree_begin(tree, ++zxid, 1);
    tree_remove(tree, b("/n0/child"));
    for (int i = 0; i < 2000; i++) {
        snprintf(path, sizeof(path), "/n%d", i);
        tree_remove(tree, b(path));
    }
    tree_commit(tree);
    assert_null(tree_retired(tree)); /* nothing is published yet */
    tree_publish(tree, zxid);
    settle(tree);
    assert_true(tree_node_count(tree) == 5);
    assert_true(tree_data_size(tree) == 44);
    /* "/" has had a child: it counts its creations now, and is charged for that already. */
    assert_true(tree_charge_size(tree) == charge);
    /* The buckets stay; everything else is gone. */
    assert_true(tree_memory_size(tree) < before + 2000 / 4 * 64 + 4096);
    tree_destroy(tree);
}

/* A child of 1 MB's parent: the megabyte is shared, not copied. */
static void test_large_data_is_shared(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    static uint8_t big[1 << 20];
    big[77] = 5;
    tree_begin(tree, 1, 1);
    assert_int_equal(tree_add(tree, b("/big"), bytes_of(big, sizeof(big)), 0, 0), 0);
    tree_commit(tree);
    uint64_t before = tree_memory_size(tree);
    tree_begin(tree, 2, 1);
    assert_int_equal(tree_add(tree, b("/big/a"), b(""), 0, 0), 0);
    assert_int_equal(tree_add(tree, b("/big/b"), b(""), 0, 0), 0);
    tree_rollback(tree);
    tree_begin(tree, 3, 1);
    assert_int_equal(tree_add(tree, b("/big/a"), b(""), 0, 0), 0);
    tree_set_acl(tree, b("/big"), 2);
    tree_commit(tree);
    tree_publish(tree, 3);
    assert_true(tree_memory_size(tree) < before + 20000);
    settle(tree);
    struct tree_view view = tree_view(tree);
    assert_true(bytes_equal(znode_data(tree_get(&view, b("/big"))), bytes_of(big, sizeof(big))));
    tree_begin(tree, 4, 1);
    assert_int_equal(tree_set(tree, b("/big"), b("small")), 0);
    tree_commit(tree);
    tree_publish(tree, 4);
    settle(tree);
    assert_true(tree_memory_size(tree) < before - sizeof(big) + 20000);
    tree_destroy(tree);
}

/* ---- random programs ------------------------------------------------------------------------- */

#define AGE_MAX 6

struct age {
    struct tree_view view;
    struct twin twin;
    uint32_t batches_seen; /* batches handed out before the view was opened */
};

struct program {
    struct tree *tree;
    struct rand rand;
    struct twin now;  /* committed */
    struct twin next; /* with the open command */
    int64_t zxid;
    struct age ages[AGE_MAX]; /* open views, oldest first */
    uint32_t age_count;
    struct tree_batch *batches[64]; /* handed out, not yet reclaimed */
    uint32_t batch_count, batch_base;
};

static struct bytes random_data(struct program *p)
{
    static uint8_t data[TWIN_DATA_MAX];
    static const int sizes[] = {-1, 0, 1, 100, 511, 512, 513, 1200};
    int32_t size = sizes[rand_below(&p->rand, 8)];
    for (int i = 0; i < 8; i++)
        data[rand_below(&p->rand, TWIN_DATA_MAX)] = (uint8_t)rand_next(&p->rand);
    return (struct bytes){data, size};
}

static const struct twin_node *random_node(struct program *p)
{
    for (;;) {
        const struct twin_node *node = &p->next.nodes[rand_below(&p->rand, TWIN_NODE_MAX)];
        if (node->live)
            return node;
    }
}

static uint32_t twin_count(const struct twin *twin)
{
    uint32_t n = 0;
    for (int i = 0; i < TWIN_NODE_MAX; i++)
        n += twin->nodes[i].live;
    return n;
}

static void random_add(struct program *p)
{
    char path[TWIN_PATH_MAX + 8];
    const char *above = random_node(p)->path;
    snprintf(path, sizeof(path), "%s/%c", above[1] ? above : "",
             'a' + (int)rand_below(&p->rand, 9));
    if (strlen(path) >= TWIN_PATH_MAX || twin_find(&p->next, path) ||
        twin_count(&p->next) == TWIN_NODE_MAX)
        return;
    struct bytes data = random_data(p);
    int64_t owner = (int64_t)rand_below(&p->rand, 3);
    assert_null(tree_find(p->tree, b(path)));
    assert_int_equal(tree_add(p->tree, b(path), data, 5, owner), 0);
    twin_add(&p->next, path, data, 5, owner, p->zxid, p->zxid * 10);
}

static void random_change(struct program *p)
{
    uint64_t what = rand_below(&p->rand, 10);
    char path[TWIN_PATH_MAX];
    snprintf(path, sizeof(path), "%s", random_node(p)->path);
    const struct znode *node = tree_find(p->tree, b(path));
    assert_non_null(node);
    if (what < 4) {
        random_add(p);
    } else if (what < 7) {
        if (znode_child_count(node) > 0 || path[1] == 0)
            return;
        tree_remove(p->tree, b(path));
        twin_remove(&p->next, path, p->zxid);
    } else if (what < 9) {
        struct bytes data = random_data(p);
        assert_int_equal(tree_set(p->tree, b(path), data), 0);
        twin_set(&p->next, path, data, p->zxid, p->zxid * 10);
    } else {
        tree_set_acl(p->tree, b(path), (uint32_t)p->zxid);
        twin_set_acl(&p->next, path, (uint32_t)p->zxid);
    }
}

static void random_command(struct program *p)
{
    p->next = p->now;
    p->zxid++;
    tree_begin(p->tree, p->zxid, p->zxid * 10);
    for (uint64_t n = rand_below(&p->rand, 8); n > 0; n--)
        random_change(p);
    if (rand_below(&p->rand, 3) == 0) {
        tree_rollback(p->tree);
    } else {
        tree_commit(p->tree);
        p->now = p->next;
    }
}

/* Reclaims every batch that no open view is older than. */
static void random_reclaim(struct program *p)
{
    uint32_t oldest = p->batch_base + p->batch_count;
    if (p->age_count > 0)
        oldest = p->ages[0].batches_seen;
    uint32_t n = oldest - p->batch_base;
    for (uint32_t i = 0; i < n; i++)
        tree_reclaim(p->tree, p->batches[i]);
    memmove(p->batches, p->batches + n, (p->batch_count - n) * sizeof(p->batches[0]));
    p->batch_base += n;
    p->batch_count -= n;
}

static void random_views(struct program *p)
{
    tree_publish(p->tree, p->zxid);
    if (p->age_count == AGE_MAX || (p->age_count > 0 && rand_below(&p->rand, 3) == 0)) {
        twin_agrees(&p->ages[0].twin, &p->ages[0].view);
        memmove(&p->ages[0], &p->ages[1], --p->age_count * sizeof(p->ages[0]));
    }
    if (p->age_count < AGE_MAX && rand_below(&p->rand, 2) == 0)
        p->ages[p->age_count++] =
            (struct age){tree_view(p->tree), p->now, p->batch_base + p->batch_count};
    if (p->batch_count < 64 && rand_below(&p->rand, 2) == 0) {
        struct tree_batch *batch = tree_retired(p->tree);
        if (batch)
            p->batches[p->batch_count++] = batch;
    }
    random_reclaim(p);
}

static void run_program(struct program *p, uint64_t seed, int steps)
{
    memset(p, 0, sizeof(*p));
    rand_seed(&p->rand, seed);
    twin_init(&p->now);
    p->tree = make_tree(UINT64_MAX);
    for (int step = 0; step < steps; step++) {
        random_command(p);
        if (rand_below(&p->rand, 4) != 0)
            continue;
        random_views(p);
        for (uint32_t i = 0; i < p->age_count; i++)
            twin_agrees(&p->ages[i].twin, &p->ages[i].view);
    }
    p->age_count = 0;
    tree_publish(p->tree, p->zxid);
    random_reclaim(p);
    settle(p->tree);
    struct tree_view view = tree_view(p->tree);
    twin_agrees(&p->now, &view);
    tree_destroy(p->tree);
}

static void test_random_programs(void **state)
{
    struct program *p = malloc(sizeof(*p));
    for (uint64_t seed = 1; seed <= 30; seed++)
        run_program(p, seed, 300);
    free(p);
}

/* ---- the whole tree: hold, walk, load ----------------------------------------------------------
 */

static uint32_t walk_agrees(struct program *p, struct twin *twin, int64_t zxid)
{
    struct tree_walk walk = tree_walk_begin(p->tree, zxid);
    const struct znode *nodes[3];
    uint32_t n, total = 0;
    bool seen[TWIN_NODE_MAX] = {false};
    while ((n = tree_walk_next(&walk, nodes, 3)) > 0) {
        for (uint32_t i = 0; i < n; i++, total++) {
            struct tree_image image = znode_image(nodes[i]);
            char path[TWIN_PATH_MAX] = {0};
            memcpy(path, image.path.at, (size_t)image.path.size);
            struct twin_node *match = twin_find(twin, path);
            assert_non_null(match);
            assert_false(seen[match - twin->nodes]);
            seen[match - twin->nodes] = true;
            assert_true(bytes_equal(image.data, (struct bytes){match->data, match->data_size}));
            assert_true(image.mzxid == match->stat.mzxid);
        }
        random_command(p);
        tree_publish(p->tree, p->zxid);
        if (rand_below(&p->rand, 2) == 0)
            settle(p->tree); /* the walk is quiescent here: a grace period may end */
    }
    return total;
}

static void test_hold_keeps_one_state(void **state)
{
    struct program *p = malloc(sizeof(*p));
    struct twin *held = malloc(sizeof(*held));
    for (uint64_t seed = 1; seed <= 40; seed++) {
        memset(p, 0, sizeof(*p));
        rand_seed(&p->rand, seed);
        twin_init(&p->now);
        p->tree = make_tree(UINT64_MAX);
        for (int i = 0; i < 100; i++)
            random_command(p);
        for (int round = 0; round < 3; round++) {
            *held = p->now;
            int64_t zxid = tree_hold(p->tree, 1 << 20);
            assert_int_equal(walk_agrees(p, held, zxid), twin_count(held));
            assert_int_equal(walk_agrees(p, held, zxid), twin_count(held));
            assert_false(tree_hold_broken(p->tree));
            tree_hold_release(p->tree); /* with versions still waiting, at times */
            if (round == 1)
                settle(p->tree);
        }
        struct tree_view view = tree_view(p->tree);
        twin_agrees(&p->now, &view);
        tree_destroy(p->tree);
    }
    free(held);
    free(p);
}

static void test_hold_breaks_at_its_limit(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    uint8_t data[4000] = {0};
    tree_begin(tree, 1, 1);
    assert_int_equal(tree_add(tree, b("/a"), bytes_of(data, sizeof(data)), 0, 0), 0);
    tree_commit(tree);
    assert_true(tree_hold(tree, 3000) == 1);
    tree_begin(tree, 2, 1);
    assert_int_equal(tree_set(tree, b("/a"), b("x")), 0);
    tree_commit(tree);
    tree_publish(tree, 2);
    assert_false(tree_hold_broken(tree));
    settle(tree);
    assert_true(tree_hold_broken(tree));
    tree_hold_release(tree);
    settle(tree);
    tree_hold(tree, 3000);
    assert_false(tree_hold_broken(tree));
    tree_hold_release(tree);
    tree_destroy(tree);
}

static void change(struct tree *tree, int64_t zxid, bool make)
{
    tree_begin(tree, zxid, 1);
    if (make)
        assert_int_equal(tree_add(tree, b("/a"), b("x"), 0, 0), 0);
    else
        tree_remove(tree, b("/a"));
    tree_commit(tree);
    tree_publish(tree, zxid);
}

/* A tombstone kept for a hold is replaced, and what replaced it is on its way when the hold ends.
 */
static void test_tombstone_replaced_while_held(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    change(tree, 1, true);
    settle(tree);
    tree_hold(tree, 1 << 20);
    change(tree, 2, false);
    settle(tree);
    change(tree, 3, true);
    struct tree_batch *batch = tree_retired(tree);
    assert_non_null(batch);
    tree_hold_release(tree);
    tree_reclaim(tree, batch);
    settle(tree);
    change(tree, 4, false);
    settle(tree);
    assert_null(tree_find(tree, b("/a")));
    tree_destroy(tree);
}

/* What a walk gives, loaded into another tree in any order, is the same tree. */
static void test_walk_and_load(void **state)
{
    struct program *p = malloc(sizeof(*p));
    for (uint64_t seed = 1; seed <= 20; seed++) {
        memset(p, 0, sizeof(*p));
        rand_seed(&p->rand, seed);
        twin_init(&p->now);
        p->tree = make_tree(UINT64_MAX);
        for (int i = 0; i < 150; i++)
            random_command(p);
        tree_publish(p->tree, p->zxid);
        struct tree *copy;
        struct tree_config config = {UINT64_MAX, 5000, seed * 77};
        assert_int_equal(tree_create(&copy, &config), 0);
        struct tree_walk walk = tree_walk_begin(p->tree, tree_hold(p->tree, 1 << 20));
        const struct znode *nodes[16];
        struct fault fault = {""};
        uint32_t n;
        tree_load_begin(copy, seed & 1 ? 0 : 1000);
        while ((n = tree_walk_next(&walk, nodes, 16)) > 0)
            for (uint32_t i = 0; i < n; i++) {
                struct tree_image image = znode_image(nodes[i]);
                assert_int_equal(tree_load_node(copy, &image, &fault), 0);
            }
        assert_int_equal(tree_load_end(copy, p->zxid, &fault), 0);
        tree_hold_release(p->tree);
        struct tree_view view = tree_view(copy);
        assert_true(view.zxid == p->zxid);
        twin_agrees(&p->now, &view);
        assert_true(tree_charge_size(copy) == tree_charge_size(p->tree));
        assert_true(tree_data_size(copy) == tree_data_size(p->tree));
        assert_true(tree_node_count(copy) == tree_node_count(p->tree));
        settle(p->tree);
        tree_destroy(p->tree);
        p->tree = copy; /* and it goes on working */
        for (int i = 0; i < 50; i++)
            random_command(p);
        tree_publish(p->tree, p->zxid);
        settle(p->tree);
        view = tree_view(copy);
        twin_agrees(&p->now, &view);
        tree_destroy(copy);
    }
    free(p);
}

struct load_case {
    const char *path;
    uint32_t child_count;
};

static int load_all(const struct load_case *cases, int count, struct fault *fault)
{
    struct tree *tree = make_tree(UINT64_MAX);
    int err = 0;
    tree_load_begin(tree, 0);
    for (int i = 0; i < count && !err; i++) {
        struct tree_image image = {
            .path = b(cases[i].path), .data = b("d"), .child_count = cases[i].child_count};
        err = tree_load_node(tree, &image, fault);
    }
    if (!err)
        err = tree_load_end(tree, 5, fault);
    tree_destroy(tree);
    return err;
}

static void test_load_refuses_what_is_no_tree(void **state)
{
    struct fault fault = {""};
    static const char *bad[] = {"", "a", "/a/", "//", "/a//b"};
    for (int i = 0; i < 5; i++)
        assert_int_equal(load_all(&(struct load_case){bad[i], 0}, 1, &fault), ERR_CORRUPT);
    const struct load_case good[] = {{"/a", 0}, {"/", 1}};
    const struct load_case twice[] = {{"/", 1}, {"/a", 0}, {"/a", 0}};
    const struct load_case orphan[] = {{"/", 1}, {"/b/a", 0}};
    const struct load_case rootless[] = {{"/a", 1}};
    const struct load_case more[] = {{"/", 1}, {"/a", 0}, {"/b", 0}};
    const struct load_case fewer[] = {{"/", 2}, {"/a", 0}};
    assert_int_equal(load_all(good, 2, &fault), 0);
    assert_int_equal(load_all(twice, 3, &fault), ERR_CORRUPT);
    assert_non_null(strstr(fault.text, "/a"));
    assert_int_equal(load_all(orphan, 2, &fault), ERR_CORRUPT);
    assert_non_null(strstr(fault.text, "/b/a"));
    assert_int_equal(load_all(rootless, 1, &fault), ERR_CORRUPT);
    assert_int_equal(load_all(more, 3, &fault), ERR_CORRUPT);
    assert_int_equal(load_all(fewer, 2, &fault), ERR_CORRUPT);
}

static void test_load_at_the_node_limit(void **state)
{
    struct tree *tree;
    char path[16];
    struct fault fault = {""};
    assert_int_equal(tree_create(&tree, &(struct tree_config){UINT64_MAX, 16, 0}), 0);
    tree_load_begin(tree, 100);
    for (int i = 0; i < 17; i++) {
        snprintf(path, sizeof(path), "/n%d", i);
        struct tree_image image = {.path = b(path), .data = b("")};
        assert_int_equal(tree_load_node(tree, &image, &fault), i < 16 ? 0 : ERR_NOMEM);
    }
    tree_destroy(tree);
}

/* Growth one bucket at a time, removal, and growth again: every path stays findable. */
static void test_hash_grows(void **state)
{
    struct tree *tree = make_tree(UINT64_MAX);
    char path[32];
    int64_t zxid = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20000; i++) {
            tree_begin(tree, ++zxid, 1);
            snprintf(path, sizeof(path), "/node-%d", i);
            assert_int_equal(tree_add(tree, b(path), b("v"), 0, 0), 0);
            tree_commit(tree);
        }
        tree_publish(tree, zxid);
        settle(tree);
        struct tree_view view = tree_view(tree);
        uint32_t listed = 0;
        for (int i = 0; i < 20000; i++) {
            snprintf(path, sizeof(path), "/node-%d", i);
            assert_non_null(tree_get(&view, b(path)));
            snprintf(path, sizeof(path), "/none-%d", i);
            assert_null(tree_get(&view, b(path)));
        }
        for (const struct znode *c = tree_child_first(&view, tree_get(&view, b("/"))); c;
             c = tree_child_next(&view, c))
            listed++;
        assert_int_equal(listed, 20001);
        for (int i = 0; i < 20000; i++) {
            tree_begin(tree, ++zxid, 1);
            snprintf(path, sizeof(path), "/node-%d", i);
            tree_remove(tree, b(path));
            tree_commit(tree);
        }
        tree_publish(tree, zxid);
        settle(tree);
    }
    assert_true(tree_node_count(tree) == 5);
    tree_destroy(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_tree),
        cmocka_unit_test(test_names_of_every_size),
        cmocka_unit_test(test_config_out_of_range),
        cmocka_unit_test(test_no_address_space),
        cmocka_unit_test(test_unpublished_is_unseen),
        cmocka_unit_test(test_stat_of_each_change),
        cmocka_unit_test(test_limit_refuses_growth_only),
        cmocka_unit_test(test_node_limit),
        cmocka_unit_test(test_memory_comes_back),
        cmocka_unit_test(test_large_data_is_shared),
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_hold_keeps_one_state),
        cmocka_unit_test(test_hold_breaks_at_its_limit),
        cmocka_unit_test(test_tombstone_replaced_while_held),
        cmocka_unit_test(test_walk_and_load),
        cmocka_unit_test(test_load_refuses_what_is_no_tree),
        cmocka_unit_test(test_load_at_the_node_limit),
        cmocka_unit_test(test_hash_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
