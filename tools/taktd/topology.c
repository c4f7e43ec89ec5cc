#include "tools/taktd/topology.h"

#include "base/check.h"
#include "base/link.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>

#define TOPOLOGY_REQUEST_EXTRA 4096u /* command header, and what a link puts before it */

/* Together: one thread runs everything hot, and a second, mostly asleep, what may block. */
enum { HOT = 0, SLOW = 1, OF_CORE = 2, OF_DISK = 3, OF_APPLY = 4 };

const struct topology_role_text topology_roles[TOPOLOGY_ROLE_COUNT] = {
    [TOPOLOGY_PEER] = {"peer", {HOT, TOPOLOGY_WORKER_NET}, offsetof(struct config, cpus_net)},
    [TOPOLOGY_NET] = {"net", {HOT, TOPOLOGY_WORKER_NET}, offsetof(struct config, cpus_net)},
    [TOPOLOGY_CORE] = {"core", {HOT, OF_CORE}, offsetof(struct config, cpus_core)},
    [TOPOLOGY_DISK] = {"disk", {HOT, OF_DISK}, offsetof(struct config, cpus_disk)},
    [TOPOLOGY_APPLY] = {"apply", {HOT, OF_APPLY}, offsetof(struct config, cpus_apply)},
    [TOPOLOGY_SNAP] = {"snap", {SLOW, SLOW}, offsetof(struct config, cpus_snap)},
    [TOPOLOGY_RECLAIM] = {"reclaim", {SLOW, SLOW}, offsetof(struct config, cpus_ctl)},
};

/* HOLD edges: NET waits for CORE, CORE for APPLY (core_apply, log tail), APPLY for NET (apply_net).
 * They close no cycle of waiting: a NET always drains apply_net up to what is published, whatever
 * holds its own requests back, and CORE always drains apply_core and disk_core. */
const struct topology_link_text topology_links[TOPOLOGY_LINK_COUNT] = {
    [TOPOLOGY_NET_CORE] = {"net_core", TOPOLOGY_NET, TOPOLOGY_CORE, 4u << 20, true, TOPOLOGY_HOLD,
                           true, false, "writes, session commands, queries, signs of life"},
    [TOPOLOGY_CORE_APPLY] = {"core_apply", TOPOLOGY_CORE, TOPOLOGY_APPLY, 4u << 20, true,
                             TOPOLOGY_HOLD, false, false, "commit index, queries, refusals"},
    [TOPOLOGY_APPLY_NET] = {"apply_net", TOPOLOGY_APPLY, TOPOLOGY_NET, 4u << 20, false,
                            TOPOLOGY_HOLD, true, false, "changes and replies, in zxid order"},
    [TOPOLOGY_APPLY_CORE] = {"apply_core", TOPOLOGY_APPLY, TOPOLOGY_CORE, 1u << 20, false,
                             TOPOLOGY_HOLD, false, false,
                             "sessions born and gone, paths to reap, snapshots done"},
    [TOPOLOGY_CORE_DISK] = {"core_disk", TOPOLOGY_CORE, TOPOLOGY_DISK, 16384, false, TOPOLOGY_NEVER,
                            false, false,
                            "one batch of the log tail at a time; where the log may be cut"},
    [TOPOLOGY_DISK_CORE] = {"disk_core", TOPOLOGY_DISK, TOPOLOGY_CORE, 4096, false, TOPOLOGY_NEVER,
                            false, false, "what is durable, how much room there is"},
    [TOPOLOGY_APPLY_CTL] = {"apply_ctl", TOPOLOGY_APPLY, TOPOLOGY_RECLAIM, 4096, false,
                            TOPOLOGY_HOLD, false, false,
                            "replaced versions that wait for a grace period"},
    [TOPOLOGY_CTL_APPLY] = {"ctl_apply", TOPOLOGY_RECLAIM, TOPOLOGY_APPLY, 4096, false,
                            TOPOLOGY_NEVER, false, false, "the same, free to be reused"},
    [TOPOLOGY_CORE_PEER] = {"core_peer", TOPOLOGY_CORE, TOPOLOGY_PEER, 4u << 20, true,
                            TOPOLOGY_DROP, false, true, "messages to other members"},
    [TOPOLOGY_PEER_CORE] = {"peer_core", TOPOLOGY_PEER, TOPOLOGY_CORE, 4u << 20, true,
                            TOPOLOGY_DROP, false, true, "messages of other members"},
};

