/* Goal: a snapshot written beside a machine that goes on is the state at its index, and what is
 * loaded from it is that machine: it goes on to the same hash. Every way to fail leaves the node
 * and the older snapshots alone. Method: APPLY's and SNAP's turns interleaved on one thread, a disk
 * in memory whose calls can fail, comparison node by node with a machine that was never saved. */
#include "base/rand.h"
#include "store/role_snap.h"
#include "store/snapshot_load.h"
#include "tests/model/world.h"
#include "tests/unit/mem_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#include <cmocka.h>

#define NODE_COUNT 4000
#define HOLD_LIMIT (64u << 20)

static const struct now some_time = {1000, 2000};

static void settle(struct world *w)
{
    struct tree_batch *versions;
    struct acl_batch *acls;
    tree_publish(w->tree, machine_zxid(w->machine));
    while ((versions = tree_retired(w->tree)) != NULL)
        tree_reclaim(w->tree, versions);
    while ((acls = acl_retired(machine_acls(w->machine))) != NULL)
        acl_reclaim(machine_acls(w->machine), acls);
}

/* Command number n of a fixed program; the same numbers give the same commands. */
static void step(struct world *w, uint64_t n)
{
    struct rand r;
    char path[64], data[64];
    int64_t session = 0x1000 + (int64_t)(n % 5);
    rand_seed(&r, n);
    uint64_t which = rand_below(&r, NODE_COUNT), what = rand_below(&r, 10);
    bool below = n > 100 && which % 7 != 0;
    snprintf(path, sizeof(path), below ? "/p%d/n%d" : "/p%d", (int)(which % 50), (int)which);
    snprintf(data, sizeof(data), "value-%d-of-%d", (int)n, (int)which);
    w->time_ms = 1000 + (int64_t)n;
    if (n <= 5)
        world_open(w, session);
    else if (what < 5 || n <= 100)
        world_create(w, session, path, data, n % 11 == 0 && below ? ZK_CREATE_EPHEMERAL : 0);
    else if (what < 7)
        world_set(w, session, path, data, -1);
    else if (what < 8)
        world_delete(w, session, path, -1);
    else if (what < 9)
        world_set_acl(w, session, path, -1, 31, "ip", which % 2 ? "10.0.0.1" : "10.0.0.1/8");
    else if (n % 200 == 9)
        world_close(w, session);
    else
        world_open(w, session);
}

static void world_make(struct world *w)
{
    struct machine_config config = world_config_default();
    world_init(w, &config, 0);
}

static void steps(struct world *w, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++)
        step(w, n);
}

static void snap_make(struct role_snap *snap, struct world *w, struct mem_disk *disk,
                      uint64_t hold_limit)
{
    struct role_snap_config config = {.io = &disk->io,
                                      .tree = w->tree,
                                      .machine = w->machine,
                                      .kept_count = 2,
                                      .hold_size_limit = hold_limit};
    memset(config.cluster_id, 7, sizeof(config.cluster_id));
    assert_int_equal(role_snap_init(snap, &config), 0);
}

/* Turns of SNAP until it is done, with `beside` commands after each; returns the next number. */
static uint64_t run(struct role_snap *snap, struct world *w, uint64_t n, int beside)
{
    for (int turn = 0; !role_snap_idle(snap); turn++) {
        assert_true(turn < 10000);
        assert_int_equal(role_snap_poll(snap, some_time), 1);
        steps(w, n, n + (uint64_t)beside);
        n += (uint64_t)beside;
        settle(w);
    }
    assert_int_equal(role_snap_poll(snap, some_time), 0);
    return n;
}

static int restore(struct world *w, struct mem_disk *disk, uint64_t index, struct fault *fault)
{
    char name[DISK_PATH_SIZE_MAX];
    struct snapshot_info info;
    world_make(w);
    snapshot_name(name, index);
    int err = snapshot_load(&disk->io, name, w->tree, w->machine, &info, fault);
    if (err)
        return err;
    assert_true(info.index == index && info.chain == 4711 && info.cluster_id[3] == 7);
    w->index = machine_index(w->machine);
    w->term = machine_term(w->machine);
    return 0;
}

