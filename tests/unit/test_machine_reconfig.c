/* Goal: a reconfig is refused with the first of the reference's errors, a good one is told to the
 * leader and answered by the entry that ends it, and a snapshot keeps it half-way. Method: one
 * command at a time on a recorded machine, the entries that a leader would append played by hand.
 */
#include "tests/model/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SID   0x1001
#define SUPER 0x1002
#define THREE                                                                                      \
    "server.1=a:1:2:participant;0.0.0.0:3\nserver.2=b:1:2:participant;0.0.0.0:3\n"                 \
    "server.3=c:1:2:participant;0.0.0.0:3"
#define JOINED THREE "\nserver.4=d:1:2:observer;0.0.0.0:3"

static struct world w, copy;

static struct membership list(const char *text)
{
    struct membership m;
    assert_int_equal(membership_parse(&m, text, strlen(text), NULL, NULL), 0);
    return m;
}

static void apply_config(struct world *world, const struct membership_body *body)
{
    static uint8_t bytes[MEMBERSHIP_BODY_SIZE];
    size_t size = membership_body_encode(body, bytes, sizeof bytes);
    world_apply(world, (struct command){.kind = COMMAND_CONFIG}, bytes, size);
}

static void apply_final(struct world *world, const char *text)
{
    struct membership_body body = {.after = list(text)};
    apply_config(world, &body);
}

static void apply_initial(struct world *world)
{
    struct membership_body body = {.flags = MEMBERSHIP_INITIAL, .after = list(THREE)};
    apply_config(world, &body);
}

static int setup(void **state)
{
    struct machine_config config = world_config_default();
    (void)state;
    config.reconfig_enabled = true;
    config.standalone = true;
    world_init(&w, &config, 0);
    world_init(&copy, &config, 0);
    assert_int_equal(world_open(&w, SID), ZK_OK);
    assert_int_equal(world_open(&w, SUPER), ZK_OK);
    return world_auth(&w, SUPER, "super", "");
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    world_fini(&copy);
    return 0;
}

/* The error, or 1 when there is no answer yet. */
static int32_t reconfig(int64_t session, const char *joining, const char *leaving,
                        const char *members, int64_t version)
{
    world_begin(&w);
    world_put_string(&w, joining);
    world_put_string(&w, leaving);
    world_put_string(&w, members);
    jute_put_long(&w.out, version);
    int32_t error = world_request(&w, session, ZK_OP_RECONFIG);
    return w.reply_count ? error : 1;
}

static void test_errors_in_order(void **state)
{
    static const char *const bad[][3] = {
        {"server.4=d", NULL, NULL},
        {"server.4=d:1:2", NULL, NULL},   /* no client port */
        {"server.4=a:1:9;8", NULL, NULL}, /* somebody else's port */
        {NULL, "x", NULL},
        {NULL, "1,2", NULL}, /* one voter is left, standaloneEnabled */
        {NULL, NULL, ""},
        {NULL, NULL, "server.1=a:1:2;3"},
        {NULL, NULL, "server.1=a:1:2,server.2=b:1:2"}, /* no client ports */
        {NULL, "1,2,3", NULL},
    };
    int64_t version;
    (void)state;
    assert_int_equal(reconfig(SUPER, NULL, NULL, NULL, -1), ZK_UNIMPLEMENTED); /* a node alone */
    apply_initial(&w);
    machine_members(w.machine, &version, NULL);
    assert_true(version == machine_zxid(w.machine));
    assert_int_equal(reconfig(0x99, NULL, "3", NULL, -1), ZK_SESSION_EXPIRED);
    assert_int_equal(reconfig(SID, "bad", NULL, NULL, version + 1), ZK_BAD_VERSION);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(reconfig(SID, bad[i][0], bad[i][1], bad[i][2], version), ZK_BAD_ARGUMENTS);
    assert_int_equal(reconfig(SID, NULL, "3", NULL, -1), ZK_NO_AUTH);
    assert_int_equal(w.wanted_count, 0);
    assert_int_equal(reconfig(SUPER, NULL, "3", NULL, -1), 1);
    assert_int_equal(w.wanted_count, 1);
    assert_int_equal(reconfig(SUPER, NULL, "3", NULL, version + 1), ZK_RECONFIG_IN_PROGRESS);
    struct command noop = {.kind = COMMAND_NOOP};
    struct command_settings settings = machine_settings(w.machine);
    settings.flags &= ~COMMAND_SETTINGS_RECONFIG;
    world_apply(&w, noop, &settings, sizeof settings);
    assert_int_equal(reconfig(0x99, NULL, "3", NULL, -1), ZK_RECONFIG_DISABLED);
}

/* More servers in both lists together than can count at a time. */
static void test_too_many_beside(void **state)
{
    static char text[2000];
    (void)state;
    apply_initial(&w);
    for (int i = 0; i < 14; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%sserver.%d=n%d:1:2;3",
                 i ? "," : "", i + 20, i);
    assert_int_equal(reconfig(SUPER, NULL, NULL, text, -1), ZK_BAD_ARGUMENTS);
    *strrchr(text, ',') = '\0';
    assert_int_equal(reconfig(SUPER, NULL, NULL, text, -1), 1);
}

