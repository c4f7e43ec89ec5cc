/* Goal: the watch table tells exactly whom zk_protocol.md section 14 says, once, in order, keeps
 * its bounds, and survives owners that leave in the middle of a job. Method: the table of that
 * section by hand, then random programs side by side with a naive twin. */
#include "base/rand.h"
#include "base/zk.h"
#include "dataplane/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define OWNERS 8
#define PATHS  15

static const char *const paths[PATHS] = {"/",     "/a",   "/a/b",   "/a/b/c", "/a/bb",
                                         "/ab",   "/b",   "/b/c",   "/b/c/d", "/c",
                                         "/c/ab", "/c/a", "/c/a/b", "/d",     "/d/e"};

/* The twin: a bit set of kinds for each owner and path, and the rules as the table states them. */
struct twin {
    uint32_t kinds[OWNERS][PATHS];
};

static int path_index(struct bytes path)
{
    for (int i = 0; i < PATHS; i++) {
        if (bytes_equal(path, bytes_of_string(paths[i])))
            return i;
    }
    return -1;
}

static int parent_index(int path)
{
    char name[32];
    snprintf(name, sizeof(name), "%s", paths[path]);
    if (path == 0)
        return -1;
    char *slash = strrchr(name, '/');
    slash[slash == name] = '\0';
    return path_index(bytes_of_string(name));
}

static bool twin_data_side(struct twin *t, int owner, int32_t event, int path)
{
    uint32_t once = event == ZK_EVENT_DELETED ? WATCH_DATA | WATCH_CHILD : WATCH_DATA;
    bool told = t->kinds[owner][path] & (once | WATCH_PERSISTENT);
    for (int p = path; p >= 0; p = parent_index(p))
        told |= (t->kinds[owner][p] & WATCH_RECURSIVE) != 0;
    t->kinds[owner][path] &= ~once;
    return told;
}

static bool twin_parent_side(struct twin *t, int owner, int32_t event, int path)
{
    int parent = parent_index(path);
    if (event == ZK_EVENT_DATA_CHANGED || parent < 0)
        return false;
    bool told = t->kinds[owner][parent] & (WATCH_CHILD | WATCH_PERSISTENT);
    t->kinds[owner][parent] &= ~(uint32_t)WATCH_CHILD;
    return told;
}

static void owners_init(struct watch_owner *owners)
{
    memset(owners, 0, OWNERS * sizeof(*owners));
    for (uint32_t i = 0; i < OWNERS; i++)
        owners[i].id = i;
}

/* Fires through the table; drops owner `leaving` after `after` events (-1: nobody leaves). */
static void check_fire(struct watch_table *table, struct watch_owner *owners, struct twin *twin,
                       int32_t event, int path, int leaving, int after)
{
    bool node[OWNERS] = {false}, parent[OWNERS] = {false}, left = false;
    struct watch_owner *owner;
    int32_t said;
    struct bytes about;
    int events = 0;
    watch_fire(table, event, bytes_of_string(paths[path]));
    for (;;) {
        if (events == after && leaving >= 0 && !left) {
            watch_drop(table, &owners[leaving]);
            left = true;
        }
        owner = watch_fire_next(table, &said, &about);
        if (!owner)
            break;
        int i = (int)(owner - owners);
        assert_false(left && i == leaving);
        if (said == ZK_EVENT_CHILDREN_CHANGED) {
            assert_int_equal(path_index(about), parent_index(path));
            assert_false(parent[i]);
            parent[i] = true;
        } else {
            assert_int_equal(said, event);
            assert_int_equal(path_index(about), path);
            assert_false(node[i]);
            for (int o = 0; o < OWNERS; o++)
                assert_false(parent[o]); /* everybody of the node before anybody of the parent */
            node[i] = true;
        }
        events++;
    }
    for (int o = 0; o < OWNERS; o++) {
        bool want_node = twin_data_side(twin, o, event, path);
        bool want_parent = twin_parent_side(twin, o, event, path);
        if (left && o == leaving) { /* it may have been told some, and holds nothing now */
            memset(twin->kinds[o], 0, sizeof(twin->kinds[o]));
            continue;
        }
        assert_int_equal(node[o], want_node);
        assert_int_equal(parent[o], want_parent);
    }
}

static void check_same(const struct watch_table *table, const struct watch_owner *owners,
                       const struct twin *twin)
{
    uint64_t count = 0;
    for (int o = 0; o < OWNERS; o++) {
        uint32_t mine = 0;
        for (int p = 0; p < PATHS; p++) {
            assert_int_equal(watch_kinds(table, &owners[o], bytes_of_string(paths[p])),
                             twin->kinds[o][p]);
            mine += (uint32_t)__builtin_popcount(twin->kinds[o][p]);
        }
        assert_int_equal(owners[o].count, mine);
        count += mine;
    }
    assert_int_equal(table->count, count);
}

static void random_step(struct rand *rand, struct watch_table *table, struct watch_owner *owners,
                        struct twin *twin)
{
    int o = (int)rand_below(rand, OWNERS), p = (int)rand_below(rand, PATHS);
    struct bytes path = bytes_of_string(paths[p]);
    enum watch_kind kind = 1u << rand_below(rand, WATCH_KIND_COUNT);
    static const int32_t events[] = {ZK_EVENT_CREATED, ZK_EVENT_DELETED, ZK_EVENT_DATA_CHANGED};
    uint64_t what = rand_below(rand, 100);
    if (what < 60) {
        assert_int_equal(watch_add(table, &owners[o], path, kind), 0);
        twin->kinds[o][p] |= kind;
    } else if (what < 70) {
        uint32_t mask = (uint32_t)rand_below(rand, 16);
        assert_int_equal(watch_remove(table, &owners[o], path, mask), twin->kinds[o][p] & mask);
        twin->kinds[o][p] &= ~mask;
    } else if (what < 73) {
        watch_drop(table, &owners[o]);
        memset(twin->kinds[o], 0, sizeof(twin->kinds[o]));
    } else {
        int leaving = rand_below(rand, 4) == 0 ? (int)rand_below(rand, OWNERS) : -1;
        check_fire(table, owners, twin, events[rand_below(rand, 3)], p, leaving,
                   (int)rand_below(rand, 6));
    }
}

