/* Goal: what a member finds at its start decides whether it votes, and what it leaves at its stop
 * is what the next start must find; both say so. Method: whole nodes on a simulated disk, whose
 * superblock is prepared by hand; nobody else is there. */
#include "base/check.h"
#include "consensus/core_parts.h"
#include "consensus/wal_segment.h"
#include "dataplane/port/datagram_sim.h"
#include "dataplane/port/port_sim.h"
#include "tests/sim/sim_disk.h"
#include "tests/unit/listen.h"
#include "tools/taktd/node_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define STARTS    12u
#define FLIP_AT   (512u * 4 + 60) /* in an early batch */
#define POWER_MAX 2000u

static struct sim_disk *disk;
static struct disk_io io;
static struct config config;
static struct now now = {.mono_ns = 1000 * NS_PER_S, .wall_ms = 1700000000000};

static int port_open(void *self, uint32_t index, const struct port_setup *setup, struct port **port,
                     struct fault *fault)
{
    return port_sim_open(setup, 1 << 16, port);
}

static int datagram_open(void *self, const struct node_datagrams *want, struct datagram_port **port,
                         struct fault *fault)
{
    struct datagram_sim_setup setup = {
        .local = want->listen, .size_max = want->size_limit, .in_count = 64, .out_count = 64};
    return datagram_sim_open(&setup, port);
}

static int resolve(void *self, const char *host, struct address *at, struct fault *fault)
{
    return fault_set(fault, ERR_NOTFOUND, "no address of '%s' is known", host);
}

static void fill_random(void *self, void *out, uint32_t size)
{
    static uint8_t next;

    memset(out, ++next, size);
}

static int open_node(struct node **node, struct fault *fault)
{
    struct node_env env = {.disk = &io,
                           .port_open = port_open,
                           .datagram_open = datagram_open,
                           .resolve = resolve,
                           .random = fill_random,
                           .now = now};

    now.mono_ns += NS_PER_S;
    now.wall_ms += 1000;
    io = *sim_disk_io(disk);
    sim_disk_time(disk, UINT64_MAX);
    return node_open(node, &config, &env, fault);
}

static struct node *opened(void)
{
    struct node *node = NULL;
    struct fault fault = {.text = ""};

    int err = open_node(&node, &fault);
    if (err)
        print_message("# %s\n", fault.text); /* stderr may be listened to */
    assert_int_equal(err, 0);
    return node;
}

static void stopped(struct node *node)
{
    node_close(node);
    sim_disk_crash(disk, SIM_DISK_KILL);
}

/* As kill -9 leaves it. */
static void crashed(struct node *node)
{
    node_abandon(node);
    sim_disk_crash(disk, SIM_DISK_KILL);
}

static void turns(struct node *node, uint32_t count)
{
    struct fault fault;

    for (uint32_t i = 0; i < count; i++) {
        now.mono_ns += NS_PER_MS;
        assert_true(node_turn(node, now, NULL, &fault) >= 0);
    }
}

static void servers_set(const char *second)
{
    static const char *const hosts[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

    config.servers.count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        struct membership_server *server = &config.servers.server[i];
        *server = (struct membership_server){
            .id = i + 1, .quorum_port = 2888, .election_port = 3888, .client_port = 2181};
        snprintf(server->host, sizeof(server->host), "%s", i == 1 ? second : hosts[i]);
    }
}

static struct superblock_state superblock_now(void)
{
    struct superblock superblock;
    struct superblock_report report;
    struct fault fault;
    struct disk_io own = *sim_disk_io(disk);

    assert_int_equal(superblock_read(&superblock, &own, &report, &fault), 0);
    return superblock.state;
}

static void superblock_put(const struct superblock_state *state)
{
    struct superblock superblock;
    struct superblock_report report;
    struct fault fault;
    struct disk_io own = *sim_disk_io(disk);

    assert_int_equal(superblock_open(&superblock, &own, state, &report, &fault), 0);
    assert_int_equal(superblock_save(&superblock, state, &fault), 0);
}

/* A log of some batches, made by the node alone; then it is one of three that acknowledge from
 * memory. */
