/* plan: which worker of a node runs on which cpu of this machine, and why. Pure: a host and wishes
 * in, lines out.
 *
 *   host ──┐                        ┌─▶ a line a worker: roles, cpu, reason
 *          ├─▶ layout ─▶ one cpu ───┼─▶ hot: cpus that are to be alone; rest: everybody else's
 *   wish ──┘            a worker    └─▶ spare: siblings of hot ones, to be left empty
 *
 * Each choice takes the cpu with the least against it (plan.c: a table of weights): no thread of a
 * core already taken, not cpu 0, isolated if anything is, the NIC's node, the first one's cache,
 * few interrupts. */
#pragma once

#include "base/say.h"
#include "tools/host/host.h"
#include "tools/taktd/config.h"

#define PLAN_LINES_MAX (CONFIG_NET_MAX + 4)

enum plan_layout { PLAN_AUTO, PLAN_TOGETHER, PLAN_SPREAD };

struct plan_wish {
    uint32_t net_count; /* 1..CONFIG_NET_MAX */
    enum plan_layout layout;
    bool peers;       /* the node is in an ensemble */
    int32_t nic_node; /* NUMA node of its network card; -1: none, or not known */
    const char *nic;  /* its name, for the reasons; NULL: none */
};

struct plan_line {
    char roles[96];  /* "net0 peer" */
    uint32_t worker; /* as topology_worker numbers them */
    bool slow;       /* may block: SNAP and RECLAIM; not on a cpu of its own */
    uint32_t cpu;
    char why[320];
};

struct plan {
    uint32_t net_count;
    enum config_layout layout;
    enum config_idle idle;
    char layout_why[256], idle_why[256];
    uint32_t line_count;
    struct plan_line lines[PLAN_LINES_MAX];
    struct cpulist hot, spare, rest;
    bool is_intel;
};

/* plan_make proposes a layout. Returns 0; ERR_RANGE: spread was asked for and there are fewer
 * cores than workers, with a sentence. */
MUST_USE int plan_make(const struct host *host, const struct plan_wish *wish, struct plan *plan,
                       struct fault *fault);

/* plan_config writes what the plan says into a configuration: roles.layout, nets, cpus. Not
 * roles.idle: spinning on cores that are not isolated (yet, or any more) is worse than parking. */
void plan_config(const struct plan *plan, struct config *config);

/* plan_of_config reads the hot cpus that a configuration names. The empty set: it pins nothing. */
struct cpulist plan_of_config(const struct config *config);

/* plan_boot_line writes the kernel options that only a boot can set, for these hot cpus. */
void plan_boot_line(const struct plan *plan, char *out, size_t size);
