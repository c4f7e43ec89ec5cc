/* What else runs on the hot cpus: tasks, ticks, interrupts, kernel threads. */
#include "tools/host/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCTOR_IRQS_PER_S_MAX  1
#define DOCTOR_TICKS_PER_S_MAX 2

/* Whether a set holds all hot cpus. */
static enum doctor_state doctor_covers(const struct doctor_subject *s, const struct cpulist *set,
                                       const char *name, char *text)
{
    struct cpulist bare = cpulist_without(&s->hot, set);
    char list[160];

    if (cpulist_is_empty(&bare))
        return doctor_is(text, DOCTOR_OK, "%s holds %s", name,
                         cpulist_print(&s->hot, list, sizeof(list)));
    return doctor_is(text, DOCTOR_FAIL, "%s does not hold %s", name,
                     cpulist_print(&bare, list, sizeof(list)));
}

static enum doctor_state doctor_isolated(const struct doctor_subject *s, char *text)
{
    return doctor_covers(s, &s->host->isolated, "isolcpus or an isolated cgroup partition", text);
}

static enum doctor_state doctor_nohz(const struct doctor_subject *s, char *text)
{
    if (!sysroot_exists(&s->host->root, "/sys/devices/system/cpu/nohz_full"))
        return doctor_is(text, DOCTOR_FAIL, "this kernel has no full dynticks: another one is "
                         "needed, whatever its boot line says");
    return doctor_covers(s, &s->host->nohz_full, "nohz_full", text);
}

static enum doctor_state doctor_rcu(const struct doctor_subject *s, char *text)
{
    return doctor_covers(s, &s->host->rcu_nocbs, "rcu_nocbs", text);
}

static enum doctor_state doctor_allowed(const struct doctor_subject *s, char *text)
{
    return doctor_covers(s, &s->host->allowed, "the cpu mask of this process", text);
}

static enum doctor_state doctor_managed(const struct doctor_subject *s, char *text)
{
    char value[256];
    bool has = host_option(&s->host->root, "isolcpus", value, sizeof(value)) &&
               strstr(value, "managed_irq") != NULL;
    return doctor_is(text, has ? DOCTOR_OK : DOCTOR_WARN, "isolcpus=%smanaged_irq",
                     has ? "" : " is without ");
}

/* Interrupts that may arrive on a hot cpu, by their present affinity. */
static enum doctor_state doctor_irqs(const struct doctor_subject *s, char *text)
{
    static char names[2048][SYSROOT_NAME_SIZE];
    uint32_t count = sysroot_names(&s->host->root, names, 2048, "/proc/irq"), bad = 0, seen = 0;
    char first[160] = "";

    for (uint32_t i = 0; i < count; i++) {
        char list[1024];
        struct cpulist cpus, hit;
        if (!sysroot_text(&s->host->root, list, sizeof(list),
                          "/proc/irq/%s/effective_affinity_list", names[i]) &&
            !sysroot_text(&s->host->root, list, sizeof(list), "/proc/irq/%s/smp_affinity_list",
                          names[i]))
            continue;
        seen++;
        hit = (struct cpulist){0};
        if (cpulist_parse(list, &cpus) == 0)
            hit = cpulist_and(&cpus, &s->hot);
        if (cpulist_is_empty(&hit))
            continue;
        size_t used = strlen(first);
        if (bad++ < 8)
            snprintf(first + used, sizeof(first) - used, "%s%.63s", used ? " " : "", names[i]);
    }
    if (seen == 0)
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/irq cannot be read");
    if (bad == 0)
        return doctor_is(text, DOCTOR_OK, "none of %u interrupts goes to a hot cpu", seen);
    return doctor_is(text, DOCTOR_FAIL, "%u of %u interrupts go to hot cpus: %s%s", bad, seen,
                     first, bad > 8 ? " ..." : "");
}

/* The worst hot cpu's count a second, between the two looks. */
static bool doctor_rate(const struct doctor_subject *s, bool ticks, double *worst, uint32_t *where)
{
    if (s->later == NULL || s->window_ms == 0)
        return false;
    *worst = -1;
    for (uint32_t cpu = cpulist_next(&s->hot, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&s->hot, cpu + 1)) {
        const struct host_cpu *a = &s->host->cpus[cpu], *b = &s->later->cpus[cpu];
        uint64_t n = ticks ? b->tick_count - a->tick_count : b->irq_count - a->irq_count;
        double rate = (double)n * 1000 / s->window_ms;
        if (rate > *worst) {
            *worst = rate;
            *where = cpu;
        }
    }
    return *worst >= 0;
}