static int setup(void **state)
{
    disk = sim_disk_create(1, 1 << 30);
    config_init(&config);
    config.node_id = 1;
    config.net_count = 1;
    config.log_segment_size = 1 << 20;
    config.request_size_max = 128 << 10;
    config.tree_memory_limit = 64 << 20;
    config.tree_nodes_max = 1 << 16;
    config.net_memory_limit = 256 << 20;
    config.watches_max = 1 << 14;
    config.connections_max = 64;
    config.session_timeout_ms_min = 4000;
    config.session_timeout_ms_max = 40000;
    config.sessions_max = 4096;
    listen_begin();
    for (uint32_t i = 0; i < STARTS; i++) {
        struct node *node = opened();
        turns(node, 10);
        stopped(node);
    }
    (void)listen_end();
    servers_set("10.0.0.2");
    config.durability_mode = CONFIG_DURABILITY_MEMORY;
    return 0;
}

static int teardown(void **state)
{
    sim_disk_destroy(disk);
    return 0;
}

/* As kill -9 leaves it. */
static void mark(void)
{
    struct superblock_state found = superblock_now();

    assert_true(found.formed);
    found.unflushed = true;
    superblock_put(&found);
}

static bool votes(const struct node *node)
{
    return node->core.raft.config.voting;
}

/* ---- --recover-from-disk ---- */

static void test_a_crash_takes_the_vote_until_it_is_given_back(void **state)
{
    mark();
    listen_begin();
    struct node *node = opened();
    assert_false(votes(node));
    assert_true(node->core.raft.last_index >= STARTS);
    stopped(node); /* in good order, and before it has caught up: the mark stays */
    const char *said = listen_end();
    assert_non_null(strstr(said, "did not stop in good order: it does not vote"));
    assert_non_null(strstr(said, "it stops before it has caught up"));
    assert_true(superblock_now().unflushed && superblock_now().catching_up);
    config.recover_from_disk = true;
    listen_begin();
    node = opened();
    assert_true(votes(node));
    stopped(node);
    assert_non_null(strstr(listen_end(), "--recover-from-disk: node 1 votes with what its disk"));
    assert_false(superblock_now().unflushed || superblock_now().catching_up);
    listen_begin();
    node = opened();
    assert_true(votes(node));
    stopped(node);
    assert_non_null(strstr(listen_end(), "--recover-from-disk does nothing: there is nothing to"));
}

/* A start that acknowledges from the disk only changes nothing of what was lost before it. */
static void test_a_start_with_the_disk_in_between(void **state)
{
    mark();
    config.durability_mode = CONFIG_DURABILITY_DISK;
    listen_begin();
    for (uint32_t i = 0; i < 2; i++) {
        struct node *node = opened();
        assert_false(votes(node));
        if (i == 0)
            stopped(node);
        else
            crashed(node);
        assert_true(superblock_now().unflushed && superblock_now().catching_up);
    }
    config.recover_from_disk = true;
    struct node *node = opened();
    assert_true(votes(node));
    stopped(node);
    (void)listen_end();
    assert_false(superblock_now().unflushed || superblock_now().catching_up);
}

/* It caught up in a start that acknowledges from the disk only: nothing can be lost any more, and
 * the start behind the next crash votes at once, with no flag. */
static void test_caught_up_with_the_disk_is_whole(void **state)
{
    mark();
    config.durability_mode = CONFIG_DURABILITY_DISK;
    listen_begin();
    struct node *node = opened();
    turns(node, 5);
    assert_true(superblock_now().unflushed && !votes(node));
    node->core.hello.identity.catching_up = false;
    core_save(&node->core);
    turns(node, 5);
    crashed(node);
    assert_false(superblock_now().unflushed || superblock_now().catching_up);
    node = opened();
    assert_true(votes(node));
    stopped(node);
    (void)listen_end();
}

/* Whatever was lost with it: a later start, behind one more crash, gives no vote either. */
static void assert_no_vote_later(void)
{
    struct superblock_state found = superblock_now();

    assert_true(found.disk_lacks && found.catching_up);
    found.unflushed = true;
    superblock_put(&found);
    config.recover_from_disk = true;
    listen_begin();
    struct node *node = opened();
    assert_false(votes(node));
    crashed(node);
    node = opened();
    assert_false(votes(node));
    stopped(node);
    const char *said = listen_end();
    assert_non_null(
        strstr(said, "--recover-from-disk does nothing: the disk was empty or damaged"));
    assert_null(strstr(said, "then start them with --recover-from-disk"));
    config.recover_from_disk = false;
}