static void test_twin(void **state)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct watch_table table;
        struct watch_owner owners[OWNERS];
        struct twin twin = {0};
        struct slab slab;
        struct rand rand;
        rand_seed(&rand, seed);
        owners_init(owners);
        assert_int_equal(slab_init(&slab, 1 << 20), 0);
        assert_int_equal(watch_init(&table, &slab, 10000, 10000), 0);
        for (int i = 0; i < 500; i++) {
            random_step(&rand, &table, owners, &twin);
            if (i % 16 == 0)
                check_same(&table, owners, &twin);
        }
        for (int o = 0; o < OWNERS; o++)
            watch_drop(&table, &owners[o]);
        assert_int_equal(table.count, 0);
        assert_int_equal(table.path_count, 0);
        assert_int_equal(slab.in_use, 0); /* nothing is lost */
        watch_fini(&table);
        slab_fini(&slab);
    }
}

static void test_bounds(void **state)
{
    struct watch_table table;
    struct watch_owner owners[OWNERS];
    struct slab slab;
    char name[64];
    int err = 0, i;
    owners_init(owners);
    assert_int_equal(slab_init(&slab, 1 << 20), 0);
    assert_int_equal(watch_init(&table, &slab, 0, 1), ERR_RANGE);
    assert_int_equal(watch_init(&table, &slab, (1ull << 28) + 1, 1), ERR_RANGE);
    assert_int_equal(watch_init(&table, &slab, 5, 3), 0);
    struct bytes a = bytes_of_string("/a");
    assert_int_equal(watch_add(&table, &owners[0], a, WATCH_DATA), 0);
    assert_int_equal(watch_add(&table, &owners[0], a, WATCH_DATA), 0); /* again: nothing */
    assert_int_equal(watch_add(&table, &owners[0], a, WATCH_CHILD), 0);
    assert_int_equal(watch_add(&table, &owners[0], a, WATCH_PERSISTENT), 0);
    assert_int_equal(watch_add(&table, &owners[0], a, WATCH_RECURSIVE), ERR_LIMIT);
    assert_int_equal(watch_add(&table, &owners[0], a, WATCH_CHILD), 0);
    assert_int_equal(watch_add(&table, &owners[1], a, WATCH_DATA), 0);
    assert_int_equal(watch_add(&table, &owners[1], a, WATCH_CHILD), 0);
    assert_int_equal(watch_add(&table, &owners[2], a, WATCH_CHILD), ERR_LIMIT);
    watch_drop(&table, &owners[0]);
    assert_int_equal(watch_add(&table, &owners[2], a, WATCH_CHILD), 0);
    watch_fini(&table);

    assert_int_equal(watch_init(&table, &slab, 1 << 20, 1 << 20), 0);
    for (i = 0; !err; i++) { /* until the slab is full */
        snprintf(name, sizeof(name), "/node-%d", i);
        err = watch_add(&table, &owners[3], bytes_of_string(name), WATCH_DATA);
    }
    assert_int_equal(err, ERR_NOMEM);
    assert_true(i > 1000);
    assert_int_equal(table.count, (uint64_t)i - 1); /* half a watch is not left behind */
    watch_drop(&table, &owners[3]);
    assert_int_equal(table.path_count, 0);
    watch_fini(&table);
    slab_fini(&slab);
}

static void count_path(void *self, struct watch_path *path)
{
    ++*(int *)self;
}

static void count_owner(void *self, struct watch_owner *owner)
{
    ++*(int *)self;
}

static void count_name(void *self, struct bytes path)
{
    *(int *)self += path.size;
}

static void list_path(void *self, struct watch_path *path)
{
    assert_true(bytes_equal(watch_path_name(path), bytes_of_string("/a")));
    watch_each_owner(path, WATCH_DATA | WATCH_CHILD, count_owner, self);
}

static void test_listings(void **state)
{
    struct watch_table table;
    struct watch_owner owners[OWNERS];
    struct slab slab;
    int n = 0;
    owners_init(owners);
    assert_int_equal(slab_init(&slab, 1 << 20), 0);
    assert_int_equal(watch_init(&table, &slab, 100, 100), 0);
    assert_int_equal(watch_add(&table, &owners[0], bytes_of_string("/a"), WATCH_DATA), 0);
    assert_int_equal(watch_add(&table, &owners[1], bytes_of_string("/a"), WATCH_CHILD), 0);
    assert_int_equal(watch_add(&table, &owners[1], bytes_of_string("/bcd"), WATCH_CHILD), 0);
    watch_each_path(&table, WATCH_ALL, count_path, &n);
    assert_int_equal(n, 2);
    n = 0;
    watch_each_path(&table, WATCH_DATA, count_path, &n);
    assert_int_equal(n, 1);
    n = 0;
    watch_each_path(&table, WATCH_DATA, list_path, &n);
    assert_int_equal(n, 2);
    n = 0;
    watch_each_of(&owners[1], WATCH_CHILD, count_name, &n);
    assert_int_equal(n, 6);
    watch_fini(&table);
    slab_fini(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_listings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