static enum doctor_state doctor_irq_rate(const struct doctor_subject *s, char *text)
{
    double rate;
    uint32_t cpu;
    if (!doctor_rate(s, false, &rate, &cpu))
        return doctor_is(text, DOCTOR_UNKNOWN, "not watched");
    return doctor_is(text, rate > DOCTOR_IRQS_PER_S_MAX ? DOCTOR_FAIL : DOCTOR_OK,
                     "cpu %u took %.0f device interrupts a second", cpu, rate);
}

static enum doctor_state doctor_tick_rate(const struct doctor_subject *s, char *text)
{
    double rate;
    uint32_t cpu;
    if (!doctor_rate(s, true, &rate, &cpu))
        return doctor_is(text, DOCTOR_UNKNOWN, "not watched");
    return doctor_is(text, rate > DOCTOR_TICKS_PER_S_MAX ? DOCTOR_FAIL : DOCTOR_OK,
                     "cpu %u took %.0f timer ticks a second", cpu, rate);
}

/* A kernel mask file that must leave the hot cpus out. */
static enum doctor_state doctor_mask(const struct doctor_subject *s, const char *path, char *text)
{
    char mask[1024], list[160];
    struct cpulist cpus, hit;

    if (!sysroot_text(&s->host->root, mask, sizeof(mask), "%s", path) ||
        cpulist_parse_mask(mask, &cpus) != 0)
        return doctor_is(text, DOCTOR_UNKNOWN, "%s cannot be read", path);
    hit = cpulist_and(&cpus, &s->hot);
    if (cpulist_is_empty(&hit))
        return doctor_is(text, DOCTOR_OK, "%s leaves the hot cpus out", path);
    return doctor_is(text, DOCTOR_FAIL, "%s includes %s", path,
                     cpulist_print(&hit, list, sizeof(list)));
}

static enum doctor_state doctor_workqueue(const struct doctor_subject *s, char *text)
{
    return doctor_mask(s, "/sys/devices/virtual/workqueue/cpumask", text);
}

static enum doctor_state doctor_writeback(const struct doctor_subject *s, char *text)
{
    return doctor_mask(s, "/sys/devices/virtual/workqueue/writeback/cpumask", text);
}

/* Whether a process of this name runs. */
static bool doctor_runs(const struct doctor_subject *s, const char *name)
{
    static char names[32768][SYSROOT_NAME_SIZE];
    uint32_t count = sysroot_names(&s->host->root, names, 32768, "/proc");
    char comm[32];

    for (uint32_t i = 0; i < count; i++)
        if (names[i][0] >= '0' && names[i][0] <= '9' &&
            sysroot_text(&s->host->root, comm, sizeof(comm), "/proc/%s/comm", names[i]) &&
            strcmp(comm, name) == 0)
            return true;
    return false;
}

static enum doctor_state doctor_irqbalance(const struct doctor_subject *s, char *text)
{
    bool runs = doctor_runs(s, "irqbalance");
    return doctor_is(text, runs ? DOCTOR_FAIL : DOCTOR_OK, "irqbalance %s",
                     runs ? "runs and moves interrupts about" : "does not run");
}

/* cpu.max of the cgroup that this process is in (the service's, when started from there). */
static enum doctor_state doctor_quota(const struct doctor_subject *s, char *text)
{
    char *groups = sysroot_all(&s->host->root, "/proc/self/cgroup");
    const char *own = groups ? strstr(groups, "0::") : NULL;
    char path[256], max[64];

    snprintf(path, sizeof(path), "%.*s", own ? (int)strcspn(own + 3, "\n") : 0, own ? own + 3 : "");
    free(groups);
    if (!own)
        return doctor_is(text, DOCTOR_UNKNOWN, "no cgroup v2");
    if (!sysroot_text(&s->host->root, max, sizeof(max), "/sys/fs/cgroup%s/cpu.max", path))
        return doctor_is(text, DOCTOR_OK, "no quota on the cgroup %s", path);
    return doctor_is(text, strncmp(max, "max", 3) == 0 ? DOCTOR_OK : DOCTOR_FAIL,
                     "cpu.max of the cgroup %s is %s", path, max);
}

static enum doctor_state doctor_load(const struct doctor_subject *s, char *text)
{
    char line[64];
    double load;

