/* host: what this machine is, as far as the placing of roles cares: its cpus with package, core,
 * NUMA node and last-level cache, which of them are isolated and from what, and how many interrupts
 * each has taken. Read once from /proc and /sys of a sysroot; plain data afterwards.
 *
 * sysfs is read directly, without hwloc: five small files a cpu hold all of it, the isolated sets
 * and the interrupts are not in hwloc, and a test shows any machine by a tree of files. */
#pragma once

#include "tools/host/cpulist.h"
#include "tools/host/sysroot.h"

#include <stdbool.h>
#include <stdint.h>

#define HOST_NODES_MAX 64

struct host_cpu {
    int32_t package, core, node; /* -1: the kernel does not say */
    int32_t l3;                  /* lowest cpu of those that share the last-level cache; -1 */
    uint64_t irq_count;          /* interrupts of devices since boot */
    uint64_t tick_count;         /* of the local timer */
    struct cpulist siblings;     /* hardware threads of the same core, itself included */
};

struct host {
    struct sysroot root;
    struct cpulist online;
    struct cpulist allowed;   /* for this process */
    struct cpulist boot;      /* isolcpus= */
    struct cpulist partition; /* cgroup v2 isolated partitions */
    struct cpulist isolated;  /* both of them */
    struct cpulist nohz_full;
    struct cpulist rcu_nocbs;
    uint32_t package_count, node_count, core_count;
    struct cpulist nodes[HOST_NODES_MAX];
    bool virtual_machine;
    bool smt; /* some core has more than one online thread */
    char model[96];
    struct host_cpu cpus[CPULIST_MAX];
};

/* host_read fills *host from root (borrowed). What is not there stays empty. Returns 0, or
 * ERR_NOTFOUND: no cpus below this root. */
MUST_USE int host_read(struct host *host, struct sysroot root);

/* host_interrupts reads only irq_count and tick_count again, from another root if need be. */
void host_interrupts(struct host *host, struct sysroot root);

/* host_word asks whether a blank-separated word stands in a text: a flag of /proc/cpuinfo, an
 * option of the boot line. */
bool host_word(const char *text, const char *word);

/* host_option finds "name=" on the boot line and copies its value. Returns false when absent. */
bool host_option(const struct sysroot *root, const char *name, char *out, size_t size);
