/* Goal: a reconfig goes through its steps one after the other, each only when the one before is
 * committed; and a restart, or another leader, in the middle of it finds the membership that is in
 * force. Method: member 1 leads, and follows, with the others played by hand. */
#include "tests/unit/core_kit.h"
#include "tests/unit/listen.h"

#include "base/zk.h"

static uint64_t changes;

static void changed(void *self, const struct membership *before, const struct membership *after)
{
    changes++;
}

/* What APPLY tells when a client's reconfig to members 1 to `count` is applied. */
static void wanted(uint32_t count, int64_t zxid)
{
    static char text[MEMBERSHIP_TEXT_SIZE];
    struct membership servers = kit_servers(count);
    uint32_t size = (uint32_t)membership_print(&servers, -1, text, sizeof(text));
    struct apply_core *at = link_reserve(&kit.apply_core, (uint32_t)sizeof(*at) + size);

    *at = (struct apply_core){.kind = APPLY_CORE_RECONFIG, .id = zxid, .size = size};
    memcpy(at + 1, text, size);
    link_publish(&kit.apply_core);
    kit_disk();
}

/* The last entry of this log, if it is a membership; flags UINT32_MAX: it is not. */
static struct membership_body last_body(void)
{
    struct membership_body body = {.flags = UINT32_MAX};
    const struct log_record *record = log_tail_find(&kit.tail, kit.tail.last_index);
    const struct command *command = (const struct command *)(record + 1);

    assert_non_null(record);
    if (command->kind == COMMAND_CONFIG)
        assert_int_equal(
            membership_body_decode(&body, (const uint8_t *)(command + 1), command->body_size), 0);
    return body;
}

/* Members `ids` have everything; twice, for what a step appends in its answer. */
static void all_agree(const char *ids)
{
    for (int n = 0; n < 2; n++)
        for (const char *id = ids; *id; id++)
            kit_agrees((uint8_t)(*id - '0'));
}

static int setup_leader(void **state)
{
    kit_begin(3);
    kit.core.config.members_changed = changed;
    changes = 0;
    kit_lead();
    all_agree("23");
    assert_int_equal(last_body().flags, MEMBERSHIP_INITIAL);
    assert_int_equal(kit.core.raft.commit_index, kit.core.raft.last_index);
    return 0;
}

static void test_learner_then_joint_then_the_new_one(void **state)
{
    wanted(4, 7);
    struct membership_body body = last_body();
    assert_int_equal(body.flags, 0);
    assert_int_equal(body.after.count, 4);
    assert_true(body.after.server[3].observer); /* 4 comes as a learner */
    uint64_t learner = kit.core.raft.last_index;
    all_agree("23");
    assert_int_equal(kit.core.raft.last_index, learner); /* 4 has not caught up */
    kit_agrees(4);
    body = last_body();
    assert_int_equal(body.flags, MEMBERSHIP_JOINT);
    assert_int_equal(body.before.count, 4);
    assert_false(body.after.server[3].observer);
    uint64_t joint = kit.core.raft.last_index;
    assert_int_equal(joint, learner + 1);
    kit_agrees(2); /* 2 of 3, and 2 of 4: not both majorities */
    assert_int_equal(kit.core.raft.commit_index, learner);
    kit_agrees(4);
    assert_int_equal(kit.core.raft.commit_index, joint);
    body = last_body();
    assert_int_equal(body.flags, 0);
    assert_int_equal(kit.core.raft.last_index, joint + 1);
    assert_false(raft_membership(&kit.core.raft)->joint);
    assert_int_equal(changes, 4); /* the initial one too */
    wanted(4, 7);                 /* told twice: it was begun */
    all_agree("234");
    assert_int_equal(kit.core.raft.last_index, joint + 1);
}

/* Each committed membership is one line, with what it changed; the joint one is none. */
static void test_the_log_has_a_line_for_each(void **state)
{
    char line[128];

    listen_begin();
    wanted(4, 7);
    uint64_t first = kit.core.raft.last_index;
    all_agree("23");
    kit_agrees(4);
    all_agree("24");
    all_agree("234");
    wanted(2, 8); /* 3 and 4 leave */
    all_agree("234");
    all_agree("234");
    kit_turn();
    const char *said = listen_end();
    snprintf(line, sizeof(line),
             "members from entry %llu on: voters 1 2 3; observers 4 (4 joined)\n",
             (unsigned long long)first);
    assert_int_equal(listen_count(said, line), 1);
    snprintf(line, sizeof(line),
             "members from entry %llu on: voters 1 2 3 4; observers none (4 votes now)\n",
             (unsigned long long)first + 2);
    assert_int_equal(listen_count(said, line), 1);
    assert_int_equal(listen_count(said, " on: voters 1 2; observers none (3 left, 4 left)\n"), 1);
    assert_int_equal(listen_count(said, "members from entry"), 3);
}