    if (!sysroot_text(&s->host->root, line, sizeof(line), "/proc/loadavg"))
        return doctor_is(text, DOCTOR_UNKNOWN, "/proc/loadavg cannot be read");
    load = strtod(line, NULL);
    uint32_t rest = cpulist_count(&s->rest);
    return doctor_is(text, load > rest ? DOCTOR_WARN : DOCTOR_OK,
                     "load %.2f, and cpus that are not hot: %u", load, rest);
}

const struct doctor_check doctor_isolation_table[] = {
    {"iso-cores", "isolated cores",
     "Without isolation any task may be scheduled onto a hot core "
     "for a time slice: 4 ms.",
     "takt cores apply --system   # now; for good: "
     "isolcpus=managed_irq,domain,{hot} on the boot line",
     DOCTOR_B, doctor_isolated},
    {"iso-nohz", "full dynticks",
     "The scheduler's tick interrupts a core 100 to 1000 times a "
     "second for 1 to 5 us.",
     "nohz_full={hot} on the boot line, of a kernel with CONFIG_NO_HZ_FULL=y", DOCTOR_B,
     doctor_nohz},
    {"iso-rcu", "RCU callbacks", "Callbacks run in softirqs of the core that queued them.",
     "rcu_nocbs={hot} on the boot line", DOCTOR_B, doctor_rcu},
    {"iso-managed-irq", "managed interrupts",
     "Queues of NVMe and NICs bind an interrupt to every "
     "cpu, and user space cannot move it.",
     "isolcpus=managed_irq,domain,{hot} on the boot line", DOCTOR_A, doctor_managed},
    {"iso-allowed", "cpu mask", "A thread cannot be pinned where its process may not run.",
     "start taktd in a cgroup or with CPUAffinity= that holds {hot}", DOCTOR_B, doctor_allowed},
    {"iso-irqs", "interrupt affinity",
     "An interrupt costs a hot core 2 to 10 us, and its softirq "
     "more.",
     "takt cores apply --system   # or: echo {rest} >/proc/irq/N/smp_affinity_list", DOCTOR_B,
     doctor_irqs},
    {"iso-irq-rate", "interrupts seen", "What arrives counts, whatever the masks say.",
     "watch -d cat /proc/interrupts, and move the rows that count up in {hot}", DOCTOR_B,
     doctor_irq_rate},
    {"iso-tick-rate", "ticks seen", "nohz_full works only while a core has a single task.",
     "nohz_full={hot} on the boot line, and one thread a hot core", DOCTOR_B, doctor_tick_rate},
    {"iso-workqueue", "kernel work",
     "Unbound kernel work (ext4, crypto, cgroups) runs for up to "
     "milliseconds.",
     "echo {mask} >/sys/devices/virtual/workqueue/cpumask", DOCTOR_B, doctor_workqueue},
    {"iso-writeback", "write-back threads", "Dirty pages are written by kernel work in long runs.",
     "echo {mask} >/sys/devices/virtual/workqueue/writeback/cpumask", DOCTOR_B, doctor_writeback},
    {"iso-irqbalance", "irqbalance", "It moves interrupts back onto hot cores every 10 s.",
     "systemctl disable --now irqbalance   # or IRQBALANCE_BANNED_CPULIST={hot}", DOCTOR_B,
     doctor_irqbalance},
    {"iso-quota", "cpu quota",
     "A cgroup with a quota stops the whole node for the rest of each "
     "100 ms.",
     "echo max >/sys/fs/cgroup/<group>/cpu.max   # systemd: CPUQuota=", DOCTOR_C, doctor_quota},
    {.id = "iso-timers",
     .what = "timer migration",
     .why = "Timers armed elsewhere should fire "
            "where the system's work is.",
     .mend = "sysctl kernel.timer_migration=1",
     .caps = DOCTOR_A,
     .path = "/proc/sys/kernel/timer_migration",
     .want = "1",
     .otherwise = DOCTOR_WARN},
    {.id = "iso-rt-throttle",
     .what = "real-time throttling",
     .why = "A SCHED_FIFO thread that "
            "spins is stopped for 50 ms of each second.",
     .mend = "sysctl kernel.sched_rt_runtime_us=-1   "
             "# or leave the hot threads at SCHED_OTHER, on isolated cores",
     .caps = DOCTOR_A,
     .path = "/proc/sys/kernel/sched_rt_runtime_us",
     .want = "-1",
     .otherwise = DOCTOR_WARN},
    {"iso-load", "load", "More that is ready to run than cpus for it: it spills onto hot cores.",
     "ps -eo psr,pcpu,comm --sort=-pcpu | head", DOCTOR_A, doctor_load},
    {0},
};
