/* What the state machine costs for one command, beside the tree: numbering, decoding, checks, the
 * change and the reply told, the state hash. The tree holds `arg` nodes. */
#include "base/check.h"
#include "perf/bench.h"
#include "store/machine.h"

#include <stdio.h>
#include <string.h>

#define SESSION 0x1001

struct bed {
    struct tree *tree;
    struct machine *machine;
    struct machine_sink sink;
    uint64_t index, told;
    struct command command;
    uint8_t body[4096];
    struct jute_out out;
};

static void bench_change(void *self, int64_t zxid, uint32_t event, struct bytes path,
                         struct bytes acl, struct bytes parent_acl)
{
    ((struct bed *)self)->told += (uint64_t)zxid + event + (uint64_t)path.size +
                                  (uint64_t)acl.size + (uint64_t)parent_acl.size;
}

static void bench_reply(void *self, const struct apply_reply *head, struct bytes body)
{
    CHECK(head->error == ZK_OK);
    ((struct bed *)self)->told += (uint64_t)body.size;
}

static void bench_session(void *self, const struct apply_session *session)
{
    ((struct bed *)self)->told += (uint64_t)session->session;
}

static void bench_timer(void *self, int64_t session, int32_t timeout_ms)
{
    ((struct bed *)self)->told += (uint64_t)session + (uint64_t)timeout_ms;
}

static void bench_send(struct bed *bed, uint8_t kind, int32_t op)
{
    struct command *c = &bed->command;
    c->kind = kind;
    c->op = op;
    c->body_size = (uint32_t)(bed->out.at - bed->body);
    CHECK(!bed->out.bad);
    machine_apply(bed->machine, ++bed->index, 1, c, bed->body, &bed->sink);
    if (bed->index % 64 == 0) { /* as APPLY does, once a turn; here nobody reads */
        struct tree_batch *batch;
        tree_publish(bed->tree, machine_zxid(bed->machine));
        while ((batch = tree_retired(bed->tree)))
            tree_reclaim(bed->tree, batch);
    }
}

static void bench_path(struct bed *bed, int64_t n)
{
    char path[64];
    int size = snprintf(path, sizeof path, "/d%03d/node-%09lld", (int)(n % 1000), (long long)n);
    bed->out = jute_out(bed->body, sizeof bed->body);
    jute_put_bytes(&bed->out, bytes_of(path, (size_t)size));
}

static void bench_create(struct bed *bed, int64_t n)
{
    static const uint8_t data[100];
    bench_path(bed, n);
    jute_put_bytes(&bed->out, bytes_of(data, sizeof data));
    jute_put_int(&bed->out, 1);
    jute_put_int(&bed->out, ZK_PERM_ALL);
    jute_put_bytes(&bed->out, bytes_of_string("world"));
    jute_put_bytes(&bed->out, bytes_of_string("anyone"));
    jute_put_int(&bed->out, 0);
    bench_send(bed, COMMAND_REQUEST, ZK_OP_CREATE);
}

static void bench_set(struct bed *bed, int64_t n)
{
    static const uint8_t data[100];
    bench_path(bed, n);
    jute_put_bytes(&bed->out, bytes_of(data, sizeof data));
    jute_put_int(&bed->out, -1);
    bench_send(bed, COMMAND_REQUEST, ZK_OP_SET_DATA);
}

static void bench_delete(struct bed *bed, int64_t n)
{
    bench_path(bed, n);
    jute_put_int(&bed->out, -1);
    bench_send(bed, COMMAND_REQUEST, ZK_OP_DELETE);
}

static void bench_open(struct bed *bed, int64_t node_count)
{
    struct tree_config tree_config = {.memory_limit = 8ull << 30, .nodes_max = 1 << 22};
    struct machine_config config = {.session_count_max = 100, .acl_count_max = 1024};
    struct session_open open = {.timeout_ms = 4000};
    memset(bed, 0, sizeof *bed);
    bed->sink = (struct machine_sink){bed, bench_change, bench_reply, bench_session, bench_timer};
    CHECK(tree_create(&bed->tree, &tree_config) == 0);
    CHECK(machine_create(&bed->machine, &config, bed->tree) == 0);
    bed->command.version = COMMAND_VERSION;
    bed->command.session = SESSION;
    bed->command.attach = 1;
    bed->command.time_ms = 1;
    memcpy(bed->body, &open, sizeof open);
    bed->out = jute_out(bed->body + sizeof open, 0);
    bench_send(bed, COMMAND_OPEN, 0);
    for (int n = 0; n < 1000; n++) {
        char path[8];
        int size = snprintf(path, sizeof path, "/d%03d", n);
        bench_path(bed, 0);
        bed->out = jute_out(bed->body, sizeof bed->body);
        jute_put_bytes(&bed->out, bytes_of(path, (size_t)size));
        jute_put_bytes(&bed->out, bytes_of(path, 0));
        jute_put_int(&bed->out, 1);
        jute_put_int(&bed->out, ZK_PERM_ALL);
        jute_put_bytes(&bed->out, bytes_of_string("world"));
        jute_put_bytes(&bed->out, bytes_of_string("anyone"));
        jute_put_int(&bed->out, 0);
        bench_send(bed, COMMAND_REQUEST, ZK_OP_CREATE);
    }
    for (int64_t n = 0; n < node_count; n++)
        bench_create(bed, n);
}

static void bench_close(struct bed *bed)
{
    machine_destroy(bed->machine);
    tree_destroy(bed->tree);
}

static void run_set(struct bench *bench, int64_t node_count)
{
    struct bed bed;
    int64_t n = 0;
    bench_open(&bed, node_count);
    while (bench_next(bench))
        bench_set(&bed, n = (n + 7919) % node_count);
    bench_close(&bed);
}

static void run_create_delete(struct bench *bench, int64_t node_count)
{
    struct bed bed;
    int64_t n = node_count;
    bench_open(&bed, node_count);
    while (bench_next(bench)) {
        bench_create(&bed, n);
        bench_delete(&bed, n++);
    }
    bench_counter(bench, "items", 2);
    bench_close(&bed);
}

static void run_multi(struct bench *bench, int64_t node_count)
{
    struct bed bed;
    bench_open(&bed, node_count);
    while (bench_next(bench)) {
        uint8_t one[256];
        bench_path(&bed, 1);
        size_t size = (size_t)(bed.out.at - bed.body);
        memcpy(one, bed.body, size);
        bed.out = jute_out(bed.body, sizeof bed.body);
        for (int i = 0; i < 10; i++) {
            jute_put_int(&bed.out, ZK_OP_SET_DATA);
            jute_put_byte(&bed.out, 0);
            jute_put_int(&bed.out, -1);
            jute_put_raw(&bed.out, one, size);
            jute_put_bytes(&bed.out, bytes_of(one, 10));
            jute_put_int(&bed.out, -1);
        }
        jute_put_int(&bed.out, -1);
        jute_put_byte(&bed.out, 1);
        jute_put_int(&bed.out, -1);
        bench_send(&bed, COMMAND_REQUEST, ZK_OP_MULTI);
    }
    bench_counter(bench, "items", 10);
    bench_close(&bed);
}

int main(int argc, char **argv)
{
    static const int64_t sizes[] = {1000, 100000, 1000000};
    bench_add("machine_set", run_set, sizes, 3);
    bench_add("machine_create_delete", run_create_delete, sizes, 3);
    bench_add("machine_multi_of_10_sets", run_multi, sizes, 1);
    return bench_main(argc, argv);
}
