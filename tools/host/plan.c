#include "tools/host/plan.h"

#include "base/check.h"
#include "tools/taktd/topology.h"

#include <stdarg.h>
#include <string.h>

/* What speaks against a cpu; the least sum wins, the lower number among equals. Each weight is
 * more than all below it together. */
enum plan_weight {
    PLAN_TAKEN = 32000,     /* another hot worker is there */
    PLAN_SIBLING = 16000,   /* another hot worker is on the same core: they share its units */
    PLAN_SHARED = 8000,     /* others may be scheduled there while other cpus are isolated */
    PLAN_ZERO = 4000,       /* cpu 0 and its sibling: the kernel's own work lands there */
    PLAN_FAR = 2000,        /* not on the NIC's node: each packet crosses sockets, 150..440 ns */
    PLAN_OTHER_NODE = 1000, /* not on the first one's node */
    PLAN_OTHER_CACHE = 500, /* another last-level cache: a hop costs more than ~100 ns */
    PLAN_IRQS = 200,        /* more than twice the interrupts of the average cpu */
};

struct plan_state {
    const struct host *host;
    const struct plan_wish *wish;
    struct plan *plan;
    int32_t first; /* cpu of the first line; -1: none yet */
    uint64_t irq_average;
};

static bool plan_is_zero(const struct host *host, uint32_t cpu)
{
    return cpulist_has(&host->cpus[cpu].siblings, 0);
}

static uint32_t plan_against(const struct plan_state *state, uint32_t cpu)
{
    const struct host *host = state->host;
    const struct host_cpu *at = &host->cpus[cpu];
    struct cpulist shared = cpulist_and(&at->siblings, &state->plan->hot);
    uint32_t sum = 0;

    if (cpulist_has(&state->plan->hot, cpu))
        sum += PLAN_TAKEN;
    else if (!cpulist_is_empty(&shared))
        sum += PLAN_SIBLING;
    if (!cpulist_is_empty(&host->isolated) && !cpulist_has(&host->isolated, cpu))
        sum += PLAN_SHARED;
    if (plan_is_zero(host, cpu))
        sum += PLAN_ZERO;
    if (state->wish->nic_node >= 0 && at->node != state->wish->nic_node)
        sum += PLAN_FAR;
    if (state->first >= 0 && at->node != host->cpus[state->first].node)
        sum += PLAN_OTHER_NODE;
    if (state->first >= 0 && at->l3 != host->cpus[state->first].l3)
        sum += PLAN_OTHER_CACHE;
    if (at->irq_count > 2 * state->irq_average + 1000)
        sum += PLAN_IRQS;
    return sum;
}

