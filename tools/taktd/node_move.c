/* Which worker runs where, and moving one: for CTL. */
#include "tools/taktd/node_parts.h"

#include "base/check.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_MOVE_WAIT_NS NS_PER_S

/* Calls give with each role's instance and the number of its worker, until one says to stop. */
static bool node_move_each(const struct node *node,
                           bool (*give)(void *self, const char *name, uint32_t worker), void *self)
{
    char name[24];

    for (int role = 0; role < TOPOLOGY_ROLE_COUNT; role++) {
        uint32_t instances = role == TOPOLOGY_NET ? node->config->net_count : 1;
        for (uint32_t i = 0;
             topology_has_role(node->config, (enum topology_role)role) && i < instances; i++) {
            snprintf(name, sizeof(name), role == TOPOLOGY_NET ? "%s%u" : "%s",
                     topology_roles[role].name, i);
            if (give(self, name, topology_worker(node->config, (enum topology_role)role, i)))
                return true;
        }
    }
    return false;
}

struct node_move_names {
    uint32_t worker;
    char *to;
    size_t size;
};

static bool node_move_name(void *self, const char *name, uint32_t worker)
{
    struct node_move_names *names = self;
    size_t used = strlen(names->to);

    if (worker == names->worker)
        snprintf(names->to + used, names->size - used, "%s%s", used ? " " : "", name);
    return false;
}

static void node_move_describe(struct node *node, uint32_t worker, struct node_worker *to)
{
    struct node_move_names names = {worker, to->roles, sizeof(to->roles)};

    to->roles[0] = '\0';
    node_move_each(node, node_move_name, &names);
    to->idle = worker_idle_name(node->workers[worker].idle);
    to->cpu = atomic_load_explicit(&node->workers[worker].cpu_now, memory_order_relaxed);
}

bool node_worker_at(struct node *node, uint32_t i, struct node_worker *to)
{
    for (uint32_t worker = 0; worker < TOPOLOGY_WORKER_MAX; worker++) {
        if (!node->worker_used[worker] || i-- > 0)
            continue;
        node_move_describe(node, worker, to);
        return true;
    }
    return false;
}

struct node_move_search {
    const char *wanted;
    uint32_t worker;
};

static bool node_move_match(void *self, const char *name, uint32_t worker)
{
    struct node_move_search *search = self;

    search->worker = worker;
    return strcmp(name, search->wanted) == 0 ||
           (strcmp(name, "net0") == 0 && strcmp(search->wanted, "net") == 0);
}

/* Two that never sleep take each other's time slices, 3 to 4 ms each. */
static int node_move_alone(const struct node *node, uint32_t worker, int cpu, struct fault *fault)
{
    if (cpu < 0 || !worker_idle_spins(node->workers[worker].idle))
        return 0;
    for (uint32_t i = 0; i < TOPOLOGY_WORKER_MAX; i++)
        if (i != worker && node->worker_used[i] && worker_idle_spins(node->workers[i].idle) &&
            atomic_load_explicit(&node->workers[i].cpu_now, memory_order_relaxed) == cpu)
            return fault_set(fault, ERR_CONFIG,
                             "cpu %d has the thread %s, which spins as this one does: move that "
                             "one away first",
                             cpu, node->workers[i].name);
    return 0;
}

int node_move(struct node *node, const char *role, int cpu, struct node_worker *which,
              struct fault *fault)
{
    struct node_move_search search = {role, 0};

    if (!node_move_each(node, node_move_match, &search))
        return fault_set(fault, ERR_NOTFOUND, "this node has no role '%s'", role);
    CHECK(search.worker < TOPOLOGY_WORKER_MAX && node->worker_used[search.worker]);
    struct worker *worker = &node->workers[search.worker];
    int err = node_move_alone(node, search.worker, cpu, fault);
    if (err)
        return err;
    err = worker_move(worker, cpu, NODE_MOVE_WAIT_NS);
    if (which)
        node_move_describe(node, search.worker, which);
    switch (err) {
    case 0: say(SAY_INFO, "the thread of %s runs on cpu %d now (-1: any)", role, cpu); return 0;
    case ERR_BUSY:
        return fault_set(fault, err, "%s is in a long turn; it moves when that ends", role);
    case ERR_CLOSED: return fault_set(fault, err, "%s does not run", role);
    default:
        return fault_set(fault, err, "cpu %d is not there, or not for this process; %s stays", cpu,
                         role);
    }
}