static void expect_config(const char *servers)
{
    static char text[5000];
    struct zk_stat stat;
    int64_t version;
    machine_members(w.machine, &version, NULL);
    snprintf(text, sizeof text, "%s\nversion=%llx", servers, (unsigned long long)version);
    assert_true(world_data(&w, "/zookeeper/config", text));
    assert_true(world_stat(&w, "/zookeeper/config", &stat));
    assert_true(stat.mzxid == version);
    assert_int_equal(stat.version, -1);
    assert_int_equal(stat.mtime_ms, w.time_ms);
}

static void test_initial_is_written(void **state)
{
    (void)state;
    assert_true(world_data(&w, "/zookeeper/config", ""));
    w.time_ms = 7000;
    apply_initial(&w);
    assert_string_equal(w.order, "c");
    assert_int_equal(w.changes[0].event, ZK_EVENT_DATA_CHANGED);
    assert_string_equal(w.changes[0].path, "/zookeeper/config");
    expect_config(THREE);
}

static void test_answered_by_the_final_entry(void **state)
{
    const struct membership *next;
    (void)state;
    apply_initial(&w);
    int64_t asked = machine_zxid(w.machine) + 1;
    assert_int_equal(reconfig(SUPER, "server.4=d:1:2:observer;3", NULL, NULL, -1), 1);
    assert_string_equal(w.order, "");
    assert_string_equal(w.wanted, JOINED);
    assert_true(w.wanted_zxid == asked && machine_zxid(w.machine) == asked);
    struct membership_body joint = {
        .flags = MEMBERSHIP_JOINT, .before = list(THREE), .after = list(JOINED)};
    apply_config(&w, &joint);
    assert_string_equal(w.order, "");
    machine_members(w.machine, NULL, &next);
    assert_int_equal(next->count, 4);
    assert_int_equal(world_create(&w, SID, "/between", "", 0), ZK_OK);
    assert_int_equal(reconfig(SUPER, NULL, "3", NULL, -1), ZK_RECONFIG_IN_PROGRESS);
    w.time_ms = 9000;
    apply_final(&w, JOINED);
    assert_string_equal(w.order, "cr");
    expect_config(JOINED);
    assert_int_equal(w.whose.kind, COMMAND_REQUEST);
    assert_int_equal(w.whose.conn, 7);
    assert_int_equal(w.reply.conn, 7);
    assert_int_equal(w.reply.xid, 77);
    assert_int_equal(w.reply.op, ZK_OP_RECONFIG);
    assert_int_equal(w.reply.error, ZK_OK);
    assert_true(w.reply.session == SUPER && w.reply.head.zxid == machine_zxid(w.machine));
    struct jute_in in = jute_in(w.body, (size_t)w.body_size);
    struct bytes data = jute_get_bytes(&in);
    assert_true(data.size > (int32_t)strlen(JOINED));
    assert_memory_equal(data.at, JOINED, strlen(JOINED));
    jute_get_long(&in);
    assert_true(jute_get_long(&in) == machine_zxid(w.machine)); /* mzxid */
    jute_take(&in, ZK_STAT_SIZE - 16);
    assert_true(!in.bad && in.at == in.end);
    machine_members(w.machine, NULL, &next);
    assert_null(next);
    assert_int_equal(reconfig(SUPER, NULL, "4", NULL, machine_zxid(w.machine)), 1);
}

static void test_refused_by_the_leader(void **state)
{
    struct membership_body refused = {.flags = MEMBERSHIP_REFUSED,
                                      .error = ZK_NEW_CONFIG_NO_QUORUM};
    (void)state;
    apply_initial(&w);
    apply_config(&w, &refused); /* nobody waits */
    assert_string_equal(w.order, "");
    assert_int_equal(reconfig(SUPER, NULL, "3", NULL, -1), 1);
    int64_t zxid = machine_zxid(w.machine);
    apply_config(&w, &refused);
    assert_string_equal(w.order, "r");
    assert_int_equal(w.reply.error, ZK_NEW_CONFIG_NO_QUORUM);
    assert_int_equal(w.body_size, 0);
    assert_true(machine_zxid(w.machine) == zxid);
    assert_int_equal(reconfig(SUPER, NULL, "3", NULL, -1), 1);
}

/* A new leader is told until the change has begun; then its own log says so. */
static void test_reminded(void **state)
{
    struct command noop = {.kind = COMMAND_NOOP};
    (void)state;
    apply_initial(&w);
    assert_int_equal(reconfig(SUPER, NULL, "3", NULL, -1), 1);
    w.term = 2;
    world_apply(&w, noop, NULL, 0);
    assert_int_equal(w.wanted_count, 1);
    struct membership_body joint = {
        .flags = MEMBERSHIP_JOINT, .before = list(THREE), .after = list(w.wanted)};
    apply_config(&w, &joint);
    world_apply(&w, noop, NULL, 0);
    assert_int_equal(w.wanted_count, 0);
    apply_final(&w, w.wanted);
    assert_string_equal(w.order, "cr");
}