static void images_equal(const struct znode *x, const struct znode *y)
{
    struct tree_image a = znode_image(x), b = znode_image(y);
    assert_true(bytes_equal(a.data, b.data) && a.owner == b.owner);
    assert_true(a.czxid == b.czxid && a.mzxid == b.mzxid && a.pzxid == b.pzxid);
    assert_true(a.ctime_ms == b.ctime_ms && a.mtime_ms == b.mtime_ms);
    assert_true(a.version == b.version && a.aversion == b.aversion);
    assert_true(a.creations == b.creations && a.child_count == b.child_count);
}

static void worlds_equal(struct world *x, struct world *y)
{
    struct tree_view a = tree_view(x->tree), b = tree_view(y->tree);
    struct tree_walk walk = tree_walk_begin(x->tree, a.zxid);
    const struct znode *nodes[64];
    uint32_t n;
    assert_true(a.zxid == b.zxid);
    assert_true(machine_hash(x->machine) == machine_hash(y->machine));
    assert_true(machine_index(x->machine) == machine_index(y->machine));
    assert_int_equal(machine_session_count(x->machine), machine_session_count(y->machine));
    assert_true(machine_ephemeral_count(x->machine) == machine_ephemeral_count(y->machine));
    assert_true(tree_node_count(x->tree) == tree_node_count(y->tree));
    assert_true(tree_charge_size(x->tree) == tree_charge_size(y->tree));
    tree_hold(x->tree, UINT64_MAX);
    while ((n = tree_walk_next(&walk, nodes, 64)) > 0)
        for (uint32_t i = 0; i < n; i++) {
            const struct znode *other = tree_get(&b, znode_path(nodes[i]));
            assert_non_null(other);
            images_equal(nodes[i], other);
            assert_true(bytes_equal(acl_packed(machine_acls(x->machine), znode_acl(nodes[i])),
                                    acl_packed(machine_acls(y->machine), znode_acl(other))));
        }
    tree_hold_release(x->tree);
}

static void test_snapshot_beside_commands(void **state)
{
    static struct world w, still, copy;
    struct mem_disk disk;
    struct role_snap snap;
    struct role_snap_result result;
    struct fault fault = {""};
    mem_disk_init(&disk);
    world_make(&w);
    world_make(&still);
    snap_make(&snap, &w, &disk, HOLD_LIMIT);
    steps(&w, 1, 20000);
    steps(&still, 1, 20000);
    settle(&w);
    settle(&still);
    uint64_t hash = machine_hash(w.machine), index = machine_index(w.machine), n = 20000;
    assert_true(tree_node_count(w.tree) > 2 * ROLE_SNAP_SLICE_NODES);
    assert_false(role_snap_collect(&snap, &result));
    assert_int_equal(role_snap_request(&snap, 4711), 0);
    assert_int_equal(role_snap_request(&snap, 4711), ERR_BUSY);
    assert_false(role_snap_collect(&snap, &result));
    n = run(&snap, &w, n, 300);
    assert_int_equal(role_snap_request(&snap, 4711), ERR_BUSY); /* until it is collected */
    assert_true(role_snap_collect(&snap, &result));
    assert_false(role_snap_collect(&snap, &result));
    assert_int_equal(result.err, 0);
    assert_true(result.index == index && result.file_size > 10000);
    assert_true(hash != machine_hash(w.machine));

    assert_int_equal(restore(&copy, &disk, index, &fault), 0);
    assert_true(machine_hash(copy.machine) == hash);
    worlds_equal(&copy, &still);
    steps(&copy, 20000, n); /* and it goes on as the one that was saved did */
    settle(&copy);
    settle(&w);
    worlds_equal(&w, &copy);
    role_snap_fini(&snap);
    world_fini(&w);
    world_fini(&still);
    world_fini(&copy);
    mem_disk_fini(&disk);
}

