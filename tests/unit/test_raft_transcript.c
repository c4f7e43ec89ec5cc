/* Goal: a change of what members say to one another shows in review. Method: six scenes of three or
 * four members are played on raft_cluster, without chance, and each line of what goes in, comes out
 * and travels is compared with tests/transcripts/<scene>.txt.
 *
 * TAKT_ACCEPT=1 build/tests/unit/test_raft_transcript writes the files anew: look at git diff. */
#include "tests/unit/raft_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cluster c;
static FILE *out; /* the scene, as it is played */

static void say(const char *text)
{
    fprintf(out, "\n# %s\n", text);
}

static void run(uint32_t ms, bool shown)
{
    c.trace = shown ? out : NULL;
    assert_true(cluster_run(&c, ms));
    c.trace = NULL;
}

/* Acts are shown as what follows from them. */
static void input(uint8_t id, struct raft_input in)
{
    c.trace = out;
    cluster_input(&c, id, &in);
    c.trace = NULL;
}

static void propose(uint8_t id, uint32_t count)
{
    while (count--)
        assert_true(cluster_propose(&c, id, -1));
}

/* Member 1 leads three (of four nodes); all is quiet. */
static void setup_leader(void)
{
    cluster_init(&c, 1, 4, 3, 0);
    c.write_rate = 0;
    run(200, false);
    assert_int_equal(cluster_leader(&c), 1);
}

static void scene_election(void)
{
    say("three members start; the lowest rank asks first, and leads with an entry of its term");
    cluster_init(&c, 1, 3, 3, 0);
    c.write_rate = 0;
    run(85, true);
    assert_int_equal(cluster_leader(&c), 1);
    say("it crashes: the next rank takes over");
    cluster_crash(&c, 1, 1000);
    run(110, true);
    assert_int_equal(cluster_leader(&c), 2);
}

static void scene_pre_vote(void)
{
    setup_leader();
    say("member 3 is cut off: it asks whether it would be elected, and its term stays");
    cluster_isolate(&c, 3, true);
    run(130, true);
    run(300, false);
    assert_int_equal(c.nodes[2].raft.term, 1);
    say("the cable is back: who hears a leader says no, and the leader is heard");
    cluster_isolate(&c, 3, false);
    run(45, true);
    assert_int_equal(cluster_leader(&c), 1);
    assert_int_equal(c.nodes[2].raft.leader, 1);
}

static void scene_conflict(void)
{
    setup_leader();
    propose(1, 2);
    run(30, false);
    cluster_isolate(&c, 1, true);
    propose(1, 5);
    run(250, false);
    assert_int_equal(cluster_leader(&c), 2);
    propose(2, 3);
    run(30, false);
    say("member 1 wrote five entries while it was cut off; member 2 leads and has others there");
    cluster_isolate(&c, 1, false);
    run(35, true);
    assert_int_equal(c.nodes[0].raft.commit_index, c.nodes[1].raft.commit_index);
}

static void scene_backup(void)
{
    setup_leader();
    propose(1, 2);
    run(30, false);
    cluster_isolate(&c, 1, true);
    propose(1, 5);
    run(250, false);
    assert_int_equal(cluster_leader(&c), 2);
    propose(2, 9);
    run(30, false);
    cluster_isolate(&c, 1, false);
    cluster_isolate(&c, 2, true);
    for (int i = 0; i < 2000 && cluster_leader(&c) != 3; i++)
        run(1, false);
    assert_int_equal(cluster_leader(&c), 3);
    say("member 3 leads and begins behind its own last entry; member 1 has five others of a term "
        "before, and is found out in one step back, not in nine");
    run(20, true);
    assert_int_equal(c.nodes[0].raft.commit_index, c.nodes[2].raft.commit_index);
}

static void scene_transfer(void)
{
    setup_leader();
    say("the leader hands over to member 3, which has not got the last two entries yet");
    propose(1, 2);
    input(1, (struct raft_input){.kind = RAFT_INPUT_TRANSFER, .member = 3});
    run(20, true);
    assert_int_equal(cluster_leader(&c), 3);
}

static void scene_joint(void)
{
    setup_leader();
    say("from 1 2 3 to 2 3 4: both majorities decide, then the new one; member 1 leads to the end");
    c.trace = out;
    assert_true(cluster_change(&c, 1, 1u << 2 | 1u << 3 | 1u << 4, 0));
    run(40, true);
    assert_int_not_equal(cluster_leader(&c), 1);
    assert_int_not_equal(cluster_leader(&c), 0);
    assert_int_equal(c.nodes[0].raft.state, RAFT_FOLLOWER);
}

static void scene_snapshot(void)
{
    setup_leader();
    cluster_isolate(&c, 3, true);
    propose(1, 20);
    run(60, false);
    cluster_compact(&c, 1, c.nodes[0].raft.commit_index - 2);
    say("member 3 comes back and lacks entries that the leader's log no longer holds");
    cluster_isolate(&c, 3, false);
    run(65, true);
    assert_int_equal(c.nodes[2].raft.commit_index, 21);
    assert_int_equal(c.snapshots, 1);
}

/* ---- compare --------------------------------------------------------------------------------- */

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(text);
    if (!file) {
        free(text);
        return NULL;
    }
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = 0;
    fclose(file);
    return text;
}

static void report_first_difference(const char *name, const char *want, const char *got)
{
    uint32_t line = 1;

    while (*want && *want == *got) {
        line += *want == '\n';
        want++;
        got++;
    }
    print_error("tests/transcripts/%s.txt differs at line %u: expected \"%.60s\", got \"%.60s\"\n",
                name, line, want, got);
}

static void play(const char *name, void (*scene)(void))
{
    char path[512], *got = NULL;
    size_t size = 0;

    out = open_memstream(&got, &size);
    assert_non_null(out);
    c.trace = NULL;
    scene();
    fclose(out);
    snprintf(path, sizeof(path), "%s/tests/transcripts/%s.txt", TAKT_SOURCE, name);
    if (getenv("TAKT_ACCEPT")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(got, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
    }
    char *want = slurp(path);
    assert_non_null(want);
    bool same = strcmp(want, got) == 0;
    if (!same)
        report_first_difference(name, want, got);
    free(want);
    free(got);
    assert_true(same);
}

static void test_election(void **state)
{
    play("election", scene_election);
}

static void test_pre_vote(void **state)
{
    play("pre_vote", scene_pre_vote);
}

static void test_conflict(void **state)
{
    play("conflict", scene_conflict);
}

static void test_backup(void **state)
{
    play("backup", scene_backup);
}

static void test_transfer(void **state)
{
    play("transfer", scene_transfer);
}

static void test_joint(void **state)
{
    play("joint", scene_joint);
}

static void test_snapshot(void **state)
{
    play("snapshot", scene_snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_election), cmocka_unit_test(test_pre_vote),
        cmocka_unit_test(test_conflict), cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_backup),   cmocka_unit_test(test_joint),
        cmocka_unit_test(test_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
