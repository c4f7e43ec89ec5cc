/* Which worker turns which role, and who wakes whom: topology.c made real. */
#include "tools/taktd/node_parts.h"

#include "base/check.h"
#include "dataplane/qsbr.h"

#include <stdio.h>

/* Where the role is shown, and its turns are counted. */
static struct node_page_role *node_role_slot(struct node *node, struct role *role, uint32_t index)
{
    CHECK(node->page->role_count < NODE_PAGE_ROLES);
    struct node_page_role *slot = &node->page->roles[node->page->role_count++];
    snprintf(slot->name, sizeof(slot->name), "%s", role->name);
    slot->index = index;
    role->turns = &slot->turns;
    return slot;
}

static int node_role_add(struct node *node, enum topology_role which, uint32_t index,
                         struct role role, struct fault *fault)
{
    uint32_t number = topology_worker(node->config, which, index);
    struct worker *worker = &node->workers[number];

    CHECK(node->role_count < NODE_ROLES_MAX);
    role.name = topology_roles[which].name;
    struct node_page_role *slot = node_role_slot(node, &role, index);
    node->roles[node->role_count++] = role;
    if (!node->env.threads)
        return 0;
    if (!node->worker_used[number]) {
        /* what may block is never worth a core of its own */
        bool slow = which == TOPOLOGY_SNAP || which == TOPOLOGY_RECLAIM;
        enum worker_idle idle = slow ? WORKER_IDLE_PARK
                                     : (enum worker_idle)topology_idle(node->config, number);
        int err = worker_init(worker, slow ? "slow" : role.name, idle,
                              topology_cpu(node->config, which, index));
        if (err)
            return fault_set(fault, err, "no descriptors left for a worker");
        worker->linger_ns = node->config->linger_us * 1000ull;
        node->worker_used[number] = true;
    }
    snprintf(slot->worker, sizeof(slot->worker), "%s", worker->name);
    slot->idle = worker->idle;
    atomic_store_explicit(&slot->cpu, worker->cpu, memory_order_relaxed);
    int err = worker_role_add(worker, &role);
    return err ? fault_set(fault, err, "too many roles on one worker") : 0;
}

static void node_reader_online(void *self)
{
    qsbr_online();
}

static void node_reader_offline(void *self)
{
    qsbr_offline();
}

/* First who brings something in (peers, disk, clients), then who works on it, so that one turn
 * takes it as far as it goes; the finishes send what came of it: to peers before to the disk, which
 * is slower, and the answers to clients last. */
int node_roles_add(struct node *node, struct fault *fault)
{
    int err = 0;

    if (topology_has_role(node->config, TOPOLOGY_PEER))
        err = node_role_add(node, TOPOLOGY_PEER, 0,
                            (struct role){.self = &node->peers->peer,
                                          .poll = peer_poll,
                                          .finish = peer_finish,
                                          .idle = peer_idle,
                                          .deadline_ns = peer_deadline_ns,
                                          .park_fds = peer_park_fds},
                            fault);
    if (!err)
        err = node_role_add(node, TOPOLOGY_DISK, 0,
                            (struct role){.self = &node->disk,
                                          .poll = role_disk_poll,
                                          .finish = role_disk_finish,
                                          .idle = role_disk_idle,
                                          .deadline_ns = role_disk_deadline_ns,
                                          .park_fds = role_disk_park_fds},
                            fault);
    for (uint32_t i = 0; !err && i < node->config->net_count; i++)
        err = node_role_add(node, TOPOLOGY_NET, i,
                            (struct role){.self = &node->nets[i],
                                          .poll = net_poll,
                                          .finish = net_finish,
                                          .idle = net_idle,
                                          .deadline_ns = net_deadline_ns,
                                          .park_fds = net_park_fds,
                                          .wait = node->nets[i].beat ? NULL : net_wait,
                                          .online = net_online,
                                          .offline = net_offline},
                            fault);
    if (!err)
        err = node_role_add(node, TOPOLOGY_CORE, 0,
                            (struct role){.self = &node->core,
                                          .poll = role_core_poll,
                                          .idle = role_core_idle,
                                          .deadline_ns = role_core_deadline_ns},
                            fault);
    if (!err)
        err = node_role_add(node, TOPOLOGY_APPLY, 0,
                            (struct role){.self = &node->apply,
                                          .poll = role_apply_poll,
                                          .idle = role_apply_idle,
                                          .deadline_ns = role_apply_deadline_ns},
                            fault);
    if (!err)
        err = node_role_add(node, TOPOLOGY_SNAP, 0,
                            (struct role){.self = &node->snap,
                                          .poll = role_snap_poll,
                                          .idle = role_snap_idle,
                                          .online = node_reader_online,
                                          .offline = node_reader_offline},
                            fault);
    if (!err)
        err = node_role_add(node, TOPOLOGY_RECLAIM, 0,
                            (struct role){.self = &node->reclaim,
                                          .poll = role_reclaim_poll,
                                          .idle = role_reclaim_idle},
                            fault);
    return err;
}

static bool node_core_take(void *self, const void *record, uint32_t size)
{
    struct node *node = self;
    return core_take(&node->core, record, size, node->nets[0].now);
}

void node_wire_direct(struct node *node)
{
    if (topology_direct(node->config, TOPOLOGY_NET_CORE))
        link_direct(node_link(node, TOPOLOGY_NET_CORE, 0), node_core_take, node);
    if (topology_direct(node->config, TOPOLOGY_CORE_APPLY))
        link_direct(node_link(node, TOPOLOGY_CORE_APPLY, 0), role_apply_take, &node->apply);
    if (!topology_direct(node->config, TOPOLOGY_APPLY_NET))
        return;
    link_direct(node_link(node, TOPOLOGY_APPLY_NET, 0), net_take, &node->nets[0]);
    node->apply.watch_count = &node->nets[0].watches.count;
}

static struct worker *node_worker(struct node *node, enum topology_role role, uint32_t net)
{
    return &node->workers[topology_worker(node->config, role, net)];
}

/* Whoever produces for a role of another worker wakes that worker. A producer that waits for room
 * is not idle and does not park, so nobody need wake it. */
int node_wire_wakes(struct node *node, struct fault *fault)
{
    struct worker *apply = node_worker(node, TOPOLOGY_APPLY, 0);
    struct worker *snap = node_worker(node, TOPOLOGY_SNAP, 0);
    int err = worker_downstream_add(apply, snap, &node->snap.state);

    if (!err)
        err = worker_downstream_add(snap, apply, &node->snap.state);
    for (int which = 0; !err && which < TOPOLOGY_LINK_COUNT; which++) {
        const struct topology_link_text *text = &topology_links[which];
        if (!topology_has_link(node->config, (enum topology_link)which))
            continue;
        for (uint32_t i = 0; !err && i < (text->per_net ? node->config->net_count : 1); i++)
            err = worker_downstream_add(node_worker(node, text->producer, i),
                                        node_worker(node, text->consumer, i),
                                        &node_link(node, (enum topology_link)which, i)->head);
    }
    /* On the dpdk port any NET may receive what is for PEER. */
    for (uint32_t i = 0; !err && node->peers && i < node->config->net_count; i++) {
        const _Atomic uint64_t *published = datagram_published(node->peers->port, i);
        if (published)
            err = worker_downstream_add(node_worker(node, TOPOLOGY_NET, i),
                                        node_worker(node, TOPOLOGY_PEER, 0), published);
    }
    return err ? fault_set(fault, err, "too many workers are joined by links") : 0;
}