static void test_gives_up_when_the_tree_changes_too_much(void **state)
{
    static struct world w;
    struct mem_disk disk;
    struct role_snap snap;
    struct role_snap_result result;
    mem_disk_init(&disk);
    world_make(&w);
    snap_make(&snap, &w, &disk, 10000);
    steps(&w, 1, 20000);
    settle(&w);
    assert_int_equal(role_snap_request(&snap, 4711), 0);
    uint64_t n = run(&snap, &w, 20000, 500);
    assert_true(role_snap_collect(&snap, &result));
    assert_int_equal(result.err, ERR_LIMIT);
    assert_non_null(strstr(result.fault.text, "10000"));
    for (int i = 0; i < MEM_DISK_FILE_MAX; i++)
        assert_false(disk.files[i].there);
    settle(&w);
    assert_int_equal(role_snap_request(&snap, 4711), 0);
    run(&snap, &w, n, 0);
    assert_true(role_snap_collect(&snap, &result));
    assert_int_equal(result.err, 0);
    role_snap_fini(&snap);
    world_fini(&w);
    mem_disk_fini(&disk);
}

static void test_every_disk_call_fails_once(void **state)
{
    static struct world w, copy;
    struct mem_disk disk;
    struct role_snap snap;
    struct role_snap_result result;
    struct fault fault = {""};
    uint64_t n = 3000, good = 0, failures = 0;
    mem_disk_init(&disk);
    world_make(&w);
    snap_make(&snap, &w, &disk, HOLD_LIMIT);
    steps(&w, 1, n);
    settle(&w);
    bool failed = true;
    for (uint32_t at = 0; failed; at++) {
        disk.calls = 0;
        disk.fail_at = at; /* 0: the first one is good */
        uint64_t index = machine_index(w.machine);
        assert_int_equal(role_snap_request(&snap, 4711), 0);
        n = run(&snap, &w, n, 5);
        assert_true(role_snap_collect(&snap, &result));
        failed = at == 0 || disk.calls >= at;
        disk.fail_at = 0;
        if (result.err == 0)
            good = index;
        else
            failures++;
        assert_true(result.err == 0 || (result.err == ERR_IO && result.fault.text[0]));
        assert_int_equal(disk.open_count, 0);
        assert_int_equal(restore(&copy, &disk, good, &fault), 0);
        world_fini(&copy);
    }
    assert_true(failures > 5);
    role_snap_fini(&snap);
    world_fini(&w);
    mem_disk_fini(&disk);
}

static void test_keeps_two(void **state)
{
    static struct world w;
    struct mem_disk disk;
    struct role_snap snap;
    struct role_snap_result result;
    struct fault fault;
    uint64_t *indexes, n = 100;
    uint32_t count;
    mem_disk_init(&disk);
    world_make(&w);
    snap_make(&snap, &w, &disk, HOLD_LIMIT);
    steps(&w, 1, n);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(role_snap_request(&snap, 4711), 0);
        n = run(&snap, &w, n, 10);
        assert_true(role_snap_collect(&snap, &result));
        assert_int_equal(result.err, 0);
        assert_string_equal(result.fault.text, "");
    }
    assert_int_equal(snapshot_list(&disk.io, &indexes, &count, &fault), 0);
    assert_int_equal(count, 2);
    assert_true(indexes[0] == result.index);
    free(indexes);
    struct role_snap_config config = snap.config;
    struct role_snap other;
    config.kept_count = 0;
    assert_int_equal(role_snap_init(&other, &config), ERR_RANGE);
    config.kept_count = SNAPSHOT_KEPT_COUNT_MAX + 1;
    assert_int_equal(role_snap_init(&other, &config), ERR_RANGE);
    role_snap_fini(&snap);
    world_fini(&w);
    mem_disk_fini(&disk);
}

/* Stopped at any turn: nothing stays held, the unfinished file goes. */
static void test_stops_at_any_turn(void **state)
{
    static struct world w;
    struct mem_disk disk;
    struct role_snap snap;
    mem_disk_init(&disk);
    world_make(&w);
    steps(&w, 1, 5000);
    settle(&w);
    for (int turns = 0; turns < 4; turns++) {
        snap_make(&snap, &w, &disk, HOLD_LIMIT);
        assert_int_equal(role_snap_request(&snap, 4711), 0);
        for (int i = 0; i < turns; i++)
            role_snap_poll(&snap, some_time);
        role_snap_fini(&snap);
        assert_int_equal(disk.open_count, 0);
        steps(&w, 5000 + (uint64_t)turns * 10, 5010 + (uint64_t)turns * 10);
        settle(&w);
    }
    world_fini(&w);
    mem_disk_fini(&disk);
}

