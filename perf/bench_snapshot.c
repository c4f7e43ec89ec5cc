/* What a snapshot costs: writing one, and a restart from it, at 10^3 to 10^6 nodes of 100 B data.
 * Through the real disk (a directory under TMPDIR, or here), syncs included; the load reads what
 * the page cache holds. The data does not compress. */
#include "perf/bench.h"

#include "base/check.h"
#include "base/rand.h"
#include "consensus/disk_posix.h"
#include "store/snapshot_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHILD_COUNT 1000

static const int64_t sizes[] = {1000, 100000, 1000000};
static const struct tree_config tree_config = {UINT64_MAX, 20000000, 12345};
static const struct machine_config machine_config = {.session_count_max = 1000,
                                                     .acl_count_max = 1000};

static char dir[256];
static struct disk_posix disk;
static struct disk_io io;

static struct tree *build(int64_t size)
{
    struct tree *tree;
    struct rand r;
    char room[32];
    uint64_t data[12];
    rand_seed(&r, 1);
    int err = tree_create(&tree, &tree_config);
    CHECK(err == 0);
    for (int64_t i = 0; i < size; i++) {
        snprintf(room, sizeof(room), "/p%06u/n%012u", (unsigned)(i / CHILD_COUNT), (unsigned)i);
        for (int d = 0; d < 12; d++)
            data[d] = rand_next(&r);
        tree_begin(tree, i + 1, 1);
        err = i % CHILD_COUNT == 0 ? tree_add(tree, bytes_of(room, 8), bytes_of("", 0), 0, 0) : 0;
        CHECK(err == 0);
        err = tree_add(tree, bytes_of(room, 22), bytes_of(data, 96), 0, 0);
        CHECK(err == 0);
        tree_commit(tree);
        tree_publish(tree, i + 1);
        for (struct tree_batch *b = NULL; i % 256 == 0 && (b = tree_retired(tree)) != NULL;)
            tree_reclaim(tree, b);
    }
    return tree;
}

static uint64_t save(struct tree *tree, struct machine *machine)
{
    struct snapshot_write *write;
    struct fault fault = {""};
    uint8_t *image;
    uint64_t size;
    const struct znode *nodes[64];
    uint32_t n;
    int err = machine_image(machine, &image, &size);
    CHECK(err == 0);
    struct snapshot_info info = {.state_hash = machine_hash(machine),
                                 .node_count = tree_node_count(tree) - 1};
    err = snapshot_write_begin(&write, &io, &info, &fault);
    CHECK(err == 0);
    err = snapshot_write_machine(write, bytes_of(image, size), &fault);
    CHECK(err == 0);
    for (uint32_t id = 0; id < 2; id++) {
        err = snapshot_write_acl(write, id, acl_packed(machine_acls(machine), id), &fault);
        CHECK(err == 0);
    }
    struct tree_walk walk = tree_walk_begin(tree, tree_hold(tree, UINT64_MAX));
    while ((n = tree_walk_next(&walk, nodes, 64)) > 0)
        for (uint32_t i = 0; i < n; i++) {
            struct tree_image node = znode_image(nodes[i]);
            err = snapshot_write_node(write, &node, &fault);
            CHECK(err == 0);
        }
    tree_hold_release(tree);
    size = snapshot_write_size(write);
    err = snapshot_write_finish(write, &fault);
    CHECK(err == 0);
    free(image);
    return size;
}

static void bench_write(struct bench *bench, int64_t size)
{
    struct machine *machine;
    struct tree *tree = build(size);
    uint64_t file_size = 0;
    int err = machine_create(&machine, &machine_config, tree);
    CHECK(err == 0);
    while (bench_next(bench))
        file_size = save(tree, machine);
    bench_counter(bench, "items", (double)size);
    bench_counter(bench, "file_bytes_per_node", (double)file_size / (double)size);
    machine_destroy(machine);
    tree_destroy(tree);
}

static void bench_load(struct bench *bench, int64_t size)
{
    struct machine *machine;
    struct tree *tree = build(size);
    struct snapshot_info info;
    struct fault fault = {""};
    int err = machine_create(&machine, &machine_config, tree);
    CHECK(err == 0);
    save(tree, machine);
    machine_destroy(machine);
    tree_destroy(tree);
    while (bench_next(bench)) {
        err = tree_create(&tree, &tree_config);
        CHECK(err == 0);
        err = machine_create(&machine, &machine_config, tree);
        CHECK(err == 0);
        err = snapshot_load(&io, "snapshot.0000000000000000", tree, machine, &info, &fault);
        CHECK(err == 0);
        bench_pause(bench, true);
        CHECK(tree_node_count(tree) > (uint64_t)size);
        machine_destroy(machine);
        tree_destroy(tree);
        bench_pause(bench, false);
    }
    bench_counter(bench, "items", (double)size);
}

int main(int argc, char **argv)
{
    const char *above = getenv("TMPDIR");
    struct fault fault = {""};
    snprintf(dir, sizeof(dir), "%s/bench_snapshot.XXXXXX", above ? above : ".");
    CHECK(mkdtemp(dir));
    int err = disk_posix_init(&disk, &io, dir, false, &fault);
    CHECK(err == 0);
    bench_add("snapshot_write", bench_write, sizes, 3);
    bench_add("snapshot_load", bench_load, sizes, 3);
    int code = bench_main(argc, argv);
    disk_posix_fini(&disk);
    char command[300];
    snprintf(command, sizeof(command), "rm -r '%s'", dir);
    return system(command) == 0 ? code : 1;
}
