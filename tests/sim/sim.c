/* sim: runs the simulated ensemble (sim_world.h) for one seed or for many.
 *
 *   run [--nodes 1|3|5|3+2] [--set knob=value ...] [--trace] --seed N
 *       one run; prints its knobs, what it came to, and a digest of every byte that clients got
 *   run [--nodes ...] [--set ...] [-jN] --seeds A..B      many, in N worker processes
 *   run ... --fresh COUNT                                 as many new seeds; prints which
 *   run --knobs                                           what there is to set
 *
 * A worker runs one seed after the other; when a run aborts, its seed has failed, and a new worker
 * goes on behind it. Every 16th seed is run twice: it must replay byte for byte. */
#include "tests/sim/sim_world.h"

#include "base/check.h"
#include "base/pages.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIM_JOBS_MAX     16
#define SIM_OVERRIDE_MAX 32
#define SIM_SEED_SECONDS 120 /* a run that hangs is a failure too */
#define SIM_WORKER_SEEDS 64  /* then the worker makes room for a fresh one */

/* Pages that a run gave back are kept for the next one. */
extern const char *malloc_conf;
const char *malloc_conf = "dirty_decay_ms:-1,muzzy_decay_ms:-1";

struct sim_plan {
    uint32_t voters, observers, jobs;
    char *overrides[SIM_OVERRIDE_MAX + 1];
    uint32_t override_count;
    bool trace, one, fresh;
    uint64_t first, last;
    const char *nodes, *program;
};

/* What a worker tells of a seed that ended well. */
struct sim_word {
    uint64_t seed, simulated_ns, entries;
    bool replayed; /* false: a second run gave another digest */
};

struct sim_worker {
    pid_t pid; /* 0: none */
    int fd;
    uint64_t next, last; /* seeds: the one it is at, and its last */
};

struct sim_sum {
    uint64_t done, failed, simulated_ns, entries;
};

static void worker_main(const struct sim_plan *plan, uint64_t first, uint64_t last, int fd)
{
    for (uint64_t seed = first; seed <= last; seed++) {
        alarm(SIM_SEED_SECONDS);
        struct sim_result result =
            sim_world_run(seed, plan->voters, plan->observers, plan->overrides, false, false);
        struct sim_word word = {seed, result.simulated_ns, result.entries, true};
        if (seed % 16 == 0)
            word.replayed =
                sim_world_run(seed, plan->voters, plan->observers, plan->overrides, false, false)
                    .digest == result.digest;
        CHECK(write(fd, &word, sizeof(word)) == sizeof(word));
    }
    _exit(0);
}

static void worker_start(struct sim_worker *worker, const struct sim_plan *plan, uint64_t first,
                         uint64_t last)
{
    int ends[2];

    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        worker_main(plan, first, last, ends[1]);
    }
    close(ends[1]);
    *worker = (struct sim_worker){pid, ends[0], first, last};
}

static void seed_failed(const struct sim_plan *plan, struct sim_sum *sum, uint64_t seed,
                        const char *how)
{
    sum->failed++;
    sum->done++;
    printf("not ok - seed %llu %s; replay: %s --nodes %s", (unsigned long long)seed, how,
           plan->program, plan->nodes);
    for (uint32_t i = 0; i < plan->override_count; i++)
        printf(" --set %s", plan->overrides[i]);
    printf(" --seed %llu   (git %s)\n", (unsigned long long)seed, SIM_COMMIT);
}

/* Takes one word of a worker, or its end. */
static void worker_listen(struct sim_worker *worker, const struct sim_plan *plan,
                          struct sim_sum *sum)
{
    struct sim_word word;
    int status = 0;

    if (read(worker->fd, &word, sizeof(word)) == sizeof(word)) {
        worker->next = word.seed + 1;
        if (!word.replayed) {
            seed_failed(plan, sum, word.seed, "did not replay byte for byte");
            return;
        }
        sum->done++;
        sum->simulated_ns += word.simulated_ns;
        sum->entries += word.entries;
        return;
    }
    close(worker->fd);
    CHECK(waitpid(worker->pid, &status, 0) == worker->pid);
    worker->pid = 0;
    if (worker->next > worker->last)
        return;
    seed_failed(plan, sum, worker->next,
                WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "did not end" : "failed");
    if (worker->next < worker->last)
        worker_start(worker, plan, worker->next + 1, worker->last);
}

static void progress(const struct sim_plan *plan, const struct sim_sum *sum, uint64_t began_ns)
{
    double seconds = (double)(clock_now().mono_ns - began_ns) / 1e9;

    printf("# %llu of %llu seeds, %llu failed, %.0f s, %.0f s simulated (%.0f x real time per "
           "job), %llu entries\n",
           (unsigned long long)sum->done, (unsigned long long)(plan->last - plan->first + 1),
           (unsigned long long)sum->failed, seconds, (double)sum->simulated_ns / 1e9,
           (double)sum->simulated_ns / 1e9 / seconds / plan->jobs,
           (unsigned long long)sum->entries);
    fflush(stdout);
}

/* Waits until some worker says something; fills free places with new ones. Returns false when all
 * is done. */
static bool workers_step(struct sim_worker *workers, const struct sim_plan *plan, uint64_t *next,
                         struct sim_sum *sum)
{
    struct pollfd fds[SIM_JOBS_MAX];
    uint32_t running = 0;