/* Who is to join is not heard of: the reconfig is refused, and the learner goes again. */
static void test_a_learner_that_never_comes_ends_it(void **state)
{
    wanted(4, 7);
    for (uint32_t ms = 0; ms <= CORE_JOIN_NS / NS_PER_MS; ms += 20) {
        kit_pass(20);
        all_agree("23");
    }
    struct membership_body body = last_body();
    assert_int_equal(body.flags, 0);
    assert_int_equal(body.after.count, 3);
    const struct log_record *record = log_tail_find(&kit.tail, kit.tail.last_index - 1);
    const struct command *command = (const struct command *)(record + 1);
    assert_int_equal(command->kind, COMMAND_CONFIG);
    assert_int_equal(
        membership_body_decode(&body, (const uint8_t *)(command + 1), command->body_size), 0);
    assert_int_equal(body.flags, MEMBERSHIP_REFUSED);
    assert_int_equal(body.error, ZK_NEW_CONFIG_NO_QUORUM);
    assert_int_equal(raft_membership(&kit.core.raft)->count, 3);
}

/* ---- in the middle of it ---- */

static uint64_t config_entry(uint64_t term, uint32_t flags, uint32_t before, uint32_t after)
{
    uint8_t bytes[MEMBERSHIP_BODY_SIZE];
    struct membership_body body = {.flags = flags, .after = kit_servers(after)};

    if (flags & MEMBERSHIP_JOINT)
        body.before = kit_servers(before);
    return kit_entry(term, COMMAND_CONFIG, bytes,
                     (uint32_t)membership_body_encode(&body, bytes, sizeof(bytes)));
}

/* More memberships than are kept apart stand behind the commit index of a member that heard of no
 * commit: of those all but the last two are committed, and the oldest are let go; the last may be
 * truncated still, and then the one before is in force. */
static void test_the_oldest_memberships_are_let_go(void **state)
{
    uint32_t count = RAFT_CONFIG_COUNT_MAX + 5;

    for (uint32_t i = 1; i <= count; i++) {
        kit_append(2, 2, config_entry(2, 0, 0, 3 + i % 2), 0, i);
        kit_disk();
        assert_int_equal(kit.core.raft.last_index, i);
    }
    assert_int_equal(kit.core.raft.commit_index, 0);
    assert_int_equal(kit.core.raft.config_count, RAFT_CONFIG_COUNT_MAX);
    assert_true(kit.core.member_past_count <= RAFT_CONFIG_COUNT_MAX);
    assert_int_equal(raft_membership(&kit.core.raft)->index, count);
    assert_int_equal(kit.core.member_next.count, 3 + count % 2);
    log_tail_truncate(&kit.theirs, count);
    kit_append(3, 3, kit_entry(3, COMMAND_NOOP, NULL, 0), count - 1, 1);
    kit_disk();
    assert_int_equal(kit.core.raft.last_index, count);
    assert_int_equal(raft_membership(&kit.core.raft)->index, count - 1);
    assert_int_equal(kit.core.member_index, count - 1);
    assert_int_equal(kit.core.member_next.count, 3 + (count - 1) % 2);
    assert_int_equal(kit.failed, 0);
}

static int setup_follower(void **state)
{
    kit_begin(3);
    kit.core.config.members_changed = changed;
    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    return 0;
}

/* Member 1 follows 2, which began a joint change from 3 to 5 members; its entry is not known to be
 * committed. */
static int setup_joint(void **state)
{
    kit_begin(3);
    kit.core.config.members_changed = changed;
    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_append(2, 2, config_entry(2, MEMBERSHIP_INITIAL, 0, 3), 1, 2);
    kit_append(2, 2, config_entry(2, MEMBERSHIP_JOINT, 3, 5), 2, 3);
    kit_disk();
    assert_true(raft_membership(&kit.core.raft)->joint);
    assert_int_equal(raft_membership(&kit.core.raft)->count, 5);
    return 0;
}

/* CORE anew over the log tail as recovery leaves it: what is not committed stands in it. */
static void restart(void)
{
    struct raft raft;
    struct raft_terms terms;
    struct role_core_config config = kit.core.config;
    struct raft_config raft_config = kit.core.raft.config;
    struct membership_body members = {.after = kit_servers(3)};
    struct raft_recovered found = {.term = kit.core.raft.saved_term,
                                   .vote = kit.core.raft.saved_vote,
                                   .terms = &terms,
                                   .commit_index = 2};
    struct role_core was = kit.core;

    terms = kit.core.raft.terms;
    core_member_raft(&members, &found.membership);
    config.member_index = 2;
    config.incarnation++;
    config.forward.incarnation++;
    assert_int_equal(raft_init(&raft, &raft_config, &found), 0);
    role_core_fini(&kit.core);
    assert_int_equal(role_core_init(&kit.core, &config, &raft, &kit.tail, &kit.page, 0, 0), 0);
    memcpy(kit.core.net_core, was.net_core, sizeof(was.net_core));
    kit.core.net_count = was.net_count;
    kit.core.core_apply = was.core_apply;
    kit.core.apply_core = was.apply_core;
    kit.core.core_disk = was.core_disk;
    kit.core.disk_core = was.disk_core;
    kit.core.core_peer = was.core_peer;
    kit.core.peer_core = was.peer_core;
    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
}

