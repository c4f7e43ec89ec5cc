/* Goal: the checkers of the simulator that judge what nodes promise each other (check_promise,
 * check_leader, check_member), what sessions are promised (check_session) and that nothing happens
 * for nothing (check_calm) accept what is right
 * and find what is wrong. Method: good and bad histories by hand. */
#include "tests/sim/check_back.h"
#include "tests/sim/check_calm.h"
#include "tests/sim/check_durable.h"
#include "tests/sim/check_leader.h"
#include "tests/sim/check_lost.h"
#include "tests/sim/check_member.h"
#include "tests/sim/check_promise.h"
#include "tests/sim/check_read.h"
#include "tests/sim/check_session.h"
#include "tests/sim/check_stale.h"

#include "base/clock.h"
#include "base/zk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- check_promise ---- */

static struct peer_message message(uint8_t kind, uint64_t term, uint64_t index, uint8_t flags)
{
    return (struct peer_message){
        .kind = kind, .from = 1, .to = 2, .flags = flags, .term = term, .index = index};
}

static void sent(struct check_promise *promise, uint8_t kind, uint64_t term, uint64_t index,
                 uint8_t flags)
{
    struct peer_message m = message(kind, term, index, flags);
    check_promise_sent(promise, &m, 0);
}

static const char *kept(struct check_promise *promise, uint64_t term, uint8_t vote, uint64_t last)
{
    struct check_promise_found found = {
        .term = term, .last_index = last, .vote = vote, .voting = true};
    return check_promise_kept(promise, &found);
}

static void test_promised_vote(void **state)
{
    struct check_promise promise = {0};

    sent(&promise, PEER_VOTE_REPLY, 7, 0, 0); /* for node 2 */
    assert_null(kept(&promise, 7, 2, 0));
    assert_null(kept(&promise, 8, 0, 0));     /* a later term: free again */
    assert_non_null(kept(&promise, 7, 0, 0)); /* forgotten */
    assert_non_null(kept(&promise, 7, 3, 0)); /* another's */
    assert_non_null(kept(&promise, 6, 2, 0)); /* the term too */
    sent(&promise, PEER_VOTE, 8, 0, 0);       /* its own, 1 */
    assert_non_null(kept(&promise, 8, 2, 0));
    assert_null(kept(&promise, 8, 1, 0));
    sent(&promise, PEER_VOTE_REPLY, 9, 0, PEER_REJECT); /* says the term, and gives no vote */
    assert_null(kept(&promise, 9, 0, 0));
    assert_non_null(kept(&promise, 8, 1, 0));
    sent(&promise, PEER_PRE_VOTE, 99, 0, 0); /* promises nothing */
    assert_null(kept(&promise, 9, 0, 0));
}

/* An entry of another term at the same place is another entry. */
static void test_promised_entry_itself(void **state)
{
    struct check_promise promise = {0};
    struct peer_message m = message(PEER_APPEND_REPLY, 7, 40, 0);
    struct check_promise_found found = {.term = 7, .last_index = 45, .voting = true};

    check_promise_sent(&promise, &m, 7);
    assert_null(check_promise_kept(&promise, &found)); /* in a snapshot */
    found.entry_term = 7;
    assert_null(check_promise_kept(&promise, &found));
    found.entry_term = 5;
    assert_non_null(check_promise_kept(&promise, &found));
    found.term = 8; /* a later leader may have cut it */
    assert_null(check_promise_kept(&promise, &found));
}

static void test_promised_entries(void **state)
{
    struct check_promise promise = {0};

    sent(&promise, PEER_APPEND_REPLY, 7, 40, 0);
    sent(&promise, PEER_APPEND_REPLY, 7, 30, 0);           /* came later, says less */
    sent(&promise, PEER_APPEND_REPLY, 7, 90, PEER_REJECT); /* a hint, no promise */
    assert_null(kept(&promise, 7, 0, 40));
    assert_non_null(kept(&promise, 7, 0, 39));
    assert_null(kept(&promise, 8, 0, 10)); /* a later leader may have cut it */
    sent(&promise, PEER_APPEND_REPLY, 8, 10, 0);
    assert_null(kept(&promise, 8, 0, 10));
    assert_non_null(kept(&promise, 8, 0, 9));
    sent(&promise, PEER_APPEND, 9, 0, 0); /* it leads term 9 */
    assert_non_null(kept(&promise, 8, 0, 10));
}

