/* Goal: NET's read path writes nothing that another role reads: reads of many NETs do not meet in a
 * cache line. Method: the tree, the ACLs and everything else that the process had before NET was
 * made are turned read-only while NET serves reads, by streams and by datagrams. A write to any of
 * it, and an allocation from the heap that all share, is a fault, which names the address. What two
 * roles have in common by design, links and counters, is looked at line by line. */
#include "tests/unit/net_rig.h"

#include "dataplane/beat/beat.h"
#include "dataplane/port/datagram_sim.h"
#include "store/tree_state.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <signal.h>
#include <sys/mman.h>

#define NODES      500u
#define ROUNDS     20u
#define RANGES_MAX 512u
#define PAGE       4096ull

struct range {
    uintptr_t begin, end;
};

struct ranges {
    struct range at[RANGES_MAX];
    uint32_t count;
};

static struct ranges shared, locked;
static sigjmp_buf faulted;
static void *volatile fault_at;

/* ---- memory ---- */

static void ranges_add(struct ranges *ranges, uintptr_t begin, uintptr_t end)
{
    if (begin >= end)
        return;
    assert_true(ranges->count < RANGES_MAX);
    ranges->at[ranges->count++] = (struct range){begin, end};
}

/* Every private page of the process that may be written now, but for the stack. */
static void ranges_read(struct ranges *ranges)
{
    char line[512], rights[8], name[256];
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    ranges->count = 0;
    while (fgets(line, sizeof(line), maps)) {
        unsigned long begin, end;
        name[0] = '\0';
        assert_true(sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &begin, &end, rights, name) >= 3);
        if (rights[1] == 'w' && strcmp(name, "[stack]") != 0)
            ranges_add(ranges, begin, end);
    }
    fclose(maps);
}

/* Leaves out of what is locked the pages [begin, end). */
static void ranges_cut(struct ranges *ranges, uintptr_t begin, uintptr_t end)
{
    struct ranges left = {.count = 0};
    for (uint32_t i = 0; i < ranges->count; i++) {
        struct range r = ranges->at[i];
        ranges_add(&left, r.begin, r.end < begin ? r.end : begin);
        ranges_add(&left, r.begin > end ? r.begin : end, r.end);
    }
    *ranges = left;
}

static void lock(int rights)
{
    for (uint32_t i = 0; i < locked.count; i++) {
        struct range r = locked.at[i];
        if (mprotect((void *)r.begin, r.end - r.begin, rights))
            abort();
    }
}

/* Memory of the calling thread alone from here on: an arena that nobody else has, no cache. */
static void arena_private(void)
{
    unsigned arena;
    size_t size = sizeof(arena);
    bool off = false;
    assert_int_equal(mallctl("thread.tcache.enabled", NULL, NULL, &off, sizeof(off)), 0);
    assert_int_equal(mallctl("arenas.create", &arena, &size, NULL, 0), 0);
    assert_int_equal(mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena)), 0);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    fault_at = info->si_addr;
    lock(PROT_READ | PROT_WRITE);
    siglongjmp(faulted, 1);
}

/* ---- what is shared, and a NET beside it ---- */

struct world {
    struct tree *tree;
    struct acl_table *acls;
};

static struct world world;
static struct rig *rig;
static struct beat *beat;
static struct datagram_port *datagrams;

static void world_make(void)
{
    struct tree_config config = {.memory_limit = 256 << 20, .nodes_max = 1 << 20};
    assert_int_equal(tree_create(&world.tree, &config), 0);
    assert_int_equal(acl_table_create(&world.acls, 1000, false), 0);
    tree_begin(world.tree, 1, 1);
    for (uint32_t i = 0; i < NODES; i++) {
        char path[16];
        snprintf(path, sizeof(path), "/n%u", i);
        assert_int_equal(
            tree_add(world.tree, bytes_of_string(path), bytes_of_string("data"), ACL_ID_OPEN, 0),
            0);
    }
    tree_commit(world.tree);
    tree_publish(world.tree, 1);
}

/* As rig_make, in memory of its own. The links are there too: each has one NET at an end, which
 * writes lines of its own in them (test_links_have_a_line_for_each_writer). */
