/* Goal: `takt snapshot diff` names every kind of difference between two snapshots, once, and
 * nothing else; what a later entry explains is told apart. Method: a pair of snapshots written by
 * the writer in different orders, alike but for what each test changes by hand; the verb is called
 * as a user calls it. */
#include "consensus/disk_posix.h"
#include "store/snapshot.h"
#include "tests/model/world.h"
#include "tests/unit/verb_call.h"

#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NODE_COUNT 300
#define ZXID       0x300000100

struct pair_node {
    char path[32], data[32];
    struct tree_image image;
    bool gone;
};

/* One side, to be changed before it is written. */
struct pair_side {
    char dir[64];
    struct world world;
    struct snapshot_info info;
    struct pair_node node[NODE_COUNT];
    const char *acl_id; /* of the ACL that is number 9 here */
};

static struct pair_side pair[2];

#define said      verb_call_said
#define call(...) verb_call(verb_snapshot, "snapshot", "diff", __VA_ARGS__)

static void pair_fill(struct pair_side *side, int which)
{
    struct machine_config config = world_config_default();
    world_init(&side->world, &config, 0);
    assert_int_equal(world_open(&side->world, 0x1000), 0);
    assert_int_equal(world_open(&side->world, 0x2000), 0);
    side->info = (struct snapshot_info){.index = 0x40, .term = 3, .zxid = ZXID, .session_count = 2};
    side->acl_id = "al:h";
    for (int i = 0; i < NODE_COUNT; i++) {
        struct pair_node *node = &side->node[i];
        memset(node, 0, sizeof(*node));
        snprintf(node->path, sizeof(node->path), i ? "/app/%03d" : "/app", i);
        snprintf(node->data, sizeof(node->data), "value %d", i);
        /* The same ACL has another number on each side, as after a different history of ids. */
        node->image = (struct tree_image){.czxid = 0x300000001 + i,
                                          .mzxid = 0x300000001 + i,
                                          .pzxid = 0x300000001 + i,
                                          .acl = i % 2 ? (uint32_t)(5 + 4 * which) : 0};
    }
    snprintf(side->dir, sizeof(side->dir), "/tmp/takt-snapshot-diff-XXXXXX");
    assert_non_null(mkdtemp(side->dir));
}

static void pair_acls(struct snapshot_write *write, const struct pair_side *side, int which)
{
    uint8_t room[64];
    struct fault fault;
    for (uint32_t id = 0; id < 2; id++) {
        struct jute_out out = jute_out(room, sizeof(room));
        jute_put_int(&out, 1);
        jute_put_int(&out, id ? ZK_PERM_READ : ZK_PERM_ALL);
        jute_put_bytes(&out, bytes_of_string(id ? "digest" : "world"));
        jute_put_bytes(&out, bytes_of_string(id ? side->acl_id : "anyone"));
        struct bytes packed = bytes_of(room, (size_t)(out.at - room));
        uint32_t number = id ? (uint32_t)(5 + 4 * which) : 0;
        assert_int_equal(snapshot_write_acl(write, number, packed, &fault), 0);
    }
}

/* The one side is written forwards, the other backwards: nodes come in no order. */
static void pair_write(int which)
{
    static struct disk_posix disk;
    struct pair_side *side = &pair[which];
    struct disk_io io;
    struct fault fault;
    struct snapshot_write *write;
    uint8_t *image;
    uint64_t size;
    side->info.node_count = 0;
    for (int i = 0; i < NODE_COUNT; i++)
        side->info.node_count += !side->node[i].gone;
    side->info.state_hash = machine_hash(side->world.machine);
    assert_int_equal(machine_image(side->world.machine, &image, &size), 0);
    assert_int_equal(disk_posix_init(&disk, &io, side->dir, false, &fault), 0);
    assert_int_equal(snapshot_write_begin(&write, &io, &side->info, &fault), 0);
    assert_int_equal(snapshot_write_machine(write, bytes_of(image, size), &fault), 0);
    pair_acls(write, side, which);
    for (int i = 0; i < NODE_COUNT; i++) {
        struct pair_node *node = &side->node[which ? NODE_COUNT - 1 - i : i];
        node->image.path = bytes_of_string(node->path);
        node->image.data = bytes_of_string(node->data);
        if (!node->gone)
            assert_int_equal(snapshot_write_node(write, &node->image, &fault), 0);
    }
    assert_int_equal(snapshot_write_finish(write, &fault), 0);
    disk_posix_fini(&disk);
    free(image);
}

