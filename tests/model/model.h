/* model: what a standalone ZooKeeper answers, told as simply as possible: the ordered stream of
 * commands in, for each the reply, the zxid and the changes that watches see. Written from
 * zk_protocol.md alone, it shares no code with store/; of base/ it uses the record structs, the
 * numbers and the cursors. Linear search, whole-state copies, nothing is fast.
 *
 * Used by the unit test that runs random programs beside the state machine, and by the simulator,
 * which replays the committed commands and compares every answer. What it does not know: the memory
 * limit, and the order in which a closing session's ephemerals go (it takes the order of paths). */
#pragma once

#include "base/jute.h"
#include "base/membership.h"
#include "base/messages.h"
#include "base/zk.h"

#include <stdbool.h>
#include <stdint.h>

struct model;

struct model_config {
    bool extended_types, enforce_quota, skip_acl, reconfig_enabled;
    int64_t container_unused_ms;
    uint32_t session_count_max;
    bool standalone;
};

/* Who belongs to the ensemble, and the change that is asked for or under way. */
struct model_members {
    struct membership now, next; /* next: while a joint one is in force */
    int64_t version;             /* of now: the zxid of its entry; -1: none */
    bool pending;                /* a client waits for `wanted` */
    struct membership wanted;
    struct command who;
};

/* A node as it is stored. */
struct model_node {
    struct bytes path, data, acl; /* acl: the wire's vector */
    int64_t czxid, mzxid, pzxid, ctime_ms, mtime_ms;
    int64_t owner; /* 0, a session, or a mark of base/zk.h */
    int32_t version, aversion, creations, child_count;
};

struct model_change {
    uint32_t event; /* enum zk_event: CREATED, DELETED, DATA_CHANGED */
    struct bytes path;
};

/* What a command brought. Lent until the next call. */
struct model_result {
    bool answered; /* false: a repeat, or a command nobody is told about */
    bool again;    /* COMMAND_ONCE: nothing was done: answered as before, or not at all */
    int32_t error;
    int64_t zxid; /* the last consumed, as the reply carries it */
    struct bytes body;
    const struct model_change *changes;
    uint32_t change_count;
    int64_t session;             /* OPEN, ATTACH: which; 0 when refused */
    uint32_t attach;             /* OPEN, ATTACH */
    bool session_gone;           /* closed or expired by this command */
    const struct command *whose; /* answered: an earlier request, not this command; NULL: this */
};

struct model *model_create(const struct model_config *config);
void model_destroy(struct model *model);

/* model_apply takes the next committed command; body has command->body_size bytes. */
const struct model_result *model_apply(struct model *model, uint64_t term,
                                       const struct command *command, const uint8_t *body);
/* model_query answers sync and getEphemerals (paths in the order of creation). */
const struct model_result *model_query(struct model *model, const struct command *command,
                                       const uint8_t *body);

/* ---- the present state ---- */
const struct model_node *model_find(const struct model *model, struct bytes path);
uint32_t model_node_count(const struct model *model);
const struct model_node *model_node_at(const struct model *model, uint32_t index);
void model_stat(const struct model_node *node, struct zk_stat *stat);
int64_t model_zxid(const struct model *model);
/* model_members: lent until the next command. */
const struct model_members *model_members(const struct model *model);
/* model_allows: may the session's present identities do this to the node? */
bool model_allows(const struct model *model, int64_t session, const struct model_node *node,
                  int32_t perm);