/* It finds others that have a log, and has none: its vote went with its disk. When it has caught up
 * it is again one that may lose its memory, and no more than that. */
static void test_a_wiped_member_gets_no_vote(void **state)
{
    sim_disk_destroy(disk);
    disk = sim_disk_create(2, 1 << 30);
    listen_begin();
    struct node *node = opened();
    turns(node, 5);
    node->core.hello.identity.formed = node->core.hello.identity.catching_up = true;
    core_save(&node->core);
    turns(node, 5);
    crashed(node);
    (void)listen_end();
    assert_no_vote_later();
    listen_begin();
    node = opened();
    turns(node, 5);
    node->core.hello.identity.catching_up = false;
    core_save(&node->core);
    turns(node, 5);
    crashed(node);
    assert_true(superblock_now().unflushed && !superblock_now().disk_lacks);
    config.recover_from_disk = true;
    node = opened();
    assert_true(votes(node));
    stopped(node);
    (void)listen_end();
}

/* As a build without disk_lacks leaves a member that catches up for want of its disk. */
static void test_catching_up_without_a_reason_gets_no_vote(void **state)
{
    struct superblock_state found = superblock_now();

    found.catching_up = true;
    superblock_put(&found);
    listen_begin();
    crashed(opened());
    (void)listen_end();
    assert_no_vote_later();
}

static void test_an_outlived_member_gets_no_vote(void **state)
{
    mark();
    listen_begin();
    struct node *node = opened();
    core_outlived(&node->core, 2, node->core.hello.incarnation + 5);
    for (uint32_t i = 0; i < 100 && node->core.save_out; i++) {
        struct fault fault;
        now.mono_ns += NS_PER_MS;
        if (node_turn(node, now, NULL, &fault) < 0)
            break; /* ERR_RESTART */
    }
    crashed(node);
    (void)listen_end();
    assert_no_vote_later();
}

static void test_a_damaged_log_gets_no_vote(void **state)
{
    char name[DISK_PATH_SIZE_MAX];

    mark();
    wal_segment_name(name, 1);
    assert_int_equal(sim_disk_flip(disk, name, FLIP_AT, 3), 0);
    config.recover_from_disk = true;
    listen_begin();
    struct node *node = opened();
    const char *said = listen_end();
    assert_true(sim_disk_files(disk, ".damaged") > 0);
    assert_false(votes(node));
    assert_true(node->core.raft.last_index < STARTS);
    assert_non_null(
        strstr(said, "--recover-from-disk does nothing: the disk was empty or damaged"));
    assert_null(strstr(said, "votes with what its disk"));
    stopped(node);
    assert_no_vote_later();
}

/* ---- a history that was given up ---- */

/* All of the log lies aside, and it does not vote. */
static void assert_forgotten(struct node *node, uint32_t files)
{
    assert_false(votes(node));
    assert_int_equal(node->core.raft.last_index, 0);
    assert_int_equal(sim_disk_files(disk, "lost."), files);
    stopped(node);
    assert_false(superblock_now().forget);
    assert_true(superblock_now().formed);
    assert_no_vote_later();
}

/* That start does not vote although it is given --recover-from-disk. The power fails at each of its
 * operations in turn, and the next start ends it. */