/* Two of three are lost in the middle of a change, and the third begins anew: the change is over,
 * and the next can be asked for. */
static void test_begun_anew_half_way(void **state)
{
    (void)state;
    apply_initial(&w);
    assert_int_equal(reconfig(SUPER, "server.4=d:1:2:observer;3", NULL, NULL, -1), 1);
    struct membership_body body = {
        .flags = MEMBERSHIP_JOINT, .before = list(THREE), .after = list(JOINED)};
    apply_config(&w, &body);
    body = (struct membership_body){.flags = MEMBERSHIP_INITIAL,
                                    .after = list("server.1=a:1:2:participant;0.0.0.0:3")};
    apply_config(&w, &body);
    assert_string_equal(w.order, "cr");
    assert_int_equal(w.reply.error, ZK_NEW_CONFIG_NO_QUORUM);
    assert_int_equal(reconfig(SUPER, "server.4=d:1:2;3", NULL, NULL, -1), 1);
}

/* takt's own: a wish for a leader, also where the membership may not be changed. */
static void test_transfer(void **state)
{
    static const char *const bad[] = {"leader=",   "leader=4",  "leader=x",
                                      "leader=1 ", "leader=-1", "leader=4294967298"};
    struct command_settings settings = machine_settings(w.machine);
    (void)state;
    assert_int_equal(reconfig(SUPER, NULL, NULL, "leader=2", -1), ZK_UNIMPLEMENTED);
    apply_initial(&w);
    settings.flags &= ~COMMAND_SETTINGS_RECONFIG;
    world_apply(&w, (struct command){.kind = COMMAND_NOOP}, &settings, sizeof settings);
    assert_int_equal(reconfig(SID, NULL, NULL, "leader=2", -1), ZK_NO_AUTH);
    assert_int_equal(w.transfer_to, 0);
    for (size_t i = 1; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(reconfig(SUPER, NULL, NULL, bad[i], -1), ZK_BAD_ARGUMENTS);
    assert_int_equal(reconfig(SUPER, NULL, NULL, bad[0], -1), ZK_RECONFIG_DISABLED);
    assert_int_equal(reconfig(SUPER, NULL, NULL, "leader=2", -1), ZK_OK);
    assert_int_equal(w.transfer_to, 2);
    assert_string_equal(w.order, "r");
    assert_true(w.body_size > ZK_STAT_SIZE + 4 + (int32_t)strlen(THREE));
    struct membership_body body = {.after = list(JOINED)};
    apply_config(&w, &body);
    assert_int_equal(reconfig(SUPER, NULL, NULL, "leader=4", -1), ZK_BAD_ARGUMENTS); /* observes */
}

static void copy_machine(void)
{
    uint8_t *image;
    uint64_t size;
    assert_int_equal(machine_image(w.machine, &image, &size), 0);
    assert_int_equal(machine_image_load(copy.machine, image, size), 0);
    copy.index = w.index;
    copy.term = w.term;
    copy.time_ms = w.time_ms;
    for (uint64_t cut = 0; cut < size; cut++) {
        struct machine *machine;
        assert_int_equal(machine_create(&machine, &w.config, copy.tree), 0);
        assert_int_equal(machine_image_load(machine, image, cut), ERR_MALFORMED);
        machine_destroy(machine);
    }
    free(image);
    assert_true(machine_hash(copy.machine) == machine_hash(w.machine));
}

static void test_snapshot_half_way(void **state)
{
    const struct membership *next;
    int64_t version, of_copy;
    (void)state;
    apply_initial(&w);
    assert_int_equal(reconfig(SUPER, NULL, "3", NULL, -1), 1);
    char wanted[4200];
    strcpy(wanted, w.wanted);
    struct membership_body joint = {
        .flags = MEMBERSHIP_JOINT, .before = list(THREE), .after = list(wanted)};
    apply_config(&w, &joint);
    copy_machine();
    machine_members(w.machine, &version, NULL);
    assert_int_equal(machine_members(copy.machine, &of_copy, &next)->count, 3);
    assert_int_equal(next->count, 2);
    assert_true(version == of_copy);
    apply_final(&w, wanted);
    apply_final(&copy, wanted);
    assert_true(machine_hash(copy.machine) == machine_hash(w.machine));
    assert_string_equal(copy.order, "cr");
    assert_int_equal(copy.whose.conn, 7);
    assert_int_equal(copy.reply.xid, 77);
    assert_int_equal(copy.body_size, w.body_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_errors_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_beside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_initial_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answered_by_the_final_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_by_the_leader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reminded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_begun_anew_half_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transfer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_snapshot_half_way, setup, teardown),
    };
    return cmocka_run_group_tests_name("machine_reconfig", tests, NULL, NULL);
}