    for (uint32_t i = 0; i < plan->jobs; i++) {
        if (!workers[i].pid && *next <= plan->last) {
            uint64_t last = *next + SIM_WORKER_SEEDS - 1;
            last = last < plan->last ? last : plan->last;
            worker_start(&workers[i], plan, *next, last);
            *next = last + 1;
        }
        running += workers[i].pid != 0;
        fds[i] = (struct pollfd){.fd = workers[i].pid ? workers[i].fd : -1, .events = POLLIN};
    }
    if (!running)
        return false;
    CHECK(poll(fds, plan->jobs, -1) >= 0);
    for (uint32_t i = 0; i < plan->jobs; i++)
        if (fds[i].fd >= 0 && fds[i].revents)
            worker_listen(&workers[i], plan, sum);
    return true;
}

static int sim_many(const struct sim_plan *plan)
{
    struct sim_worker workers[SIM_JOBS_MAX] = {{0}};
    struct sim_sum sum = {0, 0, 0, 0};
    uint64_t next = plan->first, began_ns = clock_now().mono_ns, told_ns = began_ns;

    while (workers_step(workers, plan, &next, &sum)) {
        if (clock_now().mono_ns - told_ns < 15 * NS_PER_S)
            continue;
        told_ns = clock_now().mono_ns;
        progress(plan, &sum, began_ns);
    }
    progress(plan, &sum, began_ns);
    if (!sum.failed)
        printf("ok - nodes %s, seeds %llu..%llu\n", plan->nodes, (unsigned long long)plan->first,
               (unsigned long long)plan->last);
    printf("1..%llu\n", sum.failed ? (unsigned long long)sum.failed : 1ull);
    return sum.failed ? 1 : 0;
}

static int sim_one(const struct sim_plan *plan)
{
    uint64_t began_ns = clock_now().mono_ns;
    struct sim_result result = sim_world_run(plan->first, plan->voters, plan->observers,
                                             plan->overrides, true, plan->trace);
    double seconds = (double)(clock_now().mono_ns - began_ns) / 1e9;

    fprintf(stderr, "%.3f s, %.0f x real time\n", seconds,
            (double)result.simulated_ns / 1e9 / seconds);
    return 0;
}

static bool plan_nodes(struct sim_plan *plan, const char *text)
{
    char end;

    plan->nodes = text;
    plan->observers = 0;
    int n = sscanf(text, "%u+%u%c", &plan->voters, &plan->observers, &end);
    return (n == 2 || (n == 1 && !strchr(text, '+'))) && plan->voters >= 1 &&
           plan->voters + plan->observers <= SIM_NODES_MAX;
}

static bool plan_seeds(struct sim_plan *plan, const char *option, const char *text)
{
    unsigned long long first = 0, last = 0;

    if (strcmp(option, "--seed") == 0) {
        plan->one = true;
        plan->first = plan->last = strtoull(text, NULL, 10);
        return true;
    }
    if (strcmp(option, "--fresh") == 0) {
        plan->fresh = true;
        plan->first = 1000000 + (uint64_t)time(NULL) % 1000000000 * 1000;
        plan->last = plan->first + strtoull(text, NULL, 10) - 1;
        printf("# fresh seeds %llu..%llu\n", (unsigned long long)plan->first,
               (unsigned long long)plan->last);
        return plan->last >= plan->first;
    }
    if (sscanf(text, "%llu..%llu", &first, &last) != 2 || first > last)
        return false;
    plan->first = first;
    plan->last = last;
    return true;
}

/* Options, each with one value but --trace and -jN. */
static bool plan_read(struct sim_plan *plan, int argc, char **argv)
{
    *plan = (struct sim_plan){.voters = 1, .jobs = 1, .nodes = "1", .program = argv[0], .last = 0};
    plan->first = 1;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--trace") == 0)
            plan->trace = true;
        else if (strncmp(argv[i], "-j", 2) == 0)
            plan->jobs = (uint32_t)strtoul(argv[i] + 2, NULL, 10);
        else if (more && strcmp(argv[i], "--nodes") == 0) {
            if (!plan_nodes(plan, argv[++i]))
                return false;
        } else if (more && strcmp(argv[i], "--set") == 0 && plan->override_count < SIM_OVERRIDE_MAX)
            plan->overrides[plan->override_count++] = argv[++i];
        else if (more && (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--seeds") == 0 ||
                          strcmp(argv[i], "--fresh") == 0)) {
            if (!plan_seeds(plan, argv[i], argv[i + 1]))
                return false;
            i++;
        } else
            return false;
    }
    return plan->last >= plan->first && plan->jobs >= 1 && plan->jobs <= SIM_JOBS_MAX;
}

int main(int argc, char **argv)
{
    struct sim_plan plan;

    pages_keep();
    if (argc == 2 && strcmp(argv[1], "--knobs") == 0) {
        sim_knobs_list();
        return 0;
    }
    if (plan_read(&plan, argc, argv))
        return plan.one ? sim_one(&plan) : sim_many(&plan);
    fprintf(stderr,
            "usage: %s [--nodes 1|3|5|3+2] [--set knob=value ...] [--trace] --seed N\n"
            "       %s [--nodes ...] [--set ...] [-jN] --seeds A..B | --fresh COUNT\n"
            "       %s --knobs\n",
            argv[0], argv[0], argv[0]);
    return 2;
}