static void test_a_log_given_up_is_put_aside(void **state)
{
    uint32_t files = sim_disk_files(disk, "log."), cut = 0;
    struct superblock_state found = superblock_now();
    struct sim_disk *whole = disk;
    bool dark = true;

    assert_true(files > 0);
    found.forget = found.catching_up = found.unflushed = true;
    superblock_put(&found);
    for (uint32_t nth = 1; dark && nth < POWER_MAX; nth++) {
        struct node *node = NULL;
        struct fault fault;
        disk = sim_disk_copy(whole, nth);
        config.recover_from_disk = true;
        sim_disk_power(disk, nth, false);
        listen_begin();
        int err = open_node(&node, &fault);
        dark = sim_disk_powerless(disk);
        if (!err && dark)
            node_abandon(node);
        config.recover_from_disk = false; /* it is given once */
        if (dark)
            sim_disk_crash(disk, SIM_DISK_POWER);
        if (dark)
            node = opened();
        (void)listen_end();
        cut += dark;
        assert_forgotten(node, files);
        sim_disk_destroy(disk);
    }
    disk = whole;
    assert_false(dark);
    assert_true(cut > files);
}

/* ---- a stop in good order ---- */

/* DISK saves a later term while the tail is flushed: that is what is saved without the mark. */
static void test_a_clean_stop_keeps_what_was_saved_meanwhile(void **state)
{
    struct node *node = opened();
    uint64_t term = superblock_now().term + 3;

    assert_true(superblock_now().unflushed);
    node->core.save_term = term;
    node->core.save_vote = 2;
    core_save(&node->core);
    stopped(node);
    assert_int_equal(superblock_now().term, term);
    assert_int_equal(superblock_now().vote, 2);
    assert_false(superblock_now().unflushed || superblock_now().catching_up);
}

/* ---- --begin-anew ---- */

/* The power fails at each operation of that start in turn. Until its first entry is in the log the
 * same flag does it; from then on it is refused, and a start without it goes on. */
static void test_begins_anew_alone_from_what_it_has(void **state)
{
    struct superblock_state before = superblock_now();
    struct sim_disk *whole = disk;
    bool dark = true;

    config.durability_mode = CONFIG_DURABILITY_DISK;
    struct node *node = opened();
    config.begin_anew = node->core.raft.last_index;
    stopped(node);
    for (uint32_t nth = 1; dark && nth < POWER_MAX; nth++) {
        struct fault fault;
        disk = sim_disk_copy(whole, nth);
        sim_disk_power(disk, nth, false);
        listen_begin();
        int err = open_node(&node, &fault);
        dark = sim_disk_powerless(disk);
        if (!err)
            node_abandon(node);
        sim_disk_crash(disk, SIM_DISK_POWER);
        node = opened();
        turns(node, 2000); /* an election, and what follows */
        (void)listen_end();
        assert_int_equal(node->core.raft.state, RAFT_LEADER);
        assert_true(node->core.raft.commit_index > config.begin_anew);
        assert_int_equal(raft_membership(&node->core.raft)->count, 1);
        assert_int_equal(
            machine_members(node->machine, NULL, &(const struct membership *){0})->count, 1);
        stopped(node);
        assert_true(superblock_now().formed && !superblock_now().catching_up);
        assert_memory_not_equal(superblock_now().cluster_id, before.cluster_id, 16);
        assert_int_equal(open_node(&node, &fault), ERR_CONFIG);
        assert_non_null(strstr(fault.text, "If it has begun anew already, start without the flag"));
        sim_disk_destroy(disk);
    }
    disk = whole;
    assert_false(dark);
    config.begin_anew = 0;
}

/* ---- names ---- */

static void test_a_name_that_is_not_found_is_said(void **state)
{
    servers_set("nowhere.example");
    listen_begin();
    struct node *node = opened();
    const char *said = listen_end();
    assert_int_equal(listen_count(said, "server 2 is not reached yet: no address of "
                                        "'nowhere.example' is known; it is looked up again"),
                     1);
    assert_int_equal(listen_count(said, "is not reached yet"), 1);
    turns(node, 50); /* and it runs */
    stopped(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_crash_takes_the_vote_until_it_is_given_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_start_with_the_disk_in_between, setup, teardown),
        cmocka_unit_test_setup_teardown(test_caught_up_with_the_disk_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_wiped_member_gets_no_vote, setup, teardown),
        cmocka_unit_test_setup_teardown(test_catching_up_without_a_reason_gets_no_vote, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_outlived_member_gets_no_vote, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_damaged_log_gets_no_vote, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_log_given_up_is_put_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_clean_stop_keeps_what_was_saved_meanwhile, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_begins_anew_alone_from_what_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_name_that_is_not_found_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