/* After a restart both majorities decide again: 2 alone, a majority of the old three with this
 * member, elects nobody; with 4 it does, and the leader ends the change. */
static void test_a_restart_finds_the_joint_membership_in_force(void **state)
{
    const struct peer_message *asked;

    restart();
    kit_turn();
    assert_true(raft_membership(&kit.core.raft)->joint);
    for (int i = 0; i < 400 && kit.core.raft.state != RAFT_CANDIDATE; i++) {
        kit_pass(1);
        kit_disk();
        for (uint8_t id = 2; id <= 4; id += 2)
            if (kit.core.raft.state == RAFT_PRE_CANDIDATE)
                kit_hears((struct peer_message){.kind = PEER_PRE_VOTE_REPLY,
                                                .from = id,
                                                .term = kit.core.raft.term + 1,
                                                .context = kit.core.raft.campaign_round},
                          NULL, 0);
    }
    kit_disk();
    asked = kit_said(PEER_VOTE, 5); /* those of the next membership are asked too */
    assert_non_null(asked);
    kit_hears((struct peer_message){.kind = PEER_VOTE_REPLY, .from = 2, .term = asked->term}, NULL,
              0);
    kit_disk();
    assert_int_equal(kit.core.raft.state, RAFT_CANDIDATE);
    kit_hears((struct peer_message){.kind = PEER_VOTE_REPLY, .from = 4, .term = kit.core.raft.term},
              NULL, 0);
    kit_disk();
    assert_int_equal(kit.core.raft.state, RAFT_LEADER);
    all_agree("24");
    struct membership_body body = last_body();
    assert_int_equal(body.flags, 0);
    assert_int_equal(body.after.count, 5);
    assert_false(raft_membership(&kit.core.raft)->joint);
}

/* Another leader, of the old three, never had the joint entry: what was before is in force. */
static void test_a_truncated_joint_membership_is_forgotten(void **state)
{
    uint64_t before = changes;

    log_tail_truncate(&kit.theirs, 3);
    kit_append(3, 3, kit_entry(3, COMMAND_NOOP, NULL, 0), 2, 1);
    kit_disk();
    assert_int_equal(kit.core.raft.last_term, 3);
    assert_false(raft_membership(&kit.core.raft)->joint);
    assert_int_equal(raft_membership(&kit.core.raft)->count, 3);
    assert_int_equal(kit.core.member_index, 2);
    assert_int_equal(kit.core.member_next.count, 3);
    assert_int_equal(changes, before + 1);
}

/* An entry of a membership that this version cannot read stops the node. */
static void test_what_cannot_be_read_stops_the_node(void **state)
{
    kit_append(2, 2, kit_entry(2, COMMAND_CONFIG, "\0\0\0\011", 4), 2, 4);
    kit_turn();
    assert_int_equal(kit.failed, ERR_VERSION);
}

/* A follower says it when it hears that the entry is committed, and of the first one no changes. */
static void test_a_follower_says_what_is_committed(void **state)
{
    listen_begin();
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_append(2, 2, config_entry(2, MEMBERSHIP_INITIAL, 0, 3), 1, 2);
    kit_append(2, 2, config_entry(2, 0, 0, 2), 2, 3);
    kit_disk();
    kit_turn();
    const char *said = listen_end();
    assert_int_equal(listen_count(said, "members from entry"), 0); /* 2 is overtaken by 3 */
    listen_begin();
    kit_append(2, 2, 0, 3, 4);
    kit_turn();
    kit_turn();
    said = listen_end();
    assert_int_equal(listen_count(said, "members from entry 3 on: voters 1 2; observers none\n"),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_learner_then_joint_then_the_new_one, setup_leader,
                                        kit_end),
        cmocka_unit_test_setup_teardown(test_the_log_has_a_line_for_each, setup_leader, kit_end),
        cmocka_unit_test_setup_teardown(test_a_learner_that_never_comes_ends_it, setup_leader,
                                        kit_end),
        cmocka_unit_test_setup_teardown(test_a_restart_finds_the_joint_membership_in_force,
                                        setup_joint, kit_end),
        cmocka_unit_test_setup_teardown(test_a_truncated_joint_membership_is_forgotten, setup_joint,
                                        kit_end),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_stops_the_node, setup_joint,
                                        kit_end),
        cmocka_unit_test_setup_teardown(test_a_follower_says_what_is_committed, setup_follower,
                                        kit_end),
        cmocka_unit_test_setup_teardown(test_the_oldest_memberships_are_let_go, setup_follower,
                                        kit_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