static uint32_t plan_best(const struct plan_state *state)
{
    uint32_t best = CPULIST_MAX, least = UINT32_MAX;
    const struct cpulist *online = &state->host->online;

    for (uint32_t cpu = cpulist_next(online, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(online, cpu + 1)) {
        uint32_t against = plan_against(state, cpu);
        if (against < least) {
            least = against;
            best = cpu;
        }
    }
    CHECK(best < CPULIST_MAX);
    return best;
}

static void plan_add(char *text, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

static void plan_add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;

    if (used && used + 2 < size) {
        memcpy(text + used, "; ", 3);
        used += 2;
    }
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

/* What is good and what is bad about the chosen cpu, for the person who decides. */
static void plan_why(const struct plan_state *state, struct plan_line *line)
{
    const struct host *host = state->host;
    const struct host_cpu *at = &host->cpus[line->cpu];
    uint32_t against = plan_against(state, line->cpu);
    char list[256];

    if (against >= PLAN_TAKEN)
        plan_add(line->why, sizeof(line->why), "no core is left, it shares this one");
    else if (against >= PLAN_SIBLING)
        plan_add(line->why, sizeof(line->why), "no core is left, it shares a core's threads");
    else if (cpulist_count(&at->siblings) > 1)
        plan_add(line->why, sizeof(line->why), "a core of its own, sibling of %s stays empty",
                 cpulist_print(&at->siblings, list, sizeof(list)));
    else
        plan_add(line->why, sizeof(line->why), "a core of its own");
    if (plan_is_zero(host, line->cpu))
        plan_add(line->why, sizeof(line->why), "on cpu 0's core, for want of another");
    else if (state->first < 0)
        plan_add(line->why, sizeof(line->why), "not cpu 0, where the kernel's own work lands");
    if (state->wish->nic_node >= 0)
        plan_add(line->why, sizeof(line->why),
                 at->node == state->wish->nic_node ? "on the node %d of %s"
                                                   : "NOT on the node %d of %s",
                 state->wish->nic_node, state->wish->nic ? state->wish->nic : "the card");
    if (state->first >= 0 && at->l3 >= 0)
        plan_add(line->why, sizeof(line->why),
                 at->l3 == host->cpus[state->first].l3
                     ? "same L3 as the first, a hop is ~100 ns"
                     : "another L3 than the first, hops are dear");
    plan_add(line->why, sizeof(line->why),
             cpulist_has(&host->isolated, line->cpu) ? "isolated" : "not isolated");
    if (at->irq_count > 2 * state->irq_average + 1000)
        plan_add(line->why, sizeof(line->why), "takes more interrupts than others: move them");
}

static void plan_take(struct plan_state *state, struct plan_line *line)
{
    line->cpu = plan_best(state);
    plan_why(state, line);
    cpulist_add(&state->plan->hot, line->cpu);
    if (state->first < 0)
        state->first = (int32_t)line->cpu;
}

/* SNAP and RECLAIM share a cpu with the rest of the machine: the first that no hot one has. */
static void plan_slow(struct plan_state *state, struct plan_line *line)
{
    struct cpulist rest = cpulist_without(&state->host->online, &state->plan->hot);
    struct cpulist calm = cpulist_without(&rest, &state->plan->spare);

    if (!cpulist_is_empty(&calm))
        rest = calm;
    line->cpu = cpulist_next(&rest, 0);
    if (line->cpu < CPULIST_MAX) {
        plan_add(line->why, sizeof(line->why),
                 "may block, is asleep mostly: with the system's own work, off the hot cores");
        return;
    }
    line->cpu = (uint32_t)state->first;
    plan_add(line->why, sizeof(line->why), "there is no other cpu: snapshots will delay requests");
}

/* One line a worker; the roles in the order of the drawing. */
static void plan_lines(struct plan *plan, const struct config *config)
{
    for (int role = 0; role < TOPOLOGY_ROLE_COUNT; role++) {
        if (!topology_has_role(config, (enum topology_role)role))
            continue;
        for (uint32_t i = 0; i < (role == TOPOLOGY_NET ? plan->net_count : 1); i++) {
            uint32_t worker = topology_worker(config, (enum topology_role)role, i), at = 0;
            while (at < plan->line_count && plan->lines[at].worker != worker)
                at++;
            CHECK(at < PLAN_LINES_MAX);
            struct plan_line *line = &plan->lines[at];
            plan->line_count += at == plan->line_count;
            line->worker = worker;
            line->slow = role == TOPOLOGY_SNAP || role == TOPOLOGY_RECLAIM;
            size_t used = strlen(line->roles);
            snprintf(line->roles + used, sizeof(line->roles) - used, "%s%s", used ? " " : "",
                     topology_roles[role].name);
            used = strlen(line->roles);
            if (role == TOPOLOGY_NET)
                snprintf(line->roles + used, sizeof(line->roles) - used, "%u", i);
        }
    }
}

/* Cores that hot workers may have to themselves: all but cpu 0's where there is another. */
static uint32_t plan_cores(const struct host *host)
{
    return host->core_count > 1 ? host->core_count - 1 : 1;
}

static int plan_choose_layout(const struct host *host, const struct plan_wish *wish,
                              struct plan *plan, struct fault *fault)
{
    uint32_t needed = wish->net_count + 3, cores = plan_cores(host);

    plan->layout = wish->layout == PLAN_TOGETHER || (wish->layout == PLAN_AUTO && cores < needed)
                       ? CONFIG_LAYOUT_TOGETHER
                       : CONFIG_LAYOUT_SPREAD;
    if (plan->layout == CONFIG_LAYOUT_SPREAD && cores < needed)
        return fault_set(fault, ERR_RANGE,
                         "the layout 'spread' with %u NET roles has %u hot threads, and this "
                         "machine has %u cores for them: take fewer NET roles, or 'together'",
                         wish->net_count, needed, cores);
    if (plan->layout == CONFIG_LAYOUT_SPREAD)
        snprintf(plan->layout_why, sizeof(plan->layout_why),
                 "%u hot threads (%u NET, CORE, DISK, APPLY) and %u cores for them", needed,
                 wish->net_count, cores);
    else
        snprintf(plan->layout_why, sizeof(plan->layout_why),
                 "%s: one thread runs all hot roles, and a request crosses no core",
                 wish->layout == PLAN_TOGETHER
                     ? "asked for"
                     : "fewer cores than the hot threads that 'spread' would have");
    return 0;
}

static void plan_choose_idle(const struct host *host, struct plan *plan)
{
    struct cpulist shared = cpulist_without(&plan->hot, &host->isolated);
    bool alone = cpulist_is_empty(&shared) && !host->virtual_machine;

    plan->idle = alone ? CONFIG_IDLE_SPIN : CONFIG_IDLE_HYBRID;
    snprintf(plan->idle_why, sizeof(plan->idle_why), "%s",
             alone ? "the hot cores are isolated: nobody else wants them, and a spinning core "
                     "answers soonest"
                   : "the hot cores are shared: a spinning thread would lose its time slice just "
                     "when it is needed (4 to 8 ms)");
}

int plan_make(const struct host *host, const struct plan_wish *wish, struct plan *plan,
              struct fault *fault)
{
    struct plan_state state = {host, wish, plan, -1, 0};
    static const struct config none;
    struct config config = none;

    CHECK(wish->net_count >= 1 && wish->net_count <= CONFIG_NET_MAX);
    memset(plan, 0, sizeof(*plan));
    int err = plan_choose_layout(host, wish, plan, fault);
    if (err)
        return err;
    plan->net_count = wish->net_count;
    plan->is_intel = strncmp(host->model, "Intel", 5) == 0;
    config.layout = plan->layout;
    config.net_count = wish->net_count;
    config.ensemble_standalone = !wish->peers;
    config.servers.count = wish->peers ? 2 : 0;
    plan_lines(plan, &config);
    for (uint32_t cpu = 0; cpu < CPULIST_MAX; cpu++)
        state.irq_average += host->cpus[cpu].irq_count;
    state.irq_average /= cpulist_count(&host->online);
    for (uint32_t i = 0; i < plan->line_count; i++)
        if (!plan->lines[i].slow)
            plan_take(&state, &plan->lines[i]);
    for (uint32_t cpu = cpulist_next(&plan->hot, 0); cpu < CPULIST_MAX;
         cpu = cpulist_next(&plan->hot, cpu + 1))
        plan->spare = cpulist_or(&plan->spare, &host->cpus[cpu].siblings);
    plan->spare = cpulist_without(&plan->spare, &plan->hot);
    plan->rest = cpulist_without(&host->online, &plan->hot);
    for (uint32_t i = 0; i < plan->line_count; i++)
        if (plan->lines[i].slow)
            plan_slow(&state, &plan->lines[i]);
    plan_choose_idle(host, plan);
    return 0;
}

/* The cpu of the line that has this worker. */
static uint32_t plan_cpu(const struct plan *plan, const struct config *config,
                         enum topology_role role, uint32_t net)
{
    for (uint32_t i = 0; i < plan->line_count; i++)
        if (plan->lines[i].worker == topology_worker(config, role, net))
            return plan->lines[i].cpu;
    return 0;
}

void plan_config(const struct plan *plan, struct config *config)
{
    config->layout = plan->layout;
    config->net_count = plan->net_count;
    for (int role = 0; role < TOPOLOGY_ROLE_COUNT; role++) {
        struct config_cpus *to =
            (struct config_cpus *)((char *)config + topology_roles[role].cpus_offset);
        bool net = role == TOPOLOGY_NET;
        if (role == TOPOLOGY_PEER) /* on NET's list */
            continue;
        bool spread = plan->layout == CONFIG_LAYOUT_SPREAD;
        to->count = net && spread ? plan->net_count : net || spread;
        for (uint32_t i = 0; i < to->count; i++)
            to->cpu[i] = (uint16_t)plan_cpu(plan, config, (enum topology_role)role, i);
    }
}

struct cpulist plan_of_config(const struct config *config)
{
    struct cpulist hot = {0};
    for (int role = 0; role < TOPOLOGY_ROLE_COUNT; role++) {
        if (role == TOPOLOGY_SNAP || role == TOPOLOGY_RECLAIM)
            continue;
        const struct config_cpus *cpus =
            (const struct config_cpus *)((const char *)config + topology_roles[role].cpus_offset);
        if (config->layout == CONFIG_LAYOUT_TOGETHER && role != TOPOLOGY_NET)
            continue; /* only the first of NET's list counts */
        for (uint32_t i = 0; i < cpus->count; i++)
            cpulist_add(&hot, cpus->cpu[i]);
    }
    return hot;
}

void plan_boot_line(const struct plan *plan, char *out, size_t size)
{
    char hot[256], rest[256];
    cpulist_print(&plan->hot, hot, sizeof(hot));
    cpulist_print(&plan->rest, rest, sizeof(rest));
    snprintf(out, size,
             "isolcpus=managed_irq,domain,%s nohz_full=%s rcu_nocbs=%s irqaffinity=%s "
             "%snosoftlockup tsc=reliable",
             hot, hot, hot, rest, plan->is_intel ? "intel_pstate=disable " : "");
}