static int call_pair(void)
{
    pair_write(0);
    pair_write(1);
    return call(pair[0].dir, pair[1].dir, NULL);
}

/* How many lines of `said` begin so. */
static int lines(const char *begin)
{
    int count = 0;
    for (const char *at = said; at && *at; at = strchr(at, '\n'), at += at != NULL)
        count += strncmp(at, begin, strlen(begin)) == 0;
    return count;
}

static void assert_says(const char *text)
{
    if (!strstr(said, text))
        fail_msg("\"%s\" is not in:\n%s", text, said);
}

static int setup(void **state)
{
    (void)state;
    pair_fill(&pair[0], 0);
    pair_fill(&pair[1], 1);
    return 0;
}

static int teardown(void **state)
{
    char command[160];
    int bad = 0;
    (void)state;
    for (int i = 0; i < 2; i++) {
        world_fini(&pair[i].world);
        snprintf(command, sizeof(command), "rm -rf '%s'", pair[i].dir);
        bad |= system(command);
    }
    return bad;
}

static void test_same(void **state)
{
    assert_int_equal(call_pair(), VERB_OK);
    assert_says("the same: 300 znodes, 2 sessions");
    assert_int_equal(lines("znode "), 0);
    assert_int_equal(call(pair[0].dir, pair[1].dir, "-o", "json", NULL), VERB_OK);
    assert_says("\"same\": true");
}

static void test_znodes(void **state)
{
    struct pair_node *a = pair[0].node, *b = pair[1].node;
    a[7].gone = true;
    b[9].gone = true;
    strcpy(b[20].data, "value !");
    b[20].image.version = 4;
    b[21].image.mzxid += 1;
    b[22].image.owner = 0x1000;
    b[23].image.aversion = 1;
    b[23].image.acl = 0;
    b[24].image.child_count = 1;
    assert_int_equal(call_pair(), VERB_FAILED);
    assert_says("znode /app/007\tonly in B: 7 bytes: \"value 7\", czxid 0x300000008");
    assert_says("znode /app/009\tonly in A: 7 bytes");
    assert_says("znode /app/020\tdata: A 8 bytes, from byte 6 on: \"20\" | B 7 bytes, from byte 6 "
                "on: \"!\"");
    assert_says("znode /app/020\tversion: A 0 | B 4\n");
    assert_says("znode /app/021\tmzxid: A 0x300000016 | B 0x300000017\n");
    assert_says("znode /app/022\towner: A 0x0 | B 0x1000\n");
    assert_says("znode /app/023\tacl: A digest:al:h:r | B world:anyone:cdrwa\n");
    assert_says("znode /app/023\taversion: A 0 | B 1\n");
    assert_says("znode /app/024\tchildren: A 0 | B 1\n");
    assert_int_equal(lines("znode "), 9);
    assert_says("znodes: 1 only in A, 1 only in B, 5 differ; beside them: 0\n");
}

static void test_acl_of_another_name(void **state)
{
    pair[1].acl_id = "bo:h";
    assert_int_equal(call_pair(), VERB_FAILED);
    assert_says("acl: A digest:al:h:r | B digest:bo:h:r");
    assert_says("znodes: 0 only in A, 0 only in B, 150 differ");
    assert_int_equal(lines("znode "), 50); /* the default of --limit */
    assert_says("... and 100 more znodes\n");
}

static void test_beside_znodes(void **state)
{
    struct world *b = &pair[1].world;
    assert_int_equal(world_open(b, 0x3000), 0);
    assert_int_equal(world_auth(b, 0x2000, "digest", "al:h"), ZK_OK);
    pair[1].info.session_count = 3;
    memset(pair[1].info.cluster_id, 7, 16);
    pair[1].info.chain = 1;
    assert_int_equal(call_pair(), VERB_FAILED);
    assert_int_equal(lines("state cluster\tA 0000"), 1);
    assert_int_equal(lines("state log chain\t"), 1);
    assert_int_equal(lines("state zxid\t"), 1);
    assert_int_equal(lines("state hash\t"), 1);
    assert_int_equal(lines("session 0x3000\tonly in B: timeout"), 1);
    assert_int_equal(lines("session 0x2000\t"), 1);
    assert_says("other identities");
    assert_int_equal(lines("session 0x1000"), 0);
    assert_int_equal(lines("znode "), 0);
    assert_int_equal(call(pair[0].dir, pair[1].dir, "--limit", "2", NULL), VERB_FAILED);
    assert_says("more beside znodes\n");
}

