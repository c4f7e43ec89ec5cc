/* sim: one whole node (NET with the real codec, CORE, DISK, APPLY, SNAP, sessions, watches), its
 * clients, a hostile network, a disk that forgets, and time, all in one thread from one seed.
 *
 *   run --seed N           one run; prints what it did, and a digest of every byte the clients got
 *   run --seeds A..B       many, each in a process of its own; every 16th twice, digests compared
 *
 * What is checked: every reply against a model fed with the committed log (code, zxid, body); reads
 * against the model's state at the zxid of the reply; zxids of a session never go back; every watch
 * event exactly once, in order, before any reply that could show the change; nothing acknowledged
 * is lost or changed by a crash, whatever of the unsynced sectors stays; a session ends only for a
 * committed reason; when the faults stop every client is answered; at the end the tree is the
 * model's, node by node. */
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_disk.h"

#include "base/check.h"
#include "base/limits.h"
#include "store/machine.h"
#include "store/tree.h"
#include "tools/taktd/node.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIM_CLIENTS_MAX 8
#define SIM_STEPS       3000
#define SIM_STEPS_CALM  20000 /* within so many steps without faults everybody must be answered */
#define SIM_DISK_LARGE  (1ull << 30)
#define SIM_DISK_SMALL  (34ull << 20) /* two segments and a little */

struct sim {
    uint64_t seed;
    struct rand rand;
    struct sim_knobs knobs;
    struct config config;
    struct sim_log log;
    struct sim_disk *disk;
    struct disk_io io; /* the node's: dead after a crash */
    struct port *port;
    struct node *node;
    struct now now;
    struct sim_client clients[SIM_CLIENTS_MAX];
    uint64_t crashes, recovered_entries, snapshots;
    bool verbose;
};

static uint32_t sim_below(struct sim *sim, uint32_t bound)
{
    return (uint32_t)rand_below(&sim->rand, bound);
}

static void sim_random(void *self, void *out, uint32_t n)
{
    struct sim *sim = self;
    for (uint32_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)rand_next(&sim->rand);
}

/* ---- the node -------------------------------------------------------------------------------- */

static int sim_port_open(void *self, uint32_t index, const struct port_setup *setup,
                         struct port **port, struct fault *fault)
{
    struct sim *sim = self;
    int err = port_sim_open(setup, 1 << 16, &sim->port);
    *port = sim->port;
    return err ? fault_set(fault, err, "no simulated port") : 0;
}

static void sim_start(struct sim *sim)
{
    struct node_env env = {.disk = &sim->io,
                           .port_open = sim_port_open,
                           .port_self = sim,
                           .random = sim_random,
                           .random_self = sim,
                           .tap = sim_log_tap,
                           .tap_self = &sim->log,
                           .now = sim->now};
    struct fault fault = {.text = ""};

    sim->io = *sim_disk_io(sim->disk);
    int err = node_open(&sim->node, &sim->config, &env, &fault);
    if (err) {
        fprintf(stderr, "the node does not come back: %s (%s)\n", fault.text, err_name(err));
        abort();
    }
    /* everything that was committed is there again */
    CHECK(node_recovery(sim->node)->last_index >= sim->log.count);
    sim->recovered_entries += node_recovery(sim->node)->entries;
    sim->snapshots += node_recovery(sim->node)->snapshot_index > 0;
}

static int dead_submit(void *ctx, int file, uint64_t offset, const void *memory, uint32_t size,
                       uint64_t token, struct fault *fault)
{
    return ERR_IO;
}

static uint32_t dead_poll(void *ctx, struct disk_done *done, uint32_t max, struct fault *fault)
{
    return 0;
}

static void dead_close(void *ctx, int file)
{
}

static int dead_path(void *ctx, const char *path, struct fault *fault)
{
    return ERR_IO;
}

static int dead_file(void *ctx, int file, struct fault *fault)
{
    return ERR_IO;
}

static int dead_dir(void *ctx, struct fault *fault)
{
    return ERR_IO;
}

/* Connections end with their port. */
static void sim_bury(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->knobs.client_count; i++)
        sim_client_bury(&sim->clients[i]);
}

/* The process dies: what it had in flight happens or not, as the disk's seed has it. */
static void sim_crash(struct sim *sim)
{
    bool power = sim_below(sim, 100) < sim->knobs.power_percent;

    for (uint32_t i = 0; i < sim->knobs.client_count; i++)
        sim_client_lost(&sim->clients[i]);
    sim_disk_crash(sim->disk, power ? SIM_DISK_POWER : SIM_DISK_KILL);
    sim->io.submit_write = dead_submit;
    sim->io.poll = dead_poll;
    sim->io.close = dead_close;
    sim->io.unlink = dead_path;
    sim->io.sync = dead_file;
    sim->io.sync_dir = dead_dir;
    node_abandon(sim->node);
    sim_bury(sim);
    sim->node = NULL;
    sim->port = NULL;
    sim->crashes++;
}

/* ---- the world ------------------------------------------------------------------------------- */

