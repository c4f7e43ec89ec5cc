#include "tools/taktd/topology.h"

#include "base/check.h"
#include "base/link.h"

#include <sched.h>
#include <stddef.h>

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

int topology_cpu(const struct config *config, enum topology_role role, uint32_t net)
{
    const struct config_cpus *cpus =
        (const struct config_cpus *)((const char *)config + topology_roles[role].cpus_offset);
    uint32_t at = role == TOPOLOGY_NET ? net : 0;
    return at < cpus->count ? cpus->cpu[at] : -1;
}

static uint32_t topology_workers_hot(const struct config *config)
{
    return config->layout == CONFIG_LAYOUT_TOGETHER ? 1 : config->net_count + 3;
}

int topology_check(const struct config *config, struct fault *fault)
{
    bool spins = config->idle == CONFIG_IDLE_SPIN || config->idle == CONFIG_IDLE_PAUSE;
    cpu_set_t mine;

    CPU_ZERO(&mine);
    CHECK(sched_getaffinity(0, sizeof(mine), &mine) == 0);
    uint32_t cores = (uint32_t)CPU_COUNT(&mine), hot = topology_workers_hot(config);
    if (spins && hot > cores)
        return fault_set(fault, ERR_CONFIG,
                         "%u workers would spin on %u cores, and each would wait for the others' "
                         "time slices: choose the layout 'together', or idle 'hybrid' or 'park'",
                         hot, cores);
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
