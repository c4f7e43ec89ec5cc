/* Goal: a machine restored from its image, its ACLs and its nodes goes on exactly like the one that
 * was saved; a damaged image is refused. Method: a busy machine is copied, both get the same
 * commands, and their hashes agree; every cut and every version of the image is tried. */
#include "tests/model/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SID   0x1001
#define OTHER 0x1002

static struct world w, copy;

static int setup(void **state)
{
    struct machine_config config = world_config_default();
    (void)state;
    config.enforce_quota = true;
    world_init(&w, &config, 0);
    world_init(&copy, &config, 0);
    return world_open(&w, SID) + world_open(&w, OTHER);
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    world_fini(&copy);
    return 0;
}

static void make_busy(void)
{
    assert_int_equal(world_create(&w, SID, "/d", "data", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/d/b", "", 1), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/d/a", "", 1), ZK_OK);
    assert_int_equal(world_create(&w, OTHER, "/d/o", NULL, 1), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/d/b", -1), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/d/b", "again", 1), ZK_OK); /* now last in its list */
    assert_int_equal(world_auth(&w, OTHER, "digest", "al:h"), ZK_OK);
    assert_int_equal(world_create_acl(&w, OTHER, "/al", 31, "auth", ""), ZK_OK);
    assert_int_equal(world_create_op(&w, SID, ZK_OP_CREATE_CONTAINER, "/c", "", 4, 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/c/x", "", 0), ZK_OK);
    assert_int_equal(world_delete(&w, SID, "/c/x", -1), ZK_OK);
    assert_int_equal(world_create_op(&w, SID, ZK_OP_CREATE_TTL, "/t", "", 5, 50), ZK_OK);
    char path[4000] = "/d/";
    memset(path + 3, 'n', sizeof path - 4); /* longer than what later commands bring along */
    assert_int_equal(world_create(&w, OTHER, path, "", 1), ZK_OK);
    path[sizeof path - 2] = 0;
    assert_int_equal(world_create(&w, SID, path, "", 1), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/zookeeper/quota/d", "", 0), ZK_OK);
    assert_int_equal(world_create(&w, SID, "/zookeeper/quota/d/zookeeper_limits",
                                  "count=-1,bytes=-1=;countHardLimit=5", 0),
                     ZK_OK);
    assert_int_equal(world_create(&w, SID, "/zookeeper/quota/d/zookeeper_stats", "", 0), ZK_OK);
    w.sequence = 9;
    assert_int_equal(world_set(&w, SID, "/d", "x", -1), ZK_OK);
    w.flags = COMMAND_ONCE;
    assert_int_equal(world_set(&w, OTHER, "/d", "once", -1), ZK_OK);
    w.sequence = 10;
    assert_int_equal(world_create(&w, OTHER, "/d", "", 0), ZK_NODE_EXISTS);
    w.sequence = w.flags = 0;
}

/* What store/snapshot.c does, in memory. */
static int copy_machine(void)
{
    struct fault fault = {0};
    uint8_t *image = NULL;
    uint64_t size = 0;
    int64_t zxid = tree_hold(w.tree, 1 << 20);
    struct tree_walk walk = tree_walk_begin(w.tree, zxid);
    const struct znode *node;
    assert_int_equal(machine_image(w.machine, &image, &size), 0);
    int err = machine_image_load(copy.machine, image, size);
    free(image);
    for (uint32_t id = 0; !err && id < acl_count(machine_acls(w.machine)); id++)
        if (acl_packed(machine_acls(w.machine), id).size > 0)
            err = acl_restore(machine_acls(copy.machine), id,
                              acl_packed(machine_acls(w.machine), id));
    tree_load_begin(copy.tree, 64);
    while (!err && tree_walk_next(&walk, &node, 1)) {
        struct tree_image one = znode_image(node);
        err = tree_load_node(copy.tree, &one, &fault);
        if (!err)
            err = machine_image_node(copy.machine, one.path, one.acl, one.owner);
    }
    if (!err)
        err = tree_load_end(copy.tree, zxid, &fault);
    machine_image_done(copy.machine);
    tree_hold_release(w.tree);
    copy.index = w.index;
    return err;
}

static void both(int32_t (*send)(struct world *world))
{
    int32_t a = send(&w), b = send(&copy);
    assert_int_equal(a, b);
    assert_string_equal(w.order, copy.order);
    assert_int_equal(w.body_size, copy.body_size);
    assert_memory_equal(w.body, copy.body, (size_t)w.body_size);
    assert_memory_equal(&w.reply, &copy.reply, sizeof w.reply);
    assert_int_equal(machine_zxid(w.machine), machine_zxid(copy.machine));
    assert_true(machine_hash(w.machine) == machine_hash(copy.machine));
}

static int32_t step_repeat(struct world *world)
{
    world->sequence = 9;
    int32_t error = world_set(world, SID, "/d", "y", -1);
    world->sequence = 0;
    return error;
}
/* What was answered before the copy was made is answered so again, and not done again. */
static int32_t step_once(struct world *world)
{
    struct zk_stat before, after;
    world->flags = COMMAND_ONCE;
    world->sequence = 9;
    assert_true(world_stat(world, "/d", &before));
    int32_t error = world_set(world, OTHER, "/d", "twice", -1);
    assert_true(world_stat(world, "/d", &after));
    assert_true(world_stat_equal(&before, &after));
    assert_int_equal(world->reply.zxid, before.mzxid);
    world->sequence = world->flags = 0;
    return error;
}
static int32_t step_seq(struct world *world)
{
    return world_create(world, SID, "/d/s", "", ZK_CREATE_PERSISTENT_SEQUENTIAL);
}
static int32_t step_quota(struct world *world)
{
    return world_create(world, SID, "/d/more", "", 0);
}
static int32_t step_acl(struct world *world)
{
    return world_set(world, SID, "/al", "", -1);
}
static int32_t step_acl_other(struct world *world)
{
    return world_set(world, OTHER, "/al", "", -1);
}
static int32_t step_auth(struct world *world)
{
    return world_create_acl(world, OTHER, "/al2", 31, "auth", "");
}
static int32_t step_reap(struct world *world)
{
    world_reap(world, "/c");
    return (int32_t)world->change_count;
}
static int32_t step_reap_ttl(struct world *world)
{
    world->time_ms += 51;
    world_reap(world, "/t");
    return (int32_t)world->change_count;
}
static int32_t step_close(struct world *world)
{
    return world_close(world, SID);
}
static int32_t step_attach(struct world *world)
{
    return world_attach(world, OTHER, NULL);
}
static int32_t step_expire(struct world *world)
{
    world_expire(world, OTHER);
    return (int32_t)world->change_count;
}

static void test_copy_goes_on_alike(void **state)
{
    static int32_t (*const steps[])(struct world *) = {
        step_repeat, step_once,      step_seq,  step_quota,
        step_acl,    step_acl_other, step_auth,
        step_reap,   step_reap_ttl, step_close, step_attach, step_expire};
    (void)state;
    make_busy();
    assert_int_equal(copy_machine(), 0);
    assert_int_equal(machine_index(copy.machine), machine_index(w.machine));
    assert_int_equal(machine_term(copy.machine), machine_term(w.machine));
    assert_int_equal(machine_time_ms(copy.machine), machine_time_ms(w.machine));
    assert_int_equal(machine_session_count(copy.machine), 2);
    assert_int_equal(machine_ephemeral_count(copy.machine), 5);
    machine_timers(copy.machine, &copy.sink);
    assert_int_equal(copy.timer_count, 2);
    assert_int_equal(copy.timer_session, OTHER);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        both(steps[i]);
    assert_int_equal(world_create(&w, SID, "/only/here", "", 0), ZK_SESSION_EXPIRED);
    assert_true(machine_hash(w.machine) != machine_hash(copy.machine));
}

static void test_every_cut_of_the_image_is_refused(void **state)
{
    struct machine_config config = world_config_default();
    struct tree_config tree_config = {.memory_limit = 1 << 20, .nodes_max = 64};
    struct machine *machine;
    struct tree *tree;
    uint8_t *image;
    uint64_t size;
    (void)state;
    make_busy();
    assert_int_equal(machine_image(w.machine, &image, &size), 0);
    assert_int_equal(tree_create(&tree, &tree_config), 0);
    for (uint64_t cut = 0; cut < size; cut++) {
        assert_int_equal(machine_create(&machine, &config, tree), 0);
        assert_int_equal(machine_image_load(machine, image, cut), ERR_MALFORMED);
        machine_destroy(machine);
    }
    image[3] = 6;
    assert_int_equal(machine_create(&machine, &config, tree), 0);
    assert_int_equal(machine_image_load(machine, image, size), ERR_VERSION);
    image[3] = 5;
    machine_destroy(machine);
    memcpy(image + 64, (uint8_t[]){0, 0, 0, 1}, 4); /* the settings' most sessions; it holds two */
    assert_int_equal(machine_create(&machine, &config, tree), 0);
    assert_int_equal(machine_image_load(machine, image, size), ERR_LIMIT);
    machine_destroy(machine);
    memset(image + 64, 0, 4);
    assert_int_equal(machine_create(&machine, &config, tree), 0);
    assert_int_equal(machine_image_load(machine, image, size), ERR_MALFORMED);
    machine_destroy(machine);
    free(image);
    tree_destroy(tree);
}

/* The copy was configured otherwise; what the image says counts, until a NOOP says otherwise. */
static void test_settings_travel(void **state)
{
    struct machine_config config = world_config_default();
    (void)state;
    make_busy();
    world_fini(&copy);
    config.extended_types = false;
    config.skip_acl = true;
    config.session_count_max = 1;
    world_init(&copy, &config, 0);
    assert_int_equal(copy_machine(), 0);
    both(step_acl);
    both(step_quota);
    assert_int_equal(world_create_op(&copy, OTHER, ZK_OP_CREATE_TTL, "/t2", "", 5, 9), ZK_OK);
    assert_int_equal(world_create_op(&w, OTHER, ZK_OP_CREATE_TTL, "/t2", "", 5, 9), ZK_OK);
    struct command_settings settings = machine_settings(copy.machine);
    assert_int_equal(settings.flags, COMMAND_SETTINGS_SKIP_ACL);
    struct command noop = {.kind = COMMAND_NOOP};
    world_apply(&copy, noop, &settings, sizeof settings);
    assert_int_equal(step_acl(&copy), ZK_OK);
    assert_int_equal(world_create_op(&copy, OTHER, ZK_OP_CREATE_TTL, "/t3", "", 5, 9),
                     ZK_UNIMPLEMENTED);
    assert_int_equal(world_open(&copy, 0x77), ZK_SYSTEM_ERROR);
    world_apply(&w, noop, &settings, sizeof settings);
    assert_int_equal(step_acl(&w), ZK_OK);
    world_apply(&w, noop, NULL, 0); /* none brought: they stay */
    assert_int_equal(step_acl(&w), ZK_OK);
}

static void test_memory_limit_travels(void **state)
{
    struct command_settings settings;
    char big[4096];
    (void)state;
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    settings = machine_settings(w.machine);
    settings.memory_limit = 2000;
    world_apply(&w, (struct command){.kind = COMMAND_NOOP}, &settings, sizeof settings);
    assert_int_equal(world_create(&w, SID, "/big", big, 0), ZK_SYSTEM_ERROR);
    settings.memory_limit = 1 << 20;
    world_apply(&w, (struct command){.kind = COMMAND_NOOP}, &settings, sizeof settings);
    assert_int_equal(world_create(&w, SID, "/big", big, 0), ZK_OK);
}

static void test_nodes_that_do_not_fit_are_refused(void **state)
{
    struct bytes path = bytes_of_string("/x");
    (void)state;
    assert_int_equal(machine_image_node(copy.machine, path, 2, 0), ERR_MALFORMED);
    assert_int_equal(machine_image_node(copy.machine, path, 0, SID), ERR_MALFORMED);
    assert_int_equal(machine_image_node(copy.machine, path, 0, ZK_OWNER_CONTAINER), 0);
    assert_int_equal(machine_image_node(copy.machine, path, 0, ZK_OWNER_CONTAINER), ERR_MALFORMED);
}

static void load(struct world *world, const char *path, int32_t creations, uint32_t children)
{
    struct tree_image image = {.path = bytes_of_string(path),
                               .data = bytes_of("", 0),
                               .creations = creations,
                               .child_count = children};
    struct fault fault = {0};
    assert_int_equal(tree_load_node(world->tree, &image, &fault), 0);
}

/* zk_protocol.md section 10: the counter stops at 2147483647; what would need a further number is
 * refused instead of numbered anew. */
static void test_sequence_saturates(void **state)
{
    struct fault fault = {0};
    (void)state;
    tree_load_begin(copy.tree, 8);
    load(&copy, "/", 1, 1);
    load(&copy, "/s", INT32_MAX - 1, 0);
    assert_int_equal(tree_load_end(copy.tree, 5, &fault), 0);
    assert_int_equal(world_open(&copy, SID), ZK_OK);
    assert_int_equal(world_create(&copy, SID, "/s/x", "", 2), ZK_OK);
    assert_string_equal(world_body_path(&copy), "/s/x2147483646");
    assert_int_equal(world_create(&copy, SID, "/s/x", "", 2), ZK_OK);
    assert_string_equal(world_body_path(&copy), "/s/x2147483647");
    assert_int_equal(world_create(&copy, SID, "/s/x", "", 2), ZK_NODE_EXISTS);
    assert_int_equal(world_create(&copy, SID, "/s/x", "", 3), ZK_NODE_EXISTS);
    assert_int_equal(world_create(&copy, SID, "/s/y", "", 2), ZK_OK);
    assert_string_equal(world_body_path(&copy), "/s/y2147483647");
    assert_int_equal(world_create(&copy, SID, "/s/plain", "", 0), ZK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copy_goes_on_alike, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_cut_of_the_image_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_settings_travel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_limit_travels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nodes_that_do_not_fit_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sequence_saturates, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