static void net_make(void)
{
    struct beat_config config = {.endpoint = 3, .timeout_ms_min = 1};
    struct datagram_sim_setup sim = {.in_count = 128, .out_count = 128};
    struct port_setup setup;
    struct port *port;

    rig = aligned_alloc(64, (sizeof(*rig) + 63) & ~63ull);
    beat = calloc(1, sizeof(*beat));
    assert_non_null(rig);
    assert_non_null(beat);
    memset((void *)rig, 0, sizeof(*rig));
    net_config_default(&rig->config);
    assert_int_equal(link_init(&rig->net_core, "net_core", 8 << 20), 0);
    assert_int_equal(link_init(&rig->apply_net, "apply_net", 8 << 20), 0);
    rig->tree = world.tree;
    rig->acls = world.acls;
    rig->zxid = 1;
    counters_init(&rig->counters, "net", 0);
    counters_book_add(&rig->book, &rig->counters);
    struct net_parts parts = {&rig->net_core, &rig->apply_net, rig->tree,
                              rig->acls,      &rig->counters,  &rig->book};
    assert_int_equal(net_init(&rig->net, &rig->config, &parts), 0);
    net_port_setup(&rig->net, &setup);
    assert_int_equal(port_sim_open(&setup, 1 << 20, &port), 0);
    net_start(&rig->net, port);
    assert_int_equal(datagram_sim_open(&sim, &datagrams), 0);
    assert_int_equal(beat_init(beat, &config, &rig->net, datagrams), 0);
    net_beat(&rig->net, beat);
    rig->now = (struct now){.mono_ns = NS_PER_S, .wall_ms = 1700000000000};
    rig->session_last = 0x100000000000000;
}

static void world_free(void)
{
    net_fini(&rig->net);
    beat_fini(beat);
    qsbr_leave();
    link_fini(&rig->net_core);
    link_fini(&rig->apply_net);
    free(rig);
    free(beat);
    acl_table_destroy(world.acls);
    tree_destroy(world.tree);
}

/* ---- reads ---- */

static void ask_streams(struct client *client, uint32_t round)
{
    static const int32_t ops[] = {ZK_OP_GET_DATA, ZK_OP_EXISTS, ZK_OP_GET_CHILDREN2, ZK_OP_GET_ACL};
    for (uint32_t i = 0; i < 32; i++) {
        char path[16];
        int32_t op = ops[i % 4];
        snprintf(path, sizeof(path), "/n%u", (round * 32 + i) % (NODES + 9)); /* 9 are not there */
        client_path(client, (int32_t)i + 1, op, path, op == ZK_OP_GET_ACL ? -1 : (int)(i / 4 % 2));
    }
}

static uint32_t answers_of_streams(struct client *client)
{
    uint32_t count = 0;
    while (client_packet(client).size >= 16)
        count++;
    return count;
}

static void beat_put(const struct beat_frame *frame)
{
    uint8_t room[BEAT_WIRE_DATAGRAM_MAX];
    struct address from = rig_address(9);
    uint32_t size = beat_wire_encode(frame, NULL, room);
    assert_true(datagram_sim_put(datagrams, &from, room, size));
}

static uint32_t answers_of_beat(struct beat_frame *last)
{
    static uint8_t bytes[BEAT_WIRE_DATAGRAM_MAX];
    struct datagram_sim_sent sent;
    uint32_t count = 0;
    for (; datagram_sim_take(datagrams, &sent); count++) {
        memcpy(bytes, sent.bytes, sent.size);
        assert_int_equal(beat_wire_decode(bytes, sent.size, last), 0);
    }
    return count;
}

static struct beat_frame beat_open(void)
{
    uint8_t body[45];
    static const uint8_t password[16];
    struct beat_frame open = {.kind = BEAT_OPEN, .from = 77, .sequence = 1}, opened;
    struct jute_out out = jute_out(body, sizeof(body));
    jute_put_int(&out, 0);
    jute_put_long(&out, 0);
    jute_put_int(&out, 10000);
    jute_put_long(&out, 0);
    jute_put_bytes(&out, bytes_of(password, sizeof(password)));
    jute_put_byte(&out, 0);
    open.bytes = body;
    open.size = open.message_size = sizeof(body);
    beat_put(&open);
    rig_turn(rig);
    rig_serve(rig);
    rig_turn(rig);
    assert_int_equal(answers_of_beat(&opened), 1);
    assert_int_equal(opened.kind, BEAT_OPENED);
    return (struct beat_frame){.kind = BEAT_REQUEST,
                               .from = 77,
                               .to = 3,
                               .session = opened.session,
                               .attach = opened.attach};
}

static void ask_beat(struct beat_frame *frame)
{
    uint8_t body[32];
    frame->acked = frame->sequence;
    for (uint32_t i = 0; i < BEAT_CREDITS; i++) {
        struct jute_out out = jute_out(body, sizeof(body));
        jute_put_bytes(&out, bytes_of_string("/n7"));
        jute_put_byte(&out, (uint8_t)(i % 2));
        frame->sequence++;
        frame->code = i % 3 ? ZK_OP_GET_DATA : ZK_OP_EXISTS;
        frame->bytes = body;
        frame->size = frame->message_size = (uint32_t)(out.at - body);
        beat_put(frame);
    }
}