/* Files that are whole, but whose contents contradict each other. */
static int load_lie(void (*lie)(struct snapshot_info *info, struct tree_image *child))
{
    static struct world w, copy;
    struct mem_disk disk;
    struct snapshot_write *write;
    struct fault fault = {""};
    uint8_t *image;
    uint64_t size;
    mem_disk_init(&disk);
    world_make(&w);
    world_open(&w, 0x1000);
    assert_int_equal(machine_image(w.machine, &image, &size), 0);
    struct snapshot_info info = {.index = machine_index(w.machine),
                                 .term = machine_term(w.machine),
                                 .zxid = machine_zxid(w.machine),
                                 .chain = 4711,
                                 .state_hash = machine_hash(w.machine),
                                 .node_count = 2,
                                 .session_count = 1};
    memset(info.cluster_id, 7, sizeof(info.cluster_id));
    struct tree_image root = {.path = bytes_of("/", 1), .data = {NULL, -1}, .child_count = 1};
    struct tree_image child = {.path = bytes_of("/a", 2), .data = {NULL, -1}, .owner = 0x1000};
    uint64_t index = info.index;
    lie(&info, &child);
    assert_int_equal(snapshot_write_begin(&write, &disk.io, &info, &fault), 0);
    assert_int_equal(snapshot_write_machine(write, bytes_of(image, size), &fault), 0);
    for (uint32_t id = 0; id < 2; id++) {
        struct bytes packed = acl_packed(machine_acls(w.machine), id);
        assert_int_equal(snapshot_write_acl(write, id, packed, &fault), 0);
    }
    assert_int_equal(snapshot_write_node(write, &child, &fault), 0);
    assert_int_equal(snapshot_write_node(write, &root, &fault), 0);
    assert_int_equal(snapshot_write_finish(write, &fault), 0);
    int err = restore(&copy, &disk, info.index == index ? index : info.index, &fault);
    if (err)
        assert_non_null(strstr(fault.text, "snapshot 'snapshot."));
    free(image);
    world_fini(&w);
    world_fini(&copy);
    mem_disk_fini(&disk);
    return err;
}

static void lie_none(struct snapshot_info *info, struct tree_image *child)
{
}

static void lie_hash(struct snapshot_info *info, struct tree_image *child)
{
    info->state_hash++;
}

static void lie_zxid(struct snapshot_info *info, struct tree_image *child)
{
    info->zxid++;
}

static void lie_index(struct snapshot_info *info, struct tree_image *child)
{
    info->index++;
}

static void lie_sessions(struct snapshot_info *info, struct tree_image *child)
{
    info->session_count++;
}

static void lie_owner(struct snapshot_info *info, struct tree_image *child)
{
    child->owner = 0x2000;
}

static void lie_acl(struct snapshot_info *info, struct tree_image *child)
{
    child->acl = 5;
}

static void lie_parent(struct snapshot_info *info, struct tree_image *child)
{
    child->path = bytes_of_string("/b/a");
}

static void test_contents_that_contradict(void **state)
{
    assert_int_equal(load_lie(lie_none), 0);
    assert_int_equal(load_lie(lie_hash), ERR_CORRUPT);
    assert_int_equal(load_lie(lie_zxid), ERR_CORRUPT);
    assert_int_equal(load_lie(lie_index), ERR_CORRUPT);
    assert_int_equal(load_lie(lie_sessions), ERR_CORRUPT);
    assert_int_equal(load_lie(lie_owner), ERR_CORRUPT);
    assert_int_equal(load_lie(lie_acl), ERR_CORRUPT);
    assert_int_equal(load_lie(lie_parent), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_beside_commands),
        cmocka_unit_test(test_gives_up_when_the_tree_changes_too_much),
        cmocka_unit_test(test_every_disk_call_fails_once),
        cmocka_unit_test(test_keeps_two),
        cmocka_unit_test(test_stops_at_any_turn),
        cmocka_unit_test(test_contents_that_contradict),
    };
    urcu_qsbr_register_thread();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    urcu_qsbr_unregister_thread();
    return failed;
}
