/* topology: the drawing of ARCHITECTURE.md as data. Which roles there are, which worker (thread)
 * each runs on in each layout, and which links join them, how deep, and what happens when one is
 * full. node.c builds what stands here; nothing in a role knows it. */
#pragma once

#include "tools/taktd/config.h"

#include <stdbool.h>
#include <stdint.h>

enum topology_role {
    TOPOLOGY_PEER, /* only with peers; on the worker of NET 0, whose device queue it shares */
    TOPOLOGY_NET,
    TOPOLOGY_CORE,
    TOPOLOGY_DISK,
    TOPOLOGY_APPLY,
    TOPOLOGY_SNAP,    /* writes snapshots; may block in its turn */
    TOPOLOGY_RECLAIM, /* waits for RCU grace periods; may block in its turn */
    TOPOLOGY_ROLE_COUNT,
};

enum topology_full {
    TOPOLOGY_HOLD,   /* the producer stops polling its upstream link until there is room */
    TOPOLOGY_REFUSE, /* the client is answered with an error */
    TOPOLOGY_NEVER,  /* cannot fill: the producer has at most a few records in flight */
    TOPOLOGY_DROP,   /* the record is lost and counted: whoever needs it sends it again */
};

struct topology_role_text {
    const char *name;
    uint32_t worker[2];   /* by enum config_layout: TOGETHER, SPREAD. Same number = same thread.
                           * NET i of SPREAD runs on worker TOPOLOGY_WORKER_NET + i */
    uint32_t cpus_offset; /* of its struct config_cpus in struct config */
};

enum topology_link {
    TOPOLOGY_NET_CORE,
    TOPOLOGY_CORE_APPLY,
    TOPOLOGY_APPLY_NET,
    TOPOLOGY_APPLY_CORE,
    TOPOLOGY_CORE_DISK,
    TOPOLOGY_DISK_CORE,
    TOPOLOGY_APPLY_CTL,
    TOPOLOGY_CTL_APPLY,
    TOPOLOGY_CORE_PEER,
    TOPOLOGY_PEER_CORE,
    TOPOLOGY_LINK_COUNT,
};

struct topology_link_text {
    const char *name; /* producer_consumer */
    enum topology_role producer, consumer;
    uint64_t depth; /* bytes; the least, for those that carry requests */
    bool requests;  /* carries whole requests of clients */
    enum topology_full full;
    bool per_net; /* one for each NET role */
    bool peers;   /* only in a node with peers */
    const char *carries;
};

#define TOPOLOGY_WORKER_NET 8 /* first worker number of SPREAD's NET roles */
#define TOPOLOGY_WORKER_MAX (TOPOLOGY_WORKER_NET + CONFIG_NET_MAX)

extern const struct topology_role_text topology_roles[TOPOLOGY_ROLE_COUNT];
extern const struct topology_link_text topology_links[TOPOLOGY_LINK_COUNT];

/* topology_has says whether the node has that role, or link. */
bool topology_has_role(const struct config *config, enum topology_role role);
bool topology_has_link(const struct config *config, enum topology_link which);

/* topology_worker gives the number of the worker that runs a role (instance `net` of NET). */
uint32_t topology_worker(const struct config *config, enum topology_role role, uint32_t net);

/* topology_cpu gives the cpu configured for a role's instance, or -1: any. */
int topology_cpu(const struct config *config, enum topology_role role, uint32_t net);

/* topology_idle gives what a worker without work does: roles.idle, or what roles.idles says for one
 * of its roles. Assumes that topology_check found nothing. */
enum config_idle topology_idle(const struct config *config, uint32_t worker);

/* topology_direct says whether a link's records may be handed over in the call (link_direct): one
 * producer and one consumer, on one thread. */
bool topology_direct(const struct config *config, enum topology_link which);

/* topology_depth gives a link's depth in bytes: a request of the configured size must fit in those
 * that carry requests. */
uint64_t topology_depth(const struct config *config, enum topology_link which);

/* topology_check refuses what cannot run: more workers that never let their core go than cores, or
 * two of them on one; a cpu that this process may not use; roles.idles that it cannot read. Returns
 * 0 or ERR_CONFIG with what to change. */
MUST_USE int topology_check(const struct config *config, struct fault *fault);
