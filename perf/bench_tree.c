/* What the tree costs: read, set, create, delete and list, at 10^3 to 10^7 nodes of 100 B data and
 * a 22-byte path, 1000 below each parent. Nodes are met in random order, so that a large tree shows
 * the price of memory. `bytes_per_node` is what the tree says it holds; `rss_per_node` how much the
 * process grew while it was built. */
#include "perf/bench.h"

#include "base/check.h"
#include "base/rand.h"
#include "store/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHILD_COUNT 1000
#define BURST       256

static const int64_t sizes[] = {1000, 10000, 100000, 1000000, 10000000};
static const uint8_t value[100] = {42};

/* The tree of the benchmark before; the next one of the same size takes it over. */
static struct tree *tree;
static int64_t tree_size, zxid;
static double rss_per_node;
static struct rand random_state;

static uint64_t rss_size(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu %lu", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct bytes path_of(char *room, uint64_t number)
{
    int size =
        snprintf(room, 32, "/p%06u/n%012u", (unsigned)(number / CHILD_COUNT), (unsigned)number);
    return bytes_of(room, (size_t)size);
}

static void settle(void)
{
    tree_publish(tree, zxid);
    for (struct tree_batch *batch; (batch = tree_retired(tree)) != NULL;)
        tree_reclaim(tree, batch);
}

static void add(struct bytes path, struct bytes data)
{
    tree_begin(tree, ++zxid, 1);
    int err = tree_add(tree, path, data, 0, 0);
    CHECK(err == 0);
    tree_commit(tree);
}

static void build(int64_t size)
{
    char room[32];
    if (tree_size == size)
        return;
    tree_destroy(tree);
    tree = NULL;
    rand_seed(&random_state, 1);
    struct tree_config config = {UINT64_MAX, 20000000, 12345};
    uint64_t before = rss_size();
    int err = tree_create(&tree, &config);
    CHECK(err == 0);
    zxid = 0;
    for (int64_t i = 0; i < size; i++) {
        struct bytes path = path_of(room, (uint64_t)i);
        if (i % CHILD_COUNT == 0)
            add(bytes_of(path.at, 8), bytes_of("", 0));
        add(path, bytes_of(value, sizeof(value)));
        if (i % BURST == 0)
            settle();
    }
    settle();
    tree_size = size;
    rss_per_node = (double)(rss_size() - before) / (double)size;
}

static struct bytes random_path(char *room)
{
    return path_of(room, rand_below(&random_state, (uint64_t)tree_size));
}

static void report_memory(struct bench *bench)
{
    bench_counter(bench, "bytes_per_node", (double)tree_memory_size(tree) / (double)tree_size);
    bench_counter(bench, "rss_per_node", rss_per_node);
}

/* The price of making a random path, to be taken off the others. */
static void bench_path(struct bench *bench, int64_t size)
{
    char room[32];
    tree_size = size;
    while (bench_next(bench)) {
        struct bytes path = random_path(room);
        CHECK(path.size == 22);
    }
    tree_size = 0;
}

static void bench_get(struct bench *bench, int64_t size)
{
    char room[32];
    build(size);
    while (bench_next(bench)) {
        struct tree_view view = tree_view(tree);
        const struct znode *node = tree_get(&view, random_path(room));
        CHECK(node && znode_data(node).at[0] == 42);
    }
    report_memory(bench);
}

static void bench_set(struct bench *bench, int64_t size)
{
    char room[32];
    uint32_t n = 0;
    build(size);
    while (bench_next(bench)) {
        tree_begin(tree, ++zxid, 2);
        int err = tree_set(tree, random_path(room), bytes_of(value, sizeof(value)));
        CHECK(err == 0);
        tree_commit(tree);
        if (++n % BURST == 0)
            settle();
    }
    settle();
    report_memory(bench);
}

/* Creates below random parents, in bursts whose removal is not measured; or the other way round. */
static void bench_burst(struct bench *bench, int64_t size, bool create)
{
    static char rooms[BURST][40];
    build(size);
    while (bench_next(bench)) {
        bench_pause(bench, true);
        for (int i = 0; i < BURST; i++) {
            random_path(rooms[i]);
            snprintf(rooms[i] + 8, 32, "/x%012d", i);
        }
        if (create)
            bench_pause(bench, false);
        for (int i = 0; i < BURST; i++)
            add(bytes_of(rooms[i], 22), bytes_of(value, sizeof(value)));
        settle();
        bench_pause(bench, create);
        for (int i = 0; i < BURST; i++) {
            tree_begin(tree, ++zxid, 2);
            tree_remove(tree, bytes_of(rooms[i], 22));
            tree_commit(tree);
        }
        settle();
        if (create)
            bench_pause(bench, false);
    }
    bench_counter(bench, "items", BURST);
}

static void bench_create(struct bench *bench, int64_t size)
{
    bench_burst(bench, size, true);
}

static void bench_delete(struct bench *bench, int64_t size)
{
    bench_burst(bench, size, false);
}

static void bench_list(struct bench *bench, int64_t size)
{
    char room[32];
    build(size);
    while (bench_next(bench)) {
        struct tree_view view = tree_view(tree);
        struct bytes path = random_path(room);
        const struct znode *parent = tree_get(&view, bytes_of(path.at, 8));
        uint32_t count = 0;
        for (const struct znode *child = tree_child_first(&view, parent); child;
             child = tree_child_next(&view, child))
            count += (uint32_t)znode_name(child).size == 13;
        CHECK(count == CHILD_COUNT);
    }
    bench_counter(bench, "items", CHILD_COUNT);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct bench *bench, int64_t size);
    } all[] = {{"tree_get", bench_get},
               {"tree_set", bench_set},
               {"tree_create_256", bench_create},
               {"tree_delete_256", bench_delete},
               {"tree_list_1000", bench_list}};
    bench_add("path", bench_path, sizes, 5);
    /* Size by size, so that each tree is built once. */
    for (int s = 0; s < 5; s++)
        for (int i = 0; i < 5; i++)
            bench_add(all[i].name, all[i].run, &sizes[s], 1);
    int code = bench_main(argc, argv);
    tree_destroy(tree);
    return code;
}
