/* Goal: a member that lacks what the log no longer holds gets the newest snapshot, chunk by chunk,
 * whatever is lost; it is installed once it is whole, and not at all when it is needless. Method:
 * member 1 is once the leader that sends, once the member that takes; DISK is the test. */
#include "tests/unit/core_kit.h"

static struct core_disk asked(uint32_t kind)
{
    struct core_disk ask = kit_disk_next();
    assert_int_equal(ask.kind, kind);
    return ask;
}

/* ---- the member that takes ---- */

/* Member 1 has entries 1 and 2, of term 2; 1 is committed. Member 2 leads. */
static int setup_taker(void **state)
{
    kit_begin(3);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_ROOM, .index = KIT_ROOM});
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 0, 1);
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 1, 2);
    kit_disk();
    kit_say_nothing();
    return 0;
}

static void chunk(uint64_t index, uint64_t offset, bool last)
{
    kit_hears((struct peer_message){.kind = PEER_SNAPSHOT,
                                    .flags = PEER_BULK | (last ? PEER_LAST : 0),
                                    .from = 2,
                                    .term = 2,
                                    .index = index,
                                    .log_term = 2,
                                    .context = 77,
                                    .extra = offset},
              "0123456789abcdef", 16);
    kit_turn();
}

static void written(int error)
{
    struct core_disk ask = asked(CORE_DISK_WRITE_SNAPSHOT);
    assert_int_equal(ask.size, 16);
    assert_memory_equal(ask.buffer, "0123456789abcdef", 16);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_SNAPSHOT_WRITTEN, .error = error});
    kit_turn();
}

static void wants(uint64_t offset)
{
    const struct peer_message *reply = kit_said(PEER_SNAPSHOT_REPLY, 2);
    assert_non_null(reply);
    assert_int_equal(reply->extra, offset);
}

static void test_chunks_come_in_order_and_end_in_a_restart(void **state)
{
    chunk(50, 0, false);
    chunk(50, 0, false); /* twice, while the first is written */
    written(0);
    wants(16);
    chunk(50, 32, false); /* one was lost */
    asked(0);
    wants(16);
    chunk(50, 16, false);
    written(0);
    wants(32);
    chunk(50, 32, true);
    written(0);
    struct core_disk install = asked(CORE_DISK_INSTALL);
    assert_int_equal(install.last_index, 50);
    assert_int_equal(install.term, 2);
    assert_int_equal(install.chain, 77);
    chunk(50, 0, false); /* too late */
    asked(0);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_INSTALLED});
    kit_turn();
    assert_int_equal(kit.failed, ERR_RESTART);
}

static void test_another_snapshot_and_a_full_disk_begin_anew(void **state)
{
    chunk(50, 0, false);
    written(0);
    wants(16);
    chunk(60, 16, false); /* of another one */
    asked(0);
    wants(0);
    chunk(60, 0, false);
    written(ERR_NOSPACE);
    assert_null(kit_said(PEER_SNAPSHOT_REPLY, 2)); /* sent again by and by */
    chunk(60, 0, true);
    written(0);
    asked(CORE_DISK_INSTALL);
    kit_disk_says((struct disk_core){.kind = DISK_CORE_INSTALLED, .error = ERR_CORRUPT});
    kit_turn();
    assert_int_equal(kit.failed, 0);
    chunk(60, 16, false);
    wants(0);
}

/* It has the entry already: raft's answer says so, and nothing is written. */
static void test_what_lies_here_is_answered(void **state)
{
    chunk(2, 0, true);
    asked(0);
    const struct peer_message *reply = kit_said(PEER_APPEND_REPLY, 2);
    assert_non_null(reply);
    assert_int_equal(reply->index, 2);
    assert_int_equal(kit.core.raft.commit_index, 2);
}

/* The entries come while the last chunk is written: it is not installed over them. */
static void test_entries_that_come_meanwhile_make_it_needless(void **state)
{
    chunk(3, 0, true);
    kit_append(2, 2, kit_entry(2, COMMAND_NOOP, NULL, 0), 3, 3);
    kit_turn();
    assert_int_equal(kit.core.raft.commit_index, 3);
    written(0);
    asked(CORE_DISK_BATCH);
    asked(0);
}

/* ---- the leader that sends ---- */