static void test_promise_taken_back(void **state)
{
    struct check_promise promise = {0};
    struct check_promise_found found = {.term = 1, .voting = false};

    sent(&promise, PEER_APPEND_REPLY, 7, 40, 0);
    assert_null(check_promise_kept(&promise, &found)); /* it says so, and does not vote */
    assert_null(kept(&promise, 1, 0, 0));
    sent(&promise, PEER_APPEND_REPLY, 7, 40, 0);
    check_promise_void(&promise);
    assert_null(kept(&promise, 1, 0, 0));
}

/* ---- check_leader ---- */

static const char *look(struct check_leader *check, uint32_t node, uint64_t term, uint64_t commit,
                        uint64_t first)
{
    struct check_leader_view view = {node, term, commit, first};
    return check_leader_look(check, &view, 1000 * term);
}

static void test_leaders(void **state)
{
    static struct check_leader check;

    assert_null(look(&check, 0, 5, 10, 21));
    assert_null(look(&check, 0, 5, 10, 21));
    assert_null(look(&check, 2, 6, 10, 22));
    assert_non_null(look(&check, 1, 5, 10, 21)); /* two in term 5 */
    assert_int_equal(check_leader_since_ns(&check, 6), 6000);
    assert_int_equal(check_leader_since_ns(&check, 7), 0);
    assert_int_equal(check.changes, 2);
    assert_null(look(&check, 2, 6, 22, 22));
    assert_null(look(&check, 1, 7, 22, 30));
    assert_non_null(look(&check, 1, 7, 29, 30)); /* an older term's by counting */
    assert_null(look(&check, 1, 6 + CHECK_LEADER_TERMS, 0, 1));
    assert_null(look(&check, 0, 6, 0, 1)); /* too old to judge */
}

/* ---- check_member ---- */

static struct membership voters(uint32_t set, uint32_t observers)
{
    struct membership members = {0};
    for (uint32_t i = 0; i < 8; i++) {
        struct membership_server server = {.id = i + 1, .observer = observers >> i & 1};
        if ((set | observers) >> i & 1)
            assert_int_equal(membership_add(&members, &server), 0);
    }
    return members;
}

static const char *member(struct check_member *check, uint32_t flags, uint32_t before,
                          uint32_t after, uint32_t observers)
{
    struct membership_body body = {
        .flags = flags, .before = voters(before, 0), .after = voters(after, observers)};
    return check_member_entry(check, &body);
}

static void test_member_steps(void **state)
{
    struct check_member check = {0};

    assert_null(member(&check, MEMBERSHIP_INITIAL, 0, 7, 0));
    assert_null(member(&check, 0, 0, 7, 8));      /* a learner comes: no voter changes */
    assert_non_null(member(&check, 0, 0, 15, 0)); /* a voter without a joint step */
    assert_non_null(member(&check, 0, 0, 3, 0));  /* one goes, the same */
    assert_non_null(member(&check, MEMBERSHIP_JOINT, 3, 15, 0)); /* from another one */
    assert_null(member(&check, MEMBERSHIP_JOINT, 7, 15, 0));
    assert_null(member(&check, MEMBERSHIP_REFUSED, 0, 0, 0));
    assert_non_null(member(&check, MEMBERSHIP_JOINT, 7, 3, 0)); /* a second one meanwhile */
    assert_non_null(member(&check, 0, 0, 7, 0));                /* to another one */
    assert_null(member(&check, 0, 0, 15, 0));
}

static void test_member_quorums(void **state)
{
    struct check_member check = {0};

    assert_null(check_member_shown(&check, 1, 0)); /* nobody knows who decides */
    assert_null(member(&check, MEMBERSHIP_INITIAL, 0, 7, 0));
    assert_non_null(check_member_shown(&check, 2, 1)); /* the leader alone */
    check_member_acked(&check, 4, 2);                  /* not a voter */
    assert_non_null(check_member_shown(&check, 2, 1));
    check_member_acked(&check, 1, 2);
    assert_null(check_member_shown(&check, 2, 1));
    assert_non_null(check_member_shown(&check, 3, 1)); /* so far it did not say */
    check_member_acked(&check, 3, 9);
    check_member_acked(&check, 4, 9);
    assert_null(member(&check, MEMBERSHIP_JOINT, 7, 25, 0)); /* 1 2 3 become 1 4 5 */
    assert_non_null(check_member_shown(&check, 4, 1));       /* the new majority alone */
    assert_null(member(&check, 0, 0, 25, 0));
    assert_null(member(&check, MEMBERSHIP_JOINT, 25, 7, 0)); /* and back */
    assert_non_null(check_member_shown(&check, 5, 1));       /* the old one alone */
    check_member_acked(&check, 2, 5);
    assert_null(check_member_shown(&check, 5, 1));     /* both */
    assert_non_null(check_member_shown(&check, 6, 1)); /* behind it the new one decides */
}