bool topology_has_role(const struct config *config, enum topology_role role)
{
    return role != TOPOLOGY_PEER || config_is_ensemble(config);
}

bool topology_has_link(const struct config *config, enum topology_link which)
{
    return !topology_links[which].peers || config_is_ensemble(config);
}

uint64_t topology_depth(const struct config *config, enum topology_link which)
{
    uint64_t depth = topology_links[which].depth;

    while (topology_links[which].requests &&
           link_record_size_max(depth) < config->request_size_max + TOPOLOGY_REQUEST_EXTRA)
        depth *= 2;
    return depth;
}

uint32_t topology_worker(const struct config *config, enum topology_role role, uint32_t net)
{
    CHECK(config->layout <= CONFIG_LAYOUT_SPREAD);
    uint32_t worker = topology_roles[role].worker[config->layout];
    if (role == TOPOLOGY_NET && config->layout == CONFIG_LAYOUT_SPREAD)
        worker += net;
    CHECK(worker < TOPOLOGY_WORKER_MAX);
    return worker;
}

bool topology_direct(const struct config *config, enum topology_link which)
{
    const struct topology_link_text *text = &topology_links[which];
    return topology_has_link(config, which) && (!text->per_net || config->net_count == 1) &&
           topology_worker(config, text->producer, 0) == topology_worker(config, text->consumer, 0);
}

int topology_cpu(const struct config *config, enum topology_role role, uint32_t net)
{
    const struct config_cpus *cpus =
        (const struct config_cpus *)((const char *)config + topology_roles[role].cpus_offset);
    uint32_t at = role == TOPOLOGY_NET ? net : 0;
    return at < cpus->count ? cpus->cpu[at] : -1;
}

/* ---- what a worker does without work ------------------------------------------------------------
 */

static const char *const topology_idle_names[] = {"spin", "pause", "yield", "park", "hybrid"};

#define TOPOLOGY_IDLE_COUNT (sizeof(topology_idle_names) / sizeof(topology_idle_names[0]))

/* Reads "net1-spin" (or "net-spin": each NET). Returns false when it is no such thing. */
static bool topology_idle_word(const struct config *config, const char *word, uint32_t *worker,
                               uint32_t *last, enum config_idle *idle)
{
    const char *dash = strchr(word, '-');
    size_t i = 0, n = dash ? (size_t)(dash - word) : 0;

    while (dash && i < TOPOLOGY_IDLE_COUNT && strcmp(topology_idle_names[i], dash + 1) != 0)
        i++;
    if (!dash || i == TOPOLOGY_IDLE_COUNT)
        return false;
    *idle = (enum config_idle)i;
    for (int role = 0; role < TOPOLOGY_SNAP; role++) {
        size_t size = strlen(topology_roles[role].name);
        bool net = role == TOPOLOGY_NET && n == size + 1 && word[size] >= '0' && word[size] <= '9';
        if (strncmp(word, topology_roles[role].name, size) != 0 || (n != size && !net))
            continue;
        uint32_t first = net ? (uint32_t)(word[size] - '0') : 0;
        if (first >= config->net_count || !topology_has_role(config, (enum topology_role)role))
            return false;
        *worker = topology_worker(config, (enum topology_role)role, first);
        *last = role == TOPOLOGY_NET && !net
                    ? topology_worker(config, TOPOLOGY_NET, config->net_count - 1)
                    : *worker;
        return true;
    }
    return false;
}

enum config_idle topology_idle(const struct config *config, uint32_t worker)
{
    enum config_idle found = (enum config_idle)config->idle, idle;
    uint32_t first, last;

    for (uint32_t i = 0; i < config->idle_of.count; i++)
        if (topology_idle_word(config, config->idle_of.word[i], &first, &last, &idle) &&
            worker >= first && worker <= last)
            found = idle;
    return found;
}