static void sim_time(struct sim *sim, bool calm)
{
    uint64_t step_ns = rand_below(&sim->rand, 300000);

    if (!calm && sim_below(sim, 1000) < sim->knobs.leap_per_mille)
        step_ns = rand_below(&sim->rand, 300 * NS_PER_MS);
    if (calm && sim_below(sim, 50) == 0)
        step_ns = 20 * NS_PER_MS;
    sim->now.mono_ns += step_ns;
    sim->now.wall_ms = 1700000000000 + (int64_t)(sim->now.mono_ns / NS_PER_MS);
    sim_disk_time(sim->disk, sim->now.mono_ns);
}

static void sim_step(struct sim *sim, bool calm)
{
    struct fault fault = {.text = ""};

    sim_time(sim, calm);
    for (uint32_t i = 0; i < sim->knobs.client_count; i++)
        if (sim_below(sim, 2))
            sim_client_step(&sim->clients[i], sim->port);
    if (node_turn(sim->node, sim->now, NULL, &fault) < 0) {
        fprintf(stderr, "the node stopped: %s\n", fault.text);
        abort();
    }
    if (calm)
        return;
    if (sim->knobs.small_disk && sim_below(sim, 400) == 0)
        sim_disk_capacity(sim->disk, sim_below(sim, 2) ? SIM_DISK_SMALL : SIM_DISK_LARGE);
    if (sim_below(sim, 1000) < sim->knobs.crash_per_mille) {
        sim_crash(sim);
        sim_time(sim, false);
        sim_disk_capacity(sim->disk, SIM_DISK_LARGE);
        sim_start(sim);
    }
}

static bool sim_settled(const struct sim *sim)
{
    for (uint32_t i = 0; i < sim->knobs.client_count; i++)
        if (!sim_client_settled(&sim->clients[i]))
            return false;
    return true;
}

/* The faults stop: everybody is answered, and the tree is the model's. */
static void sim_calm_down(struct sim *sim)
{
    sim_disk_capacity(sim->disk, SIM_DISK_LARGE);
    for (uint32_t i = 0; i < sim->knobs.client_count; i++) {
        sim->clients[i].quiet = true;
        sim->clients[i].silent_steps = 0;
    }
    for (uint32_t step = 0; !sim_settled(sim); step++) {
        if (step == SIM_STEPS_CALM) {
            fprintf(stderr, "without faults, somebody is still not answered\n");
            abort();
        }
        sim_step(sim, true);
    }
}

static void sim_compare_tree(struct sim *sim)
{
    struct tree_view view = tree_view(node_tree(sim->node));
    uint32_t count = model_node_count(sim->log.model), seen = 0;

    CHECK(view.zxid == model_zxid(sim->log.model));
    for (uint32_t i = 0; i < count; i++) {
        const struct model_node *want = model_node_at(sim->log.model, i);
        const struct znode *got = tree_get(&view, want->path);
        struct zk_stat a, b;
        memset(&a, 0, sizeof(a));
        memset(&b, 0, sizeof(b));
        if (!got) {
            fprintf(stderr, "node %.*s is missing at the end\n", want->path.size, want->path.at);
            abort();
        }
        znode_stat(got, &a);
        model_stat(want, &b);
        CHECK(memcmp(&a, &b, sizeof(a)) == 0);
        CHECK(bytes_equal(znode_data(got), want->data));
        seen++;
    }
    struct bytes root = bytes_of_string("/");
    CHECK(tree_descendant_count(&view, tree_get(&view, root)) + 1 == seen);
}

/* ---- one run --------------------------------------------------------------------------------- */

static void sim_draw_knobs(struct sim *sim)
{
    struct sim_knobs *k = &sim->knobs;

    k->client_count = 1 + sim_below(sim, SIM_CLIENTS_MAX);
    k->cut_per_mille = sim_below(sim, 3) ? sim_below(sim, 20) : 0;
    k->silent_per_mille = sim_below(sim, 2) ? sim_below(sim, 10) : 0;
    k->crash_per_mille = sim_below(sim, 4) ? 1 + sim_below(sim, 8) : 0;
    k->power_percent = sim_below(sim, 101);
    k->leap_per_mille = sim_below(sim, 2) ? sim_below(sim, 30) : 0;
    k->split_percent = sim_below(sim, 2) ? sim_below(sim, 100) : 0;
    k->slow_percent = sim_below(sim, 2) ? sim_below(sim, 95) : 0;
    k->snapshot_entries = sim_below(sim, 2) ? 20 + sim_below(sim, 400) : 0;
    k->small_disk = sim_below(sim, 8) == 0;
}