/* Member 1 leads, its log begins behind entry `base`; member 3 has nothing. */
static int setup_sender(void **state)
{
    kit_begin(3);
    kit_lead();
    kit_agrees(2);
    kit_agrees(2);
    uint64_t base = kit.core.raft.commit_index;
    assert_true(base > 0);
    core_step(&kit.core, &(struct raft_input){.kind = RAFT_INPUT_COMPACTED, .index = base});
    kit.core.snapshot = (struct core_snapshot_id){base, kit.core.raft.term, 99};
    kit.core.hello.heard[3] = 4;
    kit_hears((struct peer_message){.kind = PEER_APPEND_REPLY,
                                    .flags = PEER_REJECT,
                                    .from = 3,
                                    .term = kit.core.raft.term,
                                    .context = kit.core.raft.round,
                                    .extra = kit.core.raft.progress[2].next_index - 1},
              NULL, 0);
    kit_turn();
    return 0;
}

static void read_chunk(uint64_t offset, uint32_t size, int error)
{
    struct core_disk ask = asked(CORE_DISK_READ_SNAPSHOT);
    assert_int_equal(ask.offset, offset);
    assert_int_equal(ask.last_index, kit.core.snapshot.index);
    memset(ask.buffer, 'x', size);
    kit_disk_says((struct disk_core){
        .kind = DISK_CORE_SNAPSHOT_READ, .number = ask.number, .size = size, .error = error});
    kit_turn();
}

static void sent(uint64_t offset, bool last)
{
    const struct peer_message *m = kit_said(PEER_SNAPSHOT, 3);
    assert_non_null(m);
    assert_int_equal(m->extra, offset);
    assert_int_equal(m->context, 99);
    assert_int_equal(m->flags & PEER_LAST, last ? PEER_LAST : 0);
}

static void member_3(uint8_t kind, uint64_t index, uint64_t extra)
{
    kit_hears((struct peer_message){.kind = kind,
                                    .from = 3,
                                    .term = kit.core.raft.term,
                                    .index = index,
                                    .context = kit.core.raft.round,
                                    .extra = extra},
              NULL, 0);
    kit_turn();
}

/* Member 2 is heard, and 310 ms pass; DISK is not asked by anybody else. */
static void later(void)
{
    for (int i = 0; i < 31; i++) {
        kit_pass(10);
        kit_hears((struct peer_message){.kind = PEER_APPEND_REPLY,
                                        .from = 2,
                                        .term = kit.core.raft.term,
                                        .index = kit.core.raft.last_index,
                                        .context = kit.core.raft.round},
                  NULL, 0);
    }
    kit_turn();
}

static void test_what_is_lost_is_sent_again(void **state)
{
    read_chunk(0, 64 << 10, 0);
    sent(0, true); /* shorter than a chunk: the last one */
    asked(0);
    later();
    read_chunk(0, 64 << 10, 0);
    sent(0, true);
}

static void test_it_ends_when_the_member_has_it(void **state)
{
    uint64_t base = kit.core.snapshot.index;

    read_chunk(0, CORE_CHUNK_SIZE, 0);
    kit_say_nothing();
    member_3(PEER_SNAPSHOT_REPLY, base, CORE_CHUNK_SIZE);
    read_chunk(CORE_CHUNK_SIZE, 100, 0);
    sent(CORE_CHUNK_SIZE, true);
    member_3(PEER_SNAPSHOT_REPLY, base, 0); /* it begins again */
    read_chunk(0, 100, 0);
    member_3(PEER_APPEND_REPLY, base, base);
    assert_int_equal(kit.core.sending.to, 0);
    asked(0);
}

static void test_one_that_cannot_be_read_is_given_up(void **state)
{
    read_chunk(0, 0, ERR_NOTFOUND);
    assert_null(kit_said(PEER_SNAPSHOT, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chunks_come_in_order_and_end_in_a_restart, setup_taker,
                                        kit_end),
        cmocka_unit_test_setup_teardown(test_another_snapshot_and_a_full_disk_begin_anew,
                                        setup_taker, kit_end),
        cmocka_unit_test_setup_teardown(test_what_lies_here_is_answered, setup_taker, kit_end),
        cmocka_unit_test_setup_teardown(test_entries_that_come_meanwhile_make_it_needless,
                                        setup_taker, kit_end),
        cmocka_unit_test_setup_teardown(test_what_is_lost_is_sent_again, setup_sender, kit_end),
        cmocka_unit_test_setup_teardown(test_it_ends_when_the_member_has_it, setup_sender, kit_end),
        cmocka_unit_test_setup_teardown(test_one_that_cannot_be_read_is_given_up, setup_sender,
                                        kit_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