/* ---- check_session ---- */

struct opened {
    struct command command;
    struct session_open open;
};

static const char *entry(struct check_session *check, uint8_t kind, int32_t op, int64_t session,
                         int64_t zxid, uint64_t since_ms, uint64_t now_ms)
{
    struct opened of = {.command = {.kind = kind, .op = op, .session = session},
                        .open = {.timeout_ms = 1000}};
    struct check_session_when when = {since_ms * NS_PER_MS, now_ms * NS_PER_MS};
    return check_session_entry(check, &of.command, session, true, zxid, when);
}

static void test_session_expiry(void **state)
{
    struct check_session check;

    check_session_init(&check);
    assert_null(entry(&check, COMMAND_OPEN, 0, 7, 1, 1, 100));
    assert_null(entry(&check, COMMAND_EXPIRE, 0, 7, 2, 1, 1100));
    assert_null(entry(&check, COMMAND_OPEN, 0, 8, 3, 1, 100));
    assert_non_null(entry(&check, COMMAND_EXPIRE, 0, 8, 4, 1100, 1500)); /* 400 ms in office */
    assert_null(entry(&check, COMMAND_EXPIRE, 0, 8, 5, 0, 1500));     /* nobody knows since when */
    assert_null(entry(&check, COMMAND_EXPIRE, 0, 99, 6, 1100, 1500)); /* an older one's */
    check.calm_ns = 10000 * NS_PER_MS;
    assert_null(entry(&check, COMMAND_OPEN, 0, 9, 7, 1, 100));
    check_session_heard(&check, 9, 12000 * NS_PER_MS);
    assert_null(entry(&check, COMMAND_EXPIRE, 0, 9, 8, 1, 12500)); /* just mended: it may be */
    check_session_heard(&check, 9, 15000 * NS_PER_MS);
    assert_non_null(entry(&check, COMMAND_EXPIRE, 0, 9, 8, 1, 15500));
    assert_null(entry(&check, COMMAND_EXPIRE, 0, 9, 8, 1, 16000));
    check_session_fini(&check);
}

static void test_session_ephemerals(void **state)
{
    struct check_session check;

    check_session_init(&check);
    assert_null(entry(&check, COMMAND_OPEN, 0, 7, 10, 1, 100));
    assert_null(check_session_owner(&check, 7, 10));
    assert_non_null(check_session_owner(&check, 7, 9));  /* not yet */
    assert_non_null(check_session_owner(&check, 6, 10)); /* nobody's */
    assert_null(entry(&check, COMMAND_REQUEST, ZK_OP_SET_DATA, 7, 15, 1, 150));
    assert_null(check_session_owner(&check, 7, 16));
    assert_null(entry(&check, COMMAND_REQUEST, ZK_OP_CLOSE_SESSION, 7, 20, 1, 200));
    assert_null(check_session_owner(&check, 7, 19));
    assert_non_null(check_session_owner(&check, 7, 20));        /* it stayed */
    assert_null(entry(&check, COMMAND_OPEN, 0, 7, 30, 1, 300)); /* the id comes again */
    assert_null(check_session_owner(&check, 7, 31));
    check_session_fini(&check);
}

/* ---- check_calm ---- */

static void test_calm(void **state)
{
    struct check_calm_view before = {3, 5}, led = {4, 5}, closed = {3, 6};
    struct check_calm_held held[] = {{"requests", 0, 0}, {"files", 9, 9}};

    assert_null(check_calm_quiet(&before, &before));
    assert_non_null(check_calm_quiet(&before, &led));
    assert_non_null(check_calm_quiet(&before, &closed));
    assert_null(check_calm_held(0, held, 2));
    held[1].count = 10;
    assert_non_null(check_calm_held(0, held, 2));
    assert_null(check_calm_held(0, held, 1));
}

/* ---- check_back, check_lost ---- */

static void test_back(void **state)
{
    struct check_back check = {0};

    assert_null(check_back_reply(&check, true, 4, 4, 10));
    assert_null(check_back_reply(&check, true, 5, ZK_XID_PING, 11)); /* a ping overtakes */
    assert_non_null(check_back_reply(&check, true, 5, 6, 12));
    assert_non_null(check_back_reply(&check, false, 0, 6, 12)); /* nothing was asked */
    assert_non_null(check_back_reply(&check, true, 5, 5, 10));
    assert_null(check_back_reply(&check, true, 5, 5, 11));
}