static void sim_configure(struct sim *sim)
{
    struct config *c = &sim->config;

    config_init(c);
    c->net_count = 1;
    c->session_tick_ms = 100;
    c->session_timeout_ms_min = 200;
    c->session_timeout_ms_max = 4000;
    c->connections_max = 64;
    c->sessions_max = 4096;
    c->tree_memory_limit = 64 << 20;
    c->tree_nodes_max = 1 << 16;
    c->net_memory_limit = 256 << 20;
    c->log_segment_size = 16 << 20;
    c->snapshot_every_count = sim->knobs.snapshot_entries;
    c->snapshot_every_size = 0;
    c->snapshot_kept_count = 2;
    c->container_check_ms = 0;
}

static uint64_t sim_run(uint64_t seed, bool verbose)
{
    static struct sim sim;
    struct model_config model = {.session_count_max = 4096};
    uint64_t digest = 14695981039346656037ull, replies = 0, events = 0, refused = 0, expired = 0;

    memset(&sim, 0, sizeof(sim));
    sim.seed = seed;
    rand_seed(&sim.rand, seed);
    sim_draw_knobs(&sim);
    sim_configure(&sim);
    sim_log_init(&sim.log, &model);
    sim.disk = sim_disk_create(rand_next(&sim.rand), SIM_DISK_LARGE);
    sim_disk_latency(sim.disk, 20000, 20000 + rand_below(&sim.rand, 2000000));
    sim.now.mono_ns = 1000 * NS_PER_S;
    sim_time(&sim, true);
    for (uint32_t i = 0; i < sim.knobs.client_count; i++)
        sim_client_init(&sim.clients[i], i, &sim.log, &sim.knobs, &sim.rand);
    sim_start(&sim);
    for (uint32_t step = 0; step < SIM_STEPS; step++)
        sim_step(&sim, false);
    sim_calm_down(&sim);
    sim_compare_tree(&sim);
    for (uint32_t i = 0; i < sim.knobs.client_count; i++) {
        digest = (digest ^ sim.clients[i].digest) * 1099511628211ull;
        replies += sim.clients[i].replies;
        events += sim.clients[i].events;
        refused += sim.clients[i].refused;
        expired += sim.clients[i].expired;
        sim_client_lost(&sim.clients[i]);
    }
    if (verbose)
        printf("seed %llu  clients %u  entries %llu  replies %llu  events %llu  crashes %llu  "
               "replayed %llu  from snapshot %llu  refused %llu  expired %llu  digest %016llx\n",
               (unsigned long long)seed, sim.knobs.client_count,
               (unsigned long long)sim.log.count, (unsigned long long)replies,
               (unsigned long long)events, (unsigned long long)sim.crashes,
               (unsigned long long)sim.recovered_entries, (unsigned long long)sim.snapshots,
               (unsigned long long)refused, (unsigned long long)expired,
               (unsigned long long)digest);
    sim_disk_time(sim.disk, UINT64_MAX); /* what is in flight ends */
    node_close(sim.node);
    sim_bury(&sim);
    sim_disk_destroy(sim.disk);
    sim_log_fini(&sim.log);
    return digest;
}

/* ---- many runs ------------------------------------------------------------------------------- */

/* Runs a seed in a child. Returns 0 and the digest, or how the child ended. */
static int sim_child(uint64_t seed, uint64_t *digest)
{
    int ends[2], status = 0;

    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(120); /* a run that hangs is a failure too */
        uint64_t result = sim_run(seed, false);
        CHECK(write(ends[1], &result, sizeof(result)) == sizeof(result));
        _exit(0);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], digest, sizeof(*digest));
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    return got == sizeof(*digest) && status == 0 ? 0 : status ? status : -1;
}

static int sim_many(uint64_t first, uint64_t last, const char *program)
{
    uint64_t failed = 0, started_ns = clock_now().mono_ns;

    for (uint64_t seed = first; seed <= last; seed++) {
        uint64_t digest = 0, again = 0;
        int bad = sim_child(seed, &digest);
        if (!bad && seed % 16 == 0) {
            bad = sim_child(seed, &again);
            if (!bad && digest != again) {
                fprintf(stderr, "seed %llu did not replay byte for byte\n",
                        (unsigned long long)seed);
                bad = -1;
            }
        }
        if (bad) {
            failed++;
            printf("not ok - seed %llu; replay: %s --seed %llu\n", (unsigned long long)seed,
                   program, (unsigned long long)seed);
        } else if (seed % 100 == 0 || seed == last) {
            printf("# %llu seeds, %llu failed, %.0f s\n", (unsigned long long)(seed - first + 1),
                   (unsigned long long)failed, (double)(clock_now().mono_ns - started_ns) / 1e9);
        }
        fflush(stdout);
    }
    if (!failed)
        printf("ok - seeds %llu..%llu\n", (unsigned long long)first, (unsigned long long)last);
    printf("1..%llu\n", failed ? (unsigned long long)failed : 1ull);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    unsigned long long first, last;

    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        sim_run(strtoull(argv[2], NULL, 10), true);
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0 &&
        sscanf(argv[2], "%llu..%llu", &first, &last) == 2 && first <= last)
        return sim_many(first, last, argv[0]);
    fprintf(stderr, "usage: %s --seed N | --seeds A..B\n", argv[0]);
    return 2;
}