static void test_bounded_and_sorted(void **state)
{
    for (int i = 0; i < NODE_COUNT; i++)
        pair[1].node[i].image.version = 1;
    assert_int_equal(call_pair(), VERB_FAILED);
    assert_int_equal(call(pair[0].dir, pair[1].dir, "-n", "3", NULL), VERB_FAILED);
    assert_int_equal(lines("znode "), 3);
    assert_says("znode /app\tversion: A 0 | B 1\nznode /app/001\tversion: A 0 | B 1\n"
                "znode /app/002\tversion: A 0 | B 1\n... and 297 more znodes\n");
    assert_int_equal(call("-o", "json", "-n", "1000", pair[0].dir, pair[1].dir, NULL), VERB_FAILED);
    assert_int_equal(lines("{\"kind\": \"znode\""), NODE_COUNT);
    assert_says("\"name\": \"/app/299\", \"field\": \"version\", \"a\": \"0\", \"b\": \"1\"}\n");
    assert_says("\"differ\": 300, \"later\": 0, ");
}

/* B is of a later moment: what its zxids explain is not shown, the rest is. */
static void test_later(void **state)
{
    struct pair_node *a = pair[0].node, *b = pair[1].node;
    assert_int_equal(world_open(&pair[1].world, 0x3000), 0);
    pair[1].info.session_count = 3;
    pair[1].info.index = 0x50;
    pair[1].info.zxid = ZXID + 0x10;
    strcpy(b[20].data, "later");
    b[20].image.mzxid = ZXID + 3;
    strcpy(b[21].data, "wrong"); /* changed, and no zxid says when */
    a[30].gone = true;           /* created later */
    b[30].image.czxid = ZXID + 4;
    b[31].gone = true; /* its parent changed later: deleted, perhaps */
    b[0].image.pzxid = ZXID + 4;
    assert_int_equal(call_pair(), VERB_FAILED);
    assert_int_equal(lines("znode "), 1);
    assert_says("znode /app/021\tdata: ");
    assert_says("znodes: 0 only in A, 0 only in B, 1 differ");
    assert_says("later: 4 znodes that");
    assert_int_equal(lines("session "), 0);
    assert_int_equal(call("--all", pair[0].dir, pair[1].dir, NULL), VERB_FAILED);
    assert_says("znode /app/030\tonly in B");
    assert_says("znode /app/031\tonly in A");
    assert_int_equal(lines("session 0x3000\tonly in B"), 1);
    /* and the same seen from the other end */
    assert_int_equal(call(pair[1].dir, pair[0].dir, NULL), VERB_FAILED);
    assert_says("later: 4 znodes that");
    assert_int_equal(lines("znode /app/021"), 1);
}

/* DIR@INDEX; and two directories are compared at the newest index that both have. */
static void test_which(void **state)
{
    char word[128];
    assert_int_equal(call_pair(), VERB_OK);
    pair[1].info.index = 0x50;
    pair[1].node[5].image.version = 9;
    pair_write(1);
    assert_int_equal(call(pair[0].dir, pair[1].dir, NULL), VERB_OK);
    snprintf(word, sizeof(word), "%s@50", pair[1].dir);
    assert_int_equal(call(pair[0].dir, word, NULL), VERB_FAILED);
    assert_says("snapshot.0000000000000050");
    assert_int_equal(lines("znode /app/005\tversion"), 1);
    snprintf(word, sizeof(word), "%s/snapshot.0000000000000040", pair[1].dir);
    assert_int_equal(call(word, pair[0].dir, NULL), VERB_OK);
}

static void test_errors(void **state)
{
    char word[128];
    pair_write(0);
    assert_int_equal(call(pair[0].dir, NULL), VERB_USAGE);
    assert_int_equal(call(pair[0].dir, "/nonexistent", NULL), VERB_USAGE);
    assert_says("there is no file or directory /nonexistent");
    assert_int_equal(call(pair[0].dir, pair[1].dir, NULL), VERB_USAGE);
    assert_says("holds no snapshot");
    snprintf(word, sizeof(word), "%s@41", pair[0].dir);
    assert_int_equal(call(pair[0].dir, word, NULL), VERB_USAGE);
    pair_write(1);
    snprintf(word, sizeof(word), "%s/snapshot.0000000000000040", pair[1].dir);
    assert_int_equal(truncate(word, 4000), 0);
    assert_int_equal(call(pair[0].dir, word, NULL), VERB_USAGE);
    assert_says("snapshot.0000000000000040");
    assert_int_equal(call(pair[0].dir, word, "-n", "0", NULL), VERB_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_znodes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_acl_of_another_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beside_znodes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded_and_sorted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_which, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