static void one_round(struct client *client, struct beat_frame *frame, uint32_t round, bool keep)
{
    struct beat_frame last;
    ask_streams(client, round);
    ask_beat(frame);
    if (keep)
        lock(PROT_READ);
    for (uint32_t i = 0; i < 4; i++)
        rig_turn(rig);
    if (keep)
        lock(PROT_READ | PROT_WRITE);
    assert_int_equal(answers_of_streams(client), 32);
    assert_int_equal(answers_of_beat(&last), BEAT_CREDITS);
    assert_int_equal(last.sequence, frame->sequence);
    assert_int_equal(last.code, 0);
}

/* What may be written: NET's own, this thread's own (its stack, which ranges_read leaves out, and
 * the variables of a thread), and what tells of a fault. */
static void lock_prepare(void)
{
    uintptr_t thread = (uintptr_t)&errno & ~(PAGE - 1);
    locked = shared;
    ranges_cut(&locked, thread - 4 * PAGE, thread + 4 * PAGE);
    uintptr_t ours = (uintptr_t)&locked & ~(PAGE - 1);
    ranges_cut(&locked, ours, ours + sizeof(locked) / PAGE * PAGE + 2 * PAGE);
    ours = (uintptr_t)&faulted & ~(PAGE - 1);
    ranges_cut(&locked, ours, ours + 2 * PAGE);
    ours = (uintptr_t)&fault_at & ~(PAGE - 1);
    ranges_cut(&locked, ours, ours + PAGE);
}

static bool covers(const void *at)
{
    for (uint32_t i = 0; i < locked.count; i++) {
        if ((uintptr_t)at >= locked.at[i].begin && (uintptr_t)at < locked.at[i].end)
            return true;
    }
    return false;
}

static void test_reads_write_nothing_shared(void **state)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    (void)state;
    world_make();
    qsbr_online();
    ranges_read(&shared); /* maps, and frees, memory of its own: before the arena is there */
    arena_private();
    net_make();
    struct client client = client_live(rig, 1);
    struct beat_frame frame = beat_open();
    one_round(&client, &frame, 0, false);
    one_round(&client, &frame, 1, false);
    lock_prepare();
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);

    struct tree_view view = tree_view(world.tree);
    const struct znode *node = tree_get(&view, bytes_of_string("/n7"));
    assert_true(covers(node) && covers(world.tree)); /* the lock would see a write there */
    if (sigsetjmp(faulted, 1) == 0) {
        lock(PROT_READ);
        *(volatile uint8_t *)(uintptr_t)node = *(const volatile uint8_t *)node;
        lock(PROT_READ | PROT_WRITE);
        fail_msg("a write to a node was not seen");
    }
    assert_ptr_equal(fault_at, node);

    if (sigsetjmp(faulted, 1))
        fail_msg("NET wrote to %p while it read", fault_at);
    for (uint32_t round = 2; round < ROUNDS; round++)
        one_round(&client, &frame, round, true);
    world_free();
}

#define LINE(type, field) (offsetof(type, field) / LINK_CACHE_LINE)

static void test_links_have_a_line_for_each_writer(void **state)
{
    (void)state;
    assert_int_equal(_Alignof(struct link), LINK_CACHE_LINE);
    assert_int_equal(LINE(struct link, head), LINE(struct link, full_count)); /* the producer's */
    assert_int_equal(LINE(struct link, tail), LINE(struct link, high_water)); /* the consumer's */
    assert_true(LINE(struct link, head) < LINE(struct link, tail));
    assert_true(LINE(struct link, tail) < LINE(struct link, data)); /* nobody's */
    assert_int_equal(_Alignof(struct counters), LINK_CACHE_LINE);   /* a page for each NET */
    assert_int_equal(sizeof(struct counters) % LINK_CACHE_LINE, 0);
}

/* What a reader loads of the tree lies in no line that each commit writes. */
static void test_commits_count_in_a_line_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(_Alignof(struct tree), LINK_CACHE_LINE);
    assert_true(LINE(struct tree, published) < LINE(struct tree, nodes));
    assert_true(LINE(struct tree, charge_shown) < LINE(struct tree, hash.bucket_count));
    assert_true(LINE(struct tree, hash.memory_size) < LINE(struct tree, hash.entry_count));
    assert_true(LINE(struct tree, hash.frozen) < LINE(struct tree, heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_write_nothing_shared),
        cmocka_unit_test(test_links_have_a_line_for_each_writer),
        cmocka_unit_test(test_commits_count_in_a_line_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