static int topology_check_idles(const struct config *config, struct fault *fault)
{
    enum config_idle idle, other;
    uint32_t first, last, from, to;

    for (uint32_t i = 0; i < config->idle_of.count; i++) {
        const char *word = config->idle_of.word[i];
        if (!topology_idle_word(config, word, &first, &last, &idle))
            return fault_set(fault, ERR_CONFIG,
                             "roles.idles: '%s' is not a role of this node and what it does "
                             "without work: net-spin, net1-park, core-hybrid, disk-yield (snap and "
                             "reclaim may block, so they always park)",
                             word);
        for (uint32_t k = 0; k < i; k++)
            if (topology_idle_word(config, config->idle_of.word[k], &from, &to, &other) &&
                other != idle && from <= last && first <= to)
                return fault_set(fault, ERR_CONFIG,
                                 "roles.idles: '%s' and '%s' are for one thread (layout %s)",
                                 config->idle_of.word[k], word,
                                 config->layout == CONFIG_LAYOUT_TOGETHER ? "together" : "spread");
    }
    return 0;
}

static bool topology_spins(enum config_idle idle)
{
    return idle == CONFIG_IDLE_SPIN || idle == CONFIG_IDLE_PAUSE;
}

/* Workers that never let their core go: no more than cores, and no two on one. */
static int topology_check_spinners(const struct config *config, const cpu_set_t *mine,
                                   struct fault *fault)
{
    bool seen[TOPOLOGY_WORKER_MAX] = {false};
    const char *by_cpu[CPU_SETSIZE] = {NULL};
    uint32_t count = 0, cores = (uint32_t)CPU_COUNT(mine);

    for (int role = 0; role < TOPOLOGY_SNAP; role++) {
        uint32_t instances = role == TOPOLOGY_NET ? config->net_count : 1;
        for (uint32_t i = 0; topology_has_role(config, (enum topology_role)role) && i < instances;
             i++) {
            uint32_t worker = topology_worker(config, (enum topology_role)role, i);
            int cpu = topology_cpu(config, (enum topology_role)role, i);
            if (seen[worker] || !topology_spins(topology_idle(config, worker)))
                continue;
            seen[worker] = true;
            count++;
            if (cpu >= 0 && cpu < CPU_SETSIZE && by_cpu[cpu])
                return fault_set(fault, ERR_CONFIG,
                                 "the threads of %s and %s would both spin on cpu %d, and each "
                                 "would wait for the other's time slices: give them cpus of their "
                                 "own (takt cores plan), or idle 'hybrid'",
                                 by_cpu[cpu], topology_roles[role].name, cpu);
            if (cpu >= 0 && cpu < CPU_SETSIZE)
                by_cpu[cpu] = topology_roles[role].name;
        }
    }
    if (count > cores)
        return fault_set(fault, ERR_CONFIG,
                         "%u workers would spin on %u cores, and each would wait for the others' "
                         "time slices: choose the layout 'together', or idle 'hybrid' or 'park'",
                         count, cores);
    return 0;
}

int topology_check(const struct config *config, struct fault *fault)
{
    cpu_set_t mine;

    CPU_ZERO(&mine);
    CHECK(sched_getaffinity(0, sizeof(mine), &mine) == 0);
    int err = topology_check_idles(config, fault);
    if (!err)
        err = topology_check_spinners(config, &mine, fault);
    if (err)
        return err;
    for (int role = 0; role < TOPOLOGY_ROLE_COUNT; role++) {
        if (!topology_has_role(config, (enum topology_role)role))
            continue;
        uint32_t instances = role == TOPOLOGY_NET ? config->net_count : 1;
        for (uint32_t i = 0; i < instances; i++) {
            int cpu = topology_cpu(config, role, i);
            if (cpu >= 0 && !CPU_ISSET(cpu, &mine))
                return fault_set(fault, ERR_CONFIG,
                                 "role %s is to run on cpu %d, which this process may not use",
                                 topology_roles[role].name, cpu);
        }
    }
    return 0;
}