static const char *lost(uint64_t term, uint64_t last, uint64_t held)
{
    struct check_lost_view view = {.term = term,
                                   .last_index = last,
                                   .held_term = held,
                                   .applied_index = 40,
                                   .applied_term = 7};
    return check_lost_look(&view);
}

static void test_lost(void **state)
{
    assert_null(lost(8, 40, 7));
    assert_null(lost(8, 45, 0));     /* in its snapshot */
    assert_null(lost(7, 30, 0));     /* its own term's: it may not have seen it itself yet */
    assert_null(lost(6, 30, 0));     /* an old leader, which does not know that it is one */
    assert_non_null(lost(8, 39, 0)); /* too short */
    assert_non_null(lost(8, 45, 6)); /* another entry at that place */
}

/* ---- check_durable ---- */

static const char *durable(uint64_t index, uint64_t term, uint64_t written, uint64_t written_term)
{
    struct check_durable_view view = {index, term, written, written_term};
    return check_durable_look(&view);
}

static void test_durable(void **state)
{
    assert_null(durable(40, 7, 40, 7));
    assert_null(durable(40, 0, 40, 7)); /* of a snapshot */
    assert_null(durable(40, 6, 45, 7)); /* what is behind was cut */
    assert_non_null(durable(41, 7, 40, 7));
    assert_non_null(durable(40, 8, 45, 7)); /* the write was of what was cut */
}

/* ---- check_read ---- */

static const char *barrier(struct check_read *check, uint64_t asked, uint64_t answered,
                           uint64_t index, uint64_t floor)
{
    struct check_read_view view = {asked, answered, index};
    return check_read_look(check, &view, floor);
}

static void test_read_barriers(void **state)
{
    struct check_read check;

    check_read_begin(&check, 100, 100);
    assert_null(barrier(&check, 101, 100, 0, 40));
    assert_null(barrier(&check, 103, 100, 0, 50)); /* two more */
    assert_null(barrier(&check, 103, 101, 40, 60));
    assert_non_null(barrier(&check, 103, 102, 49, 60)); /* 50 was committed */
    assert_null(barrier(&check, 104, 103, 50, 60));
    assert_non_null(barrier(&check, 105, 105, 60, 61)); /* asked and answered in one turn */
    check_read_begin(&check, 900, 900); /* another start: what the last one asked is gone */
    assert_null(barrier(&check, 901, 900, 0, 70));
    assert_null(barrier(&check, 901, 901, 70, 80));
}

/* ---- check_stale ---- */

static void put(struct check_stale *check, uint64_t incarnation, uint64_t to_incarnation)
{
    struct check_stale_datagram datagram = {
        .incarnation = incarnation, .known = 5, .to_incarnation = to_incarnation, .own = 9};
    check_stale_put(check, 1, &datagram);
}

static void test_other_starts(void **state)
{
    struct check_stale check;

    check_stale_begin(&check);
    put(&check, 5, 9);
    assert_null(check_stale_look(&check, 1, 100));
    check_stale_rest(&check);
    put(&check, 4, 9); /* of an earlier start of the sender */
    assert_null(check_stale_look(&check, 1, 100));
    assert_non_null(check_stale_look(&check, 1, 110));
    check_stale_rest(&check);
    put(&check, 5, 8); /* to an earlier start of the receiver */
    assert_non_null(check_stale_look(&check, 1, 120));
    put(&check, 6, 0); /* a later start of the sender's, that does not know the receiver yet */
    assert_null(check_stale_look(&check, 1, 130));
    put(&check, 4, 9); /* waits beside a fresh one */
    assert_null(check_stale_look(&check, 1, 140));
    check_stale_rest(&check);
    put(&check, 4, 9);
    assert_null(check_stale_look(&check, 1, 0)); /* it left the membership */
    assert_null(check_stale_look(&check, 2, 7)); /* another sender */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promised_vote),
        cmocka_unit_test(test_promised_entries),
        cmocka_unit_test(test_promised_entry_itself),
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_durable),
        cmocka_unit_test(test_read_barriers),
        cmocka_unit_test(test_other_starts),
        cmocka_unit_test(test_promise_taken_back),
        cmocka_unit_test(test_leaders),
        cmocka_unit_test(test_member_steps),
        cmocka_unit_test(test_member_quorums),
        cmocka_unit_test(test_calm),
        cmocka_unit_test(test_session_expiry),
        cmocka_unit_test(test_session_ephemerals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
