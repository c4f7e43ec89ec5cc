/* Goal: a member that holds a history which was given up never says that it holds an entry of the
 * new one, and one that holds none of it is never told so. Method: every pair of a member's log (up
 * to four entries of two terms, each base and commit index) and a leader's (up to five, the last
 * ones of its own term), and every message that shows some of the leader's; the naive twin compares
 * the two logs entry by entry. */
#include "tests/unit/raft_kit.h"

#define OWN_MAX 4u
#define LED_MAX 5u
#define TERM    3u /* the leader's; no other log has entries of it */

struct logs {
    uint64_t own[OWN_MAX + 1], led[LED_MAX + 1]; /* terms; [0] is 0 */
    uint32_t own_count, led_count, base, commit;
};

static uint64_t shown, contradicted;

/* Do both hold the same entries up to there? */
static bool logs_agree(const struct logs *logs, uint64_t upto)
{
    for (uint64_t i = 1; i <= upto; i++)
        if (i > logs->own_count || i > logs->led_count || logs->own[i] != logs->led[i])
            return false;
    return true;
}

/* Where two logs have the same term, one leader made both, and they are the same before, too. */
static bool logs_possible(const struct logs *logs)
{
    for (uint64_t i = 1; i <= logs->own_count && i <= logs->led_count; i++)
        if (logs->own[i] == logs->led[i] && !logs_agree(logs, i))
            return false;
    return true;
}

static void begin(const struct logs *logs)
{
    static struct raft_terms terms;
    struct raft_config config = raft_config_default(1);

    raft_terms_init(&terms, logs->base, logs->own[logs->base]);
    for (uint32_t i = logs->base + 1; i <= logs->own_count; i++)
        assert_int_equal(raft_terms_append(&terms, i, logs->own[i], 0), 0);
    assert_int_equal(raft_init(&raft, &config,
                               &(struct raft_recovered){.term = TERM,
                                                        .terms = &terms,
                                                        .commit_index = logs->commit,
                                                        .membership = members_of(3, 0)}),
                     0);
    now_ns = 1000 * MS;
    input(RAFT_INPUT_TICK, 0);
}

static void judge_answer(const struct logs *logs)
{
    const struct peer_message *said = told(PEER_APPEND_REPLY);

    if (!said || (said->flags & PEER_REJECT) || said->index == 0)
        return;
    assert_true(said->index <= logs->led_count);
    if (logs->led[said->index] == TERM) /* what a leader may count */
        assert_true(logs_agree(logs, said->index < logs->commit ? said->index : logs->commit));
}

/* The leader shows its entry `prev`, and `count` behind it. */
static void show(const struct logs *logs, uint32_t prev, uint32_t count)
{
    uint64_t last = prev + count, at = last < logs->commit ? last : logs->commit;
    bool own_term = at && at >= prev && logs->led[at] == TERM;

    begin(logs);
    append(2, TERM, prev, logs->led[prev], count ? logs->led[prev + 1] : 0, count, 0, 1);
    shown++;
    if (out.contradicts) {
        contradicted++;
        assert_false(logs_agree(logs, out.contradicts));
        assert_true(out.contradicts <= logs->commit);
        assert_int_equal(out.message_count, 0);
        assert_int_equal(out.accept_first, 0);
        assert_int_equal(out.truncate_from, 0);
        assert_int_equal(raft.matched_index, 0);
        return;
    }
    assert_false(own_term && !logs_agree(logs, at));
    judge_answer(logs);
    if (out.accept_first) {
        durable(raft.last_index);
        judge_answer(logs);
    }
}

/* The entry prev of the leader as the last one of a snapshot that it offers. */
static void offer(const struct logs *logs, uint32_t prev)
{
    begin(logs);
    append(2, TERM, logs->led_count, TERM, 0, 0, 0, 1); /* who leads is known */
    message((struct peer_message){.kind = PEER_SNAPSHOT,
                                  .from = 2,
                                  .term = TERM,
                                  .index = prev,
                                  .log_term = logs->led[prev]});
    if (!out.contradicts)
        judge_answer(logs);
    else
        assert_false(logs_agree(logs, out.contradicts));
}

static void show_all(const struct logs *logs)
{
    for (uint32_t prev = 0; prev <= logs->led_count; prev++) {
        show(logs, prev, 0);
        for (uint32_t n = 1; prev + n <= logs->led_count; n++) {
            if (logs->led[prev + n] != logs->led[prev + 1])
                break;
            show(logs, prev, n);
        }
        if (prev)
            offer(logs, prev);
    }
}

/* Terms 1 and 2 that do not go down: `twos` of the `count` entries are of term 2. */
static void terms_set(uint64_t *terms, uint32_t count, uint32_t twos)
{
    terms[0] = 0;
    for (uint32_t i = 1; i <= count; i++)
        terms[i] = i > count - twos ? 2 : 1;
}

static void own_all(struct logs *logs)
{
    for (logs->own_count = 0; logs->own_count <= OWN_MAX; logs->own_count++)
        for (uint32_t twos = 0; twos <= logs->own_count; twos++)
            for (logs->commit = 0; logs->commit <= logs->own_count; logs->commit++)
                for (logs->base = 0; logs->base <= logs->commit; logs->base++) {
                    terms_set(logs->own, logs->own_count, twos);
                    if (logs_possible(logs))
                        show_all(logs);
                }
}

static void test_every_small_pair_of_logs(void **state)
{
    struct logs logs;

    for (logs.led_count = 1; logs.led_count <= LED_MAX; logs.led_count++)
        for (uint32_t old = 0; old < logs.led_count; old++)
            for (uint32_t twos = 0; twos <= old; twos++) {
                terms_set(logs.led, old, twos);
                for (uint32_t i = old + 1; i <= logs.led_count; i++)
                    logs.led[i] = TERM;
                own_all(&logs);
            }
    print_message("# %llu messages, %llu contradicted\n", (unsigned long long)shown,
                  (unsigned long long)contradicted);
    assert_true(contradicted > 1000);
}

/* A leader just heard has shown nothing: what is committed here is not said to be there. */
static void test_nothing_is_held_before_it_was_shown(void **state)
{
    member(members_of(3, 0), 4, 10, 4, 10);
    append(2, 5, 20, 5, 0, 0, 20, 1); /* far ahead */
    assert_int_equal(out.message_count, 0); /* term 5 is not saved */
    input(RAFT_INPUT_SAVED, 0);
    if (told(PEER_APPEND_REPLY))
        assert_int_equal(told(PEER_APPEND_REPLY)->index, 0);
    append(2, 5, 10, 4, 5, 1, 20, 2); /* it was the same log */
    durable(11);
    assert_int_equal(told(PEER_APPEND_REPLY)->index, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_small_pair_of_logs),
        cmocka_unit_test(test_nothing_is_held_before_it_was_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
